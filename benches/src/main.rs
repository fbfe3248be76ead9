//! Benchmarks of geecache, one subcommand each.

mod bars;
mod contenders;
mod deploys;
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
mod progress;
mod quotes;
mod report;
mod ring;
mod snapshot;
mod theme;
mod trace;
mod typed;
mod wire;
mod workload;

const USAGE: &str = "usage: geecache-bench COMMAND [OPTIONS]

local   ns per hit and millions of gets per second, of geecache and of other local caches
        --rounds N (default 15)   --regime S|R|E|H|W (default: all)   --json
memory  memory per entry, of a cache bounded to 64 MiB, and of an idle group
        --quick   --json
hits    hit ratios on traces: text, one request a line, `KEY` or `KEY BYTES`, gzipped or not
        --trace FILE...   --sizes F,F,... (shares of the trace's keys or bytes)
        --json   --plot DIR
peers   gets from another process, beside a bare socket, memcached and golang/groupcache
        --quick   --only NAME,...   --json; see peers --help
deploys what replacing peers under load costs: rolling restarts, a join, all at once
        --quick   --only NAME,...   --json; see deploys --help
hot     what copies of popular keys spare their owners, between 5 peers that all ask
        --quick   --json
ring    how evenly the ring shares keys out
snapshot  how long 1 GiB takes to a file and back, what gets notice of it, and the memory
        --mib N   --value-bytes N (default 1000)   --folder PATH
wire    connections after a burst of gets, how long hits wait beside slow loads, and the memory
        that a long value takes on both sides
        --quick   --json
report  all that README quotes, as a picture and tables
        --quick   --out DIR
";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("deploys") => deploys::run(args).map_err(|error| error as Box<dyn std::error::Error>),
        Some("hits") => hits::run(args),
        Some("hot") => hot::run(args).map_err(|error| error as Box<dyn std::error::Error>),
        Some("local") => local::run(args),
        Some("memory") => memory::run(args),
        Some("peers") => {
            peers::run(args);
            Ok(())
        }
        Some("report") => quotes::run(args),
        Some("ring") => {
            ring::run(args);
            Ok(())
        }
        Some("snapshot") => snapshot::run(args),
        Some("wire") => wire::run(args).map_err(|error| error as Box<dyn std::error::Error>),
        _ => Err(USAGE.into()),
    };
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(2);
    }
}
