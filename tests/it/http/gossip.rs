//! Pools that learn from each other who their peers are.

use std::thread;
use std::time::{Duration, Instant};

use geecache::{Error, HttpPool};

use crate::support::{CountingGetter, Peer, SERVERS, until, value_of};

fn start() -> Peer {
    Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool.warm_up(Duration::ZERO))
}

/// Waits until each of the pools has a list of so many peers, and tells how long that took.
fn wait_for(peers: &[Peer], count: usize) -> Duration {
    let begun = Instant::now();
    for peer in peers {
        until(&format!("{} knows {count} peers", peer.url()), || {
            peer.pool.list_stats().peers == count
        });
    }
    begun.elapsed()
}

#[test]
fn peers_that_know_one_of_them_know_all_and_miss_those_who_go() {
    let mut peers = vec![start(), start(), start()];
    let seed = peers[0].url();
    // The first has nobody to wait for.
    peers[0].pool.join([seed.as_str()]).unwrap();
    assert_eq!(peers[0].pool.list_stats().peers, 1);
    peers[1].pool.join([seed.as_str()]).unwrap();
    let heavy = format!("{}#weight=3", peers[2].url());
    peers[2].pool.join([seed.as_str(), &heavy]).unwrap();
    wait_for(&peers, 3);
    until("all have the same list", || {
        let digest = peers[0].pool.list_stats().digest;
        peers.iter().all(|peer| peer.pool.list_stats().digest == digest)
    });
    for key in (0..100).map(|n| format!("key {n}")) {
        for peer in &peers {
            assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
        }
    }
    let calls: Vec<usize> = peers.iter().map(|peer| peer.getter.calls()).collect();
    assert_eq!(calls.iter().sum::<usize>(), 100, "each key was loaded once: {calls:?}");
    assert!(calls[2] > calls[0] && calls[2] > calls[1], "the third has three shares: {calls:?}");

    // One leaves with a word, and one ends without any.
    let leaver = peers.remove(1);
    thread::scope(|scope| {
        scope.spawn(|| leaver.pool.leave(Duration::from_millis(100)));
        wait_for(&peers, 2);
    });
    peers.pop().unwrap().pool.shutdown();
    wait_for(&peers, 1);
    // They are told once the list is in force.
    let changes = || peers[0].pool.follow_stats().unwrap().changes;
    until("all changes are told", || changes().len() == 4);
}

#[test]
fn a_pool_that_joins_once_more_goes_on_to_hear_the_others() {
    let peers = [start(), start()];
    let seed = peers[1].url();
    for _ in 0..2 {
        peers[0].pool.join([seed.as_str()]).unwrap();
    }
    // This one is told of by its own messages alone.
    peers[1].pool.join([seed.as_str()]).unwrap();
    wait_for(&peers, 2);
    let late = start();
    late.pool.join([seed.as_str()]).unwrap();
    let [first, second] = peers;
    wait_for(&[first, second, late], 3);
}

#[test]
fn a_seed_that_starts_later_is_found_and_one_that_comes_back_as_well() {
    let (early, late) = (start(), start());
    let (at, seed) = (late.addr(), late.url());
    late.pool.shutdown();
    drop(late);
    early.pool.join([seed.as_str()]).unwrap();
    assert_eq!(early.pool.list_stats().peers, 1, "nobody is there yet");
    for _ in 0..2 {
        let pool = HttpPool::builder().bind(at.as_str()).unwrap();
        pool.join([early.url(), seed.clone()]).unwrap();
        until("they know each other", || {
            pool.list_stats().peers == 2 && early.pool.list_stats().peers == 2
        });
        pool.shutdown();
        drop(pool);
        until("it is missed", || early.pool.list_stats().peers == 1);
    }
}

#[test]
fn what_can_not_take_part_is_refused() {
    let client = HttpPool::client([""; 0]).unwrap();
    let refused = client.join(["http://127.0.0.1:1"]);
    assert!(matches!(refused, Err(Error::InvalidOption { .. })), "{refused:?}");
    let peer = start();
    for seed in ["127.0.0.1:1", "http://127.0.0.1:1#weight=0", ""] {
        let refused = peer.pool.join([seed]);
        assert!(matches!(refused, Err(Error::InvalidPeer { .. })), "{seed}: {refused:?}");
    }
    let long = format!("{}#name={}", peer.url(), "x".repeat(600));
    assert!(peer.pool.join([long]).is_err());
    assert_eq!(peer.pool.list_stats().peers, 1);
}

#[allow(clippy::print_stdout, reason = "figures for those who ask for them by --nocapture")]
#[test]
fn fifty_peers_find_each_other_and_miss_twenty_that_die_at_once() {
    let mut peers: Vec<Peer> = (0..50).map(|_| start()).collect();
    let seeds: Vec<String> = peers[..3].iter().map(Peer::url).collect();
    let begun = Instant::now();
    thread::scope(|scope| {
        for peer in &peers {
            scope.spawn(|| peer.pool.join(seeds.clone()).unwrap());
        }
    });
    wait_for(&peers, 50);
    println!("50 peers know each other after {:?}", begun.elapsed());
    let dead = peers.split_off(30);
    thread::scope(|scope| {
        for peer in &dead {
            scope.spawn(|| peer.pool.shutdown());
        }
    });
    println!("20 that died are missed after {:?}", wait_for(&peers, 30));
}
