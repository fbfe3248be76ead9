//! [`RemoveReport`], [`InsertReport`]: what became of a change at each peer; and [`PeerDebt`]: what
//! one is still to be told.

use std::fmt;
use std::time::Duration;

use crate::error::{PeerError, PeerErrorKind};

/// What became of a removal, or of another change, at each peer. This process itself is always
/// done.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RemoveReport {
    /// One entry for every other peer, in no particular order.
    pub peers: Vec<PeerReport>,
}

impl RemoveReport {
    /// Whether every peer did it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.peers.iter().all(|report| report.outcome.is_done())
    }
}

/// What became of an insertion: at the owner of the key, and at the others, where the key was
/// removed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InsertReport {
    /// Whether the owner has the value now, in this process or as it told. Then the next get is
    /// answered with it. Where zones have an owner each, whether all of them have it.
    ///
    /// It has not where the value does not fit: into one of the
    /// [parts](crate::GroupBuilder::shards) of its cache, or into what it takes from peers. Neither
    /// where the value is not to be kept at all, such as one with a ttl of zero, or the word that
    /// there is none in a group without a [`negative_ttl`](crate::GroupBuilder::negative_ttl). Nor
    /// where the owner could not be told.
    pub is_kept: bool,
    /// Whether the owner, or that of a zone, has refused the value, as it knows of something newer:
    /// a value of the same [version](crate::Loaded::version) or a newer one, or a newer change by
    /// this process.
    pub is_late: bool,
    /// One entry for every other peer, in no particular order. At the owner, `Done` is that the
    /// older value is gone, whether or not the new one is kept.
    pub peers: Vec<PeerReport>,
}

impl InsertReport {
    /// Whether no peer has an older value: every one did as it was told.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.peers.iter().all(|report| report.outcome.is_done())
    }
}

/// What became of a change at one peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerReport {
    /// The peer's name: for HTTP peers, its URL.
    pub peer: String,
    /// What became of it.
    pub outcome: RemoveOutcome,
}

/// What became of a change at a peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RemoveOutcome {
    /// The peer has made the change.
    Done,
    /// The peer does not know how to, as the peers of GeeCache and groupcache: what it has stays.
    NotSupported,
    /// Of an insertion: the value came too late, after a newer change of the key by this process,
    /// after a value of the same version or a newer one, or when nobody waited for it any longer.
    /// The peer has no older value, and not this one.
    Late,
    /// The peer did not answer, or answered that it could not. The change is owed to it: this
    /// process goes on trying, and reads nothing from the peer before that.
    /// [`Group::settled`](crate::Group::settled) waits for it.
    ///
    /// What is owed for an insertion is the removal of the key.
    Owed(PeerError),
    /// As `Owed`, but the peer is not among the [`peers`](crate::PeerPicker::peers) of this
    /// process, so nobody will try again. Over HTTP this does not happen.
    Failed(PeerError),
}

impl RemoveOutcome {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Late)
    }

    pub(super) fn has_timed_out(&self) -> bool {
        self.error().is_some_and(|error| error.kind() == PeerErrorKind::TimedOut)
    }

    /// Why the peer could not be told; `None` where it has made the change, or never will.
    #[must_use]
    pub fn error(&self) -> Option<&PeerError> {
        match self {
            Self::Owed(error) | Self::Failed(error) => Some(error),
            Self::Done | Self::Late | Self::NotSupported => None,
        }
    }
}

/// What one peer could not be told so far; from [`Group::debts`](crate::Group::debts).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerDebt {
    /// The peer's name: for HTTP peers, its URL.
    pub peer: String,
    /// How many keys it is to remove; `None` if it is to remove all that it has of the group.
    pub keys: Option<usize>,
    /// For how long it has been owed something.
    pub since: Duration,
    /// How often it was tried since then.
    pub attempts: u64,
    /// What went wrong the last time.
    pub error: PeerError,
}

impl fmt::Display for PeerDebt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, since, .. } = self;
        match self.keys {
            Some(1) => write!(f, "{peer} is owed 1 removal for {since:?}"),
            Some(keys) => write!(f, "{peer} is owed {keys} removals for {since:?}"),
            None => write!(f, "{peer} is owed the removal of everything for {since:?}"),
        }
    }
}
