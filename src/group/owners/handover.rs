//! [`HandOver`]: what a new owner of keys takes over from the previous ones before it loads.
//!
//! When the list of peers changes, keys move to owners that do not have them, while those who do
//! are no longer asked. For a while ([`PeerPicker::warm_up`]) a new owner therefore looks
//! into the memory of the previous one. It does so in the local flight of the key: once for any
//! number of callers, and a removal that arrives meanwhile dooms what it comes back with, as it
//! does with a load.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::by_peer;
use crate::one_line::OneLine;
use crate::peers::{PeerGetter, PeerPicker};
use crate::stats::Counter;
use crate::sync::lock;

/// So many removed keys are remembered. After more of them, nothing is taken over until the warm-up
/// ends.
const MOST_REMOVED: usize = 4096;

/// The hand-over, and what was removed while it goes on: the previous owner may be yet to learn of
/// it, so it is not asked for that.
#[derive(Default)]
pub(super) struct HandOver {
    hasher: RandomState,
    removed: Mutex<Removed>,
    counters: HandOverCounters,
}

#[derive(Debug, Default)]
pub(in crate::group) struct HandOverCounters {
    pub(in crate::group) peeks: Counter,
    pub(in crate::group) peek_hits: Counter,
}

#[derive(Debug, Default)]
struct Removed {
    /// The warm-up that this is for. Another one has other previous owners, which may be asked for
    /// what was removed before.
    warm_up: Option<u64>,
    /// Hashes of keys. Another key that shares one is loaded, rather than taken over.
    keys: HashSet<u64>,
    all: bool,
}

impl HandOver {
    /// Asks the previous owners of those keys of `group` that they may have, each of them once.
    /// Element *i* of the answer is for `keys[i]`; an empty answer is nothing.
    pub(super) fn take_over(
        &self,
        group: &str,
        keys: &[&str],
        picker: &dyn PeerPicker,
    ) -> Vec<Option<Loaded>> {
        let Some(warm_up) = picker.warm_up().filter(|_| !keys.is_empty()) else {
            return Vec::new();
        };
        let previous = |key: &str| {
            let may_have = picker.owns(key) && !self.was_removed(key, warm_up);
            may_have.then(|| picker.previous_owner(key)).flatten()
        };
        let (questions, _) = by_peer((0..keys.len()).map(|at| (previous(keys[at]), at)));
        let mut taken = Vec::new();
        for (peer, places) in questions {
            let theirs: Vec<&str> = places.iter().map(|&at| keys[at]).collect();
            taken.resize(keys.len(), None);
            for (at, found) in places.into_iter().zip(self.peek(&peer, group, &theirs)) {
                taken[at] = found;
            }
        }
        taken
    }

    fn peek(&self, peer: &Arc<dyn PeerGetter>, group: &str, keys: &[&str]) -> Vec<Option<Loaded>> {
        self.counters.peeks.add(keys.len());
        let peek = || match keys {
            [key] => peer.peek(group, key).map(|found| vec![found]),
            _ => peer.peek_many(group, keys),
        };
        let found = catch_unwind(AssertUnwindSafe(peek)).unwrap_or_else(|panic| {
            // Its drop may panic as well.
            std::mem::forget(panic);
            let message = "the transport panicked";
            Err(PeerError::new(PeerErrorKind::Protocol, peer.name(), message))
        });
        match found {
            Ok(found) => {
                let hits = found.iter().take(keys.len()).flatten().count();
                self.counters.peek_hits.add(hits);
                found
            }
            Err(error) => {
                log::debug!(
                    "peeking at {} keys of group {group:?}: {}",
                    keys.len(),
                    OneLine(error)
                );
                Vec::new()
            }
        }
    }

    /// Remembers the removal of `key`, or of all keys, while keys move.
    ///
    /// The picker is foreign code and so asked without the lock. Its answer may be out of date when
    /// it is used:
    ///
    /// ```text
    /// this thread: asks, and hears of no warm-up
    /// another:     changes the list; removes a key, hears of the warm-up, and remembers it
    /// this thread: must not forget that
    /// ```
    ///
    /// So only what was there before the question is forgotten by its answer.
    pub(super) fn remember_removal(&self, key: Option<&str>, picker: &dyn PeerPicker) {
        let hash = key.map(|key| self.hasher.hash_one(key));
        let before = lock(&self.removed).warm_up;
        let warm_up = picker.warm_up();
        let mut removed = lock(&self.removed);
        if removed.warm_up < warm_up || (removed.warm_up == before && warm_up.is_none()) {
            *removed = Removed { warm_up, ..Removed::default() };
        }
        match hash {
            _ if warm_up.is_none() => {}
            Some(hash) if removed.keys.len() < MOST_REMOVED => {
                removed.keys.insert(hash);
            }
            _ => removed.all = true,
        }
    }

