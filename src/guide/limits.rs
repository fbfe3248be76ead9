//! Every option with its default.
//!
//! What bounds bytes, threads and times beside them stands in [`bounds`](crate::guide::bounds), and
//! how to choose the numbers in [`size`](crate::guide::size).
//!
//! # Options of a group
//!
//! Methods of [`GroupBuilder`](crate::GroupBuilder). The bound on the cache is an argument of
//! [`Group::new`](crate::Group::new) and [`Group::builder`](crate::Group::builder).
//!
//! | option | default | what it bounds or chooses |
//! |---|---|---|
//! | `cache_bytes` (argument) | | the main cache; 0 keeps nothing. Copies of other peers' values have an eighth of it on top. |
//! | `eviction` | `Adaptive` | which entry leaves a full cache |
//! | `accounting` | `Real` | what an entry counts against the bound |
//! | `shards` | 8 per core, each of 0.75 to 64 MiB (1.5 at least in a cache of less than 8 MiB), at most 4,096 | into how many parts a cache is cut; rounded up to a power of two, at most 65,536 |
//! | `ttl` | for ever | how long a value is served after its load |
//! | `ttl_jitter` | 0 | by which part of its ttl a value may end earlier |
//! | `negative_ttl` | not at all | how long it is remembered that a key does not exist |
//! | `stale_while_revalidate` | not at all | how long past its ttl a value is served while it is refreshed |
//! | `stale_if_error` | not at all | how long past its ttl a value is served when the getter fails |
//! | `refresh_ahead` | 0.0, off | how early values are refreshed before they end, as a multiple of how long their load takes (XFetch): with a source that answers in 1 ms that is next to nothing |
//! | `hot_cache` | `SecondHit` | which values of other peers are copied |
//! | `hot_ttl` | 30 s | how long such a copy lives, at most |
//! | `fallback_ttl` | 10 s | how long a value lives that was loaded in place of its owner |
//! | `owner_errors` | `LoadLocally`; `ReturnAll` for [`Group::remote`](crate::Group::remote) | what follows when the getter of the owner fails, or the owner does |
//! | `wait_timeout` | no limit | how long a `get` waits |
//! | `soft_timeout` | no limit | how long a load is waited for where an expired value may be served: see [`source`](crate::guide::source) |
//! | `max_loads` | no limit | calls of the getter at once; who finds no place waits 30 s at most |
//! | `source_breaker` | never | after how many failures in a row the getter rests, and for how long |
//! | `hedge` | never | the part of a peer's answers after whose time a key is loaded here as well; 0.5 to 0.999 |
//! | `max_loaders` | 64 | threads that run the getter for callers with a time limit |
//! | `max_refreshers` | 2 | threads that refresh values while the old ones are served |
//! | `stack_bytes` | that of Rust, 2 MiB | the stack of the threads that run the getter; 1 MiB to 1 GiB |
//! | `hot_keys` | 64 | how many of the keys that are asked for most are known; 0 is none, 256 the most |
//! | `on_event` | nobody | who is told what happens |
//! | `snapshot` | none | the file that keeps what is in memory while no process does: [`guide::snapshots`](crate::guide::snapshots) |
//! | `clock` | the system's, to 1 to 10 ms (16 ms on Windows) | what times to live are measured with |
//!
//! # Options of a snapshot
//!
//! Methods of [`SnapshotOptions`](crate::SnapshotOptions).
//!
//! | option | default | what it bounds or chooses |
//! |---|---|---|
//! | `every` | 5 min | the pause between two snapshots; 0 writes one at the end only |
//! | `trust` | `UntilTtl` | what is loaded that no peer confirms |
//! | `peers_within` | 5 s | how long the snapshot waits for peers to be known |
//! | `loads_wait` | 500 ms | how long loads wait for a snapshot that is being read, once for all of them |
//!
//! # Options of a typed group
//!
//! Methods of [`TypedGroupBuilder`](crate::TypedGroupBuilder); `group` sets those of the group
//! below.
//!
//! | option | default | what it bounds or chooses |
//! |---|---|---|
//! | `decoded_bytes` | `cache_bytes` | the decoded values in memory, each with 96 bytes for its place; 0 keeps none |
//! | `weigher` | the size of the type and the length of the bytes | what a value counts; one of 4 GiB or more is not kept |
//!
//! # Options of a pool
//!
//! Methods of `HttpPoolBuilder` (feature `http`). What is marked *alike* must be the same at all
//! peers. A time of more than a hundred years counts as a hundred years.
//!
//! | option | default | what it bounds or chooses |
//! |---|---|---|
//! | `protocol`, *alike* | `GeeCache` | what the peers speak |
//! | `base_path`, *alike* | that of the protocol, such as `/_geecache/` | where groups lie in a URL |
//! | `hash`, *alike* | that of the protocol, such as `Crc32` | the hash of the ring |
//! | `replicas`, *alike* | 50 (160 for the hash `Mixed`, 256 for `Balanced`, with eight points each) | points of each peer on the ring, at most 10,000 |
//! | `plus` | what the peers of the protocol mean | what a `+` in a path stands for |
//! | `ring_name` | what the protocol says, such as the URL | what this peer is called on the ring |
//! | `advertise` | `http://` (`https://` with TLS) and the address it listens at | the URL by which the others know this peer |
//! | `cluster`, *alike* | none, which gets on with every name | who is none of our peers |
//! | `zone` | what the list says, else none | whose keys this peer shares: `guide::zones` |
//! | `token`, *alike* | none | the secret that requests carry, and that is asked of others |
//! | `accept_token` | none | one more token that is taken from others |
//! | `token_file` | none | the same from a file, which is read again once a second |
//! | `status_pages` | on | whether the port answers those who watch: [`guide::watching`](crate::guide::watching) |
//! | `tls` (feature `tls`), *alike* | plain text | by which certificates peers know each other |
//! | `connect_timeout` | 250 ms | the time to open a connection, without a TLS handshake; not zero |
//! | `timeout` | 2 s | the time of a whole request to a peer; not zero |
//! | `peek_timeout` | 20 ms | the time that a previous owner has to say what it has in memory; not zero |
//! | `max_value_bytes` | 64 MiB | a value from a peer, and one that a peer inserts (that one 1 GiB at most); not zero |
//! | `max_transfer_bytes` | 256 MiB | the bodies of over 64 KiB that are on their way, all together; 1 MiB at least |
//! | `lanes_per_peer` | half of the processors, 1 to 4 | gets of single keys that are sent to one peer side by side where more than twice as many meet; the others wait until one of these is answered or has taken 1 ms, and are sent together, up to 128 keys in a request; where values are longer than 16 KiB, as a rule, each is asked for alone |
//! | `change_news` | on for a client, off for who serves until it leaves | whether answers of peers tell of changes, so that copies of what was changed go: [`guide::removal`](crate::guide::removal) |
//! | `max_requests_per_peer` | 256 | requests in flight to one peer; changes have as many places of their own |
//! | `max_idle_connections` | 64 | connections to one peer that are kept while they have nothing to do |
//! | `max_connection_age` | 60 s | how old a connection to a peer becomes, ± 20 %; one to an address that is no longer the name's goes earlier |
//! | `warm_up`, *alike* | 60 s | for how long after a new list new owners ask previous ones; 0 never asks |
//! | `hand_over_rate` | 64 MiB per second | what is taken over from previous owners after a new list, in bytes of keys and values; 0 takes over what is asked for only |
//! | `server` | `TinyHttp` | which server answers |
//! | `max_requests` | 256 | requests that are handled at once; past it, a 503 that is not held against this peer |
//! | `max_connections` | 4,096 | open connections; only the guarded server holds it |
//! | `idle_timeout` | 60 s | how long a connection without requests is kept open; 15 s at least |
//! | `stack_bytes` | that of Rust, 2 MiB | the stack of the threads that handle requests; 1 MiB to 1 GiB |
//! | `clock` | the system's | by what is decided when a peer is tried again, how long a warm-up lasts and a peer may be missing; time limits of requests go by the system's in any case |
//! | `drain_timeout` | 5 s | how long a shutdown waits for requests in flight |
//! | `on_event` | nobody | who is told of peers that are down or up, and of new lists |
//! | `traceparent` (feature `tracing`) | that of the request which the thread answers, or of `with_traceparent` | to which trace a request to a peer belongs: [`guide::traces`](crate::guide::traces) |
//!
//! An `HttpGetter` on its own has the defaults of the table.
//!
//! # Options of a source of peers
//!
//! Methods of `Discovery` (feature `http`).
//!
//! | option | default | what it bounds or chooses |
//! |---|---|---|
//! | `every` | 5 s, for a file 250 ms | the pause between two questions to the source; 10 ms to an hour |
//! | `absence` | 30 s | how long a peer is missing before it is taken out of the list, unless it refuses connections |
//!
//! A file of peers may have 1 MiB. A list, from wherever it comes, may have 4,194,304 points on the
//! ring, as 83,886 peers of weight 1 with 50 replicas do; one that has more is refused. The last 64
//! changes of a list are remembered.
