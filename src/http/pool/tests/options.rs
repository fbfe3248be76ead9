//! What a pool is told: options, addresses, lists.

use super::*;

#[test]
fn other_base_paths_work_and_bad_ones_are_refused() {
    for path in ["/", "/p/", "/a/b-c_d~e.f/"] {
        let nodes = cluster(2, |builder| builder.base_path(path));
        let key = nodes[0].key_of(nodes[1].url());
        assert_eq!(nodes[0].group.get(&key).unwrap(), key.as_str());
        assert_eq!((nodes[0].group.stats().peer_loads, loads(&nodes)), (1, 1));
    }
    for path in
        ["", "p", "/p", "p/", "//", "/a//b/", "/./", "/../", "/a b/", "/a%20/", "/é/", "/?/"]
    {
        let builder = HttpPool::builder().base_path(path);
        assert_invalid_option(builder.bind("127.0.0.1:0"), "base_path");
    }
}

#[test]
fn options_that_can_not_work_are_refused() {
    let builder = || HttpPool::builder();
    let none: [&str; 0] = [];
    assert_invalid_option(builder().timeout(Duration::ZERO).client(none), "timeout");
    assert_invalid_option(
        builder().connect_timeout(Duration::ZERO).client(none),
        "connect_timeout",
    );
    assert_invalid_option(builder().peek_timeout(Duration::ZERO).client(none), "peek_timeout");
    let replicas = |n: usize| builder().replicas(NonZeroUsize::new(n).unwrap()).client(none);
    assert_invalid_option(replicas(10_001), "replicas");
    replicas(10_000).unwrap();
    assert_invalid_option(builder().max_value_bytes(0).client(none), "max_value_bytes");
    let transfer = |bytes| builder().max_transfer_bytes(bytes).client(none);
    assert_invalid_option(transfer((1 << 20) - 1), "max_transfer_bytes");
    transfer(1 << 20).unwrap();
    assert_invalid_option(builder().idle_timeout(SOON).bind("127.0.0.1:0"), "idle_timeout");
    assert_invalid_peer(builder().advertise("localhost:1").bind("127.0.0.1:0"), "localhost:1");
    for addr in ["this is no address", "127.0.0.1"] {
        match HttpPool::bind(addr) {
            Err(Error::Bind { addr: shown, source }) => {
                assert_eq!(shown, addr);
                assert!(source.to_string().contains("it is host:port"), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_invalid_option(builder().cluster("").client(none), "cluster");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    match HttpPool::bind(addr) {
        Err(Error::Bind { addr: shown, .. }) => assert_eq!(shown, addr.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pool_is_known_by_its_address_or_by_what_it_advertises() {
    let pool = HttpPool::bind("127.0.0.1:0").unwrap();
    let addr = pool.local_addr().unwrap();
    assert_ne!(addr.port(), 0);
    assert_eq!(pool.url(), Some(format!("http://{addr}").as_str()));
    pool.shutdown();

    // Some machines have no interface but loopback.
    match HttpPool::bind("0.0.0.0:0") {
        Ok(pool) => {
            let (url, port) = (pool.url().unwrap(), pool.local_addr().unwrap().port());
            assert!(url.ends_with(&format!(":{port}")) && !url.contains("0.0.0.0"), "{url}");
            pool.shutdown();
        }
        refused => assert_invalid_option(refused, "advertise"),
    }

    let builder = HttpPool::builder().advertise("http://cache-7.cache.svc:8008/");
    let pool = builder.bind("0.0.0.0:0").unwrap();
    assert_eq!(pool.url(), Some("http://cache-7.cache.svc:8008"));
    pool.set_peers(["http://cache-7.cache.svc:8008/", "http://cache-8.cache.svc:8008"]).unwrap();
    pool.shutdown();
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
    let told = node.pool.set_peers([other]).unwrap_err().to_string();
    assert!(told.contains(other) && told.contains("advertise"), "{told}");
    assert_eq!(owners(&node.pool), before);

    // Order, duplicates and a slash at the end change nothing; an owned list is as good as a
    // borrowed one.
    let slash = format!("{own}/");
    node.pool.set_peers(vec![format!("{other}/"), slash, other.to_owned(), own]).unwrap();
    assert_eq!(owners(&node.pool), before);
    assert_eq!(node.pool.peer_stats().len(), 1);
}

#[test]
fn a_pool_tells_the_urls_of_its_list() {
    let node = Node::start(|builder| builder);
    let own = node.url().to_owned();
    let mut list = vec!["http://127.0.0.9:1".to_owned(), own, "http://127.0.0.1:1".to_owned()];
    node.pool.set_peers(list.clone()).unwrap();
    list.sort();
    assert_eq!(node.pool.peers(), list);
    let client = HttpPool::client(["http://b:1#weight=2", "http://a:1/"]).unwrap();
    assert_eq!(client.peers(), ["http://a:1", "http://b:1"]);
    node.pool.shutdown();
    assert_eq!(node.pool.peers(), ["http://127.0.0.1:1", "http://127.0.0.9:1"]);
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
                .lanes_per_peer(most)
                .max_requests_per_peer(most)
                .max_idle_connections(most)
                .max_value_bytes(u64::MAX)
        });
        let key = nodes[0].key_of(nodes[1].url());
        let group = &nodes[0].group;
        assert_eq!(group.get_timeout(&key, Duration::MAX).unwrap(), key.as_str(), "{server:?}");
        assert_eq!(group.get_many([&key, "nobody"])[0].as_ref().unwrap(), key.as_str());
        assert!(group.remove(&key).is_complete(), "{server:?}");
        assert_eq!(group.stats().peer_errors, 0, "{server:?}");
        for node in &nodes {
            node.pool.shutdown();
        }
    }
}
