//! How a shard gets room for an entry, and gives it up for those of others.

use crate::cache::admission::{Admission, ShardRoom};
use crate::cache::arrival::Giver;
use crate::cache::departures::{Departure, Departures};
use crate::cache::shard::CacheShard;
use crate::cache::slots::{FIRST, ListName};

/// How many more slots an insertion looks at when something must go, before it takes a live entry.
const SWEEP_SLOTS_FOR_ROOM: usize = 12;
/// After so many such looks in vain only one in so many insertions looks: each slot is a wait for
/// the memory of its entry, and all of them together took as long as the insertion.
const SWEEPS_IN_VAIN: u64 = 8;
/// How many slots of this shard are looked at by an operation in another one.
const SWEEP_SLOTS_FROM_ELSEWHERE: usize = 32;
/// How many entries a shard gives up for another one before others may have the lock.
const GIVEN_AT_ONCE: usize = 64;

impl CacheShard {
    /// Evicts entries until `wanted` bytes are free, for an entry in another shard: no more than
    /// are above the share, if it is the turn of those, and a bounded number of entries. Returns
    /// how many bytes are handed over, still reserved.
    pub(in crate::cache) fn give(
        &mut self,
        wanted: u64,
        giver: Giver,
        now: u64,
        gone: &mut Departures,
    ) -> u64 {
        let before = self.table.charged();
        for _ in 0..GIVEN_AT_ONCE {
            let freed = before - self.table.charged();
            let has_more = match giver {
                Giver::AboveShare => self.above_share(0) > 0,
                Giver::Anyone | Giver::ThisShard => self.table.len() > 0,
            };
            if freed >= wanted || !has_more {
                break;
            }
            self.evict_one(0, wanted - freed, now, gone);
        }
        let freed = before - self.table.charged();
        self.reserved -= freed;
        self.finish(gone);
        freed
    }

    /// Drops dead entries among the next few slots, in passing.
    pub(in crate::cache) fn sweep_from_elsewhere(&mut self, now: u64, gone: &mut Departures) {
        self.sweep(SWEEP_SLOTS_FROM_ELSEWHERE, now, gone);
        self.finish(gone);
    }

    /// Evicts until all entries, and `more` that are going to be charged, have their room
    /// reserved; whether that is so.
    pub(super) fn make_room(&mut self, more: u64, now: u64, gone: &mut Departures) -> bool {
        if !self.reserve(more) {
            self.sweep_for_room(now, gone);
        }
        while !self.reserve(more) {
            if self.table.len() == 0 {
                return false;
            }
            let lacking = self.table.charged() + more - self.reserved;
            let missing = lacking.saturating_sub(self.common.budget.spare()).max(1);
            self.evict_one(more, missing, now, gone);
        }
        if self.admission.is_some() {
            let room = ShardRoom::of(&self.common, &self.table, 0);
            Admission::shrink_window(&mut self.table, room);
        }
        true
    }

    /// Reserves what all entries, and `more`, are charged above what is reserved, if it is there.
    fn reserve(&mut self, more: u64) -> bool {
        let lacking = (self.table.charged() + more).saturating_sub(self.reserved);
        let is_there = lacking == 0 || self.common.budget.reserve(lacking);
        self.reserved += if is_there { lacking } else { 0 };
        is_there
    }

    /// Evicts an entry, a dead one if there is one at the back: one of those that are here, or,
    /// where nothing more is to come, the one that just came.
    fn evict_one(&mut self, more: u64, missing: u64, now: u64, gone: &mut Departures) {
        if let Some(dead) = self.dead_at_the_back(now) {
            gone.push(self.table.remove(dead), Departure::Expired);
            return;
        }
        match &mut self.admission {
            Some(admission) if more > 0 => admission.evict_from_main(&mut self.table, gone),
            Some(admission) => {
                let room = ShardRoom::of(&self.common, &self.table, missing);
                admission.evict(&mut self.table, room, gone);
            }
            None => {
                let last = self.table.last(ListName::Window);
                gone.push(last.and_then(|at| self.table.remove(at)), Departure::Evicted);
            }
        }
    }

    /// A dead entry that is the next to leave its list.
    fn dead_at_the_back(&self, now: u64) -> Option<u32> {
        if !self.table.any_can_die() {
            return None;
        }
        let mut last = ListName::ALL.into_iter().filter_map(|list| self.table.last(list));
        last.find(|&at| self.table.is_dead(at, || now, &self.common.removed))
    }

    /// Looks for dead entries before a live one has to go.
    fn sweep_for_room(&mut self, now: u64, gone: &mut Departures) {
        let finds_some = u64::from(self.sweeps_in_vain) < SWEEPS_IN_VAIN;
        if finds_some || self.counts.inserts % SWEEPS_IN_VAIN == 0 {
            let before = gone.expired;
            self.sweep(SWEEP_SLOTS_FOR_ROOM, now, gone);
            let is_in_vain = gone.expired == before;
            self.sweeps_in_vain =
                if is_in_vain { self.sweeps_in_vain.saturating_add(1) } else { 0 };
        }
    }

    /// Drops the dead entries among the next few slots.
    pub(super) fn sweep(&mut self, slots: usize, now: u64, gone: &mut Departures) {
        if !self.table.any_can_die() {
            return;
        }
        for _ in 0..slots.min(self.table.places()) {
            if !self.table.has_place(self.sweep_at) {
                self.sweep_at = FIRST;
            }
            if self.table.is_dead(self.sweep_at, || now, &self.common.removed) {
                // Another entry may move into this place, so the next look is at the same one.
                gone.push(self.table.remove(self.sweep_at), Departure::Expired);
            } else {
                self.sweep_at += 1;
            }
        }
    }
}
