//! What can go wrong, and for whom: [`Error`] for callers, [`PeerError`] for transports,
//! [`NotFound`] for getters.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::one_line::OneLine;

/// Any error that a getter may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a call failed.
///
/// Errors are cheap to clone: all callers that waited for one load get the same error.
///
/// `{error}` is one line that also tells the cause, such as the error of a getter and what caused
/// that one. So a program that prints an error does not have to go through its
/// [`source`](std::error::Error::source)s, which are there for code that looks at them. Control
/// characters in the cause are escaped, and of a very long one the first 400 characters are shown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The key is the empty string, which no group can hold.
    EmptyKey,
    /// The source of truth has no value for the key.
    NotFound {
        /// The group that was asked.
        group: String,
        /// The key that does not exist.
        key: String,
    },
    /// The getter failed. Its error is the [`source`](std::error::Error::source).
    Load {
        /// The group whose getter failed.
        group: String,
        /// The key that was being loaded.
        key: String,
        /// What the getter returned.
        source: Arc<dyn std::error::Error + Send + Sync + 'static>,
    },
    /// A [`TypedGroup`](crate::TypedGroup) could not make bytes of a value. The codec's error is
    /// the [`source`](std::error::Error::source).
    Encode {
        /// The group that was to keep the value.
        group: String,
        /// The key of the value.
        key: String,
        /// What the codec returned.
        source: Arc<dyn std::error::Error + Send + Sync + 'static>,
    },
    /// A [`TypedGroup`](crate::TypedGroup) could not make a value of the bytes under this key, not
    /// even of those that its own getter has loaded, or it has none. The codec's error is the
    /// [`source`](std::error::Error::source).
    Decode {
        /// The group that has the bytes.
        group: String,
        /// The key of the value.
        key: String,
        /// What the codec returned.
        source: Arc<dyn std::error::Error + Send + Sync + 'static>,
    },
    /// The getter, while it loads a key, asked the same group for the same key again and again.
    ReentrantLoad {
        /// The group that was asked.
        group: String,
        /// The key that is being loaded by this very thread.
        key: String,
    },
    /// A getter asked for a key, and so many others are running one inside the other on this thread
    /// that its stack might end. The getter was not called for this key.
    NestedTooDeep {
        /// The group that was asked.
        group: String,
        /// The key that was not loaded.
        key: String,
        /// How many getters are running on the thread.
        levels: usize,
    },
    /// The caller's time was up before the value was there. The load, if a thread was free for it,
    /// goes on and fills the cache.
    TimedOut {
        /// The group that was asked.
        group: String,
        /// The key whose value was not there in time.
        key: String,
        /// How long the caller was willing to wait.
        timeout: Duration,
    },
    /// No thread to run the getter on became free in the caller's time, as all of
    /// [`max_loaders`](crate::GroupBuilder::max_loaders) are busy; or the getter runs as often as
    /// [`max_loads`](crate::GroupBuilder::max_loads) allows. It was not called.
    Overloaded {
        /// The group that was asked.
        group: String,
        /// The key that nobody could load.
        key: String,
    },
    /// The getter has failed several times in a row and rests, as
    /// [`source_breaker`](crate::GroupBuilder::source_breaker) says. It was not called. Its last
    /// error is the [`source`](std::error::Error::source).
    SourceDown {
        /// The group whose getter rests.
        group: String,
        /// The key that was not loaded.
        key: String,
        /// After so long the getter is tried again.
        retry_after: Duration,
        /// What the getter returned the last time that it failed.
        source: Arc<dyn std::error::Error + Send + Sync + 'static>,
    },
    /// The group has other peers already: [`Group::register_peers`](crate::Group::register_peers)
    /// is for once.
    PeersAlreadyRegistered {
        /// The group that has its peers already.
        group: String,
    },
    /// Peers could not be told of all changes in time; from
    /// [`Group::settled`](crate::Group::settled).
    Unsettled {
        /// The group.
        group: String,
        /// The names of the peers that are still to be told.
        peers: Vec<String>,
    },
    /// A group of this name is in the registry already.
    DuplicateGroup {
        /// The name.
        name: String,
    },
    /// The pool was shut down, and serves no group any more.
    ShutDown {
        /// The pool's URL.
        url: String,
    },
    /// A group's name can't stand in a request path: it is empty or holds a `/`.
    InvalidGroup {
        /// The name.
        name: String,
    },
    /// A peer's address is not usable, or a list of peers is not.
    InvalidPeer {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An option of a builder has a value that can't work.
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A snapshot could not be written or read. `source` is of the kind
    /// [`InvalidData`](std::io::ErrorKind::InvalidData) where it is damaged or of another version,
    /// and [`InvalidInput`](std::io::ErrorKind::InvalidInput) where it is no snapshot of the group.
    Snapshot {
        /// The path of the file.
        path: String,
        /// What the system said, or what is wrong with the file.
        source: Arc<std::io::Error>,
    },
    /// The peer server could not listen on its address.
    Bind {
        /// The address as given.
        addr: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Alone(self))?;
        match std::error::Error::source(self) {
            Some(cause) if LEVELS.get() < MAX_LEVELS => write!(f, ": {}", WithCauses(cause)),
            _ => Ok(()),
        }
    }
}

