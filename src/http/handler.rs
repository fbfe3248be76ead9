//! [`PeerHandler`]: answers the requests of other peers.

mod operations;

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::getter::Loaded;
use crate::group::Group;
use crate::http::pool::HttpPool;
use crate::http::protocol::Protocol;
use crate::http::server::{Handler, Request, Response};
use crate::http::wire::{self, BadTarget, Plus, Status};
use crate::registry::Registry;
use crate::sync::lock;

/// The longest text of an error that is sent, in bytes.
const MAX_TEXT_BYTES: usize = 8 << 10;

/// Answers requests of other peers until it is [closed](Self::close).
pub(crate) struct PeerHandler {
    /// `None` after the end. A server may hold its handler for a while longer, to tell late requests that it is over.
    serving: Mutex<Option<Arc<Serving>>>,
}

/// What requests are answered with.
pub(crate) struct Serving {
    pub(crate) registry: Registry,
    pub(crate) base_path: String,
    pub(crate) protocol: Protocol,
    pub(crate) plus: Plus,
    /// Keeps the pool, and with it its server, alive when all other handles are gone.
    pub(crate) pool: HttpPool,
}

impl PeerHandler {
    pub(crate) fn new() -> Self {
        Self { serving: Mutex::new(None) }
    }

    pub(crate) fn open(&self, serving: Serving) {
        *lock(&self.serving) = Some(Arc::new(serving));
    }

    /// Lets go of the registry and of the pool: groups hold pools, pools hold servers, and servers hold this.
    pub(crate) fn close(&self) {
        let serving = lock(&self.serving).take();
        // Dropped here and not in the statement above, which holds the lock.
        drop(serving);
    }
}

impl Handler for PeerHandler {
    fn handle(&self, request: &Request<'_>) -> Response {
        let serving = lock(&self.serving).clone();
        let Some(serving) = serving else {
            return refuse(Status::ShuttingDown, "this peer is shutting down");
        };
        let response = serving.handle(request);
        let (method, target, status) = (request.method, request.target, response.status);
        log::trace!("{:?} answers {method} {target:?}: {status}", serving.pool);
        response
    }
}

impl fmt::Debug for PeerHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerHandler")
    }
}

impl Serving {
    fn handle(&self, request: &Request<'_>) -> Response {
        let answer = match request.method {
            // The server leaves the body of an answer to a HEAD out.
            "GET" | "HEAD" => self.get(request),
            "POST" => self.post(request),
            "PUT" => self.put(request),
            "DELETE" => self.delete(request),
            _ => {
                let mut response = refuse(Status::NotSupported, "method not allowed");
                response.headers.push(("Allow", "GET, HEAD, POST, PUT, DELETE".to_owned()));
                Err(response)
            }
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn get(&self, request: &Request<'_>) -> Result<Response, Response> {
        let (group, key) = self.group_and_key(request)?;
        let timeout = timeout_of(request);
        let serve = || match timeout {
            Some(timeout) => group.peer_side().get_timeout(&key, timeout),
            None => group.peer_side().get(&key),
        };
        match unless_panicked(&group, &key, serve)? {
            Ok(loaded) => Ok(self.answer(&group, &key, &loaded)),
            Err(error) => Err(refuse_for(&error)),
        }
    }

    /// The group and the key that a request's path names.
    fn group_and_key<'a>(&self, request: &Request<'a>) -> Result<(Group, Cow<'a, str>), Response> {
        let parts = wire::parse_target(&self.base_path, request.target, self.plus);
        let (group, key) = parts.map_err(|error| self.refuse_target(request, error))?;
        Ok((self.group(&group)?, key))
    }

    fn group(&self, name: &str) -> Result<Group, Response> {
        let no_such = || refuse(Status::NoSuchGroup, format_args!("no such group: {name}"));
        self.registry.get(name).ok_or_else(no_such)
    }

    fn refuse_target(&self, request: &Request<'_>, error: BadTarget) -> Response {
        log::debug!("{:?} was asked for {:?}: {error}", self.pool, request.target);
        refuse(Status::BadRequest, "bad request")
    }

    fn answer(&self, group: &Group, key: &str, loaded: &Loaded) -> Response {
        let ttl = loaded.time_to_live();
        let mut response = match loaded.value() {
            Some(value) => {
                let wire = self.protocol.wire();
                Response {
                    status: 200,
                    content_type: wire.content_type,
                    headers: Vec::new(),
                    body: wire.encode(value, ttl, SystemTime::now()),
                }
            }
            None => {
                let text = format!("no {key:?} in group {:?}", group.name());
                refuse(Status::NotFound, text)
            }
        };
        if let Some(ttl) = ttl {
            response.headers.push((wire::TTL_HEADER, wire::encode_millis(ttl)));
        }
        response
    }
}

/// How long the asking peer is going to wait, if it says so.
fn timeout_of(request: &Request<'_>) -> Option<Duration> {
    request.header(wire::TIMEOUT_HEADER).and_then(wire::decode_millis)
}

/// What `serve` returns; a refusal if the getter of `group` panics in it.
fn unless_panicked<T>(group: &Group, key: &str, serve: impl FnOnce() -> T) -> Result<T, Response> {
    // A server would catch it as well, but would answer without our header.
    catch_unwind(AssertUnwindSafe(serve)).map_err(|panic| {
        // Its drop may panic as well.
        std::mem::forget(panic);
        log::error!("the getter of group {:?} panicked on {key:?}", group.name());
        refuse(Status::LoadFailed, "the getter panicked")
    })
}

/// The answer to a request that got `error` and no value.
fn refuse_for(error: &Error) -> Response {
    match error {
        Error::EmptyKey => refuse(Status::BadRequest, "bad request"),
        Error::TimedOut { .. } => refuse(Status::TimedOut, error),
        // Unlike a getter that is slow, this counts against the peer: others then answer for it.
        Error::Overloaded { .. } => refuse(Status::Overloaded, error),
        // The getter's own words, as GeeCache's peers send them.
        Error::Load { source, .. } => refuse(Status::LoadFailed, source),
        _ => refuse(Status::LoadFailed, error),
    }
}

/// An error, as text with a newline, and with our header beside it.
fn refuse(status: Status, text: impl fmt::Display) -> Response {
    let mut body = Bounded(String::new());
    // A message that does not fit is cut; the formatting ends there with an error that means nothing else.
    let _ = write!(body, "{text}");
    body.0.push('\n');
    let mut response = Response::text(status.code(), body.0);
    response.headers.push((wire::STATUS_HEADER, status.name().to_owned()));
    response
}

/// A text of at most [`MAX_TEXT_BYTES`].
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(MAX_TEXT_BYTES - self.0.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push_str(&text[..end]);
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests;
