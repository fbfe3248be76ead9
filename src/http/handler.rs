//! [`PeerHandler`]: answers the requests of other peers.

mod changes;
mod door;
mod foreign;
mod gets;
mod handover;
mod pages;
mod replies;
mod serving;
mod through;

pub(crate) use door::Door;
pub(crate) use pages::{Page, Pages};
pub(crate) use serving::Serving;
pub(crate) use through::HandedOver;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replies::{done, refuse};

use crate::http::frame::{self, Operation, handed};
use crate::http::note::{self, Note, Status};
use crate::http::protocol::Protocol;
use crate::http::server::{Handler, Headers, HttpRequest, HttpResponse};
use crate::one_line::OneLine;
use crate::spans;
use crate::sync::lock;

/// Answers requests of other peers until it is [closed](Self::close).
pub(crate) struct PeerHandler {
    /// What logs call this peer.
    name: String,
    door: Arc<Door>,
    protocol: Protocol,
    /// `None` after the end. A server may hold its handler for a while longer, to tell late
    /// requests that it is over.
    serving: Mutex<Option<Arc<Serving>>>,
}

impl PeerHandler {
    /// A handler that logs call `name`.
    pub(crate) fn new(name: String, door: Arc<Door>, serving: Serving) -> Self {
        let protocol = serving.protocol;
        Self { name, door, protocol, serving: Mutex::new(Some(Arc::new(serving))) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An answer with the status and the headers by which peers of other programs understand it.
    fn as_told(&self, mut response: HttpResponse) -> HttpResponse {
        let wire = self.protocol.wire();
        match response.note.status {
            Some(Status::LoadFailed) => response.status = wire.load_failed,
            Some(Status::Overloaded | Status::ShuttingDown) => response.status = wire.busy,
            Some(Status::NotFound) => response.headers = wire.no_such_key,
            Some(Status::NoSuchGroup) => response.headers = wire.no_such_group,
            _ => {}
        }
        response
    }

    /// Lets go of the registry, and so of the groups.
    pub(crate) fn close(&self) {
        let serving = lock(&self.serving).take();
        // Dropped here and not in the statement above, which holds the lock.
        drop(serving);
    }
}

impl Handler for PeerHandler {
    /// Comes before anything else, so that a stranger learns nothing.
    fn admit(&self, request: &HttpRequest<'_>) -> Result<(), HttpResponse> {
        self.door.admit(request, &self.name)
    }

    /// Those who watch are answered however busy this peer is.
    fn at_once(&self, request: &HttpRequest<'_>) -> Option<HttpResponse> {
        let page = Page::of(request).filter(|page| page.is_at_once())?;
        let serving = lock(&self.serving).clone()?;
        let pages = serving.pages.as_ref()?;
        // A stranger does not even have it written.
        Some(self.admit(request).err().unwrap_or_else(|| pages.page(page, request)))
    }

    fn handle(&self, request: &HttpRequest<'_>) -> HttpResponse {
        let serving = lock(&self.serving).clone();
        let Some(serving) = serving else {
            return self.as_told(refuse(Status::ShuttingDown, "this peer is shutting down"));
        };
        let (method, target) = (request.method, request.target);
        let span = spans::serve(method, target, |name| request.header(name));
        let told = serving::note_of(request);
        let is_ours = matches!(&told, Ok(Some(note)) if note.incarnation.is_some());
        let answered = match (Page::of(request), &serving.pages) {
            (Some(page), Some(pages)) => Ok(pages.page(page, request)),
            _ => told.and_then(|told| answer(&serving, request, told)),
        };
        let mut response = answered.unwrap_or_else(|refusal| refusal);
        if is_ours {
            serving.sign(&mut response);
        }
        let response = self.as_told(response);
        let status = response.status;
        span.end(status);
        log::trace!(
            "{} answers {}: {status}",
            self.name,
            OneLine(format_args!("{method} {target}"))
        );
        response
    }

    fn overloaded(&self, reason: &'static str) -> HttpResponse {
        self.as_told(refuse(Status::Overloaded, reason))
    }

    fn patience(&self, headers: &dyn Headers) -> Option<Duration> {
        Note::read(headers.header(note::HEADER)?).ok()?.timeout
    }
}

impl fmt::Debug for PeerHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerHandler")
    }
}

/// `told` is what peers of ours tell beside the request.
fn answer(
    serving: &Serving,
    request: &HttpRequest<'_>,
    told: Option<Note>,
) -> Result<HttpResponse, HttpResponse> {
    // A browser names the page that has it send anything else, and peers name none. Or every page
    // that somebody opens beside the cluster could remove keys there.
    if !matches!(request.method, "GET" | "HEAD") && request.header("Origin").is_some() {
        return Err(refuse(Status::BadRequest, "no page of a browser may ask for this"));
    }
    let note = &told.unwrap_or_default();
    serving.meet(note)?;
    match (request.method, told) {
        // The server leaves the body of an answer to a HEAD out.
        ("GET" | "HEAD", _) if serving.is_peek(request) => gets::peek(serving, request, note),
        ("GET" | "HEAD", _) => gets::get(serving, request, note),
        ("POST", None) if serving.names_keys_in_body(request) => {
            foreign::remove_keys(serving, request)
        }
        ("POST", _) => post(serving, request, note),
        ("PUT", None) => foreign::put(serving, request),
        ("PUT", Some(_)) => changes::put(serving, request, note),
        ("DELETE", None) => foreign::delete(serving, request),
        ("DELETE", Some(_)) => changes::delete(serving, request, note),
        _ => {
            let mut response = refuse(Status::NotSupported, "method not allowed");
            response.headers = &[("Allow", "GET, HEAD, POST, PUT, DELETE")];
            Err(response)
        }
    }
}

/// Something with many keys. It goes to the path of the group, which is a sure 400 for old peers:
/// at the path of a key they would load it.
fn post(
    serving: &Serving,
    request: &HttpRequest<'_>,
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    if serving.is_greeting(request, note) {
        return Ok(serving.greet(note, request.body));
    }
    let group = serving.group_alone(request, note)?;
    if handed::is_hand_over(request.body) {
        serving.identity.hear_of_start(note);
        return handover::hand_over(serving, &group, request.body, note);
    }
    let (operation, keys) = frame::decode_request(request.body).map_err(|error| {
        log::debug!("a peer sent {}", OneLine(&error));
        refuse(Status::BadRequest, error)
    })?;
    match operation {
        Operation::Get => {
            serving.count_misdirected(note, &keys);
            gets::get_many(serving, &group, &keys, note)
        }
        Operation::Peek => Ok(gets::peek_many(&group, &keys)),
        Operation::Held => Ok(gets::held(&group, &keys, note)),
        Operation::Changes => {
            serving.identity.hear_of_start(note);
            changes::since(&group, &keys)
        }
        Operation::Remove => {
            group.peer_side().remove(&keys, note.stamp());
            Ok(done())
        }
        Operation::RemoveTags => {
            group.peer_side().remove_tags(&keys, note.stamp());
            Ok(done())
        }
    }
}

#[cfg(test)]
mod tests;
