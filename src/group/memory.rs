//! What is in memory: looking into the caches, filling them, and refreshing what is old.

use std::cell::LazyCell;
use std::time::{Duration, Instant};

use super::Group;
use super::lifetime::{Freshness, Lifetimes};
use super::load::Local;
use crate::cache::Meta;
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
        let (times, counters) = (&self.inner.lifetimes, &self.inner.counters);
        let now = LazyCell::new(|| times.now());
        let found = self.inner.main.get(key, || *now);
        let found = found.filter(|found| match times.judge(found, || *now) {
            Freshness::Fresh => true,
            Freshness::Refresh => {
                self.refresh(key, found.meta);
                true
            }
            Freshness::StaleIfError => {
                counters.hits_refused.add_one();
                false
            }
        });
        let loaded = if let Some(found) = found {
            let stale = found.meta.dead_at != 0 && found.value.is_some();
            let loaded = times.owned_as_loaded(found, || *now);
            if stale && loaded.time_to_live() == Some(Duration::ZERO) {
                counters.hits_stale.add_one();
            }
            loaded
        } else {
            let found = self.inner.hot.get(key, || *now)?;
            Lifetimes::copied_as_loaded(found, || *now)
        };
        if loaded.value().is_none() {
            counters.negative_hits.add_one();
        }
        Some(loaded)
    }

    /// As [`cached`](Self::cached), but takes only what is fresh, counts nothing and leaves the order of use alone.
    pub(super) fn peek(&self, key: &str) -> Option<Loaded> {
        self.peek_main(key).or_else(|| {
            let now = LazyCell::new(|| self.inner.lifetimes.now());
            let found = self.inner.hot.peek(key, || *now)?;
            Some(Lifetimes::copied_as_loaded(found, || *now))
        })
    }

    /// As [`peek`](Self::peek), in the main cache alone.
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
