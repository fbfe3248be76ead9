//! A distributed read-through cache that lives inside its users' processes, with no async runtime.

mod byteview;
mod error;
mod getter;
#[cfg(feature = "http")]
mod http;
mod peers;
mod stats;
mod sync;

pub use byteview::ByteView;
pub use error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
pub use getter::{Getter, Loaded};
#[cfg(feature = "http")]
pub use http::Server;
pub use peers::{NoPeers, PeerGetter, PeerPicker};
pub use stats::{CacheStats, Stats};
