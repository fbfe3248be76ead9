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
    /// Whether a copy is kept for `stale_if_error` past its end.
    pub(in crate::group) keeps_old_copies: bool,
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
            keeps_old_copies: false,
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

    /// What was kept elsewhere, maybe by a group without a ttl, with a life that this group allows:
    /// what has no end gets one, as if it had been loaded now.
    pub(in crate::group) fn with_an_end(&self, loaded: Loaded) -> Loaded {
        match loaded.time_to_live() {
            Some(_) => loaded,
            None => self.with_ttl(loaded),
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
        let grace = self.grace_of(loaded.value().is_some());
        (millis(life) > 0).then(|| {
            let dead_at = now.saturating_add(span(life)).saturating_add(grace);
            Meta { dead_at, load_ms: 0 }
        })
    }

    /// What to keep beside a value that this process loaded in place of its owner, which may ask
    /// for it; `None` when it is not to be kept. It is kept as a copy is, and no longer. Its own
    /// life goes on when the owner has it: how much longer that is stands where an owner keeps the
    /// time of the load.
    pub(in crate::group) fn stood_in(&self, loaded: &Loaded, now: u64) -> Option<Meta> {
        let meta = self.copied(loaded, self.fallback_ttl, now)?;
        let end = meta.dead_at.saturating_sub(self.grace_of(loaded.value().is_some()));
        let beyond = loaded.time_to_live().map_or(FOR_EVER, |ttl| {
            let steps = now.saturating_add(span(ttl)).saturating_sub(end) / STEP_MS;
            u32::try_from(steps).unwrap_or(FOR_EVER).clamp(0, FOR_EVER - 2) + 1
        });
        Some(Meta { load_ms: beyond, ..meta })
    }

    /// The same value with what is left of its own life; `None` of a copy of what another peer
    /// answered.
    pub(in crate::group) fn stood_in_as_loaded(&self, found: Found, now: u64) -> Option<Loaded> {
        let (end, marks) = (self.end_of_copy(&found), found.marks());
        let load_ms = found.meta().load_ms;
        let value = Loaded::from(found.into_value()).came_from(Origin::Copy).with_marks(marks);
        match load_ms {
            0 => None,
            FOR_EVER => Some(value),
            steps => {
                let beyond = u64::from(steps - 1) * STEP_MS;
                let left = end.saturating_sub(now).saturating_add(beyond);
                Some(value.ttl(Duration::from_millis(left)))
            }
        }
    }

    /// The state of an entry of the main cache that is not dead yet.
    #[inline]
    pub(in crate::group) fn judge(&self, found: &Found, now: impl Fn() -> u64) -> Freshness {
        if found.dead_at() == 0 || !found.has_value() {
            return Freshness::Fresh;
        }
        let (now, expiry) = (now(), self.expiry(found));
        if now < expiry {
            let ahead = self.refresh_ahead > 0.0
                && self.is_chosen_ahead(expiry - now, found.meta().load_ms);
            if ahead { Freshness::Ahead } else { Freshness::Fresh }
        } else if now < expiry.saturating_add(millis(self.stale_while_revalidate)) {
            Freshness::Stale
        } else {
            Freshness::StaleIfError
        }
    }

    /// Whether an entry may be there although its key is to be loaded.
    pub(in crate::group) fn has_old_entries(&self) -> bool {
        self.grace() > 0 || self.refresh_ahead > 0.0
    }

    /// Whether an entry of the main cache is not past its expiry.
    pub(in crate::group) fn is_fresh(&self, found: &Found, now: impl Fn() -> u64) -> bool {
        found.dead_at() == 0 || now() < self.expiry(found)
    }

    /// Whether the reload of this entry of the main cache may be answered with the entry itself
    /// when it fails.
    pub(in crate::group) fn serves_on_error(&self, found: &Found, now: u64) -> bool {
        now < self.expiry(found).saturating_add(millis(self.stale_if_error))
    }

    /// An entry of the main cache as if it had just been loaded: with what is left of its life.
    pub(in crate::group) fn owned_as_loaded(&self, found: Found, now: impl Fn() -> u64) -> Loaded {
        let marks = found.marks();
        match found.dead_at() {
            0 => Loaded::from(found.into_value()).came_from(Origin::Memory).with_marks(marks),
            _ => {
                let left = self.expiry(&found).saturating_sub(now());
                let origin = if left > 0 { Origin::Memory } else { Origin::Stale };
                let loaded = Loaded::from(found.into_value()).ttl(Duration::from_millis(left));
                loaded.came_from(origin).with_marks(marks)
            }
        }
    }

    /// A copy as if it had just been loaded: with what is left of its life.
    pub(in crate::group) fn copied_as_loaded(&self, found: Found, now: impl Fn() -> u64) -> Loaded {
        let left = self.end_of_copy(&found).saturating_sub(now());
        let origin = if left > 0 { Origin::Copy } else { Origin::Stale };
        let marks = found.marks();
        let loaded = Loaded::from(found.into_value()).ttl(Duration::from_millis(left));
        loaded.came_from(origin).with_marks(marks)
    }

    /// Whether a copy may be served although no load of it has failed.
    #[inline]
    pub(in crate::group) fn is_fresh_copy(&self, found: &Found, now: impl Fn() -> u64) -> bool {
        !self.keeps_old_copies || now() < self.end_of_copy(found)
    }

    fn end_of_copy(&self, found: &Found) -> u64 {
        let grace = self.grace_of(found.has_value());
        found.dead_at().saturating_sub(grace)
    }

    /// For how long a copy is kept past its end.
    fn grace_of(&self, has_value: bool) -> u64 {
        if has_value && self.keeps_old_copies { span(self.stale_if_error) } else { 0 }
    }

    /// What a peer answered to a question of the time `asked`, with what is certainly left of its
    /// life: the answer may have been under way for all the time since.
    #[inline]
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
        let grace = if found.has_value() { self.grace() } else { 0 };
        found.dead_at().saturating_sub(grace)
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

/// The life that a value has beyond the time for which it is kept in place of its owner is told in
/// steps of so many milliseconds, rounded down; 0 is none of these values, and 1 no step.
const STEP_MS: u64 = 100;
/// A life without an end.
const FOR_EVER: u32 = u32::MAX;

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
        Found::unmarked(Some(&ByteView::from("v")), meta)
    }

    #[test]
    fn an_entry_goes_through_its_spans() {
        let times = lifetimes();
        let loaded = times.with_ttl(Loaded::from("v"));
        let entry = found(times.owned(&loaded, SECOND, 1).unwrap());
        assert_eq!(entry.dead_at(), 15_001);
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
    fn what_comes_without_an_end_gets_the_ttl_of_the_group_and_other_lives_stay() {
        let times = Lifetimes { jitter: 0.25, ..lifetimes() };
        let life = |loaded| times.with_an_end(loaded).time_to_live();
        let given = life(Loaded::from("v")).unwrap();
        assert!(given <= 10 * SECOND && given >= 75 * SECOND / 10, "{given:?}");
        for own in [SECOND, 60 * SECOND, Duration::MAX] {
            assert_eq!(life(Loaded::from("v").ttl(own)), Some(own));
        }
        let endless = Lifetimes { ttl: None, ..times };
        assert_eq!(endless.with_an_end(Loaded::from("v")).time_to_live(), None);
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
    fn what_was_loaded_in_place_of_an_owner_keeps_its_own_life_and_gains_none() {
        for keeps_old_copies in [false, true] {
            let times = Lifetimes { keeps_old_copies, fallback_ttl: 10 * SECOND, ..lifetimes() };
            let left = |loaded: Loaded, after: u64| {
                let entry = found(times.stood_in(&loaded, 1).unwrap());
                times.stood_in_as_loaded(entry, 1 + after).unwrap().time_to_live()
            };
            let short = Loaded::from("v").ttl(4 * SECOND);
            assert_eq!(left(short.clone(), 1000), Some(3 * SECOND));
            assert_eq!(left(short, 6000), Some(Duration::ZERO), "kept only if the owner fails");
            let long = Loaded::from("v").ttl(60 * SECOND);
            assert_eq!(left(long, 1000), Some(59 * SECOND));
            assert_eq!(left(Loaded::from("v"), 1000), None, "without an end");
            let copy = found(times.copied(&Loaded::from("v"), SECOND, 1).unwrap());
            assert!(times.stood_in_as_loaded(copy, 1).is_none(), "the owner has it");
        }
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
