//! A server under test, and a client that says exactly what a test wants to be said.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::byteview::ByteView;
use crate::http::server::{
    Handler, Headers, HttpRequest, HttpResponse, Limits, Running, Server, bind,
};

/// How long a client waits for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a module per server, in which each function is a test.
macro_rules! on_each_server {
    ($($situation:ident,)*) => {
        mod tiny_http { $(#[test] fn $situation() { super::$situation(super::Server::TinyHttp) })* }
        mod guarded { $(#[test] fn $situation() { super::$situation(super::Server::Guarded) })* }
    };
}
pub(super) use on_each_server;

/// A server that is shut down at the end of its test.
pub(super) struct Served {
    pub(super) running: Arc<dyn Running>,
    pub(super) addr: SocketAddr,
}

/// More than sockets take.
pub(super) static LONG: LazyLock<ByteView> = LazyLock::new(|| ByteView::from(vec![b'x'; 32 << 20]));

struct Closure<F>(F);

impl<F: Fn(&HttpRequest<'_>) -> HttpResponse + Send + Sync + 'static> Handler for Closure<F> {
    fn at_once(&self, request: &HttpRequest<'_>) -> Option<HttpResponse> {
        assert!(request.target != "/panic-at-once", "as it should");
        (request.target == "/long-at-once").then(|| HttpResponse::text(200, LONG.clone()))
    }

    fn admit(&self, request: &HttpRequest<'_>) -> Result<(), HttpResponse> {
        match request.header("X-Refuse") {
            Some(_) => Err(HttpResponse::text(401, "no\n")),
            None => Ok(()),
        }
    }

    fn handle(&self, request: &HttpRequest<'_>) -> HttpResponse {
        (self.0)(request)
    }

    fn overloaded(&self, reason: &'static str) -> HttpResponse {
        HttpResponse { headers: &[("X-Overloaded", "yes")], ..HttpResponse::text(503, reason) }
    }

    fn patience(&self, headers: &dyn Headers) -> Option<Duration> {
        let millis = std::str::from_utf8(headers.header("X-Patience-Ms")?).ok()?;
        Some(Duration::from_millis(millis.parse().ok()?))
    }
}

impl Served {
    pub(super) fn new(
        server: Server,
        limits: Limits,
        handler: impl Fn(&HttpRequest<'_>) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        Self::on(bind("127.0.0.1:0").unwrap(), server, limits, handler)
    }

    pub(super) fn on(
        listener: TcpListener,
        server: Server,
        limits: Limits,
        handler: impl Fn(&HttpRequest<'_>) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let running = server.start(listener, limits, None, Arc::new(Closure(handler))).unwrap();
        Self { running, addr }
    }
}

impl Served {
    /// An answer is out before its request is counted as done.
    #[track_caller]
    pub(super) fn wait_until_none_is_in_flight(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.running.health().in_flight > 0 {
            assert!(Instant::now() < deadline, "{:?}", self.running.health());
            thread::yield_now();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.running.shutdown();
    }
}

/// Limits with times that suit tests.
pub(super) fn limits() -> Limits {
    Limits {
        idle: Duration::from_secs(20),
        head: Duration::from_secs(5),
        io: Duration::from_secs(5),
        drain: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// Where handlers wait until a test lets them go.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Waits until the gate is open.
    pub(super) fn enter(&self) {
        self.state.lock().unwrap().0 += 1;
        self.changed.notify_all();
        self.wait_until(|&mut (_, is_open)| is_open);
    }

    /// Waits until `n` have come.
    #[track_caller]
    pub(super) fn wait_for(&self, n: usize) {
        assert!(self.wait_until(|&mut (entered, _)| entered >= n), "{n} never came");
    }

    pub(super) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn wait_until(&self, is_so: impl Fn(&mut (usize, bool)) -> bool) -> bool {
        let deadline = Instant::now() + 2 * PATIENCE;
        let mut state = self.state.lock().unwrap();
        while !is_so(&mut state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        true
    }
}

/// An HTTP client of a few lines, on one connection.
pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Line by line, in lower case.
    pub(super) head: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.iter().find_map(|line| line.strip_prefix(&prefix))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Client {
    #[track_caller]
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Changes how long this client waits.
    pub(super) fn wait_at_most(&self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).unwrap();
    }

    /// Whether anything, if only the end, comes from the server within `time`.
    pub(super) fn has_answer_within(&mut self, time: Duration) -> bool {
        self.wait_at_most(time);
        let filled = self.fill();
        self.wait_at_most(PATIENCE);
        !matches!(filled, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Ends this side of the connection. Answers can still come.
    pub(super) fn send_no_more(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    pub(super) fn try_get(&mut self, target: &str) -> io::Result<Answer> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))?;
        self.answer()
    }

    #[track_caller]
    pub(super) fn get(&mut self, target: &str) -> Answer {
        self.try_get(target).unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// Reads an answer with a body.
    pub(super) fn answer(&mut self) -> io::Result<Answer> {
        self.answer_to("GET")
    }

    pub(super) fn answer_to(&mut self, method: &str) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            self.fill()?;
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let head: Vec<_> = head.trim_end().lines().map(str::to_ascii_lowercase).collect();
        let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let has_word = answer.header("x-overloaded").is_some();
        assert!(status != 503 || has_word, "a 503 that is not the handler's: {:?}", answer.head);
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if method != "HEAD" {
            while self.buffer.len() < length {
                self.fill()?;
            }
            answer.body = self.buffer.drain(..length).collect();
        }
        Ok(answer)
    }

    /// Whether the server ends the connection now, without another byte.
    pub(super) fn is_closed(&mut self) -> bool {
        match self.fill() {
            Ok(()) => false,
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            ),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.buffer.extend_from_slice(&bytes[..n]);
                Ok(())
            }
        }
    }
}
