//! [`Clock`]: what a group's life-times are measured with.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// A monotonic clock, in milliseconds since a moment of its own.
#[derive(Clone)]
pub(crate) struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// Counts from the first time that it is read: with another clock the system's is not asked.
    System(OnceLock<ticks::Moment>),
    Injected(Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl Clock {
    /// The system's monotonic clock, as of its last tick.
    pub(crate) fn system() -> Self {
        Self(Source::System(OnceLock::new()))
    }

    /// A clock that shows what `now` returns.
    pub(crate) fn injected(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Source::Injected(Arc::new(now)))
    }

    /// Whether code of others runs when it is read.
    #[inline]
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.0, Source::Injected(_))
    }

    /// Milliseconds since the clock's start, plus one: never 0, which means "never" in the store.
    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        let now = match &self.0 {
            Source::System(start) => ticks::millis_since(*start.get_or_init(ticks::now)),
            Source::Injected(now) => millis(now()),
        };
        now.saturating_add(1)
    }

    /// Milliseconds since 1970 by the clock on the wall, which goes on while no process does. An
    /// injected clock stands for that one, too.
    pub(crate) fn wall_ms(&self) -> u64 {
        match &self.0 {
            Source::System(_) => {
                wall_time().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
            }
            Source::Injected(now) => millis(now()),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} ms)", self.now_ms())
    }
}

/// The time of the last tick. Every look-up of an entry that can die asks for it, and to ask for
/// the exact time takes half as long as the look-up itself. Where the system has ticks to tell,
/// they come every 1 to 10 ms, and on Windows every 16.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "freebsd",
    windows
))]
mod ticks {
    pub(super) use coarsetime::Instant as Moment;

    pub(super) fn now() -> Moment {
        // The other `now` also writes the time down for all threads to see, which slows them all.
        Moment::now_without_cache_update()
    }

    pub(super) fn millis_since(start: Moment) -> u64 {
        now().duration_since(start).as_millis()
    }
}

/// The exact time.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "freebsd",
    windows
)))]
mod ticks {
    pub(super) use std::time::Instant as Moment;

    pub(super) fn now() -> Moment {
        Moment::now()
    }

    pub(super) fn millis_since(start: Moment) -> u64 {
        crate::clock::millis(start.elapsed())
    }
}

/// Whether there are clocks. Where there are none to ask panics, and so nobody does who can do
/// without.
const HAS_CLOCKS: bool = cfg!(not(all(target_family = "wasm", target_os = "unknown")));

/// The time now, if it can be told.
pub(crate) fn moment() -> Option<Instant> {
    HAS_CLOCKS.then(Instant::now)
}

/// The time by the clock on the wall; the year 1970 if it can't be told.
pub(crate) fn wall_time() -> SystemTime {
    if HAS_CLOCKS { SystemTime::now() } else { SystemTime::UNIX_EPOCH }
}

/// Whole milliseconds, rounded down.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The end of a caller's patience.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// How long it was when it was set; for messages.
    pub(crate) timeout: Duration,
}

impl Deadline {
    /// `timeout` from now on; `None`, no deadline, when that is beyond what the clock can tell.
    pub(crate) fn after(timeout: Duration) -> Option<Self> {
        Some(Self { at: Instant::now().checked_add(timeout)?, timeout })
    }

    pub(crate) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_system_clock_goes_on_and_is_never_a_tick_ahead() {
        let clock = Clock::system();
        let (first, begun) = (clock.now_ms(), Instant::now());
        assert_eq!(first, 1);
        let mut last = first;
        while last < first + 40 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the clock stands at {last} ms");
            let now = clock.now_ms();
            // Its start was told at a tick as well, up to 16 ms before.
            let most = first + millis(begun.elapsed()) + 17;
            assert!(now >= last && now <= most, "{now} after {last}, at most {most}");
            last = now;
        }
    }

    #[test]
    fn an_injected_clock_is_shown_to_the_millisecond() {
        let hand = Arc::new(AtomicU64::new(0));
        let time = Arc::clone(&hand);
        let clock = Clock::injected(move || Duration::from_micros(time.load(Ordering::Relaxed)));
        for (micros, ms) in [(0, 1), (999, 1), (1_000, 2), (u64::MAX, u64::MAX / 1_000 + 1)] {
            hand.store(micros, Ordering::Relaxed);
            assert_eq!(clock.now_ms(), ms);
        }
    }
}
