//! [`Serving`]: what requests are answered with, and which group and key they name.

use std::borrow::Cow;
use std::sync::Arc;

use crate::group::Group;
use crate::http::handler::pages::Pages;
use crate::http::handler::replies::refuse;
use crate::http::note::{self, Note, Status};
use crate::http::protocol::{Plus, Protocol};
use crate::http::remove_keys;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire::{self, BadTarget};
use crate::one_line::OneLine;
use crate::registry::Registry;

/// What requests are answered with.
pub(crate) struct Serving {
    pub(crate) registry: Registry,
    pub(crate) base_path: String,
    pub(crate) protocol: Protocol,
    pub(crate) plus: Plus,
    /// `None` where there are none.
    pub(crate) pages: Option<Arc<dyn Pages>>,
}

impl Serving {
    /// The group and the key that a request's path names.
    pub(super) fn group_and_key<'a>(
        &self,
        request: &HttpRequest<'a>,
        note: &Note,
    ) -> Result<(Group, Cow<'a, str>), HttpResponse> {
        self.key_below(&self.base_path, request, note)
    }

    /// The group and the key that a request wants to know about from memory.
    pub(super) fn peeked_key<'a>(
        &self,
        request: &HttpRequest<'a>,
        note: &Note,
    ) -> Result<(Group, Cow<'a, str>), HttpResponse> {
        let base_path = self.protocol.wire().peek_path(&self.base_path).unwrap_or_default();
        self.key_below(&base_path, request, note)
    }

    /// Whether a request wants to know what is in memory, as peers of other programs ask.
    pub(super) fn is_peek(&self, request: &HttpRequest<'_>) -> bool {
        let base_path = self.protocol.wire().peek_path(&self.base_path);
        base_path.is_some_and(|base| wire::path_of(request.target).starts_with(&base))
    }

    /// Whether a request is one of another program to remove keys that its body names.
    pub(super) fn names_keys_in_body(&self, request: &HttpRequest<'_>) -> bool {
        let parts = wire::parse_target(&self.base_path, request.target, self.plus);
        parts.is_ok_and(|(_, key)| key.starts_with(remove_keys::PATH))
    }

    fn key_below<'a>(
        &self,
        base_path: &str,
        request: &HttpRequest<'a>,
        note: &Note,
    ) -> Result<(Group, Cow<'a, str>), HttpResponse> {
        let parts = wire::parse_target(base_path, request.target, self.plus);
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

/// What the asker tells beside its request; `None` if it is no peer of ours.
pub(super) fn note_of(request: &HttpRequest<'_>) -> Result<Option<Note>, HttpResponse> {
    let note = request.header(note::HEADER).map(Note::read).transpose();
    note.map_err(|error| refuse(Status::BadRequest, error))
}

fn refuse_target(request: &HttpRequest<'_>, error: BadTarget) -> HttpResponse {
    log::debug!("a peer asked for {}: {error}", OneLine(request.target));
    refuse(Status::BadRequest, "bad request")
}
