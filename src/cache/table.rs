//! [`Table`]: one shard's hash table, whose slots are the nodes of the LRU lists.
//!
//! Open addressing with linear probing. A slot holds the entry's handle, its tag (32 bits of the
//! key's hash) and the links of the list that it is in, as positions in this same table: 32 bytes,
//! two slots to a cache line. So a look-up waits for memory twice, for the slot and for the entry.
//! A map of keys to nodes of a slab would wait three times or more.
//!
//! The price is that entries move: a removal closes the gap by shifting later slots back (Knuth,
//! The Art of Computer Programming volume 3, 6.4, algorithm R), and each shifted slot tells its two
//! neighbours in the list where it went. There are no tombstones and no free list. **A position is
//! good until the next insertion or removal, never longer.**
//!
//! A slot's home is the tag scaled to the table's length, so the length can be any number; the
//! table grows by a quarter, to stay lean, when three quarters are taken. At a mean load of 0.67 a
//! hit looks at 2.1 slots by his formula, most of them in one cache line.
//!
//! The table alone counts: entries, bytes, and what each list is charged. All changes go through
//! it.

use crate::cache::accounting::Accounting;
use crate::cache::entry::{Entry, Meta};
use crate::cache::lists;
use crate::cache::slots::{ListName, MAX_COUNT, Slot, Slots};
use crate::tag::RemovedTags;

mod part;

pub(super) use part::END_OF_TAGS;

/// The entries of a shard, by key and in their LRU lists.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Table {
    slots: Slots,
    /// What the entries of each list are charged together.
    charged: [u64; 3],
    accounting: Accounting,
    len: usize,
    /// How many entries die at some time, or with a tag.
    can_die: usize,
    payload: u64,
    /// The charge from which on an entry is large.
    large_from: u64,
    /// What large entries are charged together.
    large: u64,
}

/// The smallest table that holds anything.
const MIN_PLACES: usize = 16;
/// A table with so many places or fewer never shrinks: there is little to win.
const SHRINK_FROM: usize = 1024;

