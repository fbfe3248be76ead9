//! [`MemoryPeers`]: groups that ask each other by plain calls. A transport on nothing but the
//! public traits.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use geecache::consistenthash::Ring;
use geecache::{
    ChangeStamp, Error, Getter, Group, HandOverPart, HandOverState, Loaded, MayAsk, PeerError,
    PeerErrorKind, PeerGetter, PeerPicker, Stats, TellAnswer,
};

use super::{CountingGetter, Gate};

/// A cluster without a network: every peer has a group "memory" and a source of its own.
///
/// The groups and the peers hold each other, so they live until the test process ends.
pub(crate) struct MemoryPeers {
    nodes: Vec<Node>,
    view: View,
}

/// One process of the cluster, so to say.
pub(crate) struct Node {
    pub(crate) group: Group,
    pub(crate) getter: CountingGetter,
    /// The way by which the others reach it.
    pub(crate) link: Arc<Link>,
}

impl Node {
    pub(crate) fn stats(&self) -> Stats {
        self.group.stats()
    }
}

impl MemoryPeers {
    /// Peers "0", "1", … that agree about the owners and have sources that know all keys.
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, |_| CountingGetter::new())
    }

    /// As [`new`](Self::new), with sources of one's own.
    pub(crate) fn with(count: usize, source: impl Fn(usize) -> CountingGetter) -> Self {
        Self::built(count, source, |getter| Group::new("memory", 1 << 20, getter))
    }

    /// As [`with`](Self::with), with groups of one's own.
    pub(crate) fn built(
        count: usize,
        source: impl Fn(usize) -> CountingGetter,
        build: impl Fn(CountingGetter) -> Group,
    ) -> Self {
        Self::growing(count, count, source, build)
    }

    /// As [`built`](Self::built), but only the first `first` are in the list of peers, until the
    /// others [join](Self::join).
    pub(crate) fn growing(
        first: usize,
        count: usize,
        source: impl Fn(usize) -> CountingGetter,
        build: impl Fn(CountingGetter) -> Group,
    ) -> Self {
        let peers = Self::strangers(count, source, build);
        peers.view.list().ring = ring_of((0..first).map(|node| node.to_string()));
        for (i, node) in peers.nodes.iter().enumerate() {
            let links = peers.nodes.iter().map(|node| Arc::clone(&node.link));
            let picker = Picker::new(Some(&i.to_string()), links, peers.view.clone());
            node.group.register_peers(picker).unwrap();
        }
        peers
    }

    /// Adds a peer to the list; all learn of it at once, and warm up until
    /// [`warmed_up`](Self::warmed_up).
    pub(crate) fn join(&self, node: usize) {
        let mut list = self.view.list();
        list.previous = Some(list.ring.clone());
        list.ring.add(node.to_string());
    }

    /// Takes a peer out of the list; all but itself learn of it at once.
    pub(crate) fn drop_from_list(&self, node: usize) {
        self.view.list().ring.remove(&node.to_string());
    }

    /// A peer is there again that was gone: it takes those for previous owners that had its keys
    /// meanwhile.
    pub(crate) fn come_back(&self, node: usize) {
        let mut list = self.view.list();
        let mut without = list.ring.clone();
        without.remove(&node.to_string());
        list.previous = Some(without);
        drop(list);
        self.nodes[node].link.mend();
    }

    /// Ends the time in which new owners ask the previous ones.
    pub(crate) fn warmed_up(&self) {
        self.view.list().previous = None;
    }

    /// Two peers that each believe the other owns every key.
    pub(crate) fn that_disagree(source: impl Fn(usize) -> CountingGetter) -> Self {
        let peers = Self::strangers(2, source, |getter| Group::new("memory", 1 << 20, getter));
        for (node, other) in [(0, 1), (1, 0)] {
            let link = Arc::clone(&peers.nodes[other].link);
            let view = View::of([other.to_string()]);
            peers.nodes[node].group.register_peers(Picker::new(None, [link], view)).unwrap();
        }
        peers
    }

    /// Peers that have not been told about each other.
    fn strangers(
        count: usize,
        source: impl Fn(usize) -> CountingGetter,
        build: impl Fn(CountingGetter) -> Group,
    ) -> Self {
        let node = |i: usize| {
            let getter = source(i);
            let group = build(getter.clone());
            Node { link: Arc::new(Link::to(i.to_string(), group.clone())), group, getter }
        };
        let nodes: Vec<_> = (0..count).map(node).collect();
        Self { nodes, view: View::of((0..count).map(|node| node.to_string())) }
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// A key for which the peers answer in the order `order`.
    pub(crate) fn key_owned_by(&self, order: &[usize]) -> String {
        self.keys_owned_by(order, 1).remove(0)
    }

    /// `count` keys for which the peers answer in the order `order`.
    pub(crate) fn keys_owned_by(&self, order: &[usize], count: usize) -> Vec<String> {
        let owners: Vec<_> = order.iter().map(usize::to_string).collect();
        let ring = &self.view.list().ring;
        let fits = |key: &String| ring.owners(key).take(owners.len()).eq(owners.iter());
        (0..).map(|n| format!("key {n}")).filter(fits).take(count).collect()
    }

    /// Has a node take over from all previous owners what has come to be its own; how many entries
    /// it took.
    pub(crate) fn take_over(&self, node: usize) -> u64 {
        let taker = &self.nodes[node];
        let links = self.nodes.iter().map(|node| Arc::clone(&node.link));
        let picker = Picker::new(Some(&node.to_string()), links, self.view.clone());
        let take_from = |peer| {
            let mut taking = taker.group.take_over_from(peer);
            while taking.step(1 << 20).is_ok_and(|step| step.state == HandOverState::More) {}
            taking.entries()
        };
        picker.previous_owners().into_iter().map(take_from).sum()
    }

    /// A key that belongs to `before` now, and to `after` once that peer has joined.
    pub(crate) fn key_that_moves(&self, before: usize, after: usize) -> String {
        let now = self.view.list().ring.clone();
        let mut then = now.clone();
        then.add(after.to_string());
        let (before, after) = (before.to_string(), after.to_string());
        let moves = |key: &String| {
            now.get(key) == Some(before.as_str()) && then.get(key) == Some(after.as_str())
        };
        (0..10_000).map(|n| format!("key {n}")).find(moves).unwrap()
    }

    /// How often a getter was called, on all peers.
    pub(crate) fn calls(&self) -> usize {
        self.nodes.iter().map(|node| node.getter.calls()).sum()
    }
}

