//! Spans, and traces that go on at a peer (feature `tracing`).
//!
//! With the feature `tracing` the crate tells the subscriber of a program, by the crate
//! [`tracing`](https://docs.rs/tracing), what it does. All spans are at the level `DEBUG` and have
//! the target `geecache`, so `geecache=debug` or `geecache=off` is their filter:
//!
//! | span | is | fields |
//! |---|---|---|
//! | `get` | a get of one key or many, of those that were not in memory | `group`, `key` (the first one), `keys` (how many) |
//! | `load` | one call of the getter | `group`, `key`, `keys`; `outcome`: `loaded`, or `failed` where it failed for one of the keys |
//! | `peer_request` | one request to a peer | `peer`, `operation`, `group`; `outcome`: `answered`, or in which way it failed |
//! | `serve` | one request of a peer, or of one who watches, that was let in | `method`, `target`, `traceparent`, `outcome`: the status |
//!
//! The operations are `get`, `get_held` (gets that are sent together), `get_many`, `peek`,
//! `hand_over`, `remove`, `clear`, `insert` and `greet`. An `outcome` is missing where the getter
//! panicked.
//! Control characters in names and keys are escaped, and what is longer than 400 characters is cut.
//! Tokens and values are in no span. Where keys are secrets, turn the spans off.
//!
//! A value in memory has no span: that would cost more than the hit itself. A call that waits for
//! the load of another has its `get`, and the load is in the trace of the other one. What a group
//! does for a caller on other threads stands below the caller's spans. What a getter does on
//! threads of its own does not, unless it hands its span along. A refresh has a trace of its own.
//!
//! Between processes a trace goes on by the header
//! [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) of W3C. Spans of
//! `tracing` have no such name of their own, so a pool asks the program for it. This is how it
//! would be with the crates `tracing-opentelemetry` and `opentelemetry`:
//!
//! ```text
//! let pool = HttpPool::builder().traceparent(|| {
//!     let context = tracing::Span::current().context(); // the span `peer_request`
//!     let span = context.span().span_context().clone();
//!     let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
//!     span.is_valid().then(|| format!("00-{trace}-{id}-{flags:02x}"))
//! });
//! ```
//!
//! A program without such crates says it for a call: `geecache::with_traceparent(text, || …)`. At
//! the owner it is a field of `serve`, and the getter reads it by `geecache::traceparent()`, also
//! on a thread of the group. What that getter asks of other peers carries it along. A text that is
//! not valid is neither sent nor recorded, and changes nothing else. Gets that are sent together
//! are one request, with the `traceparent` of one of them. `tracestate` is not carried. Peers
//! without the feature, and those in Go, ignore the header.
