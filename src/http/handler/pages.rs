//! [`Page`]: what a port answers that is not about a key.

use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire::{self, Query};

/// What is told to those who watch. A key is behind a slash of its own, so the path of a page names
/// none, whatever the base path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Health,
    Readiness,
    Metrics,
    /// The page for browsers, which holds no data.
    Watch,
    /// What this peer, or the cluster, is doing.
    Status,
    /// Where a key lives.
    Key,
    /// The removal of a key.
    Removal,
}

/// Writes pages.
pub(crate) trait Pages: Send + Sync + 'static {
    /// What `page` answers to `request`.
    fn page(&self, page: Page, request: &HttpRequest<'_>) -> HttpResponse;
}

impl Page {
    /// The page that a request asks for.
    pub(super) fn of(request: &HttpRequest<'_>) -> Option<Self> {
        if !may_be_page(request.target) {
            return None;
        }
        match (request.method, wire::path_of(request.target)) {
            ("GET" | "HEAD", "/healthz") => Some(Self::Health),
            ("GET" | "HEAD", "/readyz") => Some(Self::Readiness),
            ("GET" | "HEAD", "/metrics") => Some(Self::Metrics),
            ("GET" | "HEAD", "/") => Some(Self::Watch),
            ("GET" | "HEAD", "/status.json") if names_key(request) => Some(Self::Key),
            ("GET" | "HEAD", "/status.json") => Some(Self::Status),
            ("POST", "/status.json") => Some(Self::Removal),
            _ => None,
        }
    }

    /// Whether it needs no place among the requests in flight: it runs nothing of a user's, and
    /// waits for peers only in a bounded number of cases, for a moment.
    pub(super) fn is_at_once(self) -> bool {
        !matches!(self, Self::Key | Self::Removal)
    }
}

/// Whether a target can be that of a page, as its first letter tells: that of most requests, which
/// are about keys, is another one.
fn may_be_page(target: &str) -> bool {
    !matches!(target.as_bytes(), [b'/', first, ..] if !b"hmrs?#".contains(first))
}

fn names_key(request: &HttpRequest<'_>) -> bool {
    // One that can't be read is refused as that of a key.
    Query::of(request.target).map_or(true, |query| query.has("group") || query.has("key"))
}

/// Whether anybody may ask for this, token or not: it tells no more than that the process is there.
/// A request with a body is no such one, or strangers could have bodies read.
pub(super) fn is_open(request: &HttpRequest<'_>) -> bool {
    let has_body = request.header("Content-Length").is_some_and(|length| length != b"0")
        || request.header("Transfer-Encoding").is_some();
    let page = Page::of(request);
    matches!(page, Some(Page::Health | Page::Readiness | Page::Watch)) && !has_body
}
