//! [`Gossip`] and [`Outbox`]: what the threads of one who takes part share.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};

use crate::http::discovery::gossip::wire::GossipId;
use crate::http::identity::Bell;
use crate::sync::lock;

/// So many who refuse connections are looked at at a time.
const MOST_REFUSED: usize = 256;

/// What the threads share.
pub(super) struct Gossip {
    /// Those who are there, as lists name them.
    members: Mutex<Arc<[String]>>,
    /// Those at whose place nothing listens.
    refused: Mutex<Vec<GossipId>>,
    bell: Arc<Bell>,
    is_over: Mutex<bool>,
}

impl Gossip {
    pub(super) fn new(bell: &Arc<Bell>) -> Self {
        Self {
            members: Mutex::default(),
            refused: Mutex::default(),
            bell: Arc::clone(bell),
            is_over: Mutex::default(),
        }
    }

    /// Nothing listens where `member` should be.
    pub(super) fn is_refused_by(&self, member: GossipId) {
        let mut refused = lock(&self.refused);
        if refused.len() < MOST_REFUSED && !refused.contains(&member) {
            refused.push(member);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        *lock(&self.is_over)
    }

    /// Tells who is there from now on.
    pub(super) fn publish(&self, members: Arc<[String]>) {
        let before = std::mem::replace(&mut *lock(&self.members), members);
        drop(before);
        self.bell.ring();
    }

    /// Those who are there.
    pub(super) fn members(&self) -> Arc<[String]> {
        Arc::clone(&*lock(&self.members))
    }

    /// Those who refused a connection since this was asked last.
    pub(super) fn take_refused(&self) -> Vec<GossipId> {
        std::mem::take(&mut *lock(&self.refused))
    }

    /// Ends the threads.
    pub(super) fn end(&self) {
        *lock(&self.is_over) = true;
    }
}

/// One message, and to whom it goes.
pub(super) type Letter = (GossipId, Vec<u8>);

/// Where letters wait for a thread that sends them one after the other.
pub(super) struct Outbox(SyncSender<Letter>);

impl Outbox {
    pub(super) fn new(letters: SyncSender<Letter>) -> Self {
        Self(letters)
    }

    /// Sends a message, or loses it.
    pub(super) fn post(&self, letter: Letter) {
        if let Err(TrySendError::Full((to, _))) = self.0.try_send(letter) {
            log::debug!("a message to {to:?} is lost: others take too long");
        }
    }
}
