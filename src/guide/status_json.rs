//! What `/status.json` answers, field by field (feature `http`).
//!
//! Any port of a pool answers it, see [`guide::watching`](crate::guide::watching). Where the
//! cluster has a token, the request must show it, as all others do.
//!
//! **What stands here stays.** Later versions add fields, and do not change the meaning of one. A
//! reader should pass over what it does not know. If a field ever had to change, `format` would be
//! another number.
//!
//! Times are whole milliseconds (`_ms`), microseconds (`_us`) or nanoseconds (`_ns`). Shares and
//! ratios are between 0 and 1. `null` is "nothing is known", such as a ratio before the first get.
//!
//! # `GET /status.json`
//!
//! What this process knows. It asks nobody.
//!
//! | field | what it is |
//! |---|---|
//! | `format` | 1 |
//! | `version` | of this crate |
//! | `url` | the name of this peer |
//! | `time_ms` | its clock, in milliseconds since 1970 |
//! | `uptime_ms` | since its pool was made |
//! | `ready`, `why` | what `/readyz` says |
//! | `protocol`, `base_path` | how its peers talk: `geecache`, `geecache-protobuf`, `groupcache`, `mailgun`, `groupcache-go` or `galaxycache`, and where |
//! | `has_token`, `has_tls` | how it is protected |
//! | `ring.hash`, `ring.replicas` | by which hash, and with how many points of a peer |
//! | `ring.peers`, `ring.listed` | how many peers are on it, and whether it is one of them |
//! | `ring.zone` | the [zone](crate::guide::zones) of this peer, or `null`; `ring.peers` are those of that zone |
//! | `ring.digest` | a text that is the same at all peers that name the same owners |
//! | `peers[]` | the whole list, in the order of the URLs |
//! | `peers[].url`, `.self`, `.share` | the peer, whether it is this one, its part of the ring of its zone |
//! | `peers[].name`, `.weight`, `.zone` | what it is called on the ring, its weight, and its zone or `null` |
//! | `peers[].state` | `up` or `down`: whether it is asked. This and the next are left out for this peer. |
//! | `peers[].in_flight`, `.requests`, `.failures`, `.rejected` | as in `PeerStats` |
//! | `peers[].latency` | how long requests to it took, see below |
//! | `server` | `requests`, `rejected`, `unauthorized`, `abandoned`, `accept_restarts`, `in_flight`, `connections`, as in `/metrics`; `null` without a server |
//! | `groups[]` | up to 200 groups that it serves, in the order of their names; `groups_left_out` tells of more |
//! | `groups[].name` | the group |
//! | `groups[].stats` | all of [`Stats`](crate::Stats), by the names of its fields |
//! | `groups[].ratios` | `hit`, `owned`, `copy`, `peer`, `server`: the ratios of [`Stats`](crate::Stats) |
//! | `groups[].main_cache`, `.hot_cache` | all of [`CacheStats`](crate::CacheStats), by the names of its fields |
//! | `groups[].latency` | `getter`, `waits`, `hits`: [`Latencies`](crate::Latencies) |
//! | `groups[].debts[]` | [what a peer could not be told](crate::PeerDebt) so far: `peer`, `keys` (null for all), `since_s`, `attempts`, `error` |
//! | `groups[].hot_keys[]` | up to 10 [hot keys](crate::HotKey): `key`, `gets_per_second`, `share`, `share_error` |
//! | `events[]` | up to 32 rare events, the last one first |
//! | `events[].time_ms`, `.age_ms` | when, and how long ago |
//! | `events[].kind`, `.text` | the [name](crate::Event::name) of the event, and a line for people |
//! | `events[].peer`, `.group`, `.key` | what it is about, or `null` |
//!
//! A latency has `count`, `sum_ns`, `p50_ns`, `p90_ns`, `p99_ns` and `max_ns`. It is left out where
//! nothing was measured.
//!
//! # `GET /status.json?cluster`
//!
//! The same, and what the other peers say of themselves. They are asked at the same time, and have
//! 500 ms in all. No peer passes the question on. It counts in no number but the `server.requests`
//! of those that are asked, and does not touch what is known of peers that are down: who watches
//! changes nothing.
//!
//! | field | what it is |
//! |---|---|
//! | `agree` | whether all that answered have the list of peers that this one has |
//! | `cluster[]` | the other peers, in the order of their URLs |
//! | `cluster[].url`, `.answered`, `.took_us` | the peer, whether it answered, and how long that took |
//! | `cluster[].status` | its own `/status.json`, without `peers` |
//! | `cluster[].error` | why there is none, in words |
//!
//! At most two such questions are under way at a process, and two about a key; the next gets a 503,
//! and should come again in a moment. An answer of more than 256 KiB is left out, and so is what
//! passes 8 MiB together. A peer that is no process of this crate, such as one in Go, is not asked.
//!
//! `?brief` leaves `peers` out. `?ring` adds the ring: `arcs[]` are its pieces in order, each with
//! its `end` and the place of its owner in `nodes[]`, as [`Ring::arcs`] has them. They are left out
//! where there are more than 4,096.
//!
//! # `GET /status.json?group=G&key=K`
//!
//! Where a key lives. Nothing is loaded. Names are escaped as in forms: a `+` is a space.
//!
//! | field | what it is |
//! |---|---|
//! | `group`, `key` | what was asked for |
//! | `position` | where the key lies on the ring, as [`Ring::position`]; `null` where it has several places |
//! | `owner` | the peer that owns it |
//! | `asked` | the peer that answers for it now: its owner, or who stands in while that is down |
//! | `here` | what this process has of it in memory; `null` if nothing |
//! | `here.kind` | `owned`, or a `copy` of what another peer owns |
//! | `here.exists` | `false` is the knowledge that there is no such key |
//! | `here.bytes`, `here.ttl_ms` | the length of the value, and what is left of its life; `null` is without end |
//!
//! With `&cluster` the other peers are asked as well, as above. No such group is a 404.
//!
//! # `POST /status.json?group=G&key=K`
//!
//! Removes the key everywhere, as [`Group::remove`](crate::Group::remove) does. Only where the
//! cluster has a token, and with it in `Authorization`; elsewhere it is a 403. So no page that a
//! browser shows can remove a key without its reader having typed the token.
//!
//! ```text
//! {"removed":false,"peers":[{"url":"http://10.0.0.2:8001","done":true},
//!                           {"url":"http://10.0.0.3:8001","done":false,"error":"…"}]}
//! ```
//!
//! `removed` says whether all peers have confirmed it.
//!
//! [`Ring::arcs`]: crate::consistenthash::Ring::arcs
//! [`Ring::position`]: crate::consistenthash::Ring::position
