//! [`Owed`]: what one peer could not be told, in the order in which it came.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// So many keys are owed to one peer. Past that, everything is.
const MOST_KEYS: usize = 64 << 10;
/// So many bytes of keys are owed to one peer. Past that, everything is.
const MOST_BYTES: usize = 8 << 20;
/// So many keys are paid with one call.
const PORTION_KEYS: usize = 4096;
/// What one key takes beside its text: in two maps, and as an allocation.
const KEY_OVERHEAD: usize = 96;

/// The removals that a peer has missed. A removal can be made twice and in any order, so a key
/// that is owed again only moves to the end.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The number of the last change that made everything owed, and how it came to that.
    all: Option<(u64, Everything)>,
    by_number: BTreeMap<u64, Arc<str>>,
    numbers: HashMap<Arc<str>, u64>,
    bytes: usize,
    /// The number of the last change that was owed.
    last: u64,
    /// Whether others may have read from the peer what it is to remove.
    pub(super) spreads: bool,
}

/// How it came that a peer is owed the removal of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Everything {
    /// The whole group was cleared.
    Cleared,
    /// There were too many keys, or nobody knows which ones.
    Unknown,
}

/// What is paid with one call.
#[derive(Debug, Clone)]
pub(super) struct Portion {
    pub(super) what: PortionOf,
    /// Whether others are to remove it, too.
    pub(super) spreads: bool,
    /// Nothing that was owed later is paid by it.
    last: u64,
}

#[derive(Debug, Clone)]
pub(super) enum PortionOf {
    Keys(Vec<Arc<str>>),
    All(Everything),
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_none() && self.numbers.is_empty()
    }

    /// How many keys are owed; `None` if it is everything.
    pub(super) fn keys(&self) -> Option<usize> {
        self.all.is_none().then_some(self.numbers.len())
    }

    pub(super) fn add_key(&mut self, key: &str) {
        self.last += 1;
        if let Some((number, _)) = &mut self.all {
            // What is on its way to the peer may have been made before this change.
            *number = self.last;
            return;
        }
        let (key, before) = match self.numbers.remove_entry(key) {
            Some((key, before)) => (key, Some(before)),
            None => (Arc::from(key), None),
        };
        match before {
            Some(before) => drop(self.by_number.remove(&before)),
            None => self.bytes += key.len() + KEY_OVERHEAD,
        }
        self.by_number.insert(self.last, Arc::clone(&key));
        self.numbers.insert(key, self.last);
        if self.numbers.len() > MOST_KEYS || self.bytes > MOST_BYTES {
            self.add_all(Everything::Unknown);
        }
    }

    pub(super) fn add_all(&mut self, how: Everything) {
        self.last += 1;
        let how = match self.all {
            Some((_, Everything::Cleared)) => Everything::Cleared,
            _ => how,
        };
        let Self { last, spreads, .. } = *self;
        *self = Self { all: Some((last, how)), last, spreads, ..Self::default() };
    }

    /// The number of the last change that was owed.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The peer has a value of `key` that is newer than what was owed up to the number `last`.
    pub(super) fn waive(&mut self, key: &str, last: u64) {
        if self.numbers.get(key).is_none_or(|number| *number > last) {
            return;
        }
        if let Some((key, number)) = self.numbers.remove_entry(key) {
            self.bytes -= key.len() + KEY_OVERHEAD;
            self.by_number.remove(&number);
        }
    }

    /// What is to be paid next.
    pub(super) fn portion(&self) -> Option<Portion> {
        let what = self.first(PORTION_KEYS)?;
        Some(Portion { what, spreads: self.spreads, last: self.last })
    }

    /// All that is to be paid.
    pub(super) fn whole(&self) -> Option<PortionOf> {
        self.first(MOST_KEYS)
    }

    fn first(&self, most: usize) -> Option<PortionOf> {
        match self.all {
            Some((_, how)) => Some(PortionOf::All(how)),
            None if self.numbers.is_empty() => None,
            None => Some(PortionOf::Keys(self.by_number.values().take(most).cloned().collect())),
        }
    }

    /// Strikes out what was paid, but for what was owed once more meanwhile.
    pub(super) fn strike(&mut self, portion: &Portion) {
        match &portion.what {
            PortionOf::All(_) => {
                if self.all.is_some_and(|(number, _)| number <= portion.last) {
                    self.all = None;
                }
            }
            PortionOf::Keys(keys) => keys.iter().for_each(|key| self.waive(key, portion.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(portion: &Portion) -> Vec<&str> {
        match &portion.what {
            PortionOf::Keys(keys) => keys.iter().map(|key| &**key).collect(),
            PortionOf::All(_) => panic!("everything"),
        }
    }

    #[test]
    fn keys_are_paid_in_the_order_of_their_last_removals() {
        let mut owed = Owed::default();
        for key in ["a", "b", "c", "a"] {
            owed.add_key(key);
        }
        let portion = owed.portion().unwrap();
        assert_eq!(keys_of(&portion), ["b", "c", "a"]);
        owed.strike(&portion);
        assert!(owed.is_empty() && owed.portion().is_none());
        assert_eq!((owed.bytes, owed.by_number.len()), (0, 0));
    }

    #[test]
    fn what_is_owed_again_while_it_is_paid_stays_owed() {
        let mut owed = Owed::default();
        owed.add_key("a");
        owed.add_key("b");
        let portion = owed.portion().unwrap();
        owed.add_key("a");
        owed.strike(&portion);
        assert_eq!(keys_of(&owed.portion().unwrap()), ["a"]);
        owed.add_all(Everything::Unknown);
        let portion = owed.portion().unwrap();
        owed.add_key("c");
        owed.strike(&portion);
        assert_eq!(owed.keys(), None);
        owed.strike(&owed.portion().unwrap());
        assert!(owed.is_empty());
    }

    #[test]
    fn a_newer_value_at_the_peer_waives_the_removal_before_it() {
        let mut owed = Owed::default();
        owed.add_key("a");
        let last = owed.last();
        owed.add_key("a");
        owed.waive("a", last);
        assert!(!owed.is_empty(), "it was owed once more, after that value");
        owed.waive("a", owed.last());
        owed.waive("b", owed.last());
        assert!(owed.is_empty() && owed.bytes == 0);
    }

    #[test]
    fn past_the_bounds_everything_is_owed() {
        let mut owed = Owed::default();
        for n in 0..MOST_KEYS {
            owed.add_key(&n.to_string());
        }
        assert_eq!(owed.keys(), Some(MOST_KEYS));
        owed.add_key("one more");
        assert_eq!((owed.keys(), owed.bytes, owed.numbers.len()), (None, 0, 0));
        let mut owed = Owed::default();
        for n in 0..9 {
            owed.add_key(&format!("{n}{}", "k".repeat(1 << 20)));
        }
        assert_eq!(owed.keys(), None);
    }

    #[test]
    fn what_was_cleared_stays_so() {
        let mut owed = Owed::default();
        owed.add_all(Everything::Cleared);
        owed.add_all(Everything::Unknown);
        assert!(matches!(owed.portion().unwrap().what, PortionOf::All(Everything::Cleared)));
    }
}
