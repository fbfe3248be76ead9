//! A server for load and for networks that are not trusted, on std and httparse.
//!
//! Each connection has a thread, which reads, handles and answers one request after the other: no
//! request changes threads, and one `recv` and one `send` serve it. Connections are capped; when
//! there is one too many, the one that has been idle for longest makes room. Everything that a
//! client can make longer (heads, bodies, pauses, answers that it does not read) has a limit.

mod bodies;
mod connection;
mod connections;
mod head;

use std::{
    collections::VecDeque,
    fmt, io,
    io::Write as _,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::SockRef;

use self::{
    bodies::Bodies,
    connections::{Connections, Line},
};
use super::{
    Handler, Health, Limits, Response, Running,
    answer::{self, write_head},
    connect_to_self, own_addr, set_inherited,
};
use crate::sync::lock;

#[cfg(feature = "unstable-bench")]
pub(crate) use self::head::fuzz::drive as fuzz_head;

/// The least and the longest pause after an `accept` that failed for want of something.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// How long connections may take to end once a shutdown has cut them off.
const CUT_OFF: Duration = Duration::from_millis(500);

/// Connections that are kept for a moment after they were turned away. A socket that is closed with
/// an unread request resets its connection, and the client might never see the 503.
const TURNED_AWAY: usize = 32;

/// A running guarded server.
pub(super) struct Guarded {
    shared: Arc<Shared>,
    running: Mutex<Option<(TcpListener, JoinHandle<()>)>>,
}

/// What the accepting thread and the threads of all connections share.
struct Shared {
    limits: Limits,
    handler: Arc<dyn Handler>,
    /// Where this process reaches its own listener.
    addr: SocketAddr,
    stopping: AtomicBool,
    connections: Connections,
    bodies: Bodies,
    in_flight: AtomicUsize,
    requests: AtomicU64,
    rejected: AtomicU64,
    accept_restarts: AtomicU64,
}

impl Guarded {
    /// Serves what arrives at `listener`.
    pub(super) fn start(
        listener: TcpListener,
        limits: Limits,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        set_inherited(&listener)?;
        let shared = Arc::new(Shared {
            bodies: Bodies::new(limits.max_body_bytes.saturating_add(limits.max_head_bytes)),
            limits,
            handler,
            addr: own_addr(&listener)?,
            stopping: AtomicBool::new(false),
            connections: Connections::default(),
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            accept_restarts: AtomicU64::new(0),
        });
        let (accepting, accepted) = (Arc::clone(&shared), listener.try_clone()?);
        let thread = thread::Builder::new()
            .name("geecache-accept".to_owned())
            .spawn(move || accepting.accept_all(&accepted))?;
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

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Accepts until the shutdown.
    fn accept_all(self: Arc<Self>, listener: &TcpListener) {
        let mut pause = Duration::ZERO;
        let mut turned_away = VecDeque::with_capacity(TURNED_AWAY);
        while !self.is_stopping() {
            match listener.accept() {
                Ok((stream, _)) => {
                    pause = Duration::ZERO;
                    if !self.is_stopping() {
                        self.admit(stream, &mut turned_away);
                    }
                }
                // A signal, or a client that thought better of it.
                Err(error) if is_passing(&error) => {}
                Err(_) if self.is_stopping() => {}
                Err(error) => {
                    if pause.is_zero() {
                        log::warn!("can't accept at {}: {error}", self.addr);
                        self.accept_restarts.fetch_add(1, Ordering::Relaxed);
                        pause = ACCEPT_PAUSE.0;
                    }
                    // Most likely descriptors are lacking, and some connections have one to give.
                    turned_away.clear();
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.connections.end_oldest_idle();
                    }
                    // The shutdown waits for this pause; it is short.
                    thread::sleep(pause);
                    pause = (pause * 2).min(ACCEPT_PAUSE.1);
                }
            }
        }
    }

    /// Gives `stream` a thread, or turns it away.
    fn admit(self: &Arc<Self>, stream: TcpStream, turned_away: &mut VecDeque<Arc<Line>>) {
        let is_full = self.connections.len() >= self.limits.max_connections;
        let has_room = !is_full || self.connections.end_oldest_idle();
        let member = self.connections.enter(stream);
        let line = member.line();
        let shared = Arc::clone(self);
        let has_thread = has_room && {
            let spawned = thread::Builder::new()
                .name("geecache-connection".to_owned())
                .spawn(move || connection::serve(&shared, &member));
            spawned
                .inspect_err(|error| {
                    log::warn!("no thread for a connection at {}: {error}", self.addr);
                })
                .is_ok()
        };
        if !has_thread {
            self.turn_away(line.socket());
            if turned_away.len() == TURNED_AWAY {
                turned_away.pop_front();
            }
            turned_away.push_back(line);
        }
    }

    /// Answers a 503 without waiting for the request.
    fn turn_away(&self, mut stream: &TcpStream) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        let response = Response::text(503, "too many connections\n");
        let mut bytes = Vec::with_capacity(256);
        write_head(&mut bytes, &response, answer::Connection::Close);
        bytes.extend_from_slice(&response.body);
        // Into the empty buffer of a new socket; if that fails, the end of the connection says
        // enough.
        let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&bytes));
        let _ = stream.shutdown(Shutdown::Write);
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
