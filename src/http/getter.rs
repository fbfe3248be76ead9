//! [`HttpGetter`]: one peer, for those who know which one to ask.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::change::{ChangeMark, ChangeStamp, ChangesSince};
use crate::error::{Error, PeerError};
use crate::getter::Loaded;
use crate::http::exchange::ExchangeOptions;
use crate::http::peer::{Peer, PeerOptions};
use crate::http::token::Tokens;
use crate::http::url::PeerUrl;
use crate::peers::{PeerGetter, TellAnswer};

/// The longest page that is read.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// Gets values from one peer over HTTP.
///
/// A call connects within 250 ms and ends within 2 s, and takes values of up to 64 MiB, unless
/// [`HttpPoolBuilder::getter`](crate::HttpPoolBuilder::getter) made the getter with other options.
/// Connections are kept and used again, by any number of threads at once.
///
/// What comes back is checked: a value is as long as its `Content-Length` says or comes in chunks
/// up to the last one, and is not compressed; everything else is an error, never a wrong value.
/// Redirects are not followed and the environment's proxies are not used. A kept connection that
/// turns out to be dead is replaced by a fresh one, once, within the same time.
///
/// # Blocking
///
/// [`get`](PeerGetter::get) blocks its thread until the answer is there or the time is up.
///
/// ```
/// use geecache::{HttpGetter, PeerErrorKind, PeerGetter};
///
/// // Nothing listens on port 1.
/// let getter = HttpGetter::new("http://127.0.0.1:1")?;
/// let error = getter.get("scores", "Tom").unwrap_err();
/// assert_eq!(error.kind(), PeerErrorKind::Unreachable);
/// # Ok::<(), geecache::Error>(())
/// ```
pub struct HttpGetter {
    peer: Peer,
}

impl HttpGetter {
    /// A getter for the peer at `url`, as `http://host:port`. No connection is made yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if `url` is of another form.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with(url, ExchangeOptions::default())
    }

    /// As [`new`](Self::new), for a peer that asks for a
    /// [`token`](crate::HttpPoolBuilder::token).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if `token` is none, and those of `new`.
    pub fn with_token(url: &str, token: &str) -> Result<Self, Error> {
        let tokens = Tokens::fixed(vec![token.to_owned()]);
        let tokens = tokens.map_err(|reason| Error::InvalidOption { option: "token", reason })?;
        let tokens = Some(Arc::new(tokens));
        Self::with(url, ExchangeOptions { tokens, ..ExchangeOptions::default() })
    }

    /// As [`new`](Self::new), for a peer at `https://host:port` (feature `tls`).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if `url` is of another form.
    #[cfg(feature = "tls")]
    pub fn with_tls(url: &str, tls: crate::http::tls::TlsConfig) -> Result<Self, Error> {
        Self::with(url, ExchangeOptions { tls: Some(tls), ..ExchangeOptions::default() })
    }

    fn with(url: &str, exchange: ExchangeOptions) -> Result<Self, Error> {
        Self::of(url, PeerOptions { exchange, ..PeerOptions::default() })
    }

    pub(crate) fn of(url: &str, options: PeerOptions) -> Result<Self, Error> {
        let url = PeerUrl::parse(url)?.for_scheme(options.exchange.scheme())?;
        // Callers of a getter bound their calls themselves.
        let options = PeerOptions { max_requests: NonZeroUsize::MAX, ..options };
        Ok(Self { peer: Peer::without_breaker(url, options) })
    }

    /// What the peer's port answers at `path`, outside of the base path: one of its
    /// [status pages](crate::StatusPages), such as `/metrics`. At most 16 MiB.
    ///
    /// # Errors
    ///
    /// Why there is no page: one of the kind `NotSupported` if the peer is no peer of this crate.
    pub fn page(&self, path: &str) -> Result<ByteView, PeerError> {
        self.peer.page(path, MAX_PAGE_BYTES, self.peer.timeout())
    }

    /// The peer's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.peer.name()
    }
}

impl PeerGetter for HttpGetter {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.peer.get(group, key)
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        self.peer.get_timeout(group, key, timeout)
    }

    fn get_many(&self, group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        self.peer.get_many(group, keys, tell);
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
        tell: TellAnswer<'_>,
    ) {
        self.peer.get_many_timeout(group, keys, timeout, tell);
    }

    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.peer.peek(group, key)
    }

    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        self.peer.peek_many(group, keys)
    }

    fn name(&self) -> &str {
        self.url()
    }

    fn remove(&self, group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        self.peer.remove(group, keys, stamp)
    }

    fn remove_tags(&self, group: &str, tags: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        self.peer.remove_tags(group, tags, stamp)
    }

    fn clear(&self, group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        self.peer.clear(group, stamp)
    }

    fn insert(
        &self,
        group: &str,
        key: &str,
        value: &Loaded,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        self.peer.insert(group, key, value, stamp)
    }

    fn changes_since(
        &self,
        group: &str,
        mark: Option<ChangeMark>,
    ) -> Result<ChangesSince, PeerError> {
        self.peer.changes_since(group, mark)
    }
}

impl fmt::Debug for HttpGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGetter").field("url", self.peer.url()).finish_non_exhaustive()
    }
}
