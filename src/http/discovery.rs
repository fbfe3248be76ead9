//! [`Discovery`]: where a pool learns who its peers are; [`Discover`], for sources of one's own.

mod dns;
mod file;
mod follower;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
#[cfg(feature = "gossip")]
mod gossip;
mod roll;
mod source;
mod stats;
mod zones;

pub(crate) use follower::Following;
pub use source::Discover;
pub use stats::{FollowStats, ListChange, ListChangeKind};

#[cfg(all(feature = "gossip", any(test, feature = "unstable-bench")))]
pub(crate) use gossip::fuzz as fuzz_gossip;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dns::DnsSource;
use file::FileSource;
#[cfg(feature = "gossip")]
use gossip::GossipSource;

use crate::error::{BoxError, Error};
use crate::http::peers::Peers;
use crate::http::url::without_user;

/// How often a name is looked up, or a source of one's own is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often a file is read. It is taken once it was read twice with the same content.
const READ_EVERY: Duration = Duration::from_millis(250);
/// How long a peer is missing before it is taken out of the list.
const ABSENCE: Duration = Duration::from_secs(30);
/// A source is not asked more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// A source is not asked more seldom than this, so that peers that were missing go in time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Where a pool learns who its peers are, for [`HttpPool::follow`](crate::HttpPool::follow).
///
/// ```no_run
/// use geecache::{Discovery, HttpPool};
/// use std::time::Duration;
///
/// let pool = HttpPool::bind("10.0.0.1:8001")?;
/// pool.follow(Discovery::file("/etc/geecache/peers").absence(Duration::from_secs(10)))?;
/// # Ok::<(), geecache::Error>(())
/// ```
///
/// Sources err: a resolver leaves out some of many addresses, answers with an empty list, or does
/// not know a name for a while. So
///
/// * a peer that is new in the source counts at once;
/// * one that is missing goes once it was missing for as long as [`absence`](Self::absence), or
///   earlier if it refuses connections, or says that it has [left](crate::HttpPool::leave);
/// * one that says so goes at once even if the source still has it. It counts again as soon as
///   another process answers under its URL; or 15 s after it last said so, unless it refuses
///   connections;
/// * an answer that is empty or an error, or that holds something that is no peer, changes nothing,
///   and is warned of once;
/// * the pool itself is added where the source lacks it, unless it has
///   [left](crate::HttpPool::leave).
pub struct Discovery {
    source: SourceKind,
    every: Duration,
    absence: Duration,
}

enum SourceKind {
    Dns(String),
    /// Those who are told of this process.
    #[cfg(feature = "gossip")]
    Gossip(Vec<String>),
    Other(Box<dyn Discover>),
}

/// What it means that a peer is missing in a source, and does not answer this process either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Sources leave some out, and peers are slow: it stays for the absence.
    SaysNothing,
    /// The source has others ask, too: the peer goes.
    IsTheEnd,
}

impl Discovery {
    /// The addresses, IPv4 and IPv6, that a name stands for, such as `cache.default.svc:8001`; each
    /// of them with that port is a peer. The name is looked up by the system every 5 s.
    ///
    /// The peers are known by their addresses then. So each has to
    /// [`advertise`](crate::HttpPoolBuilder::advertise) its own, as `http://10.0.0.1:8001`, unless
    /// it is bound to that very address.
    #[must_use]
    pub fn dns(name_and_port: impl Into<String>) -> Self {
        Self::with(SourceKind::Dns(name_and_port.into()), ASK_EVERY)
    }

