//! The LRU lists of a shard: operations over [`Slots`], which hold the links.
//!
//! Each list is an LRU: an entry that is used or that arrives goes to the front, and only entries
//! at the back ever leave to make room. The links are positions in the slots, so no node is
//! allocated and no pointer is needed. A list is a ring that its *head* closes, a slot without an
//! entry. So every entry has two neighbours, and no link is a special case.
//!
//! The lists know nothing of what entries are charged. The [`table`](crate::cache::table) counts.

use crate::cache::slots::{ListName, Slot, Slots};

/// The most recently used entry of a list.
pub(super) fn first(slots: &Slots, list: ListName) -> Option<u32> {
    Some(slots[list.head()].next).filter(|&next| next != list.head())
}

/// The least recently used entry of a list.
pub(super) fn last(slots: &Slots, list: ListName) -> Option<u32> {
    towards_front(slots, list.head(), list)
}

/// The entries of a list, least recently used first.
pub(super) fn iter_from_back(slots: &Slots, list: ListName) -> impl Iterator<Item = u32> {
    std::iter::successors(last(slots, list), move |&at| towards_front(slots, at, list))
}

fn towards_front(slots: &Slots, at: u32, list: ListName) -> Option<u32> {
    Some(slots[at].prev).filter(|&prev| prev != list.head())
}

/// Puts the slot at `at`, which is in no list, at the front of `list`.
#[inline]
pub(super) fn push_front(slots: &mut Slots, at: u32, list: ListName) {
    slots[at].list = list;
    link_after(slots, list.head(), at);
}

/// Takes the slot at `at` out of its list.
#[inline]
pub(super) fn unlink(slots: &mut Slots, at: u32) {
    let Slot { prev, next, .. } = slots[at];
    slots[prev].next = next;
    slots[next].prev = prev;
}

/// Moves the slot at `at` to the front of its list.
#[inline]
pub(super) fn move_to_front(slots: &mut Slots, at: u32) {
    let Slot { prev, list, .. } = slots[at];
    if prev != list.head() {
        unlink(slots, at);
        link_after(slots, list.head(), at);
    }
}

/// Moves the slot at `at` to the back of its list.
pub(super) fn move_to_back(slots: &mut Slots, at: u32) {
    unlink(slots, at);
    let last = slots[slots[at].list.head()].prev;
    link_after(slots, last, at);
}

/// Tells the neighbours of a slot that it is now at `at`.
pub(super) fn moved(slots: &mut Slots, at: u32) {
    let Slot { prev, next, .. } = slots[at];
    slots[prev].next = at;
    slots[next].prev = at;
}

#[inline]
fn link_after(slots: &mut Slots, before: u32, at: u32) {
    let after = std::mem::replace(&mut slots[before].next, at);
    slots[after].prev = at;
    let slot = &mut slots[at];
    (slot.prev, slot.next) = (before, after);
}
