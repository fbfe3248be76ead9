//! Pools in front of groups, over real sockets.

use std::collections::HashSet;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::change::ChangeStamp;
use crate::consistenthash::Ring;
use crate::error::PeerErrorKind;
use crate::group::{Group, RemoveOutcome};
use crate::http::getter::HttpGetter;
use crate::http::peer::PeerState;
use crate::http::protocol::Protocol;
use crate::http::server::Server;
use crate::http::testing::{FaultyPeer, SOON, ok};
use crate::peers::{PeerGetter, PeerPicker};
use crate::sync::lock;

mod joining;
mod options;

/// One peer of a cluster in this process. Ends with the test.
struct Node {
    pool: HttpPool,
    group: Group,
}

impl Node {
    fn start(build: impl Fn(HttpPoolBuilder) -> HttpPoolBuilder) -> Self {
        // Generous, so that a busy machine does not fail a test that is not about time.
        let builder = HttpPool::builder().timeout(4 * SOON).connect_timeout(SOON);
        let pool = build(builder).bind("127.0.0.1:0").unwrap();
        let group = Group::new("echo", 64 << 20, |key: &str| match key {
            "nobody" => Ok(None),
            "fails" => Err(io::Error::other("the disk is gone")),
            "large" => Ok(Some(vec![7; 11 << 20])),
            "empty" => Ok(Some(Vec::new())),
            _ => Ok(Some(key.as_bytes().to_vec())),
        });
        pool.add(&group).unwrap();
        Self { pool, group }
    }

    fn picker(&self) -> Arc<dyn PeerPicker> {
        self.pool.picker()
    }

    fn url(&self) -> &str {
        self.pool.url().unwrap()
    }

    /// A key that the peer at `owner` owns, by this node's ring.
    fn key_of(&self, owner: &str) -> String {
        (0..)
            .map(|i| format!("key {i}"))
            .find(|key| self.pool.owner(key).as_deref() == Some(owner))
            .unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.pool.shutdown();
    }
}

fn cluster(size: usize, build: impl Fn(HttpPoolBuilder) -> HttpPoolBuilder) -> Vec<Node> {
    let nodes: Vec<Node> = (0..size).map(|_| Node::start(&build)).collect();
    let urls: Vec<&str> = nodes.iter().map(Node::url).collect();
    for node in &nodes {
        node.pool.set_peers(urls.iter().copied()).unwrap();
    }
    nodes
}

fn loads(nodes: &[Node]) -> u64 {
    nodes.iter().map(|node| node.group.stats().local_loads).sum()
}

