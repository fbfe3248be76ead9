//! What the hot cache does to the owner of the most popular keys, between peers that are processes
//! of their own.
//!
//! Each process has a group for each rule, and one ring for all groups, so that every rule meets
//! the same owners. All peers ask for the same keys at the same frequencies, Zipf's law with an
//! exponent of 0.99, each in an order of its own, which is the same for every rule; the owners hold
//! all values before the first get.
//!
//! Each rule begins with some gets that fill the copies, and goes on at a fixed rate, so that the
//! requests can be compared. When all are through they take turns in which they get as fast as they
//! can: there, requests that are spared become more gets.
//!
//! Requests are those that peers send each other; the hottest owner is the peer that gets the most
//! of them.

mod peer;

use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use geecache::HotCache;
use lexopt::prelude::*;

use crate::BoxError;
use crate::machine;
use crate::process::Process;
use crate::report::Table;
use peer::Counts;

const PEERS: usize = 5;
/// Threads of each peer that ask.
const THREADS: usize = 2;
const VALUE_BYTES: usize = 1024;
/// Of each group. Copies have an eighth of it on top, less than all values take.
const CACHE_BYTES: u64 = 64 << 20;
const RULES: [HotCache; 4] = [
    HotCache::Off,
    HotCache::OneIn(NonZeroU32::new(10).expect("not 0")),
    HotCache::SecondHit,
    HotCache::Always,
];

/// How much is done.
struct Plan {
    keys: usize,
    /// Gets of each thread that fill the copies.
    warm_up: usize,
    /// Gets per second of each thread, and for how long.
    rate: u64,
    paced: Duration,
    /// Turns of each rule without a rate, of which the median is told, and the time of one.
    turns: usize,
    unpaced: Duration,
}

const FULL: Plan = Plan {
    keys: 100_000,
    warm_up: 10_000,
    rate: 1000,
    paced: Duration::from_secs(4),
    turns: 5,
    unpaced: Duration::from_millis(400),
};
const QUICK: Plan = Plan {
    keys: 10_000,
    warm_up: 500,
    rate: 1000,
    paced: Duration::from_millis(400),
    turns: 1,
    unpaced: Duration::from_millis(200),
};

