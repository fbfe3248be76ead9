//! Takes a request from tiny_http, has it handled and answers it.

use std::io::{self, Read as _, Write as _};
use std::sync::atomic::Ordering;

use crate::http::server::answer::{COPIED_BODY, Connection, write_head};
use crate::http::server::in_flight::InFlight;
use crate::http::server::message::{Headers, HttpRequest, HttpResponse, answer_of};
use crate::http::server::tiny::shared::TinyShared;

/// The longest body that is read to its end only to be thrown away. tiny_http allocates what is
/// left of a body when the request is dropped, so a longer one must never be dropped: the
/// allocation can end the process.
const LONGEST_DRAINED_BODY: usize = 16 * 1024 * 1024;

/// Serves one request to its end.
pub(super) fn serve(shared: &TinyShared, mut request: tiny_http::Request) {
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
