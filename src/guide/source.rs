//! Protect the source: what keeps a slow or broken database from taking its users along.
//!
//! A cache spares its source most of the work, until the day on which the source is slow, or down,
//! or has just come back. Then all that misses comes at once. Every option here is off by default,
//! and each works without the others.
//!
//! | you see | you want |
//! |---|---|
//! | a get waits for a slow load although there is a value from a minute ago | [`soft_timeout`](#never-slower-than-you-allow) |
//! | one peer answers late now and then | [`hedge`](#a-peer-that-is-slow-for-a-moment) |
//! | the pool of connections is empty, and everybody waits for it | [`max_loads`](#a-bound) |
//! | the database is down, or starts and is pushed over at once | [`source_breaker`](#a-rest) |
//! | most refreshes bring what was there before | [`Getter::refresh`](#unchanged) |
//!
//! ```
//! use geecache::{BatchGetter, Group};
//! use std::collections::HashMap;
//! use std::io;
//! use std::num::{NonZeroU32, NonZeroUsize};
//! use std::time::Duration;
//!
//! let rows = |keys: &[&str]| {
//!     // SELECT key, value FROM scores WHERE key IN (…), in real life.
//!     let rows = keys.iter().map(|key| (key.to_string(), "630"));
//!     Ok::<HashMap<_, _>, io::Error>(rows.collect())
//! };
//! let (sixteen, ten) = (NonZeroUsize::new(16).unwrap(), NonZeroU32::new(10).unwrap());
//! let scores = Group::builder("scores", 64 << 20, BatchGetter::new(rows))
//!     .ttl(Duration::from_secs(60))
//!     .stale_while_revalidate(Duration::from_secs(60))
//!     .stale_if_error(Duration::from_secs(3600))
//!     .soft_timeout(Duration::from_millis(50))
//!     .max_loads(sixteen) // the connections of the pool
//!     .source_breaker(ten, Duration::from_secs(5))
//!     .build();
//! assert_eq!(scores.get("Tom")?, "630");
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! `examples/shop` in the repository has these before SQLite, and a test that takes the database
//! away.
//!
//! # Never slower than you allow
//!
//! With [`soft_timeout`](crate::GroupBuilder::soft_timeout) a load is waited for no longer than
//! that where an expired value is at hand, and goes on for the next caller. What is at hand is what
//! [`stale_if_error`](crate::GroupBuilder::stale_if_error) keeps, so set both. Of keys that this
//! process owns the value has the origin [`Stale`](crate::Origin::Stale). Of others it comes like a
//! fresh one, from the [owner's memory](crate::Origin::OwnerMemory), and the owner counts it:
//! [`Stats::hits_stale`](crate::Stats::hits_stale).
//!
//! | situation | what a get gives |
//! |---|---|
//! | the load takes longer, here or at the owner | the expired value, after the soft timeout |
//! | no thread is free, or no place at the source | the same |
//! | there is no expired value | what the load brings, however long it takes |
//! | the caller's own limit is shorter | the expired value when that is over |
//! | a batch in which some keys have no old value | it takes as long as those do |
//! | a load by a getter, on its thread | that can't be left |
//!
//! [`stale_while_revalidate`](crate::GroupBuilder::stale_while_revalidate) waits for nothing at
//! all, but only for its span. Together: fresh; then served and refreshed; then served if the load
//! is slow or fails; then gone.
//!
//! # Refreshes
//!
//! What a batch finds stale is refreshed together: by one call of
//! [`get_many`](crate::Getter::get_many) on one thread of
//! [`max_refreshers`](crate::GroupBuilder::max_refreshers). A closure loads one key after the
//! other there.
//!
//! # Unchanged
//!
//! A getter may implement [`refresh`](crate::Getter::refresh), which gets the old value and may say
//! that it is [still right](crate::Refreshed). Nothing is sent or decoded then, and the entry lives
//! on: its bytes stay where they are, or are copied once while a caller has them as well. It is
//! asked about a value that is refreshed while it is served, and about one that has expired and is
//! still held. For closures there are [`ConditionalGetter`](crate::ConditionalGetter) and
//! [`TypedConditional`](crate::TypedConditional). Batches call
//! [`refresh_many`](crate::Getter::refresh_many), which is a plain `get_many` unless you write it.
//!
//! # A bound
//!
//! [`max_loads`](crate::GroupBuilder::max_loads) is how many calls of the getter run at once. A
//! batch is one call. The others wait in the order in which they came, as long as their caller
//! does, and for 30 s at most: then they are an [`Error::Overloaded`](crate::Error::Overloaded). A
//! caller with more time than the one that it waits for starts over, for 30 s at most. Where the
//! keys of a batch are loaded one by one and one has waited in vain, those after it take a free
//! place only. The bound is that of one process; a cluster of ten has ten times that.
//!
//! A getter that asks its own group for other keys needs one place. One of a group with a bound
//! that asks another such group does not wait there, and a load for a getter of a peer does not
//! wait either: such loads may go past the bound.
//!
//! # A rest
//!
//! After so many failures in a row as [`source_breaker`](crate::GroupBuilder::source_breaker) says
//! the getter is not called for a while. Expired values are served where `stale_if_error` allows
//! it. Other callers get [`Error::SourceDown`](crate::Error::SourceDown) at once, with the last
//! error of the getter as its source. Then one call tries it. When that succeeds, two calls may
//! run at once, three after the next success, and so on.
//!
//! * An error and a panic are failures, a missing key is none. A batch has failed if all of its
//!   keys have.
//! * Time is no failure. A source that hangs is what `max_loads` and `soft_timeout` are for. A
//!   trial that takes longer than the pause does not keep the next one away, nor do such calls
//!   after it. If they succeed at last, that counts.
//! * Errors that are about one key count, too. Take a number that such keys do not reach in a row.
//!   A text that is no key of a typed group is neither a failure nor a success, nor is a value that
//!   its codec can not encode.
//! * Each process finds out for itself. A peer whose owner's source rests tries its own getter,
//!   unless [`owner_errors`](crate::GroupBuilder::owner_errors) says otherwise.
//!
//! # A peer that is slow for a moment
//!
//! With [`hedge(0.95)`](crate::GroupBuilder::hedge) a key is loaded here as well when its owner
//! takes longer than in 95 of 100 cases, and the first value wins. It holds for single gets, costs
//! the source a load for one in 20 questions at most, and each question a change of threads. It
//! helps where peers are slow one at a time. Where the source is what is slow, it does nothing.
//!
//! # What is told
//!
//! | what | [`Stats`](crate::Stats) | metric | event |
//! |---|---|---|---|
//! | expired values that were served | `hits_stale` | `geecache_stale_hits_total` | [`StaleServed`](crate::Event::StaleServed) |
//! | those whose load was slow | `soft_timeouts` | `geecache_soft_timeouts_total` | the same, with [`SlowLoad`](crate::StaleReason::SlowLoad) |
//! | values that had not changed | `unchanged` | `geecache_unchanged_total` | |
//! | the getter comes to rest, and is back | `source_rests` | `geecache_source_rests_total` | [`SourceDown`](crate::Event::SourceDown), [`SourceUp`](crate::Event::SourceUp) |
//! | keys it was not called for | `source_refusals` | `geecache_source_refusals_total` | |
//! | keys that were loaded beside a slow owner | `hedges`, `hedges_won` | `geecache_hedges_total{first=…}` | |
