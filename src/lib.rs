//! A distributed read-through cache that lives inside your processes, for blocking programs, with
//! no async runtime.
//!
//! A program names a [`Group`] and gives it a [`Getter`], the slow way to a value. Every key has
//! one *owner* among the peers. The owner loads a value once and keeps it in memory. The others ask
//! the owner, and load for themselves if it can't answer.
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
//! Three calls make a process a peer (feature `http`, on by default). `HttpPool::bind` opens the
//! port. `add` serves a group to the other peers, and has the group ask them. `set_peers` tells the
//! list of all peers, this one included; every peer gets the same list. In its place
//! `HttpPool::follow` takes the list from the addresses of a name, a file, or a source of your own.
//!
//! ```
//! # #[cfg(not(feature = "http"))] fn main() {}
//! # #[cfg(feature = "http")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use geecache::{Group, HttpPool};
//!
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     Ok::<_, std::io::Error>(format!("the score of {name}"))
//! });
//!
//! let pool = HttpPool::bind("127.0.0.1:0")?; // 0: any free port
//! pool.add(&scores)?;
//! let me = pool.url().ok_or("a bound pool has a URL")?;
//! pool.set_peers([me])?; // and "http://10.0.0.2:8001", "http://10.0.0.3:8001", ...
//!
//! assert_eq!(scores.get("Tom")?, "the score of Tom");
//! # Ok(()) }
//! ```
//!
//! The pool serves until `shutdown`, or until its last handle is dropped. A program that lives for
//! a moment only asks the cluster, through `HttpPool::client`: it owns no key and opens no port. If
//! it has no source either, [`Group::remote`] makes its group.
//!
//! The peers trust each other, and by default everyone who reaches their ports. Run them in a
//! **private network**, or keep others out by a token and by TLS: `guide::protect`.
//!
//! The ring that decides who owns a key is that of GeeCache and groupcache
//! ([`consistenthash::Ring`]). When a peer joins or leaves, only the keys that it gets or had
//! change their owner.
//!
//! # How a load goes
//!
//! 1. [`Group::get`] looks into the memory of this process.
//! 2. If another peer owns the key it is asked, once for all callers that want the key at that
//!    time.
//! 3. The owner looks into its memory or runs its getter, again once for all, and keeps the value.
//! 4. Its value, or its word that there is none, is the answer. A process that asks for a key again
//!    and again keeps a copy for a short time ([`HotCache`]).
//! 5. If it fails, the next peer of the ring may answer in its place. If none does, this process
//!    runs its own getter, and keeps the value for a short time ([`GroupBuilder::fallback_ttl`]).
//!
//! A request that came from a peer is never passed on to a third one. So peers whose lists differ,
//! as they do while a list is rolled out, load a key twice at worst, and can't wait for each other.
//!
//! # Values that change
//!
//! A value stays until it must make room for others. The getter may give it a time to live
//! ([`Loaded::ttl`]), or the group may ([`GroupBuilder::ttl`]). [`Group::remove`], [`Group::clear`]
//! and [`Group::insert`] change it at all peers, and report who could not be reached. What exactly
//! they promise stands in [`guide::removal`].
//!
//! # Values with types
//!
//! A group holds bytes. A [`TypedGroup`] holds values of a type, under keys of a type, by way of a
//! [`Codec`]: `Json` and `Postcard` come with the feature `serde`, and one's own takes ten lines. A
//! value in memory is decoded once and then shared. See [`guide::typed`].
//!
//! # Errors
//!
//! Every method that can fail returns [`Error`]; nothing panics on wrong input. A key that does not
//! exist is [`Error::NotFound`]. A getter that failed is [`Error::Load`] with the getter's error as
//! its source. All callers that waited for one load get the same error. Errors are not cached.
//! `{error}` tells the cause, too, in one line.
//!
//! A peer that fails is no error for the caller: it is counted in [`Stats::peer_errors`] and
//! logged, and the value comes from elsewhere.
//!
//! # Threads and clones
//!
//! [`Group`], [`Registry`] and `HttpPool` are handles: a clone is cheap, shares everything with the
//! original, and can be sent to and used by any thread. [`ByteView`], a value, shares its bytes.
//!
//! The getter runs on the thread that asks. A caller with a time limit ([`Group::get_timeout`])
//! must be able to leave, so for such a caller the getter runs on a thread of the group; peers have
//! a limit, too. All threads are bounded in number ([`guide::bounds`]). No lock is held while a
//! getter, a peer or a `drop` of a value runs.
//!
//! A call blocks until its value is there: in an async program, call it where blocking is allowed.
//!
//! # Features
//!
//! * `http` (default): `HttpPool`, `HttpGetter` and the peer server, on `ureq` and `tiny_http`.
//! * `tls`: TLS and mutual TLS between peers (`TlsConfig`), on `rustls` with `ring`.
//! * `cli`: the command `geecache` (`guide::command`). It brings nothing to programs.
//! * `serde`: values with types as JSON or in the format of `postcard` (`Json`, `Postcard`).
//! * `uuid`: UUIDs as keys with a type.
//! * `signal`: `HttpPool::leave_on_signal`, on `signal-hook`.
//! * `gossip`: `HttpPool::join`, for peers that find each other (`guide::gossip`), on `foca`.
//! * `testing`: a kit for the tests of programs, `geecache::testing`. For `[dev-dependencies]`.
//! * `tracing`: spans, and a `traceparent` that goes along between peers ([`guide::traces`]).
//!
//! Without `http` the crate has three small dependencies and is a complete cache in one process. It
//! takes a transport of your own: see [`guide::transports`].
//!
//! # More
//!
//! The [guide] has a page for each question: how to [decide](guide::changing) what may be how old,
//! what can be read [after what](guide::consistency), how [large](guide::size) a cache should be,
//! what to [watch](guide::watching), every [option](guide::limits) and [bound](guide::bounds), and
//! how it works [inside](guide::inside). With the feature `http` it begins with
//! [an empty program](guide/start/index.html).

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("geecache needs atomics of 64 bits, which this target does not have");

