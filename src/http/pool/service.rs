//! [`Service`]: the answering half of a pool.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::http::handler::{HandedOver, PeerHandler};
use crate::http::server::{self, Handler, Limits, Running, Server};
use crate::http::status::Monitor;
use crate::http::tls::TlsConfig;
use crate::sync::lock;

/// A server, and the handler that it calls. It serves until it is shut down or dropped.
pub(super) struct Service {
    stage: Mutex<Stage>,
    /// Told of each change of `stage`.
    changed: Condvar,
    handler: Arc<PeerHandler>,
    monitor: Arc<Monitor>,
    local_addr: SocketAddr,
    handed_over: Arc<HandedOver>,
}

enum Stage {
    Serving(Arc<dyn Running>),
    /// Somebody waits for the requests in flight.
    Stopping,
    Stopped,
}

impl Stage {
    fn is_serving(&self) -> bool {
        matches!(self, Self::Serving(_))
    }
}

impl Service {
    /// Serves what arrives at `listener`, which listens at `local_addr`.
    pub(super) fn start(
        server: Server,
        (listener, local_addr): (TcpListener, SocketAddr),
        limits: Limits,
        tls: Option<TlsConfig>,
        (handler, monitor, handed_over): (PeerHandler, Arc<Monitor>, Arc<HandedOver>),
    ) -> io::Result<Self> {
        let handler = Arc::new(handler);
        let answers = Arc::clone(&handler) as Arc<dyn Handler>;
        let running = server.start(listener, limits, tls, answers)?;
        monitor.watch(&running);
        log::info!("{} serves at {local_addr}", handler.name());
        let (stage, changed) = (Mutex::new(Stage::Serving(running)), Condvar::new());
        Ok(Self { stage, changed, handler, monitor, local_addr, handed_over })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Which new owners have got what is theirs.
    pub(super) fn handed_over(&self) -> &HandedOver {
        &self.handed_over
    }

    /// Whether nobody has shut it down yet.
    pub(super) fn is_serving(&self) -> bool {
        lock(&self.stage).is_serving()
    }

    /// Waits for as long as `time`, or until it is shut down.
    pub(super) fn stay(&self, time: Duration) {
        let stage = lock(&self.stage);
        let stayed = self.changed.wait_timeout_while(stage, time, |stage| stage.is_serving());
        drop(stayed.unwrap_or_else(PoisonError::into_inner));
    }

    /// Stops serving, and lets go of the groups. Calls after the first wait for its end.
    pub(super) fn shutdown(&self) {
        let mut stage = lock(&self.stage);
        if stage.is_serving() {
            let before = std::mem::replace(&mut *stage, Stage::Stopping);
            drop(stage);
            self.changed.notify_all();
            self.monitor.begin_drain();
            let _stopped = WhenStopped(self);
            if let Stage::Serving(running) = before {
                running.shutdown();
            }
            self.handler.close();
            log::info!("{} has stopped serving", self.handler.name());
        } else {
            let waits = |stage: &mut Stage| !matches!(stage, Stage::Stopped);
            let stopped = self.changed.wait_while(stage, waits);
            drop(stopped.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Says that the service has stopped, also where that panics.
struct WhenStopped<'a>(&'a Service);

impl Drop for WhenStopped<'_> {
    fn drop(&mut self) {
        *lock(&self.0.stage) = Stage::Stopped;
        self.0.changed.notify_all();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// A listener at `addr`, and the address that it has.
pub(super) fn listen(
    addr: impl ToSocketAddrs + fmt::Debug,
) -> Result<(TcpListener, SocketAddr), Error> {
    let mut shown = format!("{addr:?}").trim_matches('"').to_owned();
    let bound = addr.to_socket_addrs().map_err(in_words).and_then(|addrs| {
        let addrs: Vec<SocketAddr> = addrs.collect();
        shown = addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let listener = server::bind(&addrs[..])?;
        let local_addr = listener.local_addr()?;
        Ok((listener, local_addr))
    });
    bound.map_err(|error| Error::Bind { addr: shown, source: Arc::new(error) })
}

/// What the standard library says of a text that is no address does not tell what it lacks.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::InvalidInput {
        return error;
    }
    io::Error::new(error.kind(), format!("{error}; it is host:port, such as 127.0.0.1:8001"))
}
