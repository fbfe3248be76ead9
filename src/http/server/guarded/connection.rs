//! One connection: reading, handling and answering its requests, one after the other.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::byteview::ByteView;
use crate::http::arriving::{self, Arriving};
use crate::http::budget::{SHORT_BODY, Share, Transfer};
use crate::http::glance;
use crate::http::server::answer::{COPIED_BODY, Connection, write_all, write_head};
use crate::http::server::guarded::connections::Member;
use crate::http::server::guarded::head::{Head, MAX_HEADERS, NO_HEADER, Refusal, parse};
use crate::http::server::guarded::opening::open;
use crate::http::server::guarded::receiving::{BUFFER, left_until, receive, smaller_buffer};
use crate::http::server::guarded::shared::GuardedShared;
use crate::http::server::guarded::stream::Stream;
use crate::http::server::in_flight::InFlight;
use crate::http::server::message::{HttpRequest, HttpResponse, answer_at_once_of, answer_of};

/// Bytes by which the buffer grows for a body before any of it has come.
const LONGEST_STEP: usize = 64 * 1024;

/// How long, and how much, is read from a client after a refusal, so that its end of the connection
/// does not break before the refusal is read.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 4 * 1024 * 1024);

/// Serves a connection to its end.
pub(super) fn serve(shared: &GuardedShared, member: &Member) {
    let stream = match prepare(member.socket()).and_then(|()| open(shared, member)) {
        Ok(stream) => stream,
        Err(error) => {
            log::debug!("no request came over a connection at {}: {error}", shared.addr);
            return;
        }
    };
    let mut session = Session {
        shared,
        member,
        stream,
        buffer: vec![0; BUFFER],
        start: 0,
        end: 0,
        timeout: None,
        came: Instant::now(),
        out: Vec::with_capacity(512),
    };
    if let Err(error) = session.serve().and_then(|()| session.stream.say_end()) {
        log::debug!("a connection at {} ended: {error}", shared.addr);
    }
}

/// Sets what accepted sockets inherit from the listener on Linux, but not everywhere.
#[cfg(not(target_os = "linux"))]
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_keepalive(true)
}

#[cfg(target_os = "linux")]
fn prepare(_socket: &TcpStream) -> io::Result<()> {
    Ok(())
}

struct Session<'a> {
    shared: &'a GuardedShared,
    member: &'a Member,
    stream: Stream<'a>,
    buffer: Vec<u8>,
    /// What has arrived and is not answered yet is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The read timeout that the socket has, to set it only when it changes.
    timeout: Option<Duration>,
    /// When the request that the buffer begins with began to come.
    came: Instant,
    /// The answer; kept for its allocation.
    out: Vec<u8>,
}

/// Why there is no further request.
enum Over {
    /// The client, or the server, ended the connection between two requests.
    Ended,
    /// The request can't be served.
    Refused(Refusal),
    /// There is too much to do.
    Overloaded(&'static str),
    /// The handler does not want the body.
    TurnedAway(HttpResponse),
}

/// A request of whose body some is missing.
struct Missing {
    head_len: usize,
    body_len: usize,
    expects_continue: bool,
    /// How long it may wait for a share of the memory.
    until: Instant,
}

/// A request whose head has come.
enum Begun {
    /// All of it has, and it was handled.
    Whole(Reply),
    /// Some of its body is missing.
    Head(Missing),
}

impl Session<'_> {
    fn serve(&mut self) -> io::Result<()> {
        SockRef::from(self.stream.socket()).set_write_timeout(Some(self.shared.limits.io))?;
        loop {
            let reply = match self.next_request()? {
                Ok(reply) => reply,
                Err(Over::Ended) => return Ok(()),
                Err(Over::Refused(Refusal(status, text))) => {
                    return self.refuse(&HttpResponse::text(status, text));
                }
                Err(Over::Overloaded(reason)) => return self.refuse(&self.shared.reject(reason)),
                Err(Over::TurnedAway(response)) => return self.refuse(&response),
            };
            if self.send(reply)?.is_break() {
                return Ok(());
            }
            self.member.end_request();
            if self.shared.is_stopping() && self.start == self.end {
                return Ok(());
            }
        }
    }

