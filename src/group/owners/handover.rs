//! [`HandOver`]: what a new owner of keys takes over from the previous ones before it loads.
//!
//! When the list of peers changes, keys move to owners that do not have them, while those who do
//! are no longer asked. For a while ([`PeerPicker::warm_up`]) a new owner therefore looks
//! into the memory of the previous one. It does so in the local flight of the key: once for any
//! number of callers, and a removal that arrives meanwhile dooms what it comes back with, as it
//! does with a load.
//!
//! Beside that, a thread has the previous owners hand over all that has moved, a part at a time. No
//! flight covers what is in such a part, so a removal is remembered instead for as long as the
//! warm-up lasts, and it is asked under the lock of the cache whether a value was removed. These
//! are the ways in which a removed value could come back, and what closes each:
//!
//! * *The part is under way as the removal arrives here.* The removal is remembered before the
//!   cache is emptied. Either the value was kept before that, and is emptied with the rest, or it
//!   is refused.
//! * *The removal arrives here before the part is asked for, and at the previous owner after it
//!   was answered.* It was remembered, so the value is refused.
//! * *The removal arrives at the previous owner after the part was answered, and here later.* It
//!   empties this cache then: a removal goes to the previous owner before the owner. It goes to the
//!   owner in the end also where the remover does not know that keys have moved, and to a peer that
//!   it does not know when it [learns of it](crate::group::changes).
//! * *The removal arrives here before this process knows that keys move.* A process that was told
//!   of no list yet remembers removals from its start. One that has a list is told of a removal
//!   that does not know of the new list after the owner by the old one, which is the previous
//!   owner.
//! * *Something newer was loaded or inserted here.* What has an entry keeps it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::by_peer;
use crate::one_line::OneLine;
use crate::peers::{MayAsk, PeerGetter, PeerPicker, UNNAMED};
use crate::stats::Counter;
use crate::sync::{Mutex, lock};

/// So many removed keys are remembered. After more of them, nothing is taken over until the warm-up
/// ends.
const MOST_REMOVED: usize = 64 << 10;

/// The hand-over, and what was removed while it goes on: the previous owner may be yet to learn of
/// it, so it is not asked for that.
#[derive(Default)]
pub(super) struct HandOver {
    hasher: RandomState,
    removed: Mutex<Removed>,
    through: Mutex<Through>,
    counters: HandOverCounters,
}

#[derive(Debug, Default)]
pub(in crate::group) struct HandOverCounters {
    pub(in crate::group) peeks: Counter,
    pub(in crate::group) peek_hits: Counter,
    /// What was taken over in parts, and what was handed over so.
    pub(in crate::group) taken_over: Counter,
    pub(in crate::group) taken_over_bytes: Counter,
    pub(in crate::group) handed_over: Counter,
    pub(in crate::group) handed_over_bytes: Counter,
}

#[derive(Debug, Default)]
struct Removed {
    /// The warm-up that this is for. Another one has other previous owners, which may be asked for
    /// what was removed before.
    warm_up: Option<u64>,
    /// Hashes of keys. Another key that shares one is loaded, rather than taken over.
    keys: HashSet<u64>,
    all: bool,
    /// The tick before the first removal of a tag.
    tick: Option<u64>,
}

/// Previous owners that have handed over all that they had: there is nothing to peek at.
#[derive(Default)]
struct Through {
    /// The warm-up in which they did so.
    warm_up: u64,
    givers: Vec<PeerThrough>,
}

/// A previous owner as it is told from others. It has a connection to close once it has left, so
/// nobody holds it for that.
enum PeerThrough {
    Named(Box<str>),
    Unnamed(Weak<dyn PeerGetter>),
}

impl PeerThrough {
    fn of(peer: &Arc<dyn PeerGetter>) -> Self {
        match peer.name() {
            UNNAMED => Self::Unnamed(Arc::downgrade(peer)),
            name => Self::Named(name.into()),
        }
    }

    /// Whether it is this peer, of this name.
    fn is(&self, peer: &Arc<dyn PeerGetter>, peer_name: &str) -> bool {
        match self {
            Self::Named(name) => **name == *peer_name,
            Self::Unnamed(it) => std::ptr::addr_eq(it.as_ptr(), Arc::as_ptr(peer)),
        }
    }
}

