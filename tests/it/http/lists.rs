//! Lists of peers: what may stand in them, and what happens when they change.

use std::sync::Arc;

use geecache::consistenthash::RingHash;
use geecache::{Error, Group, HttpGetter, HttpPool};
use log::Level;

use crate::support::{
    Cluster, CountingGetter, FaultyPeer, Peer, SERVERS, all_at_once, answer, keep_logs, logged,
    value_of,
};

const NO_PEERS: [&str; 14] = [
    "",
    " ",
    "localhost:8001",
    "127.0.0.1",
    "//localhost:8001",
    "https://localhost:8001",
    "ftp://localhost:8001",
    "http://",
    "http://:8001",
    "http://localhost:99999",
    "http://localhost:port",
    "http://localhost:8001/path",
    "http://me:secret@localhost:8001",
    "http://local host:8001",
];

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>, bad: &str) {
    match result {
        Err(Error::InvalidPeer { url, reason }) => {
            // A password may stand before the `@`.
            let told = bad.split_once('@').map(|(_, rest)| format!("…@{rest}"));
            assert_eq!(url, told.as_deref().unwrap_or(bad));
            assert!(!reason.is_empty());
        }
        other => panic!("{bad:?}: {other:?}"),
    }
}

#[test]
fn a_bad_url_is_refused_by_name_and_the_old_list_stays() {
    let cluster = Cluster::of(2, SERVERS[0]);
    let own = cluster.node(0).url();
    for bad in NO_PEERS {
        assert_invalid(cluster.node(0).pool.set_peers([own.as_str(), bad]), bad);
        assert_invalid(HttpPool::client([bad]), bad);
        assert_invalid(HttpGetter::new(bad), bad);
    }
    let key = cluster.key_owned_by(1);
    cluster.node(0).group.get(&key).unwrap();
    assert_eq!(cluster.node(1).getter.calls(), 1, "the old list is in force");
}

#[test]
fn a_client_without_peers_loads_for_itself_and_says_so_once() {
    keep_logs();
    let getter = CountingGetter::new();
    let group = Group::new("scores", 1 << 20, getter.clone());
    let pool = HttpPool::client([""; 0]).unwrap();
    pool.add(&group).unwrap();
    let told = || logged(&["HttpPool(client) has no peers", "all other keys", "lonely"]);
    assert_eq!(told(), []);
    for key in ["lonely 1", "lonely 2"] {
        assert_eq!(group.get(key).unwrap(), value_of(key).as_str());
        assert!(group.get_many(&["lonely 3", "lonely 4"]).iter().all(Result::is_ok));
        let told = told();
        assert!(told.len() == 1 && told[0].0 == Level::Warn, "{told:?}");
    }
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    pool.set_peers([peer.url()]).unwrap();
    group.get("not lonely").unwrap();
    assert_eq!((getter.calls(), peer.getter.calls()), (4, 1), "the list came later");
}

#[test]
fn a_list_without_oneself_is_refused_unless_one_is_a_client() {
    let cluster = Cluster::of(2, SERVERS[0]);
    let (one, other) = (cluster.node(0), cluster.node(1));
    assert_invalid(one.pool.set_peers([other.url()]), &one.url());
    assert_invalid(one.pool.set_peers(Vec::<String>::new()), &one.url());
    let client = HttpPool::client([other.url()]).unwrap();
    client.set_peers(cluster.urls()).unwrap();
    client.set_peers(Vec::<String>::new()).unwrap();
    assert!(client.picker().pick_peer("Tom").is_none());
}

#[test]
fn a_slash_at_the_end_and_duplicates_change_nothing() {
    let cluster = Cluster::of(3, SERVERS[0]);
    let node = cluster.node(0);
    let keys: Vec<_> = (0..100).map(|n| format!("key {n}")).collect();
    let owners = || keys.iter().map(|key| node.pool.owner(key)).collect::<Vec<_>>();
    let before = owners();
    let mut urls: Vec<_> = cluster.urls().iter().map(|url| format!("{url}/")).collect();
    urls.extend(cluster.urls());
    urls.reverse();
    node.pool.set_peers(urls).unwrap();
    assert_eq!(owners(), before);
}

#[test]
fn a_client_opens_no_port_and_owns_no_key() {
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        let client = Peer::client(&[owner.url()]);
        assert_eq!((client.url(), client.local_addr()), (None, None));
        assert!(!client.picker().owns("Tom"));
        let getter = CountingGetter::new();
        let group = Group::new("scores", 1 << 20, getter.clone());
        client.add(&group).unwrap();
        assert_eq!(group.get("Tom").unwrap(), "value of Tom");
        assert_eq!((owner.getter.calls(), getter.calls()), (1, 0));

        drop(owner);
        assert_eq!(group.get("Sam").unwrap(), "value of Sam");
        assert_eq!(getter.calls(), 1, "nobody answers, so it loads for itself");
        assert_eq!(group.main_cache_stats().entries, 0);
        client.shutdown();
    }
}

