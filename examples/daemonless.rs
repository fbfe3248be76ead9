//! A command line that comes and goes, and is fast at its second run: what it computed before is in
//! a snapshot. There is no server, and nothing stays in the background.
//!
//! ```text
//! cargo run --release --example daemonless -- 50000000 80000000   # twice
//! ```

use std::error::Error;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use geecache::{Group, Origin, SnapshotTrust};

mod common;

use common::command::command;
use common::errors::describe;
use common::output::{complain, human, say, show_log};

const HELP: &str = "\
Counts the primes below numbers. What was counted once is in a file, for the next run.

Usage: daemonless [--file PATH] [--forget] NUMBER...

  --file PATH  the snapshot [default: geecache-daemonless in the folder for
               temporary files]
  --forget     loads no snapshot, and replaces it
  -h, --help   prints this

Ends with 0 if every number was counted, 1 if not, 2 if an option is wrong.";

/// Counting below a greater number takes minutes, and gigabytes.
const GREATEST: usize = 2_000_000_000;

fn main() -> ExitCode {
    command("daemonless", HELP, Flags::parse, count)
}

struct Flags {
    numbers: Vec<String>,
    file: PathBuf,
    forget: bool,
}

impl Flags {
    /// `None` = help is wanted.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let file = std::env::temp_dir().join("geecache-daemonless");
        let mut flags = Self { numbers: Vec::new(), file, forget: false };
        while let Some(arg) = args.next()? {
            match arg {
                Value(number) => flags.numbers.push(number.string()?),
                Long("file") => flags.file = args.value()?.into(),
                Long("forget") => flags.forget = true,
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        if flags.numbers.is_empty() {
            return Err("below which NUMBER?".into());
        }
        Ok(Some(flags))
    }
}

/// Prints how many primes there are below each number; whether all were counted.
fn count(Flags { numbers, file, forget }: Flags) -> Result<bool, Box<dyn Error>> {
    show_log();
    let begun = Instant::now();
    let primes = Group::new("primes", 16 << 20, |key: &str| {
        let below: usize = key.parse().map_err(|error: ParseIntError| error.to_string())?;
        if below > GREATEST {
            return Err(format!("it is greater than {GREATEST}"));
        }
        Ok(primes_below(below).to_string())
    });
    if !forget {
        // The number of primes never changes, so every entry of the file is right.
        match primes.load_snapshot(&file, SnapshotTrust::Always) {
            Ok(report) => say(format_args!(
                "{} known from {} in {}",
                report.entries,
                file.display(),
                human(report.took)
            )),
            // It may be somebody's thesis, and would be replaced at the end.
            Err(error) => return Err(format!("{}; --forget replaces it", describe(&error)).into()),
        }
    }

    let mut counted_all = true;
    for number in &numbers {
        let asked = Instant::now();
        match primes.get_with_origin(number) {
            Ok((value, origin)) => {
                let from = if origin == Origin::Memory { "the snapshot" } else { "counting" };
                say(line(number, &String::from_utf8_lossy(&value), from, asked.elapsed()));
            }
            Err(error) => {
                complain(format_args!("{number}: {}", describe(&error)));
                counted_all = false;
            }
        }
    }
    let saved = primes.save_snapshot(&file)?;
    say(format_args!("{} saved, all in {}", saved.entries, human(begun.elapsed())));
    Ok(counted_all)
}

fn line(number: &str, primes: &str, from: &str, time: Duration) -> String {
    format!("below {number}: {primes} primes, from {from} in {}", human(time))
}

/// The sieve of Eratosthenes, in its plainest form.
fn primes_below(below: usize) -> usize {
    let mut is_composite = vec![false; below];
    let mut primes = 0;
    for number in 2..below {
        if is_composite[number] {
            continue;
        }
        primes += 1;
        for multiple in (number.saturating_mul(number)..below).step_by(number) {
            is_composite[multiple] = true;
        }
    }
    primes
}
