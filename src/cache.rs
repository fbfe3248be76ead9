//! The concurrent store behind a group: [`Cache`].
//!
//! A hit costs about 11 ns of work that nobody can avoid: a hash, a lock, a reference counted up
//! and down. The rest is waiting for memory, so the layout decides how fast a cache is. This one is
//! cut into *shards*, each behind a mutex and on cache lines of its own. An operation hashes its
//! key once ([`hash`]): the top bits choose the shard, the low 32 are the tag that is looked for in
//! the shard's [`table`], whose slots are also the nodes of the shard's LRU [`lists`]. A slot
//! points to the [`entry`]: header, key and value in one allocation, of which the `ByteView` that
//! the caller gets is a range. A look-up waits for two or three places in memory, and allocates
//! nothing.
//!
//! ```text
//! cache        shards, the choice of one, statistics
//!   shard        everything that happens under one lock: get, insert, remove, expiry, the bound
//!     admission    who may stay (W-TinyLFU): new entries against old ones
//!       window       how much is given to new entries: what pays best
//!       recency      after how long new keys are asked for again
//!       sketch       how often those were asked for that are no longer here
//!     table        where an entry is, and what all of them are charged
//!       lists        LRU lists linked through the slots
//!         slots        entries, their tags, counts and links
//!     departures   what left, to be dropped when the lock is released
//!   options      how a cache is built
//!   accounting   what an entry is charged
//!   entry        header, key and value in one allocation
//!   hash         the one hash of an operation
//! ```
//!
//! Each file uses those below it, never one above.
//!
//! No foreign code runs under a shard's lock, save for two short questions of the group: the time,
//! and whether an entry should still be kept. No value is freed under it either.
//!
//! The bound is split evenly among the shards and holds in each of them at every moment. A shard is
//! at least 8 MiB, so a cache of less than 16 MiB is one shard, and with [`Eviction::Lru`] one
//! exact LRU. There are about eight shards to a core: two threads seldom meet then, and more would
//! only make the largest value that fits smaller.
//!
//! [`lru::Lru`](crate::lru::Lru) is not the engine of a shard. It is generic over its values and
//! hands out references, so it keeps key and value apart and can promise neither one allocation nor
//! a charge for it; and three lists through one table are another structure than one list through a
//! slab. What the two share is the idea, and the tests hold both against the same kind of model.

use std::fmt;
use std::sync::Mutex;

use crate::byteview::ByteView;
use crate::stats::CacheStats;
use crate::sync::lock;

mod accounting;
mod admission;
mod asker;
#[cfg(feature = "unstable-bench")]
mod bench;
mod departures;
mod entry;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
mod hash;
mod lists;
mod options;
mod recency;
mod shard;
mod sketch;
mod slots;
mod table;
mod window;

pub use accounting::Accounting;
pub(crate) use asker::Asker;
#[cfg(feature = "unstable-bench")]
pub use bench::BenchStore;
pub(crate) use departures::Departure;
pub(crate) use entry::{Found, Meta};
pub(crate) use hash::KeyHash;
pub(crate) use options::CacheOptions;
pub use options::Eviction;

use departures::Departures;
use entry::Entry;
use shard::{CacheShard, Place};

/// A bounded cache that any number of threads share.
pub(crate) struct Cache {
    shards: Box<[Padded]>,
    hash: KeyHash,
    options: CacheOptions,
    /// Is told, without a lock, of each entry that leaves by itself.
    observer: Option<Observer>,
}

/// Is told the key of an entry, and why it left. It is not told of removals.
pub(crate) type Observer = Box<dyn Fn(&str, Departure) + Send + Sync>;

/// A shard on cache lines of its own: the lock of one shard must not slow its neighbours down. Two
/// lines, as processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<CacheShard>);

impl Cache {
    pub(crate) fn new(options: CacheOptions) -> Self {
        let count = options.shard_count();
        let share = options.max_bytes / count as u64;
        let shard =
            |_| Padded(Mutex::new(CacheShard::new(share, options.eviction, options.accounting)));
        Self {
            shards: (0..count).map(shard).collect(),
            hash: KeyHash::random(),
            options,
            observer: None,
        }
    }

    /// The same with an observer.
    pub(crate) fn observed_by(self, observer: Option<Observer>) -> Self {
        Self { observer, ..self }
    }

    /// [`get_for`](Self::get_for) this process.
    #[cfg(any(test, feature = "unstable-bench"))]
    #[inline]
    pub(crate) fn get(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        self.get_for(Asker::ThisProcess, key, now)
    }

