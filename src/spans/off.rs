//! What stands for spans without the feature `tracing`: nothing.

use std::fmt::Display;

use crate::spans::PeerCall;

/// None can be made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoTraceparent {}

#[derive(Debug, Clone, Default)]
pub(crate) struct NoTraceparentSource;

#[derive(Debug)]
pub(crate) struct NoContext;

#[derive(Debug)]
pub(crate) struct NoSpan;

#[inline]
pub(crate) fn get(_group: &str, _keys: &[&str]) -> NoSpan {
    NoSpan
}

#[inline]
pub(crate) fn load(_group: &str, _keys: &[&str]) -> NoSpan {
    NoSpan
}

#[inline]
pub(crate) fn peer_request(_peer: &str, call: PeerCall<'_>) -> NoSpan {
    let PeerCall { operation: _, group: _ } = call;
    NoSpan
}

#[inline]
pub(crate) fn serve<'h>(
    _method: &str,
    _target: &str,
    _header: impl FnOnce(&str) -> Option<&'h [u8]>,
) -> NoSpan {
    NoSpan
}

impl NoSpan {
    #[inline]
    pub(crate) fn end(self, _outcome: impl Display) {}
}

impl NoContext {
    #[inline]
    pub(crate) fn of_this_thread() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

impl NoTraceparent {
    pub(crate) const HEADER: &str = "traceparent";

    pub(crate) fn as_str(&self) -> &str {
        match *self {}
    }
}

impl NoTraceparentSource {
    #[inline]
    pub(crate) fn now(&self) -> Option<NoTraceparent> {
        None
    }
}
