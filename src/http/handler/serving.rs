//! [`Serving`]: what requests are answered with, and which group and key they name.

use std::borrow::Cow;
use std::sync::Arc;

use crate::group::Group;
use crate::http::handler::pages::Pages;
use crate::http::handler::replies::{done, refuse};
use crate::http::handler::through::HandedOver;
use crate::http::identity::Identity;
use crate::http::note::{self, Note, Status};
use crate::http::protocol::{Plus, Protocol};
use crate::http::remove_keys;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire::{self, BadTarget};
use crate::one_line::OneLine;
use crate::peers::PeerPicker;
use crate::registry::Registry;
use crate::repeats::Repeats;

/// What requests are answered with.
pub(crate) struct Serving {
    pub(crate) registry: Registry,
    pub(crate) base_path: String,
    pub(crate) protocol: Protocol,
    pub(crate) plus: Plus,
    /// Who serves.
    pub(crate) identity: Arc<Identity>,
    /// Which keys are this process's own.
    pub(crate) picker: Arc<dyn PeerPicker>,
    /// Which new owners have got what is theirs.
    pub(crate) handed_over: Arc<HandedOver>,
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
        let (group, key) = self.key_below(&self.base_path, request, note)?;
        self.count_misdirected(note, &[&key]);
        Ok((group, key))
    }

    /// The same of a change that another program sends to all peers, and not to the owner alone.
    pub(super) fn changed_key<'a>(
        &self,
        request: &HttpRequest<'a>,
    ) -> Result<(Group, Cow<'a, str>), HttpResponse> {
        self.key_below(&self.base_path, request, &Note::default())
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

    /// Counts a request for keys of which one is another's, by our list and not by the asker's.
    pub(super) fn count_misdirected(&self, note: &Note, keys: &[&str]) {
        if self.identity.may_differ_from(note) && keys.iter().any(|key| !self.picker.owns(key)) {
            self.identity.count_misdirected();
        }
    }

    /// Whether a request is for this process at all.
    pub(super) fn meet(&self, note: &Note) -> Result<(), HttpResponse> {
        self.identity.meet(note).map_err(|misdirected| {
            log::debug!("a request came to the wrong process: {misdirected}");
            refuse(misdirected.status(), misdirected)
        })
    }

    /// Whether one of ours names the base path, and no group: it only asks who is here.
    pub(super) fn is_greeting(&self, request: &HttpRequest<'_>, note: &Note) -> bool {
        note.incarnation.is_some() && wire::path_of(request.target) == self.base_path
    }

    /// The answer to a greeting, which may be a farewell, and may tell who else is there.
    pub(super) fn greet(&self, note: &Note, body: &[u8]) -> HttpResponse {
        if !body.is_empty() {
            self.identity.hear(body);
        }
        match (note.status, note.incarnation) {
            (Some(Status::HasLeft), Some(incarnation)) => self.identity.is_left_by(incarnation),
            _ => self.identity.hear_of_start(note),
        }
        if self.identity.has_left() {
            return refuse(Status::HasLeft, "this peer has left the list, and is about to end");
        }
        match self.identity.zone() {
            Some(zone) => HttpResponse::text(200, zone.to_string()),
            None => done(),
        }
    }

    /// Tells one of ours who has answered.
    pub(super) fn sign(&self, response: &mut HttpResponse) {
        let Note { incarnation, digest, .. } = self.identity.note();
        response.note = Note { incarnation, digest, ..response.note };
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
