//! [`Serving`]: what requests are answered with, and which group and key they name.

use std::borrow::Cow;
use std::time::Duration;

use crate::group::Group;
use crate::http::handler::replies::refuse;
use crate::http::protocol::Protocol;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire::{self, BadTarget, Plus, Status};
use crate::registry::Registry;

/// What requests are answered with.
pub(crate) struct Serving {
    pub(crate) registry: Registry,
    pub(crate) base_path: String,
    pub(crate) protocol: Protocol,
    pub(crate) plus: Plus,
}

impl Serving {
    /// The group and the key that a request's path names.
    pub(super) fn group_and_key<'a>(
        &self,
        request: &HttpRequest<'a>,
    ) -> Result<(Group, Cow<'a, str>), HttpResponse> {
        let parts = wire::parse_target(&self.base_path, request.target, self.plus);
        let (group, key) = parts.map_err(|error| refuse_target(request, error))?;
        Ok((self.group(&group)?, key))
    }

    /// The group that a request's path names, which names no key.
    pub(super) fn group_alone(&self, request: &HttpRequest<'_>) -> Result<Group, HttpResponse> {
        let group = wire::parse_group(&self.base_path, request.target, self.plus);
        self.group(&group.map_err(|error| refuse_target(request, error))?)
    }

    /// Whether a request's path names a group, and no key.
    pub(super) fn names_group_alone(&self, request: &HttpRequest<'_>) -> bool {
        wire::parse_group(&self.base_path, request.target, self.plus).is_ok()
    }

    fn group(&self, name: &str) -> Result<Group, HttpResponse> {
        let no_such = || refuse(Status::NoSuchGroup, format_args!("no such group: {name}"));
        self.registry.get(name).ok_or_else(no_such)
    }
}

/// How long the asking peer is going to wait, if it says so.
pub(super) fn timeout_of(request: &HttpRequest<'_>) -> Option<Duration> {
    request.header(wire::TIMEOUT_HEADER).and_then(wire::decode_millis)
}

fn refuse_target(request: &HttpRequest<'_>, error: BadTarget) -> HttpResponse {
    log::debug!("a peer asked for {:?}: {error}", request.target);
    refuse(Status::BadRequest, "bad request")
}
