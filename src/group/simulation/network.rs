//! [`World`]: processes, the network between them, and what may be read of them.

mod chance;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use crate::error::{Error, PeerError, PeerErrorKind};
use crate::group::changes::{Changes, Haste};
use crate::group::{Group, HotCache, PeerSide};
use crate::peers::{PeerPicker, PeersWatcher};
use crate::sync::lock;

const NODES: usize = 4;
const KEYS: usize = 3;
/// How deep things happen while others wait.
const DEEPEST: usize = 3;
/// Of all values, in half of the schedules.
const TTL_MS: u64 = 60_000;
const HOT_TTL: Duration = Duration::from_secs(30);
const FALLBACK_TTL: Duration = Duration::from_secs(10);

/// What may go wrong beside the network. Where it does, a removed value may be read for so long
/// after it was settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) lists_change: Option<Duration>,
    pub(super) views_differ: Option<Duration>,
}

/// All there is.
pub(super) struct World {
    seed: u64,
    /// How many zones there are, each with an owner for each key.
    zones: usize,
    faults: Faults,
    has_ttl: bool,
    start: Instant,
    now_ms: Arc<AtomicU64>,
    random: AtomicU64,
    state: Mutex<State>,
    /// The source of truth: the version of each key.
    versions: Arc<Mutex<[u64; KEYS]>>,
    own: Weak<Self>,
    connect: Connect,
}

pub(super) type Meanwhile = Box<dyn FnOnce(&World) + Send>;

/// How a process finds and asks the others.
type Connect = fn(Weak<World>, usize) -> Arc<dyn PeerPicker>;

/// Who removes something, in which of its lives, and whether it is in the list then.
type Remover = (usize, u64, bool);

#[derive(Default)]
pub(super) struct State {
    groups: Vec<Group>,
    /// How often each process has started.
    lives: [u64; NODES],
    depth: usize,
    /// Requests from one to another do not arrive.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// One believes that another is down.
    pub(super) doubts: BTreeSet<(usize, usize)>,
    stopped: BTreeSet<usize>,
    /// Who is in the list, and who was before it changed last, while that is remembered.
    pub(super) listed: BTreeSet<usize>,
    pub(super) previous: Option<BTreeSet<usize>>,
    pub(super) warm_ups: u64,
    /// What each process has removed, but not settled.
    unsettled: BTreeMap<usize, Vec<(usize, u64)>>,
    /// The oldest versions of each key that may be read, and since when.
    floors: [Vec<(u64, u64)>; KEYS],
    /// When each version of each key came.
    history: [Vec<u64>; KEYS],
    /// What is to happen before a request arrives that takes this way.
    pub(super) meanwhile: Vec<((usize, usize), Meanwhile)>,
    /// What happened, for those who look for a fault.
    log: Vec<String>,
    failure: Option<String>,
}

impl World {
    /// Each process finds the others by what `connect` makes of the world and of its number.
    pub(super) fn new((seed, zones): (u64, usize), faults: Faults, connect: Connect) -> Arc<Self> {
        let world = Arc::new_cyclic(|own| Self {
            seed,
            zones,
            faults,
            has_ttl: seed % 2 == 0,
            start: Instant::now(),
            now_ms: Arc::new(AtomicU64::new(1)),
            random: AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            state: Mutex::default(),
            versions: Arc::default(),
            own: Weak::clone(own),
            connect,
        });
        let groups = (0..NODES).map(|node| world.start(node)).collect();
        {
            let mut state = world.state();
            state.groups = groups;
            state.listed = (0..NODES).collect();
            state.history = std::array::from_fn(|_| vec![0]);
        }
        world.tell_of_list();
        world
    }

