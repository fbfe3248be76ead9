//! [`Group`]: a name, a getter, the caches before it.

mod batch;
mod builder;
mod handover;
mod hot;
mod lifetime;
mod load;
mod memory;
mod nested;
mod peer_side;
mod removal;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use builder::GroupBuilder;
pub use hot::HotCache;
pub use load::OwnerErrors;
pub use peer_side::PeerSide;
pub use removal::{PeerReport, RemoveOutcome, RemoveReport};

use crate::byteview::ByteView;
use crate::cache::Cache;
use crate::clock::Deadline;
use crate::error::Error;
use crate::getter::{Getter, Loaded};
use crate::peers::{NoPeers, PeerPicker};
use crate::singleflight::Singleflight;
use crate::stats::{CacheStats, Counters, Stats};
use crate::workers::Workers;
use handover::RemovedLately;
use hot::HotPolicy;
use lifetime::Lifetimes;
use load::{Forwarded, Local};

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
    locals: Singleflight<Local>,
    /// Threads that run the getter for callers who may not wait for its end.
    loaders: Workers,
    /// Threads that run the getter for values that are served meanwhile.
    refreshers: Workers,
    /// Threads that talk to several peers at once.
    fan_out: Workers,
    lifetimes: Lifetimes,
    hot_policy: HotPolicy,
    removed_lately: RemovedLately,
    owner_errors: OwnerErrors,
    wait_timeout: Option<Duration>,
    counters: Counters,
}

impl Group {
    /// A group that keeps at most `cache_bytes` bytes of what `getter` loads, with default options.
    ///
    /// It knows no peers: until [`register_peers`](Self::register_peers) every key is its own.
    #[must_use]
    pub fn new(name: impl Into<String>, cache_bytes: u64, getter: impl Getter) -> Self {
        Self::builder(name, cache_bytes, getter).build()
    }

    /// Starts a group with options. The arguments are those of [`new`](Self::new).
    #[must_use]
    pub fn builder(name: impl Into<String>, cache_bytes: u64, getter: impl Getter) -> GroupBuilder {
        GroupBuilder::new(name.into(), cache_bytes, Box::new(getter))
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
    /// * [`Error::TimedOut`] when [`wait_timeout`](GroupBuilder::wait_timeout) is set and was too short, and
    ///   [`Error::Overloaded`] when no thread to load became free in that time.
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
        self.get_by(key, self.inner.wait_timeout)
    }

    /// As [`get`](Self::get), but waits no longer than `timeout`, for whatever it waits: another caller's load,
    /// a peer, the getter.
    ///
    /// The load that it waited for goes on, and fills the cache. To make that possible the getter runs on
    /// another thread, one of at most [`max_loaders`](GroupBuilder::max_loaders), as soon as one is free; a getter that
    /// panics there is an [`Error::Load`].
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] or [`Error::Overloaded`] after `timeout`, and those of [`get`](Self::get).
    pub fn get_timeout(&self, key: &str, timeout: Duration) -> Result<ByteView, Error> {
        self.get_by(key, Some(timeout))
    }

    fn get_by(&self, key: &str, timeout: Option<Duration>) -> Result<ByteView, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        let value = match self.cached_value(key) {
            Some(value) => value,
            None => {
                self.inner.counters.get_misses.add_one();
                // From here on there is something to wait for.
                self.load(key, timeout.and_then(Deadline::after))?.into_value()
            }
        };
        value.ok_or_else(|| self.not_found(key))
    }

    /// The value of `key` if it is in this process's memory and not past its ttl. Never loads, asks
    /// nobody, counts nothing, and does not count as a use of the value.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<ByteView> {
        self.peek_loaded(key)?.into_value()
    }

    /// What the peers of this process may ask of the group. For those who write a transport.
    #[must_use]
    pub fn peer_side(&self) -> PeerSide<'_> {
        PeerSide { group: self }
    }

    fn serve_peer_by(&self, key: &str, timeout: Option<Duration>) -> Result<Loaded, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        match self.cached(key) {
            Some(found) => {
                self.inner.counters.served_hits.add_one();
                Ok(found)
            }
            None => {
                self.inner.counters.served_misses.add_one();
                self.load_locally(key, timeout.and_then(Deadline::after))
            }
        }
    }

    /// What the group did since it was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let hits = self.inner.main.stats().hits + self.inner.hot.stats().hits;
        self.inner.counters.snapshot(hits)
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

    fn peers(&self) -> &dyn PeerPicker {
        self.inner.peers.get().map_or(&NoPeers, |peers| &**peers)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
