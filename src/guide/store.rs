//! How memory works inside: shards, lists, and who has to leave.
//!
#![doc = include_str!("pictures/store.svg")]
//!
//! # A hit
//!
//! A key is hashed once. The top bits choose the shard, the rest is looked up in the shard's table.
//! A place in the table is also the node of an LRU list, and points at one allocation with header,
//! key and value. So a hit waits for memory two or three times, takes one lock, and allocates
//! nothing: the [`ByteView`](crate::ByteView) that the caller gets shares the bytes.
//!
//! An entry that is asked for again and again is moved in its list only now and then, so most hits
//! on it write nothing but the shard's counters and the count of those who share its bytes. (With
//! [`Eviction::Lru`](crate::Eviction::Lru) each hit moves its entry, exactly.)
//!
//! # Who has to leave
//!
//! The policy is W-TinyLFU (Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache
//! Admission Policy", ACM Transactions on Storage 2017) over three LRU lists.
//!
//! * A new entry goes into the **window**. A scan passes through it and harms nothing else.
//! * When the window is full, its last entry is compared with those at the end of **probation**
//!   that would have to go for it. It stays if it was asked for more often than all of them
//!   together.
//! * An entry that is hit in probation goes to **protected**. What overflows there goes back to
//!   probation.
//! * How often a key was asked for is kept in its slot while it is here, and in a **sketch** of
//!   four bits when it has left.
//!
//! How large the window is depends on the traffic, between 3 and 80 %. The cache measures what a
//! larger window would have caught and what a smaller one would have lost, and moves where it pays.
//! [`Eviction::Lru`](crate::Eviction::Lru) is one LRU list and nothing else.
//!
//! # The bound
//!
//! The bytes of a cache are one number for all shards. They are reserved before an entry goes in,
//! so the bound holds at every moment, whatever many threads do. A shard takes more than its share
//! while there is room; when there is none, those that have more than their share give.
//!
//! An entry is charged what it takes: its allocation, rounded up as allocators do, and its share of
//! the table. `memory` of [the benchmarks](crate::guide::measure) compares the bound with what the
//! process really takes, beside other caches.
//!
//! # Life-times
//!
//! An entry carries the time at which it ends. The clock is the system's as of its last tick, which
//! costs a fifth of the exact time. No thread and no timer looks for what has ended: a get that
//! finds it drops it, insertions look at four slots on their way, and one hit in 1,024 looks
//! elsewhere.
//!
//! # Two caches of a group
//!
//! | | main cache | hot cache |
//! |---|---|---|
//! | holds | what this process owns | copies of what other peers own, and what was loaded in place of an owner that was down |
//! | bytes | `cache_bytes` | an eighth of it, on top |
//! | a value stays | for its `ttl` | for `hot_ttl` (30 s) or `fallback_ttl` (10 s), and never longer than its own `ttl` |
//! | goes in | each value that was loaded | by the rule of [`HotCache`](crate::HotCache): at the second fetch within 10 s |
//!
//! # Decoded values
//!
//! A [`TypedGroup`](crate::TypedGroup) keeps decoded values beside the bytes, in a table with a
//! bound of its own. A value is found there by its entry, so a removal of the entry is a removal of
//! the value: [`typed`](crate::guide::typed).
//!
//! # The same structures for your own use
//!
//! [`lru`](crate::lru), [`consistenthash`](crate::consistenthash) and
//! [`singleflight`](crate::singleflight) are public modules without a group: an LRU map, a ring,
//! and "one runs, others wait".
