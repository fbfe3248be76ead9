//! [`CacheShard`]: everything that happens under one lock.

use std::sync::Arc;

use crate::byteview::ByteView;
use crate::cache::admission::{Admission, Period, ShardRoom};
use crate::cache::arrival::{Addition, Arrival, Giver, Insertion, Place};
use crate::cache::asker::Asker;
use crate::cache::budget::Credit;
use crate::cache::common::Common;
use crate::cache::departures::{Departure, Departures};
use crate::cache::entry::{Entry, Found, Meta};
use crate::cache::heat::Heat;
use crate::cache::options::Eviction;
use crate::cache::slots::{FIRST, ListName};
use crate::cache::table::Table;
use crate::tag::RemovedTags;

mod room;

/// How many slots an insertion looks at for dead entries, on its way round the table. So a dead
/// entry that nobody asks for is gone after at most a quarter as many insertions as the shard has
/// slots, without a thread or a timer.
const SWEEP_SLOTS: usize = 4;
/// One in so many hits looks for dead entries in another shard. To look at a slot takes as long as
/// a hit, since its entry is nowhere near, so this adds one part in 32 to the time of hits.
const HITS_PER_SWEEP: u64 = 1024;

/// One shard of the cache: a table, the policy, and what is reserved for them.
///
/// What a hit needs comes first, to be in the cache line of the lock: threads on different
/// processors hand that line over at each look-up, and every other line that they both write costs
/// as much again.
#[derive(Debug)]
#[repr(C)]
pub(super) struct CacheShard {
    hits: u64,
    /// Hits of peers' requests, apart from the others.
    peer_hits: u64,
    /// Requests until the policy's next step.
    step_left: u32,
    /// The steps so far.
    steps: u8,
    /// `None` = one exact LRU, all of it in the list of the window.
    admission: Option<Box<Admission>>,
    table: Table,
    common: Arc<Common>,
    /// Where the sweep goes on.
    sweep_at: u32,
    /// How many looks for dead entries in a row found none, when there had to be room.
    sweeps_in_vain: u8,
    /// What is reserved in the budget for the entries: what they are charged, between two
    /// operations.
    reserved: u64,
    /// What the budget knows of the large ones.
    large: u64,
    counts: Counts,
}

/// What happened in a shard beside hits. Plain numbers: they are changed under the lock that is
/// held anyway.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) misses: u64,
    pub(super) inserts: u64,
    pub(super) evictions: u64,
    pub(super) expired: u64,
    pub(super) rejected: u64,
}

impl CacheShard {
    pub(super) fn new(common: Arc<Common>) -> Self {
        let budget = &common.budget;
        let admission = match common.eviction {
            Eviction::Lru => None,
            Eviction::Adaptive => {
                Some(Box::new(Admission::new(budget.share(0), budget.shards() as usize)))
            }
        };
        let table = Table::new(common.accounting, budget.large_from());
        let (hits, peer_hits, counts) = (0, 0, Counts::default());
        let (step_left, steps, sweep_at, sweeps_in_vain) = (Admission::FIRST_STEP, 0, FIRST, 0);
        let (reserved, large) = (0, 0);
        Self {
            hits,
            peer_hits,
            step_left,
            steps,
            admission,
            table,
            common,
            sweep_at,
            sweeps_in_vain,
            reserved,
            large,
            counts,
        }
    }

    /// The entry of `key`, which counts as used. An entry that is dead leaves, and the caller drops
    /// it.
    #[inline]
    pub(super) fn get(
        &mut self,
        tag: u32,
        key: &[u8],
        asker: Asker,
        now: impl FnOnce() -> u64,
    ) -> Result<Found, Option<Entry>> {
        let Some((at, entry)) = self.table.find(tag, key) else { return Err(self.miss(None)) };
        if self.table.is_dead(at, now, &self.common.removed) {
            return Err(self.miss(Some(at)));
        }
        let found = entry.found();
        match asker {
            Asker::ThisProcess => self.hits += 1,
            Asker::Peer => self.peer_hits += 1,
        }
        match &mut self.admission {
            Some(admission) => {
                let room = |table: &Table| ShardRoom::of(&self.common, table, 0);
                admission.hit(&mut self.table, at, Period::of(self.steps), room);
            }
            None => self.table.move_to_front(at),
        }
        self.count_request();
        Ok(found)
    }

