//! [`PeerList`]: one list of peers, and who of them owns a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::consistenthash::Ring;
use crate::http::peer::Peer;
use crate::http::url::PeerUrl;

/// The owners of keys by one list.
#[derive(Clone)]
pub(super) struct PeerList {
    /// The names of all of the list, this process itself among them if it owns keys.
    pub(super) ring: Ring,
    /// All but this process itself, by their names.
    pub(super) peers: BTreeMap<Arc<str>, Arc<Peer>>,
}

impl PeerList {
    /// The peer to ask for `key`; `None` if that is this process.
    pub(super) fn pick(
        &self,
        key: &str,
        mut is_ready: impl FnMut(&Peer) -> bool,
    ) -> Option<&Arc<Peer>> {
        let owner = self.peers.get(self.ring.get(key)?)?;
        if is_ready(owner) {
            return Some(owner);
        }
        // The owner is down: its keys go to the next on the ring, which is what owns them without
        // it. If that is us, we load.
        let mut next = self.ring.owners(key).skip(1).map(|node| self.peers.get(node));
        next.find(|next| next.is_none_or(|peer| is_ready(peer))).flatten()
    }

    /// Whether the owner of `key` is asked for it, and no peer in its place.
    pub(super) fn is_owner_ready(&self, key: &str) -> bool {
        let owner = self.ring.get(key).and_then(|owner| self.peers.get(owner));
        owner.is_none_or(|owner| owner.is_ready())
    }

    /// Whether this process owns `key`. Where there is nobody at all, keys are as much ours as
    /// anybody's.
    pub(super) fn is_ours(&self, key: &str) -> bool {
        self.ring.get(key).is_none_or(|owner| !self.peers.contains_key(owner))
    }

    pub(super) fn has(&self, name: &str, url: &PeerUrl) -> bool {
        self.peers.get(name).is_some_and(|peer| peer.url() == url)
    }

    /// Whether both name the same peers.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.ring.len() == other.ring.len()
            && self.peers.iter().all(|(name, peer)| other.has(name, peer.url()))
    }
}
