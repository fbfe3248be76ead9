//! Removal that holds: [`Group::remove`] and its kin, at every peer.
//!
//! What is removed must not come back by a load that began before the removal. These are the ways in which it could,
//! and what closes each:
//!
//! * *A getter that read the old value is still running*, here or at a peer. The removal dooms the flight of the key before it
//!   empties the caches, and a flight asks under the cache's lock whether it is doomed before it keeps its value. Either the
//!   value was kept before, and is emptied with the rest, or it sees its doom. A doomed flight can't be joined any more, so
//!   later callers load anew.
//! * *An old answer of the owner is still under way* to a peer that would keep a copy. That peer's forward flight is doomed in
//!   the same way when the removal arrives there.
//! * *A peer asks the owner after its own copy went, and before the owner's value does.* Therefore the owner is emptied
//!   first and the others afterwards; and this process, which was emptied before all of them, once more at the end.
//! * *A new owner asks the previous one for the value*, after its own went and before the previous owner's does. Therefore the
//!   previous owner, while there is one, is emptied before the owner, and with all others once more. It could meanwhile make a
//!   copy of what the owner still has, so copies are not handed to new owners.
//! * *This process is that new owner.* Therefore it empties itself once more as soon as the previous owner is empty, before the
//!   others are.
//! * *The remover has not seen the list change*, and does not know the previous owner. Therefore a new owner remembers what was
//!   removed during the hand-over, and does not ask for that.
//!
//! In short, a value can wander from the previous owner to the owner, and from there to copies; a removal walks the same way.
//!
//! What no removal can close: a peer that could not be reached keeps what it has, and so does a process that only asks, which
//! nobody knows. A peer whose list names another owner, or for which the owner is up while it is down for the remover, may fetch
//! from that one just before it is emptied. Copies end with their `hot_ttl` or `fallback_ttl`, the owner's value with its ttl;
//! the report names the peers that could not be reached.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Group;
use super::load::same_peer;
use crate::error::{Error, PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::peers::PeerGetter;

/// What became of a removal, or of another change, at each peer. This process itself is always done.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RemoveReport {
    /// One entry for every other peer, in no particular order.
    pub peers: Vec<PeerReport>,
}

impl RemoveReport {
    /// Whether every peer did it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.peers.iter().all(|report| report.outcome.is_done())
    }
}

/// What became of a change at one peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerReport {
    /// The peer's name: for HTTP peers, its URL.
    pub peer: String,
    /// What became of it.
    pub outcome: RemoveOutcome,
}

/// What became of a change at a peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RemoveOutcome {
    /// The peer has made the change.
    Done,
    /// The peer does not know how to, as the peers of GeeCache and groupcache: what it has stays.
    NotSupported,
    /// The peer did not answer, or answered that it could not.
    Failed(PeerError),
}

impl RemoveOutcome {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    fn is_late(&self) -> bool {
        matches!(self, Self::Failed(error) if error.kind() == PeerErrorKind::TimedOut)
    }
}

impl From<Result<(), PeerError>> for RemoveOutcome {
    fn from(result: Result<(), PeerError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) if error.kind() == PeerErrorKind::NotSupported => Self::NotSupported,
            Err(error) => Self::Failed(error),
        }
    }
}

/// Something that a peer is to do.
enum Change {
    Remove(Vec<String>),
    Clear,
    Insert(String, Loaded),
}

impl Change {
    fn make_at(&self, peer: &dyn PeerGetter, group: &str) -> Result<(), PeerError> {
        match self {
            Self::Remove(keys) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                peer.remove(group, &keys)
            }
            Self::Clear => peer.clear(group),
            Self::Insert(key, loaded) => peer.insert(group, key, loaded),
        }
    }
}

impl Group {
    /// Removes `key` here, then at its owner, then at all other peers: later gets, anywhere, load anew. Change the source of
    /// truth first.
    ///
    /// A load that began before the removal still gives its value to those who wait for it, but nobody keeps it. See the
    /// [report](RemoveReport) for peers that could not be reached. Processes that only ask, and serve nobody, are not told: their
    /// copies end with their [`hot_ttl`](crate::GroupBuilder::hot_ttl) or [`fallback_ttl`](crate::GroupBuilder::fallback_ttl).
    ///
    /// # Blocking
    ///
    /// Until every peer has answered or its transport's timeout has passed; the peers after the owner are asked in
    /// parallel. A peer may be asked up to three times: as the previous owner of some keys, as the owner of others, and as one
    /// of the rest; but not again once it was too late.
    pub fn remove(&self, key: &str) -> RemoveReport {
        self.remove_many(&[key])
    }

