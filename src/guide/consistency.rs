//! What can be read after what.
//!
//! A cache holds copies, and copies are late. This page says how late, in which case, and what ends
//! it.
//!
//! # Without changes
//!
//! * Of one key, all peers give the same value as long as the source does not change it.
//! * A value is at most its [`ttl`](crate::GroupBuilder::ttl) old, plus the stale windows if there
//!   are any, plus the time that a load takes. Copies at other peers end with the value: they are
//!   told what is left of its life, so clocks need not agree.
//! * Without a `ttl`, a value may stay for ever at its owner. A copy of it at another peer is
//!   renewed after [`hot_ttl`](crate::GroupBuilder::hot_ttl), 30 s.
//! * Keys know nothing of each other. Two keys that were changed together in one transaction may be
//!   read as one new and one old.
//!
//! # After a change
//!
//! Say that the source was changed first, and that `remove` or `insert` was called then.
//!
//! | who | when | reads |
//! |---|---|---|
//! | any caller at any peer | the call returned, and its report is complete (if not: after [`settled`](crate::guide::removal)) | the new value, or a newer one |
//! | a caller whose get began before the call returned | | the old value or the new one |
//! | a caller that waited for a load which began before the call | | the old value; nobody keeps it |
//! | the same caller twice | the call is under way | may read new, then old: another peer answered, or a copy that is not removed yet |
//! | any caller, of another key | | nothing changed for it |
//!
//! This is *read your writes* for everybody once the call returned. It is not one order of all
//! changes: a cache without a quorum can't give that. A program that must not act on an old value
//! asks the source, or has a version in its keys.
//!
//! # Where it can be older, and for how long
//!
//! | fault | who may read an old value | until |
//! |---|---|---|
//! | a peer could not be reached by the change: it is `Owed` in the report | callers of that peer; callers of third peers that can reach it, if it owns the key. The process that made the change reads nothing from it meanwhile | it is reached: the change is tried again and again. At the latest the value's `ttl`; a copy: `hot_ttl`, 30 s; a value loaded for another: `fallback_ttl`, 10 s |
//! | the network is cut between two halves | each half, of what the other half changed | the halves see each other again, or the same times, counted from the change |
//! | the process that makes the change does not know a peer (lists differ) | who asks that peer: its own callers, and all others for the keys that it owns | until the two have each other in their lists, and a moment more; for a peer that was never in the list before, if that is within 15 s, and else as at a peer that a removal could not reach; `geecache_peer_list_differs` tells |
//! | a program that only asks (`HttpPool::client`, the command) | its own callers | `hot_ttl` or `fallback_ttl`: nobody can tell it |
//! | a peer was stopped (`SIGSTOP`, a suspended machine) and goes on | its callers | as for a peer that could not be reached. On Linux a suspended machine's clock stands still: lives are longer by that time |
//! | a peer was killed and starts again | nobody | its memory is empty |
//! | a peer is down, and the next one on the ring answers for it | nobody, if the change reached both | |
//! | a peer in Go that does not know removals | callers of that peer | the value has to make room |
//! | the getter reads from a replica of the database that is late | everybody | the value's `ttl`. Read from the primary after a change, or use `insert` |
//! | the getter itself reads from another cache | everybody | as long as that one is late |
//! | the change is in the source, but the program died before `remove` | everybody | the value's `ttl` |
//! | the source was changed by a program that knows nothing of the cache | everybody | the value's `ttl` |
//! | the source fails, and `stale_if_error` is set | everybody | that span past the `ttl`. `Stats::hits_stale` of the owner counts it; callers see it ([`Origin::Stale`](crate::Origin::Stale)) of keys that their own process owns, and of no others |
//!
//! A `ttl` bounds all of these but the value at a peer in Go and the slow cache below the getter.
//! So the rule is short: **what may change has a `ttl`, and it is as long as an old value may be
//! believed.**
//!
//! # Two changes at once
//!
//! Two calls of `remove` for one key need no order. Changes that one process makes have an order:
//! what lay on its way for long does not replace what is newer. Of two calls of `insert` for one
//! key by two processes, or of an `insert` and a `remove`, the owner keeps what reached it last. So
//! where two programs can write the same key, `remove` is the safe one.
//!
//! # Who gives an old value, and how to see it
//!
//! [`Group::get_with_origin`](crate::Group::get_with_origin) says where a value came from: this
//! process, a copy, the owner, a peer in its place. `RemoveReport::is_complete` says whether all
//! peers made a change, `Stats::hits_stale` counts stale answers, and `geecache peek GROUP KEY
//! --all` shows what each peer holds of a key.
//!
//! # What was tested
//!
//! `tests/it/removal.rs` and `tests/it/storm.rs` force each interleaving of a change with a load,
//! and `tests/it/http/removal.rs` does it over sockets. `cargo run --release --example chaos`
//! kills, stops and restarts peer processes under load, and changes keys and lists of peers. It
//! fails on any wrong value, and on a version that is older
//!
//! * than one that was settled: from 1 s after that on, when copies have ended, and while all
//!   processes have had the whole list of peers for 6 s;
//! * at any time, than one that came more than 40 s ago: the `ttl` of 30 s, and some slack.
//!
//! Other old versions are allowed. It prints how many there were, as "older ones".
//!
//! `examples/partition` cuts a real network in two.
