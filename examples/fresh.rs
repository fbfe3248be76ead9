//! What a caller waits when a value expires: with and without `stale_while_revalidate`.
//!
//! Two groups before the same slow source, which takes 50 ms. Their values live for 300 ms. A
//! caller asks each of them every few milliseconds, for a second, and looks at the time each answer
//! takes.
//!
//! ```text
//! cargo run --release --example fresh
//! ```
//!
//! Ends with an error when an answer is wrong, or older than the group promises.

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use geecache::Group;
use lexopt::prelude::*;

mod common;

use common::command::command;
use common::output::say;

/// How long the source takes.
const SOURCE: Duration = Duration::from_millis(50);
const TTL: Duration = Duration::from_millis(300);
const STALE: Duration = Duration::from_millis(300);
/// How long, and how often, a caller asks.
const WATCH: Duration = Duration::from_millis(1100);
const PAUSE: Duration = Duration::from_millis(5);

/// What a caller saw.
struct Seen {
    gets: usize,
    /// Answers that took as long as the source, at least nearly.
    waited: usize,
    median: Duration,
    worst: Duration,
    oldest: Duration,
}

const HELP: &str = "\
Shows what a caller waits when a value expires, with stale_while_revalidate and without.

Usage: fresh

  -h, --help  prints this

It takes about 3 s.";

fn main() -> ExitCode {
    command("fresh", HELP, parse, |()| compare().map(|()| true))
}

/// `None` = help is wanted.
fn parse(mut args: lexopt::Parser) -> Result<Option<()>, lexopt::Error> {
    match args.next()? {
        None => Ok(Some(())),
        Some(Short('h') | Long("help")) => Ok(None),
        Some(other) => Err(other.unexpected()),
    }
}

fn compare() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    // The source's value is the time at which it was read, in microseconds.
    let slow = move |_: &str| {
        let read = start.elapsed().as_micros().to_string();
        thread::sleep(SOURCE);
        Ok::<_, std::convert::Infallible>(read)
    };
    let plain = Group::builder("ttl only", 64 << 20, slow).ttl(TTL).build();
    let fresh =
        Group::builder("with stale", 64 << 20, slow).ttl(TTL).stale_while_revalidate(STALE).build();

    say(format_args!(
        "A source of {SOURCE:?}, a ttl of {TTL:?}, one get every {PAUSE:?} for {WATCH:?}:"
    ));
    say("");
    say(format_args!(
        "                            gets   waited   median    worst   oldest answer"
    ));
    for (name, group, promise) in
        [("ttl", &plain, TTL), ("ttl + stale_while_revalidate", &fresh, TTL + STALE)]
    {
        let seen = watch(group, start)?;
        say(format_args!(
            "{name:<28}{:>4}   {:>6}   {:>6}   {:>6}   {:>13}",
            seen.gets,
            seen.waited,
            short(seen.median),
            short(seen.worst),
            short(seen.oldest)
        ));
        // A value was read before the source's 50 ms began; the rest is for a busy machine, on
        // which all of this is late.
        let oldest = promise + SOURCE + Duration::from_secs(1);
        if seen.oldest > oldest {
            return Err(format!("an answer was {:?} old", seen.oldest).into());
        }
    }
    say("");
    let stats = fresh.stats();
    say(format_args!(
        "The second group served {} of {} gets past the ttl, and refreshed {} times meanwhile.",
        stats.hits_stale, stats.gets, stats.refreshes
    ));
    if stats.refreshes == 0 || plain.stats().hits_stale != 0 {
        return Err("the groups did not do what they were told to".into());
    }
    Ok(())
}

/// Asks for one key again and again. The first get, which has to wait in any case, does not count.
fn watch(group: &Group, start: Instant) -> Result<Seen, Box<dyn Error>> {
    group.get("Tom")?;
    let (mut times, mut oldest, mut last) = (Vec::new(), Duration::ZERO, 0);
    let begin = Instant::now();
    while begin.elapsed() < WATCH {
        let asked = Instant::now();
        let answer = group.get("Tom")?;
        times.push(asked.elapsed());
        let read: u64 = std::str::from_utf8(&answer)?.parse()?;
        if read < last {
            return Err("an answer was older than the one before it".into());
        }
        last = read;
        oldest = oldest.max(start.elapsed().saturating_sub(Duration::from_micros(read)));
        thread::sleep(PAUSE);
    }
    times.sort_unstable();
    let waited = times.iter().filter(|&&time| time >= SOURCE.mul_f64(0.9)).count();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    Ok(Seen { gets: times.len(), waited, median, worst, oldest })
}

/// A duration in three to four characters and its unit.
fn short(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        _ if micros < 10.0 => format!("{micros:.1} µs"),
        _ if micros < 1000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.0} ms", micros / 1000.0),
    }
}
