//! What the adaptive policy must reach on traffic of known shapes, next to exact LRU. Real traces
//! are measured with the `hits` command of the package in `benches/`.

use super::{cache, get, insert};
use crate::cache::{Accounting, Cache, Eviction};
use crate::testing::Random;

const REQUESTS: usize = 100_000;

/// Keys 0.. with the frequencies of Zipf's law, exponent 1.
struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(keys: usize) -> Self {
        let mut sum = 0.0;
        let next = |rank: usize| {
            sum += 1.0 / (rank + 1) as f64;
            sum
        };
        Self { sums: (0..keys).map(next).collect() }
    }

    fn draw(&self, random: &mut Random) -> u64 {
        let most = self.sums.last().copied().unwrap_or_default();
        let point = random.next() as f64 / u64::MAX as f64 * most;
        self.sums.partition_point(|&sum| sum < point) as u64
    }
}

const KEY_BYTES: u64 = 10;

/// The hit ratio in percent of a cache of `entries` entries that inserts on each miss.
fn hit_ratio(trace: &[u64], entries: u64, eviction: Eviction) -> f64 {
    let cache = cache(entries * KEY_BYTES, 1, eviction, Accounting::PayloadOnly);
    replay(&cache, trace, |_| 0)
}

/// The hit ratio in percent of `cache`, which is told each key that it misses with a value of
/// `value_bytes`.
fn replay(cache: &Cache, trace: &[u64], value_bytes: impl Fn(u64) -> usize) -> f64 {
    let value = "v".repeat(MAX_VALUE_BYTES);
    let before = cache.stats();
    for &number in trace {
        let key = format!("{number:010}");
        if cache.get(&key, || 0).is_none() {
            insert(cache, &key, &value[..value_bytes(number)]);
        }
    }
    let stats = cache.stats();
    assert_eq!(stats.hits + stats.misses - before.hits - before.misses, trace.len() as u64);
    100.0 * (stats.hits - before.hits) as f64 / trace.len() as f64
}

const MAX_VALUE_BYTES: usize = 8_192;

/// The bytes of a key's value: of 8 to 8,192, each power of two as often as any other.
fn mixed_bytes(key: u64) -> usize {
    8 << (Random::new(key).next() % 11)
}

/// Asserts that the adaptive policy is `margin` points above exact LRU, and above nine tenths of
/// the ratio once `recorded`.
#[track_caller]
fn assert_hits(trace: &[u64], entries: u64, margin: f64, recorded: f64) {
    let lru = hit_ratio(trace, entries, Eviction::Lru);
    let adaptive = hit_ratio(trace, entries, Eviction::Adaptive);
    let told = format!("adaptive {adaptive:.1} %, LRU {lru:.1} %, recorded {recorded:.1} %");
    assert!(adaptive >= lru + margin, "not {margin} above LRU: {told}");
    assert!(adaptive >= 0.9 * recorded, "{told}");
}

#[test]
fn on_static_zipf_frequency_is_better_than_recency() {
    let (zipf, mut random) = (Zipf::new(20_000), Random::new(1));
    let trace: Vec<u64> = (0..REQUESTS).map(|_| zipf.draw(&mut random)).collect();
    assert_hits(&trace, 1_000, 5.0, 67.9);
}

#[test]
fn of_a_loop_larger_than_the_cache_a_part_is_kept() {
    let trace: Vec<u64> = (0..1_000).cycle().take(REQUESTS).collect();
    assert_hits(&trace, 400, 25.0, 37.9);
}

#[test]
fn scans_do_not_wash_the_cache_out() {
    let (zipf, mut random) = (Zipf::new(20_000), Random::new(2));
    let mut scanned = 1_000_000..;
    let mut trace = Vec::with_capacity(REQUESTS);
    while trace.len() < REQUESTS {
        trace.extend((0..8_000).map(|_| zipf.draw(&mut random)));
        trace.extend(scanned.by_ref().take(4_000));
    }
    assert_hits(&trace, 2_000, 4.0, 47.7);
}

