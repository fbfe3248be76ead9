//! Peers over HTTP.

#[allow(dead_code, reason = "the pool is its only caller")]
mod protobuf;
#[allow(dead_code, reason = "the pool is its only caller")]
mod protocol;

pub use protocol::Protocol;
