//! Look-ups of many keys: those of one shard under one lock.
//!
//! To take a lock, a processor waits for all memory that it has asked for before. Between look-ups
//! under one lock it does not, and asks for the next entry while it waits for the last one.

use crate::cache::departures::{Departure, Departures};
use crate::cache::shards::Shards;
use crate::cache::{Asker, Cache, Found, KeyHash};
use crate::sync::atomic::Ordering;
use crate::sync::lock;

impl Cache {
    /// As [`get_for`](Cache::get_for), for many keys; element *i* of the answer belongs to
    /// `keys[i]`.
    pub(crate) fn get_many_for(
        &self,
        asker: Asker,
        keys: &[&str],
        now: impl Fn() -> u64,
    ) -> Vec<Option<Found>> {
        let Some(shards) = self.shards.get() else {
            self.early_misses.fetch_add(keys.len() as u64, Ordering::Relaxed);
            return keys.iter().map(|_| None).collect();
        };
        let mut found = Vec::new();
        found.resize_with(keys.len(), || None);
        for (keys, found) in keys.chunks(MOST).zip(found.chunks_mut(MOST)) {
            if keys.len() < shards.count() {
                // Few have a lock in common, and to find those takes longer than all locks do.
                let one_by_one = keys.iter().map(|key| self.get_for(asker, key, &now));
                found.iter_mut().zip(one_by_one).for_each(|(place, it)| *place = it);
            } else {
                self.get_some(shards, asker, keys, found, &now);
            }
        }
        found
    }

    fn get_some(
        &self,
        shards: &Shards,
        asker: Asker,
        keys: &[&str],
        found: &mut [Option<Found>],
        now: impl Fn() -> u64,
    ) {
        let by_shard = ByShard::of(keys, self.hash, shards);
        for (at, first) in by_shard.first.iter().enumerate().filter(|(_, first)| **first != NONE) {
            let (mut gone, mut next, mut is_time_to_sweep) = (Departures::default(), *first, false);
            let mut shard = lock(shards.at(at));
            while next != NONE {
                let (place, (hash, after)) = (next, by_shard.keys[next]);
                is_time_to_sweep |= shard.is_time_to_sweep_elsewhere();
                match shard.get(hash as u32, keys[place].as_bytes(), asker, &now) {
                    Ok(it) => found[place] = Some(it),
                    Err(dead) => gone.push(dead, Departure::Expired),
                }
                next = after;
            }
            drop(shard);
            gone.report(&self.listener);
            if is_time_to_sweep {
                shards.sweep_another(at, &now);
            }
        }
    }
}

/// So many keys are looked up under one lock, at most: others wait for it.
const MOST: usize = 512;

/// No place.
const NONE: usize = usize::MAX;

/// The places of keys, by their shards, in lists that are linked through the keys.
struct ByShard {
    /// The first place of each shard.
    first: Vec<usize>,
    /// The hash of each key, and the next place of its shard.
    keys: Vec<(u64, usize)>,
}

impl ByShard {
    fn of(keys: &[&str], hash: KeyHash, shards: &Shards) -> Self {
        let mut first = vec![NONE; shards.count()];
        let mut linked: Vec<_> = keys.iter().map(|key| (hash.hash(key.as_bytes()), NONE)).collect();
        // From the end on, so that each list is in the order of the keys.
        for (place, (hash, next)) in linked.iter_mut().enumerate().rev() {
            *next = std::mem::replace(&mut first[shards.of(*hash)], place);
        }
        Self { first, keys: linked }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::cache::shard::CacheShard;
    use crate::cache::slots::ListName;
    use crate::cache::{Accounting, CacheOptions, Eviction, Meta};
    use crate::sync::Mutex;
    use crate::testing::with_seeds;

    fn cache() -> Cache {
        let (eviction, accounting) = (Eviction::Adaptive, Accounting::Real);
        let shards = NonZeroUsize::new(4);
        let cache = Cache::new(CacheOptions { max_bytes: 1 << 20, shards, eviction, accounting });
        Cache { hash: KeyHash::fixed(), ..cache }
    }

    /// The keys of each list of each shard, in the order of their use.
    fn orders(cache: &Cache) -> Vec<Vec<Vec<u8>>> {
        let Some(shards) = cache.shards.get() else { return Vec::new() };
        let lists = shards.iter().flat_map(|shard| ListName::ALL.map(|list| (shard, list)));
        let order = |(shard, list): (&Mutex<CacheShard>, ListName)| {
            lock(shard).table().order(list).into_iter().map(<[u8]>::to_vec).collect()
        };
        lists.map(order).collect()
    }

    #[test]
    fn many_keys_are_found_and_counted_as_one_after_the_other() {
        with_seeds(20, |random| {
            let (many, one_by_one) = (cache(), cache());
            for now in 1..20 {
                let keys: Vec<String> =
                    (0..random.below(40)).map(|_| random.below(60).to_string()).collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let expected: Vec<_> =
                    keys.iter().map(|key| one_by_one.get_for(Asker::Peer, key, || now)).collect();
                assert_eq!(many.get_many_for(Asker::Peer, &keys, || now), expected);
                assert_eq!(many.stats(), one_by_one.stats());
                assert_eq!(orders(&many), orders(&one_by_one));
                for _ in 0..10 {
                    let key = random.below(60).to_string();
                    let dead_at = random.below(2) * (now + random.below(5));
                    for cache in [&many, &one_by_one] {
                        let meta = Meta { dead_at, load_ms: 0 };
                        cache.insert(&key, Some(&key.as_str().into()), meta, now, || true);
                    }
                }
            }
        });
    }
}
