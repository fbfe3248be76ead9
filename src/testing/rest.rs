//! Waits until nothing goes on.

use std::thread;
use std::time::{Duration, Instant};

use crate::group::Group;

/// Waits until nothing goes on in `group`: no load, no refresh, no question to a peer, no change on
/// its way. So what a refresh brings is there. `Cluster::settle` does it for all of a cluster.
///
/// ```
/// use geecache::Group;
/// use geecache::testing::{CountingGetter, FakeClock, settle};
/// use std::time::Duration;
///
/// let (clock, source) = (FakeClock::new(), CountingGetter::new());
/// let group = Group::builder("scores", 1 << 20, source.clone())
///     .ttl(Duration::from_secs(60))
///     .stale_while_revalidate(Duration::from_secs(60))
///     .clock(clock.reader())
///     .build();
/// group.get("Tom")?;
/// clock.advance(Duration::from_secs(61));
/// group.get("Tom")?; // at once, and the value is refreshed beside
/// settle(&group, Duration::from_secs(10));
/// assert_eq!(source.calls(), 2);
/// # Ok::<(), geecache::Error>(())
/// ```
///
/// # Panics
///
/// If something still goes on after `timeout`. It says what.
#[track_caller]
pub fn settle(group: &Group, timeout: Duration) {
    wait_for_rest(timeout, || unfinished(group, "here", |_| true));
}

/// What goes on in a group, in words. Nobody waits for peers that can't be told what they are owed.
pub(super) fn unfinished(
    group: &Group,
    place: &str,
    can_be_told: impl Fn(&str) -> bool,
) -> Vec<String> {
    let name = group.name();
    let of_group = group.unfinished().into_iter();
    let debts = group.debts().into_iter().filter(|debt| can_be_told(&debt.peer));
    let of_group = of_group.map(|(what, count)| format!("{count} {what} of {name:?} {place}"));
    let debts =
        debts.map(|debt| format!("a change of {name:?} {place} that {} is owed", debt.peer));
    of_group.chain(debts).collect()
}

/// Waits until nothing is unfinished.
#[track_caller]
pub(super) fn wait_for_rest(timeout: Duration, unfinished: impl Fn() -> Vec<String>) {
    let begun = Instant::now();
    let mut looks_at_rest = 0;
    // What ends here may begin something there between two looks.
    while looks_at_rest < 2 {
        let unfinished = unfinished();
        looks_at_rest = if unfinished.is_empty() { looks_at_rest + 1 } else { 0 };
        let is_late = begun.elapsed() >= timeout && !unfinished.is_empty();
        assert!(!is_late, "not at rest after {timeout:?}: {}", unfinished.join(", "));
        thread::sleep(Duration::from_millis(1));
    }
}
