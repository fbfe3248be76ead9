//! Peers over HTTP: the one transport that comes with the crate. All that knows what a request is lives below this module.
//!
//! Read in this order:
//!
//! * `wire`: paths, headers, and what answers mean, as pure functions; `protocol` and `protobuf`: what is different where
//!   peers of other programs are to join.
//! * `url`, `getter`: one peer, asked over ureq. `breaker`: when not to ask it; `peer`: both together.
//! * `pool`: all peers, and who of them owns a key.
//! * `server`: two servers that know nothing of keys; `handler`: what they call.
//!
//! It uses what is public in the core and nothing else, so another transport can be written outside of the crate.

mod breaker;
mod frame;
#[cfg(feature = "unstable-bench")]
pub(crate) mod fuzz;
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
