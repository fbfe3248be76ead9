//! [`PreviousOwners`]: who owned a key before the list of peers changed last.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::consistenthash::Ring;
use crate::http::peer::Peer;
use crate::http::peers::list::PeerList;
use crate::http::peers::moved::moved;
use crate::http::peers::rings::ZoneName;
use crate::http::url::PeerUrl;

/// The owners of keys before a change.
pub(super) struct PreviousOwners {
    list: PeerList,
    /// Those that have left with the change or a short time before it, and when.
    left: Vec<(Arc<Peer>, Instant)>,
    changed: Instant,
    window: Duration,
}

impl PreviousOwners {
    /// The owners before the change from `old` to `new`, made at `now`. `None` where nobody owned
    /// anything.
    ///
    /// A peer that was alone in its zone, or comes from another one, may know nothing of owners
    /// before it came. It takes those for them that own its keys without it.
    pub(super) fn new(
        own: Option<&str>,
        old: &PeerList,
        new: &PeerList,
        now: Instant,
        window: Duration,
    ) -> Option<Self> {
        let (mut list, zone) = (old.clone(), new.rings.zone());
        let is_alone = |ring: &Ring, own: &str| ring.len() == usize::from(ring.contains(own));
        let before = list.rings.of_zone(zone);
        if let Some(own) = own.filter(|own| before.is_none_or(|ring| is_alone(ring, own))) {
            let mut ring = new.rings.own().clone();
            ring.remove(own);
            let names = new.peers.iter().filter(|(name, _)| ring.contains(name));
            list.peers.extend(names.map(|(name, peer)| (Arc::clone(name), Arc::clone(peer))));
            list.rings.set(zone, ring);
        }
        list.rings.zones().next()?;
        let left = list.peers.values().filter(|peer| new.at(peer.url()).is_none());
        let left = left.map(|peer| (Arc::clone(peer), now)).collect();
        Some(Self { list, left, changed: now, window })
    }

    /// The same, with those that left by the changes `before` and are still there. They serve what
    /// they have until their own window is over.
    pub(super) fn after(mut self, before: Option<&Self>, new: &PeerList) -> Self {
        let (now, window) = (self.changed, self.window);
        let earlier = before.into_iter().flat_map(|before| &before.left);
        let are_there = earlier.filter(|(peer, left)| {
            new.at(peer.url()).is_none() && is_within_two(window, *left, now)
        });
        self.left.extend(are_there.cloned());
        self
    }

    /// Whether new owners ask previous ones before they load.
    pub(super) fn is_asked(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) < self.window
    }

    /// Whether removals go to previous owners first. That lasts for twice as long: other peers may
    /// have learned of the change later than this one, and ask longer.
    pub(super) fn is_emptied(&self, now: Instant) -> bool {
        is_within_two(self.window, self.changed, now)
    }

    /// The previous owner of `key` in a zone, and how to ask it, unless that is this process.
    pub(super) fn owner(&self, zone: &ZoneName, key: &str) -> Option<(&str, &Arc<Peer>)> {
        let owner = self.list.rings.of_zone(zone)?.get(key)?;
        Some((owner, self.list.peers.get(owner).filter(|peer| !peer.is_us())?))
    }

    /// The peers, other than this process, that had keys which are ours by the list `new`.
    pub(super) fn givers(&self, new: &PeerList) -> Vec<Arc<Peer>> {
        let to_us =
            self.moved(new).filter(|(_, to)| new.peers.get(*to).is_none_or(|it| it.is_us()));
        let from: BTreeSet<&str> = to_us.map(|(from, _)| from).collect();
        let peers = from.into_iter().filter_map(|from| self.list.peers.get(from));
        peers.filter(|peer| !peer.is_us()).cloned().collect()
    }

    /// The URLs of the peers that have keys by the list `new` which `own` had.
    pub(super) fn heirs(&self, own: &str, new: &PeerList) -> Vec<Arc<str>> {
        let from_us = self.moved(new).filter(|(from, _)| *from == own);
        let to: BTreeSet<&str> = from_us.map(|(_, to)| to).collect();
        let heirs = to.into_iter().filter_map(|to| new.peers.get(to));
        heirs.filter(|peer| peer.is_ready()).map(|peer| Arc::clone(peer.url().text())).collect()
    }

    /// Between whom keys moved in the zone that this process has by the list `new`.
    fn moved<'a>(&'a self, new: &'a PeerList) -> impl Iterator<Item = (&'a str, &'a str)> {
        let before = self.list.rings.of_zone(new.rings.zone());
        before.map(|before| moved(before, new.rings.own())).into_iter().flatten()
    }

    /// The peers that left less than two windows ago.
    pub(super) fn left(&self, now: Instant) -> impl Iterator<Item = &Arc<Peer>> {
        let window = self.window;
        let are_there = self.left.iter().filter(move |(_, left)| is_within_two(window, *left, now));
        are_there.map(|(peer, _)| peer)
    }

    /// The peer at `url`, if it has left.
    pub(super) fn left_at(&self, url: &PeerUrl) -> Option<&Arc<Peer>> {
        self.left.iter().map(|(peer, _)| peer).find(|peer| peer.url() == url)
    }
}

