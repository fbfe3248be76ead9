//! The seam to any transport: who owns a key ([`PeerPicker`]), and how to ask them
//! ([`PeerGetter`]).

mod handover;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

pub use handover::{HandOverEntry, HandOverPart, HandOverState};

use crate::change::{ChangeMark, ChangeStamp, ChangesSince};
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;

/// Says whether a peer may be asked for values now; see [`PeerPicker::pick_peer_that`].
pub type MayAsk<'a> = &'a dyn Fn(&Arc<dyn PeerGetter>) -> bool;

/// Knows which peer owns a key.
///
/// # For those who implement it
///
/// Every process of a cluster should name the same owner for a key. Where they disagree for a
/// while, nothing breaks: a request from a peer is answered without asking a third one, at the
/// price of a second load.
///
/// A picker that leaves a method out has its default, and does without something. So does a wrapper
/// that does not pass it on: `geecache::testing::DelegatingPicker` passes on all.
///
/// | left out | what is lost |
/// |---|---|
/// | `pick_peers` | a batch takes a lock for each key |
/// | `picks_the_owner` | [`Origin`](crate::Origin) calls stand-ins owners; copies outlive changes |
/// | `owns` | what is loaded while the owner is down stays here, as if it were ours |
/// | `peers` | removals and clears reach no other process |
/// | `is_told` | snapshots of a process that is nobody's peer may have what was removed |
/// | `owners_in_other_zones` | where keys have several owners, only one gets what is inserted |
/// | `previous_owner` | a removal does not reach who owned the key before; nothing is taken over |
/// | `warm_up` | new owners load what previous ones have in memory |
pub trait PeerPicker: Send + Sync + 'static {
    /// The peer to ask for `key`; `None` when this process should load it.
    ///
    /// A peer known to be down should not be named: another one, or this process, answers in its
    /// place. When a peer fails, the group counts that and asks `pick_peer` once more for the same
    /// key.
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>>;

    /// As [`pick_peer`](Self::pick_peer), for many keys; element *i* of the answer belongs to
    /// `keys[i]`.
    ///
    /// Defaults to one call after the other. Worth its own code where each of them takes a lock:
    /// threads that look up batches of keys would wait for each other.
    fn pick_peers(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        keys.iter().map(|key| self.pick_peer(key)).collect()
    }

    /// As [`pick_peer`](Self::pick_peer), but names a peer that `may_ask` accepts: the next one in
    /// place of one that it does not. This process must not ask a peer that it could not tell of a
    /// removal.
    ///
    /// Defaults to `pick_peer`, and nobody where that one may not be asked. `None` is that this
    /// process should load the key.
    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        self.pick_peer(key).filter(may_ask)
    }

    /// Whether [`pick_peer`](Self::pick_peer) names the owner of `key` now, and not a peer that
    /// answers for it while it is down. This tells callers [where](crate::Origin) a value came
    /// from. Where it is `false` a removal goes to all peers once more, as some may have asked the
    /// owner before that was told. Defaults to `true`.
    fn picks_the_owner(&self, key: &str) -> bool {
        let _ = key;
        true
    }

    /// Whether this process owns `key`, no matter who is down: what it loads is then kept in the
    /// main cache, and else only for a short time.
    ///
    /// Defaults to whether [`pick_peer`](Self::pick_peer) names nobody else.
    fn owns(&self, key: &str) -> bool {
        self.pick_peer(key).is_none()
    }

    /// All peers other than this process, up or down: all that may have a copy that a removal has
    /// to reach.
    ///
    /// Defaults to none: removals then stay in this process.
    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        Vec::new()
    }

    /// Whether peers tell this process of the changes that they make. Who only asks is nobody's
    /// peer, and is not told: [snapshots](crate::GroupBuilder::snapshot) of its groups may have
    /// what was removed before they were written, so no peer can confirm them.
    ///
    /// Defaults to true.
    fn is_told(&self) -> bool {
        true
    }

    /// The other owners of `key`, where the peers are in zones that have an owner each and do not
    /// ask each other: one entry for each zone but that of [`pick_peer`](Self::pick_peer). All of
    /// them are among the [`peers`](Self::peers).
    ///
    /// What is inserted goes to all owners, and what is removed goes first from all owners, and
    /// then from the rest. Defaults to none, which is one owner for each key.
    fn owners_in_other_zones(&self, key: &str) -> Vec<ZoneOwner> {
        let _ = key;
        Vec::new()
    }

    /// The peer that owned `key` before the list of peers changed last, unless that is this process
    /// or the present owner.
    ///
    /// A removal goes there first while this names somebody. Defaults to `None`.
    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let _ = key;
        None
    }

    /// Is given who is to be told when the answer of [`peers`](Self::peers) changes: each group
    /// that the picker is registered with. It should be held as it is, and called without a lock.
    ///
    /// A group that is told of changes knows at once which peer was away and is back, and has it
    /// emptied before others ask it. Defaults to nothing: the group then looks at `peers` when
    /// something is removed.
    fn watch(&self, watcher: Weak<dyn PeersWatcher>) {
        let _ = watcher;
    }

    /// The peers from which keys came to this process when the list of peers changed last, while
    /// [`warm_up`](Self::warm_up) lasts: a new owner has them
    /// [hand over](crate::Group::take_over_from) what they have.
    ///
    /// Defaults to none.
    fn previous_owners(&self) -> Vec<Arc<dyn PeerGetter>> {
        Vec::new()
    }

    /// Whether the peer [called](PeerGetter::name) `name` owns `key`, no matter who is down.
    ///
    /// Defaults to whether [`pick_peer`](Self::pick_peer) names that one.
    fn is_owner(&self, key: &str, name: &str) -> bool {
        self.pick_peer(key).is_some_and(|peer| peer.name() == name)
    }

    /// Says that the list of peers changed so lately that previous owners still have in memory what
    /// new owners lack: a new owner then asks the previous one [for it](PeerGetter::peek) before it
    /// runs its getter.
    ///
    /// The number stands for the time for which this lasts. It is the same for all of that time,
    /// also where the list changes again meanwhile, and a greater one the next time. Defaults to
    /// `None`, which is no such time.
    fn warm_up(&self) -> Option<u64> {
        None
    }
}

