//! [`Shards`]: all shards of a cache, and how they share its bytes.
//!
//! An entry that finds no room in the budget takes it from its own shard, if that has more than its
//! share, or else from others that have. For that its own lock is released, one other shard at a
//! time is locked, and what that gives up stays reserved on the way, as a [`Credit`]. Then the
//! entry tries again. So no thread ever holds the locks of two shards.
//!
//! The room for a large entry comes from many shards. Several threads that each held a part of what
//! they need could all wait for each other, so these take turns: each holds a lock of its own until
//! its entry is in.

use std::sync::Arc;

use crate::cache::arrival::{Arrival, Giver, Insertion};
use crate::cache::budget::Credit;
use crate::cache::common::Common;
use crate::cache::departures::Departures;
use crate::cache::shard::CacheShard;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

/// All shards of a cache.
#[derive(Debug)]
pub(super) struct Shards {
    shards: Box<[Padded]>,
    common: Arc<Common>,
    /// Which shard gives room next.
    giver: AtomicUsize,
    /// Which shard is swept next by those who work in others.
    swept: AtomicUsize,
    /// Held by the one who makes room for a large entry.
    large: Mutex<()>,
}

/// A shard on cache lines of its own: the lock of one shard must not slow its neighbours down. Two
/// lines, as processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<CacheShard>);

/// One in so many insertions looks for dead entries in another shard.
const INSERTS_PER_SWEEP: u64 = 32;
/// How often an entry asks other shards for room before it takes what its own has, and whatever
/// that is, has to do with it. What others gave stays with it from turn to turn, so the second turn
/// is the last, unless nearly all bytes of the cache are on their way into other shards.
const MOST_TURNS: usize = 64;

impl Shards {
    /// Empty shards, a power of two of them.
    pub(super) fn new(common: Common) -> Self {
        let common = Arc::new(common);
        let shard = |_| Padded(Mutex::new(CacheShard::new(Arc::clone(&common))));
        let shards = (0..common.budget.shards()).map(shard).collect();
        let (giver, swept) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { shards, common, giver, swept, large: Mutex::new(()) }
    }

    /// Which shard is for the keys with this hash.
    #[inline]
    pub(super) fn of(&self, hash: u64) -> usize {
        // The top bits of the hash, scaled to the count, which is a power of two.
        (((hash >> 32) * self.shards.len() as u64) >> 32) as usize
    }

    #[inline]
    pub(super) fn at(&self, at: usize) -> &Mutex<CacheShard> {
        &self.shards[at].0
    }

    pub(super) fn count(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mutex<CacheShard>> {
        self.shards.iter().map(|Padded(shard)| shard)
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// Takes in an entry, if `keep` says so, which is asked under the lock of shard `at` right
    /// before. Whether the entry is there afterwards.
    pub(super) fn insert(
        &self,
        at: usize,
        mut arrival: Arrival<'_>,
        charge: u64,
        keep: impl Fn() -> bool,
    ) -> bool {
        let budget = &self.common.budget;
        let now = arrival.now;
        let can_die = arrival.entry.can_die();
        // As the caller has it. A shard makes sure of what it could not make room for at once.
        let asked = arrival.place;
        let mut credit = Credit::none(budget);
        let mut turn_of_large = None;
        for turn in 0..=MOST_TURNS {
            let giver = match turn {
                0 => Giver::AboveShare,
                1..MOST_TURNS => Giver::Anyone,
                _ => Giver::ThisShard,
            };
            let mut gone = Departures::default();
            let mut shard = lock(self.at(at));
            if !keep() || shard.has_newer(&arrival, asked) {
                break;
            }
            let inserted = shard.insert(arrival, giver, &mut credit, &mut gone);
            let is_time_to_sweep = shard.counts().inserts % INSERTS_PER_SWEEP == 0;
            drop(shard);
            gone.report(&self.common.listener);
            let (back, bytes) = match inserted {
                Insertion::Lacks { arrival, bytes } => (arrival, bytes),
                Insertion::Kept | Insertion::NotKept => {
                    if can_die {
                        self.common.note_one_that_can_die();
                    }
                    if is_time_to_sweep {
                        self.sweep_another(at, || now);
                    }
                    return matches!(inserted, Insertion::Kept);
                }
            };
            arrival = back;
            if charge >= budget.large_from() && turn_of_large.is_none() {
                turn_of_large = Some(lock(&self.large));
            }
            self.gather(at, bytes, giver, now, &mut credit);
        }
        // Vetoed, or there is no room at all.
        false
    }

    /// Has other shards than `own` give so many bytes, those first that gave last.
    fn gather(&self, own: usize, bytes: u64, giver: Giver, now: u64, credit: &mut Credit<'_>) {
        let wanted = credit.bytes().saturating_add(bytes);
        let (first, count) = (self.giver.load(Ordering::Relaxed), self.shards.len());
        let mut given_nothing = 0;
        for at in (0..count).cycle().skip(first % count) {
            let missing = wanted.saturating_sub(credit.bytes());
            if missing == 0 || given_nothing == count {
                return;
            }
            let mut gone = Departures::default();
            let given = match at {
                _ if at == own => 0,
                _ => lock(self.at(at)).give(missing, giver, now, &mut gone),
            };
            credit.add(given);
            gone.report(&self.common.listener);
            given_nothing = if given == 0 { given_nothing + 1 } else { 0 };
            self.giver.store(at, Ordering::Relaxed);
        }
    }

    /// Drops dead entries in the next shard in turn that is not `own`.
    #[cold]
    pub(super) fn sweep_another(&self, own: usize, now: impl FnOnce() -> u64) {
        if !self.common.any_can_die() || self.shards.len() == 1 {
            return;
        }
        let count = self.shards.len();
        let next = self.swept.fetch_add(1, Ordering::Relaxed) % count;
        let at = if next == own { (next + 1) % count } else { next };
        let now = now();
        let mut gone = Departures::default();
        lock(self.at(at)).sweep_from_elsewhere(now, &mut gone);
        gone.report(&self.common.listener);
    }
}
