//! The hosts, what is done to their network, and what came of it.

use std::io;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::output::say;
use crate::host;
use crate::network::Network;
use crate::source::{Seen, Source};

pub(crate) const HELP: &str = "\
Cuts one of three hosts off for a while, and counts the old values that they get.

Usage: partition [--seconds N] [--after N] [--ttl N]

  --seconds N  for how long the host is cut off, 1 to 600 [default: 20]
  --after N    for how long to look on when it is back, 1 to 600 [default: 30]
  --ttl N      the ttl of all values in seconds, 0 for none [default: 0]
  -h, --help   prints this

It needs Linux, iproute2, and to be root.";

const HOSTS: usize = 3;
/// The host that is cut off. The first one changes the keys.
const CUT_OFF: usize = 2;
/// Before anything happens.
const CALM: Duration = Duration::from_secs(5);

pub(crate) struct Options {
    seconds: u64,
    after: u64,
    ttl: u64,
}

/// `None` = help is wanted.
pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;

    let mut options = Options { seconds: 20, after: 30, ttl: 0 };
    while let Some(arg) = args.next()? {
        match arg {
            Long("seconds") => options.seconds = args.value()?.parse()?,
            Long("after") => options.after = args.value()?.parse()?,
            Long("ttl") => options.ttl = args.value()?.parse()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    for seconds in [options.seconds, options.after] {
        if !(1..=600).contains(&seconds) {
            return Err(format!("{seconds} seconds are not in 1 to 600").into());
        }
    }
    Ok(Some(options))
}

/// Runs it all; whether nothing was got that was settled.
pub(crate) fn run(options: &Options) -> io::Result<bool> {
    let Options { seconds, after, ttl } = *options;
    say(format_args!("partition: {HOSTS} hosts, one of them cut off for {seconds} s, ttl {ttl} s"));
    let network = Network::of(HOSTS)?;
    let source = Source::start(HOSTS)?;
    let hosts: io::Result<Vec<Host>> =
        (0..HOSTS).map(|n| Host::start(&network, n, &source, ttl)).collect();
    let hosts = hosts?;
    thread::sleep(CALM);
    source.begin_phase(HOSTS);
    network.cut(CUT_OFF)?;
    thread::sleep(Duration::from_secs(seconds));
    source.begin_phase(HOSTS);
    network.mend(CUT_OFF)?;
    let healed = Instant::now();
    thread::sleep(Duration::from_secs(after));
    let (seen, settled_at) = (source.seen(), source.settled_at());
    drop(hosts);

    say(format_args!("\n  {} changes of each key", source.changes() / crate::source::KEYS as u64));
    say(format_args!(
        "\n  old values got, of all gets, by  {:>16}{:>16}{:>16}",
        "writer", "other", "cut off"
    ));
    for (title, hosts) in ["before", "while it was cut off", "after"].iter().zip(&seen) {
        let cells = hosts.iter().map(|Seen { gets, stale, .. }| format!("{stale} of {gets}"));
        let cells: String = cells.map(|cell| format!("{cell:>16}")).collect();
        say(format_args!("  {title:33}{cells}"));
    }
    let last = seen[2].iter().filter_map(|seen| seen.last_stale).max();
    match last {
        Some(last) => {
            say(format_args!("\n  the last of them {:?} after it was back", last - healed))
        }
        None => say(format_args!("\n  none of them after it was back")),
    }
    match settled_at {
        Some(at) => say(format_args!("  all was settled {:?} after it was back", at - healed)),
        None => say(format_args!("  FAILED: it was not settled")),
    }
    let wrong: u64 = seen.iter().flatten().map(|seen| seen.settled).sum();
    say(format_args!("  old values got after they were settled: {wrong}"));
    let quiet = seen.iter().flatten().any(|seen| seen.gets == 0);
    if quiet {
        say(format_args!("  FAILED: somebody got nothing"));
    }
    Ok(wrong == 0 && settled_at.is_some() && !quiet)
}

/// The process of a host. Ends when this is dropped.
struct Host(Child);

impl Host {
    fn start(network: &Network, n: usize, source: &Source, ttl: u64) -> io::Result<Self> {
        let mut command = network.command(n, &std::env::current_exe()?);
        command.args([host::FLAG, &n.to_string(), &HOSTS.to_string()]);
        command.arg(source.path()).arg(ttl.to_string());
        command.stdin(Stdio::piped()).spawn().map(Self)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
