//! [`Departures`]: the entries that leave under a lock, on their way to be dropped without it.

use std::fmt;
use std::sync::Arc;

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

    /// Whether the entry of `key` is among those that left by themselves.
    pub(super) fn have_taken(&self, key: &[u8]) -> bool {
        let mut left = self.first.iter().chain(&self.more);
        left.any(|(entry, departure)| *departure != Departure::Removed && entry.has_key(key))
    }

    /// Tells of what left by itself, and drops all of it. No lock is held meanwhile.
    pub(super) fn report(self, listener: &Listener) {
        if listener.is_there() {
            for (entry, departure) in self.first.iter().chain(&self.more) {
                listener.tell(entry, *departure);
            }
        }
    }
}

/// Is told the key of an entry, and why it left. It is not told of removals.
pub(crate) type Observer = Arc<dyn Fn(&str, Departure) + Send + Sync>;

/// An observer, if there is one.
#[derive(Clone, Default)]
pub(super) struct Listener(Option<Observer>);

impl Listener {
    pub(super) fn new(observer: Option<Observer>) -> Self {
        Self(observer)
    }

    fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells of an entry that has left.
    #[cold]
    #[inline(never)]
    pub(super) fn tell(&self, entry: &Entry, departure: Departure) {
        if let Ok(key) = std::str::from_utf8(entry.key()) {
            self.tell_of_key(key, departure);
        }
    }

    /// The same for an entry that never was made.
    pub(super) fn tell_of_key(&self, key: &str, departure: Departure) {
        match &self.0 {
            Some(observer) if departure != Departure::Removed => observer(key, departure),
            _ => {}
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.is_there()).finish()
    }
}
