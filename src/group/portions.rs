//! [`Portions`]: how many values to load at a time, so that together they are not too long.

use std::sync::Mutex;

use crate::getter::Loaded;
use crate::group::batch::Answer;
use crate::sync::lock;

/// The first portion.
const FIRST: usize = 16;
/// The next portion may be so many times as large as all that was seen before.
const GROWTH: usize = 8;
/// While no value was seen, a portion is at most so large.
const MOST_UNKNOWN: usize = 64;
/// About so many values are remembered, so that a change of their lengths is noticed soon.
const REMEMBERED: usize = 256;

/// How long the values of a group were that peers asked for in batches.
///
/// Nobody knows the length of a value before it is loaded. What is known is how long the last ones
/// were. As long as little is known the portions are small: 16, 128, 1,152.
#[derive(Debug, Default)]
pub(super) struct Portions {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Values, known absences and errors.
    answers: usize,
    values: usize,
    /// The mean length of the last values, in bytes.
    mean: f64,
}

impl Portions {
    /// How many keys to load next, at least one, so that their values are likely to come to no more
    /// than `bytes`.
    pub(super) fn next(&self, bytes: usize) -> usize {
        let seen = lock(&self.seen);
        let fitting = match seen.values {
            0 => MOST_UNKNOWN,
            _ => (bytes as f64 / seen.mean.max(1.0)) as usize,
        };
        fitting.min(seen.answers.saturating_mul(GROWTH).max(FIRST)).max(1)
    }

    /// Learns from what was answered.
    pub(super) fn saw(&self, answers: &[Answer]) {
        let lengths = answers.iter().flatten().filter_map(Loaded::value).map(|value| value.len());
        let (count, sum) = lengths
            .fold((0, 0_usize), |(count, sum), length| (count + 1, sum.saturating_add(length)));
        let mut seen = lock(&self.seen);
        seen.answers = seen.answers.saturating_add(answers.len());
        if count > 0 {
            seen.values = (seen.values + count).min(REMEMBERED);
            let weight = (count as f64 / seen.values as f64).min(1.0);
            seen.mean += (sum as f64 / count as f64 - seen.mean) * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, length: usize) -> Vec<Answer> {
        vec![Ok(Loaded::from(vec![7; length])); count]
    }

    #[test]
    fn what_is_unknown_comes_in_small_portions_that_grow() {
        let portions = Portions::default();
        for expected in [16, 128, 1152] {
            let next = portions.next(usize::MAX);
            assert_eq!(next, expected);
            portions.saw(&values(next, 10));
        }
        assert_eq!(portions.next(1000), 100);
        assert_eq!(portions.next(0), 1);
    }

    #[test]
    fn absences_tell_nothing_about_the_lengths_of_values() {
        let portions = Portions::default();
        portions.saw(&vec![Ok(Loaded::absent()); 1000]);
        assert_eq!(portions.next(usize::MAX), MOST_UNKNOWN);
        portions.saw(&values(1, 100));
        portions.saw(&vec![Ok(Loaded::absent()); 1000]);
        assert_eq!(portions.next(1000), 10);
    }

    #[test]
    fn a_change_of_the_lengths_is_noticed() {
        let portions = Portions::default();
        portions.saw(&values(100_000, 0));
        assert_eq!(portions.next(1000), 1000, "an empty value counts as one byte");
        portions.saw(&values(REMEMBERED, 100));
        assert_eq!(portions.next(1000), 10);
    }
}
