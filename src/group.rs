//! [`Group`]: a name, a getter, the caches before it.
//!
//! The handle of the user. Each method is a few lines over the four [parts](parts) of a group, of
//! which none knows another: `memory`, `loads`, `owners` and `changes`.

mod batch;
mod builder;
mod call;
mod changes;
mod error;
mod loads;
mod memory;
mod nesting;
mod owners;
mod parts;
mod peer_side;
mod portions;
mod telling;
mod typed_side;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::GroupBuilder;
pub use changes::{InsertReport, PeerReport, RemoveOutcome, RemoveReport};
pub(crate) use memory::Beside;
pub use memory::HotCache;
pub use nesting::Chain;
pub use owners::OwnerErrors;
pub(crate) use parts::IsUseful;
pub use peer_side::PeerSide;

use crate::byteview::ByteView;
use crate::clock::Deadline;
use crate::error::Error;
use crate::events::PastEvent;
use crate::getter::Loaded;
use crate::histogram::Latencies;
use crate::hot_keys::HotKey;
use crate::origin::Origin;
use crate::peers::PeerPicker;
use crate::random::is_sampled;
use crate::spans;
use crate::stats::{CacheStats, Stats};
use batch::{Answer, answer_many};
use call::Call;
pub(crate) use error::not_found;
use parts::Parts;

/// A named cache in front of a [`Getter`](crate::Getter), shared with the peers that have a group
/// of the same name.
///
/// A `Group` is a handle: clones are cheap and share everything. All methods may be called from any
/// thread.
///
/// # How a get goes
///
/// 1. A value in memory is returned at once.
/// 2. If a peer owns the key, that peer is asked, once for any number of simultaneous callers. Its
///    value, or its word that there is none, is the answer. If it fails, the picker is asked once
///    more: a peer known to be down is passed over, and the next one answers in its place.
/// 3. Else, or when the peers failed, the getter runs, once for any number of simultaneous callers,
///    and its value is kept.
///
/// A request that comes from a peer is answered by steps 1 and 3, and is never forwarded.
#[derive(Clone)]
pub struct Group {
    parts: Arc<Parts>,
}

impl Group {
    fn of(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

/// Reading.
impl Group {
    /// The value of `key`: from memory, from the peer that owns it, or from the getter.
    ///
    /// # Errors
    ///
    /// * [`Error::EmptyKey`] when `key` is empty.
    /// * [`Error::NotFound`] when the source of truth, here or at the owner, has no such key.
    /// * [`Error::Load`] when the getter failed.
    /// * [`Error::ReentrantLoad`] when it is called by the getter that loads this key, for the
    ///   eighth time. (Such a call can be an innocent one, see [`Getter`](crate::Getter): the first
    ///   ones load the key alone.)
    /// * [`Error::NestedTooDeep`] when it is called by a getter, and too many are running one
    ///   inside the other.
    /// * [`Error::TimedOut`] when [`wait_timeout`](GroupBuilder::wait_timeout) is set and was too
    ///   short, and [`Error::Overloaded`] when no thread to load became free in that time.
    ///
    /// # Blocking
    ///
    /// Until the value is there: for the peer's answer (bounded by the transport) and the getter's
    /// (bounded by nothing but the getter, unless `wait_timeout` is set).
    ///
    /// # Panics
    ///
    /// If the getter does, and this call was the one that ran it.
    pub fn get(&self, key: &str) -> Result<ByteView, Error> {
        self.get_by(key, self.parts.wait_timeout)
    }

    /// As [`get`](Self::get), but waits no longer than `timeout`, for whatever it waits: another
    /// caller's load, a peer, the getter.
    ///
    /// The load that it waited for goes on, and fills the cache. To make that possible the getter
    /// runs on another thread, one of at most [`max_loaders`](GroupBuilder::max_loaders), as soon
    /// as one is free. A getter that panics there is an [`Error::Load`].
    ///
    /// Called by a getter, it is bounded as long as it waits for a peer. A load of its own runs on
    /// the getter's thread, and can't be left: see [`Getter`](crate::Getter).
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] or [`Error::Overloaded`] after `timeout`, and those of
    /// [`get`](Self::get).
    pub fn get_timeout(&self, key: &str, timeout: Duration) -> Result<ByteView, Error> {
        self.get_by(key, Some(timeout))
    }

    /// As [`get`](Self::get), and tells where the value came from.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub fn get_with_origin(&self, key: &str) -> Result<(ByteView, Origin), Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        self.parts.note_get(key);
        let found = self.parts.memory.loaded(key, |seen| self.parts.refresh(key, seen));
        let load = || self.load_one(key, Call::one(self.default_deadline()));
        let loaded = found.map_or_else(load, Ok)?;
        let origin = match loaded.origin() {
            Origin::Owner | Origin::OwnerMemory
                if !self.parts.owners.picker().picks_the_owner(key) =>
            {
                Origin::StandIn
            }
            origin => origin,
        };
        let value = loaded.into_value().ok_or_else(|| not_found(self.name(), key))?;
        Ok((value, origin))
    }

