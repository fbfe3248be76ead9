//! Many keys: what the steps of a load have in common.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::error::Error;
use crate::getter::Loaded;
use crate::peers::{PeerGetter, UNNAMED};

/// What a load of one key comes back with.
pub(super) type Answer = Result<Loaded, Error>;

/// Answers keys, of which some may be empty or occur more than once: with what `find` has, and with
/// what `load` says of the rest, each key once. `load` is also told how often these were asked for.
/// Returns how many were found, too.
pub(super) fn answer_many(
    keys: &[&str],
    hasher: impl BuildHasher,
    find: impl Fn(&str) -> Option<Loaded>,
    load: impl FnOnce(&[&str], usize, &mut [Option<Answer>]),
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
    let mut loaded = vec![None; missing.len()];
    if !missing.is_empty() {
        let asked = found.iter().filter(|found| found.is_err()).count();
        load(&missing, asked, &mut loaded);
    }
    let loaded: Vec<Answer> = all(loaded);
    if loaded.len() == keys.len() {
        return (loaded, hits); // Each key was missing, and was there once.
    }
    let found = found.into_iter();
    (found.map(|found| found.unwrap_or_else(|place| loaded[place].clone())).collect(), hits)
}

/// The answers to keys, when all of them are there.
pub(super) fn all(answers: Vec<Option<Answer>>) -> Vec<Answer> {
    let answers = answers.into_iter();
    answers.map(|answer| answer.expect("a load answers every key")).collect()
}

/// The keys at these places.
pub(super) fn keys_at<'k>(keys: &[&'k str], places: &[usize]) -> Vec<&'k str> {
    places.iter().map(|&at| keys[at]).collect()
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
    // A picker may make a handle for each call: then the names tell, if the peers have some.
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)) || a.name() == b.name() && a.name() != UNNAMED
}
