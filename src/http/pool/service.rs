//! [`Service`]: the answering half of a pool.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::http::handler::PeerHandler;
use crate::http::server::{Handler, Limits, Running, Server};
use crate::sync::lock;

/// A server, and the handler that it calls. It serves until it is shut down or dropped.
pub(super) struct Service {
    /// `None` after the end.
    running: Mutex<Option<Box<dyn Running>>>,
    /// Told when `running` was taken.
    stopped: Condvar,
    handler: Arc<PeerHandler>,
    local_addr: SocketAddr,
}

impl Service {
    /// Serves what arrives at `listener`, which listens at `local_addr`.
    pub(super) fn start(
        server: Server,
        (listener, local_addr): (TcpListener, SocketAddr),
        limits: Limits,
        handler: PeerHandler,
    ) -> io::Result<Self> {
        let handler = Arc::new(handler);
        let running = server.start(listener, limits, Arc::clone(&handler) as Arc<dyn Handler>)?;
        log::info!("{} serves at {local_addr}", handler.name());
        let (running, stopped) = (Mutex::new(Some(running)), Condvar::new());
        Ok(Self { running, stopped, handler, local_addr })
    }

    /// How many requests it has turned away.
    pub(super) fn turned_away(&self) -> u64 {
        self.handler.door().turned_away()
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits for as long as `time`, or until it is shut down.
    pub(super) fn stay(&self, time: Duration) {
        let running = lock(&self.running);
        let stayed = self.stopped.wait_timeout_while(running, time, |running| running.is_some());
        drop(stayed.unwrap_or_else(PoisonError::into_inner));
    }

    /// Stops serving, and lets go of the groups. Calls after the first do nothing.
    pub(super) fn shutdown(&self) {
        let running = lock(&self.running).take();
        self.stopped.notify_all();
        if let Some(running) = running {
            running.shutdown();
            self.handler.close();
            log::info!("{} has stopped serving", self.handler.name());
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown();
    }
}
