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
//! * *A request that was given up arrives after newer changes.* A removal then costs a load. An
//!   insertion would bring an old value back. Therefore each step of a change has a number that
//!   grows, and an [owner refuses](order) an insertion that has a smaller number than a change of
//!   its key by the same process, or than what it remembers. What stays open: an insertion that
//!   failed and that nothing newer of its key has followed yet; an owner that was restarted, which
//!   knows no numbers; and one that 1,024 other processes have told of changes since, which has
//!   forgotten those of this one.
//! * *A process that only asks has a copy.* Therefore its peers tell it with their answers how many
//!   [changes](journal) they have made, and it asks which these were. It drops its copy with its
//!   next get that asks a peer.
//!
//! In short, a value can wander from the previous owner to the owner, and from there to copies; a
//! removal walks the same way.
//!
//! A peer may not be there when it is to be told:
//!
//! * *It is cut off, stopped, down, or its answer gets lost.* The removal is [owed](debts) to it,
//!   and this process reads nothing from it before that is paid. A get that picked it before looks
//!   once more when its flight can be doomed: either it sees the debt, or the removal dooms it.
//! * *It owns a key, and this process asks the next one in its place.* To others who remove the
//!   key that one is among the rest, and may be emptied after this process. Therefore what it
//!   answers is not kept as a copy.
//! * *Others can reach it*, and read the old value from it meanwhile. So what is paid to it is
//!   [removed once more](paying) from all others, and here, before it counts as paid: from those
//!   who are in the list when it is paid.
//! * *It stands in for an owner that is down*, or is the owner while the remover believes it to be
//!   down, and so is emptied with the rest. One of the rest may ask it just before that, when its
//!   own copy is gone already, and so may the one that was picked. Therefore all are emptied once
//!   more if anybody could not be told, or the picked peer is not the owner.
//! * *Another peer comes to own the key while the rest is emptied*, and has a copy. One that was
//!   emptied before may ask it, the owner until then among them. Therefore all are emptied once
//!   more, until the same peers are picked before and after that.
//! * *It was out of the list*, and nobody has told it. Every process that made a change or was told
//!   of one [remembers](roster) who was away then, and treats what that one has missed as a debt.
//! * *It comes into the list of this process later than into that of others*, and took the old
//!   value over from one of these before. Therefore one who is [new in the list](recent) is owed
//!   what it owns of the last changes.
//! * *It left the list, accepts no connection any more, and so was told.* It may be back soon, with
//!   what it has read from a file. Therefore who has left is away from then on, told or not.
//! * *It comes into the list while a removal goes on.* The removal looks for such peers at its end,
//!   and then tells the others once more: they may have asked it before.
//! * *It is back, and another peer is still to be told*, which does not know yet what the one that
//!   is back has missed, and reads from it. Therefore what one has missed is removed from all
//!   others, too, if more than one is owed something.
//! * *It leaves the list while it is owed something*, or before it is known that it was not told.
//!   Others may have read from it. Therefore all others are owed that now, and all that it has is
//!   removed from it when it is back.
//! * *A debt is paid while the key is removed once more*, and the payment was made before the newer
//!   removal. So what is owed once more meanwhile stays owed.
//! * *A newer value was inserted at the peer.* That waives the older removal, and none that is owed
//!   since the insertion began. A payment that is on its way at that moment costs a load, and no
//!   more.
//! * *A process leaves the list*, and nobody will tell it of anything. It drops what it owns when
//!   its previous keys were taken over, see `HttpPool::leave`.
//!
//! A restarted peer is told as well: it may have got its memory from a file.
//!
//! What stays open, and what bounds it:
//!
//! * *A process dies with debts.* What it owed, nobody tells. The owner's value ends with its ttl,
//!   copies with their `hot_ttl` or `fallback_ttl`. A pool that ends tries once more before.
//! * *A peer that is back in the list asks itself*, before the others have told
//!   it, which they do at once.
//! * *Others read from a peer before it is told.* The remover reports the debt, and is not settled.
//!   After the peer is back that lasts for the pause of a debt, 2 s at most, and the time of the
//!   requests.
//! * *A split into three parts, or peers that differ about who is up.* A value may go from one who
//!   was not told to a second, and from there to a third that was told twice. Those are copies:
//!   `hot_ttl` or `fallback_ttl`.
//! * *The owner of a key changes more than three times* while one removal of it goes on, or once
//!   while others remove what was paid: a copy.
//! * *Too many keys were owed, or the removal of a tag*, so that a peer is emptied and nobody knows
//!   which copies to remove elsewhere; or a process has started while another one was away, and
//!   reads from that before the others have told it. Copies as well.
//! * *Lists that differ.* A peer that is in the list of a reader, and not in that of the remover,
//!   is told when it comes into the latter, of what was changed in the 15 s before if it was
//!   [never there](recent). Until then it serves what it has: the ttl. A remover
//!   that has another list, as one that is out of it, takes another peer for the owner, and empties
//!   that first: a copy.
//! * *A process that does not know that it is out of all lists* serves to itself what it owns: the
//!   ttl. So does one that follows a source which has lost it: as a rule that is for a moment, in
//!   which it would lose all that it has. The others tell it what it has missed when it is back.
//!   *A process that only asks* is known to nobody: `hot_ttl` or `fallback_ttl`.
//!
//! `group/simulation` drives groups through random schedules of these, and through some of them
//! one by one.
//!
//! This part knows neither caches nor flights. What a change does in its own process it asks of a
//! [`ChangeHost`], and where it goes of a [`PeerPicker`].

