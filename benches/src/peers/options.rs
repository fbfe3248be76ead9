//! The command line.

use std::time::Duration;

use lexopt::prelude::*;

use super::BoxError;
use super::contenders::Contender;
use super::scenario::Scenario;

pub(super) const USAGE: &str = "\
How fast a value comes from another process, side by side.

usage: geecache-bench peers [OPTION]...

  --quick           a few cases of a few milliseconds each, to see that it runs
  --json            prints one JSON document and no table
  --only NAME,...   only contenders whose names hold one of these
  --threads N,...   threads that ask, instead of the default cases
  --values N,...    bytes of a value, instead of the default cases
  --batches N,...   keys asked for at once, instead of the default cases
  --rounds N        turns of each contender in each case (default 5)
  --slice MS        milliseconds of a turn (default 250)
  --help            prints this

The contenders: std::net pair, geecache guarded, geecache token, geecache TLS, geecache mTLS (the
guarded server with these), geecache tiny_http, memcached, golang/groupcache.
With one of --threads, --values and --batches all combinations are run; those that are not
given are 4, 64 and 1.
";

/// What to run, and how to print it.
pub(super) struct Options {
    pub(super) json: bool,
    pub(super) rounds: usize,
    pub(super) slice: Duration,
    only: Vec<String>,
    cases: Cases,
}

enum Cases {
    All,
    Quick,
    Product { threads: Vec<usize>, values: Vec<usize>, batches: Vec<usize> },
}

impl Options {
    /// Reads `args`; `None` if they ask for help.
    pub(super) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>, BoxError> {
        let mut options = Self {
            json: false,
            rounds: 0,
            slice: Duration::ZERO,
            only: Vec::new(),
            cases: Cases::All,
        };
        let (mut rounds, mut slice) = (None, None);
        let (mut threads, mut values, mut batches) = (None, None, None);
        let mut quick = false;
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("help") | Short('h') => return Ok(None),
                Long("quick") => quick = true,
                Long("json") => options.json = true,
                Long("only") => {
                    let names = parser.value()?.string()?.to_lowercase();
                    options.only.extend(names.split(',').map(str::to_owned));
                }
                Long("threads") => threads = Some(numbers(&parser.value()?.string()?)?),
                Long("values") => values = Some(numbers(&parser.value()?.string()?)?),
                Long("batches") => batches = Some(numbers(&parser.value()?.string()?)?),
                Long("rounds") => rounds = Some(parser.value()?.parse::<usize>()?.max(1)),
                Long("slice") => slice = Some(parser.value()?.parse::<u64>()?.max(1)),
                _ => return Err(arg.unexpected().into()),
            }
        }
        options.rounds = rounds.unwrap_or(if quick { 1 } else { 5 });
        options.slice = Duration::from_millis(slice.unwrap_or(if quick { 50 } else { 250 }));
        if threads.is_some() || values.is_some() || batches.is_some() {
            options.cases = Cases::Product {
                threads: threads.unwrap_or_else(|| vec![4]),
                values: values.unwrap_or_else(|| vec![64]),
                batches: batches.unwrap_or_else(|| vec![1]),
            };
        } else if quick {
            options.cases = Cases::Quick;
        }
        Ok(Some(options))
    }

    pub(super) fn wants(&self, contender: Contender) -> bool {
        let name = contender.name().to_lowercase();
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    pub(super) fn scenarios(&self) -> Vec<Scenario> {
        match &self.cases {
            Cases::All => {
                let mut all = product(&[1, 4, 16, 64], &[64, 4096, 256 << 10], &[1]);
                all.extend(product(&[1, 4, 16], &[64], &[10, 100, 1000]));
                all.extend(product(&[4], &[4096], &[100]));
                all
            }
            Cases::Quick => {
                let mut all = product(&[4], &[64, 256 << 10], &[1]);
                all.extend(product(&[4], &[64], &[100]));
                all
            }
            Cases::Product { threads, values, batches } => product(threads, values, batches),
        }
    }
}

fn product(threads: &[usize], values: &[usize], batches: &[usize]) -> Vec<Scenario> {
    let mut all = Vec::new();
    for &batch in batches {
        for &value_bytes in values {
            for &threads in threads {
                all.push(Scenario { threads, value_bytes, batch });
            }
        }
    }
    all
}

fn numbers(list: &str) -> Result<Vec<usize>, BoxError> {
    let number = |text: &str| match text.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text:?} is no number of something").into()),
    };
    list.split(',').map(number).collect()
}