#[test]
fn a_pool_that_was_told_nothing_owns_all_keys() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        assert!(peer.pool.picker().owns("Tom"));
        peer.group.get("Tom").unwrap();
        assert_eq!(peer.group.main_cache_stats().entries, 1);
    }
}

#[test]
fn peers_that_stay_keep_their_getters_and_their_connections() {
    let kept = FaultyPeer::start(|connection| {
        while connection.request().is_some() && connection.send(&answer("from the owner")) {}
    });
    let (other, peer) =
        ("http://127.0.0.1:1", Peer::start(SERVERS[0], CountingGetter::new(), |p| p));
    peer.join(&[&kept.url()]);
    let keys: Vec<_> = (0..1000)
        .map(|n| format!("key {n}"))
        .filter(|key| peer.pool.owner(key) == Some(kept.url()))
        .collect();
    let getter = peer.pool.picker().pick_peer(&keys[0]).unwrap();
    assert_eq!(peer.group.get(&keys[0]).unwrap(), "from the owner");

    peer.join(&[&kept.url(), other]);
    peer.join(&[other, &kept.url()]);
    peer.join(&[&kept.url()]);
    let again = peer.pool.picker().pick_peer(&keys[0]).unwrap();
    assert!(std::ptr::addr_eq(Arc::as_ptr(&getter), Arc::as_ptr(&again)));
    for key in &keys[1..20] {
        assert_eq!(peer.group.get(key).unwrap(), "from the owner");
    }
    assert_eq!((kept.connections(), kept.requests()), (1, 20));
}

#[test]
fn a_peer_with_far_more_than_its_share_is_named_in_the_log_once_for_each_list() {
    keep_logs();
    let peers: Vec<String> = (0..10).map(|n| format!("http://share-{n}.test:81")).collect();
    let mut ring = RingHash::Crc32.ring();
    ring.extend(&peers);
    let pool = HttpPool::client(peers.clone()).unwrap();
    // As a program does that asks its discovery every few seconds.
    pool.set_peers(peers).unwrap();
    let mut warned = 0;
    for (peer, share) in ring.shares() {
        let told = logged(&[&format!("peer {peer} owns"), "times the mean share"]);
        let expected = usize::from(share > 0.15);
        assert_eq!(told.len(), expected, "{peer} with {share} of the ring: {told:?}");
        assert!(told.iter().all(|(level, _)| *level == Level::Warn), "{told:?}");
        warned += expected;
    }
    assert!(warned > 0 && warned < 10, "{warned} of 10 are worth a warning");
}

#[test]
fn lists_that_change_under_load_lose_no_get() {
    for server in SERVERS {
        let cluster = Arc::new(Cluster::of(4, server));
        all_at_once(9, {
            let cluster = Arc::clone(&cluster);
            move |thread| {
                if thread == 8 {
                    for round in 0..60 {
                        let node = round % 4;
                        let gone = (round + 1 + round / 4) % 4;
                        let mut urls = cluster.urls();
                        if gone != node {
                            urls.remove(gone);
                        }
                        cluster.node(node).pool.set_peers(urls).unwrap();
                    }
                    return;
                }
                for i in 0..150 {
                    let key = format!("key {}", (i * 13 + thread) % 97);
                    let value = cluster.node(thread % 4).group.get(&key).unwrap();
                    assert_eq!(value, value_of(&key).as_str());
                }
            }
        });
        for node in 0..4 {
            assert_eq!(cluster.node(node).stats().peer_errors, 0, "{server:?}");
        }
    }
}

#[test]
fn lists_that_differ_in_a_cycle_of_three_answer_all() {
    // 0 believes in 1 alone, 1 in 2, and 2 in 0: each of them takes another one for the owner of
    // what is not its own.
    for server in SERVERS {
        let cluster = Arc::new(Cluster::of(3, server));
        for node in 0..3 {
            let next = cluster.node((node + 1) % 3).url();
            cluster.node(node).join(&[&next]);
        }
        all_at_once(9, {
            let cluster = Arc::clone(&cluster);
            move |thread| {
                for i in 0..60 {
                    let key = format!("key {i}");
                    let value = cluster.node(thread % 3).group.get(&key).unwrap();
                    assert_eq!(value, value_of(&key).as_str());
                }
            }
        });
        assert!(cluster.calls() <= 3 * 60, "no more than one load of a key at each peer");
        for node in 0..3 {
            assert_eq!(cluster.node(node).stats().peer_errors, 0, "{server:?}");
        }
    }
}

#[test]
fn a_port_that_is_taken_and_an_address_that_is_none_are_errors_of_binding() {
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    for addr in [peer.addr().as_str(), "192.0.2.1:0", "no port"] {
        let error = HttpPool::bind(addr).unwrap_err();
        assert!(matches!(&error, Error::Bind { .. }), "{addr}: {error:?}");
        assert!(error.to_string().contains(addr), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
