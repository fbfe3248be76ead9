//! [`Journal`]: which keys were changed in this process, and in which order.
//!
//! A change stands in it when the caches are empty of the key. So who takes a mark, and then
//! reads a cache, finds nothing that is older than the changes before the mark.

use std::collections::{HashSet, VecDeque};

use crate::change::{ChangeMark, ChangesSince};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// So many of the last changes are remembered.
const MAX_CHANGES: usize = 64 << 10;
/// So many bytes they may take.
const MAX_BYTES: usize = 8 << 20;
/// What a key takes beside its bytes: its place, and what the allocator adds.
const KEY_OVERHEAD: usize = 32;
/// A longer key is not remembered. Its change counts as one of all keys.
const MAX_KEY_BYTES: usize = 64 << 10;
/// So many changes are told at a time, and so many bytes of keys.
const MAX_TOLD: usize = 1000;
const MAX_TOLD_BYTES: usize = 512 << 10;

/// The row of all changes, of which the last ones are remembered.
///
/// Until somebody has taken a mark, they are only counted.
pub(in crate::group) struct Journal {
    origin: u64,
    /// How many changes there were. Written under the lock of `last`.
    count: AtomicU64,
    is_read: AtomicBool,
    last: Mutex<LastChanges>,
}

#[derive(Default)]
struct LastChanges {
    keys: VecDeque<Box<str>>,
    bytes: usize,
}

impl Journal {
    /// An empty one, with a random `origin`.
    pub(super) fn new(origin: u64) -> Self {
        Self {
            origin,
            count: AtomicU64::new(0),
            is_read: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    /// Where it stands now.
    pub(in crate::group) fn mark(&self) -> ChangeMark {
        if !self.is_read.load(Ordering::Relaxed) {
            // Changes that do not see it yet are not remembered, and unknown to those who ask.
            self.is_read.store(true, Ordering::Relaxed);
        }
        ChangeMark::new(self.origin, self.count.load(Ordering::Acquire))
    }

    /// What was changed since `mark`.
    pub(in crate::group) fn since(&self, mark: Option<ChangeMark>) -> ChangesSince {
        let now = self.mark();
        let Some(mark) = mark.filter(|mark| mark.origin() == self.origin) else {
            return ChangesSince::Unknown { mark: now };
        };
        if mark == now {
            return ChangesSince::Keys { keys: Vec::new(), mark };
        }
        let told = {
            let last = lock(&self.last);
            let count = self.count.load(Ordering::Relaxed);
            last.since(count.checked_sub(mark.count()))
        };
        let Some(told) = told else { return ChangesSince::Unknown { mark: self.mark() } };
        let mark = ChangeMark::new(self.origin, mark.count() + told.len() as u64);
        let keys: HashSet<String> = told.into_iter().collect();
        ChangesSince::Keys { keys: keys.into_iter().collect(), mark }
    }

    /// All keys that were changed since `mark`; `None` if they are not known.
    pub(super) fn all_since(&self, mut mark: ChangeMark) -> Option<Vec<String>> {
        let mut all = Vec::new();
        // Others may go on to change keys. Nobody changes so many meanwhile.
        for _ in 0..MAX_CHANGES {
            match self.since(Some(mark)) {
                ChangesSince::Keys { keys, mark: next } if next != mark => {
                    all.extend(keys);
                    mark = next;
                }
                ChangesSince::Keys { .. } => return Some(all),
                ChangesSince::Unknown { .. } => return None,
            }
        }
        None
    }

    /// Keys were changed.
    pub(super) fn note(&self, keys: &[&str]) {
        if keys.is_empty() {
            return;
        }
        let is_read = self.is_read.load(Ordering::Relaxed);
        if is_read && keys.iter().any(|key| key.len() > MAX_KEY_BYTES) {
            return self.note_all();
        }
        let boxed: Vec<Box<str>> = keys.iter().filter(|_| is_read).map(|&key| key.into()).collect();
        let mut last = lock(&self.last);
        if is_read {
            last.push(boxed);
        } else {
            *last = LastChanges::default();
        }
        self.count.fetch_add(keys.len() as u64, Ordering::Release);
    }

    /// All keys were changed.
    pub(super) fn note_all(&self) {
        let mut last = lock(&self.last);
        *last = LastChanges::default();
        self.count.fetch_add(1, Ordering::Release);
    }
}

impl LastChanges {
    /// The keys of the last `count` changes, or the first ones of these; `None` if not all of them
    /// are remembered.
    fn since(&self, count: Option<u64>) -> Option<Vec<String>> {
        let first = self.keys.len().checked_sub(usize::try_from(count?).ok()?)?;
        let mut bytes = 0_usize;
        let fits = |key: &&str| {
            bytes += key.len();
            bytes <= MAX_TOLD_BYTES
        };
        let told = self.keys.range(first..).map(|key| &**key).take(MAX_TOLD);
        Some(told.take_while(fits).map(str::to_owned).collect())
    }

    fn push(&mut self, keys: Vec<Box<str>>) {
        for key in keys {
            self.bytes += key.len() + KEY_OVERHEAD;
            self.keys.push_back(key);
        }
        while self.bytes > MAX_BYTES || self.keys.len() > MAX_CHANGES {
            let Some(key) = self.keys.pop_front() else { break };
            self.bytes -= key.len() + KEY_OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests;
