//! [`Order`]: no change replaces what a newer one of the same origin has made.
//!
//! A request may lie on its way for long: its sender has given it up and has made newer changes of
//! the same key, and then the network delivers it. A removal that comes late costs a load. An
//! insertion that comes late would bring an old value back, so it is refused:
//!
//! * if a newer change of the same key and origin was made here, or was begun;
//! * if that is no longer known, as too many keys have changed since. The key is removed then: the
//!   value that is there may be older still.
//!
//! Changes of one key may run at the same time. Each tells its number before it empties the caches.
//! An insertion asks under the cache's lock whether its number is still the newest before it keeps
//! its value. Either the value was kept before, and the newer change empties it, or it sees the
//! newer number.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::change::ChangeStamp;
use crate::sync::{Mutex, lock};

/// So many of the last changes are remembered. It is what a table of 65,536 places takes before it
/// grows.
const MAX_CHANGES: usize = 56 << 10;
/// So many origins are remembered, those that changed something last.
const MAX_ORIGINS: usize = 1024;

/// The numbers of the last changes.
#[derive(Default)]
pub(super) struct Order {
    hash: RandomState,
    numbers: Mutex<LastNumbers>,
}

/// How a change stands to those that were made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is no newer one.
    Newest,
    /// A newer one was made.
    Superseded,
    /// It is older than what is remembered.
    Unknown,
}

#[derive(Default)]
struct LastNumbers {
    /// The greatest number for each key and origin.
    of_keys: HashMap<u64, u64>,
    /// The last changes, in the order in which they came.
    came: VecDeque<(u64, ChangeStamp)>,
    origins: HashMap<u64, OriginNumbers>,
    clock: u64,
}

/// What is known of one origin.
#[derive(Default)]
struct OriginNumbers {
    /// The number of its last clearing.
    cleared: u64,
    /// The greatest number that is no longer known with its key.
    forgotten: u64,
    /// When it changed something last.
    used: u64,
}

impl Order {
    /// A change of `key` begins.
    pub(super) fn begin(&self, key: &str, stamp: ChangeStamp) -> Standing {
        if !stamp.is_ordered() {
            return Standing::Newest;
        }
        let id = self.id(key, stamp);
        lock(&self.numbers).begin(id, stamp)
    }

    /// A clearing begins.
    pub(super) fn begin_clear(&self, stamp: ChangeStamp) {
        if stamp.is_ordered() {
            let mut numbers = lock(&self.numbers);
            let origin = numbers.origin(stamp.origin());
            origin.cleared = origin.cleared.max(stamp.number());
        }
    }

    /// Whether no newer change of `key` has begun.
    pub(super) fn is_newest(&self, key: &str, stamp: ChangeStamp) -> bool {
        if !stamp.is_ordered() {
            return true;
        }
        let id = self.id(key, stamp);
        lock(&self.numbers).standing(id, stamp) == Standing::Newest
    }

    /// How a change stands that this order is not told of: to those of the same key and origin that
    /// it was told of.
    pub(super) fn standing(&self, key: &str, stamp: ChangeStamp) -> Standing {
        if !stamp.is_ordered() {
            return Standing::Newest;
        }
        let id = self.id(key, stamp);
        let numbers = lock(&self.numbers);
        match numbers.origins.contains_key(&stamp.origin()) {
            true => numbers.standing(id, stamp),
            false => Standing::Newest,
        }
    }

    /// What stands for a key and an origin. Two of them may meet in one, by chance. Then a change
    /// may be refused that is not late, and no late one is made.
    fn id(&self, key: &str, stamp: ChangeStamp) -> u64 {
        self.hash.hash_one((stamp.origin(), key))
    }
}

impl LastNumbers {
    fn begin(&mut self, id: u64, stamp: ChangeStamp) -> Standing {
        // It makes the origin known.
        self.origin(stamp.origin());
        let standing = self.standing(id, stamp);
        if standing == Standing::Newest {
            self.of_keys.insert(id, stamp.number());
            self.came.push_back((id, stamp));
            if self.came.len() > MAX_CHANGES {
                self.forget_the_first();
            }
        }
        standing
    }

    fn standing(&self, id: u64, stamp: ChangeStamp) -> Standing {
        let Some(origin) = self.origins.get(&stamp.origin()) else { return Standing::Unknown };
        match self.of_keys.get(&id) {
            _ if origin.cleared > stamp.number() => Standing::Superseded,
            Some(&last) if last > stamp.number() => Standing::Superseded,
            Some(_) => Standing::Newest,
            None if origin.forgotten >= stamp.number() => Standing::Unknown,
            None => Standing::Newest,
        }
    }

    fn forget_the_first(&mut self) {
        let Some((id, stamp)) = self.came.pop_front() else { return };
        if self.of_keys.get(&id) == Some(&stamp.number()) {
            self.of_keys.remove(&id);
            if let Some(origin) = self.origins.get_mut(&stamp.origin()) {
                origin.forgotten = origin.forgotten.max(stamp.number());
            }
        }
    }

    /// An origin that changes something now.
    fn origin(&mut self, origin: u64) -> &mut OriginNumbers {
        self.clock += 1;
        if self.origins.len() >= MAX_ORIGINS && !self.origins.contains_key(&origin) {
            let oldest = self.origins.iter().min_by_key(|(_, numbers)| numbers.used);
            if let Some(oldest) = oldest.map(|(&oldest, _)| oldest) {
                self.origins.remove(&oldest);
            }
        }
        let numbers = self.origins.entry(origin).or_default();
        numbers.used = self.clock;
        numbers
    }
}

#[cfg(test)]
mod tests;
