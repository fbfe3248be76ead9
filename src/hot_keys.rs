//! [`HotKey`]: a key that is asked for more than others; and [`HotKeyTable`], which finds them.
//!
//! The table looks at a sample of the gets, and keeps a bounded number of keys by the algorithm
//! Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k
//! Elements in Data Streams", 2005): a key that is not in a full table takes the place of the one
//! that was asked for least, and its count, as an error. Every 10 s all counts are halved, so the
//! past fades.

use std::cmp::Reverse;
use std::sync::Mutex;

use crate::random::SAMPLED_ONE_IN;
use crate::sync::{lock, try_lock};

/// So many keys are kept unless a group is told otherwise.
pub(crate) const DEFAULT_KEYS: usize = 64;
/// More keys are never kept.
const MOST_KEYS: usize = 256;
/// So many bytes of a key are kept. Longer keys are still told apart.
const KEY_BYTES: usize = 256;
/// Counts are halved every so many milliseconds.
const HALF_LIFE_MS: u64 = 10_000;
/// After so many gets somebody looks at the time.
const NOTES_TO_A_LOOK: u32 = 16;
/// A rate is told over no shorter time than this, in milliseconds.
const SHORTEST_SPAN_MS: f64 = 1000.0;
/// A key that was met less often is not told: most keys are met once by chance.
const LEAST_GETS: u64 = 2;

/// A key that is asked for more than others; from [`Group::hot_keys`](crate::Group::hot_keys).
///
/// All numbers are estimates. They are about the last 10 to 20 seconds: what came before counts
/// half as much with every 10 s. What is counted are the gets of this process and the questions of
/// its peers, in memory or not; about one in 64 of them is looked at, chosen by chance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HotKey {
    /// The name of its group.
    pub group: String,
    /// The key. Of a longer one, the first 256 bytes.
    pub key: String,
    /// How often it is asked for, per second.
    pub gets_per_second: f64,
    /// The part of the gets of its group that ask for it, 0.0 to 1.0.
    pub share: f64,
    /// By how much `share` may be too high because the table is bounded. Chance comes on top.
    pub share_error: f64,
}

/// The keys of a group that are asked for most.
#[derive(Debug)]
pub(crate) struct HotKeyTable {
    most: usize,
    table: Mutex<HotTable>,
}

/// The numbers of a key stand in three lists, since a look-up reads only the first of them.
#[derive(Debug, Default)]
struct HotTable {
    tags: Vec<u32>,
    gets: Vec<u64>,
    rest: Vec<KeyAndError>,
    /// No key has a lower count; and where one with this count was found last.
    least: u64,
    search_at: usize,
    /// Counts the gets, to look at the time now and then.
    noted: u32,
    /// Gets of all keys.
    all: u64,
    /// When the counts were halved last, or the first get came; 0 is never.
    halved_at: u64,
    /// How long they were counted before, halved as they are.
    span_before: f64,
}

#[derive(Debug)]
struct KeyAndError {
    key: String,
    /// The count may be too high by this.
    error: u64,
}

impl HotKeyTable {
    /// A table of up to `keys` keys; `None` for no keys.
    pub(crate) fn new(keys: usize) -> Option<Self> {
        let most = keys.min(MOST_KEYS);
        (most > 0).then(|| Self { most, table: Mutex::default() })
    }

    /// Counts a get of `key`, which has this hash. One that meets another is lost, rather than to
    /// wait. `now` tells the time in milliseconds; it is called now and then, and without the lock.
    pub(crate) fn note(&self, hash: u64, key: &str, now: impl FnOnce() -> u64) {
        let Some(mut table) = try_lock(&self.table) else { return };
        // Of two keys in billions that have the same tag, both count for the first.
        table.note(self.most, hash as u32, key);
        let is_due = table.noted % NOTES_TO_A_LOOK == 0;
        table.noted = table.noted.wrapping_add(1);
        drop(table);
        if is_due {
            let now = now();
            lock(&self.table).age(now);
        }
    }

    /// The keys that were asked for most, up to `count` of them, those first that are surest.
    pub(crate) fn top(&self, count: usize, group: &str, now: u64) -> Vec<HotKey> {
        let mut table = lock(&self.table);
        table.age(now);
        table.top(count, group, now)
    }
}

