use std::num::NonZeroUsize;

use super::slots::ListName;
use super::{Accounting, Cache, CacheOptions, Eviction, Found, Meta};
use crate::byteview::ByteView;
use crate::sync::lock;

mod hit_ratio;
mod model;
mod room;
mod threads;
mod walk;

fn exact_lru(max_bytes: u64) -> Cache {
    cache(max_bytes, 1, Eviction::Lru, Accounting::PayloadOnly)
}

fn cache(max_bytes: u64, shards: usize, eviction: Eviction, accounting: Accounting) -> Cache {
    let shards = NonZeroUsize::new(shards);
    Cache::new(CacheOptions { max_bytes, shards, eviction, accounting })
}

fn insert(cache: &Cache, key: &str, value: &str) -> bool {
    cache.insert(key, Some(&ByteView::from(value)), Meta::default(), 0, || true)
}

fn get(cache: &Cache, key: &str) -> Option<ByteView> {
    cache.get(key, || unreachable!("the entry can not die"))?.into_value()
}

#[test]
fn a_cache_of_2_kib_is_one_exact_lru() {
    let (eviction, accounting) = (Eviction::Lru, Accounting::PayloadOnly);
    let cache = Cache::new(CacheOptions { max_bytes: 2048, shards: None, eviction, accounting });
    assert_eq!(cache.shard_count, 1);
    for i in 0..256 {
        assert!(insert(&cache, &format!("{i:04}"), "1234"));
    }
    assert_eq!(cache.stats().bytes, 2048);
    assert_eq!(get(&cache, "0000").as_deref(), Some(&b"1234"[..]));
    assert!(insert(&cache, "next", "1234"));
    assert_eq!(get(&cache, "0001"), None);
    assert!(get(&cache, "0000").is_some() && get(&cache, "next").is_some());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions, stats.entries), (3, 1, 1, 256));
}

