//! How a value that a program has goes to the owners of its key.

use std::sync::Arc;

use crate::change::LateChange;
use crate::getter::Loaded;
use crate::group::batch::is_same_peer;
use crate::group::changes::answering::Answering;
use crate::group::changes::{Change, ChangeHost, Changes, InsertReport, RemoveOutcome};
use crate::peers::{PeerGetter, PeerPicker};

impl Changes {
    /// Puts a value at the owner of `key`, at each of them where zones have their own, and removes
    /// the key everywhere else.
    ///
    /// To remove the key at the owners of other zones would do for values without a version. With
    /// versions it would not: the removal of who inserts an older one would take a newer one away.
    pub(in crate::group) fn insert(
        &self,
        key: &str,
        loaded: Loaded,
        here: &impl ChangeHost,
        picker: &dyn PeerPicker,
    ) -> InsertReport {
        let mut told = self.begin(picker);
        let remove = || Change::Remove(vec![key.to_owned()]);
        let answering = Answering::of(&[key], picker);
        let is_ours = answering.is_this_process();
        if !is_ours {
            self.remove_here(&[key], self.stamps.next(), here);
        } else if loaded.version_number().is_none() {
            // With a version, what is here may be newer.
            self.forget(&[key], here);
        }
        let previous = answering.previous(picker);
        if !previous.is_empty() {
            let changes = previous.into_iter().map(|(peer, _)| (peer, remove()));
            self.make_at(changes.collect(), &mut told);
        }
        let owners: Vec<_> = answering.peers().into_iter().map(|(peer, _)| peer).collect();
        let insert = || Change::Insert(key.to_owned(), loaded.clone());
        let inserts: Vec<_> = owners.iter().map(|it| (Arc::clone(it), insert())).collect();
        let (mut is_kept, mut is_late, mut is_empty_here) = (true, false, !is_ours);
        if is_ours {
            match self.insert_here(key, loaded, self.stamps.next(), here) {
                Ok(kept) => (is_kept, is_empty_here) = (kept, !kept),
                Err(LateChange) => (is_kept, is_late) = (false, true),
            }
        }
        let mut kept = Vec::new();
        if !owners.is_empty() {
            kept = self.make_at(inserts, &mut told);
            is_kept &= kept.len() == owners.len();
        }
        let outcome = |peer| told.outcome(peer);
        is_late |= owners.iter().any(|it| matches!(outcome(it), Some(RemoveOutcome::Late)));
        // What an owner has that did not take the new value is out of date all the same.
        let took_it = |peer| outcome(peer).is_some_and(RemoveOutcome::is_done);
        let has_it = |peer: &Arc<dyn PeerGetter>| {
            owners.iter().any(|owner| is_same_peer(owner, peer) && took_it(owner))
        };
        let others: Vec<_> = told.listed.iter().filter(|peer| !has_it(peer)).cloned().collect();
        // One that could not keep it is empty, and may ask others as these do.
        let is_empty = |peer: &&Arc<dyn PeerGetter>| {
            matches!(told.outcome(peer), Some(RemoveOutcome::Done))
                && !kept.iter().any(|it| is_same_peer(it, peer))
        };
        let empty: Vec<_> = owners.iter().filter(is_empty).cloned().collect();
        answering.tell_the_rest(picker, |again| {
            let empty = empty.iter().filter(|_| again);
            let changes = others.iter().chain(empty).map(|peer| (Arc::clone(peer), remove()));
            self.make_at(changes.collect(), &mut told);
            told.has_failed()
        });
        self.tell_newcomers(remove, others, &mut told, picker);
        if is_empty_here {
            self.forget(&[key], here);
        }
        InsertReport { is_kept, is_late, peers: told.report().peers }
    }
}
