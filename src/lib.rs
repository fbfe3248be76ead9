//! A distributed read-through cache that lives inside your processes, for blocking programs, with no
//! async runtime.
//!
//! A program names a [`Group`] and gives it a [`Getter`], the slow way to a value. Every key has one
//! *owner* among the peers. The owner loads a value once and keeps it in memory; the others ask the
//! owner, and load for themselves if it can't answer.
//!
//! # A first example
//!
//! A group is a useful cache before it has any peers. It runs the getter once for any number of
//! threads that want a key at the same time, and keeps what it loads within a bound in bytes.
//!
//! ```
//! use geecache::{Error, Group};
//! use std::io;
//!
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     // A query to a database, in real life.
//!     Ok::<_, io::Error>(match name {
//!         "Tom" => Some("630"),
//!         _ => None,
//!     })
//! });
//! assert_eq!(scores.get("Tom")?, "630"); // runs the getter
//! assert_eq!(scores.get("Tom")?, "630"); // from memory
//! assert!(matches!(scores.get("kkk"), Err(Error::NotFound { .. })));
//! assert_eq!(scores.stats().local_loads, 2); // Tom once, and kkk
//! # Ok::<(), Error>(())
//! ```
//!
//! # Peers
//!
//! `HttpPool` (feature `http`, on by default) serves the groups of a [`Registry`] to the other peers,
//! and picks the owner of a key. All peers get the same list of URLs.
//!
//! ```
//! # #[cfg(not(feature = "http"))] fn main() {}
//! # #[cfg(feature = "http")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use geecache::{Group, HttpPool, Registry};
//!
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     Ok::<_, std::io::Error>(format!("the score of {name}"))
//! });
//! let registry = Registry::new();
//! registry.insert(&scores)?;
//!
//! let pool = HttpPool::bind("127.0.0.1:0", &registry)?; // 0: any free port
//! let me = pool.url().ok_or("a bound pool has a URL")?;
//! pool.set_peers([me])?; // and "http://10.0.0.2:8001", "http://10.0.0.3:8001", ...
//! scores.register_peers(pool.clone())?;
//!
//! assert_eq!(scores.get("Tom")?, "the score of Tom");
//! pool.shutdown();
//! # Ok(()) }
//! ```
//!
//! A program that lives for a moment asks the cluster through `HttpPool::client`: it owns no key and
//! opens no port. The peers trust each other and whoever reaches their ports: run them in a **private
//! network** only.
//!
//! Which peer owns a key is decided by [`consistenthash::Ring`], which is that of GeeCache and
//! groupcache. When a peer joins or leaves, only the keys that it gets or had change their owner.
//!
//! # How a load goes
//!
//! 1. [`Group::get`] looks into the memory of this process.
//! 2. If another peer owns the key it is asked, once for all callers that want the key at that time.
//! 3. The owner looks into its memory or runs its getter, again once for all, and keeps the value.
//! 4. Its value, or its word that there is none, is the answer. Who asks for a key again and again
//!    keeps a copy for a short time ([`HotCache`]).
//! 5. If it fails, the next peer of the ring may answer in its place. If none does, this process runs
//!    its own getter, and keeps the value for a short time ([`GroupBuilder::fallback_ttl`]).
//!
//! A request that came from a peer is never passed on to a third one. So peers whose lists differ,
//! as they do while a list is rolled out, load a key twice at worst, and can't wait for each other.
//!
//! # Values that change
//!
//! A value stays until it must make room for others. The getter may give it a time to live
//! ([`Loaded::ttl`]), or the group may ([`GroupBuilder::ttl`]). [`Group::remove`], [`Group::clear`] and
//! [`Group::insert`] change it at all peers, and report who could not be reached.
//!
//! # Errors
//!
//! Every method that can fail returns [`Error`]; nothing panics on wrong input. A key that does not
//! exist is [`Error::NotFound`], a getter that failed [`Error::Load`] with the getter's error as its
//! source. All callers that waited for one load get the same error. Errors are not cached.
//!
//! A peer that fails is no error for the caller: it is counted in [`Stats::peer_errors`] and logged,
//! and the value comes from elsewhere.
//!
//! # Logging
//!
//! Through the [`log`] facade, under targets that begin with `geecache`:
//!
//! | level | what |
//! |---|---|
//! | error | a getter panicked while it ran for a peer, for many keys, or on a thread of the group; the server met a panic, and goes on; no thread could be started |
//! | warn | a peer did not answer, or is down and not asked for a while; a value past its time was served as its getter failed; the server could not accept, or a request found no thread; a peer owns far more than its share of the ring |
//! | info | a pool serves, or no longer; how many peers its ring has; a peer is up again |
//! | debug | each run of a getter; which peer was picked; connections that died, requests that made no sense |
//! | trace | each request of a peer |
//!
//! # Threads and clones
//!
//! [`Group`], [`Registry`] and `HttpPool` are handles: a clone is cheap, shares everything with the
//! original, and can be sent to and used by any thread. [`ByteView`], a value, shares its bytes.
//!
//! The getter runs on the thread that asks, unless that has a time limit ([`Group::get_timeout`]) and
//! must be able to leave: then on one of the group's own ([`GroupBuilder::max_loaders`]). All peers of
//! this crate have one. Each request of a peer in flight has a thread of the server, too; their number
//! is bounded. [`Group::get_many`] asks several peers at once on threads of the group. No lock is held
//! while a getter, a peer or a `drop` of a value runs.
//!
//! A call blocks until its value is there: in an async program, call it where blocking is allowed.
//!
//! # Features, and life without HTTP
//!
//! * `http` (default): `HttpPool`, `HttpGetter` and the peer server, on `ureq` and `tiny_http`.
//!
//! Without it the crate has two small dependencies and is a complete cache in one process. A
//! transport of your own implements [`PeerGetter`] (how to ask a peer) and [`PeerPicker`] (whom to
//! ask), and answers the others by [`Group::peer_side`]:
//!
//! ```
//! use geecache::{Group, Loaded, PeerError, PeerErrorKind, PeerGetter, PeerPicker};
//! use std::sync::Arc;
//!
//! /// The whole network: a peer in this very process, which owns all keys.
//! struct Neighbour(Group);
//!
//! impl PeerGetter for Neighbour {
//!     fn get(&self, _group: &str, key: &str) -> Result<Loaded, PeerError> {
//!         let failed = |error| PeerError::new(PeerErrorKind::Load, "neighbour", error);
//!         self.0.peer_side().get(key).map_err(failed)
//!     }
//! }
//!
//! struct Always(Arc<Neighbour>);
//!
//! impl PeerPicker for Always {
//!     fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
//!         let neighbour: Arc<dyn PeerGetter> = self.0.clone();
//!         Some(neighbour)
//!     }
//! }
//!
//! let source = |key: &str| Ok::<_, std::io::Error>(key.to_uppercase());
//! let (mine, theirs) = (Group::new("g", 1 << 20, source), Group::new("g", 1 << 20, source));
//! mine.register_peers(Always(Arc::new(Neighbour(theirs.clone()))))?;
//!
//! assert_eq!(mine.get("key")?, "KEY");
//! assert_eq!((mine.stats().local_loads, theirs.stats().local_loads), (0, 1));
//! # Ok::<(), geecache::Error>(())
//! ```

