//! `bench`: load on a cluster, from this machine.

mod latencies;
mod load;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use geecache::{Loaded, PeerError, PeerGetter};
use serde_json::{Value, json};

use crate::args::Args;
use crate::changes::unreadable;
use crate::cluster::{Cluster, check_group};
use crate::columns::{Cell, Columns, Side, bar};
use crate::failure::{Exit, Failure, exit_of};
use crate::format::{self, count, rate};
use crate::output::Output;
use crate::style::Paint;
use latencies::Latencies;
use load::{Load, Target};

const MOST_SECONDS: usize = 3_600;
const MOST_THREADS: usize = 256;
const MOST_KEYS: usize = 1_000_000;
const MOST_VALUE_BYTES: u64 = 16 << 20;
/// How long what is written stays, should it not be removed.
const GRACE: Duration = Duration::from_secs(300);
/// So many keys are removed with one call.
const AT_ONCE: usize = 1_000;
const TICK: Duration = Duration::from_millis(100);

pub(crate) fn bench(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let group = &args.words[0];
    check_group(group)?;
    let seconds = args.number("seconds", MOST_SECONDS)?.unwrap_or(5);
    let time = Duration::from_secs(seconds as u64);
    let threads = args.number("threads", MOST_THREADS)?.unwrap_or(4);
    let count = args.number("keys", MOST_KEYS)?.unwrap_or(1_000);
    let value_bytes = args.bytes("value-bytes")?.unwrap_or(100);
    if value_bytes > MOST_VALUE_BYTES {
        let most = format::bytes(MOST_VALUE_BYTES);
        return Err(Failure::usage(format_args!("--value-bytes is at most {most}")));
    }
    let given = args.text("keys-from").map(keys_from).transpose()?;
    let cluster = Cluster::find(args)?;
    let ending = Arc::new(AtomicBool::new(false));
    {
        let ending = Arc::clone(&ending);
        let set = ctrlc::set_handler(move || ending.store(true, Ordering::Relaxed));
        set.map_err(|error| Failure::new(Exit::Local, error))?;
    }
    let is_own = given.is_none();
    let keys = given.unwrap_or_else(|| own_keys(count));
    let load = Load::new(&cluster, group, &keys);
    if is_own {
        let life = time + GRACE;
        let value = Loaded::from("x".repeat(value_bytes as usize)).ttl(life);
        if let Err(error) = write(&load, &value, threads, &ending) {
            remove(&load, out);
            return Err(Failure::peer(&error));
        }
    }
    let begun = Instant::now();
    let results =
        load.run(threads, time, &ending, |latencies| progress(latencies, begun, time, out));
    let took = begun.elapsed();
    clear_progress();
    if is_own {
        remove(&load, out);
    }
    report(&load, &results, took, threads, out)
}

/// The keys in a file, one in each line.
fn keys_from(path: &str) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let keys: Vec<String> = text.lines().filter(|key| !key.is_empty()).map(str::to_owned).collect();
    if keys.is_empty() {
        return Err(Failure::usage(format_args!("{path} holds no key")));
    }
    Ok(keys)
}

