//! What is removed stays removed: every interleaving of a load and a removal that the group's
//! sources name.
//!
//! Each test lets the source change, removes the key, and asks whether anyone still gets what was
//! there before.

use std::time::Duration;

use geecache::{
    ChangeStamp, Error, Group, HotCache, Loaded, PeerErrorKind, RemoveOutcome, RemoveReport,
};

use crate::support::{
    Condition, CountingGetter, Gate, Hand, MemoryPeers, Point, ScriptedPeer, Versions, keep_logs,
    logged, start, until, value_at, version_of,
};

/// Peers over one source, of which each keeps a copy of all that it fetches.
fn peers_with_copies(count: usize, source: &Versions) -> MemoryPeers {
    growing_peers_with_copies(count, count, source)
}

fn growing_peers_with_copies(first: usize, count: usize, source: &Versions) -> MemoryPeers {
    MemoryPeers::growing(
        first,
        count,
        |_| source.getter(),
        |getter| Group::builder("memory", 64 << 20, getter).hot_cache(HotCache::Always).build(),
    )
}

#[track_caller]
fn version(group: &Group, key: &str) -> u64 {
    version_of(&group.get(key).unwrap())
}

/// Gets `key` on another thread.
fn start_get(group: &Group, key: &str) -> crate::support::Running<u64> {
    let (group, key) = (group.clone(), key.to_owned());
    start(move || version_of(&group.get(&key).unwrap()))
}

fn start_remove(group: &Group, key: &str) -> crate::support::Running<RemoveReport> {
    let (group, key) = (group.clone(), key.to_owned());
    start(move || group.remove(&key))
}

/// Three peers, of which the last has just joined and owns `key` now, which the first one has in
/// memory.
fn peers_and_a_key_that_moved(source: &Versions) -> (MemoryPeers, String) {
    let peers = growing_peers_with_copies(2, 3, source);
    let key = peers.key_that_moves(0, 2);
    assert_eq!(version(&peers.node(0).group, &key), 0);
    peers.join(2);
    (peers, key)
}

#[test]
fn a_getter_that_read_before_the_removal_does_not_bring_the_value_back() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let getter = source.getter();
    let group = Group::new("alone", 1 << 20, getter.clone());
    source.hold_next(&gate);
    let old = start_get(&group, "Tom");
    gate.wait_for_arrivals(1);
    source.write("Tom");
    assert!(group.remove("Tom").is_complete());
    assert_eq!(version(&group, "Tom"), 1, "a new load, while the old one is still on its way");
    gate.open();
    assert_eq!(old.result(), 0, "who waited for the doomed load gets what it read");
    assert_eq!((version(&group, "Tom"), getter.calls()), (1, 2), "the new value was kept");
}

#[test]
fn nobody_keeps_what_a_doomed_load_brings_even_if_no_other_load_follows() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let group = Group::new("alone", 1 << 20, source.getter());
    source.hold_next(&gate);
    let old = start_get(&group, "Tom");
    gate.wait_for_arrivals(1);
    source.write("Tom");
    group.remove("Tom");
    gate.open();
    assert_eq!(old.result(), 0);
    assert_eq!(group.main_cache_stats().entries, 0);
    assert_eq!(version(&group, "Tom"), 1);
}

#[test]
fn an_answer_under_way_to_a_peer_does_not_become_a_copy_there() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(2, &source);
    let key = peers.key_owned_by(&[1]);
    let (asker, owner) = (peers.node(0), peers.node(1));
    owner.link.hold(Point::GetAnswered, &gate);
    let old = start_get(&asker.group, &key);
    gate.wait_for_arrivals(1);
    source.write(&key);
    assert!(owner.group.remove(&key).is_complete());
    gate.open();
    assert_eq!(old.result(), 0);
    assert_eq!(asker.group.hot_cache_stats().entries, 0);
    assert_eq!(version(&asker.group, &key), 1);
}

