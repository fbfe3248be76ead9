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
mod hot;
mod lifetimes;

use std::cell::LazyCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(crate) use beside::Beside;
pub use hot::HotCache;

use crate::byteview::ByteView;
use crate::cache::{Asker, Cache, CacheOptions, Departure, Found, KeyHash, Meta, Observer};
use crate::events::{Event, EvictionReason, StaleReason};
use crate::getter::Loaded;
use crate::group::telling::Telling;
use crate::stats::{CacheStats, Counter};
use beside::Neighbours;
use hot::HotPolicy;
use lifetimes::Freshness;
pub(super) use lifetimes::Lifetimes;

/// The caches of a group, and the rules for what is in them.
pub(super) struct Memory {
    main: Cache,
    hot: Cache,
    hot_policy: HotPolicy,
    lifetimes: Lifetimes,
    telling: Arc<Telling>,
    neighbours: Neighbours,
    pub(super) counters: MemoryCounters,
}

/// What the caches can't count.
#[derive(Debug, Default)]
pub(super) struct MemoryCounters {
    /// Entries that a cache counted as hits of this process, but that were too old to be served.
    pub(super) hits_refused: Counter,
    /// The most gets that the main cache was seen to have answered.
    most_owned_hits: Counter,
    pub(super) hits_stale: Counter,
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
        Self {
            main: Cache::new(main).observed_by(observer(&telling)),
            hot: Cache::new(hot).observed_by(observer(&telling)),
            hot_policy: HotPolicy::new(hot_cache),
            lifetimes,
            telling,
            neighbours: Neighbours::default(),
            counters: MemoryCounters::default(),
        }
    }

    /// The value of a get, or `Some(None)` where it is known that there is none.
    ///
    /// Calls `refresh` with the entry that is to be refreshed, if this one is.
    #[inline]
    pub(super) fn value(&self, key: &str, refresh: impl FnOnce(Meta)) -> Option<Option<ByteView>> {
        let now = LazyCell::new(|| self.lifetimes.now());
        if self.lifetimes.clock.is_foreign() {
            // Not to be called under the lock. The system's clock may be: it takes little time, and
            // the processor reads it while it waits for the entry.
            LazyCell::force(&now);
        }
        let asker = Asker::ThisProcess;
        let found = self
            .in_main(asker, key, || *now, refresh)
            .or_else(|| self.in_hot(asker, key, || *now))?;
        Some(found.value)
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
        let now = LazyCell::new(|| self.lifetimes.now());
        self.in_main(asker, key, || *now, refresh)
            .map(|found| self.lifetimes.owned_as_loaded(found, || *now))
            .or_else(|| {
                let found = self.in_hot(asker, key, || *now)?;
                Some(Lifetimes::copied_as_loaded(found, || *now))
            })
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
        // Most entries have a value and never die. What was found is not moved once more here: that
        // costs as much as the whole look-up.
        let never_dies = found.meta.dead_at == 0 && found.value.is_some();
        let is_served = never_dies || self.may_serve(asker, key, &found, now, refresh);
        is_served.then_some(found)
    }

    /// Whether an entry of the main cache may be served.
    #[inline]
    fn may_serve(
        &self,
        asker: Asker,
        key: &str,
        found: &Found,
        now: impl Fn() -> u64,
        refresh: impl FnOnce(Meta),
    ) -> bool {
        if found.value.is_none() {
            self.counters.negative_hits.add_one();
            return true;
        }
        match self.lifetimes.judge(found, now) {
            Freshness::Fresh => {}
            Freshness::Ahead => refresh(found.meta),
            Freshness::Stale => {
                self.counters.hits_stale.add_one();
                self.telling.stale_event(key, StaleReason::Refreshing);
                refresh(found.meta);
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
        let found = self.hot.get_for(asker, key, now)?;
        if found.value.is_none() {
            self.counters.negative_hits.add_one();
        }
        Some(found)
    }

    /// As [`loaded`](Self::loaded), but takes only what is fresh, counts nothing and leaves the
    /// order of use alone.
    pub(super) fn peek(&self, key: &str) -> Option<Loaded> {
        self.peek_owned(key).or_else(|| {
            let now = LazyCell::new(|| self.lifetimes.now());
            let found = self.hot.peek(key, || *now)?;
            Some(Lifetimes::copied_as_loaded(found, || *now))
        })
    }

    /// As [`peek`](Self::peek), in the main cache alone.
    pub(super) fn peek_owned(&self, key: &str) -> Option<Loaded> {
        let now = LazyCell::new(|| self.lifetimes.now());
        let found = self.main.peek(key, || *now)?;
        let is_fresh = self.lifetimes.is_fresh(&found, || *now);
        is_fresh.then(|| self.lifetimes.owned_as_loaded(found, || *now))
    }

    /// A fresh value of a key whose entry was `seen` when it was due for a refresh, if it has got
    /// another one since.
    pub(super) fn peek_newer(&self, key: &str, seen: Meta) -> Option<Loaded> {
        let now = LazyCell::new(|| self.lifetimes.now());
        let found = self.main.peek(key, || *now)?;
        let is_newer = found.meta != seen && self.lifetimes.is_fresh(&found, || *now);
        is_newer.then(|| self.lifetimes.owned_as_loaded(found, || *now))
    }

    /// The expired value of a key whose load failed, if it may be served then. Counts it as served.
    pub(super) fn stale(&self, key: &str) -> Option<Loaded> {
        let now = LazyCell::new(|| self.lifetimes.now());
        let found = self.main.peek(key, || *now)?;
        let may_serve = found.meta.dead_at != 0 && self.lifetimes.serves_on_error(&found, *now);
        may_serve.then(|| {
            self.counters.hits_stale.add_one();
            self.telling.stale_event(key, StaleReason::LoadFailed);
            self.lifetimes.owned_as_loaded(found, || *now)
        })
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

/// Filling and emptying it.
impl Memory {
    /// Keeps what was loaded by the time `now`, while `is_wanted` holds: ours in the main cache,
    /// and what is not ours for a short time in the hot one.
    pub(super) fn keep(
        &self,
        key: &str,
        loaded: &Loaded,
        owner: Owner,
        now: u64,
        is_wanted: impl Fn() -> bool,
    ) {
        let (cache, meta) = self.cache_for(loaded, owner, now);
        if let Some(meta) = meta {
            cache.insert(key, loaded.value(), meta, now, &is_wanted);
        }
        if meta.is_none() || owner == Owner::Elsewhere {
            self.main.remove_if(key, is_wanted); // An older value, which this result replaces.
        }
        self.neighbours.tell(|it| it.inserted());
    }

    /// As [`keep`](Self::keep), for what a caller knows and wants to be there: it is kept wherever
    /// it fits. Whether it is there now.
    pub(super) fn keep_wanted(&self, key: &str, loaded: &Loaded, owner: Owner, now: u64) -> bool {
        let (cache, meta) = self.cache_for(loaded, owner, now);
        let is_kept = meta.is_some_and(|meta| cache.insert_wanted(key, loaded.value(), meta, now));
        if meta.is_none() || owner == Owner::Elsewhere {
            self.main.remove(key); // An older value.
        }
        self.neighbours.tell(|it| it.inserted());
        is_kept
    }

    /// Where a result belongs, and what to keep beside it, if it is to be kept at all.
    fn cache_for(&self, loaded: &Loaded, owner: Owner, now: u64) -> (&Cache, Option<Meta>) {
        match owner {
            Owner::Here { cost } => (&self.main, self.lifetimes.owned(loaded, cost, now)),
            Owner::Elsewhere => {
                (&self.hot, self.lifetimes.copied(loaded, self.lifetimes.fallback_ttl, now))
            }
        }
    }

    /// Keeps a copy of what the owner of `key` answered, if the policy wants it and `is_wanted`
    /// holds.
    pub(super) fn keep_copy(&self, key: &str, loaded: &Loaded, is_wanted: impl Fn() -> bool) {
        if self.hot_policy.keeps_nothing() {
            return;
        }
        let now = self.lifetimes.now();
        let Some(meta) = self.lifetimes.copied(loaded, self.lifetimes.hot_ttl, now) else { return };
        if self.hot_policy.keeps(key, now) {
            self.hot.insert(key, loaded.value(), meta, now, is_wanted);
            self.neighbours.tell(|it| it.inserted());
        }
    }

    /// Drops what both caches have of `key`.
    pub(super) fn remove(&self, key: &str) {
        let values = if self.neighbours.are_there() { self.values_of(key) } else { [None, None] };
        self.main.remove(key);
        self.hot.remove(key);
        for value in values.into_iter().flatten() {
            self.neighbours.tell(|it| it.removed(&value));
        }
    }

    /// Drops what the caches have of `key` and is not useful.
    pub(super) fn remove_useless(&self, key: &str, is_useful: impl Fn(&ByteView) -> bool) {
        if self.values_of(key).iter().flatten().any(|value| !is_useful(value)) {
            self.remove(key);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        self.main.clear();
        self.hot.clear();
        self.neighbours.tell(|it| it.cleared());
    }

    /// What both caches have of `key`, whether or not it may be served.
    fn values_of(&self, key: &str) -> [Option<ByteView>; 2] {
        // Nothing is dead at the beginning of time.
        [&self.main, &self.hot].map(|cache| cache.peek(key, || 0)?.value)
    }

    /// Has `neighbour` learn which entries are gone.
    pub(super) fn tell_of_entries(&self, neighbour: Weak<dyn Beside>) {
        self.neighbours.add(neighbour);
    }
}

/// Times.
impl Memory {
    /// The time of the group's clock, in milliseconds; for [`aged`](Self::aged).
    pub(super) fn now(&self) -> u64 {
        self.lifetimes.now()
    }

    /// A result of the getter with the life that it has for everyone: its own, or the group's.
    pub(super) fn with_ttl(&self, loaded: Loaded) -> Loaded {
        self.lifetimes.with_ttl(loaded)
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
        (owned, self.hot.own_hits())
    }

    /// A hash for keys, which is cheap and which nobody outside can predict.
    pub(super) fn key_hash(&self) -> KeyHash {
        self.main.key_hash()
    }
}

#[cfg(test)]
mod tests;