/// An error without its cause.
struct Alone<'a>(&'a Error);

impl fmt::Display for Alone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::EmptyKey => f.write_str("the key is empty"),
            Error::NotFound { group, key } => write!(f, "no {key:?} in group {group:?}"),
            Error::Load { group, key, .. } => {
                write!(f, "loading {key:?} of group {group:?} failed")
            }
            Error::Encode { group, key, .. } => {
                write!(f, "encoding {key:?} of group {group:?} failed")
            }
            Error::Decode { group, key, .. } => {
                write!(f, "decoding {key:?} of group {group:?} failed")
            }
            Error::ReentrantLoad { group, key } => {
                write!(f, "the load of {key:?} in group {group:?} asked for itself")
            }
            Error::NestedTooDeep { group, key, levels } => {
                write!(f, "{key:?} of group {group:?} is too deep: {levels} loads wait for it")
            }
            Error::TimedOut { group, key, timeout } => {
                write!(f, "{key:?} of group {group:?} was not there within {timeout:?}")
            }
            Error::Overloaded { group, key } => {
                write!(f, "nothing to load {key:?} of group {group:?} with became free in time")
            }
            Error::SourceDown { group, key, .. } => {
                write!(f, "{key:?} was not loaded, the source of group {group:?} is down")
            }
            Error::PeersAlreadyRegistered { group } => {
                write!(f, "group {group:?} has its peers already")
            }
            Error::Unsettled { group, peers } => {
                let peers = OneLine(peers.join(", "));
                write!(f, "changes of group {group:?} could not be told to {peers} so far")
            }
            Error::DuplicateGroup { name } => write!(f, "there is a group {name:?} already"),
            Error::ShutDown { url } => write!(f, "the pool at {url} was shut down"),
            Error::InvalidGroup { name } => {
                write!(f, "a group can not be named {name:?}: empty, or with a slash in it")
            }
            Error::InvalidPeer { url, reason } => write!(f, "peer {url:?}: {reason}"),
            Error::InvalidOption { option, reason } => write!(f, "option {option}: {reason}"),
            Error::Snapshot { path, .. } => write!(f, "snapshot {path:?}"),
            Error::Bind { addr, .. } => write!(f, "can not listen on {addr}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Load { source, .. }
            | Self::SourceDown { source, .. }
            | Self::Encode { source, .. }
            | Self::Decode { source, .. } => Some(&**source),
            Self::Snapshot { source, .. } | Self::Bind { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// An error and those that caused it, on one line.
///
/// Each of ours tells itself alone here, so that a chain of them is walked once. One of another
/// crate is told as it tells itself, which may be with its cause, one of ours, and all that is
/// behind it. If such errors stand between ours, each of them would tell all of the rest, and with
/// each level the text would take twice as long. So there are [`MAX_LEVELS`].
struct WithCauses<'a>(&'a (dyn std::error::Error + 'static));

/// So many causes of an error are told. There may be errors that are their own causes.
const MAX_CAUSES: usize = 16;
/// Texts one inside the other, of which the innermost has no causes.
const MAX_LEVELS: u8 = 2;

thread_local! {
    /// The texts with causes that the thread is at, one inside the other.
    static LEVELS: Cell<u8> = const { Cell::new(0) };
}

impl WithCauses<'_> {
    fn text(&self) -> String {
        let _level = Level::begin();
        let causes = std::iter::successors(Some(self.0), |error| error.source());
        let (mut all, mut said) = (String::new(), String::new());
        for cause in causes.take(MAX_CAUSES + 1) {
            let text = match cause.downcast_ref() {
                Some(ours) => Alone(ours).to_string(),
                None => cause.to_string(),
            };
            // Many errors tell their cause themselves.
            if !said.contains(&text) {
                all += if all.is_empty() { "" } else { ": " };
                all += &text;
                said = text;
            }
        }
        all
    }
}

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OneLine(self.text()))
    }
}

