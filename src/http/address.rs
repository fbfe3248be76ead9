//! [`PeerAddress`]: a peer as a list of peers gives it.

use std::fmt;

use crate::http::url::without_user;

/// A peer in a [list of peers](crate::HttpPool::set_peers): its URL, and what it is called on the
/// ring. Every text is an address, a URL without a name of its own.
///
/// ```
/// use geecache::{HttpPool, PeerAddress, Protocol};
///
/// let pool = HttpPool::builder().protocol(Protocol::Galaxycache).client([
///     PeerAddress::named("cache-0", "http://10.0.0.1:8080"),
///     PeerAddress::named("cache-1", "http://10.0.0.2:8080"),
/// ])?;
/// assert_eq!(pool.owner("Tom").as_deref(), Some("http://10.0.0.2:8080"));
/// # Ok::<(), geecache::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeerAddress {
    pub(crate) url: String,
    pub(crate) name: Option<String>,
}

impl PeerAddress {
    /// A peer that others know by another name than its URL. All members of a cluster must call it
    /// the same.
    ///
    /// Options stand behind the URL, as in every list: `http://10.0.0.1:8080#weight=2`. A name may
    /// stand there, too (`#name=cache-0`), for lists that are text, such as files; the name that is
    /// given here counts then.
    ///
    /// Without a name of its own a peer is called what the [protocol](crate::Protocol) says: its
    /// URL, or its host and port.
    #[must_use]
    pub fn named(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { url: url.into(), name: Some(name.into()) }
    }
}

/// Leaves out what stands before an `@`, which may be a password.
impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = without_user(&self.url);
        f.debug_struct("PeerAddress").field("url", &url).field("name", &self.name).finish()
    }
}

impl<S: Into<String>> From<S> for PeerAddress {
    fn from(url: S) -> Self {
        Self { url: url.into(), name: None }
    }
}
