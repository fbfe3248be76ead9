//! [`ExchangeOptions`]: how long an exchange may take, and what it keeps.

use std::sync::Arc;
use std::time::Duration;

use crate::http::budget::Budget;
use crate::http::exchange::dialer::Dialer;
use crate::http::exchange::sweeper::Sweeper;
use crate::http::identity::Identity;
use crate::http::time::PoolClock;
use crate::http::tls::TlsConfig;
use crate::http::token::Tokens;
use crate::http::url::PeerScheme;
use crate::spans::TraceparentSource;

/// How to reach a peer.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeOptions {
    /// How long a connection may take to open.
    pub(crate) connect_timeout: Duration,
    /// How long a request may take in all. A caller may have less time, and never gets more.
    pub(crate) timeout: Duration,
    /// How many connections are kept while they have nothing to do.
    pub(crate) max_idle_connections: usize,
    /// How old a connection may become.
    pub(crate) max_connection_age: Duration,
    /// Who asks.
    pub(crate) identity: Arc<Identity>,
    /// What requests show to be let in.
    pub(crate) tokens: Option<Arc<Tokens>>,
    /// How connections are made that nobody can listen to.
    pub(crate) tls: Option<TlsConfig>,
    /// Who closes those that nobody uses any more.
    pub(crate) sweeper: Sweeper,
    /// The memory for answers.
    pub(crate) budget: Arc<Budget>,
    /// Who opens the connections.
    pub(crate) dialer: Dialer,
    /// By which is decided what is done later.
    pub(crate) clock: PoolClock,
    /// Which trace a request belongs to.
    pub(crate) traceparent: TraceparentSource,
}

impl Default for ExchangeOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_millis(250),
            timeout: Duration::from_secs(2),
            max_idle_connections: 64,
            max_connection_age: Duration::from_secs(60),
            identity: Arc::default(),
            tokens: None,
            tls: None,
            sweeper: Sweeper::default(),
            budget: Arc::default(),
            dialer: Dialer::default(),
            clock: PoolClock::default(),
            traceparent: TraceparentSource::default(),
        }
    }
}

impl ExchangeOptions {
    /// How peers are talked to.
    pub(crate) fn scheme(&self) -> PeerScheme {
        if self.tls.is_some() { PeerScheme::Https } else { PeerScheme::Http }
    }
}
