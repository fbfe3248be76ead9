//! Tags and versions, at all peers over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use geecache::{Loaded, RemoveOutcome, Server, Tag};

use crate::support::{Cluster, CountingGetter, FaultyPeer, Peer, SERVERS};

/// A source whose values all have one tag, and another one for each key, and all change at once.
#[derive(Clone, Default)]
struct TaggedSource(Arc<AtomicU64>);

impl TaggedSource {
    fn value(&self) -> String {
        format!("version {}", self.0.load(Ordering::SeqCst))
    }

    fn change(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn cluster(&self, server: Server) -> Cluster {
        Cluster::with(3, server, |_| {
            let source = self.clone();
            CountingGetter::with(move |key| {
                Ok(Loaded::from(source.value()).tag("all").tag(format!("of {key}")))
            })
        })
    }
}

#[test]
fn copies_go_with_their_tags_whether_they_came_alone_or_in_batches() {
    for server in SERVERS {
        let source = TaggedSource::default();
        let cluster = source.cluster(server);
        let keys: Vec<String> = (0..60).map(|n| format!("key {n}")).collect();
        for round in 0..3 {
            for node in 0..3 {
                for _ in 0..3 {
                    let group = &cluster.node(node).group;
                    let single = keys.iter().map(|key| group.get(key));
                    let found: Vec<_> =
                        if round == 1 { single.collect() } else { group.get_many(&keys) };
                    let value = source.value();
                    assert!(found.iter().all(|it| it.as_ref().unwrap() == value.as_str()));
                }
            }
            let copies: u64 = (0..3).map(|n| cluster.node(n).group.hot_cache_stats().entries).sum();
            assert!(copies > 0, "the test is about copies, too");
            let copied = keys.iter().find_map(|key| {
                let held = cluster.node(0).group.peek_loaded(key)?;
                (held.origin() == geecache::Origin::Copy).then_some((key, held))
            });
            let (key, held) = copied.expect("there is a copy");
            assert!(held.tags().eq([Tag::from("all"), Tag::from(format!("of {key}"))]));
            source.change();
            let report = cluster.node(round).group.remove_tag("all");
            assert!(report.is_complete() && report.peers.len() == 2, "{report:?}");
        }
        let key = &keys[7];
        (0..3).for_each(|n| drop(cluster.node(n).group.get_many(&keys)));
        source.change();
        assert!(cluster.node(2).group.remove_tag(&format!("of {key}")).is_complete());
        for node in 0..3 {
            assert_eq!(cluster.node(node).group.get(key).unwrap(), source.value().as_str());
        }
    }
}

#[test]
fn the_newest_version_prevails_whichever_server_the_owner_has() {
    for server in SERVERS {
        let cluster = Cluster::with(3, server, |_| CountingGetter::new());
        let key = cluster.key_owned_by(1);
        for (node, version, is_newer) in [(0, 2, true), (2, 1, false), (1, 3, true), (0, 3, false)]
        {
            let value = Loaded::from(format!("version {version}")).tag("t");
            let report = cluster.node(node).group.insert_if_newer(&key, value, version).unwrap();
            assert_eq!((report.is_kept, report.is_late), (is_newer, !is_newer), "{report:?}");
            assert!(report.is_complete(), "{report:?}");
        }
        for node in 0..3 {
            assert_eq!(cluster.node(node).group.get(&key).unwrap(), "version 3");
        }
        let there = cluster.node(1).group.peek_loaded(&key).unwrap();
        assert_eq!(there.version_number(), Some(3));
        assert!(there.tags().eq([Tag::from("t")]), "an inserted value has its tags, too");
    }
}

#[test]
fn a_peer_that_knows_no_tags_is_named_in_the_report() {
    let old = FaultyPeer::of_old();
    let peer = Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool);
    peer.join(&[&old.url()]);
    let report = peer.group.remove_tag("t");
    assert_eq!(report.peers.len(), 1);
    assert!(matches!(report.peers[0].outcome, RemoveOutcome::NotSupported), "{report:?}");
}
