//! Every option with its default, and what bounds bytes, threads and connections.
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
//! | `shards` | 8 per core, each of 1.5 to 64 MiB, at most 4,096 | into how many parts a cache is cut; rounded up to a power of two, at most 65,536 |
//! | `ttl` | for ever | how long a value is served after its load |
//! | `ttl_jitter` | 0 | by which part of its ttl a value may end earlier |
//! | `negative_ttl` | not at all | how long it is remembered that a key does not exist |
//! | `stale_while_revalidate` | not at all | how long past its ttl a value is served while it is refreshed |
//! | `stale_if_error` | not at all | how long past its ttl a value is served when the getter fails |
//! | `refresh_ahead` | 0.0, off | how early values are refreshed before they end |
//! | `hot_cache` | `SecondHit` | which values of other peers are copied |
//! | `hot_ttl` | 30 s | how long such a copy lives, at most |
//! | `fallback_ttl` | 10 s | how long a value lives that was loaded in place of its owner |
//! | `owner_errors` | `LoadLocally`; `ReturnAll` for [`Group::remote`](crate::Group::remote) | what follows when the getter of the owner fails, or the owner does |
//! | `wait_timeout` | no limit | how long a `get` waits |
//! | `max_loaders` | 64 | threads that run the getter for callers with a time limit |
//! | `max_refreshers` | 2 | threads that refresh values while the old ones are served |
//! | `stack_bytes` | that of Rust, 2 MiB | the stack of the threads that run the getter; 1 MiB to 1 GiB |
//! | `hot_keys` | 64 | how many of the keys that are asked for most are known; 0 is none, 256 the most |
//! | `on_event` | nobody | who is told what happens |
//! | `clock` | the system's, to 1 to 10 ms (16 ms on Windows) | what times to live are measured with |
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
//! | `replicas`, *alike* | 50 (160 for the hash `Mixed`) | points of each peer on the ring, at most 10,000 |
//! | `plus` | what the peers of the protocol mean | what a `+` in a path stands for |
//! | `ring_name` | what the protocol says, such as the URL | what this peer is called on the ring |
//! | `advertise` | `http://` (`https://` with TLS) and the address it listens at | the URL by which the others know this peer |
//! | `cluster`, *alike* | none, which gets on with every name | who is none of our peers |
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
//! | `max_requests_per_peer` | 256 | requests in flight to one peer |
//! | `max_idle_connections` | 64 | connections to one peer that are kept while they have nothing to do |
//! | `max_connection_age` | 60 s | how old a connection to a peer becomes, ± 20 %; one to an address that is no longer the name's goes earlier |
//! | `warm_up`, *alike* | 60 s | for how long after a new list new owners ask previous ones; 0 never asks |
//! | `server` | `TinyHttp` | which server answers |
//! | `max_requests` | 256 | requests that are handled at once; past it, a 503 that is not held against this peer |
//! | `max_connections` | 4,096 | open connections; only the guarded server holds it |
//! | `idle_timeout` | 60 s | how long a connection without requests is kept open; 15 s at least |
//! | `stack_bytes` | that of Rust, 2 MiB | the stack of the threads that handle requests; 1 MiB to 1 GiB |
//! | `drain_timeout` | 5 s | how long a shutdown waits for requests in flight |
//! | `on_event` | nobody | who is told of peers that are down or up, and of new lists |
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
//!
//! # Bytes
//!
//! * **An entry** counts the memory that it takes: key and value, a header and what the allocator
//!   adds, and its place in the table, which is 96 to 111 bytes together. A cache of 64 MiB so
//!   takes about 64 MiB. With `Accounting::PayloadOnly` key and value alone are counted.
//! * **A cache** never holds more than its bytes, at any moment and however many threads use it.
//!   Its parts have them in common: a part takes more than its share while there is room.
//! * **An entry that takes more than a quarter of the cache** is served and not kept; with two
//!   parts a half, and with one part the whole. Nor is one kept whose key has 2 GiB.
//! * **An expired value** that nobody asks for stays for as many insertions as a quarter of the
//!   cache's places, or about a hundred hits for each entry, whatever comes first. Each place holds
//!   an entry or waits for one; there are at most two to an entry. A cache that is not used at all
//!   keeps it.
//! * **A group that is not used** takes less than 4 KiB, whatever its bound. The parts of its cache
//!   and the tables of its loads are made when first needed.
//! * **A decoded value** of a typed group lives as long as its entry: see
//!   [`typed`](crate::guide::typed).
//! * **A copy of a value costs nothing**: [`ByteView`](crate::ByteView) shares its bytes.
//! * **A request to a peer** has a path of 15 KiB at most; a longer key is loaded here. The head of
//!   an answer may have 8 KiB, the text of an error is cut at 8 KiB.
//! * **A request for many keys** has up to 1,024 keys, each of up to 64 KiB, in 1 MiB. An answer to
//!   it holds up to 8 MiB of values, or one value that is longer. What does not fit is asked for
//!   again. The owner answers in portions that are likely to fit into half an answer: the first of
//!   a request is of 16 keys at most, and the next ones go by the lengths of its values. So a
//!   request holds about 4 MiB of values at its owner, and 4 more as it is answered; more only by
//!   16 values, or where values in the midst of a request are much longer than those before. An
//!   answer from memory only holds up to 1 MiB.
//! * **An answer of which little has come** takes little memory, whatever length it announces: 1
//!   MiB at first, and then up to four times what has come.
//! * **Bodies on their way** take up to `max_transfer_bytes` together: a quarter for what peers
//!   insert here, a quarter for the answers that peers read, and half for the answers of peers that
//!   are read here. Bodies of up to 64 KiB are not counted. A longer body than such a part has the
//!   part to itself. Up to 1 MiB of each body that waits for its room comes on top. Who finds no
//!   room in time gets a 503 that says so, or goes on without the peer's answer. A value that a
//!   getter has just made is not counted before it is sent.
//! * **A kept connection** takes up to 80 KiB here, with TLS up to 200 KiB while much is sent.
//! * **The files of a `TlsConfig`** may have 1 MiB each.
//! * **An answer of `/status.json`** tells of up to 200 groups, 10 hot keys of each, 32 events, and
//!   4,096 pieces of the ring. What other peers say of themselves is taken up to 256 KiB each, and
//!   8 MiB together.
//!
//! # The guarded server
//!
//! What it takes from its clients, and what follows past that. The last column names tests, in
//! `src/http/server` where nothing else is said.
//!
//! | what | limit | past it | tests |
//! |---|---|---|---|
//! | open connections | `max_connections` | the one that was idle for longest is closed, or else the oldest that waits for the rest of a body; if there is none, a 503 | `idle_connection_makes_room`, `bodies_that_stop_do_not_keep_others_out`, `heads_that_never_end_do_not_keep_others_out`, `connection_past_the_cap_gets_a_503_when_none_is_idle` |
//! | descriptors of the process | the system's | it goes on accepting when there are some again | `process_out_of_descriptors_serves_again_when_it_has_some` |
//! | requests with a handler | `max_requests` | 503 | `requests_past_the_bound_get_a_503` |
//! | bytes of a head | 32 KiB | 414 for its first line, 431 for the rest | `one_byte_of_a_head_more_than_the_limit_gets_a_431`, `endless_target_gets_a_414`, `megabyte_of_headers_gets_a_431` |
//! | headers | 64 | 431 | `one_header_more_than_the_limit_gets_a_431` |
//! | time for a head, from its first byte | 10 s | 408 | `head_that_drips_is_given_up_at_its_deadline` |
//! | bytes of a body | `max_value_bytes`, 1 MiB at least and 1 GiB at most | 413 | `body_past_the_limit_gets_a_413`, `huge_content_length_gets_a_413` |
//! | bytes of a body of those who do not know the token | none but what came with the head | 401 | `a_long_body_of_a_stranger_is_refused_before_it_comes` in `tests/it` |
//! | bytes of all bodies over 64 KiB together | a quarter of `max_transfer_bytes`, and as much for answers | 503 when there is no room in time | `long_body_waits_for_room_until_its_time_is_over`, `long_answer_waits_for_room_until_its_time_is_over` |
//! | memory for a body of up to 64 KiB | four times what has come of it, or 64 KiB | | `clients_that_stall_hold_nobody_up` in `tests/hostile` |
//! | memory that a connection keeps for the next request | 64 KiB, and what was sent ahead of it | given back when that is handled | `long_buffer_is_given_back_although_the_next_request_has_begun` |
//! | time for a body | 30 s | 408 | `body_that_stops_is_given_up`, `body_that_drips_is_given_up_at_its_deadline` |
//! | time for a client to take 1 MiB of an answer, or what is left of it | 30 s, and once more for what the kernel takes at first | the connection is closed | `client_that_takes_no_answer_is_given_up`, `client_that_takes_too_little_in_its_time_is_given_up` |
//! | requests that are read ahead | what fits into the buffer | nothing is read until the answer is taken | `client_that_pipelines_and_never_reads_is_not_read_for_long`, `client_that_never_reads_makes_the_guarded_server_hold_little` in `tests/hostile` |
//! | what is still read after a refusal | 4 MiB, for 1 s | the connection is closed | `refused_client_that_goes_on_is_read_for_a_moment_only` |
//! | time without a request | `idle_timeout` | the connection is closed | `silent_connection_is_closed_after_the_idle_time` |
//! | time for a shutdown | `drain_timeout` | what is in flight is left unanswered | `shutdown_does_not_wait_for_ever` |
//! | memory that stays after 20,000 attacks | 2 MiB | | `guarded_server_holds_nothing_of_attacks_that_are_over` in `tests/hostile` |
//!
//! # Threads
//!
//! No thread exists before it is needed, but for those of a server. Idle threads of a group end
//! after 5 s.
//!
//! | name | how many | does |
//! |---|---|---|
//! | `geecache-signal` | one for `leave_on_signal` (feature `signal`), and one while it leaves | waits for a signal; leaves |
//! | `geecache-follow` | one for a pool that follows a source | asks the source; greets up to 8 peers a second, and up to 8 that are missing |
//! | your own | | a `get` without a time limit runs the getter on the thread that asks |
//! | `load NAME` | `max_loaders`, per group | runs the getter for callers with a time limit, and so for peers |
//! | `nested load NAME` | `max_loaders`, per group | the same for getters of other peers |
//! | `refresh NAME` | `max_refreshers`, per group | runs the getter while the old value is served |
//! | `peers of NAME` | 64, per group | asks several owners at once |
//! | `changes of NAME` | 64, per group | takes a change to several peers at once |
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
//!
//! # Times that are fixed
//!
//! | what | time |
//! |---|---|
//! | a peer that failed is not asked | 1 s, doubled up to 30 s, ± 20 % |
//! | a connection to a peer is used again if it was idle for less than | 10 s; it is closed within 15 s |
//! | the addresses of a name are looked up again after | 30 s; after a failed connection, 1 s |
//! | a peer that does not know batches, or can't answer from memory, is not asked so again for | 60 s |
//! | a previous owner that was late three times in a row is not asked for | 1 s |
//! | a caller without a time limit that waits for another's load loads as well after | 5 s; four times what loads usually take where that is more, 30 s at most |
//! | a key counts as asked for again (`HotCache::SecondHit`) within | 10 s |
//! | the other peers must say how they are, for `/status.json?cluster`, within | 500 ms in all |
//! | whether a peer is one of this crate, and may be asked that, is asked again after | 60 s |
//! | a TLS handshake must end within (guarded) | 5 s |
//! | a request's head must arrive within (guarded) | 10 s |
//! | a body must arrive, and a client must take 1 MiB of an answer, within (guarded) | 30 s |
//!
//! # TLS
//!
//! * A guarded server is in up to 256 TLS handshakes at once. With one more, the oldest is closed.
//! * A server forgets its keys for tickets when its files change, and after an hour. A client keeps
//!   up to 256 sessions.
//! * The files are looked at about once a second, while connections are made.
//!
//! # What is remembered
//!
//! * While keys move to new owners, a group remembers 4,096 keys that were removed. After more of
//!   them it takes nothing over until that time ends: it loads instead.
//! * `HotCache::SecondHit` remembers the last fetches in a table of 4,096 places, which is 32 KiB.
//! * Up to 16 addresses of a name are used.
//! * A histogram of times takes 5.3 KB from its first time on: three for a group, one for a peer.
//! * Of the keys that are asked for most, up to `hot_keys` are known, and up to 256 bytes of each.
//!   Their counts are halved every 10 s.
//! * Up to 1,024 events wait for a slow subscriber, or 1 MiB of text in them. More are dropped, and
//!   counted. The last 32 rare events of a group, and of a pool, are remembered, 8 of each kind,
//!   and each of up to 4 KiB of text.
//! * Of what was logged, a group and a pool remember 128 causes each, for a minute. All other
//!   causes are told as if they were one: no more than 129 warnings and errors a minute.