#[test]
fn the_owner_s_own_load_is_doomed_by_a_removal_at_another_peer() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    source.hold_next(&gate);
    let old = start_get(&peers.node(0).group, &key);
    gate.wait_for_arrivals(1);
    source.write(&key);
    assert!(peers.node(2).group.remove(&key).is_complete());
    assert_eq!(version(&peers.node(0).group, &key), 1, "neither flight is joined any more");
    gate.open();
    assert_eq!(old.result(), 0);
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn a_refresh_that_read_before_the_removal_does_not_bring_the_value_back() {
    let (source, gate, hand) = (Versions::default(), Gate::closed(), Hand::default());
    let second = Duration::from_secs(1);
    let group = Group::builder("alone", 64 << 20, source.getter())
        .ttl(second)
        .stale_while_revalidate(second)
        .clock(hand.clock())
        .build();
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(second);
    source.hold_next(&gate);
    assert_eq!(version(&group, "Tom"), 0, "served stale, and refreshed behind the scenes");
    gate.wait_for_arrivals(1);
    source.write("Tom");
    group.remove("Tom");
    gate.open();
    until("the refresh has ended", || group.stats().local_loads == 2);
    // The flight ends after it is counted; a doomed one is not joined, ended or not.
    assert_eq!(version(&group, "Tom"), 1);
    assert_eq!((version(&group, "Tom"), group.stats().local_loads), (1, 3));
}

#[test]
fn a_batch_that_read_before_the_removal_does_not_bring_the_value_back() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let group = Group::new("alone", 1 << 20, source.getter());
    source.hold_next(&gate);
    let batch = {
        let group = group.clone();
        start(move || group.get_many(&["Tom", "Jack", "Sam"]))
    };
    gate.wait_for_arrivals(1);
    source.write("Tom");
    source.write("Jack");
    group.remove_many(&["Tom", "Jack"]);
    gate.open();
    let read: Vec<_> = batch.result().into_iter().map(|v| version_of(&v.unwrap())).collect();
    assert_eq!(read, [0, 1, 0]);
    assert!(group.peer_side().peek("Tom").is_none() && group.peer_side().peek("Jack").is_none());
    assert!(group.peer_side().peek("Sam").is_some(), "it was not removed");
    assert_eq!((version(&group, "Tom"), version(&group, "Jack")), (1, 1));
}

#[test]
fn a_batch_s_answer_under_way_does_not_become_a_copy() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(2, &source);
    let keys = peers.keys_owned_by(&[1], 2);
    let (asker, owner) = (peers.node(0), peers.node(1));
    owner.link.hold(Point::GetAnswered, &gate);
    let batch = {
        let (group, keys) = (asker.group.clone(), keys.clone());
        start(move || group.get_many(&[&keys[0], &keys[1]]))
    };
    gate.wait_for_arrivals(1);
    source.write(&keys[0]);
    assert!(owner.group.remove(&keys[0]).is_complete());
    gate.open();
    for value in batch.result() {
        assert_eq!(version_of(&value.unwrap()), 0);
    }
    assert_eq!(asker.group.hot_cache_stats().entries, 1, "a copy of the key that stayed");
    assert_eq!(version(&asker.group, &keys[0]), 1);
}

#[test]
fn a_load_in_the_owner_s_place_does_not_bring_the_value_back() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(2, &source);
    let key = peers.key_owned_by(&[1]);
    peers.node(1).link.break_with(PeerErrorKind::Protocol);
    let asker = &peers.node(0).group;
    source.hold_next(&gate);
    let old = start_get(asker, &key);
    gate.wait_for_arrivals(1);
    source.write(&key);
    assert!(!asker.remove(&key).is_complete(), "the owner did not answer");
    gate.open();
    assert_eq!(old.result(), 0);
    assert_eq!(asker.hot_cache_stats().entries, 0);
    assert_eq!(version(asker, &key), 1);
}

