//! One `tiny_http::Server` and the threads that handle its requests.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::http::server::answer::{COPIED_BODY, Connection, write_head};
use crate::http::server::in_flight::InFlight;
use crate::http::server::message::{Headers, HttpRequest, HttpResponse, answer_of};
use crate::http::server::tiny::shared::TinyShared;

/// Idle handler threads that are kept for the next requests; one in a generation that was replaced.
const KEPT_IDLE: usize = 4;

/// How long a handler thread beyond those waits for a request before it ends.
const IDLE_THREAD: Duration = Duration::from_secs(10);

/// The longest body that is read to its end only to be thrown away. tiny_http allocates what is
/// left of a body when the request is dropped, so a longer one must never be dropped: the
/// allocation can end the process.
const LONGEST_DRAINED_BODY: usize = 16 * 1024 * 1024;

/// A `tiny_http::Server` with its handler threads. When accepting ends, a new generation takes over
/// the listener, and the old one goes on to answer the connections that it has.
pub(super) struct Generation {
    server: tiny_http::Server,
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
    /// There is one more than requests may be in flight: the one that tells further clients that
    /// the limit is reached.
    fn add_thread(self: &Arc<Self>, shared: &Arc<TinyShared>) -> io::Result<()> {
        let most = shared.limits.max_in_flight.saturating_add(1);
        let reserve = |threads| (threads < most).then_some(threads + 1);
        if self.threads.fetch_update(Ordering::AcqRel, Ordering::Acquire, reserve).is_err() {
            return Ok(());
        }
        self.idle.fetch_add(1, Ordering::AcqRel);
        let (generation, shared) = (Arc::clone(self), Arc::clone(shared));
        let spawned = thread::Builder::new()
            .name("geecache-handler".to_owned())
            .spawn(move || generation.work(&shared));
        if let Err(error) = spawned {
            self.idle.fetch_sub(1, Ordering::AcqRel);
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return Err(error);
        }
        Ok(())
    }

