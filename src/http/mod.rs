//! Peers over HTTP.

#![allow(dead_code)]

mod breaker;
mod getter;
mod protobuf;
mod protocol;
mod server;
#[cfg(test)]
mod testing;
mod url;
mod wire;

pub use getter::HttpGetter;
pub use protocol::Protocol;
pub use server::Server;
