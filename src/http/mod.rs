//! Peers over HTTP.

mod breaker;
mod frame;
mod getter;
mod handler;
mod peer;
mod pool;
mod protobuf;
mod protocol;
mod server;
#[cfg(test)]
mod testing;
mod url;
mod wire;

pub use getter::HttpGetter;
pub use peer::{PeerState, PeerStats};
pub use pool::{HttpPool, HttpPoolBuilder};
pub use protocol::Protocol;
pub use server::Server;