    /// Handles one request after the other until the generation ends, or until there are idle
    /// threads enough.
    fn work(self: &Arc<Self>, shared: &Arc<TinyShared>) {
        while !self.over.load(Ordering::Acquire) {
            match self.server.recv_timeout(IDLE_THREAD) {
                Ok(Some(request)) => {
                    self.last_request_ms.store(shared.elapsed_ms(), Ordering::Relaxed);
                    if self.idle.fetch_sub(1, Ordering::AcqRel) == 1 {
                        // Nobody waits for the next request now. If no thread can be had, it waits
                        // for one of those there are.
                        if let Err(error) = self.add_thread(shared) {
                            log::warn!("can't start another handler thread: {error}");
                        }
                    }
                    // The handler's panics are caught further in; what is left are those of
                    // tiny_http itself.
                    if catch_unwind(AssertUnwindSafe(|| serve(shared, request))).is_err() {
                        log::error!("tiny_http panicked on a request to {}", shared.addr);
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
                    if !shared.is_stopping() {
                        log::warn!("accepting connections at {} failed: {error}", shared.addr);
                    }
                    self.accept_failed.store(true, Ordering::Release);
                    shared.wake_supervisor();
                }
            }
        }
    }
}

fn serve(shared: &TinyShared, mut request: tiny_http::Request) {
    shared.saw_request(request.remote_addr());
    if asks_for_upgrade(&request) {
        // tiny_http lets go of the connection after such a request.
        let response = HttpResponse::text(400, "there is nothing to upgrade to\n");
        return send(request, &response, Connection::Close);
    }
    // Before any answer: each of them drops the request, and with it what is left of its body.
    if request.body_length().is_some_and(|length| length > shared.limits.max_body_bytes) {
        return refuse_body(shared, request);
    }
    let Some(_in_flight) = InFlight::enter(&shared.in_flight, shared.limits.max_in_flight) else {
        shared.rejected.fetch_add(1, Ordering::Relaxed);
        let connection = connection_after(shared, &request);
        let response = shared.handler.overloaded("too many requests in flight");
        return send(request, &response, connection);
    };
    if is_encoded(&request) {
        return refuse_encoded(shared, request);
    }
    let Some(body) = read_body(&mut request) else {
        return send(request, &HttpResponse::text(400, "broken body\n"), Connection::Close);
    };
    let response = answer_of(
        &*shared.handler,
        &HttpRequest {
            method: request.method().as_str(),
            target: request.url(),
            headers: &request.headers(),
            body: &body,
        },
    );
    let connection = connection_after(shared, &request);
    send(request, &response, connection);
}

/// Answers a 413 to a request whose announced body is too long to be read.
fn refuse_body(shared: &TinyShared, request: tiny_http::Request) {
    let length = request.body_length().unwrap_or(usize::MAX);
    let is_abandoned = length > LONGEST_DRAINED_BODY;
    if is_abandoned {
        let abandoned = shared.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        log::error!("a body of {length} bytes was announced: {abandoned} connections abandoned");
    }
    // An "upgrade" is the one way to answer without dropping the rest of the request.
    let rest = request.upgrade("none", tiny_http::Response::empty(413));
    if is_abandoned {
        std::mem::forget(rest);
    }
}

/// Reads a body of the announced length. `None` if less than that came.
fn read_body(request: &mut tiny_http::Request) -> Option<Vec<u8>> {
    let length = request.body_length().unwrap_or(0);
    let mut body = Vec::new();
    if length > 0 {
        // A body that ends early is no error to tiny_http.
        request.as_reader().take(length as u64).read_to_end(&mut body).ok()?;
    }
    (body.len() == length).then_some(body)
}

/// Whether tiny_http takes all that the connection still brings for the body of `request`, whatever
/// length it announces.
fn asks_for_upgrade(request: &tiny_http::Request) -> bool {
    let asked = (&request.headers()).header("Connection").map(str::to_ascii_lowercase);
    asked.is_some_and(|asked| asked.contains("upgrade"))
}

fn is_encoded(request: &tiny_http::Request) -> bool {
    (&request.headers()).header("Transfer-Encoding").is_some()
}

/// Answers a request whose body has no length of its own: tiny_http does not tell whether such a
/// body has come to its end.
fn refuse_encoded(shared: &TinyShared, mut request: tiny_http::Request) {
    let limit = shared.limits.max_body_bytes as u64;
    // What is left of the body would be taken for the next request.
    let read = io::copy(&mut request.as_reader().take(limit), &mut io::sink());
    if let Err(error) = read {
        log::debug!("a refused body ended early: {error}");
    }
    let response = if (&request.headers()).header("Content-Length").is_some() {
        HttpResponse::text(400, "malformed request\n")
    } else {
        HttpResponse::text(411, "the body needs a Content-Length\n")
    };
    send(request, &response, Connection::Close);
}

/// What the answer to `request` says about the connection.
fn connection_after(shared: &TinyShared, request: &tiny_http::Request) -> Connection {
    let asked =
        (&request.headers()).header("Connection").map(str::to_ascii_lowercase).unwrap_or_default();
    let is_1_1 = *request.http_version() >= tiny_http::HTTPVersion(1, 1);
    if shared.is_stopping() || asked.contains("close") {
        Connection::Close
    } else if is_1_1 {
        Connection::Open
    } else if asked.contains("keep-alive") {
        Connection::KeepAlive
    } else {
        Connection::Close
    }
}

fn send(request: tiny_http::Request, response: &HttpResponse, connection: Connection) {
    let body = response.body_for(request.method().as_str());
    let mut bytes = Vec::with_capacity(256 + body.len().min(COPIED_BODY));
    write_head(&mut bytes, response, connection);
    let mut writer = request.into_writer();
    let sent = if body.len() > COPIED_BODY {
        // The writer's own buffer is smaller than that, so the body goes from where it is straight
        // to the socket.
        writer.write_all(&bytes).and_then(|()| writer.write_all(body))
    } else {
        bytes.extend_from_slice(body);
        writer.write_all(&bytes)
    };
    if let Err(error) = sent.and_then(|()| writer.flush()) {
        log::debug!("an answer could not be sent: {error}");
    }
}

impl Headers for &[tiny_http::Header] {
    fn header(&self, name: &str) -> Option<&str> {
        let field =
            self.iter().find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name))?;
        Some(field.value.as_str())
    }
}
