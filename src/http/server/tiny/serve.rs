//! Takes a request from tiny_http, has it handled and answers it.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::byteview::ByteView;
use crate::http::arriving::{self, Arriving};
use crate::http::budget::{SHORT_BODY, Share, Transfer};
use crate::http::server::answer::{COPIED_BODY, Connection, write_all, write_head};
use crate::http::server::in_flight::InFlight;
use crate::http::server::message::{
    Headers, HttpRequest, HttpResponse, answer_at_once_of, answer_of,
};
use crate::http::server::tiny::fate::{Fate, Flaw, end_connection};
use crate::http::server::tiny::shared::TinyShared;

/// The longest body that is read to its end only to be thrown away. tiny_http allocates what is
/// left of a body when the request is dropped, so a longer one must never be dropped: the
/// allocation can end the process.
const LONGEST_DRAINED_BODY: usize = 16 * 1024 * 1024;

/// Longer bodies are not read by tiny_http before it hands the request on.
const BODY_IN_MEMORY: usize = 1024;

/// Serves one request to its end.
pub(super) fn serve(shared: &Arc<TinyShared>, mut request: tiny_http::Request, fate: Fate) {
    let came = Instant::now();
    match fate {
        Fate::Handled => {}
        Fate::TooLong => return refuse_length(shared, request),
        Fate::LeftAlone => return leave_alone(shared, request),
        Fate::Refused(flaw) => return refuse_form(shared, request, flaw),
    }
    // Whom a slow client keeps waiting, by its body or by what it does not read, is none of those
    // with a handler.
    let mut moving = None;
    if !is_in_memory(&request) {
        let left = request.body_length().unwrap_or(0);
        if let Err(refusal) = admit(shared, &request) {
            return refuse_unread(shared, request, left, refusal);
        }
        moving = shared.enter_moving();
        if moving.is_none() {
            let refusal = shared.reject("too many long bodies under way");
            return refuse_unread(shared, request, left, refusal);
        }
    }
    let begun = Instant::now();
    let received = match receive(shared, &mut request) {
        Ok(Received::Nothing) => None,
        Ok(Received::Whole(body, share)) => Some((body, share)),
        Ok(Received::NoRoom { left }) => {
            let refusal = shared.reject("too many long bodies at once");
            return refuse_unread(shared, request, left, refusal);
        }
        Err(error) => return refuse_broken(shared, request, &error),
    };
    let own_body = received.as_ref().map(|(body, _)| body);
    let client = || request.remote_addr().copied();
    let at_once = answer_at_once_of(
        &*shared.handler,
        &request_of(&request, own_body, &client, came),
        &shared.limits.repeats,
    );
    if let Some(response) = at_once {
        return send_at_once(shared, request, response, moving);
    }
    let Some(in_flight) = shared.enter_in_flight() else {
        let response = shared.reject("too many requests in flight");
        let connection = connection_after(shared, &request);
        return send(shared, request, &response, connection);
    };
    drop(moving);
    let response = answer_of(
        &*shared.handler,
        &request_of(&request, own_body, &client, came),
        &shared.limits.repeats,
    );
    drop(received);
    answer(shared, request, response, in_flight, begun);
}

/// Sends the answer to a request that took no place among those in flight. A long one takes a
/// place among those that wait for their clients, as all long answers do: else they could keep all
/// handler threads.
fn send_at_once<'a>(
    shared: &'a TinyShared,
    request: tiny_http::Request,
    mut response: HttpResponse,
    mut moving: Option<InFlight<'a>>,
) {
    let length = response.body_for(request.method().as_str()).len();
    if length > COPIED_BODY && moving.is_none() {
        moving = shared.enter_moving();
        if moving.is_none() {
            response = shared.reject("too many long answers under way");
        }
    }
    let connection = connection_after(shared, &request);
    send(shared, request, &response, connection);
    drop(moving);
}

/// Sends the answer to a request that was handled from `begun` on.
fn answer(
    shared: &TinyShared,
    request: tiny_http::Request,
    mut response: HttpResponse,
    in_flight: InFlight<'_>,
    begun: Instant,
) {
    let length = response.body_for(request.method().as_str()).len();
    let (mut held, mut share) = (in_flight, None);
    if length > COPIED_BODY {
        match shared.enter_moving() {
            Some(moving) => {
                held = moving;
                share = room_to_write(shared, &request, length, begun);
                if share.is_none() {
                    response = shared.reject("too many long answers at once");
                }
            }
            None => response = shared.reject("too many long answers under way"),
        }
    }
    let connection = connection_after(shared, &request);
    send(shared, request, &response, connection);
    drop((held, share));
}

