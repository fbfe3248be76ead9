//! [`RemovedTags`]: when which tag was removed last.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tag::{Marks, Tag};

/// The table has so many rows ...
const ROWS: usize = 4;
/// ... of so many places each: 1 MiB in all.
const PLACES: usize = 1 << 15;

/// When which tag was removed last, in *ticks*. A tick is the number of removals of tags that this
/// process has made.
///
/// A removal of a tag costs the same however many entries have it: it notes the tick in this table,
/// and each entry with the tag sees by itself that it was removed. No lock is taken for either.
///
/// The table is a count-min sketch (Cormode and Muthukrishnan, "An improved data stream summary",
/// 2005) with maxima in place of sums. A tag has one place in each of four rows, and was removed
/// last at the least tick of the four. Other tags may have their places there, so this may be later
/// than it was, and never earlier: an entry may be taken for removed that is not, and is loaded
/// again. Of a tag's entries that happens to those that are older than *n* removals of other tags
/// with a probability of `(1 - exp(-n / 32768))^4`: one in 1.2 million where that are 1,000
/// removals, 0.5 % with 10,000, 16 % with 32,768, and nearly all with 200,000.
pub(crate) struct RemovedTags {
    ticks: AtomicU64,
    /// Row after row. Made by the first removal: most groups have no tags.
    table: OnceLock<Box<[AtomicU64]>>,
}

impl Default for RemovedTags {
    fn default() -> Self {
        Self { ticks: AtomicU64::new(0), table: OnceLock::new() }
    }
}

impl RemovedTags {
    /// The present tick.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// Removes what has this tag and is older than this call.
    ///
    /// What begins between the two steps has the new tick already, and stays. It began after this
    /// call did, and so after the source of truth was changed.
    pub(crate) fn remove(&self, tag: Tag) {
        let table =
            self.table.get_or_init(|| (0..ROWS * PLACES).map(|_| AtomicU64::new(0)).collect());
        let tick = self.ticks.fetch_add(1, Ordering::AcqRel) + 1;
        for place in places(tag) {
            table[place].fetch_max(tick, Ordering::AcqRel);
        }
    }

    /// Whether one of these tags was removed since the tick of the marks.
    #[inline]
    pub(crate) fn has_removed(&self, marks: &Marks) -> bool {
        self.has_removed_since(marks.tick, || marks.tags.iter())
    }

    /// The same for tags that are read only if a tag was removed at all.
    #[inline]
    pub(crate) fn has_removed_since<T: Iterator<Item = Tag>>(
        &self,
        since: u64,
        tags: impl FnOnce() -> T,
    ) -> bool {
        self.tick() > since && self.is_one_removed(since, tags())
    }

    #[cold]
    fn is_one_removed(&self, since: u64, mut tags: impl Iterator<Item = Tag>) -> bool {
        let Some(table) = self.table.get() else { return false };
        tags.any(|tag| {
            let is_later = |place: usize| table[place].load(Ordering::Acquire) > since;
            tag == Tag::ANY || places(tag).into_iter().all(is_later)
        })
    }
}

/// Where a tag's ticks are, one in each row. The number of a tag is a good hash: each row takes 15
/// bits of it.
fn places(tag: Tag) -> [usize; ROWS] {
    std::array::from_fn(|row| row * PLACES + (tag.number() >> (16 * row)) as usize % PLACES)
}

impl fmt::Debug for RemovedTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemovedTags").field("tick", &self.tick()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::TagList;
    use crate::testing::with_seeds;

    fn marks(tick: u64, tags: &[&str]) -> Marks {
        let tags = tags.iter().map(|&name| Tag::from(name)).collect();
        Marks { tags, tick, ..Marks::default() }
    }

    #[test]
    fn what_began_before_a_removal_is_removed_and_what_began_later_is_not() {
        let removed = RemovedTags::default();
        let before = marks(removed.tick(), &["a", "b"]);
        assert!(!removed.has_removed(&before));
        removed.remove(Tag::from("b"));
        assert!(removed.has_removed(&before));
        assert!(!removed.has_removed(&marks(0, &["a", "c"])));
        assert!(!removed.has_removed(&marks(0, &[])));
        let after = marks(removed.tick(), &["a", "b"]);
        assert!(!removed.has_removed(&after));
        removed.remove(Tag::from("other"));
        assert!(!removed.has_removed(&after));
    }

    #[test]
    fn too_many_tags_go_with_every_removal() {
        let removed = RemovedTags::default();
        let tags: TagList = (1..=9).map(Tag::from_number).collect();
        let many = Marks { tags, ..Marks::default() };
        assert!(!removed.has_removed(&many));
        removed.remove(Tag::from("other"));
        assert!(removed.has_removed(&many));
    }

    /// No removal is ever missed, and few entries are taken for removed that are not.
    #[test]
    fn random_removals_do_as_the_model_says() {
        with_seeds(20, |random| {
            let (removed, mut last, mut wrong) = (RemovedTags::default(), [0; 64], 0);
            for tick in 1..=2000 {
                let tag = random.below(64) as usize;
                last[tag] = tick;
                removed.remove(Tag::from(format!("tag {tag}")));
                let (tag, since) = (random.below(64) as usize, random.below(tick + 1));
                let has = removed.has_removed(&marks(since, &[&format!("tag {tag}")]));
                assert!(has || last[tag] <= since, "tag {tag} since {since}");
                wrong += u32::from(has && last[tag] <= since);
            }
            assert_eq!(wrong, 0);
        });
    }
}
