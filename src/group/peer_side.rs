//! [`PeerSide`]: what the peers of a process may ask of a group.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Asker, Meta};
use crate::change::{ChangeMark, ChangeStamp, ChangesSince, LateChange};
use crate::clock::Deadline;
use crate::error::Error;
use crate::getter::Loaded;
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::error::timed_out;
use crate::group::nesting::Chain;
use crate::group::parts::Parts;
use crate::origin::Origin;
use crate::peers::{HandOverEntry, HandOverPart};

/// What peers may ask of a [`Group`](crate::Group), for those who write a transport; from
/// [`Group::peer_side`](crate::Group::peer_side).
///
/// All of it is answered by this process alone. Nothing is passed on to a third peer: when two
/// lists of peers differ, requests that are passed on could go in circles.
#[derive(Clone, Copy)]
pub struct PeerSide<'a> {
    parts: &'a Arc<Parts>,
    chain: Option<Chain>,
}

impl<'a> PeerSide<'a> {
    pub(super) fn of(parts: &'a Arc<Parts>) -> Self {
        parts.owners.warn_without_picker();
        Self { parts, chain: None }
    }

    /// The same for a request that a getter makes, at a peer whose [`Chain::current`] is `chain`
    /// then. Its loads have threads of their own, as many again as
    /// [`max_loaders`](crate::GroupBuilder::max_loaders): all of these may wait for such requests.
    /// From the second request of a chain on, which the threads of the first ones may wait for, a
    /// load waits for no thread: where none is free it runs on the calling one, and takes its time.
    /// It never waits for a load of the same chain, which may wait for its answer: the key is
    /// loaded once more.
    #[must_use]
    pub fn nested(self, chain: Chain) -> Self {
        Self { chain: Some(chain), ..self }
    }

    /// Answers a peer that asks for `key`: from memory or by the getter. [`Loaded::absent`] is the
    /// answer that the key does not exist.
    ///
    /// # Errors
    ///
    /// Those of [`Group::get`](crate::Group::get), except `NotFound`.
    ///
    /// # Blocking
    ///
    /// As long as the getter takes.
    ///
    /// # Panics
    ///
    /// If the getter does.
    pub fn get(&self, key: &str) -> Result<Loaded, Error> {
        self.get_by(key, None)
    }

    /// As [`get`](Self::get), but waits no longer than `timeout`, as
    /// [`Group::get_timeout`](crate::Group::get_timeout) does. What the asking peer would not wait
    /// for is loaded all the same.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] or [`Error::Overloaded`] after `timeout`, and those of `get`.
    pub fn get_timeout(&self, key: &str, timeout: Duration) -> Result<Loaded, Error> {
        self.get_by(key, Some(timeout))
    }

    /// As [`get`](Self::get), for many keys: from memory, or by one call of the getter for all that
    /// is missing. Element *i* of the answer belongs to `keys[i]`.
    ///
    /// # Errors
    ///
    /// Per key, those of `get`. A getter that panics fails the keys it was called for with
    /// [`Error::Load`].
    pub fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, Error>> {
        self.get_many_by(keys, None)
    }

    /// As [`get_many`](Self::get_many), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_timeout`](Self::get_timeout).
    pub fn get_many_timeout(&self, keys: &[&str], timeout: Duration) -> Vec<Result<Loaded, Error>> {
        self.get_many_by(keys, Some(timeout))
    }

    /// As [`get_many`](Self::get_many), but answers only as many keys as have values of `max_bytes`
    /// together. `None` is no answer: the peer has to ask for that key again. The first value is
    /// among the answers however long it is, so that each call brings the peer further.
    ///
    /// What is not in memory is loaded in portions, and each of them by one call of the getter. The
    /// first is of 16 keys, or fewer where the group's last values were long. The next ones grow as
    /// the lengths of the values before them allow, so that they are likely to fit. What is left
    /// out was not loaded, unless values are far longer than those before.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_many`](Self::get_many).
    pub fn get_some(&self, keys: &[&str], max_bytes: usize) -> Vec<Option<Result<Loaded, Error>>> {
        self.get_some_by(keys, max_bytes, None)
    }

    /// As [`get_some`](Self::get_some), but waits no longer than `timeout`. After that only what is
    /// in memory is answered.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_timeout`](Self::get_timeout).
    pub fn get_some_timeout(
        &self,
        keys: &[&str],
        max_bytes: usize,
        timeout: Duration,
    ) -> Vec<Option<Result<Loaded, Error>>> {
        self.get_some_by(keys, max_bytes, Some(timeout))
    }

