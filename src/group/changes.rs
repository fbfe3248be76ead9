//! [`Changes`]: removal that holds, at every peer, and what else is told to all of them.
//!
//! What is removed must not come back by a load that began before the removal. These are the ways
//! in which it could, and what closes each:
//!
//! * *A getter that read the old value is still running*, here or at a peer. The removal dooms the
//!   flight of the key before it empties the caches, and a flight asks under the cache's lock
//!   whether it is doomed before it keeps its value. Either the value was kept before, and is
//!   emptied with the rest, or it sees its doom. A doomed flight can't be joined any more, so later
//!   callers load again.
//! * *An old answer of the owner is still under way* to a peer that would keep a copy. That peer's
//!   forward flight is doomed in the same way when the removal arrives there.
//! * *A peer asks the owner after its own copy went, and before the owner's value does.* Therefore
//!   the owner is emptied first and the others afterwards; and this process, which was emptied
//!   before all of them, once more at the end.
//! * *A new owner asks the previous one for the value*, after its own went and before the previous
//!   owner's does. Therefore the previous owner, while there is one, is emptied before the owner,
//!   and with all others once more. It could meanwhile make a copy of what the owner still has, so
//!   copies are not handed to new owners.
//! * *This process is that new owner.* Therefore it empties itself once more as soon as the
//!   previous owner is empty, before the others are.
//! * *The remover has not seen the list change*, and does not know the previous owner. Therefore a
//!   new owner remembers what was removed during the hand-over, and does not ask for that.
//!
//! In short, a value can wander from the previous owner to the owner, and from there to copies; a
//! removal walks the same way.
//!
//! What no removal can close: a peer that could not be reached keeps what it has, and so does a
//! process that only asks, which nobody knows. A peer whose list names another owner, or for which
//! the owner is up while it is down for the remover, may fetch from that one just before it is
//! emptied. Copies end with their `hot_ttl` or `fallback_ttl`, the owner's value with its ttl; the
//! report names the peers that could not be reached.
//!
//! This part knows neither caches nor flights. What a change does in its own process it asks of a
//! [`ChangeHost`], and where it goes of a [`PeerPicker`].

mod report;

use std::collections::HashSet;
use std::sync::Arc;

pub use report::{InsertReport, PeerReport, RemoveOutcome, RemoveReport};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::{by_peer, is_same_peer};
use crate::group::telling::Telling;
use crate::peers::{PeerGetter, PeerPicker};
use crate::stats::Counter;
use crate::workers::Workers;

/// How many threads of one group carry its changes to peers, beside the callers' own.
const MAX_FAN_OUT: usize = 64;

/// Carries changes to all peers, and counts those that are made here.
pub(super) struct Changes {
    telling: Arc<Telling>,
    /// Threads that tell several peers at once. No get ever takes one of them.
    fan_out: Workers,
    pub(super) counters: ChangeCounters,
}

/// Changes made by this process, and at peers' requests.
#[derive(Debug, Default)]
pub(super) struct ChangeCounters {
    pub(super) removes: Counter,
    pub(super) inserts: Counter,
    pub(super) clears: Counter,
}

/// What a change does in this process.
pub(super) trait ChangeHost {
    /// Sees to it that nobody gets the value of `key` that there is.
    fn forget(&self, key: &str);

    /// As [`forget`](Self::forget), for all keys.
    fn forget_all(&self);

    /// Keeps a value as if the getter had loaded it, but wherever it fits. Whether it is there now.
    fn keep_inserted(&self, key: &str, loaded: Loaded) -> bool;

    /// As [`keep_inserted`](Self::keep_inserted), but as if this process owned the key.
    fn keep_as_owner(&self, key: &str, loaded: Loaded) -> bool;
}

/// Something that a peer is to do.
enum Change {
    Remove(Vec<String>),
    Clear,
    Insert(String, Loaded),
}

/// The first key of a change and the number of keys, or `None` and none for all keys.
type Subject = (Option<String>, usize);

impl Change {
    fn subject(&self) -> Subject {
        match self {
            Self::Remove(keys) => (keys.first().cloned(), keys.len()),
            Self::Clear => (None, 0),
            Self::Insert(key, _) => (Some(key.clone()), 1),
        }
    }

