//! Many keys: what the steps of a load have in common.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::error::Error;
use crate::getter::Loaded;
use crate::peers::PeerGetter;
use crate::singleflight::Leader;

/// What a load of one key comes back with.
pub(super) type Answer = Result<Loaded, Error>;

/// Answers keys, of which some may be empty or occur more than once: with what `find` has, and with
/// what `load` says of the rest, each key once. Also tells how many were found.
pub(super) fn answer_many(
    keys: &[&str],
    hasher: impl BuildHasher,
    find: impl Fn(&str) -> Option<Loaded>,
    load: impl FnOnce(&[&str]) -> Vec<Answer>,
) -> (Vec<Answer>, usize) {
    let mut hits = 0;
    let mut missing = Vec::new();
    let mut places = HashMap::with_hasher(hasher);
    let found: Vec<Result<Answer, usize>> = keys
        .iter()
        .map(|&key| {
            if key.is_empty() {
                return Ok(Err(Error::EmptyKey));
            }
            if let Some(&place) = places.get(key) {
                return Err(place);
            }
            if let Some(loaded) = find(key) {
                hits += 1;
                return Ok(Ok(loaded));
            }
            if missing.is_empty() {
                // Where one is missing, most are: it is the key of a peer, or the cache is cold.
                missing.reserve(keys.len());
                places.reserve(keys.len());
            }
            places.insert(key, missing.len());
            missing.push(key);
            Err(missing.len() - 1)
        })
        .collect();
    let loaded = if missing.is_empty() { Vec::new() } else { load(&missing) };
    if loaded.len() == keys.len() {
        return (loaded, hits); // Each key was missing, and was there once.
    }
    let found = found.into_iter();
    (found.map(|found| found.unwrap_or_else(|place| loaded[place].clone())).collect(), hits)
}

/// The flight of a key that is led here.
pub(super) struct Led<T> {
    /// The key's place among those that were asked for.
    pub(super) at: usize,
    pub(super) leader: Leader<T>,
}

impl<T: Clone> Led<T> {
    pub(super) fn key(&self) -> &str {
        self.leader.key()
    }

    /// Ends the flight with `value`.
    pub(super) fn land(self, value: T) -> (usize, T) {
        self.leader.land(&value);
        (self.at, value)
    }
}

/// The keys whose flights these are.
pub(super) fn keys_of<T: Clone>(led: &[Led<T>]) -> Vec<&str> {
    led.iter().map(Led::key).collect()
}

/// The keys at the places `at`.
pub(super) fn keys_at<'k>(keys: &[&'k str], at: &[usize]) -> Vec<&'k str> {
    at.iter().map(|&at| keys[at]).collect()
}

/// Items by peers.
pub(super) type ByPeer<T> = Vec<(Arc<dyn PeerGetter>, Vec<T>)>;

/// Items, by the peer that each comes with, and those that come with none.
pub(super) fn by_peer<T>(
    items: impl IntoIterator<Item = (Option<Arc<dyn PeerGetter>>, T)>,
) -> (ByPeer<T>, Vec<T>) {
    let (mut by_peer, mut nobody) = (ByPeer::<T>::new(), Vec::new());
    for (peer, item) in items {
        let Some(peer) = peer else {
            nobody.push(item);
            continue;
        };
        match by_peer.iter_mut().find(|(known, _)| is_same_peer(known, &peer)) {
            Some((_, theirs)) => theirs.push(item),
            None => by_peer.push((peer, vec![item])),
        }
    }
    (by_peer, nobody)
}

/// Whether two handles lead to one peer.
pub(super) fn is_same_peer(a: &Arc<dyn PeerGetter>, b: &Arc<dyn PeerGetter>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}
