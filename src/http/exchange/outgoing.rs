//! [`Outgoing`]: a request before it is sent.

use std::time::Duration;

use ureq::http::header::{HeaderName, HeaderValue};
use ureq::http::uri::{Authority, PathAndQuery, Scheme};
use ureq::http::{self, Method, Request, Uri};

use crate::http::url::PeerUrl;
use crate::http::wire;

/// [`wire::TIMEOUT_HEADER`], which needs no parsing.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("geecache-timeout-ms");

/// What the URIs of all requests to a peer begin with.
pub(super) struct Origin(Authority);

impl Origin {
    pub(super) fn of(peer: &PeerUrl) -> Self {
        Self(peer.authority())
    }

    /// The URI of a path, which is not copied.
    pub(super) fn uri(&self, path: String) -> Result<Uri, http::Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.0.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(path)?);
        Ok(Uri::from_parts(parts)?)
    }
}

/// A request, which may have to be sent twice.
pub(crate) struct Outgoing<'a> {
    method: Method,
    path: String,
    /// `None` for methods without one.
    pub(super) body: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None, headers: Vec::new() }
    }

    pub(crate) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    pub(crate) fn post(path: String, body: &'a [u8]) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }

    pub(crate) fn put(path: String, body: &'a [u8]) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(path) }
    }

    /// The request, for a caller that waits for as long as `left`.
    pub(super) fn request(
        &self,
        origin: &Origin,
        left: Duration,
    ) -> Result<Request<()>, http::Error> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = origin.uri(self.path.clone())?;
        let headers = request.headers_mut();
        // The owner is told a little less than what is left, so that its answer that it needs
        // longer arrives in time.
        let told = (left * 9 / 10).max(Duration::from_millis(1));
        headers.insert(TIMEOUT_HEADER, HeaderValue::try_from(wire::encode_millis(told))?);
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, value.parse::<HeaderValue>()?);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_carries_what_it_was_made_of() {
        let origin = Origin::of(&PeerUrl::parse("http://[::1]:8001").unwrap());
        let mut outgoing = Outgoing::put("/_geecache/g/k%20".to_owned(), b"630");
        outgoing.headers.push((wire::TTL_HEADER, "12".to_owned()));
        let request = outgoing.request(&origin, Duration::from_secs(2)).unwrap();
        assert_eq!(request.uri(), "http://[::1]:8001/_geecache/g/k%20");
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.headers()[wire::TIMEOUT_HEADER], "1800");
        assert_eq!(request.headers()[wire::TTL_HEADER], "12");
        assert_eq!(outgoing.body, Some(&b"630"[..]));
    }

    #[test]
    fn path_that_is_none_is_an_error() {
        let origin = Origin::of(&PeerUrl::parse("http://a:1").unwrap());
        assert!(Outgoing::get("/a b\n".to_owned()).request(&origin, Duration::ZERO).is_err());
    }
}
