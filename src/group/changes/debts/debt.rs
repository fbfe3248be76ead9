//! [`Debt`]: what one peer is owed, and when it is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::group::changes::owed::{Everything, Owed};
use crate::group::changes::payer::Haste;
use crate::peers::{PeerGetter, UNNAMED};
use crate::random;

/// How long a peer is left alone after it could not be told. Each failure doubles that.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// And at most. It bounds how long others may read from a peer that is back and was not told yet.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same for a peer that answers, and will not: it has no such group, or does not let us in.
const LONGEST_PAUSE_OF_REFUSAL: Duration = Duration::from_secs(30);

/// What one peer is owed.
pub(super) struct Debt {
    pub(super) number: u64,
    pub(super) peer: Arc<dyn PeerGetter>,
    pub(super) id: PeerId<Arc<str>>,
    pub(super) owed: Owed,
    pub(super) since: Instant,
    pub(super) attempts: u64,
    /// Before the jitter.
    pause: Duration,
    /// When it is to be tried next, and the earliest time for that if the peer is seen to be up.
    pub(super) next: Instant,
    soonest: Instant,
    pub(super) error: PeerError,
}

/// A peer as it is told from others. Asked of the peer outside of all locks.
#[derive(Debug, Clone)]
pub(super) struct PeerId<S> {
    pub(super) name: S,
    /// Of the handle, which tells peers without names apart.
    pub(super) address: usize,
}

impl<'a> PeerId<&'a str> {
    pub(super) fn of(peer: &'a Arc<dyn PeerGetter>) -> Self {
        Self { name: peer.name(), address: Arc::as_ptr(peer).cast::<()>() as usize }
    }
}

impl PeerId<Arc<str>> {
    pub(super) fn is(&self, other: &PeerId<&str>) -> bool {
        self.address == other.address || *self.name == *other.name && &*self.name != UNNAMED
    }
}

/// What a peer is owed, as the one who owes says it.
pub(in crate::group::changes) enum Missed<'a> {
    Keys(&'a [String]),
    Shared(&'a [Arc<str>]),
    All(Everything),
}

impl Debt {
    /// A debt of nothing yet, which is due.
    pub(super) fn new(
        number: u64,
        peer: &Arc<dyn PeerGetter>,
        id: &PeerId<&str>,
        error: PeerError,
        now: Instant,
    ) -> Self {
        Self {
            number,
            peer: Arc::clone(peer),
            id: PeerId { name: id.name.into(), address: id.address },
            owed: Owed::default(),
            since: now,
            attempts: 0,
            pause: FIRST_PAUSE,
            next: now,
            soonest: now,
            error,
        }
    }

    /// Adds to it; how many keys, or one for everything.
    pub(super) fn add(&mut self, missed: Missed<'_>) -> usize {
        match missed {
            Missed::Keys(keys) => {
                keys.iter().for_each(|key| self.owed.add_key(key));
                keys.len()
            }
            Missed::Shared(keys) => {
                keys.iter().for_each(|key| self.owed.add_key(key));
                keys.len()
            }
            Missed::All(how) => {
                self.owed.add_all(how);
                1
            }
        }
    }

    pub(super) fn is_due(&self, haste: Haste, now: Instant) -> bool {
        match haste {
            Haste::Usual => self.next <= now,
            Haste::Soon => self.soonest <= now,
            Haste::Now => true,
        }
    }

    /// The peer was tried just now, before it was owed anything.
    pub(super) fn was_tried(&mut self, now: Instant) {
        self.soonest = now + jittered(FIRST_PAUSE);
        self.next = self.soonest;
    }

    /// The peer could not be told once more.
    pub(super) fn put_off(&mut self, error: PeerError, now: Instant) {
        self.attempts += 1;
        self.next = now + jittered(self.pause);
        // That others want values of one who answers and will not does not hasten it.
        let longest;
        (self.soonest, longest) = match is_refusal(error.kind()) {
            true => (self.next, LONGEST_PAUSE_OF_REFUSAL),
            false => (now + jittered(FIRST_PAUSE), LONGEST_PAUSE),
        };
        self.pause = (self.pause * 2).min(longest);
        self.error = error;
    }

    /// The peer does what it is told. What is left is due.
    pub(super) fn was_told(&mut self, now: Instant) {
        (self.pause, self.next, self.soonest) = (FIRST_PAUSE, now, now);
    }

    /// The peer has done something else that it was told.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.soonest = self.soonest.min(now + jittered(FIRST_PAUSE));
    }
}

/// Whether a peer answers, and will not: it has no such group, or does not let us in.
fn is_refusal(kind: PeerErrorKind) -> bool {
    matches!(
        kind,
        PeerErrorKind::NoSuchGroup
            | PeerErrorKind::OtherCluster
            | PeerErrorKind::Unauthorized
            | PeerErrorKind::Protocol
    )
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * random::unit())
}
