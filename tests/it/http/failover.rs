//! What a pool does with a peer that is down, and what that costs the source.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use geecache::testing::{self as kit, FakeClock};
use geecache::{Group, HotCache, HttpPool, HttpPoolBuilder, PeerState, PeerStats};
use log::Level;

use crate::support::{
    Cluster, Connection, CountingGetter, FaultyPeer, Gate, Peer, SERVERS, SOON, all_at_once,
    keep_logs, logged, start, until, value_of,
};

/// No machine is so busy that a peer fails for that alone.
fn patient(pool: HttpPoolBuilder) -> HttpPoolBuilder {
    pool.timeout(SOON).connect_timeout(SOON)
}

/// What `peer` knows about the one at `url`.
fn seen(peer: &Peer, url: &str) -> PeerStats {
    peer.pool.peer_stats().into_iter().find(|stats| stats.url == url).unwrap()
}

/// Keys that the peer at `url` owns by the list of `peer`.
fn keys_of(peer: &Peer, url: &str) -> impl Iterator<Item = String> + use<> {
    let (pool, url) = (peer.pool.clone(), url.to_owned());
    (0..).map(|n| format!("key {n}")).filter(move |key| pool.owner(key).as_ref() == Some(&url))
}

/// Gets `key`, and demands its value soon.
#[track_caller]
fn assert_value(group: &Group, key: &str) {
    let from = Instant::now();
    assert_eq!(group.get(key).unwrap(), value_of(key).as_str());
    assert!(from.elapsed() < SOON, "{key} took {:?}", from.elapsed());
}

/// A URL at which nothing listens.
fn nobodys_url() -> String {
    // The port is free again when the listener is dropped.
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn a_dead_owner_costs_one_load_per_key_in_the_whole_cluster() {
    const KEYS: usize = 200;
    for server in SERVERS {
        let source = CountingGetter::new();
        let getter = source.clone();
        let cluster = kit::Cluster::builder(5)
            .group(move |_| group_that_keeps_its_fallbacks(&getter))
            .pool(move |pool, _| patient(pool.server(server)))
            .start()
            .unwrap();
        let keys: Vec<_> = (0..KEYS).map(|n| format!("key {n}")).collect();
        let first_get_all = |peers: usize| {
            let groups: Vec<_> = (0..peers).map(|peer| cluster.group(peer)).collect();
            let keys = keys.clone();
            all_at_once(groups.len(), move |at| {
                // From another key on at each peer.
                for key in keys.iter().cycle().skip(at * 37).take(KEYS) {
                    assert_value(&groups[at], key);
                }
            });
        };
        first_get_all(5);
        assert_eq!(source.calls(), KEYS, "{server:?}: all are well");

        let dead = cluster.pool(4).picker();
        let orphans = keys.iter().filter(|key| dead.owns(key)).count();
        assert!(orphans > 0, "the ring leaves no peer without keys");
        cluster.kill(4);
        first_get_all(4);
        first_get_all(4);
        let more = source.calls() - KEYS;
        assert!(
            (orphans..=orphans + orphans / 10 + 1).contains(&more),
            "{server:?}: {more} loads of the {orphans} keys of a dead owner"
        );
    }
}

/// It does not count the time its fallback copies live, and keeps no others.
fn group_that_keeps_its_fallbacks(source: &CountingGetter) -> Group {
    let builder = Group::builder("scores", 64 << 20, source.clone());
    builder.hot_cache(HotCache::Off).clock(|| Duration::ZERO).build()
}

#[test]
fn one_refused_connection_is_enough_to_know_that_a_peer_is_down() {
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    let url = nobodys_url();
    peer.join(&[&url]);
    assert_eq!(seen(&peer, &url).state, PeerState::Up);
    let mut keys = keys_of(&peer, &url);
    assert_value(&peer.group, &keys.next().unwrap());
    let down = seen(&peer, &url);
    assert_eq!((down.state, down.requests, down.failures), (PeerState::Down, 1, 1));
}

#[test]
fn three_silences_in_a_row_are_enough_to_know_that_a_peer_is_down() {
    let silent = FaultyPeer::start(Connection::wait_for_the_end);
    let url = silent.url();
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| {
        pool.timeout(Duration::from_millis(100))
    });
    peer.join(&[&url]);
    let mut keys = keys_of(&peer, &url);
    for failures in 1..=3 {
        assert_eq!(seen(&peer, &url).state, PeerState::Up);
        assert_value(&peer.group, &keys.next().unwrap());
        assert_eq!(seen(&peer, &url).failures, failures);
    }
    assert_eq!(seen(&peer, &url).state, PeerState::Down);
}

