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
//! cache        operations on keys, statistics
//!   shards       all shards, the choice of one, and how they share the bytes
//!     shard        everything that happens under one lock: get, insert, remove, expiry
//!       admission    who may stay (W-TinyLFU): new entries against old ones
//!         recency      after how long new keys are asked for again
//!         sketch       how often those were asked for that are no longer here
//!       table        where an entry is, and what all of them are charged
//!         lists        LRU lists linked through the slots
//!           slots        entries, their tags, counts and links
//!       arrival      an entry on its way in
//!       departures   what left, to be dropped when the lock is released
//!   options      how a cache is built
//!   common       what the shards have in common
//!     budget       the bytes of the cache: its bound
//!     window       how much is given to new entries: what pays best
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
//! The bound is one for the whole cache, and holds at every moment: bytes are reserved in the
//! [`budget`] before an entry goes in. A shard may take more than its share while the cache has
//! room. There are about eight shards to a core: two threads seldom meet then. A cache of less than
//! 3 MiB is one shard, and with [`Eviction::Lru`] one exact LRU.
//!
//! What one operation does under a lock is bounded, save for two things. An insertion evicts as
//! many entries as its own is large. And when a table grows, its shard is locked while its entries
//! move: no more than 64 MiB of them, with the number of shards that is chosen by default.
//!
//! [`lru::Lru`](crate::lru::Lru) is not the engine of a shard. It is generic over its values and
//! hands out references, so it keeps key and value apart and can promise neither one allocation nor
//! a charge for it; and three lists through one table are another structure than one list through a
//! slab. What the two share is the idea, and the tests hold both against the same kind of model.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::byteview::ByteView;
use crate::stats::CacheStats;
use crate::sync::lock;

mod accounting;
mod admission;
mod arrival;
mod asker;
#[cfg(feature = "unstable-bench")]
mod bench;
mod budget;
mod common;
mod departures;
mod entry;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
mod hash;
mod lists;
mod options;
mod recency;
mod shard;
mod shards;
mod sketch;
mod slots;
mod table;
mod window;

pub use accounting::Accounting;
pub(crate) use asker::Asker;
#[cfg(feature = "unstable-bench")]
pub use bench::BenchStore;
pub(crate) use departures::{Departure, Observer};
pub(crate) use entry::{Found, Meta};
pub(crate) use hash::KeyHash;
pub(crate) use options::CacheOptions;
pub use options::Eviction;

use arrival::{Arrival, Place};
use common::Common;
use departures::{Departures, Listener};
use entry::Entry;
use shards::Shards;

/// A bounded cache that any number of threads share.
pub(crate) struct Cache {
    /// Made by the first insertion: a group that is not used takes next to no memory.
    shards: OnceLock<Shards>,
    hash: KeyHash,
    options: CacheOptions,
    shard_count: usize,
    /// The most that one entry may be charged.
    largest: u64,
    /// Misses before there were shards.
    early_misses: AtomicU64,
    /// Is told, without a lock, of each entry that leaves by itself.
    listener: Listener,
}

impl Cache {
    pub(crate) fn new(options: CacheOptions) -> Self {
        let (shards, hash, early_misses) = (OnceLock::new(), KeyHash::random(), AtomicU64::new(0));
        let shard_count = options.shard_count();
        let largest = budget::largest(options.max_bytes, shard_count);
        let listener = Listener::default();
        Self { shards, hash, options, shard_count, largest, early_misses, listener }
    }

    /// The same with an observer.
    pub(crate) fn observed_by(self, observer: Option<Observer>) -> Self {
        Self { listener: Listener::new(observer), ..self }
    }

    fn shards(&self) -> &Shards {
        self.shards.get_or_init(|| {
            let CacheOptions { max_bytes, eviction, accounting, .. } = self.options;
            let common = Common::new(max_bytes, self.shard_count, eviction, accounting);
            Shards::new(common.observed_by(self.listener.clone()))
        })
    }

    /// [`get_for`](Self::get_for) this process.
    #[cfg(any(test, feature = "unstable-bench"))]
    #[inline]
    pub(crate) fn get(&self, key: &str, now: impl Fn() -> u64) -> Option<Found> {
        self.get_for(Asker::ThisProcess, key, now)
    }

