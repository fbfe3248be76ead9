//! Parts of a table by the tags of their keys: how somebody goes through it in small steps.
//!
//! Entries change places while others come and go, and all of them do when the table grows. Their
//! tags stay. So a walk is over tags: a part of the table is all entries with tags from one number
//! to another. Each entry is in one part, whatever happens between two steps.

use crate::cache::entry::Entry;
use crate::cache::slots::FIRST;
use crate::cache::table::Table;

/// One more than the greatest tag.
pub(in crate::cache) const END_OF_TAGS: u64 = 1 << 32;

impl Table {
    /// Tells the places of all entries whose tags lie between `from` and the number that is
    /// returned, about `slots` of them. That number is where the next part begins.
    pub(in crate::cache) fn part_from(
        &self,
        from: u64,
        slots: usize,
        mut tell: impl FnMut(u32),
    ) -> u64 {
        let places = self.slots.places() as u64;
        let Some(first) = u32::try_from(from).ok().filter(|_| places > 0) else {
            return END_OF_TAGS;
        };
        let begin = self.slots.home(first);
        let home_of_next = (u64::from(begin - FIRST) + slots.max(1) as u64).min(places);
        // The least tag whose home is there.
        let end = (home_of_next << 32).div_ceil(places);
        // What has its home in this part may lie behind it, up to the first empty slot.
        let mut at = begin;
        for step in u64::from(begin - FIRST)..u64::from(begin - FIRST) + places {
            let slot = &self.slots[at];
            if slot.entry.is_none() && step >= home_of_next {
                break;
            }
            if slot.entry.is_some() && (from..end).contains(&u64::from(slot.tag)) {
                tell(at);
            }
            at = self.slots.after(at);
        }
        end
    }

    /// Whether a look-up of the tag of the entry at `at` comes to no other entry with it before.
    pub(in crate::cache) fn is_first_with_tag(&self, at: u32) -> bool {
        let tag = self.slots[at].tag;
        let mut before = self.slots.home(tag);
        while before != at && self.slots[before].tag != tag {
            before = self.slots.after(before);
        }
        before == at
    }

    /// Tells the entries with this tag, and where they are: one as a rule.
    pub(in crate::cache) fn with_tag(&self, tag: u32, mut tell: impl FnMut(u32, &Entry)) {
        let mut at = self.slots.home(tag);
        while let Some(slot) = self.slots.get(at) {
            let Some(entry) = &slot.entry else { return };
            if slot.tag == tag {
                tell(at, entry);
            }
            at = self.slots.after(at);
        }
    }
}
