//! The load path: memory, the owner, the getter.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Group;
use super::nested::{self, InBatch};
use crate::clock::Deadline;
use crate::error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::peers::PeerGetter;
use crate::singleflight::{Leader, Ticket, Waited};

/// What a flight to the peers came back with.
#[derive(Clone)]
pub(super) enum Forwarded {
    Answered(Loaded),
    /// The owner's getter failed, and the group is told to leave it at that.
    Refused(PeerError),
    /// No peer could answer: the getter has to.
    Failed,
    /// The leader's own deadline passed before the peer answered.
    CutShort,
}

/// What a flight of the getter came back with.
pub(super) type Local = Result<Loaded, Error>;

/// What becomes of the owner's word that its getter failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerErrors {
    /// The getter of this process is tried, as GeeCache does. The default.
    #[default]
    LoadLocally,
    /// The caller gets the owner's message as an [`Error::Load`], and the source is spared a second load.
    Return,
}

impl Group {
    pub(super) fn load(&self, key: &str, deadline: Option<Deadline>) -> Result<Loaded, Error> {
        match self.load_from_peers(key, deadline)? {
            Some(loaded) => Ok(loaded),
            None => self.load_locally(key, deadline),
        }
    }

    /// What the peers answer; `None` when no peer owns the key, or none could answer.
    fn load_from_peers(
        &self,
        key: &str,
        deadline: Option<Deadline>,
    ) -> Result<Option<Loaded>, Error> {
        // A flight may be cut short by the deadline of its leader. Who followed, and has time left, tries once more; the
        // third time would be somebody else's bad luck again, and the getter is a better answer.
        for _ in 0..2 {
            let Some(owner) = self.peers().pick_peer(key) else { return Ok(None) };
            let (forwarded, led) = match self.inner.forwards.join(key) {
                Err(_) => return Err(self.reentrant(key)),
                Ok(Ticket::Leader(leader)) => {
                    (leader.lead(|leader| self.ask_peers(owner, key, deadline, leader)), true)
                }
                Ok(Ticket::Follower(follower)) => match follower.wait(deadline.map(|d| d.at)) {
                    Waited::Value(forwarded) => (forwarded, false),
                    Waited::Abandoned => continue,
                    Waited::TimedOut => return Err(self.timed_out(key, deadline)),
                },
            };
            match forwarded {
                Forwarded::Answered(loaded) => {
                    if !led {
                        self.inner.counters.loads_deduplicated.add_one();
                    }
                    return Ok(Some(loaded));
                }
                Forwarded::Refused(error) => return Err(self.load_error(key, error.into())),
                Forwarded::Failed => return Ok(None),
                Forwarded::CutShort if led => return Err(self.timed_out(key, deadline)),
                Forwarded::CutShort => {}
            }
        }
        Ok(None)
    }

    /// Asks the owner, and if it fails whoever the picker names then; runs in the forward flight of the key.
    fn ask_peers(
        &self,
        mut peer: Arc<dyn PeerGetter>,
        key: &str,
        deadline: Option<Deadline>,
        flight: &Leader<Forwarded>,
    ) -> Forwarded {
        // The re-check, see `call_getter`.
        if let Some(found) = self.peek_loaded(key) {
            return Forwarded::Answered(found);
        }
        for _ in 0..2 {
            let asked = self.inner.lifetimes.now();
            let answer = match deadline {
                None => peer.get(self.name(), key),
                Some(deadline) => peer.get_timeout(self.name(), key, deadline.left()),
            };
            self.count_answers(std::slice::from_ref(&answer));
            match self.settle_answer(key, answer, asked, flight) {
                Ok(forwarded) => return forwarded,
                Err(error) => log::warn!("getting {key:?} of group {:?}: {error}", self.name()),
            }
            if deadline.is_some_and(|deadline| deadline.left().is_zero()) {
                return Forwarded::CutShort;
            }
            match self.peers().pick_peer(key) {
                Some(next) if !same_peer(&next, &peer) => peer = next,
                _ => break,
            }
        }
        Forwarded::Failed
    }