impl<P: PeerPicker + ?Sized> PeerPicker for Arc<P> {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        (**self).pick_peer(key)
    }

    fn pick_peers(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        (**self).pick_peers(keys)
    }

    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        (**self).pick_peer_that(key, may_ask)
    }

    fn picks_the_owner(&self, key: &str) -> bool {
        (**self).picks_the_owner(key)
    }

    fn owns(&self, key: &str) -> bool {
        (**self).owns(key)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        (**self).peers()
    }

    fn is_told(&self) -> bool {
        (**self).is_told()
    }

    fn owners_in_other_zones(&self, key: &str) -> Vec<ZoneOwner> {
        (**self).owners_in_other_zones(key)
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        (**self).previous_owner(key)
    }

    fn watch(&self, watcher: Weak<dyn PeersWatcher>) {
        (**self).watch(watcher);
    }

    fn previous_owners(&self) -> Vec<Arc<dyn PeerGetter>> {
        (**self).previous_owners()
    }

    fn is_owner(&self, key: &str, name: &str) -> bool {
        (**self).is_owner(key, name)
    }

    fn warm_up(&self) -> Option<u64> {
        (**self).warm_up()
    }
}

/// Who has a key in a zone that this process does not ask; from
/// [`PeerPicker::owners_in_other_zones`](crate::PeerPicker::owners_in_other_zones).
#[derive(Clone)]
pub struct ZoneOwner {
    /// Who is asked for the key there.
    pub peer: Arc<dyn PeerGetter>,
    /// Whether that one owns it, and does not stand in for an owner that is down.
    pub is_owner: bool,
    /// Who owned it there before the list of peers changed last, unless that is `peer` or this
    /// process.
    pub previous: Option<Arc<dyn PeerGetter>>,
}

impl fmt::Debug for ZoneOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let previous = self.previous.as_ref().map(|previous| previous.name());
        f.debug_struct("ZoneOwner")
            .field("peer", &self.peer.name())
            .field("is_owner", &self.is_owner)
            .field("previous", &previous)
            .finish()
    }
}

/// Is told when the peers of a picker change; see [`PeerPicker::watch`].
pub trait PeersWatcher: Send + Sync {
    /// [`PeerPicker::peers`] has another answer now.
    fn peers_changed(&self);
}

