//! [`GuardedShared`]: what the threads of a guarded server share.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::http::server::guarded::connections::Connections;
use crate::http::server::guarded::handshakes::Handshakes;
use crate::http::server::limits::Limits;
use crate::http::server::listener::own_addr;
use crate::http::server::message::{Handler, Headers, HttpResponse};
use crate::http::tls::TlsConfig;

/// What the accepting thread and the threads of all connections share.
pub(super) struct GuardedShared {
    pub(super) limits: Limits,
    pub(super) handler: Arc<dyn Handler>,
    /// Where this process reaches its own listener.
    pub(super) addr: SocketAddr,
    pub(super) stopping: AtomicBool,
    pub(super) connections: Connections,
    pub(super) handshakes: Handshakes,
    pub(super) in_flight: AtomicUsize,
    pub(super) requests: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) accept_restarts: AtomicU64,
}

impl GuardedShared {
    pub(super) fn new(
        listener: &TcpListener,
        limits: Limits,
        tls: Option<TlsConfig>,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        let handshakes = Handshakes::new(tls, Arc::clone(&limits.client_repeats));
        Ok(Self {
            limits,
            handler,
            addr: own_addr(listener)?,
            stopping: AtomicBool::new(false),
            connections: Connections::default(),
            handshakes,
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            accept_restarts: AtomicU64::new(0),
        })
    }

    /// The answer to what can't be taken for `reason`.
    pub(super) fn reject(&self, reason: &'static str) -> HttpResponse {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.handler.overloaded(reason)
    }

    /// How long a request with these headers may wait for a share of the memory.
    pub(super) fn patience(&self, headers: &dyn Headers) -> Duration {
        let patience = self.handler.patience(headers);
        patience.map_or(self.limits.io, |patience| patience.min(self.limits.io))
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}
