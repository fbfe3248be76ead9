//! [`Portions`]: how many values to load at a time, so that together they are not too long.

use std::sync::Mutex;

use crate::getter::Loaded;
use crate::group::batch::Answer;
use crate::sync::lock;

/// The first portion of a request, at most.
const FIRST: usize = 16;
/// The next portion may be so many times as large as all that was seen before.
const GROWTH: usize = 8;
/// About so many values are remembered, so that a change of their lengths is noticed soon.
const REMEMBERED: usize = 256;

/// How long the values of a group were that peers asked for in batches.
///
/// Nobody knows the length of a value before it is loaded. What is known is how long the last ones
/// were: where they were long, a request begins with fewer keys.
#[derive(Debug, Default)]
pub(super) struct Portions {
    mean: Mutex<Mean>,
}

/// The portions of one request. A request may be for other values than those before, so it begins
/// with few keys, and goes by its own values after that: 16, 128, 880 keys where they are short.
#[derive(Debug)]
pub(super) struct Portioning<'a> {
    portions: &'a Portions,
    /// Values, known absences and errors.
    answers: usize,
    mean: Mean,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    values: usize,
    /// Of their lengths, in bytes.
    bytes: f64,
}

impl Mean {
    /// Takes `count` values of `sum` bytes in, as the last of at most `most`.
    fn add(&mut self, count: usize, sum: usize, most: usize) {
        if count > 0 {
            self.values = (self.values + count).min(most);
            let weight = (count as f64 / self.values as f64).min(1.0);
            self.bytes += (sum as f64 / count as f64 - self.bytes) * weight;
        }
    }

    /// As [`add`](Self::add), but what is longer than expected is expected from now on.
    fn add_with_care(&mut self, count: usize, sum: usize) {
        self.add(count, sum, REMEMBERED);
        self.bytes = self.bytes.max(sum as f64 / count.max(1) as f64);
    }

    /// How many such values come to `bytes`; `None` if no value is known.
    fn fitting(&self, bytes: usize) -> Option<usize> {
        (self.values > 0).then(|| (bytes as f64 / self.bytes.max(1.0)) as usize)
    }
}

impl Portions {
    /// The portions of a request.
    pub(super) fn begin(&self) -> Portioning<'_> {
        Portioning { portions: self, answers: 0, mean: Mean::default() }
    }
}

impl Portioning<'_> {
    /// How many keys to load next, at least one, so that their values are likely to come to no more
    /// than `bytes`.
    pub(super) fn next(&self, bytes: usize) -> usize {
        let most = self.answers.saturating_mul(GROWTH).max(FIRST);
        let fitting = self.mean.fitting(bytes).or_else(|| lock(&self.portions.mean).fitting(bytes));
        fitting.unwrap_or(FIRST).min(most).max(1)
    }

    /// Learns from what was answered.
    pub(super) fn saw(&mut self, answers: &[Answer]) {
        let lengths = answers.iter().flatten().filter_map(Loaded::value).map(|value| value.len());
        let (count, sum) = lengths
            .fold((0, 0_usize), |(count, sum), length| (count + 1, sum.saturating_add(length)));
        self.answers = self.answers.saturating_add(answers.len());
        self.mean.add(count, sum, usize::MAX);
        lock(&self.portions.mean).add_with_care(count, sum);
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
        let mut request = portions.begin();
        for expected in [16, 128, 1152] {
            let next = request.next(usize::MAX);
            assert_eq!(next, expected);
            request.saw(&values(next, 10));
        }
        assert_eq!(request.next(1000), 100);
        assert_eq!(request.next(0), 1);
    }

    #[test]
    fn each_request_begins_with_few_keys_and_fewer_where_values_were_long() {
        let portions = Portions::default();
        portions.begin().saw(&values(100_000, 1));
        assert_eq!(portions.begin().next(usize::MAX), FIRST);
        portions.begin().saw(&values(REMEMBERED, 100));
        assert_eq!(portions.begin().next(1000), 10);
    }

    #[test]
    fn absences_tell_nothing_about_the_lengths_of_values() {
        let portions = Portions::default();
        let mut request = portions.begin();
        request.saw(&vec![Ok(Loaded::absent()); 1000]);
        assert_eq!(request.next(usize::MAX), FIRST);
        request.saw(&values(1, 100));
        request.saw(&vec![Ok(Loaded::absent()); 1000]);
        assert_eq!(request.next(1000), 10);
    }

    #[test]
    fn a_change_of_the_lengths_is_noticed() {
        let portions = Portions::default();
        let mut request = portions.begin();
        request.saw(&values(16, 0));
        assert_eq!(request.next(1000), 128, "an empty value counts as one byte");
        request.saw(&values(16, 200));
        assert_eq!(request.next(1000), 10);
    }
}
