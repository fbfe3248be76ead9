//! Copies of what other peers own: which are made, and how much room they have.

use std::num::NonZeroU32;
use std::time::Duration;

use geecache::{Group, HotCache};

use crate::support::{CountingGetter, Hand, MemoryPeers};

fn peers_with(hand: &Hand, rule: HotCache) -> MemoryPeers {
    let build = |getter| {
        let builder = Group::builder("memory", 1 << 20, getter).hot_cache(rule);
        builder.clock(hand.clock()).build()
    };
    MemoryPeers::built(2, |_| CountingGetter::new(), build)
}

/// How many requests `gets` gets of one key of the other peer cost.
fn requests(rule: HotCache, gets: usize, pause: Duration) -> usize {
    let hand = Hand::default();
    let peers = peers_with(&hand, rule);
    let key = peers.key_owned_by(&[1]);
    for _ in 0..gets {
        peers.node(0).group.get(&key).unwrap();
        hand.advance(pause);
    }
    peers.node(1).link.requests()
}

#[test]
fn a_copy_is_kept_from_the_second_fetch_on() {
    assert_eq!(requests(HotCache::default(), 10, Duration::from_secs(1)), 2);
    assert_eq!(HotCache::default(), HotCache::SecondHit);
}

#[test]
fn fetches_more_than_ten_seconds_apart_make_no_copy() {
    assert_eq!(requests(HotCache::SecondHit, 5, Duration::from_millis(10_001)), 5);
    assert_eq!(requests(HotCache::SecondHit, 3, Duration::from_secs(10)), 2);
}

#[test]
fn off_keeps_no_copy_and_always_keeps_the_first() {
    assert_eq!(requests(HotCache::Off, 5, Duration::ZERO), 5);
    assert_eq!(requests(HotCache::Always, 5, Duration::ZERO), 1);
}

#[test]
fn dice_decide_fetch_by_fetch() {
    let one_in = |n| HotCache::OneIn(NonZeroU32::new(n).unwrap());
    assert_eq!(requests(one_in(1), 5, Duration::ZERO), 1);
    assert_eq!(requests(one_in(u32::MAX), 5, Duration::ZERO), 5);
    let of_a_hundred = (0..100).map(|_| requests(one_in(10), 2, Duration::ZERO));
    let copies = of_a_hundred.filter(|&requests| requests == 1).count();
    assert!((1..=40).contains(&copies), "{copies} of 100");
}

#[test]
fn copies_have_an_eighth_of_the_bytes_on_top_and_take_none_from_the_main_cache() {
    let hand = Hand::default();
    let peers = peers_with(&hand, HotCache::Always);
    let node = &peers.node(0).group;
    assert_eq!(node.main_cache_stats().max_bytes, 1 << 20);
    assert_eq!(node.hot_cache_stats().max_bytes, 1 << 17);
    let own = peers.keys_owned_by(&[0], 100);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    node.get_many(&own);
    let main = node.main_cache_stats();
    let theirs = peers.keys_owned_by(&[1], 4000);
    for key in &theirs {
        node.get(key).unwrap();
    }
    let (after, hot) = (node.main_cache_stats(), node.hot_cache_stats());
    assert_eq!((after.entries, after.charged_bytes), (main.entries, main.charged_bytes));
    assert!(hot.charged_bytes <= hot.max_bytes && hot.entries < 4000);
    assert!(hot.evictions + hot.rejected > 0, "there was not room for all");
}

#[test]
fn hits_in_a_copy_are_hits_of_the_group() {
    let hand = Hand::default();
    let peers = peers_with(&hand, HotCache::Always);
    let key = peers.key_owned_by(&[1]);
    for _ in 0..4 {
        peers.node(0).group.get(&key).unwrap();
    }
    let stats = peers.node(0).stats();
    assert_eq!((stats.gets, stats.hits, stats.loads, stats.peer_loads), (4, 3, 1, 1));
    let stats = peers.node(1).stats();
    assert_eq!((stats.gets, stats.hits, stats.server_requests, stats.loads), (0, 0, 1, 1));
}
