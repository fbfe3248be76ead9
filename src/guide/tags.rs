//! Keys that change together, and several writers.
//!
//! # Tags
//!
//! A value is often made from more than its key names: a page shows a user, a list holds the items
//! of a shop. When the user changes, all of these have to go, and nobody knows their keys. Give
//! each value the names of what it was made from, and remove by name:
//!
//! ```
//! use geecache::{Group, Loaded};
//! use std::io;
//!
//! let load = |key: &str| {
//!     // SELECT …, in real life.
//!     let (shop, user) = key.split_once('/').unwrap_or((key, "nobody"));
//!     let page = format!("the page of {shop} for {user}");
//!     let page = Loaded::from(page).tag(format!("shop:{shop}"));
//!     Ok::<_, io::Error>(page.tag(format!("user:{user}")))
//! };
//! let pages = Group::new("pages", 1 << 20, load);
//! pages.get_many(["books/Ann", "books/Bob", "music/Ann"]);
//!
//! // Ann has changed in the database. Now:
//! assert!(pages.remove_tag("user:Ann").is_complete());
//! assert!(pages.peek("books/Ann").is_none() && pages.peek("music/Ann").is_none());
//! assert!(pages.peek("books/Bob").is_some());
//! ```
//!
//! What is promised is what [`remove`](crate::guide::removal) promises: a get that starts after
//! `remove_tag` returned, at any peer, finds what the source holds now, or something newer. Change
//! the source first. A load that began before gives its value to those who wait since then; who
//! comes later loads again. The report names the peers that could not be reached.
//!
//! The knowledge that a key does not exist can have tags, too:
//! `Loaded::absent().tag("shop:books")`.
//! A typed group has the same methods. Inserted values have the tags that they are given.
//!
//! # What they cost
//!
//! | what | costs |
//! |---|---|
//! | a removal | the same however many entries have the tag, and two requests to each peer for each 1,024 tags |
//! | a value without tags | nothing |
//! | a value with *n* tags | 17 + 8 *n* bytes of the cache |
//! | a hit of such a value | a look at a counter, and after a removal at a table for each tag |
//! | a group in which tags are removed | 1 MiB for that table, made by the first removal |
//!
//! A removal frees no memory at once: each entry sees by itself that it has to go, when somebody
//! asks for it or when others need its room.
//!
//! Nobody knows which keys have a tag. So for those who were not there the removal of a tag is that
//! of all keys of the group:
//!
//! * a peer that could not be told is owed the removal of all that it has;
//! * a process that only asks drops all its copies when it hears of it;
//! * a [snapshot](crate::guide::snapshots) of before is not loaded, if a peer knows of the removal.
//!
//! # What is bounded, and how
//!
//! * A value has up to 8 tags. With more of them it has [`Tag::ANY`](crate::Tag::ANY) in their
//!   place, and goes with every removal of a tag. So give a value few tags.
//! * A name may have up to 64 KiB. What is kept of it is a hash of 64 bits, the same in every
//!   process. To remove a tag removes those of another name with the same hash as well, which does
//!   not happen by chance.
//! * The table of removed tags has a fixed size. When a tag was removed is told by four places of
//!   it, and others use these, too. So an entry may be taken for removed that is not, and is loaded
//!   again. It never happens the other way round. Of the entries that are older than
//!   *n* removals of tags this happens to:
//!
//!   | *n* | share |
//!   |---|---|
//!   | 1,000 | 1 in 1.2 million |
//!   | 10,000 | 0.5 % |
//!   | 32,768 | 16 % |
//!   | 100,000 | 82 % |
//!
//!   A [`ttl`](crate::GroupBuilder::ttl) bounds how old an entry becomes. Where tags are removed
//!   100 times a second, entries that live for a minute lose less than 0.1 %.
//!
//! # What no removal of a tag can reach
//!
//! The places are those of [a removal](crate::guide::removal#what-no-removal-can-reach). Peers of
//! GeeCache and groupcache know no tags: they are told
//! [`NotSupported`](crate::RemoveOutcome::NotSupported) in the report, and what they load for us
//! has none. A value that another process inserts while the tag is removed may stay.
//!
//! # Several writers
//!
//! Programs that write to the source of truth have two ways to tell the cache:
//!
//! * [`remove`](crate::Group::remove) after the write. It needs no order among the writers: the
//!   next get loads what the source has then. **Where in doubt, use this.**
//! * [`insert_if_newer`](crate::Group::insert_if_newer) with the version that the write has made,
//!   such as a counter in the row. The owner keeps the value only if it has no newer one. So it
//!   does not matter in which order the requests of two writers arrive.
//!
//! `insert` without a version is for a single writer: of two writers the one whose request arrives
//! last wins, and it may be the older one.
//!
//! ```
//! use geecache::{Group, Loaded};
//! use std::io;
//!
//! // UPDATE scores SET score = …, version = version + 1 … RETURNING version
//! let (score, version) = ("631", 8);
//! let load = |_: &str| Ok::<_, io::Error>(Loaded::from("630").version(7));
//! let scores = Group::new("scores", 1 << 20, load);
//! let report = scores.insert_if_newer("Tom", score, version)?;
//! assert!(report.is_kept || report.is_late);
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! | what comes | what the owner has | then |
//! |---|---|---|
//! | an insertion with a version | an older version, or a value without one | it is kept |
//! | an insertion with a version | the same version, or a newer one | it is refused: [`is_late`](crate::InsertReport::is_late) |
//! | a load with a version | a newer version | its callers have it, and the owner keeps what it has |
//! | an insertion or a load without a version | anything | it is kept |
//! | a removal, also by tag | anything | it is gone, and its version with it |
//!
//! The version is known as long as the entry is there. After an eviction, an expiry or a removal an
//! older version can be inserted. So the time between the write and the insertion should be short,
//! and a `ttl` bounds what a writer does that was stopped in between. For the same reason let all
//! writers of a key take the same way: where some remove it, also by a tag, an insertion that comes
//! after a removal may be of an older version than the row. `examples/shop` in the repository
//! removes prices, and inserts what is in stock.