    /// Counts what peers answered other than by an error; those are counted when they are settled. All of a batch at once: a
    /// counter that all threads touch for each key goes to and fro between their processors.
    pub(super) fn count_answers(&self, answers: &[Result<Loaded, PeerError>]) {
        let is_answer = |answer: &&Result<Loaded, PeerError>| match answer {
            Ok(_) => true,
            Err(error) => error.kind() == PeerErrorKind::NotFound,
        };
        self.inner.counters.peer_loads.add(answers.iter().filter(is_answer).count());
    }

    /// Takes a peer's answer to a question of the time `asked`; the error, which is counted, when somebody else has to be asked.
    pub(super) fn settle_answer(
        &self,
        key: &str,
        answer: Result<Loaded, PeerError>,
        asked: u64,
        flight: &Leader<Forwarded>,
    ) -> Result<Forwarded, PeerError> {
        let counters = &self.inner.counters;
        let answer = match answer {
            Err(error) if error.kind() == PeerErrorKind::NotFound => Ok(Loaded::absent()),
            other => other,
        };
        match answer {
            Ok(loaded) => {
                let loaded = self.inner.lifetimes.aged(loaded, asked);
                self.keep_hot_copy(key, &loaded, flight);
                Ok(Forwarded::Answered(loaded))
            }
            Err(error) => {
                counters.peer_errors.add_one();
                let rule = self.inner.owner_errors;
                if error.kind() == PeerErrorKind::Load && rule == OwnerErrors::Return {
                    return Ok(Forwarded::Refused(error));
                }
                Err(error)
            }
        }
    }

    /// What the getter answers, or in its stead an expired value.
    pub(super) fn load_locally(&self, key: &str, deadline: Option<Deadline>) -> Local {
        self.or_stale(key, self.fly_locally(key, deadline))
    }

    fn fly_locally(&self, key: &str, deadline: Option<Deadline>) -> Local {
        loop {
            let (follower, started) = match self.inner.locals.join(key) {
                Err(_) | Ok(Ticket::Follower(_)) if nested::in_batch() => {
                    return self.load_alone(key);
                }
                Err(_) => return Err(self.reentrant(key)),
                Ok(Ticket::Follower(follower)) => (follower, false),
                Ok(Ticket::Leader(leader)) => {
                    let Some(deadline) = deadline else {
                        return leader.lead(|leader| self.call_getter(key, leader));
                    };
                    let follower = leader.follower();
                    let (group, owned) = (self.clone(), key.to_owned());
                    // A batch waits for that thread: it must not wait for the batch.
                    let waits = nested::in_batch();
                    let lead = move || {
                        let _in_batch = waits.then(InBatch::begin);
                        group.apart(&owned, || {
                            leader.lead(|leader| group.call_getter(&owned, leader))
                        });
                    };
                    if !self.inner.loaders.run_by(deadline.at, lead) {
                        let (group, key) = (self.inner.name.clone(), key.to_owned());
                        return Err(Error::Overloaded { group, key });
                    }
                    (follower, true)
                }
            };
            match follower.wait(deadline.map(|d| d.at)) {
                Waited::Value(result) => {
                    if !started {
                        self.inner.counters.loads_deduplicated.add_one();
                    }
                    return result;
                }
                Waited::Abandoned if started => {
                    return Err(self.load_error(key, GetterPanicked.into()));
                }
                Waited::Abandoned => {}
                Waited::TimedOut => return Err(self.timed_out(key, deadline)),
            }
        }
    }

