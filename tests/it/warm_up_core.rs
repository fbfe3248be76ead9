//! Keys that move to a new owner are taken over from the previous one.

use std::time::Duration;

use geecache::{ChangeStamp, Group, HotCache, PeerErrorKind};

use crate::support::{Condition, CountingGetter, Hand, MemoryPeers, Versions, version_of};

const SECOND: Duration = Duration::from_secs(1);

/// Two peers, and a third that is yet to join; values live for 10 s.
fn peers_before_the_third(hand: &Hand, source: &Versions) -> MemoryPeers {
    let build = |getter| {
        Group::builder("memory", 64 << 20, getter)
            .ttl(10 * SECOND)
            .stale_if_error(10 * SECOND)
            .hot_cache(HotCache::Always)
            .clock(hand.clock())
            .build()
    };
    MemoryPeers::growing(2, 3, |_| source.getter(), build)
}

#[test]
fn a_new_owner_takes_value_and_remaining_ttl_from_the_previous_one() {
    for batch in [false, true] {
        let (hand, source) = (Hand::default(), Versions::default());
        let peers = peers_before_the_third(&hand, &source);
        let key = peers.key_that_moves(0, 2);
        peers.node(0).group.get(&key).unwrap();
        hand.advance(6 * SECOND);
        peers.join(2);
        source.write(&key);
        let owner = peers.node(2);
        let value = match batch {
            false => owner.group.get(&key).unwrap(),
            true => owner.group.get_many(&[&key]).remove(0).unwrap(),
        };
        assert_eq!((version_of(&value), owner.getter.calls()), (0, 0));
        let stats = owner.stats();
        assert_eq!((stats.peeks, stats.peek_hits, stats.local_loads), (1, 1, 0));
        let previous = peers.node(0).stats();
        assert_eq!((previous.server_requests, previous.gets), (0, 1), "a peek is no request");
        hand.advance(4 * SECOND);
        assert_eq!(version_of(&owner.group.get(&key).unwrap()), 1, "its life was not renewed");
    }
}

#[test]
fn a_peer_s_request_has_the_new_owner_take_over_too() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    peers.join(2);
    peers.node(1).group.get(&key).unwrap();
    assert_eq!((peers.calls(), peers.node(2).stats().peek_hits), (1, 1));
}

#[test]
fn what_the_previous_owner_does_not_have_is_loaded() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.join(2);
    peers.node(2).group.get(&key).unwrap();
    let stats = peers.node(2).stats();
    assert_eq!((stats.peeks, stats.peek_hits, stats.local_loads), (1, 0, 1));
    assert_eq!(peers.node(0).getter.calls(), 0, "a peek never loads");
}

#[test]
fn an_expired_value_is_not_taken_over() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    peers.join(2);
    hand.advance(10 * SECOND);
    source.write(&key);
    assert_eq!(version_of(&peers.node(2).group.get(&key).unwrap()), 1);
    assert_eq!(peers.node(2).stats().peek_hits, 0);
}

#[test]
fn copies_are_not_handed_over() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_owned_by(&[1]);
    peers.node(0).group.get(&key).unwrap();
    assert!(peers.node(1).group.peer_side().peek(&key).is_some());
    assert!(peers.node(0).group.peer_side().peek(&key).is_none());
}

#[test]
fn a_previous_owner_that_does_not_answer_is_asked_once_for_a_batch() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.join(2);
    peers.node(0).link.break_with(PeerErrorKind::TimedOut);
    peers.node(1).link.break_with(PeerErrorKind::TimedOut);
    let owner = peers.node(2);
    assert!(owner.group.get(&key).is_ok());
    let keys = peers.keys_owned_by(&[2], 20);
    let keys: Vec<&str> = keys.iter().map(String::as_str).filter(|k| *k != key).collect();
    let questions = || peers.node(0).link.requests() + peers.node(1).link.requests();
    let before = questions();
    assert!(owner.group.get_many(&keys).iter().all(Result::is_ok));
    let asked = questions() - before;
    assert!((1..=2).contains(&asked), "{asked}: one for each of them, whatever the number of keys");
}

#[test]
fn nobody_is_asked_once_the_warm_up_is_over_or_for_keys_that_did_not_move() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let (moved, stayed) = (peers.key_that_moves(0, 2), peers.key_owned_by(&[0]));
    peers.join(2);
    peers.warmed_up();
    peers.node(2).group.get(&moved).unwrap();
    peers.node(0).group.get(&stayed).unwrap();
    for node in peers.nodes() {
        assert_eq!(node.stats().peeks, 0);
    }
}

#[test]
fn absence_is_taken_over_as_a_value_is() {
    let (hand, source) = (Hand::default(), Versions::default());
    let build = |getter: CountingGetter| {
        let builder = Group::builder("memory", 64 << 20, getter).negative_ttl(10 * SECOND);
        builder.clock(hand.clock()).build()
    };
    let peers = MemoryPeers::growing(2, 3, |_| source.getter(), build);
    let key = peers.key_that_moves(0, 2);
    source.make(&key, Condition::Absent);
    assert!(peers.node(0).group.get(&key).is_err());
    peers.join(2);
    assert!(peers.node(2).group.get(&key).is_err());
    assert_eq!((peers.calls(), peers.node(2).stats().peek_hits), (1, 1));
}

#[test]
fn what_was_removed_at_the_new_owner_is_not_taken_over_again() {
    for (batch, clear) in [(false, false), (true, false), (false, true), (true, true)] {
        let (hand, source) = (Hand::default(), Versions::default());
        let peers = peers_before_the_third(&hand, &source);
        let key = peers.key_that_moves(0, 2);
        peers.node(0).group.get(&key).unwrap();
        peers.join(2);
        source.write(&key);
        // As by a process that has not seen the list change: it empties the owner, and the previous
        // one only after it.
        let owner = peers.node(2);
        match clear {
            false => owner.group.peer_side().remove(&[&key], ChangeStamp::UNORDERED),
            true => owner.group.peer_side().clear(ChangeStamp::UNORDERED),
        }
        let value = match batch {
            false => owner.group.get(&key).unwrap(),
            true => owner.group.get_many(&[&key]).remove(0).unwrap(),
        };
        assert_eq!(version_of(&value), 1, "batch {batch}, clear {clear}");
        assert_eq!(owner.stats().peeks, 0);
    }
}
