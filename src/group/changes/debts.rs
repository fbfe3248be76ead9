//! [`Debts`]: what the peers of a group could not be told, and who of them was away.

mod debt;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
pub(super) use crate::group::changes::debts::debt::Missed;
use crate::group::changes::debts::debt::{Debt, PeerId};
use crate::group::changes::journal::Journal;
use crate::group::changes::owed::{Everything, Portion, PortionOf};
use crate::group::changes::payer::Haste;
use crate::group::changes::report::PeerDebt;
use crate::group::changes::roster::{Absence, Roster};
use crate::peers::{PeerGetter, UNNAMED};
use crate::stats::Counter;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, lock};

/// What is owed to whom. Who owes to a peer does not read from it.
#[derive(Default)]
pub(super) struct Debts {
    ledger: Mutex<Ledger>,
    /// Told when a peer is owed nothing any more.
    paid: Condvar,
    /// Whether anybody is owed something, or away: if not, nothing of this costs a get anything.
    is_wary: AtomicBool,
    /// Changes made in this process, its own and those that it was told of.
    changes: AtomicU64,
    pub(super) counters: DebtCounters,
}

#[derive(Debug, Default)]
pub(in crate::group) struct DebtCounters {
    /// Keys that a peer could not be told, and those that it was told later. The whole group counts
    /// as one.
    pub(in crate::group) owed: Counter,
    pub(in crate::group) paid: Counter,
}

#[derive(Default)]
struct Ledger {
    debts: Vec<Debt>,
    roster: Roster,
    /// The number of the last debt.
    last: u64,
}

/// What to tell a peer now.
pub(super) struct Due {
    pub(super) debt: u64,
    pub(super) peer: Arc<dyn PeerGetter>,
    pub(super) portion: Portion,
}

/// A place in what one peer is owed.
#[derive(Debug, Clone, Copy)]
pub(super) struct DebtMark {
    debt: u64,
    last: u64,
}

/// A debt that is paid.
pub(super) struct PaidDebt {
    pub(super) lasted: Duration,
}

