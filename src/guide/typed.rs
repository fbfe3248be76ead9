//! Values and keys with types: what a typed group costs, and how a type changes.
//!
//! A [`TypedGroup<K, V>`](crate::TypedGroup) is a [`Group`](crate::Group) and two things beside it:
//! the text of a key ([`CacheKey`](crate::CacheKey)), and a [`Codec`](crate::Codec) that makes
//! bytes of a value and a value of bytes. All that is said of a group holds for it. Peers, other
//! programs and logs see the text and the bytes; `group()` gives that group.
//!
//! ```
//! # #[cfg(not(feature = "serde"))] fn main() {}
//! # #[cfg(feature = "serde")] fn main() -> Result<(), geecache::Error> {
//! use geecache::{Json, TypedGroup};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! let load = |id: u64| Ok::<_, std::io::Error>(User { name: format!("user {id}") });
//! let users: TypedGroup<u64, User> = TypedGroup::new("users", 64 << 20, Json, load);
//! // pool.add(users.group())?;
//! let tom = users.get(&7)?; // an Arc<User>: in memory it is decoded once, and then shared
//! assert_eq!(tom.name, "user 7");
//! # Ok(()) }
//! ```
//!
//! Keys that are text have the type `str`. Gets take a `&str`, and the getter a `String`:
//!
//! ```
//! # #[cfg(not(feature = "serde"))] fn main() {}
//! # #[cfg(feature = "serde")] fn main() -> Result<(), geecache::Error> {
//! use geecache::{Json, TypedGroup};
//!
//! let load = |name: String| Ok::<_, std::io::Error>(name.len());
//! let lengths: TypedGroup<str, usize> = TypedGroup::new("lengths", 64 << 20, Json, load);
//! assert_eq!(*lengths.get("Tom")?, 3);
//! # Ok(()) }
//! ```
//!
//! # What a get costs
//!
//! * A value that is in memory is decoded once, when it is loaded or at its first get, and shared
//!   as an `Arc<V>` from then on. Such a get takes about 1.5 times as long as one of bytes,
//!   whatever the codec. JSON of a small struct, decoded at each get, makes it three times as long
//!   and more. Both are rows of `local` in the benchmarks.
//! * A key that is text costs nothing. A number is written into a buffer on the stack.
//! * A load encodes the value, and decodes it again. So every caller sees what a peer would see.
//!
//! # What it takes
//!
//! The bytes are in the cache of the group, within its `cache_bytes`. The values are kept beside
//! them, in up to [`decoded_bytes`](crate::TypedGroupBuilder::decoded_bytes) more, which is as much
//! again by default. A value counts as its
//! [weight](crate::TypedGroupBuilder::weigher) and 96 bytes for its place. By default the weight is
//! the size of the type and the length of the encoded form.
//!
//! A value goes with its entry. A removal and a clearing free it at once. One whose entry expired,
//! was removed by its tag, was replaced, or made room for others is freed as new entries come: each
//! of them has 16 places looked at. Until then it keeps the bytes of its entry in memory, too. As
//! long as new entries come, that is about an eighth of what is there. `Arc`s that the program
//! holds are its own affair.
//!
//! # A value that can't be decoded
//!
//! It is a miss, wherever it came from: from memory, from the owner, or from the previous owner.
//!
//! 1. It is counted ([`TypedStats::decode_errors`](crate::TypedStats::decode_errors)). The first
//!    one of a group is logged as a warning.
//! 2. What memory has of the key is dropped here.
//! 3. The getter of this process loads the value, once for all who want it. The owner is not asked,
//!    and neither is a previous owner.
//! 4. The value is kept: by the owner as any other, by another process as one that it loaded in
//!    place of the owner, for [`fallback_ttl`](crate::GroupBuilder::fallback_ttl).
//!
//! So it costs a load, and is no error. [`Error::Decode`](crate::Error::Decode) comes where even
//! the own getter's bytes can't be decoded, or there is no source
//! ([`Group::remote`](crate::Group::remote)). A codec that panics has not decoded.
//!
//! | situation | proof |
//! |---|---|
//! | the owner has another version | `what_a_peer_of_another_version_has_is_loaded_here_once_and_kept` |
//! | a peer of another version inserts | `what_a_peer_of_another_version_inserts_is_loaded_by_its_owner` |
//! | a previous owner has another version | `what_a_previous_owner_of_another_version_has_is_not_taken_over_again_and_again` |
//! | two real peers of two versions | `peers_of_two_versions_share_a_cluster_over_http` |
//! | many want it at once | `many_callers_of_what_can_not_be_decoded_share_one_load` |
//!
//! # When a type changes
//!
//! While a new version of a program is rolled out, peers of both versions run side by side. There
//! are three ways, from the cheapest for the source to the simplest.
//!
//! * **A change that both versions can read.** With `Json`, a new field with `#[serde(default)]`.
//!   Nothing is loaded twice.
//! * **A version in the codec**: [`Versioned::new(2, codec)`](crate::Versioned::new), one more with
//!   each change. Peers of two versions do not read each other's values, and each loads for itself
//!   what another one owns, again after each `fallback_ttl`. Expect up to so many times the usual
//!   loads while it lasts; a longer `fallback_ttl` makes it less. Afterwards the owner's first get
//!   replaces what was left.
//! * **A version in the group's name**, such as `users.2`. An old peer does not have the group, so
//!   the new ones load for themselves meanwhile, too. It also works where a format does not notice
//!   what it can't read. A removal by an old peer does not reach the new group.
//!
//! `Postcard` does not describe itself: of the bytes of another type it may make a value that is
//! wrong, without an error. It needs one of the last two.
//!
//! # In a test
//!
//! The kit for tests (feature `testing`) takes the group below. Keep the handles on the side, and
//! find a key of each owner by its text:
//!
//! ```
//! # #[cfg(not(all(feature = "http", feature = "serde", feature = "testing")))] fn main() {}
//! # #[cfg(all(feature = "http", feature = "serde", feature = "testing"))]
//! # fn main() -> Result<(), geecache::Error> {
//! use geecache::testing::Cluster;
//! use geecache::{Group, Json, TypedGroup};
//!
//! let load = |id: u64| Ok::<_, std::io::Error>(format!("user {id}"));
//! let users = [(); 2].map(|()| TypedGroup::<u64, String>::new("users", 1 << 20, Json, load));
//! let groups: [Group; 2] = [users[0].group().clone(), users[1].group().clone()];
//! let cluster = Cluster::local(2, move |number| groups[number].clone())?;
//!
//! let (asker, owner) = (cluster.pool(0), cluster.pool(1));
//! let id = (0_u64..).find(|id| asker.owner(&id.to_string()).as_deref() == owner.url());
//! let id = id.expect("each peer owns some keys");
//! assert_eq!(*users[0].get(&id)?, format!("user {id}"));
//! assert_eq!(users[1].group().stats().local_loads, 1); // the owner has loaded it
//! # Ok(()) }
//! ```
//!
//! A test that restarts a peer makes the group in the closure, and pushes its handle into an
//! `Arc<Mutex<Vec<_>>>`: a peer that comes back has another group.
//!
//! # Removing and writing
//!
//! [`remove`](crate::TypedGroup::remove) and [`insert`](crate::TypedGroup::insert) are those of the
//! group, with its promises: see [`removal`](crate::guide::removal).
