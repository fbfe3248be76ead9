//! The LRU lists of a shard, linked through the slots of its [`Table`].
//!
//! Each list is a true LRU: an entry that is used or that arrives goes to the front, and only entries at the back ever leave
//! to make room. The links are positions in the table, so no node is allocated and no pointer is needed. A list is a ring that
//! its *head* closes, a slot without an entry: so every entry has two neighbours, and no link is a special case.

use super::slots::Slot;
use super::table::Table;

/// Which list an entry is in. Its number is the position of the list's head.
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

impl ListName {
    pub(super) const ALL: [Self; 3] = [Self::Window, Self::Probation, Self::Protected];

    #[inline]
    pub(super) fn head(self) -> u32 {
        self as u32
    }
}

impl Table {
    /// The least recently used entry of a list.
    pub(super) fn last(&self, list: ListName) -> Option<u32> {
        self.before(list.head(), list)
    }

    /// The entries of a list, least recently used first.
    pub(super) fn iter_from_back(&self, list: ListName) -> impl Iterator<Item = u32> {
        std::iter::successors(self.last(list), move |&at| self.before(at, list))
    }

    fn before(&self, at: u32, list: ListName) -> Option<u32> {
        Some(self.slots[at].prev).filter(|&prev| prev != list.head())
    }

    /// Which list the entry at `at` is in.
    #[inline]
    pub(super) fn list_of(&self, at: u32) -> ListName {
        self.slots[at].list
    }

    /// What the entries of a list are charged together.
    pub(super) fn charged_in(&self, list: ListName) -> u64 {
        self.charged[list as usize]
    }

    /// Moves the entry at `at` to the front of its list.
    #[inline]
    pub(super) fn touch(&mut self, at: u32) {
        let Slot { prev, list, .. } = self.slots[at];
        if prev != list.head() {
            self.take_link(at);
            self.link_after(list.head(), at);
        }
    }

    /// Moves the entry at `at` to the front of another list.
    #[inline]
    pub(super) fn move_to(&mut self, at: u32, list: ListName) {
        self.unlink(at);
        self.link_first(at, list);
    }

    /// Moves the entry at `at` to the back of its list: it is the next to leave.
    pub(super) fn move_last(&mut self, at: u32) {
        self.take_link(at);
        self.link_after(self.slots[self.slots[at].list.head()].prev, at);
    }

    #[inline]
    pub(super) fn link_first(&mut self, at: u32, list: ListName) {
        self.charged[list as usize] += self.charge(at);
        self.slots[at].list = list;
        self.link_after(list.head(), at);
    }

    #[inline]
    pub(super) fn unlink(&mut self, at: u32) {
        let list = self.slots[at].list;
        self.charged[list as usize] -= self.charge(at);
        self.take_link(at);
    }

    /// Tells the neighbours of an entry that it is now at `at`.
    pub(super) fn moved(&mut self, at: u32) {
        let Slot { prev, next, .. } = self.slots[at];
        self.slots[prev].next = at;
        self.slots[next].prev = at;
    }

    #[inline]
    fn link_after(&mut self, before: u32, at: u32) {
        let after = std::mem::replace(&mut self.slots[before].next, at);
        self.slots[after].prev = at;
        let slot = &mut self.slots[at];
        (slot.prev, slot.next) = (before, after);
    }

    #[inline]
    fn take_link(&mut self, at: u32) {
        let Slot { prev, next, .. } = self.slots[at];
        self.slots[prev].next = next;
        self.slots[next].prev = prev;
    }
}
