//! [`Page`]: what a port answers that is not about a key.

use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire;

/// What is told to those who watch. A key is behind a slash of its own, so the path of a page names
/// none, whatever the base path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Health,
    Readiness,
    Metrics,
}

/// Writes pages.
pub(crate) trait Pages: Send + Sync + 'static {
    /// What `page` answers to `request`.
    fn page(&self, page: Page, request: &HttpRequest<'_>) -> HttpResponse;
}

impl Page {
    /// The page that a request asks for.
    pub(super) fn of(request: &HttpRequest<'_>) -> Option<Self> {
        match (request.method, wire::path_of(request.target)) {
            ("GET" | "HEAD", "/healthz") => Some(Self::Health),
            ("GET" | "HEAD", "/readyz") => Some(Self::Readiness),
            ("GET" | "HEAD", "/metrics") => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// Whether anybody may ask for this, token or not: it tells no more than that the process is there.
/// A request with a body is no such one, or strangers could have bodies read.
pub(super) fn is_open(request: &HttpRequest<'_>) -> bool {
    let has_body = request.header("Content-Length").is_some_and(|length| length != b"0")
        || request.header("Transfer-Encoding").is_some();
    matches!(Page::of(request), Some(Page::Health | Page::Readiness)) && !has_body
}
