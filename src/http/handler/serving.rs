//! [`Serving`]: what requests are answered with, and which group and key they name.

use std::borrow::Cow;
use std::sync::Arc;

use crate::group::Group;
use crate::http::handler::pages::Pages;
use crate::http::handler::replies::refuse;
use crate::http::note::{self, Note, Status};
use crate::http::protocol::Protocol;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire::{self, BadTarget, Plus};
use crate::one_line::OneLine;
use crate::registry::Registry;
use crate::repeats::Repeats;

/// What requests are answered with.
pub(crate) struct Serving {
    pub(crate) registry: Registry,
    pub(crate) base_path: String,
    pub(crate) protocol: Protocol,
    pub(crate) plus: Plus,
    /// `None` where there are none.
    pub(crate) pages: Option<Arc<dyn Pages>>,
    /// What was logged before.
    pub(crate) repeats: Arc<Repeats>,
}

impl Serving {
    /// The group and the key that a request's path names.
    pub(super) fn group_and_key<'a>(
        &self,
        request: &HttpRequest<'a>,
        note: &Note,
    ) -> Result<(Group, Cow<'a, str>), HttpResponse> {
        let parts = wire::parse_target(&self.base_path, request.target, self.plus);
        let (group, key) = parts.map_err(|error| refuse_target(request, error))?;
        self.check(note, &group, Some(&key))?;
        Ok((self.group(&group)?, key))
    }

    /// The group that a request's path names, which names no key.
    pub(super) fn group_alone(
        &self,
        request: &HttpRequest<'_>,
        note: &Note,
    ) -> Result<Group, HttpResponse> {
        let group = wire::parse_group(&self.base_path, request.target, self.plus);
        let group = group.map_err(|error| refuse_target(request, error))?;
        self.check(note, &group, None)?;
        self.group(&group)
    }

    /// Whether a request's path names a group, and no key.
    pub(super) fn names_group_alone(&self, request: &HttpRequest<'_>) -> bool {
        wire::parse_group(&self.base_path, request.target, self.plus).is_ok()
    }

    /// A refusal if the asker means another group or key than the path names, or speaks another
    /// protocol.
    fn check(&self, note: &Note, group: &str, key: Option<&str>) -> Result<(), HttpResponse> {
        if note.key.is_some_and(|meant| meant != note::hash_of(group, key)) {
            let text = "the path was rewritten on its way: it names another key than the header";
            return Err(refuse(Status::OtherKey, text));
        }
        match note.protocol {
            Some(theirs) if theirs != self.protocol => {
                let (theirs, ours) = (theirs.name(), self.protocol.name());
                let text = format!("this peer speaks the protocol {ours}, and not {theirs}");
                Err(refuse(Status::OtherProtocol, text))
            }
            _ => Ok(()),
        }
    }

    fn group(&self, name: &str) -> Result<Group, HttpResponse> {
        let no_such = || refuse(Status::NoSuchGroup, format_args!("no such group: {name}"));
        self.registry.get(name).ok_or_else(no_such)
    }
}

/// What the asker tells beside its request.
pub(super) fn note_of(request: &HttpRequest<'_>) -> Result<Note, HttpResponse> {
    let Some(text) = request.header(note::HEADER) else { return Ok(Note::default()) };
    Note::read(text).map_err(|error| refuse(Status::BadRequest, error))
}

fn refuse_target(request: &HttpRequest<'_>, error: BadTarget) -> HttpResponse {
    log::debug!("a peer asked for {}: {error}", OneLine(request.target));
    refuse(Status::BadRequest, "bad request")
}
