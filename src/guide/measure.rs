//! What was measured, and how to measure it yourself.
//!
#![doc = include_str!("pictures/bench.svg")]
//!
//! The picture and the tables below it are written by one command, from a checkout:
//!
//! ```sh
//! cargo run --release --manifest-path benches/Cargo.toml -- report
//! ```
//!
//! It writes `src/guide/pictures/bench.svg` and `bench.md`, with the machine, the commit and the
//! date. `--quick` takes minutes and is for a look; `--out DIR` writes elsewhere. Take the ratios
//! with you, not the absolute figures: all contenders run in one process or in turns of a fraction
//! of a second, so that what else the machine does hits all of them alike.
//!
#![doc = include_str!("pictures/bench.md")]
//!
//! # One by one
//!
//! On an otherwise idle machine. All but `ring` and `report` take `--json`.
//!
//! | `cargo run --release --manifest-path benches/Cargo.toml --` … | prints |
//! |---|---|
//! | `local` | what a hit takes, with a ttl and without, decoded and not, and gets per second of 1, 2 and 8 threads, beside other caches |
//! | `memory` | bytes per entry, and what a cache bounded to 64 MiB takes, beside other caches |
//! | `hits` | hit ratios on made traces, or on yours (`--trace FILE`), beside other caches and the optimum |
//! | `peers` | gets per second and latency from another process, in plain text, with a token, with TLS and with mutual TLS, beside a bare socket, memcached and golang/groupcache |
//! | `deploys` | what is loaded again while three peers are replaced under load, one joins, or all restart; failed gets, values older than their removal, and how long gets take meanwhile |
//! | `hot` | requests per second to the hottest of five peers, and gets per second, for each [`HotCache`](crate::HotCache) |
//! | `wire` | connections after a burst of gets, how long hits wait beside slow loads, the memory of a long value on both sides |
//! | `ring` | how evenly the ring shares keys out, how many move when a peer joins or leaves, the time of a look-up |
//!
//! `local` and `peers` need minutes; `local --regime S --rounds 3`, `peers --quick` and `hot
//! --quick` are short. golang/groupcache and memcached take part where Debian's packages
//! `golang-go`, `golang-github-golang-groupcache-dev` and `memcached` are installed. Fuzz targets
//! stand beside them, in `benches/fuzz`.
//!
//! # Where a get from a peer spends its time
//!
//! Processor time of both sides, of which a request has a part, and each of its keys (`peers
//! --threads 4 --values 64 --batches 10,100,1000`, guarded server, from the least `cpu µs` of ten
//! runs):
//!
//! | | a request | each key |
//! |---|--:|--:|
//! | geecache | 20 to 30 µs | 0.51 µs |
//! | memcached | 7 to 16 µs | 0.35 µs |
//!
//! So the more keys are asked for at once, the less a request counts: batches of 1,000 reach two
//! thirds of memcached's keys per second, those of 100 half. Where the rest goes, by `callgrind`:
//!
//! * A single get takes 40,000 instructions at the asker and 9,000 at the owner. Of the former,
//!   25,000 are those of ureq and of the `http` types of a request, and 6,000 those of the group.
//! * It makes five system calls: one that sends and one that receives on each side, and one that
//!   looks whether the connection is still open and empty before it is used again.
//! * A key of a batch takes 2,500 instructions of the group at the asker: two look-ups in memory,
//!   a place in a flight, the pick of its owner, and the way of its answer to its place.
//! * A value of 256 KiB is written from the cache's memory, and read into its own. Three
//!   quarters of its time are the kernel's, and 6 % clear the memory that it is read into.
//!
//! # What failures cost the source
//!
//! | command | prints |
//! |---|---|
//! | `cargo run --release --example failover` | how often the source is asked after a peer died, with breakers and without |
//! | `cd benches && cargo run --release -- snapshot` | how long 1 GiB takes to a file and back, what gets notice of it, and the memory |
//! | `cargo run --release --example fresh` | the longest wait of a caller when a value expires, with `stale_while_revalidate` and without |
//! | `cargo test --release --test it figures -- --ignored --nocapture --test-threads 1` | how often the source is asked when a peer joins or leaves, with `warm_up` and without |
//!
//! # Your own cluster
//!
//! `geecache bench GROUP` puts load on a running cluster and prints percentiles
//! (`guide::command`). `geecache top` shows rates and hit ratios while your own
//! load runs.
