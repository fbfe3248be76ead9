//! How long a get takes.
//!
//! All contenders live in one process and are timed in turns, a slice of requests each, so that a
//! machine that is slow for a while is slow for all of them. Of the slices of one contender the
//! least and the median are told. With one thread the time is that which the thread was given by
//! the processor, as Linux counts it, so that other programs do not decide; with more threads it is
//! the time on the wall.

use std::error::Error;
use std::time::Instant;

use lexopt::prelude::*;

use crate::contenders::{
    self, Bound, Contender, FLOOR, FLOORS, GROUP, GROUP_AHEAD, GROUP_TTL, LOCKED_FLOOR, MOKA,
    QUICK, STORE,
};
use crate::groupcache::Groupcache;
use crate::machine;
use crate::report::{Table, median, min};
use crate::typed::{DECODED, TYPED};
use crate::workload::{KEY_BYTES, Random, Stream, Zipf};

const VALUE_BYTES: usize = 64;
/// Requests of a slice, of one thread.
const SLICE: usize = 100_000;
const THREADS: [usize; 3] = [1, 2, 8];
pub const GO: &str = "Go groupcache Group.Get";

struct Regime {
    name: &'static str,
    what: &'static str,
    keys: u64,
    /// What the contenders may hold; all keys if `None`.
    entries: Option<u64>,
    traffic: Traffic,
}

#[derive(Clone, Copy, PartialEq)]
enum Traffic {
    Zipf,
    /// One key takes every fifth get.
    HotKey,
    /// Every tenth request is a write.
    Writes,
}

const REGIMES: [Regime; 5] = [
    Regime {
        name: "S",
        what: "100k keys, all resident",
        keys: 100_000,
        entries: None,
        traffic: Traffic::Zipf,
    },
    Regime {
        name: "R",
        what: "1M keys, all resident",
        keys: 1_000_000,
        entries: None,
        traffic: Traffic::Zipf,
    },
    Regime {
        name: "E",
        what: "1M keys, room for 100k, inserted on a miss",
        keys: 1_000_000,
        entries: Some(100_000),
        traffic: Traffic::Zipf,
    },
    Regime {
        name: "H",
        what: "100k keys, all resident, one of them takes 20 % of the gets",
        keys: 100_000,
        entries: None,
        traffic: Traffic::HotKey,
    },
    Regime {
        name: "W",
        what: "100k keys, all resident, 10 % of the requests are writes",
        keys: 100_000,
        entries: None,
        traffic: Traffic::Writes,
    },
];

impl Regime {
    /// The number of the next key.
    fn draw(&self, zipf: &Zipf, random: &mut Random) -> u64 {
        if self.traffic == Traffic::HotKey && random.next() % 5 == 0 {
            return 0;
        }
        zipf.draw(random)
    }

    fn replay(&self, cache: &dyn Contender, stream: &Stream, value: &[u8]) -> u64 {
        match self.traffic {
            Traffic::Writes => cache.replay_with_writes(stream, value),
            _ => cache.replay(stream, self.entries.map(|_| value)),
        }
    }
}

pub fn run(args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut json, mut only) = (15, false, None);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("regime") => only = Some(parser.value()?.string()?),
            Long("json") => json = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    if !json {
        println!("{}", machine::describe());
    }
    for regime in REGIMES.iter().filter(|regime| only.as_deref().is_none_or(|o| o == regime.name)) {
        measure(regime, rounds, json);
    }
    Ok(())
}

/// The slices of one contender: wall time per request in nanoseconds, for each number of threads.
struct Timed {
    name: &'static str,
    slices: [Vec<f64>; 3],
    hits: u64,
    requests: u64,
}