    /// A process that has just started.
    fn start(&self, node: usize) -> Group {
        let (versions, now_ms) = (Arc::clone(&self.versions), Arc::clone(&self.now_ms));
        let getter = move |key: &str| {
            let key: usize = key.parse().expect("keys are numbers");
            Ok::<_, std::convert::Infallible>(lock(&versions)[key].to_string())
        };
        let builder = Group::builder("simulated", 1 << 16, getter)
            .shards(NonZeroUsize::MIN)
            .hot_cache(HotCache::Always)
            .hot_ttl(HOT_TTL)
            .fallback_ttl(FALLBACK_TTL)
            .hot_keys(0)
            .clock(move || Duration::from_millis(now_ms.load(Ordering::SeqCst)));
        let builder =
            if self.has_ttl { builder.ttl(Duration::from_millis(TTL_MS)) } else { builder };
        let group = builder.build_with(|telling| Changes::with_threads(telling, 0));
        let picker = (self.connect)(Weak::clone(&self.own), node);
        group.register_shared_peers(picker).expect("it has none");
        group
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn below(&self, most: usize) -> usize {
        let number = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    pub(super) fn zones(&self) -> usize {
        self.zones
    }

    pub(super) fn zone_of(&self, node: usize) -> usize {
        node % self.zones
    }

    fn one_in(&self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn now(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now())
    }

    fn log(&self, text: impl FnOnce() -> String) {
        let (now, text) = (self.now(), text());
        let mut state = self.state();
        let depth = state.depth;
        state.log.push(format!("{now:>7} {}{text}", "  ".repeat(depth)));
    }

    pub(super) fn group(&self, node: usize) -> Group {
        self.state().groups[node].clone()
    }

    /// Maybe other things happen, while something is on its way.
    fn disturb(&self) {
        let may = self.state().depth < DEEPEST;
        if may && self.one_in(4) {
            self.state().depth += 1;
            self.step();
            self.state().depth -= 1;
        }
    }

    pub(super) fn get(&self, node: usize, key: usize) {
        let floor = self.floor(node, key);
        let got = self.group(node).get(&key.to_string());
        self.log(|| format!("{node} gets {key}: {got:?}"));
        if let Ok(value) = got {
            let version: u64 = value.as_str().expect("a text").parse().expect("a number");
            if version < floor {
                self.fail(&format!("{node} got {version} of {key}, which is older than {floor}"));
            }
        }
    }

    /// Gets what the source has, and nothing older.
    pub(super) fn expect_newest(&self, node: usize, key: usize) {
        let newest = lock(&self.versions)[key].to_string();
        let got = self.group(node).get(&key.to_string());
        self.log(|| format!("{node} gets {key}: {got:?}"));
        if !got.as_ref().is_ok_and(|value| *value == *newest) {
            self.fail(&format!("{node} got {got:?} of {key}, which is {newest}"));
        }
    }

    /// A panic would only end the request in which it happens.
    fn fail(&self, why: &str) {
        self.log(|| why.to_owned());
        self.state().failure.get_or_insert_with(|| why.to_owned());
    }

    /// Panics if something went wrong.
    fn check(&self) {
        let (log, failure) = {
            let state = self.state();
            (state.log.join("\n"), state.failure.clone())
        };
        if let Some(why) = failure {
            let (seed, faults) = (self.seed, self.faults);
            panic!("{log}\n{why}\nGEECACHE_SIMULATION_SEED={seed} {faults:?}");
        }
    }

    /// The oldest version that a get which begins now may return.
    fn floor(&self, node: usize, key: usize) -> u64 {
        let groups = self.state().groups.clone();
        let name = name_of(node);
        // One that is back in the list has for itself what it had, until somebody has told it.
        let is_owed = |group: &Group| group.debts().iter().any(|debt| debt.peer == name);
        let is_owed = groups.iter().any(is_owed);
        let (now, state) = (self.now(), self.state());
        let slack = self.faults.lists_change.max(self.faults.views_differ);
        let slack = slack.map_or(0, |slack| slack.as_millis() as u64);
        // Who is out of the list and does not know is told of nothing.
        let is_told = state.listed.contains(&node) && !is_owed;
        let floors = state.floors[key].iter().filter(|(_, since)| is_told && since + slack <= now);
        let settled = floors.map(|(version, _)| *version).max().unwrap_or(0);
        // What was loaded before this is dead everywhere.
        let alive = now.saturating_sub(TTL_MS);
        let alive = state.history[key].iter().take_while(|came| **came < alive).count() as u64;
        if self.has_ttl { settled.max(alive.saturating_sub(1)) } else { settled }
    }

    pub(super) fn write(&self, key: usize) -> u64 {
        let version = {
            let mut versions = lock(&self.versions);
            versions[key] += 1;
            versions[key]
        };
        let (now, mut state) = (self.now(), self.state());
        state.history[key].push(now);
        version
    }

    pub(super) fn remove(&self, node: usize, key: usize) {
        let (version, who) = (self.write(key), self.who(node));
        self.log(|| format!("{node} removes {key} before {version}"));
        let report = self.group(node).remove(&key.to_string());
        self.log(|| format!("{node} removed {key} before {version}: {:?}", report.peers));
        self.removed(who, key, version, report.is_complete());
    }

    fn clear(&self, node: usize) {
        let who = self.who(node);
        let versions: Vec<u64> = (0..KEYS).map(|key| self.write(key)).collect();
        self.log(|| format!("{node} clears before {versions:?}"));
        let report = self.group(node).clear();
        self.log(|| format!("{node} cleared before {versions:?}: {:?}", report.peers));
        for (key, version) in versions.into_iter().enumerate() {
            self.removed(who, key, version, report.is_complete());
        }
    }

    fn who(&self, node: usize) -> Remover {
        let state = self.state();
        (node, state.lives[node], state.listed.contains(&node))
    }

    fn removed(&self, who: Remover, key: usize, version: u64, is_complete: bool) {
        let (node, life, was_listed) = who;
        let (now, mut state) = (self.now(), self.state());
        if is_complete {
            // Who is out of the list has another one, and tells the owner with the rest.
            let is_listed = was_listed && state.listed.contains(&node);
            let copies = if is_listed { 0 } else { HOT_TTL.as_millis() as u64 };
            state.floors[key].push((version, now + copies));
        } else if state.lives[node] == life {
            state.unsettled.entry(node).or_default().push((key, version));
        }
    }

    /// A process pays what it owes; whether it owes nothing any more.
    pub(super) fn pay(&self, node: usize) -> bool {
        let (group, who) = (self.group(node), self.who(node));
        let before = self.state().unsettled.remove(&node).unwrap_or_default();
        let parts = &group.parts;
        let now = || self.instant();
        let haste = if self.one_in(2) { Haste::Now } else { Haste::Usual };
        parts.changes.pay_due(haste, &**parts, parts.owners.picker(), &now);
        let is_settled = group.debts().is_empty();
        self.log(|| format!("{node} paid: {:?}", group.debts()));
        for (key, version) in before {
            self.removed(who, key, version, is_settled);
        }
        is_settled
    }

    pub(super) fn pass(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn heal_some(&self) {
        let mut state = self.state();
        state.cut.clear();
        state.doubts.clear();
    }

    /// The network is well, all are in the list, and nothing happens beside.
    pub(super) fn heal(&self) {
        {
            let mut state = self.state();
            state.cut.clear();
            state.doubts.clear();
            state.stopped.clear();
        }
        self.be_still();
        self.list((0..NODES).collect());
    }

    /// Nothing happens by chance any more.
    pub(super) fn be_still(&self) {
        self.state().depth = DEEPEST;
    }

    /// These are all peers from now on. Nobody remembers who was before.
    pub(super) fn list(&self, listed: BTreeSet<usize>) {
        self.state().listed = listed;
        self.log(|| format!("the list is {:?}", self.state().listed));
        self.tell_of_list();
    }

    fn do_what_is_due(&self, way: (usize, usize)) {
        let due = {
            let mut state = self.state();
            let at = state.meanwhile.iter().position(|(on, _)| *on == way);
            at.map(|at| state.meanwhile.remove(at))
        };
        if let Some((_, happens)) = due {
            happens(self);
        }
    }

    fn tell_of_list(&self) {
        let groups = self.state().groups.clone();
        groups.iter().for_each(|group| group.parts.peers_changed());
    }

    /// Everything can be settled now, and is never read again.
    pub(super) fn finish(&self) {
        for _ in 0..20 {
            self.pass(60_000);
            let settled = (0..NODES).filter(|&node| self.pay(node)).count();
            if settled == NODES {
                break;
            }
        }
        if let Some(node) = (0..NODES).find(|&node| !self.group(node).debts().is_empty()) {
            self.fail(&format!("{node} has not settled"));
        }
        for node in 0..NODES {
            for key in 0..KEYS {
                self.get(node, key);
            }
        }
        self.check();
        let mut state = self.state();
        // The groups hold the world only weakly, so nothing outlives it.
        let groups = std::mem::take(&mut state.groups);
        drop(state);
        drop(groups);
    }

    /// A request of one process to another.
    pub(super) fn request<T>(
        &self,
        (from, to): (usize, usize),
        serve: impl FnOnce(PeerSide<'_>) -> Result<T, Error>,
    ) -> Result<T, PeerError> {
        self.disturb();
        self.do_what_is_due((from, to));
        if self.is_lost(from, to) {
            return Err(self.lost(from, to));
        }
        let answer = serve(self.group(to).peer_side());
        self.disturb();
        if self.is_lost(to, from) {
            return Err(self.lost(from, to));
        }
        answer.map_err(|error| PeerError::new(PeerErrorKind::Load, name_of(to), error))
    }

    fn is_lost(&self, from: usize, to: usize) -> bool {
        let is_unlucky = self.state().depth < DEEPEST && self.one_in(40);
        let state = self.state();
        is_unlucky || state.stopped.contains(&to) || state.cut.contains(&(from, to))
    }

    fn lost(&self, from: usize, to: usize) -> PeerError {
        if self.faults.views_differ.is_some() && self.one_in(2) {
            self.state().doubts.insert((from, to));
        }
        let is_late = self.one_in(2);
        let kind = if is_late { PeerErrorKind::TimedOut } else { PeerErrorKind::Unreachable };
        PeerError::new(kind, name_of(to), "the network lost it")
    }
}

pub(super) fn name_of(node: usize) -> String {
    ["a", "b", "c", "d"][node].to_owned()
}
