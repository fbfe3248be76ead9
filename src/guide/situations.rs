//! What happens when …: one line for each situation.
//!
//! [`failures`](crate::guide::failures) has the whole tables, with each kind of error. Steps
//! are those of [a load](crate#how-a-load-goes).
//!
//! | when | then |
//! |---|---|
//! | the owner is down | The attempt fails at once, or after the connect timeout of 250 ms. It is counted (`Stats::peer_errors`) and logged, and the value comes by step 5; what this process loads for another it keeps for 10 s. After one refused connection, or three failures in a row, the peer is not asked for 1 s, and for longer, up to 30 s, if it fails again. |
//! | the owner is slow | After 2 s (`HttpPoolBuilder::timeout`) it counts as failed: step 5. Its load goes on, and the next to ask finds the value there. A get without a time limit waits for silent peers twice at most: it takes no longer than two of these timeouts and the getter. So does a batch, however many owners are silent. One that joins a batch of another caller gets its key as soon as the answer that holds it has come. |
//! | a getter fails | All who waited for that load get `Error::Load`, with the getter's error as its source. Errors are not kept: the next call tries again. If it was the owner's getter, the peer that asked runs its own. |
//! | the key does not exist | The getter says `None`, the caller gets `Error::NotFound`. The owner's word is final. |
//! | a getter panics | The panic goes to the caller that ran it, and those who waited load again. At the owner it is a failed load for the peer that asked; the owner lives on. |
//! | a value is larger than a quarter of the cache | It is served, not kept, and nothing has to leave for it (a cache of one part, `GroupBuilder::shards`, keeps any value that it can hold). From a peer, values are taken up to 64 MiB (`HttpPoolBuilder::max_value_bytes`). |
//! | the lists of two peers differ | Both may load the same key, and both say so: `HttpPool::list_stats`, a warning, a metric. A peer's request is never passed on to a third, so nothing goes in circles or waits for itself. |
//! | a peer restarts | Its memory is empty; at the same URL it owns the same keys. Lost connections are replaced without an error. |
//! | a peer joins or leaves | Only the keys that it gets or had change their owner. For a minute, new owners look into the memory of the previous ones before they load (`HttpPoolBuilder::warm_up`). |
//! | a value is past its `ttl` | It is loaded again, once for all who ask. With `stale_while_revalidate` the old one is served at once while one load on another thread refreshes it; with `stale_if_error` it is served when the source fails. |
//! | many keys are loaded together | With `ttl_jitter` they do not expire together. |
//! | a key does not exist, again and again | Each get asks the source, unless `negative_ttl` has its absence remembered. |
//! | a key is removed | Every get after `remove` returned, at any peer, loads again. A load that began before gives its value to those who wait for it; nobody keeps it. `RemoveReport` names the peers that could not be reached: a copy there ends with its `hot_ttl`, an owner's value with its `ttl`. Nobody can tell a program that only asks (`HttpPool::client`): its copies end with their `hot_ttl` or `fallback_ttl`, too. |
//! | a program writes to the source | After its `insert` the next get reads what was written, from the owner's memory; all copies are gone. However full the cache is, what is inserted is kept if it takes no more than a quarter of it; if it takes more, `InsertReport::is_kept` says so. |
//! | many keys are wanted | `get_many` asks each owner once, and the getter once for all that is to be loaded here; each key fails alone. Values of many megabytes come from their owner in parts, of which each is loaded when it is asked for. |
//! | everyone wants one key | From the second fetch within 10 s on, a peer keeps a copy for 30 s (`HotCache`), beside the main cache. |
//! | a caller has little time | `get_timeout` returns in time, whatever it waits for; the load goes on and fills the cache. |
//!
//! # As a proof
//!
//! | situation | run |
//! |---|---|
//! | peers are killed, stopped and restarted under load, and change keys | `cargo run --release --example chaos` |
//! | a host is cut off from the others while keys change | `cargo build --release --example partition`, and as root `target/release/examples/partition` |
//! | the owner of a key dies | `cargo run --release --example failover` |
//! | a value expires while callers wait | `cargo run --release --example fresh` |
//! | a peer joins, leaves, or is replaced | `cargo test --test process_faults` |