    /// As [`get_some`](Self::get_some), but answers from memory only. `None` where it would have to
    /// load, or where the value does not fit into what is left of `max_bytes`: the peer may ask by
    /// `get` then, and that request is the one that counts.
    #[must_use]
    pub fn held_some(&self, keys: &[&str], max_bytes: usize) -> Vec<Option<Loaded>> {
        let (mut left, mut found) = (max_bytes, vec![None; keys.len()]);
        self.parts.find_many(Asker::Peer, keys, &mut found);
        let held = keys.iter().zip(found).map(|(key, found)| {
            let found = found?.ok()?;
            left = left.checked_sub(found.value().map_or(0, |value| value.len()))?;
            self.count_hit(key, &found);
            Some(found)
        });
        held.collect()
    }

    /// Answers a peer that would like to have what is in memory of `key`, and nothing that is not.
    /// Counts as no request and no use of the value.
    ///
    /// Only what this process loaded as an owner is given away, and no copy of what another peer
    /// owns: a copy may be older than a removal that is under way.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Loaded> {
        self.parts.memory.peek_owned(key)
    }

    /// Hands a part of what is in memory to the peer called `new_owner`, as the picker
    /// [knows](crate::PeerPicker::is_owner) it: keys that it owns, hottest first, and no more than
    /// `max_bytes` of keys and values. All parts of one hand-over have the same `session`. After
    /// 10 s without a request a session begins from the start. Up to 8 go on at a time, and others
    /// are told to come [later](crate::HandOverState::NotYet).
    ///
    /// Only what this process loaded is handed over, as an owner or in place of one that was down.
    /// Values of more than `max_bytes` are left out. It counts as no use of them.
    #[must_use]
    pub fn hand_over(&self, new_owner: &str, session: u64, max_bytes: usize) -> HandOverPart {
        let (owners, memory) = (&self.parts.owners, &self.parts.memory);
        let is_theirs = |key: &str| owners.picker().is_owner(key, new_owner);
        let part = memory.give(session, max_bytes, is_theirs);
        let counters = owners.hand_over_counters();
        counters.handed_over.add(part.entries.len());
        counters.handed_over_bytes.add(part.entries.iter().map(HandOverEntry::bytes).sum());
        part
    }

    /// Removes keys here: what a peer's removal comes to.
    pub fn remove(&self, keys: &[&str], stamp: ChangeStamp) {
        self.begin_change();
        self.parts.changes.remove_here(keys, stamp, &**self.parts);
    }

    /// Removes what has one of these tags here: what a peer's removal of tags comes to.
    pub fn remove_tags(&self, tags: &[&str], stamp: ChangeStamp) {
        self.begin_change();
        self.parts.changes.remove_tags_here(tags, stamp, &**self.parts);
    }

    /// Empties the caches here: what a peer's clearing comes to.
    pub fn clear(&self, stamp: ChangeStamp) {
        self.begin_change();
        self.parts.changes.clear_here(stamp, &**self.parts);
    }

    /// Keeps a value here: what a peer's insertion comes to. Whether it is there now: not one that
    /// is too large, or that is not to be kept at all, and nothing under an empty key.
    ///
    /// # Errors
    ///
    /// [`LateChange`] if the `stamp` is older than that of another change of the key.
    pub fn insert(
        &self,
        key: &str,
        value: impl Into<Loaded>,
        stamp: ChangeStamp,
    ) -> Result<bool, LateChange> {
        if key.is_empty() {
            return Ok(false);
        }
        self.begin_change();
        self.parts.changes.insert_here(key, value.into(), stamp, &**self.parts)
    }

    /// Of an insertion that came when its sender waited no longer, as a transport may know: removes
    /// the key, unless a newer change of the sender was made here.
    ///
    /// What to answer: who sent it may still read that.
    pub fn refuse_insert(&self, key: &str, stamp: ChangeStamp) -> LateChange {
        self.parts.changes.give_up_insert_here(key, stamp, &**self.parts)
    }

    /// As [`insert`](Self::insert), but in the main cache whether or not this process owns the key.
    /// For a value that all peers are given at once, so that the next owner has it, too.
    pub fn insert_as_owner(&self, key: &str, value: impl Into<Loaded>) -> bool {
        if key.is_empty() {
            return false;
        }
        self.begin_change();
        self.parts.changes.insert_as_owner_here(key, value.into(), &**self.parts)
    }

    /// A peer changes something, at this process and at others.
    fn begin_change(&self) {
        self.parts.changes.begin_told(self.parts.owners.picker());
    }

    /// The place in the row of changes where this process is. A peer that is told a value
    /// learns by it whether it has heard of all changes: take the mark before the value.
    #[must_use]
    pub fn change_mark(&self) -> ChangeMark {
        self.parts.changes.journal.mark()
    }

    /// Which keys were changed here since `mark`: up to 1,000 of them at a time, and 512 KiB.
    /// `None` asks for a mark only.
    ///
    /// The last 65,536 changes are remembered, or fewer where their keys are long: 8 MiB. That
    /// begins with the first mark that is given away.
    #[must_use]
    pub fn changes_since(&self, mark: Option<ChangeMark>) -> ChangesSince {
        self.parts.changes.journal.since(mark)
    }

    fn get_by(&self, key: &str, timeout: Option<Duration>) -> Result<Loaded, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        if let Some(found) = self.in_memory(key, |seen| self.parts.refresh(key, seen)) {
            self.count_hit(key, &found);
            return Ok(found);
        }
        self.parts.note_get(key);
        self.parts.counters.served_misses.add_one();
        let call = Call::one(timeout.and_then(Deadline::after)).in_chain(self.chain);
        let mut answer = [None];
        self.load(&[key], &mut answer, call);
        let [answer] = answer;
        answer.expect("a load answers every key")
    }

    fn load(&self, keys: &[&str], answers: &mut [Option<Answer>], call: Call) {
        self.parts.load_softly(keys, answers, call, |keys, answers, call| {
            self.parts.load_here(keys, answers, call);
        });
    }

    fn count_hit(&self, key: &str, found: &Loaded) {
        self.parts.note_get(key);
        let counters = &self.parts.counters;
        match found.origin() {
            Origin::Copy => counters.served_copies.add_one(),
            _ => counters.served_hits.add_one(),
        }
    }

    fn in_memory(&self, key: &str, due: impl FnOnce(Meta)) -> Option<Loaded> {
        self.parts.memory.loaded_for(Asker::Peer, key, due)
    }

    fn get_many_by(&self, keys: &[&str], timeout: Option<Duration>) -> Vec<Result<Loaded, Error>> {
        let call = Call::many(timeout.and_then(Deadline::after)).in_chain(self.chain);
        let load = |missing: &[&str], answers: &mut [Option<Answer>]| {
            self.load(missing, answers, call);
        };
        let answers = self.answer_all(keys, load);
        self.count(keys.iter().copied().zip(&answers));
        answers
    }

    fn get_some_by(
        &self,
        keys: &[&str],
        max_bytes: usize,
        timeout: Option<Duration>,
    ) -> Vec<Option<Result<Loaded, Error>>> {
        let call = Call::many(timeout.and_then(Deadline::after)).in_chain(self.chain);
        // What is planned for half of the room fits into all of it, as a rule, where lengths vary.
        let (planned, mut taken) = (max_bytes / 2, 0_usize);
        let (mut is_first, mut portioning) = (true, self.parts.portions.begin());
        let mut all = Vec::with_capacity(keys.len());
        while all.len() < keys.len() && (taken < planned || is_first) {
            let rest = &keys[all.len()..];
            let portion = portioning.next(planned - taken).min(rest.len());
            let answers = self.answer_all(&rest[..portion], |missing, answers| {
                if all.is_empty() || !call.is_over() {
                    return self.load(missing, answers, call);
                }
                for (key, answer) in missing.iter().zip(answers) {
                    *answer = Some(Err(timed_out(&self.parts.name, key, call.deadline)));
                }
            });
            portioning.saw(&answers);
            all.extend(answers.into_iter().map(|answer| {
                if let Some(value) = answer.as_ref().ok().and_then(Loaded::value) {
                    let fits = value.len() <= max_bytes.saturating_sub(taken);
                    if !fits && !is_first {
                        return None;
                    }
                    taken = taken.saturating_add(value.len());
                    is_first = false;
                }
                Some(answer)
            }));
        }
        let answered =
            keys.iter().zip(&all).filter_map(|(&key, answer)| Some((key, answer.as_ref()?)));
        self.count(answered);
        all.resize(keys.len(), None);
        all
    }

    /// Answers keys from memory, and with what `load` says of the others.
    fn answer_all(
        &self,
        keys: &[&str],
        load: impl FnOnce(&[&str], &mut [Option<Answer>]),
    ) -> Vec<Answer> {
        let load = |missing: &[&str], _asked: usize, answers: &mut [Option<Answer>]| {
            load(missing, answers);
        };
        self.parts.answer_many(Asker::Peer, keys, load)
    }

    /// Counts keys that are answered. What is left out of an answer is asked for again, and is
    /// counted then.
    fn count<'k>(&self, answered: impl Iterator<Item = (&'k str, &'k Answer)>) {
        let (mut hits, mut copies, mut misses) = (0, 0, 0);
        for (key, answer) in answered.filter(|(key, _)| !key.is_empty()) {
            self.parts.note_get(key);
            match answer {
                Ok(loaded) if loaded.origin() == Origin::Copy => copies += 1,
                Ok(loaded) if loaded.origin().is_memory() => hits += 1,
                _ => misses += 1,
            }
        }
        let counters = &self.parts.counters;
        counters.served_hits.add(hits);
        counters.served_copies.add(copies);
        counters.served_misses.add(misses);
    }
}

impl fmt::Debug for PeerSide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSide").field("group", &self.parts.name).finish()
    }
}

#[cfg(test)]
mod tests;
