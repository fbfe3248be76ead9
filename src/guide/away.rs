//! Peers that can not be told of a removal, or were away: what is owed to them.
//!
//! # A peer that can not be told
//!
//! A peer may be down, cut off or stopped, or its answer may get lost. Then the change is *owed* to
//! it:
//!
//! * The report says [`Owed`] for it, and is not complete.
//! * A thread of the group, `debts of NAME`, tries to tell it: after 100 ms, and then after pauses
//!   that double, up to 2 s (each ± 20 %). For a peer that answers and refuses, as one that has no
//!   such group, they go up to 30 s, or until it makes a later change. Another one is tried again
//!   as soon as it is seen to be up. The thread ends when nothing is owed.
//! * Until then this process reads nothing from the peer. The next peer on the ring answers in its
//!   place, or this process loads.
//! * Other processes may have read from it meanwhile. So what it is told at last, the others are
//!   told once more. If it leaves the list before, the others are told at once.
//!
//! ```
//! use std::time::Duration;
//!
//! let group = geecache::Group::new("scores", 1 << 20, |key: &str| {
//!     Ok::<_, std::io::Error>(key.to_owned())
//! });
//! let report = group.remove("Tom");
//! if !report.is_complete() {
//!     // Waits until all have made it. Without this they are told all the same.
//!     if let Err(error) = group.settled(Duration::from_secs(10)) {
//!         eprintln!("{error}");
//!     }
//! }
//! ```
//!
//! [`Group::debts`] tells what is owed to whom, as do `debts` in `/status.json` and the metrics
//! `geecache_debt_keys` and `geecache_debt_seconds`. [`Stats::changes_owed`] and
//! [`changes_paid`](crate::Stats::changes_paid) count. Up to 65,536 keys or 8 MiB are owed to one
//! peer. Past that it is told to remove everything.
//!
//! What an insertion owes is the removal of the key. Peers that do not know removals are owed
//! nothing: nobody could ever tell them.
//!
//! A pool that is shut down (`HttpPool::shutdown`) tries once more to tell everything. What a
//! process owes is lost when it dies.
//!
//! # A peer that was away
//!
//! A peer that is out of the list is not told of removals. All others remember that it is away. If
//! it comes back, it is told what it has missed before it is asked for anything. The last 65,536
//! changed keys are remembered for that; where that is not enough, it is told to remove everything.
//! It does not matter whether it was restarted meanwhile, nor whether it was told as one that new
//! owners may still ask.
//!
//! A peer that was never in the list is told when it comes into it, too: it may have been known to
//! others before, and have taken over from them what was removed just then. Each process tells it
//! what it changed in the last 15 s of the keys that are the peer's now, up to 16,384 of
//! them.
//!
//! Until it is told, a peer that is back, or out of the list, answers its own callers with what it
//! has. That holds for a process that follows a list which has lost it, too: it keeps what it owns
//! until the value's `ttl` is over, or until it is back. It could not know whether it is lost for a
//! moment or for good, and would have to load all of it again.
//!
//! A process that leaves (`HttpPool::leave`) is told for as long as new owners may ask it for
//! what it had. Then it drops what it owned: nobody will tell it that a value is old. The same is
//! done by a pool that is shut down, for groups that go on to be used.
//!
//! # What was measured
//!
//! `examples/partition` cuts one of three hosts off for 20 s, while another one changes 30 keys
//! without a ttl all the time, and all three get them: real packets that are dropped.
//!
//! | old values got, of all gets, by | the writer | the other | the one that is cut off |
//! |---|---|---|---|
//! | while it is cut off | none | none | about 90 % |
//! | in the 30 s after | none | none | up to 3 %, the last within half a second |
//!
//! [`Owed`]: crate::RemoveOutcome::Owed
//! [`Group::debts`]: crate::Group::debts
//! [`Stats::changes_owed`]: crate::Stats::changes_owed