#[test]
fn a_hot_set_that_shifts_is_followed() {
    let (zipf, mut random) = (Zipf::new(5_000), Random::new(3));
    // Every 10,000 requests the favourites are other keys.
    let key = |i: usize| zipf.draw(&mut random) + (i / 10_000) as u64 * 500;
    let trace: Vec<u64> = (0..REQUESTS).map(key).collect();
    // Nothing is better than recency here, so the margin is what adapting may cost.
    assert_hits(&trace, 1_000, -5.0, 69.9);
}

#[test]
fn values_that_are_asked_for_twice_in_short_order_are_kept_for_the_second_time() {
    // Frequency tells nothing: each key comes twice, 300 requests apart, and never again.
    let trace: Vec<u64> =
        (0..REQUESTS as u64).map(|i| if i / 300 % 2 == 0 { i } else { i - 300 }).collect();
    assert_hits(&trace, 1_000, -10.0, 42.4);
}

#[test]
fn large_values_that_pass_through_the_window_wash_nothing_out() {
    let cache = cache(1 << 20, 1, Eviction::Adaptive, Accounting::PayloadOnly);
    let hot: Vec<u64> = (0..9_000).collect();
    let scan: Vec<u64> = (1_000_000..1_020_000).collect();
    replay(&cache, &hot, |_| 90);
    assert_eq!(replay(&cache, &hot, |_| 90), 100.0);
    assert_eq!(replay(&cache, &scan, mixed_bytes), 0.0);
    let kept = replay(&cache, &hot, |_| 90);
    assert!(kept > 99.0, "only {kept:.1} % are still there");
}

#[test]
fn on_zipf_with_values_of_mixed_sizes_frequency_is_better_than_recency() {
    let (zipf, mut random) = (Zipf::new(20_000), Random::new(4));
    let trace: Vec<u64> = (0..REQUESTS).map(|_| zipf.draw(&mut random)).collect();
    let ratio = |eviction| {
        replay(&cache(1 << 20, 1, eviction, Accounting::PayloadOnly), &trace, mixed_bytes)
    };
    let (lru, adaptive) = (ratio(Eviction::Lru), ratio(Eviction::Adaptive));
    assert!(adaptive >= lru + 8.0, "adaptive {adaptive:.1} %, LRU {lru:.1} %");
}

#[test]
fn a_value_nearly_as_large_as_the_cache_gets_in_when_it_alone_is_asked_for() {
    for small in [200, 300, 2_000] {
        let cache = cache(10_000, 1, Eviction::Adaptive, Accounting::PayloadOnly);
        insert(&cache, "small", &"v".repeat(small));
        let large = "v".repeat(9_900);
        let mut hits = 0;
        for _ in 0..1_000 {
            if get(&cache, "large").is_some() {
                hits += 1;
            } else {
                insert(&cache, "large", &large);
            }
        }
        assert!(hits > 900, "only {hits} hits of 1,000");
        cache.validate();
    }
}

#[test]
fn large_value_that_is_asked_for_twice_in_short_order_is_kept_in_a_cache_of_many_shards() {
    // Larger than a shard's part of the window, 31 KB, and smaller than that of the cache.
    let cache = cache(16 << 20, 16, Eviction::Adaptive, Accounting::PayloadOnly);
    let (small, large) = ("v".repeat(1_000), "v".repeat(200_000));
    for i in 0..20_000 {
        insert(&cache, &format!("before {i}"), &small);
    }
    let mut hits = 0;
    for i in 0..100 {
        insert(&cache, &format!("large {i}"), &large);
        insert(&cache, &format!("between {i}"), &small);
        hits += usize::from(get(&cache, &format!("large {i}")).is_some());
    }
    assert!(hits > 80, "only {hits} hits of 100");
    cache.validate();
}
