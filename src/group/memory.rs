//! [`Memory`]: what a group has at hand, and what of it may be served.
//!
//! Two caches. The *main* cache holds what this process owns. The *hot* cache holds copies of what
//! others own: what their owners answered, and what this process loaded because they did not. A
//! copy ends on its own after a short time, since its owner does not know of it.
//!
//! This part knows neither peers nor flights. Those who fill it say whose a value is, and whether
//! it is still wanted: a removal may have come while it was loaded. That is asked under the lock of
//! the cache, see [`changes`](crate::group::changes).

mod beside;
mod giving;
mod hot;
mod keeping;
mod lifetimes;
mod stock;
mod watches;

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use beside::Beside;
pub use hot::HotCache;

use crate::byteview::ByteView;
use crate::cache::{Asker, Cache, CacheOptions, Departure, Found, KeyHash, Meta, Observer};
use crate::clock::Clock;
use crate::events::{Event, EvictionReason, StaleReason};
use crate::getter::Loaded;
use crate::group::batch::{Answer, keys_at};
use crate::group::telling::Telling;
use crate::peers::HandOverPart;
use crate::stats::{CacheStats, Counter};
use crate::tag::RemovedTags;
use beside::Neighbours;
use giving::{Given, Givings};
use hot::HotPolicy;
use lifetimes::Freshness;
pub(super) use lifetimes::Lifetimes;
pub(super) use stock::Stock;
pub(super) use watches::RemovalWatch;
use watches::RemovalWatches;

/// The caches of a group, and the rules for what is in them.
pub(super) struct Memory {
    main: Cache,
    hot: Cache,
    hot_policy: HotPolicy,
    /// The tags that were removed, for both.
    removed: Arc<RemovedTags>,
    lifetimes: Lifetimes,
    telling: Arc<Telling>,
    neighbours: Neighbours,
    watches: RemovalWatches,
    givings: Givings,
    pub(super) counters: MemoryCounters,
}

/// What the caches can't count.
#[derive(Debug, Default)]
pub(super) struct MemoryCounters {
    /// Entries that a cache counted as hits of this process, but that were too old to be served.
    pub(super) hits_refused: Counter,
    /// The same of copies.
    copy_hits_refused: Counter,
    most_copy_hits: Counter,
    /// The most gets that the main cache was seen to have answered.
    most_owned_hits: Counter,
    pub(super) hits_stale: Counter,
    /// Those of them that were served as their load was slow.
    pub(super) soft_timeouts: Counter,
    pub(super) negative_hits: Counter,
}

/// Whose a value is that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// This process owns the key. Its load took that long.
    Here { cost: Duration },
    /// A peer owns the key, and could not be asked.
    Elsewhere,
}

impl Memory {
    /// Empty caches: the main one as `main` says, and the hot one an eighth of it on top.
    pub(super) fn new(
        main: CacheOptions,
        hot_cache: HotCache,
        lifetimes: Lifetimes,
        telling: Arc<Telling>,
    ) -> Self {
        let hot = CacheOptions { max_bytes: main.max_bytes / 8, ..main };
        let removed = Arc::new(RemovedTags::default());
        Self {
            main: Cache::new(main).observed_by(observer(&telling)).without(&removed),
            hot: Cache::new(hot).observed_by(observer(&telling)).without(&removed),
            removed,
            hot_policy: HotPolicy::new(hot_cache),
            lifetimes,
            telling,
            neighbours: Neighbours::default(),
            watches: RemovalWatches::default(),
            givings: Givings::default(),
            counters: MemoryCounters::default(),
        }
    }

    /// The value of a get, or `Some(None)` where it is known that there is none.
    ///
    /// Calls `refresh` with the entry that is to be refreshed, if this one is.
    #[inline]
    pub(super) fn value(&self, key: &str, refresh: impl FnOnce(Meta)) -> Option<Option<ByteView>> {
        self.find(key, refresh).map(|found| found.into_value_of(key))
    }

