//! Values that are decoded once for each entry, and live as long as it does.

use std::sync::{Arc, Weak};
use std::time::Duration;

use geecache::{ByteView, Group, TypedGroup};

use super::{RUBBISH, Text, Texts, assert_same, counted, texts_of};
use crate::support::{
    CountingGetter, Hand, MemoryPeers, Random, Versions, all_at_once, until, value_at, value_of,
    version_of,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_value_in_memory_is_decoded_once() {
    let (group, _) = counted();
    let value = group.get("Tom").unwrap();
    for again in 0..10 {
        assert_same(&group.get("Tom").unwrap(), &value);
        assert_same(group.get_many(["Tom"])[0].as_ref().unwrap(), &value);
        assert_same(&group.peek("Tom").unwrap(), &value);
        assert_same(&group.clone().get("Tom").unwrap(), &value);
        assert_eq!(group.typed_stats().decodes, 1, "at the {again}th time");
    }
    let stats = group.typed_stats();
    assert_eq!((stats.decoded, stats.decode_errors, stats.evictions), (1, 0, 0));
    assert!(stats.decoded_bytes > value.len() as u64 && stats.max_decoded_bytes == 1 << 20);
}

#[test]
fn a_copy_of_what_a_peer_owns_is_decoded_once() {
    let peers = MemoryPeers::new(2);
    let key = peers.key_owned_by(&[1]);
    let group: Texts = TypedGroup::over(peers.node(0).group.clone(), Text);
    // The second fetch is kept.
    group.get(&key).unwrap();
    let value = group.get(&key).unwrap();
    assert_same(&group.get(&key).unwrap(), &value);
    assert_eq!(peers.node(0).stats().copy_hits, 1);
    assert_eq!(group.typed_stats().decodes, 2, "each fetch is decoded, and no hit");
}

#[test]
fn a_value_of_an_older_entry_is_not_served() {
    let (hand, source) = (Hand::default(), Versions::default());
    let below = Group::builder("texts", 1 << 20, source.getter())
        .ttl(10 * SECOND)
        .stale_while_revalidate(10 * SECOND)
        .clock(hand.clock())
        .build();
    let group: Texts = TypedGroup::over(below, Text);
    let shown = || version(&group.get("Tom").unwrap());
    let before = shown();
    source.write("Tom");
    assert_eq!(shown(), before);
    hand.advance(21 * SECOND);
    assert_eq!(shown(), before + 1, "after it expired");
    source.write("Tom");
    hand.advance(11 * SECOND);
    assert_eq!(shown(), before + 1, "stale");
    until("it is refreshed", || shown() == before + 2);
    source.write("Tom");
    group.remove("Tom");
    assert_eq!(shown(), before + 3);
    group.insert("Tom", value_at(before + 9)).unwrap();
    assert_eq!(shown(), before + 9);
    group.group().clear();
    assert_eq!(shown(), before + 3);
}

#[test]
fn values_are_freed_when_their_entries_are_removed_by_anyone() {
    let peers = MemoryPeers::new(2);
    let keys = peers.keys_owned_by(&[0], 3);
    let group: Texts = TypedGroup::over(peers.node(0).group.clone(), Text);
    let weak = |key: &str| Arc::downgrade(&group.get(key).unwrap());
    let values: Vec<Weak<String>> = keys.iter().map(|key| weak(key)).collect();
    assert!(values.iter().all(|value| value.strong_count() == 1));
    group.remove(&keys[0]);
    assert_eq!(values[0].strong_count(), 0);
    peers.node(1).group.remove(&keys[1]);
    assert_eq!(values[1].strong_count(), 0);
    peers.node(1).group.clear();
    assert_eq!(values[2].strong_count(), 0);
    assert_eq!((group.typed_stats().decoded, group.typed_stats().decoded_bytes), (0, 0));
}

#[test]
fn values_of_entries_that_made_room_for_others_are_freed() {
    // Room for a few entries.
    let group: Texts = TypedGroup::over(Group::new("texts", 8 << 10, CountingGetter::new()), Text);
    let mut values = Vec::new();
    for n in 0..2000 {
        values.push(Arc::downgrade(&group.get(&n.to_string()).unwrap()));
    }
    let entries = group.group().main_cache_stats().entries;
    assert!(entries < 100, "{entries}");
    let alive = values.iter().filter(|value| value.strong_count() > 0).count();
    assert!(alive < 200, "{alive} values for {entries} entries");
    // Loads that have nothing to do with types free them as well.
    for n in 0..2000 {
        group.group().get(&format!("other {n}")).unwrap();
    }
    let alive = values.iter().filter(|value| value.strong_count() > 0).count();
    assert!(alive <= entries as usize, "{alive} values");
}

#[test]
fn values_stay_within_a_bound_of_their_own() {
    let below = || Group::new("texts", 16 << 20, CountingGetter::new());
    let group: Texts = TypedGroup::builder_over(below(), Text)
        .decoded_bytes(100 << 10)
        .weigher(|value| value.len() as u64 + 1024)
        .build();
    for _ in 0..2 {
        for n in 0..1000 {
            assert_eq!(*group.get(&n.to_string()).unwrap(), value_of(&n.to_string()));
            let stats = group.typed_stats();
            assert!(stats.decoded_bytes <= 100 << 10 && stats.decoded < 100, "{stats:?}");
        }
    }
    let stats = group.typed_stats();
    assert!(stats.decodes > 1800 && stats.evictions > 1800, "{stats:?}");
    assert_eq!(group.group().stats().hits, 1000, "the bytes are all there");

    let group: Texts = TypedGroup::builder_over(below(), Text).decoded_bytes(0).build();
    assert!((0..10).all(|_| group.get("Tom").is_ok()));
    let stats = group.typed_stats();
    assert_eq!((stats.decodes, stats.decoded, stats.decoded_bytes), (10, 0, 0));
}

#[test]
fn two_typed_groups_over_one_group_have_values_of_their_own() {
    let (group, _) = counted();
    let other: TypedGroup<str, String> = TypedGroup::over(group.group().clone(), Text);
    let (ours, theirs) = (group.get("Tom").unwrap(), other.get("Tom").unwrap());
    assert!(ours == theirs && !Arc::ptr_eq(&ours, &theirs));
    let versioned = texts_of(1, group.group());
    group.group().insert("Tom", RUBBISH).unwrap();
    assert!(versioned.get("Tom").is_err() && group.get("Tom").is_ok());
}

/// The version that a value tells.
fn version(value: &str) -> u64 {
    version_of(&ByteView::from(value))
}

#[test]
fn nobody_sees_a_value_from_before_a_removal() {
    let source = Versions::default();
    let group: Texts = TypedGroup::over(Group::new("texts", 64 << 10, source.getter()), Text);
    all_at_once(4, move |thread| {
        let mut random = Random::new(thread as u64);
        for _ in 0..500 {
            let key = format!("key {}", random.below(20));
            if random.below(10) == 0 {
                let written = source.write(&key);
                group.remove(&key);
                assert!(version(&group.get(&key).unwrap()) >= written);
            } else {
                assert!(version(&group.get(&key).unwrap()) <= source.version(&key));
            }
        }
    });
}
