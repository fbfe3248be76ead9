//! [`Latency`]: how long something took, each time. [`Histogram`]: a snapshot of it.
//!
//! Times are counted in buckets, 16 to each power of two (a log-linear histogram, as in
//! HdrHistogram by Gil Tene). So a time that is read from it is off by 1/32 at most, and the memory
//! is the same for any number of times.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::moment;

/// Buckets of each power of two.
const PARTS: usize = 16;
/// The powers of two from 16 ns on that have buckets: up to 2^44 ns, which is 4.9 hours.
const OCTAVES: usize = 40;
/// Those below 16 ns are a nanosecond wide each.
const BUCKETS: usize = PARTS + OCTAVES * PARTS;

/// The bucket of a time. The last one also has all that is longer.
fn bucket_of(nanos: u64) -> usize {
    if nanos < PARTS as u64 {
        return nanos as usize;
    }
    let octave = (nanos.ilog2() - PARTS.ilog2()) as usize;
    (octave * PARTS + (nanos >> octave) as usize).min(BUCKETS - 1)
}

/// The time that stands for all times of a bucket: its middle.
fn middle_of(bucket: usize) -> u64 {
    match bucket / PARTS {
        0 => bucket as u64,
        octave => {
            let width = 1 << (octave - 1);
            (PARTS + bucket % PARTS) as u64 * width + width / 2
        }
    }
}

/// Counts how long something took, from any number of threads and without a lock.
///
/// It takes 5.3 KB from the first time on, and next to nothing before.
///
/// ```
/// use geecache::Latency;
/// use std::time::Duration;
///
/// let latency = Latency::new();
/// for ms in 1..=1000 {
///     latency.add(Duration::from_millis(ms));
/// }
/// let p99 = latency.snapshot().percentile(99.0).unwrap();
/// assert!((0.96..1.04).contains(&(p99.as_secs_f64() / 0.990)));
/// ```
#[derive(Default)]
pub struct Latency {
    cells: OnceLock<Box<Cells>>,
}

struct Cells {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

impl Latency {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { cells: OnceLock::new() }
    }

    /// Counts one time.
    pub fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let cells = self.cells.get_or_init(|| {
            let counts = [const { AtomicU64::new(0) }; BUCKETS];
            Box::new(Cells { counts, sum: AtomicU64::new(0), max: AtomicU64::new(0) })
        });
        cells.counts[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        cells.sum.fetch_add(nanos, Ordering::Relaxed);
        // Mostly it is not the longest. Then the other processors can go on to share the line.
        if nanos > cells.max.load(Ordering::Relaxed) {
            cells.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// Counts the time from now until the guard is dropped.
    #[must_use = "it counts when it is dropped"]
    pub fn timer(&self) -> LatencyTimer<'_> {
        LatencyTimer { latency: self, begun: moment() }
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Histogram {
        let Some(cells) = self.cells.get() else { return Histogram::default() };
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let mut counts: Vec<u64> = cells.counts.iter().map(load).collect();
        counts.truncate(counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1));
        Histogram { counts, sum: load(&cells.sum), max: load(&cells.max) }
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Latency").field(&self.snapshot()).finish()
    }
}

/// Counts a time when it is dropped; from [`Latency::timer`].
#[derive(Debug)]
pub struct LatencyTimer<'a> {
    latency: &'a Latency,
    begun: Option<Instant>,
}

impl LatencyTimer<'_> {
    /// Counts nothing.
    pub fn discard(mut self) {
        self.begun = None;
    }
}

impl Drop for LatencyTimer<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun {
            self.latency.add(begun.elapsed());
        }
    }
}

/// How long something took: a snapshot of a [`Latency`], or the sum of several.
///
/// Times are true to 1/32, which is 3.2 %, from 16 ns to 4.9 hours; below that to a nanosecond.
/// [`sum`](Self::sum) and [`max`](Self::max) are exact.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Of the buckets, up to the last that is not empty.
    counts: Vec<u64>,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The longest; zero if there is none.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The mean; `None` if there is none.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count()).map(Duration::from_nanos)
    }

    /// The time that `percent` of all took at most: 50.0 asks for the median, 99.0 for what one in
    /// a hundred exceeds. `None` if there is none. Less than 0 counts as 0, more than 100 as 100.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let wanted = (percent.clamp(0.0, 100.0) / 100.0 * self.count() as f64).ceil() as u64;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted.max(1)
        })?;
        // All that is too long for the buckets is in the last one.
        let is_last = at + 1 == self.counts.len();
        let nanos = if is_last && at + 1 == BUCKETS { self.max } else { middle_of(at) };
        // The maximum is read after the counts, and may lag behind them.
        let most = if self.max > 0 { self.max } else { u64::MAX };
        Some(Duration::from_nanos(nanos.min(most)))
    }

    /// How many took `limit` at most, as far as the buckets tell.
    #[must_use]
    pub fn count_within(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let within = self.counts.iter().enumerate().filter(|(at, _)| middle_of(*at) <= limit);
        within.map(|(_, count)| count).sum()
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }
}