impl HandOver {
    /// Asks the previous owners of those keys of `group` that they may have, each of them once.
    /// Element *i* of the answer is for `keys[i]`; an empty answer is nothing.
    pub(super) fn take_over(
        &self,
        group: &str,
        keys: &[&str],
        picker: &dyn PeerPicker,
        may_ask: MayAsk<'_>,
    ) -> Vec<Option<Loaded>> {
        let Some(warm_up) = picker.warm_up().filter(|_| !keys.is_empty()) else {
            return Vec::new();
        };
        let previous = |key: &str| {
            let may_have = picker.owns(key) && !self.was_removed(key, warm_up);
            let previous = may_have.then(|| picker.previous_owner(key)).flatten().filter(may_ask);
            previous.filter(|peer| !self.is_through(peer, warm_up))
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
        self.remember(picker, |removed| match hash {
            Some(hash) if removed.keys.len() < MOST_REMOVED => {
                removed.keys.insert(hash);
            }
            _ => removed.all = true,
        });
    }

    /// The same of a tag: what has it and this tick, or an older one, is removed.
    pub(super) fn remember_tag_removal(&self, tick: u64, picker: &dyn PeerPicker) {
        self.remember(picker, |removed| {
            removed.tick.get_or_insert(tick);
        });
    }

    fn remember(&self, picker: &dyn PeerPicker, remember: impl FnOnce(&mut Removed)) {
        let before = lock(&self.removed).warm_up;
        let warm_up = picker.warm_up();
        let mut removed = lock(&self.removed);
        if removed.warm_up < warm_up || (removed.warm_up == before && warm_up.is_none()) {
            *removed = Removed { warm_up, ..Removed::default() };
        }
        if warm_up.is_some() {
            remember(&mut removed);
        }
    }

    /// The tick of what was taken over since the present one was `tick`: that before the first
    /// removal of a tag in the hand-over, as the previous owner may be yet to learn of that.
    pub(super) fn tick_of_what_is_taken_over(&self, tick: u64) -> u64 {
        lock(&self.removed).tick.map_or(tick, |first| first.min(tick))
    }

    /// A previous owner is asked for all that it has, maybe again.
    pub(super) fn begin(&self, peer: &Arc<dyn PeerGetter>) {
        // It is foreign code.
        let name = peer.name();
        lock(&self.through).givers.retain(|giver| !giver.is(peer, name));
    }

    /// A previous owner has handed over all that it had in this warm-up.
    pub(super) fn end(&self, peer: &Arc<dyn PeerGetter>, warm_up: u64) {
        let giver = PeerThrough::of(peer);
        self.begin(peer);
        let mut through = lock(&self.through);
        if through.warm_up < warm_up {
            *through = Through { warm_up, givers: Vec::new() };
        }
        if through.warm_up == warm_up {
            through.givers.push(giver);
        }
    }

    fn is_through(&self, peer: &Arc<dyn PeerGetter>, warm_up: u64) -> bool {
        let name = peer.name();
        let through = lock(&self.through);
        through.warm_up == warm_up && through.givers.iter().any(|giver| giver.is(peer, name))
    }

    /// Whether `key` was removed since the warm-up of that number began.
    pub(super) fn was_removed(&self, key: &str, warm_up: u64) -> bool {
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
        assert!(hand_over.take_over("g", &["a", "bb"], &SETTLED, &|_| true).is_empty());
        let taken = hand_over.take_over("g", &["a", "bb", "ccc"], &WARMING_UP, &|_| true);
        assert_eq!(taken, [Some(Loaded::from("a")), None, Some(Loaded::from("ccc"))]);
        assert_eq!(
            (hand_over.counters.peeks.value(), hand_over.counters.peek_hits.value()),
            (2, 2)
        );
    }

    #[test]
    fn a_transport_that_panics_has_nothing_to_hand_over() {
        let hand_over = HandOver::default();
        assert_eq!(hand_over.take_over("g", &["panic"], &WARMING_UP, &|_| true), [None]);
        let taken = hand_over.take_over("g", &["panic", "a"], &WARMING_UP, &|_| true);
        assert_eq!(taken, [None, Some(Loaded::from("a"))]);
    }

    /// Has everything, and a name.
    struct Named(&'static str);

    impl PeerGetter for Named {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
            unreachable!("it is only told from others")
        }

        fn name(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn who_is_through_in_a_warm_up_is_known_and_not_held() {
        let hand_over = HandOver::default();
        let named = |name| Arc::new(Named(name)) as Arc<dyn PeerGetter>;
        let unnamed = || Arc::new(Full) as Arc<dyn PeerGetter>;
        let (first, other, nameless) = (named("a"), named("b"), unnamed());
        hand_over.end(&first, 1);
        hand_over.end(&nameless, 1);
        // A picker may make a handle for each call.
        assert!(hand_over.is_through(&named("a"), 1) && hand_over.is_through(&nameless, 1));
        assert!(!hand_over.is_through(&other, 1) && !hand_over.is_through(&unnamed(), 1));
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&nameless)), (1, 1));
        hand_over.begin(&first);
        assert!(!hand_over.is_through(&first, 1), "it is asked again");
        hand_over.end(&other, 2);
        assert!(!hand_over.is_through(&nameless, 2), "it may have had more since");
        assert_eq!(lock(&hand_over.through).givers.len(), 1);
        hand_over.end(&first, 1);
        assert!(hand_over.is_through(&other, 2) && !hand_over.is_through(&first, 2));
    }

    #[test]
    fn what_was_removed_meanwhile_is_not_taken_over() {
        let hand_over = HandOver::default();
        hand_over.remember_removal(Some("a"), &WARMING_UP);
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP, &|_| true), []);
        assert_eq!(
            hand_over.take_over("g", &["a", "b"], &WARMING_UP, &|_| true)[1],
            Some(Loaded::from("b"))
        );
        for n in 0..MOST_REMOVED {
            hand_over.remember_removal(Some(&n.to_string()), &WARMING_UP);
        }
        assert_eq!(
            hand_over.take_over("g", &["b"], &WARMING_UP, &|_| true),
            [],
            "too many to tell apart"
        );
        hand_over.remember_removal(None, &SETTLED);
        assert_eq!(lock(&hand_over.removed).keys.len(), 0, "its room is free");
        assert_eq!(
            hand_over.take_over("g", &["a"], &WARMING_UP, &|_| true),
            [Some(Loaded::from("a"))]
        );
    }

    #[test]
    fn what_was_removed_in_one_warm_up_does_not_keep_the_next_one_from_anything() {
        let hand_over = HandOver::default();
        hand_over.remember_removal(None, &WARMING_UP);
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP, &|_| true), []);
        let next = Moved { warm_up: Some(2) };
        assert_eq!(hand_over.take_over("g", &["a"], &next, &|_| true), [Some(Loaded::from("a"))]);
        hand_over.remember_removal(Some("ccc"), &next);
        let taken = hand_over.take_over("g", &["a", "ccc"], &next, &|_| true);
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
        assert_eq!(hand_over.take_over("g", &["a"], &WARMING_UP, &|_| true), []);
    }
}
