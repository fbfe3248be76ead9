//! What is removed stays removed, at every peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use geecache::{
    Error, Group, GroupBuilder, HotCache, Loaded, PeerErrorKind, RemoveOutcome, RemoveReport,
};

use crate::support::{
    CountingGetter, FixedPicker, Gate, MemoryPeers, Random, ScriptedPeer, alone, start, until,
    value_of, with_seeds,
};

/// A source of truth that changes, behind all peers.
#[derive(Clone, Default)]
struct Version(Arc<AtomicU64>);

impl Version {
    fn set(&self, version: u64) {
        self.0.store(version, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn source(&self) -> CountingGetter {
        let version = self.clone();
        CountingGetter::with(move |_| Ok(version.get().to_string().into()))
    }

    /// A source that reads the version, and passes `gate` before it returns.
    fn slow_source(&self, gate: &Gate) -> CountingGetter {
        let (version, gate) = (self.clone(), gate.clone());
        CountingGetter::with(move |_| {
            let read = version.get().to_string();
            gate.pass();
            Ok(read.into())
        })
    }
}

fn hot(getter: CountingGetter) -> Group {
    Group::builder("memory", getter).hot_cache(HotCache::Always).build()
}

fn number(group: &Group, key: &str) -> u64 {
    group.get(key).unwrap().as_str().unwrap().parse().unwrap()
}

#[track_caller]
fn assert_complete(report: &RemoveReport, peers: usize) {
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.peers.len(), peers, "{report:?}");
}

#[test]
fn a_removal_anywhere_is_seen_everywhere() {
    for remover in 0..3 {
        let version = Version::default();
        let peers = MemoryPeers::built(3, |_| version.source(), hot);
        let key = peers.key_owned_by(&[1]);
        for new in 1..4 {
            version.set(new);
            assert_complete(&peers.node(remover).group.remove(&key), 2);
            for node in 0..3 {
                assert_eq!(number(&peers.node(node).group, &key), new);
            }
        }
        assert_eq!(peers.calls(), 3, "the owner loads, once for each removal");
        for node in 0..3 {
            assert_eq!(peers.node(node).stats().removes, 3);
        }
    }
}

#[test]
fn many_keys_are_removed_at_once() {
    let version = Version::default();
    let peers = MemoryPeers::built(3, |_| version.source(), hot);
    let keys: Vec<_> = (0..30).map(|n| format!("key {n}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for node in 0..3 {
        keys.iter().for_each(|key| assert_eq!(number(&peers.node(node).group, key), 0));
    }
    version.set(1);
    let before = peers.node(1).link.requests();
    assert_complete(&peers.node(0).group.remove_many(&keys), 2);
    assert!(peers.node(1).link.requests() - before <= 2, "few requests for many keys");
    for node in 0..3 {
        keys.iter().for_each(|key| assert_eq!(number(&peers.node(node).group, key), 1));
    }
}

#[test]
fn a_cleared_group_is_empty_everywhere() {
    let version = Version::default();
    let peers = MemoryPeers::built(3, |_| version.source(), hot);
    for node in 0..3 {
        for i in 0..30 {
            number(&peers.node(node).group, &format!("key {i}"));
        }
    }
    version.set(1);
    assert_complete(&peers.node(2).group.clear(), 2);
    for node in 0..3 {
        let group = &peers.node(node).group;
        assert_eq!((group.main_cache_stats().entries, group.hot_cache_stats().entries), (0, 0));
        assert_eq!(group.main_cache_stats().bytes, 0);
    }
    assert_eq!(number(&peers.node(0).group, "key 0"), 1);
}

#[test]
fn what_is_inserted_is_at_its_owner_and_copies_are_gone() {
    for inserter in 0..3 {
        let version = Version::default();
        let peers = MemoryPeers::built(3, |_| version.source(), hot);
        let key = peers.key_owned_by(&[1]);
        for node in 0..3 {
            assert_eq!(number(&peers.node(node).group, &key), 0);
        }
        assert_complete(&peers.node(inserter).group.insert(&key, "7").unwrap(), 2);
        for node in 0..3 {
            assert_eq!(number(&peers.node(node).group, &key), 7);
        }
        assert_eq!(peers.calls(), 1, "nobody had to load it");
    }
    assert!(matches!(alone(CountingGetter::new()).insert("", "v"), Err(Error::EmptyKey)));
}

#[test]
fn an_inserted_absence_is_a_removal_unless_absences_are_kept() {
    let group = alone(CountingGetter::new());
    group.get("Tom").unwrap();
    group.insert("Tom", Loaded::absent()).unwrap();
    assert_eq!(group.main_cache_stats().entries, 0);
}

#[test]
fn a_load_that_began_before_the_removal_is_not_kept() {
    let (version, gate) = (Version::default(), Gate::closed());
    let getter = version.slow_source(&gate);
    let group = alone(getter.clone());
    let before = start({
        let group = group.clone();
        move || number(&group, "Tom")
    });
    gate.wait_for_arrivals(1);
    version.set(1);
    group.remove("Tom");
    // Who comes after the removal does not join the load from before it.
    let after = start({
        let group = group.clone();
        move || number(&group, "Tom")
    });
    gate.wait_for_arrivals(2);
    gate.open();
    assert_eq!((before.result(), after.result()), (0, 1));
    assert_eq!(number(&group, "Tom"), 1);
    assert_eq!(getter.calls(), 2);
}

#[test]
fn a_load_at_the_owner_that_began_before_the_removal_is_kept_by_nobody() {
    let (version, gate) = (Version::default(), Gate::closed());
    let peers = MemoryPeers::built(3, |_| version.slow_source(&gate), hot);
    let key = peers.key_owned_by(&[1]);
    let before = start({
        let (group, key) = (peers.node(0).group.clone(), key.clone());
        move || number(&group, &key)
    });
    gate.wait_for_arrivals(1);
    version.set(1);
    assert_complete(&peers.node(2).group.remove(&key), 2);
    gate.open();
    assert_eq!(before.result(), 0);
    for node in 0..3 {
        assert_eq!(number(&peers.node(node).group, &key), 1);
    }
}

#[test]
fn an_old_answer_that_is_still_under_way_is_not_kept_as_a_copy() {
    let version = Version::default();
    let gate = Gate::closed();
    let group = hot(CountingGetter::new());
    let peer = ScriptedPeer::new({
        let (gate, version) = (gate.clone(), version.clone());
        move |_| {
            let read = version.get().to_string();
            gate.pass();
            Ok(read.into())
        }
    });
    let picked: Vec<Arc<dyn geecache::PeerGetter>> =
        (0..4).map(|_| Arc::clone(&peer) as _).collect();
    group.register_peers(FixedPicker::new(picked)).unwrap();
    let before = start({
        let group = group.clone();
        move || number(&group, "Tom")
    });
    gate.wait_for_arrivals(1);
    version.set(1);
    group.serve_remove(&["Tom"]);
    gate.open();
    assert_eq!(before.result(), 0);
    assert_eq!(number(&group, "Tom"), 1);
}

#[test]
fn a_refresh_that_began_before_the_removal_is_not_kept() {
    let (version, gate, hand) =
        (Version::default(), Gate::closed(), crate::support::Hand::default());
    let first = AtomicBool::new(true);
    let getter = CountingGetter::with({
        let (version, gate) = (version.clone(), gate.clone());
        move |_| {
            let read = version.get().to_string();
            if !first.swap(false, Ordering::SeqCst) {
                gate.pass();
            }
            Ok(read.into())
        }
    });
    let second = std::time::Duration::from_secs(1);
    let options = |group: GroupBuilder| group.ttl(second).stale_while_revalidate(60 * second);
    let group = options(Group::builder("lives", getter).clock(hand.clock())).build();
    assert_eq!(number(&group, "Tom"), 0);
    hand.advance(2 * second);
    assert_eq!(number(&group, "Tom"), 0, "stale, and refreshed behind the scenes");
    gate.wait_for_arrivals(1);
    version.set(1);
    group.remove("Tom");
    gate.open();
    until("both loads have ended", || {
        number(&group, "Tom");
        group.stats().local_loads >= 3
    });
    assert_eq!(number(&group, "Tom"), 1);
}

#[test]
fn a_peer_that_fails_is_named_and_the_others_are_done() {
    let version = Version::default();
    let peers = MemoryPeers::built(4, |_| version.source(), hot);
    let key = peers.key_owned_by(&[1]);
    for node in 0..4 {
        number(&peers.node(node).group, &key);
    }
    version.set(1);
    peers.node(2).link.break_with(PeerErrorKind::TimedOut);
    let report = peers.node(0).group.remove(&key);
    assert!(!report.is_complete());
    assert_eq!(report.peers.len(), 3);
    for peer in &report.peers {
        match &peer.outcome {
            RemoveOutcome::Failed(error) => {
                assert_eq!((peer.peer.as_str(), error.kind()), ("2", PeerErrorKind::TimedOut));
            }
            RemoveOutcome::Done => assert_ne!(peer.peer, "2"),
            other => panic!("{other:?}"),
        }
    }
    for node in [0, 1, 3] {
        assert_eq!(number(&peers.node(node).group, &key), 1);
    }
    assert_eq!(number(&peers.node(2).group, &key), 0, "that one has its copy yet");
}

#[test]
fn a_transport_without_removal_is_reported_as_such() {
    struct Old(Arc<dyn geecache::PeerGetter>);
    impl geecache::PeerPicker for Old {
        fn pick_peer(&self, _key: &str) -> Option<Arc<dyn geecache::PeerGetter>> {
            Some(Arc::clone(&self.0))
        }
        fn peers(&self) -> Vec<Arc<dyn geecache::PeerGetter>> {
            vec![Arc::clone(&self.0)]
        }
    }
    let group = alone(CountingGetter::new());
    group.register_peers(Old(ScriptedPeer::new(|_| Ok("v".into())))).unwrap();
    let report = group.remove("Tom");
    assert!(!report.is_complete());
    assert!(
        matches!(
            report.peers[..],
            [geecache::PeerReport { outcome: RemoveOutcome::NotSupported, .. }]
        ),
        "{report:?}"
    );
}

#[test]
fn nobody_ever_reads_what_was_removed_before_it_asked() {
    // A writer changes the source and removes the key; when that has returned, it says so. Whoever asks afterwards,
    // at whichever peer, must not see an older version.
    with_seeds(3, |random| {
        let (version, removed) = (Version::default(), Version::default());
        let seed = random.next();
        let peers = Arc::new(MemoryPeers::built(3, |_| version.source(), hot));
        let key = peers.key_owned_by(&[1]);
        let stop = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..6)
            .map(|thread| {
                let (peers, removed, key) = (Arc::clone(&peers), removed.clone(), key.clone());
                let (stop, mut random) = (Arc::clone(&stop), Random::new(seed + thread));
                start(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let (node, at_least) = (random.below(3) as usize, removed.get());
                        let read = number(&peers.node(node).group, &key);
                        assert!(read >= at_least, "peer {node}: {read}, but {at_least} was there");
                    }
                })
            })
            .collect();
        for new in 1..300 {
            version.set(new);
            let node = random.below(3) as usize;
            assert_complete(&peers.node(node).group.remove(&key), 2);
            removed.set(new);
        }
        stop.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.result());
    });
}

#[test]
fn removing_what_is_not_there_is_done_at_once() {
    let group = alone(CountingGetter::new());
    assert_complete(&group.remove("Tom"), 0);
    assert_complete(&group.remove_many(&[]), 0);
    assert_complete(&group.remove(""), 0);
    assert_complete(&group.clear(), 0);
    assert_eq!(group.get("Tom").unwrap(), value_of("Tom").as_str());
}
