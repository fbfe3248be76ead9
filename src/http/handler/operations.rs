//! Answers what peers of this crate ask beyond a value: many values at once, what is in memory, and changes.

use super::{Serving, refuse, timeout_of, unless_panicked};
use crate::byteview::ByteView;
use crate::error::{Error, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::Group;
use crate::http::frame::{self, Answer, Operation};
use crate::http::server::{Request, Response};
use crate::http::wire::{self, Status};

impl Serving {
    /// Something with many keys.
    pub(super) fn post(&self, request: &Request<'_>) -> Result<Response, Response> {
        let group = self.group_alone(request)?;
        let (operation, keys) = frame::decode_request(request.body).map_err(|error| {
            log::debug!("{:?} was sent {error}", self.pool);
            refuse(Status::BadRequest, error)
        })?;
        match operation {
            Operation::Get => Self::get_many(&group, &keys, request),
            // What is in memory, and never a load. It goes to the path of the group, which is a sure 400 for old peers: at the path
            // of a key they would load it.
            Operation::Peek => {
                let peek = |key: &&str| match group.peer_side().peek(key) {
                    Some(loaded) => Answer::Loaded(loaded),
                    None => Answer::NotCached,
                };
                let answers: Vec<Answer> = keys.iter().map(peek).collect();
                Ok(many(&answers, frame::MAX_PEEKED_BYTES))
            }
            Operation::Remove => {
                group.peer_side().remove(&keys);
                Ok(done())
            }
        }
    }

    fn get_many(group: &Group, keys: &[&str], request: &Request<'_>) -> Result<Response, Response> {
        let timeout = timeout_of(request);
        let first = keys.first().copied().unwrap_or_default();
        let serve = || match timeout {
            Some(timeout) => group.peer_side().get_many_timeout(keys, timeout),
            None => group.peer_side().get_many(keys),
        };
        let answers = unless_panicked(group, first, serve)?;
        let answers: Vec<Answer> = answers.into_iter().map(answer).collect();
        Ok(many(&answers, frame::MAX_VALUES_BYTES))
    }

    /// A value, or the word that there is none, from a peer that knows.
    pub(super) fn put(&self, request: &Request<'_>) -> Result<Response, Response> {
        let (group, key) = self.group_and_key(request)?;
        let ttl = request.header(wire::TTL_HEADER).map(wire::decode_millis);
        if key.is_empty() || ttl == Some(None) {
            return Err(refuse(Status::BadRequest, "bad request"));
        }
        let is_absent = request
            .header(wire::STATUS_HEADER)
            .is_some_and(|name| Status::read(404, Some(name)) == Some(Status::NotFound));
        let loaded =
            if is_absent { Loaded::absent() } else { Loaded::from(ByteView::from(request.body)) };
        group.peer_side().insert(&key, ttl.flatten().into_iter().fold(loaded, Loaded::ttl));
        Ok(done())
    }

    /// The removal of a key, or of all of them.
    pub(super) fn delete(&self, request: &Request<'_>) -> Result<Response, Response> {
        if wire::parse_group(&self.base_path, request.target, self.plus).is_ok() {
            self.group_alone(request)?.peer_side().clear();
            return Ok(done());
        }
        let (group, key) = self.group_and_key(request)?;
        if key.is_empty() {
            return Err(refuse(Status::BadRequest, "bad request"));
        }
        group.peer_side().remove(&[&key]);
        Ok(done())
    }

    /// The group that a request's path names, which names no key.
    fn group_alone(&self, request: &Request<'_>) -> Result<Group, Response> {
        let group = wire::parse_group(&self.base_path, request.target, self.plus);
        self.group(&group.map_err(|error| self.refuse_target(request, error))?)
    }
}

fn many(answers: &[Answer], max_bytes: usize) -> Response {
    Response {
        status: 200,
        content_type: "application/octet-stream",
        headers: Vec::new(),
        body: frame::encode_answers(answers, max_bytes).into(),
    }
}

fn done() -> Response {
    Response::text(204, ByteView::default())
}

/// What is told of a key of a batch.
fn answer(served: Result<Loaded, Error>) -> Answer {
    match served {
        Ok(loaded) => Answer::Loaded(loaded),
        Err(Error::EmptyKey) => Answer::Failed(PeerErrorKind::Protocol, "bad request".to_owned()),
        Err(error @ (Error::TimedOut { .. } | Error::Overloaded { .. })) => {
            Answer::Failed(PeerErrorKind::TimedOut, error.to_string())
        }
        // The getter's own words, as in the answer to a single get.
        Err(Error::Load { source, .. }) => Answer::Failed(PeerErrorKind::Load, source.to_string()),
        Err(error) => Answer::Failed(PeerErrorKind::Load, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
