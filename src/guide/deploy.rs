//! How peers find each other, come and go: Kubernetes, systemd, plain machines.
//!
//! Each peer needs three things: an address at which the others reach it, the list of peers, and
//! time to leave.
//!
//! ```no_run
//! use geecache::{Discovery, Group, HttpPool};
//! # use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     Ok::<_, std::io::Error>(format!("the score of {name}"))
//! });
//! // Listens at all addresses. The others reach it at that of the interface by which this host
//! // sends, such as http://10.0.0.1:8001, or at what it is told to `advertise`.
//! let pool = HttpPool::builder().cluster("shop").bind("0.0.0.0:8001")?;
//! pool.add(&scores)?;
//! pool.follow(Discovery::dns("cache.default.svc.cluster.local:8001"))?;
//! # #[cfg(all(unix, feature = "signal"))]
//! pool.leave_on_signal(Duration::from_secs(10))?; // feature `signal`
//! # Ok(()) }
//! ```
//!
//! # What happens when a peer goes
//!
//! 1. The process gets `SIGTERM`. [`leave_on_signal`] has the pool leave: it owns no key, `/readyz`
//!    answers 503, and the other peers are told.
//! 2. The others take it out of their lists at once, whatever their source says. Those that could
//!    not be told greet it within seconds, and learn it by that.
//! 3. The new owners come for its values, hottest first, and ask for single keys before their turn.
//!    When all of them have everything it ends, or after its stay at the latest.
//! 4. The process ends, and the source drops it. One that comes back under its URL counts as soon
//!    as it answers; one that the source still names after 15 s, unless it refuses connections. So
//!    take it out of a file of peers by then. Its other ports: [`ending`](crate::guide::ending).
//!
//! Without [`leave_on_signal`] nobody takes anything over, and the source is asked for the keys of
//! that peer. No get fails: the ring's next peer answers, or the caller's own getter.
//!
//! # What new owners take over
//!
//! After each change of the list a thread of the pool asks the previous owners for what has come to
//! be this process's: [`hand_over_rate`](crate::HttpPoolBuilder::hand_over_rate).
//!
//! | what happens | who hands over to whom |
//! |---|---|
//! | a peer leaves | it hands over to all others |
//! | a peer joins | all others hand over to it |
//! | a peer ends without a farewell and comes back under its URL | the others hand over what they have loaded in its place, as far as they still have it ([`fallback_ttl`](crate::GroupBuilder::fallback_ttl)); no copies of what it answered |
//!
//! * Values keep what is left of their life.
//! * What does not fit beside the values that are there is not taken over. Where all caches are
//!   full, the keys of a peer that leaves are loaded again, but for those that somebody asks for
//!   while it answers: then it uses its stay in full.
//! * What was removed since the list changed, or since a change less than a
//!   [`warm_up`](crate::HttpPoolBuilder::warm_up) (60 s) before that, is not taken over: the
//!   previous owner may be yet to learn of it. Nor is anything after a `clear` or 65,536 removals
//!   in that time.
//! * Values of more than 1 MiB are taken over when somebody asks for them.
//! * Both sides must have the same list. Until then single keys are asked for.
//!
//! # A restart under the same URL
//!
//! What the process had in memory ends with it, and what others have of that is little: copies of
//! its values, which are not handed over, as they may be older than a removal; and what they loaded
//! in its place, which is. So a rolling restart loads about each key once: the benchmark below
//! prints 100 % of the keys. There are two ways out:
//!
//! * [`leave`](crate::HttpPool::leave) first: the others take over all of it, and give it back.
//! * A [snapshot](crate::guide::snapshots). What is loaded then is what others ask for between the
//!   end of the one process and the start of the next one, so this time should be short. As soon as
//!   the next one asks its peers for their part, they ask it again for keys.
//!
//! # How to replace many
//!
//! Only the last change of a list is taken over from. So replace one peer after the other, and let
//! the hand-over end in between: the log tells its end, and how much it was, at the level info.
//! `geecache_taken_over_bytes_total` stands still then.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml -- deploys` measures that on your
//! machine, beside the goals: 3 processes and 6,000 keys, with 8,000 gets and some removals per
//! second. `--snapshots` gives each process one.
//!
//! # Kubernetes
//!
//! A headless service has an address for each pod that is ready, and [`Discovery::dns`] follows it.
//! The pod's own address comes as `POD_IP`. A pod is not ready any more once it leaves. This is
//! `examples/kubernetes/cache.yaml` of the repository:
//!
//! ```yaml
#![doc = include_str!("../../examples/kubernetes/cache.yaml")]
//! ```
//!
//! * `terminationGracePeriodSeconds` is more than the stay and the
//!   [`drain_timeout`](crate::HttpPoolBuilder::drain_timeout) together.
//! * `minReadySeconds` is the pause between two pods: new owners take over meanwhile.
//! * A program without the feature `signal` needs no `preStop` hook either, if it calls
//!   [`leave`](crate::HttpPool::leave) at its `SIGTERM`. One that can't handle signals takes
//!   `preStop: { exec: { command: ["sleep", "5"] } }`, so that it answers until the service has
//!   dropped it; nothing is taken over then.
//! * Addresses of pods are used again. [`cluster`](crate::HttpPoolBuilder::cluster) keeps a pod of
//!   another team from being taken for a peer.
//! * Zones: [`zones`](crate::guide::zones). Probes with TLS: [`protect`](crate::guide::protect).
//!
//! # systemd
//!
//! ```ini
//! [Unit]
//! Description=An application with a geecache peer
//! After=network-online.target
//! Wants=network-online.target
//!
//! [Service]
//! ExecStart=/usr/local/bin/app
//! Restart=on-failure
//! RestartSec=1
//! # More than the stay and the drain timeout together.
//! TimeoutStopSec=30
//!
//! [Install]
//! WantedBy=multi-user.target
//! ```
//!
//! `systemd-analyze verify app.service` reads such a file.
//!
//! # Plain machines
//!
//! Where there is no DNS for that, all peers follow a file: [`Discovery::file`]. It has a URL in a
//! line. It should be renamed into its place, so that nobody reads half of it:
//!
//! ```sh
//! printf '%s\n' http://10.0.0.1:8001 http://10.0.0.2:8001 > /etc/geecache/peers.new
//! mv /etc/geecache/peers.new /etc/geecache/peers
//! ```
//!
//! Each machine binds its own private address and names it: `.advertise("http://10.0.0.1:8001")`
//! is that address by itself where the pool is bound to it and not to `0.0.0.0`. A peer is added or
//! taken away by a new file on all machines, in any order: while the lists differ a key may be
//! loaded twice, and nothing else happens. Between machines the port has to be open in both
//! directions; `geecache check --peers http://10.0.0.1:8001` tells who can't be reached from here.
//!
//! # Whether it works
//!
//! [`follow_stats`](crate::HttpPool::follow_stats) tells which peers came and went, and why;
//! [`list_stats`](crate::HttpPool::list_stats) whether all have the same list. From outside it is
//! `geecache_peer_list_differs` at `/metrics`.
//!
//! [`leave_on_signal`]: https://docs.rs/geecache/latest/geecache/struct.HttpPool.html#method.leave_on_signal
//! [`Discovery::dns`]: crate::Discovery::dns
//! [`Discovery::file`]: crate::Discovery::file