    /// Does a load on a thread of the group, and tells the log of a panic: there is no caller to go on to.
    pub(super) fn apart(&self, key: &str, load: impl FnOnce() -> Local) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(load)) {
            // Its drop may panic as well.
            std::mem::forget(panic);
            log::error!("the getter of group {:?} panicked on {key:?}", self.name());
        }
    }

    /// Runs the getter, unless its value has come meanwhile; runs in the local flight of the key.
    fn call_getter(&self, key: &str, flight: &Leader<Local>) -> Local {
        // The caches are asked again, because between this caller's look-up and the start of this flight another flight of
        // the key may have begun and ended:
        //   this thread: looks up, misses
        //   another:     looks up, misses, flies, fills the cache, ends the flight
        //   this thread: starts a flight, and would load a second time
        // A flight fills the cache before it is removed, so whoever finds no flight finds its value here.
        if let Some(found) = self.peek_loaded(key) {
            return Ok(found);
        }
        match self.take_over(key, flight) {
            Some(loaded) => Ok(loaded),
            None => self.reload(key, flight),
        }
    }

    /// Runs the getter and keeps what it loads.
    pub(super) fn reload(&self, key: &str, flight: &Leader<Local>) -> Local {
        let (outcome, cost) = self.ask_getter(key);
        self.settle_load(key, outcome, cost, flight)
    }

    /// What the getter returns, and how long that took. A panic is counted, and goes on.
    pub(super) fn ask_getter(&self, key: &str) -> (Result<Loaded, BoxError>, Duration) {
        let panicked = self.inner.counters.local_load_errors.add_one_on_drop();
        let start = Instant::now();
        let outcome = self.inner.getter.get(key);
        panicked.disarm();
        (outcome, start.elapsed())
    }

    /// Counts what the getter returned, and keeps it.
    pub(super) fn settle_load(
        &self,
        key: &str,
        outcome: Result<Loaded, BoxError>,
        cost: Duration,
        flight: &Leader<Local>,
    ) -> Local {
        let loaded = self.count_load(key, outcome, cost)?;
        self.populate(key, &loaded, cost, || !flight.is_doomed());
        Ok(loaded)
    }

    /// Counts what the getter returned, and gives it its life.
    pub(super) fn count_load(
        &self,
        key: &str,
        outcome: Result<Loaded, BoxError>,
        cost: Duration,
    ) -> Local {
        let counters = &self.inner.counters;
        let loaded = match outcome {
            Ok(loaded) => loaded,
            Err(error) if error.is::<NotFound>() => Loaded::absent(),
            Err(error) => {
                counters.local_load_errors.add_one();
                return Err(self.load_error(key, error));
            }
        };
        counters.local_loads.add_one();
        log::debug!("loaded {key:?} of group {:?} in {cost:?}", self.name());
        Ok(self.inner.lifetimes.with_ttl(loaded))
    }

    /// What to answer with a result of the getter: if it failed, the expired value that may be served then. Every caller who
    /// waited for the result decides and counts this for itself.
    pub(super) fn or_stale(&self, key: &str, result: Local) -> Local {
        let Err(Error::Load { source, .. }) = &result else { return result };
        let times = &self.inner.lifetimes;
        let stale = self.inner.main.peek(key, || times.now());
        match stale
            .filter(|found| found.meta.dead_at != 0 && times.serves_on_error(found, times.now()))
        {
            Some(found) => {
                log::warn!("serving {key:?} of group {:?} past its ttl: {source}", self.name());
                self.inner.counters.hits_stale.add_one();
                Ok(times.owned_as_loaded(found, || times.now()))
            }
            None => result,
        }
    }
}

/// The errors of the load path.
impl Group {
    pub(super) fn not_found(&self, key: &str) -> Error {
        Error::NotFound { group: self.inner.name.clone(), key: key.to_owned() }
    }

    pub(super) fn reentrant(&self, key: &str) -> Error {
        Error::ReentrantLoad { group: self.inner.name.clone(), key: key.to_owned() }
    }

    pub(super) fn timed_out(&self, key: &str, deadline: Option<Deadline>) -> Error {
        let timeout = deadline.map_or(Duration::ZERO, |deadline| deadline.timeout);
        Error::TimedOut { group: self.inner.name.clone(), key: key.to_owned(), timeout }
    }

    pub(super) fn load_error(&self, key: &str, source: BoxError) -> Error {
        let (group, key) = (self.inner.name.clone(), key.to_owned());
        Error::Load { group, key, source: source.into() }
    }
}

/// Whether two handles lead to one peer.
pub(super) fn same_peer(a: &Arc<dyn PeerGetter>, b: &Arc<dyn PeerGetter>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

/// What a getter that panicked on another thread counts as.
#[derive(Debug)]
pub(super) struct GetterPanicked;

impl fmt::Display for GetterPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the getter panicked")
    }
}

impl std::error::Error for GetterPanicked {}