/// A share of the memory for an answer, as soon as there is one; `None` if that takes too long.
fn room_to_write(
    shared: &TinyShared,
    request: &tiny_http::Request,
    length: usize,
    begun: Instant,
) -> Option<Share> {
    let wait = patience(shared, request).saturating_sub(begun.elapsed());
    shared.limits.budget.take(Transfer::Written, length, wait)
}

/// Whether a request may be answered whose body has not been read.
fn admit(shared: &TinyShared, request: &tiny_http::Request) -> Result<(), HttpResponse> {
    let client = || request.remote_addr().copied();
    shared.handler.admit(&request_of(request, None, &client, Instant::now()))
}

fn request_of<'a>(
    request: &'a tiny_http::Request,
    own_body: Option<&'a ByteView>,
    client: &'a dyn Fn() -> Option<SocketAddr>,
    came: Instant,
) -> HttpRequest<'a> {
    let (method, target) = (request.method().as_str(), request.url());
    let body = own_body.map_or(&[][..], ByteView::as_slice);
    // tiny_http shows nobody its sockets.
    let is_given_up = &|| false;
    HttpRequest { method, target, headers: request, body, own_body, client, came, is_given_up }
}

/// How the body of a request came.
enum Received {
    /// There is none.
    Nothing,
    Whole(ByteView, Share),
    /// There was no memory for it in time. So many bytes of it have not been read.
    NoRoom {
        left: usize,
    },
}

/// Reads the body of a request.
fn receive(shared: &TinyShared, request: &mut tiny_http::Request) -> io::Result<Received> {
    let length = request.body_length().unwrap_or(0);
    if length == 0 {
        return Ok(Received::Nothing);
    }
    let wait = if length > SHORT_BODY { patience(shared, request) } else { Duration::ZERO };
    let until = Instant::now() + wait;
    let room_for = |bytes| {
        let left = until.saturating_duration_since(Instant::now());
        shared.limits.budget.take(Transfer::Received, bytes, left)
    };
    // All of the share is for bodies of which something comes.
    let ahead = arriving::ahead(length);
    let Some(mut share) = room_for(ahead) else { return Ok(Received::NoRoom { left: length }) };
    let mut body = Arriving::new(length);
    // A body that ends early is no error to tiny_http.
    body.read_ahead(request.as_reader(), ahead)?;
    if ahead < length {
        drop(share);
        share = match room_for(length) {
            Some(share) => share,
            None => return Ok(Received::NoRoom { left: length - ahead }),
        };
    }
    Ok(Received::Whole(body.read_from(request.as_reader())?, share))
}

/// How long a request may wait for a share of the memory.
fn patience(shared: &TinyShared, request: &tiny_http::Request) -> Duration {
    let patience = shared.handler.patience(request);
    patience.map_or(shared.limits.io, |patience| patience.min(shared.limits.io))
}

/// Answers a request without keeping what is `left` of its body.
fn refuse_unread(
    shared: &Arc<TinyShared>,
    request: tiny_http::Request,
    left: usize,
    refusal: HttpResponse,
) {
    aside(shared, request, move |shared, mut request| {
        if left > 0 {
            if let Err(error) = skip(request.as_reader(), left) {
                return answer_broken(shared, request, &error);
            }
        }
        let connection = connection_after(shared, &request);
        send(shared, request, &refusal, connection);
    });
}

/// Refuses a request whose body did not come.
fn refuse_broken(shared: &Arc<TinyShared>, request: tiny_http::Request, error: &io::Error) {
    let kind = error.kind();
    aside(shared, request, move |shared, request| answer_broken(shared, request, &kind.into()));
}

fn answer_broken(shared: &TinyShared, request: tiny_http::Request, error: &io::Error) {
    if is_timeout(error) {
        // The rest may still come.
        end_connection(shared, &request);
    }
    let response = HttpResponse::text(400, "broken body\n");
    send(shared, request, &response, Connection::Close);
}

/// Writes nothing to the client of a request, and has nothing handled.
fn leave_alone(shared: &Arc<TinyShared>, request: tiny_http::Request) {
    match request.body_length() {
        Some(length) if length > LONGEST_DRAINED_BODY => abandon(shared, length, request),
        // A request that still has its writer is answered when it is dropped.
        _ => aside(shared, request, |_, request| drop(request.into_writer())),
    }
}

/// Never drops what holds a body that is so long.
fn abandon<T>(shared: &TinyShared, length: usize, holder: T) {
    let abandoned = shared.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(again) = shared.limits.repeats.due("abandoned") {
        log::error!(
            "a body of {length} bytes was announced: {abandoned} connections abandoned{again}"
        );
    }
    std::mem::forget(holder);
}

