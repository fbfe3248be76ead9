//! [`Parts`]: the four parts of a group, and the one place where they meet.

mod fresh;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use fresh::IsUseful;

use crate::cache::Meta;
use crate::error::Error;
use crate::getter::Loaded;
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::changes::{ChangeHost, Changes};
use crate::group::loads::{LoadHost, Loads};
use crate::group::memory::{Memory, Owner};
use crate::group::owners::{OwnerHost, Owners};
use crate::group::portions::Portions;
use crate::group::telling::Telling;
use crate::histogram::{Latencies, Latency};
use crate::hot_keys::HotKeyTable;
use crate::origin::Origin;
use crate::random::is_sampled;
use crate::stats::{Counter, Stats};

/// What the handles of a group share: its four parts.
pub(super) struct Parts {
    pub(super) name: Arc<str>,
    pub(super) telling: Arc<Telling>,
    pub(super) memory: Memory,
    pub(super) loads: Arc<Loads>,
    pub(super) owners: Arc<Owners>,
    pub(super) changes: Changes,
    pub(super) wait_timeout: Option<Duration>,
    /// For what peers ask for in batches.
    pub(super) portions: Portions,
    /// `None` if nobody wants to know.
    pub(super) hot_keys: Option<HotKeyTable>,
    pub(super) counters: GroupCounters,
}

/// Who asked, and whether memory could answer.
///
/// Hits of gets are counted by the caches, under the locks that they take anyway: a counter that
/// every hit of every thread writes would cost more than the hit.
#[derive(Debug, Default)]
pub(super) struct GroupCounters {
    pub(super) get_misses: Counter,
    /// Of keys that peers asked for: those in the main cache, and copies.
    pub(super) served_hits: Counter,
    pub(super) served_copies: Counter,
    pub(super) served_misses: Counter,
    /// Of the gets that were sampled, those that memory answered.
    pub(super) sampled_hits: Latency,
}

impl Parts {
    /// Loads keys, which must differ, without asking a peer to load them.
    pub(super) fn load_here(
        self: &Arc<Self>,
        keys: &[&str],
        answers: &mut [Option<Answer>],
        call: Call,
    ) {
        self.loads.load(keys, answers, call, self);
        for (key, answer) in keys.iter().zip(answers) {
            self.serve_stale(key, answer);
        }
    }

    /// Answers with an expired value where a load failed, if there is one for that. Every caller
    /// who waited for the load decides and counts this for itself.
    fn serve_stale(&self, key: &str, answer: &mut Option<Answer>) {
        let Some(Err(Error::Load { source, .. })) = answer else { return };
        if let Some(stale) = self.memory.stale(key) {
            self.telling.served_stale(key, source);
            *answer = Some(Ok(stale));
        }
    }
}

/// Others than callers of this process.
impl Parts {
    /// Has an entry of the main cache refreshed, unless it has changed since it was `seen`.
    pub(super) fn refresh(self: &Arc<Self>, key: &str, seen: Meta) {
        let find = move |parts: &Self, key: &str| parts.memory.peek_newer(key, seen);
        self.loads.refresh(key, self, find);
    }

    /// Whose the value of `key` is, which took `cost` to load.
    fn owner_of(&self, key: &str, cost: Duration) -> Owner {
        let is_ours = self.owners.picker().owns(key);
        if is_ours { Owner::Here { cost } } else { Owner::Elsewhere }
    }

    /// Has a get of `key` taken for the keys that are asked for most, if it is in the sample.
    #[inline]
    pub(super) fn note_get(&self, key: &str) {
        if is_sampled() {
            self.note_sampled_get(key);
        }
    }

    /// The same for one that is in the sample.
    pub(super) fn note_sampled_get(&self, key: &str) {
        if let Some(hot_keys) = &self.hot_keys {
            hot_keys.note(self.memory.key_hash().hash_one(key), key, || self.memory.now());
        }
    }

    /// How long what all parts did took.
    pub(super) fn latencies(&self) -> Latencies {
        let (loads, owners) = (&self.loads.counters, &self.owners.counters);
        let mut waits = loads.waits.snapshot();
        waits.merge(&owners.waits.snapshot());
        let (getter, hits) = (loads.getter_calls.snapshot(), self.counters.sampled_hits.snapshot());
        Latencies { getter, waits, hits }
    }

