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
//!   walk         all entries, hottest first, a few at a time
//!   batch        look-ups of many keys, those of a shard under one lock
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
//!   heat         how much an entry is worth to its cache
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
use std::sync::{Arc, OnceLock};

use crate::byteview::ByteView;
use crate::stats::CacheStats;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::lock;
use crate::tag::RemovedTags;

mod accounting;
mod admission;
mod arrival;
mod asker;
mod batch;
#[cfg(feature = "unstable-bench")]
mod bench;
mod budget;
mod common;
mod departures;
mod entry;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
mod hash;
mod heat;
mod lists;
mod options;
mod recency;
mod shard;
mod shards;
mod sketch;
mod slots;
mod table;
mod walk;
mod window;

pub use accounting::Accounting;
pub(crate) use arrival::Addition;
pub(crate) use asker::Asker;
#[cfg(feature = "unstable-bench")]
pub use bench::BenchStore;
pub(crate) use departures::{Departure, Observer};
pub(crate) use entry::{Body, Found, Meta};
pub(crate) use hash::KeyHash;
pub(crate) use heat::Heat;
pub(crate) use options::CacheOptions;
pub use options::Eviction;
pub(crate) use walk::{Resident, Walk};

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
    removed: Arc<RemovedTags>,
}

impl Cache {
    pub(crate) fn new(options: CacheOptions) -> Self {
        let (shards, hash, early_misses) = (OnceLock::new(), KeyHash::random(), AtomicU64::new(0));
        let shard_count = options.shard_count();
        let largest = budget::largest(options.max_bytes, shard_count);
        let (listener, removed) = (Listener::default(), Arc::default());
        Self { shards, hash, options, shard_count, largest, early_misses, listener, removed }
    }

    /// The same with an observer.
    pub(crate) fn observed_by(self, observer: Option<Observer>) -> Self {
        Self { listener: Listener::new(observer), ..self }
    }

    /// The same, where entries with these tags are dead.
    pub(crate) fn without(self, removed: &Arc<RemovedTags>) -> Self {
        Self { removed: Arc::clone(removed), ..self }
    }

    fn shards(&self) -> &Shards {
        self.shards.get_or_init(|| {
            let CacheOptions { max_bytes, eviction, accounting, .. } = self.options;
            let common = Common::new(max_bytes, self.shard_count, eviction, accounting);
            Shards::new(common.beside(self.listener.clone(), Arc::clone(&self.removed)))
        })
    }

    /// [`get_for`](Self::get_for) this process.
    #[cfg(any(test, feature = "unstable-bench"))]
    #[inline]
    pub(crate) fn get(&self, key: &str, now: impl Fn() -> u64) -> Option<Found> {
        self.get_for(Asker::ThisProcess, key, now)
    }

    /// The entry of `key`. Counts a hit or a miss, and a use of the entry.
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

