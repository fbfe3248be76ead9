//! [`CacheShard`]: everything that happens under one lock.

use crate::cache::accounting::Accounting;
use crate::cache::admission::Admission;
use crate::cache::asker::Asker;
use crate::cache::departures::{Departure, Departures};
use crate::cache::entry::{Entry, Found};
use crate::cache::options::Eviction;
use crate::cache::slots::{FIRST, ListName};
use crate::cache::table::Table;

/// How many slots an insertion looks at for dead entries, on its way round the table. So a dead
/// entry that nobody asks for is gone after at most a quarter as many insertions as the shard has
/// slots, without a thread or a timer.
const SWEEP_SLOTS: usize = 4;
/// How many more slots an insertion looks at when something must go, before it takes a live entry.
const SWEEP_SLOTS_FOR_ROOM: usize = 12;

/// By what right an entry comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The policy decides whether it may stay.
    ByMerit,
    /// It stays, and others make room.
    Sure,
}

/// One shard of the cache: a table, the policy, the bound.
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
    /// Where the sweep goes on.
    sweep_at: u32,
    /// `None` = one exact LRU, all of it in the list of the window.
    admission: Option<Box<Admission>>,
    table: Table,
    accounting: Accounting,
    max_bytes: u64,
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
    pub(super) fn new(max_bytes: u64, eviction: Eviction, accounting: Accounting) -> Self {
        let admission = match eviction {
            Eviction::Lru => None,
            Eviction::Adaptive => Some(Box::new(Admission::new(max_bytes))),
        };
        let (table, counts) = (Table::new(accounting), Counts::default());
        let (hits, step_left, sweep_at) = (0, Admission::FIRST_STEP, FIRST);
        Self {
            hits,
            peer_hits: 0,
            step_left,
            sweep_at,
            admission,
            table,
            accounting,
            max_bytes,
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
        if self.table.is_dead(at, now) {
            return Err(self.miss(Some(at)));
        }
        let found = entry.found(key);
        match asker {
            Asker::ThisProcess => self.hits += 1,
            Asker::Peer => self.peer_hits += 1,
        }
        match &mut self.admission {
            Some(admission) => admission.hit(&mut self.table, at),
            None => self.table.move_to_front(at),
        }
        self.count_request();
        Ok(found)
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
        self.step_left = match &mut self.admission {
            Some(admission) => admission.end_step(&mut self.table),
            None => u32::MAX,
        };
    }

    /// Counts a miss, and takes out the entry at `dead`.
    fn miss(&mut self, dead: Option<u32>) -> Option<Entry> {
        self.counts.misses += 1;
        let entry = dead.and_then(|at| self.table.remove(at));
        self.counts.expired += u64::from(entry.is_some());
        self.count_request();
        entry
    }

    /// The entry of `key`. Counts nothing, and changes nothing.
    pub(super) fn peek(&self, tag: u32, key: &[u8], now: impl FnOnce() -> u64) -> Option<Found> {
        let (at, entry) = self.table.find(tag, key)?;
        if self.table.is_dead(at, now) { None } else { Some(entry.found(key)) }
    }

    /// Makes `entry` the entry of `key` and evicts until the bound holds; whether the entry is
    /// there now.
    pub(super) fn insert(
        &mut self,
        tag: u32,
        key: &[u8],
        entry: Entry,
        now: u64,
        place: Place,
        gone: &mut Departures,
    ) -> bool {
        let found = self.table.find(tag, key).map(|(at, _)| at);
        let charge = self.accounting.charge(entry.payload());
        if charge > self.max_bytes {
            self.counts.rejected += 1;
            gone.push(Some(entry), Departure::TooLarge);
            // What the key had is out of date, so it must not stay either.
            gone.push(found.and_then(|at| self.table.remove(at)), Departure::Removed);
            return false;
        }
        self.counts.inserts += 1;
        // What is sure to stay makes its room before it is there, and so is never its own victim.
        let found = match place {
            Place::ByMerit => found,
            Place::Sure => {
                gone.push(found.and_then(|at| self.table.remove(at)), Departure::Removed);
                self.make_room(charge, now, gone);
                None
            }
        };
        match (found, &mut self.admission) {
            (None, Some(admission)) if place == Place::Sure => {
                admission.insert_admitted(&mut self.table, tag, entry);
            }
            (Some(at), _) => {
                gone.push(self.table.replace(at, entry), Departure::Removed);
                self.table.count_use(at);
                self.table.move_to_front(at);
            }
            (None, Some(admission)) => admission.insert(&mut self.table, tag, entry),
            (None, None) => {
                self.table.insert(tag, entry, 0, ListName::Window);
            }
        }
        self.sweep(SWEEP_SLOTS, now, gone);
        self.make_room(0, now, gone);
        self.counts.evictions += gone.evicted;
        self.counts.expired += gone.expired;
        // The policy may have refused the entry itself. It may also have been dead when it came.
        (gone.evicted == 0 && gone.expired == 0) || self.table.find(tag, key).is_some()
    }

    /// Removes the entry of `key`; whether there was one.
    pub(super) fn remove(&mut self, tag: u32, key: &[u8], gone: &mut Departures) -> bool {
        let Some((at, _)) = self.table.find(tag, key) else { return false };
        gone.push(self.table.remove(at), Departure::Removed);
        true
    }

    /// Empties the shard, all but its counts, and hands out what was in it.
    pub(super) fn take(&mut self) -> Self {
        let eviction = match self.admission {
            None => Eviction::Lru,
            Some(_) => Eviction::Adaptive,
        };
        let mut empty = Self::new(self.max_bytes, eviction, self.accounting);
        (empty.hits, empty.peer_hits, empty.counts) = (self.hits, self.peer_hits, self.counts);
        std::mem::replace(self, empty)
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

    /// Evicts until the bound holds, and until there is room for what is going to be charged
    /// `more`, which must fit into the shard.
    fn make_room(&mut self, more: u64, now: u64, gone: &mut Departures) {
        let most = self.max_bytes - more;
        if self.table.charged() > most {
            self.sweep(SWEEP_SLOTS_FOR_ROOM, now, gone);
        }
        while self.table.charged() > most {
            if let Some(dead) = self.dead_at_the_back(now) {
                gone.push(self.table.remove(dead), Departure::Expired);
                continue;
            }
            match &mut self.admission {
                Some(admission) if more > 0 => admission.evict_from_main(&mut self.table, gone),
                Some(admission) => admission.evict(&mut self.table, gone),
                None => {
                    let Some(last) = self.table.last(ListName::Window) else { return };
                    gone.push(self.table.remove(last), Departure::Evicted);
                }
            }
        }
        if let Some(admission) = &mut self.admission {
            admission.shrink_window(&mut self.table);
        }
    }

    /// A dead entry that is the next to leave its list.
    fn dead_at_the_back(&self, now: u64) -> Option<u32> {
        if !self.table.any_can_die() {
            return None;
        }
        let mut last = ListName::ALL.into_iter().filter_map(|list| self.table.last(list));
        last.find(|&at| self.table.is_dead(at, || now))
    }

    /// Drops the dead entries among the next few slots.
    fn sweep(&mut self, slots: usize, now: u64, gone: &mut Departures) {
        if !self.table.any_can_die() {
            return;
        }
        for _ in 0..slots.min(self.table.places()) {
            if !self.table.has_place(self.sweep_at) {
                self.sweep_at = FIRST;
            }
            if self.table.is_dead(self.sweep_at, || now) {
                // Another entry may move into this place, so the next look is at the same one.
                gone.push(self.table.remove(self.sweep_at), Departure::Expired);
            } else {
                self.sweep_at += 1;
            }
        }
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
impl CacheShard {
    /// Checks everything that must hold between two operations.
    pub(super) fn validate(&self) {
        self.table.validate();
        assert!(self.table.charged() <= self.max_bytes, "over the bound");
        match &self.admission {
            Some(admission) => admission.validate(),
            None => assert_eq!(self.table.order(ListName::Window).len(), self.table.len()),
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
