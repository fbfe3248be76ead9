//! How long values live, here and as copies; the clock is the tests' own.

use std::sync::Arc;
use std::time::Duration;

use geecache::{Group, HotCache, Loaded};

use crate::support::{
    CountingGetter, Gate, Hand, MemoryPeers, Point, Versions, all_at_once, start, until, value_of,
    version_of,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn peers_on(hand: &Hand, source: &Versions, count: usize, ttl: Duration) -> MemoryPeers {
    let build = |getter| {
        let builder =
            Group::builder("memory", 64 << 20, getter).ttl(ttl).hot_cache(HotCache::Always);
        builder.clock(hand.clock()).build()
    };
    MemoryPeers::built(count, |_| source.getter(), build)
}

#[test]
fn a_value_is_served_up_to_its_ttl_and_loaded_anew_after_it() {
    let (hand, getter) = (Hand::default(), CountingGetter::new());
    let group = Group::builder("alone", 64 << 20, getter.clone())
        .ttl(10 * SECOND)
        .clock(hand.clock())
        .build();
    group.get("Tom").unwrap();
    hand.advance(10 * SECOND - MS);
    group.get("Tom").unwrap();
    assert_eq!(getter.calls(), 1);
    hand.advance(MS);
    group.get("Tom").unwrap();
    assert_eq!(getter.calls(), 2);
    let cache = group.main_cache_stats();
    assert_eq!((cache.hits, cache.misses, cache.expired, cache.entries), (1, 2, 1, 1));
    let stats = group.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads, stats.hits_stale), (3, 1, 2, 0));
}

#[test]
fn the_getter_s_ttl_goes_before_the_group_s() {
    let hand = Hand::default();
    let getter = CountingGetter::with(|key| {
        let loaded = Loaded::from(value_of(key));
        Ok(match key {
            "brief" => loaded.ttl(SECOND),
            "long" => loaded.ttl(100 * SECOND),
            "never" => loaded.ttl(Duration::ZERO),
            _ => loaded,
        })
    });
    let group = Group::builder("alone", 64 << 20, getter.clone())
        .ttl(10 * SECOND)
        .clock(hand.clock())
        .build();
    let keys = ["brief", "default", "long", "never"];
    let loads = || {
        group.get_many(&keys);
        keys.map(|key| getter.calls_of(key))
    };
    assert_eq!(loads(), [1, 1, 1, 1]);
    assert_eq!(loads(), [1, 1, 1, 2]);
    hand.advance(SECOND);
    assert_eq!(loads(), [2, 1, 1, 3]);
    hand.advance(9 * SECOND);
    assert_eq!(loads(), [3, 2, 1, 4]);
    hand.advance(90 * SECOND);
    assert_eq!(loads(), [4, 3, 2, 5]);
}

#[test]
fn without_a_ttl_a_value_outlives_everything() {
    let (hand, getter) = (Hand::default(), CountingGetter::new());
    let group = Group::builder("alone", 64 << 20, getter.clone()).clock(hand.clock()).build();
    for _ in 0..3 {
        group.get("Tom").unwrap();
        hand.advance(Duration::from_secs(1 << 40));
    }
    assert_eq!(getter.calls(), 1);
}

#[test]
fn a_ttl_beyond_all_time_is_no_trouble() {
    for jitter in [0.0, 1e-20, 0.5, 1.0] {
        let getter = CountingGetter::new();
        let builder =
            Group::builder("alone", 64 << 20, getter.clone()).ttl(Duration::MAX).ttl_jitter(jitter);
        let group = builder.stale_if_error(Duration::MAX).build();
        for n in 0..100 {
            group.get(&n.to_string()).unwrap();
            group.get(&n.to_string()).unwrap();
        }
        assert_eq!(getter.calls(), 100);
    }
}

#[test]
fn keys_loaded_together_expire_apart_with_jitter() {
    let (hand, getter) = (Hand::default(), CountingGetter::new());
    let builder = Group::builder("alone", 64 << 20, getter.clone()).ttl(SECOND).ttl_jitter(0.5);
    let group = builder.clock(hand.clock()).build();
    let keys: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let alive = || keys.iter().filter(|key| group.peer_side().peek(key).is_some()).count();
    group.get_many(&keys);
    hand.advance(500 * MS - MS);
    assert_eq!(alive(), 200, "none lives shorter than the jitter allows");
    hand.advance(250 * MS);
    assert!((40..160).contains(&alive()), "{} are alive in the middle", alive());
    hand.advance(251 * MS);
    assert_eq!(alive(), 0, "none lives longer than its ttl");
}