/// Whether two windows from `begun` on are not over yet.
fn is_within_two(window: Duration, begun: Instant, now: Instant) -> bool {
    now.saturating_duration_since(begun) < 2 * window
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::http::listed::ListedPeer;
    use crate::http::peer::PeerOptions;
    use crate::http::peers::rings::ZoneRings;
    use crate::http::url::PeerScheme;

    const MINUTE: Duration = Duration::from_secs(60);

    fn list(urls: &[&str]) -> PeerList {
        list_in(None, urls)
    }

    /// A list as a process of a zone sees it.
    fn list_in(zone: Option<&str>, urls: &[&str]) -> PeerList {
        let listed = urls.iter().map(|url| ListedPeer::parse(url, PeerScheme::Http).unwrap());
        let listed: Arc<[ListedPeer]> = listed.collect();
        let rings = ZoneRings::of(&listed, zone.map(Arc::from), false, |peers| {
            let mut ring = Ring::new(NonZeroUsize::new(50).unwrap());
            ring.extend(peers.map(|peer| &peer.name));
            ring
        });
        let peer = |ListedPeer { url, name, .. }: &ListedPeer| {
            let peer = Peer::new(url.clone(), PeerOptions::default());
            (Arc::clone(name), Arc::new(peer))
        };
        PeerList { rings, peers: listed.iter().map(peer).collect(), listed }
    }

    fn left(previous: &PreviousOwners, now: Instant) -> Vec<&str> {
        previous.left(now).map(|peer| peer.url().as_str()).collect()
    }

    #[test]
    fn previous_owners_are_asked_for_one_window_and_emptied_for_two() {
        let (old, new) = (list(&["http://a:1", "http://b:1"]), list(&["http://b:1", "http://c:1"]));
        let now = Instant::now();
        let previous = PreviousOwners::new(None, &old, &new, now, MINUTE).unwrap();
        let second = Duration::from_secs(1);
        for (after, asked, emptied) in [
            (Duration::ZERO, true, true),
            (MINUTE - second, true, true),
            (MINUTE, false, true),
            (2 * MINUTE - second, false, true),
            (2 * MINUTE, false, false),
        ] {
            assert_eq!(previous.is_asked(now + after), asked, "{after:?}");
            assert_eq!(previous.is_emptied(now + after), emptied, "{after:?}");
        }
        assert_eq!(left(&previous, now), ["http://a:1"]);
        assert!(left(&previous, now + 2 * MINUTE).is_empty());
        let owners: Vec<&str> = ["Tom", "Jack", "Sam"]
            .iter()
            .map(|key| previous.owner(&None, key).unwrap().0)
            .collect();
        assert!(owners.iter().all(|owner| ["http://a:1", "http://b:1"].contains(owner)));
    }

    #[test]
    fn one_that_has_left_is_there_until_its_own_windows_are_over_whatever_changes_meanwhile() {
        let (first, second) = (list(&["http://a:1", "http://b:1"]), list(&["http://b:1"]));
        let (third, back) = (list(&["http://c:1"]), list(&["http://a:1", "http://c:1"]));
        let now = Instant::now();
        let change = |old, new, at| PreviousOwners::new(None, old, new, now + at, MINUTE).unwrap();
        let a_left = change(&first, &second, Duration::ZERO);
        let b_left = change(&second, &third, MINUTE).after(Some(&a_left), &third);
        assert_eq!(left(&b_left, now + MINUTE), ["http://b:1", "http://a:1"]);
        assert_eq!(left(&b_left, now + 2 * MINUTE), ["http://b:1"]);
        let c_left = change(&third, &second, 2 * MINUTE).after(Some(&b_left), &second);
        assert_eq!(left(&c_left, now + 2 * MINUTE), ["http://c:1"], "b is back, and a is gone");
        let a_back = change(&second, &back, MINUTE).after(Some(&a_left), &back);
        assert_eq!(left(&a_back, now + MINUTE), ["http://b:1"]);
    }

    #[test]
    fn peer_that_comes_takes_over_from_those_that_would_own_its_keys_without_it() {
        let nobody = list(&[]);
        let without = list(&["http://a:1", "http://b:1", "http://c:1"]);
        let with = list(&["http://a:1", "http://b:1", "http://c:1", "http://d:1"]);
        let now = Instant::now();
        let previous =
            PreviousOwners::new(Some("http://d:1"), &nobody, &with, now, MINUTE).unwrap();
        for n in 0..100 {
            let key = format!("key {n}");
            let owner = previous.owner(&None, &key).map(|(owner, _)| owner);
            assert_eq!(owner, without.rings.owner(&key));
        }
        assert!(left(&previous, now).is_empty());
        // A client comes and goes, and owns nothing that it could take over.
        assert!(PreviousOwners::new(None, &nobody, &with, now, MINUTE).is_none());
    }
}
