//! What the unit tests share: seeded randomness.

/// A small seeded generator (SplitMix64, Steele, Lea and Flood 2014); good enough to choose test
/// operations.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; `bound` must not be 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Runs `test` with `runs` different seeds and names the seed when it panics.
///
/// Seeds differ from run to run of the test binary, so that the space is searched over time;
/// `GEECACHE_TEST_SEED=N` repeats one.
pub(crate) fn with_seeds(runs: u64, test: impl Fn(&mut Random)) {
    struct Tell(u64);
    impl Drop for Tell {
        fn drop(&mut self) {
            if std::thread::panicking() {
                #[allow(clippy::print_stderr, reason = "the reader of the failure needs the seed")]
                {
                    eprintln!("to repeat: GEECACHE_TEST_SEED={}", self.0);
                }
            }
        }
    }
    let run = |seed: u64| {
        let _tell = Tell(seed);
        test(&mut Random::new(seed));
    };
    if let Some(seed) = std::env::var("GEECACHE_TEST_SEED").ok().and_then(|seed| seed.parse().ok())
    {
        return run(seed);
    }
    let start = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
    for i in 0..runs {
        run(start.wrapping_add(i.wrapping_mul(0x1_0000_0001)));
    }
}
