//! The concurrent store behind a group: [`Cache`].
//!
//! A hit costs about 11 ns of work that nobody can avoid: a hash, a lock, a reference counted up and down. The rest is waiting for
//! memory, so the layout decides how fast a cache is. This one is cut into *shards*, each behind a mutex and on
//! cache lines of its own. An operation hashes its key once ([`hash`]): the top bits choose the shard, the low 32 are the tag
//! that is looked for in the shard's [`table`], whose slots are also the nodes of the shard's LRU [`lists`]. A slot
//! points to the [`entry`]: header, key and value in one allocation, of which the `ByteView` that the caller gets is a range. A
//! look-up waits for two or three places in memory, and allocates nothing.
//!
//! ```text
//! cache        shards, the choice of one, statistics
//!   shard      everything that happens under one lock: get, insert, remove, expiry, the bound
//!     table    open addressing: where an entry is
//!       slots  entries, their tags, counts and links
//!       lists  LRU lists linked through the slots
//!       entry  header, key and value in one allocation
//!     admission  who may stay (W-TinyLFU): duels between the lists' ends
//!       sketch   how often those were asked for that are no longer here
//!       recency  after how long new keys are asked for again
//!       window   how much is given to new entries: what pays best
//!   accounting   what an entry is charged
//!   departures   what left, to be dropped when the lock is released
//! ```
//!
//! No code that is not the store's runs under a shard's lock, save for two short questions of the group: the time, and whether an
//! entry should still be kept. No value is freed under it either.
//!
//! The bound is split evenly among the shards and holds in each of them at every moment. A shard is at least 8 MiB, so a cache of
//! less than 16 MiB is one shard, and with [`Eviction::Lru`] one exact LRU. There are about eight shards to a core:
//! two threads seldom meet then, and more would only make the largest value that fits smaller.
//!
//! [`lru::Lru`](crate::lru::Lru) is not the engine of a shard. It is generic over its values and hands out references, so it keeps
//! key and value apart and can promise neither one allocation nor a charge for it; and three lists through one table are another
//! structure than one list through a slab. What the two share is the idea, and the tests hold both against the same kind of model.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use crate::byteview::ByteView;
use crate::stats::CacheStats;
use crate::sync::lock;

mod accounting;
mod admission;
#[cfg(feature = "unstable-bench")]
mod bench;
mod departures;
mod entry;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
mod hash;
mod lists;
mod recency;
mod shard;
mod sketch;
mod slots;
mod table;
mod window;

pub use accounting::Accounting;
#[cfg(feature = "unstable-bench")]
pub use bench::BenchStore;

use departures::Departures;
use entry::Entry;
pub(crate) use hash::KeyHash;
use shard::Shard;

/// Which entry leaves the cache when room is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// W-TinyLFU with an adaptive window: three LRU lists, of which only entries at the back ever leave; what was not asked for
    /// more often than those that it would replace is not kept for long. On real traces it keeps 0.90 of the hits that an
    /// optimal cache would have, where an LRU keeps 0.74; loops and scans larger than the cache do it no harm. The default.
    #[default]
    Adaptive,
    /// The least recently used entry goes, exactly, within each shard, as in GeeCache and groupcache.
    Lru,
}

/// What the store keeps beside a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// When the entry is dead, in milliseconds of the group's clock; 0 = never.
    pub(crate) dead_at: u64,
    /// 32 bits for the group, which the store only keeps; all of them.
    pub(crate) note: u32,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// `None` = the key is known to be absent.
    pub(crate) value: Option<ByteView>,
    pub(crate) meta: Meta,
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

/// A bounded cache that any number of threads share.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: Box<[Padded]>,
    hash: KeyHash,
    options: CacheOptions,
}

/// A shard on cache lines of its own: the lock of one shard must not slow its neighbours down. Two lines, as processors fetch
/// lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

impl Cache {
    pub(crate) fn new(options: CacheOptions) -> Self {
        let count = options.shards.map_or_else(|| default_shards(options.max_bytes), usize::from);
        let count = count.min(1 << 16).next_power_of_two();
        let share = options.max_bytes / count as u64;
        let shard = |_| Padded(Mutex::new(Shard::new(share, options.eviction, options.accounting)));
        Self { shards: (0..count).map(shard).collect(), hash: KeyHash::random(), options }
    }

