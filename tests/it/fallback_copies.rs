//! What a peer keeps of values that it does not own.

use std::time::Duration;

use geecache::{Group, Loaded, PeerErrorKind};

use crate::support::{CountingGetter, Hand, MemoryPeers, value_of};

/// Two peers on one clock, of which the second does not answer.
fn peers_without_the_second(
    hand: &Hand,
    fallback_ttl: Duration,
    source: impl Fn(&str) -> Loaded + Copy + Send + Sync + 'static,
) -> MemoryPeers {
    let peers = MemoryPeers::built(
        2,
        |_| CountingGetter::with(move |key| Ok(source(key))),
        |getter| {
            Group::builder("memory", 64 << 20, getter)
                .fallback_ttl(fallback_ttl)
                .clock(hand.clock())
                .build()
        },
    );
    peers.node(1).link.break_with(PeerErrorKind::Protocol);
    peers
}

#[test]
fn a_value_loaded_in_the_owner_s_place_is_kept_for_the_fallback_ttl() {
    let hand = Hand::default();
    let ttl = Duration::from_secs(10);
    let peers = peers_without_the_second(&hand, ttl, |key| value_of(key).into());
    let key = peers.key_owned_by(&[1]);
    let node = peers.node(0);
    node.group.get(&key).unwrap();
    assert_eq!(node.group.main_cache_stats().entries, 0, "the main cache is for what one owns");
    assert_eq!(node.group.hot_cache_stats().entries, 1);

    hand.advance(ttl - Duration::from_millis(1));
    node.group.get(&key).unwrap();
    assert_eq!((node.getter.calls(), node.stats().hits), (1, 1));

    hand.advance(Duration::from_millis(1));
    node.group.get(&key).unwrap();
    assert_eq!(node.getter.calls(), 2, "its time was over");
    assert_eq!(node.group.hot_cache_stats().expired, 1);
    assert_eq!(node.group.main_cache_stats().entries, 0);
}

#[test]
fn the_owner_is_asked_again_when_the_copy_is_gone() {
    let hand = Hand::default();
    let ttl = Duration::from_secs(10);
    let peers = peers_without_the_second(&hand, ttl, |key| value_of(key).into());
    let key = peers.key_owned_by(&[1]);
    peers.node(0).group.get(&key).unwrap();
    peers.node(1).link.mend();
    hand.advance(ttl);
    peers.node(0).group.get(&key).unwrap();
    assert_eq!(peers.node(1).getter.calls(), 1);
    assert_eq!(peers.node(0).getter.calls(), 1);
}

#[test]
fn a_fallback_ttl_of_zero_keeps_nothing() {
    let hand = Hand::default();
    let peers = peers_without_the_second(&hand, Duration::ZERO, |key| value_of(key).into());
    let key = peers.key_owned_by(&[1]);
    for _ in 0..2 {
        peers.node(0).group.get(&key).unwrap();
    }
    assert_eq!(peers.node(0).getter.calls(), 2);
    assert_eq!(peers.node(0).group.hot_cache_stats().entries, 0);
}

#[test]
fn a_copy_lives_no_longer_than_the_value_itself() {
    let hand = Hand::default();
    let brief = |key: &str| Loaded::from(value_of(key)).ttl(Duration::from_secs(1));
    let peers = peers_without_the_second(&hand, Duration::from_secs(10), brief);
    let key = peers.key_owned_by(&[1]);
    peers.node(0).group.get(&key).unwrap();
    hand.advance(Duration::from_secs(1));
    peers.node(0).group.get(&key).unwrap();
    assert_eq!(peers.node(0).getter.calls(), 2);
}

#[test]
fn a_value_s_own_ttl_ends_it_in_the_main_cache() {
    let hand = Hand::default();
    let getter =
        CountingGetter::with(|key| Ok(Loaded::from(value_of(key)).ttl(Duration::from_secs(5))));
    let group = Group::builder("brief", 64 << 20, getter.clone()).clock(hand.clock()).build();
    group.get("Tom").unwrap();
    hand.advance(Duration::from_secs(3));
    let served = group.peer_side().get("Tom").unwrap();
    assert_eq!(served.time_to_live(), Some(Duration::from_secs(2)), "peers hear what is left");
    hand.advance(Duration::from_secs(2));
    group.get("Tom").unwrap();
    assert_eq!(getter.calls(), 2);
}

#[test]
fn a_ttl_of_zero_is_served_and_not_kept() {
    let getter = CountingGetter::with(|key| Ok(Loaded::from(value_of(key)).ttl(Duration::ZERO)));
    let group =
        Group::builder("gone", 64 << 20, getter.clone()).clock(Hand::default().clock()).build();
    for _ in 0..2 {
        assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    }
    assert_eq!(getter.calls(), 2);
}