#[test]
fn a_copy_ends_with_the_owner_s_value() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_on(&hand, &source, 2, 10 * SECOND);
    let key = peers.key_owned_by(&[1]);
    peers.node(1).group.get(&key).unwrap();
    hand.advance(6 * SECOND);
    peers.node(0).group.get(&key).unwrap();
    source.write(&key);
    hand.advance(4 * SECOND - MS);
    assert_eq!(version_of(&peers.node(0).group.get(&key).unwrap()), 0);
    assert_eq!(peers.node(1).link.requests(), 1);
    hand.advance(MS);
    assert_eq!(version_of(&peers.node(0).group.get(&key).unwrap()), 1);
}

#[test]
fn a_copy_ends_with_the_owner_s_value_however_long_the_answer_was_under_way() {
    for batch in [false, true] {
        let (hand, source, gate) = (Hand::default(), Versions::default(), Gate::closed());
        let peers = peers_on(&hand, &source, 2, 10 * SECOND);
        let key = peers.key_owned_by(&[1]);
        peers.node(1).link.hold(Point::GetAnswered, &gate);
        let asked = {
            let (group, key) = (peers.node(0).group.clone(), key.clone());
            start(move || match batch {
                false => group.get(&key).unwrap(),
                true => group.get_many(&[&key]).remove(0).unwrap(),
            })
        };
        gate.wait_for_arrivals(1);
        hand.advance(6 * SECOND);
        gate.open();
        asked.result();
        hand.advance(4 * SECOND);
        source.write(&key);
        assert_eq!(version_of(&peers.node(0).group.get(&key).unwrap()), 1, "batch: {batch}");
    }
}

#[test]
fn a_copy_lives_no_longer_than_the_hot_ttl() {
    let (hand, source) = (Hand::default(), Versions::default());
    let build = |getter| {
        let builder = Group::builder("memory", 64 << 20, getter).hot_cache(HotCache::Always);
        builder.hot_ttl(3 * SECOND).clock(hand.clock()).build()
    };
    let peers = MemoryPeers::built(2, |_| source.getter(), build);
    let key = peers.key_owned_by(&[1]);
    for expected in [1, 2, 3] {
        peers.node(0).group.get(&key).unwrap();
        hand.advance(3 * SECOND - MS);
        peers.node(0).group.get(&key).unwrap();
        assert_eq!(peers.node(1).link.requests(), expected);
        hand.advance(MS);
    }
}

#[test]
fn an_expiry_of_a_hot_key_costs_one_load_in_the_whole_cluster() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = Arc::new(peers_on(&hand, &source, 3, SECOND));
    let key = peers.key_owned_by(&[1]);
    for expiry in 1..=20 {
        let shared = (Arc::clone(&peers), key.clone());
        all_at_once(64, move |thread| {
            let (peers, key) = &shared;
            peers.node(thread % 3).group.get(key).unwrap();
        });
        assert_eq!(peers.calls(), expiry);
        hand.advance(SECOND);
    }
}

#[test]
fn refreshing_ahead_loads_before_the_expiry_and_serves_meanwhile() {
    let hand = Hand::default();
    // XFetch looks at how long a load takes, by the clock of the group.
    let slow = CountingGetter::with({
        let hand = hand.clone();
        move |key| {
            hand.advance(Duration::from_millis(3));
            Ok(value_of(key).into())
        }
    });
    let group = Group::builder("alone", 64 << 20, slow.clone())
        .ttl(10 * SECOND)
        .refresh_ahead(1e6)
        .clock(hand.clock())
        .build();
    until("a get had the value refreshed", || {
        group.get("Tom").unwrap();
        group.stats().refreshes > 0
    });
    let stats = group.stats();
    assert_eq!((stats.hits_stale, stats.loads), (0, 1), "nobody waited, and nothing was stale");
}

#[test]
fn without_the_option_nothing_is_refreshed_ahead() {
    let hand = Hand::default();
    let getter = CountingGetter::new();
    let group =
        Group::builder("alone", 64 << 20, getter.clone()).ttl(SECOND).clock(hand.clock()).build();
    for _ in 0..999 {
        group.get("Tom").unwrap();
        hand.advance(MS);
    }
    assert_eq!((group.stats().refreshes, getter.calls()), (0, 1));
}
