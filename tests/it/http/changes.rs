//! Batches and removals over the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use geecache::{Error, Group, Loaded, RemoveOutcome};

use crate::http::keys::hard_texts;
use crate::support::{Cluster, CountingGetter, Peer, SERVERS, all_at_once, value_of};

/// Three peers in front of one source of truth, which is a number.
fn cluster_before(source: &Arc<AtomicU64>, server: geecache::Server) -> Cluster {
    Cluster::with(3, server, |_| {
        let source = Arc::clone(source);
        CountingGetter::with(move |_| Ok(source.load(Ordering::SeqCst).to_string().into()))
    })
}

fn number(group: &Group, key: &str) -> u64 {
    group.get(key).unwrap().as_str().unwrap().parse().unwrap()
}

#[test]
fn a_removal_anywhere_is_seen_everywhere() {
    for server in SERVERS {
        let source = Arc::new(AtomicU64::new(0));
        let cluster = cluster_before(&source, server);
        let hard = hard_texts();
        for key in
            hard.iter().step_by(4).chain([&cluster.key_owned_by(0), &cluster.key_owned_by(1)])
        {
            for remover in 0..3 {
                // Asked twice, a peer keeps a copy.
                for node in [0, 1, 2, 0, 1, 2] {
                    number(&cluster.node(node).group, key);
                }
                let new = source.fetch_add(1, Ordering::SeqCst) + 1;
                let report = cluster.node(remover).group.remove(key);
                assert!(report.is_complete(), "{server:?}: {key:?}: {report:?}");
                assert_eq!(report.peers.len(), 2);
                for node in 0..3 {
                    let read = number(&cluster.node(node).group, key);
                    assert_eq!(read, new, "{server:?}: {key:?} at peer {node}");
                }
            }
        }
    }
}

#[test]
fn many_keys_are_removed_and_groups_are_cleared() {
    for server in SERVERS {
        let source = Arc::new(AtomicU64::new(0));
        let cluster = cluster_before(&source, server);
        let keys: Vec<_> = (0..200).map(|n| format!("key {n}")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let read = |expected: u64| {
            for node in 0..3 {
                for (value, key) in cluster.node(node).group.get_many(&keys).iter().zip(&keys) {
                    let value = value.as_ref().unwrap();
                    assert_eq!(value, &expected.to_string().as_str(), "{server:?}: {key:?}");
                }
            }
        };
        read(0);
        source.store(1, Ordering::SeqCst);
        assert!(cluster.node(0).group.remove_many(&keys).is_complete());
        read(1);
        source.store(2, Ordering::SeqCst);
        assert!(cluster.node(1).group.clear().is_complete());
        read(2);
    }
}

#[test]
fn what_is_inserted_is_read_at_every_peer() {
    let large = vec![b'x'; 300 << 10];
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        for key in hard_texts().iter().chain([&cluster.key_owned_by(1), &cluster.key_owned_by(2)]) {
            for value in [&b""[..], b"inserted", &large] {
                let report = cluster.node(0).group.insert(key, Loaded::from(value)).unwrap();
                assert!(report.is_complete(), "{server:?}: {key:?}: {report:?}");
                for node in 0..3 {
                    let read = cluster.node(node).group.get(key).unwrap();
                    assert!(read == value, "{server:?}: {key:?} at peer {node}");
                }
            }
        }
        assert_eq!(cluster.calls(), 0, "nobody had to load anything");
    }
}

#[test]
fn a_removal_with_one_peer_gone_is_done_at_the_others_and_says_so() {
    for server in SERVERS {
        let source = Arc::new(AtomicU64::new(0));
        let cluster = cluster_before(&source, server);
        let key = cluster.key_owned_by(1);
        for node in [0, 1, 2, 0, 1, 2] {
            number(&cluster.node(node).group, &key);
        }
        cluster.node(2).pool.shutdown();
        source.store(1, Ordering::SeqCst);
        let report = cluster.node(0).group.remove(&key);
        assert!(!report.is_complete());
        for peer in &report.peers {
            let gone = peer.peer == cluster.node(2).url();
            match &peer.outcome {
                RemoveOutcome::Failed(_) => assert!(gone, "{server:?}: {report:?}"),
                RemoveOutcome::Done => assert!(!gone, "{server:?}: {report:?}"),
                other => panic!("{server:?}: {other:?}"),
            }
        }
        for node in [0, 1] {
            assert_eq!(number(&cluster.node(node).group, &key), 1, "{server:?}");
        }
    }
}

#[test]
fn a_batch_asks_each_owner_once() {
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        let mut keys = hard_texts();
        keys.extend((0..100).map(|n| format!("key {n}")));
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        for node in 0..3 {
            let values = cluster.node(node).group.get_many(&keys);
            for (value, key) in values.into_iter().zip(&keys) {
                assert_eq!(value.unwrap(), value_of(key).as_str(), "{server:?}: {key:?}");
            }
        }
        assert_eq!(cluster.calls(), keys.len(), "{server:?}: each key was loaded once");

        // A client asks for nothing else.
        let client = Peer::client(&cluster.urls());
        let group = Group::new("scores", 0, |_: &str| Err::<&str, _>("nobody should ask"));
        group.register_peers(client.clone()).unwrap();
        let values = group.get_many(&keys);
        assert!(values.iter().all(Result::is_ok));
        let requests: Vec<_> = client.peer_stats().iter().map(|peer| peer.requests).collect();
        assert_eq!(requests, [1, 1, 1], "{server:?}");
    }
}

#[test]
fn each_key_of_a_batch_fails_alone_over_the_wire() {
    for server in SERVERS {
        let source = |node: usize| {
            CountingGetter::with(move |key| match key {
                _ if key.ends_with('0') => Ok(Loaded::absent()),
                _ if key.ends_with('1') && node == 1 => Err("no route to the database".into()),
                _ => Ok(value_of(key).into()),
            })
        };
        let cluster = Cluster::with(2, server, source);
        let keys: Vec<_> = cluster.keys_owned_by(1).take(60).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        for (value, key) in cluster.node(0).group.get_many(&keys).into_iter().zip(&keys) {
            if key.ends_with('0') {
                assert!(matches!(value, Err(Error::NotFound { .. })), "{key:?}: {value:?}");
            } else {
                assert_eq!(value.unwrap(), value_of(key).as_str(), "the own getter has it");
            }
        }
    }
}

#[test]
fn batches_from_many_threads_load_each_key_once() {
    for server in SERVERS {
        let cluster = Arc::new(Cluster::of(3, server));
        all_at_once(9, {
            let cluster = Arc::clone(&cluster);
            move |thread| {
                let mut keys: Vec<_> = (0..60).map(|n| format!("key {n}")).collect();
                keys.rotate_left(thread * 7);
                let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                let values = cluster.node(thread % 3).group.get_many(&keys);
                for (value, key) in values.into_iter().zip(&keys) {
                    assert_eq!(value.unwrap(), value_of(key).as_str(), "{server:?}: {key:?}");
                }
            }
        });
        assert_eq!(cluster.calls(), 60, "{server:?}");
    }
}
