//! [`Group`]: a name, a getter, the caches before it. The load path, and nothing else.

mod builder;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use builder::GroupBuilder;

use crate::byteview::ByteView;
use crate::cache::{Cache, Found, Meta};
use crate::clock::{Clock, Deadline, millis};
use crate::error::{BoxError, Error, NotFound, PeerErrorKind};
use crate::getter::{Getter, Loaded};
use crate::peers::{NoPeers, PeerGetter, PeerPicker};
use crate::singleflight::{Singleflight, Ticket, Waited};
use crate::stats::{CacheStats, Counters, Stats};
use crate::workers::Workers;

/// A named cache in front of a [`Getter`], shared with the peers that have a group of the same name.
///
/// A `Group` is a handle: clones are cheap and share everything. All methods may be called from any thread.
///
/// # How a get goes
///
/// 1. A value in memory is returned at once.
/// 2. If a peer owns the key, that peer is asked, once for any number of simultaneous callers. Its value, or
///    its word that there is none, is the answer. If it fails, the picker is asked once more: a peer known to
///    be down is passed over, and the next one answers in its place.
/// 3. Else, or when the peers failed, the getter runs, once for any number of simultaneous callers, and its
///    value is kept.
///
/// A request that comes from a peer is answered by steps 1 and 3, and is never forwarded.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    getter: Box<dyn Getter>,
    /// What this process owns.
    main: Cache,
    /// Copies of what it does not own; each of them dies on its own.
    hot: Cache,
    peers: OnceLock<Box<dyn PeerPicker>>,
    /// Flights that wait for a peer. Apart from `locals`, since a peer's request may join only the latter: two
    /// peers that each believe the other owns a key would else wait for each other's flight for ever.
    forwards: Singleflight<Forwarded>,
    /// Flights that run the getter.
    locals: Singleflight<Result<Loaded, Error>>,
    /// Threads that run the getter for callers who may not wait for its end.
    loaders: Workers,
    fallback_ttl: Duration,
    wait_timeout: Option<Duration>,
    clock: Clock,
    counters: Counters,
}

/// What a flight to the peers came back with.
#[derive(Clone)]
enum Forwarded {
    Answered(Loaded),
    /// No peer could answer: the getter has to.
    Failed,
    /// The leader's own deadline passed before the peer answered.
    CutShort,
}

impl Group {
    /// A group that keeps at most `cache_bytes` bytes of what `getter` loads, with default options.
    ///
    /// It knows no peers: until [`register_peers`](Self::register_peers) every key is its own.
    #[must_use]
    pub fn new(name: impl Into<String>, cache_bytes: u64, getter: impl Getter) -> Self {
        Self::builder(name, getter).cache_bytes(cache_bytes).build()
    }

    /// Starts a group with options.
    #[must_use]
    pub fn builder(name: impl Into<String>, getter: impl Getter) -> GroupBuilder {
        GroupBuilder::new(name.into(), Box::new(getter))
    }

    fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Tells the group who owns which key. Once only.
    ///
    /// # Errors
    ///
    /// [`Error::PeersAlreadyRegistered`] the second time.
    pub fn register_peers(&self, peers: impl PeerPicker) -> Result<(), Error> {
        let registered = self.inner.peers.set(Box::new(peers));
        registered.map_err(|_| Error::PeersAlreadyRegistered { group: self.inner.name.clone() })
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The value of `key`: from memory, from the peer that owns it, or from the getter.
    ///
    /// # Errors
    ///
    /// * [`Error::EmptyKey`] when `key` is empty.
    /// * [`Error::NotFound`] when the source of truth, here or at the owner, has no such key.
    /// * [`Error::Load`] when the getter failed.
    /// * [`Error::ReentrantLoad`] when it is called, for the key that is being loaded, by the getter.
    /// * [`Error::TimedOut`] when [`wait_timeout`](GroupBuilder::wait_timeout) is set and was too short.
    ///
    /// # Blocking
    ///
    /// Until the value is there: for the peer's answer (bounded by the transport) and the getter's (bounded by
    /// nothing but the getter, unless `wait_timeout` is set).
    ///
    /// # Panics
    ///
    /// If the getter does, and this call was the one that ran it.
    pub fn get(&self, key: &str) -> Result<ByteView, Error> {
        self.get_by(key, self.inner.wait_timeout.and_then(Deadline::after))
    }

    /// As [`get`](Self::get), but waits no longer than `timeout`, for whatever it waits: another caller's load,
    /// a peer, the getter.
    ///
    /// The load that it waited for goes on, and fills the cache. To make that possible the getter runs on
    /// another thread, one of at most [`max_loaders`](GroupBuilder::max_loaders); a getter that panics there is an
    /// [`Error::Load`].
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] after `timeout`, and those of [`get`](Self::get).
    pub fn get_timeout(&self, key: &str, timeout: Duration) -> Result<ByteView, Error> {
        self.get_by(key, Deadline::after(timeout))
    }