    /// Reads until the buffer begins with a whole request, and has it handled.
    fn next_request(&mut self) -> io::Result<Result<Reply, Over>> {
        let missing = match self.read_head()? {
            Ok(Begun::Whole(reply)) => return Ok(Ok(reply)),
            Ok(Begun::Head(missing)) => missing,
            Err(over) => return Ok(Err(over)),
        };
        // From here on others may have this connection's place, until the body is there.
        self.member.await_body();
        let Missing { head_len, body_len, expects_continue, until } = missing;
        let Some(share) = self.room_for(arriving::ahead(body_len), until) else {
            return Ok(Err(NO_ROOM));
        };
        if expects_continue {
            let line = b"HTTP/1.1 100 Continue\r\n\r\n";
            write_all(&mut self.stream, line, &[], self.shared.limits.io)?;
        }
        let (own_body, _share) = if body_len > SHORT_BODY {
            match self.read_long_body(head_len, body_len, share, until)? {
                Ok((body, share)) => (Some(body), share),
                Err(over) => return Ok(Err(over)),
            }
        } else {
            if let Err(over) = self.read_body(head_len + body_len)? {
                return Ok(Err(over));
            }
            (None, share)
        };
        if !self.member.begin_request() {
            return Ok(Err(Over::Ended));
        }
        let mut headers = [NO_HEADER; MAX_HEADERS];
        let (bytes, limits) = (&self.buffer[self.start..self.end], &self.shared.limits);
        // It was parsed before, but its headers could not be kept while the buffer was filled.
        match parse(bytes, &mut headers, limits.max_head_bytes, limits.max_body_bytes) {
            Ok(Some(head)) => Ok(Ok(handle(self, &head, bytes, own_body.as_ref()))),
            _ => Ok(Err(Over::Ended)),
        }
    }

    /// Reads until the buffer begins with the head of a request, and has the request handled if
    /// all of it is there.
    fn read_head(&mut self) -> io::Result<Result<Begun, Over>> {
        let limits = &self.shared.limits;
        // The clock of a head runs from its first byte.
        let mut deadline = (self.start < self.end).then(|| {
            self.came = Instant::now();
            self.came + limits.head
        });
        let mut needs_parse = deadline.is_some();
        loop {
            if needs_parse {
                let mut headers = [NO_HEADER; MAX_HEADERS];
                let bytes = &self.buffer[self.start..self.end];
                match parse(bytes, &mut headers, limits.max_head_bytes, limits.max_body_bytes) {
                    Ok(Some(head)) => {
                        if !self.member.begin_request() {
                            return Ok(Err(Over::Ended));
                        }
                        self.shared.requests.fetch_add(1, Ordering::Relaxed);
                        let len = head.len + head.body_len;
                        if bytes.len() >= len {
                            return Ok(Ok(Begun::Whole(handle(self, &head, bytes, None))));
                        }
                        let client = || self.stream.socket().peer_addr().ok();
                        let request = request_of(&head, (&[], None), self.came, &client, &|| false);
                        if let Err(refusal) = self.shared.handler.admit(&request) {
                            return Ok(Err(Over::TurnedAway(refusal)));
                        }
                        return Ok(Ok(Begun::Head(Missing {
                            head_len: head.len,
                            body_len: head.body_len,
                            expects_continue: head.expects_continue,
                            until: Instant::now() + self.shared.patience(&head.headers),
                        })));
                    }
                    Ok(None) => {}
                    Err(refusal) => return Ok(Err(Over::Refused(refusal))),
                }
            }
            let timeout = match deadline {
                None => limits.idle,
                Some(deadline) => match left_until(deadline) {
                    Some(left) => left,
                    None => return Ok(Err(TOO_SLOW)),
                },
            };
            match self.read(timeout, self.end - self.start + 1)? {
                Some(0) => return Ok(Err(Over::Ended)),
                Some(n) => {
                    if deadline.is_none() {
                        self.came = Instant::now();
                        deadline = Some(self.came + limits.head);
                    }
                    // A head can only be complete, or wrong, where a line ends.
                    needs_parse = self.end - self.start == n
                        || self.end - self.start >= limits.max_head_bytes
                        || self.buffer[self.end - n..self.end].contains(&b'\n');
                }
                None if deadline.is_none() => return Ok(Err(Over::Ended)),
                None => return Ok(Err(TOO_SLOW)),
            }
        }
    }