#[test]
fn copies_made_of_the_owner_s_value_while_a_removal_is_under_way_go_with_it() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    for node in peers.nodes() {
        version(&node.group, &key);
    }
    peers.node(1).link.hold(Point::RemoveSent, &gate);
    source.write(&key);
    let removal = start_remove(&peers.node(0).group, &key);
    gate.wait_for_arrivals(1);
    // The remover has emptied itself, and its owner not yet.
    assert_eq!(version(&peers.node(0).group, &key), 0);
    assert_eq!(peers.node(0).group.hot_cache_stats().entries, 1);
    gate.open();
    assert!(removal.result().is_complete());
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn the_owner_is_emptied_before_the_other_peers() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    for node in peers.nodes() {
        version(&node.group, &key);
    }
    peers.node(2).link.hold(Point::RemoveAnswered, &gate);
    source.write(&key);
    let removal = start_remove(&peers.node(0).group, &key);
    gate.wait_for_arrivals(1);
    assert_eq!(version(&peers.node(2).group, &key), 1, "what it fetches now is new");
    gate.open();
    assert!(removal.result().is_complete());
    assert_eq!(version(&peers.node(2).group, &key), 1);
}

#[test]
fn a_value_taken_over_from_the_previous_owner_does_not_survive_a_removal_meanwhile() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let (peers, key) = peers_and_a_key_that_moved(&source);
    peers.node(0).link.hold(Point::PeekAnswered, &gate);
    let old = start_get(&peers.node(2).group, &key);
    gate.wait_for_arrivals(1);
    source.write(&key);
    assert!(peers.node(1).group.remove(&key).is_complete());
    gate.open();
    assert_eq!(old.result(), 0, "it waited for the doomed flight");
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn the_previous_owner_is_emptied_before_the_new_one_can_ask_it() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let (peers, key) = peers_and_a_key_that_moved(&source);
    peers.node(2).link.hold(Point::RemoveAnswered, &gate);
    source.write(&key);
    let removal = start_remove(&peers.node(1).group, &key);
    gate.wait_for_arrivals(1);
    assert_eq!(version(&peers.node(2).group, &key), 1);
    gate.open();
    assert!(removal.result().is_complete());
    assert_eq!(version(&peers.node(2).group, &key), 1);
}

