//! [`Losses`]: the time that a call has lost to peers that do not answer.

use std::sync::Mutex;

use crate::sync::lock;

/// So many times a call may wait for peers that do not answer: once for owners, and once for those
/// that stand in for them.
const MOST_ROUNDS: usize = 2;
/// Requests that failed are a loss when they took so long together, in milliseconds. A connection
/// that is refused takes less, so that a call can go through many of these.
const LEAST_MS: u64 = 50;

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
    /// What failed requests of the round took that goes on, in milliseconds.
    time: u64,
}

/// The round of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round(usize);

impl Losses {
    /// The round of a request that begins now; `None` if it should not begin.
    pub(super) fn begin(&self) -> Option<Round> {
        let round = lock(&self.lost).rounds;
        (round < MOST_ROUNDS).then_some(Round(round))
    }

    /// A request of `round` failed after `took` milliseconds.
    pub(super) fn add(&self, Round(round): Round, took: u64) {
        let mut lost = lock(&self.lost);
        if round != lost.rounds {
            return; // Others of its round were lost before.
        }
        lost.time = lost.time.saturating_add(took);
        if lost.time >= LEAST_MS {
            *lost = Lost { rounds: round + 1, time: 0 };
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
            *lost = Lost { rounds, time: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_after_two_lost_rounds_is_not_sent() {
        let losses = Losses::default();
        let first = [losses.begin().unwrap(), losses.begin().unwrap()];
        losses.add(first[0], 2000);
        let second = losses.begin().unwrap();
        losses.add(first[1], 2000);
        assert_eq!(losses.begin(), Some(second), "both were of one round");
        losses.add(second, 2000);
        assert_eq!(losses.begin(), None);
    }

    #[test]
    fn what_fails_at_once_is_a_loss_when_there_is_much_of_it() {
        let losses = Losses::default();
        for _ in 0..LEAST_MS - 1 {
            losses.add(losses.begin().unwrap(), 1);
        }
        assert_eq!(losses.begin(), Some(Round(0)));
        losses.add(Round(0), 1);
        assert_eq!(losses.begin(), Some(Round(1)));
    }

    #[test]
    fn one_who_waited_for_another_call_has_lost_what_that_one_has() {
        let (theirs, ours) = (Losses::default(), Losses::default());
        for lost in [Round(0), Round(1)] {
            ours.inherit(theirs.rounds());
            assert_eq!(ours.begin(), Some(lost));
            theirs.add(lost, 2000);
        }
        ours.inherit(theirs.rounds());
        assert_eq!(ours.begin(), None);
    }
}
