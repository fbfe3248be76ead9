//! [`PeerList`]: one list of peers, and who of them owns a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::listed::ListedPeer;
use crate::http::peer::Peer;
use crate::http::peers::rings::ZoneRings;
use crate::http::url::PeerUrl;

/// The owners of keys by one list.
#[derive(Clone)]
pub(super) struct PeerList {
    /// The names of all of the list, this process itself among them if it owns keys.
    pub(super) rings: ZoneRings,
    /// What the rings were made of, tidied: in the order of the URLs.
    pub(super) listed: Arc<[ListedPeer]>,
    /// All but this process itself, by their names.
    pub(super) peers: BTreeMap<Arc<str>, Arc<Peer>>,
}

impl PeerList {
    /// The peer to ask for `key`; `None` if that is this process.
    pub(super) fn pick(
        &self,
        key: &str,
        mut is_ready: impl FnMut(&Arc<Peer>) -> bool,
    ) -> Option<&Arc<Peer>> {
        let owner = self.other(self.rings.owner(key)?)?;
        if is_ready(owner) {
            return Some(owner);
        }
        // The owner is down: its keys go to the next on the ring, which is what owns them without
        // it. If that is us, we load.
        let mut next = self.rings.owners(key).skip(1).map(|node| self.other(node));
        next.find(|next| next.is_none_or(&mut is_ready)).flatten()
    }

    /// Whether the owner of `key` is asked for it, and no peer in its place.
    pub(super) fn is_owner_ready(&self, key: &str) -> bool {
        let owner = self.rings.owner(key).and_then(|owner| self.other(owner));
        owner.is_none_or(|owner| owner.is_ready())
    }

    /// Whether this process owns `key`. Where there is nobody at all, keys are as much ours as
    /// anybody's.
    pub(super) fn is_ours(&self, key: &str) -> bool {
        self.rings.owner(key).is_none_or(|owner| self.other(owner).is_none())
    }

    /// The peer called `name`; `None` if that is this process, by whatever name.
    pub(super) fn other(&self, name: &str) -> Option<&Arc<Peer>> {
        self.peers.get(name).filter(|peer| !peer.is_us())
    }

    /// All but this process itself, in the order of the URLs.
    pub(super) fn others(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.listed_others().filter(|peer| !peer.is_us())
    }

    /// The same, and those that turned out to be this process.
    pub(super) fn listed_others(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.listed.iter().filter_map(|peer| self.peers.get(&peer.name))
    }

    /// The peer at `url`; `None` if there is none, or it is this process.
    pub(super) fn at(&self, url: &PeerUrl) -> Option<&Arc<Peer>> {
        let at = self.listed.binary_search_by(|peer| peer.url.cmp(url)).ok()?;
        self.peers.get(&self.listed[at].name)
    }

    /// The part of all keys that each of the list owns in its zone, in the order of the URLs.
    pub(super) fn shares(&self) -> Vec<(&ListedPeer, f64)> {
        let by_zone = self.rings.zones().flat_map(|(_, ring)| ring.shares());
        let by_name: BTreeMap<&str, f64> = by_zone.collect();
        let share = |peer: &ListedPeer| by_name.get(&*peer.name).copied().unwrap_or_default();
        self.listed.iter().map(|peer| (peer, share(peer))).collect()
    }

    /// Whether there are others, and none of them has a zone, while this process has one.
    pub(super) fn tells_no_zone_but_ours(&self) -> bool {
        let in_zones = self.listed.iter().filter(|peer| peer.zone.is_some());
        self.listed.len() > 1 && self.rings.own().len() == 1 && in_zones.count() == 1
    }

    /// Whether both name the same owners.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.listed == other.listed
    }
}