impl Table {
    pub(super) fn new(accounting: Accounting, large_from: u64) -> Self {
        let (slots, charged) = (Slots::new(0), [0; 3]);
        let (len, can_die, payload, large) = (0, 0, 0, 0);
        Self { slots, charged, accounting, len, can_die, payload, large_from, large }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many slots there are, with an entry or without.
    pub(super) fn places(&self) -> usize {
        self.slots.places()
    }

    /// Whether there is a slot at `at`.
    pub(super) fn has_place(&self, at: u32) -> bool {
        self.slots.get(at).is_some()
    }

    /// Whether there are entries that die at some time, or with a tag.
    pub(super) fn any_can_die(&self) -> bool {
        self.can_die > 0
    }

    /// Bytes of the keys and values.
    pub(super) fn payload(&self) -> u64 {
        self.payload
    }

    /// What all entries are charged together.
    pub(super) fn charged(&self) -> u64 {
        self.charged.iter().sum()
    }

    /// What the large entries are charged together.
    pub(super) fn large(&self) -> u64 {
        self.large
    }

    /// Whether an entry with this charge is a large one.
    pub(super) fn is_large(&self, charge: u64) -> bool {
        charge >= self.large_from
    }

    /// What the entries of a list are charged together.
    pub(super) fn charged_in(&self, list: ListName) -> u64 {
        self.charged[list as usize]
    }

    /// What the entry at `at` is charged.
    #[inline]
    pub(super) fn charge(&self, at: u32) -> u64 {
        let payload = self.slots[at].entry.as_ref().map_or(0, Entry::payload);
        self.accounting.charge(payload)
    }

    /// The tag of the entry at `at`.
    pub(super) fn tag(&self, at: u32) -> u32 {
        self.slots[at].tag
    }

    /// How often the entry at `at` was asked for lately.
    pub(super) fn count(&self, at: u32) -> u8 {
        self.slots[at].count
    }

    /// When the entry at `at` was last asked for, as its list counts time.
    pub(super) fn stamp(&mut self, at: u32) -> &mut u8 {
        &mut self.slots[at].stamp
    }

    /// Counts that the entry at `at` was asked for.
    #[inline]
    pub(super) fn count_use(&mut self, at: u32) {
        let count = &mut self.slots[at].count;
        *count = (*count + 1).min(MAX_COUNT);
    }

    /// Halves the counts in part `part` of `parts`.
    pub(super) fn halve_counts(&mut self, part: usize, parts: usize) {
        self.slots.part_mut(part, parts).iter_mut().for_each(|slot| slot.count /= 2);
    }

    /// Whether the entry at `at` is dead at the time `now` tells, which is asked only about entries
    /// that die at some time, or because a tag of it was removed.
    pub(super) fn is_dead(
        &self,
        at: u32,
        now: impl FnOnce() -> u64,
        removed: &RemovedTags,
    ) -> bool {
        let slot = &self.slots[at];
        slot.can_die && slot.entry.as_ref().is_some_and(|entry| entry.is_dead(now, removed))
    }

    /// Where `key` is, and its entry.
    #[inline]
    pub(super) fn find(&self, tag: u32, key: &[u8]) -> Option<(u32, &Entry)> {
        let mut at = self.slots.home(tag);
        // Ends at an empty slot; a quarter of them are. A table without slots has no home either.
        while let Some(Slot { entry: Some(entry), tag: its_tag, .. }) = self.slots.get(at) {
            if *its_tag == tag && entry.has_key(key) {
                return Some((at, entry));
            }
            at = self.slots.after(at);
        }
        None
    }

    /// Puts an entry whose key is not in the table at the front of `list`.
    pub(super) fn insert(&mut self, tag: u32, entry: Entry, count: u8, list: ListName) -> u32 {
        self.resize_for_one_more();
        let at = self.free_slot(tag);
        let can_die = entry.can_die();
        self.count_in(list, entry.payload());
        self.len += 1;
        self.can_die += usize::from(can_die);
        self.slots[at] = Slot { entry: Some(entry), tag, count, can_die, ..Slot::EMPTY };
        lists::push_front(&mut self.slots, at, list);
        at
    }

    /// Gives the slot at `at` another entry of the same key, and returns the one that was there.
    pub(super) fn replace(&mut self, at: u32, entry: Entry) -> Option<Entry> {
        let (payload, can_die) = (entry.payload(), entry.can_die());
        let slot = &mut self.slots[at];
        let list = slot.list;
        self.can_die += usize::from(can_die);
        self.can_die -= usize::from(slot.can_die);
        slot.can_die = can_die;
        let old = slot.entry.replace(entry);
        self.count_in(list, payload);
        self.count_out(list, old.as_ref().map_or(0, Entry::payload));
        old
    }

    /// Gives the entry at `at` other times, if nobody else has its value; whether it has them.
    pub(super) fn renew(&mut self, at: u32, meta: Meta, tick: u64) -> bool {
        let slot = &mut self.slots[at];
        let is_renewed = slot.entry.as_mut().is_some_and(|entry| entry.set_meta(meta, tick));
        if is_renewed {
            let can_die = slot.entry.as_ref().is_some_and(Entry::can_die);
            self.can_die += usize::from(can_die);
            self.can_die -= usize::from(slot.can_die);
            slot.can_die = can_die;
        }
        is_renewed
    }

    /// Takes the entry at `at` out. Other entries may move.
    pub(super) fn remove(&mut self, at: u32) -> Option<Entry> {
        let slot = &mut self.slots[at];
        let entry = slot.entry.take()?;
        let list = slot.list;
        self.len -= 1;
        self.can_die -= usize::from(slot.can_die);
        self.count_out(list, entry.payload());
        lists::unlink(&mut self.slots, at);
        self.close_gap(at);
        Some(entry)
    }

    /// An entry with this payload is in `list` from now on.
    fn count_in(&mut self, list: ListName, payload: u64) {
        let charge = self.accounting.charge(payload);
        self.payload += payload;
        self.charged[list as usize] += charge;
        self.large += if self.is_large(charge) { charge } else { 0 };
    }

    /// An entry with this payload is no longer in `list`.
    fn count_out(&mut self, list: ListName, payload: u64) {
        let charge = self.accounting.charge(payload);
        self.payload -= payload;
        self.charged[list as usize] -= charge;
        self.large -= if self.is_large(charge) { charge } else { 0 };
    }

    /// The most recently used entry of a list.
    pub(super) fn first(&self, list: ListName) -> Option<u32> {
        lists::first(&self.slots, list)
    }

    /// The least recently used entry of a list.
    pub(super) fn last(&self, list: ListName) -> Option<u32> {
        lists::last(&self.slots, list)
    }

    /// The entries of a list, least recently used first.
    pub(super) fn iter_from_back(&self, list: ListName) -> impl Iterator<Item = u32> {
        lists::iter_from_back(&self.slots, list)
    }

    /// Which list the entry at `at` is in.
    #[inline]
    pub(super) fn list_of(&self, at: u32) -> ListName {
        self.slots[at].list
    }

    /// Moves the entry at `at` to the front of its list.
    #[inline]
    pub(super) fn move_to_front(&mut self, at: u32) {
        lists::move_to_front(&mut self.slots, at);
    }

    /// Moves the entry at `at` to the back of its list: it is the next to leave.
    pub(super) fn move_to_back(&mut self, at: u32) {
        lists::move_to_back(&mut self.slots, at);
    }

    /// Moves the entry at `at` to the front of another list.
    #[inline]
    pub(super) fn move_to(&mut self, at: u32, list: ListName) {
        let charge = self.charge(at);
        self.charged[self.slots[at].list as usize] -= charge;
        self.charged[list as usize] += charge;
        lists::unlink(&mut self.slots, at);
        lists::push_front(&mut self.slots, at, list);
    }

    /// Shifts back what linear probing had pushed past the gap at `gap`.
    fn close_gap(&mut self, mut gap: u32) {
        let mut at = self.slots.after(gap);
        while self.slots[at].entry.is_some() {
            let home = self.slots.home(self.slots[at].tag);
            // The entry may fill the gap unless its home lies behind the gap, counted round the end
            // of the table.
            if self.slots.distance(home, at) >= self.slots.distance(gap, at) {
                self.slots[gap] = std::mem::replace(&mut self.slots[at], Slot::EMPTY);
                lists::moved(&mut self.slots, gap);
                gap = at;
            }
            at = self.slots.after(at);
        }
    }

    /// Grows a table that is three quarters full. Shrinks one whose entries were once many and
    /// small and are now few and large, as its memory is counted with the entries.
    fn resize_for_one_more(&mut self) {
        let places = self.slots.places();
        let wanted = if (self.len + 1) * 4 > places * 3 {
            (places + places / 4).max(MIN_PLACES)
        } else if places > SHRINK_FROM && self.len * 6 < places {
            (self.len * 2).max(MIN_PLACES)
        } else {
            return;
        };
        let mut old = std::mem::replace(&mut self.slots, Slots::new(wanted));
        // From the back of each list to its front, so that each entry is put before the one before
        // it.
        for list in ListName::ALL {
            let mut at = old[list.head()].prev;
            while at != list.head() {
                let slot = std::mem::replace(&mut old[at], Slot::EMPTY);
                at = slot.prev;
                let to = self.free_slot(slot.tag);
                self.slots[to] = slot;
                lists::push_front(&mut self.slots, to, list);
            }
        }
    }

    /// The first empty slot from the tag's home on. There must be one.
    fn free_slot(&self, tag: u32) -> u32 {
        let mut at = self.slots.home(tag);
        while self.slots[at].entry.is_some() {
            at = self.slots.after(at);
        }
        at
    }
}

#[cfg(test)]
impl Table {
    /// How far into a table a look-up reads before it knows where the slots are.
    pub(super) const SLOTS_END: usize = std::mem::offset_of!(Self, slots) + size_of::<Slots>();
}

#[cfg(any(test, feature = "unstable-bench"))]
impl Table {
    /// Checks every slot, link and sum against each other.
    pub(super) fn validate(&self) {
        self.validate_slots();
        let mut linked = 0;
        for list in ListName::ALL {
            let (mut before, mut charged) = (list.head(), 0);
            let mut at = self.slots[before].next;
            while at != list.head() {
                let slot = &self.slots[at];
                assert!(slot.entry.is_some() && slot.list == list && slot.prev == before);
                charged += self.charge(at);
                linked += 1;
                (before, at) = (at, slot.next);
            }
            assert_eq!((self.slots[at].prev, self.charged_in(list)), (before, charged));
        }
        assert_eq!(linked, self.len);
    }

    fn validate_slots(&self) {
        assert_eq!(size_of::<Slot>(), 32);
        let (mut len, mut can_die, mut payload, mut large) = (0, 0, 0, 0);
        for (at, slot) in (crate::cache::slots::FIRST..).zip(self.slots.iter()) {
            assert!(slot.count <= MAX_COUNT);
            let Some(entry) = &slot.entry else { continue };
            let found = self.find(slot.tag, entry.key()).map(|(at, _)| at);
            assert_eq!(found, Some(at), "not found from home");
            assert_eq!(slot.can_die, entry.can_die());
            len += 1;
            can_die += usize::from(slot.can_die);
            payload += entry.payload();
            large += Some(self.charge(at)).filter(|it| self.is_large(*it)).unwrap_or(0);
        }
        assert_eq!((len, can_die, payload), (self.len, self.can_die, self.payload));
        assert_eq!(large, self.large);
    }

    /// The keys of a list, most recently used first.
    pub(super) fn order(&self, name: ListName) -> Vec<&[u8]> {
        let from_back = self.iter_from_back(name);
        let keys = from_back.filter_map(|at| self.slots[at].entry.as_ref().map(Entry::key));
        let mut keys: Vec<_> = keys.collect();
        keys.reverse();
        keys
    }
}
