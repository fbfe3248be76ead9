//! [`Departures`]: the entries that leave under a lock, on their way to be dropped without it.

use crate::cache::entry::Entry;

/// Entries that left a shard. Its owner drops it when the lock is released: to free a huge value
/// takes long, and the others who wait for the shard need not wait for that.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Held in place, as an insertion into a full cache evicts one entry as a rule.
    first: Option<(Entry, Departure)>,
    more: Vec<(Entry, Departure)>,
    /// How many left to make room.
    pub(super) evicted: u64,
    /// How many left because they were dead.
    pub(super) expired: u64,
}

/// Why an entry left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    Evicted,
    /// The policy compared it with those that are there, and it was worth less.
    Refused,
    Expired,
    /// It was too large to be kept.
    TooLarge,
    /// A caller removed it or replaced it.
    Removed,
}

impl Departures {
    pub(super) fn push(&mut self, entry: Option<Entry>, departure: Departure) {
        let Some(entry) = entry else { return };
        match departure {
            Departure::Evicted | Departure::Refused => self.evicted += 1,
            Departure::Expired => self.expired += 1,
            Departure::TooLarge | Departure::Removed => {}
        }
        match self.first {
            None => self.first = Some((entry, departure)),
            Some(_) => self.more.push((entry, departure)),
        }
    }

    /// What left, and why.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Entry, Departure)> {
        self.first.iter().chain(&self.more)
    }
}