    /// As [`remove`](Self::remove), for many keys with few requests.
    pub fn remove_many(&self, keys: &[&str]) -> RemoveReport {
        let keys: Vec<&str> = keys.iter().copied().filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            return RemoveReport::default();
        }
        self.serve_remove(&keys);
        let previous = by_peer(&keys, |key| self.peers().previous_owner(key));
        let owners = by_peer(&keys, |key| self.peers().pick_peer(key));
        // Who owns keys removes these first, and everybody then removes the rest of them.
        let rest = self.peers().peers().into_iter().filter_map(|peer| {
            let owned = owners.iter().find(|(owner, _)| same_peer(owner, &peer));
            let owned: HashSet<&str> =
                owned.into_iter().flat_map(|(_, owned)| owned).map(String::as_str).collect();
            let rest = keys.iter().filter(|&&key| !owned.contains(key));
            let rest: Vec<String> = rest.map(|&key| key.to_owned()).collect();
            (!rest.is_empty()).then_some((peer, rest))
        });
        let rest: Vec<_> = rest.collect();
        let mut report = RemoveReport::default();
        for round in [previous, owners, rest].into_iter().filter(|round| !round.is_empty()) {
            let round = round.into_iter().map(|(peer, keys)| (peer, Change::Remove(keys)));
            self.change_at(round.collect(), &mut report);
            keys.iter().for_each(|key| self.forget(key));
        }
        report
    }

    /// Empties the group's caches here and, in three rounds of requests, at all peers. The cost here does not grow with the
    /// number of entries, but for the freeing of their memory.
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    pub fn clear(&self) -> RemoveReport {
        self.serve_clear();
        let mut report = RemoveReport::default();
        let peers = self.peers().peers();
        if peers.is_empty() {
            return report;
        }
        // Every peer owns some keys and owned others, so that none can be the first. After one round no previous owner has
        // old values, after two no owner has, and after three nobody has copies.
        for _ in 0..3 {
            let changes = peers.iter().map(|peer| (Arc::clone(peer), Change::Clear)).collect();
            self.change_at(changes, &mut report);
            self.forget_all();
        }
        report
    }

    /// Puts a value at the owner of `key` and removes the key everywhere else, for programs that write to the source of
    /// truth themselves: after it returns, a get answers from the owner's memory with what was inserted.
    ///
    /// The owner keeps the value as if its getter had loaded it, for its own [ttl](Loaded::ttl) or the group's. From an owner that
    /// does not take it, such as one too large, the key is removed, and the next get loads anew.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyKey`] when `key` is empty. What goes wrong at peers is in the report.
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    pub fn insert(&self, key: &str, value: impl Into<Loaded>) -> Result<RemoveReport, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        let loaded = value.into();
        let mut report = RemoveReport::default();
        let owner = self.peers().pick_peer(key);
        match owner {
            None => self.forget(key),
            Some(_) => self.serve_remove(&[key]),
        }
        if let Some(previous) = self.peers().previous_owner(key) {
            let remove = Change::Remove(vec![key.to_owned()]);
            self.change_at(vec![(previous, remove)], &mut report);
        }
        match &owner {
            None => self.serve_insert(key, loaded),
            Some(owner) => {
                let insert = Change::Insert(key.to_owned(), loaded);
                self.change_at(vec![(Arc::clone(owner), insert)], &mut report);
            }
        }
        // What an owner has that did not take the new value is out of date all the same.
        let inserted = owner.as_ref().filter(|owner| {
            let mut done = report.peers.iter().filter(|it| it.outcome.is_done());
            done.any(|it| it.peer == owner.name())
        });
        let others = self.peers().peers().into_iter();
        let others = others
            .filter(|peer| !inserted.is_some_and(|owner| same_peer(owner, peer)))
            .map(|peer| (peer, Change::Remove(vec![key.to_owned()])))
            .collect();
        self.change_at(others, &mut report);
        if owner.is_some() {
            self.forget(key);
        }
        Ok(report)
    }

    /// Removes keys here, and asks nobody.
    pub(super) fn serve_remove(&self, keys: &[&str]) {
        for key in keys {
            self.forget(key);
            self.inner.counters.removes.add_one();
        }
    }

    /// Empties the caches here, and asks nobody.
    pub(super) fn serve_clear(&self) {
        self.forget_all();
        self.inner.counters.clears.add_one();
    }

    /// Keeps a value here, and asks nobody.
    pub(super) fn serve_insert(&self, key: &str, value: Loaded) {
        if key.is_empty() {
            return;
        }
        self.inner.counters.inserts.add_one();
        self.forget(key);
        let loaded = self.inner.lifetimes.with_ttl(value);
        self.populate(key, &loaded, Duration::ZERO, || true);
    }

    /// Dooms the flights of `key`, then empties the caches of it. The order matters, see the module.
    ///
    /// Flights are doomed once more afterwards: one that began in between may have found the old value in a cache just before it
    /// was emptied, and nobody is to join that from now on.
    fn forget(&self, key: &str) {
        self.note_removal(Some(key));
        self.doom(key);
        self.inner.main.remove(key);
        self.inner.hot.remove(key);
        self.doom(key);
    }

    fn doom(&self, key: &str) {
        self.inner.forwards.doom(key);
        self.inner.locals.doom(key);
    }

    /// As [`forget`](Self::forget), for all keys.
    fn forget_all(&self) {
        self.note_removal(None);
        self.doom_all();
        self.inner.main.clear();
        self.inner.hot.clear();
        self.doom_all();
    }

    fn doom_all(&self) {
        self.inner.forwards.doom_all();
        self.inner.locals.doom_all();
    }

    /// Makes changes at peers, in parallel, and adds what became of them to the report.
    ///
    /// A peer that did not answer in time before is not asked again: each round would take as long.
    fn change_at(
        &self,
        mut changes: Vec<(Arc<dyn PeerGetter>, Change)>,
        report: &mut RemoveReport,
    ) {
        changes.retain(|(peer, _)| {
            let mut late = report.peers.iter().filter(|report| report.outcome.is_late());
            !late.any(|report| report.peer == peer.name())
        });
        #[expect(
            clippy::needless_collect,
            reason = "the peers move away before their names are used"
        )]
        let names: Vec<String> = changes.iter().map(|(peer, _)| peer.name().to_owned()).collect();
        let group = self.inner.name.clone();
        let results =
            self.inner.fan_out.map(changes, move |(peer, change)| change.make_at(&**peer, &group));
        for (peer, result) in names.into_iter().zip(results) {
            let result = result.unwrap_or_else(|| {
                Err(PeerError::new(PeerErrorKind::Protocol, &*peer, "the transport panicked"))
            });
            if let Err(error) = &result {
                // Beside peers that can't, every removal would warn of it.
                let level = match error.kind() {
                    PeerErrorKind::NotSupported => log::Level::Debug,
                    _ => log::Level::Warn,
                };
                log::log!(level, "changing group {:?}: {error}", self.inner.name);
            }
            let outcome = RemoveOutcome::from(result);
            match report.peers.iter_mut().find(|report| report.peer == peer) {
                Some(before) if before.outcome.is_done() => before.outcome = outcome,
                Some(_) => {}
                None => report.peers.push(PeerReport { peer, outcome }),
            }
        }
    }
}

/// Keys, by the peer that `peer_of` names for them.
fn by_peer(
    keys: &[&str],
    peer_of: impl Fn(&str) -> Option<Arc<dyn PeerGetter>>,
) -> Vec<(Arc<dyn PeerGetter>, Vec<String>)> {
    let mut by_peer = Vec::<(Arc<dyn PeerGetter>, Vec<String>)>::new();
    for &key in keys {
        let Some(peer) = peer_of(key) else { continue };
        match by_peer.iter_mut().find(|(known, _)| same_peer(known, &peer)) {
            Some((_, theirs)) => theirs.push(key.to_owned()),
            None => by_peer.push((peer, vec![key.to_owned()])),
        }
    }
    by_peer
}
