//! Where a key lives, and its removal.

use crate::getter::Loaded;
use crate::group::{Group, RemoveOutcome, RemoveReport};
use crate::http::peers::Peers;
use crate::http::server::HttpResponse;
use crate::http::status::json::JsonObject;
use crate::http::status::view::millis;
use crate::http::wire::{self, Query};
use crate::origin::Origin;
use crate::registry::Registry;

/// A key that a query names.
pub(super) struct KeyQuestion {
    pub(super) group: Group,
    pub(super) key: String,
    /// Whether the other peers are asked, too.
    pub(super) is_for_cluster: bool,
}

impl KeyQuestion {
    /// The question of a request with this target. An error is the answer.
    pub(super) fn read(registry: &Registry, target: &str) -> Result<Self, HttpResponse> {
        let refuse = |status, text: &str| HttpResponse::text(status, format!("{text}\n"));
        let query = Query::of(target).map_err(|error| refuse(400, &error.to_string()))?;
        let value = |name| query.value(name).filter(|value| !value.is_empty());
        let (Some(group), Some(key)) = (value("group"), value("key")) else {
            return Err(refuse(400, "a group and a key are needed: ?group=G&key=K"));
        };
        let no_such = || refuse(404, &format!("no such group: {group}"));
        Ok(Self {
            group: registry.get(group).ok_or_else(no_such)?,
            key: key.to_owned(),
            is_for_cluster: query.has("cluster"),
        })
    }

    /// What the other peers are asked for: the same, and to ask nobody.
    pub(super) fn path(&self) -> String {
        let mut path = "/status.json?group=".to_owned();
        wire::push_query_value(&mut path, self.group.name());
        path.push_str("&key=");
        wire::push_query_value(&mut path, &self.key);
        path
    }

    /// Writes where the key lives, as far as this process knows.
    pub(super) fn write(&self, object: &mut JsonObject<'_>, peers: &Peers) {
        object.member("group", self.group.name());
        object.member("key", &*self.key);
        object.member("position", peers.with_ring(|ring| ring.position(&self.key)));
        object.member("owner", peers.owner(&self.key).as_deref());
        object.member("asked", peers.asked_for(&self.key).as_deref());
        match self.group.peek_loaded(&self.key) {
            None => object.member("here", None::<u64>),
            Some(loaded) => object.object("here", |object| write_loaded(object, &loaded)),
        }
    }
}

fn write_loaded(object: &mut JsonObject<'_>, loaded: &Loaded) {
    object.member("kind", if loaded.origin() == Origin::Copy { "copy" } else { "owned" });
    object.member("exists", loaded.value().is_some());
    object.member("bytes", loaded.value().map_or(0, |value| value.len()));
    object.member("ttl_ms", loaded.time_to_live().map(millis));
}

/// Writes what became of a removal.
pub(super) fn write_report(object: &mut JsonObject<'_>, report: &RemoveReport) {
    object.member("removed", report.is_complete());
    object.list("peers", &report.peers, |object, told| {
        object.member("url", &*told.peer);
        let error = match &told.outcome {
            RemoveOutcome::Done | RemoveOutcome::Late => return object.member("done", true),
            RemoveOutcome::NotSupported => "it does not know how to".to_owned(),
            RemoveOutcome::Owed(error) | RemoveOutcome::Failed(error) => {
                format!("{}: {}", error.kind(), error.message())
            }
        };
        object.member("done", false);
        object.member("error", &*error);
    });
}