    fn was_removed(&self, key: &str, warm_up: u64) -> bool {
        let hash = self.hasher.hash_one(key);
        let removed = lock(&self.removed);
        removed.warm_up >= Some(warm_up) && (removed.all || removed.keys.contains(&hash))
    }

    pub(super) fn counters(&self) -> &HandOverCounters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A previous owner that has everything.
    struct Full;

    impl PeerGetter for Full {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
            unreachable!("it is only peeked at")
        }

        fn peek(&self, _group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
            assert_ne!(key, "panic", "the transport panics");
            Ok(Some(Loaded::from(key)))
        }
    }

    /// Owns every key, and took the odd ones over from somebody.
    struct Moved {
        warm_up: Option<u64>,
    }

    impl PeerPicker for Moved {
        fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
            None
        }

        fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
            (key.len() % 2 == 1).then(|| Arc::new(Full) as Arc<dyn PeerGetter>)
        }

        fn warm_up(&self) -> Option<u64> {
            self.warm_up
        }
    }

    const WARMING_UP: Moved = Moved { warm_up: Some(1) };
    const SETTLED: Moved = Moved { warm_up: None };

    #[test]
    fn only_what_has_moved_is_taken_over_and_only_for_a_while() {
        let hand_over = HandOver::default();
        assert!(hand_over.take_over("g", &["a", "bb"], &SETTLED).is_empty());
        let taken = hand_over.take_over("g", &["a", "bb", "ccc"], &WARMING_UP);
        assert_eq!(taken, [Some(Loaded::from("a")), None, Some(Loaded::from("ccc"))]);
        assert_eq!(
            (hand_over.counters.peeks.value(), hand_over.counters.peek_hits.value()),
            (2, 2)
        );
    }

    #[test]
    fn a_transport_that_panics_has_nothing_to_hand_over() {
        let hand_over = HandOver::default();
        assert_eq!(hand_over.take_over("g", &["panic"], &WARMING_UP), [None]);
        let taken = hand_over.take_over("g", &["panic", "a"], &WARMING_UP);
        assert_eq!(taken, [None, Some(Loaded::from("a"))]);
    }

    #[test]
    fn what_was_removed_meanwhile_is_not_taken_over() {
        let hand_over = HandOver::default();
        hand_over.remember_removal(Some("a"), &WARMING_UP);
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP), []);
        assert_eq!(hand_over.take_over("g", &["a", "b"], &WARMING_UP)[1], Some(Loaded::from("b")));
        for n in 0..MOST_REMOVED {
            hand_over.remember_removal(Some(&n.to_string()), &WARMING_UP);
        }
        assert_eq!(hand_over.take_over("g", &["b"], &WARMING_UP), [], "too many to tell apart");
        hand_over.remember_removal(None, &SETTLED);
        assert_eq!(lock(&hand_over.removed).keys.len(), 0, "its room is free");
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP), [Some(Loaded::from("a"))]);
    }

    #[test]
    fn what_was_removed_in_one_warm_up_does_not_keep_the_next_one_from_anything() {
        let hand_over = HandOver::default();
        hand_over.remember_removal(None, &WARMING_UP);
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP), []);
        let next = Moved { warm_up: Some(2) };
        assert_eq!(hand_over.take_over("g", &["a"], &next), [Some(Loaded::from("a"))]);
        hand_over.remember_removal(Some("ccc"), &next);
        let taken = hand_over.take_over("g", &["a", "ccc"], &next);
        assert_eq!(taken, [Some(Loaded::from("a")), None]);
    }

    #[test]
    fn a_removal_that_saw_no_warm_up_forgets_nothing_of_the_one_that_began_meanwhile() {
        /// While it is asked, the list changes and another thread removes "a".
        struct Changing<'a>(&'a HandOver);
        impl PeerPicker for Changing<'static> {
            fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
                None
            }

            fn warm_up(&self) -> Option<u64> {
                self.0.remember_removal(Some("a"), &WARMING_UP);
                None
            }
        }
        let hand_over: &'static HandOver = Box::leak(Box::default());
        hand_over.remember_removal(Some("b"), &Changing(hand_over));
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP), []);
    }
}