    fn get_by(&self, key: &str, deadline: Option<Deadline>) -> Result<ByteView, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        self.inner.counters.gets.add_one();
        let loaded = match self.cached(key) {
            Some(found) => found,
            None => self.load(key, deadline)?,
        };
        loaded.into_value().ok_or_else(|| self.not_found(key))
    }

    /// Answers a peer that asks for `key`: from memory or by the getter, never by asking another peer.
    ///
    /// For those who write a transport; [`Loaded::absent`] is the answer that the key does not exist.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get), except `NotFound`.
    ///
    /// # Blocking
    ///
    /// As long as the getter takes.
    ///
    /// # Panics
    ///
    /// If the getter does.
    pub fn serve_peer(&self, key: &str) -> Result<Loaded, Error> {
        self.serve_peer_by(key, None)
    }

    /// As [`serve_peer`](Self::serve_peer), but waits no longer than `timeout`, as
    /// [`get_timeout`](Self::get_timeout) does: what the asking peer would not wait for is loaded all the same.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] after `timeout`, and those of [`serve_peer`](Self::serve_peer).
    pub fn serve_peer_timeout(&self, key: &str, timeout: Duration) -> Result<Loaded, Error> {
        self.serve_peer_by(key, Deadline::after(timeout))
    }

    fn serve_peer_by(&self, key: &str, deadline: Option<Deadline>) -> Result<Loaded, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        self.inner.counters.server_requests.add_one();
        match self.cached(key) {
            Some(found) => Ok(found),
            None => {
                self.inner.counters.loads.add_one();
                self.load_locally(key, deadline)
            }
        }
    }

    /// What the group did since it was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.counters.snapshot()
    }

    /// The state of the cache of what this process owns.
    #[must_use]
    pub fn main_cache_stats(&self) -> CacheStats {
        self.inner.main.stats()
    }

    /// The state of the cache of what other peers own.
    #[must_use]
    pub fn hot_cache_stats(&self) -> CacheStats {
        self.inner.hot.stats()
    }
}

