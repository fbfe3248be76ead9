//! Three peers as threads of one process, real HTTP between them, and an API in front.
//!
//! ```text
//! cargo run --release --example peers
//! curl "http://localhost:9999/api?key=Tom"
//! ```

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use geecache::{Group, HttpPool, Origin};

mod common;

use common::account::{Account, From, ask};
use common::api::{Answer, Api};
use common::command::command;
use common::errors::describe;
use common::output::{HEADING, count, human, row, say, show_log};
use common::scores::{SLOW, Source};

const HELP: &str = "\
Three peers as threads of one process, and an API server in front of the third.

Usage: peers [OPTIONS]

  --base-port PORT  the peers listen on PORT, PORT+1 and PORT+2; 0 chooses free ports
                    for them and for the API [default: 8001]
  --api-port PORT   the API listens on PORT [default: 9999]
  --once            asks the API a fixed list of questions, prints what came, and ends;
                    fails if an answer is wrong
  -h, --help        prints this

Without --once it runs until Ctrl-C or the end of its input.
RUST_LOG=debug shows what the crate logs.";

fn main() -> ExitCode {
    command("peers", HELP, Flags::parse, |flags| run(&flags))
}

struct Flags {
    base_port: u16,
    api_port: u16,
    once: bool,
}

impl Flags {
    /// `None` = help is wanted.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let (mut base_port, mut api_port, mut once) = (8001, None, false);
        while let Some(arg) = args.next()? {
            match arg {
                Long("base-port") => base_port = args.value()?.parse()?,
                Long("api-port") => api_port = Some(args.value()?.parse()?),
                Long("once") => once = true,
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        if base_port > u16::MAX - 2 {
            return Err("--base-port: there must be three ports".into());
        }
        let api_port = api_port.unwrap_or(if base_port == 0 { 0 } else { 9999 });
        Ok(Some(Self { base_port, api_port, once }))
    }
}

fn run(flags: &Flags) -> Result<bool, Box<dyn Error>> {
    show_log();
    let source = Arc::new(Source::default());
    let peers = start_peers(flags.base_port, &source)?;

    let front = peers[2].clone();
    let log = !flags.once;
    let requests = Arc::new(AtomicUsize::new(0));
    let api = {
        let (source, requests) = (Arc::clone(&source), Arc::clone(&requests));
        let answer = move |key: &str| {
            requests.fetch_add(1, Ordering::Relaxed);
            front.answer(&source, key, log)
        };
        Api::start(("127.0.0.1", flags.api_port), answer).map_err(|error| {
            format!(
                "the API can not listen on port {}: {error}; --api-port chooses another",
                flags.api_port
            )
        })?
    };

    say("Three peers in one process, each with a group \"scores\":");
    for peer in &peers {
        say(format_args!("  {}", peer.pool.url().unwrap_or_default()));
    }
    say(format_args!("Open {}/ in a browser to watch.", peers[0].pool.url().unwrap_or_default()));
    say(format_args!(
        "An API in front of {}, and a source that takes {} ms behind each.",
        peers[2].name,
        SLOW.as_millis()
    ));

    let outcome = if flags.once {
        common::script::run(api.address(), &source)
    } else {
        wait_for_the_end(api.address())
    };

    api.shutdown();
    for peer in &peers {
        peer.pool.shutdown();
    }
    let requests = requests.load(Ordering::Relaxed);
    say(format_args!("{}, {}", count(requests, "request"), count(source.loads(), "load")));
    outcome.map(|()| true)
}

/// One of the three.
#[derive(Clone)]
struct Peer {
    /// Its port, which is how the output calls it.
    name: String,
    group: Group,
    pool: HttpPool,
}

fn start_peers(base_port: u16, source: &Arc<Source>) -> Result<Vec<Peer>, Box<dyn Error>> {
    let mut peers = Vec::new();
    for i in 0..3 {
        // The server comes first, since its port is the peer's name; nobody asks it yet.
        let port = if base_port == 0 { 0 } else { base_port + i };
        let pool = HttpPool::bind(("127.0.0.1", port))
            .map_err(|error| format!("{}; --base-port 0 chooses free ports", describe(&error)))?;
        let name = pool.local_addr().map_or(port, |address| address.port()).to_string();

        let group = {
            let (name, source) = (name.clone(), Arc::clone(source));
            Group::new("scores", 1 << 20, move |key: &str| {
                Ok::<_, io::Error>(source.load(&name, key))
            })
        };
        pool.add(&group)?;
        peers.push(Peer { name, group, pool });
    }
    for peer in &peers {
        peer.pool.set_peers(peers.iter().filter_map(|peer| peer.pool.url()))?;
    }
    Ok(peers)
}

impl Peer {
    /// Answers a request of the API.
    fn answer(&self, source: &Source, key: &str, log: bool) -> Answer {
        let Account { result, owner, from, took } = ask(&self.group, &self.pool, source, key);
        let owner = owner.rsplit(':').next().unwrap_or_default();
        let from = match from {
            From::Load(load) => format!("load {}, by {}", load.number, load.by),
            From::Origin(Origin::Copy) => format!("copy at {}", self.name),
            From::Origin(Origin::StandIn) => "a stand-in".to_owned(),
            From::Origin(_) => format!("memory of {owner}"),
            From::Nowhere => "-".to_owned(),
        };
        let mut answer = Answer::of(key, &result);
        if log {
            let body = String::from_utf8_lossy(&answer.body);
            say(row(key, body.trim_end(), owner, &from, &human(took)));
        }
        answer.headers = vec![("Owner", owner.to_owned()), ("Answered-From", from)];
        answer
    }
}

fn wait_for_the_end(api: SocketAddr) -> Result<(), Box<dyn Error>> {
    let (end, ended) = mpsc::channel();
    let at_ctrl_c = end.clone();
    ctrlc::set_handler(move || {
        let _ = at_ctrl_c.send("Ctrl-C");
    })?;
    thread::spawn(move || {
        // An error is an end, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = end.send("End of input");
    });
    say("\nAsk it, in another terminal:");
    for key in ["Tom", "kkk"] {
        say(format_args!("  curl \"http://localhost:{}/api?key={key}\"", api.port()));
    }
    say(format_args!("Ctrl-C ends it.\n\n{HEADING}"));
    say(format_args!("\n{}: shutting down.", ended.recv()?));
    Ok(())
}
