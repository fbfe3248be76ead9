//! [`Before`]: who owned a key before the list of peers changed last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Members;
use crate::consistenthash::Ring;
use crate::error::PeerError;
use crate::getter::Loaded;
use crate::http::peer::Peer;
use crate::http::url::PeerUrl;
use crate::peers::PeerGetter;

/// The owners of keys before a change.
pub(super) struct Before {
    ring: Ring,
    /// All of them but this process itself; some have left with the change.
    peers: BTreeMap<Arc<str>, Arc<dyn PeerGetter>>,
    /// Those of them that have left.
    left: Vec<Arc<Left>>,
    changed: Instant,
    window: Duration,
}

impl Before {
    /// The owners before the change from `old` to the ring and the peers of a new list, made at `now`. `None` where nobody
    /// owned anything.
    ///
    /// A peer that was alone knows nothing of owners before it came. They are whoever owns its keys without it.
    pub(super) fn new(
        own: Option<&PeerUrl>,
        old: &Members,
        ring: &Ring,
        peers: &BTreeMap<Arc<str>, Arc<Peer>>,
        now: Instant,
        window: Duration,
    ) -> Option<Self> {
        let mut before = old.ring.clone();
        let mut former = old.peers.clone();
        if let (Some(own), true) = (own, former.is_empty()) {
            before = ring.clone();
            before.remove(own.as_str());
            former = peers.clone();
        }
        if before.is_empty() {
            return None;
        }
        let (mut all, mut left) = (BTreeMap::new(), Vec::new());
        for (url, peer) in former {
            let getter: Arc<dyn PeerGetter> = if peers.contains_key(&url) {
                peer
            } else {
                let gone = Arc::new(Left(peer));
                left.push(Arc::clone(&gone));
                gone
            };
            all.insert(url, getter);
        }
        Some(Self { ring: before, peers: all, left, changed: now, window })
    }

    /// Whether new owners ask previous ones before they load.
    pub(super) fn is_asked(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) < self.window
    }

    /// Whether removals go to previous owners first. That lasts for twice as long: other peers may have learned of the change
    /// later than this one, and ask longer.
    pub(super) fn is_emptied(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) < 2 * self.window
    }

    /// The previous owner of `key`, and how to ask it, unless that is this process.
    pub(super) fn owner(&self, key: &str) -> Option<(&str, &Arc<dyn PeerGetter>)> {
        let owner = self.ring.get(key)?;
        Some((owner, self.peers.get(owner)?))
    }

    /// The peers that left with the change.
    pub(super) fn left(&self) -> &[Arc<Left>] {
        &self.left
    }
}

/// A peer that is no longer in the list, but may still be there, with what it had.
pub(super) struct Left(Arc<Peer>);

impl Left {
    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.0
    }

    /// Who has left and accepts no connection has ended, and what it had is gone with it.
    fn unless_ended(&self, change: Result<(), PeerError>) -> Result<(), PeerError> {
        match change {
            Err(_) if self.0.has_ended() => Ok(()),
            other => other,
        }
    }
}

impl PeerGetter for Left {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.0.get(group, key)
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        self.0.get_timeout(group, key, timeout)
    }

    fn get_many(&self, group: &str, keys: &[&str]) -> Vec<Result<Loaded, PeerError>> {
        self.0.get_many(group, keys)
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
    ) -> Vec<Result<Loaded, PeerError>> {
        self.0.get_many_timeout(group, keys, timeout)
    }

    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.0.peek(group, key)
    }

    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        self.0.peek_many(group, keys)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn remove(&self, group: &str, keys: &[&str]) -> Result<(), PeerError> {
        self.unless_ended(self.0.remove(group, keys))
    }

    fn clear(&self, group: &str) -> Result<(), PeerError> {
        self.unless_ended(self.0.clear(group))
    }

    fn insert(&self, group: &str, key: &str, value: &Loaded) -> Result<(), PeerError> {
        self.0.insert(group, key, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pool::HttpPool;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn previous_owners_are_asked_for_one_window_and_emptied_for_two() {
        let old = HttpPool::client(["http://a:1", "http://b:1"]).unwrap();
        let new = HttpPool::client(["http://b:1", "http://c:1"]).unwrap();
        let (old, new) = (old.inner.members(), new.inner.members());
        let now = Instant::now();
        let before = Before::new(None, &old, &new.ring, &new.peers, now, MINUTE).unwrap();
        let second = Duration::from_secs(1);
        for (after, asked, emptied) in [
            (Duration::ZERO, true, true),
            (MINUTE - second, true, true),
            (MINUTE, false, true),
            (2 * MINUTE - second, false, true),
            (2 * MINUTE, false, false),
        ] {
            assert_eq!(before.is_asked(now + after), asked, "{after:?}");
            assert_eq!(before.is_emptied(now + after), emptied, "{after:?}");
        }
        let left: Vec<&str> = before.left().iter().map(|left| left.name()).collect();
        assert_eq!(left, ["http://a:1"]);
        let owners: Vec<&str> =
            ["Tom", "Jack", "Sam"].iter().map(|key| before.owner(key).unwrap().0).collect();
        assert!(owners.iter().all(|owner| ["http://a:1", "http://b:1"].contains(owner)));
    }

    #[test]
    fn who_comes_takes_over_from_those_who_would_own_its_keys_without_it() {
        let own = PeerUrl::parse("http://d:1").unwrap();
        let nobody = HttpPool::client([] as [&str; 0]).unwrap().inner.members();
        let three = ["http://a:1", "http://b:1", "http://c:1"];
        let without = HttpPool::client(three).unwrap().inner.members();
        let mut ring = without.ring.clone();
        ring.add("http://d:1");
        let now = Instant::now();
        let before = Before::new(Some(&own), &nobody, &ring, &without.peers, now, MINUTE).unwrap();
        for n in 0..100 {
            let key = format!("key {n}");
            assert_eq!(before.owner(&key).map(|(owner, _)| owner), without.ring.get(&key));
        }
        assert!(before.left().is_empty());
        // A client comes and goes, and owns nothing that it could take over.
        assert!(Before::new(None, &nobody, &ring, &without.peers, now, MINUTE).is_none());
    }
}