/// The way to one peer, which fails as it is told.
pub(crate) struct Link {
    name: String,
    group: Group,
    failures: Mutex<VecDeque<PeerErrorKind>>,
    broken: Mutex<Option<PeerErrorKind>>,
    known_to_be_down: Mutex<bool>,
    gate: OnceLock<Gate>,
    points: Mutex<Vec<(Point, Gate)>>,
    requests: AtomicUsize,
}

/// A point on the way of a request at which a gate can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The peer has answered a get, the asker does not know yet; so for the others.
    GetAnswered,
    PeekAnswered,
    HandOverAnswered,
    RemoveSent,
    RemoveAnswered,
    ClearSent,
    ClearAnswered,
    InsertSent,
}

impl Link {
    fn to(name: String, group: Group) -> Self {
        Self {
            name,
            group,
            failures: Mutex::default(),
            broken: Mutex::default(),
            known_to_be_down: Mutex::default(),
            gate: OnceLock::new(),
            points: Mutex::default(),
            requests: AtomicUsize::new(0),
        }
    }

    /// The next request fails; with several calls, as many requests do, in this order.
    pub(crate) fn fail_once(&self, kind: PeerErrorKind) {
        self.failures.lock().unwrap().push_back(kind);
    }

    /// All requests fail until [`mend`](Self::mend).
    pub(crate) fn break_with(&self, kind: PeerErrorKind) {
        *self.broken.lock().unwrap() = Some(kind);
    }

    /// As [`break_with`](Self::break_with), and from the first failure on the picker passes this
    /// peer over.
    pub(crate) fn take_down(&self) {
        self.break_with(PeerErrorKind::Unreachable);
    }

    pub(crate) fn mend(&self) {
        *self.broken.lock().unwrap() = None;
        *self.known_to_be_down.lock().unwrap() = false;
    }

    /// Requests pass `gate` before they reach the peer.
    pub(crate) fn hold_at(&self, gate: &Gate) {
        assert!(self.gate.set(gate.clone()).is_ok(), "there is a gate already");
    }

    /// Requests pass `gate` when they come to `point`.
    pub(crate) fn hold(&self, point: Point, gate: &Gate) {
        self.points.lock().unwrap().push((point, gate.clone()));
    }

    fn reach(&self, point: Point) {
        let points = self.points.lock().unwrap().clone();
        points.iter().filter(|(at, _)| *at == point).for_each(|(_, gate)| gate.pass());
    }

