//! How a cache is built: [`CacheOptions`], [`Eviction`].

use std::num::NonZeroUsize;

use crate::cache::accounting::Accounting;

/// Which entry leaves the cache when room is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// W-TinyLFU with an adaptive window: three LRU lists, of which only entries at the back ever
    /// leave. An entry that was not asked for more often than those that it would replace is not
    /// kept for long. On real traces this keeps 0.90 of the hits that an optimal cache would have,
    /// where an LRU keeps 0.74. Loops and scans larger than the cache do it no harm. The default.
    #[default]
    Adaptive,
    /// The least recently used entry goes, exactly, within each shard, as in GeeCache and
    /// groupcache.
    Lru,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheOptions {
    /// The bound on what the entries take together; 0 = nothing is cached.
    pub(crate) max_bytes: u64,
    /// Rounded up to a power of two; chosen from the bound and the machine if `None`.
    pub(crate) shards: Option<NonZeroUsize>,
    pub(crate) eviction: Eviction,
    pub(crate) accounting: Accounting,
}

/// A shard has a lock of its own. With so many to a core, two threads seldom meet.
const SHARDS_PER_CORE: usize = 8;
/// The least share of a shard. On a web trace whose entries have 7 KB in the mean and 4 MB at most,
/// sixteen of 0.9 MB keep as many of the bytes as eight of 1.7 MB. Entries of one size would need
/// ninety to a shard, and no more.
const MIN_SHARE: u64 = 3 << 18;
/// The same of a small cache. Of the bytes of that trace, one of 2.8 MB keeps 1.7 points less in
/// two shards than in one.
const MIN_SHARE_OF_SMALL: u64 = 2 * MIN_SHARE;
/// A cache is small below that.
const SMALL: u64 = 8 << 20;
/// The largest share of a shard. When its table grows, the shard is locked for as long as it takes
/// to move that many bytes of entries, which are half a million at most.
const MAX_SHARE: u64 = 64 << 20;
/// The most shards that are chosen without a wish of the user.
const MAX_DEFAULT_SHARDS: usize = 1 << 12;
/// The most shards that a user can have.
const MAX_SHARDS: usize = 1 << 16;

impl CacheOptions {
    /// How many shards the cache has: a power of two.
    pub(super) fn shard_count(&self) -> usize {
        let count = self.shards.map_or_else(|| default_shards(self.max_bytes), usize::from);
        count.min(MAX_SHARDS).next_power_of_two()
    }
}

fn default_shards(max_bytes: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards_of = |share| usize::try_from(max_bytes / share).unwrap_or(MAX_DEFAULT_SHARDS);
    let least = if max_bytes < SMALL { MIN_SHARE_OF_SMALL } else { MIN_SHARE };
    // A power of two, as the count is rounded up to one.
    let most = 1 << shards_of(least).clamp(1, MAX_DEFAULT_SHARDS).ilog2();
    (SHARDS_PER_CORE * cores).max(shards_of(MAX_SHARE)).min(most)
}
