//! A distributed read-through cache that lives inside its users' processes, with no async runtime.

mod byteview;
mod cache;
mod clock;
pub mod consistenthash;
mod error;
mod getter;
mod group;
#[cfg(feature = "http")]
mod http;
pub mod lru;
mod peers;
mod random;
mod registry;
pub mod singleflight;
mod stats;
mod sync;
#[cfg(test)]
mod testing;
mod workers;

pub use byteview::ByteView;
pub use cache::{Accounting, Eviction};
pub use error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
pub use getter::{Getter, Loaded};
pub use group::{
    Group, GroupBuilder, HotCache, OwnerErrors, PeerReport, RemoveOutcome, RemoveReport,
};
#[cfg(feature = "http")]
pub use http::{HttpGetter, HttpPool, HttpPoolBuilder, PeerState, PeerStats, Protocol, Server};
pub use peers::{NoPeers, PeerGetter, PeerPicker};
pub use registry::Registry;
pub use stats::{CacheStats, Stats};
