//! A soak test that anyone can run: real peer processes under load, while a schedule of faults,
//! drawn from a seed, kills them, stops and continues them, restarts them and changes their lists
//! of peers.
//!
//! ```text
//! cargo run --release --example chaos -- --peers 5 --seconds 60 --seed 1
//! ```
//!
//! All the time the peers change keys, too, and remove or insert them. It exits with 1 on a wrong
//! value, a version that is older than one that was settled (see `truth.rs` for the bounds), a get
//! without a value, a get beyond its deadline, a thread or a descriptor that stays when all is
//! over, or a peer that does not serve again after its fault.
//!
//! It needs a Unix: peers are stopped by signals.

#[path = "../common/mod.rs"]
mod common;
mod histogram;
mod peer;
mod processes;
mod progress;
mod schedule;
mod source;
mod truth;
mod versions;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::command::command;
use common::output::say;
use histogram::Histogram;
use processes::{Cluster, Report, Seen};
use progress::Progress;
use schedule::Schedule;
use source::Source;
use versions::Checked;

const HELP: &str = "\
Runs real peers under load while it kills, stops and restarts them.

Usage: chaos [--peers N] [--seconds N] [--seed N] [--verbose]

  --peers N    how many peer processes, 3 to 20; every other one is guarded [default: 5]
  --seconds N  how long the faults go on, 1 to 3600 [default: 60]
  --seed N     what the schedule is drawn from [default: the time]
  --verbose    prints every fault as it happens
  -h, --help   prints this";

struct Options {
    peers: usize,
    seconds: u64,
    seed: u64,
    verbose: bool,
}

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == peer::FLAG) {
        peer::run(&args.split_off(1));
        return ExitCode::SUCCESS;
    }
    command("chaos", HELP, parse, |options| Ok(chaos(&options)?))
}

/// `None` = help is wanted.
fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.map_or(1, |now| now.as_secs());
    let mut options = Options { peers: 5, seconds: 60, seed, verbose: false };
    while let Some(arg) = args.next()? {
        match arg {
            Long("peers") => options.peers = args.value()?.parse()?,
            Long("seconds") => options.seconds = args.value()?.parse()?,
            Long("seed") => options.seed = args.value()?.parse()?,
            Long("verbose") => options.verbose = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    if !(3..=20).contains(&options.peers) {
        return Err(format!("--peers {} is not in 3 to 20", options.peers).into());
    }
    if !(1..=3600).contains(&options.seconds) {
        return Err(format!("--seconds {} is not in 1 to 3600", options.seconds).into());
    }
    Ok(Some(options))
}

/// Runs it all; whether everything held.
fn chaos(options: &Options) -> std::io::Result<bool> {
    let Options { peers, seconds, seed, .. } = *options;
    say(format_args!("chaos: {peers} peers, {seconds} s of faults, --seed {seed}"));
    let source = Source::start()?;
    // With an odd seed, those who are out of the lists miss removals.
    let warm_up = Duration::from_millis(if seed % 2 == 0 { 60_000 } else { 100 });
    let mut cluster = Cluster::start(peers, &source, warm_up, options.verbose)?;
    let mut schedule = Schedule::new(seed, peers);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut progress = Progress::of(seconds);
    while Instant::now() < end {
        let (pause, step) = schedule.next();
        std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
        cluster.step(step)?;
        progress.tell(begun.elapsed(), cluster.faults().total().into());
    }
    drop(progress);
    cluster.heal()?;
    let faults = cluster.faults();
    let report = cluster.finish();

    let Seen { latencies, checked } = &report.seen;
    let gets = latencies.count();
    say("");
    say(format_args!(
        "  gets          {gets:>10}   by {peers} peers with {} threads each",
        peer::LOAD_THREADS
    ));
    say(format_args!("  faults        {:>10}   {faults}", faults.total()));
    print_latencies(latencies);
    let (loads, keys) = source.counts();
    let each = loads as f64 / keys.max(1) as f64;
    say(format_args!("  loads         {loads:>10}   of {keys} distinct keys: {each:.2} each"));
    let Checked { changes, owed, .. } = checked;
    say(format_args!(
        "  changes       {changes:>10}   of keys; of {owed} of them a peer was told later"
    ));
    let Checked { gets: versions, firm, stale, .. } = checked;
    say(format_args!(
        "  versions seen {versions:>10}   {firm} of them by gets to which no older one is allowed"
    ));
    say(format_args!(
        "  older ones    {stale:>10}   than a settled one, while copies may live or lists differ"
    ));
    say("");
    for failure in &report.failures {
        say(format_args!("  FAILED: {failure}"));
    }
    let quiet = gets == 0 || loads == 0 || checked.firm == 0 || checked.changes == 0;
    if quiet {
        say(format_args!("  FAILED: there was no load"));
    }
    let held = report.failures.is_empty() && !quiet;
    say(format_args!("{}", if held { "all held" } else { "NOT all held" }));
    Ok(held)
}

fn print_latencies(latencies: &Histogram) {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|p| {
        let ms = latencies.percentile(p).as_secs_f64() * 1e3;
        if ms < 10.0 { format!("{ms:.3} ms") } else { format!("{ms:.0} ms") }
    });
    say(format_args!(
        "  time of a get {p50:>10}   p50, {p99} p99, {max} max; the deadline is {:?}",
        peer::DEADLINE
    ));
}

/// What a failed check says; kept short of flooding the terminal.
fn note(report: &mut Report, failure: String) {
    const MOST: usize = 20;
    if report.failures.len() < MOST {
        report.failures.push(failure);
    }
}
