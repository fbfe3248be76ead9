//! A distributed read-through cache that lives inside its users' processes, with no async runtime.

#[cfg(feature = "unstable-bench")]
#[doc(hidden)]
pub mod bench_support;
mod byteview;
#[allow(dead_code, reason = "the group is its only user")]
mod cache;
mod error;
mod getter;
pub mod lru;
mod peers;
mod stats;
mod sync;
#[cfg(test)]
mod testing;

pub use byteview::ByteView;
pub use cache::{Accounting, Eviction};
pub use error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
pub use getter::{Getter, Loaded};
pub use peers::{NoPeers, PeerGetter, PeerPicker};
pub use stats::{CacheStats, Stats};
