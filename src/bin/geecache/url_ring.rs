//! [`UrlRing`]: who owns a key, told by URLs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use geecache::consistenthash::Ring;

/// What a peer is on the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) weight: NonZeroUsize,
}

/// A ring, and the URLs of those that it knows by their names.
#[derive(Clone)]
pub(crate) struct UrlRing {
    ring: Ring,
    urls: BTreeMap<String, String>,
}

impl UrlRing {
    /// A ring of nobody.
    pub(crate) fn new(ring: Ring) -> Self {
        Self { ring, urls: BTreeMap::new() }
    }

    /// Takes in peers with their seats. One whose weight a ring can't give has that of the others.
    pub(crate) fn extend(&mut self, peers: impl IntoIterator<Item = (String, Seat)>) {
        let peers: Vec<(String, Seat)> = peers.into_iter().collect();
        let seats = peers.iter().map(|(_, seat)| (&seat.name, seat.weight));
        if self.ring.extend_weighted(seats).is_err() {
            self.ring.extend(peers.iter().map(|(_, seat)| &seat.name));
        }
        self.urls.extend(peers.into_iter().map(|(url, seat)| (seat.name, url)));
    }

    /// Takes a peer out; `false` if it is not there.
    pub(crate) fn remove(&mut self, url: &str) -> bool {
        let name = self.urls.iter().find(|(_, known)| *known == url).map(|(name, _)| name.clone());
        name.is_some_and(|name| self.urls.remove(&name).is_some() && self.ring.remove(&name))
    }

    /// The owner of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.ring.get(key).map(|name| self.url(name))
    }

    /// All peers, in the order in which they would own `key`.
    pub(crate) fn owners(&self, key: &str) -> impl Iterator<Item = &str> {
        self.ring.owners(key).map(|name| self.url(name))
    }

    /// The part of all keys that each peer owns, in the order of the URLs.
    pub(crate) fn shares(&self) -> Vec<(&str, f64)> {
        let shares = self.ring.shares().into_iter();
        let mut shares: Vec<_> = shares.map(|(name, share)| (self.url(name), share)).collect();
        shares.sort_unstable_by_key(|(url, _)| *url);
        shares
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
