//! What has moved to a new owner is handed over to it, and what was removed meanwhile is not.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::time::Duration;

use geecache::{
    ChangeStamp, Group, HandOverState, HotCache, Loaded, Origin, PeerErrorKind, PeerGetter,
};

use crate::support::{
    CountingGetter, Gate, Hand, MemoryPeers, Point, SOON, Versions, value_at, version_of,
};

const SECOND: Duration = Duration::from_secs(1);

/// The first ones of so many peers are in the list. Values live for 100 s, copies for 30 s.
fn peers(first: usize, count: usize, hand: &Hand, source: &Versions) -> MemoryPeers {
    let build = |getter| {
        Group::builder("memory", 64 << 20, getter)
            .ttl(100 * SECOND)
            .hot_cache(HotCache::Always)
            .clock(hand.clock())
            .build()
    };
    MemoryPeers::growing(first, count, |_| source.getter(), build)
}

/// Two peers, and a third that is yet to join.
fn peers_before_the_third(hand: &Hand, source: &Versions) -> MemoryPeers {
    peers(2, 3, hand, source)
}

#[test]
fn a_new_owner_gets_all_that_has_moved_with_what_is_left_of_its_life() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let keys: Vec<String> = (0..200).map(|n| format!("key {n}")).collect();
    assert!(peers.node(0).group.get_many(&keys).iter().all(Result::is_ok));
    hand.advance(60 * SECOND);
    // A copy of what will be its own is no reason to leave the value where it is.
    let key = peers.key_that_moves(0, 2);
    peers.node(2).group.get(&key).unwrap();
    peers.join(2);
    let moved = keys.iter().filter(|key| peers.keys_owned_by(&[2], 500).contains(*key)).count();
    let loads = peers.calls();
    assert_eq!(peers.take_over(2), moved as u64);
    for key in keys.iter().filter(|key| peers.keys_owned_by(&[2], 500).contains(*key)) {
        let held = peers.node(2).group.peek_loaded(key).unwrap();
        assert_eq!(held.origin(), Origin::Memory, "it is among what it owns");
        assert_eq!(held.time_to_live(), Some(40 * SECOND));
    }
    assert_eq!(peers.calls(), loads);
    let (taker, givers) = (peers.node(2).stats(), [peers.node(0).stats(), peers.node(1).stats()]);
    assert_eq!(taker.taken_over, moved as u64);
    assert_eq!(givers.iter().map(|giver| giver.handed_over).sum::<u64>(), moved as u64);
    assert_eq!(
        givers.iter().map(|giver| giver.handed_over_bytes).sum::<u64>(),
        taker.taken_over_bytes
    );
    assert_eq!(peers.take_over(2), 0, "it has all of it");
}

#[test]
fn what_has_no_end_at_the_previous_owner_gets_the_ttl_of_the_new_one() {
    for is_peeked_at in [false, true] {
        let (hand, source) = (Hand::default(), Versions::default());
        let built = Cell::new(0);
        let build = |getter| {
            let builder = Group::builder("memory", 64 << 20, getter).clock(hand.clock());
            // The third peer runs a newer version of the program.
            match built.replace(built.get() + 1) {
                2 => builder.ttl(10 * SECOND).build(),
                _ => builder.build(),
            }
        };
        let peers = MemoryPeers::growing(2, 3, |_| source.getter(), build);
        let key = peers.key_that_moves(0, 2);
        peers.node(0).group.get(&key).unwrap();
        peers.join(2);
        if is_peeked_at {
            peers.node(2).group.get(&key).unwrap();
        } else {
            assert_eq!(peers.take_over(2), 1);
        }
        let held = peers.node(2).group.peek_loaded(&key).unwrap();
        assert_eq!(held.time_to_live(), Some(10 * SECOND), "peeked at: {is_peeked_at}");
        assert_eq!(peers.calls(), 1);
        hand.advance(10 * SECOND);
        assert!(peers.node(2).group.peek(&key).is_none());
    }
}

#[test]
fn a_previous_owner_that_has_handed_over_everything_is_not_peeked_at() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    peers.join(2);
    peers.take_over(2);
    let key = peers.key_owned_by(&[2]);
    peers.node(2).group.get(&key).unwrap();
    assert_eq!((peers.node(2).stats().peeks, peers.node(2).getter.calls()), (0, 1));
}

