//! What `/status.json` tells of this process. [`guide::watching`](crate::guide::watching) has the
//! shape; what stands there once stays.

use std::time::{Duration, UNIX_EPOCH};

use crate::group::Group;
use crate::http::peer::{PeerState, PeerStats};
use crate::http::peers::Peers;
use crate::http::server::Health;
use crate::http::status::json::JsonObject;
use crate::stats::{CacheStats, Stats};

/// More groups than this are left out, so that an answer has a bound.
const MAX_GROUPS: usize = 200;
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
}

fn write_ring(object: &mut JsonObject<'_>, peers: &Peers) {
    let (ring, digest) = peers.ring();
    object.member("hash", &*format!("{:?}", peers.options().hash).to_lowercase());
    object.member("replicas", ring.replicas().get());
    object.member("peers", ring.len());
    object.member("listed", peers.listed().is_some());
    object.member("digest", &*format!("{digest:08x}"));
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
    let own = peers.own().map(|url| url.as_str());
    object.list("peers", peers.shares(), |object, (url, share)| {
        object.member("url", &*url);
        object.member("self", own == Some(&url));
        object.member("share", share);
        if let Some(stats) = stats.iter().find(|stats| stats.url == url) {
            write_peer(object, stats);
        }
    });
}

fn write_peer(object: &mut JsonObject<'_>, stats: &PeerStats) {
    object.member("state", if stats.state == PeerState::Up { "up" } else { "down" });
    object.member("in_flight", stats.in_flight);
    object.member("requests", stats.requests);
    object.member("failures", stats.failures);
    object.member("rejected", stats.rejected);
}

/// Writes the ring as a picture needs it: its pieces, each with its end and the place of its owner
/// in the list of `nodes`.
pub(super) fn write_arcs(object: &mut JsonObject<'_>, peers: &Peers) {
    let (ring, _) = peers.ring();
    let shares = ring.shares();
    let nodes: Vec<&str> = shares.iter().map(|(node, _)| *node).collect();
    let mut arcs = ring.arcs();
    arcs.truncate(if arcs.len() > MAX_ARCS { 0 } else { MAX_ARCS });
    object.list("arcs", arcs, |object, (end, node)| {
        // A picture has no use for more digits.
        object.member("end", (end * 1e6).round() / 1e6);
        object.member("node", nodes.binary_search(&node).unwrap_or_default());
    });
    object.list("nodes", nodes, |object, node| object.member("url", node));
}

fn write_group(object: &mut JsonObject<'_>, group: &Group) {
    let stats = group.stats();
    object.member("name", group.name());
    object.object("stats", |object| write_numbers(object, &numbers_of(&stats)));
    object.object("ratios", |object| {
        object.member("hit", stats.hit_ratio());
        object.member("owned", stats.owned_hit_ratio());
        object.member("copy", stats.copy_hit_ratio());
        object.member("peer", stats.peer_hit_ratio());
        object.member("server", stats.server_hit_ratio());
    });
    for (name, stats) in
        [("main_cache", group.main_cache_stats()), ("hot_cache", group.hot_cache_stats())]
    {
        object.object(name, |object| write_numbers(object, &numbers_of_cache(&stats)));
    }
}

fn write_numbers(object: &mut JsonObject<'_>, numbers: &[(&str, u64)]) {
    for &(name, number) in numbers {
        object.member(name, number);
    }
}

/// All of them, by their names.
fn numbers_of(stats: &Stats) -> [(&'static str, u64); 23] {
    [
        ("gets", stats.gets),
        ("hits", stats.hits),
        ("owned_hits", stats.owned_hits),
        ("owned_misses", stats.owned_misses),
        ("copy_hits", stats.copy_hits),
        ("copy_misses", stats.copy_misses),
        ("loads", stats.loads),
        ("loads_deduplicated", stats.loads_deduplicated),
        ("peer_loads", stats.peer_loads),
        ("peer_hits", stats.peer_hits),
        ("peer_errors", stats.peer_errors),
        ("local_loads", stats.local_loads),
        ("local_load_errors", stats.local_load_errors),
        ("server_requests", stats.server_requests),
        ("server_hits", stats.server_hits),
        ("hits_stale", stats.hits_stale),
        ("negative_hits", stats.negative_hits),
        ("refreshes", stats.refreshes),
        ("peeks", stats.peeks),
        ("peek_hits", stats.peek_hits),
        ("removes", stats.removes),
        ("inserts", stats.inserts),
        ("clears", stats.clears),
    ]
}

fn numbers_of_cache(stats: &CacheStats) -> [(&'static str, u64); 10] {
    [
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("entries", stats.entries),
        ("bytes", stats.bytes),
        ("charged_bytes", stats.charged_bytes),
        ("max_bytes", stats.max_bytes),
        ("inserts", stats.inserts),
        ("evictions", stats.evictions),
        ("expired", stats.expired),
        ("rejected", stats.rejected),
    ]
}

/// The time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the fields, as `Debug` tells them.
    fn fields(debug: &str) -> Vec<&str> {
        let words = debug.split([' ', '{', ',']);
        words.filter_map(|word| word.strip_suffix(':')).collect()
    }

    #[test]
    fn every_counter_is_told_by_its_own_name() {
        let names = numbers_of(&Stats::default()).map(|(name, _)| name);
        assert_eq!(fields(&format!("{:?}", Stats::default())), names);
        let names = numbers_of_cache(&CacheStats::default()).map(|(name, _)| name);
        assert_eq!(fields(&format!("{:?}", CacheStats::default())), names);
    }
}
