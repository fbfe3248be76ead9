//! Groups that are added, and the end of a pool.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A group, and a witness that lives as long as its getter.
fn group(name: &str) -> (Group, Weak<()>) {
    let witness = Arc::new(());
    let seen = Arc::downgrade(&witness);
    let group = Group::new(name, 1 << 20, move |key: &str| {
        let _ = &witness;
        Ok::<_, io::Error>(key.to_owned())
    });
    (group, seen)
}

/// A thread of a server may be on its way out of the handler.
#[track_caller]
fn assert_dropped(witness: &Weak<()>) {
    let begun = Instant::now();
    while witness.strong_count() > 0 {
        assert!(begun.elapsed() < SOON, "something still holds the group");
        thread::yield_now();
    }
}

#[track_caller]
fn assert_refuses(url: &str) {
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
}

#[test]
fn a_group_is_added_whole_or_not_at_all() {
    let pool = HttpPool::bind("127.0.0.1:0").unwrap();
    let (first, second) = (group("g").0, group("g").0);
    pool.add(&first).unwrap();
    let again = pool.add(&first);
    assert!(matches!(again, Err(Error::DuplicateGroup { .. })), "{again:?}");
    let same_name = pool.add(&second);
    assert!(matches!(same_name, Err(Error::DuplicateGroup { .. })), "{same_name:?}");
    // The second group has no picker yet.
    let other_pool = HttpPool::bind("127.0.0.1:0").unwrap();
    other_pool.add(&second).unwrap();

    let taken = pool.remove("g").unwrap();
    assert_eq!(taken.name(), "g");
    let has_peers = pool.add(&second);
    assert!(matches!(has_peers, Err(Error::PeersAlreadyRegistered { .. })), "{has_peers:?}");
    assert_eq!(pool.registry().names(), [""; 0], "it is not served either");
    assert!(pool.remove("g").is_none());

    let nameless = group("a/b").0;
    let invalid = pool.add(&nameless);
    assert!(matches!(invalid, Err(Error::InvalidGroup { .. })), "{invalid:?}");
    nameless.register_peers(pool.picker()).unwrap();
}

#[test]
fn a_client_serves_nothing_and_its_groups_ask() {
    let client = HttpPool::client([] as [&str; 0]).unwrap();
    let (first, second) = (group("g").0, group("g").0);
    client.add(&first).unwrap();
    client.add(&second).unwrap();
    assert_eq!(client.registry().names(), [""; 0]);
    assert!(client.add(&first).is_ok(), "it asks these peers already");
}

#[test]
fn groups_may_be_added_before_the_peers_are_told_and_after() {
    let pools: Vec<_> = (0..2).map(|_| HttpPool::bind("127.0.0.1:0").unwrap()).collect();
    let groups: Vec<_> = (0..2).map(|_| group("g").0).collect();
    let urls: Vec<&str> = pools.iter().filter_map(HttpPool::url).collect();
    pools[0].set_peers(urls.iter().copied()).unwrap();
    pools[0].add(&groups[0]).unwrap();
    pools[1].add(&groups[1]).unwrap();
    pools[1].set_peers(urls.iter().copied()).unwrap();
    for n in 0..20 {
        let key = n.to_string();
        assert!(groups.iter().all(|group| group.get(&key).unwrap() == key.as_str()));
    }
    assert_eq!(groups.iter().map(|group| group.stats().local_loads).sum::<u64>(), 20);
    assert_eq!(groups.iter().map(|group| group.stats().peer_errors).sum::<u64>(), 0);
}

#[test]
fn a_group_that_was_removed_is_no_longer_served() {
    let pool = HttpPool::bind("127.0.0.1:0").unwrap();
    let (group, witness) = group("g");
    pool.add(&group).unwrap();
    let getter = HttpGetter::new(pool.url().unwrap()).unwrap();
    assert!(getter.get("g", "k").is_ok());
    pool.remove("g").unwrap();
    assert_eq!(getter.get("g", "k").unwrap_err().kind(), PeerErrorKind::NoSuchGroup);
    // It may come back.
    pool.add(&group).unwrap();
    assert!(getter.get("g", "k").is_ok());
    drop((pool.remove("g"), group));
    assert_dropped(&witness);
}

#[test]
fn a_pool_serves_until_its_last_handle_is_dropped() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let (group, witness) = group("g");
        let pool = HttpPool::builder().server(server).bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        let (url, last) = (pool.url().unwrap().to_owned(), pool.clone());
        drop((pool, group));
        let getter = HttpGetter::new(&url).unwrap();
        assert_eq!(getter.get("g", "k").unwrap().value().unwrap(), &"k");
        drop(last);
        assert!(getter.get("g", "k").is_err());
        assert_refuses(&url);
        assert_dropped(&witness);
        // The port is free.
        let addr = url.trim_start_matches("http://");
        HttpPool::builder().server(server).bind(addr).unwrap();
    }
}

#[test]
fn a_pool_that_was_shut_down_stays_so_and_lets_go_of_its_groups_with_its_last_handle() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let (group, witness) = group("g");
        let pool = HttpPool::builder().server(server).bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        let url = pool.url().unwrap().to_owned();
        pool.shutdown();
        pool.shutdown();
        assert_refuses(&url);
        assert_eq!(group.get("k").unwrap(), "k");
        drop((pool, group));
        assert_dropped(&witness);
    }
}