mod answering;
mod debts;
mod inserting;
mod journal;
mod order;
mod owed;
mod owing;
mod payer;
mod paying;
mod recent;
mod report;
mod roster;
mod tags;
mod told;

use std::collections::HashSet;
use std::sync::Arc;

pub(super) use payer::{Debtor, Haste};
pub use report::{InsertReport, PeerDebt, PeerReport, RemoveOutcome, RemoveReport};

use crate::change::{ChangeStamp, LateChange};
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::is_same_peer;
use crate::group::changes::answering::Answering;
use crate::group::changes::journal::Journal;
use crate::group::changes::order::{Order, Standing};
use crate::group::telling::{Subject, Telling};
use crate::peers::{PeerGetter, PeerPicker};
use crate::random;
use crate::stats::Counter;
use crate::tag::Tag;
use crate::workers::Workers;
use debts::{Debts, Missed};
use owed::Everything;
use payer::Payer;
use recent::Recent;
use told::{Stamps, Told};

/// How many threads of one group carry its changes to peers, beside the callers' own.
const MAX_FAN_OUT: usize = 64;

/// Carries changes to all peers, and counts those that are made here.
pub(super) struct Changes {
    telling: Arc<Telling>,
    /// Threads that tell several peers at once. No get ever takes one of them.
    fan_out: Workers,
    stamps: Stamps,
    order: Order,
    /// The same of tags.
    tag_order: Order,
    /// What was changed in this process.
    pub(super) journal: Journal,
    debts: Debts,
    recent: Recent,
    payer: Payer,
    pub(super) counters: ChangeCounters,
}

/// Changes made by this process, and at peers' requests.
#[derive(Debug, Default)]
pub(super) struct ChangeCounters {
    pub(super) removes: Counter,
    pub(super) inserts: Counter,
    pub(super) clears: Counter,
    pub(super) tag_removes: Counter,
    /// Insertions that came too late.
    pub(super) late: Counter,
}

/// What a change does in this process.
pub(super) trait ChangeHost {
    /// Sees to it that nobody gets the value of `key` that there is.
    fn forget(&self, key: &str);

    /// As [`forget`](Self::forget), for all keys.
    fn forget_all(&self);

