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
    System(OnceLock<Instant>),
    Injected(Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl Clock {
    /// The system's monotonic clock.
    pub(crate) fn system() -> Self {
        Self(Source::System(OnceLock::new()))
    }

    /// A clock that shows what `now` returns.
    pub(crate) fn injected(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Source::Injected(Arc::new(now)))
    }

    /// Milliseconds since the clock's start, plus one: never 0, which means "never" in the store.
    pub(crate) fn now_ms(&self) -> u64 {
        let now = match &self.0 {
            Source::System(start) => start.get_or_init(Instant::now).elapsed(),
            Source::Injected(now) => now(),
        };
        millis(now).saturating_add(1)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} ms)", self.now_ms())
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