#[test]
fn a_silent_owner_is_noticed_though_all_callers_are_in_a_hurry() {
    let silent = FaultyPeer::start(Connection::wait_for_the_end);
    let url = silent.url();
    let peer =
        Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool.timeout(Duration::from_secs(1)));
    peer.join(&[&url]);
    // None of them leaves the owner the time that it usually has, and each gets the time of its
    // patience and no value, until the owner is known to be down.
    let hurry = Duration::from_millis(200);
    let from = Instant::now();
    let value = keys_of(&peer, &url).find_map(|key| {
        assert!(from.elapsed() < SOON, "nobody notices that the owner is silent");
        Some((peer.group.get_timeout(&key, hurry).ok()?, key))
    });
    let (value, key) = value.unwrap();
    assert_eq!(value, value_of(&key).as_str());
    assert_eq!(seen(&peer, &url).state, PeerState::Down);
}

#[test]
fn a_batch_is_whole_though_one_owner_is_dead_and_another_is_silent() {
    for server in SERVERS {
        let well = Peer::start(server, CountingGetter::new(), patient);
        let silent = FaultyPeer::start(Connection::wait_for_the_end);
        let source = CountingGetter::new();
        let group = group_that_keeps_its_fallbacks(&source);
        let pool = HttpPool::builder().server(server).timeout(Duration::from_secs(1));
        let pool = pool.bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        let own = pool.url().unwrap().to_owned();
        pool.set_peers([own, nobodys_url(), silent.url(), well.url()]).unwrap();
        let keys: Vec<_> = (0..200).map(|n| format!("key {n}")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        for _ in 0..2 {
            let from = Instant::now();
            for (key, value) in keys.iter().zip(group.get_many(&keys)) {
                assert_eq!(value.unwrap(), value_of(key).as_str(), "{server:?}");
            }
            assert!(from.elapsed() < SOON, "{server:?}: {:?}", from.elapsed());
        }
        for key in keys {
            let loads = [&source, &well.getter].map(|source| source.calls_of(key));
            assert!(loads.iter().all(|&loads| loads <= 1), "{server:?}: {loads:?} of {key}");
        }
        pool.shutdown();
    }
}

#[test]
fn of_the_calls_to_a_peer_that_may_be_back_one_tries() {
    let (clock, gate, asking) = (FakeClock::new(), Gate::closed(), CountingGetter::new());
    let (own, theirs) = (asking.clone(), CountingGetter::behind(&gate));
    let source = move |peer| if peer == 0 { own.clone() } else { theirs.clone() };
    let cluster = kit::Cluster::builder(2)
        .group(move |peer| Group::new("scores", 64 << 20, source(peer)))
        // Nor does it ask for anything.
        .pool(|options, _| patient(options).hand_over_rate(0))
        .clock(&clock)
        .start()
        .unwrap();
    let asker = cluster.group(0);
    let state = || cluster.pool(0).peer_stats()[0].state;
    let keys = cluster.keys_owned_by(1, 9);
    cluster.kill(1);
    assert_value(&asker, &keys[8]);
    assert_eq!(state(), PeerState::Down);

    // It is back, and answers when it is told.
    cluster.restart(1).unwrap();
    assert!(cluster.pool(0).picker().pick_peer(&keys[0]).is_none());
    clock.advance(Duration::from_millis(1_200));
    assert!(cluster.pool(0).picker().pick_peer(&keys[0]).is_some(), "a trial is allowed");
    let callers: Vec<_> = keys[..8]
        .iter()
        .map(|key| {
            let (asker, key) = (asker.clone(), key.clone());
            start(move || assert_value(&asker, &key))
        })
        .collect();
    gate.wait_for_arrivals(1);
    until("the others have loaded for themselves", || asking.calls() == 1 + 7);
    assert_eq!(gate.arrivals(), 1, "the others do not wait for the trial");
    gate.open();
    callers.into_iter().for_each(|caller| caller.result());
    assert_eq!((asker.stats().peer_loads, state()), (1, PeerState::Up));
}

#[test]
fn a_peer_that_has_begun_again_is_asked_as_soon_as_it_is_heard() {
    for server in SERVERS {
        // By its clock no pause ends.
        let (still, getter) =
            (|pool: HttpPoolBuilder| pool.clock(|| Duration::ZERO), CountingGetter::new());
        let asker = Peer::start(server, getter.clone(), still);
        let owner = Peer::start(server, getter.clone(), still);
        let (url, addr) = (owner.url(), owner.addr());
        asker.join(&[&url]);
        let key = asker.key_owned_by(&url);
        drop(owner);
        assert_value(&asker.group, &key);
        assert_eq!(seen(&asker, &url).state, PeerState::Down, "{server:?}");
        assert!(asker.pool.picker().pick_peer(&key).is_none());

        let again =
            Peer::start_on(&addr, server, getter.clone(), |pool| pool.hand_over_rate(1 << 30));
        again.join(&[&asker.url()]);
        until("it is asked again", || asker.pool.picker().pick_peer(&key).is_some());
        assert_eq!(seen(&asker, &url).state, PeerState::Up, "{server:?}");
    }
}

#[test]
fn calls_past_the_bound_go_on_without_the_peer_and_do_not_harm_it() {
    for server in SERVERS {
        let gate = Gate::closed();
        let owner = Peer::start(server, CountingGetter::behind(&gate), |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), |pool| {
            patient(pool).max_requests_per_peer(NonZeroUsize::new(2).unwrap())
        });
        let url = owner.url();
        asker.join(&[&url]);
        let mut keys = keys_of(&asker, &url);
        let waiting: Vec<_> = keys
            .by_ref()
            .take(2)
            .map(|key| {
                let group = asker.group.clone();
                start(move || assert_value(&group, &key))
            })
            .collect();
        gate.wait_for_arrivals(2);
        for key in keys.by_ref().take(10) {
            assert_value(&asker.group, &key);
        }
        let stats = seen(&asker, &url);
        assert_eq!((stats.state, stats.in_flight), (PeerState::Up, 2), "{server:?}");
        assert_eq!((stats.requests, stats.failures, stats.rejected), (2, 0, 10), "{server:?}");
        assert_eq!(asker.getter.calls(), 10);

        gate.open();
        waiting.into_iter().for_each(|caller| caller.result());
        assert_value(&asker.group, &keys.next().unwrap());
        assert_eq!(owner.getter.calls(), 3, "{server:?}: it is asked as before");
    }
}