/// Tells the count and a few percentiles.
impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Histogram");
        shown.field("count", &self.count());
        for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
            if let Some(time) = self.percentile(percent) {
                shown.field(name, &time);
            }
        }
        shown.field("max", &self.max()).finish()
    }
}

/// How long the work of a group took; from [`Group::latencies`](crate::Group::latencies).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latencies {
    /// Calls of the getter, failed ones too. A call for many keys is one.
    pub getter: Histogram,
    /// Waits for a load of the same key by another caller, or for the answer of its owner to
    /// another caller; each key of a batch by itself.
    pub waits: Histogram,
    /// Gets of one key that were answered from memory: about one in 64 of them, chosen by chance.
    pub hits: Histogram,
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::testing::with_seeds;

    fn of(nanos: impl IntoIterator<Item = u64>) -> Histogram {
        let latency = Latency::new();
        nanos.into_iter().for_each(|nanos| latency.add(Duration::from_nanos(nanos)));
        latency.snapshot()
    }

    #[test]
    fn percentiles_are_those_of_all_times_within_a_thirty_second_part() {
        with_seeds(50, |random| {
            let count = 1 + random.below(3000) as usize;
            // From nanoseconds to hours, on a scale of powers.
            let bits = 1 + random.below(43);
            let mut times: Vec<u64> = (0..count)
                .map(|_| {
                    let size = 1 << (1 + random.below(bits));
                    random.below(size)
                })
                .collect();
            let histogram = of(times.iter().copied());
            times.sort_unstable();
            assert_eq!(histogram.count(), count as u64);
            assert_eq!(histogram.sum(), Duration::from_nanos(times.iter().sum()));
            assert_eq!(histogram.max(), Duration::from_nanos(times[count - 1]));
            for percent in [0.0, 0.1, 1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                let rank = (percent / 100.0 * count as f64).ceil().max(1.0) as usize;
                let exact = times[rank - 1];
                let told = histogram.percentile(percent).unwrap().as_nanos() as u64;
                assert!(told.abs_diff(exact) <= exact / 32 + 1, "p{percent}: {told} for {exact}");
            }
        });
    }

    #[test]
    fn a_histogram_of_nothing_has_no_percentile() {
        let nothing = Latency::new().snapshot();
        assert_eq!((nothing.count(), nothing.percentile(50.0), nothing.mean()), (0, None, None));
        assert_eq!(nothing, Histogram::default());
    }

    #[test]
    fn times_beyond_the_buckets_are_counted_as_the_longest() {
        let histogram = of([u64::MAX, 1]);
        assert_eq!(histogram.percentile(100.0), Some(histogram.max()));
        assert_eq!(histogram.percentile(0.0), Some(Duration::from_nanos(1)));
        assert_eq!(histogram.percentile(f64::NAN), histogram.percentile(0.0));
        let zeros = of([0, 0]);
        assert_eq!(zeros.percentile(50.0), Some(Duration::ZERO));
        assert_eq!(zeros.count_within(Duration::ZERO), 2);
    }

    #[test]
    fn merged_histograms_are_one_of_all_times() {
        with_seeds(20, |random| {
            let mut draw = |most: u64| -> Vec<u64> {
                (0..random.below(200)).map(|_| random.next() % most).collect()
            };
            let (few, many) = (draw(1000), draw(1 << 40));
            let all = of(few.iter().chain(&many).copied());
            let (few, many) = (of(few), of(many));
            for (mut first, second) in [(few.clone(), &many), (many.clone(), &few)] {
                first.merge(second);
                assert_eq!(first, all);
            }
        });
    }

    #[test]
    fn counts_within_a_limit_grow_with_it_up_to_all() {
        let histogram = of((1..=1000).map(|us| us * 1000));
        let within = |us| histogram.count_within(Duration::from_micros(us));
        assert_eq!((within(0), within(2000)), (0, 1000));
        for us in [10, 100, 500, 900] {
            assert!(within(us).abs_diff(us) <= 1 + us / 32, "{} within {us}", within(us));
        }
    }

    #[test]
    fn threads_add_without_losing_a_time() {
        let latency = Latency::new();
        thread::scope(|scope| {
            for n in 0..4 {
                let latency = &latency;
                scope.spawn(move || {
                    (0..10_000).for_each(|time| latency.add(Duration::from_nanos(time * n)));
                });
            }
        });
        let histogram = latency.snapshot();
        assert_eq!(histogram.count(), 40_000);
        assert_eq!(histogram.max(), Duration::from_nanos(3 * 9_999));
    }

    #[test]
    fn a_timer_counts_when_it_is_dropped() {
        let latency = Latency::new();
        let timer = latency.timer();
        assert_eq!(latency.snapshot().count(), 0);
        drop(timer);
        latency.timer().discard();
        assert_eq!(latency.snapshot().count(), 1);
    }
}