    /// How many requests were sent to this peer.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn on_the_way(&self) -> Result<(), PeerError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = self.gate.get() {
            gate.pass();
        }
        let once = self.failures.lock().unwrap().pop_front();
        let broken = *self.broken.lock().unwrap();
        if broken == Some(PeerErrorKind::Unreachable) {
            *self.known_to_be_down.lock().unwrap() = true;
        }
        match once.or(broken) {
            Some(kind) => Err(self.error(kind, "as the test wants it")),
            None => Ok(()),
        }
    }

    fn answer(&self, answer: Result<Loaded, Error>) -> Result<Loaded, PeerError> {
        answer.map_err(|error| {
            let kind = match error {
                Error::TimedOut { .. } => PeerErrorKind::TimedOut,
                _ => PeerErrorKind::Load,
            };
            self.error(kind, &error.to_string())
        })
    }

    fn error(&self, kind: PeerErrorKind, message: &str) -> PeerError {
        PeerError::new(kind, self.name.as_str(), message)
    }

    fn answer_many(
        &self,
        group: &str,
        keys: &[&str],
        tell: TellAnswer<'_>,
        serve: impl FnOnce() -> Vec<Result<Loaded, Error>>,
    ) {
        assert_eq!(group, self.group.name());
        if let Err(error) = self.on_the_way() {
            return (0..keys.len()).for_each(|at| tell(at, Err(error.clone())));
        }
        let answers: Vec<_> = serve().into_iter().map(|answer| self.answer(answer)).collect();
        self.reach(Point::GetAnswered);
        answers.into_iter().enumerate().for_each(|(at, answer)| tell(at, answer));
    }
}

impl PeerGetter for Link {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        assert_eq!(group, self.group.name());
        self.on_the_way()?;
        let answer = self.answer(self.group.peer_side().get(key));
        self.reach(Point::GetAnswered);
        answer
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        assert_eq!(group, self.group.name());
        self.on_the_way()?;
        let answer = self.answer(self.group.peer_side().get_timeout(key, timeout));
        self.reach(Point::GetAnswered);
        answer
    }

    fn get_many(&self, group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        self.answer_many(group, keys, tell, || self.group.peer_side().get_many(keys));
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
        tell: TellAnswer<'_>,
    ) {
        let side = self.group.peer_side();
        self.answer_many(group, keys, tell, || side.get_many_timeout(keys, timeout));
    }

    fn peek(&self, _group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.on_the_way()?;
        let answer = self.group.peer_side().peek(key);
        self.reach(Point::PeekAnswered);
        Ok(answer)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn remove(&self, _group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        self.reach(Point::RemoveSent);
        self.on_the_way()?;
        self.group.peer_side().remove(keys, stamp);
        self.reach(Point::RemoveAnswered);
        Ok(())
    }

    fn remove_tags(
        &self,
        _group: &str,
        tags: &[&str],
        stamp: ChangeStamp,
    ) -> Result<(), PeerError> {
        self.reach(Point::RemoveSent);
        self.on_the_way()?;
        self.group.peer_side().remove_tags(tags, stamp);
        self.reach(Point::RemoveAnswered);
        Ok(())
    }

    fn clear(&self, _group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        self.reach(Point::ClearSent);
        self.on_the_way()?;
        self.group.peer_side().clear(stamp);
        self.reach(Point::ClearAnswered);
        Ok(())
    }

    fn insert(
        &self,
        _group: &str,
        key: &str,
        value: &Loaded,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        self.reach(Point::InsertSent);
        self.on_the_way()?;
        let inserted = self.group.peer_side().insert(key, value.clone(), stamp);
        inserted.map_err(|late| PeerError::new(PeerErrorKind::Late, self.name(), late))
    }
}

/// The same way, for one peer that has a name.
struct NamedLink {
    link: Arc<Link>,
    asker: String,
}

impl PeerGetter for NamedLink {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.link.get(group, key)
    }

    fn hand_over(
        &self,
        _group: &str,
        session: u64,
        max_bytes: usize,
    ) -> Result<HandOverPart, PeerError> {
        self.link.on_the_way()?;
        let part = self.link.group.peer_side().hand_over(&self.asker, session, max_bytes);
        self.link.reach(Point::HandOverAnswered);
        Ok(part)
    }

    fn name(&self) -> &str {
        self.link.name()
    }
}

/// The list of peers, which those who share it always agree about.
#[derive(Clone)]
struct View(Arc<Mutex<List>>);

struct List {
    ring: Ring,
    /// Who owned what before the list changed, while the peers warm up.
    previous: Option<Ring>,
}

impl View {
    fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(Mutex::new(List { ring: ring_of(names), previous: None })))
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap()
    }
}

