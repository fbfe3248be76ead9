//! A Rust peer in a cluster of Go peers: see the README beside this file.
//!
//! ```text
//! cargo run --example mixed_cluster -- --listen 127.0.0.1:8003 \
//!     --peers http://127.0.0.1:8001,http://127.0.0.1:8002,http://127.0.0.1:8003
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use geecache::{Group, HttpPool, PeerAddress, Protocol};
use lexopt::prelude::*;

#[path = "../common/mod.rs"]
mod common;

use common::command::command;
use common::output::say;

const HELP: &str = "\
A Rust peer in a cluster of Go peers. It answers each key that is typed.

Usage: mixed_cluster --listen ADDRESS [--advertise URL] [--peers URL,URL...]
                     [--protocol NAME]

  --listen ADDRESS  where it listens for the other peers, such as 127.0.0.1:8003
  --advertise URL   what the other peers call it, such as http://localhost:8003
                    [default: http:// and the address]
  --peers URL,...   all peers, itself included, the same list for each of them;
                    NAME=URL where a peer of galaxycache has an ID apart from its
                    URL [default: itself alone]
  --protocol NAME   geecache, geecache-protobuf, groupcache, mailgun, groupcache-go
                    or galaxycache [default: groupcache]
  -h, --help        prints this

It runs until the end of its input.";

struct Options {
    listen: String,
    advertise: Option<String>,
    peers: Vec<PeerAddress>,
    /// What this peer is called on the ring, if that is not its URL.
    name: Option<String>,
    protocol: Protocol,
}

fn main() -> ExitCode {
    command("mixed_cluster", HELP, Options::parse, |options| run(&options))
}

fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    // The group has the name and the source that the Go peers have.
    let scores = Group::new("scores", 64 << 20, |key: &str| {
        say(format_args!("  (loading {key} here)"));
        Ok::<_, Infallible>(format!("value of {key}"))
    });
    let mut pool = HttpPool::builder().protocol(options.protocol);
    if let Some(url) = &options.advertise {
        pool = pool.advertise(url);
    }
    if let Some(name) = &options.name {
        pool = pool.ring_name(name);
    }
    let pool = pool.bind(&*options.listen)?;
    pool.add(&scores)?;
    pool.set_peers(options.peers.clone()).map_err(|error| {
        format!("{error}\n--advertise URL tells what the others call this peer, as in --peers")
    })?;

    say(format_args!("{} serves; type a key", pool.url().unwrap_or_default()));
    for key in std::io::stdin().lines() {
        let key = key?;
        let begun = Instant::now();
        match scores.get(&key) {
            Ok(value) => {
                let owner = pool.owner(&key).unwrap_or_default();
                let value = String::from_utf8_lossy(&value);
                say(format_args!("{key} = {value} (owner {owner}, {:.1?})", begun.elapsed()));
            }
            Err(error) => say(error),
        }
    }
    pool.shutdown();
    Ok(true)
}

impl Options {
    /// `None` if it was asked for help.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let (mut listen, mut advertise, mut list) = (None, None, None);
        let mut protocol = Protocol::Groupcache;
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => listen = Some(args.value()?.string()?),
                Long("advertise") => advertise = Some(args.value()?.string()?),
                Long("peers") => list = Some(args.value()?.string()?),
                Long("protocol") => protocol = protocol_called(&args.value()?.string()?)?,
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        let listen = listen.ok_or("--listen is missing")?;
        let own = advertise.clone().unwrap_or_else(|| format!("http://{listen}"));
        let list = list.unwrap_or_else(|| own.clone());
        let (mut peers, mut name) = (Vec::new(), None);
        for peer in list.split(',').map(str::trim) {
            peers.push(match peer.split_once("=http") {
                Some((id, _)) => {
                    let url = &peer[id.len() + 1..];
                    if url == own {
                        name = Some(id.to_owned());
                    }
                    PeerAddress::named(id, url)
                }
                None => peer.into(),
            });
        }
        Ok(Some(Self { listen, advertise, peers, name, protocol }))
    }
}

fn protocol_called(name: &str) -> Result<Protocol, String> {
    Ok(match name {
        "groupcache" => Protocol::Groupcache,
        "geecache" => Protocol::GeeCache,
        "geecache-protobuf" => Protocol::GeeCacheProtobuf,
        "mailgun" => Protocol::Mailgun,
        "groupcache-go" => Protocol::GroupcacheGo,
        "galaxycache" => Protocol::Galaxycache,
        other => return Err(format!("no protocol {other:?}")),
    })
}
