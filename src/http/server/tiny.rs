//! The server of the `tiny_http` crate, with its known faults mended from outside.
//!
//! What needs mending (all of it in tiny_http 0.12): its thread pool can queue a connection behind
//! threads that are already spoken for, where it waits until some other connection ends; an error
//! of `accept` ends the accepting thread, and a lack of descriptors can panic it without a word;
//! sockets have no timeouts; and a server that is dropped leaves open connections unanswered. So a
//! [`Supervisor`] frees starved connections and replaces a server that stopped accepting,
//! [`Generation`]s bring the handler threads, and timeouts are set on the listener, from which
//! sockets inherit them on Linux.

mod ended;
mod fate;
mod generation;
mod serve;
mod shared;
mod supervisor;
mod turn;

use std::fmt;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use generation::Generation;
use shared::TinyShared;
use supervisor::Supervisor;

use crate::http::server::limits::Limits;
use crate::http::server::listener::set_inherited;
use crate::http::server::message::Handler;
use crate::http::server::running::{Health, Running};
use crate::sync::lock;

/// How often a shutdown looks whether the requests in flight are answered.
const DRAIN_POLL: Duration = Duration::from_millis(2);

/// A running tiny_http server.
pub(super) struct Tiny {
    shared: Arc<TinyShared>,
    supervisor: Mutex<Option<Supervising>>,
    /// The listening socket itself, to shut it down; gone after the shutdown.
    listener: Mutex<Option<TcpListener>>,
}

impl Tiny {
    /// Serves what arrives at `listener`.
    pub(super) fn start(
        listener: TcpListener,
        limits: Limits,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        set_inherited(&listener)?;
        let socket = SockRef::from(&listener);
        // The read timeout also ends an `accept` that waits for longer; the supervisor connects
        // often enough to prevent that.
        socket.set_read_timeout(Some(limits.idle))?;
        socket.set_write_timeout(Some(limits.io))?;
        let shared = Arc::new(TinyShared::new(&listener, limits, handler)?);
        let supervisor = supervise(&shared, &listener).inspect_err(|_| {
            // A thread of tiny_http may accept already, and would hold the port. When its server
            // is dropped it is woken by a connection, for which there may be no descriptor.
            end_accepting(&shared, &listener);
        })?;
        Ok(Self {
            shared,
            supervisor: Mutex::new(Some(supervisor)),
            listener: Mutex::new(Some(listener)),
        })
    }
}

/// What the thread of a [`Supervisor`] ends with.
type Supervising = JoinHandle<Vec<Arc<Generation>>>;

/// Starts all threads.
fn supervise(shared: &Arc<TinyShared>, listener: &TcpListener) -> io::Result<Supervising> {
    let (accepted, kept) = (listener.try_clone()?, listener.try_clone()?);
    let first = Generation::start(shared, accepted)?;
    let supervisor = Supervisor::new(Arc::clone(shared), kept, Arc::clone(&first));
    thread::Builder::new()
        .name("geecache-supervisor".to_owned())
        .spawn(move || supervisor.run())
        .inspect_err(|_| first.end())
}

/// Refuses new connections from now on, and ends `accept` in every clone of the listener.
fn end_accepting(shared: &TinyShared, listener: &TcpListener) {
    // Where it fails, as it may on other systems than Linux, connections are accepted, answered
    // and told to close until the generations end.
    if let Err(error) = SockRef::from(listener).shutdown(Shutdown::Both) {
        log::debug!("the listener at {} can't be shut down: {error}", shared.addr);
    }
}

impl Running for Tiny {
    fn shutdown(&self) {
        let Some(listener) = lock(&self.listener).take() else { return };
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        end_accepting(shared, &listener);
        drop(listener);
        shared.wake_supervisor();
        let supervisor = lock(&self.supervisor).take();
        let generations = supervisor.and_then(|thread| thread.join().ok()).unwrap_or_default();

        let deadline = Instant::now() + shared.limits.drain;
        while !shared.is_drained() && Instant::now() < deadline {
            thread::sleep(DRAIN_POLL);
        }

        // A connection can't be closed from outside tiny_http. Peers that keep one open get an
        // answer to their next request, and with it the word to close; when the read timeout is
        // over, the last connection is gone.
        let linger = shared.limits.idle + Duration::from_secs(1);
        let end_all = move || generations.iter().for_each(|generation| generation.end());
        let last = end_all.clone();
        let lingering =
            thread::Builder::new().name("geecache-linger".to_owned()).spawn(move || {
                thread::sleep(linger);
                end_all();
            });
        if lingering.is_err() {
            last();
        }
    }

    fn health(&self) -> Health {
        let shared = &self.shared;
        Health {
            requests: shared.requests.load(Ordering::Relaxed),
            in_flight: shared.in_flight.load(Ordering::Relaxed),
            handshakes: 0,
            connections: None,
            rejected: shared.rejected.load(Ordering::Relaxed),
            accept_restarts: shared.accept_restarts.load(Ordering::Relaxed),
            abandoned: shared.abandoned.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Tiny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiny")
            .field("addr", &self.shared.addr)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
