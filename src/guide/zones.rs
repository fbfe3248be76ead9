//! Peers in several zones: gets stay in their zone, and changes reach all.
//!
//! Where peers are in several data centres, a get that crosses from one to another is slow, and is
//! paid for. So each process may be told its [zone](crate::HttpPoolBuilder::zone):
//!
//! ```
//! use geecache::{Group, HttpPool};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     Ok::<_, std::io::Error>(format!("the score of {name}"))
//! });
//! # let url = |pool: &HttpPool| pool.url().unwrap_or_default().to_owned();
//! let here = HttpPool::builder().zone("east").bind("127.0.0.1:0")?;
//! let there = HttpPool::builder().zone("west").bind("127.0.0.1:0")?;
//! here.add(&scores)?;
//! let list = [format!("{}#zone=east", url(&here)), format!("{}#zone=west", url(&there))];
//! here.set_peers(&list)?;
//! there.set_peers(&list)?;
//! assert_eq!((here.owner("Tom"), there.owner("Tom")), (Some(url(&here)), Some(url(&there))));
//! # Ok(()) }
//! ```
//!
//! Each zone has a ring of its peers, and so an owner for each key. The source is asked for a key
//! once in each zone, and each zone needs memory for all keys that it is asked for.
//!
//! | | |
//! |---|---|
//! | a get | goes to the owner in the own zone; while that is down to the next peer there, or it is loaded |
//! | a get of a client that has no zone, or whose zone has no peers | goes to the owner in one of the zones, which each have a part of these keys |
//! | a get of a client where all peers of its zone are down | goes to the owner in another zone |
//! | [`remove`](crate::Group::remove), [`remove_tag`](crate::Group::remove_tag), [`clear`](crate::Group::clear) | reach all peers of all zones: the owners first, then those that may have copies of theirs; who can't be told is [owed](crate::guide::away) it |
//! | [`insert`](crate::Group::insert) | puts the value at the owner of each zone, so nobody loads it |
//! | [`insert_if_newer`](crate::Group::insert_if_newer) | each of these owners compares the versions, so the greatest one prevails in all zones |
//! | a new list | new owners take over from the previous owners of their zone |
//!
//! To remove the key in the other zones would be cheaper than to insert it there. But a writer with
//! an older version would then take the newer value of another writer away from their owners.
//!
//! Two processes that `insert` a key at the same moment may leave another value in each zone, until
//! it is changed again or its ttl is over. `insert_if_newer` leaves the same in all of them.
//!
//! # How peers know each other's zones
//!
//! * The list says so, `http://10.0.0.1:8001#zone=east`, beside `#weight=2` and `#name=a`: in
//!   [`set_peers`](crate::HttpPool::set_peers), in a file, or in the answer of a source of your
//!   own. A process that was given no zone takes its own from the list as well. One that was given
//!   another refuses the list.
//! * Members of a cluster with [gossip](crate::guide::gossip) tell their zones themselves.
//! * Where a source tells none, as DNS, [`follow`](crate::HttpPool::follow) asks the peers: one
//!   that has a zone asks each new peer before it takes it into its list, and all others hear it
//!   within seconds. A peer that comes back in another zone is moved within seconds, too.
//!   `set_peers` asks nobody: a pool with a zone, whose list tells none, is alone in it, and warns.
//!
//! A peer whose zone is not known counts as one without a zone, and those are a zone of their own:
//! nobody in another zone asks it for values. So a peer that does not answer is not on the ring of
//! its zone before it does. Peers in Go have no zones; do not mix the two.
//!
//! All peers have the same list, that of all zones, and compare it as always: the rings of two
//! zones differ, and their lists do not. A peer that has another zone in the lists of some than in
//! those of others is a difference, which [`list_stats`](crate::HttpPool::list_stats) shows.
//!
//! # To look at
//!
//! [`PeerStats::zone`](crate::PeerStats::zone) has the zone of each peer, and so have
//! `/status.json`, the page at `/`, and `geecache_peer_zone` at `/metrics`.
//! `geecache_ring_share_ratio` has the shares in the own zone, among `geecache_ring_peers`.
//! `geecache owner --zone west Tom` names an owner in that zone; without it, that of the zone of
//! the peer that was named.
//!
//! # To bring zones in
//!
//! Restart one zone after the other with its zone. Until the last one, those that are restarted and
//! the others load some keys twice. On Kubernetes have a Deployment for each zone, with the zone in
//! the environment and all of them behind one headless service.
