//! [`PoolClock`]: the time by which a pool decides what to do later.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a thread sleeps at most that goes by a clock of the program's own: nobody tells it when
/// that clock goes on.
const NAP: Duration = Duration::from_millis(5);
/// What an own clock shows counts up to a hundred years, so that sums of moments do not overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The time by which a pool decides: when a peer is tried again, who is asked after a change of the
/// list, how long something is remembered of a peer.
///
/// How long a request may take goes by the system's clock in any case: a peer that is waited for
/// does not answer earlier because a test says so.
#[derive(Clone, Default)]
pub(crate) struct PoolClock(Option<OwnClock>);

#[derive(Clone)]
struct OwnClock {
    /// What the own clock calls zero.
    zero: Instant,
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl PoolClock {
    /// A clock that shows what `now` returns.
    pub(crate) fn injected(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Some(OwnClock { zero: Instant::now(), now: Arc::new(now) }))
    }

    /// The moment by this clock. Foreign code may run, so no lock should be held.
    pub(crate) fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(own) => own.zero + (own.now)().min(LONGEST),
        }
    }

    /// How long a thread may sleep that has to do something when `rest` is over by this clock.
    pub(crate) fn nap(&self, rest: Duration) -> Duration {
        if self.0.is_some() { rest.min(NAP) } else { rest }
    }
}

impl fmt::Debug for PoolClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "PoolClock(own)" } else { "PoolClock(system)" })
    }
}