#[test]
fn the_previous_owner_s_new_copy_does_not_bring_a_value_back_to_the_owner() {
    let (source, sent, answered) = (Versions::default(), Gate::closed(), Gate::closed());
    let (peers, key) = peers_and_a_key_that_moved(&source);
    let (previous, owner) = (&peers.node(0).group, peers.node(2));
    assert_eq!(version(&owner.group, &key), 0, "taken over");
    owner.link.hold(Point::RemoveSent, &sent);
    owner.link.hold(Point::RemoveAnswered, &answered);
    source.write(&key);
    let removal = start_remove(&peers.node(1).group, &key);
    sent.wait_for_arrivals(1);
    // The previous owner has been emptied, and makes a copy of what the owner still has.
    assert_eq!(version(previous, &key), 0);
    sent.open();
    answered.wait_for_arrivals(1);
    // The owner has been emptied, and would be given that copy.
    assert_eq!(version(&owner.group, &key), 1);
    answered.open();
    assert!(removal.result().is_complete());
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn a_remover_that_was_the_previous_owner_gives_nothing_back_to_the_owner() {
    let (source, sent, answered) = (Versions::default(), Gate::closed(), Gate::closed());
    let (peers, key) = peers_and_a_key_that_moved(&source);
    let (remover, owner) = (&peers.node(0).group, peers.node(2));
    assert_eq!(version(&owner.group, &key), 0, "taken over");
    owner.link.hold(Point::RemoveSent, &sent);
    owner.link.hold(Point::RemoveAnswered, &answered);
    source.write(&key);
    let removal = start_remove(remover, &key);
    sent.wait_for_arrivals(1);
    assert_eq!(version(remover, &key), 0);
    sent.open();
    answered.wait_for_arrivals(1);
    assert_eq!(version(&owner.group, &key), 1);
    answered.open();
    assert!(removal.result().is_complete());
    assert_eq!(version(&owner.group, &key), 1);
}

#[test]
fn a_remover_that_is_the_new_owner_gives_no_old_value_to_the_others() {
    let (source, sent, answered) = (Versions::default(), Gate::closed(), Gate::closed());
    let (peers, key) = peers_and_a_key_that_moved(&source);
    let (remover, other) = (&peers.node(2).group, peers.node(1));
    peers.node(0).link.hold(Point::RemoveSent, &sent);
    other.link.hold(Point::RemoveAnswered, &answered);
    source.write(&key);
    let removal = start_remove(remover, &key);
    sent.wait_for_arrivals(1);
    // It has emptied itself, and remembers that: the previous owner still has the value.
    assert_eq!(version(remover, &key), 1);
    sent.open();
    answered.wait_for_arrivals(1);
    // The other peer has been emptied, and asks the remover, which owns the key.
    assert_eq!(version(&other.group, &key), 1);
    answered.open();
    assert!(removal.result().is_complete());
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn clearing_dooms_all_loads_and_empties_everything() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let group = Group::new("alone", 1 << 20, source.getter());
    assert_eq!(version(&group, "Sam"), 0);
    source.hold_next(&gate);
    source.hold_next(&gate);
    let old: Vec<_> = ["Tom", "Jack"].map(|key| start_get(&group, key)).into();
    gate.wait_for_arrivals(2);
    for key in ["Tom", "Jack", "Sam"] {
        source.write(key);
    }
    assert!(group.clear().is_complete());
    assert_eq!(group.main_cache_stats().entries, 0);
    gate.open();
    for old in old {
        assert_eq!(old.result(), 0);
    }
    for key in ["Tom", "Jack", "Sam"] {
        assert_eq!(version(&group, key), 1);
    }
}

#[test]
fn clearing_reaches_all_peers_and_the_answers_between_them() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    peers.node(1).link.hold(Point::GetAnswered, &gate);
    let old = start_get(&peers.node(0).group, &key);
    gate.wait_for_arrivals(1);
    source.write(&key);
    assert!(peers.node(2).group.clear().is_complete());
    gate.open();
    assert_eq!(old.result(), 0);
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn clearing_lets_nothing_wander_from_the_previous_owner_to_the_new_one_and_on_to_a_copy() {
    let (source, first, second) = (Versions::default(), Gate::closed(), Gate::closed());
    let peers = growing_peers_with_copies(3, 4, &source);
    let key = peers.key_that_moves(0, 3);
    assert_eq!(version(&peers.node(0).group, &key), 0);
    peers.join(3);
    let (previous, clearer, other, owner) =
        (peers.node(0), peers.node(1), peers.node(2), peers.node(3));
    previous.link.hold(Point::ClearSent, &first);
    source.write(&key);
    let clearing = {
        let group = clearer.group.clone();
        start(move || group.clear())
    };
    first.wait_for_arrivals(1);
    until("the owner has been cleared", || owner.stats().clears == 1);
    until("the other has been cleared", || other.stats().clears == 1);
    assert_eq!(version(&owner.group, &key), 1, "not taken over from who is yet to be cleared");
    owner.link.hold(Point::ClearSent, &second);
    first.open();
    second.wait_for_arrivals(1);
    until("the other has been cleared again", || other.stats().clears == 2);
    assert_eq!(version(&other.group, &key), 1, "a copy of what the owner has");
    second.open();
    assert!(clearing.result().is_complete());
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn a_clearing_new_owner_gives_no_old_value_to_the_others() {
    let (source, first, second) = (Versions::default(), Gate::closed(), Gate::closed());
    let (peers, key) = peers_and_a_key_that_moved(&source);
    let (clearer, other) = (&peers.node(2).group, peers.node(1));
    peers.node(0).link.hold(Point::ClearSent, &first);
    source.write(&key);
    let clearing = {
        let group = clearer.clone();
        start(move || group.clear())
    };
    first.wait_for_arrivals(1);
    assert_eq!(version(clearer, &key), 1, "not taken over from who is yet to be cleared");
    until("the other has been cleared", || other.stats().clears == 1);
    other.link.hold(Point::ClearAnswered, &second);
    first.open();
    second.wait_for_arrivals(1);
    assert_eq!(version(&other.group, &key), 1, "the clearer has emptied itself again");
    second.open();
    assert!(clearing.result().is_complete());
    assert_eq!(version(&other.group, &key), 1);
}

#[test]
fn an_insertion_is_read_at_the_owner_and_removed_everywhere_else() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    for node in peers.nodes() {
        version(&node.group, &key);
    }
    for inserter in [0, 1, 2] {
        let written = source.write(&key);
        let report = peers.node(inserter).group.insert(&key, value_at(written)).unwrap();
        assert!(report.is_complete() && report.is_kept);
        assert_eq!(report.peers.len(), 2);
        for node in peers.nodes() {
            assert_eq!(version(&node.group, &key), written);
        }
    }
    assert_eq!(peers.calls(), 1, "what was inserted is not loaded");
    let inserts: Vec<_> = peers.nodes().iter().map(|node| node.stats().inserts).collect();
    assert_eq!(inserts, [0, 3, 0]);
}

#[test]
fn an_insertion_that_the_owner_refuses_leaves_no_old_value_there() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    for node in peers.nodes() {
        version(&node.group, &key);
    }
    let written = source.write(&key);
    peers.node(1).link.fail_once(PeerErrorKind::Protocol);
    let report = peers.node(0).group.insert(&key, value_at(written)).unwrap();
    assert!(!report.is_complete() && !report.is_kept, "it was not inserted");
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), written);
    }
}