    /// A file with a peer in each line, as [`set_peers`](crate::HttpPool::set_peers) takes it. What
    /// stands behind a `#` at the beginning of a line, or behind a space, is a comment. At most 1
    /// MiB.
    ///
    /// It is read every 250 ms, and taken once it had the same content twice: a change counts
    /// within a second, and half a file does not. Still, replace it as a whole, by renaming a new
    /// one.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let source = FileSource::new(path.into());
        Self::with(SourceKind::Other(Box::new(source)), READ_EVERY)
    }

    /// Peers that tell each other who is there, feature `gossip`. This process tells those of
    /// `seeds` of itself, and learns from them of all others; it has no need of more than one that
    /// is there. Its own URL may be among them. So all peers may have the same short list, and the
    /// first of them to start is alone for a while.
    ///
    /// A peer that ends is out of all lists within seconds, one that is killed as well. Where some
    /// can't reach it while this process can, it stays in the list here for as long as the
    /// [`absence`](Self::absence). What others say goes into no breaker, but messages are requests
    /// to the peers, and a peer that does not answer them is [down](crate::PeerState::Down) soon.
    ///
    /// Members tell their [zones](crate::HttpPoolBuilder::zone). Those that have a weight or a name
    /// on the ring give it with their own URL among the
    /// `seeds`: `http://10.0.0.1:8001#weight=2`.
    ///
    /// It is the protocol SWIM, by the crate `foca` (MPL-2.0). Messages go to the port of the pool,
    /// with its token and TLS: some ten a second from each peer, whatever the number of peers.
    #[cfg(feature = "gossip")]
    #[must_use]
    pub fn gossip(seeds: impl IntoIterator<Item: Into<String>>) -> Self {
        let seeds = seeds.into_iter().map(Into::into).collect();
        Self::with(SourceKind::Gossip(seeds), READ_EVERY)
    }

    /// A list that does not change.
    #[must_use]
    pub fn fixed(peers: impl IntoIterator<Item: Into<String>>) -> Self {
        let peers: Vec<String> = peers.into_iter().map(Into::into).collect();
        Self::of(FixedSource(peers))
    }

    /// A source of one's own, which is asked every 5 s.
    #[must_use]
    pub fn of(source: impl Discover) -> Self {
        Self::with(SourceKind::Other(Box::new(source)), ASK_EVERY)
    }

    fn with(source: SourceKind, every: Duration) -> Self {
        Self { source, every, absence: ABSENCE }
    }

    /// The pause between two questions to the source; between 10 ms and an hour. Defaults to 5 s,
    /// and for files to 250 ms. A file is read twice before it is taken, so its changes, and its
    /// first list, count after up to two of these pauses.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self
    }

    /// How long a peer has to be missing from the source before it is taken out of the list, unless
    /// it refuses connections. Zero takes it out at once. Defaults to 30 s.
    #[must_use]
    pub fn absence(mut self, time: Duration) -> Self {
        self.absence = time;
        self
    }

    /// What it means that a peer is missing, and does not answer either.
    fn silence(&self) -> Silence {
        match &self.source {
            #[cfg(feature = "gossip")]
            SourceKind::Gossip(_) => Silence::IsTheEnd,
            _ => Silence::SaysNothing,
        }
    }

    /// The source, for a process with these peers.
    fn into_source(self, peers: &Arc<Peers>) -> Result<Box<dyn Discover>, Error> {
        match self.source {
            SourceKind::Dns(name) => Ok(Box::new(DnsSource::new(&name, peers.scheme())?)),
            #[cfg(feature = "gossip")]
            SourceKind::Gossip(seeds) => Ok(Box::new(GossipSource::begin(peers, &seeds)?)),
            SourceKind::Other(source) => Ok(source),
        }
    }
}

impl<D: Discover> From<D> for Discovery {
    fn from(source: D) -> Self {
        Self::of(source)
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            SourceKind::Dns(name) => format!("dns:{}", without_user(name)),
            #[cfg(feature = "gossip")]
            SourceKind::Gossip(_) => "gossip".to_owned(),
            SourceKind::Other(source) => source.name(),
        };
        f.debug_struct("Discovery").field("source", &source).finish_non_exhaustive()
    }
}

struct FixedSource(Vec<String>);

impl Discover for FixedSource {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        Ok(Some(self.0.clone()))
    }

    fn name(&self) -> String {
        "a fixed list".to_owned()
    }
}
