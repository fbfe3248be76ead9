//! Peers over HTTP: the one transport that comes with the crate. All that knows what a request is
//! lives below this module.
//!
//! Read in this order, in which each uses only what stands before it:
//!
//! * `time`: the clock of a pool.
//! * `wire`: paths, and what answers mean, as pure functions; `note`, the header in which our peers
//!   tell each other more; `frame`, many keys in one request, and
//!   `since`, what is told of changes; `protocol`, `protobuf`, `date` and
//!   `remove_keys`, what is different where peers of other programs are to join; `token`, the
//!   secret of a cluster; `tls`; `url`; `address`, a peer as a caller gives it, and `listed`, as a
//!   list has it; `verdict`, how a peer is; `identity`, who a process is to its peers.
//! * `glance`: whether a connection is still there.
//! * `budget`: the memory that bodies may take; `arriving`: a body that gets its memory as it
//!   comes.
//! * `exchange`: one request to a peer and its answer, over ureq.
//! * `breaker`: when not to ask a peer; `peer`: how to ask it, and whether; `getter`, the same for
//!   one peer that is always asked.
//! * `server`: two servers that know nothing of keys; `handler`: what they call.
//! * `status`: health and metrics, for those who watch.
//! * `peers`: all peers, and which of them owns a key; `discovery`: who they are; `pool`: the
//!   user's handle over peers and server.
//!
//! It uses what is public in the core and nothing else, so another transport can be written outside
//! of the crate.

mod address;
mod arriving;
mod breaker;
mod budget;
mod date;
mod discovery;
mod exchange;
mod frame;
#[cfg(feature = "unstable-bench")]
pub(crate) mod fuzz;
mod getter;
mod glance;
mod handler;
mod identity;
mod listed;
mod note;
mod peer;
mod peers;
mod pool;
mod protobuf;
mod protocol;
mod remove_keys;
mod server;
mod since;
mod small_file;
mod status;
#[cfg(test)]
mod testing;
mod time;
mod tls;
mod token;
mod url;
mod verdict;
mod wire;

#[cfg(any(test, feature = "testing"))]
pub(crate) use exchange::Dialer;

pub use address::PeerAddress;
pub use discovery::{Discover, Discovery, FollowStats, ListChange, ListChangeKind};
pub use getter::HttpGetter;
pub use peer::{ChangeNews, PeerState, PeerStats};
pub use peers::ListStats;
pub use pool::{HttpPool, HttpPoolBuilder};
pub use protocol::{Plus, Protocol};
pub use server::Server;
pub use status::StatusPages;
#[cfg(feature = "tls")]
pub use tls::TlsConfig;
