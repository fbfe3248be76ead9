//! What a new owner of keys takes over from the previous ones before it loads.
//!
//! When the list of peers changes, keys move to owners that do not have them, while those who do are no longer asked. For a
//! while ([`PeerPicker::is_warming_up`](crate::PeerPicker::is_warming_up)) a new owner therefore looks into the memory of the
//! previous one. It does so in the local flight of the key: once for any number of callers, and a removal that arrives
//! meanwhile dooms what it comes back with, as it does with a load.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Group;
use super::batch::Led;
use super::load::{Local, same_peer};
use crate::getter::Loaded;
use crate::peers::PeerGetter;
use crate::singleflight::Leader;
use crate::sync::lock;

/// So many removed keys are remembered. After more of them, nothing is taken over until the warm-up ends.
const MOST_REMOVED: usize = 4096;

/// What was removed while keys move to new owners: the previous owner may be yet to learn of it, so it is not asked for that.
#[derive(Default)]
pub(super) struct RemovedLately {
    hasher: RandomState,
    removed: Mutex<Removed>,
}

#[derive(Default)]
struct Removed {
    /// Hashes of keys. Another key that shares one is loaded, rather than taken over.
    keys: HashSet<u64>,
    all: bool,
}

impl Group {
    /// What the previous owner has of a key that this process has come to own; `None` when there is nothing to have.
    pub(super) fn take_over(&self, key: &str, flight: &Leader<Local>) -> Option<Loaded> {
        let previous = self.previous_owner_to_ask(key)?;
        self.inner.counters.peeks.add_one();
        let asked = self.inner.lifetimes.now();
        match previous.peek(self.name(), key) {
            Ok(found) => Some(self.keep_taken(key, found?, asked, flight)),
            Err(error) => {
                log::debug!("peeking at {key:?} of group {:?}: {error}", self.name());
                None
            }
        }
    }

    /// As [`take_over`](Self::take_over), for keys whose flights a batch leads, with one question to each previous owner. Ends
    /// the flights of the keys that were found; the others come back in their order.
    pub(super) fn take_over_many(
        &self,
        led: Vec<Led<Local>>,
        answers: &mut Vec<(usize, Local)>,
    ) -> Vec<Led<Local>> {
        let mut rest = Vec::with_capacity(led.len());
        let mut questions = Vec::<(Arc<dyn PeerGetter>, Vec<Led<Local>>)>::new();
        for led in led {
            match self.previous_owner_to_ask(led.leader.key()) {
                None => rest.push(led),
                Some(previous) => {
                    match questions.iter_mut().find(|(peer, _)| same_peer(peer, &previous)) {
                        Some((_, theirs)) => theirs.push(led),
                        None => questions.push((previous, vec![led])),
                    }
                }
            }
        }
        for (previous, theirs) in questions {
            let keys: Vec<&str> = theirs.iter().map(|led| led.leader.key()).collect();
            self.inner.counters.peeks.add(keys.len());
            let asked = self.inner.lifetimes.now();
            let mut found = previous.peek_many(self.name(), &keys).unwrap_or_else(|error| {
                log::debug!("peeking at {} keys of group {:?}: {error}", keys.len(), self.name());
                Vec::new()
            });
            found.resize(keys.len(), None);
            for (led, found) in theirs.into_iter().zip(found) {
                match found {
                    Some(found) => {
                        let taken = self.keep_taken(led.leader.key(), found, asked, &led.leader);
                        answers.push(led.land(Ok(taken)));
                    }
                    None => rest.push(led),
                }
            }
        }
        rest.sort_by_key(|led| led.at);
        rest
    }

    /// The peer that may have what this process, the new owner of `key`, has not.
    fn previous_owner_to_ask(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let peers = self.peers();
        if !peers.is_warming_up() || !peers.owns(key) || self.was_removed_lately(key) {
            return None;
        }
        peers.previous_owner(key)
    }

    /// Remembers the removal of `key`, or of all keys, while keys move.
    pub(super) fn note_removal(&self, key: Option<&str>) {
        let lately = &self.inner.removed_lately;
        let hash = key.map(|key| lately.hasher.hash_one(key));
        let is_warming_up = self.peers().is_warming_up();
        let mut removed = lock(&lately.removed);
        match hash {
            _ if !is_warming_up => *removed = Removed::default(),
            Some(hash) if removed.keys.len() < MOST_REMOVED => {
                removed.keys.insert(hash);
            }
            _ => removed.all = true,
        }
    }

    fn was_removed_lately(&self, key: &str) -> bool {
        let lately = &self.inner.removed_lately;
        let hash = lately.hasher.hash_one(key);
        let removed = lock(&lately.removed);
        removed.all || removed.keys.contains(&hash)
    }

    /// Keeps what a previous owner, asked at the time `asked`, had of a key, as if it had been loaded here.
    fn keep_taken(&self, key: &str, found: Loaded, asked: u64, flight: &Leader<Local>) -> Loaded {
        self.inner.counters.peek_hits.add_one();
        let loaded = self.inner.lifetimes.aged(found, asked);
        self.populate(key, &loaded, Duration::ZERO, || !flight.is_doomed());
        loaded
    }
}
