//! Removal and insertion, at all peers over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use geecache::{
    ByteView, ChangeStamp, Error, HttpGetter, Loaded, PeerErrorKind, PeerGetter, PeerState,
    RemoveOutcome, RemoveReport, Server,
};

use crate::support::{Cluster, CountingGetter, FaultyPeer, Peer, SERVERS};

/// A source whose values all change at once.
#[derive(Clone, Default)]
pub(super) struct Source(Arc<AtomicUsize>);

impl Source {
    pub(super) fn value(&self) -> String {
        format!("version {}", self.0.load(Ordering::SeqCst))
    }

    pub(super) fn change(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn getter(&self) -> CountingGetter {
        let source = self.clone();
        CountingGetter::with(move |_| Ok(source.value().into()))
    }
}

fn cluster(server: Server, source: &Source) -> Cluster {
    Cluster::with(3, server, |_| source.getter())
}

/// Has every node get `key` so often that it keeps a copy, and asserts what it gets.
#[track_caller]
fn assert_all_get(cluster: &Cluster, key: &str, value: &str) {
    for node in 0..3 {
        for _ in 0..3 {
            assert_eq!(cluster.node(node).group.get(key).unwrap(), value, "node {node}");
        }
    }
}

#[track_caller]
fn assert_done(report: &RemoveReport, peers: usize) {
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.peers.len(), peers, "{report:?}");
}

#[test]
fn a_removal_is_seen_by_all_whoever_asks_for_it() {
    for server in SERVERS {
        let source = Source::default();
        let cluster = cluster(server, &source);
        for owner in 0..3 {
            let key = cluster.key_owned_by(owner);
            for remover in 0..3 {
                assert_all_get(&cluster, &key, &source.value());
                source.change();
                assert_done(&cluster.node(remover).group.remove(&key), 2);
                assert_all_get(&cluster, &key, &source.value());
            }
        }
        let copies: u64 = (0..3).map(|n| cluster.node(n).group.hot_cache_stats().entries).sum();
        assert!(copies > 0, "the test is about copies, too");
    }
}

#[test]
fn odd_keys_are_removed_as_well() {
    let source = Source::default();
    let cluster = cluster(SERVERS[1], &source);
    for key in ["a/b", "..", ".", "%41", "a+b c", "你好", "?x#y", "\0\r\n", &"k".repeat(9000)] {
        assert_all_get(&cluster, key, &source.value());
        source.change();
        assert_done(&cluster.node(0).group.remove(key), 2);
        assert_all_get(&cluster, key, &source.value());
    }
}

