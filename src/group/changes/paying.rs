//! How debts are paid: by the peers' order of removals, and once more by its last step.
//!
//! A peer that was not told may have given the old value to others meanwhile: to those who could
//! reach it while this process could not. So what is paid to one peer is removed once more from
//! all others, and here, before it counts as paid.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::change::ChangeStamp;
use crate::error::{PeerError, PeerErrorKind};
use crate::group::batch::is_same_peer;
use crate::group::changes::debts::Due;
use crate::group::changes::owed::{Everything, PortionOf};
use crate::group::changes::told::Told;
use crate::group::changes::{Change, ChangeHost, Changes, Haste};
use crate::peers::{PeerGetter, PeerPicker};

impl Changes {
    /// Pays what is due, each peer once. When the next payment is due, unless nothing is owed.
    pub(in crate::group) fn pay_due(
        &self,
        haste: Haste,
        here: &impl ChangeHost,
        picker: &dyn PeerPicker,
        now: &dyn Fn() -> Instant,
    ) -> Option<Instant> {
        self.look(None, picker, now());
        let due: Vec<Arc<Due>> =
            self.debts.take_due(haste, now()).into_iter().map(Arc::new).collect();
        let (group, stamp) = (Arc::clone(&self.telling.group), self.stamps.next());
        let results = self.fan_out.map(due.clone(), move |due| due.pay(&group, stamp));
        let (mut paid, mut told) = (Vec::new(), Vec::new());
        for (due, result) in due.into_iter().zip(results) {
            let result = result.unwrap_or_else(|| {
                let message = "the transport panicked";
                Err(PeerError::new(PeerErrorKind::Protocol, due.peer.name(), message))
            });
            match result {
                Err(error) if error.kind() != PeerErrorKind::NotSupported => {
                    self.debts.put_off(due.debt, error, now());
                }
                // What a peer can't do, or not all of it, nobody will ever pay.
                result => {
                    told.push(result.is_ok());
                    paid.push(due);
                }
            }
        }
        if !paid.is_empty() {
            // Who has come into the list meanwhile may have read from them before.
            self.spread(&paid, picker.peers(), here);
        }
        for (due, was_told) in paid.into_iter().zip(told) {
            let told = if was_told { due.count() } else { 0 };
            let paid = self.debts.strike(due.debt, &due.portion, told, now());
            if let Some(paid) = paid.filter(|_| was_told) {
                self.telling.debt_paid(due.peer.name(), paid.lasted);
            }
        }
        for debt in self.debts.list(now()) {
            self.telling.debt_remains(&debt.peer, &debt);
        }
        self.debts.next()
    }

    /// Removes what was paid from all who may have got it from those who were not told before.
    fn spread(&self, paid: &[Arc<Due>], peers: Vec<Arc<dyn PeerGetter>>, here: &impl ChangeHost) {
        let mut round = Vec::new();
        let mut told = Told { listed: peers.clone(), peers: Vec::new() };
        for peer in peers {
            let by_others = paid.iter().filter(|due| !is_same_peer(&due.peer, &peer));
            let Some(change) = to_spread(by_others) else { continue };
            let was_paid = paid.iter().any(|due| is_same_peer(&due.peer, &peer));
            // Who is owed something is known not to answer. It will be told with the rest.
            if was_paid || !self.debts.add(&peer, change.missed()) {
                round.push((peer, change));
            }
        }
        self.make_at(round, &mut told);
        match to_spread(paid.iter()) {
            Some(Change::Remove(keys)) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                self.forget(&keys, here);
            }
            Some(_) => self.forget_all(here),
            None => {}
        }
    }
}

/// The change that is to be made at others when all of these were paid.
///
/// Where nobody knows the keys it is none: to empty the whole cluster would do more harm than
/// copies that end on their own. Neither is it for what a peer has missed while it was away: nobody
/// who was told has read from it.
fn to_spread<'a>(paid: impl Iterator<Item = &'a Arc<Due>>) -> Option<Change> {
    let mut all = BTreeSet::new();
    for due in paid.filter(|due| due.portion.spreads) {
        match &due.portion.what {
            PortionOf::All(Everything::Cleared) => return Some(Change::Clear),
            PortionOf::All(Everything::Unknown) => {}
            PortionOf::Keys(keys) => all.extend(keys.iter().map(|key| &**key)),
        }
    }
    let keys: Vec<String> = all.into_iter().map(str::to_owned).collect();
    (!keys.is_empty()).then_some(Change::Remove(keys))
}

impl Due {
    fn pay(&self, group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        match &self.portion.what {
            PortionOf::All(_) => self.peer.clear(group, stamp),
            PortionOf::Keys(keys) => {
                let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
                self.peer.remove(group, &keys, stamp)
            }
        }
    }

    fn count(&self) -> usize {
        match &self.portion.what {
            PortionOf::All(_) => 1,
            PortionOf::Keys(keys) => keys.len(),
        }
    }
}
