//! Batches, removals and insertions of keys that are hard on a wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use geecache::{Group, Loaded};

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
        client.add(&group).unwrap();
        let values = group.get_many(&keys);
        assert!(values.iter().all(Result::is_ok));
        let requests: Vec<_> = client.peer_stats().iter().map(|peer| peer.requests).collect();
        assert_eq!(requests, [1, 1, 1], "{server:?}");
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