/// A text with causes, until it is dropped.
struct Level;

impl Level {
    fn begin() -> Self {
        LEVELS.set(LEVELS.get() + 1);
        Self
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get() - 1);
    }
}

/// Why a peer gave no value.
///
/// Names the peer, and holds a text that tells what happened there.
#[derive(Debug, Clone)]
pub struct PeerError {
    kind: PeerErrorKind,
    peer: Arc<str>,
    message: Arc<str>,
}

impl PeerError {
    /// An error of `peer` (its URL, or whatever name a transport knows it by).
    pub fn new(kind: PeerErrorKind, peer: impl Into<Arc<str>>, message: impl fmt::Display) -> Self {
        Self { kind, peer: peer.into(), message: message.to_string().into() }
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> PeerErrorKind {
        self.kind
    }

    /// The peer that failed.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// What happened, in words; for [`PeerErrorKind::Load`] the message of the peer's getter.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {} {}: {}", self.peer, self.kind, self.message)
    }
}

impl std::error::Error for PeerError {}

/// What kind of failure a [`PeerError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerErrorKind {
    /// The key does not exist at the source of truth. This is the owner's final answer.
    NotFound,
    /// The peer's getter failed.
    Load,
    /// The peer serves no group of that name.
    NoSuchGroup,
    /// The peer answered something that is not our protocol, or rejected the request.
    Protocol,
    /// The peer did not answer in time.
    TimedOut,
    /// No connection could be made, or it broke.
    Unreachable,
    /// The peer, or this process's share of it, has too many requests in flight.
    Overloaded,
    /// The peer, or its transport, does not know this operation.
    NotSupported,
    /// The peer does not know this process's token, or does not take its certificate.
    Unauthorized,
    /// The peer refused a change that came too late: after a newer one of the same process, or when
    /// nobody waited for it any longer. It has no older value of the key.
    Late,
    /// The peer belongs to another cluster: a list is wrong, or the address has new tenants.
    OtherCluster,
}

impl fmt::Display for PeerErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "does not have the key",
            Self::Load => "could not load",
            Self::NoSuchGroup => "has no such group",
            Self::Protocol => "broke the protocol",
            Self::TimedOut => "timed out",
            Self::Unreachable => "is unreachable",
            Self::Overloaded => "is overloaded",
            Self::NotSupported => "does not support this",
            Self::Unauthorized => "does not let us in",
            Self::Late => "was told too late",
            Self::OtherCluster => "belongs to another cluster",
        })
    }
}

/// The error by which a getter says that a key does not exist, where `Ok(None)` is inconvenient.
///
/// ```
/// use geecache::{Error, Group, NotFound};
///
/// let group = Group::new("ages", 1 << 20, |key: &str| match key {
///     "Tom" => Ok("41"),
///     _ => Err(NotFound),
/// });
/// assert!(matches!(group.get("Nobody"), Err(Error::NotFound { .. })));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not found")
    }
}

impl std::error::Error for NotFound {}
