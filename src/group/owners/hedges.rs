//! [`Hedges`]: when a key is loaded here as well, as its owner takes longer than usual.
//!
//! "Usual" is a quantile of the times in which a peer has answered, such as 0.95. It is followed by
//! small steps, up where an answer took longer and down where it did not, whose sizes balance where
//! that part of the answers took less (as in Ma, Muthukrishnan and Sandler, "Frugal Streaming for
//! Estimating Quantiles", 2013). So it is one number for each peer, and forgets old times.
//!
//! A second load for each slow answer would double the work when all peers are slow at once. So
//! each question to a peer saves up a twentieth of a second load, and up to ten of them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::moment;
use crate::group::batch::Answer;
use crate::group::owners::forward::Forwarded;
use crate::peers::UNNAMED;
use crate::sync::lock;

/// A peer has answered so often before it is taken for slow.
const LEAST_ANSWERS: u32 = 20;
/// No answer is taken for slow earlier: another thread takes part of that to begin.
const LEAST_DELAY: Duration = Duration::from_millis(1);
/// A step is this part of the time.
const STEP: f64 = 1.0 / 16.0;
/// What a question saves up, and what a second load costs.
const SAVED: u64 = 5;
const COST: u64 = 100;
const MOST_SAVED: u64 = 10 * COST;
/// So many peers are known at a time.
const MOST_PEERS: usize = 1024;

/// The times of peers, and what was saved up.
#[derive(Debug)]
pub(super) struct Hedges {
    /// `None` if there are no second loads.
    quantile: Option<f64>,
    state: Mutex<HedgeState>,
}

#[derive(Debug, Default)]
struct HedgeState {
    usual: HashMap<String, UsualTime>,
    saved: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct UsualTime {
    /// In nanoseconds.
    nanos: f64,
    answers: u32,
}

/// Who has answered first.
pub(super) enum RaceEnd {
    Owner(Vec<(usize, Forwarded)>),
    Here(Answer),
}

/// Where they tell it.
pub(super) type TellFirst = mpsc::Sender<RaceEnd>;

impl Hedges {
    /// A quantile that is no number is none, and others are taken for 0.5 at least and 0.999 at
    /// most.
    pub(super) fn new(quantile: Option<f64>) -> Self {
        let quantile = quantile.filter(|it| !it.is_nan()).map(|it| it.clamp(0.5, 0.999));
        Self { quantile, state: Mutex::default() }
    }

    pub(super) fn are_on(&self) -> bool {
        self.quantile.is_some()
    }

    /// After how long `peer`, which is about to be asked, is slow; `None` if that is not known yet.
    pub(super) fn delay(&self, peer: &str) -> Option<Duration> {
        self.quantile?;
        let mut state = lock(&self.state);
        state.saved = (state.saved + SAVED).min(MOST_SAVED);
        let usual = *state.usual.get(peer)?;
        drop(state);
        let delay = Duration::from_nanos(usual.nanos as u64).max(LEAST_DELAY);
        (usual.answers >= LEAST_ANSWERS).then_some(delay)
    }

    /// Whether there may be a second load now. It counts from then on.
    pub(super) fn take(&self) -> bool {
        let mut state = lock(&self.state);
        let left = state.saved.checked_sub(COST);
        state.saved = left.unwrap_or(state.saved);
        left.is_some()
    }

    /// What `ask` returns. Learns how long `peer` takes, if that has answered.
    pub(super) fn timed(
        &self,
        peer: &str,
        ask: impl FnOnce() -> Vec<(usize, Forwarded)>,
    ) -> Vec<(usize, Forwarded)> {
        let begun = moment();
        let landed = ask();
        let has_answered = |(_, it): &(usize, Forwarded)| matches!(it, Forwarded::Answered(_));
        if let (Some(begun), true) = (begun, landed.iter().any(has_answered)) {
            self.learn(peer, begun.elapsed());
        }
        landed
    }

    fn learn(&self, peer: &str, took: Duration) {
        let Some(quantile) = self.quantile.filter(|_| peer != UNNAMED) else { return };
        let took = took.as_nanos() as f64;
        let mut state = lock(&self.state);
        if let Some(usual) = state.usual.get_mut(peer) {
            usual.learn(took, quantile);
            return;
        }
        if state.usual.len() >= MOST_PEERS {
            // Most of them have left.
            state.usual.clear();
        }
        state.usual.insert(peer.to_owned(), UsualTime { nanos: took, answers: 1 });
    }
}

impl UsualTime {
    fn learn(&mut self, took: f64, quantile: f64) {
        self.answers = self.answers.saturating_add(1);
        if self.answers <= LEAST_ANSWERS {
            self.nanos = self.nanos.max(took);
            return;
        }
        let step = self.nanos * STEP;
        self.nanos += if took > self.nanos { step * quantile } else { -step * (1.0 - quantile) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_seeds;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_usual_time_comes_to_its_quantile_and_follows_changes() {
        with_seeds(20, |random| {
            let hedges = Hedges::new(Some(0.95));
            // Evenly spread over 0 to 100 ms, and then over ten times that.
            for scale in [1, 10] {
                let mut sum = Duration::ZERO;
                for n in 0..4000 {
                    hedges.learn("a", Duration::from_micros(random.below(100_000) * scale));
                    if n >= 2000 {
                        sum += hedges.delay("a").unwrap();
                    }
                }
                let mean = sum / 2000 / u32::try_from(scale).unwrap();
                assert!((88 * MS..100 * MS).contains(&mean), "{mean:?}");
            }
        });
    }

    #[test]
    fn nobody_is_slow_who_is_not_known() {
        let hedges = Hedges::new(Some(0.95));
        for n in 1..=LEAST_ANSWERS {
            assert_eq!(hedges.delay("a"), None, "{n}");
            hedges.learn("a", MS / 100);
            hedges.learn(UNNAMED, MS);
        }
        assert_eq!(hedges.delay("a"), Some(LEAST_DELAY));
        assert_eq!((hedges.delay("b"), hedges.delay(UNNAMED)), (None, None));
        let off = Hedges::new(Some(f64::NAN));
        off.learn("a", MS);
        assert!(!off.are_on() && lock(&off.state).usual.is_empty());
    }

    #[test]
    fn second_loads_are_one_in_twenty() {
        let hedges = Hedges::new(Some(0.5));
        let mut taken = 0;
        for _ in 0..1000 {
            hedges.delay("a");
            taken += usize::from(hedges.take());
        }
        assert_eq!(taken, 50);
        for _ in 0..100_000 {
            hedges.delay("a");
        }
        let burst = (0..100).filter(|_| hedges.take()).count();
        assert_eq!(burst, 10, "no more is saved up");
    }

    #[test]
    fn a_peer_that_comes_when_the_table_is_full_is_learned_of() {
        let hedges = Hedges::new(Some(0.95));
        for n in 0..=MOST_PEERS {
            hedges.learn(&n.to_string(), MS);
        }
        assert_eq!(lock(&hedges.state).usual.len(), 1);
    }
}
