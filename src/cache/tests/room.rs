//! The one bound of a cache, and the soft shares of its shards.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Cache, cache, get};
use crate::byteview::ByteView;
use crate::cache::entry::{Body, Meta};
use crate::cache::{Accounting, CacheOptions, Eviction};
use crate::sync::lock;
use crate::tag::Marks;
use crate::testing::Random;

const BOTH: [Eviction; 2] = [Eviction::Lru, Eviction::Adaptive];

fn put(cache: &Cache, key: &str, bytes: u64) -> bool {
    let value = ByteView::from(vec![0; bytes as usize]);
    cache.insert(key, Some(&value), Meta::default(), 0, || true)
}

fn put_surely(cache: &Cache, key: &str, bytes: u64) -> bool {
    let value = ByteView::from(vec![0; bytes as usize]);
    cache.insert_wanted(key, Some(&value), Meta::default(), 0, || true)
}

/// Keys whose entries lie in shard `at`.
fn keys_of(cache: &Cache, at: usize) -> impl Iterator<Item = String> + '_ {
    let is_there = move |key: &String| cache.shards().of(cache.hash.hash(key.as_bytes())) == at;
    (0..).map(|i| format!("{i:08}")).filter(is_there)
}

fn charged(cache: &Cache, at: usize) -> u64 {
    lock(cache.shards().at(at)).table().charged()
}

#[test]
fn fifty_six_values_of_1_mib_fit_into_64_mib_of_default_shards() {
    let (eviction, accounting) = (Eviction::Adaptive, Accounting::Real);
    let options = CacheOptions { max_bytes: 64 << 20, shards: None, eviction, accounting };
    let cache = Cache::new(options);
    assert!((0..56).all(|i| put(&cache, &i.to_string(), 1 << 20)));
    assert!((0..56).all(|i| get(&cache, &i.to_string()).is_some()));
    cache.validate();
}

#[test]
fn a_quarter_of_the_cache_is_kept_and_no_more() {
    for (eviction, shards) in BOTH.into_iter().flat_map(|it| [(it, 4), (it, 16), (it, 64)]) {
        let cache = cache(80_000, shards, eviction, Accounting::PayloadOnly);
        assert!(put(&cache, "key", 20_000 - 3), "there is room");
        assert!((0..20_000).all(|i| put_surely(&cache, &format!("{i:010}"), 0)));
        assert!(cache.stats().charged_bytes > 79_900);
        assert!(!put_surely(&cache, "one too large", 20_000 - 12));
        assert!(put_surely(&cache, "just right", 20_000 - 10), "{shards} shards");
        assert!(get(&cache, "just right").is_some());
        cache.validate();
        // The others gave it the room. None of them lost all that it had.
        let least = (0..shards).map(|at| charged(&cache, at)).min();
        assert!(least.is_some_and(|it| it > 30_000 / shards as u64), "{least:?} of {shards}");
    }
}

#[test]
fn a_shard_takes_what_is_left_and_gives_it_back_when_others_want_it() {
    for eviction in BOTH {
        let cache = cache(16_000, 16, eviction, Accounting::PayloadOnly);
        for key in keys_of(&cache, 3).take(2_000) {
            assert!(put(&cache, &key, 0), "the cache has room");
        }
        assert_eq!((charged(&cache, 3), cache.stats().evictions), (16_000, 0));
        for at in (0..16).filter(|at| *at != 3) {
            for key in keys_of(&cache, at).take(125) {
                assert!(put(&cache, &key, 0), "it has its share");
                assert!(charged(&cache, 3) >= 1_000, "no more is taken than is above the share");
            }
            cache.validate();
        }
        assert!((0..16).all(|at| charged(&cache, at) == 1_000));
        assert_eq!((cache.stats().charged_bytes, cache.stats().evictions), (16_000, 1_875));
    }
}

#[test]
fn small_entries_beside_a_large_one_take_their_room_from_their_own_shards() {
    let cache = cache(16_000, 16, Eviction::Adaptive, Accounting::PayloadOnly);
    assert!(put_surely(&cache, "large", 3_995));
    for i in 0..10_000 {
        put_surely(&cache, &format!("{i:010}"), 0);
        // It is the least recently used of its shard now and then, but never for long.
        assert!(get(&cache, "large").is_some());
    }
    for at in 0..16 {
        let shard = lock(cache.shards().at(at));
        let small = shard.table().charged() - shard.table().large();
        assert!((700..800).contains(&small), "{small} of 750");
    }
    cache.validate();
}

#[test]
fn large_values_that_nobody_asked_for_before_wash_nothing_out() {
    let cache = cache(160_000, 16, Eviction::Adaptive, Accounting::PayloadOnly);
    let keys: Vec<String> = (0..14_000).map(|i| format!("{i:010}")).collect();
    for _ in 0..3 {
        for key in &keys {
            if get(&cache, key).is_none() {
                put(&cache, key, 0);
            }
        }
    }
    let mut refused = 0;
    for i in 0..200 {
        refused += u64::from(!put(&cache, &format!("large {i}"), 30_000));
    }
    assert!(refused >= 199, "only {refused} of 200 were refused");
    let left = keys.iter().filter(|key| get(&cache, key).is_some()).count();
    assert!(left > 12_900, "{left} of 14,000 are left");
    cache.validate();
}

