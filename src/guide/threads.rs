//! Which threads there are, and what bounds their number.
//!
//! No thread exists before it is needed, but for those of a server. Idle threads of a group end
//! after 5 s.
//!
//! | name | how many | does |
//! |---|---|---|
//! | `geecache-signal` | one for `leave_on_signal` (feature `signal`), and one while it leaves | waits for a signal; leaves |
//! | `geecache-follow` | one for a pool that follows a source | asks the source; greets up to 8 peers a second, and up to 8 that are missing |
//! | `geecache-gossip` | five for a pool that gossips (feature `gossip`) | tells the others who is there |
//! | `geecache-handover` | one for a pool, while its list has changed | has previous owners hand over what has moved |
//! | your own | | a `get` without a time limit runs the getter on the thread that asks |
//! | `load NAME` | `max_loaders`, per group | runs the getter for callers with a time limit, and so for peers |
//! | `nested load NAME` | `max_loaders`, per group | the same for getters of other peers |
//! | `snapshot of NAME` | 1 per group that has one | loads the snapshot, and writes it |
//! | `refresh NAME` | `max_refreshers`, per group | runs the getter while the old value is served |
//! | `hedge NAME` | 256, per group with `hedge` | asks a peer for a single key, or loads it beside that |
//! | `peers of NAME` | 64, per group | asks several owners at once |
//! | `changes of NAME` | 64, per group | takes a change to several peers at once |
//! | `debts of NAME` | 1, for a moment 2, per group, while something is owed | tells peers what they could not be told |
//! | `events of NAME` | 1, for a moment 2, per group or pool with a subscriber | tells it what happened |
//! | `geecache-resolve` | 1 per peer, for a moment | looks a name up |
//! | `geecache-sweep` | 1 per pool, while connections to peers have nothing to do | closes those that nobody used for 10 s |
//! | `geecache-status` | 15 per question about the cluster or a key, of which there are two at once | asks the other peers how they are |
//! | `geecache-accept` | 1 per pool, guarded | accepts connections |
//! | `geecache-connection` | 1 per connection, guarded | reads, handles and answers its requests |
//! | `geecache-supervisor` | 1 per pool, tiny_http | keeps the server serving |
//! | `geecache-handler` | twice `max_requests` and one more, tiny_http | handles requests, or waits for slow clients; four of them stay while idle |
//! | `geecache-refused` | 1 per request that is refused before all of its body is there, tiny_http | reads the rest of it |
//! | of tiny_http itself | 1 per connection, and five | reads requests |
//! | `geecache-linger` | 1 per pool, tiny_http | answers late clients for an `idle_timeout` after a shutdown |
//!
//! When all threads that may ask several peers are busy, the caller asks one after the other
//! itself. Where the caller has a time limit, each of them has its share of it then, so that one
//! that is silent does not take that of the others. With or without a limit, a call waits twice in
//! vain at most: what is not asked for by then is loaded by the caller's own getter.