#[test]
fn the_errors_of_an_owner_s_getter_are_answers() {
    for server in SERVERS {
        let failing = CountingGetter::with(|_| Err("the source of the owner fails".into()));
        let owner = Peer::start(server, failing, |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), patient);
        let url = owner.url();
        asker.join(&[&url]);
        for key in keys_of(&asker, &url).take(10) {
            assert_value(&asker.group, &key);
        }
        let stats = seen(&asker, &url);
        assert_eq!((stats.state, stats.requests, stats.failures), (PeerState::Up, 10, 0));
        assert_eq!(asker.stats().peer_errors, 10, "{server:?}");
    }
}

#[test]
fn a_getter_that_panics_at_the_owner_harms_nobody() {
    for server in SERVERS {
        let panicking = CountingGetter::with(|key| {
            assert!(!key.ends_with('1'), "the getter panics on {key}");
            Ok(value_of(key).into())
        });
        let owner = Peer::start(server, panicking, |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), patient);
        let url = owner.url();
        asker.join(&[&url]);
        let keys: Vec<_> = keys_of(&asker, &url).take(50).collect();
        keys.iter().for_each(|key| assert_value(&asker.group, key));
        let panics = keys.iter().filter(|key| key.ends_with('1')).count() as u64;
        assert!(panics > 0);
        let stats = asker.stats();
        assert_eq!((stats.peer_errors, stats.local_loads), (panics, panics), "{server:?}");
        assert_eq!(stats.peer_loads, 50 - panics, "{server:?}");
        assert_eq!((seen(&asker, &url).state, seen(&asker, &url).failures), (PeerState::Up, 0));
    }
}