    /// As [`value`](Self::value), not yet taken out of the entry.
    #[inline]
    pub(super) fn find(&self, key: &str, refresh: impl FnOnce(Meta)) -> Option<Found> {
        let now = self.time();
        let asker = Asker::ThisProcess;
        self.in_main(asker, key, || *now, refresh).or_else(|| self.in_hot(asker, key, || *now))
    }

    /// As [`value`](Self::value), with what is left of its life.
    pub(super) fn loaded(&self, key: &str, refresh: impl FnOnce(Meta)) -> Option<Loaded> {
        self.loaded_for(Asker::ThisProcess, key, refresh)
    }

    /// As [`loaded`](Self::loaded), for a get of this process or a request of a peer.
    pub(super) fn loaded_for(
        &self,
        asker: Asker,
        key: &str,
        refresh: impl FnOnce(Meta),
    ) -> Option<Loaded> {
        let now = self.time();
        self.in_main(asker, key, || *now, refresh)
            .map(|found| self.lifetimes.owned_as_loaded(found, || *now))
            .or_else(|| {
                let found = self.in_hot(asker, key, || *now)?;
                Some(self.lifetimes.copied_as_loaded(found, || *now))
            })
    }

    /// As [`loaded_for`](Self::loaded_for), for many keys. Element *i* of `answers` becomes what is
    /// known of `keys[i]`, if something is.
    pub(super) fn answer(
        &self,
        asker: Asker,
        keys: &[&str],
        answers: &mut [Option<Answer>],
        mut refresh: impl FnMut(usize, Meta),
    ) {
        let now = self.lifetimes.now();
        let mut missing = Vec::new();
        let in_main = self.main.get_many_for(asker, keys, || now).into_iter().enumerate();
        for (at, found) in in_main {
            let found = found.filter(|found| {
                self.may_serve_owned(asker, keys[at], found, || now, |seen| refresh(at, seen))
            });
            match found {
                Some(found) => {
                    answers[at] = Some(Ok(self.lifetimes.owned_as_loaded(found, || now)))
                }
                None => missing.push(at),
            }
        }
        let in_hot = self.hot.get_many_for(asker, &keys_at(keys, &missing), || now);
        for (at, found) in missing.into_iter().zip(in_hot) {
            let found = found.filter(|found| self.may_serve_copy(asker, found, || now));
            answers[at] = found.map(|found| Ok(self.lifetimes.copied_as_loaded(found, || now)));
        }
    }

    #[inline]
    fn in_main(
        &self,
        asker: Asker,
        key: &str,
        now: impl Fn() -> u64,
        refresh: impl FnOnce(Meta),
    ) -> Option<Found> {
        let found = self.main.get_for(asker, key, &now)?;
        // What was found is not moved once more here: that costs as much as the whole look-up.
        self.may_serve_owned(asker, key, &found, now, refresh).then_some(found)
    }

    /// Whether an entry of the main cache may be served.
    #[inline]
    fn may_serve_owned(
        &self,
        asker: Asker,
        key: &str,
        found: &Found,
        now: impl Fn() -> u64,
        refresh: impl FnOnce(Meta),
    ) -> bool {
        // Most entries have a value and never die.
        let never_dies = found.dead_at() == 0 && found.has_value();
        never_dies || self.may_serve_mortal(asker, key, found, now, refresh)
    }

    /// The same of an entry that can die, or has no value.
    #[inline]
    fn may_serve_mortal(
        &self,
        asker: Asker,
        key: &str,
        found: &Found,
        now: impl Fn() -> u64,
        refresh: impl FnOnce(Meta),
    ) -> bool {
        if !found.has_value() {
            self.counters.negative_hits.add_one();
            return true;
        }
        match self.lifetimes.judge(found, now) {
            Freshness::Fresh => {}
            Freshness::Ahead => refresh(found.meta()),
            Freshness::Stale => {
                self.counters.hits_stale.add_one();
                self.telling.stale_event(key, StaleReason::Refreshing);
                refresh(found.meta());
            }
            Freshness::StaleIfError => {
                if asker == Asker::ThisProcess {
                    self.counters.hits_refused.add_one();
                }
                return false;
            }
        }
        true
    }

