//! One peer of a cluster, as a process of its own.
//!
//! ```text
//! peers=http://127.0.0.1:8001,http://127.0.0.1:8002
//! cargo run --release --example peer -- \
//!     --listen 127.0.0.1:8001 --peers $peers --api 127.0.0.1:9999
//! cargo run --release --example peer -- --listen 127.0.0.1:8002 --peers $peers
//! curl "http://localhost:9999/api?key=Tom"
//! ```

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};

use geecache::{Discovery, Group, HttpPool, Origin};

mod common;

use common::account::{Account, From, ask};
use common::api::{Answer, Api};
use common::command::command;
use common::errors::describe;
use common::output::{count, human, say, show_log};
use common::scores::Source;

const HELP: &str = "\
One peer of a cluster that caches scores. Start one for each URL of the list.

Usage: peer --listen ADDRESS [--url URL] [--peers URL,URL... | --discover SOURCE]
            [--zone NAME] [--api ADDRESS]

  --listen ADDRESS   where it listens for the other peers, such as 127.0.0.1:8001
  --url URL          what the other peers call it, such as http://localhost:8001
                     [default: http:// and the address]
  --peers URL,...    all peers, itself included, the same list for each of them
                     [default: itself alone]
  --discover SOURCE  where it learns who the peers are, and follows changes:
                     file:PATH, a file with a URL in each line,
                     dns:NAME:PORT, the addresses of a name, or
                     gossip:URL,URL..., some of the peers, which know the
                     others (built with --features gossip)
  --zone NAME        its zone: it shares the keys with the peers of that one
  --api ADDRESS      where it answers GET /api?key=NAME, such as 127.0.0.1:9999
  -h, --help         prints this

It runs until Ctrl-C. RUST_LOG=debug shows what the crate logs.";

fn main() -> ExitCode {
    command("peer", HELP, Flags::parse, |flags| run(&flags))
}

struct Flags {
    listen: String,
    url: Option<String>,
    peers: Vec<String>,
    discover: Option<String>,
    zone: Option<String>,
    api: Option<String>,
}

impl Flags {
    /// `None` = help is wanted.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let (mut listen, mut url, mut peers, mut api) = (None, None, Vec::new(), None);
        let (mut discover, mut zone) = (None, None);
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => listen = Some(args.value()?.string()?),
                Long("url") => url = Some(args.value()?.string()?),
                Long("peers") => {
                    let list = args.value()?.string()?;
                    peers.extend(list.split(',').map(|url| url.trim().to_owned()));
                }
                Long("discover") => discover = Some(args.value()?.string()?),
                Long("zone") => zone = Some(args.value()?.string()?),
                Long("api") => api = Some(args.value()?.string()?),
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        let listen = listen.ok_or("--listen is missing")?;
        if discover.is_some() && !peers.is_empty() {
            return Err("--discover and --peers are for one list each: give one of them".into());
        }
        Ok(Some(Self { listen, url, peers, discover, zone, api }))
    }
}

fn run(flags: &Flags) -> Result<bool, Box<dyn Error>> {
    show_log();
    let (end, ended) = mpsc::channel();
    ctrlc::set_handler(move || {
        let _ = end.send(());
    })?;

    let source = Arc::new(Source::default());
    let group = {
        let source = Arc::clone(&source);
        Group::new("scores", 1 << 20, move |key: &str| {
            let score = source.load("this peer", key);
            say(format_args!("loaded {key:?} from the source: {}", score.unwrap_or("not there")));
            Ok::<_, io::Error>(score)
        })
    };
    let mut builder = HttpPool::builder();
    if let Some(url) = &flags.url {
        builder = builder.advertise(url);
    }
    if let Some(zone) = &flags.zone {
        builder = builder.zone(zone);
    }
    let pool = builder
        .bind(&*flags.listen)
        .map_err(|error| format!("--listen {}: {}", flags.listen, describe(&error)))?;
    let url = pool.url().unwrap_or_default().to_owned();
    pool.add(&group)?;
    match (&flags.discover, &flags.peers[..]) {
        (Some(source), _) => pool.follow(source_of(source)?)?,
        (None, []) => pool.set_peers([&*url])?,
        (None, peers) => pool.set_peers(peers.iter().map(|url| &**url))?,
    }
    say(format_args!(
        "{url} serves group \"scores\", one of {}.",
        count(pool.list_stats().peers, "peer")
    ));
    say(format_args!("Open {url}/ in a browser to watch."));

    let api = match &flags.api {
        None => None,
        Some(address) => {
            let (pool, source) = (pool.clone(), Arc::clone(&source));
            let answer = move |key: &str| answer(&group, &pool, &source, key);
            let api = Api::start(&**address, answer)
                .map_err(|error| format!("the API can not listen on {address}: {error}"))?;
            say(format_args!("Ask it: curl \"http://{}/api?key=Tom\"", api.address()));
            Some(api)
        }
    };

    ended.recv()?;
    say(format_args!("\nshutting down after {}.", count(source.loads(), "load")));
    if let Some(api) = api {
        api.shutdown();
    }
    pool.shutdown();
    Ok(true)
}

/// The source that `--discover` names.
fn source_of(source: &str) -> Result<Discovery, String> {
    match source.split_once(':') {
        Some(("file", path)) => Ok(Discovery::file(path)),
        Some(("dns", name)) => Ok(Discovery::dns(name)),
        #[cfg(feature = "gossip")]
        Some(("gossip", seeds)) => Ok(Discovery::gossip(seeds.split(','))),
        #[cfg(not(feature = "gossip"))]
        Some(("gossip", _)) => Err("gossip is not built in: --features gossip".to_owned()),
        _ => Err(format!("--discover {source}: it begins with none of file:, dns: and gossip:")),
    }
}

/// Answers a request of the API, and tells what this process can know about where the answer came
/// from.
fn answer(group: &Group, pool: &HttpPool, source: &Source, key: &str) -> Answer {
    let Account { result, owner, from, took } = ask(group, pool, source, key);
    let from = match from {
        From::Load(_) => "the source",
        From::Origin(Origin::Copy) => "a copy",
        From::Origin(Origin::Owner | Origin::OwnerMemory) => "the owner",
        From::Origin(Origin::StandIn) => "a stand-in",
        From::Origin(origin) => origin.name(),
        From::Nowhere => "nowhere",
    };
    let value = match &result {
        Ok(value) => String::from_utf8_lossy(value).into_owned(),
        Err(error) => describe(error),
    };
    say(format_args!("{key:?}: {value} (owner {owner}, from {from}, {})", human(took)));
    let mut answer = Answer::of(key, &result);
    answer.headers = vec![("Owner", owner), ("Answered-From", from.to_owned())];
    answer
}