#[test]
fn a_getter_that_panics_at_the_owner_is_told_in_its_log() {
    keep_logs();
    // The asker may have its answer a moment before that.
    let until_told = |key: &str| {
        until("the panic is logged", || {
            let told = logged(&["getter of group \"scores\" panicked", key]);
            matches!(told[..], [(Level::Error, _)])
        });
    };
    for server in SERVERS {
        let panicking = CountingGetter::with(|key| panic!("the getter panics on {key}"));
        let owner = Peer::start(server, panicking, |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), patient);
        let url = owner.url();
        asker.join(&[&url]);
        let keys = (0..).map(|n| format!("panic {n} on {server:?}"));
        let mut keys = keys.filter(|key| asker.pool.owner(key).as_ref() == Some(&url));
        let (one, many) = (keys.next().unwrap(), [keys.next().unwrap(), keys.next().unwrap()]);
        assert_value(&asker.group, &one);
        until_told(&one);
        for answer in asker.group.get_many(&[&many[0], &many[1]]) {
            answer.unwrap();
        }
        until_told(&many[0]);
    }
}

#[test]
fn a_getter_that_hangs_at_the_owner_is_answered_for_in_time_and_goes_on() {
    for server in SERVERS {
        let gate = Gate::closed();
        let cluster = Cluster::with(2, server, |_| CountingGetter::behind(&gate));
        let (owner, key) = (cluster.node(1), "Tom");
        let mut stream = TcpStream::connect(owner.addr()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let head = "Host: x\r\nConnection: close\r\nGeecache: t=100\r\n\r\n";
        write!(stream, "GET /_geecache/scores/{key} HTTP/1.1\r\n{head}").unwrap();
        let (mut answer, from) = (String::new(), Instant::now());
        stream.read_to_string(&mut answer).unwrap();
        assert!(from.elapsed() < SOON, "{server:?}: {:?}", from.elapsed());
        assert!(answer.starts_with("HTTP/1.1 504 "), "{server:?}: {answer}");
        assert!(answer.to_lowercase().contains("geecache: s=timed-out"), "{answer}");

        // Others do not wait for it either, and what they ask for meanwhile waits in the same load.
        assert_eq!(owner.getter.calls(), 1);
        gate.open();
        until("the load has ended", || {
            owner.group.main_cache_stats().entries + owner.group.hot_cache_stats().entries == 1
        });
        assert_value(&owner.group, key);
        assert_eq!(owner.getter.calls(), 1, "{server:?}: the value was there");
    }
}

#[test]
fn what_is_loaded_for_an_owner_that_is_down_is_kept_for_a_while_beside_the_main_cache() {
    let millis = Arc::new(AtomicU64::new(0));
    let getter = CountingGetter::new();
    let group = Group::builder("scores", 64 << 20, getter.clone())
        .fallback_ttl(Duration::from_secs(10))
        .clock({
            let millis = Arc::clone(&millis);
            move || Duration::from_millis(millis.load(Ordering::SeqCst))
        })
        .build();
    let client = HttpPool::client([nobodys_url()]).unwrap();
    client.add(&group).unwrap();
    for (now, calls) in [(0, 1), (0, 1), (9_999, 1), (10_000, 2), (19_999, 2), (20_000, 3)] {
        millis.store(now, Ordering::SeqCst);
        assert_value(&group, "Tom");
        assert_eq!(getter.calls(), calls, "after {now} ms");
        assert_eq!(group.hot_cache_stats().entries, 1);
        assert_eq!(group.main_cache_stats().entries, 0);
    }
}