    fn in_hot(&self, asker: Asker, key: &str, now: impl Fn() -> u64) -> Option<Found> {
        let found = self.hot.get_for(asker, key, &now)?;
        self.may_serve_copy(asker, &found, now).then_some(found)
    }

    /// Whether an entry of the hot cache may be served.
    fn may_serve_copy(&self, asker: Asker, found: &Found, now: impl Fn() -> u64) -> bool {
        if !self.lifetimes.is_fresh_copy(found, now) {
            if asker == Asker::ThisProcess {
                self.counters.copy_hits_refused.add_one();
            }
            return false;
        }
        if !found.has_value() {
            self.counters.negative_hits.add_one();
        }
        true
    }

    /// As [`loaded`](Self::loaded), but takes only what is fresh, counts nothing and leaves the
    /// order of use alone.
    pub(super) fn peek(&self, key: &str) -> Option<Loaded> {
        self.peek_owned(key).or_else(|| self.peek_copy(key))
    }

    /// As [`peek`](Self::peek), in the hot cache alone.
    pub(super) fn peek_copy(&self, key: &str) -> Option<Loaded> {
        let now = self.time();
        let found = self.hot.peek(key, || *now)?;
        let is_fresh = self.lifetimes.is_fresh_copy(&found, || *now);
        is_fresh.then(|| self.lifetimes.copied_as_loaded(found, || *now))
    }

    /// As [`peek`](Self::peek), in the main cache alone.
    pub(super) fn peek_owned(&self, key: &str) -> Option<Loaded> {
        let now = self.time();
        let found = self.main.peek(key, || *now)?;
        let is_fresh = self.lifetimes.is_fresh(&found, || *now);
        is_fresh.then(|| self.lifetimes.owned_as_loaded(found, || *now))
    }

    /// A fresh value of a key whose entry was `seen` when it was due for a refresh, if it has got
    /// another one since.
    pub(super) fn peek_newer(&self, key: &str, seen: Meta) -> Option<Loaded> {
        let now = self.time();
        let found = self.main.peek(key, || *now)?;
        let is_newer = found.meta() != seen && self.lifetimes.is_fresh(&found, || *now);
        is_newer.then(|| self.lifetimes.owned_as_loaded(found, || *now))
    }

    /// What the main cache has of a key that is to be loaded, if it is a value, however old.
    pub(super) fn held(&self, key: &str) -> Option<Loaded> {
        if !self.lifetimes.has_old_entries() {
            return None;
        }
        let now = self.time();
        let found = self.main.peek(key, || *now)?;
        found.has_value().then(|| self.lifetimes.owned_as_loaded(found, || *now))
    }

    /// The expired value of a key whose load failed, if it may be served then. Counts it as served.
    pub(super) fn stale(&self, key: &str) -> Option<Loaded> {
        let expired = self.expired(key)?;
        self.counters.hits_stale.add_one();
        self.telling.stale_event(key, StaleReason::LoadFailed);
        Some(expired)
    }

    /// The expired value of a key that may be served when its load fails, or is slow.
    pub(super) fn expired(&self, key: &str) -> Option<Loaded> {
        let now = self.time();
        let in_main = self.main.peek(key, || *now);
        if let Some(found) = in_main {
            let may_serve = found.dead_at() != 0 && self.lifetimes.serves_on_error(&found, *now);
            return may_serve.then(|| self.lifetimes.owned_as_loaded(found, || *now));
        }
        if !self.lifetimes.keeps_old_copies {
            return None;
        }
        // It is dead when it may not be served.
        let found = self.hot.peek(key, || *now)?;
        Some(self.lifetimes.copied_as_loaded(found, || *now))
    }

