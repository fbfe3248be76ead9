//! Keys that do not exist.

use std::time::Duration;

use geecache::{Error, Group, HotCache, Loaded, NotFound};

use crate::support::{
    Condition, CountingGetter, Hand, MemoryPeers, Versions, value_at, version_of,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn assert_absent(group: &Group, key: &str) {
    let answer = group.get(key);
    assert!(matches!(&answer, Err(Error::NotFound { key: k, .. }) if k == key), "{answer:?}");
}

/// A source without "kkk", and a group that remembers absence for 5 s and values for 10 s.
fn without_kkk(hand: &Hand) -> (Versions, CountingGetter, Group) {
    let source = Versions::default();
    source.make("kkk", Condition::Absent);
    let getter = source.getter();
    let group = Group::builder("alone", 64 << 20, getter.clone())
        .ttl(10 * SECOND)
        .negative_ttl(5 * SECOND)
        .stale_while_revalidate(10 * SECOND)
        .stale_if_error(10 * SECOND)
        .clock(hand.clock())
        .build();
    (source, getter, group)
}

#[test]
fn absence_is_not_remembered_unless_the_group_is_told_to() {
    let getter = CountingGetter::with(|_| Ok(Loaded::absent()));
    let group = Group::new("alone", 1 << 20, getter.clone());
    for _ in 0..3 {
        assert_absent(&group, "kkk");
    }
    assert_eq!(getter.calls(), 3);
    let stats = group.stats();
    assert_eq!((stats.local_loads, stats.local_load_errors, stats.negative_hits), (3, 0, 0));
}

#[test]
fn absence_is_remembered_for_its_ttl_and_no_longer() {
    let hand = Hand::default();
    let (source, getter, group) = without_kkk(&hand);
    for _ in 0..3 {
        assert_absent(&group, "kkk");
    }
    let stats = group.stats();
    assert_eq!((stats.gets, stats.hits, stats.negative_hits), (3, 2, 2));
    assert_eq!(getter.calls(), 1);
    source.make("kkk", Condition::Present);
    hand.advance(5 * SECOND - MS);
    assert_absent(&group, "kkk");
    hand.advance(MS);
    assert_eq!(version_of(&group.get("kkk").unwrap()), 0, "no stale span for what is not there");
    assert_eq!((group.stats().refreshes, group.stats().hits_stale), (0, 0));
}

#[test]
fn each_absence_may_have_a_ttl_of_its_own() {
    let hand = Hand::default();
    let getter = CountingGetter::with(|key| {
        Ok(if key == "brief" { Loaded::absent().ttl(SECOND) } else { Loaded::absent() })
    });
    let group = Group::builder("alone", 64 << 20, getter.clone()).clock(hand.clock()).build();
    for _ in 0..2 {
        assert_absent(&group, "brief");
        assert_absent(&group, "other");
    }
    assert_eq!((getter.calls_of("brief"), getter.calls_of("other")), (1, 2));
    hand.advance(SECOND);
    assert_absent(&group, "brief");
    assert_eq!(getter.calls_of("brief"), 2);
}

#[test]
fn the_error_not_found_is_absence_too() {
    let hand = Hand::default();
    let getter = CountingGetter::with(|_| Err(NotFound.into()));
    let group = Group::builder("alone", 64 << 20, getter.clone())
        .negative_ttl(SECOND)
        .clock(hand.clock())
        .build();
    for _ in 0..2 {
        assert_absent(&group, "kkk");
        assert!(matches!(group.get_many(&["kkk"])[0], Err(Error::NotFound { .. })));
    }
    assert_eq!((getter.calls(), group.stats().negative_hits), (1, 3));
}

#[test]
fn absence_takes_room_in_the_cache_and_is_removed_like_a_value() {
    let hand = Hand::default();
    let (source, _, group) = without_kkk(&hand);
    assert_absent(&group, "kkk");
    let cache = group.main_cache_stats();
    assert_eq!((cache.entries, cache.bytes), (1, 3), "the key's own bytes");
    assert!(cache.charged_bytes > 3);
    source.make("kkk", Condition::Present);
    group.remove("kkk");
    assert_eq!(version_of(&group.get("kkk").unwrap()), 0);
}

#[test]
fn an_absent_key_takes_the_place_of_its_older_value() {
    let hand = Hand::default();
    let (source, _, group) = without_kkk(&hand);
    group.get("Tom").unwrap();
    source.make("Tom", Condition::Absent);
    hand.advance(20 * SECOND);
    assert_absent(&group, "Tom");
    hand.advance(SECOND);
    assert_absent(&group, "Tom");
    assert_eq!(group.stats().negative_hits, 1);
}

#[test]
fn what_is_inserted_is_absent_no_more() {
    let hand = Hand::default();
    let (source, getter, group) = without_kkk(&hand);
    assert_absent(&group, "kkk");
    let written = source.write("kkk");
    group.insert("kkk", value_at(written)).unwrap();
    assert_eq!(version_of(&group.get("kkk").unwrap()), written);
    group.insert("kkk", Loaded::absent()).unwrap();
    assert_absent(&group, "kkk");
    assert_eq!(getter.calls(), 1);
}

#[test]
fn the_owner_s_absence_is_final_and_its_copy_lives_no_longer() {
    let (hand, source) = (Hand::default(), Versions::default());
    let build = |getter| {
        Group::builder("memory", 64 << 20, getter)
            .negative_ttl(5 * SECOND)
            .hot_cache(HotCache::Always)
            .clock(hand.clock())
            .build()
    };
    let peers = MemoryPeers::built(2, |_| source.getter(), build);
    let key = peers.key_owned_by(&[1]);
    source.make(&key, Condition::Absent);
    let (asker, owner) = (peers.node(0), peers.node(1));
    assert_absent(&owner.group, &key);
    hand.advance(3 * SECOND);
    for _ in 0..3 {
        assert_absent(&asker.group, &key);
    }
    assert_eq!((owner.link.requests(), asker.stats().negative_hits), (1, 2));
    assert_eq!(owner.stats().negative_hits, 1);
    source.make(&key, Condition::Present);
    hand.advance(2 * SECOND);
    assert_eq!(version_of(&asker.group.get(&key).unwrap()), 0);
    assert_eq!((asker.getter.calls(), owner.getter.calls()), (0, 2));
}