    /// Makes it at a peer. Whether the peer has a new value now.
    fn make_at(&self, peer: &dyn PeerGetter, group: &str) -> Result<bool, PeerError> {
        match self {
            Self::Remove(keys) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                peer.remove(group, &keys).map(|()| false)
            }
            Self::Clear => peer.clear(group).map(|()| false),
            Self::Insert(key, loaded) => peer.insert(group, key, loaded),
        }
    }
}

impl Changes {
    pub(super) fn new(telling: Arc<Telling>) -> Self {
        let name = format!("changes of {}", telling.group);
        Self {
            fan_out: Workers::new(name, MAX_FAN_OUT, &telling.repeats),
            telling,
            counters: ChangeCounters::default(),
        }
    }

    /// Removes keys here, at their owners, and at all other peers, in the order of the module.
    pub(super) fn remove(
        &self,
        keys: &[&str],
        here: &impl ChangeHost,
        picker: &dyn PeerPicker,
    ) -> RemoveReport {
        self.remove_here(keys, here);
        let by = |peer_of: &dyn Fn(&str) -> Option<Arc<dyn PeerGetter>>| {
            by_peer(keys.iter().map(|&key| (peer_of(key), key.to_owned()))).0
        };
        let previous = by(&|key| picker.previous_owner(key));
        let owners = by(&|key| picker.pick_peer(key));
        // Who owns keys removes these first, and everybody then removes the rest of them.
        let rest = picker.peers().into_iter().filter_map(|peer| {
            let owned = owners.iter().find(|(owner, _)| is_same_peer(owner, &peer));
            let owned: HashSet<&str> =
                owned.into_iter().flat_map(|(_, owned)| owned).map(String::as_str).collect();
            let rest = keys.iter().filter(|&&key| !owned.contains(key));
            let rest: Vec<String> = rest.map(|&key| key.to_owned()).collect();
            (!rest.is_empty()).then_some((peer, rest))
        });
        let rest: Vec<_> = rest.collect();
        let mut told = Told::default();
        for round in [previous, owners, rest].into_iter().filter(|round| !round.is_empty()) {
            let round = round.into_iter().map(|(peer, keys)| (peer, Change::Remove(keys)));
            self.make_at(round.collect(), &mut told);
            keys.iter().for_each(|key| here.forget(key));
        }
        told.report()
    }

    /// Removes everything here and at all peers.
    pub(super) fn clear(&self, here: &impl ChangeHost, picker: &dyn PeerPicker) -> RemoveReport {
        self.clear_here(here);
        let mut told = Told::default();
        let peers = picker.peers();
        if peers.is_empty() {
            return told.report();
        }
        // Every peer owns some keys and owned others, so that none can be the first. After one
        // round no previous owner has old values, after two no owner has, and after three nobody
        // has copies.
        for _ in 0..3 {
            let changes = peers.iter().map(|peer| (Arc::clone(peer), Change::Clear)).collect();
            self.make_at(changes, &mut told);
            here.forget_all();
        }
        told.report()
    }

    /// Puts a value at the owner of `key`, and removes the key everywhere else.
    pub(super) fn insert(
        &self,
        key: &str,
        loaded: Loaded,
        here: &impl ChangeHost,
        picker: &dyn PeerPicker,
    ) -> InsertReport {
        let mut told = Told::default();
        let remove = || Change::Remove(vec![key.to_owned()]);
        let owner = picker.pick_peer(key);
        match owner {
            None => here.forget(key),
            Some(_) => self.remove_here(&[key], here),
        }
        if let Some(previous) = picker.previous_owner(key) {
            self.make_at(vec![(previous, remove())], &mut told);
        }
        let is_kept = match &owner {
            None => self.insert_here(key, loaded, here),
            Some(owner) => {
                let insert = Change::Insert(key.to_owned(), loaded);
                self.make_at(vec![(Arc::clone(owner), insert)], &mut told)
            }
        };
        // What an owner has that did not take the new value is out of date all the same.
        let took_it =
            |owner: &&Arc<dyn PeerGetter>| told.outcome(owner).is_some_and(RemoveOutcome::is_done);
        let inserted = owner.as_ref().filter(took_it);
        let others = picker.peers().into_iter();
        let others = others
            .filter(|peer| !inserted.is_some_and(|owner| is_same_peer(owner, peer)))
            .map(|peer| (peer, remove()))
            .collect();
        self.make_at(others, &mut told);
        if owner.is_some() {
            here.forget(key);
        }
        InsertReport { is_kept, peers: told.report().peers }
    }

