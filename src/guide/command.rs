//! The command `geecache`: looks into a cluster from a shell, and changes what it holds.
//!
//! ```text
//! cargo install geecache --features cli
//! export GEECACHE_PEERS=http://10.0.0.1:8001
//! geecache get scores Tom
//! ```
//!
//! `geecache --help` lists the commands, `geecache get --help` tells about one, `geecache man`
//! prints a manual page, and `geecache completions bash` (`zsh`, `fish`) completions.
//!
//! | command | does |
//! |---|---|
//! | `get GROUP KEY...` | prints a value; the key's owner loads it if need be |
//! | `peek GROUP KEY` | prints what is in memory; `--all` tells of each peer whether it has the key |
//! | `owner KEY...` | tells which peer owns a key |
//! | `insert GROUP KEY [FILE]` | puts a value in place of the present one |
//! | `remove GROUP KEY...` | has all peers forget keys |
//! | `clear GROUP` | has all peers forget a group; asks first, unless it gets `--yes` |
//! | `stats [GROUP]` | prints what was counted since the start |
//! | `top` | a live screen: peers, rates, hit ratios, hot keys, events |
//! | `ring` | shows shares; with `--add` and `--remove`, how many keys would move |
//! | `check [GROUP]` | looks for what is wrong: lists, versions, protocols, rings, clocks |
//! | `bench GROUP` | puts load on a cluster, and tells how long answers took |
//!
//! # Which peers
//!
//! `--peers` or `GEECACHE_PEERS` names all peers, or one of them. One alone is asked for its
//! [status](crate::guide::status_json), which names the others. The protocol, the base path and the
//! ring are learned from it, too, and of several peers from the first that answers. Without a
//! status (a peer in Go, [`StatusPages::Off`](crate::StatusPages::Off)) all peers have to be named,
//! and what is not the default has to be said: `--protocol`, `--base-path`, `--hash`, `--replicas`.
//!
//! A token comes from a file (`--token-file`) or from `GEECACHE_TOKEN`, and never from an option:
//! other users of the machine can read the options of a program. With the feature `tls` there are
//! `--tls-ca`, `--tls-cert` and `--tls-key`.
//!
//! # What it does to a cluster
//!
//! `owner`, `ring`, `stats`, `top` and `peek` change nothing, and nothing is loaded for them. `get`
//! asks the owner, and the next peer of the ring where the owner does not answer, as a peer would.
//! `check GROUP` writes a key to each peer, reads it from there and removes it. `bench` writes keys
//! of its own for a few minutes and removes them at its end; with `--keys-from` it reads yours. The
//! source is asked for those that are not in memory, so take no more `--keys` than the caches hold.
//!
//! It is not in the list of peers, so a change that a peer missed is owed to nobody: run it again
//! when the peer is back.
//!
//! # Exit codes
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | the answer is no: no such key, not in memory, not kept, not confirmed |
//! | 2 | called wrongly |
//! | 3 | no peer answered in time |
//! | 4 | a peer did not take the token or the certificate |
//! | 5 | a peer answered with an error, such as a source that failed |
//! | 6 | a change did not reach all peers |
//! | 7 | check found something wrong, or bench had failures |
//! | 8 | this machine failed: a file, the output, the terminal |
//!
//! # JSON
//!
//! With `--json` each command prints one JSON object in each line. Fields may be added; those that
//! are here stay, and keep their meaning. Errors are told on standard error, as without it.
//!
//! | command | a line for | fields |
//! |---|---|---|
//! | `get`, `peek` | each key | `group`, `key`, `found`, `value` (or `value_base64` if it is not UTF-8), `bytes`, `ttl_ms`, `from` (a URL), `origin` (`owner-memory`, `owner`, `stand-in-memory`, `stand-in`), `took_us`; or `error`; or `in_memory` false |
//! | `peek --all` | each peer | `peer`, `owner`, `in_memory`, and of the value as above; or `error` |
//! | `owner` | each key | `key`, `owner`, `stand_ins` |
//! | `insert` | the change | `group`, `key`, `bytes`, `kept`, `complete`, `peers`: each `peer`, `outcome` (`done`, `failed`, `not-supported`), `error` |
//! | `remove` | the change | `group`, `keys` (with `--tag` `tags`), `complete`, `peers` as above |
//! | `clear` | the change | `group`, `complete`, `peers` as above |
//! | `stats` | each peer | its status as it is; or `url`, `error` |
//! | `top` | each look | `up`, `lists_agree`, `all`, `peers`, `groups`: each `name`, `state`, `share`, `requests_per_s`, `failures_per_s`, `gets_per_s`, `loads_per_s`, `load_errors_per_s`, `evictions_per_s`, `hit_ratio`, `entries`, `bytes`, `max_bytes`; `hot_keys`, `events` |
//! | `ring` | the ring | `hash`, `replicas`, `peers`: each `peer`, `share`; `after`: `peers`, `moved` (0 to 1) |
//! | `check` | the whole | `sound`, `findings`: each `check`, `verdict` (`good`, `doubtful`, `bad`, `unknown`), `text`, `lines`, `hint` |
//! | `bench` | the whole | `group`, `threads`, `seconds`, `gets`, `gets_per_s`, `absent`, `failed`, `p50_us`, `p90_us`, `p99_us`, `p999_us`, `max_us`, `peers`: each the same |
//!
//! Gets of `top` are keys that peers were asked for, by their own programs and by other peers, and
//! `hit_ratio` is the part of them that was in memory.
//!
//! # Bounds
//!
//! | what | bound |
//! |---|---|
//! | peers | 1,000; 64 are asked at once |
//! | how long a peer may take | `--timeout`, 2 s; to connect, that and 1 s at most |
//! | a value to insert | 64 MiB |
//! | a status that is read | 16 MiB |
//! | `bench` | 3,600 s, 256 threads, 1,000,000 keys, values of 16 MiB |
//! | what is left of a `bench` or a `check` that was killed | ends by itself: 5 minutes after the planned end, after 60 s |
