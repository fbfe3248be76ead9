//! [`Discovery`]: where a pool learns who its peers are; [`Discover`], for sources of one's own.

mod dns;
mod file;
mod follower;
mod roll;
mod source;
mod stats;

pub(crate) use follower::Following;
pub use source::Discover;
pub use stats::{FollowStats, ListChange, ListChangeKind};

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use dns::DnsSource;
use file::FileSource;

use crate::error::{BoxError, Error};
use crate::http::url::PeerScheme;

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
/// * one that says so goes at once even if the source still has it, for 15 s;
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
    Other(Box<dyn Discover>),
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

    /// The source, for peers that are talked to by `scheme`.
    fn into_source(self, scheme: PeerScheme) -> Result<Box<dyn Discover>, Error> {
        match self.source {
            SourceKind::Dns(name) => Ok(Box::new(DnsSource::new(&name, scheme)?)),
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
            SourceKind::Dns(name) => format!("dns:{name}"),
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
