//! The thread that keeps a tiny_http server serving.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::http::server::listener::connect_to_self;
use crate::http::server::tiny::generation::Generation;
use crate::http::server::tiny::shared::TinyShared;

/// Time between two kicks while there is traffic, and so about the longest that one starved
/// connection waits.
const BUSY_TICK: Duration = Duration::from_millis(20);

/// Time between two kicks while there is none.
const QUIET_TICK: Duration = Duration::from_secs(1);

/// How long after a request there still is traffic.
const TRAFFIC: Duration = Duration::from_secs(2);

/// How long a kick waits for the end of its connection before the next one may free it.
const KICK_WAIT: Duration = Duration::from_millis(20);

/// Attempts to see the plugs in their places before the server is used.
const KICKS_AT_START: usize = 5;

/// Starved connections that are freed at once, at most, while new connections are seen.
const FREED_AT_ONCE: usize = 16;

/// When no kick was answered for so long, the accepting thread is dead. From its death to its
/// replacement it takes that time and a [`QUIET_TICK`] at most.
const DEAD_AFTER: Duration = Duration::from_millis(800);

/// The same for a generation that has just been started. What waited in the kernel can take all
/// descriptors at once again.
const DEAD_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Threads that tiny_http keeps in any case, and that spoil its count of idle ones.
const PERMANENT_THREADS: usize = 4;

/// The least and the longest time between two attempts to accept again.
const RESTART_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// Descriptors that must be free before accepting is worth another try.
const DESCRIPTORS_TO_RESTART: usize = 6;

/// Replaced generations that are kept although they may be dead: a thread each.
const MOST_SUSPECTS: usize = 16;

/// Frees starved connections and replaces generations that stopped accepting.
///
/// **Starved connections.** tiny_http hands a new connection to an idle thread if its count of them
/// is not zero, but a thread that was woken still counts as idle until it gets the lock. So in a
/// burst several connections are queued for one thread, and all but the first wait until some
/// connection ends. Two things help. *Plugs*, silent connections to ourselves, occupy the permanent
/// threads, so that the count is small and most new connections get a thread of their own. And a
/// *kick*, a connection to ourselves that ends at once, gets a thread that then takes a starved one
/// from the queue: one per kick. Kicks come every 20 ms while there is traffic, and many at once
/// while requests come over connections that were not seen before.
///
/// **A quiet server** gets one kick per second, so a burst must not starve as a whole: nothing
/// would be seen of it. The idle thread that all connections of a burst are queued for takes what
/// came first. If that is a client, its request is seen and wakes this thread. If it were a plug,
/// it would keep the thread for good: therefore the last thing before a nap is a kick that was
/// answered, by which all plugs have been taken from the queue. If it is a client that asks for
/// nothing, the next kick helps.
///
/// **A dead accepting thread.** A kick is answered by the end of its connection, which takes an
/// accept. Kicks that are not answered for long, or an error from tiny_http, mean a new generation
/// on the same listening socket; the kernel keeps what waits there.
pub(super) struct Supervisor {
    shared: Arc<TinyShared>,
    listener: TcpListener,
    current: Arc<Generation>,
    /// Generations that were replaced; the oldest first.
    former: Vec<Former>,
    /// Held for the sake of the threads that they occupy; the oldest first.
    plugs: VecDeque<TcpStream>,
    renew_plug_at: Instant,
    /// Since when no kick was answered.
    silent_since: Option<Instant>,
    restart_at: Instant,
    restart_pause: Duration,
}

/// A generation that was replaced.
struct Former {
    generation: Arc<Generation>,
    replaced: Instant,
    /// Whether tiny_http said that it accepts no more. If it only was silent, it may have been slow
    /// and still accept.
    is_dead: bool,
}

impl Supervisor {
    /// Takes care of `current`, which serves `listener`, from [`Supervisor::run`] on.
    pub(super) fn new(
        shared: Arc<TinyShared>,
        listener: TcpListener,
        current: Arc<Generation>,
    ) -> Self {
        let mut supervisor = Self {
            shared,
            listener,
            current,
            former: Vec::new(),
            plugs: VecDeque::new(),
            renew_plug_at: Instant::now(),
            silent_since: None,
            restart_at: Instant::now(),
            restart_pause: RESTART_PAUSE.0,
        };
        // Before the first client connects.
        supervisor.hold_plugs();
        for _ in 0..KICKS_AT_START {
            if let Ok(true) = kick(supervisor.shared.addr) {
                break;
            }
        }
        supervisor
    }

    /// Supervises until the shutdown. Returns the generations, which may still have connections.
    pub(super) fn run(mut self) -> Vec<Arc<Generation>> {
        while !self.shared.is_stopping() {
            let has_trouble = self.silent_since.is_some() || self.current.accept_failed();
            let is_quiet = !has_trouble && !self.shared.has_traffic_within(TRAFFIC);
            if is_quiet {
                self.shared.nap_while_quiet(QUIET_TICK, TRAFFIC);
            } else {
                self.shared.nap(BUSY_TICK);
            }
            // Accepting that ended by the shutdown is not to be resumed.
            if self.shared.is_stopping() {
                break;
            }
            if self.current.accept_failed() || self.is_silent_for_long() {
                self.restart();
            } else {
                self.hold_plugs();
                self.free_many(self.shared.newcomers.swap(0, Ordering::Relaxed) * 2);
                self.kick();
            }
            self.end_former();
            self.shared.ended.forget_silent();
        }
        let former = self.former.into_iter().map(|former| former.generation);
        former.chain([self.current]).collect()
    }

