//! Waiting for the flights of others, and what follows where that takes too long.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::error::timed_out;
use crate::group::loads::Loads;
use crate::singleflight::{Follower, Leader, Waited};

impl Loads {
    /// Waits for the flights of others, as this call does since the time `since`.
    ///
    /// Where that takes too long, flights come to be led here beside those who lead them already.
    /// From then on nothing is waited for, see the rule of the module. Whether one of the flights
    /// ended without a value that this call `may_have` is the answer: what comes after it has just
    /// begun.
    pub(super) fn follow(
        &self,
        keys: &[&str],
        followed: Vec<(usize, Follower<Answer>)>,
        (led, answers): (&mut [Option<Leader<Answer>>], &mut [Option<Answer>]),
        (call, since): (Call, Instant),
        may_have: &dyn Fn(&Answer) -> bool,
    ) -> bool {
        let patience = self.patience.span();
        let overdue = since.checked_add(patience);
        let (mut may_wait, mut is_abandoned) = (true, false);
        for (at, follower) in followed {
            let theirs = call.of(at);
            let waited = match overdue.filter(|_| theirs.deadline.is_none()) {
                None => Ok(follower.wait_in_queue(call.queue(), theirs.until())),
                Some(until) if may_wait => self.wait_or_back_up(&follower, until, patience),
                Some(_) => match follower.wait_as_worker(since) {
                    Waited::TimedOut => match self.flights.back_up(&follower, patience) {
                        Ok(leader) => Err(leader),
                        Err(_) => continue,
                    },
                    ended => Ok(ended),
                },
            };
            if matches!(waited, Ok(Waited::Value(_) | Waited::TimedOut)) {
                self.counters.waits.add(since.elapsed());
            }
            answers[at] = match waited {
                // Its leader had less time to wait for a place at the source.
                Ok(Waited::Value(Err(Error::Overloaded { .. })))
                    if !theirs.is_over() && since.elapsed() < self.source.most_wait =>
                {
                    None
                }
                Ok(Waited::Value(answer)) if may_have(&answer) => {
                    self.counters.deduplicated.add_one();
                    Some(answer)
                }
                Ok(Waited::TimedOut) => {
                    Some(Err(timed_out(&self.group, keys[at], theirs.deadline)))
                }
                Ok(Waited::Value(_) | Waited::Abandoned) => {
                    is_abandoned = true;
                    None
                }
                Err(back_up) => {
                    self.telling.second_load(keys[at], patience);
                    may_wait = false;
                    led[at] = Some(back_up);
                    None
                }
            };
        }
        is_abandoned
    }

    /// Waits for a flight to end. The place as its back-up is the error when that takes too long.
    fn wait_or_back_up(
        &self,
        follower: &Follower<Answer>,
        mut until: Instant,
        patience: Duration,
    ) -> Result<Waited<Answer>, Leader<Answer>> {
        loop {
            match follower.wait_as_worker(until) {
                Waited::TimedOut => match self.flights.back_up(follower, patience) {
                    Ok(leader) => return Err(leader),
                    Err(next) => until = next,
                },
                ended => return Ok(ended),
            }
        }
    }
}
