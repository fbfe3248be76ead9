//! [`FollowStats`]: what a pool learned from its source, and why its list changed.

use std::fmt;
use std::time::Duration;

/// How the list of a pool follows its source: a snapshot, see
/// [`HttpPool::follow_stats`](crate::HttpPool::follow_stats).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowStats {
    /// What the source is called.
    pub source: String,
    /// How long ago the source gave a list that could be taken; `None` if it never did.
    pub answered_ago: Option<Duration>,
    /// For how long it has given none. `None` if the last answer was one.
    pub failing_for: Option<Duration>,
    /// Why the last answer could not be taken.
    pub last_error: Option<String>,
    /// The peers that are missing from the source, and are still in the list.
    pub missing: Vec<String>,
    /// The last 64 changes of the list, the latest one last.
    pub changes: Vec<ListChange>,
}

/// A change of the list of peers, and why it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListChange {
    /// How long ago.
    pub ago: Duration,
    /// The peer.
    pub url: String,
    /// What changed.
    pub kind: ListChangeKind,
    /// Why.
    pub reason: String,
}

/// What changed about a peer in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListChangeKind {
    /// It is in the list now.
    Added,
    /// It is no longer in the list.
    Removed,
    /// It has another weight.
    Weighed,
    /// It is called otherwise on the ring.
    Renamed,
    /// It is in another zone.
    Moved,
}

impl fmt::Display for ListChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "is in the list now",
            Self::Removed => "is no longer in the list",
            Self::Weighed => "has another weight",
            Self::Renamed => "has another name on the ring",
            Self::Moved => "is in another zone",
        })
    }
}
