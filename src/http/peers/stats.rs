//! [`ListStats`]: whether the peers of a cluster have the same list.

use std::time::Duration;

/// What a pool knows about the lists of peers of its cluster: a snapshot, see
/// [`HttpPool::list_stats`](crate::HttpPool::list_stats).
///
/// Each request and each answer between peers of this crate tells a digest of the sender's list.
/// Lists differ for a moment with each change. Where they differ for long, keys are loaded more
/// than once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListStats {
    /// The digest of the list in force: of the URLs, names, weights and zones, and of the options
    /// that decide who owns a key. Peers that agree have the same.
    pub digest: u32,
    /// How many peers the list has, this one included.
    pub peers: usize,
    /// How many of the others were heard with another list, see
    /// [`PeerStats::list_differs_for`](crate::PeerStats::list_differs_for).
    pub differing: usize,
    /// For how long there have been askers with another list that are not in ours: peers that it
    /// lacks, or clients. `None` if none was heard for a minute.
    pub strangers_differ_for: Option<Duration>,
    /// Requests for keys that this process does not own, of those who have another list or do not
    /// tell, as peers in Go.
    pub misdirected: u64,
}
