//! [`Taking`]: the thread that has previous owners hand over what has come to be ours.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::PeerErrorKind;
use crate::group::{Group, TakeOver};
use crate::http::peers::Peers;
use crate::one_line::OneLine;
use crate::peers::{HandOverState, PeerGetter, PeerPicker, PeersWatcher};
use crate::registry::Registry;
use crate::repeats::Repeats;
use crate::sync::lock;

/// What a part of a hand-over has of keys and values, in bytes.
const PART_BYTES: usize = 1 << 20;
/// When one is asked again that hands nothing over yet, or that failed. The pause doubles each
/// time.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// So often one may fail. It is asked for single keys then.
const MOST_FAILURES: u32 = 10;

/// Takes over after each change of the list, until it is dropped. There is a thread only meanwhile.
pub(super) struct Taking {
    shared: Arc<SharedTaking>,
    watcher: Arc<ListWatcher>,
}

/// Has the thread see each change of the list.
struct ListWatcher {
    shared: Weak<SharedTaking>,
    /// Of the list that was seen last: others than the list may change as well.
    digest: Mutex<Option<u32>>,
}

impl PeersWatcher for ListWatcher {
    fn peers_changed(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let Some(peers) = shared.peers.upgrade() else { return };
        let digest = peers.identity().digest();
        let before = std::mem::replace(&mut *lock(&self.digest), digest);
        if before != digest {
            shared.wake(|state| state.is_due = true);
        }
    }
}

/// What the thread and its handle share.
struct SharedTaking {
    peers: Weak<Peers>,
    registry: Registry,
    /// Bytes per second; 0 takes nothing over.
    rate: u64,
    repeats: Arc<Repeats>,
    state: Mutex<TakingState>,
    /// Told of each change of `state`.
    changed: Condvar,
}

#[derive(Default)]
struct TakingState {
    /// The list has changed.
    is_due: bool,
    /// Groups that were added since.
    added: Vec<Group>,
    runs: bool,
    is_over: bool,
}

/// One previous owner and one group.
struct PendingHandOver {
    from: TakeOver,
    /// Not before.
    at: Instant,
    begun: Instant,
    failures: u32,
    /// Before the next question, if the last one was in vain.
    pause: Duration,
}

impl PendingHandOver {
    fn new(from: TakeOver) -> Self {
        let now = Instant::now();
        Self { from, at: now, begun: now, failures: 0, pause: AGAIN_AFTER }
    }

    fn is_put_off(&self) -> bool {
        self.at > Instant::now()
    }

    /// Puts it off.
    fn later(&mut self) -> Duration {
        let pause = self.pause;
        self.at = Instant::now() + pause;
        self.pause = LONGEST_PAUSE.min(2 * pause);
        pause
    }
}

impl Taking {
    pub(super) fn new(
        peers: &Arc<Peers>,
        registry: Registry,
        rate: u64,
        repeats: Arc<Repeats>,
    ) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let digest = Mutex::new(peers.identity().digest());
        let peers = Arc::downgrade(peers);
        let shared = SharedTaking { peers, registry, rate, repeats, state, changed };
        let shared = Arc::new(shared);
        let watcher = Arc::new(ListWatcher { shared: Arc::downgrade(&shared), digest });
        Self { shared, watcher }
    }

    /// Begins again after each change of the list.
    pub(super) fn watch(&self, peers: &dyn PeerPicker) {
        let watcher: Weak<dyn PeersWatcher> = Arc::<ListWatcher>::downgrade(&self.watcher);
        peers.watch(watcher);
    }

    /// Another group may have something to take over.
    pub(super) fn add(&self, group: &Group) {
        self.shared.wake(|state| state.added.push(group.clone()));
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        self.shared.end();
    }

    /// Looks again whom there is something to take over from.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn look_again(&self) {
        self.shared.wake(|state| state.is_due = true);
    }

    /// Whether something is being taken over.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn is_busy(&self) -> bool {
        lock(&self.shared.state).runs
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.stop();
    }
}

impl SharedTaking {
    fn end(&self) {
        lock(&self.state).is_over = true;
        self.changed.notify_all();
    }

    /// Has the thread see a change of the state, and starts it if there is something to be done.
    fn wake(self: &Arc<Self>, change: impl FnOnce(&mut TakingState)) {
        let is_idle = self.rate == 0 || self.givers().is_empty();
        {
            let mut state = lock(&self.state);
            if state.is_over || (is_idle && !state.runs) {
                return;
            }
            change(&mut state);
            if state.runs {
                self.changed.notify_all();
                return;
            }
            state.runs = true;
        }
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("geecache-handover".to_owned());
        if let Err(error) = thread.spawn(move || shared.run()) {
            lock(&self.state).runs = false;
            if let Some(again) = self.repeats.due(("no thread to take over", "")) {
                log::warn!("there is no thread to take values over on: {error}{again}");
            }
        }
    }

    fn givers(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.peers.upgrade().map(|peers| peers.previous_owners()).unwrap_or_default()
    }

