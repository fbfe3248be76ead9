//! Coming from groupcache, moka, memcached or FusionCache.
//!
//! What you know, what it is called here, and what is different.
//!
//! # From groupcache
//!
//! | groupcache | here |
//! |---|---|
//! | `NewGroup(name, bytes, getter)` | [`Group::new`](crate::Group::new)`(name, bytes, getter)`; no global: a [`Registry`](crate::Registry) or a pool finds groups |
//! | `group.Get(ctx, key, sink)` | [`get`](crate::Group::get)`(key)`, [`get_timeout`](crate::Group::get_timeout)`(key, limit)`; a value is a `ByteView`, there are no sinks |
//! | `ctx` | a time limit; no values are carried along |
//! | an error of the getter for "no such key" | `None`, which is `Error::NotFound`, and final |
//! | `NewHTTPPool(self)`, `pool.Set(peers…)` | `HttpPool::bind(address)`, `pool.add(&group)`, `pool.set_peers(peers)` |
//! | `ProtoGetter`, `PeerPicker` | [`PeerGetter`](crate::PeerGetter), [`PeerPicker`](crate::PeerPicker) |
//! | hot cache: one fetch in ten, an eighth of the bytes | [`HotCache::SecondHit`](crate::HotCache::SecondHit), `OneIn(10)` if you like; an eighth on top of the bytes |
//! | values never change | `ttl`, `remove`, `insert` and more: [`changing`](crate::guide::changing) |
//! | a dead peer costs each get a try | a breaker for each peer, and the ring's next peer answers |
//! | keys and values are counted | the memory that an entry takes is counted ([`Accounting`](crate::Accounting)) |
//! | LRU | adaptive ([`Eviction`](crate::Eviction)); `Lru` is there |
//! | one get at a time | [`get_many`](crate::Group::get_many) |
//! | `galaxycache`, `groupcache-go`, mailgun's fork | the page `beside_go` |
//!
//! # From moka
//!
//! | moka (`sync`) | here |
//! |---|---|
//! | `Cache<K, V>` of any types | bytes in a [`Group`](crate::Group), or a [`TypedGroup<K, V>`](crate::TypedGroup) with a codec: values go over the network |
//! | `get_with(key, init)`, `try_get_with` | [`get`](crate::Group::get)`(key)`: the getter belongs to the group |
//! | `optionally_get_with` | a getter that returns `None` |
//! | `max_capacity`, `weigher` | `cache_bytes`, in bytes of memory |
//! | `time_to_live` | [`ttl`](crate::GroupBuilder::ttl); [`Loaded::ttl`](crate::Loaded::ttl) for one value, as `Expiry` |
//! | `time_to_idle` | none: what is not asked for makes room by itself |
//! | `insert`, `invalidate`, `invalidate_all` | [`insert`](crate::Group::insert), [`remove`](crate::Group::remove), [`clear`](crate::Group::clear), at all peers |
//! | `eviction_listener` | [`on_event`](crate::GroupBuilder::on_event), on a thread of its own |
//! | `run_pending_tasks` | nothing: the bound holds at every moment |
//! | `future::Cache` | none. In an async program, call where blocking is allowed |
//!
//! For one process that shares nothing, and with values that are no bytes, stay with moka.
//!
//! # From memcached
//!
//! | memcached | here |
//! |---|---|
//! | servers to run, and a client library | one library in your processes |
//! | `get`, then the database, then `set` | `get`: it fills itself, once for all who ask |
//! | `get` of many keys | `get_many`, one request to each owner |
//! | `set`, `delete`, `flush_all` | `insert`, `remove`, `clear`, with a report of who was not reached |
//! | `add`, `cas`, `incr`, `append` | none: the source of truth has these |
//! | `exptime` | `ttl` |
//! | a thundering herd, leases | one load for all processes |
//! | `-m 64` counts pages and slabs | `cache_bytes` counts what entries take |
//! | ketama in the client | a ring in the library, with the same list everywhere |
//! | a restart of the program keeps the cache | a restart empties that process: others take over (`HttpPool::leave`), and see [`snapshots`](crate::guide::snapshots) |
//! | any language asks | Rust, and Go in the clusters of groupcache; HTTP for others |
//!
//! # From FusionCache
//!
//! | FusionCache | here |
//! |---|---|
//! | `GetOrSet(key, factory)` | `get(key)`: the getter belongs to the group |
//! | L1 in memory, L2 in Redis | one level: memory here, or at the owner |
//! | backplane over Redis | changes go to all peers directly |
//! | cache stampede protection in one node | in the whole cluster |
//! | fail-safe, `FailSafeMaxDuration` | [`stale_if_error`](crate::GroupBuilder::stale_if_error) |
//! | factory soft timeout, background completion | [`soft_timeout`](crate::GroupBuilder::soft_timeout), and [`stale_while_revalidate`](crate::GroupBuilder::stale_while_revalidate), which waits for nothing |
//! | factory hard timeout | [`get_timeout`](crate::Group::get_timeout), [`wait_timeout`](crate::GroupBuilder::wait_timeout): the load goes on |
//! | eager refresh | [`refresh_ahead`](crate::GroupBuilder::refresh_ahead) |
//! | `JitterMaxDuration` | [`ttl_jitter`](crate::GroupBuilder::ttl_jitter) |
//! | adaptive caching | [`Loaded::ttl`](crate::Loaded::ttl) |
//! | conditional refresh | [`source`](crate::guide::source) |
//! | tagging, `RemoveByTag` | [`tags`](crate::guide::tags) |
//! | auto-recovery of the backplane | debts: [`removal`](crate::guide::removal) |
//! | named caches | groups |
//! | OpenTelemetry | the feature `tracing`, and metrics: [`watching`](crate::guide::watching) |
