//! [`DelegatingPicker`] and [`DelegatingGetter`].

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::change::{ChangeMark, ChangeStamp, ChangesSince};
use crate::error::PeerError;
use crate::getter::Loaded;
use crate::peers::{
    HandOverPart, MayAsk, PeerGetter, PeerPicker, PeersWatcher, TellAnswer, ZoneOwner,
};

/// A request that is about to go to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerRequest<'a> {
    /// The method of [`PeerGetter`].
    pub method: &'static str,
    /// The peer, by its [name](PeerGetter::name).
    pub peer: &'a str,
    /// The group.
    pub group: &'a str,
    /// How many keys it is about; 0 where it is about all.
    pub keys: usize,
}

type RequestLook = dyn Fn(&PeerRequest<'_>) -> Result<(), PeerError> + Send + Sync;

/// Peers as another picker has them, with a look at each request before it is sent.
///
/// All methods of both traits are passed on, so that nothing the transport can do is lost: a
/// wrapper that leaves one out gets its default, which knows less. A test of this crate keeps it
/// so. What the look has for an error is the answer, and nothing is sent; so requests of one kind
/// can fail.
///
/// ```
/// # #[cfg(not(feature = "http"))] fn main() {}
/// # #[cfg(feature = "http")] fn main() -> Result<(), geecache::Error> {
/// use geecache::testing::{Cluster, CountingGetter, DelegatingPicker};
/// use geecache::{Group, PeerError, PeerErrorKind};
///
/// let cluster =
///     Cluster::local(1, |_| Group::new("scores", 1 << 20, CountingGetter::new()))?;
/// let client = cluster.client()?;
/// let picker = DelegatingPicker::new(client.picker(), |request| match request.method {
///     "remove" => Err(PeerError::new(PeerErrorKind::TimedOut, request.peer, "the test says so")),
///     _ => Ok(()),
/// });
/// let group = Group::remote("scores");
/// group.register_peers(picker)?;
/// assert_eq!(group.get("Tom")?, "value of Tom");
/// assert!(!group.remove("Tom").is_complete());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DelegatingPicker {
    inner: Arc<dyn PeerPicker>,
    look: Arc<RequestLook>,
}

/// One peer of a [`DelegatingPicker`], or any other [`PeerGetter`] with a look at each request.
#[derive(Clone)]
pub struct DelegatingGetter {
    inner: Arc<dyn PeerGetter>,
    look: Arc<RequestLook>,
}

impl DelegatingPicker {
    /// The peers of `inner`; `look` sees each request to them.
    #[must_use]
    pub fn new(
        inner: Arc<dyn PeerPicker>,
        look: impl Fn(&PeerRequest<'_>) -> Result<(), PeerError> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, look: Arc::new(look) }
    }

    fn peer(&self, inner: Arc<dyn PeerGetter>) -> Arc<dyn PeerGetter> {
        Arc::new(DelegatingGetter { inner, look: Arc::clone(&self.look) })
    }
}

impl PeerPicker for DelegatingPicker {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.inner.pick_peer(key).map(|peer| self.peer(peer))
    }

    fn pick_peers(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        let picked = self.inner.pick_peers(keys).into_iter();
        picked.map(|peer| peer.map(|peer| self.peer(peer))).collect()
    }

    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        self.inner.pick_peer_that(key, may_ask).map(|peer| self.peer(peer))
    }

    fn picks_the_owner(&self, key: &str) -> bool {
        self.inner.picks_the_owner(key)
    }

    fn owns(&self, key: &str) -> bool {
        self.inner.owns(key)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.inner.peers().into_iter().map(|peer| self.peer(peer)).collect()
    }

    fn is_told(&self) -> bool {
        self.inner.is_told()
    }

    fn owners_in_other_zones(&self, key: &str) -> Vec<ZoneOwner> {
        let owners = self.inner.owners_in_other_zones(key).into_iter();
        let delegate = |ZoneOwner { peer, is_owner, previous }| ZoneOwner {
            peer: self.peer(peer),
            is_owner,
            previous: previous.map(|previous| self.peer(previous)),
        };
        owners.map(delegate).collect()
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.inner.previous_owner(key).map(|peer| self.peer(peer))
    }

    fn watch(&self, watcher: Weak<dyn PeersWatcher>) {
        self.inner.watch(watcher);
    }

    fn previous_owners(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.inner.previous_owners().into_iter().map(|peer| self.peer(peer)).collect()
    }

    fn is_owner(&self, key: &str, name: &str) -> bool {
        self.inner.is_owner(key, name)
    }

    fn warm_up(&self) -> Option<u64> {
        self.inner.warm_up()
    }
}

