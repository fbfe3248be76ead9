//! A network that falls into two parts: three hosts with an address each, of which one is cut off
//! for a while, as packets to it and from it are dropped. One of the others changes keys all the
//! time, and all three get them. How many old values do they get, and until when?
//!
//! ```text
//! cargo build --release --example partition
//! sudo target/release/examples/partition --seconds 20
//! ```
//!
//! The hosts are network namespaces of Linux, which it makes with `ip` of iproute2 and removes at
//! the end: so it has to be root. It exits with 1 if a value was got that was removed, and that all
//! hosts were told of, as `Group::settled` says.

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod split;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    common::output::complain(format_args!("partition: it needs the network namespaces of Linux"));
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == host::FLAG) {
        host::run(&args[1..]);
        return ExitCode::SUCCESS;
    }
    common::command::command("partition", split::HELP, split::parse, |options| {
        Ok(split::run(&options)?)
    })
}
