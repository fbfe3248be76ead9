//! [`TinyShared`]: what the threads of a tiny_http server share.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::http::server::in_flight::InFlight;
use crate::http::server::limits::Limits;
use crate::http::server::listener::own_addr;
use crate::http::server::message::{Handler, HttpResponse};
use crate::http::server::tiny::ended::Ended;
use crate::sync::lock;

/// Connections that are told apart from new ones.
const KNOWN_CLIENTS: usize = 4096;

/// What the supervisor and all handler threads share.
pub(super) struct TinyShared {
    pub(super) limits: Limits,
    pub(super) handler: Arc<dyn Handler>,
    /// Where this process reaches its own listener.
    pub(super) addr: SocketAddr,
    pub(super) stopping: AtomicBool,
    pub(super) started: Instant,
    /// When the latest request came, in milliseconds after `started`.
    pub(super) last_request_ms: AtomicU64,
    /// The clients of the latest requests, each at the place that its port gives it.
    pub(super) known: Box<[AtomicU64]>,
    /// Requests from clients that were not known, since the supervisor last looked.
    pub(super) newcomers: AtomicUsize,
    /// Whether the supervisor takes its long naps, so that the next request has to wake it.
    pub(super) napping: AtomicBool,
    pub(super) nap: Mutex<bool>,
    pub(super) wake: Condvar,
    pub(super) ended: Ended,
    /// Requests that have a handler.
    pub(super) in_flight: AtomicUsize,
    /// Requests that wait for their clients: for a body, or to be rid of a long answer.
    moving: AtomicUsize,
    pub(super) requests: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) accept_restarts: AtomicU64,
    pub(super) abandoned: AtomicU64,
}

impl TinyShared {
    pub(super) fn new(
        listener: &TcpListener,
        limits: Limits,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        let ended = Ended::new(limits.idle);
        Ok(Self {
            limits,
            handler,
            addr: own_addr(listener)?,
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            last_request_ms: AtomicU64::new(0),
            known: (0..KNOWN_CLIENTS).map(|_| AtomicU64::new(0)).collect(),
            newcomers: AtomicUsize::new(0),
            napping: AtomicBool::new(false),
            nap: Mutex::new(false),
            wake: Condvar::new(),
            ended,
            in_flight: AtomicUsize::new(0),
            moving: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            accept_restarts: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
        })
    }

    /// Notes that a request came from `client`.
    pub(super) fn saw_request(&self, client: Option<&SocketAddr>) {
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

    /// Counts a request that gets a handler, if there may be one more.
    pub(super) fn enter_in_flight(&self) -> Option<InFlight<'_>> {
        InFlight::enter(&self.in_flight, self.limits.max_in_flight)
    }

    /// Counts a request that may have to wait for its client, if there may be one more. There may
    /// be as many as have handlers.
    pub(super) fn enter_moving(&self) -> Option<InFlight<'_>> {
        InFlight::enter(&self.moving, self.limits.max_in_flight)
    }

    /// Whether no request waits for a handler, for one to end, or for its client.
    pub(super) fn is_drained(&self) -> bool {
        // A request waits for its body, has a handler, and waits for its client to read, and is
        // counted in the next place before it leaves the last. So one of three looks sees it.
        [&self.moving, &self.in_flight, &self.moving]
            .iter()
            .all(|count| count.load(Ordering::SeqCst) == 0)
    }

    /// The answer to a request that can't be taken for `reason`.
    pub(super) fn reject(&self, reason: &'static str) -> HttpResponse {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.handler.overloaded(reason)
    }

    /// Whether a request came within `time`.
    pub(super) fn has_traffic_within(&self, time: Duration) -> bool {
        let last_ms = self.last_request_ms.load(Ordering::SeqCst);
        self.requests.load(Ordering::SeqCst) > 0
            && self.started.elapsed() < Duration::from_millis(last_ms) + time
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(super) fn wake_supervisor(&self) {
        *lock(&self.nap) = true;
        self.wake.notify_all();
    }

    /// Waits for a quiet time of `quiet`, or until a request ends it.
    pub(super) fn nap_while_quiet(&self, quiet: Duration, traffic: Duration) {
        self.napping.store(true, Ordering::SeqCst);
        // A request that did not see the flag yet is seen here, and one that comes later sees the
        // flag.
        if !self.has_traffic_within(traffic) {
            self.nap(quiet);
        }
        self.napping.store(false, Ordering::SeqCst);
    }

    /// Waits for `time`, or until something wakes the supervisor.
    pub(super) fn nap(&self, time: Duration) {
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