    /// The entry of `key`. Counts a hit or a miss, and makes the entry the most recently used.
    /// `now` is called only if entries can die; a dead one is dropped, and a miss.
    #[inline]
    pub(crate) fn get_for(&self, asker: Asker, key: &str, now: impl Fn() -> u64) -> Option<Found> {
        let Some(shards) = self.shards.get() else {
            self.early_misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let hash = self.hash.hash(key.as_bytes());
        let at = shards.of(hash);
        let mut shard = lock(shards.at(at));
        if shard.is_time_to_sweep_elsewhere() {
            drop(shard);
            shards.sweep_another(at, &now);
            shard = lock(shards.at(at));
        }
        let looked_up = shard.get(hash as u32, key.as_bytes(), asker, now);
        drop(shard);
        match looked_up {
            Ok(found) => Some(found),
            Err(dead) => {
                // Dropped here, without the lock.
                if let Some(dead) = dead {
                    self.listener.tell(&dead, Departure::Expired);
                }
                None
            }
        }
    }

    /// As [`get_for`](Self::get_for), but counts nothing and does not change the order.
    pub(crate) fn peek(&self, key: &str, now: impl FnOnce() -> u64) -> Option<Found> {
        let shards = self.shards.get()?;
        let hash = self.hash.hash(key.as_bytes());
        lock(shards.at(shards.of(hash))).peek(hash as u32, key.as_bytes(), now)
    }

    /// Keeps `value` under `key`, or with `None` that there is no value; whether the entry is there
    /// afterwards.
    ///
    /// `keep` is asked under the lock, right before the entry is made, and may be asked more than
    /// once; false = nothing happens. An entry that is larger than a quarter of the cache, or
    /// than one shard where that is more, is not kept. It is not copied, and nothing is evicted for
    /// it, but the older entry of its key, now out of date, goes. `now` is the time, for the dead
    /// entries that are swept on the way.
    pub(crate) fn insert(
        &self,
        key: &str,
        value: Option<&ByteView>,
        meta: Meta,
        now: u64,
        keep: impl Fn() -> bool,
    ) -> bool {
        self.insert_slice(key, value.map(ByteView::as_slice), meta, now, Place::ByMerit, keep)
    }

    /// As [`insert`](Self::insert), for an entry that is wanted by those who know: unless it is too
    /// large, it is there afterwards, whatever has to leave for it.
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
        keep: impl Fn() -> bool,
    ) -> bool {
        if self.options.max_bytes == 0 {
            return false;
        }
        let shards = self.shards();
        let hash = self.hash.hash(key.as_bytes());
        let (at, tag) = (shards.of(hash), hash as u32);
        let payload = key.len() + value.map_or(0, <[u8]>::len);
        let charge = self.options.accounting.charge(payload as u64);
        // The bytes are copied before the lock is taken. A key of 2 GiB has no entry.
        let fits = charge <= self.largest;
        let entry = if fits { Entry::new(key, value, meta) } else { None };
        let Some(entry) = entry else {
            let mut gone = Departures::default();
            let mut shard = lock(shards.at(at));
            let is_wanted = keep();
            if is_wanted {
                shard.reject(tag, key.as_bytes(), &mut gone);
            }
            drop(shard);
            drop(gone);
            if is_wanted {
                self.listener.tell_of_key(key, Departure::TooLarge);
            }
            return false;
        };
        let arrival = Arrival { tag, key: key.as_bytes(), entry, place, now };
        shards.insert(at, arrival, charge, keep)
    }

    /// Removes the entry of `key`; whether there was one.
    pub(crate) fn remove(&self, key: &str) -> bool {
        self.remove_if(key, || true)
    }

    /// As [`remove`](Self::remove), if `go` says so, which is called under the lock.
    pub(crate) fn remove_if(&self, key: &str, go: impl FnOnce() -> bool) -> bool {
        let Some(shards) = self.shards.get() else { return false };
        let mut gone = Departures::default();
        let hash = self.hash.hash(key.as_bytes());
        let mut shard = lock(shards.at(shards.of(hash)));
        let removed = go() && shard.remove(hash as u32, key.as_bytes(), &mut gone);
        drop(shard);
        drop(gone);
        removed
    }

    /// Removes all entries. Each shard is swapped for an empty one under its lock, and dropped
    /// without it.
    pub(crate) fn clear(&self) {
        for shard in self.shards.get().into_iter().flat_map(Shards::iter) {
            let old = lock(shard).take();
            drop(old);
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let mut sum = CacheStats {
            max_bytes: self.options.max_bytes,
            misses: self.early_misses.load(Ordering::Relaxed),
            ..CacheStats::default()
        };
        let Some(shards) = self.shards.get() else { return sum };
        for shard in shards.iter() {
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
        }
        // Not a sum over the shards: between two of them, bytes may go from one to the other.
        sum.charged_bytes = shards.common().budget.reserved();
        sum
    }

    /// Hits of gets of this process: a number that never falls.
    pub(crate) fn own_hits(&self) -> u64 {
        let shards = self.shards.get().into_iter().flat_map(Shards::iter);
        shards.map(|shard| lock(shard).hits().0).sum()
    }

    /// The hash of its keys, which fits other tables of the same keys as well.
    pub(crate) fn key_hash(&self) -> KeyHash {
        self.hash
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests;
