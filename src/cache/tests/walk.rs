//! Walks over a cache that others use, and what is added from such a walk.

use std::collections::{HashMap, HashSet};

use super::{cache, get, insert};
use crate::byteview::ByteView;
use crate::cache::Body;
use crate::cache::{Accounting, Addition, Cache, Eviction, Heat, Meta, Resident};
use crate::testing::with_seeds;

const ALL: u64 = u64::MAX;

fn roomy(eviction: Eviction) -> Cache {
    cache(10 << 20, 4, eviction, Accounting::PayloadOnly)
}

/// All that a walk meets when nobody else is there.
fn walked(cache: &Cache) -> Vec<Resident> {
    let mut walk = cache.walk();
    std::iter::from_fn(|| cache.hottest(&mut walk, ALL, 1)).flatten().collect()
}

fn keys(residents: &[Resident]) -> Vec<String> {
    residents.iter().map(|it| it.key().to_owned()).collect()
}

fn add(cache: &Cache, resident: &Resident) -> Addition {
    let found = resident.found();
    let kept_with = (found.meta(), resident.heat());
    let value = found.into_value();
    cache.add(resident.key(), Body::new(value.as_deref(), None), kept_with, 1, || true)
}

#[test]
fn each_entry_is_met_once_and_those_that_are_asked_for_most_come_first() {
    for eviction in [Eviction::Adaptive, Eviction::Lru] {
        let cache = roomy(eviction);
        for n in 0..5_000 {
            assert!(insert(&cache, &n.to_string(), "v"));
        }
        let hot: HashSet<String> = (0..50).map(|n| (n * 97).to_string()).collect();
        for _ in 0..4 {
            hot.iter().for_each(|key| assert!(get(&cache, key).is_some()));
        }
        let met = keys(&walked(&cache));
        assert_eq!(met.len(), 5_000);
        assert_eq!(met.iter().collect::<HashSet<_>>().len(), 5_000);
        if eviction == Eviction::Adaptive {
            assert_eq!(met[..50].iter().cloned().collect::<HashSet<_>>(), hot);
        }
        cache.validate();
    }
}

#[test]
fn a_walk_over_a_cache_without_entries_ends_at_once() {
    let empty = roomy(Eviction::Adaptive);
    assert!(walked(&empty).is_empty());
    insert(&empty, "a", "v");
    let mut walk = empty.walk();
    empty.clear();
    assert!(empty.hottest(&mut walk, ALL, 1).is_none());
}

#[test]
fn a_chunk_has_few_entries_and_no_more_bytes_than_wanted_or_one_entry() {
    let cache = roomy(Eviction::Adaptive);
    for n in 0..2_000 {
        insert(&cache, &format!("{n:04}"), "123456");
    }
    insert(&cache, "long", &"x".repeat(1_000));
    let (mut walk, mut met) = (cache.walk(), 0);
    while let Some(chunk) = cache.hottest(&mut walk, 100, 1) {
        let long = chunk.iter().any(|it| it.key() == "long");
        assert!(chunk.len() <= 10 && (!long || chunk.len() == 1), "{}", chunk.len());
        met += chunk.len();
    }
    assert_eq!(met, 2_001);
    let mut walk = cache.walk();
    while let Some(chunk) = cache.hottest(&mut walk, ALL, 1) {
        assert!(chunk.len() <= 65, "under one lock");
    }
}

#[test]
fn dead_entries_are_not_met() {
    let cache = roomy(Eviction::Adaptive);
    let value = ByteView::from("v");
    for (key, dead_at) in [("dead", 10), ("alive", 11), ("for ever", 0)] {
        cache.insert(key, Some(&value), Meta { dead_at, load_ms: 0 }, 1, || true);
    }
    let mut walk = cache.walk();
    let met: Vec<_> = std::iter::from_fn(|| cache.hottest(&mut walk, ALL, 10)).flatten().collect();
    let met: HashSet<_> = keys(&met).into_iter().collect();
    assert_eq!(met, HashSet::from(["alive".to_owned(), "for ever".to_owned()]));
}