    /// Whether the next hit is one of those that look for dead entries in another shard first.
    #[inline]
    pub(super) fn is_time_to_sweep_elsewhere(&self) -> bool {
        (self.hits + self.peer_hits) % HITS_PER_SWEEP == HITS_PER_SWEEP - 1
    }

    /// Counts a request to the policy's next step.
    #[inline]
    fn count_request(&mut self) {
        self.step_left -= 1;
        if self.step_left == 0 {
            self.end_step();
        }
    }

    #[cold]
    fn end_step(&mut self) {
        self.steps = self.steps.wrapping_add(1);
        self.step_left = match &mut self.admission {
            Some(admission) => admission.end_step(&mut self.table, |sample, age_step| {
                // A cache that is not full needs no window.
                if self.common.budget.is_full() {
                    self.common.window.learn(sample, age_step);
                }
            }),
            None => u32::MAX,
        };
    }

    /// Counts a miss, and takes out the entry at `dead`.
    fn miss(&mut self, dead: Option<u32>) -> Option<Entry> {
        self.counts.misses += 1;
        let entry = dead.and_then(|at| self.table.remove(at));
        self.counts.expired += u64::from(entry.is_some());
        self.settle();
        self.count_request();
        entry
    }

    /// The entry of `key`. Counts nothing, and changes nothing.
    pub(super) fn peek(&self, tag: u32, key: &[u8], now: impl FnOnce() -> u64) -> Option<Found> {
        let (at, entry) = self.table.find(tag, key)?;
        let is_dead = self.table.is_dead(at, now, &self.common.removed);
        (!is_dead).then(|| entry.found())
    }

    /// Gives the entry of `key` other times, if its value is this one and nobody else has that. The
    /// value comes back, as an error where nothing was done.
    pub(super) fn renew(
        &mut self,
        tag: u32,
        key: &[u8],
        value: ByteView,
        (meta, tick): (Meta, u64),
    ) -> Result<ByteView, ByteView> {
        let found = self.table.find(tag, key).filter(|(_, entry)| entry.is_of(&value));
        let Some(at) = found.map(|(at, _)| at) else { return Err(value) };
        // The entry has the bytes as well, so nothing is freed under the lock.
        drop(value);
        let is_renewed = self.table.renew(at, meta, tick);
        let value = self.table.find(tag, key).and_then(|(_, entry)| entry.found().into_value());
        let value = value.expect("the entry was there, and had a value");
        if is_renewed { Ok(value) } else { Err(value) }
    }

