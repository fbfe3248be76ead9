//! Peers that find each other, without DNS and without a list: feature `gossip`.
//!
//! ```toml
//! geecache = { version = "0.1", features = ["gossip"] }
//! ```
//!
//! ```no_run
//! use geecache::{Group, HttpPool};
//!
//! # #[cfg(not(feature = "gossip"))] fn main() {}
//! # #[cfg(feature = "gossip")] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     Ok::<_, std::io::Error>(format!("the score of {name}"))
//! });
//! let pool = HttpPool::bind("10.0.0.3:8001")?;
//! pool.add(&scores)?;
//! pool.join(["http://10.0.0.1:8001", "http://10.0.0.2:8001"])?;
//! # Ok(()) }
//! ```
//!
//! Give all peers the same two or three URLs, those of machines that are most likely to be there. A
//! peer tells these of itself and learns of all others; from then on it needs them no more. The URL
//! of a peer itself may be among them.
//!
//! # What happens
//!
//! | event | what follows |
//! |---|---|
//! | a peer starts | all have it in their lists within some 2 s |
//! | a peer leaves ([`leave`]) | it is out of all lists at once |
//! | a process dies | it is out of all lists within some 5 s |
//! | a machine is silent | it is suspected after 1 s to a minute, the longer the more peers there are, and out of the lists 2 to 3 s later; gets do not wait for that, as its breaker opens sooner |
//! | the network falls apart | each half has its own list after that time |
//! | and heals | all have one list again within some 5 s |
//! | none of the seeds is there | they are told again every 2 s; until then the peer is alone |
//!
//! A peer that this process can reach stays in its list for 30 s even if all others say that it is
//! down ([`absence`]).
//!
//! Measured with 50 peers as threads of one process, on 2 cores that other work kept busy: all know
//! each other after 1.1 s, 20 that die at once are missed after 3.2 to 4.3 s, and two halves of 25
//! are one again 1.8 s after the partition. The tests `http::gossip` and `discovery::gossip` print
//! such figures: `cargo test --features gossip gossip -- --nocapture`.
//!
//! # How
//!
//! It is the protocol SWIM (Das, Gupta and Motivala, 2002) with the refutation and the periodic
//! gossip of HashiCorp's memberlist, as the crate `foca` has it. Messages are `POST`s to the base
//! path of a peer's own port: one port, the same token, the same TLS, and peers of another
//! [`cluster`] are refused. Each peer sends about ten messages a second, whatever the number of
//! peers, of some 50 bytes for each change that is news, and at most 16 KiB. Who is down is
//! remembered for an hour. Members up and down are 4,096 at most: then those are forgotten first
//! that have been down the longest. A cluster of that many is too large for gossip.
//!
//! A peer that others take for down though it is there takes another life, and is back within
//! seconds. A life begins with the clock of its machine, in milliseconds.
//!
//! Who can send messages to the port can add peers to all lists. So outside of a private network
//! use a [token and TLS](crate::guide::protect).
//!
//! # The price
//!
//! Three crates more: `foca` (its licence is MPL-2.0, which asks that changes of its own files be
//! given away), `rand` and `rand_core`. Five threads for each pool.
//!
//! [`leave`]: crate::HttpPool::leave
//! [`absence`]: crate::Discovery::absence
//! [`cluster`]: crate::HttpPoolBuilder::cluster