    /// The entry of `key`. Counts a hit or a miss, and makes the entry the most recently used. `now` is called only if the
    /// entry can die; a dead one is dropped, and a miss.
    #[inline]
    pub(crate) fn get(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        let (shard, tag) = self.shard(key);
        let looked_up = lock(shard).get(tag, key.as_bytes(), now);
        // The lock is released by now. A dead entry is dropped here.
        looked_up.ok()
    }

    /// As [`get`](Self::get), but counts nothing and does not change the order.
    pub(crate) fn peek(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        let (shard, tag) = self.shard(key);
        lock(shard).peek(tag, key.as_bytes(), now)
    }

    /// Keeps `value` under `key`, or with `None` that there is no value; whether the entry is there afterwards.
    ///
    /// `keep` is asked under the lock, right before the entry is made; false = nothing happens. An entry that alone is larger
    /// than its shard is not kept and evicts nothing, but the older entry of its key, now out of date, goes. `now` is the time,
    /// for the dead entries that are swept on the way.
    pub(crate) fn insert(
        &self,
        key: &str,
        value: Option<&ByteView>,
        meta: Meta,
        now: u64,
        keep: impl FnOnce() -> bool,
    ) -> bool {
        self.insert_slice(key, value.map(ByteView::as_slice), meta, now, keep)
    }

    fn insert_slice(
        &self,
        key: &str,
        value: Option<&[u8]>,
        meta: Meta,
        now: u64,
        keep: impl FnOnce() -> bool,
    ) -> bool {
        if self.options.max_bytes == 0 {
            return false;
        }
        // The bytes are copied before the lock is taken. A key of 2 GiB has no entry.
        let Some(entry) = Entry::new(key, value, meta) else { return false };
        let mut gone = Departures::default();
        let (shard, tag) = self.shard(key);
        let mut shard = lock(shard);
        let kept = keep() && shard.insert(tag, key.as_bytes(), entry, now, &mut gone);
        drop(shard);
        drop(gone);
        kept
    }

    /// Removes the entry of `key`; whether there was one.
    pub(crate) fn remove(&self, key: &str) -> bool {
        let mut gone = Departures::default();
        let (shard, tag) = self.shard(key);
        let removed = lock(shard).remove(tag, key.as_bytes(), &mut gone);
        drop(gone);
        removed
    }

    /// Removes all entries. Each shard is swapped for an empty one under its lock, and dropped without it.
    pub(crate) fn clear(&self) {
        for Padded(shard) in &self.shards {
            let old = lock(shard).take();
            drop(old);
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let mut sum = CacheStats { max_bytes: self.options.max_bytes, ..CacheStats::default() };
        for Padded(shard) in &self.shards {
            let shard = lock(shard);
            let counts = shard.counts();
            sum.hits += shard.hits();
            sum.misses += counts.misses;
            sum.inserts += counts.inserts;
            sum.evictions += counts.evictions;
            sum.expired += counts.expired;
            sum.rejected += counts.rejected;
            sum.entries += shard.table().len() as u64;
            sum.bytes += shard.table().payload();
            sum.charged_bytes += shard.table().charged();
        }
        sum
    }

    /// The hash of its keys, which fits other tables of the same keys as well.
    pub(crate) fn key_hash(&self) -> KeyHash {
        self.hash
    }

    #[inline]
    fn shard(&self, key: &str) -> (&Mutex<Shard>, u32) {
        let hash = self.hash.hash(key.as_bytes());
        // The top bits of the hash, scaled to the count, which is a power of two.
        let at = ((hash >> 32) * self.shards.len() as u64) >> 32;
        (&self.shards[at as usize].0, hash as u32)
    }
}

const SHARDS_PER_CORE: usize = 8;
const MIN_SHARD_BYTES: u64 = 8 << 20;
const MAX_SHARDS: usize = 256;

fn default_shards(max_bytes: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let by_cores = (SHARDS_PER_CORE * cores).next_power_of_two().min(MAX_SHARDS);
    // The largest power of two of shards that are not too small.
    let by_size = 1_u64 << (max_bytes / MIN_SHARD_BYTES).max(1).ilog2();
    by_cores.min(usize::try_from(by_size).unwrap_or(MAX_SHARDS))
}

#[cfg(test)]
mod tests;
