//! What becomes of removals that a peer could not be told of.

use std::cell::Cell;
use std::time::{Duration, Instant};

use geecache::{Error, Group, HotCache, PeerErrorKind, RemoveOutcome, RemoveReport};

use crate::support::{
    Gate, MemoryPeers, Point, SOON, Versions, start, until, value_at, version_of,
};

fn peers_with_copies(count: usize, source: &Versions) -> MemoryPeers {
    MemoryPeers::built(
        count,
        |_| source.getter(),
        |getter| Group::builder("memory", 64 << 20, getter).hot_cache(HotCache::Always).build(),
    )
}

#[track_caller]
fn version(group: &Group, key: &str) -> u64 {
    version_of(&group.get(key).unwrap())
}

/// The peers that a removal is owed to.
fn owed(report: &RemoveReport) -> Vec<&str> {
    let is_owed = |outcome: &RemoveOutcome| matches!(outcome, RemoveOutcome::Owed(_));
    let peers = report.peers.iter().filter(|peer| is_owed(&peer.outcome));
    peers.map(|peer| peer.peer.as_str()).collect()
}

#[test]
fn a_cut_off_owner_and_those_who_read_from_it_have_no_old_value_once_it_is_settled() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1, 2]);
    let [writer, owner, third] = [0, 1, 2].map(|node| &peers.node(node).group);
    assert_eq!(version(writer, &key), 0);
    peers.node(1).link.break_with(PeerErrorKind::Unreachable);
    source.write(&key);
    let report = writer.remove(&key);
    assert_eq!((owed(&report), report.is_complete()), (vec!["1"], false));
    let error = writer.settled(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(&error, Error::Unsettled { peers, .. } if peers == &["1"]), "{error}");
    assert_eq!((version(owner, &key), version(writer, &key)), (0, 1));
    peers.node(1).link.mend();
    // It may read from the owner before that is told, and keep a copy.
    version(third, &key);
    writer.settled(SOON).unwrap();
    for group in [owner, third, writer] {
        assert_eq!(version(group, &key), 1);
    }
    let stats = writer.stats();
    assert!(stats.changes_owed >= 1 && stats.changes_paid >= 1, "{stats:?}");
    assert!(writer.debts().is_empty());
}

#[test]
fn one_that_refuses_is_not_told_more_often_because_its_values_are_wanted() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1]);
    let writer = &peers.node(0).group;
    peers.node(1).link.break_with(PeerErrorKind::NoSuchGroup);
    // This one is tried whenever its values are wanted.
    peers.node(2).link.break_with(PeerErrorKind::TimedOut);
    let begun = Instant::now();
    assert_eq!(owed(&writer.remove(&key)), ["1", "2"]);
    // In turns of the two.
    let wanted = [1, 2].map(|owner| peers.keys_owned_by(&[owner], 10_000));
    let gets = Cell::new(0);
    let attempts = |peer: &str| {
        let debts = writer.debts();
        debts.iter().find(|debt| debt.peer == peer).unwrap().attempts
    };
    until("it was told five times", || {
        let get = gets.replace(gets.get() + 1);
        writer.get(&wanted[get % 2][get / 2 % 10_000]).unwrap();
        attempts("1") >= 5
    });
    // Pauses of 100, 100, 200, 400 and 800 ms, each shorter by up to a fifth.
    assert!(begun.elapsed() >= Duration::from_millis(1280), "{:?}", begun.elapsed());
    peers.node(1).link.mend();
    peers.node(2).link.mend();
    writer.settled(SOON).unwrap();
}

#[test]
fn who_owes_reads_nothing_from_the_owner_before_it_is_told() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[1, 2]);
    let writer = &peers.node(0).group;
    assert_eq!(version(&peers.node(1).group, &key), 0);
    // Two requests get lost on their way, and the peer is there all the time.
    let link = &peers.node(1).link;
    (0..2).for_each(|_| link.fail_once(PeerErrorKind::Unreachable));
    source.write(&key);
    assert_eq!(owed(&writer.remove(&key)), ["1"]);
    assert_eq!(version(writer, &key), 1);
    writer.settled(SOON).unwrap();
    assert_eq!(version(&peers.node(1).group, &key), 1);
}

