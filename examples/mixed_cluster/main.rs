//! A Rust peer in a cluster of Go peers: see the README beside this file.
//!
//! ```text
//! cargo run --example mixed_cluster -- --listen 127.0.0.1:8003 \
//!     --peers http://127.0.0.1:8001,http://127.0.0.1:8002,http://127.0.0.1:8003
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks")]

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use geecache::{Group, HttpPool, Protocol};
use lexopt::prelude::*;

const HELP: &str = "\
A Rust peer in a cluster of Go peers. It answers each key that is typed.

Options:
    --listen ADDR      where to serve other peers, such as 127.0.0.1:8003
    --peers URL,URL    all peers of the cluster, this one included
    --protocol NAME    groupcache (the default), geecache or geecache-protobuf
    --help             this text
";

struct Options {
    listen: String,
    peers: Vec<String>,
    protocol: Protocol,
}

fn main() -> ExitCode {
    let result = match Options::parse() {
        Ok(Some(options)) => run(&options),
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // The group has the name and the source that the Go peers have.
    let scores = Group::new("scores", 64 << 20, |key: &str| {
        println!("  (loading {key} here)");
        Ok::<_, Infallible>(format!("value of {key}"))
    });
    let pool = HttpPool::builder().protocol(options.protocol).bind(&*options.listen)?;
    pool.add(&scores)?;
    pool.set_peers(options.peers.clone())?;

    println!("{} serves; type a key", pool.url().unwrap_or_default());
    for key in std::io::stdin().lines() {
        let key = key?;
        let begun = Instant::now();
        match scores.get(&key) {
            Ok(value) => {
                let owner = pool.owner(&key).unwrap_or_default();
                let value = String::from_utf8_lossy(&value);
                println!("{key} = {value} (owner {owner}, {:.1?})", begun.elapsed());
            }
            Err(error) => println!("{error}"),
        }
    }
    pool.shutdown();
    Ok(())
}

impl Options {
    /// `None` if it was asked for help.
    fn parse() -> Result<Option<Self>, lexopt::Error> {
        let (mut listen, mut peers, mut protocol) = (None, Vec::new(), Protocol::Groupcache);
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => listen = Some(args.value()?.string()?),
                Long("peers") => {
                    peers = args.value()?.string()?.split(',').map(str::to_owned).collect();
                }
                Long("protocol") => {
                    protocol = match &*args.value()?.string()? {
                        "groupcache" => Protocol::Groupcache,
                        "geecache" => Protocol::GeeCache,
                        "geecache-protobuf" => Protocol::GeeCacheProtobuf,
                        other => return Err(format!("no protocol {other:?}").into()),
                    };
                }
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        let listen = listen.ok_or("--listen is missing; --help tells more")?;
        if peers.is_empty() {
            peers = vec![format!("http://{listen}")];
        }
        Ok(Some(Self { listen, peers, protocol }))
    }
}
