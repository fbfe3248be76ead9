//! The server of the `tiny_http` crate, with its known faults mended from outside.
//!
//! What needs mending (all of it in tiny_http 0.12): its thread pool can queue a connection behind
//! threads that are already spoken for, where it waits until some other connection ends; an error
//! of `accept` ends the accepting thread, and a lack of descriptors can panic it without a word;
//! sockets have no timeouts; and a server that is dropped leaves open connections unanswered. So a
//! [`Supervisor`] frees starved connections and replaces a server that stopped accepting,
//! [`Generation`]s bring the handler threads, and timeouts are set on the listener, from which
//! sockets inherit them on Linux.

mod generation;
mod supervisor;

use std::{
    fmt, io,
    net::{IpAddr, Shutdown, SocketAddr, TcpListener},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::SockRef;

use self::{generation::Generation, supervisor::Supervisor};
use super::{Handler, Health, Limits, Running, own_addr, set_inherited};
use crate::sync::lock;

/// How often a shutdown looks whether the requests in flight are answered.
const DRAIN_POLL: Duration = Duration::from_millis(2);

/// Connections that are told apart from new ones.
const KNOWN_CLIENTS: usize = 4096;

/// A running tiny_http server.
pub(super) struct Tiny {
    shared: Arc<Shared>,
    supervisor: Mutex<Option<JoinHandle<Vec<Arc<Generation>>>>>,
    /// The listening socket itself, to shut it down; gone after the shutdown.
    listener: Mutex<Option<TcpListener>>,
}

/// What the supervisor and all handler threads share.
struct Shared {
    limits: Limits,
    handler: Arc<dyn Handler>,
    /// Where this process reaches its own listener.
    addr: SocketAddr,
    stopping: AtomicBool,
    started: Instant,
    /// When the latest request came, in milliseconds after `started`.
    last_request_ms: AtomicU64,
    /// The clients of the latest requests, each at the place that its port gives it.
    known: Box<[AtomicU64]>,
    /// Requests from clients that were not known, since the supervisor last looked.
    newcomers: AtomicUsize,
    /// Whether the supervisor takes its long naps, so that the next request has to wake it.
    napping: AtomicBool,
    nap: Mutex<bool>,
    wake: Condvar,
    in_flight: AtomicUsize,
    requests: AtomicU64,
    rejected: AtomicU64,
    accept_restarts: AtomicU64,
    abandoned: AtomicU64,
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
        let shared = Arc::new(Shared {
            limits,
            handler,
            addr: own_addr(&listener)?,
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            last_request_ms: AtomicU64::new(0),
            known: (0..KNOWN_CLIENTS).map(|_| AtomicU64::new(0)).collect(),
            newcomers: AtomicUsize::new(0),
            napping: AtomicBool::new(false),
            nap: Mutex::new(false),
            wake: Condvar::new(),
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            accept_restarts: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
        });
        let first = Generation::start(&shared, listener.try_clone()?)?;
        let supervisor =
            Supervisor::new(Arc::clone(&shared), listener.try_clone()?, Arc::clone(&first));
        let thread = thread::Builder::new()
            .name("geecache-supervisor".to_owned())
            .spawn(move || supervisor.run())
            .inspect_err(|_| first.end())?;
        Ok(Self {
            shared,
            supervisor: Mutex::new(Some(thread)),
            listener: Mutex::new(Some(listener)),
        })
    }
}

impl Running for Tiny {
    fn shutdown(&self) {
        let Some(listener) = lock(&self.listener).take() else { return };
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        // On Linux this ends `accept` in every clone of the listener and refuses new connections
        // from now on. Elsewhere it may fail; then connections are accepted, answered and told to
        // close until the generations end.
        if let Err(error) = SockRef::from(&listener).shutdown(Shutdown::Both) {
            log::debug!("the listener at {} can't be shut down: {error}", shared.addr);
        }
        drop(listener);
        shared.wake_supervisor();
        let supervisor = lock(&self.supervisor).take();
        let generations = supervisor.and_then(|thread| thread.join().ok()).unwrap_or_default();

        let deadline = Instant::now() + shared.limits.drain;
        while shared.in_flight.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
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

impl Shared {
    /// Notes that a request came from `client`.
    fn saw_request(&self, client: Option<&SocketAddr>) {
        if let Some(client) = client {
            let id = u64::from(client.port()) | host_bits(client.ip()) << 16;
            let known = &self.known[usize::from(client.port()) % KNOWN_CLIENTS];
            if known.load(Ordering::Relaxed) != id {
                known.store(id, Ordering::Relaxed);
                self.newcomers.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.last_request_ms.store(self.elapsed_ms(), Ordering::SeqCst);
        self.requests.fetch_add(1, Ordering::SeqCst);
        // Only the first request after a quiet time pays for waking the supervisor.
        if self.napping.load(Ordering::SeqCst) && self.napping.swap(false, Ordering::SeqCst) {
            self.wake_supervisor();
        }
    }

    /// Whether a request came within `time`.
    fn has_traffic_within(&self, time: Duration) -> bool {
        let last_ms = self.last_request_ms.load(Ordering::SeqCst);
        self.requests.load(Ordering::SeqCst) > 0
            && self.started.elapsed() < Duration::from_millis(last_ms) + time
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn wake_supervisor(&self) {
        *lock(&self.nap) = true;
        self.wake.notify_all();
    }

    /// Waits for a quiet time of `quiet`, or until a request ends it.
    fn nap_while_quiet(&self, quiet: Duration, traffic: Duration) {
        self.napping.store(true, Ordering::SeqCst);
        // A request that did not see the flag yet is seen here, and one that comes later sees the
        // flag.
        if !self.has_traffic_within(traffic) {
            self.nap(quiet);
        }
        self.napping.store(false, Ordering::SeqCst);
    }

    /// Waits for `time`, or until somebody wakes the supervisor.
    fn nap(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut woken = lock(&self.nap);
        while !*woken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            woken = match self.wake.wait_timeout(woken, left) {
                Ok((woken, _)) => woken,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        *woken = false;
    }
}

/// Enough of an address to tell the few clients apart that share a place.
fn host_bits(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() ^ ip.to_bits() >> 64) as u64,
    }
}
