//! The keys that are asked for most.

use std::time::Duration;

use geecache::{Group, Registry};

use crate::support::{CountingGetter, Hand, MemoryPeers, Random, alone};

/// Asks for "hot" in `percent` of `gets`, and for other keys, each of them seldom.
fn ask(group: &Group, percent: u64, gets: u64) {
    let mut random = Random::new(gets);
    for _ in 0..gets {
        let is_hot = random.below(100) < percent;
        let key = if is_hot { "hot".to_owned() } else { random.below(1_000_000).to_string() };
        let _ = group.get(&key);
    }
}

fn keys_of(group: &Group, count: usize) -> Vec<String> {
    group.hot_keys(count).into_iter().map(|hot| hot.key).collect()
}

#[test]
fn a_hot_key_stands_first_with_its_share_in_memory_or_not() {
    for cache_bytes in [1 << 20, 0] {
        let group = Group::new("hot", cache_bytes, CountingGetter::new());
        assert!(group.hot_keys(10).is_empty());
        ask(&group, 30, 40_000);
        let hot = group.hot_keys(1).remove(0);
        assert_eq!((&*hot.group, &*hot.key), ("hot", "hot"));
        assert!((0.2..0.4).contains(&hot.share), "{hot:?}");
        assert!(hot.gets_per_second > 0.0 && hot.share_error < 0.1, "{hot:?}");
        assert!(group.hot_keys(0).is_empty());
    }
}

#[test]
fn keys_of_batches_and_those_that_are_got_with_their_origin_count_as_well() {
    let group = alone(CountingGetter::new());
    for _ in 0..2_000 {
        group.get_many(&["Tom", "Tom", "Jack"]);
        group.get_with_origin("Tom").unwrap();
    }
    assert_eq!(keys_of(&group, 5), ["Tom", "Jack"]);
}

#[test]
fn what_peers_ask_for_counts_at_the_owner() {
    let peers = MemoryPeers::new(2);
    let key = peers.key_owned_by(&[1]);
    let side = peers.node(1).group.peer_side();
    (0..2_000).for_each(|_| drop(side.get(&key).unwrap()));
    assert_eq!(keys_of(&peers.node(1).group, 1), [key]);
    assert!(peers.node(0).group.hot_keys(1).is_empty());
}

#[test]
fn what_was_hot_fades_by_the_clock_of_the_group() {
    let hand = Hand::default();
    let group = Group::builder("hot", 1 << 20, CountingGetter::new()).clock(hand.clock()).build();
    let get = |key: &str, gets| (0..gets).for_each(|_| drop(group.get(key).unwrap()));
    get("past", 20_000);
    hand.advance(Duration::from_secs(1));
    let rate = group.hot_keys(1)[0].gets_per_second;
    assert!((14_000.0..26_000.0).contains(&rate), "{rate}");
    hand.advance(Duration::from_secs(29));
    get("present", 10_000);
    assert_eq!(keys_of(&group, 2), ["present", "past"]);
    hand.advance(Duration::from_secs(300));
    assert!(group.hot_keys(2).is_empty());
}

#[test]
fn a_group_can_be_told_to_know_none_or_few() {
    let ask = |keys| {
        let group = Group::builder("hot", 1 << 20, CountingGetter::new()).hot_keys(keys).build();
        (0..5_000).for_each(|n| drop(group.get(if n % 4 == 0 { "b" } else { "a" }).unwrap()));
        keys_of(&group, 10)
    };
    assert!(ask(0).is_empty());
    assert_eq!(ask(usize::MAX), ["a", "b"]);
    assert!(ask(1).len() <= 1);
}

#[test]
fn a_registry_tells_the_keys_of_all_its_groups_by_how_often_they_are_asked_for() {
    let (hand, registry) = (Hand::default(), Registry::new());
    for (name, gets) in [("few", 4_000), ("many", 40_000)] {
        let getter = CountingGetter::new();
        let group = Group::builder(name, 1 << 20, getter).clock(hand.clock()).build();
        registry.insert(&group).unwrap();
        (0..gets).for_each(|_| drop(group.get("Tom").unwrap()));
    }
    let groups = |count| -> Vec<String> {
        registry.hot_keys(count).into_iter().map(|hot| hot.group).collect()
    };
    assert_eq!(groups(5), ["many", "few"]);
    assert_eq!(groups(1), ["many"]);
}
