//! Pools in front of groups, over real sockets.

use std::collections::HashSet;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::error::PeerErrorKind;
use crate::group::{Group, RemoveOutcome};
use crate::http::peer::PeerState;
use crate::http::protocol::Protocol;
use crate::http::server::Server;
use crate::http::testing::{FaultyPeer, SOON, ok};
use crate::peers::{PeerGetter, PeerPicker};

/// One peer of a cluster in this process. Ends with the test.
struct Node {
    pool: HttpPool,
    group: Group,
}

impl Node {
    fn start(build: impl Fn(HttpPoolBuilder) -> HttpPoolBuilder) -> Self {
        let registry = Registry::new();
        // Generous, so that a busy machine does not fail a test that is not about time.
        let builder = HttpPool::builder(&registry).timeout(4 * SOON).connect_timeout(SOON);
        let pool = build(builder).bind("127.0.0.1:0").unwrap();
        let group = Group::new("echo", 64 << 20, |key: &str| match key {
            "nobody" => Ok(None),
            "fails" => Err(io::Error::other("the disk is gone")),
            "large" => Ok(Some(vec![7; 11 << 20])),
            "empty" => Ok(Some(Vec::new())),
            _ => Ok(Some(key.as_bytes().to_vec())),
        });
        registry.insert(&group).unwrap();
        group.register_peers(pool.clone()).unwrap();
        Self { pool, group }
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
fn whoever_is_asked_the_owner_loads_once() {
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
fn other_base_paths_work_and_bad_ones_are_refused() {
    for path in ["/", "/p/", "/a/b-c_d~e.f/"] {
        let nodes = cluster(2, |builder| builder.base_path(path));
        let key = nodes[0].key_of(nodes[1].url());
        assert_eq!(nodes[0].group.get(&key).unwrap(), key.as_str());
        assert_eq!((nodes[0].group.stats().peer_loads, loads(&nodes)), (1, 1));
    }
    let registry = Registry::new();
    for path in
        ["", "p", "/p", "p/", "//", "/a//b/", "/./", "/../", "/a b/", "/a%20/", "/é/", "/?/"]
    {
        let builder = HttpPool::builder(&registry).base_path(path);
        assert_invalid_option(builder.bind("127.0.0.1:0"), "base_path");
    }
}

#[test]
fn options_that_can_not_work_are_refused() {
    let registry = Registry::new();
    let builder = || HttpPool::builder(&registry);
    let none: [&str; 0] = [];
    assert_invalid_option(builder().timeout(Duration::ZERO).client(none), "timeout");
    assert_invalid_option(
        builder().connect_timeout(Duration::ZERO).client(none),
        "connect_timeout",
    );
    assert_invalid_option(builder().max_value_bytes(0).client(none), "max_value_bytes");
    assert_invalid_option(builder().idle_timeout(SOON).bind("127.0.0.1:0"), "idle_timeout");
    assert_invalid_option(builder().bind("0.0.0.0:0"), "advertise");
    assert_invalid_peer(builder().advertise("localhost:1").bind("127.0.0.1:0"), "localhost:1");
    match HttpPool::bind("this is no address", &registry) {
        Err(Error::Bind { .. }) => {}
        other => panic!("{other:?}"),
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    match HttpPool::bind(addr, &registry) {
        Err(Error::Bind { addr: shown, .. }) => assert_eq!(shown, addr.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pool_is_known_by_its_address_or_by_what_it_advertises() {
    let registry = Registry::new();
    let pool = HttpPool::bind("127.0.0.1:0", &registry).unwrap();
    let addr = pool.local_addr().unwrap();
    assert_ne!(addr.port(), 0);
    assert_eq!(pool.url(), Some(format!("http://{addr}").as_str()));
    pool.shutdown();

    let builder = HttpPool::builder(&registry).advertise("http://cache-7.cache.svc:8008/");
    let pool = builder.bind("0.0.0.0:0").unwrap();
    assert_eq!(pool.url(), Some("http://cache-7.cache.svc:8008"));
    pool.set_peers(["http://cache-7.cache.svc:8008/", "http://cache-8.cache.svc:8008"]).unwrap();
    pool.shutdown();
}

#[test]
fn a_pool_that_was_told_no_peers_owns_every_key() {
    let node = Node::start(|builder| builder);
    assert!(node.pool.owns("Tom") && node.pool.pick_peer("Tom").is_none());
    assert_eq!(node.pool.owner("Tom").as_deref(), Some(node.url()));
    assert_eq!(node.group.get("Tom").unwrap(), "Tom");
    assert!(node.pool.peer_stats().is_empty() && node.pool.peers().is_empty());
}

#[test]
fn a_list_of_peers_is_taken_as_a_whole_or_not_at_all() {
    let node = Node::start(|builder| builder);
    let own = node.url().to_owned();
    let other = "http://127.0.0.1:1";
    node.pool.set_peers([own.as_str(), other]).unwrap();
    let owners = |pool: &HttpPool| (0..50).map(|i| pool.owner(&i.to_string())).collect::<Vec<_>>();
    let before = owners(&node.pool);

    assert_invalid_peer(node.pool.set_peers([own.as_str(), "http://x:1/path"]), "http://x:1/path");
    assert_invalid_peer(node.pool.set_peers([other]), &own);
    assert_invalid_peer(node.pool.set_peers([] as [&str; 0]), &own);
    assert_eq!(owners(&node.pool), before);

    // Order, duplicates and a slash at the end change nothing; an owned list is as good as a borrowed one.
    let slash = format!("{own}/");
    node.pool.set_peers(vec![format!("{other}/"), slash, other.to_owned(), own]).unwrap();
    assert_eq!(owners(&node.pool), before);
    assert_eq!(node.pool.peer_stats().len(), 1);
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
        let picked = node.pool.pick_peer(&key).unwrap();
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
    let members = nodes[0].pool.inner.members();
    let key_to = |heir: &str| {
        let keys = (0..).map(|i| format!("key {i}"));
        let order = |key: &str| members.ring.owners(key).map(str::to_owned).collect::<Vec<_>>();
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

    assert!(nodes[0].pool.pick_peer(&ours).is_none());
    assert_eq!(nodes[0].pool.owner(&ours), Some(dead));
    assert!(!nodes[0].pool.owns(&ours), "what is loaded for a dead owner is not ours to keep");
    assert_eq!(nodes[0].group.get(&ours).unwrap(), ours.as_str());
    assert_eq!(nodes[0].group.stats().local_loads, 1);
}

#[test]
fn many_keys_are_picked_for_as_each_of_them_is_whoever_is_down() {
    let nodes = cluster(2, |builder| builder);
    let down = nobodys_url();
    let pool = &nodes[0].pool;
    pool.set_peers([nodes[0].url(), nodes[1].url(), &down]).unwrap();
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
    assert!(!client.owns("Tom"));
    let group = Group::new("echo", 1 << 20, |_: &str| Ok::<_, io::Error>("loaded by the client"));
    group.register_peers(client.clone()).unwrap();
    for key in ["Tom", "Jack", "Sam"] {
        assert_eq!(group.get(key).unwrap(), key);
    }
    assert_eq!((loads(&nodes), group.stats().local_loads), (3, 0));
    client.shutdown();
    drop(nodes);

    let client = HttpPool::client([nobodys_url(), nobodys_url()]).unwrap();
    let group = Group::new("echo", 1 << 20, |_: &str| Ok::<_, io::Error>("loaded by the client"));
    group.register_peers(client).unwrap();
    assert_eq!(group.get("Tom").unwrap(), "loaded by the client");

    assert_invalid_peer(HttpPool::client(["localhost:8001"]), "localhost:8001");
    let alone = HttpPool::client([] as [&str; 0]).unwrap();
    assert!(alone.pick_peer("Tom").is_none() && alone.owns("Tom") && alone.owner("Tom").is_none());
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
fn a_pool_serves_until_shutdown_even_when_its_handles_are_gone() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let registry = Registry::new();
        let witness = Arc::new(());
        let theirs = Arc::clone(&witness);
        let group = Group::new("g", 1 << 20, move |_: &str| {
            let _ = &theirs;
            Ok::<_, io::Error>("v")
        });
        registry.insert(&group).unwrap();
        let pool = HttpPool::builder(&registry).server(server).bind("127.0.0.1:0").unwrap();
        group.register_peers(pool.clone()).unwrap();
        let (url, last) = (pool.url().unwrap().to_owned(), pool.clone());
        drop((pool, registry, group));
        let getter = HttpGetter::new(&url).unwrap();
        assert_eq!(getter.get("g", "k").unwrap().value().unwrap(), &"v");

        last.shutdown();
        last.shutdown();
        drop(last);
        // A thread of the server may be on its way out of the handler.
        let begun = Instant::now();
        while Arc::strong_count(&witness) > 1 {
            assert!(begun.elapsed() < SOON, "the pool still holds the group");
            thread::yield_now();
        }
        assert!(getter.get("g", "k").is_err());
        assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
    }
}

#[test]
fn a_peer_that_restarts_on_its_port_is_met_again() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let registry = Registry::new();
        let group = Group::new("g", 0, |_: &str| Ok::<_, io::Error>("v"));
        registry.insert(&group).unwrap();
        let start = |addr: &str| HttpPool::builder(&registry).server(server).bind(addr).unwrap();
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
fn options_without_an_end_are_as_good_as_none() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let most = NonZeroUsize::MAX;
        let nodes = cluster(2, |builder| {
            builder
                .server(server)
                .connect_timeout(Duration::MAX)
                .timeout(Duration::MAX)
                .peek_timeout(Duration::MAX)
                .warm_up(Duration::MAX)
                .idle_timeout(Duration::MAX)
                .drain_timeout(Duration::MAX)
                .max_requests(most)
                .max_connections(most)
                .max_requests_per_peer(most)
                .max_idle_connections(most)
                .max_value_bytes(u64::MAX)
        });
        let key = nodes[0].key_of(nodes[1].url());
        let group = &nodes[0].group;
        assert_eq!(group.get_timeout(&key, Duration::MAX).unwrap(), key.as_str(), "{server:?}");
        assert_eq!(group.get_many(&[&key, "nobody"])[0].as_ref().unwrap(), key.as_str());
        assert!(group.remove(&key).is_complete(), "{server:?}");
        assert_eq!(group.stats().peer_errors, 0, "{server:?}");
        for node in &nodes {
            node.pool.shutdown();
        }
    }
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
            assert!(
                matches!(outcome, RemoveOutcome::Failed(error) if error.kind() == PeerErrorKind::Protocol),
                "{limit}: {outcome:?}"
            );
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
        owns.group.peer_side().insert(key, "older");
        let report = asks.group.insert(key, vec![7; size]).unwrap();
        assert!(!report.is_complete());
        assert_eq!(owns.group.get(key).unwrap(), key.as_str(), "it is loaded anew");
    }
}