    /// Keeps a value under `key`, or with `None` that there is no value; whether the entry is there
    /// afterwards.
    ///
    /// `keep` is asked under the lock, right before the entry is made, and may be asked more than
    /// once; false = nothing happens. An entry that is larger than a quarter of the cache, or
    /// than one shard where that is more, is not kept. It is not copied, and nothing is evicted for
    /// it, but the older entry of its key, now out of date, goes. `now` is the time, for the dead
    /// entries that are swept on the way.
    pub(crate) fn insert<'a>(
        &self,
        key: &str,
        body: impl Into<Body<'a>>,
        meta: Meta,
        now: u64,
        keep: impl Fn() -> bool,
    ) -> bool {
        self.insert_body(key, body.into(), meta, now, Place::ByMerit, keep)
    }

    /// Gives the entry of `key` other times and, if it has tags, another tick. Its value is not
    /// copied. It is done if that is `value` itself, nobody but the caller has it, and `keep` says
    /// so, which is asked under the lock. The value comes back, as an error where nothing was done.
    pub(crate) fn renew(
        &self,
        key: &str,
        value: ByteView,
        (meta, tick): (Meta, u64),
        keep: impl FnOnce() -> bool,
    ) -> Result<ByteView, ByteView> {
        let Some(shards) = self.shards.get() else { return Err(value) };
        let hash = self.hash.hash(key.as_bytes());
        if meta.dead_at != 0 {
            shards.common().note_one_that_can_die();
        }
        let mut shard = lock(shards.at(shards.of(hash)));
        let key = key.as_bytes();
        if keep() { shard.renew(hash as u32, key, value, (meta, tick)) } else { Err(value) }
    }

    /// As [`insert`](Self::insert), for an entry that is wanted by those who know: unless it is too
    /// large, it is there afterwards, whatever has to leave for it.
    pub(crate) fn insert_wanted<'a>(
        &self,
        key: &str,
        body: impl Into<Body<'a>>,
        meta: Meta,
        now: u64,
        keep: impl Fn() -> bool,
    ) -> bool {
        self.insert_body(key, body.into(), meta, now, Place::Sure, keep)
    }

    fn insert_body(
        &self,
        key: &str,
        body: Body<'_>,
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
        let charge = self.options.accounting.charge(body.payload(key));
        // The bytes are copied before the lock is taken. A key of 1 GiB has no entry.
        let fits = charge <= self.largest;
        let entry = if fits { Entry::new(key, body, meta) } else { None };
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

    /// Takes in an entry from elsewhere, such as a file or another process, if there is room that
    /// nobody uses: nothing leaves for it. It goes behind those that are there, so entries should
    /// come hottest first. An entry that its key has already stays.
    ///
    /// `keep` is asked under the lock, right before.
    pub(crate) fn add(
        &self,
        key: &str,
        body: Body<'_>,
        (meta, heat): (Meta, Heat),
        now: u64,
        keep: impl FnOnce() -> bool,
    ) -> Addition {
        let charge = self.options.accounting.charge(body.payload(key));
        if charge > self.largest || self.options.max_bytes == 0 {
            return Addition::NoRoom;
        }
        let shards = self.shards();
        if charge > shards.common().budget.spare() {
            return Addition::NoRoom; // Before the bytes are copied.
        }
        let Some(entry) = Entry::new(key, body, meta) else { return Addition::NoRoom };
        let can_die = entry.can_die();
        let hash = self.hash.hash(key.as_bytes());
        let (at, tag, key) = (shards.of(hash), hash as u32, key.as_bytes());
        let arrival = Arrival { tag, key, entry, place: Place::ByMerit, now };
        let mut gone = Departures::default();
        let mut shard = lock(shards.at(at));
        if !keep() {
            return Addition::Unwanted;
        }
        let addition = shard.add(arrival, heat, &mut gone);
        drop(shard);
        gone.report(&self.listener);
        if can_die {
            shards.common().note_one_that_can_die();
        }
        addition
    }

    /// Begins a walk over all entries, hottest first; for [`hottest`](Self::hottest).
    ///
    /// It surveys the cache at once, which takes 4 bytes for each entry.
    pub(crate) fn walk(&self) -> Walk {
        self.shards.get().map(Walk::over).unwrap_or_default()
    }

    /// The next few entries of a walk that are alive at `now`, with no more than `max_bytes` of
    /// keys and values unless the first has more; `None` at the end.
    ///
    /// Takes one lock at a time, for no more than 64 entries. Counts nothing, and is no use of the
    /// entries. They share their bytes with the cache: what is dropped there meanwhile stays in
    /// memory until the caller drops it, too.
    pub(crate) fn hottest(
        &self,
        walk: &mut Walk,
        max_bytes: u64,
        now: u64,
    ) -> Option<Vec<Resident>> {
        walk.next(self.shards.get()?, max_bytes, now)
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

    /// The most bytes of key and value that an entry can have.
    pub(crate) fn longest_entry(&self) -> u64 {
        self.largest
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
