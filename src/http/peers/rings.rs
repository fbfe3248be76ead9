//! [`ZoneRings`]: who owns a key in each zone.
//!
//! Each zone has a ring of its peers alone, and so an owner for each key. A process asks those of
//! its own zone. A client, or a peer that has left, asks all zones if it has none, or its zone has
//! no peers: the ring of all peers names the zone of a key, and the ring of that zone its owner. So
//! it asks who owns the key, and each zone gets as much of its keys as it has of the peers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::consistenthash::Ring;
use crate::http::listed::ListedPeer;

/// The name of a zone; `None` is the zone of those that have no other.
pub(super) type ZoneName = Option<Arc<str>>;

/// The peers of one zone.
pub(super) type ZoneRing = (ZoneName, Ring);

/// The rings of all zones.
#[derive(Clone)]
pub(super) struct ZoneRings {
    /// The own zone, which may have no peers.
    own: ZoneRing,
    /// The others, in the order of their names. They have peers.
    others: Vec<ZoneRing>,
    /// All peers, where there are other zones and this process is in none of them.
    all: Option<Ring>,
}

impl ZoneRings {
    /// The rings of a list for a process of a zone, which `is_listed` or only asks.
    pub(super) fn of(
        list: &[ListedPeer],
        zone: ZoneName,
        is_listed: bool,
        ring_of: impl Fn(&mut dyn Iterator<Item = &ListedPeer>) -> Ring,
    ) -> Self {
        let mut by_zone: BTreeMap<&ZoneName, Vec<&ListedPeer>> = BTreeMap::new();
        list.iter().for_each(|peer| by_zone.entry(&peer.zone).or_default().push(peer));
        let ring = |peers: Vec<&ListedPeer>| ring_of(&mut peers.into_iter());
        let own = ring(by_zone.remove(&zone).unwrap_or_default());
        let needs_all = !is_listed && !by_zone.is_empty();
        let others = by_zone.into_iter().map(|(zone, peers)| (zone.clone(), ring(peers))).collect();
        let all = needs_all.then(|| ring_of(&mut list.iter()));
        Self { own: (zone, own), others, all }
    }

    /// The name of the own zone.
    pub(super) fn zone(&self) -> &ZoneName {
        &self.own.0
    }

    /// The peers of the own zone.
    pub(super) fn own(&self) -> &Ring {
        &self.own.1
    }

    /// The peers that are asked: those of the own zone, or all if it has none.
    pub(super) fn in_use(&self) -> &Ring {
        self.all_in_use().unwrap_or(&self.own.1)
    }

    /// Who only asks and has no zone asks all as well. Those without a zone may be few: peers whose
    /// zone is not known yet.
    fn all_in_use(&self) -> Option<&Ring> {
        let (zone, ring) = &self.own;
        self.all.as_ref().filter(|_| zone.is_none() || ring.is_empty())
    }

    /// The zone whose owner of `key` is asked.
    pub(super) fn asked(&self, key: &str) -> &ZoneRing {
        let Some(all) = self.all_in_use() else { return &self.own };
        let has = |name: &str| self.others.iter().find(|(_, ring)| ring.contains(name));
        all.get(key).and_then(has).unwrap_or(&self.own)
    }

    /// The zones whose owner of `key` is not asked.
    pub(super) fn not_asked(&self, key: &str) -> impl Iterator<Item = &ZoneRing> {
        let asked = self.asked(key);
        self.zones().filter(move |zone| !std::ptr::eq(*zone, asked))
    }

    /// The owner of `key` who is asked.
    pub(super) fn owner(&self, key: &str) -> Option<&str> {
        self.asked(key).1.get(key)
    }

    /// Who would be asked for `key` if those before them were gone. For those who only ask, the
    /// owners in other zones come when nobody of the zone is left.
    pub(super) fn owners<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let others = self.not_asked(key).filter(|_| self.all.is_some());
        self.asked(key).1.owners(key).chain(others.flat_map(|(_, ring)| ring.owners(key)))
    }

    /// Takes another ring for a zone.
    pub(super) fn set(&mut self, zone: &ZoneName, ring: Ring) {
        let mut all = std::iter::once(&mut self.own).chain(&mut self.others);
        match all.find(|(it, _)| it == zone) {
            Some((_, it)) => *it = ring,
            None => self.others.push((zone.clone(), ring)),
        }
    }

    /// The peers of a zone.
    pub(super) fn of_zone(&self, zone: &ZoneName) -> Option<&Ring> {
        self.zones().find(|(it, _)| it == zone).map(|(_, ring)| ring)
    }

    /// All zones that have peers.
    pub(super) fn zones(&self) -> impl Iterator<Item = &ZoneRing> {
        std::iter::once(&self.own).chain(&self.others).filter(|(_, ring)| !ring.is_empty())
    }
}