#[test]
fn one_that_failed_or_has_no_room_is_peeked_at() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    peers.join(2);
    peers.node(0).link.fail_once(PeerErrorKind::TimedOut);
    peers.node(1).link.fail_once(PeerErrorKind::TimedOut);
    assert_eq!(peers.take_over(2), 0);
    peers.node(2).group.get(&peers.key_owned_by(&[2])).unwrap();
    assert_eq!(peers.node(2).stats().peeks, 1);
}

/// A value of a key that moves from peer 0 to peer 2 is on its way while `change` is made.
fn moved_while(change: impl FnOnce(&MemoryPeers, &Versions, &str)) -> (MemoryPeers, String) {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    let gate = Gate::closed();
    peers.node(0).link.hold(Point::HandOverAnswered, &gate);
    peers.join(2);
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| peers.take_over(2));
        gate.wait_for_arrivals(1);
        source.write(&key);
        change(&peers, &source, &key);
        gate.open();
        taking.join().unwrap();
    });
    (peers, key)
}

#[track_caller]
fn assert_new(peers: &MemoryPeers, key: &str) {
    for node in [2, 0, 1] {
        let value = peers.node(node).group.get(key).unwrap();
        assert_eq!(version_of(&value), 1, "at peer {node}");
    }
}

#[test]
fn what_is_removed_while_it_is_on_its_way_does_not_come_back() {
    for remover in 0..3 {
        let (peers, key) = moved_while(|peers, _, key| {
            assert!(peers.node(remover).group.remove(key).is_complete());
        });
        assert_new(&peers, &key);
        let (peers, key) = moved_while(|peers, _, _| {
            assert!(peers.node(remover).group.clear().is_complete());
        });
        assert_new(&peers, &key);
    }
}

#[test]
fn what_is_inserted_or_loaded_meanwhile_stays() {
    let (peers, key) = moved_while(|peers, _, key| {
        peers.node(1).group.insert(key, value_at(1)).unwrap();
    });
    assert_new(&peers, &key);
    let (peers, key) = moved_while(|peers, _, key| {
        // As where the previous owner lost it meanwhile, and was peeked at in vain.
        peers.node(0).group.peer_side().remove(&[key], ChangeStamp::UNORDERED);
        peers.node(2).group.get(key).unwrap();
    });
    assert_eq!(version_of(&peers.node(2).group.get(&key).unwrap()), 1);
}

#[test]
fn what_the_new_owner_removed_before_the_previous_one_has_is_not_taken_over() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    peers.join(2);
    source.write(&key);
    peers.node(2).group.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
    assert_eq!(peers.take_over(2), 0);
    assert_eq!(version_of(&peers.node(2).group.get(&key).unwrap()), 1);
}

#[test]
fn nothing_is_taken_over_from_one_that_is_owed_a_removal() {
    let (hand, source, gate) = (Hand::default(), Versions::default(), Gate::closed());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    peers.join(2);
    source.write(&key);
    let link = &peers.node(0).link;
    link.break_with(PeerErrorKind::TimedOut);
    assert!(!peers.node(2).group.remove(&key).is_complete());
    link.hold(Point::RemoveSent, &gate);
    link.mend();
    // What is said again is under way, and has not come.
    assert_eq!(peers.take_over(2), 0);
    assert_eq!(peers.node(0).stats().handed_over, 0, "it was not even asked");
    gate.open();
    peers.node(2).group.settled(SOON).unwrap();
    assert_eq!(peers.take_over(2), 0, "it was removed");
    assert_new(&peers, &key);
}

#[test]
fn what_comes_after_the_warm_up_is_not_kept() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers_before_the_third(&hand, &source);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    peers.join(2);
    peers.warmed_up();
    assert_eq!(peers.take_over(2), 0);
}