/// The name of a peer that has none.
pub(crate) const UNNAMED: &str = "a peer";

/// Is told what a peer says of a key, by the key's place among those that it was asked for.
///
/// It runs code of the group, and drops values: no lock should be held meanwhile.
pub type TellAnswer<'a> = &'a mut dyn FnMut(usize, Result<Loaded, PeerError>);

/// Asks one peer.
///
/// # For those who implement it
///
/// The other side answers with [`PeerSide::get`](crate::PeerSide::get), never with `Group::get`: a
/// request that came from a peer is not forwarded. Every call must end in bounded time.
///
/// Only `get` is required. What a transport, or a wrapper that does not pass it on, leaves out:
/// (`geecache::testing::DelegatingGetter` passes on all.)
///
/// | left out | what is lost |
/// |---|---|
/// | `name` | reports can't say who it is, and two handles of one peer are taken for two |
/// | `get_timeout` | callers with a time limit get their answer late |
/// | `get_many`, `get_many_timeout` | a batch is one request for each key |
/// | `peek`, `peek_many` | a new owner loads what this peer has in memory |
/// | `remove`, `clear` | the peer keeps old values; reports say that it could not be told |
/// | `insert` | a value that is inserted elsewhere does not come to its owner |
/// | `changes_since` | who was away can't ask what was removed meanwhile |
pub trait PeerGetter: Send + Sync + 'static {
    /// Gets the value of `key` in `group` from this peer. [`Loaded::absent`] is the peer's answer
    /// that the key does not exist, and so is an error of the kind `NotFound`.
    ///
    /// # Errors
    ///
    /// Why the peer gave no value.
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError>;

    /// As [`get`](Self::get), but gives up after `timeout`. The peer should learn how much time
    /// there is, so that it can say in time that it needs more.
    ///
    /// Defaults to `get`, which then returns late.
    ///
    /// # Errors
    ///
    /// One of the kind `TimedOut` after `timeout`, and those of `get`.
    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        let _ = timeout;
        self.get(group, key)
    }

    /// Gets the values of many keys: calls `tell` with the place of each key in `keys` and what the
    /// peer says of it. In any order, and as soon as it is known: other callers wait for some of
    /// these keys, and get what they wait for while the rest is still on its way.
    ///
    /// A place that is told twice counts once. A key that is not told of has no answer: the group
    /// may ask for it once more where the peer has answered others, and else goes on without this
    /// peer.
    ///
    /// Defaults to one `get` after the other, up to the first failure that is the peer's and not
    /// the key's.
    ///
    /// # Errors
    ///
    /// Per key, those of `get`.
    fn get_many(&self, group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        one_by_one(keys, tell, |key| self.get(group, key));
    }

    /// As [`get_many`](Self::get_many), but gives up after `timeout`, which is for all of the keys.
    ///
    /// Defaults to one `get_timeout` after the other, with what is left of the time. Override it
    /// together with `get_many`.
    ///
    /// # Errors
    ///
    /// Per key, those of `get_timeout`.
    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
        tell: TellAnswer<'_>,
    ) {
        let start = Instant::now();
        let left = || timeout.saturating_sub(start.elapsed());
        one_by_one(keys, tell, |key| self.get_timeout(group, key, left()));
    }

    /// Gets what the peer has of `key` in memory, if anything; its side calls
    /// [`PeerSide::peek`](crate::PeerSide::peek), which never loads. Should give up after a few
    /// milliseconds.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer did not say.
    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        let _ = (group, key);
        Err(not_supported(self.name()))
    }

    /// As [`peek`](Self::peek), for many keys; element *i* of the answer belongs to `keys[i]`.
    /// Should give up as early, and tell what it has by then.
    ///
    /// Defaults to one `peek` after the other, up to the first failure.
    ///
    /// # Errors
    ///
    /// Why the peer said nothing about any key.
    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            match self.peek(group, key) {
                Ok(peeked) => found.push(peeked),
                Err(error) if found.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        found.resize(keys.len(), None);
        Ok(found)
    }

    /// Has the peer hand over a part of what it has in memory and this process owns now; its side
    /// calls [`PeerSide::hand_over`](crate::PeerSide::hand_over), and is told by what name the
    /// peers know this process.
    ///
    /// All parts of one hand-over have the same `session`, a random number. `max_bytes` is for the
    /// keys and values of the part together.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer handed nothing over. What it would have, it may pass over when it is asked
    /// again.
    fn hand_over(
        &self,
        group: &str,
        session: u64,
        max_bytes: usize,
    ) -> Result<HandOverPart, PeerError> {
        let _ = (group, session, max_bytes);
        Err(not_supported(self.name()))
    }

    /// What reports call this peer: for HTTP its URL. Two handles with one name are taken for one
    /// peer.
    ///
    /// Defaults to "a peer", which is taken for no name: such handles are one peer only if they are
    /// clones of one `Arc`.
    fn name(&self) -> &str {
        UNNAMED
    }

    /// Whether the peer is no longer in the list. It is among the [`peers`](PeerPicker::peers) for
    /// a while yet, as new owners may ask it. What is changed from now on it is told once more when
    /// it is back: it may have memory of before, from a file, then.
    ///
    /// Defaults to `false`.
    fn has_left(&self) -> bool {
        false
    }

    /// Has the peer forget `keys`; its side calls [`PeerSide::remove`](crate::PeerSide::remove)
    /// with the same `stamp`.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer has not done it, or may not have.
    fn remove(&self, group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        let _ = (group, keys, stamp);
        Err(not_supported(self.name()))
    }

    /// Has the peer forget what has one of these [tags](Loaded::tag); its side calls
    /// [`PeerSide::remove_tags`](crate::PeerSide::remove_tags).
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer has not done it, or may not have.
    fn remove_tags(&self, group: &str, tags: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        let _ = (group, tags, stamp);
        Err(not_supported(self.name()))
    }

    /// Has the peer forget everything; its side calls [`PeerSide::clear`](crate::PeerSide::clear)
    /// with the same `stamp`.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer has not done it, or may not have.
    fn clear(&self, group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        let _ = (group, stamp);
        Err(not_supported(self.name()))
    }

    /// Has the peer keep a value; its side calls [`PeerSide::insert`](crate::PeerSide::insert) with
    /// the same `stamp`. The answer is whether the value is there now: where it is too large, for
    /// example, the peer only forgets the older one.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// One of the kind `Late` where its side refused it, and else why the peer has not done it, or
    /// may not have.
    fn insert(
        &self,
        group: &str,
        key: &str,
        value: &Loaded,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        let _ = (group, key, value, stamp);
        Err(not_supported(self.name()))
    }

    /// The newest [`ChangeMark`] of `group` that this peer has told beside an answer. Its side
    /// takes [the mark](crate::PeerSide::change_mark) before it answers a get. Here the mark must
    /// be known before the answer is.
    ///
    /// When it is newer than the one before, the group asks for the
    /// [changes](Self::changes_since) in between, and drops its copies of their keys. That is for
    /// processes that peers do not know, and so do not tell of changes. Such a peer needs a
    /// [name](Self::name).
    ///
    /// Defaults to `None`: the peer is not asked for its mark.
    fn change_mark(&self, group: &str) -> Option<ChangeMark> {
        let _ = group;
        None
    }

    /// Which keys were changed at this peer since `mark`; its side calls
    /// [`PeerSide::changes_since`](crate::PeerSide::changes_since). Should give up after a few
    /// hundred milliseconds.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer did not say.
    fn changes_since(
        &self,
        group: &str,
        mark: Option<ChangeMark>,
    ) -> Result<ChangesSince, PeerError> {
        let _ = (group, mark);
        Err(not_supported(self.name()))
    }
}

/// Asks for one key after the other, up to the first failure that is the peer's and not the key's.
fn one_by_one(
    keys: &[&str],
    tell: TellAnswer<'_>,
    get: impl Fn(&str) -> Result<Loaded, PeerError>,
) {
    for (at, key) in keys.iter().enumerate() {
        let answer = get(key);
        let is_of_the_key = answer.as_ref().err().is_none_or(|error| {
            matches!(error.kind(), PeerErrorKind::NotFound | PeerErrorKind::Load)
        });
        tell(at, answer);
        if !is_of_the_key {
            return;
        }
    }
}

fn not_supported(peer: &str) -> PeerError {
    PeerError::new(PeerErrorKind::NotSupported, peer, "its transport can not do that")
}

/// The picker of a program without peers: every key is its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

impl PeerPicker for NoPeers {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        None
    }
}
