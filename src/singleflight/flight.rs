//! [`Flights`] that have not ended, and what a [`Flight`] is: keys that are led together.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, lock, thread_local};

/// Parts of the flights with a lock of their own each. A batch flies a thousand keys at once, so
/// there are many.
const SHARDS: usize = 256;

/// All flights that have not ended. There are a few in each shard at most, so that looking at all
/// of them takes less time than a second hash would.
///
/// Doomed flights are among them, though nobody can join them: their leaders are still told when
/// they ask for their own key.
pub(super) struct Flights<T> {
    /// Made by the first flight.
    shards: OnceLock<Box<[Shard<T>]>>,
}

pub(super) type Shard<T> = Mutex<Vec<Flying<T>>>;

/// A key that flies: the hash of it, and its place in its flight.
pub(super) struct Flying<T> {
    pub(super) hash: u64,
    pub(super) at: usize,
    pub(super) flight: Arc<Flight<T>>,
}

impl<T> Flying<T> {
    pub(super) fn is_of(&self, hash: u64, key: &str) -> bool {
        self.hash == hash && *self.flight.key(self.at) == *key
    }
}

impl<T> Flights<T> {
    pub(super) fn new() -> Self {
        Self { shards: OnceLock::new() }
    }

    pub(super) fn shard(&self, hash: u64) -> &Shard<T> {
        let shards = self.shards.get_or_init(|| (0..SHARDS).map(|_| Mutex::default()).collect());
        &shards[hash as usize % SHARDS]
    }

    /// All shards, if there are any yet.
    pub(super) fn all_shards(&self) -> impl Iterator<Item = &Shard<T>> {
        self.shards.get().into_iter().flatten()
    }

    /// Takes a key of a flight away, so that nobody finds it any longer.
    pub(super) fn remove(
        &self,
        hash: u64,
        at: usize,
        flight: &Arc<Flight<T>>,
    ) -> Option<Flying<T>> {
        let mut shard = lock(self.shard(hash));
        let is_it = |it: &Flying<T>| it.at == at && Arc::ptr_eq(&it.flight, flight);
        let found = shard.iter().position(is_it)?;
        Some(shard.swap_remove(found))
    }
}

/// One key, or many of one batch, in two or three allocations. Each key ends for itself.
pub(super) struct Flight<T> {
    pub(super) flights: Arc<Flights<T>>,
    /// All keys, one after the other.
    text: Box<str>,
    pub(super) start: Mutex<Start>,
    /// Most flights have one key.
    first: FlightPlace<T>,
    others: Box<[FlightPlace<T>]>,
}

/// Who does the work.
#[derive(Default)]
pub(super) struct Start {
    /// The thread that does it; `None` until it begins, which may be on another thread than the
    /// one that joined first.
    pub(super) leader: Option<ThreadId>,
    /// The queue in which it is, if it can't begin for want of a thread.
    pub(super) queued: Option<u8>,
}

/// One of the keys.
pub(super) struct FlightPlace<T> {
    pub(super) hash: u64,
    /// Where it stands in the text.
    key: Range<usize>,
    /// Set before `state.ended` if somebody follows, and cloned outside of any lock. In a box,
    /// since most flights have no followers and are many: small ones are what allocators are good
    /// at.
    pub(super) value: OnceLock<Box<T>>,
    pub(super) state: Mutex<Progress>,
    pub(super) landed: Condvar,
    doomed: AtomicBool,
    /// Whether somebody follows, or did. Nobody begins to once the key can't be found.
    pub(super) followed: AtomicBool,
    /// Whether the first leader has given up, and others are left.
    pub(super) is_left: AtomicBool,
}

#[derive(Default)]
pub(super) struct Progress {
    /// Leaders that have neither landed nor given up: the first one, and its back-ups.
    pub(super) leaders: u32,
    /// When the last back-up began.
    pub(super) last_back_up: Option<Instant>,
    /// Whether the work waits for others.
    pub(super) held: bool,
    pub(super) ended: bool,
    /// Followers that wait, or that did until the end.
    pub(super) waiting: u32,
}

impl<T> Flight<T> {
    /// Of `keys`, of which there is one at least.
    pub(super) fn new(flights: Arc<Flights<T>>, keys: &[&str], hash: impl Fn(&str) -> u64) -> Self {
        let mut end = 0;
        let mut places = keys.iter().map(|key| {
            let start = end;
            end += key.len();
            FlightPlace::new(hash(key), start..end)
        });
        let first = places.next().expect("who boards has a key");
        let others = places.collect();
        let text = match keys {
            [key] => (*key).into(),
            _ => keys.concat().into(),
        };
        Self { flights, text, start: Mutex::default(), first, others }
    }

    pub(super) fn place(&self, at: usize) -> &FlightPlace<T> {
        if at == 0 { &self.first } else { &self.others[at - 1] }
    }

    pub(super) fn key(&self, at: usize) -> &str {
        &self.text[self.place(at).key.clone()]
    }

    /// The thread that does the work for the key at this place.
    pub(super) fn leader(&self, at: usize) -> Option<ThreadId> {
        let leader = lock(&self.start).leader;
        // Its thread may ask for the key again, and then wait for a back-up as others do.
        leader.filter(|_| !self.place(at).is_left.load(Ordering::Acquire))
    }

    /// Whether the calling thread does.
    pub(super) fn is_led_here(&self, at: usize) -> bool {
        self.leader(at) == Some(this_thread())
    }
}

impl<T> FlightPlace<T> {
    fn new(hash: u64, key: Range<usize>) -> Self {
        Self {
            hash,
            key,
            value: OnceLock::new(),
            state: Mutex::new(Progress { leaders: 1, ..Progress::default() }),
            landed: Condvar::new(),
            doomed: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
        }
    }

    pub(super) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Acquire)
    }

    pub(super) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

/// The calling thread, without a handle on it.
pub(super) fn this_thread() -> ThreadId {
    thread_local!(static THIS: ThreadId = thread::current().id());
    // While a thread ends its locals may be gone.
    THIS.try_with(|id| *id).unwrap_or_else(|_| thread::current().id())
}
