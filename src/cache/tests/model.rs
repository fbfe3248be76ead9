//! Random operations against plain models.

use std::collections::HashMap;

use super::{Cache, cache};
use crate::byteview::ByteView;
use crate::cache::lists::ListName;
use crate::cache::{Accounting, Eviction, Found, Meta, Padded};
use crate::sync::lock;
use crate::testing::{Random, with_seeds};

/// Runs the operations that `bytes` spell, four bytes to each, against a cache and a map of what was inserted last. The cache may
/// have forgotten a key at any time, but what it has must be the last value, alive, and within the bound.
fn drive(cache: &Cache, bytes: &[u8]) {
    let mut newest: HashMap<String, Found> = HashMap::new();
    let mut now = 1;
    for (step, operation) in bytes.chunks_exact(4).enumerate() {
        let [what, key, size, life] = *operation else { unreachable!("chunks of four") };
        let key = format!("{:x}", key);
        match what % 16 {
            0..=5 => {
                // Squared, so that most values are small and a few are larger than a shard.
                let value =
                    (size > 3).then(|| ByteView::from(vec![what; usize::from(size).pow(2) / 16]));
                let dead_at = if life % 4 == 0 { now + u64::from(life) / 4 } else { 0 };
                let meta = Meta { dead_at, note: step as u32 };
                let kept = cache.insert(&key, value.as_ref(), meta, now, || true);
                let found = cache.peek(&key, || now);
                if dead_at != now {
                    assert_eq!(
                        kept,
                        found.is_some(),
                        "insertion must tell whether the entry is there"
                    );
                }
                newest.insert(key, Found { value, meta });
            }
            6 => assert!(!cache.insert(&key, None, Meta::default(), now, || false)),
            7..=12 => check(&newest, &key, now, cache.get(&key, || now)),
            13 => check(&newest, &key, now, cache.peek(&key, || now)),
            14 => {
                let removed = cache.remove(&key);
                assert!(!removed || newest.contains_key(&key));
                newest.remove(&key);
                assert_eq!(cache.peek(&key, || 0), None);
            }
            _ if life == 0 => {
                cache.clear();
                assert_eq!(cache.stats().entries, 0);
                newest.clear();
            }
            _ => now += u64::from(life) % 8,
        }
        cache.validate();
    }
    let stats = cache.stats();
    assert!(stats.entries <= newest.len() as u64);
}

fn check(newest: &HashMap<String, Found>, key: &str, now: u64, found: Option<Found>) {
    let Some(found) = found else { return };
    assert_eq!(Some(&found), newest.get(key), "an older value");
    assert!(found.meta.dead_at == 0 || found.meta.dead_at > now, "a dead entry");
}

#[test]
fn any_sequence_of_operations_keeps_the_bound_and_the_newest_values() {
    with_seeds(10, |random| {
        let eviction = [Eviction::Lru, Eviction::Adaptive][random.below(2) as usize];
        let accounting = [Accounting::Real, Accounting::PayloadOnly][random.below(2) as usize];
        let max_bytes = random.below(20_000);
        let cache = cache(max_bytes, 1 << random.below(3), eviction, accounting);
        let bytes: Vec<u8> = (0..8_000).map(|_| random.next() as u8).collect();
        drive(&cache, &bytes);
    });
}

#[test]
fn the_same_few_operations_over_and_over_do_no_harm_either() {
    with_seeds(20, |random| {
        let cache = cache(random.below(3_000), 1, Eviction::Adaptive, Accounting::PayloadOnly);
        let few: Vec<u8> = (0..4 * (1 + random.below(12))).map(|_| random.next() as u8).collect();
        drive(&cache, &few.repeat(40));
    });
}

/// An LRU in the plainest way: a `Vec`, most recently used first.
struct Model {
    entries: Vec<(String, usize)>,
    max_bytes: usize,
}

impl Model {
    fn touch(&mut self, key: &str) -> bool {
        let Some(at) = self.entries.iter().position(|(held, _)| held == key) else { return false };
        self.entries[..=at].rotate_right(1);
        true
    }

    fn insert(&mut self, key: &str, size: usize) {
        self.entries.retain(|(held, _)| held != key);
        if key.len() + size > self.max_bytes {
            return;
        }
        self.entries.insert(0, (key.to_owned(), size));
        while self.entries.iter().map(|(key, size)| key.len() + size).sum::<usize>()
            > self.max_bytes
        {
            self.entries.pop();
        }
    }
}

#[test]
fn one_shard_of_exact_lru_is_a_list_that_is_searched() {
    with_seeds(12, |random: &mut Random| {
        let max_bytes = random.below(600) as usize;
        let cache = cache(max_bytes as u64, 1, Eviction::Lru, Accounting::PayloadOnly);
        let mut model = Model { entries: Vec::new(), max_bytes };
        for _ in 0..1_500 {
            let key = format!("{:x}", random.below(100));
            if random.below(2) == 0 {
                assert_eq!(cache.get(&key, || 0).is_some(), model.touch(&key));
            } else {
                let size = random.below(30) as usize;
                let value = ByteView::from(vec![0; size]);
                cache.insert(&key, Some(&value), Meta::default(), 0, || true);
                model.insert(&key, size);
            }
            cache.validate();
            let Padded(shard) = &cache.shards[0];
            let shard = lock(shard);
            let expected: Vec<_> = model.entries.iter().map(|(key, _)| key.as_bytes()).collect();
            assert_eq!(shard.table().order(ListName::Window), expected);
        }
    });
}
