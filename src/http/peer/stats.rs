//! [`PeerStats`]: what a process knows about a peer.

use std::time::Duration;

use crate::histogram::Histogram;

/// What a pool's process knows about one of its peers: a snapshot, see
/// [`HttpPool::peer_stats`](crate::HttpPool::peer_stats).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats {
    /// The peer's URL.
    pub url: String,
    /// The [zone](crate::HttpPoolBuilder::zone) in which it is; `None` if it is in none.
    pub zone: Option<String>,
    /// Whether it is asked.
    pub state: PeerState,
    /// Requests in flight to it.
    pub in_flight: usize,
    /// Requests that were sent to it, or tried to be.
    pub requests: u64,
    /// Requests that failed because of it: no connection, no answer in time, an answer that was
    /// none. The errors of its getter are answers.
    pub failures: u64,
    /// Calls that were not sent, because too many were in flight or because it is down.
    pub rejected: u64,
    /// How long requests took that were sent, failed ones too.
    pub latency: Histogram,
    /// For how long it has been known to have another list of peers than this process, or other
    /// options that decide who owns a key. `None` while it agrees, and while it has not been heard
    /// since the list changed here last. Peers in Go do not tell.
    pub list_differs_for: Option<Duration>,
}

/// Whether a peer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerState {
    /// It answers, as far as is known.
    Up,
    /// It failed, and its keys go to the next peer on the ring until a trial request is answered.
    Down,
    /// It is this very process under another name, and is not asked: its keys are this process's
    /// own. After a minute it is asked again, as a name may come to stand for another address.
    Itself,
}