    /// The values of many keys; element *i* of the answer belongs to the *i*-th key.
    ///
    /// What is in memory is taken from there. For the rest each owner is asked once, all owners at
    /// the same time, and the keys of this process go to the getter in one call of
    /// [`get_many`](crate::Getter::get_many); a closure gets one after the other. Callers who wait
    /// for one of the keys have it when it is there. Everything else holds for each key as with
    /// [`get`](Self::get): fail-over, flights, absence, life-times. One failing key fails alone. A
    /// key that occurs more than once is asked for once.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get`](Self::get). A getter that panics fails the keys it was called for
    /// with [`Error::Load`].
    ///
    /// # Blocking
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// use geecache::Group;
    ///
    /// let echo = |key: &str| Ok::<_, std::io::Error>(key.to_owned());
    /// let group = Group::new("echoes", 1 << 20, echo);
    /// let names = vec!["Tom".to_owned(), "Jack".to_owned()];
    /// assert_eq!(group.get_many(&names)[1].as_ref().unwrap(), "Jack"); // and a list of `&str`, …
    /// ```
    pub fn get_many<S: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = S>,
    ) -> Vec<Result<ByteView, Error>> {
        let keys = Vec::from_iter(keys);
        self.get_many_by(&as_strs(&keys), self.parts.wait_timeout)
    }

    /// As [`get_many`](Self::get_many), but waits no longer than `timeout`, as
    /// [`get_timeout`](Self::get_timeout) does.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_timeout`](Self::get_timeout).
    pub fn get_many_timeout<S: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = S>,
        timeout: Duration,
    ) -> Vec<Result<ByteView, Error>> {
        let keys = Vec::from_iter(keys);
        self.get_many_by(&as_strs(&keys), Some(timeout))
    }

    /// The value of `key` if it is in this process's memory and not past its ttl. Never loads, asks
    /// nobody, counts nothing, and does not count as a use of the value.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<ByteView> {
        self.parts.memory.peek(key)?.into_value()
    }

    /// As [`peek`](Self::peek), with what is left of its life and [where](Loaded::origin) in memory
    /// it is: of what this process owns, or of copies. [`Loaded::absent`] is the knowledge that
    /// the key does not exist.
    #[must_use]
    pub fn peek_loaded(&self, key: &str) -> Option<Loaded> {
        self.parts.memory.peek(key)
    }

    /// A get: memory; and behind it the path of all loads, for one key.
    fn get_by(&self, key: &str, timeout: Option<Duration>) -> Result<ByteView, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        if is_sampled() {
            return self.get_sampled(key, timeout);
        }
        let found = self.parts.memory.value(key, |seen| self.parts.refresh(key, seen));
        self.found_or_loaded(key, found, timeout)
    }

    /// The value that memory has, or that a load brings.
    #[inline]
    fn found_or_loaded(
        &self,
        key: &str,
        found: Option<Option<ByteView>>,
        timeout: Option<Duration>,
    ) -> Result<ByteView, Error> {
        let value = match found {
            Some(value) => value,
            // From here on there is something to wait for.
            None => self.load_one(key, Call::one(timeout.and_then(Deadline::after)))?.into_value(),
        };
        value.ok_or_else(|| not_found(self.name(), key))
    }

    /// As [`get_by`](Self::get_by), for one of the gets that are looked at more closely.
    ///
    /// A function of its own, with a closure of its own: so the usual way through memory has one
    /// caller, and becomes a part of it.
    #[cold]
    #[inline(never)]
    fn get_sampled(&self, key: &str, timeout: Option<Duration>) -> Result<ByteView, Error> {
        let found = self.value_sampled(key);
        self.found_or_loaded(key, found, timeout)
    }

    /// What memory has, for one of the gets that are looked at more closely.
    #[cold]
    fn value_sampled(&self, key: &str) -> Option<Option<ByteView>> {
        let timer = self.parts.counters.sampled_hits.timer();
        let found = self.parts.memory.value(key, |seen| self.parts.refresh(key, seen));
        match found {
            Some(_) => drop(timer),
            None => timer.discard(),
        }
        self.parts.note_sampled_get(key);
        found
    }

    /// The load of a key that is not in memory.
    fn load_one(&self, key: &str, call: Call) -> Answer {
        self.parts.counters.get_misses.add_one();
        let mut answer = [None];
        self.load(&[key], &mut answer, call);
        let [answer] = answer;
        answer.expect("a load answers every key")
    }

    /// As [`get_by`](Self::get_by), for many keys.
    fn get_many_by(
        &self,
        keys: &[&str],
        timeout: Option<Duration>,
    ) -> Vec<Result<ByteView, Error>> {
        let answers = self.get_many_loaded(keys, Call::many(timeout.and_then(Deadline::after)));
        let value = |(answer, key): (Answer, &&str)| {
            answer?.into_value().ok_or_else(|| not_found(self.name(), key))
        };
        answers.into_iter().zip(keys).map(value).collect()
    }

    /// The same, with all that is known of the values.
    fn get_many_loaded(&self, keys: &[&str], call: Call) -> Vec<Answer> {
        let find = |key: &str| {
            self.parts.note_get(key);
            self.parts.memory.loaded(key, |seen| self.parts.refresh(key, seen))
        };
        let load = |missing: &[&str], asked: usize, answers: &mut [Option<Answer>]| {
            self.parts.counters.get_misses.add(asked);
            self.load(missing, answers, call);
        };
        answer_many(keys, self.parts.memory.key_hash(), find, load).0
    }

    fn default_deadline(&self) -> Option<Deadline> {
        self.parts.wait_timeout.and_then(Deadline::after)
    }

    /// Loads keys that are not in memory, which must differ: the owners are asked for what they
    /// own, and what is ours, or what they can't answer, is loaded here. Element *i* of `answers`
    /// becomes the answer to `keys[i]`.
    fn load(&self, keys: &[&str], answers: &mut [Option<Answer>], call: Call) {
        let _span = spans::get(self.name(), keys);
        let load_here = |keys: &[&str], answers: &mut [Option<Answer>]| {
            self.parts.load_here(keys, answers, call);
        };
        self.parts.owners.ask(keys, answers, call, &self.parts, load_here);
    }
}

