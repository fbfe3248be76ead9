//! Figures, not tests: `cargo test --release --test it figures -- --ignored --nocapture
//! --test-threads 1`.
#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{Group, Server};

use crate::support::{CountingGetter, Peer, Random, value_of};

const KEYS: usize = 20_000;
const GETS: usize = 40_000;
const THREADS: usize = 4;

/// Loads at the source while the list of peers of warm peers changes under load, for all gets that
/// follow the change.
#[test]
#[ignore = "prints figures"]
fn loads_when_the_list_of_peers_changes() {
    println!(
        "{KEYS} keys, all in memory; {GETS} random gets on {THREADS} threads after the change"
    );
    println!(
        "the change             warm-up    moved keys  loads  peeks   hits  slowest get  all gets"
    );
    for warm_up in [Duration::ZERO, Duration::from_secs(60)] {
        let (peers, new) = (warm_peers(warm_up), peer(warm_up));
        report(
            "a fourth peer joins",
            warm_up,
            &[&peers[0], &peers[1], &peers[2], &new],
            &new,
            |all| {
                Peer::set_all(all);
            },
        );
    }
    for warm_up in [Duration::ZERO, Duration::from_secs(60)] {
        let [one, two, leaver] = warm_peers(warm_up);
        let pool = leaver.pool.clone();
        report("one of three leaves", warm_up, &[&one, &two], &leaver, |all| {
            Peer::set_all(all);
            if warm_up.is_zero() {
                pool.shutdown();
            } else {
                thread::spawn(move || pool.leave(Duration::from_secs(60)));
            }
        });
        leaver.pool.shutdown();
    }
}

fn peer(warm_up: Duration) -> Peer {
    Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool.warm_up(warm_up))
}

fn key(n: usize) -> String {
    format!("key {n}")
}

/// Three peers, each of which has all keys that it owns.
fn warm_peers(warm_up: Duration) -> [Peer; 3] {
    let peers = [peer(warm_up), peer(warm_up), peer(warm_up)];
    Peer::set_all(&peers);
    for n in 0..KEYS {
        let key = key(n);
        let owner = peers[0].pool.owner(&key);
        peers.iter().find(|peer| owner == Some(peer.url())).unwrap().group.get(&key).unwrap();
    }
    peers
}

/// Makes a change, has the peers in `all` get keys at random, and prints what that costs.
fn report(
    what: &str,
    warm_up: Duration,
    all: &[&Peer],
    changed: &Peer,
    change: impl FnOnce(&[&Peer]),
) {
    let sum = |of: fn(&Peer) -> u64| all.iter().map(|peer| of(peer)).sum::<u64>();
    let loads = |peer: &Peer| peer.getter.calls() as u64;
    let (peeks, hits) = (|peer: &Peer| peer.stats().peeks, |peer: &Peer| peer.stats().peek_hits);
    let before = (sum(loads), sum(peeks), sum(hits));
    let owner = |n: usize| all[0].pool.owner(&key(n));
    let owners: Vec<_> = (0..KEYS).map(owner).collect();
    change(all);
    let moved = owners.iter().enumerate().filter(|(n, before)| **before != owner(*n)).count();
    assert!(moved > 0 && !changed.url().is_empty());
    let failed = AtomicBool::new(false);
    let begun = Instant::now();
    let slowest = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let failed = &failed;
                scope.spawn(move || {
                    let mut random = Random::new(thread as u64);
                    let mut slowest = Duration::ZERO;
                    for n in 0..GETS / THREADS {
                        let (key, begun) =
                            (key(random.below(KEYS as u64) as usize), Instant::now());
                        let value = all[n % all.len()].group.get(&key);
                        slowest = slowest.max(begun.elapsed());
                        if !value.is_ok_and(|value| value == value_of(&key).as_str()) {
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                    slowest
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    });
    assert!(!failed.load(Ordering::Relaxed), "a get gave no value, or a wrong one");
    println!(
        "{what:22} {:8} {moved:>13} {:>6} {:>6} {:>6} {slowest:>12.1?} {:>9.1?}",
        format!("{warm_up:?}"),
        sum(loads) - before.0,
        sum(peeks) - before.1,
        sum(hits) - before.2,
        begun.elapsed()
    );
}

/// What it costs to watch: bytes of what is told, and the time of a question about a cluster of
/// which a part is dead.
#[test]
#[ignore = "prints figures"]
fn what_watching_costs() {
    const PEERS: usize = 10;
    let peers: Vec<Peer> = (0..PEERS).map(|_| peer(Duration::ZERO)).collect();
    for group in 1..10 {
        for peer in &peers {
            let name = format!("group-{group}");
            peer.pool.add(&Group::new(name, 1 << 20, CountingGetter::new())).unwrap();
        }
    }
    let urls = Peer::set_all(&peers);
    (0..2000).for_each(|n| drop(peers[0].group.get(&key(n))));
    let bytes = |path| super::status::get(&peers[0].addr(), path, "").2.len();
    for path in
        ["/", "/metrics", "/status.json", "/status.json?cluster", "/status.json?cluster&ring"]
    {
        println!("{path}: {} bytes, with {PEERS} peers and 10 groups", bytes(path));
    }
    println!("20 times /status.json?cluster, one after the other:");
    let time = |what: &str| {
        let ask = || {
            let begun = Instant::now();
            let (code, _, body) = super::status::get(&peers[0].addr(), "/status.json?cluster", "");
            assert_eq!(code, 200, "{body}");
            (begun.elapsed(), body.matches("\"answered\":false").count())
        };
        let mut asked: Vec<_> = (0..20).map(|_| ask()).collect();
        asked.sort_unstable();
        let ((least, dead), (median, _), (most, _)) = (asked[0], asked[10], asked[19]);
        println!("{what}, {dead} dead: least {least:.1?}, median {median:.1?}, most {most:.1?}");
    };
    time("all alive");
    peers[1..4].iter().for_each(|peer| peer.pool.shutdown());
    time("three that refuse connections");
    let silent: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let silent = silent.iter().map(|it| format!("http://{}", it.local_addr().unwrap()));
    let urls: Vec<String> =
        silent.chain(urls.into_iter().skip(4)).chain([peers[0].url()]).collect();
    peers[0].pool.set_peers(&urls).unwrap();
    time("three that take connections and are silent");
}
