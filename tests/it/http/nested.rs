//! Getters that get what other peers own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use geecache::{Error, Group, HttpPool, HttpPoolBuilder, Origin, PeerState, Server};

use crate::support::{Cluster, CountingGetter, Gate, Peer, SERVERS, SOON, start, until, value_of};

/// Which key of which peer's group a getter gets to load a key.
type Needs = HashMap<String, (usize, String)>;

/// The needs, and the groups of the peers; set when both are known.
type World = Arc<OnceLock<(Vec<Group>, Needs)>>;

/// Two peers whose getters need what `needs` says, once it is set with their groups. Such a getter
/// passes `gate` first.
fn two_peers(server: Server, gate: &Gate) -> (Cluster, World) {
    let needs = World::default();
    let cluster = Cluster::settled(2, server, |_| {
        let (needs, gate) = (Arc::clone(&needs), gate.clone());
        CountingGetter::with(move |key| {
            let (groups, needs) = needs.get().unwrap();
            match needs.get(key) {
                Some((node, other)) => {
                    gate.pass();
                    Ok(groups[*node].get(other)?.as_str()?.into())
                }
                None => Ok(value_of(key).into()),
            }
        })
    });
    (cluster, needs)
}

fn groups(cluster: &Cluster) -> Vec<Group> {
    (0..2).map(|node| cluster.node(node).group.clone()).collect()
}

#[test]
fn loads_of_two_peers_that_need_each_other_s_keys_find_loaders() {
    /// As many as there are loaders in a group.
    const CALLERS: usize = 64;
    for server in SERVERS {
        let gate = Gate::closed();
        let (cluster, needs) = two_peers(server, &gate);
        let keys = [0, 1].map(|node| cluster.keys_owned_by(node).take(2 * CALLERS).collect());
        let keys: [Vec<String>; 2] = keys;
        let of = |node: usize, n: usize| keys[node][n].clone();
        // The first half of each peer's keys needs the second half of the other's.
        let pairs = [0, 1].map(|node| {
            (0..CALLERS)
                .map(move |n| (node, n))
                .map(|(node, n)| (of(node, n), (node, of(1 - node, CALLERS + n))))
        });
        assert!(needs.set((groups(&cluster), pairs.into_iter().flatten().collect())).is_ok());
        let callers: Vec<_> = (0..2 * CALLERS)
            .map(|caller| {
                // Each asks for what the other peer has to load, with a loader.
                let (node, key) = (caller % 2, of(1 - caller % 2, caller / 2));
                let wanted = of(node, CALLERS + caller / 2);
                let group = cluster.node(node).group.clone();
                (wanted, start(move || group.get(&key)))
            })
            .collect();
        // All loaders of both are busy before any of them asks the other.
        gate.wait_for_arrivals(2 * CALLERS);
        gate.open();
        for (wanted, caller) in callers {
            assert_eq!(caller.result().unwrap(), value_of(&wanted).as_str(), "{server:?}");
        }
        for node in [0, 1] {
            let calls = cluster.node(node).getter.calls();
            assert_eq!(calls, 2 * CALLERS, "{server:?}: each key is loaded once, by its owner");
            assert_eq!(cluster.node(node).stats().peer_errors, 0, "{server:?}");
        }
        drop(needs);
    }
}

#[test]
fn slow_loads_for_getters_make_no_peer_down_and_keep_no_others_from_its_memory() {
    for server in SERVERS {
        let (needs, gate) = (World::default(), Gate::closed());
        let source = |_| {
            let (needs, gate) = (Arc::clone(&needs), gate.clone());
            CountingGetter::with(move |key| {
                let (groups, needs) = needs.get().unwrap();
                match needs.get(key) {
                    Some((node, other)) => Ok(groups[*node].get(other)?.as_str()?.into()),
                    None if key.ends_with('0') => Ok(value_of(key).into()),
                    None => {
                        gate.pass();
                        Ok(value_of(key).into())
                    }
                }
            })
        };
        let brief = |pool: HttpPoolBuilder| {
            pool.timeout(Duration::from_secs(2)).max_requests(4.try_into().unwrap())
        };
        let [us, them] = [0, 1].map(|node| Peer::start(server, source(node), brief));
        us.join(&[&them.url()]);
        them.join(&[&us.url()]);
        let owned = |peer: &Peer, last: char| -> Vec<String> {
            let keys = (0..).map(|n| format!("key {n}"));
            let ours = keys.filter(|key| us.pool.owner(key) == Some(peer.url()));
            ours.filter(|key| key.ends_with('0') == (last == '0')).take(8).collect()
        };
        let (outer, slow) = (owned(&us, '1'), owned(&them, '1'));
        let quick = owned(&them, '0').remove(0);
        let pairs = outer.iter().cloned().zip(slow.iter().map(|key| (0, key.clone())));
        let groups = vec![us.group.clone(), them.group.clone()];
        assert!(needs.set((groups, pairs.collect())).is_ok());
        them.group.get(&quick).unwrap();
        let callers: Vec<_> = outer
            .into_iter()
            .map(|key| {
                let group = us.group.clone();
                start(move || group.get(&key))
            })
            .collect();
        // The owner answers none of them in time, and so they load for themselves.
        until("all are given up", || us.getter.calls() == 16);
        assert_eq!(us.group.get_with_origin(&quick).unwrap().1, Origin::OwnerMemory, "{server:?}");
        let stats = &us.pool.peer_stats()[0];
        assert_eq!((stats.state, stats.failures), (PeerState::Up, 0), "{server:?}");
        gate.open();
        for caller in callers {
            assert!(caller.result().is_ok());
        }
    }
}

