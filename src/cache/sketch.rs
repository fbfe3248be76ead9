//! [`Sketch`]: about how often keys were asked for that are no longer here.
//!
//! TinyLFU (Einziger, Friedman and Manes, ACM Transactions on Storage 2017) estimates the frequency
//! of *every* key in a count-min sketch (Cormode and Muthukrishnan 2005), which costs a look-up one
//! more cache line. Here the keys that are in the cache carry their exact count in their slot. The
//! sketch is told a key's count when the key leaves, and asked when it comes back. So a hit never
//! touches it, and half as many counters are enough.
//!
//! A counter has 4 bits; a word of 64 bits holds 16. The tag of a key chooses one word, and four
//! counters within it. The smallest of the four is the estimate, so a key is overrated only if
//! others collide with it in all four. One word is one memory access.

use crate::cache::slots::MAX_COUNT;

/// The sketches of the shards of a small cache have this many words together, too. In caches of a
/// few hundred entries the keys that left lately outnumber those that are here, and to forget them
/// costs up to 3 % of the hits.
const MIN_WORDS: usize = 1024;
/// A shard has this many in any case.
const MIN_WORDS_OF_SHARD: usize = 64;
/// Keeps the low three bits of each 4-bit counter once the word is shifted right by one.
const HALVED: u64 = 0x7777_7777_7777_7777;

/// Counters of keys that left.
#[derive(Debug)]
pub(super) struct Sketch {
    words: Vec<u64>,
    min_words: usize,
}

impl Sketch {
    /// For a shard, of so many.
    pub(super) fn new(shards: usize) -> Self {
        Self { words: Vec::new(), min_words: (MIN_WORDS / shards).max(MIN_WORDS_OF_SHARD) }
    }

    /// Sizes the sketch for a table of `slots` slots. A larger one still knows what it knew; a
    /// smaller one forgets a part.
    pub(super) fn resize(&mut self, slots: usize) {
        let len = (slots / 4).max(self.min_words);
        if len == self.words.len() {
            return;
        }
        let old = std::mem::take(&mut self.words);
        // A word's place grows with the tag's mixed bits, so the keys of old word `i` are found
        // around `i * new / old`.
        self.words =
            (0..len).map(|at| old.get(at * old.len() / len).copied().unwrap_or(0)).collect();
    }

    /// The estimate for `tag`.
    pub(super) fn estimate(&self, tag: u32) -> u8 {
        let mixed = mix(tag);
        let Some(word) = self.words.get(self.place(mixed)) else { return 0 };
        shifts(mixed).into_iter().map(|shift| (word >> shift) as u8 & MAX_COUNT).min().unwrap_or(0)
    }

    /// Makes the estimate for `tag` at least `count`.
    pub(super) fn raise(&mut self, tag: u32, count: u8) {
        let mixed = mix(tag);
        let place = self.place(mixed);
        let Some(word) = self.words.get_mut(place) else { return };
        let count = u64::from(count.min(MAX_COUNT));
        for shift in shifts(mixed) {
            if (*word >> shift) & u64::from(MAX_COUNT) < count {
                *word = *word & !(u64::from(MAX_COUNT) << shift) | count << shift;
            }
        }
    }

    /// Halves the counters of part `part` of `parts`.
    pub(super) fn age(&mut self, part: usize, parts: usize) {
        let len = self.words.len();
        for word in &mut self.words[part * len / parts..(part + 1) * len / parts] {
            *word = (*word >> 1) & HALVED;
        }
    }

    fn place(&self, mixed: u64) -> usize {
        (((mixed >> 32) * self.words.len() as u64) >> 32) as usize
    }
}

/// Spreads a tag: the high half chooses the word, the low bits choose the counters.
fn mix(tag: u32) -> u64 {
    let product = (u64::from(tag) ^ 0x9e37_79b9).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (product ^ (product >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// Where the four counters of a key begin in its word, one in each quarter.
fn shifts(mixed: u64) -> [u32; 4] {
    [0, 1, 2, 3].map(|quarter| quarter * 16 + ((mixed >> (2 * quarter)) as u32 & 3) * 4)
}

#[cfg(test)]
mod tests {
    use super::{MAX_COUNT, Sketch};

    #[test]
    fn an_estimate_is_never_too_low_and_seldom_too_high() {
        let mut sketch = Sketch::new(1);
        sketch.resize(4096);
        let tag = |i: u32| i.wrapping_mul(0x9e37_79b1);
        for i in 0..2048 {
            sketch.raise(tag(i), (i % 15 + 1) as u8);
        }
        let estimates = (0..2048).map(|i| (sketch.estimate(tag(i)), (i % 15 + 1) as u8));
        assert!(estimates.clone().all(|(estimate, count)| estimate >= count));
        let exact = estimates.filter(|(estimate, count)| estimate == count).count();
        assert!(exact > 1700, "only {exact} of 2,048 are exact");
        let unseen = (2048..4096).filter(|&i| sketch.estimate(tag(i)) == 0).count();
        assert!(unseen > 1700, "only {unseen} of 2,048 unseen keys are known to be unseen");
    }

    #[test]
    fn aging_all_parts_halves_every_count_once() {
        let mut sketch = Sketch::new(1);
        sketch.resize(16);
        sketch.raise(7, 200);
        assert_eq!(sketch.estimate(7), MAX_COUNT);
        for part in 0..64 {
            sketch.age(part, 64);
        }
        assert_eq!(sketch.estimate(7), 7);
    }

    #[test]
    fn a_larger_sketch_still_knows_what_it_knew() {
        let mut sketch = Sketch::new(1);
        sketch.resize(16);
        sketch.raise(7, 5);
        sketch.resize(100_000);
        assert_eq!(sketch.estimate(7), 5);
        sketch.resize(16);
        assert_eq!(Sketch::new(1).estimate(7), 0);
    }
}
