//! [`Breaker`]: when to stop asking a peer that fails, and when to try it again. A state machine
//! without a clock of its own.

use std::time::{Duration, Instant};

use crate::http::verdict::Verdict;

/// Failures in a row that open a breaker. One refused connection does it alone: nothing listens
/// there.
const FAILURES: u32 = 3;
/// How long a breaker stays open the first time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause; each failed trial doubles the pause up to here.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Decides whether one peer is asked.
///
/// ```text
///          3 failures in a row, or 1 refused connection
///   closed ────────────────────────────────────────────▶ open for 1 s (± 20 %)
///     ▲                                                    │ the pause is over
///     │ the trial is answered                              ▼
///     └───────────────────────────────────────────────── trial: one call may try
///                                                          │ the trial fails
///                                                          ▼
///                                                        open, twice as long, up to 30 s (± 20 %)
/// ```
///
/// The jitter keeps the peers of a cluster from trying a restarting one all at the same moment. One
/// that says by itself that it has [begun again](Breaker::begin_again) is asked at once.
///
/// One caller in a hurry proves nothing about a peer that is silent to it. But if all callers are
/// in a hurry, a peer that answers nobody must be noticed too: silence to all of them for as long
/// as the usual time of one call makes each of the next silences a failure.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: BreakerState,
    /// The usual time of one call.
    patience: Duration,
    /// The length of the last pause, before jitter.
    pause: Duration,
    /// Counts the times it opened, so that the end of a call that began before can be told.
    opened: u64,
    random: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    /// Failures in a row, and when the first call began that was met by silence, since the last
    /// answer.
    Closed {
        failures: u32,
        silent_since: Option<Instant>,
    },
    Open {
        until: Instant,
    },
    Trial,
}

impl BreakerState {
    /// Nothing is held against the peer.
    const WELL: Self = Self::Closed { failures: 0, silent_since: None };
}

/// The leave to make one call. It has to be given back through [`Breaker::record`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Permit {
    trial: bool,
    begun: Instant,
    opened: u64,
}

/// What [`Breaker::record`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The peer is not asked for so long.
    Opened(Duration),
    /// Neither after the trial, for so long.
    StillOpen(Duration),
    /// The peer is asked again.
    Closed,
}

impl Breaker {
    /// A closed breaker for a peer that usually gets `patience` for a call. `seed` drives the
    /// jitter.
    pub(crate) fn new(seed: u64, patience: Duration) -> Self {
        // The generator below never leaves zero.
        let random = seed.max(1);
        Self { state: BreakerState::WELL, patience, pause: FIRST_PAUSE, opened: 0, random }
    }