fn own_keys(count: usize) -> Vec<String> {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let name = format!("geecache-bench-{}-{begun}", std::process::id());
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

fn write(
    load: &Load<'_>,
    value: &Loaded,
    threads: usize,
    ending: &AtomicBool,
) -> Result<(), PeerError> {
    load.each(threads, ending, |target, key| {
        target.member.getter.insert(load.group, key, value).map(drop)
    })
}

fn remove(load: &Load<'_>, out: &Output) {
    for target in &load.targets {
        for keys in target.keys.chunks(AT_ONCE) {
            if let Err(error) = target.member.getter.remove(load.group, keys) {
                out.warn(format_args!(
                    "{error}; the keys there end in a few minutes by themselves"
                ));
                break;
            }
        }
    }
}

/// Shows how far it is, where somebody looks.
fn progress(latencies: &Latencies, begun: Instant, time: Duration, out: &Output) {
    let mut err = io::stderr().lock();
    if !err.is_terminal() || out.is_json() {
        return;
    }
    let part = begun.elapsed().as_secs_f64() / time.as_secs_f64();
    let bar = bar(part, 20);
    let gets = rate(latencies.count() as f64 / begun.elapsed().as_secs_f64());
    let p99 = latencies.percentile(99.0).map_or_else(|| format::NOTHING.to_owned(), format::time);
    let seconds = begun.elapsed().as_secs().min(time.as_secs());
    let whole = time.as_secs();
    let _ = write!(err, "\r▕{bar:<20}▏ {seconds}/{whole} s  {gets} gets/s  p99 {p99}\u{1b}[K");
    let _ = err.flush();
}

fn clear_progress() {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r\u{1b}[K");
    }
}

/// What one peer answered, or all of them.
#[derive(Debug, Clone, Default)]
struct Tally {
    latencies: Latencies,
    /// Answers that there is no such key.
    absent: u64,
    failed: u64,
    last_error: Option<PeerError>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies);
        self.absent += other.absent;
        self.failed += other.failed;
        if other.last_error.is_some() {
            self.last_error.clone_from(&other.last_error);
        }
    }

    fn row(&self, name: &str, took: Duration) -> [Cell; 8] {
        let time = |percent| match self.latencies.percentile(percent) {
            Some(time) => format::time(time).into(),
            None => format::NOTHING.into(),
        };
        let paint = if self.failed > 0 { Paint::Bad } else { Paint::Plain };
        [
            name.into(),
            count(self.latencies.count()).into(),
            rate(self.latencies.count() as f64 / took.as_secs_f64()).into(),
            time(50.0),
            time(99.0),
            time(99.9),
            time(100.0),
            Cell::painted(paint, count(self.failed)),
        ]
    }

    fn to_json(&self, took: Duration) -> Value {
        let micros = |percent| {
            let time = self.latencies.percentile(percent);
            time.map(|time| time.as_nanos() as f64 / 1e3)
        };
        json!({
            "gets": self.latencies.count(),
            "gets_per_second": self.latencies.count() as f64 / took.as_secs_f64(),
            "absent": self.absent,
            "failed": self.failed,
            "p50_us": micros(50.0),
            "p90_us": micros(90.0),
            "p99_us": micros(99.0),
            "p999_us": micros(99.9),
            "max_us": micros(100.0),
        })
    }
}

fn report(
    load: &Load<'_>,
    results: &[Tally],
    took: Duration,
    threads: usize,
    out: &Output,
) -> Result<Exit, Failure> {
    let mut all = Tally::default();
    results.iter().for_each(|tally| all.add(tally));
    let rows = || load.targets.iter().zip(results);
    if out.is_json() {
        let peer = |(target, tally): (&Target<'_>, &Tally)| {
            let mut peer = tally.to_json(took);
            peer["peer"] = json!(target.member.url);
            peer
        };
        let peers: Value = rows().map(peer).collect();
        let mut object = all.to_json(took);
        object["group"] = json!(load.group);
        object["threads"] = json!(threads);
        object["seconds"] = json!(took.as_secs_f64());
        object["peers"] = peers;
        out.json(&object)?;
    } else {
        let mut columns = Columns::new(&[
            ("PEER", Side::Left),
            ("GETS", Side::Right),
            ("GETS/S", Side::Right),
            ("P50", Side::Right),
            ("P99", Side::Right),
            ("P99.9", Side::Right),
            ("MAX", Side::Right),
            ("FAILED", Side::Right),
        ]);
        rows().for_each(|(target, tally)| columns.row(tally.row(&target.member.url, took)));
        columns.row(all.row("all", took));
        out.columns(&columns)?;
        let (callers, time) = (format::plural(threads, "caller"), format::time(took));
        out.line(out.paint(Paint::Dim, &format!("{callers} for {time}, one get at a time each")))?;
        if all.absent > 0 {
            out.line(format_args!("{} answers were that there is no such key", count(all.absent)))?;
        }
    }
    match all.last_error {
        None => Ok(Exit::Done),
        // Nothing else was seen.
        Some(error) if all.latencies.count() == 0 => Err(Failure::peer(&error)),
        Some(error) => {
            out.warn(format_args!("{} gets failed; the last: {error}", count(all.failed)));
            Ok(match exit_of(error.kind()) {
                Exit::Refused => Exit::Refused,
                _ => Exit::Unsound,
            })
        }
    }
}
