//! The command `geecache`, run as it is against peers of this process.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod changes;
mod looks;
mod reads;
mod shells;
mod strangers;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(feature = "tls")]
mod tls;
