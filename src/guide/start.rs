//! From an empty program to three peers.
//!
#![doc = include_str!("pictures/cluster.svg")]
//!
//! # 1. A cache in one process
//!
//! A group has a name, a bound in bytes, and a getter: the slow way to a value. It is a useful
//! cache before it has any peers.
//!
//! ```
//! use geecache::Group;
//! use std::io;
//!
//! let scores = Group::new("scores", 64 << 20, |name: &str| {
//!     // A query to a database, in real life. `None` is: there is no such key.
//!     Ok::<_, io::Error>((name == "Tom").then_some("630"))
//! });
//! assert_eq!(scores.get("Tom")?, "630"); // runs the getter
//! assert_eq!(scores.get("Tom")?, "630"); // from memory
//! assert!(scores.get("kkk").is_err()); // Error::NotFound
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! The getter runs once for any number of threads that want a key at the same time. A value is a
//! [`ByteView`](crate::ByteView): bytes that are shared and not copied. For values of a type of
//! yours see [`typed`](crate::guide::typed).
//!
//! # 2. The same cache, shared by all processes
//!
//! Three calls make a process a peer: open a port, serve the group there, and say who the peers
//! are.
//!
//! ```no_run
//! use geecache::{Discovery, Group, HttpPool, Server};
//! # fn load(key: &str) -> std::io::Result<String> { Ok(key.to_owned()) }
//!
//! let scores = Group::new("scores", 64 << 20, load);
//! let pool = HttpPool::builder()
//!     .server(Server::Guarded) // the faster of two servers, with a limit on everything
//!     .token_file("/run/secrets/geecache") // keeps strangers out
//!     .bind("10.0.0.1:8001")?;
//! pool.add(&scores)?;
//! pool.follow(Discovery::file("/etc/geecache/peers"))?; // a URL in a line
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `pool.set_peers(urls)` tells the list once, in place of `follow`. Every peer gets the same list,
//! itself included. Nothing else changes: `scores.get("Tom")` now asks the owner of `Tom`, and
//! loads for itself if that can't answer.
//!
//! [`deploy`](crate::guide::deploy) has the recipes for Kubernetes, systemd and plain machines, and
//! [`protect`](crate::guide::protect) who may ask.
//!
//! # 3. See that it works
//!
//! ```sh
//! cargo run --release --example peers         # three peers and an API, in one process
//! curl "http://localhost:9999/api?key=Tom"    # in another terminal; prints 630
//! ```
//!
//! `examples/shop` in the repository is a whole program to copy from: a web service on SQLite with
//! batches, writes and typed values, in two processes that one command starts.
//!
//! Open the address of any peer in a browser: one page shows the cluster. From a shell, `geecache
//! check scores` says whether lists, versions and clocks agree
//! ([`command`](crate::guide::command)).
//!
//! # 4. What to decide before it goes live
//!
//! | question | page |
//! |---|---|
//! | How old may a value be, and what happens when it changes? | [`changing`](crate::guide::changing) |
//! | What can be read after a change, and when something fails? | [`consistency`](crate::guide::consistency), [`failures`](crate::guide::failures) |
//! | How many bytes, threads and connections? | [`size`](crate::guide::size) |
//! | Which ring? The default, `RingHash::Crc32`, is that of GeeCache's clusters, and uneven. Where all peers are in Rust take `.hash(RingHash::Mixed)`, at all of them: a later change moves most keys | [`size`](crate::guide::size#bytes) |
//! | Who may reach the port? | [`protect`](crate::guide::protect) |
//! | What is watched, and what raises an alarm? | [`alarms`](crate::guide::alarms) |
//! | How is a program with it tested? | the page `testing` |