    /// Takes over until there is nothing more.
    fn run(&self) {
        let _ends = WhenEnded(self);
        let mut queue = VecDeque::new();
        while let Some(Wake { is_due, added }) = self.next_wake(queue.is_empty()) {
            let groups = if is_due {
                queue.clear();
                self.registry.groups()
            } else {
                added
            };
            if !groups.is_empty() {
                queue.extend(self.begin(&groups));
            }
            let Some(mut due) = queue.pop_front() else { continue };
            if due.is_put_off() {
                queue.push_back(due);
                let next = queue.iter().map(|due| due.at).min();
                self.pause_until(next);
            } else if let Some(pause) = self.step(&mut due) {
                // The bound is for all of them together.
                self.pause_until(Instant::now().checked_add(pause).filter(|_| !due.is_put_off()));
                queue.push_back(due);
            }
        }
    }

    /// What is to be done now; `None` at the end.
    fn next_wake(&self, is_idle: bool) -> Option<Wake> {
        let mut state = lock(&self.state);
        let wake = Wake {
            is_due: std::mem::take(&mut state.is_due),
            added: std::mem::take(&mut state.added),
        };
        if state.is_over || (is_idle && !wake.is_due && wake.added.is_empty()) {
            state.runs = false;
            return None;
        }
        Some(wake)
    }

    fn begin(&self, groups: &[Group]) -> Vec<PendingHandOver> {
        let (givers, mut all) = (self.givers(), Vec::new());
        for group in groups {
            for giver in &givers {
                all.push(PendingHandOver::new(group.take_over_from(Arc::clone(giver))));
            }
        }
        if let Some(peers) = self.peers.upgrade().filter(|_| !all.is_empty()) {
            let count = givers.len();
            log::info!("{peers:?} takes over from {count} peers what has come to be its own");
        }
        all
    }

    /// Takes one part over; how long to wait then. `None` if it was the last one.
    fn step(&self, due: &mut PendingHandOver) -> Option<Duration> {
        let begun = Instant::now();
        match due.from.step(PART_BYTES) {
            Ok(step) => match step.state {
                HandOverState::More => {
                    (due.failures, due.pause) = (0, AGAIN_AFTER);
                    let share = step.bytes as f64 / self.rate as f64;
                    let least = Duration::try_from_secs_f64(share).unwrap_or(AGAIN_AFTER);
                    Some(least.saturating_sub(begun.elapsed()))
                }
                HandOverState::NotYet => Some(due.later()),
                HandOverState::Ended => {
                    log::info!("{due} has ended");
                    None
                }
            },
            Err(error) => {
                due.failures += 1;
                let may_not = error.kind() == PeerErrorKind::NotSupported;
                if may_not || due.failures > MOST_FAILURES {
                    log::info!("{due} has ended early: {}", OneLine(error));
                    return None;
                }
                Some(due.later())
            }
        }
    }

    /// Waits, unless something changes meanwhile.
    fn pause_until(&self, until: Option<Instant>) {
        let time = until.map(|until| until.saturating_duration_since(Instant::now()));
        let Some(time) = time.filter(|time| !time.is_zero()) else { return };
        let state = lock(&self.state);
        let is_calm =
            |state: &mut TakingState| !state.is_over && !state.is_due && state.added.is_empty();
        let waited = self.changed.wait_timeout_while(state, time, is_calm);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// What has changed.
struct Wake {
    is_due: bool,
    added: Vec<Group>,
}

/// Says that the thread has ended, also where something panics in it.
struct WhenEnded<'a>(&'a SharedTaking);

impl Drop for WhenEnded<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.state).runs = false;
        }
    }
}

impl fmt::Display for PendingHandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, took) = (&self.from, self.begun.elapsed());
        write!(
            f,
            "the hand-over of {} entries with {} bytes of group {:?} from {} in {took:.1?}",
            from.entries(),
            from.bytes(),
            from.group(),
            from.peer().name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consistenthash::RingHash;
    use crate::http::peer::PeerOptions;
    use crate::http::peers::PeersOptions;
    use crate::http::url::PeerUrl;

    #[test]
    fn a_list_that_is_set_again_does_not_begin_a_hand_over_again() {
        let hash = RingHash::default();
        let options = PeersOptions {
            hash,
            replicas: hash.replicas(),
            warm_up: Duration::from_secs(60 * 60),
            zone: None,
            peer: PeerOptions::default(),
        };
        let own = PeerUrl::parse("http://own:1").unwrap();
        let peers = Arc::new(Peers::new(Some(own), options));
        let taking = Taking::new(&peers, Registry::new(), 1, Arc::default());
        taking.watch(&*peers);
        // As if the thread were there, and busy.
        lock(&taking.shared.state).runs = true;
        let begins_with = |urls: &[&str]| {
            peers.set(urls.iter().map(|url| peers.parse(*url).unwrap()).collect()).unwrap();
            std::mem::take(&mut lock(&taking.shared.state).is_due)
        };
        assert!(begins_with(&["http://own:1", "http://a:1"]));
        assert!(!begins_with(&["http://own:1", "http://a:1"]));
        assert!(!begins_with(&["HTTP://A:1/", "http://own:1"]), "another spelling and order");
        assert!(begins_with(&["http://own:1", "http://a:1#weight=2"]));
        assert!(begins_with(&["http://own:1", "http://b:1"]));
        assert!(!begins_with(&["http://own:1", "http://b:1"]));
    }
}