    /// Makes the entry that arrives the entry of its key, and evicts others until it has room; or
    /// changes nothing and tells how many bytes others have to give.
    ///
    /// `credit` is what is reserved for it already.
    pub(super) fn insert<'a>(
        &mut self,
        mut arrival: Arrival<'a>,
        giver: Giver,
        credit: &mut Credit<'_>,
        gone: &mut Departures,
    ) -> Insertion<'a> {
        let found = self.table.find(arrival.tag, arrival.key).map(|(at, _)| at);
        let charge = self.common.accounting.charge(arrival.entry.payload());
        let before = found.map_or(0, |at| self.table.charge(at));
        let at_hand = before + credit.bytes() + self.common.budget.spare();
        let missing = charge.saturating_sub(at_hand);
        if missing > 0 && arrival.place == Place::ByMerit && self.is_compared_at_once(charge) {
            // The policy compares it with all that would have to go, in this shard and in others.
            let admitted = found.is_some()
                || match &self.admission {
                    Some(admission) => admission.outbids(&self.table, arrival.tag, missing),
                    None => true,
                };
            if !admitted {
                return self.refuse(arrival, charge, gone);
            }
            arrival.place = Place::Sure;
        }
        let lacking = self.lacking(missing, charge, before, giver);
        if lacking > 0 {
            return Insertion::Lacks { arrival, bytes: lacking };
        }
        self.reserved += credit.take();
        let inserted = match arrival.place {
            Place::ByMerit => self.insert_by_merit(arrival, found, gone),
            Place::Sure => self.insert_surely(arrival, charge, found, gone),
        };
        if let Insertion::Lacks { .. } = inserted {
            // What was evicted here is not given to others before the entry has its room.
            credit.add(self.reserved - self.table.charged());
            self.reserved = self.table.charged();
        }
        self.finish(gone);
        inserted
    }

    /// Whether the policy decides on an entry with this charge before others give it room.
    fn is_compared_at_once(&self, charge: u64) -> bool {
        let passes = match self.admission {
            Some(_) => self.common.largest_to_pass(),
            None => 0,
        };
        self.table.is_large(charge) && charge > passes
    }

    /// How many of the bytes that are `missing` for an entry should come from other shards, by
    /// whose turn it is to give.
    fn lacking(&self, missing: u64, charge: u64, before: u64, giver: Giver) -> u64 {
        let budget = &self.common.budget;
        if missing == 0 || budget.shards() == 1 {
            return 0;
        }
        let is_here = self.table.charged() - before >= missing;
        match giver {
            Giver::AboveShare if self.table.is_large(charge) => {
                // It takes a part of every share, and so of this one.
                missing.saturating_sub(self.above_share(charge))
            }
            Giver::AboveShare => {
                let small = self.table.charged() - self.table.large() + charge;
                let is_above = small > budget.share(0).saturating_add(before);
                if is_above && is_here { 0 } else { missing }
            }
            Giver::Anyone if is_here => 0,
            Giver::Anyone => missing,
            Giver::ThisShard => 0,
        }
    }

    /// What the entries that are not large take above their share, once `more` is charged for
    /// large ones.
    fn above_share(&self, more: u64) -> u64 {
        let small = self.table.charged() - self.table.large();
        small.saturating_sub(self.common.budget.share(more))
    }

    fn insert_by_merit<'a>(
        &mut self,
        arrival: Arrival<'a>,
        found: Option<u32>,
        gone: &mut Departures,
    ) -> Insertion<'a> {
        let Arrival { tag, key, entry, now, .. } = arrival;
        self.counts.inserts += 1;
        match (found, &mut self.admission) {
            (Some(at), _) => {
                gone.push(self.table.replace(at, entry), Departure::Removed);
                self.table.count_use(at);
                self.table.move_to_front(at);
            }
            (None, Some(admission)) => {
                admission.insert(&mut self.table, tag, entry, self.common.largest_to_pass());
            }
            (None, None) => {
                self.table.insert(tag, entry, 0, ListName::Window);
            }
        }
        self.sweep(SWEEP_SLOTS, now, gone);
        self.make_room(0, now, gone);
        // The policy may have refused the entry itself. It may also have been dead when it came.
        if gone.have_taken(key) { Insertion::NotKept } else { Insertion::Kept }
    }

    /// As [`insert_by_merit`](Self::insert_by_merit), for an entry that is sure to stay. It makes
    /// its room before it is there, and so is never its own victim.
    fn insert_surely<'a>(
        &mut self,
        arrival: Arrival<'a>,
        charge: u64,
        found: Option<u32>,
        gone: &mut Departures,
    ) -> Insertion<'a> {
        let known = found.map_or(0, |at| self.table.count(at));
        gone.push(found.and_then(|at| self.table.remove(at)), Departure::Removed);
        if !self.make_room(charge, arrival.now, gone) {
            // The shard is empty. Others were faster to take what the cache had left.
            return Insertion::Lacks { arrival, bytes: charge.saturating_sub(self.reserved) };
        }
        let Arrival { tag, key, entry, now, .. } = arrival;
        self.counts.inserts += 1;
        match &mut self.admission {
            Some(admission) => admission.insert_admitted(&mut self.table, tag, entry, known),
            None => {
                self.table.insert(tag, entry, 0, ListName::Window);
            }
        }
        self.sweep(SWEEP_SLOTS, now, gone);
        if gone.have_taken(key) { Insertion::NotKept } else { Insertion::Kept }
    }

    /// An entry comes that is not admitted. What its key had is out of date, so it leaves as well.
    fn refuse<'a>(
        &mut self,
        arrival: Arrival<'a>,
        charge: u64,
        gone: &mut Departures,
    ) -> Insertion<'a> {
        self.counts.inserts += 1;
        if let Some(admission) = &mut self.admission {
            admission.refuse(arrival.tag, charge);
        }
        self.remove(arrival.tag, arrival.key, gone);
        gone.push(Some(arrival.entry), Departure::Refused);
        self.finish(gone);
        Insertion::NotKept
    }

    /// An entry comes that is larger than any may be. What its key had is out of date.
    pub(super) fn reject(&mut self, tag: u32, key: &[u8], gone: &mut Departures) {
        self.counts.rejected += 1;
        self.remove(tag, key, gone);
    }

    /// Takes in an entry that is colder than those that came before it, if the cache has room that
    /// nobody uses. Nothing leaves for it, but a dead entry of its key.
    pub(super) fn add(
        &mut self,
        arrival: Arrival<'_>,
        heat: Heat,
        gone: &mut Departures,
    ) -> Addition {
        let Arrival { tag, key, entry, now, .. } = arrival;
        if let Some((at, _)) = self.table.find(tag, key) {
            if !self.table.is_dead(at, || now, &self.common.removed) {
                return Addition::IsThere;
            }
            gone.push(self.table.remove(at), Departure::Expired);
            self.finish(gone);
        }
        let charge = self.common.accounting.charge(entry.payload());
        if !self.common.budget.reserve(charge) {
            gone.push(Some(entry), Departure::Removed);
            return Addition::NoRoom;
        }
        self.reserved += charge;
        self.counts.inserts += 1;
        match &mut self.admission {
            Some(admission) => {
                let room = ShardRoom::of(&self.common, &self.table, 0);
                admission.add(&mut self.table, tag, entry, heat, room);
            }
            None => {
                let at = self.table.insert(tag, entry, 0, ListName::Window);
                self.table.move_to_back(at);
            }
        }
        self.settle();
        Addition::Kept
    }

    /// Removes the entry of `key`; whether there was one.
    pub(super) fn remove(&mut self, tag: u32, key: &[u8], gone: &mut Departures) -> bool {
        let Some((at, _)) = self.table.find(tag, key) else { return false };
        gone.push(self.table.remove(at), Departure::Removed);
        self.settle();
        true
    }

    /// Empties the shard, all but its counts, and hands out what was in it.
    pub(super) fn take(&mut self) -> Self {
        let mut empty = Self::new(Arc::clone(&self.common));
        (empty.hits, empty.peer_hits, empty.counts) = (self.hits, self.peer_hits, self.counts);
        let old = std::mem::replace(self, empty);
        old.common.budget.release(old.reserved);
        old.common.budget.count_large(old.large, 0);
        old
    }

    /// Hits of this process, and of its peers.
    pub(super) fn hits(&self) -> (u64, u64) {
        (self.hits, self.peer_hits)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn removed_tags(&self) -> &RemovedTags {
        &self.common.removed
    }

    /// Whether the key of an entry that comes to `place` has one of a newer version, or where it
    /// [should be newer](Place::Sure) of the same.
    pub(super) fn has_newer(&self, arrival: &Arrival<'_>, place: Place) -> bool {
        let Some(version) = arrival.entry.version() else { return false };
        // One whose tag was removed has no version. One past its time has it still.
        let is_there = |at| !self.table.is_dead(at, || 0, &self.common.removed);
        let found = self.table.find(arrival.tag, arrival.key).filter(|(at, _)| is_there(*at));
        found.and_then(|(_, entry)| entry.version()).is_some_and(|there| match place {
            Place::ByMerit => there > version,
            Place::Sure => there >= version,
        })
    }

    /// Counts what left, and settles.
    fn finish(&mut self, gone: &Departures) {
        self.counts.evictions += gone.evicted;
        self.counts.expired += gone.expired;
        self.settle();
    }

    /// Gives back what is reserved and not charged, and tells the budget of large entries.
    fn settle(&mut self) {
        let (charged, large) = (self.table.charged(), self.table.large());
        if self.reserved != charged {
            self.common.budget.release(self.reserved.saturating_sub(charged));
            self.reserved = charged;
        }
        if self.large != large {
            self.common.budget.count_large(self.large, large);
            self.large = large;
        }
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
impl CacheShard {
    /// Checks everything that must hold between two operations.
    pub(super) fn validate(&self) {
        self.table.validate();
        assert_eq!((self.table.charged(), self.table.large()), (self.reserved, self.large));
        if self.admission.is_none() {
            assert_eq!(self.table.order(ListName::Window).len(), self.table.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;
    use std::sync::Mutex;

    use super::{CacheShard, Table};

    #[test]
    fn what_a_hit_needs_is_in_the_cache_line_of_the_lock() {
        let lock = size_of::<Mutex<u64>>() - size_of::<u64>();
        assert!(lock + offset_of!(CacheShard, table) + Table::SLOTS_END <= 64);
    }
}
