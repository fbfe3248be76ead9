//! [`Strangers`]: askers that are not in the list, and have another one.

use std::time::{Duration, Instant};

/// For how long one counts that was heard with another list.
const COUNTS_FOR: Duration = Duration::from_secs(60);
/// So many are told apart, those that were heard last.
const MOST: usize = 32;

/// Each for itself: processes that start one after the other, and are in the list a moment later,
/// are not one that has another list for long.
#[derive(Default)]
pub(super) struct Strangers(Vec<Stranger>);

struct Stranger {
    incarnation: u64,
    since: Instant,
    last: Instant,
}

impl Strangers {
    /// One asks; since when it has had another list, as far as is known.
    pub(super) fn hear(&mut self, incarnation: u64, now: Instant) -> Instant {
        self.0.retain(|it| it.counts(now));
        if let Some(known) = self.0.iter_mut().find(|it| it.incarnation == incarnation) {
            known.last = now;
            return known.since;
        }
        if self.0.len() == MOST {
            let longest_silent = (0..MOST).min_by_key(|&at| self.0[at].last);
            longest_silent.map(|at| self.0.swap_remove(at));
        }
        self.0.push(Stranger { incarnation, since: now, last: now });
        now
    }

    /// For how long there has been one.
    pub(super) fn differ_for(&self, now: Instant) -> Option<Duration> {
        let counting = self.0.iter().filter(|it| it.counts(now));
        counting.map(|it| now.saturating_duration_since(it.since)).max()
    }
}

impl Stranger {
    fn counts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) <= COUNTS_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn those_who_come_one_after_the_other_are_not_one_for_long() {
        let (mut strangers, begun) = (Strangers::default(), Instant::now());
        for number in 0..100 {
            let now = begun + number * 5 * SECOND;
            assert_eq!(strangers.hear(number.into(), now), now);
            assert_eq!(strangers.hear(number.into(), now + SECOND), now);
            assert!(strangers.differ_for(now + SECOND) <= Some(61 * SECOND));
        }
        assert!(strangers.0.len() <= 13, "the others are past");
    }

    #[test]
    fn one_that_asks_now_and_then_is_the_same() {
        let (mut strangers, begun) = (Strangers::default(), Instant::now());
        for asked in 0..10 {
            assert_eq!(strangers.hear(1, begun + asked * 30 * SECOND), begun);
        }
        assert_eq!(strangers.hear(1, begun + 1000 * SECOND), begun + 1000 * SECOND);
    }

    #[test]
    fn no_more_are_told_apart_than_there_is_room_for() {
        let (mut strangers, begun) = (Strangers::default(), Instant::now());
        for number in 0..1000 {
            strangers.hear(number, begun);
        }
        assert_eq!(strangers.0.len(), MOST);
    }
}
