//! [`PreviousOwners`]: who owned a key before the list of peers changed last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::peer::Peer;
use crate::http::peers::list::PeerList;

/// The owners of keys before a change.
pub(super) struct PreviousOwners {
    list: PeerList,
    /// Those of the list that have left with the change.
    left: Vec<Arc<Peer>>,
    changed: Instant,
    window: Duration,
}

impl PreviousOwners {
    /// The owners before the change from `old` to `new`, made at `now`. `None` where nobody owned
    /// anything.
    ///
    /// A peer that was alone knows nothing of owners before it came. It takes those for them that
    /// own its keys without it.
    pub(super) fn new(
        own: Option<&str>,
        old: &PeerList,
        new: &PeerList,
        now: Instant,
        window: Duration,
    ) -> Option<Self> {
        let mut list = old.clone();
        if let (Some(own), true) = (own, list.peers.is_empty()) {
            list = new.clone();
            list.ring.remove(own);
        }
        if list.ring.is_empty() {
            return None;
        }
        let left = list.peers.values().filter(|peer| new.at(peer.url()).is_none());
        let left = left.cloned().collect();
        Some(Self { list, left, changed: now, window })
    }

    /// Whether new owners ask previous ones before they load.
    pub(super) fn is_asked(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) < self.window
    }

    /// Whether removals go to previous owners first. That lasts for twice as long: other peers may
    /// have learned of the change later than this one, and ask longer.
    pub(super) fn is_emptied(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) < 2 * self.window
    }

    /// The previous owner of `key`, and how to ask it, unless that is this process.
    pub(super) fn owner(&self, key: &str) -> Option<(&str, &Arc<Peer>)> {
        let owner = self.list.ring.get(key)?;
        Some((owner, self.list.peers.get(owner).filter(|peer| !peer.is_us())?))
    }

    /// The peers that left with the change.
    pub(super) fn left(&self) -> &[Arc<Peer>] {
        &self.left
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::consistenthash::Ring;
    use crate::http::listed::ListedPeer;
    use crate::http::peer::PeerOptions;
    use crate::http::url::PeerScheme;

    const MINUTE: Duration = Duration::from_secs(60);

    fn list(urls: &[&str]) -> PeerList {
        let mut ring = Ring::new(NonZeroUsize::new(50).unwrap());
        ring.extend(urls);
        let listed = urls.iter().map(|url| ListedPeer::parse(url, PeerScheme::Http).unwrap());
        let listed: Arc<[ListedPeer]> = listed.collect();
        let peer = |ListedPeer { url, name, .. }: &ListedPeer| {
            let peer = Peer::new(url.clone(), PeerOptions::default());
            (Arc::clone(name), Arc::new(peer))
        };
        PeerList { ring, peers: listed.iter().map(peer).collect(), listed }
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
        let left: Vec<&str> = previous.left().iter().map(|left| left.url().as_str()).collect();
        assert_eq!(left, ["http://a:1"]);
        let owners: Vec<&str> =
            ["Tom", "Jack", "Sam"].iter().map(|key| previous.owner(key).unwrap().0).collect();
        assert!(owners.iter().all(|owner| ["http://a:1", "http://b:1"].contains(owner)));
    }

    #[test]
    fn peer_that_comes_takes_over_from_those_that_would_own_its_keys_without_it() {
        let nobody = list(&[]);
        let without = list(&["http://a:1", "http://b:1", "http://c:1"]);
        let mut with = without.clone();
        with.ring.add("http://d:1");
        let now = Instant::now();
        let previous =
            PreviousOwners::new(Some("http://d:1"), &nobody, &with, now, MINUTE).unwrap();
        for n in 0..100 {
            let key = format!("key {n}");
            assert_eq!(previous.owner(&key).map(|(owner, _)| owner), without.ring.get(&key));
        }
        assert!(previous.left().is_empty());
        // A client comes and goes, and owns nothing that it could take over.
        assert!(PreviousOwners::new(None, &nobody, &with, now, MINUTE).is_none());
    }
}
