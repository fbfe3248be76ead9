//! [`SourceGate`]: how many calls of the getter run at once, and when it rests.
//!
//! A *bound* keeps a source from more calls than it can bear. Who comes while all of them run waits
//! in a queue. A *breaker* lets a source rest that has failed several times in a row:
//!
//! ```text
//! well ── k failures in a row ──► resting ── pause ──► one trial ── it fails ──► resting
//!   ▲                                                     └─ it succeeds ──► opening: 2 at once,
//!   └───────────────── as many at once as there may be ◄──── one more with each success ┘
//! ```
//!
//! While it rests nobody waits for it. So those who come when it is back are few at first, and a
//! database that has just started is not met by all that were turned away.
//!
//! **No two threads wait for each other's places.** A getter may ask for other keys, on its thread.
//! A call inside one of the same source shares its place. A call inside one of another source does
//! not wait, and goes past the bound where there is no place: two sources whose getters ask each
//! other would otherwise wait for each other. It does wait if its thread has only places that
//! nobody waits for: those of sources that are well and have a breaker alone. So the calls of a
//! source are at most its own bound and those of the other groups that have one and whose getters
//! ask it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::millis;
use crate::group::error::{GetterPanicked, SharedCause};
use crate::group::telling::Telling;
use crate::stats::Counter;
use crate::sync::lock;

/// Nobody waits longer for a place. A circle that goes through a pool of threads ends by that.
const MOST_WAIT: Duration = Duration::from_secs(30);
/// A source that may have any number of calls is taken for well after so many successes.
const WIDE: usize = 64;

/// What is optional about a source.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::group) struct SourceOptions {
    pub(in crate::group) max_loads: Option<NonZeroUsize>,
    /// After how many failures in a row it rests, and for how long.
    pub(in crate::group) breaker: Option<(NonZeroU32, Duration)>,
}

/// The bound and the breaker of one getter.
pub(super) struct SourceGate {
    options: SourceOptions,
    telling: Arc<Telling>,
    /// Nobody waits longer for a place.
    pub(super) most_wait: Duration,
    state: Mutex<SourceState>,
    /// Times that it came to rest, and keys that were not loaded as it did.
    pub(super) times_at_rest: Counter,
    pub(super) refusals: Counter,
}

struct SourceState {
    health: SourceHealth,
    /// Calls that run.
    running: usize,
    /// Those of them that began since the source last came to rest, or was last tried, or was last
    /// stuck. The others are in nobody's way.
    of_this_era: usize,
    era: u64,
    /// The era in which the source last came to rest. What began before tells nothing.
    rested_in: u64,
    /// In the order in which they came.
    waiting: VecDeque<Arc<WaitingPlace>>,
    /// The last error of the getter.
    cause: Option<SharedCause>,
}

/// Times are milliseconds of the group's clock. It opens `since` the last success, or since it was
/// last stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceHealth {
    Well { failures: u32 },
    Resting { until: u64 },
    Trying { since: u64 },
    Opening { width: usize, since: u64 },
}

/// One who waits for a place.
#[derive(Default)]
struct WaitingPlace {
    /// The era of the place that it got, or that it gets none. Set while the state is locked.
    fate: OnceLock<Option<u64>>,
    decided: Condvar,
}

/// Why the getter is not called.
#[derive(Debug)]
pub(super) enum Refused {
    /// The source rests, for so long. Its last error is why.
    Resting { left: Duration, cause: SharedCause },
    /// No place became free in the caller's time.
    Full,
}

thread_local! {
    /// The sources of which the thread has a place, as addresses, and whether somebody may wait for
    /// that place.
    static PLACES: RefCell<Vec<(usize, bool)>> = const { RefCell::new(Vec::new()) };
}

impl SourceState {
    fn may_run(&self, options: &SourceOptions) -> bool {
        let is_open = match self.health {
            SourceHealth::Well { .. } => true,
            SourceHealth::Opening { width, .. } => self.of_this_era < width,
            SourceHealth::Resting { .. } | SourceHealth::Trying { .. } => false,
        };
        is_open && options.max_loads.is_none_or(|most| self.running < most.get())
    }

    /// Another call runs, in the era that is the answer.
    fn begin(&mut self) -> u64 {
        self.running += 1;
        self.of_this_era += 1;
        self.era
    }

    /// Gives places to those who wait.
    fn let_in(&mut self, options: &SourceOptions) {
        while self.may_run(options) {
            let Some(first) = self.waiting.pop_front() else { return };
            let _ = first.fate.set(Some(self.begin()));
            first.decided.notify_one();
        }
    }

    /// What began before is in nobody's way from now on. That it fails tells nothing any more.
    fn begin_era(&mut self) {
        self.era += 1;
        self.of_this_era = 0;
    }

    fn rest(&mut self, until: u64) {
        self.health = SourceHealth::Resting { until };
        self.begin_era();
        self.rested_in = self.era;
        for place in self.waiting.drain(..) {
            let _ = place.fate.set(None);
            place.decided.notify_one();
        }
    }
}