impl Debts {
    /// A change is about to be made in this process. To be told to [`look`](Self::look).
    pub(super) fn begin_change(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::SeqCst)
    }

    /// Looks at the list of peers, which was read after the beginning of the change `number`, if
    /// there is one. Who is back and has missed changes is owed these. Who has left is no longer
    /// owed what it was, but is not forgotten. The others are owed that now: they may have read
    /// from it. Who is there for the first time is the answer.
    pub(super) fn look(
        &self,
        peers: &[Arc<dyn PeerGetter>],
        number: Option<u64>,
        journal: &Journal,
        now: Instant,
    ) -> Vec<Arc<dyn PeerGetter>> {
        let ids: Vec<PeerId<&str>> = peers.iter().map(PeerId::of).collect();
        let has_left: Vec<bool> = peers.iter().map(|peer| peer.has_left()).collect();
        let after = number.map_or_else(|| self.changes.load(Ordering::SeqCst), |it| it + 1);
        let before = number.unwrap_or(after);
        let (mut gone, mut replaced, mut new) = (Vec::new(), Vec::new(), Vec::new());
        {
            let mut ledger = lock(&self.ledger);
            // Who has left is told while others may ask it. When it is back it may have memory of
            // before, from a file.
            let is_listed = |&at: &usize| ids[at].name != UNNAMED && !has_left[at];
            let named: Vec<usize> = (0..ids.len()).filter(is_listed).collect();
            let names: Vec<&str> = named.iter().map(|&at| ids[at].name).collect();
            let missed = ledger.roster.look(&names, (before, after), || journal.mark());
            for (at, absence) in missed {
                let (peer, id) = (&peers[named[at]], &ids[named[at]]);
                match absence {
                    Absence::New => new.push(Arc::clone(peer)),
                    _ => self.was_away(&mut ledger, (peer, id), (absence, journal), now),
                }
            }
            let Ledger { debts, roster, .. } = &mut *ledger;
            // Another thread may have seen it in the list, which it read later than this one.
            let is_listed = |debt: &Debt| {
                ids.iter().any(|id| debt.id.is(id)) || roster.is_listed(&debt.id.name)
            };
            let (kept, left): (_, Vec<Debt>) =
                std::mem::take(debts).into_iter().partition(is_listed);
            left.iter().for_each(|debt| roster.left_in_debt(&debt.id.name));
            ledger.debts = kept;
            for debt in &mut ledger.debts {
                // One that was away for a moment has a new handle. The old one is of one who left.
                let now = ids.iter().position(|id| debt.id.is(id) && debt.id.address != id.address);
                if let Some(now) = now {
                    debt.id.address = ids[now].address;
                    replaced.push(std::mem::replace(&mut debt.peer, Arc::clone(&peers[now])));
                }
            }
            gone.extend(left);
            for debt in gone.iter().filter(|debt| debt.owed.spreads) {
                let Some(portion) = debt.owed.whole() else { continue };
                for (peer, id) in peers.iter().zip(&ids) {
                    self.may_have_read(&mut ledger, (peer, id), (&portion, &debt.id.name), now);
                }
            }
            self.be_wary(&ledger);
        }
        // The handles of these are dropped here, outside of the lock.
        if !gone.is_empty() {
            self.paid.notify_all();
        }
        new
    }

    /// A peer is new in the list, and may have values of before a change that was made while it
    /// was not there. Others may have read them.
    pub(super) fn owe_new(&self, peer: &Arc<dyn PeerGetter>, missed: Missed<'_>, now: Instant) {
        let id = PeerId::of(peer);
        let mut ledger = lock(&self.ledger);
        let debt = ledger.debt_to(peer, &id, || was_not_listed(&id), now);
        debt.owed.spreads = true;
        self.counters.owed.add(debt.add(missed));
        self.be_wary(&ledger);
    }

    /// A peer could not be told of something.
    pub(super) fn owe(
        &self,
        peer: &Arc<dyn PeerGetter>,
        missed: Missed<'_>,
        error: &PeerError,
        now: Instant,
    ) {
        let id = PeerId::of(peer);
        let mut ledger = lock(&self.ledger);
        let debt = ledger.debt_to(peer, &id, || error.clone(), now);
        if debt.owed.is_empty() {
            // It was tried just now.
            debt.was_tried(now);
        }
        debt.owed.spreads = true;
        self.counters.owed.add(debt.add(missed));
        self.be_wary(&ledger);
    }

    /// A peer is to be told of more, if it is owed something already; whether it is.
    pub(super) fn add(&self, peer: &Arc<dyn PeerGetter>, missed: Missed<'_>) -> bool {
        let id = PeerId::of(peer);
        let mut ledger = lock(&self.ledger);
        let Some(debt) = ledger.debts.iter_mut().find(|debt| debt.id.is(&id)) else { return false };
        debt.owed.spreads = true;
        self.counters.owed.add(debt.add(missed));
        true
    }

    /// What a peer is owed now. Taken before a change gets its number, it tells what is older.
    pub(super) fn mark(&self, peer: &Arc<dyn PeerGetter>) -> Option<DebtMark> {
        if !self.is_wary.load(Ordering::SeqCst) {
            return None;
        }
        let id = PeerId::of(peer);
        let ledger = lock(&self.ledger);
        let debt = ledger.debts.iter().find(|debt| debt.id.is(&id))?;
        Some(DebtMark { debt: debt.number, last: debt.owed.last() })
    }

    /// A peer has a newer value of `key` than the one that it was to remove at the mark. What it
    /// is owed since then may be newer still.
    pub(super) fn waive(&self, mark: DebtMark, key: &str) {
        let gone = {
            let mut ledger = lock(&self.ledger);
            if let Some(debt) = ledger.debts.iter_mut().find(|debt| debt.number == mark.debt) {
                debt.owed.waive(key, mark.last);
            }
            let gone = ledger.take_paid();
            self.be_wary(&ledger);
            gone
        };
        if !gone.is_empty() {
            self.paid.notify_all();
        }
    }

    /// Whether a peer may be asked for values.
    pub(super) fn may_read(&self, peer: &Arc<dyn PeerGetter>, journal: &Journal) -> bool {
        if !self.is_wary.load(Ordering::SeqCst) {
            return true;
        }
        let (id, now, has_left) = (PeerId::of(peer), Instant::now(), peer.has_left());
        let changes = self.changes.load(Ordering::SeqCst);
        let mut ledger = lock(&self.ledger);
        if ledger.debts.iter().any(|debt| debt.id.is(&id)) {
            return false;
        }
        let is_met = id.name != UNNAMED && !has_left;
        let absence = is_met.then(|| ledger.roster.meet(id.name, changes)).flatten();
        let Some(absence) = absence else { return true };
        self.was_away(&mut ledger, (peer, &id), (absence, journal), now);
        self.be_wary(&ledger);
        !ledger.debts.iter().any(|debt| debt.id.is(&id))
    }

    /// A peer is back, and is owed what it has missed.
    fn was_away(
        &self,
        ledger: &mut Ledger,
        (peer, id): (&Arc<dyn PeerGetter>, &PeerId<&str>),
        (absence, journal): (Absence, &Journal),
        now: Instant,
    ) {
        let missed = match absence {
            Absence::Since(mark) => journal.all_since(mark),
            Absence::Unknown | Absence::New => None,
        };
        if missed.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let missed =
            missed.as_ref().map_or(Missed::All(Everything::Unknown), |it| Missed::Keys(it));
        let debt = ledger.debt_to(peer, id, || was_not_listed(id), now);
        self.counters.owed.add(debt.add(missed));
    }

    /// A peer may have read from one who was owed something and has left.
    fn may_have_read(
        &self,
        ledger: &mut Ledger,
        (peer, id): (&Arc<dyn PeerGetter>, &PeerId<&str>),
        (portion, left): (&PortionOf, &str),
        now: Instant,
    ) {
        let missed = match portion {
            // To empty all peers would do more harm than copies that end on their own.
            PortionOf::All(Everything::Unknown) => return,
            PortionOf::All(how) => Missed::All(*how),
            PortionOf::Keys(keys) => Missed::Shared(keys),
        };
        let error = || {
            let message = format!("it may have read from {left}, which could not be told");
            PeerError::new(PeerErrorKind::Unreachable, id.name, message)
        };
        let debt = ledger.debt_to(peer, id, error, now);
        debt.owed.spreads = true;
        self.counters.owed.add(debt.add(missed));
    }

    /// A peer has made a change just now. Whether it is owed something, which it may be told soon.
    pub(super) fn is_up(&self, peer: &Arc<dyn PeerGetter>, now: Instant) -> bool {
        if !self.is_wary.load(Ordering::SeqCst) {
            return false;
        }
        let id = PeerId::of(peer);
        let mut ledger = lock(&self.ledger);
        let debt = ledger.debts.iter_mut().find(|debt| debt.id.is(&id));
        debt.map(|debt| debt.hasten(now)).is_some()
    }

    /// What to tell whom now.
    pub(super) fn take_due(&self, haste: Haste, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for debt in &mut lock(&self.ledger).debts {
            if let Some(portion) = debt.owed.portion().filter(|_| debt.is_due(haste, now)) {
                due.push(Due { debt: debt.number, peer: Arc::clone(&debt.peer), portion });
            }
        }
        due
    }

    /// A peer was told, as far as it can be, and so was everybody who may have read from it. What
    /// is left is due. `told` counts as paid, before anybody sees that it is.
    pub(super) fn strike(
        &self,
        debt: u64,
        portion: &Portion,
        told: usize,
        now: Instant,
    ) -> Option<PaidDebt> {
        let paid = {
            let mut ledger = lock(&self.ledger);
            self.counters.paid.add(told);
            let debt = ledger.debts.iter_mut().find(|it| it.number == debt)?;
            debt.owed.strike(portion);
            debt.was_told(now);
            let paid = ledger.take_paid();
            self.be_wary(&ledger);
            paid
        };
        let paid = paid.first()?;
        self.paid.notify_all();
        Some(PaidDebt { lasted: now.saturating_duration_since(paid.since) })
    }

    /// A peer could not be told once more.
    pub(super) fn put_off(&self, debt: u64, error: PeerError, now: Instant) {
        let mut ledger = lock(&self.ledger);
        let Some(debt) = ledger.debts.iter_mut().find(|it| it.number == debt) else { return };
        debt.put_off(error, now);
    }

    /// When something is to be tried next.
    pub(super) fn next(&self) -> Option<Instant> {
        lock(&self.ledger).debts.iter().map(|debt| debt.next).min()
    }

    /// Who is owed how much.
    pub(super) fn list(&self, now: Instant) -> Vec<PeerDebt> {
        let ledger = lock(&self.ledger);
        let debts = ledger.debts.iter().map(|debt| PeerDebt {
            peer: debt.id.name.to_string(),
            keys: debt.owed.keys(),
            since: now.saturating_duration_since(debt.since),
            attempts: debt.attempts,
            error: debt.error.clone(),
        });
        debts.collect()
    }

    /// Waits until nobody is owed anything, but not for longer than `timeout`.
    pub(super) fn wait_until_paid(&self, timeout: Duration) {
        let ledger = lock(&self.ledger);
        let waits = |ledger: &mut Ledger| !ledger.debts.is_empty();
        let waited = self.paid.wait_timeout_while(ledger, timeout, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn be_wary(&self, ledger: &Ledger) {
        let is_wary = !ledger.debts.is_empty() || ledger.roster.has_away();
        self.is_wary.store(is_wary, Ordering::SeqCst);
    }
}

fn was_not_listed(id: &PeerId<&str>) -> PeerError {
    PeerError::new(PeerErrorKind::Unreachable, id.name, "it was not in the list of peers")
}

impl Ledger {
    /// What a peer is owed, maybe nothing yet.
    ///
    /// What one has missed while it was away need not be removed from others: these knew that
    /// before it was back, and did not ask it. But one who is owed something at the same time may
    /// not have known.
    fn debt_to(
        &mut self,
        peer: &Arc<dyn PeerGetter>,
        id: &PeerId<&str>,
        error: impl FnOnce() -> PeerError,
        now: Instant,
    ) -> &mut Debt {
        let at = self.debts.iter().position(|debt| debt.id.is(id)).unwrap_or_else(|| {
            self.last += 1;
            self.debts.push(Debt::new(self.last, peer, id, error(), now));
            if self.debts.len() > 1 {
                self.debts.iter_mut().for_each(|debt| debt.owed.spreads = true);
            }
            self.debts.len() - 1
        });
        &mut self.debts[at]
    }

    /// Takes out the debts that are paid.
    fn take_paid(&mut self) -> Vec<Debt> {
        let (paid, owed) =
            std::mem::take(&mut self.debts).into_iter().partition(|debt| debt.owed.is_empty());
        self.debts = owed;
        paid
    }
}
