//! The LRU lists of a shard, linked through the slots of its [`Table`].
//!
//! Each list is a true LRU: an entry that is used or that arrives goes to the front, and only the entry at the back ever leaves
//! to make room. The links are positions in the table, so no node is allocated and no pointer is needed.

use super::table::{Slot, Table};

/// No position: the end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// Which list an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ListName {
    /// New entries. Under [`Eviction::Lru`](super::Eviction::Lru), all entries.
    Window,
    /// Entries that were admitted and have not been used since.
    Probation,
    /// Entries that were used in probation.
    Protected,
}

/// The ends of a list, and what its entries are charged together.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) charged: u64,
}

impl List {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE, charged: 0 };
}

#[cfg(any(test, feature = "unstable-bench"))]
impl ListName {
    pub(super) const ALL: [Self; 3] = [Self::Window, Self::Probation, Self::Protected];
}

impl Table {
    /// The least recently used entry of a list.
    pub(super) fn last(&self, list: ListName) -> Option<u32> {
        Some(self.lists[list as usize].last).filter(|&at| at != NONE)
    }

    /// The entries of a list, least recently used first.
    pub(super) fn iter_from_back(&self, list: ListName) -> impl Iterator<Item = u32> {
        std::iter::successors(self.last(list), |&at| {
            Some(self.slots[at as usize].prev).filter(|&prev| prev != NONE)
        })
    }

    /// Which list the entry at `at` is in.
    #[inline]
    pub(super) fn list_of(&self, at: u32) -> ListName {
        self.slots[at as usize].list
    }

    /// What the entries of a list are charged together.
    pub(super) fn charged_in(&self, list: ListName) -> u64 {
        self.lists[list as usize].charged
    }

    /// Moves the entry at `at` to the front of its list.
    #[inline]
    pub(super) fn touch(&mut self, at: u32) {
        if self.slots[at as usize].prev != NONE {
            self.take_link(at);
            self.put_first(at, self.slots[at as usize].list);
        }
    }

    /// Moves the entry at `at` to the front of another list.
    pub(super) fn move_to(&mut self, at: u32, list: ListName) {
        self.unlink(at);
        self.link_first(at, list);
    }

    /// Moves the entry at `at` to the back of its list: it is the next to leave.
    pub(super) fn move_last(&mut self, at: u32) {
        let list = self.slots[at as usize].list;
        self.take_link(at);
        let before = self.lists[list as usize].last;
        let slot = &mut self.slots[at as usize];
        (slot.prev, slot.next) = (before, NONE);
        self.set_next_of(before, list, at);
        self.set_prev_of(NONE, list, at);
    }

    pub(super) fn link_first(&mut self, at: u32, list: ListName) {
        self.lists[list as usize].charged += self.charge(at);
        self.slots[at as usize].list = list;
        self.put_first(at, list);
    }

    pub(super) fn unlink(&mut self, at: u32) {
        let list = self.slots[at as usize].list;
        self.lists[list as usize].charged -= self.charge(at);
        self.take_link(at);
    }

    /// Tells the neighbours of an entry that it is now at `at`.
    pub(super) fn moved(&mut self, at: u32) {
        let Slot { prev, next, list, .. } = self.slots[at as usize];
        self.set_next_of(prev, list, at);
        self.set_prev_of(next, list, at);
    }

    #[inline]
    fn put_first(&mut self, at: u32, list: ListName) {
        let second = self.lists[list as usize].first;
        let slot = &mut self.slots[at as usize];
        (slot.prev, slot.next) = (NONE, second);
        self.set_next_of(NONE, list, at);
        self.set_prev_of(second, list, at);
    }

    #[inline]
    fn take_link(&mut self, at: u32) {
        let Slot { prev, next, list, .. } = self.slots[at as usize];
        self.set_next_of(prev, list, next);
        self.set_prev_of(next, list, prev);
    }

    /// Makes `next` the follower of `at`, or the first of the list if `at` is no position.
    #[inline]
    fn set_next_of(&mut self, at: u32, list: ListName, next: u32) {
        match at {
            NONE => self.lists[list as usize].first = next,
            at => self.slots[at as usize].next = next,
        }
    }

    /// Makes `prev` what `at` follows, or the last of the list if `at` is no position.
    #[inline]
    fn set_prev_of(&mut self, at: u32, list: ListName, prev: u32) {
        match at {
            NONE => self.lists[list as usize].last = prev,
            at => self.slots[at as usize].prev = prev,
        }
    }
}