impl SourceGate {
    pub(super) fn new(options: SourceOptions, telling: Arc<Telling>) -> Self {
        let state = SourceState {
            health: SourceHealth::Well { failures: 0 },
            running: 0,
            of_this_era: 0,
            era: 0,
            rested_in: 0,
            waiting: VecDeque::new(),
            cause: None,
        };
        let (times_at_rest, refusals) = (Counter::default(), Counter::default());
        let (most_wait, state) = (MOST_WAIT, Mutex::new(state));
        Self { options, telling, most_wait, state, times_at_rest, refusals }
    }

    /// A place for one call of the getter. Where there is none, calls `waits` and waits for one,
    /// until `deadline` and no longer than [`MOST_WAIT`]. Without `waits` it does not wait, and
    /// goes past the bound.
    pub(super) fn enter(
        &self,
        now: u64,
        deadline: Option<Instant>,
        waits: Option<impl FnOnce()>,
    ) -> Result<SourcePlace<'_>, Refused> {
        if !self.has_bound() || self.is_entered_here() {
            return Ok(self.free_place());
        }
        let era =
            Some(self.take_place(now, deadline, waits.filter(|_| !is_in_somebody_s_way()))?);
        let place = (self.address(), self.options.max_loads.is_some() || !self.is_well());
        let _ = PLACES.try_with(|places| places.borrow_mut().push(place));
        Ok(SourcePlace { source: self, era, begun: now, since: Some(Instant::now()) })
    }

    /// Whether a call would be refused at the time `now`, as the source rests.
    pub(super) fn rests(&self, now: u64) -> bool {
        if self.options.breaker.is_none() {
            return false;
        }
        let health = lock(&self.state).health;
        match health {
            SourceHealth::Resting { until } => now < until,
            SourceHealth::Trying { since } => now < since.saturating_add(self.pause()),
            SourceHealth::Well { .. } | SourceHealth::Opening { .. } => false,
        }
    }

    /// The place of a call that does not count.
    pub(super) fn free_place(&self) -> SourcePlace<'_> {
        SourcePlace { source: self, era: None, begun: 0, since: None }
    }

    /// Whether there is a bound or a breaker, and so something to wait for.
    pub(super) fn has_bound(&self) -> bool {
        self.options.max_loads.is_some() || self.options.breaker.is_some()
    }

    /// Whether the calling thread has a place already.
    fn is_entered_here(&self) -> bool {
        let is_here = |places: &[(usize, bool)]| places.iter().any(|it| it.0 == self.address());
        PLACES.try_with(|places| is_here(&places.borrow())).unwrap_or(false)
    }

    fn is_well(&self) -> bool {
        matches!(lock(&self.state).health, SourceHealth::Well { .. })
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn take_place(
        &self,
        now: u64,
        deadline: Option<Instant>,
        waits: Option<impl FnOnce()>,
    ) -> Result<u64, Refused> {
        let mut state = lock(&self.state);
        if let Some(outcome) = self.try_to_begin(&mut state, now) {
            return outcome;
        }
        let Some(waits) = waits else { return Ok(state.begin()) };
        drop(state);
        waits();
        let mut state = lock(&self.state);
        if let Some(outcome) = self.try_to_begin(&mut state, now) {
            return outcome;
        }
        let latest = Instant::now() + self.most_wait;
        let until = deadline.map_or(latest, |deadline| deadline.min(latest));
        let place = Arc::new(WaitingPlace::default());
        state.waiting.push_back(Arc::clone(&place));
        loop {
            if let Some(fate) = place.fate.get() {
                return fate.ok_or_else(|| Self::resting(&state, self.pause()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting.retain(|other| !Arc::ptr_eq(other, &place));
                return Err(Refused::Full);
            }
            let waited = place.decided.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A call that begins now, or that is refused as the source rests; `None` if it has to wait.
    fn try_to_begin(&self, state: &mut SourceState, now: u64) -> Option<Result<u64, Refused>> {
        let next_trial = match state.health {
            SourceHealth::Resting { until } => until,
            // One that takes longer than the pause does not keep the next one away.
            SourceHealth::Trying { since } => since.saturating_add(self.pause()),
            SourceHealth::Well { .. } | SourceHealth::Opening { .. } => {
                self.go_on_without_the_stuck(state, now);
                let may_begin = state.waiting.is_empty() && state.may_run(&self.options);
                return may_begin.then(|| Ok(state.begin()));
            }
        };
        if now < next_trial {
            return Some(Err(Self::resting(state, next_trial - now)));
        }
        state.health = SourceHealth::Trying { since: now };
        state.begin_era();
        Some(Ok(state.begin()))
    }

    /// While it opens, calls that take longer than the pause keep no others away, as no trial does.
    fn go_on_without_the_stuck(&self, state: &mut SourceState, now: u64) {
        if let SourceHealth::Opening { width, since } = state.health {
            if state.of_this_era >= width && now >= since.saturating_add(self.pause()) {
                state.health = SourceHealth::Opening { width, since: now };
                state.begin_era();
                state.let_in(&self.options);
            }
        }
    }

    fn resting(state: &SourceState, left: u64) -> Refused {
        let cause = state.cause.clone().unwrap_or_else(|| Arc::new(GetterPanicked));
        Refused::Resting { left: Duration::from_millis(left), cause }
    }

    /// In milliseconds.
    fn pause(&self) -> u64 {
        self.options.breaker.map_or(0, |(_, pause)| millis(pause).min(u64::MAX / 4))
    }

    /// A call of `era` has ended at the time `now`. `told` is how, if that tells of the source.
    fn leave(&self, era: u64, now: u64, told: Option<Result<(), SharedCause>>) {
        let mut state = lock(&self.state);
        state.running -= 1;
        let before = state.health;
        let is_of_this_era = era == state.era;
        state.of_this_era -= usize::from(is_of_this_era);
        // One that comes late and fails may have hung since the source was down. One that comes
        // late and succeeds shows that it is up: else it would rest for ever where a load takes
        // longer than the pause.
        let has_told = told.is_some();
        let failure = told.and_then(Result::err);
        if !has_told {
            // The next one tries in place of this one.
            if is_of_this_era && matches!(before, SourceHealth::Trying { .. }) {
                state.health = SourceHealth::Resting { until: now };
            }
        } else if is_of_this_era || (failure.is_none() && era > state.rested_in) {
            self.learn(&mut state, now, failure.is_some());
        }
        let after = state.health;
        let old = failure.clone().and_then(|cause| state.cause.replace(cause));
        state.let_in(&self.options);
        drop(state);
        // A foreign value.
        drop(old);
        match (before, after, failure) {
            (
                SourceHealth::Well { .. } | SourceHealth::Opening { .. },
                SourceHealth::Resting { .. },
                Some(cause),
            ) => {
                self.times_at_rest.add_one();
                self.telling.source_down(Duration::from_millis(self.pause()), cause);
            }
            (SourceHealth::Trying { .. }, SourceHealth::Opening { .. }, _) => {
                self.telling.source_up();
            }
            _ => {}
        }
    }

    /// What the end of a call says of the source.
    fn learn(&self, state: &mut SourceState, now: u64, has_failed: bool) {
        let Some((most, _)) = self.options.breaker else { return };
        let rest_until = now.saturating_add(self.pause());
        match state.health {
            SourceHealth::Well { failures } if has_failed => {
                let failures = failures.saturating_add(1);
                state.health = SourceHealth::Well { failures };
                if failures >= most.get() {
                    state.rest(rest_until);
                }
            }
            SourceHealth::Well { .. } => state.health = SourceHealth::Well { failures: 0 },
            SourceHealth::Resting { .. } => {}
            _ if has_failed => state.rest(rest_until),
            SourceHealth::Trying { .. } => {
                state.health = SourceHealth::Opening { width: 2, since: now };
            }
            SourceHealth::Opening { width, .. } => {
                let full = self.options.max_loads.map_or(WIDE, NonZeroUsize::get);
                state.health = if width >= full {
                    SourceHealth::Well { failures: 0 }
                } else {
                    SourceHealth::Opening { width: width + 1, since: now }
                };
            }
        }
    }
}

/// Whether the calling thread has a place that somebody may wait for.
fn is_in_somebody_s_way() -> bool {
    PLACES
        .try_with(|places| places.borrow().iter().any(|(_, is_awaited)| *is_awaited))
        .unwrap_or(false)
}

/// The place of a call of the getter. One that is dropped is that of a getter that panicked.
pub(super) struct SourcePlace<'a> {
    source: &'a SourceGate,
    /// `None` if there is nothing to count.
    era: Option<u64>,
    /// When it was taken, by the group's clock and by the system's.
    begun: u64,
    since: Option<Instant>,
}

impl SourcePlace<'_> {
    /// The call has ended at the time `now`, with `failure` if it failed.
    pub(super) fn end(mut self, now: u64, failure: Option<SharedCause>) {
        self.leave(now, Some(failure.map_or(Ok(()), Err)));
    }

    /// The call has ended, and nothing is known of the source by it.
    pub(super) fn end_untold(mut self, now: u64) {
        self.leave(now, None);
    }

    fn leave(&mut self, now: u64, told: Option<Result<(), SharedCause>>) {
        let Some(era) = self.era.take() else { return };
        let address = self.source.address();
        let _ = PLACES.try_with(|places| {
            let mut places = places.borrow_mut();
            if let Some(last) = places.iter().rposition(|place| place.0 == address) {
                places.remove(last);
            }
        });
        self.source.leave(era, now, told);
    }
}

impl Drop for SourcePlace<'_> {
    fn drop(&mut self) {
        if self.era.is_some() {
            // A clock may be foreign code, which is not called while a panic goes on.
            let took = self.since.map_or(Duration::ZERO, |since| since.elapsed());
            let now = self.begun.saturating_add(millis(took));
            self.leave(now, Some(Err(Arc::new(GetterPanicked))));
        }
    }
}

#[cfg(test)]
mod tests;