#[test]
fn a_cold_key_that_many_getters_need_is_loaded_once() {
    for server in SERVERS {
        let gate = Gate::closed();
        let (cluster, needs) = two_peers(server, &gate);
        let cold = cluster.key_owned_by(1);
        let keys: Vec<String> = cluster.keys_owned_by(0).take(50).collect();
        let pairs = keys.iter().map(|key| (key.clone(), (0, cold.clone())));
        assert!(needs.set((groups(&cluster), pairs.collect())).is_ok());
        let callers: Vec<_> = keys
            .iter()
            .map(|key| {
                let (group, key) = (cluster.node(0).group.clone(), key.clone());
                start(move || group.get(&key))
            })
            .collect();
        gate.wait_for_arrivals(keys.len());
        gate.open();
        for caller in callers {
            assert_eq!(caller.result().unwrap(), value_of(&cold).as_str());
        }
        assert_eq!(cluster.node(1).getter.calls_of(&cold), 1, "{server:?}");
    }
}

#[test]
fn a_circle_of_keys_over_two_peers_ends_and_its_loads_with_it() {
    for server in SERVERS {
        let (needs, active) = (World::default(), Arc::new(AtomicUsize::new(0)));
        let source = |_| {
            let (needs, active) = (Arc::clone(&needs), Arc::clone(&active));
            CountingGetter::with(move |key| {
                let (groups, needs) = needs.get().unwrap();
                active.fetch_add(1, Ordering::SeqCst);
                let (node, other) = &needs[key];
                let got = groups[*node].get(other);
                active.fetch_sub(1, Ordering::SeqCst);
                Ok(got?.into())
            })
        };
        let brief = |pool: HttpPoolBuilder| pool.timeout(Duration::from_millis(200));
        let [us, them] = [0, 1].map(|node| Peer::start(server, source(node), brief));
        us.join(&[&them.url()]);
        them.join(&[&us.url()]);
        let (ours, theirs) = (them.key_owned_by(&us.url()), us.key_owned_by(&them.url()));
        let pairs = [(ours.clone(), (0, theirs.clone())), (theirs, (1, ours.clone()))];
        let groups = vec![us.group.clone(), them.group.clone()];
        assert!(needs.set((groups, pairs.into())).is_ok());
        let group = us.group.clone();
        let result = start(move || group.get(&ours)).result();
        assert!(matches!(result, Err(Error::Load { .. })), "{server:?}: {result:?}");
        until("nobody loads any more", || active.load(Ordering::SeqCst) == 0);
        let calls = us.getter.calls() + them.getter.calls();
        assert!(calls < 20, "{server:?}: {calls} loads");
    }
}

/// Each of four keys of two peers needs all four, and its getter asks for all before it fails.
#[test]
fn a_circle_of_a_few_keys_over_two_peers_ends_soon_though_each_getter_asks_for_all() {
    for server in SERVERS {
        let (world, calls) = (World::default(), Arc::new(AtomicUsize::new(0)));
        let cluster = Cluster::settled(2, server, |node| {
            let (world, calls) = (Arc::clone(&world), Arc::clone(&calls));
            CountingGetter::with(move |key| {
                let (groups, needs) = world.get().unwrap();
                if calls.fetch_add(1, Ordering::SeqCst) < 1000 {
                    let all: Vec<_> = needs.keys().map(|key| groups[node].get(key)).collect();
                    all.into_iter().collect::<Result<Vec<_>, _>>()?;
                }
                Ok(value_of(key).into())
            })
        });
        let keys = [0, 1].map(|node| cluster.keys_owned_by(node).take(2).collect::<Vec<_>>());
        let needs = keys.concat().into_iter().map(|key| (key.clone(), (0, key)));
        assert!(world.set((groups(&cluster), needs.collect())).is_ok());
        let (group, key) = (cluster.node(0).group.clone(), keys[0][0].clone());
        let answer = start(move || group.get(&key)).result();
        assert!(matches!(answer, Err(Error::Load { .. })), "{server:?}: {answer:?}");
        let calls = calls.load(Ordering::SeqCst);
        assert!(calls < 600, "{server:?}: {calls} loads");
    }
}

