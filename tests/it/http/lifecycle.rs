//! Peers that start, restart and shut down while others ask them.

use std::time::{Duration, Instant};

use geecache::{Group, HttpPool, Server};

use crate::support::{
    Cluster, CountingGetter, Gate, Peer, SERVERS, SOON, all_at_once, start, until, value_of,
};

/// How many requests may fail on `connections` that were kept over a restart within one process.
///
/// tiny_http can't close them. It answers one more request on each, with the word that it is
/// shutting down.
fn told_to_close(server: Server, connections: u64) -> u64 {
    if server == Server::TinyHttp { connections } else { 0 }
}

#[test]
fn times_without_end_are_no_limit() {
    for server in SERVERS {
        let endless = || {
            Peer::start(server, CountingGetter::new(), |pool| {
                let pool = pool.timeout(Duration::MAX).connect_timeout(Duration::MAX);
                let pool = pool.peek_timeout(Duration::MAX).warm_up(Duration::MAX);
                pool.idle_timeout(Duration::MAX).drain_timeout(Duration::MAX)
            })
        };
        let (owner, asker) = (endless(), endless());
        let key = asker.key_owned_by(&owner.url());
        asker.join(&[&owner.url()]);
        owner.join(&[&asker.url()]);
        assert_eq!(asker.group.get(&key).unwrap(), value_of(&key).as_str());
        assert!(asker.group.remove(&key).is_complete());
        assert_eq!((asker.stats().peer_loads, owner.stats().peeks), (1, 1));
    }
}

#[test]
fn a_peer_that_restarts_on_its_port_is_met_again_over_a_pooled_connection() {
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), |pool| pool);
        let (url, addr) = (owner.url(), owner.addr());
        asker.join(&[&url]);
        let mut keys = (0..).map(|n| format!("key {n}")).filter({
            let (pool, url) = (asker.pool.clone(), url.clone());
            move |key| pool.owner(key).as_ref() == Some(&url)
        });
        let mut key = || keys.next().unwrap();
        asker.group.get(&key()).unwrap();
        assert_eq!(owner.getter.calls(), 1, "there is a connection now, and it is kept");

        drop(owner);
        let owner = Peer::start_on(&addr, server, CountingGetter::new(), |pool| pool);
        for _ in 0..3 {
            let key = key();
            assert_eq!(asker.group.get(&key).unwrap(), value_of(&key).as_str());
        }
        let refused = asker.stats().peer_errors;
        assert!(refused <= told_to_close(server, 1), "{server:?}: {refused} requests failed");
        assert_eq!(asker.stats().local_loads, refused);
        assert_eq!(owner.getter.calls() as u64, 3 - refused, "{server:?}: the new owner was asked");
    }
}

#[test]
fn many_pooled_connections_to_a_peer_that_restarted_lose_no_get() {
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        let (url, addr) = (owner.url(), owner.addr());
        let getter = CountingGetter::new();
        let group = Group::new("scores", 0, getter.clone());
        Peer::client(&[url]).add(&group).unwrap();
        let load = |round: usize| {
            let group = group.clone();
            all_at_once(8, move |thread| {
                for i in 0..10 {
                    let key = format!("key {round} {thread} {i}");
                    assert_eq!(group.get(&key).unwrap(), value_of(&key).as_str());
                }
            });
        };
        load(0);
        assert_eq!((owner.getter.calls(), getter.calls()), (80, 0));
        drop(owner);
        let owner = Peer::start_on(&addr, server, CountingGetter::new(), |pool| pool);
        load(1);
        assert_eq!(owner.getter.calls() + getter.calls(), 80);
        if told_to_close(server, 8) == 0 {
            assert_eq!(getter.calls(), 0, "{server:?}: dead connections are not a fault");
        }
    }
}

#[test]
fn a_shutdown_answers_the_requests_in_flight() {
    for server in SERVERS {
        let gate = Gate::closed();
        let cluster = Cluster::with(2, server, |_| CountingGetter::behind(&gate));
        let callers: Vec<_> = cluster
            .keys_owned_by(1)
            .take(4)
            .map(|key| {
                let group = cluster.node(0).group.clone();
                start(move || (group.get(&key), key))
            })
            .collect();
        gate.wait_for_arrivals(4);
        let shutdown = start({
            let pool = cluster.node(1).pool.clone();
            move || pool.shutdown()
        });
        gate.open();
        shutdown.result();
        for caller in callers {
            let (value, key) = caller.result();
            assert_eq!(value.unwrap(), value_of(&key).as_str());
        }
        let stats = cluster.node(0).stats();
        assert_eq!((stats.peer_loads, stats.peer_errors), (4, 0), "{server:?}");
        assert_eq!(cluster.node(0).getter.calls(), 0, "{server:?}");
    }
}

