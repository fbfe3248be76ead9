//! [`Service`]: the answering half of a pool.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::http::handler::PeerHandler;
use crate::http::server::{Handler, Limits, Running, Server};
use crate::http::tls::TlsConfig;
use crate::sync::lock;

/// A server, and the handler that it calls. It serves until it is shut down or dropped.
pub(super) struct Service {
    state: Mutex<State>,
    /// Told of each change of `state`.
    changed: Condvar,
    handler: Arc<PeerHandler>,
    local_addr: SocketAddr,
}

enum State {
    Serving(Box<dyn Running>),
    /// Somebody waits for the requests in flight.
    Stopping,
    Stopped,
}

impl State {
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
        handler: PeerHandler,
    ) -> io::Result<Self> {
        let handler = Arc::new(handler);
        let answers = Arc::clone(&handler) as Arc<dyn Handler>;
        let running = server.start(listener, limits, tls, answers)?;
        log::info!("{} serves at {local_addr}", handler.name());
        let (state, changed) = (Mutex::new(State::Serving(running)), Condvar::new());
        Ok(Self { state, changed, handler, local_addr })
    }

    /// How many requests it has turned away.
    pub(super) fn turned_away(&self) -> u64 {
        self.handler.door().turned_away()
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Whether nobody has shut it down yet.
    pub(super) fn is_serving(&self) -> bool {
        lock(&self.state).is_serving()
    }

    /// Waits for as long as `time`, or until it is shut down.
    pub(super) fn stay(&self, time: Duration) {
        let state = lock(&self.state);
        let stayed = self.changed.wait_timeout_while(state, time, |state| state.is_serving());
        drop(stayed.unwrap_or_else(PoisonError::into_inner));
    }

    /// Stops serving, and lets go of the groups. Calls after the first wait for its end.
    pub(super) fn shutdown(&self) {
        let mut state = lock(&self.state);
        if state.is_serving() {
            let before = std::mem::replace(&mut *state, State::Stopping);
            drop(state);
            self.changed.notify_all();
            let _stopped = WhenStopped(self);
            if let State::Serving(running) = before {
                running.shutdown();
            }
            self.handler.close();
            log::info!("{} has stopped serving", self.handler.name());
        } else {
            let waits = |state: &mut State| !matches!(state, State::Stopped);
            let stopped = self.changed.wait_while(state, waits);
            drop(stopped.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Says that the service has stopped, also where that panics.
struct WhenStopped<'a>(&'a Service);

impl Drop for WhenStopped<'_> {
    fn drop(&mut self) {
        *lock(&self.0.state) = State::Stopped;
        self.0.changed.notify_all();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown();
    }
}