    /// Reads until the buffer holds the request's `len` bytes.
    fn read_body(&mut self, len: usize) -> io::Result<Result<(), Over>> {
        let deadline = Instant::now() + self.shared.limits.io;
        while self.end - self.start < len {
            let Some(left) = left_until(deadline) else { return Ok(Err(TOO_SLOW)) };
            // A length that was only announced takes no memory: the buffer grows with what has
            // come.
            let room = (2 * (self.end - self.start)).max(LONGEST_STEP);
            match self.read(left, len.min(room))? {
                Some(0) => return Ok(Err(Over::Ended)),
                Some(_) => {}
                None => return Ok(Err(TOO_SLOW)),
            }
        }
        Ok(Ok(()))
    }

    /// A share of the memory for a body of `len` bytes.
    fn room_for(&self, len: usize, until: Instant) -> Option<Share> {
        let left = until.saturating_duration_since(Instant::now());
        self.shared.limits.budget.take(Transfer::Received, len, left)
    }

    /// Reads a body into an allocation of its own. The buffer keeps the head. `share` is for the
    /// beginning: all of it is for bodies of which something comes.
    fn read_long_body(
        &mut self,
        head_len: usize,
        body_len: usize,
        mut share: Share,
        until: Instant,
    ) -> io::Result<Result<(ByteView, Share), Over>> {
        let deadline = Instant::now() + self.shared.limits.io;
        let mut body = Arriving::new(body_len);
        let head_end = self.start + head_len;
        let mut come = &self.buffer[head_end..self.end];
        while !come.is_empty() {
            let room = body.room();
            let (now, later) = come.split_at(come.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            body.add(now.len());
            come = later;
        }
        self.end = head_end;
        let ahead = arriving::ahead(body_len);
        let mut has_all = body_len == ahead;
        while !body.is_whole() {
            if !has_all && body.come() >= ahead {
                drop(share);
                share = match self.room_for(body_len, until) {
                    Some(share) => share,
                    None => return Ok(Err(NO_ROOM)),
                };
                has_all = true;
            }
            let Some(left) = left_until(deadline) else { return Ok(Err(TOO_SLOW)) };
            match receive(&mut self.stream, &mut self.timeout, left, body.room())? {
                Some(0) => return Ok(Err(Over::Ended)),
                Some(n) => body.add(n),
                None => return Ok(Err(TOO_SLOW)),
            }
        }
        Ok(Ok((body.into_view(), share)))
    }

    /// Answers the request that the buffer begins with.
    fn send(&mut self, reply: Reply) -> io::Result<ControlFlow<()>> {
        self.start += reply.request_len;
        self.tidy_buffer();
        let budget = &self.shared.limits.budget;
        let share = budget.take(Transfer::Written, reply.body().len(), reply.patience);
        let reply = match &share {
            Some(_) => reply,
            None => {
                let response = self.shared.reject("too many long answers at once");
                Reply { response, ..reply }
            }
        };
        let is_over = self.shared.is_stopping() || reply.connection == Connection::Close;
        let connection = if is_over { Connection::Close } else { reply.connection };
        self.answer(&reply.response, reply.body(), connection)?;
        if is_over {
            if self.start < self.end {
                self.linger();
            }
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Tells the client what is wrong, and ends the connection.
    fn refuse(&mut self, response: &HttpResponse) -> io::Result<()> {
        self.answer(response, &response.body, Connection::Close)?;
        self.start = self.end;
        self.linger();
        Ok(())
    }

    /// Writes an answer, in one system call where the socket takes it.
    fn answer(
        &mut self,
        response: &HttpResponse,
        body: &[u8],
        connection: Connection,
    ) -> io::Result<()> {
        self.out.clear();
        write_head(&mut self.out, response, connection);
        let (stream, patience) = (&mut self.stream, self.shared.limits.io);
        if body.len() <= COPIED_BODY {
            self.out.extend_from_slice(body);
            write_all(stream, &self.out, &[], patience)
        } else {
            write_all(stream, &self.out, body, patience)
        }
    }

    /// Ends our side and reads what still comes for a moment. A socket that is closed with unread
    /// bytes resets the connection, and the client might never see the answer.
    fn linger(&mut self) {
        self.member.give_up();
        let deadline = Instant::now() + LINGER.0;
        let mut read = 0;
        let ended = self.stream.say_end();
        if ended.and_then(|()| self.stream.socket().shutdown(Shutdown::Write)).is_err() {
            return;
        }
        while let (Some(left), true) = (left_until(deadline), read < LINGER.1) {
            self.start = 0;
            self.end = 0;
            match self.read(left, 1) {
                Ok(Some(n)) if n > 0 => read += n,
                _ => return,
            }
        }
    }

    /// Reads once, into a buffer that can hold `len` bytes of this request at least. `None` means
    /// that `timeout` is over.
    fn read(&mut self, timeout: Duration, len: usize) -> io::Result<Option<usize>> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < len {
            self.buffer.resize(len.max(self.buffer.len() * 2), 0);
        }
        let room = &mut self.buffer[self.end..];
        let received = receive(&mut self.stream, &mut self.timeout, timeout, room)?;
        self.end += received.unwrap_or(0);
        Ok(received)
    }

    /// Gives back a buffer that was grown for a long request.
    fn tidy_buffer(&mut self) {
        if let Some(smaller) = smaller_buffer(&self.buffer, self.start..self.end) {
            self.buffer = smaller;
            self.end -= self.start;
            self.start = 0;
        }
    }
}

const NO_ROOM: Over = Over::Overloaded("too many long bodies at once");
const TOO_SLOW: Over = Over::Refused(Refusal(408, "the request took too long\n"));

/// The answer to a request.
struct Reply {
    response: HttpResponse,
    /// Bytes of the request in the buffer.
    request_len: usize,
    /// How long it may wait for a share of the memory.
    patience: Duration,
    /// Whether the body is only told of.
    is_head: bool,
    connection: Connection,
}

impl Reply {
    /// The bytes to send behind the head.
    fn body(&self) -> &[u8] {
        self.response.body_for(if self.is_head { "HEAD" } else { "" })
    }
}

/// Has a request handled that `bytes` begin with, up to the end of its head if it has an
/// `own_body`.
fn handle(
    session: &Session<'_>,
    head: &Head<'_, '_>,
    bytes: &[u8],
    own_body: Option<&ByteView>,
) -> Reply {
    let (shared, begun) = (session.shared, Instant::now());
    let request_len = head.len + if own_body.is_some() { 0 } else { head.body_len };
    let socket = session.stream.socket();
    let (client, is_given_up) = (|| socket.peer_addr().ok(), || glance::is_over(socket));
    let body = own_body.map_or(&bytes[head.len..request_len], ByteView::as_slice);
    let request = request_of(head, (body, own_body), session.came, &client, &is_given_up);
    let (handler, repeats) = (&*shared.handler, &shared.limits.repeats);
    let response = answer_at_once_of(handler, &request, repeats).unwrap_or_else(|| {
        match InFlight::enter(&shared.in_flight, shared.limits.max_in_flight) {
            Some(_in_flight) => answer_of(handler, &request, repeats),
            None => shared.reject("too many requests in flight"),
        }
    });
    let patience = match response.body.len() {
        0..=SHORT_BODY => Duration::ZERO,
        _ => shared.patience(&head.headers).saturating_sub(begun.elapsed()),
    };
    let (is_head, connection) = (head.method == "HEAD", head.connection);
    Reply { response, request_len, patience, is_head, connection }
}

fn request_of<'a>(
    head: &'a Head<'_, '_>,
    (body, own_body): (&'a [u8], Option<&'a ByteView>),
    came: Instant,
    client: &'a dyn Fn() -> Option<SocketAddr>,
    is_given_up: &'a dyn Fn() -> bool,
) -> HttpRequest<'a> {
    let (method, target, headers) = (head.method, head.target, &head.headers);
    HttpRequest { method, target, headers, body, own_body, client, came, is_given_up }
}
