//! [`ByteBudget`]: the bytes of a cache, which its shards share.
//!
//! The bound is one number for the whole cache. Bytes are reserved here before an entry goes into a
//! shard, in one atomic step that fails where they would pass the bound. So the bound holds at
//! every moment, whatever many threads do.
//!
//! A shard's *share* is soft: a shard takes more than that while the cache has room. When it has
//! none, those give who have more than their share.
//!
//! A value that takes an eighth of a share or more is *large*. Large entries lie where their keys'
//! hashes put them, and all shards give up the same part of their shares for them. Otherwise a
//! shard with one large value would have no room for anything else.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The bytes of a cache.
///
/// On cache lines of its own: while a cache fills, every insertion writes it. In a full one they
/// seldom do, as what comes in takes the bytes of what leaves.
///
/// A sum that is changed by itself needs no order with other memory, so all accesses are relaxed.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct ByteBudget {
    max_bytes: u64,
    /// The shards are 2 to this power. A share is asked for a few times in each insertion, and a
    /// division takes as long as all else of that.
    shards_log: u32,
    /// What is charged for the entries of all shards, and for those on their way in.
    reserved: AtomicU64,
    /// What of that is charged for large entries.
    large: AtomicU64,
}

/// An entry is large from this part of a share on.
const LARGE_PART: u64 = 8;
/// The largest entry takes this part of a cache, or a whole shard where that is more.
const LARGEST_PART: u64 = 4;

/// The most that one entry of a cache of `max_bytes` in `shards` shards may be charged.
pub(super) fn largest(max_bytes: u64, shards: usize) -> u64 {
    max_bytes / (shards as u64).clamp(1, LARGEST_PART)
}

impl ByteBudget {
    /// For so many shards, a power of two.
    pub(super) fn new(max_bytes: u64, shards: usize) -> Self {
        let (reserved, large) = (AtomicU64::new(0), AtomicU64::new(0));
        debug_assert!(shards.is_power_of_two());
        Self { max_bytes, shards_log: shards.ilog2(), reserved, large }
    }

    /// The bound.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(super) fn shards(&self) -> u64 {
        1 << self.shards_log
    }

    /// What is reserved. Never more than the bound.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// What is not reserved at the moment.
    pub(super) fn spare(&self) -> u64 {
        self.max_bytes - self.reserved()
    }

    /// Whether there is hardly any room left.
    pub(super) fn is_full(&self) -> bool {
        self.spare() < (self.max_bytes / 16).max(1)
    }

    /// Reserves so many bytes, if they are there.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let add = |reserved: u64| {
            reserved.checked_add(bytes).filter(|reserved| *reserved <= self.max_bytes)
        };
        self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Gives back so many of the bytes that were reserved.
    pub(super) fn release(&self, bytes: u64) {
        if bytes > 0 {
            self.reserved.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// The charge from which on an entry is large. Where there is only one shard, none is.
    pub(super) fn large_from(&self) -> u64 {
        match self.shards() {
            1 => u64::MAX,
            shards => (self.max_bytes / shards / LARGE_PART).max(1),
        }
    }

    /// A shard's large entries are charged `after`, where they were charged `before`.
    pub(super) fn count_large(&self, before: u64, after: u64) {
        if before < after {
            self.large.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.large.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// A shard's share of what large entries leave, `more` of which are to come.
    pub(super) fn share(&self, more: u64) -> u64 {
        let large = self.large.load(Ordering::Relaxed).saturating_add(more);
        self.max_bytes.saturating_sub(large) >> self.shards_log
    }

    #[cfg(any(test, feature = "unstable-bench"))]
    pub(super) fn large(&self) -> u64 {
        self.large.load(Ordering::Relaxed)
    }
}

/// Bytes that are reserved for an entry on its way in. What is left of them goes back when it is
/// dropped, also by a panic.
#[derive(Debug)]
pub(super) struct Credit<'a> {
    budget: &'a ByteBudget,
    bytes: u64,
}

impl<'a> Credit<'a> {
    pub(super) fn none(budget: &'a ByteBudget) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes over bytes that somebody else had reserved.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Hands the bytes over.
    pub(super) fn take(&mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Credit<'_> {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{ByteBudget, Credit, largest};

    #[test]
    fn no_more_is_reserved_than_there_is() {
        let budget = ByteBudget::new(100, 4);
        assert!(budget.reserve(60) && !budget.reserve(41) && !budget.reserve(u64::MAX));
        assert_eq!((budget.reserved(), budget.spare()), (60, 40));
        let mut credit = Credit::none(&budget);
        credit.add(50);
        assert_eq!((credit.take(), credit.bytes()), (50, 0));
        credit.add(20);
        drop(credit);
        assert_eq!(budget.reserved(), 40);
    }

    #[test]
    fn all_shards_give_up_the_same_for_large_entries() {
        let budget = ByteBudget::new(6_400, 4);
        assert_eq!((budget.share(0), budget.large_from()), (1_600, 200));
        budget.count_large(0, 800);
        assert_eq!((budget.share(0), budget.share(400)), (1_400, 1_300));
        budget.count_large(800, 0);
        assert_eq!(budget.share(u64::MAX), 0);
        assert_eq!(ByteBudget::new(6_400, 1).large_from(), u64::MAX);
    }

    #[test]
    fn a_quarter_of_a_cache_or_a_whole_shard_is_the_most() {
        assert_eq!([1, 2, 4, 64].map(|shards| largest(1_000, shards)), [1_000, 500, 250, 250]);
    }
}