#[test]
fn many_keys_are_removed_with_few_requests() {
    for server in SERVERS {
        let source = Source::default();
        let cluster = cluster(server, &source);
        let keys: Vec<String> = (0..2500).map(|n| format!("key {n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let get_all = |node: usize| -> Vec<ByteView> {
            let answers = cluster.node(node).group.get_many(&keys).into_iter();
            answers.map(Result::unwrap).collect()
        };
        assert!(get_all(1).iter().all(|value| *value == "version 0"));
        source.change();
        let requests =
            || -> u64 { cluster.node(0).pool.peer_stats().iter().map(|peer| peer.requests).sum() };
        let before = requests();
        assert_done(&cluster.node(0).group.remove_many(&keys), 2);
        let requests = requests() - before;
        // Each peer is told of the keys that it owned, of those that it owns, and of the rest, at
        // most 1,024 at once.
        assert!(requests <= 14, "{requests} requests for 2,500 keys at two peers");
        for node in 0..3 {
            assert!(get_all(node).iter().all(|value| *value == "version 1"), "node {node}");
        }
        source.change();
        assert_done(&cluster.node(2).group.clear(), 2);
        for node in 0..3 {
            assert_eq!(cluster.node(node).group.main_cache_stats().entries, 0);
        }
        assert!(get_all(0).iter().all(|value| *value == "version 2"));
    }
}

#[test]
fn a_removal_with_one_peer_stopped_is_complete_at_the_others_and_says_so() {
    for server in SERVERS {
        let source = Source::default();
        let cluster = cluster(server, &source);
        let key = cluster.key_owned_by(1);
        assert_all_get(&cluster, &key, "version 0");
        let stopped = cluster.node(2).url();
        cluster.node(2).pool.shutdown();
        source.change();
        for report in [cluster.node(0).group.remove(&key), cluster.node(0).group.clear()] {
            assert!(!report.is_complete());
            assert_eq!(report.peers.len(), 2);
            for peer in report.peers {
                match peer.outcome {
                    RemoveOutcome::Done => assert_eq!(peer.peer, cluster.node(1).url()),
                    RemoveOutcome::Owed(error) => {
                        assert_eq!(peer.peer, stopped);
                        assert_eq!(error.kind(), PeerErrorKind::Unreachable, "{error}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(cluster.node(0).group.get(&key).unwrap(), "version 1");
        assert_eq!(cluster.node(1).group.get(&key).unwrap(), "version 1");
    }
}

#[test]
fn a_peer_that_is_back_is_told_of_a_removal_before_it_is_trusted_with_gets() {
    let server = Server::Guarded;
    let source = Source::default();
    let owner = Peer::start(server, source.getter(), |pool| pool);
    let asker = Peer::start(server, source.getter(), |pool| pool);
    let (url, addr) = (owner.url(), owner.addr());
    asker.join(&[&url]);
    let key = asker.key_owned_by(&url);
    drop(owner);
    asker.group.get(&key).unwrap();
    assert_eq!(asker.pool.peer_stats()[0].state, PeerState::Down);
    let owner = Peer::start_on(&addr, server, source.getter(), |pool| pool);
    owner.group.get(&key).unwrap();
    source.change();
    assert_done(&asker.group.remove(&key), 1);
    assert_eq!(owner.group.get(&key).unwrap(), "version 1");
}

#[test]
fn a_peer_that_takes_every_method_for_a_get_is_reported_as_such() {
    let old = FaultyPeer::of_old();
    let peer = Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool);
    peer.join(&[&old.url()]);
    let reports = [
        peer.group.remove("Tom").peers,
        peer.group.remove_many(&["Tom", "Jack"]).peers,
        peer.group.clear().peers,
        peer.group.insert("Tom", "631").unwrap().peers,
    ];
    for reports in reports {
        assert_eq!(reports.len(), 1);
        let outcome = &reports[0].outcome;
        assert!(matches!(outcome, RemoveOutcome::NotSupported), "{outcome:?}");
    }
    assert!(!peer.group.remove("Tom").is_complete());
    assert_eq!(peer.pool.peer_stats()[0].state, PeerState::Up);
}

#[test]
fn what_was_inserted_is_read_by_all() {
    for server in SERVERS {
        let source = Source::default();
        let cluster = cluster(server, &source);
        for owner in 0..3 {
            let key = cluster.key_owned_by(owner);
            assert_all_get(&cluster, &key, "version 0");
            for (writer, value) in [(0, "one"), (1, ""), (2, "three")] {
                let report = cluster.node(writer).group.insert(&key, value).unwrap();
                assert!(report.is_complete() && report.is_kept, "{report:?}");
                assert_eq!(report.peers.len(), 2);
                assert_all_get(&cluster, &key, value);
            }
            let absent = Loaded::absent().ttl(Duration::from_secs(3600));
            assert!(cluster.node(0).group.insert(&key, absent).unwrap().is_kept);
            for node in 0..3 {
                let error = cluster.node(node).group.get(&key).unwrap_err();
                assert!(matches!(error, Error::NotFound { .. }), "{error}");
            }
        }
        assert_eq!(cluster.calls(), 3, "one load per key, before its first insertion");
    }
}

/// The owner's cache is full of what is asked for again and again, and has parts of 8 MiB.
#[test]
fn a_large_value_inserted_into_a_full_cache_is_read_by_all_or_reported_as_not_kept() {
    for server in SERVERS {
        let cluster = Cluster::with(2, server, |_| {
            CountingGetter::with(|key| Ok(vec![0; if key.len() < 12 { 100_000 } else { 9 }].into()))
        });
        let (asker, owner) = (cluster.node(0), cluster.node(1));
        let keys: Vec<_> = cluster.keys_owned_by(1).take(700).collect();
        for key in keys.iter().chain(&keys[..500]) {
            owner.group.get(key).unwrap();
        }
        let loads = cluster.calls();
        for (n, size) in [300_000, 1 << 20, 15 << 20].into_iter().enumerate() {
            for inserter in [asker, owner] {
                let key = &keys[600 + n];
                let value = vec![n as u8 + 1; size];
                let report = inserter.group.insert(key, value.clone()).unwrap();
                assert!(report.is_kept && report.is_complete(), "{size}: {report:?}");
                assert!(owner.group.get(key).unwrap() == value[..], "{size} at the owner");
                assert!(asker.group.get(key).unwrap() == value[..], "{size} elsewhere");
            }
        }
        assert_eq!(cluster.calls(), loads, "what was inserted is not loaded");
        for inserter in [asker, owner] {
            let key = &keys[610];
            let report = inserter.group.insert(key, vec![1; 17 << 20]).unwrap();
            assert!(!report.is_kept && report.is_complete(), "{report:?}");
            assert_eq!(asker.group.get(key).unwrap().len(), 100_000, "it is loaded again");
        }
    }
}

#[test]
fn an_inserted_value_keeps_its_ttl_and_may_be_large() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool.max_value_bytes(2 << 20));
        let getter = HttpGetter::new(&peer.url()).unwrap();
        let hour = Duration::from_secs(3600);
        let value = Loaded::from(vec![7; 2 << 20]).ttl(hour);
        assert!(getter.insert("scores", "large", &value, ChangeStamp::UNORDERED).unwrap());
        let got = getter.get("scores", "large").unwrap();
        assert_eq!(got.value(), value.value());
        let left = got.time_to_live().unwrap();
        assert!(left <= hour && left > hour / 2, "{left:?}");
        let longer = Loaded::from(vec![7; (2 << 20) + 1]);
        let error = getter.insert("scores", "k", &longer, ChangeStamp::UNORDERED).unwrap_err();
        // A server that refuses a body may close before all of it was sent.
        let kinds = [PeerErrorKind::Protocol, PeerErrorKind::Unreachable];
        assert!(kinds.contains(&error.kind()), "{error}");
        let error =
            getter.insert("no such group", "k", &value, ChangeStamp::UNORDERED).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::NoSuchGroup);
        assert_eq!(peer.getter.calls(), 0);
    }
}
