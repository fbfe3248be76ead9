//! Two HTTP servers behind one seam.
//!
//! A server takes a bound listener, [`Limits`] and a [`Handler`]; it owns its threads and calls the
//! handler once per request. Nothing in here knows groups, keys or the wire between peers: it moves
//! requests and responses.
//!
//! Both servers give each request in flight a thread of its own, answer a panicking handler with a
//! 500, answer the requests of one connection in order, write an answer with as few system calls as
//! they can, accept again after running out of descriptors, and shut down gracefully. They pass the
//! same tests, one function per situation, in `tests/`.

mod answer;
mod guarded;
mod in_flight;
mod tiny;

#[cfg(test)]
mod tests;

#[cfg(feature = "unstable-bench")]
pub(crate) use guarded::fuzz_head;

use std::{
    any::Any,
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::ByteView;

/// Connections that may wait in the kernel to be accepted. A peer that restarts is met by all
/// others at once.
const BACKLOG: i32 = 1024;

/// Which server answers the other peers.
///
/// # What tiny_http can't do
///
/// The guarded server does all of these. What tiny_http (0.12) does instead can't be mended from
/// outside, which is why it is for private networks only. Names in the last column are tests; those
/// in `guarded_only` run against the guarded server alone, and the others assert what each server
/// does.
///
/// | situation | guarded | tiny_http | test |
/// |---|---|---|---|
/// | more connections than `max_connections` | the oldest idle one is closed, or a 503 | no limit: a thread and two descriptors each | `guarded_only::idle_connection_makes_room`, `guarded_only::connection_past_the_cap_gets_a_503_when_none_is_idle` |
/// | head that drips, byte by byte | 408 at its deadline | waits; only a pause longer than `idle` ends it | `guarded_only::head_that_drips_is_given_up_at_its_deadline` |
/// | thousands of heads that never end | they are the first to go | a thread each | `guarded_only::heads_that_never_end_do_not_keep_others_out` |
/// | body that stops | 408 after `io` | holds a handler until `idle` has passed twice | `guarded_only::body_that_stops_is_given_up` |
/// | thousands of bodies that never end | where no connection is idle, the oldest of them goes | holds all handlers | `guarded_only::bodies_that_stop_do_not_keep_others_out` |
/// | endless headers, endless target | 431, 414 | reads until memory ends | `guarded_only::megabyte_of_headers_gets_a_431`, `guarded_only::endless_target_gets_a_414` |
/// | client that pipelines and never reads | is not read any further | queues until memory ends, and holds the handlers | `guarded_only::client_that_pipelines_and_never_reads_is_not_read_for_long` |
/// | body of 16 MiB or more announced | 413 | 413, then a thread and two descriptors are lost for good | `huge_content_length_gets_a_413` |
/// | HTTP/2.0 or 3.0 in the request line | 505 | no answer; a thread and two descriptors are lost for good | `preface_of_http_2_harms_nobody_else` |
/// | two lengths, or a length that is no number | 400 | takes the first, or none: what follows may be read as a request | `malformed_requests_harm_nobody_else` |
/// | HTTP/0.9, no host, bad tokens, control characters | 400 or 505 | 200 | `malformed_requests_harm_nobody_else` |
/// | error in a request | the answer closes the connection | the connection may stay open | `guarded_only::refused_connection_is_closed` |
/// | idle client at a shutdown | is closed | stays until its next request, or until `idle` | `shutdown_tells_idle_clients_to_close` |
/// | long bodies all at once | a 503 when there is no room for another | one for each request in flight | `guarded_only::long_bodies_are_only_taken_while_there_is_room_for_them` |
/// | requests in a row, not waiting for answers | handled one after the other | handled at the same time, answered in order | `pipelined_requests_are_answered_in_order` |
/// | platforms other than Linux | the same | no timeouts: sockets do not inherit them everywhere | |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// The server of the `tiny_http` crate, with its known faults mended as far as that is possible
    /// from outside.
    ///
    /// It is for private networks: whoever can reach its port can exhaust the memory or the threads
    /// of the process. While there is traffic it connects to itself 50 times a second (about 1 % of
    /// a core), otherwise once a second.
    #[default]
    TinyHttp,
    /// A small server of this crate's own, with a thread per connection and a limit on everything
    /// that a client can send or leave out.
    ///
    /// It is the faster one: small answers leave it several times as fast as they leave tiny_http.
    Guarded,
}

impl Server {
    /// Serves what arrives at `listener` until the answer's [`Running::shutdown`].
    pub(crate) fn start(
        self,
        listener: TcpListener,
        limits: Limits,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Box<dyn Running>> {
        match self {
            Self::TinyHttp => Ok(Box::new(tiny::Tiny::start(listener, limits, handler)?)),
            Self::Guarded => Ok(Box::new(guarded::Guarded::start(listener, limits, handler)?)),
        }
    }
}

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The answer to `request`. Called from many threads at once. It may block, and it may panic:
    /// the server answers a 500.
    fn handle(&self, request: &Request<'_>) -> Response;
}

/// A server that was started.
pub(crate) trait Running: Send + Sync {
    /// Refuses new connections, answers what is in flight, tells peers with open connections to
    /// close them, and returns; the port can be bound again. Takes about [`Limits::drain`] at most.
    /// Calls after the first do nothing.
    fn shutdown(&self);

