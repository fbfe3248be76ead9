//! Benchmarks of geecache, one subcommand each.

mod peers;
mod ring;

fn main() {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("peers") => peers::run(args),
        Some("ring") => ring::run(args),
        _ => {
            eprintln!("usage: geecache-bench peers | ring");
            std::process::exit(2);
        }
    }
}