#[test]
fn a_pool_that_was_shut_down_takes_no_group_any_more() {
    let pool = HttpPool::bind("127.0.0.1:0").unwrap();
    let (served, late) = (group("served").0, group("late").0);
    pool.add(&served).unwrap();
    pool.shutdown();
    let refused = pool.add(&late).unwrap_err();
    assert!(matches!(&refused, Error::ShutDown { url } if url == pool.url().unwrap()));
    let refused = pool.add(&served).unwrap_err();
    assert!(matches!(&refused, Error::ShutDown { .. }), "one that it has served, too: {refused}");
    assert_eq!(pool.registry().names(), ["served"]);
    // It has no picker either.
    HttpPool::bind("127.0.0.1:0").unwrap().add(&late).unwrap();

    let client = HttpPool::client(["http://127.0.0.1:1"]).unwrap();
    client.shutdown();
    client.add(&group("asks").0).unwrap();
}

#[test]
fn a_pool_that_was_shut_down_alone_asks_those_that_it_is_given() {
    let (stopped, peer) =
        (HttpPool::bind("127.0.0.1:0").unwrap(), HttpPool::bind("127.0.0.1:0").unwrap());
    let (here, there) = (group("g").0, group("g").0);
    stopped.add(&here).unwrap();
    peer.add(&there).unwrap();
    let [own, other] = [&stopped, &peer].map(|pool| pool.url().unwrap().to_owned());
    here.get("old").unwrap();
    stopped.shutdown();
    for list in [vec![other.clone()], vec![own, other.clone()]] {
        stopped.set_peers(list).unwrap();
        assert_eq!(stopped.list_stats().peers, 1);
        for key in ["a", "b", "c", "old"] {
            assert_eq!(stopped.owner(key).as_deref(), Some(&*other));
            assert_eq!(here.get(key).unwrap(), key);
        }
    }
    assert_eq!(there.main_cache_stats().entries, 4);
}

#[test]
fn every_shutdown_waits_for_the_requests_in_flight() {
    let (arrived_tx, arrived) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gates = Mutex::new((arrived_tx, gone));
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let group = Group::new("g", 1 << 20, move |_: &str| {
        let gates = lock(&gates);
        gates.0.send(()).unwrap();
        gates.1.recv_timeout(SOON).unwrap();
        done.store(true, Ordering::SeqCst);
        Ok::<_, io::Error>("v")
    });
    let pool = HttpPool::builder().drain_timeout(SOON).bind("127.0.0.1:0").unwrap();
    pool.add(&group).unwrap();
    let getter = HttpGetter::new(pool.url().unwrap()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| getter.get_timeout("g", "k", SOON));
        arrived.recv_timeout(SOON).unwrap();
        let shutdown = || {
            pool.shutdown();
            assert!(is_done.load(Ordering::SeqCst), "something is in flight");
        };
        scope.spawn(shutdown);
        let begun = Instant::now();
        while pool.halves.service.as_ref().unwrap().is_serving() {
            assert!(begun.elapsed() < SOON);
            thread::yield_now();
        }
        let second = scope.spawn(shutdown);
        let begun = Instant::now();
        while !second.is_finished() && begun.elapsed() < Duration::from_millis(200) {
            thread::yield_now();
        }
        go.send(()).unwrap();
    });
}

#[test]
fn a_request_in_flight_is_answered_when_the_last_handle_is_dropped() {
    for server in [Server::TinyHttp, Server::Guarded] {
        let (arrived_tx, arrived) = std::sync::mpsc::channel();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gates = Mutex::new((arrived_tx, gone));
        let group = Group::new("g", 1 << 20, move |_: &str| {
            let gates = lock(&gates);
            gates.0.send(()).unwrap();
            gates.1.recv_timeout(SOON).map(|()| "v")
        });
        let pool = HttpPool::builder().server(server).bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        let getter = HttpGetter::new(pool.url().unwrap()).unwrap();
        thread::scope(|scope| {
            let slow = scope.spawn(|| getter.get_timeout("g", "k", SOON));
            arrived.recv_timeout(SOON).unwrap();
            let dropped = scope.spawn(move || drop(pool));
            go.send(()).unwrap();
            assert!(slow.join().unwrap().is_ok(), "{server:?}");
            dropped.join().unwrap();
        });
    }
}

#[test]
fn groups_go_on_to_ask_when_their_pool_is_gone() {
    let nodes = cluster(2, |builder| builder);
    let pool = HttpPool::bind("127.0.0.1:0").unwrap();
    let asks = Group::new("echo", 1 << 20, |_: &str| Ok::<_, io::Error>("loaded by the asker"));
    pool.add(&asks).unwrap();
    let own = pool.url().unwrap().to_owned();
    pool.set_peers([own.as_str(), nodes[0].url(), nodes[1].url()]).unwrap();
    let keys = (0..).map(|n| format!("key {n}"));
    let theirs: Vec<String> =
        keys.filter(|key| pool.owner(key).as_deref() != Some(&own)).take(10).collect();
    drop(pool);
    for key in &theirs {
        assert_eq!(asks.get(key).unwrap(), key.as_str());
    }
}

#[test]
fn a_pool_that_has_left_stays_out_of_a_list_that_names_it() {
    let pool = HttpPool::bind("127.0.0.1:0").unwrap();
    let own = pool.url().unwrap().to_owned();
    let others = ["http://127.0.0.1:1", "http://127.0.0.1:2"];
    let list = || [own.as_str()].into_iter().chain(others);
    pool.set_peers(list()).unwrap();
    let owners = || -> HashSet<String> {
        (0..200).filter_map(|n| pool.owner(&format!("key {n}"))).collect()
    };
    assert!(owners().contains(&own));
    pool.leave(Duration::ZERO);
    pool.set_peers(list()).unwrap();
    assert_eq!(owners(), HashSet::from(others.map(str::to_owned)));
}