#[test]
fn a_load_that_began_before_an_insertion_does_not_replace_it() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(2, &source);
    let key = peers.key_owned_by(&[1]);
    source.hold_next(&gate);
    let old = start_get(&peers.node(0).group, &key);
    gate.wait_for_arrivals(1);
    let written = source.write(&key);
    peers.node(0).group.insert(&key, value_at(written)).unwrap();
    assert_eq!(version(&peers.node(1).group, &key), 1);
    gate.open();
    assert_eq!(old.result(), 0);
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
    assert_eq!(peers.calls(), 1);
}

#[test]
fn an_insertion_that_keeps_nothing_is_not_undone_by_the_previous_owner() {
    for inserter in [1, 2] {
        let (source, gate) = (Versions::default(), Gate::closed());
        let (peers, key) = peers_and_a_key_that_moved(&source);
        let owner = &peers.node(2).group;
        peers.node(0).link.hold(Point::RemoveSent, &gate);
        source.make(&key, Condition::Absent);
        let insertion = {
            let (group, key) = (peers.node(inserter).group.clone(), key.clone());
            start(move || group.insert(&key, Loaded::absent()).unwrap())
        };
        gate.wait_for_arrivals(1);
        if inserter == 1 {
            assert_eq!(version(owner, &key), 0, "taken over before the source changed, so to say");
        } else {
            assert!(owner.get(&key).is_err(), "it knows that the previous owner is out of date");
        }
        gate.open();
        assert!(insertion.result().is_complete());
        assert!(matches!(owner.get(&key), Err(Error::NotFound { .. })), "by {inserter}");
    }
}

#[test]
fn nothing_is_inserted_or_removed_under_the_empty_key() {
    let group = Group::new("alone", 1 << 20, CountingGetter::new());
    assert!(matches!(group.insert("", "v"), Err(Error::EmptyKey)));
    assert!(group.remove("").is_complete());
    group.peer_side().insert("", "v", ChangeStamp::UNORDERED).unwrap();
    let stats = group.stats();
    assert_eq!((stats.inserts, stats.removes), (0, 0));
    assert_eq!(group.main_cache_stats().entries, 0);
}

#[test]
fn removals_are_counted_where_they_happen() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let keys: Vec<_> = (0..3).flat_map(|node| peers.keys_owned_by(&[node], 2)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    for node in peers.nodes() {
        node.group.get_many(&keys);
    }
    let report = peers.node(0).group.remove_many(&keys);
    assert!(report.is_complete());
    let mut names: Vec<_> = report.peers.iter().map(|report| report.peer.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["1", "2"], "one entry for each other peer");
    for node in peers.nodes() {
        let entries = node.group.main_cache_stats().entries + node.group.hot_cache_stats().entries;
        assert_eq!((entries, node.stats().removes), (0, 6));
    }
}