// What is handed around.
mod byteview;
mod error;
mod getter;

// The cache: a group, its peers, what it counts.
mod group;
mod peers;
mod registry;
mod stats;

// Peers over HTTP.
#[cfg(feature = "http")]
mod http;

// What it is built from.
mod cache;
mod clock;
pub mod consistenthash;
pub mod lru;
mod random;
pub mod singleflight;
mod sync;
mod workers;

#[cfg(test)]
mod testing;

pub use byteview::ByteView;
#[cfg(feature = "unstable-bench")]
#[doc(hidden)]
pub use cache::BenchStore;
pub use cache::{Accounting, Eviction};
pub use error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
pub use getter::{Getter, Loaded};
pub use group::{
    Group, GroupBuilder, HotCache, OwnerErrors, PeerReport, PeerSide, RemoveOutcome, RemoveReport,
};
#[cfg(feature = "http")]
pub use http::{HttpGetter, HttpPool, HttpPoolBuilder, PeerState, PeerStats, Protocol, Server};
pub use peers::{NoPeers, PeerGetter, PeerPicker};
pub use registry::Registry;
pub use stats::{CacheStats, Stats};

/// Entries for the targets in `benches/fuzz/`: each takes any bytes, and panics where a promise is broken.
#[cfg(feature = "unstable-bench")]
#[doc(hidden)]
pub mod fuzz {
    /// A store, and operations on it.
    pub fn store(bytes: &[u8]) {
        crate::cache::fuzz::store(bytes);
    }

    /// The body of a batch, or of an answer to one.
    #[cfg(feature = "http")]
    pub fn frame(bytes: &[u8]) {
        crate::http::fuzz::frame(bytes);
    }

    /// An answer of groupcache.
    #[cfg(feature = "http")]
    pub fn protobuf(bytes: &[u8]) {
        crate::http::fuzz::protobuf(bytes);
    }

    /// The target of a request.
    #[cfg(feature = "http")]
    pub fn target(bytes: &[u8]) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            crate::http::fuzz::target(text);
        }
    }

    /// The head of a request.
    #[cfg(feature = "http")]
    pub fn head(bytes: &[u8]) {
        crate::http::fuzz::head(bytes);
    }
}

/// The code in README.md, compiled and run.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