/// The URL of a port at which nothing listens.
fn nobodys_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[track_caller]
fn assert_invalid_option<T: fmt::Debug>(result: Result<T, Error>, expected: &str) {
    match result {
        Err(Error::InvalidOption { option, .. }) => assert_eq!(option, expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_invalid_peer<T: fmt::Debug>(result: Result<T, Error>, expected: &str) {
    match result {
        Err(Error::InvalidPeer { url, .. }) => assert_eq!(url, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whichever_peer_is_asked_the_owner_loads_once() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let nodes = cluster(3, |builder| builder.server(server));
        let keys =
            ["Tom", "a b", "a+b", "a/b", "%2F", ".", "..", "?", "#", "\n", "你好", "//", "é&=;"];
        let long = "k".repeat(4096);
        let keys: Vec<&str> = keys.into_iter().chain([long.as_str(), "empty"]).collect();
        for node in &nodes {
            for &key in &keys {
                let expected = if key == "empty" { "" } else { key };
                assert_eq!(node.group.get(key).unwrap(), expected, "{server:?}, {key:?}");
            }
        }
        assert_eq!(loads(&nodes), keys.len() as u64);
        let owners: HashSet<String> =
            keys.iter().flat_map(|key| nodes.iter().filter_map(|it| it.pool.owner(key))).collect();
        assert!(owners.len() > 1, "one peer owns all keys, and the test shows nothing");
        for node in &nodes {
            assert!(node.group.get("large").unwrap().iter().all(|&byte| byte == 7));
            assert!(matches!(node.group.get("nobody"), Err(Error::NotFound { .. })));
        }
        assert!(nodes.iter().all(|node| node.group.stats().peer_errors == 0));
        let stats: Vec<PeerStats> = nodes.iter().flat_map(|node| node.pool.peer_stats()).collect();
        assert_eq!(stats.len(), 6);
        for peer in stats {
            let seen = (peer.state, peer.in_flight, peer.failures, peer.rejected);
            assert_eq!(seen, (PeerState::Up, 0, 0, 0));
        }
    }
}

#[test]
fn all_protocols_carry_all_values() {
    for protocol in [Protocol::GeeCache, Protocol::GeeCacheProtobuf, Protocol::Groupcache] {
        let nodes = cluster(2, |builder| builder.protocol(protocol));
        let keys = ["Tom", "empty", "a b", "x1", "x2", "x3", "x4"];
        for key in keys.into_iter().chain(["large"]) {
            let values: Vec<_> = nodes.iter().map(|node| node.group.get(key).unwrap()).collect();
            assert_eq!(values[0], values[1], "{protocol:?}, {key:?}");
        }
        assert!(nodes.iter().map(|node| node.group.stats().peer_loads).sum::<u64>() > 7);
        assert!(nodes.iter().all(|node| node.group.stats().peer_errors == 0));
    }
}

#[test]
fn a_pool_that_was_told_no_peers_owns_every_key() {
    let node = Node::start(|builder| builder);
    assert!(node.picker().owns("Tom") && node.picker().pick_peer("Tom").is_none());
    assert_eq!(node.pool.owner("Tom").as_deref(), Some(node.url()));
    assert_eq!(node.group.get("Tom").unwrap(), "Tom");
    assert!(node.pool.peer_stats().is_empty() && node.picker().peers().is_empty());
}

#[test]
fn peers_that_stay_keep_their_connections_and_peers_that_leave_close_them() {
    let (closed_tx, closed) = std::sync::mpsc::channel();
    let closed_tx = Mutex::new(closed_tx);
    let peer = FaultyPeer::start(move |talk, _| {
        while talk.request().is_some() && talk.say(&ok(b"630")) {}
        let _ = lock(&closed_tx).send(());
    });
    // With a warm-up, connections to peers that left are needed until it is over.
    let node = Node::start(|builder| builder.warm_up(Duration::ZERO));
    let own = node.url().to_owned();
    let mut lists = [vec![own.clone(), peer.url.clone()], vec![own.clone(), peer.url.clone()]];
    lists[1].push("http://127.0.0.1:1".to_owned());
    for list in lists.iter().cycle().take(6) {
        node.pool.set_peers(list.clone()).unwrap();
        let key = node.key_of(&peer.url);
        let picked = node.picker().pick_peer(&key).unwrap();
        assert!(picked.get("g", "k").is_ok());
    }
    assert_eq!(peer.connections(), 1);
    assert!(closed.try_recv().is_err());
    node.pool.set_peers([own]).unwrap();
    closed.recv_timeout(SOON).unwrap();
}

#[test]
fn keys_of_a_peer_that_is_down_go_to_the_next_on_the_ring() {
    let nodes = cluster(2, |builder| builder);
    let dead = nobodys_url();
    let urls = [nodes[0].url(), nodes[1].url(), &dead];
    for node in &nodes {
        node.pool.set_peers(urls).unwrap();
    }
    // Keys of the dead peer, which go to the other node, and to us.
    let mut ring = Ring::new(NonZeroUsize::new(50).unwrap());
    ring.extend(urls);
    let key_to = |heir: &str| {
        let keys = (0..).map(|i| format!("key {i}"));
        let order = |key: &str| ring.owners(key).map(str::to_owned).collect::<Vec<_>>();
        keys.map(|key| (order(&key), key))
            .find(|(order, _)| order[0] == dead && order[1] == heir)
            .unwrap()
            .1
    };
    let (theirs, ours) = (key_to(nodes[1].url()), key_to(nodes[0].url()));

    let begun = Instant::now();
    // The first get finds out. Its second pick passes over the dead peer already.
    assert_eq!(nodes[0].group.get(&theirs).unwrap(), theirs.as_str());
    assert!(begun.elapsed() < SOON);
    let stats = nodes[0].group.stats();
    assert_eq!((stats.peer_errors, stats.peer_loads, stats.local_loads), (1, 1, 0));
    let down = nodes[0].pool.peer_stats().into_iter().find(|peer| peer.url == dead).unwrap();
    assert_eq!((down.state, down.requests, down.failures), (PeerState::Down, 1, 1));

    assert!(nodes[0].picker().pick_peer(&ours).is_none());
    assert_eq!(nodes[0].pool.owner(&ours), Some(dead));
    assert!(!nodes[0].picker().owns(&ours), "what is loaded for a dead owner is not ours to keep");
    assert_eq!(nodes[0].group.get(&ours).unwrap(), ours.as_str());
    assert_eq!(nodes[0].group.stats().local_loads, 1);
}

#[test]
fn many_keys_are_picked_for_as_each_of_them_is() {
    let nodes = cluster(2, |builder| builder);
    let down = nobodys_url();
    nodes[0].pool.set_peers([nodes[0].url(), nodes[1].url(), &down]).unwrap();
    let pool = nodes[0].picker();
    let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let name = |peer: Option<Arc<dyn PeerGetter>>| peer.map(|peer| peer.name().to_owned());
    let check = || {
        let picked: Vec<_> = pool.pick_peers(&keys).into_iter().map(name).collect();
        let one_by_one: Vec<_> = keys.iter().map(|key| name(pool.pick_peer(key))).collect();
        assert_eq!(picked, one_by_one);
        picked.into_iter().collect::<HashSet<_>>()
    };
    assert!(check().contains(&Some(down.clone())));
    assert!(nodes[0].group.get(&nodes[0].key_of(&down)).is_ok());
    // Known to be down for a second and more, less a fifth.
    assert!(!check().contains(&Some(down)));
}

#[test]
fn a_client_owns_nothing_and_loads_for_itself_when_nobody_answers() {
    let nodes = cluster(2, |builder| builder);
    let client = HttpPool::client(nodes.iter().map(Node::url)).unwrap();
    assert_eq!((client.url(), client.local_addr()), (None, None));
    assert!(!client.picker().owns("Tom"));
    let group = Group::new("echo", 1 << 20, |_: &str| Ok::<_, io::Error>("loaded by the client"));
    client.add(&group).unwrap();
    for key in ["Tom", "Jack", "Sam"] {
        assert_eq!(group.get(key).unwrap(), key);
    }
    assert_eq!((loads(&nodes), group.stats().local_loads), (3, 0));
    client.shutdown();
    drop(nodes);

    let client = HttpPool::client([nobodys_url(), nobodys_url()]).unwrap();
    let group = Group::new("echo", 1 << 20, |_: &str| Ok::<_, io::Error>("loaded by the client"));
    client.add(&group).unwrap();
    assert_eq!(group.get("Tom").unwrap(), "loaded by the client");

    assert_invalid_peer(HttpPool::client(["localhost:8001"]), "localhost:8001");
    let alone = HttpPool::client([] as [&str; 0]).unwrap();
    assert!(alone.picker().pick_peer("Tom").is_none() && alone.picker().owns("Tom"));
    assert!(alone.owner("Tom").is_none());
}

#[test]
fn errors_of_the_owner_come_with_its_message() {
    let nodes = cluster(2, |builder| builder);
    let getter = HttpGetter::new(nodes[0].url()).unwrap();
    let error = getter.get("echo", "fails").unwrap_err();
    assert_eq!((error.kind(), error.message()), (PeerErrorKind::Load, "the disk is gone"));
    assert_eq!(getter.get("echo", "nobody").unwrap().value(), None);
    assert_eq!(getter.get("other", "Tom").unwrap_err().kind(), PeerErrorKind::NoSuchGroup);
    assert_eq!(getter.get("echo", "").unwrap_err().kind(), PeerErrorKind::Protocol);
}

#[test]
fn a_peer_that_restarts_on_its_port_is_met_again() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let group = Group::new("g", 0, |_: &str| Ok::<_, io::Error>("v"));
        let start = |addr: &str| {
            let pool = HttpPool::builder().server(server).bind(addr).unwrap();
            pool.registry().insert(&group).unwrap();
            pool
        };
        let mut pool = start("127.0.0.1:0");
        let addr = pool.local_addr().unwrap().to_string();
        let getter = HttpGetter::new(pool.url().unwrap()).unwrap();
        for _ in 0..3 {
            assert!(getter.get("g", "k").is_ok(), "{server:?}");
            pool.shutdown();
            pool = start(&addr);
        }
        assert!(getter.get("g", "k").is_ok(), "{server:?}");
        pool.shutdown();
    }
}

#[test]
fn lists_that_change_under_load_lose_no_get() {
    let nodes = cluster(3, |builder| builder);
    let urls: Vec<&str> = nodes.iter().map(Node::url).collect();
    thread::scope(|scope| {
        let workers: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(n, node)| {
                scope.spawn(move || {
                    for i in 0..300 {
                        let key = format!("{n} {i}");
                        assert_eq!(node.group.get(&key).unwrap(), key.as_str());
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            for (n, node) in nodes.iter().enumerate() {
                node.pool.set_peers([urls[n], urls[(n + 1) % 3]]).unwrap();
                node.pool.set_peers(urls.iter().copied()).unwrap();
            }
        }
    });
}

#[test]
fn a_value_too_large_to_be_inserted_is_no_fault_of_the_peer() {
    // Tells a limit of its own and the peer's apart.
    for (limit, peers_limit) in [(1 << 20, 8 << 20), (8 << 20, 1 << 20)] {
        let asks = Node::start(|builder| builder.max_value_bytes(limit));
        let owns =
            Node::start(|builder| builder.max_value_bytes(peers_limit).server(Server::Guarded));
        let urls = [asks.url(), owns.url()];
        asks.pool.set_peers(urls).unwrap();
        let key = asks.key_of(owns.url());
        for _ in 0..5 {
            let report = asks.group.insert(&key, vec![7; 8 << 20]).unwrap();
            let outcome = &report.peers[0].outcome;
            let RemoveOutcome::Owed(error) = outcome else { panic!("{limit}: {outcome:?}") };
            assert_eq!(error.kind(), PeerErrorKind::Protocol, "{limit}");
        }
        let seen = &asks.pool.peer_stats()[0];
        assert_eq!((seen.state, seen.failures), (PeerState::Up, 0), "{limit}");
    }
}

#[test]
fn an_owner_that_does_not_take_a_value_forgets_the_older_one() {
    let limited =
        |builder: HttpPoolBuilder| builder.max_value_bytes(1 << 20).server(Server::Guarded);
    let nodes = cluster(2, limited);
    let (asks, owns) = (&nodes[0], &nodes[1]);
    let short = asks.key_of(owns.url());
    let padding = "k".repeat(16 << 10);
    let long = (0..)
        .map(|n| format!("{padding}{n}"))
        .find(|key| asks.pool.owner(key).as_deref() == Some(owns.url()))
        .unwrap();
    for (key, size) in [(&short, (1 << 20) + 1), (&long, 1)] {
        owns.group.peer_side().insert(key, "older", ChangeStamp::UNORDERED).unwrap();
        let report = asks.group.insert(key, vec![7; size]).unwrap();
        assert!(!report.is_complete());
        assert_eq!(owns.group.get(key).unwrap(), key.as_str(), "it is loaded again");
    }
}
