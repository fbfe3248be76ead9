//! Durations, counted in buckets that are at most 1/16 wide.

use std::time::Duration;

const BUCKETS: usize = 64 * 16;

/// How many durations fell into which bucket.
#[derive(Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    max_us: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], max_us: 0 }
    }

    pub(crate) fn add(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(us)] += 1;
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.max_us = self.max_us.max(other.max_us);
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The upper end of the bucket that the fraction `p` of all durations lies at or below, and no
    /// more than the longest.
    pub(crate) fn percentile(&self, p: f64) -> Duration {
        let wanted = ((self.count() as f64 * p).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(upper_end(at).min(self.max_us));
            }
        }
        Duration::ZERO
    }

    /// As one word, for a line between processes.
    pub(crate) fn encode(&self) -> String {
        let filled = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        let filled: Vec<String> = filled.map(|(at, count)| format!("{at}:{count}")).collect();
        format!("{};{}", self.max_us, filled.join(","))
    }

    pub(crate) fn decode(word: &str) -> Option<Self> {
        let (max, filled) = word.split_once(';')?;
        let mut decoded = Self::new();
        decoded.max_us = max.parse().ok()?;
        for pair in filled.split(',').filter(|pair| !pair.is_empty()) {
            let (at, count) = pair.split_once(':')?;
            *decoded.buckets.get_mut(at.parse::<usize>().ok()?)? = count.parse().ok()?;
        }
        Some(decoded)
    }
}

/// Powers of two, each cut into 16.
fn bucket_of(us: u64) -> usize {
    if us < 16 {
        return us as usize;
    }
    let power = us.ilog2() as usize;
    (power - 3) * 16 + (us >> (power - 4)) as usize - 16
}

fn upper_end(bucket: usize) -> u64 {
    if bucket < 16 {
        return bucket as u64;
    }
    let (power, part) = (bucket / 16 + 3, bucket % 16);
    (((part as u64 + 17) << (power - 4)) - 1).max(1)
}