    fn is_silent_for_long(&self) -> bool {
        let is_new =
            self.former.last().is_some_and(|former| former.replaced.elapsed() < QUIET_TICK);
        let patience = if is_new { DEAD_AGAIN_AFTER } else { DEAD_AFTER };
        self.silent_since.is_some_and(|since| since.elapsed() > patience)
    }

    /// Opens the plugs that are missing, and renews one now and then: their own read timeout would
    /// end them.
    fn hold_plugs(&mut self) {
        let now = Instant::now();
        if now >= self.renew_plug_at {
            self.renew_plug_at = now + self.shared.limits.idle / 8;
            self.plugs.pop_front();
        }
        while self.plugs.len() < PERMANENT_THREADS {
            let Ok(plug) = connect_to_self(self.shared.addr) else { return };
            self.plugs.push_back(plug);
        }
    }

    /// Frees a starved connection, and sees whether the server still accepts.
    fn kick(&mut self) {
        match kick(self.shared.addr) {
            Ok(true) => self.silent_since = None,
            Ok(false) => {
                self.silent_since.get_or_insert_with(Instant::now);
            }
            // Without descriptors nothing can be said about the server.
            Err(error) => log::debug!("no connection to {}: {error}", self.shared.addr),
        }
    }

    /// Frees up to `connections` starved connections, and not too many at once.
    ///
    /// Where one connection of a burst is starved, more are, and each that is freed shows as a
    /// newcomer. So twice as many as came go on and on until all are free, and one that comes alone
    /// costs little.
    fn free_many(&self, connections: usize) {
        for _ in 0..connections.min(FREED_AT_ONCE) {
            if connect_to_self(self.shared.addr).is_err() {
                return;
            }
        }
    }

    /// Starts a new generation, unless the last attempt was just now or descriptors are still
    /// lacking.
    fn restart(&mut self) {
        let now = Instant::now();
        if now < self.restart_at {
            return;
        }
        self.restart_at = now + self.restart_pause;
        self.restart_pause = (self.restart_pause * 2).min(RESTART_PAUSE.1);
        // Plugs of the old generation hold threads that may free its starved connections, and
        // descriptors.
        self.plugs.clear();
        let started = spare_descriptors(&self.listener)
            .and_then(|()| self.listener.try_clone())
            .and_then(|listener| Generation::start(&self.shared, listener));
        match started {
            Ok(generation) => {
                let restarts = self.shared.accept_restarts.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(again) = self.shared.limits.repeats.due("accepting again") {
                    let addr = self.shared.addr;
                    log::warn!("accepting again at {addr} (restart {restarts}){again}");
                }
                let generation = std::mem::replace(&mut self.current, generation);
                let is_dead = generation.accept_failed();
                generation.replaced();
                self.former.push(Former { generation, replaced: now, is_dead });
                self.silent_since = None;
            }
            Err(error) => {
                if let Some(again) = self.shared.limits.repeats.due("can't accept") {
                    log::warn!("can't accept again at {} yet: {error}{again}", self.shared.addr);
                }
            }
        }
    }

    /// Ends former generations whose connections must all be over, and forgets old restarts.
    fn end_former(&mut self) {
        let now = Instant::now();
        if now > self.restart_at + RESTART_PAUSE.1 * 4 {
            self.restart_pause = RESTART_PAUSE.0;
        }
        let suspects = self.former.iter().filter(|former| !former.is_dead).count();
        let mut too_many = suspects.saturating_sub(MOST_SUSPECTS);
        let (longest, elapsed_ms) = (self.shared.limits.idle * 3, self.shared.elapsed_ms());
        self.former.retain(|former| {
            let quiet_ms = elapsed_ms.saturating_sub(former.generation.last_request_ms());
            let is_over = if former.is_dead {
                now.duration_since(former.replaced) > longest
                    && Duration::from_millis(quiet_ms) > longest
            } else {
                let is_one_too_many = too_many > 0;
                too_many = too_many.saturating_sub(1);
                is_one_too_many
            };
            if is_over {
                former.generation.end();
            }
            !is_over
        });
    }
}

/// Opens a connection to ourselves, ends it, and waits for the server to end its side. Returns
/// whether it did.
fn kick(addr: SocketAddr) -> io::Result<bool> {
    let mut stream = connect_to_self(addr)?;
    stream.set_read_timeout(Some(KICK_WAIT))?;
    stream.shutdown(Shutdown::Write)?;
    // Whatever comes but a timeout, it comes from a thread that had the connection.
    Ok(!stream.read(&mut [0]).is_err_and(|error| is_timeout(&error)))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Fails if the process is about to run out of descriptors.
fn spare_descriptors(listener: &TcpListener) -> io::Result<()> {
    let spare: io::Result<Vec<_>> =
        (0..DESCRIPTORS_TO_RESTART).map(|_| listener.try_clone()).collect();
    spare.map(drop)
}
