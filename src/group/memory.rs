//! What is in memory: looking into the caches, filling them, and refreshing what is old.

use std::cell::LazyCell;
use std::time::{Duration, Instant};

use super::Group;
use super::lifetime::{Freshness, Lifetimes};
use super::load::Local;
use crate::byteview::ByteView;
use crate::cache::{Found, Meta};
use crate::getter::Loaded;
use crate::singleflight::{Leader, Ticket};

impl Group {
    /// Keeps a result while `keep` holds: ours in the main cache, and what is not ours for a short time.
    pub(super) fn populate(
        &self,
        key: &str,
        loaded: &Loaded,
        cost: Duration,
        keep: impl Fn() -> bool,
    ) {
        let (main, hot, times) = (&self.inner.main, &self.inner.hot, &self.inner.lifetimes);
        let now = times.now();
        let owned = self.peers().owns(key);
        let (cache, meta) = if owned {
            (main, times.owned(loaded, cost, now))
        } else {
            (hot, times.copied(loaded, times.fallback_ttl, now))
        };
        if let Some(meta) = meta {
            cache.insert(key, loaded.value(), meta, now, &keep);
        }
        if (meta.is_none() || !owned) && keep() {
            main.remove(key); // An older value, which this result replaces.
        }
    }

    /// Looks into both caches, and has refreshed what is due for it.
    pub(super) fn cached(&self, key: &str) -> Option<Loaded> {
        let now = LazyCell::new(|| self.inner.lifetimes.now());
        self.in_main(key, || *now)
            .map(|found| self.inner.lifetimes.owned_as_loaded(found, || *now))
            .or_else(|| Some(Lifetimes::copied_as_loaded(self.in_hot(key, || *now)?, || *now)))
    }

    /// As [`cached`](Self::cached), for those who do not ask what is left of the life of what they get.
    #[inline]
    pub(super) fn cached_value(&self, key: &str) -> Option<Option<ByteView>> {
        let now = LazyCell::new(|| self.inner.lifetimes.now());
        if self.inner.lifetimes.ttl.is_some() {
            // Most entries can die: better to read the clock now than under the lock, where others would wait for it.
            LazyCell::force(&now);
        }
        let found = self.in_main(key, || *now).or_else(|| self.in_hot(key, || *now))?;
        Some(found.value)
    }

    #[inline]
    fn in_main(&self, key: &str, now: impl Fn() -> u64) -> Option<Found> {
        let found = self.inner.main.get(key, &now)?;
        // Most entries have a value and never die.
        if found.meta.dead_at == 0 && found.value.is_some() {
            Some(found)
        } else {
            self.judge(key, found, now)
        }
    }

    /// What of an entry of the main cache may be served.
    fn judge(&self, key: &str, found: Found, now: impl Fn() -> u64) -> Option<Found> {
        let counters = &self.inner.counters;
        if found.value.is_none() {
            counters.negative_hits.add_one();
            return Some(found);
        }
        match self.inner.lifetimes.judge(&found, now) {
            Freshness::Fresh => {}
            Freshness::Ahead => self.refresh(key, found.meta),
            Freshness::Stale => {
                counters.hits_stale.add_one();
                self.refresh(key, found.meta);
            }
            Freshness::StaleIfError => {
                counters.hits_refused.add_one();
                return None;
            }
        }
        Some(found)
    }

    fn in_hot(&self, key: &str, now: impl Fn() -> u64) -> Option<Found> {
        let found = self.inner.hot.get(key, now)?;
        if found.value.is_none() {
            self.inner.counters.negative_hits.add_one();
        }
        Some(found)
    }

    /// As [`cached`](Self::cached), but takes only what is fresh, counts nothing and leaves the order of use alone.
    pub(super) fn peek_loaded(&self, key: &str) -> Option<Loaded> {
        self.peek_main(key).or_else(|| {
            let now = LazyCell::new(|| self.inner.lifetimes.now());
            let found = self.inner.hot.peek(key, || *now)?;
            Some(Lifetimes::copied_as_loaded(found, || *now))
        })
    }

    /// As [`peek_loaded`](Self::peek_loaded), in the main cache alone.
    pub(super) fn peek_main(&self, key: &str) -> Option<Loaded> {
        let times = &self.inner.lifetimes;
        let now = LazyCell::new(|| times.now());
        let found = self.inner.main.peek(key, || *now)?;
        times.is_fresh(&found, || *now).then(|| times.owned_as_loaded(found, || *now))
    }

    /// Has the entry seen with `seen` loaded anew behind the scenes, unless somebody is loading it, has done so since, or
    /// all threads for that are busy.
    fn refresh(&self, key: &str, seen: Meta) {
        let Ok(Ticket::Leader(leader)) = self.inner.locals.join(key) else { return };
        let (group, owned) = (self.clone(), key.to_owned());
        let refresh = move || {
            group.apart(&owned, || {
                leader.lead(|leader| group.refresh_in_flight(&owned, seen, leader))
            });
        };
        // Where no thread is free, dropping the job ends the flight, and those who joined it meanwhile start over.
        self.inner.refreshers.run_by(Instant::now(), refresh);
    }

    fn refresh_in_flight(&self, key: &str, seen: Meta, flight: &Leader<Local>) -> Local {
        let times = &self.inner.lifetimes;
        match self.inner.main.peek(key, || times.now()) {
            Some(found) if found.meta != seen && times.is_fresh(&found, || times.now()) => {
                Ok(times.owned_as_loaded(found, || times.now()))
            }
            _ => {
                self.inner.counters.refreshes.add_one();
                self.reload(key, flight)
            }
        }
    }
}
