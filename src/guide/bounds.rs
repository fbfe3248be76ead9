//! What bounds bytes and times, and what is remembered.
//!
//! The options that set some of these bounds are listed in [`limits`](crate::guide::limits). The
//! limits of the guarded server on what a client may send have `guide::guarded` of
//! their own.
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
//! * **The last changes** of a group take up to 2.5 MiB for their order (57,344 of them, and 1,024
//!   processes that make changes), and up to 8 MiB for their keys (65,536), once somebody has asked
//!   for these. Both are made when first needed.
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
//!   MiB at first, and then up to six times what has come.
//! * **Bodies on their way** take up to `max_transfer_bytes` together: a quarter for what peers
//!   insert here, a quarter for the answers that peers read, and half for the answers of peers that
//!   are read here. Bodies of up to 64 KiB are not counted. A longer body than such a part has the
//!   part to itself. Up to 1 MiB of each body that waits for its room comes on top. Who finds no
//!   room in time gets a 503 that says so, or goes on without the peer's answer. A value that a
//!   getter has just made is not counted before it is sent.
//! * **A kept connection** takes up to 48 KiB here, with TLS up to 170 KiB while much is sent.
//! * **The files of a `TlsConfig`** may have 1 MiB each.
//! * **An answer of `/status.json`** tells of up to 200 groups, 10 hot keys of each, 32 events, and
//!   4,096 pieces of the ring. What other peers say of themselves is taken up to 256 KiB each, and
//!   8 MiB together.
//!
//! # Times that are fixed
//!
//! | what | time |
//! |---|---|
//! | a peer that failed is not asked | 1 s, doubled up to 30 s, ± 20 % |
//! | a connection to a peer is used again if it was idle for less than | 10 s; it is closed within 15 s |
//! | the addresses of a name are looked up again after | 30 s; after a failed connection, 1 s |
//! | a peer that does not know batches, or can't answer from memory, is not asked so again for | 60 s |
//! | a peer that could not be told of a change is told after | 100 ms, doubled up to 2 s, ± 20 %; up to 30 s if it answers and refuses |
//! | a previous owner that was late three times in a row is not asked for | 1 s |
//! | a caller without a time limit that waits for another's load loads as well after | 5 s; four times what loads usually take where that is more, 30 s at most |
//! | a key counts as asked for again (`HotCache::SecondHit`) within | 10 s |
//! | the other peers must say how they are, for `/status.json?cluster`, within | 500 ms in all |
//! | whether a peer is one of this crate, and may be asked that, is asked again after | 60 s |
//! | a TLS handshake must end within (guarded) | 5 s |
//! | a request's head must arrive within (guarded) | 10 s |
//! | a body must arrive, and a client must take 1 MiB of an answer, within (guarded) | 30 s |
//!
//! # What is remembered
//!
//! * A value has up to 8 tags, and with more of them goes with every removal of a tag. A group
//!   remembers which tags were removed in a table of 1 MiB, made by the first removal. Entries that
//!   are older than many thousand removals may be taken for removed: see
//!   [`tags`](crate::guide::tags).
//! * While keys move to new owners, a group remembers 65,536 keys that were removed. After more of
//!   them it takes nothing over until that time ends: it loads instead.
//! * Up to 65,536 keys that one peer could not be told to remove are owed to it, or 8 MiB of them.
//!   After more of them it is told to remove everything. Of 256 peers that have left the list it is
//!   remembered since when; if more have left, one that comes may be told to remove everything.
//! * `HotCache::SecondHit` remembers the last fetches in a table of 4,096 places, which is 32 KiB.
//! * With `hedge` a group knows the usual time of up to 1,024 peers.
//! * Up to 16 addresses of a name are used.
//! * A histogram of times takes 5.3 KB from its first time on: three for a group, one for a peer.
//! * Of the keys that are asked for most, up to `hot_keys` are known, and up to 256 bytes of each.
//!   Their counts are halved every 10 s.
//! * Up to 1,024 events wait for a slow subscriber, or 1 MiB of text in them. More are dropped, and
//!   counted. The last 32 rare events of a group, and of a pool, are remembered, 8 of each kind,
//!   and each of up to 4 KiB of text.
//! * Of what was logged, a group and a pool remember 128 causes each, for a minute. All other
//!   causes are told as if they were one: no more than 129 warnings and errors a minute.
