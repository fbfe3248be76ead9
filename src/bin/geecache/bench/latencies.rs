//! [`Latencies`]: how long answers took, in fixed memory.

use std::time::Duration;

/// Buckets to each doubling of the time: the error is 1/64 at most.
const PARTS: u64 = 32;
const BUCKETS: usize = 60 * PARTS as usize;

/// Counts of times in buckets that widen with the time. The greatest one is exact.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// Empty before the first one.
    buckets: Vec<u64>,
    count: u64,
    greatest: u64,
}

impl Latencies {
    pub(super) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets.resize(BUCKETS, 0);
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.greatest = self.greatest.max(nanos);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.buckets.resize(BUCKETS, 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| *sum += count);
        self.count += other.count;
        self.greatest = self.greatest.max(other.greatest);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The time that so many of a hundred did not exceed; none before the first one.
    pub(super) fn percentile(&self, percent: f64) -> Option<Duration> {
        let rank = (self.count as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut below = 0;
        let reaches = |count: &u64| {
            below += count;
            below >= rank
        };
        let at = self.buckets.iter().position(reaches)?;
        Some(Duration::from_nanos(middle(at).min(self.greatest)))
            .map(|time| if percent >= 100.0 { Duration::from_nanos(self.greatest) } else { time })
    }
}

/// The bucket of a time in nanoseconds.
fn bucket(nanos: u64) -> usize {
    if nanos < PARTS {
        return nanos as usize;
    }
    let doublings = u64::from(nanos.ilog2() - PARTS.ilog2());
    ((doublings + 1) * PARTS + (nanos >> doublings) - PARTS) as usize
}

/// A time in the middle of a bucket.
fn middle(at: usize) -> u64 {
    let at = at as u64;
    if at < PARTS {
        return at;
    }
    let doublings = at / PARTS - 1;
    let least = (at % PARTS + PARTS) << doublings;
    least + (1 << doublings) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_as_exact_as_their_buckets() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50.0), None);
        let mut other = Latencies::default();
        for micros in 1..=10_000 {
            let half = if micros % 2 == 0 { &mut latencies } else { &mut other };
            half.record(Duration::from_micros(micros));
        }
        latencies.add(&other);
        for (percent, micros) in [(50.0, 5_000.0), (99.0, 9_900.0), (99.9, 9_990.0)] {
            let told = latencies.percentile(percent).unwrap().as_secs_f64() * 1e6;
            assert!((told / micros - 1.0).abs() < 1.0 / 32.0, "{percent}: {told}");
        }
        assert_eq!(latencies.percentile(100.0), Some(Duration::from_millis(10)));
        assert_eq!(latencies.count(), 10_000);
    }

    #[test]
    fn every_time_has_a_bucket_that_tells_it() {
        for nanos in (0..64).flat_map(|shift| [1 << shift, (1_u64 << shift) + (1 << shift) / 3]) {
            let told = middle(bucket(nanos)) as f64;
            assert!((told - nanos as f64).abs() <= nanos as f64 / 32.0, "{nanos}: {told}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }
}
