//! Memory that outlives its process: what a snapshot is, what is loaded of it, and what it costs.
//!
//! A process that is started again has empty caches, and its source feels it. A *snapshot* is a
//! file with what was in memory. There are two ways to have one.
//!
//! # A service
//!
//! [`GroupBuilder::snapshot`](crate::GroupBuilder::snapshot) does all of it:
//!
//! ```
//! use geecache::Group;
//!
//! # let folder = std::env::temp_dir();
//! # let path = folder.join(format!("guide-{}.snapshot", std::process::id()));
//! let load = |name: &str| Ok::<_, std::io::Error>(format!("the score of {name}"));
//! let scores = Group::builder("scores", 64 << 20, load).snapshot(path.clone()).build();
//! // pool.add(&scores)?, and so on
//! # scores.close_snapshot().unwrap();
//! # std::fs::remove_file(path).unwrap();
//! ```
//!
//! * It is *loaded* by a thread of the group, `snapshot of NAME`, when the peers are known, or
//!   [`peers_within`](crate::SnapshotOptions::peers_within) has passed (5 s). When the peers are
//!   known, loads wait until their value is read, all of it is, or
//!   [`loads_wait`](crate::SnapshotOptions::loads_wait) is over (500 ms, once for all loads).
//!   A program of one process, without a pool, sets `peers_within(Duration::ZERO)`. Without that it
//!   waits 5 s for peers that never come, and its gets load meanwhile. Nobody confirms its file:
//!   `trust` says what is loaded.
//! * It is *written* [`every`](crate::SnapshotOptions::every) 5 minutes by that thread.
//! * It is written for the *last time* when the pool shuts down or leaves, when the last handle of
//!   the group is dropped, or by [`Group::close_snapshot`](crate::Group::close_snapshot), whichever
//!   comes first. A process that is killed, or that ends by `exit`, loses what came after the last
//!   time it was written. A handle in a `static` is never dropped.
//!
//! # A program that comes and goes
//!
//! [`Group::load_snapshot`](crate::Group::load_snapshot) at its start, and
//! [`Group::save_snapshot`](crate::Group::save_snapshot) at its end. A client of a cluster has its
//! copies of what others own in it, for as long as [`hot_ttl`](crate::GroupBuilder::hot_ttl) says.
//! `cargo run --example daemonless` shows a command that is fast at its second run.
//!
//! # What is loaded
//!
//! The file is in the order of the heat of its entries, and is read from its front. An entry is
//! loaded if
//!
//! 1. its time to live is not over: lives go on by the clock on the wall. If that clock went back,
//!    the entry has the life that was left when it was saved, and no more.
//! 2. it was not removed. See below.
//! 3. it is this process that owns its key, or somebody else for a copy. So what others own after a
//!    change of the list stays out. A copy lives no longer than `hot_ttl` from then on.
//! 4. its key has no value in memory. What is there is newer.
//! 5. there is room that nobody uses. Nothing is evicted for it.
//!
//! The [report](crate::LoadReport) and the log tell how many were not, and why; the metrics tell
//! how many (`result="skipped"`). What is [stale](crate::GroupBuilder::stale_if_error) is not
//! written at all.
//!
//! # What was removed meanwhile
//!
//! *While the file is written*: the file names these keys at its end. *After it was written for the
//! last time*: they are added there when the pool has answered its last request, when the last
//! handle of the group is dropped, and by each further call of `close_snapshot`. *While it is
//! loaded*: the group remembers, and a group with `GroupBuilder::snapshot` does so since it was
//! made. None of these comes back, and neither does what was replaced by an insertion. But
//! `Group::load_snapshot` does not know what this process removed before it was called: call it
//! before the group is used.
//!
//! *While the process was away*, the others know. A file that the group writes by itself has a
//! place in the journal of each peer. When it is loaded, the peers are asked what changed since:
//!
//! | what the peers say | what is loaded |
//! |---|---|
//! | one or more were up all the time, and name the changes | all but what any of them names |
//! | one of them was up, but it may have been all keys: a clearing, a removal of a tag, or more than 65,536 changes | nothing |
//! | none was up all the time, or none answers within 3 s, or there are none | what [`SnapshotTrust`](crate::SnapshotTrust) says: by default, entries that have a time to live |
//!
//! A *client* is told of no removal, so its copies may be older than the journals, and its file
//! has no places in them. It is as if no peer answered: `trust` says what is loaded.
//!
//! So with a peer that stayed up **no entry is loaded that was removed before the load, if the
//! removal reached that peer**. A removal that reached none of those who answer is owed by the one
//! who made it, as to every peer that was away under the same URL. A process that comes back under
//! another one, as a pod of Kubernetes without a name of its own does, is nobody that was away: it
//! is told what was changed in the 15 s before it was seen, and no more.
//!
//! **A removal of a tag names no keys.** If one was made while a process was away, or in the 15 s
//! before, and a peer that was up knows of it, then the process loads nothing: it starts cold. A
//! program that removes tags all the time has little of its file in a deploy.
//!
//! Without such a peer an entry that was removed can be served until its ttl is over, as at a peer
//! that a removal could not reach. [`SnapshotTrust::Never`](crate::SnapshotTrust::Never) loads none
//! of these, and [`Always`](crate::SnapshotTrust::Always) those without a ttl as well: for values
//! that never change.
//!
//! The places in the journals are 15 s old at least when they are used, as a change may take that
//! long to reach all peers. A process that ends within 15 s of its start has none, unless it loaded
//! a file that was confirmed. `save_snapshot` of a group without `GroupBuilder::snapshot` has none
//! either. So in a rolling restart with less than 15 s between two processes, nobody confirms the
//! files of the last ones: their peers began again after these places.
//!
//! # Where nobody can confirm
//!
//! After a restart of the whole cluster there is no such peer. What a file can then have that was
//! removed, and what `trust` therefore decides on, is this alone:
//!
//! * The process was *killed*, or could not write its file at its end, as the log tells: what was
//!   removed since the file was written, by anybody. In the second case entries without a ttl are
//!   loaded by the word of peers only.
//! * The removal was made *while this process was away*, and the one who made it ended, too, before
//!   it could tell this process. Its log tells it at its end, and its [report](crate::RemoveReport)
//!   was not [complete](crate::RemoveReport::is_complete); unless this process was *out of the
//!   list*, as one that has left or was scaled down is: no report names it.
//! * While the file was written for the last time, or later, *all keys* may have been removed, as
//!   in the table above: then entries that have a ttl are loaded.
//!
//! So the removal of a key whose report was complete does not come back, whatever `trust` says,
//! where all processes end in an orderly way and all were in the list as it was made. So programs
//! that end so, and that remove nothing while others are down or out of the list, can have
//! [`Always`](crate::SnapshotTrust::Always), too.
//!
//! # The file
//!
//! It has a version, the group's name and a crc32 over every byte. A file of another version or
//! another group is refused, and one that is damaged or cut is read up to there. What is no
//! snapshot, or that of another group, is never written over by `GroupBuilder::snapshot`. Neither
//! is a file that was not loaded yet, when a process ends early: it only gets the names of what
//! this process has removed. What was removed while it was written stands at its end. Where that
//! is lost, entries without a ttl are loaded by the word of peers only.
//!
//! It is written under another name in the same folder, brought to the disk, and renamed. At any
//! time there is the older file or the newer one. Only its owner can read it: it has your values,
//! in plain. Groups need a file each. If two processes write to one path, each has a file of its
//! own until it is done, and the one that is done last has its file there.
//!
//! Values that a newer version of your program can't read are a matter of their codec:
//! [`Versioned`](crate::Versioned).
//!
//! # What it costs
//!
//! No second copy of the cache: a walk takes 4 bytes for each entry, and 1 MiB of entries at a
//! time. It holds one lock at a time, for 64 entries or less. With
//! [`Eviction::Lru`](crate::Eviction::Lru) the order of the file is not that of use.
//!
//! The thread asks each peer every 3 s how many changes it knows.
//!
//! `cd benches && cargo run --release -- snapshot` measures how long 1 GiB takes, what gets notice
//! of it, and the memory.
