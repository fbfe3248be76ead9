//! A kit for the tests of programs that use this crate (feature `testing`).
//!
//! * [`Cluster`] (with `http`): peers as threads of one process, with real sockets between them.
//!   They can die, come back, and be cut off from each other.
//! * [`Fault`]: what goes wrong on the way to a peer. It happens below all that looks after peers,
//!   so that time limits, retries and breakers see a network that fails.
//! * [`FakeClock`]: the time of groups and pools, which goes on when the test says so.
//! * [`CountingGetter`]: a source that counts what it is asked. With a [`Gate`] it waits until the
//!   test lets it go.
//! * [`DelegatingPicker`] and [`DelegatingGetter`]: peers as another picker has them, with a look
//!   at each request.
//! * [`start`], [`all_at_once`], [`wait_until`] and [`settle`]: threads, and waits that end.
//!
//! Programs name the feature for their tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! geecache = { version = "0.1", features = ["testing"] }
//! ```
//!
//! # A peer that dies
//!
//! ```
//! # #[cfg(not(feature = "http"))] fn main() {}
//! # #[cfg(feature = "http")] fn main() -> Result<(), geecache::Error> {
//! use geecache::Group;
//! use geecache::testing::{Cluster, CountingGetter, value_of};
//!
//! let source = CountingGetter::new(); // knows all keys
//! let shared = source.clone();
//! let cluster = Cluster::local(3, move |_| Group::new("scores", 1 << 20, shared.clone()))?;
//!
//! let key = cluster.key_owned_by(2);
//! assert_eq!(cluster.group(0).get(&key)?, *value_of(&key));
//! assert_eq!(cluster.group(2).stats().local_loads, 1); // the owner has loaded it
//!
//! cluster.kill(2);
//! assert_eq!(cluster.group(0).get(&key)?, *value_of(&key)); // from elsewhere
//! assert_eq!(source.calls_of(&key), 2);
//! # Ok(()) }
//! ```
//!
//! The guide has more: `guide::testing`.
//!
//! # What the kit promises
//!
//! No wait of the kit is without an end. What is not there after [`PATIENCE`], or the time that the
//! test gives, panics, and says what it waited for. All sockets are on the loopback, on ports that
//! the system chooses. What breaks a rule, such as a number that no peer has, panics as well: it is
//! for tests.

mod clock;
mod delegating;
mod gate;
mod getters;
mod rest;
mod waits;

#[cfg(feature = "http")]
mod cluster;
#[cfg(feature = "http")]
mod connection;
#[cfg(feature = "http")]
mod fault;
#[cfg(feature = "http")]
mod network;

pub use clock::FakeClock;
#[cfg(feature = "http")]
pub use cluster::{Cluster, ClusterBuilder, LocalPeer};
pub use delegating::{DelegatingGetter, DelegatingPicker, PeerRequest};
#[cfg(feature = "http")]
pub use fault::Fault;
pub use gate::Gate;
pub use getters::{CountingGetter, value_of};
pub use rest::settle;
pub use waits::{Background, PATIENCE, all_at_once, start, wait_until};

/// For the unit tests of the crate.
#[cfg(test)]
pub(crate) use crate::seeds::{Random, with_seeds};
