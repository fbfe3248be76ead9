//! The concurrent store behind a group: shards of `Mutex<Lru>`, bounded by bytes, entries that may expire.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::Mutex;

use crate::byteview::ByteView;
use crate::lru::{Lru, Weight};
use crate::stats::CacheStats;
use crate::sync::lock;

/// Which entry leaves the cache when room is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// LRU lists with frequency admission and a window that adapts to the traffic. The default.
    #[default]
    Adaptive,
    /// The least recently used one, exactly, within each shard.
    Lru,
}

/// What an entry counts against the bound of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accounting {
    /// The memory that the entry really takes: key, value, headers, its place in the table. The default.
    #[default]
    Real,
    /// The bytes of the key and the value only, as groupcache counts. The process then takes more memory than the bound.
    PayloadOnly,
}

/// What the store keeps beside a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// When the entry is dead, in milliseconds of the group's clock; 0 = never.
    pub(crate) dead_at: u64,
    /// 32 bits for the group, which the store only keeps.
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
#[allow(dead_code, reason = "this first store has one policy")]
pub(crate) struct CacheOptions {
    /// The bound on what the entries take together; 0 = nothing is cached.
    pub(crate) max_bytes: u64,
    /// Rounded up to a power of two; chosen from the bound and the machine if `None`.
    pub(crate) shards: Option<NonZeroUsize>,
    pub(crate) eviction: Eviction,
    pub(crate) accounting: Accounting,
}

pub(crate) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    accounting: Accounting,
    max_bytes: u64,
}

struct Shard {
    lru: Lru<Entry>,
    counts: CacheStats,
}

struct Entry {
    value: Option<ByteView>,
    meta: Meta,
    overhead: u64,
}

impl Weight for Entry {
    fn weight(&self) -> u64 {
        self.overhead + self.payload()
    }
}

impl Entry {
    fn payload(&self) -> u64 {
        self.value.as_ref().map_or(0, |value| value.len() as u64)
    }

    fn found(&self) -> Found {
        Found { value: self.value.clone(), meta: self.meta }
    }
}

impl Cache {
    pub(crate) fn new(options: CacheOptions) -> Self {
        let count = options.shards.map_or_else(|| default_shards(options.max_bytes), usize::from);
        let count = count.clamp(1, 1 << 16).next_power_of_two();
        let share = options.max_bytes / count as u64;
        let shard = || Shard { lru: Lru::new(share), counts: CacheStats::default() };
        Self {
            shards: (0..count).map(|_| Mutex::new(shard())).collect(),
            hasher: RandomState::new(),
            accounting: options.accounting,
            max_bytes: options.max_bytes,
        }
    }

    /// The entry of `key`. Counts a hit or a miss, and makes the entry the most recently used. `now` is called only if the
    /// entry can die; a dead one is dropped, and a miss.
    pub(crate) fn get(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        let mut shard = lock(self.shard(key));
        let shard = &mut *shard;
        let Some(entry) = shard.lru.get(key) else {
            shard.counts.misses += 1;
            return None;
        };
        if entry.meta.dead_at != 0 && entry.meta.dead_at <= now() {
            shard.counts.misses += 1;
            shard.counts.expired += 1;
            shard.counts.bytes -= key.len() as u64 + entry.payload();
            shard.lru.remove(key);
            return None;
        }
        shard.counts.hits += 1;
        Some(entry.found())
    }

    /// As [`get`](Self::get), but counts nothing and does not change the order.
    pub(crate) fn peek(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        let shard = lock(self.shard(key));
        let entry = shard.lru.peek(key)?;
        let dead = entry.meta.dead_at != 0 && entry.meta.dead_at <= now();
        (!dead).then(|| entry.found())
    }

    /// Keeps `value` under `key`, or with `None` that there is no value; false if it was not kept.
    ///
    /// `keep` is asked under the lock, right before the entry is made; false = nothing happens. An entry that alone is larger
    /// than its shard may be is not kept and evicts nothing, but the older entry of its key goes.
    pub(crate) fn insert(
        &self,
        key: &str,
        value: Option<&ByteView>,
        meta: Meta,
        _now: u64,
        keep: impl FnOnce() -> bool,
    ) -> bool {
        if self.max_bytes == 0 {
            return false;
        }
        let overhead = match self.accounting {
            Accounting::Real => 104,
            Accounting::PayloadOnly => 0,
        };
        let entry = Entry { value: value.cloned(), meta, overhead };
        let added = key.len() as u64 + entry.payload();
        let mut guard = lock(self.shard(key));
        let shard = &mut *guard;
        if !keep() {
            return false;
        }
        let inserted = shard.lru.insert(key, entry);
        if let Some(replaced) = &inserted.replaced {
            shard.counts.bytes -= key.len() as u64 + replaced.payload();
        }
        for (key, entry) in &inserted.evicted {
            shard.counts.evictions += 1;
            shard.counts.bytes -= key.len() as u64 + entry.payload();
        }
        let kept = inserted.refused.is_none();
        if kept {
            shard.counts.bytes += added;
            shard.counts.inserts += 1;
        } else {
            shard.counts.rejected += 1;
        }
        drop(guard);
        // Here, after the lock, the values in `inserted` are dropped.
        kept
    }

    #[allow(dead_code, reason = "removal from groups uses it")]
    pub(crate) fn remove(&self, key: &str) -> bool {
        let mut shard = lock(self.shard(key));
        let Some(entry) = shard.lru.remove(key) else { return false };
        shard.counts.bytes -= key.len() as u64 + entry.payload();
        drop(shard);
        drop(entry);
        true
    }

    #[allow(dead_code, reason = "removal from groups uses it")]
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let empty = Lru::new(shard.lru.max_weight());
            let old = std::mem::replace(&mut shard.lru, empty);
            shard.counts.bytes = 0;
            drop(shard);
            drop(old);
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let mut sum = CacheStats { max_bytes: self.max_bytes, ..CacheStats::default() };
        for shard in &self.shards {
            let shard = lock(shard);
            sum.hits += shard.counts.hits;
            sum.misses += shard.counts.misses;
            sum.entries += shard.lru.len() as u64;
            sum.bytes += shard.counts.bytes;
            sum.charged_bytes += shard.lru.weight();
            sum.inserts += shard.counts.inserts;
            sum.evictions += shard.counts.evictions;
            sum.expired += shard.counts.expired;
            sum.rejected += shard.counts.rejected;
        }
        sum
    }

    fn shard(&self, key: &str) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        &self.shards[hash as usize & (self.shards.len() - 1)]
    }
}

/// About 8 shards per core, each of at least 8 MiB: a small cache is one exact LRU.
fn default_shards(max_bytes: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let by_size = (max_bytes >> 23).max(1).ilog2().min(8);
    (8 * cores).next_power_of_two().min(1 << by_size)
}

#[cfg(test)]
mod tests;