#[test]
fn there_are_shards_for_the_cores_in_all_but_the_smallest_caches() {
    let count = |max_bytes, shards| {
        let (eviction, accounting) = (Eviction::Adaptive, Accounting::Real);
        let cache = Cache::new(CacheOptions { max_bytes, shards, eviction, accounting });
        cache.shard_count
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let for_cores = (8 * cores).next_power_of_two().min(4096);
    assert_eq!(count((3 << 20) - 1, None), 1);
    assert_eq!(count(3 << 20, None), 2);
    assert_eq!(count((8 << 20) - 1, None), for_cores.min(4));
    assert_eq!(count(8 << 20, None), for_cores.min(8));
    assert_eq!(count(for_cores as u64 * (3 << 19), None), for_cores);
    // No shard of more than 64 MiB, within reason.
    assert_eq!(count((2 * for_cores as u64) << 26, None), (2 * for_cores).min(4096));
    assert_eq!(count(u64::MAX, None), 4096);
    assert_eq!(count(1024, NonZeroUsize::new(5)), 8);
}

#[test]
fn nothing_is_cached_in_a_cache_of_no_bytes() {
    let cache = exact_lru(0);
    assert!(!insert(&cache, "", ""));
    assert_eq!(get(&cache, ""), None);
}

#[test]
fn a_value_too_large_is_counted_and_evicts_nothing() {
    for eviction in [Eviction::Lru, Eviction::Adaptive] {
        let cache = cache(16, 1, eviction, Accounting::PayloadOnly);
        assert!(insert(&cache, "a", "1"));
        assert!(!insert(&cache, "b", "0123456789abcdef"));
        assert!(get(&cache, "a").is_some());
        let stats = cache.stats();
        assert_eq!((stats.rejected, stats.evictions, stats.entries, stats.bytes), (1, 0, 1, 2));
        assert!(!insert(&cache, "a", "0123456789abcdef"));
        assert_eq!(get(&cache, "a"), None, "an outdated value must not stay");
        cache.validate();
    }
}

#[test]
fn what_is_wanted_stays_wherever_it_fits() {
    let sizes = [0, 80, 300, 3_000, 9_000, 9_994];
    for eviction in [Eviction::Lru, Eviction::Adaptive] {
        for (size, asked) in sizes.into_iter().flat_map(|size| [(size, 0), (size, 3)]) {
            let cache = cache(10_000, 1, eviction, Accounting::PayloadOnly);
            let others: Vec<String> = (0..1_000).map(|i| format!("{i:010}")).collect();
            for _ in 0..=asked {
                for key in &others {
                    if get(&cache, key).is_none() {
                        insert(&cache, key, "");
                    }
                }
            }
            for value in ["x".repeat(size), "y".repeat(size)] {
                let view = ByteView::from(value.as_str());
                assert!(cache.insert_wanted("wanted", Some(&view), Meta::default(), 0, || true));
                cache.validate();
                assert!(get(&cache, "wanted").is_some_and(|it| it == *value), "{size}");
            }
            let large = ByteView::from(vec![0; 9_996]);
            assert!(!cache.insert_wanted("wanted", Some(&large), Meta::default(), 0, || true));
            assert_eq!(get(&cache, "wanted"), None);
        }
    }
}

#[test]
fn values_that_are_inserted_by_the_thousand_leave_what_is_asked_for_again_and_again() {
    let cache = cache(1_000 * 10, 1, Eviction::Adaptive, Accounting::PayloadOnly);
    for _ in 0..5 {
        for i in 0..400 {
            let key = format!("hot{i:05}");
            if get(&cache, &key).is_none() {
                insert(&cache, &key, "12");
            }
        }
    }
    for i in 0..10_000 {
        assert!(cache.insert_wanted(&format!("all{i:06}"), None, Meta::default(), 0, || true));
    }
    let left = (0..400).filter(|i| get(&cache, &format!("hot{i:05}")).is_some()).count();
    assert!(left >= 390, "{left} of 400 are left");
    cache.validate();
}

#[test]
fn replacing_a_value_counts_the_difference() {
    for eviction in [Eviction::Lru, Eviction::Adaptive] {
        let cache = cache(100, 1, eviction, Accounting::PayloadOnly);
        for value in ["long value", "", "longer value than before"] {
            assert!(insert(&cache, "key", value));
            assert_eq!(get(&cache, "key").as_deref(), Some(value.as_bytes()));
            assert_eq!(cache.stats().charged_bytes, 3 + value.len() as u64);
            cache.validate();
        }
        assert_eq!(cache.stats().evictions, 0);
    }
}

#[test]
fn a_veto_leaves_everything_as_it_was() {
    let cache = exact_lru(16);
    assert!(insert(&cache, "a", "1"));
    assert!(!cache.insert("a", None, Meta::default(), 0, || false));
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_dead_entry_is_a_miss_and_leaves() {
    let cache = exact_lru(100);
    let meta = Meta { dead_at: 10, load_ms: u32::MAX };
    assert!(cache.insert("absent", None, meta, 0, || true));
    assert_eq!(cache.get("absent", || 9), Some(Found::unmarked(None, meta)));
    assert_eq!(cache.peek("absent", || 10), None);
    assert_eq!(cache.stats().entries, 1);
    assert_eq!(cache.get("absent", || 10), None);
    let stats = cache.stats();
    assert_eq!((stats.expired, stats.entries, stats.bytes, stats.hits), (1, 0, 0, 1));
}

#[test]
fn dead_entries_go_before_live_ones() {
    for eviction in [Eviction::Lru, Eviction::Adaptive] {
        let cache = cache(40, 1, eviction, Accounting::PayloadOnly);
        for i in 0..10 {
            let dead_at = if i < 5 { 0 } else { 10 };
            let meta = Meta { dead_at, load_ms: 0 };
            assert!(cache.insert(&format!("old{i}"), None, meta, 0, || true));
        }
        for i in 0..5 {
            let key = format!("new{i}");
            cache.insert(&key, None, Meta::default(), 10, || true);
            cache.validate();
        }
        let stats = cache.stats();
        assert_eq!((stats.expired, stats.evictions), (5, 0), "{eviction:?}");
        assert!((0..5).all(|i| cache.peek(&format!("old{i}"), || 10).is_some()));
    }
}

#[test]
fn dead_entries_that_nobody_asks_for_are_swept() {
    let cache = exact_lru(1 << 20);
    for i in 0..1000 {
        assert!(cache.insert(&format!("{i}"), None, Meta { dead_at: 1, load_ms: 0 }, 0, || true));
    }
    for i in 0..1000 {
        assert!(cache.insert("one key", None, Meta { dead_at: 0, load_ms: i }, 2, || true));
    }
    assert_eq!((cache.stats().entries, cache.stats().expired), (1, 1000));
    cache.validate();
}

#[test]
fn dead_entries_leave_shards_that_nobody_works_in() {
    let cache = cache(64_000, 16, Eviction::Adaptive, Accounting::PayloadOnly);
    for i in 0..1_600 {
        cache.insert(&format!("{i:04}"), None, Meta { dead_at: 2, load_ms: 0 }, 1, || true);
    }
    insert(&cache, "alive", "");
    let entries = cache.stats().entries;
    // A table has at most 1.67 slots to an entry. Of 1,024 hits one looks at 32 slots, and each
    // entry that it drops counts as one more. A shard may have half as many again as others.
    for _ in 0..entries * 150 {
        assert!(cache.get("alive", || 2).is_some());
    }
    let own = lock(cache.shards().at(cache.shards().of(cache.hash.hash(b"alive")))).table().len();
    assert_eq!(cache.stats().entries, own as u64, "hits elsewhere drop all but those beside it");
    for _ in 0..own {
        assert!(cache.insert("alive", None, Meta::default(), 2, || true));
    }
    assert_eq!((cache.stats().entries, cache.stats().expired), (1, entries - 1));
    cache.validate();
}

#[test]
fn removing_and_clearing_leave_no_bytes() {
    let cache = exact_lru(100);
    assert!(insert(&cache, "a", "1") && insert(&cache, "b", "2"));
    assert!(cache.remove("a") && !cache.remove("a"));
    assert_eq!((cache.stats().bytes, cache.stats().charged_bytes), (2, 2));
    cache.clear();
    assert_eq!((cache.stats().bytes, cache.stats().entries, get(&cache, "b")), (0, 0, None));
    assert_eq!(cache.stats().inserts, 2, "what was counted stays");
    assert!(insert(&cache, "b", "2"));
    cache.validate();
}

#[test]
fn a_view_outlives_the_entry() {
    let cache = exact_lru(10);
    assert!(insert(&cache, "key", "value"));
    let view = get(&cache, "key").expect("just inserted");
    assert!(insert(&cache, "key", "other"));
    cache.clear();
    assert_eq!(view, "value");
}

#[test]
fn a_scan_does_not_wash_out_what_is_asked_for_again_and_again() {
    let cache = cache(1_000 * 10, 1, Eviction::Adaptive, Accounting::PayloadOnly);
    for round in 0..5 {
        for i in 0..800 {
            let key = format!("hot{i:05}");
            assert!(get(&cache, &key).is_some() || round == 0);
            insert(&cache, &key, "12");
        }
    }
    for i in 0..10_000 {
        insert(&cache, &format!("scan{i:06}"), "");
    }
    let left = (0..800).filter(|i| get(&cache, &format!("hot{i:05}")).is_some()).count();
    assert!(left >= 790, "{left} of 800 survived the scan");
    cache.validate();
}

#[test]
fn a_protected_entry_is_moved_and_counted_once_in_a_period() {
    let cache = cache(64 << 10, 1, Eviction::Adaptive, Accounting::PayloadOnly);
    for n in 0..100 {
        assert!(insert(&cache, &format!("{n:02}"), &"v".repeat(98)));
    }
    let order = || {
        let shard = lock(cache.shards().at(0));
        let keys = shard.table().order(ListName::Protected);
        keys.into_iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect::<Vec<_>>()
    };
    let count_of = |key: &str| {
        let shard = lock(cache.shards().at(0));
        let found = shard.table().find(cache.hash.hash(key.as_bytes()) as u32, key.as_bytes());
        shard.table().count(found.expect("it is there").0)
    };
    // After four requests a step ends, which halves the counts of some entries.
    for key in ["00", "01", "02", "02"] {
        assert!(get(&cache, key).is_some());
    }
    let count = count_of("00");
    assert!(get(&cache, "00").is_some());
    assert_eq!((order(), count_of("00")), (vec!["02".into(), "01".into(), "00".into()], count));
    // Longer than a period.
    for _ in 0..200 {
        assert!(get(&cache, "02").is_some());
    }
    let count = count_of("00");
    assert!(get(&cache, "00").is_some());
    assert_eq!(order(), ["00", "02", "01"]);
    assert_eq!(count_of("00"), count + 1);
}

#[test]
fn a_value_larger_than_the_window_pushes_nobody_else_out_of_it() {
    let cache = cache(10_000, 1, Eviction::Adaptive, Accounting::PayloadOnly);
    for i in 0..1_500 {
        insert(&cache, &format!("{i:010}"), "");
    }
    let newest = |cache: &Cache| {
        (1_475..1_500).filter(|i| cache.peek(&format!("{i:010}"), || 0).is_some()).count()
    };
    assert_eq!(newest(&cache), 25);
    assert!(!insert(&cache, "huge", &"x".repeat(5_000)), "nobody ever asked for it before");
    assert_eq!(newest(&cache), 25);
    cache.validate();
}