#[test]
fn stand_ins_give_back_what_they_have_loaded_and_no_copies() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers(3, 3, &hand, &source);
    let copied = peers.keys_owned_by(&[0, 1], 1).remove(0);
    peers.node(1).group.get(&copied).unwrap();
    assert!(peers.node(1).group.peek(&copied).is_some(), "a copy of what the owner answered");
    peers.node(0).link.take_down();
    let loaded = peers.keys_owned_by(&[0, 1], 2).remove(1);
    peers.node(2).group.get(&loaded).unwrap();
    assert_eq!(peers.node(1).getter.calls(), 1, "peer 1 answers for peer 0");
    hand.advance(4 * SECOND);
    peers.node(0).group.peer_side().clear(ChangeStamp::UNORDERED);
    peers.come_back(0);
    // What it lost is as good as new: it was not removed.
    assert_eq!(peers.node(1).group.peer_side().hand_over("0", 1, 1 << 20).entries.len(), 1);
    let entry = peers.node(1).group.peer_side().hand_over("0", 2, 1 << 20).entries.remove(0);
    assert_eq!((entry.key, entry.value.time_to_live()), (loaded, Some(96 * SECOND)));
}

#[test]
fn a_full_cache_loses_nothing_for_what_is_handed_over() {
    let (hand, source) = (Hand::default(), Versions::default());
    let mut sizes = [64 << 20, 64 << 20, 40_000].into_iter();
    let sizes = std::sync::Mutex::new(&mut sizes);
    let build = |getter: CountingGetter| {
        let bytes = sizes.lock().unwrap().next().unwrap();
        Group::builder("memory", bytes, getter)
            .hot_cache(HotCache::Off)
            .shards(NonZeroUsize::MIN)
            .clock(hand.clock())
            .build()
    };
    let peers = MemoryPeers::growing(2, 3, |_| source.getter(), build);
    let keys: Vec<String> = (0..3000).map(|n| format!("key {n}")).collect();
    assert!(peers.node(0).group.get_many(&keys).iter().all(Result::is_ok));
    peers.join(2);
    let own = peers.keys_owned_by(&[2], 20);
    let own: Vec<&String> = own.iter().collect();
    assert!(peers.node(2).group.get_many(&own).iter().all(Result::is_ok));
    assert!(peers.take_over(2) > 0);
    let stats = peers.node(2).group.main_cache_stats();
    assert_eq!(stats.evictions, 0);
    assert!(stats.charged_bytes <= 40_000);
    assert!(own.iter().all(|key| peers.node(2).group.peek(key).is_some()));
}

#[test]
fn parts_are_no_longer_than_was_asked_for_and_come_to_all_of_it() {
    let keys: Vec<String> = (0..500).map(|n| format!("key {n}")).collect();
    let peers = MemoryPeers::that_disagree(|_| CountingGetter::new());
    let side = peers.node(0).group.peer_side();
    for key in &keys {
        assert!(side.insert_as_owner(key, key.as_str()));
    }
    let mut all = Vec::new();
    loop {
        let part = side.hand_over("1", 7, 600);
        assert!(part.entries.iter().map(|entry| entry.bytes()).sum::<usize>() <= 600);
        all.extend(part.entries.into_iter().map(|entry| entry.key));
        if part.state == HandOverState::Ended {
            break;
        }
    }
    all.sort();
    let mut keys = keys;
    keys.sort();
    assert_eq!(all, keys);
}

#[test]
fn only_so_many_come_at_a_time() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = peers(2, 2, &hand, &source);
    let keys = peers.keys_owned_by(&[0], 100);
    assert!(peers.node(0).group.get_many(&keys).iter().all(Result::is_ok));
    let side = peers.node(0).group.peer_side();
    let state = |session| side.hand_over("0", session, 40).state;
    for session in 0..8 {
        assert_eq!(state(session), HandOverState::More);
    }
    assert_eq!(state(8), HandOverState::NotYet);
    assert_eq!(state(7), HandOverState::More, "who has begun goes on");
    hand.advance(11 * SECOND);
    assert_eq!(state(8), HandOverState::More, "nobody has come back");
}

#[test]
fn a_transport_that_can_not_hand_over_says_so() {
    struct Plain;
    impl PeerGetter for Plain {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, geecache::PeerError> {
            unreachable!("it is asked for a part")
        }
    }
    let error = Plain.hand_over("g", 1, 1).unwrap_err();
    assert_eq!(error.kind(), PeerErrorKind::NotSupported);
}
