//! How peers find each other, come and go: Kubernetes, systemd, and a file.
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
//! let address = std::env::var("POD_IP")?; // such as 10.0.0.1
//! let pool = HttpPool::builder()
//!     .advertise(format!("http://{address}:8001"))
//!     .cluster("shop")
//!     .bind("0.0.0.0:8001")?;
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
//! 3. For as long as its stay, new owners take over what they are asked for. Then it ends.
//! 4. The source drops it. From then on nothing listens there, and it is out of all lists.
//!
//! Without [`leave_on_signal`] nobody takes anything over, and the source is asked for the keys of
//! that peer. No get fails: the ring's next peer answers, or the caller's own getter.
//!
//! Replace one peer after the other, and wait in between for as long as the keys in use take to be
//! asked for once: only the last change of a list is taken over from
//! ([`warm_up`](crate::HttpPoolBuilder::warm_up)).
//!
//! # Kubernetes
//!
//! A headless service has an address for each pod that is ready, and [`Discovery::dns`] follows it.
//! The pod's own address comes as `POD_IP`. A pod is not ready any more once it leaves.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: { name: cache }
//! spec:
//!   clusterIP: None
//!   selector: { app: cache }
//!   ports: [{ name: peers, port: 8001 }]
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: { name: cache }
//! spec:
//!   replicas: 3
//!   minReadySeconds: 30
//!   strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
//!   selector: { matchLabels: { app: cache } }
//!   template:
//!     metadata: { labels: { app: cache } }
//!     spec:
//!       terminationGracePeriodSeconds: 30
//!       containers:
//!         - name: app
//!           image: registry.example/app:1
//!           env:
//!             - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
//!           ports: [{ name: peers, containerPort: 8001 }]
//!           readinessProbe: { httpGet: { path: /readyz, port: peers }, periodSeconds: 2 }
//!           livenessProbe: { httpGet: { path: /healthz, port: peers }, periodSeconds: 10 }
//! ---
//! apiVersion: policy/v1
//! kind: PodDisruptionBudget
//! metadata: { name: cache }
//! spec:
//!   maxUnavailable: 1
//!   selector: { matchLabels: { app: cache } }
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
//! Where there is no DNS for that, all peers follow a file, which your configuration management
//! writes: [`Discovery::file`]. It should be renamed into its place:
//!
//! ```sh
//! printf '%s\n' http://10.0.0.1:8001 http://10.0.0.2:8001 > /etc/geecache/peers.new
//! mv /etc/geecache/peers.new /etc/geecache/peers
//! ```
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