/// Changing.
impl Group {
    /// Removes `key` here, then at its owner, then at all other peers. Every later get, anywhere,
    /// loads it again. Change the source of truth first.
    ///
    /// A load that began before the removal still gives its value to those who wait for it, but
    /// nobody keeps it. See the [report](RemoveReport) for peers that could not be reached.
    /// Processes that only ask, and serve nobody, are not told: their copies end with their
    /// [`hot_ttl`](GroupBuilder::hot_ttl) or [`fallback_ttl`](GroupBuilder::fallback_ttl).
    ///
    /// # Blocking
    ///
    /// Until every peer has answered or its transport's timeout has passed, in three rounds: the
    /// previous owner, the owner, all others. Up to 65 peers of a round are asked at the same time,
    /// and one that was too late is not asked again. So silent peers cost three timeouts at most.
    /// With more peers, or several removals at once, the requests of the group share 64 threads
    /// beside those of the callers: then it is a timeout more for about every 64 silent peers.
    pub fn remove(&self, key: &str) -> RemoveReport {
        self.remove_many([key])
    }

    /// As [`remove`](Self::remove), for many keys with few requests.
    pub fn remove_many<S: AsRef<str>>(&self, keys: impl IntoIterator<Item = S>) -> RemoveReport {
        let keys = Vec::from_iter(keys);
        let mut keys = as_strs(&keys);
        keys.retain(|key| !key.is_empty());
        if keys.is_empty() {
            return RemoveReport::default();
        }
        let parts = &*self.parts;
        parts.changes.remove(&keys, parts, parts.owners.picker())
    }