    /// The same for what has this tag.
    fn forget_tag(&self, tag: Tag);

    /// An insertion begins now: tags of the value that are removed later remove it.
    fn begin(&self, loaded: Loaded) -> Loaded;

    /// Keeps a value as if the getter had loaded it, but wherever it fits, if `is_newest` holds.
    /// Whether it is there now.
    fn keep_inserted(&self, key: &str, loaded: Loaded, is_newest: &dyn Fn() -> bool) -> bool;

    /// As [`keep_inserted`](Self::keep_inserted), in place of what there is of `key` unless that
    /// has the same version or a newer one. Then it stays, and the answer is `None`.
    fn keep_newer(
        &self,
        key: &str,
        loaded: Loaded,
        version: u64,
        is_newest: &dyn Fn() -> bool,
    ) -> Option<bool>;

    /// As [`keep_inserted`](Self::keep_inserted), but as if this process owned the key.
    fn keep_as_owner(&self, key: &str, loaded: Loaded) -> bool;
}

/// Something that a peer is to do.
enum Change {
    Remove(Vec<String>),
    RemoveTags(Vec<String>),
    Clear,
    Insert(String, Loaded),
}

impl Change {
    fn subject(&self) -> Subject {
        match self {
            Self::Remove(keys) => Subject::Keys(keys.first().cloned(), keys.len()),
            Self::RemoveTags(tags) => {
                Subject::Tags(tags.first().cloned().unwrap_or_default(), tags.len())
            }
            Self::Clear => Subject::Keys(None, 0),
            Self::Insert(key, _) => Subject::Keys(Some(key.clone()), 1),
        }
    }

    /// What a peer still has to do that could not be told of it.
    fn missed(&self) -> Missed<'_> {
        match self {
            Self::Remove(keys) => Missed::Keys(keys),
            Self::RemoveTags(_) => Missed::All(Everything::Unknown),
            Self::Clear => Missed::All(Everything::Cleared),
            Self::Insert(key, _) => Missed::Keys(std::slice::from_ref(key)),
        }
    }

    /// Makes it at a peer. Whether the peer has a new value now.
    fn make_at(
        &self,
        peer: &dyn PeerGetter,
        group: &str,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        match self {
            Self::Remove(keys) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                peer.remove(group, &keys, stamp).map(|()| false)
            }
            Self::RemoveTags(tags) => {
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                peer.remove_tags(group, &tags, stamp).map(|()| false)
            }
            Self::Clear => peer.clear(group, stamp).map(|()| false),
            Self::Insert(key, loaded) => peer.insert(group, key, loaded, stamp),
        }
    }
}

impl Changes {
    pub(super) fn new(telling: Arc<Telling>) -> Self {
        Self::with_threads(telling, MAX_FAN_OUT)
    }

    /// As [`new`](Self::new), but at most so many threads tell peers beside the caller's own.
    pub(super) fn with_threads(telling: Arc<Telling>, max_threads: usize) -> Self {
        let name = ("changes of", Arc::clone(&telling.group));
        Self {
            fan_out: Workers::new(name, max_threads, &telling.repeats),
            payer: Payer::new(&telling),
            telling,
            stamps: Stamps::of_a_new_origin(),
            order: Order::default(),
            tag_order: Order::default(),
            journal: Journal::new(random::number()),
            debts: Debts::default(),
            recent: Recent::default(),
            counters: ChangeCounters::default(),
        }
    }