impl DelegatingGetter {
    /// The peer `inner`; `look` sees each request to it.
    #[must_use]
    pub fn new(
        inner: Arc<dyn PeerGetter>,
        look: impl Fn(&PeerRequest<'_>) -> Result<(), PeerError> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, look: Arc::new(look) }
    }

    fn look(&self, method: &'static str, group: &str, keys: usize) -> Result<(), PeerError> {
        (self.look)(&PeerRequest { method, peer: self.inner.name(), group, keys })
    }

    /// Whether the request may be sent; if not, `tell` has heard why.
    fn may_ask(
        &self,
        method: &'static str,
        group: &str,
        keys: usize,
        tell: &mut dyn FnMut(usize, Result<Loaded, PeerError>),
    ) -> bool {
        let looked = self.look(method, group, keys);
        if let Err(error) = &looked {
            (0..keys).for_each(|at| tell(at, Err(error.clone())));
        }
        looked.is_ok()
    }
}

impl PeerGetter for DelegatingGetter {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.look("get", group, 1)?;
        self.inner.get(group, key)
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        self.look("get_timeout", group, 1)?;
        self.inner.get_timeout(group, key, timeout)
    }

    fn get_many(&self, group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        if self.may_ask("get_many", group, keys.len(), tell) {
            self.inner.get_many(group, keys, tell);
        }
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
        tell: TellAnswer<'_>,
    ) {
        if self.may_ask("get_many_timeout", group, keys.len(), tell) {
            self.inner.get_many_timeout(group, keys, timeout, tell);
        }
    }

    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.look("peek", group, 1)?;
        self.inner.peek(group, key)
    }

    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        self.look("peek_many", group, keys.len())?;
        self.inner.peek_many(group, keys)
    }

    fn hand_over(
        &self,
        group: &str,
        session: u64,
        max_bytes: usize,
    ) -> Result<HandOverPart, PeerError> {
        self.look("hand_over", group, 0)?;
        self.inner.hand_over(group, session, max_bytes)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn has_left(&self) -> bool {
        self.inner.has_left()
    }

    fn remove(&self, group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        self.look("remove", group, keys.len())?;
        self.inner.remove(group, keys, stamp)
    }

    fn remove_tags(&self, group: &str, tags: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        self.look("remove_tags", group, 0)?;
        self.inner.remove_tags(group, tags, stamp)
    }

    fn clear(&self, group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        self.look("clear", group, 0)?;
        self.inner.clear(group, stamp)
    }

    fn insert(
        &self,
        group: &str,
        key: &str,
        value: &Loaded,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        self.look("insert", group, 1)?;
        self.inner.insert(group, key, value, stamp)
    }

    fn change_mark(&self, group: &str) -> Option<ChangeMark> {
        self.inner.change_mark(group)
    }

    fn changes_since(
        &self,
        group: &str,
        mark: Option<ChangeMark>,
    ) -> Result<ChangesSince, PeerError> {
        self.look("changes_since", group, 0)?;
        self.inner.changes_since(group, mark)
    }
}

impl fmt::Debug for DelegatingPicker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegatingPicker").finish_non_exhaustive()
    }
}

impl fmt::Debug for DelegatingGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegatingGetter").field("peer", &self.inner.name()).finish_non_exhaustive()
    }
}
