//! What `/status.json` tells of this process. [`guide::watching`](crate::guide::watching) has the
//! shape; what stands there once stays.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::events::{Event, PastEvent};
use crate::group::Group;
use crate::http::peer::{PeerState, PeerStats};
use crate::http::peers::Peers;
use crate::http::server::Health;
use crate::http::status::groups::{write_group, write_latency};
use crate::http::status::json::JsonObject;

/// More groups than this are left out, so that an answer has a bound.
const MAX_GROUPS: usize = 200;
/// So many of the last events are told.
const MAX_EVENTS: usize = 32;
/// As much is told of an event.
const MAX_EVENT_CHARS: usize = 300;
/// A ring that is cut into more pieces than this is not drawn.
const MAX_ARCS: usize = 4096;

/// What is known beside the peers.
pub(super) struct Facts<'a> {
    pub(super) uptime: Duration,
    /// Whether it is ready, and why.
    pub(super) readiness: (bool, String),
    pub(super) has_token: bool,
    pub(super) turned_away: u64,
    pub(super) health: Option<Health>,
    pub(super) groups: &'a [Group],
    /// What happened, the last one last.
    pub(super) events: &'a [PastEvent],
}

/// Writes who and how this process is.
pub(super) fn write_process(object: &mut JsonObject<'_>, peers: &Peers, facts: &Facts<'_>) {
    let options = &peers.options().peer;
    let (is_ready, why) = &facts.readiness;
    object.member("format", 1_u64);
    object.member("version", env!("CARGO_PKG_VERSION"));
    object.member("url", peers.own().map(|url| url.as_str()));
    object.member("time_ms", UNIX_EPOCH.elapsed().map_or(0, millis));
    object.member("uptime_ms", millis(facts.uptime));
    object.member("ready", *is_ready);
    object.member("why", &**why);
    object.member("protocol", options.protocol.name());
    object.member("base_path", &*options.base_path);
    object.member("has_token", facts.has_token);
    object.member("has_tls", options.exchange.tls.is_some());
    object.object("ring", |object| write_ring(object, peers));
    write_server(object, facts);
    let left_out = facts.groups.len().saturating_sub(MAX_GROUPS);
    if left_out > 0 {
        object.member("groups_left_out", left_out);
    }
    object.list("groups", facts.groups.iter().take(MAX_GROUPS), write_group);
    object.list("events", facts.events.iter().rev().take(MAX_EVENTS), write_event);
}

fn write_event(object: &mut JsonObject<'_>, past: &PastEvent) {
    let age = SystemTime::now().duration_since(past.at).unwrap_or_default();
    object.member("time_ms", past.at.duration_since(UNIX_EPOCH).map_or(0, millis));
    object.member("age_ms", millis(age));
    object.member("kind", past.event.name());
    let (peer, group, key) = match &past.event {
        Event::PeerDown { peer, .. } | Event::PeerUp { peer } => (Some(&**peer), None, None),
        Event::LoadFailed { group, key, .. } => (None, Some(group), Some(key)),
        Event::SourceDown { group, .. } | Event::SourceUp { group } => (None, Some(group), None),
        Event::RemovalIncomplete { group, first_key, error, .. } => {
            (Some(error.peer()), Some(group), first_key.as_ref())
        }
        Event::TagRemovalIncomplete { group, error, .. } => (Some(error.peer()), Some(group), None),
        // The others are no rare ones, or have no more to tell than their text.
        _ => (None, None, None),
    };
    object.member("peer", peer);
    object.member("group", group.map(String::as_str));
    object.member("key", key.map(String::as_str));
    let text: String = past.event.to_string().chars().take(MAX_EVENT_CHARS).collect();
    object.member("text", &*text);
}

fn write_ring(object: &mut JsonObject<'_>, peers: &Peers) {
    let (replicas, len) = peers.with_ring(|ring| (ring.replicas(), ring.len()));
    object.member("hash", &*format!("{:?}", peers.options().hash).to_lowercase());
    object.member("replicas", replicas.get());
    object.member("peers", len);
    object.member("zone", peers.zone().as_deref());
    object.member("listed", peers.listed().is_some());
    object.member("digest", &*format!("{:08x}", peers.digest()));
}

fn write_server(object: &mut JsonObject<'_>, facts: &Facts<'_>) {
    let Some(health) = &facts.health else { return object.member("server", None::<u64>) };
    object.object("server", |object| {
        object.member("requests", health.requests);
        object.member("rejected", health.rejected);
        object.member("unauthorized", facts.turned_away);
        object.member("abandoned", health.abandoned);
        object.member("accept_restarts", health.accept_restarts);
        object.member("in_flight", health.in_flight);
        object.member("connections", health.connections);
    });
}

/// Writes what this process knows of all peers, itself among them.
pub(super) fn write_peers(object: &mut JsonObject<'_>, peers: &Peers) {
    let stats = peers.stats();
    let own = peers.own();
    object.list("peers", peers.shares(), |object, (peer, share)| {
        let url = peer.url.as_str();
        object.member("url", url);
        object.member("self", own == Some(&peer.url));
        object.member("name", &*peer.name);
        object.member("weight", peer.weight.get());
        object.member("zone", peer.zone.as_deref());
        object.member("share", share);
        // Both are in the order of the URLs.
        if let Ok(at) = stats.binary_search_by(|stats| stats.url.as_str().cmp(url)) {
            write_peer(object, &stats[at]);
        }
    });
}

fn write_peer(object: &mut JsonObject<'_>, stats: &PeerStats) {
    object.member("state", if stats.state == PeerState::Up { "up" } else { "down" });
    object.member("in_flight", stats.in_flight);
    object.member("requests", stats.requests);
    object.member("failures", stats.failures);
    object.member("rejected", stats.rejected);
    write_latency(object, "latency", &stats.latency);
}

/// Writes the ring as a picture needs it: its pieces, each with its end and the place of its owner
/// in the list of `nodes`.
pub(super) fn write_arcs(object: &mut JsonObject<'_>, peers: &Peers) {
    let (nodes, arcs) = peers.arcs(MAX_ARCS);
    object.list("arcs", arcs, |object, (end, node)| {
        // A picture has no use for more digits.
        object.member("end", (end * 1e6).round() / 1e6);
        object.member("node", node);
    });
    object.list("nodes", nodes, |object, node| object.member("url", &*node));
}

/// The time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
