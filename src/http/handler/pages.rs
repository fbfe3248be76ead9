//! [`Pages`]: what lies outside of the base path.

use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire;

/// Answers what is not about a key.
pub(crate) trait Pages: Send + Sync + 'static {
    /// The page at `path`, if there is one.
    fn page(&self, path: &str, request: &HttpRequest<'_>) -> Option<HttpResponse>;
}

/// The path of a request that may be one for a page: it gets something, and is not about a key.
pub(super) fn path_of<'a>(request: &HttpRequest<'a>, base: &str) -> Option<&'a str> {
    if !matches!(request.method, "GET" | "HEAD") {
        return None;
    }
    let path = wire::path_of(request.target);
    // Where all paths lie below the base, a key is behind a second slash.
    let is_below = path.starts_with(base) && (base != "/" || path[1..].contains('/'));
    (!is_below).then_some(path)
}

/// Whether anybody may ask for this, token or not: it tells no more than that the process is there.
/// A request with a body is no such one, or strangers could have bodies read.
pub(super) fn is_open(request: &HttpRequest<'_>) -> bool {
    let has_body = request.header("Content-Length").is_some_and(|length| length != b"0")
        || request.header("Transfer-Encoding").is_some();
    matches!(request.method, "GET" | "HEAD")
        && matches!(wire::path_of(request.target), "/healthz" | "/readyz")
        && !has_body
}
