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
pub(super) fn answer_many(
    keys: &[&str],
    hasher: impl BuildHasher,
    find: impl FnOnce(&[&str], &mut [Option<Answer>]),
    load: impl FnOnce(&[&str], usize, &mut [Option<Answer>]),
) -> Vec<Answer> {
    if keys.contains(&"") {
        let named: Vec<&str> = keys.iter().copied().filter(|key| !key.is_empty()).collect();
        let mut answers = answer_many(&named, hasher, find, load).into_iter();
        let answer = |key: &&str| match *key {
            "" => Err(Error::EmptyKey),
            _ => answers.next().expect("each key with a name has an answer"),
        };
        return keys.iter().map(answer).collect();
    }
    let mut answers = vec![None; keys.len()];
    find(keys, &mut answers);
    let open: Vec<usize> = (0..keys.len()).filter(|&at| answers[at].is_none()).collect();
    if open.is_empty() {
        return all(answers);
    }
    let (missing, places) = each_once(open.iter().map(|&at| keys[at]), hasher);
    if missing.len() == keys.len() {
        load(&missing, open.len(), &mut answers);
        return all(answers);
    }
    let mut loaded = vec![None; missing.len()];
    load(&missing, open.len(), &mut loaded);
    for (at, place) in open.into_iter().zip(places) {
        answers[at] = loaded[place].clone();
    }
    all(answers)
}

/// Each of `keys` once, and the place there of each of them.
fn each_once<'k>(
    keys: impl ExactSizeIterator<Item = &'k str>,
    hasher: impl BuildHasher,
) -> (Vec<&'k str>, Vec<usize>) {
    let mut known = HashMap::with_capacity_and_hasher(keys.len(), hasher);
    let mut once = Vec::with_capacity(keys.len());
    let place = |key| {
        *known.entry(key).or_insert_with(|| {
            once.push(key);
            once.len() - 1
        })
    };
    let places = keys.map(place).collect();
    (once, places)
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
        // Most pickers have one handle for each peer.
        let is_it = |(known, _): &&mut (Arc<dyn PeerGetter>, _)| Arc::ptr_eq(known, &peer);
        match by_peer.iter_mut().find(is_it) {
            Some((_, theirs)) => theirs.push(item),
            None => add_to(&mut by_peer, (peer, vec![item])),
        }
    }
    (by_peer, nobody)
}

/// Adds items of a peer to those that are there.
pub(super) fn add_to<T>(all: &mut ByPeer<T>, (peer, mut items): (Arc<dyn PeerGetter>, Vec<T>)) {
    match all.iter_mut().find(|(known, _)| is_same_peer(known, &peer)) {
        Some((_, theirs)) => theirs.append(&mut items),
        None => all.push((peer, items)),
    }
}

/// Whether two handles lead to one peer.
pub(super) fn is_same_peer(a: &Arc<dyn PeerGetter>, b: &Arc<dyn PeerGetter>) -> bool {
    // A picker may make a handle for each call: then the names tell, if the peers have some.
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)) || a.name() == b.name() && a.name() != UNNAMED
}
