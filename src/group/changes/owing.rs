//! Who could not be told of a change, and who may be asked for values meanwhile.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::group::batch::is_same_peer;
use crate::group::changes::debts::{DebtCounters, DebtMark, Missed};
use crate::group::changes::owed::Everything;
use crate::group::changes::payer::{Debtor, Haste};
use crate::group::changes::report::{PeerDebt, RemoveOutcome};
use crate::group::changes::told::Told;
use crate::group::changes::{Change, Changes};
use crate::peers::{PeerGetter, PeerPicker, UNNAMED};

/// What could not be told so far.
impl Changes {
    /// Says who pays. Before that nobody does.
    pub(in crate::group) fn set_debtor(&self, debtor: Weak<dyn Debtor>) {
        self.payer.set_debtor(debtor);
    }

    /// Begins a change that is made here, and at all peers.
    pub(super) fn begin(&self, picker: &dyn PeerPicker) -> Told {
        let number = self.debts.begin_change();
        let listed = self.look(Some(number), picker, Instant::now());
        Told { listed, peers: Vec::new() }
    }

    /// Looks at the list of peers, after the beginning of the change `number` if there is one.
    pub(super) fn look(
        &self,
        number: Option<u64>,
        picker: &dyn PeerPicker,
        now: Instant,
    ) -> Vec<Arc<dyn PeerGetter>> {
        let listed = picker.peers();
        for peer in self.debts.look(&listed, number, &self.journal, now) {
            match self.recent.keys(now, |key| picker.is_owner(key, peer.name())) {
                Some(keys) if keys.is_empty() => {}
                Some(keys) => self.debts.owe_new(&peer, Missed::Keys(&keys), now),
                None => self.debts.owe_new(&peer, Missed::All(Everything::Unknown), now),
            }
        }
        listed
    }

    /// This process is told of a change that a peer makes, at it and at all others.
    pub(in crate::group) fn begin_told(&self, picker: &dyn PeerPicker) {
        self.begin(picker);
    }

    /// Looks who has left the list of peers, and who is back.
    pub(in crate::group) fn peers_changed(&self, picker: &dyn PeerPicker) {
        self.look(None, picker, Instant::now());
        if self.debts.next().is_some() {
            self.payer.call(Haste::Soon);
        }
    }

    /// Whether a peer may be asked for what it has: it was told of all that this process knows to
    /// be changed.
    pub(in crate::group) fn may_read(&self, peer: &Arc<dyn PeerGetter>) -> bool {
        let may_read = self.debts.may_read(peer, &self.journal);
        if !may_read {
            self.payer.call(Haste::Soon);
        }
        may_read
    }

    /// Waits until everything is paid, but not for longer than `timeout`. Who is still owed
    /// something.
    pub(in crate::group) fn settle(&self, timeout: Duration) -> Vec<PeerDebt> {
        self.payer.call(Haste::Now);
        self.debts.wait_until_paid(timeout);
        self.debts()
    }

    /// Tries once, now, to pay everything, but not for longer than `timeout`. Who is still owed
    /// something.
    pub(in crate::group) fn try_to_settle(&self, timeout: Duration) -> Vec<PeerDebt> {
        if !self.debts().is_empty() {
            self.payer.try_all(timeout);
        }
        self.debts()
    }

    /// Who is owed what.
    pub(in crate::group) fn debts(&self) -> Vec<PeerDebt> {
        self.debts.list(Instant::now())
    }

    pub(in crate::group) fn debt_counters(&self) -> &DebtCounters {
        &self.debts.counters
    }

    /// Makes a change at those who have come into the list of peers since it began, and then once
    /// more at the `others`, who may have asked them before; whether there were any. Those who come
    /// later are [owed](Recent) it.
    pub(super) fn tell_newcomers(
        &self,
        change: impl Fn() -> Change,
        mut others: Vec<Arc<dyn PeerGetter>>,
        told: &mut Told,
        picker: &dyn PeerPicker,
    ) -> bool {
        // Before the list is read: who comes into it later is seen to be new. One that was alone
        // has changed what nobody else had.
        if !told.listed.is_empty() {
            self.recent.note(&change().missed(), Instant::now());
        }
        let is_known = |peer: &_| told.listed.iter().any(|listed| is_same_peer(listed, peer));
        let peers = picker.peers().into_iter();
        let new: Vec<Arc<dyn PeerGetter>> =
            peers.filter(|peer| peer.name() != UNNAMED && !is_known(peer)).collect();
        if new.is_empty() {
            return false;
        }
        told.listed.extend(new.iter().cloned());
        others.extend(new.iter().filter(|_| new.len() > 1).cloned());
        for round in [new, others] {
            self.make_at(round.into_iter().map(|peer| (peer, change())).collect(), told);
        }
        true
    }

    /// What a peer is owed that a change replaces, if it makes that.
    pub(super) fn debt_before(
        &self,
        peer: &Arc<dyn PeerGetter>,
        change: &Change,
    ) -> Option<DebtMark> {
        matches!(change, Change::Insert(..)).then(|| self.debts.mark(peer)).flatten()
    }

    /// A peer has made a change. It was owed this `before`.
    pub(super) fn was_told(
        &self,
        peer: &Arc<dyn PeerGetter>,
        change: &Change,
        before: Option<DebtMark>,
    ) {
        if let (Change::Insert(key, _), Some(before)) = (change, before) {
            self.debts.waive(before, key);
        }
        if self.debts.is_up(peer, Instant::now()) {
            self.payer.call(Haste::Soon);
        }
    }

    /// A peer has not made a change, or may not have. Then it is owed, unless nobody could ever
    /// pay.
    pub(super) fn was_not_told(
        &self,
        peer: &Arc<dyn PeerGetter>,
        change: &Change,
        error: PeerError,
        told: &Told,
    ) -> RemoveOutcome {
        match error.kind() {
            PeerErrorKind::NotSupported => return RemoveOutcome::NotSupported,
            PeerErrorKind::Late => return RemoveOutcome::Late,
            _ => {}
        }
        if !told.listed.iter().any(|listed| is_same_peer(listed, peer)) {
            return RemoveOutcome::Failed(error);
        }
        self.debts.owe(peer, change.missed(), &error, Instant::now());
        self.payer.call(Haste::Usual);
        RemoveOutcome::Owed(error)
    }
}
