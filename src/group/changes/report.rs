//! [`RemoveReport`], [`InsertReport`]: what became of a change at each peer.

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
    /// answered with it.
    ///
    /// It has not where the value does not fit: into one of the
    /// [parts](crate::GroupBuilder::shards) of its cache, or into what it takes from peers. Neither
    /// where the value is not to be kept at all, such as one with a ttl of zero, or the word that
    /// there is none in a group without a [`negative_ttl`](crate::GroupBuilder::negative_ttl). Nor
    /// where the owner could not be told.
    pub is_kept: bool,
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
    /// The peer did not answer, or answered that it could not.
    Failed(PeerError),
}

impl RemoveOutcome {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Failed(error) if error.kind() == PeerErrorKind::TimedOut)
    }
}

impl From<Result<(), PeerError>> for RemoveOutcome {
    fn from(result: Result<(), PeerError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) if error.kind() == PeerErrorKind::NotSupported => Self::NotSupported,
            Err(error) => Self::Failed(error),
        }
    }
}