impl HotTable {
    fn note(&mut self, most: usize, tag: u32, key: &str) {
        self.all += 1;
        if let Some(at) = position(&self.tags, tag) {
            self.gets[at] += 1;
            return;
        }
        let key = start_of(key);
        if self.tags.len() < most {
            self.least = 1;
            self.tags.push(tag);
            self.gets.push(1);
            self.rest.push(KeyAndError { key: key.to_owned(), error: 0 });
            return;
        }
        let at = self.find_least();
        let gets = self.gets[at];
        self.tags[at] = tag;
        self.gets[at] = gets + 1;
        let rest = &mut self.rest[at];
        rest.error = gets;
        // The memory of the old key serves the new one.
        rest.key.clear();
        rest.key.push_str(key);
    }

    /// The place of a key that was asked for least. There is one.
    ///
    /// Among keys that are asked for alike many have the least count, so the next one is near.
    fn find_least(&mut self) -> usize {
        for _ in 0..self.gets.len() {
            self.search_at = (self.search_at + 1) % self.gets.len();
            if self.gets[self.search_at] == self.least {
                return self.search_at;
            }
        }
        self.least = self.gets.iter().min().copied().unwrap_or_default();
        self.search_at = self.gets.iter().position(|gets| *gets == self.least).unwrap_or_default();
        self.search_at
    }

    /// Halves the counts for each half-life that has passed.
    fn age(&mut self, now: u64) {
        if self.halved_at == 0 {
            self.halved_at = now;
        }
        let halvings = now.saturating_sub(self.halved_at) / HALF_LIFE_MS;
        if halvings == 0 {
            return;
        }
        self.halved_at += halvings * HALF_LIFE_MS;
        let by = halvings.min(63) as u32;
        for _ in 0..by {
            self.span_before = (self.span_before + HALF_LIFE_MS as f64) / 2.0;
        }
        self.least >>= by;
        self.all >>= by;
        self.gets.iter_mut().for_each(|gets| *gets >>= by);
        self.rest.iter_mut().for_each(|rest| rest.error >>= by);
        for at in (0..self.gets.len()).rev() {
            if self.gets[at] == 0 {
                self.tags.swap_remove(at);
                self.gets.swap_remove(at);
                self.rest.swap_remove(at);
            }
        }
    }

    fn top(&self, count: usize, group: &str, now: u64) -> Vec<HotKey> {
        let span = self.span_before + now.saturating_sub(self.halved_at) as f64;
        let seconds = span.max(SHORTEST_SPAN_MS) / 1000.0;
        let all = self.all.max(1) as f64;
        let entries = self.gets.iter().zip(&self.rest);
        let mut sure: Vec<(u64, u64, &KeyAndError)> = entries
            .map(|(&gets, rest)| (gets.saturating_sub(rest.error), gets, rest))
            .filter(|(sure, ..)| *sure >= LEAST_GETS)
            .collect();
        sure.sort_by(|a, b| (Reverse(a.0), &a.2.key).cmp(&(Reverse(b.0), &b.2.key)));
        let told = sure.into_iter().take(count);
        told.map(|(_, gets, rest)| HotKey {
            group: group.to_owned(),
            key: rest.key.clone(),
            gets_per_second: gets as f64 * f64::from(SAMPLED_ONE_IN) / seconds,
            share: (gets as f64 / all).min(1.0),
            share_error: (rest.error as f64 / all).min(1.0),
        })
        .collect()
    }
}

/// Where `tag` is. Looks at many at once, as processors can.
fn position(tags: &[u32], tag: u32) -> Option<usize> {
    const AT_ONCE: usize = 16;
    let has = |tags: &[u32]| tags.iter().fold(false, |found, it| found | (*it == tag));
    let chunk = tags.chunks(AT_ONCE).position(has)?;
    let from = chunk * AT_ONCE;
    tags[from..].iter().position(|it| *it == tag).map(|at| from + at)
}

