//! Spans: what is told to the subscriber of the program.
//!
//! Who makes or ends one holds no lock: a subscriber is foreign code.

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::field::{Empty, display};
use tracing::span::EnteredSpan;

use crate::one_line::OneLine;
use crate::spans::PeerCall;
use crate::spans::traceparent::{CurrentTraceparent, Traceparent};

/// A span that the current thread is in, until it is dropped.
pub(crate) struct Span {
    entered: EnteredSpan,
    _traceparent: Option<CurrentTraceparent>,
}

impl Span {
    fn enter(span: tracing::Span) -> Self {
        Self { entered: span.entered(), _traceparent: None }
    }

    /// Leaves it, and tells how it ended.
    pub(crate) fn end(self, outcome: impl Display) {
        self.entered.record("outcome", display(outcome));
    }
}

/// A get of keys that were not in memory.
pub(crate) fn get(group: &str, keys: &[&str]) -> Span {
    let (group, first) = (OneLine(group), OneLine(first_of(keys)));
    let keys = keys.len();
    let span = tracing::debug_span!(target: "geecache", "get", %group, key = %first, keys);
    Span::enter(span)
}

/// A call of the getter.
pub(crate) fn load(group: &str, keys: &[&str]) -> Span {
    let (group, first) = (OneLine(group), OneLine(first_of(keys)));
    let keys = keys.len();
    let outcome = Empty;
    let span =
        tracing::debug_span!(target: "geecache", "load", %group, key = %first, keys, outcome);
    Span::enter(span)
}

/// A request to a peer.
pub(crate) fn peer_request(peer: &str, call: PeerCall<'_>) -> Span {
    let PeerCall { operation, group } = call;
    let (peer, group, outcome) = (OneLine(peer), OneLine(group), Empty);
    let span = tracing::debug_span!(
        target: "geecache", "peer_request", %peer, operation, %group, outcome
    );
    Span::enter(span)
}

/// A request of a peer. `header` finds one of its headers.
///
/// If it has a valid `traceparent`, that is the one of the current thread until the span ends.
pub(crate) fn serve<'h>(
    method: &str,
    target: &str,
    header: impl FnOnce(&str) -> Option<&'h [u8]>,
) -> Span {
    let traceparent = header(Traceparent::HEADER).and_then(Traceparent::parse);
    let (method, request, outcome) = (OneLine(method), OneLine(target), Empty);
    let span = tracing::debug_span!(
        target: "geecache", "serve", %method, target = %request, traceparent = Empty, outcome
    );
    if let Some(traceparent) = &traceparent {
        span.record("traceparent", traceparent.as_str());
    }
    Span { entered: span.entered(), _traceparent: Some(Traceparent::enter(traceparent)) }
}

fn first_of<'a>(keys: &[&'a str]) -> &'a str {
    keys.first().copied().unwrap_or_default()
}

/// For whom a thread works, to be handed along to another one.
pub(crate) struct Context {
    span: tracing::Span,
    traceparent: Option<Traceparent>,
}

impl Context {
    pub(crate) fn of_this_thread() -> Self {
        Self { span: tracing::Span::current(), traceparent: Traceparent::current() }
    }

    /// Runs `work`, on whatever thread, as if it was a part of what the first thread did.
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        let _traceparent = Traceparent::enter(self.traceparent);
        self.span.in_scope(work)
    }
}

/// Who knows the traceparent of a request to a peer.
#[derive(Clone, Default)]
pub(crate) struct TraceparentSource(Option<Arc<Ask>>);

type Ask = dyn Fn() -> Option<String> + Send + Sync;

impl TraceparentSource {
    pub(crate) fn new(ask: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(ask)))
    }

    /// What the program says, or else what the thread works for.
    pub(crate) fn now(&self) -> Option<Traceparent> {
        self.ask().or_else(Traceparent::current)
    }

    fn ask(&self) -> Option<Traceparent> {
        let ask = self.0.as_deref()?;
        let text = catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|panic| {
            // Its drop may panic as well. The panic itself was reported by the panic hook.
            std::mem::forget(panic);
            None
        })?;
        let valid = Traceparent::parse(text.as_bytes());
        if valid.is_none() {
            log::debug!("the program's traceparent is not valid: {:?}", OneLine(&text).to_string());
        }
        valid
    }
}

impl fmt::Debug for TraceparentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceparentSource").field("is_set", &self.0.is_some()).finish()
    }
}
