//! Benchmarks of geecache, one subcommand each.

mod ring;

fn main() {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("ring") => ring::run(args),
        _ => {
            eprintln!("usage: geecache-bench ring");
            std::process::exit(2);
        }
    }
}
