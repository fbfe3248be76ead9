//! The seam to any transport: who owns a key ([`PeerPicker`]), and how to ask them
//! ([`PeerGetter`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;

/// Knows which peer owns a key.
///
/// # For those who implement it
///
/// Every process of a cluster should name the same owner for a key. Where they disagree for a
/// while, nothing breaks: a request from a peer is answered without asking a third one, at the
/// price of a second load.
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

    /// Whether [`pick_peer`](Self::pick_peer) names the owner of `key` now, and not a peer that
    /// answers for it while it is down. This only tells callers [where](crate::Origin) a value came
    /// from. Defaults to `true`.
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

    /// The peer that owned `key` before the list of peers changed last, unless that is this process
    /// or the present owner.
    ///
    /// A removal goes there first while this names somebody. Defaults to `None`.
    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let _ = key;
        None
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

    fn picks_the_owner(&self, key: &str) -> bool {
        (**self).picks_the_owner(key)
    }

    fn owns(&self, key: &str) -> bool {
        (**self).owns(key)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        (**self).peers()
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        (**self).previous_owner(key)
    }

    fn warm_up(&self) -> Option<u64> {
        (**self).warm_up()
    }
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

    /// What reports call this peer: for HTTP its URL. Two handles with one name are taken for one
    /// peer.
    ///
    /// Defaults to "a peer", which is taken for no name: such handles are one peer only if they are
    /// clones of one `Arc`.
    fn name(&self) -> &str {
        UNNAMED
    }

    /// Has the peer forget `keys`; its side calls [`PeerSide::remove`](crate::PeerSide::remove).
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer has not done it, or may not have.
    fn remove(&self, group: &str, keys: &[&str]) -> Result<(), PeerError> {
        let _ = (group, keys);
        Err(not_supported(self.name()))
    }

    /// Has the peer forget everything; its side calls [`PeerSide::clear`](crate::PeerSide::clear).
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer has not done it, or may not have.
    fn clear(&self, group: &str) -> Result<(), PeerError> {
        let _ = group;
        Err(not_supported(self.name()))
    }

    /// Has the peer keep a value; its side calls [`PeerSide::insert`](crate::PeerSide::insert). The
    /// answer is whether the value is there now: where it is too large, for example, the peer only
    /// forgets the older one.
    ///
    /// Defaults to an error of the kind `NotSupported`.
    ///
    /// # Errors
    ///
    /// Why the peer has not done it, or may not have.
    fn insert(&self, group: &str, key: &str, value: &Loaded) -> Result<bool, PeerError> {
        let _ = (group, key, value);
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
