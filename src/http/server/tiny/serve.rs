//! Takes a request from tiny_http, has it handled and answers it.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::byteview::ByteView;
use crate::http::arriving::{AHEAD_BYTES, Arriving};
use crate::http::budget::{SHORT_BODY, Share, Transfer};
use crate::http::server::answer::{COPIED_BODY, Connection, write_head};
use crate::http::server::in_flight::InFlight;
use crate::http::server::message::{Headers, HttpRequest, HttpResponse, answer_of};
use crate::http::server::tiny::shared::TinyShared;

/// The longest body that is read to its end only to be thrown away. tiny_http allocates what is
/// left of a body when the request is dropped, so a longer one must never be dropped: the
/// allocation can end the process.
const LONGEST_DRAINED_BODY: usize = 16 * 1024 * 1024;

/// Longer bodies are not read by tiny_http before it hands the request on.
const BODY_IN_MEMORY: usize = 1024;

/// Serves one request to its end.
pub(super) fn serve(shared: &Arc<TinyShared>, mut request: tiny_http::Request) {
    shared.saw_request(request.remote_addr());
    // Before any answer: each of them drops the request, and with it what is left of its body.
    if request.body_length().is_some_and(|length| length > shared.limits.max_body_bytes) {
        return refuse_length(shared, request);
    }
    if request.remote_addr().is_some_and(|client| shared.ended.contains(client)) {
        // A request that still has its writer is answered when it is dropped.
        return aside(shared, request, |_, request| drop(request.into_writer()));
    }
    if let Some(flaw) = Flaw::of(&request) {
        return refuse_form(shared, request, flaw);
    }
    let Some(_in_flight) = InFlight::enter(&shared.in_flight, shared.limits.max_in_flight) else {
        return refuse_overload(shared, request, "too many requests in flight");
    };
    let begun = Instant::now();
    let received = match request.body_length().unwrap_or(0) {
        0 => Ok(None),
        length => receive(shared, &mut request, length).map(Some),
    };
    let Ok(received) = received else {
        let connection = end_connection(shared, &request);
        return aside(shared, request, move |_, request| {
            send(request, &HttpResponse::text(400, "broken body\n"), connection);
        });
    };
    let own_body = match &received {
        Some(None) => return refuse_overload(shared, request, "too many long bodies at once"),
        Some(Some((body, _))) => Some(body),
        None => None,
    };
    let response = answer_of(
        &*shared.handler,
        &HttpRequest {
            method: request.method().as_str(),
            target: request.url(),
            headers: &request.headers(),
            body: own_body.map_or(&[], ByteView::as_slice),
            own_body,
        },
    );
    drop(received);
    let connection = connection_after(shared, &request);
    let length = response.body_for(request.method().as_str()).len();
    let wait = if length > SHORT_BODY { patience(shared, &request) } else { Duration::ZERO };
    let wait = wait.saturating_sub(begun.elapsed());
    match shared.limits.budget.take(Transfer::Written, length, wait) {
        Some(_share) => send(request, &response, connection),
        None => {
            shared.rejected.fetch_add(1, Ordering::Relaxed);
            let response = shared.handler.overloaded("too many long answers at once");
            send(request, &response, connection);
        }
    }
}

/// Reads the body of a request, which has `length` bytes. `None` if there was no room for it in
/// time.
fn receive(
    shared: &TinyShared,
    request: &mut tiny_http::Request,
    length: usize,
) -> io::Result<Option<(ByteView, Share)>> {
    let wait = if length > SHORT_BODY { patience(shared, request) } else { Duration::ZERO };
    let until = Instant::now() + wait;
    let room_for = |bytes| {
        let left = until.saturating_duration_since(Instant::now());
        shared.limits.budget.take(Transfer::Received, bytes, left)
    };
    // All of the share is for bodies of which something comes.
    let ahead = length.min(AHEAD_BYTES);
    let Some(mut share) = room_for(ahead) else { return Ok(None) };
    let mut body = Arriving::new(length);
    // A body that ends early is no error to tiny_http.
    body.read_ahead(request.as_reader(), ahead)?;
    if ahead < length {
        drop(share);
        share = match room_for(length) {
            Some(share) => share,
            None => return Ok(None),
        };
    }
    Ok(Some((body.read_from(request.as_reader())?, share)))
}

/// How long a request may wait for a share of the memory.
fn patience(shared: &TinyShared, request: &tiny_http::Request) -> Duration {
    let patience = shared.handler.patience(&request.headers());
    patience.map_or(shared.limits.io, |patience| patience.min(shared.limits.io))
}

/// Answers a request that can't be taken now.
fn refuse_overload(shared: &Arc<TinyShared>, request: tiny_http::Request, reason: &'static str) {
    shared.rejected.fetch_add(1, Ordering::Relaxed);
    aside(shared, request, move |shared, mut request| {
        let connection = match skip_body(&mut request) {
            Some(()) => connection_after(shared, &request),
            None => end_connection(shared, &request),
        };
        send(request, &shared.handler.overloaded(reason), connection);
    });
}

