//! How large: bytes, shards, threads, connections, descriptors.
//!
//! # Bytes
//!
//! **One entry** takes its key, its value and about 104 bytes (96 to 111): a header, what the
//! allocator adds, and its place in the table. That is what counts against `cache_bytes`, so a
//! group of 64 MiB takes 64 MiB.
//!
//! ```text
//! entry    = key + value + 104
//! group    = cache_bytes × 1.125     (an eighth on top for copies of other peers' values)
//!          + cache_bytes             (a typed group: decoded values; `decoded_bytes` sets it)
//! process  = all groups
//!          + max_transfer_bytes      (256 MiB: bodies of over 64 KiB that are on their way)
//!          + 48 KiB × kept connections to peers   (170 KiB with TLS)
//!          + 64 KiB × connections of peers to us  (at most, guarded)
//!          + 16 KB × groups           (histograms of times)
//! ```
//!
//! **The cluster** holds the sum of all `cache_bytes`. Each key counts at one owner. So a peer's
//! main cache is
//!
//! ```text
//! cache_bytes = keys in use × entry ÷ peers × unevenness
//! ```
//!
//! Shares are not equal. The largest of ten peers has this much of the mean, over 1,000 clusters
//! chosen by chance (`cargo run --release --manifest-path benches/Cargo.toml -- ring`):
//!
//! | ring | as a rule | in the worst cluster |
//! |---|--:|--:|
//! | that of GeeCache and groupcache: `RingHash::Crc32`, 50 points; more points do not help | 1.56 | 4.88 |
//! | `RingHash::Mixed`, 160 points, for clusters without Go | 1.13 | 1.28 |
//! | `RingHash::Balanced`, for large clusters without Go | 1.03 | 1.10 |
//!
//! What evenness costs: `Balanced` has a table of 4 MiB for each zone, and as much again for the
//! list before the last change, for twice the `warm_up`. To make a table takes a millisecond for
//! few peers and five for 1,000. A look-up takes 10 ns for few peers and for many, where `Mixed`
//! takes 12 to 17 ns.
//!
//! `geecache ring` prints the shares of your cluster. Where peers are of different size, give them
//! a weight: `http://host:8001#weight=2`.
//!
//! How much is enough? Double the cache, and look whether `Stats::hit_ratio` moves. `hits --trace
//! FILE` of [the benchmarks](crate::guide::measure) answers it beforehand, from a list of the keys
//! that were asked for.
//!
//! # An example
//!
//! A shop: 10 million products in use, keys of 20 bytes, values of 300, ten peers, guarded, no
//! types.
//!
//! | what | how | is |
//! |---|---|---|
//! | an entry | 20 + 300 + 104 | 424 bytes |
//! | all of them | 10,000,000 × 424 | 4.24 GB |
//! | one peer, `RingHash::Mixed` | 424 MB × 1.13 | 479 MB: `cache_bytes` = 512 MiB |
//! | one peer, the default ring, as a rule | 424 MB × 1.56 | 661 MB: `cache_bytes` = 640 MiB |
//! | with copies | 512 MiB × 1.125 | 576 MiB |
//! | connections to 9 peers | 9 × 64 × 48 KiB, if all are kept | 27 MiB |
//! | connections from 9 peers | 9 × 64 × 64 KiB at most | 36 MiB |
//! | bodies | values are small | nothing: bodies of up to 64 KiB are not counted |
//! | the process, beside the program itself | | about 640 MiB |
//!
//! # Shards
//!
//! Leave them: eight to a core, each of 0.75 to 64 MiB. A value of up to a quarter of `cache_bytes`
//! is kept. One shard is for a group with few and very large values;
//! [`shards`](crate::GroupBuilder::shards) says why.
//!
//! # Threads
//!
//! A get that hits uses the caller's thread alone. Beyond that:
//!
//! | threads | at most | when |
//! |---|---|---|
//! | that run the getter for callers with a time limit, and so for peers | `max_loaders`, 64 for a group | the source takes this many calls at once. **Set it to what the source bears** |
//! | that refresh | `max_refreshers`, 2 for a group | with stale windows or `refresh_ahead`. At 50 ms a load, 2 threads refresh 40 keys a second |
//! | guarded server | one for a connection, up to `max_connections`, 4,096 | |
//! | tiny_http | one for a connection, and 2 × `max_requests` + 1 | |
//!
//! A thread of 2 MiB of stack takes that in addresses, and of memory what it touched. The rest is
//! in [`bounds`](crate::guide::bounds). Idle threads of a group end after 5 s.
//!
//! # Connections and descriptors
//!
//! ```text
//! to one peer      as many as gets are in flight there, up to max_requests_per_peer (256);
//!                  64 stay open while idle (max_idle_connections)
//! descriptors      = connections to peers + connections of peers
//!                  (tiny_http: two for each connection of a peer)
//!                  + about 10, for the listener and the files that are looked at
//! ```
//!
//! Threads that get single keys at the same time share requests, so a process with 64 busy threads
//! needs few connections: `lanes_per_peer` of them, 1 to 4. Values of over 16 KiB are asked for one
//! by one, and there it is one connection for each get in flight.
//!
//! The worst case is 100 peers whose 64 threads each get long values: 99 × 64 connections to the
//! others, and as many from them, of which `max_connections` bounds the second half. As a rule it
//! is a few hundred. A limit of 1,024 open files (`ulimit -n`) is enough for 8 such peers. With
//! more of them set `LimitNOFILE=65536` in the unit of systemd, or what takes its place.
//!
//! # Time
//!
//! | limit | default | choose |
//! |---|---|---|
//! | `HttpPoolBuilder::timeout` | 2 s | more than the slowest load that is well, or peers load what the owner is about to have |
//! | `connect_timeout` | 250 ms | five round trips of your network are plenty |
//! | `wait_timeout` of a group | none | what a caller of your program is given, less the rest of its work |