/// Refuses a request whose end two readers could see in different places. What follows may be a
/// part of its body, so the connection is over.
fn refuse_form(shared: &Arc<TinyShared>, request: tiny_http::Request, flaw: Flaw) {
    aside(shared, request, move |shared, mut request| {
        if matches!(flaw, Flaw::Encoding | Flaw::EncodingAndLength) {
            // tiny_http would answer the rest of the body by itself, as a malformed request.
            let limit = shared.limits.max_body_bytes as u64;
            let read = io::copy(&mut request.as_reader().take(limit), &mut io::sink());
            if let Err(error) = read {
                log::debug!("a refused body ended early: {error}");
            }
        }
        send(shared, request, &flaw.answer(), Connection::Close);
    });
}

/// Answers a 413 to a request whose announced body is too long to be read.
fn refuse_length(shared: &Arc<TinyShared>, request: tiny_http::Request) {
    let length = request.body_length().unwrap_or(usize::MAX);
    // An "upgrade" is the one way to answer without dropping the rest of the request.
    let refuse =
        |request: tiny_http::Request| request.upgrade("none", tiny_http::Response::empty(413));
    if length > LONGEST_DRAINED_BODY {
        return abandon(shared, length, refuse(request));
    }
    aside(shared, request, move |shared, request| {
        let client = request.remote_addr().copied();
        let read = skip(&mut refuse(request), length);
        if let (Some(client), true) = (client, read.is_err_and(|error| is_timeout(&error))) {
            // The rest may still come.
            shared.ended.add(client);
        }
    });
}

/// Has `work` done to a request that gets no handler. Where its client has not sent all of its body
/// yet, that happens on a thread of its own, so that a slow client holds no handler. tiny_http has
/// a thread for each connection; these are no more.
fn aside(
    shared: &Arc<TinyShared>,
    request: tiny_http::Request,
    work: impl FnOnce(&TinyShared, tiny_http::Request) + Send + 'static,
) {
    if is_in_memory(&request) {
        return work(shared, request);
    }
    let theirs = Arc::clone(shared);
    let spawned = thread::Builder::new()
        .name("geecache-refused".to_owned())
        .spawn(move || work(&theirs, request));
    if let Err(error) = spawned {
        if let Some(again) = shared.limits.repeats.due("no thread to refuse") {
            log::warn!("no thread to refuse a request at {}: {error}{again}", shared.addr);
        }
    }
}

/// Whether the client can't keep anybody waiting for the body of `request`.
fn is_in_memory(request: &tiny_http::Request) -> bool {
    let has = |name| request.header(name).is_some();
    match request.body_length() {
        _ if has("Transfer-Encoding") => false,
        None | Some(0) => true,
        Some(length) => length <= BODY_IN_MEMORY && !has("Expect"),
    }
}

/// Reads bytes for nobody. It is an error if less than that comes.
fn skip(from: &mut dyn io::Read, length: usize) -> io::Result<()> {
    // A body that ends early is no error to tiny_http.
    let copied = io::copy(&mut from.take(length as u64), &mut io::sink())?;
    if copied == length as u64 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What the answer to `request` says about the connection.
fn connection_after(shared: &TinyShared, request: &tiny_http::Request) -> Connection {
    let asked = request.header("Connection").map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
    let asked = String::from_utf8_lossy(&asked);
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

/// Writes the answer to `request`, once those to the requests before it are out.
fn send(
    shared: &TinyShared,
    request: tiny_http::Request,
    response: &HttpResponse,
    connection: Connection,
) {
    let body = response.body_for(request.method().as_str());
    let mut bytes = Vec::with_capacity(256 + body.len().min(COPIED_BODY));
    write_head(&mut bytes, response, connection);
    let client = request.remote_addr().copied();
    let mut writer = request.into_writer();
    let patience = shared.limits.io;
    // Waits for its turn; there is nothing to write yet.
    let sent = writer.flush().and_then(|()| {
        if client.is_some_and(|client| shared.ended.is_cut(client)) {
            // What comes here would be taken for a part of the answer before.
            return Ok(());
        }
        if body.len() > COPIED_BODY {
            // The writer's own buffer is smaller than that, so the body goes from where it is
            // straight to the socket.
            write_all(&mut writer, &bytes, body, patience)?;
        } else {
            bytes.extend_from_slice(body);
            write_all(&mut writer, &bytes, &[], patience)?;
        }
        writer.flush()
    });
    let is_cut = sent.as_ref().is_err_and(is_timeout);
    if let Err(error) = sent {
        log::debug!("an answer could not be sent: {error}");
    }
    // Before the next answer has its turn.
    if let Some(client) = client.filter(|&client| is_cut || shared.ended.contains(client)) {
        shared.ended.cut(client);
    }
}

impl Headers for tiny_http::Request {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let is_it = |it: &&tiny_http::Header| it.field.as_str().as_str().eq_ignore_ascii_case(name);
        Some(self.headers().iter().find(is_it)?.value.as_bytes())
    }
}