/// What is wrong with the form of a request.
#[derive(Clone, Copy)]
enum Flaw {
    /// tiny_http takes all that the connection still brings for the body, and lets go of the
    /// connection afterwards.
    Upgrade,
    /// The body has no length of its own, and tiny_http does not tell whether such a body has come
    /// to its end.
    Encoding,
    /// The same, with a length beside it.
    EncodingAndLength,
    /// There are two lengths, or one that is no number. tiny_http takes the first, or none.
    Length,
}

impl Flaw {
    fn of(request: &tiny_http::Request) -> Option<Self> {
        let (mut connection, mut lengths, mut is_encoded, mut is_plain) = (None, 0, false, true);
        for header in request.headers() {
            let (name, value) = (header.field.as_str().as_str(), header.value.as_str());
            if name.eq_ignore_ascii_case("Connection") {
                // tiny_http looks at the first one only.
                connection.get_or_insert(value);
            } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
                is_encoded = true;
            } else if name.eq_ignore_ascii_case("Content-Length") {
                lengths += 1;
                is_plain &= !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            }
        }
        if connection.is_some_and(|value| value.to_ascii_lowercase().contains("upgrade")) {
            return Some(Self::Upgrade);
        }
        match (is_encoded, lengths) {
            (true, 0) => Some(Self::Encoding),
            (true, _) => Some(Self::EncodingAndLength),
            (false, 0) => None,
            (false, 1) if is_plain => None,
            (false, _) => Some(Self::Length),
        }
    }

    fn answer(self) -> HttpResponse {
        let (status, text) = match self {
            Self::Upgrade => (400, "there is nothing to upgrade to\n"),
            Self::Encoding => (411, "the body needs a Content-Length\n"),
            Self::EncodingAndLength | Self::Length => (400, "malformed request\n"),
        };
        HttpResponse::text(status, text)
    }
}

/// Refuses a request whose end two readers could see in different places. What follows may be a
/// part of its body, so the connection is over.
fn refuse_form(shared: &Arc<TinyShared>, request: tiny_http::Request, flaw: Flaw) {
    let connection = end_connection(shared, &request);
    aside(shared, request, move |shared, mut request| {
        if matches!(flaw, Flaw::Encoding | Flaw::EncodingAndLength) {
            // tiny_http would answer the rest of the body by itself, as a malformed request.
            let limit = shared.limits.max_body_bytes as u64;
            let read = io::copy(&mut request.as_reader().take(limit), &mut io::sink());
            if let Err(error) = read {
                log::debug!("a refused body ended early: {error}");
            }
        }
        send(request, &flaw.answer(), connection);
    });
}

/// Answers a 413 to a request whose announced body is too long to be read.
fn refuse_length(shared: &Arc<TinyShared>, request: tiny_http::Request) {
    let length = request.body_length().unwrap_or(usize::MAX);
    // An "upgrade" is the one way to answer without dropping the rest of the request.
    let refuse =
        |request: tiny_http::Request| request.upgrade("none", tiny_http::Response::empty(413));
    if length > LONGEST_DRAINED_BODY {
        let abandoned = shared.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        log::error!("a body of {length} bytes was announced: {abandoned} connections abandoned");
        return std::mem::forget(refuse(request));
    }
    aside(shared, request, move |shared, request| {
        let client = request.remote_addr().copied();
        if skip(&mut refuse(request), length).is_none() {
            // The rest of the body may still come.
            client.into_iter().for_each(|client| shared.ended.add(client));
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
        log::warn!("no thread to refuse a request at {}: {error}", shared.addr);
    }
}

/// Whether the client can't keep anybody waiting for the body of `request`.
fn is_in_memory(request: &tiny_http::Request) -> bool {
    let has = |name| (&request.headers()).header(name).is_some();
    match request.body_length() {
        _ if has("Transfer-Encoding") => false,
        None | Some(0) => true,
        Some(length) => length <= BODY_IN_MEMORY && !has("Expect"),
    }
}

/// Has nothing answered that comes on the connection of `request` after it.
fn end_connection(shared: &TinyShared, request: &tiny_http::Request) -> Connection {
    if let Some(client) = request.remote_addr() {
        shared.ended.add(*client);
    }
    Connection::Close
}

/// Reads a body of the announced length for nobody. `None` if less than that came.
fn skip_body(request: &mut tiny_http::Request) -> Option<()> {
    match request.body_length().unwrap_or(0) {
        0 => Some(()),
        length => skip(request.as_reader(), length),
    }
}

fn skip(from: &mut dyn io::Read, length: usize) -> Option<()> {
    // A body that ends early is no error to tiny_http.
    let copied = io::copy(&mut from.take(length as u64), &mut io::sink()).ok()?;
    (copied == length as u64).then_some(())
}

/// What the answer to `request` says about the connection.
fn connection_after(shared: &TinyShared, request: &tiny_http::Request) -> Connection {
    let headers = request.headers();
    let asked = headers.header("Connection").map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
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
    fn header(&self, name: &str) -> Option<&[u8]> {
        let field =
            self.iter().find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name))?;
        Some(field.value.as_bytes())
    }
}
