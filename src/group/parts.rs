//! [`Parts`]: the four parts of a group, and the one place where they meet.

mod confirming;
mod fresh;
mod keeping;
mod loading;
mod saving;
mod soft;

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) use fresh::IsUseful;

use crate::cache::{Asker, Meta};
use crate::error::Error;
use crate::getter::Loaded;
use crate::group::batch::{Answer, answer_many};
use crate::group::call::Call;
use crate::group::changes::{ChangeHost, Changes, Debtor, Haste};
use crate::group::loads::{LoadHost, Loads};
use crate::group::memory::{Memory, Owner, RemovalWatch};
use crate::group::owners::{CopyHost, OwnerHost, Owners};
use crate::group::portions::Portions;
use crate::group::snapshots::Snapshots;
use crate::group::telling::Telling;
use crate::histogram::{Latencies, Latency};
use crate::hot_keys::HotKeyTable;
use crate::origin::Origin;
use crate::peers::{PeerGetter, PeersWatcher};
use crate::random::is_sampled;
use crate::stats::{Counter, Stats};
use crate::tag::Tag;

/// What the handles of a group share: its four parts.
pub(super) struct Parts {
    pub(super) name: Arc<str>,
    pub(super) telling: Arc<Telling>,
    pub(super) memory: Memory,
    pub(super) loads: Arc<Loads>,
    pub(super) owners: Arc<Owners>,
    pub(super) changes: Changes,
    pub(super) snapshots: Snapshots,
    pub(super) wait_timeout: Option<Duration>,
    pub(super) soft_timeout: Option<Duration>,
    /// What was removed since the snapshot was written for the last time, or since the group was
    /// made as long as it was not loaded.
    pub(super) later_removals: Mutex<Option<Arc<RemovalWatch>>>,
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
        let Some(Err(error)) = answer else { return };
        let is_of_the_source = matches!(
            error,
            Error::Load { .. } | Error::SourceDown { .. } | Error::Overloaded { .. }
        );
        if !is_of_the_source {
            return;
        }
        if let Some(stale) = self.memory.stale(key) {
            self.telling.served_stale(key, error);
            *answer = Some(Ok(stale));
        }
    }
}

/// Others than callers of this process.
impl Parts {
    /// Empties the main cache. What is being loaded is not kept there.
    pub(super) fn drop_owned(&self) {
        self.loads.doom_all();
        self.memory.clear_main();
        self.loads.doom_all();
    }

    /// Has an entry of the main cache refreshed, unless it has changed since it was `seen`.
    pub(super) fn refresh(self: &Arc<Self>, key: &str, seen: Meta) {
        self.refresh_all(&[(key, seen)]);
    }

    /// The same for many entries, together.
    pub(super) fn refresh_all(self: &Arc<Self>, due: &[(&str, Meta)]) {
        self.loads.refresh(due, self, |parts, key, seen| parts.memory.peek_newer(key, seen));
    }

    /// Answers keys with what is in memory, and with what `load` says of the others: see
    /// [`answer_many`].
    pub(super) fn answer_many(
        self: &Arc<Self>,
        asker: Asker,
        keys: &[&str],
        load: impl FnOnce(&[&str], usize, &mut [Option<Answer>]),
    ) -> Vec<Answer> {
        // What is due is refreshed before the load, which may take long.
        let find = |keys: &[&str], answers: &mut [_]| self.find_many(asker, keys, answers);
        answer_many(keys, self.memory.key_hash(), find, load)
    }

    /// Answers keys with what is in memory, and has refreshed together what is due.
    pub(super) fn find_many(
        self: &Arc<Self>,
        asker: Asker,
        keys: &[&str],
        answers: &mut [Option<Answer>],
    ) {
        let mut due = Vec::new();
        self.memory.answer(asker, keys, answers, |at, seen| due.push((keys[at], seen)));
        self.refresh_all(&due);
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

    /// What goes on, by name; what stands still is left out.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn unfinished(&self) -> Vec<(&'static str, usize)> {
        let (loads, refreshes) = self.loads.unfinished();
        let mut unfinished = vec![
            ("loads", loads),
            ("refreshes", refreshes),
            ("questions to peers", self.owners.unfinished()),
            ("changes on their way", self.changes.unfinished()),
        ];
        unfinished.retain(|(_, count)| *count > 0);
        unfinished
    }

