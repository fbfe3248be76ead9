//! [`Slots`]: the memory of a shard's table, and of the LRU lists that are linked through it.

use std::ops::{Index, IndexMut};

use crate::cache::entry::Entry;

/// One place of the table, and a node of a list.
#[derive(Debug)]
#[repr(align(32))]
pub(super) struct Slot {
    /// `None` = the slot is empty, or the head of a list.
    pub(super) entry: Option<Entry>,
    /// 32 bits of the hash of the entry's key.
    pub(super) tag: u32,
    /// The neighbour in the list on the side of the front.
    pub(super) prev: u32,
    /// The neighbour in the list on the side of the back.
    pub(super) next: u32,
    /// How often the entry was asked for lately, up to [`MAX_COUNT`].
    pub(super) count: u8,
    /// When the entry was last asked for: while it is in the window, by the bytes that arrive, and
    /// while it is protected, by the period.
    pub(super) stamp: u8,
    /// The list that the entry is in.
    pub(super) list: ListName,
    /// Whether the entry dies at some time. The sweep need not look into those that don't.
    pub(super) can_die: bool,
}

/// The most that is counted for a key: what 4 bits hold, as the sketch has no more for it.
pub(super) const MAX_COUNT: u8 = 15;

impl Slot {
    pub(super) const EMPTY: Self = Self {
        entry: None,
        tag: 0,
        prev: 0,
        next: 0,
        count: 0,
        stamp: 0,
        list: ListName::Window,
        can_die: false,
    };
}

/// Which LRU list an entry is in. Its number is the position of the list's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ListName {
    /// New entries. Under [`Eviction::Lru`](crate::Eviction::Lru), all entries.
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

/// Slots by position. The first few are the heads of the lists.
#[derive(Debug)]
pub(super) struct Slots(Vec<Slot>);

/// The first position that an entry can have; those before are the heads of the lists. Even, as two
/// slots share a cache line.
pub(super) const FIRST: u32 = 4;

impl Slots {
    /// Empty lists, and `places` empty slots.
    pub(super) fn new(places: usize) -> Self {
        let mut slots = Self((0..FIRST as usize + places).map(|_| Slot::EMPTY).collect());
        for head in ListName::ALL.map(ListName::head) {
            (slots[head].prev, slots[head].next) = (head, head);
        }
        slots
    }

    /// How many entries there is room for.
    #[inline]
    pub(super) fn places(&self) -> usize {
        self.0.len() - FIRST as usize
    }

    /// Where the search for a tag begins.
    #[inline]
    pub(super) fn home(&self, tag: u32) -> u32 {
        FIRST + ((u64::from(tag) * self.places() as u64) >> 32) as u32
    }

    /// The position after `at`. After the last one comes the first.
    #[inline]
    pub(super) fn after(&self, at: u32) -> u32 {
        if at as usize + 1 < self.0.len() { at + 1 } else { FIRST }
    }

    /// How many steps of [`after`](Self::after) lead from `from` to `to`.
    pub(super) fn distance(&self, from: u32, to: u32) -> u32 {
        if to >= from { to - from } else { to + self.places() as u32 - from }
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&Slot> {
        self.0.get(at as usize)
    }

    /// The slots that may hold entries.
    #[cfg(any(test, feature = "unstable-bench"))]
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Slot> {
        self.0[FIRST as usize..].iter()
    }

    /// Part `part` of `parts` of these slots.
    pub(super) fn part_mut(&mut self, part: usize, parts: usize) -> &mut [Slot] {
        let slots = &mut self.0[FIRST as usize..];
        let len = slots.len();
        &mut slots[part * len / parts..(part + 1) * len / parts]
    }
}

impl Index<u32> for Slots {
    type Output = Slot;

    #[inline]
    fn index(&self, at: u32) -> &Slot {
        &self.0[at as usize]
    }
}

impl IndexMut<u32> for Slots {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut Slot {
        &mut self.0[at as usize]
    }
}