    /// The entry of `key`. Counts a hit or a miss, and makes the entry the most recently used.
    /// `now` is called only if the entry can die; a dead one is dropped, and a miss.
    #[inline]
    pub(crate) fn get_for(
        &self,
        asker: Asker,
        key: &str,
        now: impl FnOnce() -> u64,
    ) -> Option<Found> {
        let (shard, tag) = self.shard(key);
        let looked_up = lock(shard).get(tag, key.as_bytes(), asker, now);
        // The lock is released by now. A dead entry is dropped here.
        match looked_up {
            Ok(found) => Some(found),
            Err(dead) => {
                if let Some(dead) = dead {
                    self.tell(&dead, Departure::Expired);
                }
                None
            }
        }
    }

    /// As [`get_for`](Self::get_for), but counts nothing and does not change the order.
    pub(crate) fn peek(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        let (shard, tag) = self.shard(key);
        lock(shard).peek(tag, key.as_bytes(), now)
    }

    /// Keeps `value` under `key`, or with `None` that there is no value; whether the entry is there
    /// afterwards.
    ///
    /// `keep` is asked under the lock, right before the entry is made; false = nothing happens. An
    /// entry that alone is larger than its shard is not kept and evicts nothing, but the older
    /// entry of its key, now out of date, goes. `now` is the time, for the dead entries that are
    /// swept on the way.
    pub(crate) fn insert(
        &self,
        key: &str,
        value: Option<&ByteView>,
        meta: Meta,
        now: u64,
        keep: impl FnOnce() -> bool,
    ) -> bool {
        self.insert_slice(key, value.map(ByteView::as_slice), meta, now, Place::ByMerit, keep)
    }

    /// As [`insert`](Self::insert), for an entry that is wanted by those who know: it is there
    /// afterwards wherever it fits into its shard alone, whatever has to leave for it.
    pub(crate) fn insert_wanted(
        &self,
        key: &str,
        value: Option<&ByteView>,
        meta: Meta,
        now: u64,
    ) -> bool {
        self.insert_slice(key, value.map(ByteView::as_slice), meta, now, Place::Sure, || true)
    }

    fn insert_slice(
        &self,
        key: &str,
        value: Option<&[u8]>,
        meta: Meta,
        now: u64,
        place: Place,
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
        let kept = keep() && shard.insert(tag, key.as_bytes(), entry, now, place, &mut gone);
        drop(shard);
        for (entry, departure) in gone.iter() {
            self.tell(entry, *departure);
        }
        drop(gone);
        kept
    }

    /// Tells of an entry that has left, if somebody listens.
    #[cold]
    #[inline(never)]
    fn tell(&self, entry: &Entry, departure: Departure) {
        let Some(observer) = &self.observer else { return };
        match std::str::from_utf8(entry.key()) {
            Ok(key) if departure != Departure::Removed => observer(key, departure),
            _ => {}
        }
    }

    /// Removes the entry of `key`; whether there was one.
    pub(crate) fn remove(&self, key: &str) -> bool {
        self.remove_if(key, || true)
    }

    /// As [`remove`](Self::remove), if `go` says so, which is called under the lock.
    pub(crate) fn remove_if(&self, key: &str, go: impl FnOnce() -> bool) -> bool {
        let mut gone = Departures::default();
        let (shard, tag) = self.shard(key);
        let mut shard = lock(shard);
        let removed = go() && shard.remove(tag, key.as_bytes(), &mut gone);
        drop(shard);
        drop(gone);
        removed
    }

    /// Removes all entries. Each shard is swapped for an empty one under its lock, and dropped
    /// without it.
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
            let (hits, peer_hits) = shard.hits();
            sum.hits += hits + peer_hits;
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

    /// Hits of gets of this process: a number that never falls.
    pub(crate) fn own_hits(&self) -> u64 {
        self.shards.iter().map(|Padded(shard)| lock(shard).hits().0).sum()
    }

    /// The hash of its keys, which fits other tables of the same keys as well.
    pub(crate) fn key_hash(&self) -> KeyHash {
        self.hash
    }

    #[inline]
    fn shard(&self, key: &str) -> (&Mutex<CacheShard>, u32) {
        let hash = self.hash.hash(key.as_bytes());
        // The top bits of the hash, scaled to the count, which is a power of two.
        let at = ((hash >> 32) * self.shards.len() as u64) >> 32;
        (&self.shards[at as usize].0, hash as u32)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests;