#[test]
fn a_shutdown_does_not_wait_longer_than_it_may() {
    for server in SERVERS {
        let gate = Gate::closed();
        let owner = Peer::start(server, CountingGetter::behind(&gate), |pool| {
            pool.drain_timeout(Duration::from_millis(100))
        });
        let asker = Peer::start(server, CountingGetter::new(), |pool| {
            pool.timeout(Duration::from_millis(500))
        });
        asker.join(&[&owner.url()]);
        let key = asker.key_owned_by(&owner.url());
        let caller = start({
            let (group, key) = (asker.group.clone(), key.clone());
            move || group.get(&key)
        });
        gate.wait_for_arrivals(1);
        let from = Instant::now();
        owner.pool.shutdown();
        assert!(from.elapsed() < SOON);
        assert_eq!(caller.result().unwrap(), value_of(&key).as_str(), "loaded by the asker");
        gate.open();
    }
}

#[test]
fn after_a_shutdown_the_others_load_for_themselves() {
    for server in SERVERS {
        let cluster = Cluster::of(2, server);
        let key = cluster.key_owned_by(1);
        cluster.node(0).group.get(&key).unwrap();
        cluster.node(1).pool.shutdown();
        cluster.node(1).pool.shutdown();
        for key in cluster.keys_owned_by(1).skip(1).take(5) {
            let from = Instant::now();
            assert_eq!(cluster.node(0).group.get(&key).unwrap(), value_of(&key).as_str());
            assert!(from.elapsed() < SOON);
        }
        assert_eq!(cluster.node(0).getter.calls(), 5, "{server:?}");
        let other = &cluster.node(1).group;
        assert_eq!(other.get(&key).unwrap(), value_of(&key).as_str(), "it can still ask");
    }
}

#[test]
fn the_port_is_free_after_a_shutdown() {
    for server in SERVERS {
        for _ in 0..5 {
            let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
            let addr = peer.addr();
            peer.pool.shutdown();
            let next = HttpPool::builder().server(server).bind(&*addr).unwrap();
            assert_eq!(next.local_addr(), peer.pool.local_addr());
            next.shutdown();
        }
    }
}

#[test]
fn shutting_down_under_load_loses_no_get() {
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        let callers: Vec<_> = (0..6)
            .map(|thread| {
                let group = cluster.node(thread % 2).group.clone();
                start(move || {
                    for i in 0..200 {
                        let key = format!("key {thread} {i}");
                        assert_eq!(group.get(&key).unwrap(), value_of(&key).as_str());
                    }
                })
            })
            .collect();
        until("it is at work", || cluster.node(2).getter.calls() > 20);
        cluster.node(2).pool.shutdown();
        callers.into_iter().for_each(|caller| caller.result());
    }
}

#[test]
fn many_peers_come_and_go_in_one_process() {
    for server in SERVERS {
        for _ in 0..10 {
            let cluster = Cluster::of(4, server);
            for i in 0..8 {
                let key = format!("key {i}");
                assert_eq!(cluster.node(i % 4).group.get(&key).unwrap(), value_of(&key).as_str());
            }
        }
    }
}

#[test]
fn times_that_never_end_are_no_trouble() {
    for server in SERVERS {
        start(move || {
            let for_ever = |pool: geecache::HttpPoolBuilder| {
                let pool = pool.timeout(Duration::MAX).connect_timeout(Duration::MAX);
                let pool = pool.peek_timeout(Duration::MAX).warm_up(Duration::MAX);
                pool.idle_timeout(Duration::MAX).drain_timeout(Duration::MAX)
            };
            let peers = [(); 2].map(|()| Peer::start(server, CountingGetter::new(), for_ever));
            Peer::set_all(&peers);
            for n in 0..20 {
                let key = format!("key {n}");
                for peer in &peers {
                    assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
                }
            }
            assert_eq!(peers.iter().map(|peer| peer.getter.calls()).sum::<usize>(), 20);
            assert!(peers[0].group.remove("key 1").is_complete());
            for peer in &peers {
                peer.pool.shutdown();
            }
        })
        .result();
    }
}