#[test]
fn a_large_value_that_is_asked_for_twice_gets_in_where_the_others_no_longer_are() {
    let cache = cache(160_000, 16, Eviction::Adaptive, Accounting::PayloadOnly);
    for i in 0..16_000 {
        put(&cache, &format!("{i:010}"), 0);
    }
    for i in 0..160_000 {
        get(&cache, &format!("none of them {i}"));
    }
    assert!(!put(&cache, "large", 30_000), "for the first time");
    assert!(put(&cache, "large", 30_000), "for the second time");
    assert!(get(&cache, "large").is_some());
    cache.validate();
}

#[test]
fn values_of_a_quarter_from_eight_threads_are_all_kept_for_a_while() {
    for eviction in BOTH {
        let cache = cache(80_000, 16, eviction, Accounting::PayloadOnly);
        for i in 0..8_000 {
            put_surely(&cache, &format!("{i:010}"), 0);
        }
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let cache = &cache;
                scope.spawn(move || {
                    for i in 0..200 {
                        assert!(put_surely(cache, &format!("{thread}/{i}"), 19_000), "none gave");
                    }
                });
            }
        });
        cache.validate();
    }
}

#[test]
fn the_bound_holds_at_every_moment_whatever_eight_threads_do() {
    const MAX_BYTES: u64 = 20_000;
    for (eviction, shards) in BOTH.into_iter().flat_map(|it| [(it, 1), (it, 16)]) {
        let cache = cache(MAX_BYTES, shards, eviction, Accounting::PayloadOnly);
        let (ended, most) = (AtomicBool::new(false), AtomicU64::new(0));
        let work = |thread: u64| {
            let mut random = Random::new(thread);
            for _ in 0..3_000 {
                let key = format!("{:03}", random.below(600));
                // Most are small, and a few are as large as any may be.
                let bytes = match random.below(40) {
                    0 => random.below(MAX_BYTES / 4 - 10),
                    _ => random.below(100),
                };
                match random.below(8) {
                    0 => drop(cache.remove(&key)),
                    1 if random.below(100) == 0 => cache.clear(),
                    1 => assert!(put_surely(&cache, &key, bytes)),
                    2..=4 => drop(put(&cache, &key, bytes)),
                    _ => drop(cache.get(&key, || 0)),
                }
                most.fetch_max(cache.stats().charged_bytes, Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            let mut workers = Vec::new();
            for thread in 0..8 {
                workers.push(scope.spawn(move || work(thread)));
            }
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    most.fetch_max(cache.stats().charged_bytes, Ordering::SeqCst);
                    std::thread::yield_now();
                }
            });
            let panics = workers.into_iter().map(|it| u64::from(it.join().is_err())).sum::<u64>();
            ended.store(true, Ordering::SeqCst);
            assert_eq!(panics, 0, "threads panicked");
        });
        let most = most.into_inner();
        assert!(most <= MAX_BYTES && most > MAX_BYTES / 2, "{most} bytes");
        cache.validate();
    }
}

#[test]
fn a_panic_of_the_veto_gives_back_what_was_reserved() {
    let cache = cache(16_000, 16, Eviction::Adaptive, Accounting::PayloadOnly);
    for key in keys_of(&cache, 3).take(2_000) {
        put(&cache, &key, 0);
    }
    let asked = AtomicU64::new(0);
    let keep = || {
        // The first time, nothing was given yet.
        assert_eq!(asked.fetch_add(1, Ordering::SeqCst), 0, "as it must");
        true
    };
    let key = keys_of(&cache, 5).next().expect("there is one");
    let work = || cache.insert(&key, None, Meta::default(), 0, keep);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
    assert_eq!(cache.stats().charged_bytes, 16_000 - 8);
    cache.validate();
}

#[test]
fn a_dead_entry_gives_way_to_one_of_its_version_that_needs_room_from_other_shards() {
    let cache = cache(40_000, 4, Eviction::Adaptive, Accounting::PayloadOnly);
    assert!(put(&cache, "first", 0));
    let others: Vec<String> = {
        let shards = cache.shards.get().unwrap();
        let of = |key: &str| shards.of(cache.hash.hash(key.as_bytes()));
        let keys = (0..4_000).map(|n| format!("key {n}"));
        keys.filter(|key| of(key) != of("large")).collect()
    };
    let marks = Marks { version: Some(5), ..Marks::default() };
    let meta = |dead_at| Meta { dead_at, ..Meta::default() };
    let (value, longer) = (vec![1; 8_000], vec![2; 8_100]);
    let body = Body::new(Some(&value), Some(&marks));
    assert!(cache.insert_wanted("large", body, meta(10), 1, || true));
    for key in &others {
        put(&cache, key, 40);
    }
    assert!(cache.peek("large", || 5).is_some());
    let body = Body::new(Some(&longer), Some(&marks));
    assert!(cache.insert("large", body, meta(1_000), 20, || true));
    assert_eq!(cache.peek("large", || 20).unwrap().into_value().unwrap().len(), 8_100);
}
