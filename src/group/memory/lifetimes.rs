//! [`Lifetimes`]: how long what is cached may be served, and in which state it is.
//!
//! An entry that expires lives through up to three spans:
//!
//! ```text
//! loaded ── ttl ──► expiry ── stale_while_revalidate ──►│         served, and refreshed
//!                          └─ stale_if_error ──────────────────►│ served if the reload fails
//!                                                               └─ dead_at: the store drops it
//! ```
//!
//! The store knows only `dead_at`. The longer of the two stale spans, the *grace*, is the same for
//! all entries of the main cache, so the expiry is `dead_at - grace`. Copies of what others own,
//! and knowledge that a key is absent, have no grace.

use std::time::Duration;

use crate::cache::{Found, Meta};
use crate::clock::{Clock, millis};
use crate::getter::Loaded;
use crate::origin::Origin;
use crate::random;

/// The options of a group about time, and the clock they are measured with.
#[derive(Debug, Clone)]
pub(in crate::group) struct Lifetimes {
    pub(in crate::group) ttl: Option<Duration>,
    /// The fraction of its ttl by which an entry may expire earlier.
    pub(in crate::group) jitter: f64,
    pub(in crate::group) negative_ttl: Option<Duration>,
    pub(in crate::group) stale_while_revalidate: Duration,
    pub(in crate::group) stale_if_error: Duration,
    /// XFetch's beta; 0 is off.
    pub(in crate::group) refresh_ahead: f64,
    /// How long a copy of what another peer owns may be kept.
    pub(in crate::group) hot_ttl: Duration,
    pub(in crate::group) fallback_ttl: Duration,
    pub(in crate::group) clock: Clock,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            ttl: None,
            jitter: 0.0,
            negative_ttl: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            refresh_ahead: 0.0,
            hot_ttl: Duration::from_secs(30),
            fallback_ttl: Duration::from_secs(10),
            clock: Clock::system(),
        }
    }
}

/// What may be done with an entry of the main cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum Freshness {
    /// Serve it.
    Fresh,
    /// Serve it, and have it refreshed: it was chosen for that ahead of its expiry.
    Ahead,
    /// Serve it, and have it refreshed: it is past its expiry.
    Stale,
    /// Serve it only when the reload fails.
    StaleIfError,
}

impl Lifetimes {
    pub(in crate::group) fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The life of a result of the getter, as it is told to everyone: its own, or the group's, less
    /// the jitter.
    pub(in crate::group) fn with_ttl(&self, loaded: Loaded) -> Loaded {
        let default = if loaded.value().is_some() { self.ttl } else { self.negative_ttl };
        match loaded.time_to_live().or(default) {
            Some(ttl) if self.jitter > 0.0 => {
                loaded.ttl(ttl.saturating_sub(ttl.mul_f64(self.jitter * random::unit())))
            }
            Some(ttl) => loaded.ttl(ttl),
            None => loaded,
        }
    }

    /// What to keep beside a result that this process owns and that took `cost` to load, `now`;
    /// `None` when it is not to be kept: its life is over, or it is an absence without a ttl.
    pub(in crate::group) fn owned(
        &self,
        loaded: &Loaded,
        cost: Duration,
        now: u64,
    ) -> Option<Meta> {
        let grace = if loaded.value().is_some() { self.grace() } else { 0 };
        let load_ms = u32::try_from(millis(cost)).unwrap_or(u32::MAX);
        match loaded.time_to_live() {
            None => loaded.value().map(|_| Meta { dead_at: 0, load_ms }),
            Some(ttl) if millis(ttl) == 0 => None,
            Some(ttl) => {
                let dead_at = now.saturating_add(span(ttl)).saturating_add(grace);
                Some(Meta { dead_at, load_ms })
            }
        }
    }

    /// What to keep beside a copy that may be kept for `limit`; `None` when it is not to be kept.
    pub(in crate::group) fn copied(
        &self,
        loaded: &Loaded,
        limit: Duration,
        now: u64,
    ) -> Option<Meta> {
        let life = match loaded.time_to_live() {
            Some(ttl) => ttl.min(limit),
            None if loaded.value().is_none() => return None,
            None => limit,
        };
        (millis(life) > 0).then(|| Meta { dead_at: now.saturating_add(millis(life)), load_ms: 0 })
    }

