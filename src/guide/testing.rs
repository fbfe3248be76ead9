//! Test your program: peers that die, networks that fail and time that goes by, in one process.
//!
//! The kit is [`crate::testing`]. It stands behind the feature `testing`, which only the tests of a
//! program need:
//!
//! ```toml
//! [dependencies]
//! geecache = "0.1"
//!
//! [dev-dependencies]
//! geecache = { version = "0.1", features = ["testing"] }
//! ```
//!
//! It brings no other crate. All that it opens is on the loopback, on ports that the system
//! chooses. No test waits for a time to pass, and no wait is without an end.
//!
//! # What is loaded, and how often
//!
//! A program makes its group from a source. In a test that is a
//! [`CountingGetter`](crate::testing::CountingGetter), which has a value for each key, or does what
//! a closure says:
//!
//! ```
//! use geecache::testing::CountingGetter;
//! use geecache::{Error, Group, Loaded};
//!
//! let source = CountingGetter::with(|key| match key {
//!     "down" => Err("the database is down".into()),
//!     "gone" => Ok(Loaded::absent()),
//!     _ => Ok("630".into()),
//! });
//! let group = Group::new("scores", 1 << 20, source.clone());
//! assert_eq!(group.get("Tom")?, "630");
//! assert_eq!(group.get("Tom")?, "630");
//! assert_eq!(source.calls_of("Tom"), 1);
//! assert!(matches!(group.get("down"), Err(Error::Load { .. })));
//! assert!(matches!(group.get("gone"), Err(Error::NotFound { .. })));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Values that end
//!
//! A [`FakeClock`](crate::testing::FakeClock) stands still until the test has it go on:
//!
//! ```
//! use geecache::Group;
//! use geecache::testing::{CountingGetter, FakeClock};
//! use std::time::Duration;
//!
//! let (clock, source) = (FakeClock::new(), CountingGetter::new());
//! let group = Group::builder("scores", 1 << 20, source.clone())
//!     .ttl(Duration::from_secs(3_600))
//!     .clock(clock.reader())
//!     .build();
//! group.get("Tom")?;
//! clock.advance(Duration::from_secs(3_600));
//! group.get("Tom")?;
//! assert_eq!(source.calls(), 2);
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! # A cluster
//!
//! [`Cluster::local`](crate::testing::Cluster::local) starts peers as threads of the test. The test
//! asks each of them by its group, and finds a key of each owner. A peer that is killed answers
//! nobody; once it is started again, it has nothing in memory. Pools that take the clock of the
//! test decide by it when they try such a peer again. Groups with types:
//! [`typed`](crate::guide::typed#in-a-test).
//!
//! ```
//! use geecache::testing::{Cluster, CountingGetter, FakeClock};
//! use geecache::{Group, PeerState};
//! use std::time::Duration;
//!
//! let (clock, source) = (FakeClock::new(), CountingGetter::new());
//! let cluster = Cluster::builder(2)
//!     .group(move |_| Group::new("scores", 1 << 20, source.clone()))
//!     .clock(&clock)
//!     .start()?;
//! let keys = cluster.keys_owned_by(1, 3);
//! let asker = cluster.group(0);
//!
//! cluster.kill(1);
//! asker.get(&keys[0])?; // no error: peer 0 loads it
//! assert_eq!(cluster.pool(0).peer_stats()[0].state, PeerState::Down);
//!
//! cluster.restart(1)?;
//! clock.advance(Duration::from_secs(2)); // a peer that is down is tried again after a second
//! asker.get(&keys[1])?;
//! assert_eq!(cluster.pool(0).peer_stats()[0].state, PeerState::Up);
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! # A network that fails
//!
//! [`fail`](crate::testing::Cluster::fail) breaks the way to a peer,
//! [`fail_between`](crate::testing::Cluster::fail_between) the way from one peer to another, and
//! [`partition`](crate::testing::Cluster::partition) cuts the cluster in two. The peers see sockets
//! that fail, so time limits and breakers do what they would do in earnest. Time limits go by real
//! time: short ones make a quick test.
//!
//! | fault | what the asker sees |
//! |---|---|
//! | `Refuse` | no connection; one failure is enough for the peer to be down |
//! | `BlackHole` | nothing, until its time limit; three in a row, and the peer is down |
//! | `Slow(time)` | each answer comes so much later |
//! | `HalfAnswer` | an answer that ends in the middle |
//!
//! ```
//! use geecache::testing::{Cluster, CountingGetter, Fault, value_of};
//! use geecache::Group;
//! use std::time::Duration;
//!
//! let source = CountingGetter::new();
//! let cluster = Cluster::builder(2)
//!     .group(move |_| Group::new("scores", 1 << 20, source.clone()))
//!     .pool(|options, _| options.timeout(Duration::from_millis(100)))
//!     .start()?;
//! let key = cluster.key_owned_by(1);
//! cluster.fail_between(0, 1, Fault::BlackHole);
//! assert_eq!(cluster.group(0).get(&key)?, *value_of(&key)); // after 100 ms, from its own source
//! assert_eq!(cluster.group(0).stats().peer_errors, 1);
//! cluster.heal();
//! cluster.settle(Duration::from_secs(10)); // nothing goes on any more
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! # What happens at the same time
//!
//! A [`Gate`](crate::testing::Gate) in a source holds a load, so that a test can do something
//! meanwhile, such as a removal. [`start`](crate::testing::start) runs a get on another thread:
//!
//! ```
//! use geecache::Group;
//! use geecache::testing::{CountingGetter, Gate, start};
//!
//! let gate = Gate::closed();
//! let group = Group::new("scores", 1 << 20, CountingGetter::behind(&gate));
//! let asks = {
//!     let group = group.clone();
//!     start(move || group.get("Tom"))
//! };
//! gate.wait_for_arrivals(1); // it loads
//! group.remove("Tom");
//! gate.open();
//! asks.result()?;
//! assert_eq!(group.peek("Tom"), None); // what was loaded before the removal is not kept
//! # Ok::<(), geecache::Error>(())
//! ```