    /// What all parts counted.
    pub(super) fn stats(&self) -> Stats {
        let (memory, loads, changes) =
            (&self.memory.counters, &self.loads.counters, &self.changes.counters);
        let snapshots = &self.snapshots.counters;
        let (owners, hand_over) = (&self.owners.counters, self.owners.hand_over_counters());
        let get_misses = self.counters.get_misses.value();
        let served_owned = self.counters.served_hits.value();
        let served_copies = self.counters.served_copies.value();
        let served_misses = self.counters.served_misses.value();
        let (owned_hits, copy_hits) = self.memory.own_hits();
        let peer_hits = owners.hits.value();
        let (source_rests, source_refusals) = self.loads.source_counts();
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
            soft_timeouts: memory.soft_timeouts.value(),
            negative_hits: memory.negative_hits.value(),
            loads_waiting: self.loads.waiting() as u64,
            refreshes: loads.refreshes.value(),
            unchanged: loads.unchanged.value(),
            source_rests,
            source_refusals,
            hedges: owners.hedges.value(),
            hedges_won: owners.hedges_won.value(),
            peeks: hand_over.peeks.value(),
            peek_hits: hand_over.peek_hits.value(),
            taken_over: hand_over.taken_over.value(),
            taken_over_bytes: hand_over.taken_over_bytes.value(),
            handed_over: hand_over.handed_over.value(),
            handed_over_bytes: hand_over.handed_over_bytes.value(),
            removes: changes.removes.value(),
            inserts: changes.inserts.value(),
            clears: changes.clears.value(),
            tag_removes: changes.tag_removes.value(),
            snapshot_written: snapshots.written.value(),
            snapshot_loaded: snapshots.loaded.value(),
            snapshot_skipped: snapshots.skipped.value(),
            snapshot_failures: snapshots.failures.value(),
            changes_owed: self.changes.debt_counters().owed.value(),
            changes_paid: self.changes.debt_counters().paid.value(),
            late_changes: changes.late.value(),
            changes_heard: self.owners.changes_heard(),
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

    fn tick(&self) -> u64 {
        self.memory.removed_tags().tick()
    }

    fn is_for_one_who_came_at(&self, came: u64, loaded: &Loaded) -> bool {
        loaded.is_for_one_who_came_at(came, self.memory.removed_tags())
    }

    fn wait_for_disk(&self) -> bool {
        self.snapshots.is_awaited()
            && (self.snapshots.is_reading() || !self.owners.picker().peers().is_empty())
            && self.snapshots.wait_for_file()
    }

    fn is_warming_up(&self) -> bool {
        self.owners.picker().warm_up().is_some()
    }

    fn take_over(&self, keys: &[&str]) -> Vec<Option<Loaded>> {
        let (asked, tick) = (self.memory.now(), LoadHost::tick(self));
        let may_read = |peer: &Arc<dyn PeerGetter>| self.changes.may_read(peer);
        let taken = self.owners.take_over(keys, &may_read).into_iter();
        // See `changes::tags`.
        let tick = self.owners.tick_of_what_is_taken_over(tick);
        let aged = |loaded: Loaded| {
            let loaded = self.memory.with_an_end(self.memory.aged(loaded, asked));
            let loaded = loaded.came_from(Origin::PreviousOwner).begun_at(tick);
            (!self.memory.is_removed(&loaded)).then_some(loaded)
        };
        taken.map(|taken| taken.and_then(aged)).collect()
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

    fn held(&self, key: &str) -> Option<Loaded> {
        self.memory.held(key)
    }

    fn renew(
        &self,
        key: &str,
        loaded: Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded {
        match self.owner_of(key, cost) {
            Owner::Here { cost } => self.memory.renew(key, loaded, cost, now, is_wanted),
            owner @ Owner::Elsewhere => {
                self.memory.keep(key, &loaded, owner, now, is_wanted);
                loaded
            }
        }
    }
}

impl OwnerHost for Parts {
    fn may_ask(&self, peer: &Arc<dyn PeerGetter>) -> bool {
        self.changes.may_read(peer)
    }

    fn find_copy(&self, key: &str) -> Option<Loaded> {
        self.memory.peek_copy(key)
    }

    fn now(&self) -> u64 {
        self.memory.now()
    }

    fn tick(&self) -> u64 {
        self.memory.removed_tags().tick()
    }

    fn is_for_one_who_came_at(&self, came: u64, loaded: &Loaded) -> bool {
        loaded.is_for_one_who_came_at(came, self.memory.removed_tags())
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

    fn load_beside(self: &Arc<Self>, key: &str, call: Call) -> Answer {
        let mut answer = [None];
        // An old value, where that fails, is for those whose owner has failed as well.
        self.loads.load(&[key], &mut answer, call, self);
        let [answer] = answer;
        answer.expect("a load answers every key")
    }
}

impl CopyHost for Parts {
    /// What this process owns stays: it is told of changes of that. A load in place of an owner
    /// may bring a copy, too.
    fn drop_copy(&self, key: &str) {
        self.owners.doom(key);
        self.loads.doom(key);
        self.memory.remove_copy(key);
        self.owners.doom(key);
        self.loads.doom(key);
    }

    fn drop_copies(&self) {
        self.owners.doom_all();
        self.loads.doom_all();
        self.memory.clear_copies();
        self.owners.doom_all();
        self.loads.doom_all();
    }
}

impl PeersWatcher for Parts {
    fn peers_changed(&self) {
        self.changes.peers_changed(self.owners.picker());
    }
}

impl Debtor for Parts {
    fn pay_due(&self, haste: Haste) -> Option<Instant> {
        self.changes.pay_due(haste, self, self.owners.picker(), &Instant::now)
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

    fn forget_tag(&self, tag: Tag) {
        self.owners.remember_tag_removal(LoadHost::tick(self));
        self.memory.remove_tag(tag);
    }

    fn begin(&self, loaded: Loaded) -> Loaded {
        loaded.begun_at(LoadHost::tick(self))
    }

    /// As [`forget`](Self::forget) with what is kept then, but that the caches look at the versions
    /// under their locks: of two insertions at the same time none is to forget the newer value.
    fn keep_newer(
        &self,
        key: &str,
        loaded: Loaded,
        version: u64,
        is_newest: &dyn Fn() -> bool,
    ) -> Option<bool> {
        if self.memory.has_newer(key, version) {
            return None;
        }
        let loaded = self.memory.with_ttl(loaded);
        let owner = self.owner_of(key, Duration::ZERO);
        self.owners.remember_removal(Some(key));
        self.owners.doom(key);
        self.loads.doom(key);
        let is_kept = self.memory.keep_newer(key, &loaded, owner, self.memory.now(), is_newest);
        self.owners.doom(key);
        self.loads.doom(key);
        let is_refused = !is_kept && self.memory.has_newer(key, version);
        (!is_refused).then_some(is_kept)
    }

    fn keep_inserted(&self, key: &str, loaded: Loaded, is_newest: &dyn Fn() -> bool) -> bool {
        let loaded = self.memory.with_ttl(loaded);
        let owner = self.owner_of(key, Duration::ZERO);
        self.memory.keep_wanted(key, &loaded, owner, self.memory.now(), is_newest)
    }

    fn keep_as_owner(&self, key: &str, loaded: Loaded) -> bool {
        let loaded = self.memory.with_ttl(loaded);
        let owner = Owner::Here { cost: Duration::ZERO };
        self.memory.keep_wanted(key, &loaded, owner, self.memory.now(), || true)
    }
}