/// What one peer knows about the owners of keys.
struct Picker {
    me: Option<String>,
    view: View,
    links: BTreeMap<String, Arc<Link>>,
}

impl Picker {
    fn new(me: Option<&str>, links: impl IntoIterator<Item = Arc<Link>>, view: View) -> Self {
        let links = links.into_iter().map(|link| (link.name.clone(), link)).collect();
        Self { me: me.map(str::to_owned), view, links }
    }

    fn is_me(&self, name: &str) -> bool {
        self.me.as_deref() == Some(name)
    }

    fn link(&self, name: &str) -> Arc<dyn PeerGetter> {
        let link: Arc<Link> = Arc::clone(&self.links[name]);
        link
    }
}

impl PeerPicker for Picker {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let up =
            |name: &&str| self.is_me(name) || !*self.links[*name].known_to_be_down.lock().unwrap();
        let list = self.view.list();
        let name = list.ring.owners(key).find(up)?;
        (!self.is_me(name)).then(|| self.link(name))
    }

    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        let up =
            |name: &&str| self.is_me(name) || !*self.links[*name].known_to_be_down.lock().unwrap();
        let may_ask = |name: &&str| self.is_me(name) || may_ask(&self.link(name));
        let list = self.view.list();
        let name = list.ring.owners(key).filter(up).find(may_ask)?;
        (!self.is_me(name)).then(|| self.link(name))
    }

    fn owns(&self, key: &str) -> bool {
        self.view.list().ring.get(key).is_some_and(|owner| self.is_me(owner))
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        let list = self.view.list();
        let names = list.ring.shares().into_iter().map(|(name, _)| name);
        names.filter(|name| !self.is_me(name)).map(|name| self.link(name)).collect()
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let list = self.view.list();
        let previous = list.previous.as_ref()?.get(key)?;
        let elsewhere = !self.is_me(previous) && list.ring.get(key) != Some(previous);
        elsewhere.then(|| self.link(previous))
    }

    fn previous_owners(&self) -> Vec<Arc<dyn PeerGetter>> {
        let list = self.view.list();
        let names: Vec<&str> = list.previous.iter().flat_map(Ring::shares).map(|it| it.0).collect();
        let others = names.into_iter().filter(|name| !self.is_me(name));
        let named = |name: &str| {
            let (link, asker) =
                (Arc::clone(&self.links[name]), self.me.clone().unwrap_or_default());
            Arc::new(NamedLink { link, asker }) as Arc<dyn PeerGetter>
        };
        others.map(named).collect()
    }

    fn is_owner(&self, key: &str, name: &str) -> bool {
        self.view.list().ring.get(key) == Some(name)
    }

    fn warm_up(&self) -> Option<u64> {
        let list = self.view.list();
        list.previous.as_ref().map(|previous| previous.len() as u64)
    }
}

fn ring_of(names: impl IntoIterator<Item = String>) -> Ring {
    let mut ring = Ring::new(NonZeroUsize::new(50).unwrap());
    for name in names {
        ring.add(name);
    }
    ring
}

/// A picker that names peers in a fixed order, whatever the key, and remembers how often it was
/// asked.
pub(crate) struct FixedPicker {
    pub(crate) answers: Mutex<VecDeque<Arc<dyn PeerGetter>>>,
    pub(crate) asked: AtomicUsize,
}

impl FixedPicker {
    /// Names `answers` one after the other, and then nobody.
    pub(crate) fn new(answers: impl IntoIterator<Item = Arc<dyn PeerGetter>>) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl PeerPicker for FixedPicker {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop_front()
    }

    fn owns(&self, _key: &str) -> bool {
        false
    }
}

/// A way to a peer that only exists in a test: each request is answered by `answer`.
pub(crate) struct ScriptedPeer<F> {
    answer: F,
    requests: AtomicUsize,
}

impl<F> ScriptedPeer<F>
where
    F: Fn(&str) -> Result<Loaded, PeerErrorKind> + Send + Sync + 'static,
{
    pub(crate) fn new(answer: F) -> Arc<Self> {
        Arc::new(Self { answer, requests: AtomicUsize::new(0) })
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl<F> PeerGetter for ScriptedPeer<F>
where
    F: Fn(&str) -> Result<Loaded, PeerErrorKind> + Send + Sync + 'static,
{
    fn get(&self, _group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        (self.answer)(key).map_err(|kind| PeerError::new(kind, "scripted", "as the test wants it"))
    }
}

/// Any getter as the source of a group without peers.
pub(crate) fn alone(getter: impl Getter) -> Group {
    Group::new("alone", 1 << 20, getter)
}
