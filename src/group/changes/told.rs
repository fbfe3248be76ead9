//! [`Told`]: what became of a change at each peer so far; and [`Stamps`], which number its steps.

use std::sync::Arc;

use crate::change::ChangeStamp;
use crate::group::batch::is_same_peer;
use crate::group::changes::report::{PeerReport, RemoveOutcome, RemoveReport};
use crate::peers::PeerGetter;
use crate::random;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The stamps of the changes of this process. Each step of a change has one of its own: the removal
/// that follows an insertion which failed is newer than that.
pub(super) struct Stamps {
    origin: u64,
    last: AtomicU64,
}

impl Stamps {
    pub(super) fn of_a_new_origin() -> Self {
        Self { origin: random::number().max(1), last: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> ChangeStamp {
        ChangeStamp::new(self.origin, self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// The peers that were told of a change so far, and what became of it there.
pub(super) struct Told {
    /// All peers of this process, but itself. Only these can be owed something.
    pub(super) listed: Vec<Arc<dyn PeerGetter>>,
    pub(super) peers: Vec<(Arc<dyn PeerGetter>, RemoveOutcome)>,
}

impl Told {
    pub(super) fn outcome(&self, peer: &Arc<dyn PeerGetter>) -> Option<&RemoveOutcome> {
        let mut known = self.peers.iter().filter(|(known, _)| is_same_peer(known, peer));
        known.next().map(|(_, outcome)| outcome)
    }

    /// Whether a peer could not be told.
    pub(super) fn has_failed(&self) -> bool {
        self.peers.iter().any(|(_, outcome)| outcome.error().is_some())
    }

    /// Notes what became of one more change at a peer. What went wrong there once stays.
    pub(super) fn add(&mut self, peer: Arc<dyn PeerGetter>, outcome: RemoveOutcome) {
        match self.peers.iter_mut().find(|(known, _)| is_same_peer(known, &peer)) {
            Some((_, before)) if before.is_done() => *before = outcome,
            Some(_) => {}
            None => self.peers.push((peer, outcome)),
        }
    }

    pub(super) fn report(self) -> RemoveReport {
        let of_peer = |(peer, outcome): (Arc<dyn PeerGetter>, _)| PeerReport {
            peer: peer.name().to_owned(),
            outcome,
        };
        RemoveReport { peers: self.peers.into_iter().map(of_peer).collect() }
    }
}
