//! What a pool counts, beside what its groups do.

use crate::http::listed::ListedPeer;
use crate::http::peer::PeerState;
use crate::http::peers::Peers;
use crate::http::server::Health;
use crate::metrics::MetricsWriter;

/// Writes what is known of the other peers, and of the list that they are in. With the lines about
/// clients that were not logged.
pub(super) fn write_peers(writer: &mut MetricsWriter, peers: &Peers, of_clients: u64) {
    let shares = peers.shares();
    let help = "Peers in the list, this one included.";
    writer.gauge("geecache_peers", help).sample(&[], shares.len());
    let help = "Whether this process is in the list: 1 if it is.";
    let is_listed = peers.listed().is_some();
    writer.gauge("geecache_listed", help).sample(&[], u8::from(is_listed));
    write_zones(writer, peers, &shares);
    let stats = peers.stats();
    let mut family = writer.gauge("geecache_peer_up", "Whether it is asked: 1 if it is.");
    for peer in &stats {
        family.sample(&[("peer", &peer.url)], u8::from(peer.state != PeerState::Down));
    }
    let mut family = writer.gauge("geecache_peer_in_flight", "Requests in flight to it.");
    for peer in &stats {
        family.sample(&[("peer", &peer.url)], peer.in_flight);
    }
    let mut family = writer.counter("geecache_peer_requests", "Requests sent to it.");
    for peer in &stats {
        family.sample(&[("peer", &peer.url)], peer.requests);
    }
    let help = "Requests that failed because of it.";
    let mut family = writer.counter("geecache_peer_failures", help);
    for peer in &stats {
        family.sample(&[("peer", &peer.url)], peer.failures);
    }
    let help = "How long requests to it took.";
    let mut family = writer.histogram("geecache_peer_request_duration_seconds", help);
    for peer in &stats {
        family.times(&[("peer", &peer.url)], &peer.latency);
    }
    let help = "Whether it has another list of peers: 1 if so.";
    let mut family = writer.gauge("geecache_peer_list_differs", help);
    for peer in &stats {
        let differs = u8::from(peer.list_differs_for.is_some());
        family.sample(&[("peer", &peer.url)], differs);
    }
    let help = "Requests that were not sent, as it is down or too many were in flight.";
    let mut family = writer.counter("geecache_peer_rejected", help);
    for peer in &stats {
        family.sample(&[("peer", &peer.url)], peer.rejected);
    }
    let (dropped, suppressed) = peers.untold();
    let suppressed = suppressed + of_clients;
    let help = "Events of peers that the subscriber was not told.";
    writer.counter("geecache_pool_events_dropped", help).sample(&[], dropped);
    let help = "Lines of the pool that were not logged, as the same was told just before.";
    writer.counter("geecache_pool_log_lines_suppressed", help).sample(&[], suppressed);
}

/// Writes how the keys are shared in the zone of this process, and in which zones the others are.
fn write_zones(writer: &mut MetricsWriter, peers: &Peers, shares: &[(ListedPeer, f64)]) {
    let own_zone = peers.zone();
    let on_ring = || shares.iter().filter(|(peer, _)| peer.zone == own_zone);
    let help = "Peers in the zone of this one, which share the keys.";
    writer.gauge("geecache_ring_peers", help).sample(&[], on_ring().count());
    let help = "The part of all keys that it owns, of each peer in the zone of this one.";
    let mut family = writer.gauge("geecache_ring_share_ratio", help);
    for (peer, share) in on_ring() {
        family.sample(&[("peer", peer.url.as_str())], share);
    }
    let zoned = || shares.iter().filter_map(|(peer, _)| Some((peer, peer.zone.as_deref()?)));
    if zoned().next().is_some() {
        let help = "The zone it is in: 1 for that one.";
        let mut family = writer.gauge("geecache_peer_zone", help);
        zoned().for_each(|(peer, zone)| {
            family.sample(&[("peer", peer.url.as_str()), ("zone", zone)], 1_u8);
        });
    }
}

/// Writes what the server of this process went through.
pub(super) fn write_server(
    writer: &mut MetricsWriter,
    health: &Health,
    (turned_away, misdirected): (u64, u64),
) {
    for (name, help, value) in [
        ("geecache_server_requests", "Requests that were read.", health.requests),
        ("geecache_server_rejected", "Requests refused at a bound, with a 503.", health.rejected),
        (
            "geecache_server_misdirected",
            "Requests of peers with another list, for keys of others.",
            misdirected,
        ),
        ("geecache_server_unauthorized", "Requests without a token that is known.", turned_away),
        (
            "geecache_server_abandoned",
            "Connections that tiny_http holds for good.",
            health.abandoned,
        ),
        (
            "geecache_server_accept_restarts",
            "Times that accepting had stopped and was resumed.",
            health.accept_restarts,
        ),
    ] {
        writer.counter(name, help).sample(&[], value);
    }
    let help = "Requests that are being answered.";
    writer.gauge("geecache_server_in_flight", help).sample(&[], health.in_flight);
    if let Some(connections) = health.connections {
        let help = "Open connections.";
        writer.gauge("geecache_server_connections", help).sample(&[], connections);
    }
}