    /// The state of an entry of the main cache that is not dead yet.
    #[inline]
    pub(in crate::group) fn judge(&self, found: &Found, now: impl Fn() -> u64) -> Freshness {
        if found.meta.dead_at == 0 || found.value.is_none() {
            return Freshness::Fresh;
        }
        let (now, expiry) = (now(), self.expiry(found));
        if now < expiry {
            let ahead =
                self.refresh_ahead > 0.0 && self.is_chosen_ahead(expiry - now, found.meta.load_ms);
            if ahead { Freshness::Ahead } else { Freshness::Fresh }
        } else if now < expiry.saturating_add(millis(self.stale_while_revalidate)) {
            Freshness::Stale
        } else {
            Freshness::StaleIfError
        }
    }

    /// Whether an entry of the main cache is not past its expiry.
    pub(in crate::group) fn is_fresh(&self, found: &Found, now: impl Fn() -> u64) -> bool {
        found.meta.dead_at == 0 || now() < self.expiry(found)
    }

    /// Whether the reload of this entry of the main cache may be answered with the entry itself
    /// when it fails.
    pub(in crate::group) fn serves_on_error(&self, found: &Found, now: u64) -> bool {
        now < self.expiry(found).saturating_add(millis(self.stale_if_error))
    }

    /// An entry of the main cache as if it had just been loaded: with what is left of its life.
    pub(in crate::group) fn owned_as_loaded(&self, found: Found, now: impl Fn() -> u64) -> Loaded {
        match found.meta.dead_at {
            0 => Loaded::from(found.value).came_from(Origin::Memory),
            _ => {
                let left = self.expiry(&found).saturating_sub(now());
                let origin = if left > 0 { Origin::Memory } else { Origin::Stale };
                Loaded::from(found.value).ttl(Duration::from_millis(left)).came_from(origin)
            }
        }
    }

    /// A copy as if it had just been loaded: with what is left of its life.
    pub(in crate::group) fn copied_as_loaded(found: Found, now: impl Fn() -> u64) -> Loaded {
        let left = found.meta.dead_at.saturating_sub(now());
        Loaded::from(found.value).ttl(Duration::from_millis(left)).came_from(Origin::Copy)
    }

    /// What a peer answered to a question of the time `asked`, with what is certainly left of its
    /// life: the answer may have been under way for all the time since.
    pub(in crate::group) fn aged(&self, loaded: Loaded, asked: u64) -> Loaded {
        match loaded.time_to_live() {
            None => loaded,
            Some(ttl) => {
                let age = Duration::from_millis(self.now().saturating_sub(asked));
                loaded.ttl(ttl.saturating_sub(age))
            }
        }
    }

    fn expiry(&self, found: &Found) -> u64 {
        let grace = if found.value.is_some() { self.grace() } else { 0 };
        found.meta.dead_at.saturating_sub(grace)
    }

    fn grace(&self) -> u64 {
        match self.stale_while_revalidate.max(self.stale_if_error) {
            // A division less for each look-up.
            Duration::ZERO => 0,
            longer => span(longer),
        }
    }

    /// Whether XFetch would refresh an entry that took `cost_ms` to load and has `left_ms` left:
    /// where `left <= -delta * beta * ln(u)` with a random `u`, so that a refresh becomes likely as
    /// the expiry comes within a load's duration (Vattani, Chierichetti and Lowenstein, "Optimal
    /// Probabilistic Cache Stampede Prevention", VLDB 2015).
    fn is_chosen_ahead(&self, left_ms: u64, cost_ms: u32) -> bool {
        let scale = f64::from(cost_ms) * self.refresh_ahead;
        // Most entries are so far from their expiry that no draw would choose them.
        if left_ms > (scale * MOST_DRAWN) as u64 {
            return false;
        }
        let u = 1.0 - random::unit(); // In (0, 1]: its logarithm is finite.
        left_ms <= (-scale * u.ln()) as u64
    }
}

/// No random number is below 2 to the power of -53, whose logarithm is -36.7.
const MOST_DRAWN: f64 = 37.0;

