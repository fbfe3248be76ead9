//! [`Outgoing`]: a request before it is sent.

use std::time::Duration;

use ureq::http::header::{HeaderName, HeaderValue};
use ureq::http::uri::{Authority, PathAndQuery, Scheme};
use ureq::http::{self, Method, Request, Uri};

use crate::change::ChangeStamp;
use crate::http::note::{InOrder, Note};
use crate::http::url::{PeerScheme, PeerUrl};
use crate::spans::Traceparent;

/// [`note::HEADER`], which needs no parsing.
const NOTE: HeaderName = HeaderName::from_static("geecache");
const TRACEPARENT: HeaderName = HeaderName::from_static(Traceparent::HEADER);

/// What the URIs of all requests to a peer begin with.
pub(super) struct PeerOrigin(Scheme, Authority);

impl PeerOrigin {
    pub(super) fn of(peer: &PeerUrl) -> Self {
        let scheme = match peer.scheme() {
            PeerScheme::Http => Scheme::HTTP,
            PeerScheme::Https => Scheme::HTTPS,
        };
        Self(scheme, peer.authority())
    }

    /// The URI of a path, which is not copied.
    pub(super) fn uri(&self, path: String) -> Result<Uri, http::Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.0.clone());
        parts.authority = Some(self.1.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(path)?);
        Ok(Uri::from_parts(parts)?)
    }
}

/// What a request is about.
pub(crate) struct Target {
    pub(crate) path: String,
    /// Names the same for a second time.
    pub(crate) note: Note,
}

impl Target {
    /// The same, for a get whose answer is to tell of changes.
    pub(crate) fn with_news(mut self) -> Self {
        self.note.order = InOrder::MarkWanted;
        self
    }

    /// The same, for a change that has a stamp.
    pub(crate) fn stamped(mut self, stamp: ChangeStamp) -> Self {
        self.note.order = InOrder::Stamp(stamp);
        self
    }
}

/// A request, which may have to be sent twice.
pub(crate) struct Outgoing<'a> {
    method: Method,
    path: String,
    /// `None` for methods without one.
    pub(super) body: Option<&'a [u8]>,
    /// What the peer is told, except for the time that it has. `None` for what peers of other
    /// programs would send: by that a peer of ours knows it.
    note: Option<Note>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn get(target: Target) -> Self {
        let Target { path, note } = target;
        Self { method: Method::GET, path, body: None, note: Some(note) }
    }

    pub(crate) fn delete(target: Target) -> Self {
        Self { method: Method::DELETE, ..Self::get(target) }
    }

    pub(crate) fn post(target: Target, body: &'a [u8]) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(target) }
    }

    pub(crate) fn put(target: Target, body: &'a [u8]) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(target) }
    }

    /// The same as a peer of another program would send it.
    pub(crate) fn without_note(self) -> Self {
        Self { note: None, ..self }
    }

    /// The request, for a caller that waits for as long as `left`, as a part of a trace.
    pub(super) fn request(
        &self,
        origin: &PeerOrigin,
        left: Duration,
        traceparent: Option<Traceparent>,
    ) -> Result<Request<()>, http::Error> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = origin.uri(self.path.clone())?;
        // The owner is told a little less than what is left, so that its answer that it needs
        // longer arrives in time.
        let told = (left * 9 / 10).max(Duration::from_millis(1));
        if let Some(note) = self.note {
            let note = Note { timeout: Some(told), ..note };
            request.headers_mut().insert(NOTE, HeaderValue::from_bytes(&note.text())?);
        }
        if let Some(traceparent) = traceparent {
            let value = HeaderValue::from_str(traceparent.as_str())?;
            request.headers_mut().insert(TRACEPARENT, value);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::note;

    fn target(path: &str) -> Target {
        Target { path: path.to_owned(), note: Note::default() }
    }

    #[test]
    fn request_carries_what_it_was_made_of() {
        let origin = PeerOrigin::of(&PeerUrl::parse("http://[::1]:8001").unwrap());
        let mut target = target("/_geecache/g/k%20");
        target.note.ttl = Some(Duration::from_millis(12));
        let outgoing = Outgoing::put(target, b"630");
        let request = outgoing.request(&origin, Duration::from_secs(2), None).unwrap();
        assert_eq!(request.uri(), "http://[::1]:8001/_geecache/g/k%20");
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.headers()[note::HEADER], "t=1800 ttl=12");
        assert_eq!(outgoing.body, Some(&b"630"[..]));
        let request =
            outgoing.without_note().request(&origin, Duration::from_secs(2), None).unwrap();
        assert_eq!((request.method(), request.headers().len()), (&Method::PUT, 0));
    }

    #[test]
    fn peer_with_tls_is_asked_with_tls() {
        let origin = PeerOrigin::of(&PeerUrl::parse("https://a:1").unwrap());
        assert_eq!(origin.uri("/b".to_owned()).unwrap(), "https://a:1/b");
    }

    #[test]
    fn path_that_is_none_is_an_error() {
        let origin = PeerOrigin::of(&PeerUrl::parse("http://a:1").unwrap());
        assert!(Outgoing::get(target("/a b\n")).request(&origin, Duration::ZERO, None).is_err());
    }
}
