//! [`Decoded`]: the values that were made of the entries of a group, for as long as these live.
//!
//! A value stands beside the entry whose bytes it was made of, and is told apart by where these
//! bytes are in memory. A [`Weak`] on them keeps the place from being used again. So a value that
//! is found belongs to the very entry that the group has just returned, and neither removal, nor
//! expiry, nor a refresh has to be told here for that: the next entry has other bytes.
//!
//! What it has to do is to give memory back. The bytes of an entry that is gone stay where they are
//! as long as the `Weak` does. Each insertion, here or into the group, looks at a few places and
//! frees those whose entries are gone; a removal and a clearing free theirs at once. So what is
//! gone and not free yet is about an eighth of all. Where values weigh more than the bound allows,
//! those leave that were not used for long (CLOCK).

mod table;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::byteview::ByteView;
use crate::stats::Counter;
use crate::sync::lock;
use table::{DecodedTable, Kept, hash};

/// What a value takes beside what it weighs: its place in the table, which has places to spare, the
/// counts of its `Arc`, and what the allocator adds.
pub(super) const OVERHEAD_BYTES: u64 = 96;

/// A part of the table that has a lock of its own is for at least so many bytes.
const LEAST_SHARD_BYTES: u64 = 1 << 20;

/// Places that are looked at with each insertion.
const LOOKS: usize = 16;

/// See the [module](self).
pub(super) struct Decoded<V> {
    shards: Box<[DecodedShard<V>]>,
    max_bytes: u64,
    /// What all values weigh.
    bytes: AtomicU64,
    /// Where the next look goes that belongs to no value.
    next: AtomicU64,
    pub(super) evictions: Counter,
}

/// On cache lines of its own.
#[repr(align(128))]
struct DecodedShard<V>(Mutex<DecodedTable<V>>);

impl<V> Decoded<V> {
    /// Room for values of so many bytes, with what is kept beside them.
    pub(super) fn new(max_bytes: u64) -> Self {
        let cores = thread::available_parallelism().map_or(4, usize::from);
        let most = (8 * cores).next_power_of_two().clamp(8, 256) as u64;
        let shards = (max_bytes / LEAST_SHARD_BYTES).clamp(1, most);
        // Rounded down to a power of two.
        let shards = 1 << shards.ilog2();
        Self {
            shards: (0..shards)
                .map(|_| DecodedShard(Mutex::new(DecodedTable::default())))
                .collect(),
            max_bytes,
            bytes: AtomicU64::new(0),
            next: AtomicU64::new(0),
            evictions: Counter::default(),
        }
    }

    /// The value that was made of these bytes.
    #[inline]
    pub(super) fn get(&self, bytes: &ByteView) -> Option<Arc<V>> {
        let place = bytes.allocation().as_ptr().addr();
        lock(self.shard(hash(place)).1).get(hash(place), place)
    }

    /// Keeps a value beside the entry of these bytes. The answer is the value to use: another
    /// caller may have made one at the same time.
    pub(super) fn insert(&self, bytes: &ByteView, value: Arc<V>, weight: u64) -> Arc<V> {
        let weight = weight.saturating_add(OVERHEAD_BYTES);
        let Some(weight) = u32::try_from(weight).ok().filter(|_| weight <= self.max_bytes) else {
            return value;
        };
        // The caller's view, and the entry.
        if Arc::strong_count(bytes.allocation()) < 2 {
            return value;
        }
        let kept = Kept::new(bytes.allocation(), Arc::clone(&value), weight);
        let hash = hash(kept.place());
        let (at, shard) = self.shard(hash);
        let mut gone = Vec::new();
        // Before it can be seen, or it could be taken off first.
        self.bytes.fetch_add(u64::from(weight), Ordering::Relaxed);
        let mut table = lock(shard);
        if let Some(there) = table.get(hash, kept.place()) {
            drop(table);
            self.give_up(vec![kept]);
            return there;
        }
        table.sweep(LOOKS, &mut gone);
        table.insert(hash, kept);
        drop(table);
        self.give_up(gone);
        self.make_room(at);
        value
    }

    /// Lets values go until the rest fits, beginning with those of one shard.
    fn make_room(&self, first: usize) {
        for at in (first..self.shards.len()).chain(0..first) {
            while self.bytes() > self.max_bytes {
                let evicted = lock(&self.shards[at].0).evict();
                let Some(evicted) = evicted else { break };
                if evicted.is_of_an_entry() {
                    self.evictions.add_one();
                }
                self.give_up(vec![evicted]);
            }
        }
    }

    /// Counts what is no longer kept, and drops it: the code of users, for which no lock is held.
    fn give_up(&self, gone: Vec<Kept<V>>) {
        let weight = gone.iter().map(|kept| u64::from(kept.weight())).sum();
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
        drop(gone);
    }

    /// Frees what belongs to these bytes.
    pub(super) fn remove(&self, bytes: &ByteView) {
        let place = bytes.allocation().as_ptr().addr();
        let removed = lock(self.shard(hash(place)).1).remove(hash(place), place);
        self.give_up(removed.into_iter().collect());
    }

    /// Looks at a few places, and frees those whose entries are gone.
    pub(super) fn look_around(&self) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let mut gone = Vec::new();
        lock(&self.shards[next as usize % self.shards.len()].0).sweep(LOOKS, &mut gone);
        self.give_up(gone);
    }

    /// Frees all whose entries are gone.
    pub(super) fn look_everywhere(&self) {
        for DecodedShard(shard) in &self.shards {
            let mut gone = Vec::new();
            let mut table = lock(shard);
            table.sweep_all(&mut gone);
            drop(table);
            self.give_up(gone);
        }
    }

    /// What all values weigh.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|DecodedShard(shard)| lock(shard).len()).sum()
    }

    /// Whether all is found and counted.
    #[cfg(test)]
    fn validate(&self) {
        let weights = self.shards.iter().map(|DecodedShard(shard)| lock(shard).validate());
        assert_eq!(weights.sum::<u64>(), self.bytes());
        assert!(self.bytes() <= self.max_bytes);
    }

    #[inline]
    fn shard(&self, hash: u64) -> (usize, &Mutex<DecodedTable<V>>) {
        // The top bits, scaled to the count.
        let at = ((hash >> 32) * self.shards.len() as u64) >> 32;
        (at as usize, &self.shards[at as usize].0)
    }
}

#[cfg(test)]
mod tests;
