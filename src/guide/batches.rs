//! Many keys at once.
//!
//! A page that shows a hundred products should not make a hundred requests.
//! [`Group::get_many`](crate::Group::get_many) takes all keys, and gives one answer for each.
//!
//! ```
//! use std::collections::HashMap;
//! use std::io;
//! use std::num::NonZeroUsize;
//!
//! use geecache::{BatchGetter, Error, Group};
//!
//! // One query for all keys that are not in memory. A key that is not in the map does not exist.
//! let query = |keys: &[&str]| {
//!     let rows = keys.iter().filter(|key| key.parse::<u32>().is_ok());
//!     let rows = rows.map(|key| ((*key).to_owned(), format!("product {key}")));
//!     Ok::<_, io::Error>(rows.collect::<HashMap<_, _>>())
//! };
//! let getter = BatchGetter::new(query).max_batch(NonZeroUsize::new(500).ok_or("zero")?);
//! let products = Group::new("products", 64 << 20, getter);
//!
//! let answers = products.get_many(["1", "2", "none"]);
//! assert_eq!(answers[1].as_ref().unwrap(), "product 2");
//! assert!(matches!(answers[2], Err(Error::NotFound { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What happens
//!
//! 1. Keys that are in memory here are answered. A key that stands twice in the list is asked for
//!    once.
//! 2. Each owner of the others gets one request, and all owners at the same time.
//! 3. The getter of an owner is called once for all keys that it has to load.
//! 4. What owners could not answer, and what this process owns, goes to the getter here, again in
//!    one call.
//!
//! Each key fails alone: `Vec<Result<ByteView, Error>>` has the answers in the order of the keys.
//! If another caller wants one of the keys meanwhile, it gets that key as soon as the answer which
//! holds it is there. It does not wait for the whole batch.
//!
//! # Which getter
//!
//! | getter | a batch of 100 keys is |
//! |---|---|
//! | a closure of one key | 100 calls, one after the other |
//! | [`BatchGetter`](crate::BatchGetter) of a closure of many keys | one call; `max_batch` cuts it for sources with a limit |
//! | your own type that implements [`Getter`](crate::Getter) | what its [`get_many`](crate::Getter::get_many) does |
//! | [`TypedBatch`](crate::TypedBatch) | as `BatchGetter`, with keys and values of types |
//!
//! # Sizes
//!
//! A request to an owner holds up to 1,024 keys or 1 MiB of them, an answer up to 8 MiB of values
//! or one longer one. What does not fit is asked for again by itself; the caller sees nothing of
//! it. Values of many megabytes come one by one, and are loaded when they are asked for. All bounds
//! are in [`bounds`](crate::guide::bounds).
//!
//! A cache that is smaller than one batch can't hold it: the answers are right, and the next batch
//! loads again.
//!
//! # Time
//!
//! [`get_many_timeout`](crate::Group::get_many_timeout) bounds the whole call. Keys that have no
//! answer by then are [`Error::TimedOut`](crate::Error::TimedOut), the others are there. The loads
//! go on and fill the cache. However many owners are silent, a batch waits for them twice at most:
//! `guide::failures`.
//!
//! # Changes
//!
//! [`remove_many`](crate::Group::remove_many) removes many keys with one request to each peer for
//! up to 1,024 of them.
//!
//! # Without a batch
//!
//! Threads that each get one key share requests as well. Where more gets meet on the way to one
//! peer than it has lanes (`HttpPoolBuilder::lanes_per_peer`), they are sent together. A batch is
//! still better: one thread can't meet itself.
//!
//! # How fast
//!
//! `cargo run --release --manifest-path benches/Cargo.toml -- peers --batches 1,10,100` prints keys
//! per second for each size, beside memcached's multi-get.
