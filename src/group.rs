//! [`Group`]: a name, a getter, the caches before it.
//!
//! The handle of the user. Each method is a few lines over the four [parts](parts) of a group, of
//! which none knows another: `memory`, `loads`, `owners` and `changes`.

mod batch;
mod builder;
mod call;
mod change_side;
mod changes;
mod error;
mod loads;
mod memory;
mod nesting;
mod owners;
mod parts;
mod peer_side;
mod portions;
mod snapshot_side;
mod snapshots;
mod take_over;
mod telling;
mod typed_side;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub use builder::GroupBuilder;
pub use changes::{InsertReport, PeerDebt, PeerReport, RemoveOutcome, RemoveReport};
pub(crate) use memory::Beside;
pub use memory::HotCache;
pub use nesting::Chain;
pub use owners::OwnerErrors;
pub(crate) use parts::IsUseful;
pub use peer_side::PeerSide;
pub use snapshots::{LoadReport, SaveReport, SkippedEntries, SnapshotOptions, SnapshotTrust};
pub use take_over::{TakeOver, TakeOverStep};

use crate::byteview::ByteView;
use crate::cache::Asker;
use crate::clock::Deadline;
use crate::error::Error;
use crate::events::PastEvent;
use crate::getter::Loaded;
use crate::histogram::Latencies;
use crate::hot_keys::HotKey;
use crate::origin::Origin;
use crate::peers::{PeerGetter, PeerPicker, PeersWatcher};
use crate::random::is_sampled;
use crate::spans;
use crate::stats::{CacheStats, Stats};
use batch::Answer;
use call::Call;
pub(crate) use error::not_found;
use parts::Parts;
use snapshots::LastHandle;

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
    /// Of a group that keeps a snapshot.
    _last_handle: Option<LastHandle>,
}

impl Group {
    fn of(parts: Parts) -> Self {
        let parts = Arc::new(parts);
        Self { _last_handle: parts.keep_snapshot(), parts }
    }

    /// Has a thread of the group pay what it owes.
    fn paying(self) -> Self {
        let debtor: Weak<Parts> = Arc::downgrade(&self.parts);
        self.parts.changes.set_debtor(debtor);
        self
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
        self.valued(key, self.get_loaded(key, self.default_deadline()))
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

    /// As [`get_many`](Self::get_many), and tells where each value came from.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get`](Self::get).
    pub fn get_many_with_origin<S: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = S>,
    ) -> Vec<Result<(ByteView, Origin), Error>> {
        let keys = Vec::from_iter(keys);
        let keys = as_strs(&keys);
        let answers = self.get_many_loaded(&keys, Call::many(self.default_deadline()));
        keys.iter().zip(answers).map(|(key, answer)| self.valued(key, answer)).collect()
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
        match self.parts.memory.find(key, |seen| self.parts.refresh(key, seen)) {
            Some(found) => found.into_value_of(key).ok_or_else(|| not_found(self.name(), key)),
            None => self.load_value(key, timeout),
        }
    }

    /// The value of a key that is not in memory. From here on there is something to wait for.
    #[inline(never)]
    fn load_value(&self, key: &str, timeout: Option<Duration>) -> Result<ByteView, Error> {
        let loaded = self.load_one(key, Call::one(timeout.and_then(Deadline::after)))?;
        loaded.into_value().ok_or_else(|| not_found(self.name(), key))
    }

    /// As [`get_by`](Self::get_by), for one of the gets that are looked at more closely.
    ///
    /// A function of its own, with a closure of its own: so the usual way through memory has one
    /// caller, and becomes a part of it.
    #[cold]
    #[inline(never)]
    fn get_sampled(&self, key: &str, timeout: Option<Duration>) -> Result<ByteView, Error> {
        match self.value_sampled(key) {
            Some(value) => value.ok_or_else(|| not_found(self.name(), key)),
            None => self.load_value(key, timeout),
        }
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

    /// A get, with all that is known of the value.
    fn get_loaded(&self, key: &str, deadline: Option<Deadline>) -> Answer {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        self.parts.note_get(key);
        let found = self.parts.memory.loaded(key, |seen| self.parts.refresh(key, seen));
        found.map_or_else(|| self.load_one(key, Call::one(deadline)), Ok)
    }

    /// The value that an answer has, and where that came from.
    fn valued(&self, key: &str, answer: Answer) -> Result<(ByteView, Origin), Error> {
        let loaded = answer?;
        let origin = self.origin_of(key, loaded.origin());
        Ok((loaded.into_value().ok_or_else(|| not_found(self.name(), key))?, origin))
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
        keys.iter().filter(|key| !key.is_empty()).for_each(|key| self.parts.note_get(key));
        let load = |missing: &[&str], asked: usize, answers: &mut [Option<Answer>]| {
            self.parts.counters.get_misses.add(asked);
            self.load(missing, answers, call);
        };
        self.parts.answer_many(Asker::ThisProcess, keys, load)
    }

    fn default_deadline(&self) -> Option<Deadline> {
        self.parts.wait_timeout.and_then(Deadline::after)
    }

    /// Loads keys that are not in memory, which must differ: the owners are asked for what they
    /// own, and what is ours, or what they can't answer, is loaded here. Element *i* of `answers`
    /// becomes the answer to `keys[i]`.
    fn load(&self, keys: &[&str], answers: &mut [Option<Answer>], call: Call) {
        let _span = spans::get(self.name(), keys);
        let parts = &self.parts;
        parts.load_softly(keys, answers, call, |keys, answers, call| {
            parts.owners.ask(keys, answers, call, parts, |keys, answers, call| {
                parts.load_here(keys, answers, call);
            });
        });
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
        if self.parts.owners.register(Arc::clone(&peers)) {
            let watcher: Weak<Parts> = Arc::downgrade(&self.parts);
            peers.watch(watcher);
            self.parts.peers_changed();
            return Ok(());
        }
        Err(Error::PeersAlreadyRegistered { group: self.name().to_owned() })
    }

    /// Drops what this process has in memory as the owner of keys. Copies stay, and end on their
    /// own. For those who write a transport, at the moment when this process leaves the list of
    /// peers for good: nobody tells it of removals from then on.
    pub fn drop_owned(&self) {
        self.parts.drop_owned();
    }

    /// Begins to have a [previous owner](PeerPicker::previous_owners) hand over what has come to be
    /// this process's. For those who write a transport; nothing happens before the first
    /// [step](TakeOver::step).
    #[must_use]
    pub fn take_over_from(&self, peer: Arc<dyn PeerGetter>) -> TakeOver {
        TakeOver::new(Arc::clone(&self.parts), peer)
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

    /// What goes on in the group, by name.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn unfinished(&self) -> Vec<(&'static str, usize)> {
        self.parts.unfinished()
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

#[cfg(test)]
mod simulation;
