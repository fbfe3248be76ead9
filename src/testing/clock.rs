//! [`FakeClock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that stands still until it is told to go on. Clones are the same clock.
///
/// Groups take it by [`GroupBuilder::clock`](crate::GroupBuilder::clock), for the lives of values,
/// and pools by `ClusterBuilder::clock` or `HttpPoolBuilder::clock`, for what they do later: the
/// next try of a peer that is down, the end of a warm-up, the removal of a peer that its source
/// lacks. The snapshot of a group goes by the clock of the group: what is left of lives when it is
/// loaded, and when it is written once more. How long a request may take, or a load for a snapshot,
/// goes by the system's clock in any case.
///
/// ```
/// use geecache::Group;
/// use geecache::testing::{CountingGetter, FakeClock};
/// use std::time::Duration;
///
/// let (clock, source) = (FakeClock::new(), CountingGetter::new());
/// let group = Group::builder("scores", 1 << 20, source.clone())
///     .ttl(Duration::from_secs(60))
///     .clock(clock.reader())
///     .build();
/// group.get("Tom")?;
/// clock.advance(Duration::from_secs(59));
/// group.get("Tom")?; // from memory
/// clock.advance(Duration::from_secs(1));
/// group.get("Tom")?; // its life is over
/// assert_eq!(source.calls_of("Tom"), 2);
/// # Ok::<(), geecache::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FakeClock {
    nanos: Arc<AtomicU64>,
}

impl FakeClock {
    /// A clock that shows zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    /// Goes on by so much. It stops at 500 years.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let later = |now: u64| Some(now.saturating_add(by));
        // The closure always has an answer.
        let _ = self.nanos.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// What the builders of groups and pools take for a clock.
    pub fn reader(&self) -> impl Fn() -> Duration + Clone + Send + Sync + use<> + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}
