//! Keys that change: which option or method, and when.
//!
//! Keep a value as long as it is right. The options of [`GroupBuilder`](crate::GroupBuilder) say
//! how long that is, and the methods of [`Group`](crate::Group) say that it is over.
//!
//! # Which one
//!
//! | what you know | take | what it does |
//! |---|---|---|
//! | values never change | nothing | a value stays until it has to make room |
//! | how old a value may be | [`ttl`](crate::GroupBuilder::ttl), or [`Loaded::ttl`](crate::Loaded::ttl) for one value | the value ends, and the next get loads it |
//! | many values are loaded together | [`ttl_jitter`](crate::GroupBuilder::ttl_jitter) | they do not end together |
//! | no caller should wait for a reload | [`stale_while_revalidate`](crate::GroupBuilder::stale_while_revalidate) | the old value is served while one load refreshes it |
//! | no caller should see an old value either, of keys in use | [`refresh_ahead`](crate::GroupBuilder::refresh_ahead) | the value is refreshed shortly before it ends |
//! | an old value is better than an error | [`stale_if_error`](crate::GroupBuilder::stale_if_error) | it is served while the source fails |
//! | keys that do not exist are asked for again and again | [`negative_ttl`](crate::GroupBuilder::negative_ttl) | it is remembered that there is no such key |
//! | another program changed a row | [`remove`](crate::Group::remove), [`remove_many`](crate::Group::remove_many) | the next get, at any peer, loads it |
//! | this program writes the row, and has the new value | [`insert`](crate::Group::insert) | the owner has the new value at once, and nobody has the old one |
//! | one change makes many values wrong | [tags](crate::guide::tags) | all values with that tag go at once |
//! | everything is wrong | [`clear`](crate::Group::clear) | the group is empty everywhere |
//! | the format of the values changes | [`Versioned`](crate::Versioned), or a new name of the group | see [`typed`](crate::guide::typed) |
//! | an old value would do harm | a version in the key, such as `user:17:v42` | a new version is a new key; nothing has to be removed |
//!
//! **Take a `ttl` in any case where values change at all.** It is the bound for everything that no
//! message can reach: a peer that is cut off, a program that only asks, a bug in the program that
//! should have removed a key.
//!
//! # How they work together
//!
//! ```
//! use geecache::{Group, Loaded};
//! use std::io;
//! use std::time::Duration;
//!
//! let prices = Group::builder("prices", 64 << 20, |item: &str| {
//!     let price = Loaded::from(format!("the price of {item}"));
//!     // An offer lives for an hour; all other prices have the ttl of the group.
//!     let is_offer = item.starts_with("offer:");
//!     Ok::<_, io::Error>(if is_offer { price.ttl(Duration::from_secs(3600)) } else { price })
//! })
//! .ttl(Duration::from_secs(300)) // a price is at most five minutes old …
//! .ttl_jitter(0.1) // … or four and a half
//! .stale_while_revalidate(Duration::from_secs(30)) // nobody waits for a reload
//! .stale_if_error(Duration::from_secs(3600)) // and an hour without the source is survived
//! .negative_ttl(Duration::from_secs(10))
//! .build();
//! assert_eq!(prices.get("tea")?, "the price of tea");
//!
//! // The program that changes a price writes to the database first, and then says so:
//! prices.remove("tea");
//! // or, if it has the new value at hand:
//! prices.insert("tea", "the new price of tea")?;
//! assert_eq!(prices.get("tea")?, "the new price of tea");
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! So an answer is at most 5:30 minutes old while the source works, and at most 65 minutes while it
//! does not. The two stale windows run from the end of the `ttl`, side by side.
//!
//! # `remove` or `insert`
//!
//! * **Write to the source first**, then call either. The other order lets a load in between bring
//!   the old value back.
//! * `remove` is right in every case. The next get pays for a load.
//! * `insert` spares that load. It needs the bytes exactly as the getter would make them. A
//!   [`TypedGroup`](crate::TypedGroup) encodes them.
//! * If two programs write one key at the same time, `insert` can put the value of the one that was
//!   first in the source in the place of the other's. Where two can write, take `remove`: the load
//!   reads what the source holds.
//! * Both return a report. `is_complete()` says whether all peers did it;
//!   [`removal`](crate::guide::removal) says what bounds those that did not.
//!
//! # What it costs
//!
//! | method | work |
//! |---|---|
//! | a get of a value with a `ttl` | a third to a half more processor time than without one (`local` of [the benchmarks](crate::guide::measure), a hit at one thread) |
//! | `remove`, `insert`, `clear` | up to three rounds of requests to all peers, one after the other |
//! | `remove_many` | the same rounds for up to 1,024 keys |
//! | a stale answer | one load on a thread of the group, for all who ask |