// What is handed around.
mod byteview;
mod change;
mod error;
mod events;
mod getter;
mod histogram;
mod hot_keys;
mod origin;

// The cache: a group, its peers, what it counts.
mod group;
mod metrics;
mod peers;
mod registry;
mod stats;
mod tag;
mod typed;

// Peers over HTTP.
#[cfg(feature = "http")]
mod http;

// What it is built from.
mod cache;
mod clock;
pub mod consistenthash;
pub mod lru;
mod one_line;
mod random;
mod repeats;
pub mod singleflight;
mod snapshot;
mod spans;
mod stack;
mod sync;
mod workers;

#[cfg(test)]
mod seeds;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(any(doc, doctest))]
pub mod guide;

pub use byteview::ByteView;
#[cfg(feature = "unstable-bench")]
#[doc(hidden)]
pub use cache::BenchStore;
pub use cache::{Accounting, Eviction};
pub use change::{ChangeMark, ChangeStamp, ChangesSince, LateChange};
pub use error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
pub use events::{Event, EventSink, EvictionReason, PastEvent, StaleReason};
pub use getter::{BatchGetter, ConditionalGetter, Getter, Loaded, NoSource, Refreshed};
pub use group::{
    Chain, Group, GroupBuilder, HotCache, InsertReport, LoadReport, OwnerErrors, PeerDebt,
    PeerReport, PeerSide, RemoveOutcome, RemoveReport, SaveReport, SkippedEntries, SnapshotOptions,
    SnapshotTrust, TakeOver, TakeOverStep,
};
pub use histogram::{Histogram, Latencies, Latency, LatencyTimer};
pub use hot_keys::HotKey;
#[cfg(feature = "tls")]
pub use http::TlsConfig;
#[cfg(feature = "http")]
pub use http::{
    ChangeNews, Discover, Discovery, FollowStats, HttpGetter, HttpPool, HttpPoolBuilder,
    ListChange, ListChangeKind, ListStats, PeerAddress, PeerState, PeerStats, Plus, Protocol,
    Server, StatusPages,
};
pub use metrics::{MetricFamily, MetricsFormat, MetricsWriter};
pub use origin::Origin;
pub use peers::{
    HandOverEntry, HandOverPart, HandOverState, MayAsk, NoPeers, PeerGetter, PeerPicker,
    PeersWatcher, TellAnswer, ZoneOwner,
};
pub use registry::Registry;
#[cfg(feature = "tracing")]
pub use spans::{traceparent, with_traceparent};
pub use stats::{CacheStats, Stats};
pub use tag::Tag;
pub use typed::{
    AsKey, CacheKey, Codec, KeyText, TypedBatch, TypedConditional, TypedGetter, TypedGroup,
    TypedGroupBuilder, TypedLoaded, TypedOld, TypedStats, Versioned,
};
#[cfg(feature = "serde")]
pub use typed::{Json, Postcard};

/// Entries for the targets in `benches/fuzz/`: each takes any bytes, and panics where a promise is
/// broken.
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

    /// An answer of groupcache, and a request of its forks to set a value.
    #[cfg(feature = "http")]
    pub fn protobuf(bytes: &[u8]) {
        crate::http::fuzz::protobuf(bytes);
    }

    /// The body of a request to remove many keys.
    #[cfg(feature = "http")]
    pub fn remove_keys(bytes: &[u8]) {
        crate::http::fuzz::remove_keys(bytes);
    }

    /// The target of a request.
    #[cfg(feature = "http")]
    pub fn target(bytes: &[u8]) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            crate::http::fuzz::target(text);
        }
    }

    /// What a request or an answer tells beside HTTP.
    #[cfg(feature = "http")]
    pub fn note(bytes: &[u8]) {
        crate::http::fuzz::note(bytes);
    }

    /// A snapshot.
    pub fn snapshot(bytes: &[u8]) {
        crate::snapshot::fuzz::drive(bytes);
    }

    /// The head of a request.
    #[cfg(feature = "http")]
    pub fn head(bytes: &[u8]) {
        crate::http::fuzz::head(bytes);
    }

    /// A token file, and what a request shows.
    #[cfg(feature = "http")]
    pub fn token(bytes: &[u8]) {
        crate::http::fuzz::token(bytes);
    }

    /// A file of peers.
    #[cfg(feature = "http")]
    pub fn discovery(bytes: &[u8]) {
        crate::http::fuzz::discovery(bytes);
    }

    /// A message between peers that find each other.
    #[cfg(feature = "gossip")]
    pub fn gossip(bytes: &[u8]) {
        crate::http::fuzz::gossip(bytes);
    }

    /// A question for the status pages, and a peer's answer to one.
    #[cfg(feature = "http")]
    pub fn status(bytes: &[u8]) {
        crate::http::fuzz::status(bytes);
    }
}

/// The code in README.md, compiled and run. The docs of `TypedGroup` have that which needs `serde`.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