    /// Removes keys in this process alone.
    pub(super) fn remove_here(&self, keys: &[&str], here: &impl ChangeHost) {
        for key in keys {
            here.forget(key);
            self.counters.removes.add_one();
        }
    }

    /// Removes everything in this process alone.
    pub(super) fn clear_here(&self, here: &impl ChangeHost) {
        here.forget_all();
        self.counters.clears.add_one();
    }

    /// Keeps a value in this process alone; whether it is there now.
    pub(super) fn insert_here(&self, key: &str, loaded: Loaded, here: &impl ChangeHost) -> bool {
        self.counters.inserts.add_one();
        here.forget(key);
        here.keep_inserted(key, loaded)
    }

    /// The same for a value that every peer is given to keep.
    pub(super) fn insert_as_owner_here(
        &self,
        key: &str,
        loaded: Loaded,
        here: &impl ChangeHost,
    ) -> bool {
        self.counters.inserts.add_one();
        here.forget(key);
        here.keep_as_owner(key, loaded)
    }

    /// Makes changes at peers, in parallel, and notes what became of them. Whether one of the peers
    /// has a new value now.
    ///
    /// A peer that did not answer in time before is not asked again: each round would take as long.
    fn make_at(&self, mut changes: Vec<(Arc<dyn PeerGetter>, Change)>, told: &mut Told) -> bool {
        changes.retain(|(peer, _)| !told.outcome(peer).is_some_and(RemoveOutcome::is_late));
        let subject = |(peer, change): &(_, Change)| (Arc::clone(peer), change.subject());
        let peers: Vec<(Arc<dyn PeerGetter>, _)> = changes.iter().map(subject).collect();
        let group = Arc::clone(&self.telling.group);
        let results =
            self.fan_out.map(changes, move |(peer, change)| change.make_at(&**peer, &group));
        let mut is_kept = false;
        for ((peer, subject), result) in peers.into_iter().zip(results) {
            let result = result.unwrap_or_else(|| {
                let message = "the transport panicked";
                Err(PeerError::new(PeerErrorKind::Protocol, peer.name(), message))
            });
            if let Err(error) = &result {
                self.telling.change_failed(error);
                if told.outcome(&peer).is_none_or(RemoveOutcome::is_done) {
                    self.telling.incomplete(subject, error.clone());
                }
            }
            let outcome = RemoveOutcome::from(result.map(|kept| is_kept |= kept));
            told.add(peer, outcome);
        }
        is_kept
    }
}

/// The peers that were told of a change so far, and what became of it there.
#[derive(Default)]
struct Told {
    peers: Vec<(Arc<dyn PeerGetter>, RemoveOutcome)>,
}

impl Told {
    fn outcome(&self, peer: &Arc<dyn PeerGetter>) -> Option<&RemoveOutcome> {
        let mut known = self.peers.iter().filter(|(known, _)| is_same_peer(known, peer));
        known.next().map(|(_, outcome)| outcome)
    }

    /// Notes what became of one more change at a peer. What went wrong there once stays.
    fn add(&mut self, peer: Arc<dyn PeerGetter>, outcome: RemoveOutcome) {
        match self.peers.iter_mut().find(|(known, _)| is_same_peer(known, &peer)) {
            Some((_, before)) if before.is_done() => *before = outcome,
            Some(_) => {}
            None => self.peers.push((peer, outcome)),
        }
    }

    fn report(self) -> RemoveReport {
        let of_peer = |(peer, outcome): (Arc<dyn PeerGetter>, _)| PeerReport {
            peer: peer.name().to_owned(),
            outcome,
        };
        RemoveReport { peers: self.peers.into_iter().map(of_peer).collect() }
    }
}

#[cfg(test)]
mod tests;