    /// What the server went through so far.
    fn health(&self) -> Health;
}

/// A request, as a [`Handler`] sees it.
pub(crate) struct Request<'a> {
    /// The method, such as `GET`.
    pub(crate) method: &'a str,
    /// The target of the request line, undecoded.
    pub(crate) target: &'a str,
    /// The headers.
    pub(crate) headers: &'a dyn Headers,
    /// The body; empty if there was none.
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    /// The value of the first header called `name`, in any case of letters, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.header(name)
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The headers of a request, in whatever form the server keeps them.
pub(crate) trait Headers {
    /// The value of the first header called `name`, in any case of letters, if it is text.
    fn header(&self, name: &str) -> Option<&str>;
}

/// Headers as pairs of name and value, for requests that no server made.
impl Headers for &[(&str, &str)] {
    fn header(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }
}

/// An answer. The server adds `Content-Length`, except to a 204, and `Connection` where it is
/// needed.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The value of `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Further headers. Control characters in a value are sent as spaces.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body. It is not sent in answer to a `HEAD`, but its length is.
    pub(crate) body: ByteView,
}

impl Response {
    /// The bytes to send behind the head in answer to `method`.
    fn body_for(&self, method: &str) -> &[u8] {
        if method == "HEAD" || self.status == answer::NO_CONTENT { &[] } else { &self.body }
    }

    /// An answer of text, such as an error's message.
    pub(crate) fn text(status: u16, text: impl Into<ByteView>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body: text.into(),
        }
    }
}

/// What a server may spend on its clients.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections open at once. Past it the guarded server closes the connection that was idle for
    /// longest; tiny_http can't.
    pub(crate) max_connections: usize,
    /// Requests with a handler at once. Past it the answer is a 503.
    pub(crate) max_in_flight: usize,
    /// Bytes of a request's line and headers. tiny_http can't limit them.
    pub(crate) max_head_bytes: usize,
    /// Bytes of a request's body.
    pub(crate) max_body_bytes: usize,
    /// How long a connection may be silent between two requests.
    pub(crate) idle: Duration,
    /// How long a request's head may take from its first byte to its last. tiny_http limits single
    /// reads only, by `idle`.
    pub(crate) head: Duration,
    /// How long one read of a request's body, or one write of an answer, may wait for the client.
    pub(crate) io: Duration,
    /// How long a shutdown waits for the requests in flight.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_in_flight: 256,
            max_head_bytes: 32 * 1024,
            max_body_bytes: 1024 * 1024,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            io: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// What a server went through since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Requests that were read, whatever became of them.
    pub(crate) requests: u64,
    /// Requests that have a handler now.
    pub(crate) in_flight: usize,
    /// Connections that are open now; `None` from tiny_http, which does not tell.
    pub(crate) connections: Option<usize>,
    /// Requests that were answered with a 503, and connections closed, because a limit was reached.
    pub(crate) rejected: u64,
    /// How often accepting had stopped, or could not go on for lack of descriptors, and was
    /// resumed.
    pub(crate) accept_restarts: u64,
    /// Connections that tiny_http holds for good because closing them would end the process. Always
    /// 0 in the guarded server.
    pub(crate) abandoned: u64,
}

/// Binds a listener on the first address of `addr` that can be bound.
pub(crate) fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the address names no host");
    for addr in addr.to_socket_addrs()? {
        match bind_one(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix a restarted peer takes its port back while old connections linger; on Windows the
    // option means to share it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets what every connection needs on the listener, from which accepted sockets inherit it on
/// Linux.
fn set_inherited(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)
}

/// Where this process reaches its own `listener`.
fn own_addr(listener: &TcpListener) -> io::Result<SocketAddr> {
    let mut addr = listener.local_addr()?;
    if addr.ip().is_unspecified() {
        match addr {
            SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    Ok(addr)
}

/// Opens a connection to this process itself.
fn connect_to_self(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&addr, Duration::from_secs(1))
}

/// The handler's answer, or a 500 if it panics.
fn answer_of(handler: &dyn Handler, request: &Request<'_>) -> Response {
    match catch_unwind(AssertUnwindSafe(|| handler.handle(request))) {
        Ok(response) => response,
        Err(panic) => {
            let message = message_of(&*panic);
            log::error!("the handler of {} {} panicked: {message}", request.method, request.target);
            // A payload may panic in its drop, too.
            std::mem::forget(panic);
            Response::text(500, "the handler panicked\n")
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
