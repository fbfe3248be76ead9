//! How to see what a cluster does.
//!
//! # From outside
//!
//! The port of a pool answers three more paths, outside of the base path (feature `http`):
//!
//! | path | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process serves |
//! | `GET /readyz` | 200 while peers should ask it; 503 once it has left or shuts down |
//! | `GET /metrics` | what is counted, as a text for Prometheus |
//!
//! They are there by default; `HttpPoolBuilder::status_pages` turns them off. Where the cluster has
//! a token, `/metrics` asks for it, as peers' requests do, and the other two stay open:
//!
//! ```text
//! curl http://10.0.0.1:8001/readyz
//! curl -H "Authorization: Bearer $TOKEN" http://10.0.0.1:8001/metrics
//! ```
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
//! (That file holds the one token that peers send, and nothing else.)
//!
//! A program that has a page of metrics writes the same text there: `HttpPool::write_metrics`, or
//! [`Registry::write_metrics`](crate::Registry::write_metrics) without the feature `http`.
//!
//! # What to look at
//!
//! | question | answer |
//! |---|---|
//! | how much does the cache spare? | [`Stats::hit_ratio`](crate::Stats::hit_ratio) of each process; the getters' calls are `geecache_loads_total` |
//! | are the owners warm? | [`Stats::server_hit_ratio`](crate::Stats::server_hit_ratio) there, [`Stats::peer_hit_ratio`](crate::Stats::peer_hit_ratio) where they are asked |
//! | is a cache too small? | `geecache_cache_evictions_total` grows while `geecache_cache_bytes` is at `geecache_cache_max_bytes` |
//! | is a peer down? | `geecache_peer_up` is 0; `geecache_peer_failures_total` says how often it failed |
//! | does one peer do too much? | `geecache_ring_share_ratio` |
//! | do all peers have the same list? | `geecache_peer_list_differs` is 1 for one that has another; `HttpPool::list_stats` |
//! | does a peer refuse work? | `geecache_server_rejected_total`, and `geecache_server_unauthorized_total` for a wrong token |
//! | where did this value come from? | [`Group::get_with_origin`](crate::Group::get_with_origin) |
//!
//! As alarms:
//!
//! ```text
//! geecache_peer_up == 0                                                    for 1m
//! rate(geecache_loads_total{result="error"}[5m]) > 0                       for 5m
//! rate(geecache_server_rejected_total[5m]) > 0                             for 5m
//! geecache_peer_list_differs == 1                                          for 1m
//! ```
//!
//! The last one finds peers whose lists differ: each request and each answer between them tells a
//! digest of the sender's list.
//!
//! # In the program
//!
//! [`Group::stats`](crate::Group::stats) and the two `…_cache_stats` are snapshots of what is
//! counted since the start; `HttpPool::peer_stats` tells of the peers.
//! [`guide::logging`](crate::guide::logging) lists what is logged.
//!
//! ```
//! use geecache::{Group, MetricsFormat, Origin, Registry};
//!
//! let group = Group::new("scores", 1 << 20, |_: &str| Ok::<_, std::io::Error>("630"));
//! assert_eq!(group.get_with_origin("Tom")?.1, Origin::Getter);
//! assert_eq!(group.get_with_origin("Tom")?.1, Origin::Memory);
//! assert_eq!(group.stats().hit_ratio(), Some(0.5));
//!
//! let registry = Registry::new();
//! registry.insert(&group)?;
//! let mut text = String::new();
//! registry.write_metrics(&mut text, MetricsFormat::Prometheus)?;
//! assert!(text.contains("geecache_gets_total{group=\"scores\",result=\"miss\"} 1\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