pub fn run(args: impl Iterator<Item = String>) -> Result<(), BoxError> {
    let (mut plan, mut json) = (FULL, false);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => plan = QUICK,
            Long("json") => json = true,
            // What the processes are started with: which of the peers, and how many keys.
            Long("peer") => {
                let number = parser.value()?.parse()?;
                return peer::run(number, parser.value()?.parse()?);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    if !json {
        println!("{}", machine::describe());
    }
    let mut peers = start(&plan)?;
    let (paced, unpaced) = measure(&mut peers, &plan)?;
    let rate = plan.rate * (PEERS * THREADS) as u64;
    let load =
        format!("{PEERS} peers, {} keys, Zipf 0.99, values of {VALUE_BYTES} bytes", plan.keys);
    print(format!("{load}; {rate} gets/s in all are offered"), &paced, json);
    print(format!("{load}; gets as fast as {THREADS} threads of each peer can"), &unpaced, json);
    Ok(())
}

/// The peers, which know each other and hold the values of what they own.
fn start(plan: &Plan) -> Result<Vec<Process>, BoxError> {
    let keys = plan.keys.to_string();
    let mut peers: Vec<Process> = (0..PEERS)
        .map(|number| Process::part(&["hot", "--peer", &number.to_string(), &keys]))
        .collect::<Result<_, _>>()?;
    let urls: Vec<String> = peers.iter_mut().map(Process::line).collect::<Result<_, _>>()?;
    tell_all(&mut peers, &format!("join {}", urls.join(" ")))?;
    tell_all(&mut peers, "prime")?;
    Ok(peers)
}

/// What all peers did for one rule for a while.
struct Phase {
    rule: HotCache,
    /// Of each peer.
    counts: Vec<Counts>,
    time: Duration,
}

impl Phase {
    fn sum(&self, count: fn(&Counts) -> u64) -> u64 {
        self.counts.iter().map(count).sum()
    }
}

/// What every rule did at the fixed rate, and in its median turn without one.
fn measure(peers: &mut [Process], plan: &Plan) -> Result<(Vec<Phase>, Vec<Phase>), BoxError> {
    let mut paced = Vec::new();
    for rule in 0..RULES.len() {
        tell_all(peers, &format!("warm-up {rule} {}", plan.warm_up))?;
        let command = format!("paced {rule} {} {}", plan.paced.as_millis(), plan.rate);
        paced.push(phase(peers, rule, &command, plan.paced)?);
    }
    let mut turns: [Vec<Phase>; RULES.len()] = Default::default();
    for _ in 0..plan.turns {
        for (rule, turns) in turns.iter_mut().enumerate() {
            let command = format!("unpaced {rule} {}", plan.unpaced.as_millis());
            turns.push(phase(peers, rule, &command, plan.unpaced)?);
        }
    }
    let median = |mut turns: Vec<Phase>| {
        turns.sort_by_key(|turn| turn.sum(|counts| counts.gets));
        turns.swap_remove(turns.len() / 2)
    };
    Ok((paced, turns.map(median).into()))
}

fn phase(
    peers: &mut [Process],
    rule: usize,
    command: &str,
    time: Duration,
) -> Result<Phase, BoxError> {
    let before = counts(peers, rule)?;
    tell_all(peers, command)?;
    let after = counts(peers, rule)?;
    let counts = after.iter().zip(&before).map(|(after, before)| after.since(before)).collect();
    let phase = Phase { rule: RULES[rule], counts, time };
    match phase.sum(|counts| counts.failed) {
        0 => Ok(phase),
        failed => Err(format!("{:?}: {failed} requests failed", phase.rule).into()),
    }
}

fn counts(peers: &mut [Process], rule: usize) -> Result<Vec<Counts>, BoxError> {
    tell_all(peers, &format!("counts {rule}"))?.iter().map(|answer| answer.parse()).collect()
}

/// Sends a command to all peers at once, and waits for all answers.
fn tell_all(peers: &mut [Process], command: &str) -> Result<Vec<String>, BoxError> {
    thread::scope(|scope| {
        let told: Vec<_> =
            peers.iter_mut().map(|peer| scope.spawn(move || peer.command(command))).collect();
        let answer = |told: thread::ScopedJoinHandle<'_, _>| {
            told.join().unwrap_or_else(|_| Err("a thread panicked".into()))
        };
        told.into_iter().map(answer).collect()
    })
}

fn print(title: String, phases: &[Phase], json: bool) {
    let columns = [
        "hot cache",
        "gets/s",
        "gets x Off",
        "own keys %",
        "copies hit %",
        "all requests/s",
        "requests x Off",
        "hottest owner's/s",
        "hottest x Off",
        "its share %",
    ];
    let mut table = Table::new(title, &columns, 2);
    let figures = |phase: &Phase| {
        let (gets, requests) = (phase.sum(|counts| counts.gets), phase.sum(|counts| counts.served));
        let hottest = phase.counts.iter().map(|counts| counts.served).max().unwrap_or(0);
        let percent = |part: u64, of: u64| 100.0 * part as f64 / of as f64;
        let own = percent(phase.sum(|counts| counts.own_hits), gets);
        let copies = percent(phase.sum(|counts| counts.copy_hits), gets);
        let rates = [gets, requests, hottest].map(|count| count as f64 / phase.time.as_secs_f64());
        (rates, [own, copies, percent(hottest, requests)])
    };
    let Some((off, _)) = phases.first().map(figures) else { return };
    for phase in phases {
        let (rates, [own, copies, share]) = figures(phase);
        let ratio = |at: usize| Some(rates[at] / off[at]);
        table.push(
            format!("{:?}", phase.rule),
            [
                Some(rates[0]),
                ratio(0),
                Some(own),
                Some(copies),
                Some(rates[1]),
                ratio(1),
                Some(rates[2]),
                ratio(2),
                Some(share),
            ],
        );
    }
    table.print(json);
}
