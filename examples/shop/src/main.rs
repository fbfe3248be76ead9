//! A small web shop on SQLite. Two processes share a cache in front of the database, and one
//! command starts both.
//!
//! ```text
//! cargo run --release --manifest-path examples/shop/Cargo.toml
//! cargo run --release --manifest-path examples/shop/Cargo.toml -- load   # in another terminal
//! ```
//!
//! README.md says what to try, and which file has which idea.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

mod database;
mod load;
mod processes;
mod shop;
mod web;

use database::Database;
use load::Load;
use processes::{Address, End, Second};
use shop::Shop;
use web::Web;

const HELP: &str = "\
A small web shop on SQLite. Two processes share a cache before the database.

Usage: shop [--db PATH] [--port PORT] [--ttl SECONDS] [--delay MS]
       shop load [--url URL]... [--threads N] [--seconds N]

  --db PATH      the database; made and filled if it is not there
                 [default: geecache-shop.db in the folder for temporary files]
  --port PORT    the pages are on PORT and PORT+1; 0 chooses free ports
                 [default: 8080]
  --ttl SECONDS  how long a value holds that nobody has changed [default: 60]
  --delay MS     what each query takes besides, as if the database were on
                 another machine [default: 5]
  -h, --help     prints this

load asks a shop that runs for its pages, changes prices meanwhile, and tells
how fast it was and where the values came from:

  --url URL      a process of the shop; may be given for each of them
                 [default: http://127.0.0.1:8080 and http://127.0.0.1:8081]
  --threads N    how many ask at once [default: 8]
  --seconds N    for how long [default: 5]

The shop runs until Ctrl-C or the end of its input. load ends with 1 if a page
failed or showed an old price. RUST_LOG=debug shows what the cache logs.";

enum Task {
    Help,
    Serve(Flags),
    Load(Load),
}

struct Flags {
    /// Whether this is the process that the first one has started.
    is_second: bool,
    db: PathBuf,
    port: u16,
    ttl: Duration,
    delay: Duration,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let done = match parse(lexopt::Parser::from_env()) {
        Err(error) => {
            let _ = writeln!(io::stderr(), "shop: {error} (see --help)");
            return ExitCode::from(2);
        }
        Ok(Task::Help) => {
            say(HELP);
            Ok(true)
        }
        Ok(Task::Load(load)) => load.run(),
        Ok(Task::Serve(flags)) if flags.is_second => serve_second(&flags).map(|()| true),
        Ok(Task::Serve(flags)) => serve_first(&flags).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "shop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::*;

    let mut flags = Flags {
        is_second: false,
        db: std::env::temp_dir().join("geecache-shop.db"),
        port: 8080,
        ttl: Duration::from_secs(60),
        delay: Duration::from_millis(5),
    };
    let (mut load, mut is_load) = (Load::default(), false);
    while let Some(arg) = args.next()? {
        match arg {
            Value(word) if word == "load" => is_load = true,
            Value(word) if word == processes::SECOND => flags.is_second = true,
            Long("db") if !is_load => flags.db = args.value()?.into(),
            Long("port") if !is_load => flags.port = args.value()?.parse()?,
            Long("ttl") if !is_load => flags.ttl = args.value()?.parse_with(seconds)?,
            Long("delay") if !is_load => {
                flags.delay = Duration::from_millis(args.value()?.parse::<u32>()?.into());
            }
            Long("url") if is_load => load.urls.push(args.value()?.string()?),
            Long("threads") if is_load => load.threads = args.value()?.parse()?,
            Long("seconds") if is_load => load.time = args.value()?.parse_with(seconds)?,
            Short('h') | Long("help") => return Ok(Task::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(if is_load { Task::Load(load) } else { Task::Serve(flags) })
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

/// The process that was started by hand. It starts the other one.
fn serve_first(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let (end, ends) = mpsc::channel();
    processes::watch_signals(end.clone())?;
    let (shop, web, me) = open(flags)?;
    let mut second = Second::start(end.clone())?;
    let both = [me, second.address.clone()];
    set_peers(&shop, &both)?;
    second.tell(&both)?;
    processes::watch_input(end);

    say("The shop is open:");
    for (process, Address { web, pool, pid }) in (1..).zip(&both) {
        say(format_args!("  process {process}: {web}/  (its cache: {pool}/, its id: {pid})"));
    }
    say("Ctrl-C ends it.");
    web.serve(&shop, (&both, 0), || {
        for end in ends {
            match end {
                End::Second => say("Process 2 has ended. Process 1 goes on."),
                End::Signal => return say("\nCtrl-C: the shop is closing."),
                End::Input => return say("End of input: the shop is closing."),
            }
        }
    });
    second.end()?;
    shop.pool().shutdown();
    say(format_args!("Process 1 has asked the database {} times.", shop.database().queries()));
    Ok(())
}

/// The process that the first one has started.
fn serve_second(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let (end, ends) = mpsc::channel();
    processes::watch_signals(end.clone())?;
    let (shop, web, me) = open(flags)?;
    let both = processes::introduce(&me)?;
    set_peers(&shop, &both)?;
    processes::report_ready()?;
    processes::watch_input(end);
    web.serve(&shop, (&both, 1), || drop(ends.recv()));
    shop.pool().shutdown();
    Ok(())
}

/// A shop without peers, its port, and where it is.
fn open(flags: &Flags) -> Result<(Shop, Web, Address), Box<dyn Error>> {
    let port = match (flags.port, flags.is_second) {
        (0, _) => 0,
        (port, false) => port,
        (port, true) => port.checked_add(1).ok_or("--port: there must be two ports")?,
    };
    let web = Web::bind(port).map_err(|error| {
        format!("can not listen on port {port}: {error}; --port chooses others")
    })?;
    let database = Database::open(&flags.db, flags.delay)
        .map_err(|error| format!("{}: {error}", flags.db.display()))?;
    let shop = Shop::open(database, flags.ttl)?;
    let pool = shop.pool().url().unwrap_or_default().to_owned();
    let address = Address { web: web.url(), pool, pid: std::process::id() };
    Ok((shop, web, address))
}

/// The same list for both.
fn set_peers(shop: &Shop, both: &[Address]) -> Result<(), geecache::Error> {
    shop.pool().set_peers(both.iter().map(|address| &*address.pool))
}

/// Prints a line. A reader that went away is no reason to panic, as `println!` would.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