/// The part of a key that is kept.
fn start_of(key: &str) -> &str {
    let end = (0..=KEY_BYTES.min(key.len())).rev().find(|&end| key.is_char_boundary(end));
    &key[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::{BuildHasher, RandomState};

    use super::*;
    use crate::testing::with_seeds;

    /// A table with a hash of its own.
    struct Bench {
        table: HotKeyTable,
        hasher: RandomState,
        now: u64,
    }

    impl Bench {
        fn new(keys: usize) -> Self {
            let table = HotKeyTable::new(keys).unwrap();
            Self { table, hasher: RandomState::new(), now: 1 }
        }

        fn note(&self, key: &str) {
            self.table.note(self.hasher.hash_one(key), key, || self.now);
        }

        fn top(&self, count: usize) -> Vec<String> {
            self.top_with_numbers(count).into_iter().map(|hot| hot.key).collect()
        }

        fn top_with_numbers(&self, count: usize) -> Vec<HotKey> {
            self.table.top(count, "group", self.now)
        }
    }

    #[test]
    fn a_hot_key_is_found_among_many_more_keys_than_the_table_holds() {
        with_seeds(20, |random| {
            let bench = Bench::new(64);
            let mut exact = HashMap::new();
            for _ in 0..20_000 {
                let key = match random.below(10) {
                    0 | 1 => "hot".to_owned(),
                    2 => "warm".to_owned(),
                    _ => random.below(100_000).to_string(),
                };
                bench.note(&key);
                *exact.entry(key).or_insert(0_u64) += 1;
            }
            let top = bench.top_with_numbers(2);
            assert_eq!((&*top[0].key, &*top[1].key), ("hot", "warm"));
            for hot in top {
                let exact = exact[&hot.key] as f64 / 20_000.0;
                let least = hot.share - hot.share_error;
                assert!(least <= exact && exact <= hot.share, "{hot:?} for {exact}");
            }
        });
    }

    /// The promise of the algorithm, at every time, against exact counts.
    #[test]
    fn counts_are_never_too_low_and_too_high_by_no_more_than_their_error() {
        with_seeds(50, |random| {
            let keys = 1 + random.below(8) as usize;
            let bench = Bench::new(keys);
            let mut exact = HashMap::new();
            for _ in 0..500 {
                let size = 1 + random.below(20);
                let key = random.below(size).to_string();
                bench.note(&key);
                *exact.entry(key).or_insert(0_u64) += 1;
                let table = lock(&bench.table.table);
                assert!(table.tags.len() <= keys);
                assert!(table.gets.iter().all(|gets| *gets >= table.least));
                for (gets, rest) in table.gets.iter().zip(&table.rest) {
                    let exact = exact[&rest.key];
                    assert!((gets - rest.error..=*gets).contains(&exact), "{rest:?}: {exact}");
                }
            }
        });
    }

    #[test]
    fn what_was_hot_gives_way_to_what_is_hot_now() {
        let mut bench = Bench::new(64);
        for _ in 0..1000 {
            bench.note("past");
        }
        bench.now += 3 * HALF_LIFE_MS;
        for _ in 0..200 {
            bench.note("present");
        }
        assert_eq!(bench.top(5), ["present", "past"]);
        bench.now += 20 * HALF_LIFE_MS;
        assert_eq!(bench.top(5), [""; 0]);
        assert!(lock(&bench.table.table).rest.is_empty(), "nothing is kept of them");
    }

    #[test]
    fn rates_are_true_however_long_the_traffic_goes_on() {
        let mut bench = Bench::new(64);
        let sampled_per_second = 100;
        for second in 1..=35 {
            for _ in 0..sampled_per_second {
                bench.note("steady");
            }
            bench.now += 1000;
            let [hot] = &bench.top_with_numbers(5)[..] else { panic!("one key is hot") };
            let exact = f64::from(SAMPLED_ONE_IN * sampled_per_second);
            let told = hot.gets_per_second / exact;
            assert!((0.95..1.05).contains(&told), "{told} of the rate after {second} s");
            assert_eq!((hot.share, hot.share_error), (1.0, 0.0));
        }
    }

    #[test]
    fn keys_met_once_are_not_hot_and_long_keys_are_cut() {
        let bench = Bench::new(1000);
        (0..1000).for_each(|n| bench.note(&n.to_string()));
        assert_eq!(bench.top(5), [""; 0]);
        assert_eq!(lock(&bench.table.table).rest.len(), MOST_KEYS);
        let bench = Bench::new(64);
        let long = "é".repeat(1000);
        let other = format!("{long}x");
        for key in [&long, &long, &other, &other] {
            bench.note(key);
        }
        assert_eq!(bench.top(5), [&long[..256], &long[..256]]);
        assert_eq!(start_of(&format!("x{long}")).len(), 255);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut bench = Bench::new(64);
        bench.now = 50_000;
        bench.note("key");
        bench.note("key");
        bench.now = 1;
        bench.note("key");
        assert_eq!(bench.top(1), ["key"]);
    }

    #[test]
    fn no_keys_take_no_table() {
        assert!(HotKeyTable::new(0).is_none());
    }
}