    /// Counts that the expired value of a key was served, as its load is slow.
    pub(super) fn count_slow(&self, key: &str) {
        self.counters.hits_stale.add_one();
        self.counters.soft_timeouts.add_one();
        self.telling.stale_event(key, StaleReason::SlowLoad);
    }
}

/// Tells of entries that leave, if somebody listens.
fn observer(telling: &Arc<Telling>) -> Option<Observer> {
    let telling = Arc::clone(telling);
    telling.events.has_subscriber().then(|| -> Observer {
        Arc::new(move |key, departure| {
            let (group, key) = (telling.group.as_ref().to_owned(), key.to_owned());
            let reason = match departure {
                Departure::Removed => return,
                Departure::Expired => {
                    return telling.events.tell_often(|| Event::Expired { group, key });
                }
                Departure::Evicted => EvictionReason::MadeRoom,
                Departure::Refused => EvictionReason::NotAdmitted,
                Departure::TooLarge => EvictionReason::TooLarge,
            };
            telling.events.tell_often(|| Event::Evicted { group, key, reason });
        })
    })
}

/// Giving it away.
impl Memory {
    /// The next part of what is given to the one who owns the keys for which `is_theirs` holds; see
    /// [`PeerSide::hand_over`](crate::PeerSide::hand_over).
    pub(super) fn give(
        &self,
        session: u64,
        max_bytes: usize,
        is_theirs: impl Fn(&str) -> bool,
    ) -> HandOverPart {
        let from = Given { main: &self.main, hot: &self.hot, lifetimes: &self.lifetimes };
        self.givings.next(from, session, max_bytes, is_theirs)
    }
}

/// Times.
impl Memory {
    /// The time of the group's clock, in milliseconds; for [`aged`](Self::aged).
    pub(super) fn now(&self) -> u64 {
        self.lifetimes.now()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.lifetimes.clock
    }

    /// The same, read when it is first asked for.
    // Part of each look-up: a call of its own would take as long as the rest of it.
    #[inline(always)]
    fn time(&self) -> LazyCell<u64, impl FnOnce() -> u64> {
        let now = LazyCell::new(|| self.lifetimes.now());
        if self.lifetimes.clock.is_foreign() {
            // Not to be called under the lock. The system's clock may be: it takes little time, and
            // the processor reads it while it waits for the entry.
            LazyCell::force(&now);
        }
        now
    }

    /// A result of the getter with the life that it has for everyone: its own, or the group's.
    pub(super) fn with_ttl(&self, loaded: Loaded) -> Loaded {
        self.lifetimes.with_ttl(loaded)
    }

    /// What was kept elsewhere, with a life that has an end where this group has a ttl.
    pub(super) fn with_an_end(&self, loaded: Loaded) -> Loaded {
        self.lifetimes.with_an_end(loaded)
    }

    /// What a peer answered to a question of the time `asked`, with what is certainly left of its
    /// life.
    pub(super) fn aged(&self, loaded: Loaded, asked: u64) -> Loaded {
        self.lifetimes.aged(loaded, asked)
    }
}

/// What others look at.
impl Memory {
    pub(super) fn main_stats(&self) -> CacheStats {
        self.main.stats()
    }

    pub(super) fn hot_stats(&self) -> CacheStats {
        self.hot.stats()
    }

    /// Gets of this process that the main cache and the copies answered. Neither number ever falls.
    pub(super) fn own_hits(&self) -> (u64, u64) {
        let owned = self.main.own_hits().saturating_sub(self.counters.hits_refused.value());
        // A hit is taken back a moment after it was counted.
        let owned = self.counters.most_owned_hits.raise(owned);
        let refused = self.counters.copy_hits_refused.value();
        let copies = self.hot.own_hits().saturating_sub(refused);
        (owned, self.counters.most_copy_hits.raise(copies))
    }

    /// A hash for keys, which is cheap and which nobody outside can predict.
    pub(super) fn key_hash(&self) -> KeyHash {
        self.main.key_hash()
    }
}

#[cfg(test)]
mod tests;
