//! How it works inside: the ring, a get, a change.
//!
//! You need none of this to use the crate. It helps to understand what a metric or a log line says.
//!
//! # The ring: who owns a key
//!
#![doc = include_str!("pictures/ring.svg")]
//!
//! The peers of a list put their points on a ring of hashes
//! ([`consistenthash::Ring`](crate::consistenthash::Ring)). A point of a peer is the crc32 of its
//! number and its URL, so every process that has the list computes the same ring. Nobody has to be
//! asked, and nobody has to agree.
//!
//! # A get
//!
#![doc = include_str!("pictures/load.svg")]
//!
//! 1. **Memory.** The main cache has what this process owns, the hot cache copies of what others
//!    own. A hit takes one lock of one shard, and no other thread waits for it longer than for
//!    that.
//! 2. **The owner.** If another peer owns the key, the first caller asks it, and those who come
//!    meanwhile wait for that answer: this is the *forward flight*. If the peer fails, the ring's
//!    next peer is asked once.
//! 3. **The getter.** It runs in the *local flight*, once for all who want the key here: callers of
//!    this process, and peers that ask. The value goes into memory, then the flight ends, then the
//!    waiters wake.
//!
//! There are two flights because they wait for different things. If a peer's request joined a
//! flight that itself waits for a peer, two peers that each believe the other to be the owner would
//! wait for each other for ever.
//!
//! **A flight ends in every case.** The thread that runs it holds a guard. Where a getter panics or
//! a thread ends, the guard's drop wakes the waiters, and they start over.
//!
//! **A getter that gets** never waits for a flight: what it waits for could be waiting for it. It
//! loads once more, alone. A key that needs itself is
//! [`Error::ReentrantLoad`](crate::Error::ReentrantLoad).
//!
//! # A change
//!
#![doc = include_str!("pictures/removal.svg")]
//!
//! A value moves from a previous owner to the owner, and from there to copies. A removal takes the
//! same way, so that nothing which was removed comes back behind it. At each place it first marks
//! the loads that are under way, so that nobody keeps what they bring, and then empties the caches.
//! [`removal`](crate::guide::removal) says what that promises.
//!
//! # When the list changes
//!
//! A key changes its owner only where a peer's points come or go. For a minute after that
//! (`warm_up`), the new owner asks the previous one what it has in memory before it runs its
//! getter. A peer that leaves tells the others first. So a deployment does not empty the cache.
//!
//! # One peer
//!
//! | part | does |
//! |---|---|
//! | lanes | gets that meet on the way to a peer are sent together |
//! | breaker | a peer that failed is not asked for a while: the ring's next peer answers |
//! | bound | no more than `max_requests_per_peer` requests are in flight |
//! | server | one of two, behind one seam |
//! | handler | turns requests into what a group gives peers; never asks a third peer |
//!
//! # Where it stands in the source
//!
//! `src/group.rs` is the handle, over four parts that know nothing of each other: `memory`,
//! `loads`, `owners`, `changes`. `src/peers.rs` is the seam to any transport, and `src/http` the
//! transport that comes along. Calls go one way through these rooms; a test reads the sources and
//! checks it. What memory looks like is [a page of its own](crate::guide::store).
