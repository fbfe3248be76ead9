//! What a removal promises, and what bounds what it can't reach.
//!
//! # What is promised
//!
//! Change the source of truth first, then call [`Group::remove`]. **A get that starts after it
//! returned, at any peer, finds what the source holds now, or something newer.** The value from
//! before does not come back. The exceptions are at the end of this page; the
//! [report](crate::RemoveReport) names the peers that could not be reached.
//!
//! Loads that began before the removal still give their value to the callers that wait for it. They
//! started before the change was known. But nobody keeps that value, and no later caller joins such
//! a load.
//!
//! # How it goes
//!
//! A value moves from the previous owner of a key to its owner, and from there to copies at other
//! peers. A removal goes the same way, and each step ends before the next one begins:
//!
//! 1. this process;
//! 2. the peer that owned the key before the list of peers changed, while values are still taken
//!    over from it;
//! 3. the owner;
//! 4. all other peers, in parallel.
//!
//! After each of the steps 2 to 4 this process empties itself once more, as it could have got the
//! value from a peer that was not emptied yet. At each place the removal first marks the loads
//! under way, so that they keep nothing, and then empties the caches.
//!
//! Why this order closes every way back is told in the source, in `src/group/changes.rs`.
//!
//! # What the methods do
//!
//! | method | does | requests to each peer, at most |
//! |---|---|---|
//! | [`remove`](crate::Group::remove) | removes one key | 3 |
//! | [`remove_many`](crate::Group::remove_many) | removes many keys | 3 for each 1,024 keys or 1 MiB of them |
//! | [`clear`](crate::Group::clear) | empties the group everywhere | 3 |
//! | [`insert`](crate::Group::insert) | puts a value at the owner, and removes the key everywhere else | 3 |
//!
//! They block until every peer has answered or its time is up. A peer that was too late once is not
//! asked again in the same call. A peer that is down is asked all the same. Up to 65 peers are
//! asked at the same time, so however many of them are silent, a call takes three timeouts at most,
//! one for each of the steps 2 to 4. Past that number, or with many calls at once, it takes one
//! more for about every 64 silent peers.
//!
//! `insert` is for programs that write to the source themselves. After it the next get is answered
//! by the owner's memory: the value is kept wherever it fits, and others make room for it. Where it
//! takes more than a [quarter](crate::GroupBuilder::shards) of the owner's cache, or is not to be
//! kept at all, the owner only removes the key. [`InsertReport::is_kept`] tells which.
//!
//! # What no removal can reach
//!
//! The old value may stay in these places. Each has its bound:
//!
//! | where | until |
//! |---|---|
//! | an owner that could not be reached; the report names it | the value's `ttl` is over, or it has to make room |
//! | a peer with a copy that could not be reached; the report names it | its [`hot_ttl`] (30 s) is over |
//! | a peer that loaded the key in place of its owner, and could not be reached; the report names it | its [`fallback_ttl`] (10 s) is over |
//! | a program that only asks, such as one with `HttpPool::client`: nobody knows of it | its [`hot_ttl`] or [`fallback_ttl`] is over |
//! | a peer of GeeCache, golang/groupcache or galaxycache, which does not know removals ([`NotSupported`] in the report) | it has to make room |
//! | after `clear`, a peer of mailgun/groupcache or groupcache-go, which removes single keys only ([`NotSupported`]) | it has to make room |
//! | a peer that has another list of peers, or believes another peer to be up or down, and asked that one just before it was emptied | its [`hot_ttl`] or [`fallback_ttl`] is over |
//!
//! So give values a [`ttl`] if a peer may be away while you remove: it bounds how long an old value
//! can be served there. A peer that left the list and refuses connections counts as done: what it
//! had is gone.
//!
//! The surest way is a version in the key, such as `user:17:v42`: a new version is a new key, and
//! nothing has to be removed.
//!
//! [`Group::remove`]: crate::Group::remove
//! [`InsertReport::is_kept`]: crate::InsertReport::is_kept
//! [`hot_ttl`]: crate::GroupBuilder::hot_ttl
//! [`fallback_ttl`]: crate::GroupBuilder::fallback_ttl
//! [`ttl`]: crate::GroupBuilder::ttl
//! [`NotSupported`]: crate::RemoveOutcome::NotSupported
