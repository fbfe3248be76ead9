//! [`Times`]: how long gets took, in a form that processes can hand on.

/// Buckets of a 16th of a power of two of nanoseconds.
const PARTS: u32 = 16;
const BUCKETS: usize = 64 * PARTS as usize;

/// How many gets took how long.
#[derive(Clone)]
pub(super) struct Times {
    counts: Vec<u64>,
}

impl Default for Times {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS] }
    }
}

impl Times {
    pub(super) fn note(&mut self, nanoseconds: u64) {
        let bits = 63 - nanoseconds.max(16).leading_zeros();
        let part = (nanoseconds >> (bits - 4)) as u32 & (PARTS - 1);
        self.counts[(bits * PARTS + part) as usize] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, more)| *sum += more);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Microseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share) as u64;
        let mut sum = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum > wanted {
                let (bits, part) = (bucket as u32 / PARTS, bucket as u32 % PARTS);
                return (1 << bits) as f64 * f64::from(PARTS + part) / f64::from(PARTS) / 1000.0;
            }
        }
        f64::NAN
    }

    /// Only what is not zero: `bucket:count`, with commas.
    pub(super) fn words(&self) -> String {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let words: Vec<String> = filled.map(|(at, count)| format!("{at}:{count}")).collect();
        format!(",{}", words.join(","))
    }

    pub(super) fn parse(words: &str) -> Option<Self> {
        let mut times = Self::default();
        for word in words.split(',').filter(|word| !word.is_empty()) {
            let (at, count) = word.split_once(':')?;
            *times.counts.get_mut(at.parse::<usize>().ok()?)? = count.parse().ok()?;
        }
        Some(times)
    }
}