    /// Whether a call would get a permit at `now`.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        match self.state {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { until } => now >= until,
            BreakerState::Trial => false,
        }
    }

    /// Whether every call is let through: no pause, no trial.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, BreakerState::Closed { .. })
    }

    /// Takes the leave to make one call at `now`. After a pause only the first call gets it, until
    /// that one is recorded.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<Permit> {
        if !self.is_ready(now) {
            return None;
        }
        let trial = matches!(self.state, BreakerState::Open { .. });
        if trial {
            self.state = BreakerState::Trial;
        }
        Some(Permit { trial, begun: now, opened: self.opened })
    }

    /// Learns from the end of a call at `now`.
    pub(crate) fn record(
        &mut self,
        permit: Permit,
        verdict: Verdict,
        now: Instant,
    ) -> Option<Transition> {
        if permit.opened != self.opened {
            // It began before the breaker opened last. What it says is out of date, in either
            // direction.
            return None;
        }
        if permit.trial {
            return Some(match verdict {
                Verdict::Answered => {
                    self.state = BreakerState::WELL;
                    self.pause = FIRST_PAUSE;
                    Transition::Closed
                }
                Verdict::Silent | Verdict::Unclear => Transition::StillOpen(self.open(now)),
                Verdict::Failed | Verdict::Refused => {
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    Transition::StillOpen(self.open(now))
                }
            });
        }
        let BreakerState::Closed { failures, silent_since } = &mut self.state else {
            return None;
        };
        match verdict {
            Verdict::Answered => self.state = BreakerState::WELL,
            Verdict::Unclear => {}
            Verdict::Failed => *failures += 1,
            Verdict::Refused => *failures = FAILURES,
            Verdict::Silent => {
                let since = silent_since.map_or(permit.begun, |since| since.min(permit.begun));
                *silent_since = Some(since);
                *failures += u32::from(now.saturating_duration_since(since) >= self.patience);
            }
        }
        let opens =
            matches!(self.state, BreakerState::Closed { failures, .. } if failures >= FAILURES);
        opens.then(|| Transition::Opened(self.open(now)))
    }

    /// Closes it: the peer was heard to have just begun. What calls of before come to says nothing
    /// of it.
    pub(crate) fn begin_again(&mut self) -> Option<Transition> {
        if self.is_closed() {
            return None;
        }
        (self.state, self.pause) = (BreakerState::WELL, FIRST_PAUSE);
        self.opened += 1;
        Some(Transition::Closed)
    }

    /// Opens it; for how long.
    fn open(&mut self, now: Instant) -> Duration {
        let length = self.pause * self.jitter_percent() / 100;
        self.state = BreakerState::Open { until: now + length };
        self.opened += 1;
        length
    }

    /// A number from 80 to 120 (xorshift64).
    fn jitter_percent(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        80 + (self.random % 41) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(2);

    /// A breaker and a clock that moves when told to.
    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { breaker: Breaker::new(0x5eed, PATIENCE), now: Instant::now() }
        }

        fn call(&mut self, verdict: Verdict) -> Option<Transition> {
            let permit = self.breaker.admit(self.now).expect("the breaker lets a call through");
            self.breaker.record(permit, verdict, self.now)
        }

        fn is_ready(&self) -> bool {
            self.breaker.is_ready(self.now)
        }
    }

    #[track_caller]
    fn assert_opened_for(change: Option<Transition>, pause: Duration) -> Duration {
        let Some(Transition::Opened(length) | Transition::StillOpen(length)) = change else {
            panic!("it did not open: {change:?}")
        };
        assert!(length >= pause * 8 / 10 && length <= pause * 12 / 10, "{length:?} for {pause:?}");
        length
    }

    #[test]
    fn one_that_begins_again_is_asked_at_once_and_late_news_of_before_count_for_nothing() {
        let mut bench = Bench::new();
        assert_eq!(bench.breaker.begin_again(), None, "nothing was held against it");
        for late in [Verdict::Refused, Verdict::Answered] {
            assert_opened_for(bench.call(Verdict::Refused), SECOND);
            bench.now += 2 * SECOND;
            let trial = bench.breaker.admit(bench.now).unwrap();
            assert!(!bench.is_ready());
            assert_eq!(bench.breaker.begin_again(), Some(Transition::Closed));
            assert!(bench.breaker.is_closed());
            assert_eq!(bench.breaker.record(trial, late, bench.now), None);
            assert!(bench.breaker.is_closed());
        }
    }

    #[test]
    fn three_failures_in_a_row_open_it() {
        use Verdict::{Answered, Failed, Refused, Silent, Unclear};
        let cases: &[(&[Verdict], bool)] = &[
            (&[Failed, Failed], false),
            (&[Failed, Failed, Failed], true),
            (&[Failed, Failed, Answered, Failed, Failed], false),
            (&[Failed, Failed, Unclear, Failed], true),
            (&[Unclear, Unclear, Unclear, Unclear], false),
            (&[Silent, Silent, Silent, Silent], false),
            (&[Refused], true),
            (&[Failed, Refused], true),
            (&[Answered, Answered], false),
        ];
        for (calls, opens) in cases {
            let mut bench = Bench::new();
            let last = calls.iter().map(|&verdict| bench.call(verdict)).last().flatten();
            assert_eq!(last.is_some(), *opens, "{calls:?}");
            assert_eq!(bench.is_ready(), !opens, "{calls:?}");
        }
    }

    #[test]
    fn the_pause_doubles_with_each_failed_trial_up_to_thirty_seconds_and_starts_over() {
        let mut bench = Bench::new();
        let mut change = bench.call(Verdict::Refused);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let length = assert_opened_for(change, seconds * SECOND);
            bench.now += length - Duration::from_nanos(1);
            assert!(!bench.is_ready());
            bench.now += Duration::from_nanos(1);
            assert!(bench.is_ready());
            change = bench.call(Verdict::Failed);
        }
        bench.now += 40 * SECOND;
        assert_eq!(bench.call(Verdict::Answered), Some(Transition::Closed));
        assert!(bench.breaker.is_closed());
        assert_opened_for(bench.call(Verdict::Refused), SECOND);
    }

    #[test]
    fn a_trial_that_tells_nothing_is_followed_by_a_pause_of_the_same_length() {
        let mut bench = Bench::new();
        bench.call(Verdict::Refused);
        for _ in 0..3 {
            bench.now += 2 * SECOND;
            assert_opened_for(bench.call(Verdict::Unclear), SECOND);
        }
    }

    #[test]
    fn callers_in_a_hurry_add_up_to_a_patient_one() {
        let mut bench = Bench::new();
        // One burst of them tells nothing, however many they are.
        let burst: Vec<_> = (0..100).map(|_| bench.breaker.admit(bench.now).unwrap()).collect();
        bench.now += SECOND / 10;
        for permit in burst {
            assert_eq!(bench.breaker.record(permit, Verdict::Silent, bench.now), None);
        }
        // An answer ends what was held against the peer.
        assert_eq!(bench.call(Verdict::Answered), None);
        for _ in 0..20 {
            assert_eq!(bench.call(Verdict::Silent), None);
            bench.now += SECOND / 10;
        }
        assert_eq!(bench.call(Verdict::Silent), None);
        assert_eq!(bench.call(Verdict::Silent), None);
        assert_opened_for(bench.call(Verdict::Silent), SECOND);
    }

    #[test]
    fn only_one_call_is_the_trial() {
        let mut bench = Bench::new();
        bench.call(Verdict::Refused);
        bench.now += 2 * SECOND;
        let trial = bench.breaker.admit(bench.now).expect("the pause is over");
        assert!(!bench.is_ready());
        assert_eq!(bench.breaker.admit(bench.now + 60 * SECOND), None);
        assert_eq!(
            bench.breaker.record(trial, Verdict::Answered, bench.now),
            Some(Transition::Closed)
        );
        assert!(bench.is_ready());
    }

    #[test]
    fn calls_that_began_before_it_opened_change_nothing() {
        let mut bench = Bench::new();
        let late: Vec<_> = (0..4).filter_map(|_| bench.breaker.admit(bench.now)).collect();
        bench.call(Verdict::Refused);
        let until = bench.breaker.state;
        for (permit, verdict) in late.into_iter().zip([Verdict::Answered, Verdict::Refused]) {
            assert_eq!(bench.breaker.record(permit, verdict, bench.now), None);
            assert_eq!(bench.breaker.state, until);
        }
    }

    /// Random calls that overlap, against a model that keeps the history instead of counters.
    #[test]
    fn random_calls_agree_with_a_model() {
        for seed in 1..=200_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut below = |bound: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % bound
            };
            let mut breaker = Breaker::new(seed, PATIENCE);
            let mut now = Instant::now();
            let mut calls: Vec<Permit> = Vec::new();
            // The model: what was heard since it closed last, and until when it is open.
            let (mut heard, mut open_until, mut trials) = (Vec::new(), None::<Instant>, 0_u32);
            // When the calls began that were met by silence since the last answer.
            let mut silences = Vec::<Instant>::new();
            for step in 0..500 {
                let context = format!("seed {seed}, step {step}");
                now += Duration::from_millis(below(400));
                if below(2) == 0 {
                    let expected = open_until.is_none_or(|until| now >= until && trials == 0);
                    let permit = breaker.admit(now);
                    assert_eq!(permit.is_some(), expected, "{context}");
                    trials += u32::from(permit.as_ref().is_some_and(|permit| permit.trial));
                    calls.extend(permit);
                } else if !calls.is_empty() {
                    let permit = calls.swap_remove(below(calls.len() as u64) as usize);
                    let verdict = [
                        Verdict::Answered,
                        Verdict::Failed,
                        Verdict::Refused,
                        Verdict::Unclear,
                        Verdict::Silent,
                        Verdict::Silent,
                        Verdict::Answered,
                    ][below(7) as usize];
                    let begun = permit.begun;
                    let (trial, old) = (permit.trial, permit.opened != breaker.opened);
                    let change = breaker.record(permit, verdict, now);
                    if trial {
                        trials -= 1;
                        assert!(!old, "{context}: a trial is never old");
                        assert!(change.is_some(), "{context}");
                    } else if old {
                        assert_eq!(change, None, "{context}");
                    } else if verdict != Verdict::Unclear {
                        match verdict {
                            Verdict::Silent => silences.push(begun),
                            Verdict::Answered => silences.clear(),
                            _ => {}
                        }
                        let first = silences.iter().min();
                        let long = first.is_some_and(|&first| now - first >= PATIENCE);
                        if verdict != Verdict::Silent || long {
                            heard.push(verdict);
                        }
                        let tail = heard.iter().rev();
                        let row = tail.take_while(|&&it| it != Verdict::Answered).count();
                        let opens = row >= 3 || verdict == Verdict::Refused;
                        assert_eq!(change.is_some(), opens, "{context}");
                    }
                    match change {
                        Some(Transition::Opened(length) | Transition::StillOpen(length)) => {
                            let is_new = matches!(change, Some(Transition::Opened(_)));
                            assert_eq!(is_new, !trial, "{context}");
                            open_until = Some(now + length);
                            heard.clear();
                            silences.clear();
                        }
                        Some(Transition::Closed) => {
                            assert!(trial && verdict == Verdict::Answered, "{context}");
                            open_until = None;
                        }
                        None => {}
                    }
                }
                assert!(trials <= 1, "{context}");
                assert_eq!(breaker.is_closed(), open_until.is_none(), "{context}");
            }
        }
    }
}
