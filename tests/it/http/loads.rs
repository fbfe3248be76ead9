//! Loads in a cluster with sockets: one for all, and nobody waits for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use geecache::{Error, Group};

use crate::support::{
    Cluster, CountingGetter, Gate, Peer, SERVERS, SOON, all_at_once, start, until, value_of,
};

#[test]
fn whoever_is_asked_a_key_is_loaded_once_by_its_owner() {
    for server in SERVERS {
        let cluster = Cluster::of(3, server);
        for i in 0..60 {
            let key = format!("key {i}");
            for node in 0..3 {
                let value = cluster.node(node).group.get(&key).unwrap();
                assert_eq!(value, value_of(&key).as_str());
            }
            let owner = cluster.node(0).pool.owner(&key).unwrap();
            let node = cluster.urls().iter().position(|url| *url == owner).unwrap();
            assert_eq!(cluster.node(node).getter.calls_of(&key), 1, "{server:?}");
        }
        assert_eq!(cluster.calls(), 60);
        for node in 0..3 {
            assert_eq!(cluster.node(node).stats().peer_errors, 0);
        }
    }
}

#[test]
fn a_stampede_on_all_peers_is_one_load() {
    for server in SERVERS {
        let gate = Gate::closed();
        let cluster = Cluster::with(3, server, |_| CountingGetter::behind(&gate));
        let key = cluster.key_owned_by(2);
        let callers: Vec<_> = (0..24)
            .map(|i| {
                let (group, key) = (cluster.node(i % 3).group.clone(), key.clone());
                start(move || group.get(&key))
            })
            .collect();
        until("all have missed", || {
            (0..2).all(|node| cluster.node(node).stats().loads == 8)
                && cluster.node(2).stats().loads == 8 + 2
        });
        gate.open();
        for caller in callers {
            assert_eq!(caller.result().unwrap(), value_of(&key).as_str());
        }
        assert_eq!(cluster.calls(), 1);
    }
}

#[test]
fn two_peers_that_disagree_about_the_list_answer_each_other_at_once() {
    for server in SERVERS {
        let gate = Gate::closed();
        let peers = [0, 1].map(|_| Peer::start(server, CountingGetter::behind(&gate), |pool| pool));
        // What each peer believes: that there is a third one, and that the other one is a member.
        // Of the keys that are the other's for both of them, none is anybody's own.
        let [one, other] = &peers;
        one.join(&[&other.url()]);
        let key = one.key_owned_by(&other.url());
        other.pool.set_peers([other.url()]).unwrap();
        let client = Peer::client(&[one.url()]);
        let mistaken = Group::new("scores", 1 << 20, other.getter.clone());
        client.add(&mistaken).unwrap();
        other.pool.remove("scores").unwrap();
        other.pool.registry().insert(&mistaken).unwrap();

        let callers = [one.group.clone(), mistaken.clone()].map(|group| {
            let key = key.clone();
            start(move || group.get(&key))
        });
        // Each source is asked on behalf of the other peer, and both are at the same time.
        gate.wait_for_arrivals(2);
        gate.open();
        for caller in callers {
            assert_eq!(caller.result().unwrap(), value_of(&key).as_str());
        }
        assert_eq!(one.stats().server_requests + mistaken.stats().server_requests, 2);
        assert_eq!(one.stats().peer_loads + mistaken.stats().peer_loads, 2);
    }
}

#[test]
fn a_caller_s_limit_reaches_the_owner() {
    for server in SERVERS {
        let gate = Gate::closed();
        let cluster = Cluster::with(2, server, |_| CountingGetter::behind(&gate));
        let key = cluster.key_owned_by(1);
        let from = Instant::now();
        let result = cluster.node(0).group.get_timeout(&key, Duration::from_millis(200));
        assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
        assert!(from.elapsed() < SOON);
        gate.open();
        let owner = &cluster.node(1).group;
        until("the owner has it all the same", || owner.main_cache_stats().entries == 1);
        assert_eq!(owner.get(&key).unwrap(), value_of(&key).as_str());
    }
}

#[test]
fn an_owner_slower_than_the_timeout_is_given_up_for_the_own_getter() {
    for server in SERVERS {
        let gate = Gate::closed();
        let owner = Peer::start(server, CountingGetter::behind(&gate), |pool| pool);
        let brief = Duration::from_millis(300);
        let asker = Peer::start(server, CountingGetter::new(), |pool| pool.timeout(brief));
        asker.join(&[&owner.url()]);
        let key = asker.key_owned_by(&owner.url());
        let from = Instant::now();
        assert_eq!(asker.group.get(&key).unwrap(), value_of(&key).as_str());
        assert!(from.elapsed() < SOON);
        assert_eq!((asker.getter.calls(), asker.stats().peer_errors), (1, 1));
        gate.open();
    }
}

#[test]
fn a_cycle_through_two_peers_ends() {
    // The source of each peer asks its own group for the key that it loads. At the owner that is a
    // load of itself by way of nobody; at the other peer it goes round through the owner.
    for server in SERVERS {
        let groups = Arc::new(std::sync::Mutex::new(Vec::<Group>::new()));
        let source = |node: usize| {
            let groups = Arc::clone(&groups);
            CountingGetter::with(move |key| {
                let other = groups.lock().unwrap()[1 - node].clone();
                other
                    .get_timeout(key, Duration::from_millis(100))
                    .map(Into::into)
                    .map_err(Into::into)
            })
        };
        let cluster = Cluster::with(2, server, source);
        *groups.lock().unwrap() = (0..2).map(|node| cluster.node(node).group.clone()).collect();
        let key = cluster.key_owned_by(1);
        let group = cluster.node(0).group.clone();
        let result = start(move || group.get(&key)).result();
        assert!(matches!(result, Err(Error::Load { .. })), "{result:?}");
        groups.lock().unwrap().clear();
    }
}

#[test]
fn gets_from_many_threads_are_all_answered_by_the_owners() {
    for server in SERVERS {
        let cluster = Arc::new(Cluster::of(3, server));
        all_at_once(12, {
            let cluster = Arc::clone(&cluster);
            move |thread| {
                for i in 0..100 {
                    let key = format!("key {}", (i * 7 + thread) % 50);
                    let value = cluster.node(thread % 3).group.get(&key).unwrap();
                    assert_eq!(value, value_of(&key).as_str());
                }
            }
        });
        assert_eq!(cluster.calls(), 50);
        for node in 0..3 {
            assert_eq!(cluster.node(node).stats().peer_errors, 0, "{server:?}");
        }
    }
}