/// One batch here leads both "x" and "y"; to load "y" a peer is asked for "w", for which it asks
/// here for "x".
#[test]
fn a_circle_that_a_batch_makes_over_two_peers_costs_one_more_load_and_no_timeout() {
    for server in SERVERS {
        let gate = Gate::closed();
        gate.open();
        let (cluster, needs) = two_peers(server, &gate);
        let [x, y]: [String; 2] =
            cluster.keys_owned_by(0).take(2).collect::<Vec<_>>().try_into().unwrap();
        let w = cluster.key_owned_by(1);
        let pairs = [(y.clone(), (0, w.clone())), (w.clone(), (1, x.clone()))];
        assert!(needs.set((groups(&cluster), pairs.into())).is_ok());
        let (group, keys) = (cluster.node(0).group.clone(), [x.clone(), y.clone()]);
        let batch = start(move || group.get_many(&keys.each_ref().map(String::as_str))).result();
        for answer in batch {
            assert_eq!(answer.unwrap(), value_of(&x).as_str(), "{server:?}");
        }
        let (us, them) = (cluster.node(0), cluster.node(1));
        let calls = (us.getter.calls_of(&x), us.getter.calls_of(&y), them.getter.calls_of(&w));
        assert_eq!(calls, (2, 1, 1), "{server:?}");
        assert_eq!((us.getter.calls(), them.getter.calls()), (3, 1), "{server:?}");
        assert_eq!((us.stats().peer_errors, them.stats().peer_errors), (0, 0), "{server:?}");
    }
}

/// As [`two_peers`], whose groups have one loader each. The getter of the second one passes `gate`
/// first.
fn two_peers_with_one_loader(server: Server, gate: &Gate) -> ([Peer; 2], World) {
    let needs = World::default();
    let peers = [0, 1].map(|node| {
        let (needs, gate) = (Arc::clone(&needs), gate.clone());
        let getter = CountingGetter::with(move |key| {
            let (groups, needs) = needs.get().unwrap();
            let Some((at, other)) = needs.get(key) else { return Ok(value_of(key).into()) };
            if node == 1 {
                gate.pass();
            }
            Ok(groups[*at].get(other)?.as_str()?.into())
        });
        let group = Group::builder("narrow", 64 << 20, getter.clone());
        let group = group.max_loaders(1.try_into().unwrap()).build();
        let pool = HttpPool::builder().server(server).timeout(SOON).warm_up(Duration::ZERO);
        let pool = pool.connect_timeout(SOON).bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        Peer { pool, group, getter }
    });
    let [us, them] = &peers;
    us.join(&[&them.url()]);
    them.join(&[&us.url()]);
    (peers, needs)
}

fn owned<const COUNT: usize>(owner: &Peer, other: &Peer) -> [String; COUNT] {
    other.keys_owned_by(&owner.url()).take(COUNT).collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn loads_that_come_to_a_peer_twice_find_a_thread_there() {
    for server in SERVERS {
        let gate = Gate::closed();
        gate.open();
        let ([us, them], needs) = two_peers_with_one_loader(server, &gate);
        let ([first, third], [second, last]): ([_; 2], [_; 2]) =
            (owned(&us, &them), owned(&them, &us));
        let pairs = [
            (first.clone(), (0, second.clone())),
            (second, (1, third.clone())),
            (third, (0, last.clone())),
        ];
        assert!(needs.set((vec![us.group.clone(), them.group.clone()], pairs.into())).is_ok());
        let group = us.group.clone();
        let value = start(move || group.get(&first)).result().unwrap();
        assert_eq!(value, value_of(&last).as_str(), "{server:?}");
        assert_eq!((us.stats().peer_errors, them.stats().peer_errors), (0, 0), "{server:?}");
    }
}

#[test]
fn a_getter_of_a_peer_waits_for_no_load_that_waits_for_a_loader() {
    for server in SERVERS {
        let gate = Gate::closed();
        let ([us, them], needs) = two_peers_with_one_loader(server, &gate);
        let ([outer, inner], [theirs]): ([_; 2], [_; 1]) = (owned(&us, &them), owned(&them, &us));
        let pairs = [(outer.clone(), (0, theirs.clone())), (theirs, (1, inner.clone()))];
        assert!(needs.set((vec![us.group.clone(), them.group.clone()], pairs.into())).is_ok());
        let get = |key: &str| {
            let (group, key) = (us.group.clone(), key.to_owned());
            start(move || group.get_timeout(&key, SOON))
        };
        let loads = get(&outer);
        gate.wait_for_arrivals(1);
        // Our only loader is busy until the peer's getter has got the same key.
        let queues = get(&inner);
        until("it waits for the loader", || us.stats().loads_waiting == 1);
        gate.open();
        for caller in [loads, queues] {
            assert_eq!(caller.result().unwrap(), value_of(&inner).as_str(), "{server:?}");
        }
        assert_eq!((us.stats().peer_errors, them.stats().peer_errors), (0, 0), "{server:?}");
    }
}
