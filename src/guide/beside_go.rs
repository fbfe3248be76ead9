//! Peers in Go and peers in Rust, in one cluster.
//!
//! The default ring and the default wire are those of GeeCache and golang/groupcache. A Rust peer
//! joins such a cluster from the first minute: all name the same owner for a key, and each asks the
//! others.
//!
//! ```no_run
//! use geecache::{Group, HttpPool, Protocol};
//! # fn load(key: &str) -> std::io::Result<String> { Ok(key.to_owned()) }
//!
//! let scores = Group::new("scores", 64 << 20, load);
//! let pool = HttpPool::builder().protocol(Protocol::Groupcache).bind("127.0.0.1:8003")?;
//! pool.add(&scores)?;
//! pool.set_peers(["http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8003"])?;
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! # Which protocol
//!
//! | the cluster is | [`Protocol`](crate::Protocol) | works both ways |
//! |---|---|---|
//! | GeeCache, day 5 and 6 | `GeeCache` | values |
//! | GeeCache, day 7 | `GeeCacheProtobuf` | values |
//! | golang/groupcache | `Groupcache` | values |
//! | mailgun/groupcache up to 2.2.0 | `Groupcache` | values with their ends; removals from there alone |
//! | mailgun/groupcache 2.2.1 to 2.6.0 | `Mailgun` | values with their ends, removals; insertions from 2.3.0 on; absences and failures from 2.5.0 on |
//! | groupcache-go 3.0 to 3.5 | `GroupcacheGo` | values with their ends, absences, failures, insertions, removals |
//! | galaxycache 1.0 to 1.4, over HTTP | `Galaxycache` | values; absences and hand-over from 1.3 on; ends from 1.4 on |
//!
//! `examples/mixed_cluster` in the repository is such a peer with a command line. Its README has
//! the steps for a cluster of two Go peers and one Rust peer, the versions that were run, and what
//! to know of each fork.
//!
//! # What to look after
//!
//! * **The list** is the same everywhere, with the same spelling of each URL. Ours make letters
//!   small, and leave out the scheme's own port and a slash at the end: give Go peers URLs like
//!   that.
//! * **A peer's own URL** is its address, unless `HttpPoolBuilder::advertise` says another.
//!   `http://localhost:8003` and `http://127.0.0.1:8003` are two peers.
//! * **The name of a group** holds no slash. All peers should have all groups.
//! * **A Go peer waits** for another without end unless its context ends. Ours gives up after 2 s
//!   and loads for itself.
//! * **Clocks** have to agree in clusters of the forks: these send the end of a value as a point in
//!   time. Between peers of this crate they do not.
//! * **A ring for Rust alone** shares keys out more evenly (`RingHash::Mixed`), and a Go peer can't
//!   follow it. See [`size`](crate::guide::size).
//!
//! # What Go peers do not know
//!
//! | what | with golang/groupcache, GeeCache, galaxycache | with mailgun/groupcache, groupcache-go |
//! |---|---|---|
//! | `remove` | the report says [`NotSupported`](crate::RemoveOutcome::NotSupported): the value stays until it has to make room | works |
//! | `insert` | the same | works, see the table above |
//! | `clear` | the same | the same |
//! | batches | each key is asked for alone | the same |
//! | time limits of a caller | the Rust peer gives up in time; the load there goes on | the same |
//! | tokens | a Go peer sends none, and would be refused: such a cluster has no token | the same |
//! | lists that differ are told, hand-over to new owners | among the Rust peers alone | the same; galaxycache hands over |
//!
//! # Moving a cluster from Go to Rust
//!
//! 1. Start Rust peers beside the Go peers, with the same list and the protocol of the cluster.
//! 2. Replace one process after the other, at the same URL: then no key changes its owner.
//! 3. When the last Go peer is gone, a `ttl`, `remove` and the rest work everywhere. The protocol
//!    can stay as it is.
//! 4. `RingHash::Mixed` moves most keys to other owners. Change to it by a new cluster beside the
//!    old one, or at a quiet hour: peers of two hashes disagree about owners, and load keys twice
//!    meanwhile.
//!
//! # What proves it
//!
//! `cargo test --test interop` runs peers of golang/groupcache against peers of this crate: owners
//! of 10,000 keys, values, ends, absences, failures and changes. Where the forks are installed they
//! take part too.
