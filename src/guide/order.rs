//! What comes late, what has no order, and what processes hear that only ask.
//!
//! # The order of changes
//!
//! A request may lie on its way for long. Its sender has given it up, has changed the same key once
//! more, and then the network delivers it. Each change so has a stamp: who makes it, and a number
//! that grows ([`ChangeStamp`]). A peer remembers the numbers of the last 57,344 changes of a
//! group.
//!
//! | what comes late | what happens |
//! |---|---|
//! | a removal | it is made: that costs a load at worst |
//! | an insertion, after a newer change of the key by the same process | it is refused; the newer value stays |
//! | an insertion that is older than what is remembered | it is refused, and the key is removed |
//! | an insertion whose sender waits no longer: its time is over, or it has closed the connection | the same |
//!
//! The sender of a refused insertion finds [`Late`] in its report, if it still reads that. A late
//! insertion leaves no older value. [`Stats::late_changes`] counts them.
//!
//! A process that gives a request up closes its connection with a reset. Its system then forgets
//! what it has not delivered, and the peer learns that nobody waits. The server `Guarded` looks for
//! that before it makes an insertion. tiny_http shows nobody its sockets: there the numbers alone
//! protect. An insertion that timed out may still be made later. The peer is owed the removal of
//! the key, which is newer: until it is told of that, the value may be there.
//!
//! What has no order:
//!
//! * **Changes of different processes.** If several write, let each of them change the source first
//!   and then `remove` the key. An insertion may replace what another process inserted later.
//! * **A peer that was restarted** has no numbers. A request that a proxy held back, and sends to
//!   the new process, is made there. So it is at a peer that 1,024 other processes have told of
//!   changes since: it remembers no more of them than that.
//! * **Changes of other programs** (GeeCache, groupcache and its forks), which have no stamps.
//!
//! # Processes that only ask
//!
//! Nobody knows of a client, so no removal comes to it. It asks its peers to tell of changes beside
//! their answers (`HttpPoolBuilder::change_news`, on for clients and for who has left). A peer
//! tells how many changes it has made ([`ChangeMark`]). If that is more than the client has heard
//! of, the client asks which keys they were, and drops its copies of these alone. So **a client is
//! one get behind**: the copy of what was removed goes with its next get that asks any peer that
//! was told of the removal, and not only when its `hot_ttl` is over. Gets that its own copies
//! answer ask nobody.
//!
//! * The caller that hears of changes makes the second request, which ends within 250 ms. Others
//!   do not wait for it: they may get an old copy for that long.
//! * A caller that has less time, or gets no answer, drops all copies. So does the first answer of
//!   each peer, a peer that was restarted, a `clear`, a removal of a tag, and a client that is more
//!   than 8,000 changes behind.
//! * Where keys change all the time, nearly each get of a client finds a change, and pays for a
//!   second, short request. `ChangeNews::Off` is for such clients, with a short `hot_ttl`.
//!
//! [`ChangeStamp`]: crate::ChangeStamp
//! [`ChangeMark`]: crate::ChangeMark
//! [`Late`]: crate::RemoveOutcome::Late
//! [`Stats::late_changes`]: crate::Stats::late_changes
