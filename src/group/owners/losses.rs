//! [`Losses`]: the time that a call has lost to peers that do not answer.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::clock::moment;
use crate::sync::lock;

/// So many times a call may wait for peers that do not answer: once for owners, and once for those
/// that stand in for them.
const MOST_ROUNDS: usize = 2;
/// Requests that failed are a loss when they took so long together. A connection that is refused
/// takes less, so that a call can go through many of these.
pub(super) const LEAST: Duration = Duration::from_millis(50);

/// What a call has lost so far, for all of its requests.
///
/// A call with more requests than there are threads sends some of them after others. If each of
/// them could find a silent peer, their number would bound its time. So requests belong to
/// *rounds*: those that begin before anything is lost are the first, and those that begin after
/// something of the first was lost are the second. Once something of the second is lost no request
/// begins any more. All requests of a round have begun when its first loss ends, so that silent
/// peers cost no more than two timeouts, however many they are.
#[derive(Debug, Default)]
pub(super) struct Losses {
    lost: Mutex<Lost>,
}

#[derive(Debug, Default)]
struct Lost {
    /// Rounds in which something was lost.
    rounds: usize,
    /// What failed requests of the round took that goes on. Time in which several failed counts
    /// once.
    time: Duration,
    /// When the last of them ended.
    ended: Option<Instant>,
}

/// The round of a request, and when that began by the system's clock, if there is one. A group's
/// own clock may stand still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round(usize, Option<Instant>);

impl Losses {
    /// The round of a request that begins now; `None` if it should not begin.
    pub(super) fn begin(&self) -> Option<Round> {
        let round = lock(&self.lost).rounds;
        (round < MOST_ROUNDS).then(|| Round(round, moment()))
    }

    /// A request of `round` failed at the time `now`.
    pub(super) fn add(&self, Round(round, begun): Round, now: Option<Instant>) {
        let (Some(begun), Some(now)) = (begun, now) else { return };
        let mut lost = lock(&self.lost);
        if round != lost.rounds {
            return; // Others of its round were lost before.
        }
        let since = lost.ended.map_or(begun, |ended| ended.max(begun));
        lost.time += now.saturating_duration_since(since);
        lost.ended = Some(since.max(now));
        if lost.time >= LEAST {
            *lost = Lost { rounds: round + 1, ..Lost::default() };
        }
    }

    /// The rounds in which something was lost.
    pub(super) fn rounds(&self) -> usize {
        lock(&self.lost).rounds
    }

    /// Takes over what the call of another has lost, for which this one waited.
    pub(super) fn inherit(&self, rounds: usize) {
        let mut lost = lock(&self.lost);
        if rounds > lost.rounds {
            *lost = Lost { rounds, ..Lost::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of `round` that begins now has failed after `took`.
    fn lose(losses: &Losses, round: usize, took: Duration) {
        let now = Instant::now();
        losses.add(Round(round, Some(now)), Some(now + took));
    }

    fn round(losses: &Losses) -> Option<usize> {
        losses.begin().map(|Round(round, _)| round)
    }

    const LONG: Duration = Duration::from_secs(2);

    #[test]
    fn what_begins_after_two_lost_rounds_is_not_sent() {
        let losses = Losses::default();
        assert_eq!(round(&losses), Some(0));
        lose(&losses, 0, LONG);
        assert_eq!(round(&losses), Some(1));
        lose(&losses, 0, LONG);
        assert_eq!(round(&losses), Some(1), "both were of one round");
        lose(&losses, 1, LONG);
        assert_eq!(round(&losses), None);
    }

    #[test]
    fn what_fails_at_once_is_a_loss_when_there_is_much_of_it() {
        let (losses, mut now) = (Losses::default(), Instant::now());
        let took = LEAST / 10;
        for n in 0..10 {
            assert_eq!(round(&losses), Some(0), "after {n}");
            losses.add(Round(0, Some(now)), Some(now + took));
            now += took;
        }
        assert_eq!(round(&losses), Some(1));
    }

    #[test]
    fn time_in_which_several_fail_counts_once() {
        let (losses, now) = (Losses::default(), Instant::now());
        for _ in 0..100 {
            losses.add(Round(0, Some(now)), Some(now + LEAST / 2));
        }
        assert_eq!(round(&losses), Some(0));
    }

    #[test]
    fn one_who_waited_for_another_call_has_lost_what_that_one_has() {
        let (theirs, ours) = (Losses::default(), Losses::default());
        for lost in [0, 1] {
            ours.inherit(theirs.rounds());
            assert_eq!(round(&ours), Some(lost));
            lose(&theirs, lost, LONG);
        }
        ours.inherit(theirs.rounds());
        assert_eq!(round(&ours), None);
    }
}
