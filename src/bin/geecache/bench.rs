//! `bench`: load on a cluster, from this machine.

mod load;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use geecache::{ChangeStamp, Loaded, PeerError, PeerErrorKind, PeerGetter};
use serde_json::json;

use crate::args::Args;
use crate::changes::unreadable;
use crate::cluster::{Cluster, check_group, nobody};
use crate::columns::bar;
use crate::failure::{Exit, Failure, exit_of};
use crate::format::{self, count, rate};
use crate::output::Output;
use crate::style::Paint;
use load::{Load, Target};
use tally::Tally;

const MOST_SECONDS: usize = 3_600;
const MOST_THREADS: usize = 256;
const MOST_KEYS: usize = 1_000_000;
const MOST_VALUE_BYTES: u64 = 16 << 20;
/// How long what is written stays, should it not be removed.
const GRACE: Duration = Duration::from_secs(300);
/// So many keys are removed with one call.
const AT_ONCE: usize = 1_000;

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
    let cluster = Cluster::find(args, out)?;
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
            if error.kind() == PeerErrorKind::NotSupported {
                let failure = Failure::new(Exit::PeerFailed, error);
                return Err(failure.hint("it takes no keys: name some that it has by --keys-from"));
            }
            // No key was written to a group that is not there.
            if error.kind() != PeerErrorKind::NoSuchGroup {
                remove(&load, out);
            }
            return Err(Failure::peer(&error));
        }
        let silent: Vec<_> = load.targets.iter().filter_map(Target::silence).collect();
        if !silent.is_empty() && !load.targets.iter().any(Target::has_keys) {
            return Err(nobody(&silent));
        }
        silent.iter().for_each(|error| out.warn(format_args!("no key was written there: {error}")));
    }
    let begun = Instant::now();
    load.run(threads, time, &ending, || progress(&load, begun, time, out));
    let took = begun.elapsed();
    clear_progress();
    if is_own {
        remove(&load, out);
    }
    let no_room = "the caches have no room for all keys of the bench: take fewer --keys";
    report(&load, is_own.then_some(no_room), took, threads, out)
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
    load.each(threads, ending, |target, key| target.write(load.group, key, value))
}

fn remove(load: &Load<'_>, out: &Output) {
    for target in load.targets.iter().filter(|target| target.has_keys()) {
        for keys in target.keys.chunks(AT_ONCE) {
            if let Err(error) =
                target.member.getter.remove(load.group, keys, ChangeStamp::UNORDERED)
            {
                out.warn(format_args!(
                    "{error}; the keys there end in a few minutes by themselves"
                ));
                break;
            }
        }
    }
}

/// Shows how far it is, where somebody looks.
fn progress(load: &Load<'_>, begun: Instant, time: Duration, out: &Output) {
    let mut err = io::stderr().lock();
    if !err.is_terminal() || out.is_json() {
        return;
    }
    let (tally, elapsed) = (load.tally(), begun.elapsed());
    let bar = bar(elapsed.as_secs_f64() / time.as_secs_f64(), 20);
    let gets = rate(tally.per_second(elapsed));
    let p99 = tally.times.percentile(99.0).map_or_else(|| format::NOTHING.to_owned(), format::time);
    let (seconds, whole) = (elapsed.as_secs().min(time.as_secs()), time.as_secs());
    let _ = write!(err, "\r▕{bar:<20}▏ {seconds}/{whole} s  {gets} gets/s  p99 {p99}\u{1b}[K");
    let _ = err.flush();
}

fn clear_progress() {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r\u{1b}[K");
    }
}

fn report(
    load: &Load<'_>,
    no_room: Option<&str>,
    took: Duration,
    threads: usize,
    out: &Output,
) -> Result<Exit, Failure> {
    let all = load.tally();
    if out.is_json() {
        let peer = |target: &Target<'_>| {
            let mut peer = target.tally().to_json(took);
            peer["peer"] = json!(target.member.url);
            peer
        };
        let mut object = all.to_json(took);
        object["group"] = json!(load.group);
        object["threads"] = json!(threads);
        object["seconds"] = json!(took.as_secs_f64());
        object["peers"] = load.targets.iter().map(peer).collect();
        out.json(&object)?;
    } else {
        let mut columns = Tally::columns();
        for target in &load.targets {
            columns.row(target.tally().row(&format::short(&target.member.url), took));
        }
        columns.row(all.row("all", took));
        out.columns(&columns)?;
        let (callers, time) = (format::plural(threads, "caller"), format::time(took));
        out.line(out.paint(Paint::Dim, &format!("{callers} for {time}, one get at a time each")))?;
        if all.absent > 0 {
            out.line(format_args!("{} answers were that there is no such key", count(all.absent)))?;
            no_room.map_or(Ok(()), |hint| out.line(hint))?;
        }
    }
    match all.last_error {
        None => Ok(Exit::Done),
        // Nothing else was seen.
        Some(error) if all.times.count() == 0 => Err(Failure::peer(&error)),
        Some(error) => {
            out.warn(format_args!("{} gets failed; the last: {error}", count(all.failed)));
            Ok(match exit_of(error.kind()) {
                Exit::Refused => Exit::Refused,
                _ => Exit::Unsound,
            })
        }
    }
}
