//! A source of peers of one's own: an HTTP API that tells who is there, as Consul's or Kubernetes'
//! do. A small API stands here for the real one.
//!
//! ```text
//! cargo run --release --example discover_http
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{BoxError, Discover, Discovery, HttpPool};
use lexopt::prelude::*;

mod common;

use common::command::command;
use common::output::{say, show_log};

/// Asks an API that answers with a URL in each line.
struct Api {
    url: String,
    agent: ureq::Agent,
}

impl Api {
    fn at(url: String) -> Self {
        // A source may block, but it should come to an end.
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2)));
        Self { url, agent: config.build().into() }
    }
}

impl Discover for Api {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        let text = self.agent.get(&self.url).call()?.body_mut().read_to_string()?;
        Ok(Some(text.lines().map(str::to_owned).collect()))
    }

    fn name(&self) -> String {
        self.url.clone()
    }
}

const HELP: &str = "\
Two peers that find each other by an HTTP API, which knows the second one only after a while.

Usage: discover_http

  -h, --help  prints this

RUST_LOG=debug shows what the crate logs.";

fn main() -> ExitCode {
    show_log();
    command("discover_http", HELP, parse, |()| find_each_other().map(|()| true))
}

/// `None` = help is wanted.
fn parse(mut args: lexopt::Parser) -> Result<Option<()>, lexopt::Error> {
    match args.next()? {
        None => Ok(Some(())),
        Some(Short('h') | Long("help")) => Ok(None),
        Some(other) => Err(other.unexpected()),
    }
}

fn find_each_other() -> Result<(), Box<dyn Error>> {
    let pools = [HttpPool::bind("127.0.0.1:0")?, HttpPool::bind("127.0.0.1:0")?];
    let urls: Vec<String> = pools.iter().filter_map(|pool| pool.url()).map(str::to_owned).collect();
    let known = Arc::new(Mutex::new(urls[..1].to_vec()));
    let api = serve(Arc::clone(&known))?;

    let source = || Discovery::of(Api::at(format!("http://{api}/peers")));
    for pool in &pools {
        pool.follow(source().every(Duration::from_millis(100)))?;
    }
    say(format_args!("{} knows {} peer", urls[0], pools[0].list_stats().peers));

    *known.lock().unwrap_or_else(PoisonError::into_inner) = urls;
    let deadline = Instant::now() + Duration::from_secs(10);
    while pools[0].list_stats().peers < 2 {
        if Instant::now() > deadline {
            return Err("the second peer did not come".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    for change in pools[0].follow_stats().into_iter().flat_map(|stats| stats.changes) {
        say(format_args!("{} {}: {}", change.url, change.kind, change.reason));
    }
    Ok(())
}

/// The API: answers every request with the URLs that are `known`.
fn serve(known: Arc<Mutex<Vec<String>>>) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = lines.find(String::is_empty);
            let body = known.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n",
                body.len()
            );
            let _ = write!(stream, "{head}\r\n{body}");
        }
    });
    Ok(address)
}