fn measure(regime: &Regime, rounds: usize, json: bool) {
    let value = [7; VALUE_BYTES];
    let payload = (KEY_BYTES + VALUE_BYTES) as u64;
    // Those that hold everything get room to spare, as no cache knows beforehand how its shards
    // will be filled.
    let room = regime.entries.unwrap_or(regime.keys * 2);
    let bound = Bound::Entries { count: room, payload };
    let (zipf, mut random) = (Zipf::new(regime.keys as usize), Random(1));
    let streams: Vec<Stream> =
        (0..16).map(|_| Stream::new((0..SLICE).map(|_| regime.draw(&zipf, &mut random)))).collect();
    let insert = regime.entries.map(|_| &value[..]);
    let names = contenders::ALL.iter().chain(&[GROUP_TTL, GROUP_AHEAD, TYPED, DECODED]);
    let names = names.filter(|&name| insert.is_none() || !FLOORS.contains(name));
    let every_key = Stream::new(0..regime.keys);
    let caches: Vec<(&'static str, Box<dyn Contender>)> = names
        .map(|&name| {
            let cache = contenders::make(name, bound, &value);
            match insert {
                None => cache.fill(&every_key, &value),
                // Warm: what the cache would have settled on.
                Some(_) => streams.iter().for_each(|stream| {
                    cache.replay(stream, insert);
                }),
            }
            (name, cache)
        })
        .collect();
    let all: Vec<u64> = (0..16 * SLICE).map(|_| regime.draw(&zipf, &mut random)).collect();
    let go_keys = match insert {
        None => Stream::new((0..regime.keys).chain(all)),
        Some(_) => Stream::new(all.into_iter()),
    };
    let go_from = go_keys.len() - 16 * SLICE;
    let mut go = match regime.traffic {
        // It has no writes.
        Traffic::Writes => None,
        _ => Groupcache::start(room * payload, VALUE_BYTES, &go_keys),
    };

    let timed = |name| Timed { name, slices: Default::default(), hits: 0, requests: 0 };
    let mut results: Vec<Timed> = caches.iter().map(|(name, _)| timed(*name)).collect();
    let mut go_result = timed(GO);
    for round in 0..rounds {
        for (t, &threads) in THREADS.iter().enumerate() {
            let stream = |thread: usize| &streams[(round * 3 + t * 5 + thread * 2) % streams.len()];
            for ((_, cache), result) in caches.iter().zip(&mut results) {
                let (start, ran) = (Instant::now(), machine::thread_nanoseconds());
                let hits: u64 = std::thread::scope(|scope| {
                    let replay =
                        |thread: usize| regime.replay(cache.as_ref(), stream(thread), &value);
                    let others: Vec<_> =
                        (1..threads).map(|thread| scope.spawn(move || replay(thread))).collect();
                    let mine = replay(0);
                    mine + others.into_iter().map(|other| other.join().unwrap_or(0)).sum::<u64>()
                });
                let requests = (threads * SLICE) as u64;
                let time = match threads {
                    1 => (machine::thread_nanoseconds() - ran) as f64,
                    _ => start.elapsed().as_nanos() as f64,
                };
                result.slices[t].push(time / requests as f64);
                if threads == 1 {
                    result.hits += hits;
                    result.requests += requests;
                }
            }
            let from = go_from + (round * 3 % 8) * SLICE;
            if let Some(ns) = go.as_mut().and_then(|go| go.replay(from, SLICE, threads)) {
                go_result.slices[t].push(ns / (threads * SLICE) as f64);
            }
        }
    }
    drop(go);
    if !go_result.slices[0].is_empty() {
        results.push(go_result);
    }
    print(regime, &results, json);
}

fn print(regime: &Regime, results: &[Timed], json: bool) {
    let columns = [
        "cache",
        "1T ns min",
        "1T ns median",
        "/ quick_cache",
        "2T Mops median",
        "/ quick_cache",
        "8T Mops median",
        "/ quick_cache",
        "hit %",
    ];
    let title = format!(
        "{}: {}; Zipf 0.99; keys of {KEY_BYTES} bytes, values of {VALUE_BYTES}",
        regime.name, regime.what
    );
    let mut table = Table::new(title, &columns, 2);
    let of = |name: &str| results.iter().find(|result| result.name == name);
    let time = |result: &Timed, t: usize| median(&result.slices[t]);
    let quick = |t: usize| of(QUICK).map(|quick| time(quick, t));
    for result in results {
        let mops = |t: usize| 1e3 / time(result, t);
        let hits = 100.0 * result.hits as f64 / result.requests as f64;
        table.push(
            result.name,
            [
                Some(min(&result.slices[0])),
                Some(time(result, 0)),
                quick(0).map(|quick| time(result, 0) / quick),
                Some(mops(1)),
                quick(1).map(|quick| quick / time(result, 1)),
                Some(mops(2)),
                quick(2).map(|quick| quick / time(result, 2)),
                (result.requests > 0).then_some(hits),
            ],
        );
    }
    table.print(json);
    // The ratios that the project promises, of medians at one thread.
    let mut ratios = Table::new(
        format!("{}: ratios, 1 thread, min and median", regime.name),
        &["ratio", "min", "median"],
        2,
    );
    let pairs = [
        (STORE, FLOOR),
        (STORE, LOCKED_FLOOR),
        (STORE, QUICK),
        (STORE, MOKA),
        (GROUP, STORE),
        (GROUP, GO),
        (GROUP_TTL, GROUP),
        (GROUP_AHEAD, GROUP),
        (TYPED, GROUP),
        (DECODED, GROUP),
    ];
    for (a, b) in pairs {
        if let (Some(a), Some(b)) = (of(a), of(b)) {
            let least = min(&a.slices[0]) / min(&b.slices[0]);
            ratios.push(
                format!("{} / {}", a.name, b.name),
                [Some(least), Some(time(a, 0) / time(b, 0))],
            );
        }
    }
    ratios.print(json);
}