    /// Empties the group's caches here and, in three rounds of requests, at all peers. The cost
    /// here does not grow with the number of entries, but for the freeing of their memory.
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    pub fn clear(&self) -> RemoveReport {
        let parts = &*self.parts;
        parts.changes.clear(parts, parts.owners.picker())
    }

    /// Puts a value at the owner of `key` and removes the key everywhere else, for programs that
    /// write to the source of truth themselves: after it returns, a get answers from the owner's
    /// memory with what was inserted.
    ///
    /// The owner keeps the value for its own [ttl](Loaded::ttl) or the group's. Unlike a value that
    /// was loaded it is kept wherever it fits: others make room, however often they are asked for.
    /// From an owner that can't keep it, such as one that is too large, the key is removed, and the
    /// next get loads it again. The [report](InsertReport::is_kept) says which.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyKey`] when `key` is empty. What goes wrong at peers is in the report.
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    pub fn insert(&self, key: &str, value: impl Into<Loaded>) -> Result<InsertReport, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        let parts = &*self.parts;
        Ok(parts.changes.insert(key, value.into(), parts, parts.owners.picker()))
    }
}

/// Peers.
impl Group {
    /// Tells the group who owns which key. Once only.
    ///
    /// # Errors
    ///
    /// [`Error::PeersAlreadyRegistered`] the second time.
    pub fn register_peers(&self, peers: impl PeerPicker) -> Result<(), Error> {
        self.register_shared_peers(Arc::new(peers))
    }

    /// As [`register_peers`](Self::register_peers), with a picker that others hold as well. To
    /// register the same one again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::PeersAlreadyRegistered`] when the group has another picker.
    pub fn register_shared_peers(&self, peers: Arc<dyn PeerPicker>) -> Result<(), Error> {
        if self.parts.owners.register(peers) {
            return Ok(());
        }
        Err(Error::PeersAlreadyRegistered { group: self.name().to_owned() })
    }

    /// What the peers of this process may ask of the group. For those who write a transport.
    #[must_use]
    pub fn peer_side(&self) -> PeerSide<'_> {
        PeerSide::of(&self.parts)
    }
}

/// Looking at it.
impl Group {
    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// What the group did since it was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.parts.stats()
    }

    /// How long calls of the getter, waits for other callers' loads, and hits took.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        self.parts.latencies()
    }

    /// The keys that are asked for most, here and by peers: up to `count` of them, those first that
    /// are surest. See [`HotKey`] for what the numbers tell.
    ///
    /// A key is among them once two of its gets were looked at, which are about one in 64. Fewer
    /// are known than asked for where [`hot_keys`](GroupBuilder::hot_keys) says so.
    #[must_use]
    pub fn hot_keys(&self, count: usize) -> Vec<HotKey> {
        let Some(table) = &self.parts.hot_keys else { return Vec::new() };
        table.top(count, self.name(), self.parts.memory.now())
    }

    /// The last rare events of the group, the newest one at the end: loads that failed, and
    /// removals that a peer did not make. Up to 8 of each kind are remembered.
    #[must_use]
    pub fn recent_events(&self) -> Vec<PastEvent> {
        self.parts.telling.events.recent()
    }

    /// The state of the cache of what this process owns.
    #[must_use]
    pub fn main_cache_stats(&self) -> CacheStats {
        self.parts.memory.main_stats()
    }

    /// The state of the cache of what other peers own.
    #[must_use]
    pub fn hot_cache_stats(&self) -> CacheStats {
        self.parts.memory.hot_stats()
    }
}

fn as_strs(keys: &[impl AsRef<str>]) -> Vec<&str> {
    keys.iter().map(AsRef::as_ref).collect()
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.name()).finish_non_exhaustive()
    }
}
