//! How evenly a ring shares the keys out, how many keys move when a peer joins or leaves, and what
//! a look-up costs.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use geecache::consistenthash::{Ring, RingHash};

const KEYS: usize = 100_000;
const CLUSTERS: usize = 1_000;

/// A way in which people name peers.
struct Naming {
    what: &'static str,
    peer: fn(usize) -> String,
}

const NAMINGS: [Naming; 3] = [
    Naming {
        what: "addresses",
        peer: |i| format!("http://10.0.{}.{}:8080", 3 + i / 200, 17 + i % 200),
    },
    Naming { what: "pods", peer: |i| format!("http://cache-{i}.cache.svc:8008") },
    Naming { what: "ports", peer: |i| format!("http://localhost:{}", 8001 + i) },
];

/// Prints three tables. Takes no arguments.
pub fn run(_args: impl Iterator<Item = String>) {
    println!(
        "Shares of the ring, of {KEYS} keys `user:N`, and keys that move to other peers (ideal: \
         the share of the peer that \
         joins, 1/(n+1), or leaves, 1/n)\n"
    );
    println!(
        "| hash x points | peers | names | greatest/mean | stdev | keys: greatest/mean | keys: \
         stdev | move on join | \
         ideal | on leave | ideal |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let keys: Vec<String> = (0..KEYS).map(|i| format!("user:{i}")).collect();
    for hash in [RingHash::Crc32, RingHash::Mixed, RingHash::Balanced, RingHash::Fnv1] {
        for peers in [3, 10, 100, 1000] {
            for naming in &NAMINGS {
                balance(hash, peers, naming, &keys);
            }
        }
    }
    println!(
        "\nGreatest share/mean in {CLUSTERS} clusters of 10 peers of one subnet, chosen by chance\n"
    );
    println!("| hash x points | mean | worst |");
    println!("|---|---:|---:|");
    for hash in [RingHash::Crc32, RingHash::Mixed, RingHash::Balanced, RingHash::Fnv1] {
        clusters_by_chance(hash);
    }
    println!("\nTime of a look-up, and of changing the list\n");
    println!(
        "| hash x points | peers | ns/get | ns/hash alone | ns/owners, first 2 | µs/build | \
         µs/add |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for hash in [RingHash::Crc32, RingHash::Mixed, RingHash::Balanced, RingHash::Fnv1] {
        for peers in [3, 10, 100, 1000] {
            speed(hash, peers, &keys);
        }
    }
}

fn balance(hash: RingHash, peers: usize, naming: &Naming, keys: &[String]) {
    let ring = ring_of(hash, (0..peers).map(naming.peer));
    let shares: Vec<f64> = ring.shares().iter().map(|(_, share)| share * peers as f64).collect();
    let mut owned = vec![0.0; peers];
    let names: Vec<&str> = ring.shares().into_iter().map(|(name, _)| name).collect();
    for key in keys {
        let owner = ring.get(key).expect("the ring has peers");
        let position = names.binary_search(&owner).expect("names are in order");
        owned[position] += peers as f64 / keys.len() as f64;
    }
    let mut joined = ring.clone();
    joined.add((naming.peer)(peers));
    let mut left = ring.clone();
    left.remove(&(naming.peer)(peers / 2));
    println!(
        "| {hash:?} x {} | {peers} | {} | {:.2} | {:.1} % | {:.2} | {:.1} % | {:.1} % | {:.1} % \
         | {:.1} % | {:.1} % |",
        hash.replicas(),
        naming.what,
        greatest(&shares),
        deviation(&shares) * 100.0,
        greatest(&owned),
        deviation(&owned) * 100.0,
        moved(&ring, &joined, keys) * 100.0,
        100.0 / (peers + 1) as f64,
        moved(&ring, &left, keys) * 100.0,
        100.0 / peers as f64,
    );
}

fn clusters_by_chance(hash: RingHash) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end| {
        // xorshift64: the same clusters on every machine.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % end
    };
    let mut greatest_shares = Vec::new();
    for _ in 0..CLUSTERS {
        let (a, b) = (below(256), below(256));
        let mut hosts = BTreeSet::new();
        while hosts.len() < 10 {
            hosts.insert(100 + below(155));
        }
        let peers = hosts.into_iter().map(|host| format!("http://10.{a}.{b}.{host}:8080"));
        let ring = ring_of(hash, peers);
        let shares: Vec<f64> = ring.shares().iter().map(|(_, share)| share * 10.0).collect();
        greatest_shares.push(greatest(&shares));
    }
    let mean = greatest_shares.iter().sum::<f64>() / CLUSTERS as f64;
    println!("| {hash:?} x {} | {mean:.2} | {:.2} |", hash.replicas(), greatest(&greatest_shares));
}

fn speed(hash: RingHash, peers: usize, keys: &[String]) {
    let names: Vec<String> = (0..peers).map(NAMINGS[0].peer).collect();
    let ring = ring_of(hash, &names);
    let of_key = |key: &str| hash.of_key(key);
    let get = nanos_per_key(keys, |key| black_box(ring.get(key)).map_or(0, str::len));
    let hash_alone = nanos_per_key(keys, |key| black_box(of_key(key)) as usize);
    let owners = nanos_per_key(keys, |key| ring.owners(key).take(2).map(str::len).sum());
    let built = best_of_five(|| (), |()| ring_of(hash, &names));
    let added = best_of_five(
        || ring.clone(),
        |mut one_more| {
            one_more.add("http://10.9.9.9:8080");
            one_more
        },
    );
    println!(
        "| {hash:?} x {} | {peers} | {get:.1} | {hash_alone:.1} | {owners:.1} | {:.0} | {:.0} |",
        hash.replicas(),
        built * 1e6,
        added * 1e6,
    );
}

fn ring_of(hash: RingHash, peers: impl IntoIterator<Item = impl AsRef<str>>) -> Ring {
    let mut ring = hash.ring();
    ring.extend(peers);
    ring
}

/// The best of several rounds over 4,096 keys, which fit into the processor's caches.
fn nanos_per_key(keys: &[String], mut work: impl FnMut(&str) -> usize) -> f64 {
    let keys = &keys[..4096];
    let rounds = (0..200).map(|_| {
        let start = Instant::now();
        for key in keys {
            black_box(work(key));
        }
        start.elapsed().as_secs_f64() * 1e9 / keys.len() as f64
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Seconds, by the best of five times. What they begin with and end with is not counted.
fn best_of_five<T, R>(mut begin: impl FnMut() -> T, mut work: impl FnMut(T) -> R) -> f64 {
    let times = (0..5).map(|_| {
        let with = begin();
        let start = Instant::now();
        let result = work(with);
        let time = start.elapsed().as_secs_f64();
        drop(result);
        time
    });
    times.fold(f64::INFINITY, f64::min)
}

fn greatest(relative: &[f64]) -> f64 {
    relative.iter().copied().fold(0.0, f64::max)
}

/// Standard deviation of shares whose mean is 1.
fn deviation(relative: &[f64]) -> f64 {
    let squares: f64 = relative.iter().map(|share| (share - 1.0) * (share - 1.0)).sum();
    (squares / relative.len() as f64).sqrt()
}

fn moved(before: &Ring, after: &Ring, keys: &[String]) -> f64 {
    let moved = keys.iter().filter(|key| before.get(key) != after.get(key)).count();
    moved as f64 / keys.len() as f64
}