#[test]
fn a_removal_with_a_peer_that_does_not_answer_is_done_at_the_others_and_reported() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    for node in peers.nodes() {
        version(&node.group, &key);
    }
    peers.node(2).link.break_with(PeerErrorKind::Unreachable);
    source.write(&key);
    let report = peers.node(0).group.remove(&key);
    assert!(!report.is_complete());
    for report in &report.peers {
        match (report.peer.as_str(), &report.outcome) {
            ("1", RemoveOutcome::Done) => {}
            ("2", RemoveOutcome::Owed(error)) => {
                assert_eq!(error.kind(), PeerErrorKind::Unreachable);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(version(&peers.node(0).group, &key), 1);
    assert_eq!(version(&peers.node(1).group, &key), 1);
    assert_eq!(version(&peers.node(2).group, &key), 0, "its copy stays, until its ttl ends");
}

#[test]
fn a_peer_that_is_silent_costs_a_change_its_timeout_once() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let keys: Vec<String> = (0..20).map(|n| format!("key {n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (group, silent) = (&peers.node(0).group, &peers.node(1).link);
    silent.break_with(PeerErrorKind::TimedOut);
    let theirs = peers.key_owned_by(&[1]);
    for (count, report) in [
        (1, group.clear().peers),
        (2, group.remove_many(&keys).peers),
        (3, group.insert(&theirs, value_at(1)).unwrap().peers),
    ] {
        let done: Vec<_> = report
            .iter()
            .filter(|peer| matches!(peer.outcome, RemoveOutcome::Done))
            .map(|peer| peer.peer.as_str())
            .collect();
        assert_eq!((done, report.len()), (vec!["2"], 2), "change {count}");
    }
    // Beside these, the group tries from time to time to tell it what it has missed.
    let attempts = |group: &Group| group.debts().first().map_or(0, |debt| debt.attempts as usize);
    let before = attempts(group);
    let requests = silent.requests();
    assert!((3 + before..=4 + attempts(group)).contains(&requests), "{requests}");
}

#[test]
fn a_copy_that_a_removal_could_not_reach_ends_with_its_ttl() {
    let (source, hand) = (Versions::default(), Hand::default());
    let build = |getter| {
        let builder = Group::builder("memory", 64 << 20, getter).hot_cache(HotCache::Always);
        builder.hot_ttl(Duration::from_secs(30)).clock(hand.clock()).build()
    };
    let peers = MemoryPeers::built(2, |_| source.getter(), build);
    let key = peers.key_owned_by(&[1]);
    assert_eq!(version(&peers.node(0).group, &key), 0);
    peers.node(0).link.break_with(PeerErrorKind::TimedOut);
    source.write(&key);
    assert!(!peers.node(1).group.remove(&key).is_complete());
    hand.advance(Duration::from_millis(29_999));
    assert_eq!(version(&peers.node(0).group, &key), 0);
    hand.advance(Duration::from_millis(1));
    assert_eq!(version(&peers.node(0).group, &key), 1);
}

/// A picker that knows one peer, which owns nothing.
struct Beside(std::sync::Arc<dyn geecache::PeerGetter>);

impl geecache::PeerPicker for Beside {
    fn pick_peer(&self, _key: &str) -> Option<std::sync::Arc<dyn geecache::PeerGetter>> {
        None
    }

    fn peers(&self) -> Vec<std::sync::Arc<dyn geecache::PeerGetter>> {
        vec![std::sync::Arc::clone(&self.0)]
    }
}

#[test]
fn a_peer_that_does_not_know_how_to_remove_is_reported_as_that() {
    keep_logs();
    let group = Group::new("beside a peer that removes nothing", 1 << 20, CountingGetter::new());
    let peer = ScriptedPeer::new(|_| Ok("v".into()));
    group.register_peers(Beside(peer)).unwrap();
    let inserted = group.insert("Tom", "v").unwrap();
    assert!(inserted.is_kept && !inserted.is_complete());
    for reports in [group.remove("Tom").peers, group.clear().peers, inserted.peers] {
        assert_eq!(reports.len(), 1);
        assert!(matches!(reports[0].outcome, RemoveOutcome::NotSupported));
    }
    assert_eq!(logged(&[group.name()]), [], "it is as it should be");
}