/// Milliseconds, cut so that the sum of a time and two spans does not overflow.
fn span(duration: Duration) -> u64 {
    millis(duration).min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byteview::ByteView;

    const SECOND: Duration = Duration::from_secs(1);

    fn lifetimes() -> Lifetimes {
        Lifetimes {
            ttl: Some(10 * SECOND),
            stale_while_revalidate: 2 * SECOND,
            stale_if_error: 5 * SECOND,
            ..Lifetimes::default()
        }
    }

    fn found(meta: Meta) -> Found {
        Found { value: Some(ByteView::from("v")), meta }
    }

    #[test]
    fn an_entry_goes_through_its_spans() {
        let times = lifetimes();
        let loaded = times.with_ttl(Loaded::from("v"));
        let entry = found(times.owned(&loaded, SECOND, 1).unwrap());
        assert_eq!(entry.meta.dead_at, 15_001);
        assert_eq!(times.judge(&entry, || 10_000), Freshness::Fresh);
        assert_eq!(times.judge(&entry, || 10_001), Freshness::Stale);
        assert_eq!(times.judge(&entry, || 12_000), Freshness::Stale);
        assert_eq!(times.judge(&entry, || 12_001), Freshness::StaleIfError);
        assert!(times.serves_on_error(&entry, 15_000) && !times.serves_on_error(&entry, 15_001));
        let left = times.owned_as_loaded(entry, || 4_001).time_to_live();
        assert_eq!(left, Some(6 * SECOND));
    }

    #[test]
    fn without_a_ttl_a_value_stays_and_an_absence_is_not_kept() {
        let times = Lifetimes { ttl: None, ..lifetimes() };
        let loaded = times.with_ttl(Loaded::from("v"));
        assert_eq!(times.owned(&loaded, 3 * SECOND, 1), Some(Meta { dead_at: 0, load_ms: 3000 }));
        let absent = times.with_ttl(Loaded::absent());
        assert_eq!(times.owned(&absent, SECOND, 1), None);
        let times = Lifetimes { negative_ttl: Some(SECOND), ..times };
        let absent = times.with_ttl(Loaded::absent());
        assert_eq!(times.owned(&absent, SECOND, 1).unwrap().dead_at, 1001, "absence has no grace");
        assert_eq!(times.owned(&Loaded::from("v").ttl(Duration::ZERO), SECOND, 1), None);
    }

    #[test]
    fn a_load_that_took_very_long_is_remembered_so() {
        let load_ms = |ms| {
            let cost = Duration::from_millis(ms);
            lifetimes().owned(&Loaded::from("v"), cost, 1).unwrap().load_ms
        };
        assert_eq!(load_ms(1 << 31), 1 << 31);
        assert_eq!(load_ms(1 << 40), u32::MAX);
    }

    #[test]
    fn a_copy_lives_no_longer_than_its_limit_and_its_original() {
        let times = lifetimes();
        let dead_at = |loaded: &Loaded| times.copied(loaded, 30 * SECOND, 1).map(|m| m.dead_at);
        assert_eq!(dead_at(&Loaded::from("v")), Some(30_001));
        assert_eq!(dead_at(&Loaded::from("v").ttl(SECOND)), Some(1001));
        assert_eq!(dead_at(&Loaded::from("v").ttl(60 * SECOND)), Some(30_001));
        assert_eq!(dead_at(&Loaded::from("v").ttl(Duration::ZERO)), None);
        assert_eq!(dead_at(&Loaded::absent()), None);
        assert_eq!(dead_at(&Loaded::absent().ttl(SECOND)), Some(1001));
    }

    #[test]
    fn jitter_only_shortens_and_by_no_more_than_its_fraction() {
        let times = Lifetimes { jitter: 0.25, ..lifetimes() };
        let lives: Vec<_> =
            (0..1000).map(|_| times.with_ttl(Loaded::from("v")).time_to_live().unwrap()).collect();
        assert!(lives.iter().all(|&ttl| ttl <= 10 * SECOND && ttl >= 75 * SECOND / 10));
        assert!(lives.iter().any(|&ttl| ttl != lives[0]), "lives differ");
    }

    #[test]
    fn refreshing_ahead_grows_likely_as_the_expiry_comes_near() {
        let times = Lifetimes { refresh_ahead: 1.0, ..lifetimes() };
        let entry = found(Meta { dead_at: 15_001, load_ms: 1000 });
        let refreshed = |now: u64| {
            (0..2000).filter(|_| times.judge(&entry, || now) == Freshness::Ahead).count()
        };
        // The probability at a distance of r is exp(-r / (delta * beta)).
        assert!(refreshed(1) < 20, "ten load times away: 0.00005");
        let near = refreshed(9001);
        assert!((560..920).contains(&near), "one load time away: 0.37 of 2000, not {near}");
    }
}
