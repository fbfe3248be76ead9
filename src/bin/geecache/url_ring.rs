//! [`UrlRing`]: who owns a key, told by URLs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use geecache::consistenthash::Ring;

/// What a peer is on the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) weight: NonZeroUsize,
    /// Each zone has a ring of its own. Those without a zone are in the one without a name.
    pub(crate) zone: String,
}

/// The ring of one zone and those of the others, and the URLs of those that they know by names.
#[derive(Clone)]
pub(crate) struct UrlRing {
    zone: String,
    ring: Ring,
    others: BTreeMap<String, Ring>,
    empty: Ring,
    urls: BTreeMap<String, String>,
}

impl UrlRing {
    /// A ring of nobody, for the zone of this name.
    pub(crate) fn new(zone: &str, empty: Ring) -> Self {
        let (zone, ring) = (zone.to_owned(), empty.clone());
        Self { zone, ring, others: BTreeMap::new(), empty, urls: BTreeMap::new() }
    }

    /// Takes in peers with their seats. One whose weight a ring can't give has that of the others.
    pub(crate) fn extend(&mut self, peers: impl IntoIterator<Item = (String, Seat)>) {
        let mut zones = BTreeMap::<String, Vec<(String, NonZeroUsize)>>::new();
        for (url, Seat { name, weight, zone }) in peers {
            zones.entry(zone).or_default().push((name.clone(), weight));
            self.urls.insert(name, url);
        }
        for (zone, seats) in zones {
            let ring = match zone == self.zone {
                true => &mut self.ring,
                false => self.others.entry(zone).or_insert_with(|| self.empty.clone()),
            };
            if ring.extend_weighted(seats.iter().map(|(name, weight)| (name, *weight))).is_err() {
                ring.extend(seats.iter().map(|(name, _)| name));
            }
        }
    }

    /// Takes a peer out of the zone; `false` if it is not there.
    pub(crate) fn remove(&mut self, url: &str) -> bool {
        let name = self.urls.iter().find(|(_, known)| *known == url).map(|(name, _)| name.clone());
        name.is_some_and(|name| self.ring.remove(&name))
    }

    /// The zone that it is about; empty if peers have none.
    pub(crate) fn zone(&self) -> &str {
        &self.zone
    }

    /// The owner of `key` in the zone.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.ring.get(key).map(|name| self.url(name))
    }

    /// Whether the peer at `url` owns `key` in its own zone.
    pub(crate) fn is_owner(&self, key: &str, url: &str) -> bool {
        self.rings().any(|ring| ring.get(key).is_some_and(|name| self.url(name) == url))
    }

    /// All peers of the zone, in the order in which they would own `key`.
    pub(crate) fn owners(&self, key: &str) -> impl Iterator<Item = &str> {
        self.ring.owners(key).map(|name| self.url(name))
    }

    /// The part of all keys that each peer of the zone owns, in the order of the URLs.
    pub(crate) fn shares(&self) -> Vec<(&str, f64)> {
        self.shares_on([&self.ring])
    }

    /// The part of all keys that each peer owns in its own zone, in the order of the URLs.
    pub(crate) fn all_shares(&self) -> Vec<(&str, f64)> {
        self.shares_on(self.rings())
    }

    fn shares_on<'a>(&'a self, rings: impl IntoIterator<Item = &'a Ring>) -> Vec<(&'a str, f64)> {
        let shares = rings.into_iter().flat_map(Ring::shares);
        let mut shares: Vec<_> = shares.map(|(name, share)| (self.url(name), share)).collect();
        shares.sort_unstable_by_key(|(url, _)| *url);
        shares
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.ring).chain(self.others.values())
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    fn url<'a>(&'a self, name: &'a str) -> &'a str {
        self.urls.get(name).map_or(name, String::as_str)
    }
}
