//! Spans of `tracing`, and the `traceparent` that goes along with requests between peers.
//!
//! Without the feature `tracing` all of it is empty: it is compiled away, and what uses it needs no
//! `cfg`.

#![cfg_attr(
    not(feature = "http"),
    allow(dead_code, unused_imports, reason = "a part of it is for transports")
)]

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;
#[cfg(feature = "tracing")]
mod traceparent;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::NoTraceparent as Traceparent;
#[cfg(not(feature = "tracing"))]
pub(crate) use off::{
    NoContext as Context, NoTraceparentSource as TraceparentSource, get, load, peer_request, serve,
};
#[cfg(feature = "tracing")]
pub(crate) use on::{Context, TraceparentSource, get, load, peer_request, serve};
#[cfg(feature = "tracing")]
pub(crate) use traceparent::Traceparent;
#[cfg(feature = "tracing")]
pub use traceparent::{traceparent, with_traceparent};

/// What a request to a peer is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerCall<'a> {
    /// What the peer is asked to do, in a word.
    pub(crate) operation: &'static str,
    /// Empty where it is about none.
    pub(crate) group: &'a str,
}

impl<'a> PeerCall<'a> {
    pub(crate) fn new(operation: &'static str, group: &'a str) -> Self {
        Self { operation, group }
    }
}
