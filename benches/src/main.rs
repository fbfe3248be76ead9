//! Benchmarks of geecache, one subcommand each.

mod contenders;
mod fifo;
mod groupcache;
mod hits;
mod hot;
mod local;
mod machine;
mod memory;
mod peers;
mod plot;
mod process;
mod report;
mod ring;
mod trace;
mod typed;
mod workload;

const USAGE: &str = "usage: geecache-bench COMMAND [OPTIONS]

local   ns per hit and millions of gets per second, of geecache and of other local caches
        --rounds N (default 15)   --regime S|R|E|H|W (default: all)   --json
memory  memory per entry, of a cache bounded to 64 MiB, and of an idle group
        --json
hits    hit ratios on traces: text, one request a line, `KEY` or `KEY BYTES`, gzipped or not
        --trace FILE...   --sizes F,F,... (shares of the trace's keys or bytes)
        --json   --plot DIR
peers   gets from another process, beside a bare socket, memcached and golang/groupcache
        --quick   --only NAME,...   --json; see peers --help
hot     what copies of popular keys spare their owners, between 5 peers that all ask
        --quick   --json
ring    how evenly the ring shares keys out
";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("hits") => hits::run(args),
        Some("hot") => hot::run(args).map_err(|error| error as Box<dyn std::error::Error>),
        Some("local") => local::run(args),
        Some("memory") => memory::run(args),
        Some("peers") => {
            peers::run(args);
            Ok(())
        }
        Some("ring") => {
            ring::run(args);
            Ok(())
        }
        _ => Err(USAGE.into()),
    };
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(2);
    }
}