    /// How many peers are being told of changes.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn unfinished(&self) -> usize {
        self.fan_out.unfinished()
    }

    /// Removes keys here, at their owners, and at all other peers, in the order of the module.
    pub(super) fn remove(
        &self,
        keys: &[&str],
        here: &impl ChangeHost,
        picker: &dyn PeerPicker,
    ) -> RemoveReport {
        let mut told = self.begin(picker);
        self.remove_here(keys, self.stamps.next(), here);
        let answering = Answering::of(keys, picker);
        let (previous, owners) = (answering.previous(picker), answering.peers());
        // Who owns keys removes these first, and everybody then removes the rest of them.
        let rest = told.listed.iter().filter_map(|peer| {
            let owned = owners.iter().find(|(owner, _)| is_same_peer(owner, peer));
            let owned: HashSet<&str> =
                owned.into_iter().flat_map(|(_, owned)| owned).map(String::as_str).collect();
            let rest = keys.iter().filter(|&&key| !owned.contains(key));
            let rest: Vec<String> = rest.map(|&key| key.to_owned()).collect();
            (!rest.is_empty()).then(|| (Arc::clone(peer), rest))
        });
        let (rest, listed): (Vec<_>, _) = (rest.collect(), told.listed.clone());
        let all = || keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
        let mut tell = |round: Vec<(Arc<dyn PeerGetter>, Vec<String>)>| {
            if !round.is_empty() {
                let round = round.into_iter().map(|(peer, keys)| (peer, Change::Remove(keys)));
                self.make_at(round.collect(), &mut told);
                self.forget(keys, here);
            }
            told.has_failed()
        };
        tell(previous);
        tell(owners);
        answering.tell_the_rest(picker, |again| match again {
            false => tell(rest.clone()),
            true => tell(listed.iter().map(|peer| (Arc::clone(peer), all())).collect()),
        });
        if self.tell_newcomers(|| Change::Remove(all()), listed, &mut told, picker) {
            self.forget(keys, here);
        }
        told.report()
    }

    /// Removes everything here and at all peers.
    pub(super) fn clear(&self, here: &impl ChangeHost, picker: &dyn PeerPicker) -> RemoveReport {
        let mut told = self.begin(picker);
        self.clear_here(self.stamps.next(), here);
        let peers = told.listed.clone();
        // Every peer owns some keys and owned others, so that none can be the first. After one
        // round no previous owner has old values, after two no owner has, and after three nobody
        // has copies.
        let rounds = if peers.is_empty() { 0 } else { 3 };
        for _ in 0..rounds {
            let changes = peers.iter().map(|peer| (Arc::clone(peer), Change::Clear)).collect();
            self.make_at(changes, &mut told);
            self.forget_all(here);
        }
        if self.tell_newcomers(|| Change::Clear, peers, &mut told, picker) {
            self.forget_all(here);
        }
        told.report()
    }

    /// Removes keys in this process alone.
    pub(super) fn remove_here(&self, keys: &[&str], stamp: ChangeStamp, here: &impl ChangeHost) {
        for key in keys {
            self.order.begin(key, stamp);
        }
        self.forget(keys, here);
        self.counters.removes.add(keys.len());
    }

    /// Removes everything in this process alone.
    pub(super) fn clear_here(&self, stamp: ChangeStamp, here: &impl ChangeHost) {
        self.order.begin_clear(stamp);
        self.forget_all(here);
        self.counters.clears.add_one();
    }

    /// Keeps a value in this process alone; whether it is there now.
    pub(super) fn insert_here(
        &self,
        key: &str,
        loaded: Loaded,
        stamp: ChangeStamp,
        here: &impl ChangeHost,
    ) -> Result<bool, LateChange> {
        let version = loaded.version_number();
        // Insertions with versions have an order of their own: who was first to make a stamp says
        // nothing of who has the newer version. They come after removals all the same.
        let standing = match version {
            Some(_) => self.order.standing(key, stamp),
            None => self.order.begin(key, stamp),
        };
        match standing {
            Standing::Newest => {}
            Standing::Superseded => return Err(self.late()),
            Standing::Unknown => {
                self.forget(&[key], here);
                return Err(self.late());
            }
        }
        let loaded = here.begin(loaded);
        if self.is_removed_later(loaded.tags(), stamp) {
            self.forget(&[key], here);
            return Err(self.late());
        }
        let is_newest = || match version {
            Some(_) => self.order.standing(key, stamp) == Standing::Newest,
            None => self.order.is_newest(key, stamp),
        };
        let is_kept = match version {
            Some(version) => here.keep_newer(key, loaded, version, &is_newest),
            None => {
                here.forget(key);
                Some(here.keep_inserted(key, loaded, &is_newest))
            }
        };
        let Some(is_kept) = is_kept else { return Err(self.late()) };
        self.counters.inserts.add_one();
        self.journal.note(&[key]);
        if is_kept || is_newest() { Ok(is_kept) } else { Err(self.late()) }
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
        let is_kept = here.keep_as_owner(key, here.begin(loaded));
        self.journal.note(&[key]);
        is_kept
    }

    /// The insertion of `key` came when its sender waited no longer. The key is removed: the sender
    /// may have told nobody else.
    pub(super) fn give_up_insert_here(
        &self,
        key: &str,
        stamp: ChangeStamp,
        here: &impl ChangeHost,
    ) -> LateChange {
        if self.order.begin(key, stamp) != Standing::Superseded {
            self.forget(&[key], here);
        }
        self.late()
    }

    fn late(&self) -> LateChange {
        self.counters.late.add_one();
        LateChange
    }

    /// What the journal has is gone from the caches: who reads a mark of it, and then a cache,
    /// finds nothing older.
    fn forget(&self, keys: &[&str], here: &impl ChangeHost) {
        keys.iter().for_each(|key| here.forget(key));
        self.journal.note(keys);
    }

    fn forget_all(&self, here: &impl ChangeHost) {
        here.forget_all();
        self.journal.note_all();
    }

    /// Makes changes at peers, in parallel, and notes what became of them. Those of the peers that
    /// have a new value now.
    ///
    /// A peer that did not answer in time before is not asked again: each round would take as long.
    fn make_at(
        &self,
        changes: Vec<(Arc<dyn PeerGetter>, Change)>,
        told: &mut Told,
    ) -> Vec<Arc<dyn PeerGetter>> {
        let changes = changes.into_iter().map(|(peer, change)| (peer, Arc::new(change)));
        let is_asked = |(peer, _): &(Arc<dyn PeerGetter>, _)| {
            !told.outcome(peer).is_some_and(RemoveOutcome::has_timed_out)
        };
        let changes: Vec<(Arc<dyn PeerGetter>, Arc<Change>)> = changes.filter(is_asked).collect();
        // Before the change has its number: what is owed later may be newer.
        let debts = changes.iter().map(|(peer, change)| self.debt_before(peer, change));
        let debts: Vec<_> = debts.collect();
        let (group, stamp) = (Arc::clone(&self.telling.group), self.stamps.next());
        let results = self
            .fan_out
            .map(changes.clone(), move |(peer, change)| change.make_at(&**peer, &group, stamp));
        let mut kept = Vec::new();
        for (((peer, change), before), result) in changes.into_iter().zip(debts).zip(results) {
            let result = result.unwrap_or_else(|| {
                let message = "the transport panicked";
                Err(PeerError::new(PeerErrorKind::Protocol, peer.name(), message))
            });
            if let Err(error) = result.as_ref() {
                self.telling.change_failed(error);
                let is_late = error.kind() == PeerErrorKind::Late;
                if !is_late && told.outcome(&peer).is_none_or(RemoveOutcome::is_done) {
                    self.telling.incomplete(change.subject(), error.clone());
                }
            }
            let outcome = match result {
                Ok(is_kept) => {
                    kept.extend(is_kept.then(|| Arc::clone(&peer)));
                    self.was_told(&peer, &change, before);
                    RemoveOutcome::Done
                }
                Err(error) => self.was_not_told(&peer, &change, error, told),
            };
            told.add(peer, outcome);
        }
        kept
    }
}

#[cfg(test)]
mod tests;
