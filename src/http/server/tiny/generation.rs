//! One `tiny_http::Server` and the threads that handle its requests.

use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::http::server::tiny::fate::Fate;
use crate::http::server::tiny::serve::serve;
use crate::http::server::tiny::shared::TinyShared;
use crate::http::server::tiny::turn::Turn;

/// Idle handler threads that are kept for the next requests; one in a generation that was replaced.
const KEPT_IDLE: usize = 4;

/// How long a handler thread beyond those waits for a request before it ends.
const IDLE_THREAD: Duration = Duration::from_secs(10);

/// A `tiny_http::Server` with its handler threads. When accepting ends, a new generation takes over
/// the listener, and the old one goes on to answer the connections that it has.
pub(super) struct Generation {
    server: tiny_http::Server,
    turn: Turn,
    /// Threads that wait for a request.
    idle: AtomicUsize,
    /// All handler threads.
    threads: AtomicUsize,
    kept_idle: AtomicUsize,
    accept_failed: AtomicBool,
    over: AtomicBool,
    last_request_ms: AtomicU64,
}

impl Generation {
    /// Serves what arrives at `listener`.
    pub(super) fn start(shared: &Arc<TinyShared>, listener: TcpListener) -> io::Result<Arc<Self>> {
        // tiny_http spawns its threads in a way that panics where there can be no more.
        let server = catch_unwind(|| tiny_http::Server::from_listener(listener, None))
            .map_err(|_| io::Error::other("tiny_http can't start its threads"))?
            .map_err(io::Error::other)?;
        let generation = Arc::new(Self {
            server,
            turn: Turn::default(),
            idle: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            kept_idle: AtomicUsize::new(KEPT_IDLE),
            accept_failed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            last_request_ms: AtomicU64::new(shared.elapsed_ms()),
        });
        generation.add_thread(shared)?;
        Ok(generation)
    }

    /// Whether tiny_http reported that it accepts no more.
    pub(super) fn accept_failed(&self) -> bool {
        self.accept_failed.load(Ordering::Acquire)
    }

    /// Lets go of the threads that would be kept for a burst.
    pub(super) fn replaced(&self) {
        self.kept_idle.store(1, Ordering::Relaxed);
    }

    /// When the latest request came, in milliseconds on the clock of [`TinyShared`].
    pub(super) fn last_request_ms(&self) -> u64 {
        self.last_request_ms.load(Ordering::Relaxed)
    }

    /// Ends the handler threads. Requests that come later are not answered.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        for _ in 0..self.threads.load(Ordering::Acquire) {
            self.server.unblock();
        }
    }

    /// Adds an idle handler thread, unless there are as many as there may be.
    ///
    /// There is one more than requests may be in flight and may wait for their clients: the one
    /// that tells further clients that the limit is reached.
    fn add_thread(self: &Arc<Self>, shared: &Arc<TinyShared>) -> io::Result<()> {
        let most = shared.limits.max_in_flight.saturating_mul(2).saturating_add(1);
        let reserve = |threads| (threads < most).then_some(threads + 1);
        if self.threads.fetch_update(Ordering::AcqRel, Ordering::Acquire, reserve).is_err() {
            return Ok(());
        }
        self.idle.fetch_add(1, Ordering::AcqRel);
        let (generation, shared) = (Arc::clone(self), Arc::clone(shared));
        let stack = shared.limits.stack;
        let spawned = stack.thread("geecache-handler").spawn(move || generation.work(&shared));
        if let Err(error) = spawned {
            self.idle.fetch_sub(1, Ordering::AcqRel);
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return Err(error);
        }
        Ok(())
    }

    /// Receives a request, and decides on it before another thread receives the next one. `None`
    /// where none came for long.
    fn receive(&self, shared: &TinyShared) -> io::Result<Option<(tiny_http::Request, Fate)>> {
        let Some(_turn) = self.turn.take(IDLE_THREAD) else { return Ok(None) };
        if self.over.load(Ordering::Acquire) {
            return Ok(None);
        }
        let request = self.server.recv_timeout(IDLE_THREAD)?;
        Ok(request.map(|request| {
            let fate = Fate::of(shared, &request);
            (request, fate)
        }))
    }

    /// Handles one request after the other until the generation ends, or until there are idle
    /// threads enough.
    fn work(self: &Arc<Self>, shared: &Arc<TinyShared>) {
        while !self.over.load(Ordering::Acquire) {
            match self.receive(shared) {
                Ok(Some((request, fate))) => {
                    self.last_request_ms.store(shared.elapsed_ms(), Ordering::Relaxed);
                    if self.idle.fetch_sub(1, Ordering::AcqRel) == 1 {
                        // Nobody waits for the next request now. If no thread can be had, it waits
                        // for one of those there are.
                        if let Err(error) = self.add_thread(shared) {
                            if let Some(again) = shared.limits.repeats.due("no handler thread") {
                                log::warn!("can't start another handler thread: {error}{again}");
                            }
                        }
                    }
                    // The handler's panics are caught further in; what is left are those of
                    // tiny_http itself.
                    if catch_unwind(AssertUnwindSafe(|| serve(shared, request, fate))).is_err() {
                        if let Some(again) = shared.limits.repeats.due("tiny_http panicked") {
                            let addr = shared.addr;
                            log::error!("tiny_http panicked on a request to {addr}{again}");
                        }
                    }
                    self.idle.fetch_add(1, Ordering::AcqRel);
                }
                Ok(None) => {
                    let kept = self.kept_idle.load(Ordering::Relaxed);
                    let leave = |idle| (idle > kept).then(|| idle - 1);
                    if self.idle.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).is_ok() {
                        self.threads.fetch_sub(1, Ordering::AcqRel);
                        return;
                    }
                }
                Err(error) => {
                    // A shutdown ends accepting in this way.
                    let due = || shared.limits.repeats.due("accepting failed");
                    if let Some(again) = (!shared.is_stopping()).then(due).flatten() {
                        let addr = shared.addr;
                        log::warn!("accepting connections at {addr} failed: {error}{again}");
                    }
                    self.accept_failed.store(true, Ordering::Release);
                    shared.wake_supervisor();
                }
            }
        }
    }
}