/// What stays is met once, whatever comes, goes, moves, grows hot or is replaced meanwhile. What is
/// met has a value that its key had since the walk began.
#[test]
fn what_stays_is_met_once_while_others_come_and_go() {
    with_seeds(10, |random| {
        let cache = roomy(Eviction::Adaptive);
        let stays = |n: u64| format!("stays {n}");
        (0..400).for_each(|n| assert!(insert(&cache, &stays(n), "v")));
        let mut values: HashMap<String, HashSet<String>> = HashMap::new();
        for n in 0..random.below(1_000) {
            let key = format!("other {n}");
            insert(&cache, &key, "0");
            values.entry(key).or_default().insert("0".to_owned());
        }
        let mut walk = cache.walk();
        let mut met = Vec::new();
        let mut step = 0;
        while let Some(chunk) = cache.hottest(&mut walk, random.below(200), 1) {
            for resident in &chunk {
                let value = resident.found().into_value().expect("all have values");
                let value = String::from_utf8(value.to_vec()).expect("a text");
                let known = values.get(resident.key()).is_some_and(|it| it.contains(&value));
                assert!(known || value == "v", "{} never was {value}", resident.key());
            }
            met.extend(keys(&chunk));
            for _ in 0..random.below(60) {
                step += 1;
                let other = format!("other {}", random.below(3_000));
                match random.below(4) {
                    0 => drop(cache.remove(&other)),
                    1 => drop(get(&cache, &stays(random.below(400)))),
                    _ => {
                        values.entry(other.clone()).or_default().insert(step.to_string());
                        insert(&cache, &other, &step.to_string());
                    }
                }
            }
        }
        let mut stayed: Vec<_> = met.into_iter().filter(|key| key.starts_with("stays")).collect();
        stayed.sort_unstable();
        let mut all: Vec<_> = (0..400).map(stays).collect();
        all.sort_unstable();
        assert_eq!(stayed, all);
        cache.validate();
    });
}

#[test]
fn what_is_added_takes_free_room_only_and_never_the_place_of_a_newer_value() {
    for eviction in [Eviction::Adaptive, Eviction::Lru] {
        let cache = cache(100, 1, eviction, Accounting::PayloadOnly);
        let add = |key: &str, keep: bool| {
            cache.add(
                key,
                Body::new(Some(b"12345678"), None),
                (Meta::default(), Heat::default()),
                1,
                || keep,
            )
        };
        assert!(insert(&cache, "k0", "newer"));
        assert_eq!(add("k0", true), Addition::IsThere);
        assert_eq!(add("k1", false), Addition::Unwanted);
        let added = (1..20).map(|n| add(&format!("k{n}"), true));
        let added = added.take_while(|it| *it == Addition::Kept).count();
        assert_eq!(added, 9, "93 of 100 bytes are free");
        assert_eq!(get(&cache, "k0").as_deref(), Some(&b"newer"[..]));
        assert_eq!(cache.stats().evictions, 0);
        cache.validate();
        // Those that came last are the coldest, and leave first.
        (0..4).for_each(|_| assert!(get(&cache, "k0").is_some()));
        cache.insert_wanted("new", Some(&ByteView::from("12345678")), Meta::default(), 1, || true);
        assert_eq!(get(&cache, "k9"), None);
        assert!(get(&cache, "k1").is_some());
        cache.validate();
    }
}

#[test]
fn a_dead_entry_of_its_key_does_not_keep_another_one_out() {
    let cache = roomy(Eviction::Adaptive);
    let value = ByteView::from("old");
    cache.insert("key", Some(&value), Meta { dead_at: 5, load_ms: 0 }, 1, || true);
    let meta = Meta { dead_at: 9, load_ms: 7 };
    assert_eq!(
        cache.add("key", Body::new(None, None), (meta, Heat::default()), 5, || true),
        Addition::Kept
    );
    assert_eq!(cache.peek("key", || 6).expect("it is there").meta(), meta);
    assert_eq!((cache.stats().expired, cache.stats().entries), (1, 1));
    let too_large = vec![0; 20 << 20];
    let addition =
        cache.add("b", Body::new(Some(&too_large), None), (meta, Heat::default()), 5, || true);
    assert_eq!(addition, Addition::NoRoom);
    cache.validate();
}

#[test]
fn what_was_hot_in_one_cache_is_hot_in_the_one_that_it_is_added_to() {
    let [old, new] = [0, 1].map(|_| roomy(Eviction::Adaptive));
    for n in 0..1_000 {
        insert(&old, &n.to_string(), "v");
    }
    for n in (0..1_000).step_by(50) {
        (0..6).for_each(|_| assert!(get(&old, &n.to_string()).is_some()));
    }
    let met = walked(&old);
    assert!(met.iter().all(|it| add(&new, it) == Addition::Kept));
    let (before, after) = (keys(&met), keys(&walked(&new)));
    let hot = |keys: &[String]| keys[..20].iter().cloned().collect::<HashSet<_>>();
    assert_eq!(hot(&before), hot(&after));
    assert_eq!(before.len(), after.len());
    new.validate();
}