/// The load path.
impl Group {
    fn load(&self, key: &str, deadline: Option<Deadline>) -> Result<Loaded, Error> {
        self.inner.counters.loads.add_one();
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
        // A flight may be cut short by the deadline of its leader. Who followed, and has time left, tries once
        // more; the third time would be somebody else's bad luck again, and the getter is a better answer.
        for _ in 0..2 {
            let Some(owner) = self.peers().pick_peer(key) else { return Ok(None) };
            let (forwarded, led) = match self.inner.forwards.join(key) {
                Err(_) => return Err(self.reentrant(key)),
                Ok(Ticket::Leader(leader)) => {
                    (leader.lead(|_| self.ask_peers(owner, key, deadline)), true)
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
    ) -> Forwarded {
        // The re-check, see `call_getter`.
        if let Some(found) = self.peek(key) {
            return Forwarded::Answered(found);
        }
        for _ in 0..2 {
            let answer = match deadline {
                None => peer.get(self.name(), key),
                Some(deadline) => peer.get_timeout(self.name(), key, deadline.left()),
            };
            match answer {
                Ok(loaded) => {
                    self.inner.counters.peer_loads.add_one();
                    return Forwarded::Answered(loaded);
                }
                Err(error) if error.kind() == PeerErrorKind::NotFound => {
                    self.inner.counters.peer_loads.add_one();
                    return Forwarded::Answered(Loaded::absent());
                }
                Err(error) => {
                    self.inner.counters.peer_errors.add_one();
                    log::warn!("getting {key:?} of group {:?}: {error}", self.name());
                }
            }
            if deadline.is_some_and(|deadline| deadline.left().is_zero()) {
                return Forwarded::CutShort;
            }
            match self.peers().pick_peer(key) {
                Some(next) if !std::ptr::addr_eq(Arc::as_ptr(&next), Arc::as_ptr(&peer)) => {
                    peer = next
                }
                _ => break,
            }
        }
        Forwarded::Failed
    }

    /// What the getter answers.
    fn load_locally(&self, key: &str, deadline: Option<Deadline>) -> Result<Loaded, Error> {
        loop {
            let (follower, started) = match self.inner.locals.join(key) {
                Err(_) => return Err(self.reentrant(key)),
                Ok(Ticket::Follower(follower)) => (follower, false),
                Ok(Ticket::Leader(leader)) => {
                    let Some(deadline) = deadline else {
                        return leader.lead(|_| self.call_getter(key));
                    };
                    let follower = leader.follower();
                    let (group, owned) = (self.clone(), key.to_owned());
                    let lead = move || drop(leader.lead(|_| group.call_getter(&owned)));
                    if !self.inner.loaders.run_by(deadline.at, lead) {
                        return Err(self.timed_out(key, Some(deadline)));
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

    /// Runs the getter and keeps what it loads; runs in the local flight of the key.
    fn call_getter(&self, key: &str) -> Result<Loaded, Error> {
        // The caches are asked again, because between this caller's look-up and the start of this flight
        // another flight of the key may have begun and ended:
        //   this thread: looks up, misses
        //   another:     looks up, misses, flies, fills the cache, ends the flight
        //   this thread: starts a flight, and would load a second time
        // A flight fills the cache before it is removed, so whoever finds no flight finds its value here.
        if let Some(found) = self.peek(key) {
            return Ok(found);
        }
        let counters = &self.inner.counters;
        let failed = counters.local_load_errors.add_one_on_drop(); // … also when the getter panics.
        match self.inner.getter.get(key) {
            Ok(loaded) => {
                failed.disarm();
                counters.local_loads.add_one();
                log::debug!("loaded {key:?} of group {:?}", self.name());
                self.populate(key, &loaded);
                Ok(loaded)
            }
            Err(error) if error.is::<NotFound>() => {
                failed.disarm();
                counters.local_loads.add_one();
                Ok(Loaded::absent())
            }
            Err(error) => Err(self.load_error(key, error)),
        }
    }

    /// Keeps what the getter loaded: ours in the main cache, and what is not ours for a short time.
    fn populate(&self, key: &str, loaded: &Loaded) {
        let Some(value) = loaded.value() else { return };
        let (cache, ttl) = if self.peers().owns(key) {
            (&self.inner.main, loaded.time_to_live())
        } else {
            let ttl = self.inner.fallback_ttl;
            (&self.inner.hot, Some(loaded.time_to_live().map_or(ttl, |life| life.min(ttl))))
        };
        let now = self.inner.clock.now_ms();
        let dead_at = ttl.map_or(0, |ttl| now.saturating_add(millis(ttl)));
        if dead_at == 0 || dead_at > now {
            cache.insert(key, Some(value), Meta { dead_at, note: 0 }, now, || true);
        }
    }

    /// Looks into both caches.
    fn cached(&self, key: &str) -> Option<Loaded> {
        let now = || self.inner.clock.now_ms();
        let found = self.inner.main.get(key, now).or_else(|| self.inner.hot.get(key, now))?;
        self.inner.counters.cache_hits.add_one();
        Some(self.loaded_from(found))
    }

    /// As [`cached`](Self::cached), but counts nothing and leaves the order of use alone.
    fn peek(&self, key: &str) -> Option<Loaded> {
        let now = || self.inner.clock.now_ms();
        let found = self.inner.main.peek(key, now).or_else(|| self.inner.hot.peek(key, now))?;
        Some(self.loaded_from(found))
    }

    /// A cached entry as if it had just been loaded: with what is left of its life.
    fn loaded_from(&self, found: Found) -> Loaded {
        let loaded = Loaded::from(found.value);
        match found.meta.dead_at {
            0 => loaded,
            dead_at => {
                let left = dead_at.saturating_sub(self.inner.clock.now_ms());
                loaded.ttl(Duration::from_millis(left))
            }
        }
    }

    fn peers(&self) -> &dyn PeerPicker {
        self.inner.peers.get().map_or(&NoPeers, |peers| &**peers)
    }

    fn not_found(&self, key: &str) -> Error {
        Error::NotFound { group: self.inner.name.clone(), key: key.to_owned() }
    }

    fn reentrant(&self, key: &str) -> Error {
        Error::ReentrantLoad { group: self.inner.name.clone(), key: key.to_owned() }
    }

    fn timed_out(&self, key: &str, deadline: Option<Deadline>) -> Error {
        let timeout = deadline.map_or(Duration::ZERO, |deadline| deadline.timeout);
        Error::TimedOut { group: self.inner.name.clone(), key: key.to_owned(), timeout }
    }

    fn load_error(&self, key: &str, source: BoxError) -> Error {
        let (group, key) = (self.inner.name.clone(), key.to_owned());
        Error::Load { group, key, source: source.into() }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// What a getter that panicked on another thread counts as.
#[derive(Debug)]
struct GetterPanicked;

impl fmt::Display for GetterPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the getter panicked")
    }
}

impl std::error::Error for GetterPanicked {}
