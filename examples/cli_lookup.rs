//! A short-lived program that asks a cluster: it owns no key and opens no port. Where no peer
//! answers, it asks the source itself. To look into a cluster there is the command `geecache`
//! (feature `cli`).
//!
//! ```text
//! peers=http://127.0.0.1:8001,http://127.0.0.1:8002
//! cargo run --release --example cli_lookup -- Tom --peers $peers
//! ```

use std::error::Error;
use std::io;
use std::process::ExitCode;

use geecache::{Group, HttpPool, Origin};

mod common;

use common::command::command;
use common::errors::describe;
use common::output::{say, show_log};
use common::scores::Source;

const HELP: &str = "\
Looks up scores: asks the peers, and the slow source itself if none of them answers.

Usage: cli_lookup [--peers URL,URL...] KEY...

  --peers URL,...  the peers of the cluster, the same list that they have
                   [default: none]
  -h, --help       prints this

Ends with 0 if every key has a value, 1 if not, 2 if an option is wrong.
RUST_LOG=off hides why a peer did not answer.";

fn main() -> ExitCode {
    command("cli_lookup", HELP, Flags::parse, look_up)
}

struct Flags {
    keys: Vec<String>,
    peers: Vec<String>,
}

impl Flags {
    /// `None` = help is wanted.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let (mut keys, mut peers) = (Vec::new(), Vec::new());
        while let Some(arg) = args.next()? {
            match arg {
                Value(key) => keys.push(key.string()?),
                Long("peers") => {
                    let list = args.value()?.string()?;
                    peers.extend(list.split(',').map(|url| url.trim().to_owned()));
                }
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        if keys.is_empty() {
            return Err("which KEY?".into());
        }
        Ok(Some(Self { keys, peers }))
    }
}

/// Prints the value of each key; whether all had one.
fn look_up(Flags { keys, peers }: Flags) -> Result<bool, Box<dyn Error>> {
    show_log();
    let source = Source::default();
    let load = move |key: &str| Ok::<_, io::Error>(source.load("this program", key));
    let scores = Group::new("scores", 1 << 20, load);
    // Without peers it would warn that there are none.
    let pool = HttpPool::client(peers.iter().map(String::as_str))?;
    if !peers.is_empty() {
        pool.add(&scores)?;
    }

    let mut found_all = true;
    for key in &keys {
        match scores.get_with_origin(key) {
            Ok((value, origin)) => {
                let from = match origin {
                    Origin::Owner | Origin::OwnerMemory => pool.owner(key).unwrap_or_default(),
                    Origin::Getter => "the source".to_owned(),
                    other => other.name().to_owned(),
                };
                say(format_args!("{key}: {} (from {from})", String::from_utf8_lossy(&value)));
            }
            Err(error) => {
                say(format_args!("{key}: {}", describe(&error)));
                found_all = false;
            }
        }
    }
    Ok(found_all)
}
