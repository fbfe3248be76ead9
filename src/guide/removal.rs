//! What a removal promises, and what bounds what it can't reach.
//!
//! # What is promised
//!
//! Change the source of truth first, then call [`Group::remove`]. **A get that starts after it
//! returned, at any peer, finds what the source holds now, or something newer.** The value from
//! before does not come back. Where a peer could not be told, the [report](crate::RemoveReport)
//! says [`Owed`], and the same holds from the moment at which [`settled`] returns: see
//! [`away`](crate::guide::away). The exceptions are at the end of this page.
//!
//! What comes late, and what has no order, stands in [`order`](crate::guide::order).
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
//! | method | does | requests to each peer, at most, unless owners change meanwhile |
//! |---|---|---|
//! | [`remove`](crate::Group::remove) | removes one key | 3 |
//! | [`remove_many`](crate::Group::remove_many) | removes many keys | 3 for each 1,024 keys or 1 MiB of them |
//! | [`remove_tag`](crate::Group::remove_tag), `remove_tags` | removes all that has a [tag](crate::guide::tags) | 2 for each 1,024 tags |
//! | [`clear`](crate::Group::clear) | empties the group everywhere | 3 |
//! | [`insert`](crate::Group::insert) | puts a value at the owner, and removes the key everywhere else | 3 |
//!
//! They block until every peer has answered or its time is up. A peer that was too late once is not
//! asked again in the same call. A peer that is down is asked all the same. If a peer could not be
//! told, or another one comes to own a key meanwhile, step 4 is made again, up to three times, and
//! at the owner as well. Up to 65 peers are asked at the same time, so however many of them are
//! silent, a call takes three timeouts at most, one for each of the steps 2 to 4. Past that number,
//! or with many calls at once, it takes one more for about every 64 silent peers.
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
//! | a peer that could not be told; the report says [`Owed`] | it answers again, and 2 s longer at most; while it does not, and the process that removed is dead, the value's `ttl` is over for an owner, and the [`hot_ttl`] (30 s) or [`fallback_ttl`] (10 s) for a copy |
//! | a peer that was out of the list, for a process that has started meanwhile | one of the others tells it |
//! | a peer that was out of the list, for itself, when it is back | the others have told it, which they do at once |
//! | a peer that is out of all lists and does not know that, or whose own source has lost it | for itself, the value's `ttl` is over |
//! | a program that only asks, such as one with `HttpPool::client`: nobody knows of it | its next get that asks a peer, see [`order`](crate::guide::order); or its [`hot_ttl`] or [`fallback_ttl`] is over, and with [`soft_timeout`](crate::GroupBuilder::soft_timeout) and a slow owner its `stale_if_error` |
//! | a peer of GeeCache, golang/groupcache or galaxycache, which does not know removals ([`NotSupported`] in the report) | it has to make room |
//! | after `clear`, a peer of mailgun/groupcache or groupcache-go, which removes single keys only ([`NotSupported`]) | it has to make room |
//! | a copy at a peer that has another list of peers, or believes another peer to be up or down, and asked that one just before it was emptied | its [`hot_ttl`] or [`fallback_ttl`] is over |
//! | a copy of a key whose owner has changed more than three times while it was removed, or once while what was owed of it was paid | its [`hot_ttl`] or [`fallback_ttl`] is over |
//! | a copy that was read from a peer that was owed more keys than are remembered, or the removal of a [tag](crate::guide::tags) | its [`hot_ttl`] or [`fallback_ttl`] is over |
//!
//! So give values a [`ttl`] if a peer may be away while you remove: it bounds how long an old value
//! can be served there. A peer that left the list and refuses connections counts as done: its
//! process has ended, or has dropped what it owned.
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
//! [`Owed`]: crate::RemoveOutcome::Owed
//! [`settled`]: crate::Group::settled
