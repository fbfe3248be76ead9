//! Random operations against plain models.

use super::cache;
use crate::byteview::ByteView;
use crate::cache::entry::Meta;
use crate::cache::fuzz::{drive, store};
use crate::cache::slots::ListName;
use crate::cache::{Accounting, Eviction};
use crate::sync::lock;
use crate::testing::{Random, with_seeds};

#[test]
fn any_sequence_of_operations_keeps_the_bound_and_the_newest_values() {
    with_seeds(10, |random| {
        let bytes: Vec<u8> = (0..8_000).map(|_| random.next() as u8).collect();
        store(&bytes);
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
            let Some(shards) = cache.shards.get() else { continue };
            let shard = lock(shards.at(0));
            let expected: Vec<_> = model.entries.iter().map(|(key, _)| key.as_bytes()).collect();
            assert_eq!(shard.table().order(ListName::Window), expected);
        }
    });
}
