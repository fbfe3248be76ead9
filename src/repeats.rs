//! [`Repeats`]: what happens again and again is logged at once, and then once a minute with a
//! count.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::moment;
use crate::sync::lock;

/// How often the same is told, at most.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// So many things are told apart. All others are told as if they were one.
const MOST_KNOWN: usize = 128;

/// Decides whether a line that others can cause again and again is written to the log.
///
/// Each cause, such as one kind of failure of one peer, is told when it happens first. After that
/// it is told once a minute at most, with the number of times in between. It takes up to 3 KB.
///
/// ```text
/// if let Some(again) = repeats.due(("down", url)) {
///     log::warn!("peer {url} is down{again}");
/// }
/// ```
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    hasher: RandomState,
    known: Mutex<Causes>,
    suppressed: AtomicU64,
}

#[derive(Debug, Default)]
struct Causes {
    causes: Vec<Cause>,
    /// Of all that is not among them, as they are too many.
    rest: Option<Cause>,
}

#[derive(Debug)]
struct Cause {
    hash: u64,
    told: Instant,
    /// How often it happened since then.
    times: u64,
}

impl Repeats {
    /// Whether `cause` is to be told now; what is to stand at the end of the message.
    pub(crate) fn due(&self, cause: impl Hash) -> Option<Again> {
        // Without a clock nothing is known to repeat.
        let Some(now) = moment() else { return Some(Again::FIRST) };
        self.due_at(cause, now)
    }

    fn due_at(&self, cause: impl Hash, now: Instant) -> Option<Again> {
        let again = lock(&self.known).due(self.hasher.hash_one(cause), now);
        if again.is_none() {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        again
    }

    /// How many lines were not written.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

impl Causes {
    fn due(&mut self, hash: u64, now: Instant) -> Option<Again> {
        if let Some(known) = self.causes.iter_mut().find(|cause| cause.hash == hash) {
            return known.happen(now);
        }
        if self.causes.len() >= MOST_KNOWN {
            self.causes.retain(|cause| !cause.is_due(now));
        }
        if self.causes.len() < MOST_KNOWN {
            self.causes.push(Cause { hash, told: now, times: 0 });
            return Some(Again::FIRST);
        }
        match &mut self.rest {
            Some(rest) => rest.happen(now),
            None => {
                self.rest = Some(Cause { hash: 0, told: now, times: 0 });
                Some(Again::FIRST)
            }
        }
    }
}

impl Cause {
    fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.told) >= TELL_EVERY
    }

    fn happen(&mut self, now: Instant) -> Option<Again> {
        if !self.is_due(now) {
            self.times += 1;
            return None;
        }
        let again =
            Again { times: self.times, since: now.saturating_duration_since(self.told).as_secs() };
        (self.told, self.times) = (now, 0);
        Some(again)
    }
}

/// Tells how often the same happened since it was told last; nothing if it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    times: u64,
    /// In seconds.
    since: u64,
}

impl Again {
    const FIRST: Self = Self { times: 0, since: 0 };
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.times {
            0 => Ok(()),
            times => write!(f, " (and {times} more times in the last {} s)", self.since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn shown(again: Option<Again>) -> Option<String> {
        again.map(|again| again.to_string())
    }

    #[test]
    fn the_first_time_is_told_and_later_ones_once_a_minute_with_their_number() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let due = |cause, seconds| shown(repeats.due_at(cause, start + seconds * SECOND));
        assert_eq!(due("a", 0), Some(String::new()));
        assert_eq!((1..60).filter_map(|seconds| due("a", seconds)).count(), 0);
        assert_eq!(repeats.suppressed(), 59);
        assert_eq!(due("b", 30), Some(String::new()), "another cause is told apart");
        assert_eq!(due("a", 90).unwrap(), " (and 59 more times in the last 90 s)");
        assert_eq!(due("a", 91), None);
        assert_eq!(due("b", 600), Some(String::new()), "it did not happen in between");
    }

    #[test]
    fn endless_causes_take_no_more_memory_and_no_more_lines_than_a_bound() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let told = (0..10_000).filter(|n| repeats.due_at(n, start).is_some()).count();
        assert_eq!(told, MOST_KNOWN + 1);
        let later = start + TELL_EVERY;
        assert_eq!(shown(repeats.due_at("new", later)), Some(String::new()), "old ones made room");
        let known = lock(&repeats.known);
        assert_eq!(known.causes.len(), 1);
        assert_eq!(known.rest.as_ref().unwrap().times, 10_000 - told as u64);
    }
}
