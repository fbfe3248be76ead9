//! Peers over HTTP: everything that knows what a request is lives below this module.

#[allow(dead_code, reason = "the pool is its only caller")]
mod server;

pub use server::Server;
