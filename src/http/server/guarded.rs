//! A server for load and for networks that are not trusted, on std and httparse.
//!
//! Each connection has a thread, which reads, handles and answers one request after the other: no
//! request changes threads, and one `recv` and one `send` serve it. Connections are capped; when
//! there is one too many, the one that has been idle for longest makes room. Everything that a
//! client can make longer (heads, bodies, pauses, answers that it does not read) has a limit.
//!
//! It is the one that can speak TLS. Handshakes have a deadline of their own, on the thread of
//! their connection; when there are too many, the oldest makes room.

mod accept;
mod connection;
mod connections;
mod handshakes;
mod head;
mod opening;
mod receiving;
mod shared;
mod stream;

#[cfg(feature = "unstable-bench")]
pub(crate) use head::fuzz::drive as fuzz_head;

use std::fmt;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use shared::GuardedShared;

use crate::http::server::limits::Limits;
use crate::http::server::listener::{connect_to_self, set_inherited};
use crate::http::server::message::Handler;
use crate::http::server::running::{Health, Running};
use crate::http::tls::TlsConfig;
use crate::sync::lock;

/// How long connections may take to end once a shutdown has cut them off.
const CUT_OFF: Duration = Duration::from_millis(500);

/// A running guarded server.
pub(super) struct Guarded {
    shared: Arc<GuardedShared>,
    running: Mutex<Option<(TcpListener, JoinHandle<()>)>>,
}

impl Guarded {
    /// Serves what arrives at `listener`, over TLS if it is told how.
    pub(super) fn start(
        listener: TcpListener,
        limits: Limits,
        tls: Option<TlsConfig>,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        set_inherited(&listener)?;
        let shared = Arc::new(GuardedShared::new(&listener, limits, tls, handler)?);
        let (accepting, accepted) = (Arc::clone(&shared), listener.try_clone()?);
        let thread = thread::Builder::new()
            .name("geecache-accept".to_owned())
            .spawn(move || accept::accept_all(&accepting, &accepted))?;
        Ok(Self { shared, running: Mutex::new(Some((listener, thread))) })
    }
}

impl Running for Guarded {
    fn shutdown(&self) {
        let Some((listener, thread)) = lock(&self.running).take() else { return };
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        // On Linux this wakes `accept` and refuses new connections from now on; elsewhere the
        // connection wakes it.
        if SockRef::from(&listener).shutdown(Shutdown::Both).is_err() {
            drop(connect_to_self(shared.addr));
        }
        drop(listener);
        if thread.join().is_err() {
            log::error!("the thread that accepted connections at {} had panicked", shared.addr);
        }
        shared.connections.end_idle();
        if !shared.connections.wait_until_empty(Instant::now() + shared.limits.drain) {
            log::warn!("requests at {} were still in flight when it shut down", shared.addr);
            shared.connections.cut_off();
            shared.connections.wait_until_empty(Instant::now() + CUT_OFF);
        }
    }

    fn health(&self) -> Health {
        let shared = &self.shared;
        Health {
            requests: shared.requests.load(Ordering::Relaxed),
            in_flight: shared.in_flight.load(Ordering::Relaxed),
            connections: Some(shared.connections.len()),
            handshakes: shared.handshakes.len(),
            rejected: shared.rejected.load(Ordering::Relaxed),
            accept_restarts: shared.accept_restarts.load(Ordering::Relaxed),
            abandoned: 0,
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("addr", &self.shared.addr)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
