//! What to raise an alarm on.
//!
//! Where each question has its answer stands in [`watching`](crate::guide::watching).
//!
//! # Alarms
//!
//! `examples/grafana/alerts.yml` in the repository has these as rules for Prometheus. The
//! thresholds are a start; those marked *yours* depend on the source and on what callers expect.
//! `promtool check rules` reads the file in CI, and a test compares its names with what a peer
//! tells.
//!
//! | alarm | when | for | what to do |
//! |---|---|---|---|
//! | `GeecachePeerDown` | a peer does not ask another any more | 1 min | look at that process. No get fails meanwhile: the ring's next peer answers |
//! | `GeecacheListsDiffer` | a peer has another list | 1 min | compare what the two follow; `geecache check` names both lists |
//! | `GeecacheSourceFails` | more than 1 % of the loads (*yours*) | 5 min | it is the source's alarm; `stale_if_error` bridges it |
//! | `GeecacheSourceIsSlow` | the 99th percentile of loads is over 1 s (*yours*) | 5 min | the source, or a getter that waits for something else |
//! | `GeecachePeerIsSlow` | the 99th percentile of requests to a peer is over 100 ms | 5 min | that machine's processors, its network, or values of megabytes |
//! | `GeecachePeerRefusesWork` | it answers 503 | 5 min | more peers, or a higher bound: [`size`](crate::guide::size) |
//! | `GeecacheStrangersAsk` | it answers 401 | 5 min | a peer with an old token, or somebody who should not be there |
//! | `GeecacheServesStale` | more than one stale answer a second | 15 min | the source; what is served may be as old as `ttl` and `stale_if_error` together |
//! | `GeecacheHitRatioFell` | below four fifths of a day ago | 30 min | did keys change, did the cache become too small, was there a deployment? |
//! | `GeecacheOneLargeShare` | a peer owns 1.5 times the mean | 15 min | `RingHash::Mixed`, or a weight: [`size`](crate::guide::size) |
//!
//! Look at percentiles and not at means: a cache has many fast answers and few slow ones, and the
//! mean is none of them.
//!
//! Evictions are no alarm. A cache that is full evicts all the time, and is well as long as its hit
//! ratio is.
//!
//! # Without Prometheus
//!
//! `geecache check scores` in a cron job does the most important of these from a shell: it ends
//! with 7 where lists, versions, clocks or a round trip are not as they should be. `/readyz` is for
//! the load balancer, and `/healthz` for what restarts processes.
