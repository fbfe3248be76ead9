//! What the errors mean that peers of other programs answer.

use crate::error::PeerErrorKind;
use crate::http::verdict::Verdict;

/// An answer that is no value, and that no peer of ours sent.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct ForeignError<'a> {
    /// The HTTP status.
    pub(in crate::http) code: u16,
    /// Whether the body is plain text.
    pub(in crate::http) is_plain_text: bool,
    /// The body, or its beginning.
    pub(in crate::http) text: &'a str,
    /// The header [`GALAXY_STATUS`].
    pub(in crate::http) galaxy: Option<&'a str>,
}

/// What an error means to the caller, and what it tells about the peer's health; `None` where it is
/// nothing that this program says in its own way.
pub(super) type Classify = fn(&ForeignError<'_>) -> Option<(PeerErrorKind, Verdict)>;

/// The header by which galaxycache tells which of two things it does not have.
pub(in crate::http) const GALAXY_STATUS: &str = "X-Galaxycache-Galaxy-Status";
/// The key.
pub(super) const GALAXY_FOUND: &str = "Found";
/// The galaxy.
pub(super) const GALAXY_NOT_FOUND: &str = "Not Found";

/// GeeCache and groupcache have no words of their own.
pub(super) const NONE: Classify = |_| None;

/// mailgun/groupcache and groupcache-go: 404 where a key does not exist, 503 where a getter failed.
pub(super) const FORK: Classify = |error| match error.code {
    // What Go answers where nothing serves: the peer has another base path.
    404 if error.text.trim_end() == "404 page not found" => None,
    404 if error.is_plain_text && error.text.starts_with("no such group") => None,
    404 if error.is_plain_text => Some((PeerErrorKind::NotFound, Verdict::Answered)),
    503 if error.is_plain_text => Some((PeerErrorKind::Load, Verdict::Answered)),
    _ => None,
};

/// galaxycache: 404 where there is no such key or galaxy, which a header tells apart.
pub(super) const GALAXY: Classify = |error| match (error.code, error.galaxy) {
    (404, Some(GALAXY_FOUND)) => Some((PeerErrorKind::NotFound, Verdict::Answered)),
    (404, Some(GALAXY_NOT_FOUND)) => Some((PeerErrorKind::NoSuchGroup, Verdict::Answered)),
    // Up to 1.2 without the header.
    (404, None) if error.is_plain_text && error.text.starts_with("no such galaxy") => {
        Some((PeerErrorKind::NoSuchGroup, Verdict::Answered))
    }
    _ => None,
};
