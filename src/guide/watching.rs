//! How to see what a cluster does.
//!
//! # In a browser
//!
//! Open the address of any peer, such as `http://10.0.0.1:8001/` (feature `http`). The page shows
//! the cluster as that peer sees it: who is up, who owns which part of the keys, how much each
//! group answers from memory, what happened of late, which keys are asked for most, and where a key
//! lives. It asks its peer once a second, and its peer asks the others. It keeps the last five
//! minutes itself, so the processes keep no history. Where its own peer dies it says so, and goes
//! on asking.
//!
//! It is one file of 40 kB that loads nothing from elsewhere. It holds no data: where the cluster
//! has a token, it asks its reader for it, keeps it in the tab until that is closed, and sends it
//! as peers do. Only there it also removes keys. A reader who sends the token by plain HTTP shows
//! it to those who listen; with TLS the page is at `https://`, and with mutual TLS the browser
//! needs a certificate of the cluster.
//!
//! # From outside
//!
//! The port of a pool answers five paths outside of the base path:
//!
//! | path | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process serves |
//! | `GET /readyz` | 200 while peers should ask it; 503 once it has left or shuts down |
//! | `GET /metrics` | what is counted, as a text for Prometheus |
//! | `GET /` | the page for browsers |
//! | `GET /status.json` | what the page shows, as JSON: `guide::status_json` has the fields |
//!
//! They are there by default; `HttpPoolBuilder::status_pages` turns them off. Where the cluster has
//! a token, `/metrics` and `/status.json` ask for it, as peers' requests do. The others stay open:
//!
//! ```text
//! curl http://10.0.0.1:8001/readyz
//! curl -H "Authorization: Bearer $TOKEN" http://10.0.0.1:8001/metrics
//! curl -H "Authorization: Bearer $TOKEN" "http://10.0.0.1:8001/status.json?cluster"
//! ```
//!
//! Those who watch do not keep others waiting. Their requests take no place among those that
//! `max_requests` bounds, but for questions about a key. A question about the whole cluster takes
//! 500 ms at most, and two of them are under way at once.
//!
//! In Prometheus' own file that is:
//!
//! ```text
//! scrape_configs:
//!   - job_name: geecache
//!     authorization: { credentials_file: /etc/geecache/token-sent }
//!     static_configs:
//!       - targets: ["10.0.0.1:8001", "10.0.0.2:8001", "10.0.0.3:8001"]
//! ```
//!
//! (That file holds the one token that peers send, and nothing else.) With TLS add `scheme: https`
//! and `tls_config: { ca_file: /tls/ca.pem }`; with client certificates also its `cert_file` and
//! `key_file`.
//!
//! A program that has a page of metrics writes the same there: `HttpPool::write_metrics`, or
//! [`Registry::write_metrics`](crate::Registry::write_metrics) without the feature `http`. Both
//! write into a [`MetricsWriter`](crate::MetricsWriter), which makes one text of all that is
//! written into it, be it of two pools or of the program itself.
//!
//! `examples/grafana` in the repository has a dashboard for these metrics.
//!
//! # What to look at
//!
//! | question | answer |
//! |---|---|
//! | how much does the cache spare? | [`Stats::hit_ratio`](crate::Stats::hit_ratio) of each process; the getters' calls are `geecache_loads_total` |
//! | are the owners warm? | [`Stats::server_hit_ratio`](crate::Stats::server_hit_ratio) there, [`Stats::peer_hit_ratio`](crate::Stats::peer_hit_ratio) where they are asked |
//! | do new owners get what they need? | `geecache_taken_over_total` and `geecache_taken_over_bytes_total` grow after a new list, and `geecache_handed_over_total` at the others |
//! | is a cache too small? | `geecache_cache_evictions_total` grows while `geecache_cache_bytes` is at `geecache_cache_max_bytes` |
//! | is a peer down? | `geecache_peer_up` is 0; `geecache_peer_failures_total` says how often it failed |
//! | does one peer do too much? | `geecache_ring_share_ratio` times `geecache_ring_peers` |
//! | do all peers have the same list? | `geecache_peer_list_differs` is 1 for one that has another; `HttpPool::list_stats` |
//! | does a peer refuse work? | `geecache_server_rejected_total`, and `geecache_server_unauthorized_total` for a wrong token |
//! | is the source slow? | `geecache_getter_duration_seconds`: its 99th percentile, not its mean |
//! | is the source down, or protected from too much? | `geecache_source_rests_total`, `geecache_source_refusals_total`, `geecache_soft_timeouts_total`: see [`source`](crate::guide::source) |
//! | is a peer slow? | `geecache_peer_request_duration_seconds{peer=…}`; [`Latencies`](crate::Latencies) and `PeerStats::latency` tell the same in the program |
//! | are there too few threads to load? | `geecache_loads_waiting` is over 0 for long: `max_loaders` is too small, or the source too slow |
//! | do callers wait for each other? | `geecache_wait_duration_seconds` |
//! | was the snapshot loaded? | `geecache_snapshot_entries_total{result=…}`: `loaded` and `skipped`; `geecache_snapshot_failures_total` |
//! | which keys are asked for most? | [`Group::hot_keys`](crate::Group::hot_keys) |
//! | is something told too often to be told at all? | `geecache_log_lines_suppressed_total{group=…}`, `geecache_events_dropped_total` |
//! | where did this value come from? | [`get_with_origin`](crate::Group::get_with_origin), [`get_many_with_origin`](crate::Group::get_many_with_origin); a `TypedGroup` has both |
//!
//! What to raise an alarm on stands in [`alarms`](crate::guide::alarms); spans and traces in
//! [`traces`](crate::guide::traces).
//!
//! # How long it takes
//!
//! Times are counted in histograms ([`Histogram`](crate::Histogram)) that are true to 3.2 %, with
//! a fixed memory of 5.3 KB each. A group has three: calls of the getter, waits for the load of
//! another caller, and hits. Of hits about one in 64 is timed, chosen by chance. With the sample
//! for the hot keys that adds about 20 processor instructions to a hit, which takes about 375
//! (callgrind, keys that share no popularity). Each peer has one, of all requests to it.
//!
//! # Hot keys
//!
//! [`Group::hot_keys`](crate::Group::hot_keys) tells which keys are asked for most, here and by
//! peers, and how often. A key that gets a good part of all gets shows within seconds, and fades
//! within half a minute. The numbers are estimates from one get in 64. Hot keys are no label of
//! any metric: a program's keys are without number, and each would be a series of its own in
//! Prometheus for ever. Where keys are secrets,
//! [`GroupBuilder::hot_keys`](crate::GroupBuilder::hot_keys) turns them off.
//!
//! # Events
//!
//! [`GroupBuilder::on_event`](crate::GroupBuilder::on_event) and `HttpPoolBuilder::on_event` call a
//! program with what happens, see [`Event`](crate::Event). The last rare events are remembered
//! without that: [`Group::recent_events`](crate::Group::recent_events) and
//! `HttpPool::recent_events`.
//!
//! ```
//! use std::sync::mpsc;
//! use geecache::{Event, Group};
//!
//! let (tell, told) = mpsc::sync_channel(100);
//! let group = Group::builder("scores", 1 << 20, |_: &str| Err::<&str, _>("the disk is gone"))
//!     .on_event(move |event: &Event| {
//!         let _ = tell.try_send(event.to_string());
//!     })
//!     .build();
//! assert!(group.get("Tom").is_err());
//! assert!(told.recv()?.contains("the disk is gone"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In the program
//!
//! [`Group::stats`](crate::Group::stats) and the two `…_cache_stats` are snapshots of what is
//! counted since the start; `HttpPool::peer_stats` tells of the peers.
//! [`guide::logging`](crate::guide::logging) lists what is logged.
//!
//! ```
//! use geecache::{Group, MetricsFormat, MetricsWriter, Origin, Registry};
//!
//! let group = Group::new("scores", 1 << 20, |_: &str| Ok::<_, std::io::Error>("630"));
//! assert_eq!(group.get_with_origin("Tom")?.1, Origin::Getter);
//! assert_eq!(group.get_with_origin("Tom")?.1, Origin::Memory);
//! assert_eq!(group.stats().hit_ratio(), Some(0.5));
//!
//! let registry = Registry::new();
//! registry.insert(&group)?;
//! let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
//! registry.write_metrics(&mut metrics);
//! assert!(metrics.finish().contains("geecache_gets_total{group=\"scores\",result=\"miss\"} 1\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