#[test]
fn an_insertion_that_failed_at_the_owner_owes_it_the_removal_of_the_older_value() {
    let source = Versions::default();
    let peers = peers_with_copies(2, &source);
    let key = peers.key_owned_by(&[1]);
    assert_eq!(version(&peers.node(1).group, &key), 0);
    peers.node(1).link.break_with(PeerErrorKind::TimedOut);
    source.write(&key);
    let report = peers.node(0).group.insert(&key, value_at(1)).unwrap();
    assert!(!report.is_kept && !report.is_complete());
    assert_eq!(peers.node(0).group.debts()[0].keys, Some(1));
    peers.node(1).link.mend();
    peers.node(0).group.settled(SOON).unwrap();
    assert_eq!(version(&peers.node(1).group, &key), 1);
}

#[test]
fn a_clearing_is_owed_as_well() {
    let source = Versions::default();
    let peers = peers_with_copies(2, &source);
    let key = peers.key_owned_by(&[1]);
    assert_eq!(version(&peers.node(1).group, &key), 0);
    peers.node(1).link.break_with(PeerErrorKind::Unreachable);
    source.write(&key);
    assert_eq!(owed(&peers.node(0).group.clear()), ["1"]);
    assert_eq!(peers.node(0).group.debts()[0].keys, None);
    assert!(peers.node(0).group.pay_debts(SOON).is_err(), "it is tried once");
    peers.node(1).link.mend();
    peers.node(0).group.pay_debts(SOON).unwrap();
    assert_eq!(version(&peers.node(1).group, &key), 1);
}

#[test]
fn a_peer_that_is_dropped_from_the_list_and_put_back_is_told_before_it_is_asked() {
    let source = Versions::default();
    let peers = peers_with_copies(3, &source);
    let key = peers.key_owned_by(&[2]);
    let groups = [0, 1, 2].map(|node| &peers.node(node).group);
    for group in groups {
        // They have seen all peers once.
        group.remove("another key");
        assert_eq!(version(group, &key), 0);
    }
    peers.drop_from_list(2);
    source.write(&key);
    assert!(groups[0].remove(&key).is_complete(), "nobody knows of it now");
    assert_eq!(version(groups[2], &key), 0, "it was not told");
    peers.join(2);
    peers.warmed_up();
    // The one that made the removal, and the one that was told of it.
    for group in &groups[..2] {
        assert_eq!(version(group, &key), 1);
        group.settled(SOON).unwrap();
        assert_eq!(version(groups[2], &key), 1);
    }
}

#[test]
fn a_copy_taken_from_a_stand_in_just_before_that_is_emptied_goes_with_it() {
    let source = Versions::default();
    let peers = peers_with_copies(4, &source);
    let key = peers.key_owned_by(&[1, 2]);
    let [writer, stand_in, third] = [0, 2, 3].map(|node| &peers.node(node).group);
    peers.node(1).link.take_down();
    // The first one finds that the owner is down, the stand-in loads.
    assert_eq!(version(third, &key), 0);
    peers.node(1).link.mend();
    peers.node(1).link.break_with(PeerErrorKind::Unreachable);
    assert_eq!(version(stand_in, &key), 0);
    source.write(&key);
    let gate = Gate::closed();
    peers.node(2).link.hold(Point::RemoveSent, &gate);
    let removal = {
        let (writer, key) = (writer.clone(), key.clone());
        start(move || writer.remove(&key))
    };
    gate.wait_for_arrivals(1);
    // The third peer is emptied by now, or will be. It asks the stand-in, which is not.
    let copied = version(third, &key);
    gate.open();
    let report = removal.result();
    assert_eq!(owed(&report), ["1"]);
    assert_eq!(version(third, &key), 1, "it had version {copied}");
}