    /// What all parts counted.
    pub(super) fn stats(&self) -> Stats {
        let (memory, loads, changes) =
            (&self.memory.counters, &self.loads.counters, &self.changes.counters);
        let (owners, hand_over) = (&self.owners.counters, self.owners.hand_over_counters());
        let get_misses = self.counters.get_misses.value();
        let served_owned = self.counters.served_hits.value();
        let served_copies = self.counters.served_copies.value();
        let served_misses = self.counters.served_misses.value();
        let (owned_hits, copy_hits) = self.memory.own_hits();
        let peer_hits = owners.hits.value();
        Stats {
            gets: owned_hits + copy_hits + get_misses,
            hits: owned_hits + copy_hits,
            owned_hits,
            owned_misses: owners.own_misses.value(),
            copy_hits,
            copy_misses: owners.misses.value(),
            loads: get_misses + served_misses,
            loads_deduplicated: loads.deduplicated.value() + owners.deduplicated.value(),
            peer_loads: peer_hits + owners.loads.value(),
            peer_hits,
            peer_errors: owners.errors.value(),
            local_loads: loads.loads.value(),
            local_load_errors: loads.errors.value(),
            server_requests: served_owned + served_copies + served_misses,
            server_hits: served_owned + served_copies,
            hits_stale: memory.hits_stale.value(),
            negative_hits: memory.negative_hits.value(),
            refreshes: loads.refreshes.value(),
            peeks: hand_over.peeks.value(),
            peek_hits: hand_over.peek_hits.value(),
            removes: changes.removes.value(),
            inserts: changes.inserts.value(),
            clears: changes.clears.value(),
            events_dropped: self.telling.events.dropped(),
            logs_suppressed: self.telling.repeats.suppressed(),
        }
    }
}

impl LoadHost for Parts {
    fn find(&self, key: &str) -> Option<Loaded> {
        self.memory.peek(key)
    }

    fn now(&self) -> u64 {
        self.memory.now()
    }

    fn is_warming_up(&self) -> bool {
        self.owners.picker().warm_up().is_some()
    }

    fn take_over(&self, keys: &[&str]) -> Vec<Option<Loaded>> {
        let asked = self.memory.now();
        let taken = self.owners.take_over(keys).into_iter();
        let aged = |loaded| self.memory.aged(loaded, asked).came_from(Origin::PreviousOwner);
        taken.map(|taken| taken.map(aged)).collect()
    }

    fn with_ttl(&self, loaded: Loaded) -> Loaded {
        self.memory.with_ttl(loaded)
    }

    fn keep(
        &self,
        key: &str,
        loaded: &Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) {
        self.memory.keep(key, loaded, self.owner_of(key, cost), now, is_wanted);
    }
}

impl OwnerHost for Parts {
    fn find(&self, key: &str) -> Option<Loaded> {
        self.memory.peek(key)
    }

    fn now(&self) -> u64 {
        self.memory.now()
    }

    fn keep_copy(
        &self,
        key: &str,
        loaded: Loaded,
        asked: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded {
        let loaded = self.memory.aged(loaded, asked);
        self.memory.keep_copy(key, &loaded, is_wanted);
        loaded
    }
}

impl ChangeHost for Parts {
    /// Dooms the flights of `key`, then empties the caches of it. The order matters, see
    /// [`changes`](crate::group::changes).
    ///
    /// Flights are doomed once more afterwards: one that began in between may have found the old
    /// value in a cache just before it was emptied, and nobody is to join that from now on.
    fn forget(&self, key: &str) {
        self.owners.remember_removal(Some(key));
        self.owners.doom(key);
        self.loads.doom(key);
        self.memory.remove(key);
        self.owners.doom(key);
        self.loads.doom(key);
    }

    fn forget_all(&self) {
        self.owners.remember_removal(None);
        self.owners.doom_all();
        self.loads.doom_all();
        self.memory.clear();
        self.owners.doom_all();
        self.loads.doom_all();
    }

    fn keep_inserted(&self, key: &str, loaded: Loaded) -> bool {
        let loaded = self.memory.with_ttl(loaded);
        let owner = self.owner_of(key, Duration::ZERO);
        self.memory.keep_wanted(key, &loaded, owner, self.memory.now())
    }

    fn keep_as_owner(&self, key: &str, loaded: Loaded) -> bool {
        let loaded = self.memory.with_ttl(loaded);
        let owner = Owner::Here { cost: Duration::ZERO };
        self.memory.keep_wanted(key, &loaded, owner, self.memory.now())
    }
}
