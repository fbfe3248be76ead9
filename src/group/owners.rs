//! [`Owners`]: the peers that own keys, and how they are asked.
//!
//! For each key one caller at a time asks its owner, in a *forward flight*. These are apart from
//! the flights that run the getter. If they were the same, two peers that each believe the other
//! owns a key would wait for each other for ever: each for the other's answer, in the flight that
//! the other's request has to join.
//!
//! This part knows neither caches nor the getter. What a flight needs of its group, it asks of an
//! [`OwnerHost`].

mod handover;

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::clock::moment;
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::{Answer, ByPeer, by_peer, is_same_peer};
use crate::group::call::Call;
use crate::group::error::{load_failed, reentrant, timed_out};
use crate::group::nesting::is_inside_getter;
use crate::group::telling::Telling;
use crate::histogram::Latency;
use crate::origin::Origin;
use crate::peers::{NoPeers, PeerGetter, PeerPicker};
use crate::singleflight::{Follower, Leader, Singleflight, Ticket, Waited};
use crate::stats::Counter;
use crate::sync::lock;
use crate::workers::Workers;
use handover::{HandOver, HandOverCounters};

/// How many threads of one group ask peers for its batches, beside the callers' own.
const MAX_FAN_OUT: usize = 64;

/// What becomes of the owner's word that its getter failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerErrors {
    /// The getter of this process is tried, as GeeCache does. The default.
    #[default]
    LoadLocally,
    /// The caller gets the owner's message as an [`Error::Load`](crate::Error::Load), and the
    /// source is spared a second load.
    Return,
}

/// Who owns the keys of a group, and the flights of those who ask them.
pub(super) struct Owners {
    group: Arc<str>,
    telling: Arc<Telling>,
    picker: OnceLock<Arc<dyn PeerPicker>>,
    flights: Singleflight<Forwarded>,
    /// Threads that ask several peers at once.
    fan_out: Workers,
    owner_errors: OwnerErrors,
    hand_over: HandOver,
    /// Whether it was told that a peer asks and there is no picker.
    warned: AtomicBool,
    pub(super) counters: OwnerCounters,
}

#[derive(Debug, Default)]
pub(super) struct OwnerCounters {
    /// Keys that were not in memory here and that a peer was picked for, and all others.
    pub(super) misses: Counter,
    pub(super) own_misses: Counter,
    /// Keys that peers answered: those that were in their memory, and all others.
    pub(super) hits: Counter,
    pub(super) loads: Counter,
    /// Keys that they did not answer.
    pub(super) errors: Counter,
    /// Callers who got what another caller was answered.
    pub(super) deduplicated: Counter,
    /// Their waits.
    pub(super) waits: Latency,
}

/// What those who ask peers need of their group.
pub(super) trait OwnerHost: Send + Sync + 'static {
    /// A fresh value that is in memory by now.
    fn find(&self, key: &str) -> Option<Loaded>;

    /// The time by the group's clock, for [`keep_copy`](Self::keep_copy).
    fn now(&self) -> u64;

    /// Keeps a copy of what an owner answered to a question of the time `asked`, if it is worth one
    /// and `is_wanted` holds. Returns the answer with what is left of its life.
    fn keep_copy(
        &self,
        key: &str,
        loaded: Loaded,
        asked: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded;
}

/// What a forward flight comes back with.
#[derive(Debug, Clone)]
pub(super) enum Forwarded {
    Answered(Loaded),
    /// The owner's getter failed, and the group is told to leave it at that.
    Refused(PeerError),
    /// No peer could answer: the getter has to.
    Failed,
    /// The leader's own deadline passed before the peer answered.
    CutShort,
}

impl Owners {
    pub(super) fn new(telling: Arc<Telling>, owner_errors: OwnerErrors) -> Self {
        let name = format!("peers of {}", telling.group);
        Self {
            fan_out: Workers::new(name, MAX_FAN_OUT, &telling.repeats),
            group: Arc::clone(&telling.group),
            telling,
            picker: OnceLock::new(),
            flights: Singleflight::new(),
            owner_errors,
            hand_over: HandOver::default(),
            warned: AtomicBool::new(false),
            counters: OwnerCounters::default(),
        }
    }

    /// Sets who owns which key, once; whether that is this picker from now on.
    pub(super) fn register(&self, picker: Arc<dyn PeerPicker>) -> bool {
        let there = self.picker.get_or_init(|| Arc::clone(&picker));
        std::ptr::addr_eq(Arc::as_ptr(there), Arc::as_ptr(&picker))
    }

    /// Warns, once, of a group that peers ask and that knows no peers.
    pub(super) fn warn_without_picker(&self) {
        if self.picker.get().is_none() && !self.warned.swap(true, Ordering::Relaxed) {
            let group = &self.group;
            log::warn!(
                "a peer asks for group {group:?}, which has no peers registered: what is removed \
                 from it stays at the peers"
            );
        }
    }

    pub(super) fn picker(&self) -> &dyn PeerPicker {
        self.picker.get().map_or(&NoPeers, |picker| &**picker)
    }

    /// Who owns each of `keys`; `None` for what this process owns.
    fn pick(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        match keys {
            [key] => vec![self.picker().pick_peer(key)],
            _ => self.picker().pick_peers(keys),
        }
    }

    /// Answers keys, which must differ. Asks peers for what they own, each of them once and all at
    /// the same time. Calls `load_here` for what this process owns, meanwhile, and for what no peer
    /// answered, afterwards.
    pub(super) fn ask(
        self: &Arc<Self>,
        keys: &[&str],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &Arc<impl OwnerHost>,
        load_here: impl Fn(&[&str], &mut [Option<Answer>]),
    ) {
        let mut picks = if self.picker.get().is_some() { self.pick(keys) } else { Vec::new() };
        let theirs = picks.iter().flatten().count();
        self.counters.own_misses.add(keys.len() - theirs);
        if theirs == 0 {
            return load_here(keys, answers);
        }
        self.counters.misses.add(theirs);
        let load_at = |places: &[usize], answers: &mut [Option<Answer>]| {
            let mut loaded = vec![None; places.len()];
            load_here(&keys_at(keys, places), &mut loaded);
            for (&at, answer) in places.iter().zip(loaded) {
                answers[at] = answer;
            }
        };
        let mut open: Vec<usize> = (0..keys.len()).collect();
        // The second round is for those who followed a flight whose leader had less time than they
        // have. A third one would be somebody else's bad luck again: the getter is a better answer.
        for _ in 0..2 {
            let (by_owner, ours) = by_peer(picks.into_iter().zip(open));
            let (requests, followed) = self.board(keys, by_owner, call, answers);
            let meanwhile = (!ours.is_empty()).then_some(|| load_at(&ours, answers));
            for (at, forwarded) in self.send(requests, call, host, meanwhile) {
                answers[at] = self.answer(keys[at], forwarded, call);
            }
            open = self.follow(keys, followed, call, answers);
            if open.is_empty() {
                break;
            }
            picks = self.pick(&keys_at(keys, &open));
        }
        let rest: Vec<usize> = (0..keys.len()).filter(|&at| answers[at].is_none()).collect();
        if !rest.is_empty() {
            load_at(&rest, answers);
        }
    }

    /// Takes a place in the forward flight of each key. The keys that are led here become requests.
    fn board(
        &self,
        keys: &[&str],
        by_owner: ByPeer<usize>,
        call: Call,
        answers: &mut [Option<Answer>],
    ) -> (Vec<Request>, Vec<(usize, Follower<Forwarded>)>) {
        let (mut requests, mut followed) = (Vec::with_capacity(by_owner.len()), Vec::new());
        let (may_wait, is_over) = (!is_inside_getter(), call.is_over());
        for (peer, places) in by_owner {
            let mut led = Vec::with_capacity(places.len());
            for at in places {
                if is_over {
                    // Nothing is sent, and nothing is held against the peer.
                    answers[at] = Some(Err(timed_out(&self.group, keys[at], call.deadline)));
                    continue;
                }
                match self.flights.join(keys[at]) {
                    Ok(Ticket::Leader(leader)) => led.push(LedFlight { at, leader }),
                    Ok(Ticket::Follower(follower)) if may_wait => followed.push((at, follower)),
                    Err(_) if may_wait => {
                        answers[at] = Some(Err(reentrant(&self.group, keys[at])));
                    }
                    _ => led.push(LedFlight { at, leader: self.flights.lead_alone(keys[at]) }),
                }
            }
            if !led.is_empty() {
                requests.push(Request { peer, led: Mutex::new(led) });
            }
        }
        (requests, followed)
    }

    /// Sends requests and does, beside them, what is to be done `meanwhile`.
    ///
    /// What has to wait for a request must not lose all its time to an owner that is silent. So
    /// such a request has its share of the time only.
    fn send(
        self: &Arc<Self>,
        requests: Vec<Request>,
        call: Call,
        host: &Arc<impl OwnerHost>,
        meanwhile: Option<impl FnOnce()>,
    ) -> Vec<(usize, Forwarded)> {
        let is_one = requests.len() < 2 && meanwhile.is_none();
        // Other threads would not know that they are inside a getter.
        let answers = if is_one || is_inside_getter() {
            let waiting = (0..requests.len() + usize::from(meanwhile.is_some())).rev();
            let run = |(request, waiting): (&Request, usize)| {
                Some(request.run(self, call.share(waiting), &**host))
            };
            let answers = requests.iter().zip(waiting).map(run).collect();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            answers
        } else {
            let (owners, host) = (Arc::clone(self), Arc::clone(host));
            let request = move |request: &Request, waiting: usize| {
                request.run(&owners, call.share(waiting), &*host)
            };
            self.fan_out.map_beside(requests, request, meanwhile)
        };
        answers.into_iter().flatten().flatten().collect()
    }

    /// Waits for the flights of others. Those who should try again come back.
    fn follow(
        &self,
        keys: &[&str],
        followed: Vec<(usize, Follower<Forwarded>)>,
        call: Call,
        answers: &mut [Option<Answer>],
    ) -> Vec<usize> {
        let (mut again, since) = (Vec::new(), moment());
        for (at, follower) in followed {
            let waited = follower.wait(call.until());
            if let (Some(since), false) = (since, matches!(waited, Waited::Abandoned)) {
                self.counters.waits.add(since.elapsed());
            }
            match waited {
                Waited::Value(Forwarded::CutShort) | Waited::Abandoned => again.push(at),
                Waited::TimedOut => {
                    answers[at] = Some(Err(timed_out(&self.group, keys[at], call.deadline)));
                }
                Waited::Value(forwarded) => {
                    if matches!(forwarded, Forwarded::Answered(_)) {
                        self.counters.deduplicated.add_one();
                    }
                    answers[at] = self.answer(keys[at], forwarded, call);
                }
            }
        }
        again
    }

    /// The answer that the end of a forward flight is; `None` when the getter has to answer.
    fn answer(&self, key: &str, forwarded: Forwarded, call: Call) -> Option<Answer> {
        match forwarded {
            Forwarded::Answered(loaded) => Some(Ok(loaded)),
            Forwarded::Refused(error) => Some(Err(load_failed(&self.group, key, error.into()))),
            Forwarded::CutShort if call.is_over() => {
                Some(Err(timed_out(&self.group, key, call.deadline)))
            }
            // One who is out of its share of the time may have the rest of it.
            Forwarded::CutShort | Forwarded::Failed => None,
        }
    }

    /// Asks one peer once. The flights of what it answers end; the others come back.
    fn ask_once(
        &self,
        peer: &Arc<dyn PeerGetter>,
        led: Vec<LedFlight>,
        (role, call): (PeerRole, Call),
        host: &impl OwnerHost,
        tell: Tell<'_>,
    ) -> Vec<LedFlight> {
        if led.is_empty() {
            return led;
        }
        let asked = host.now();
        let keys: Vec<&str> = led.iter().map(LedFlight::key).collect();
        let answers = call.ask_peer(&**peer, &self.group, &keys);
        self.count(&answers[..led.len().min(answers.len())]);
        let mut answers = answers.into_iter();
        let (mut failed, mut last_error) = (Vec::new(), None);
        for led in led {
            let missing = || Err(PeerError::new(PeerErrorKind::Protocol, peer.name(), "no answer"));
            let answer = answers.next().unwrap_or_else(missing);
            match self.settle(led.key(), answer, (role, asked), host, &led.leader) {
                Ok(forwarded) => led.land(forwarded, tell),
                Err(error) => {
                    last_error = Some(error);
                    failed.push(led);
                }
            }
        }
        if let (Some(first), Some(error)) = (failed.first(), last_error) {
            self.telling.peer_failed(first.key(), failed.len(), &error);
        }
        failed
    }

    /// Counts what a peer answered other than by an error; those are counted when they are settled.
    /// All of a batch at once: a counter that many threads write for each key costs each of them a
    /// fetch from another processor.
    fn count(&self, answers: &[Result<Loaded, PeerError>]) {
        let (mut loads, mut hits) = (0, 0);
        for answer in answers {
            match answer {
                Ok(loaded) if loaded.origin().is_memory() => hits += 1,
                Ok(_) => loads += 1,
                Err(error) => loads += usize::from(error.kind() == PeerErrorKind::NotFound),
            }
        }
        self.counters.loads.add(loads);
        if hits > 0 {
            self.counters.hits.add(hits);
        }
    }

    /// Takes the answer of a peer in its role to a question of the time `asked`; the error, which
    /// is counted, when somebody else has to be asked.
    fn settle(
        &self,
        key: &str,
        answer: Result<Loaded, PeerError>,
        (role, asked): (PeerRole, u64),
        host: &impl OwnerHost,
        flight: &Leader<Forwarded>,
    ) -> Result<Forwarded, PeerError> {
        let loaded = match answer {
            Ok(loaded) => loaded,
            Err(error) if error.kind() == PeerErrorKind::NotFound => Loaded::absent(),
            Err(error) => {
                self.counters.errors.add_one();
                let is_final = self.owner_errors == OwnerErrors::Return;
                if error.kind() == PeerErrorKind::Load && is_final {
                    return Ok(Forwarded::Refused(error));
                }
                return Err(error);
            }
        };
        let loaded = role.mark(loaded);
        let is_wanted = || !flight.is_doomed();
        Ok(Forwarded::Answered(host.keep_copy(key, loaded, asked, &is_wanted)))
    }

    /// What the previous owners have of keys that this process has come to own, element *i* for
    /// `keys[i]`. An empty answer is nothing.
    pub(super) fn take_over(&self, keys: &[&str]) -> Vec<Option<Loaded>> {
        self.hand_over.take_over(&self.group, keys, self.picker())
    }

    /// Counts of the hand-over.
    pub(super) fn hand_over_counters(&self) -> &HandOverCounters {
        self.hand_over.counters()
    }

    /// Dooms the flight of `key`: its answer goes to those who wait, and nobody keeps it.
    pub(super) fn doom(&self, key: &str) {
        self.flights.doom(key);
    }

    /// Dooms all flights.
    pub(super) fn doom_all(&self) {
        self.flights.doom_all();
    }

    /// Learns of the removal of `key`, or of all keys. See [`handover`].
    pub(super) fn remember_removal(&self, key: Option<&str>) {
        self.hand_over.remember_removal(key, self.picker());
    }
}

/// Keys that one peer owns, and whose forward flights are led here.
struct Request {
    peer: Arc<dyn PeerGetter>,
    /// Taken when the request is sent.
    led: Mutex<Vec<LedFlight>>,
}

impl Request {
    /// Asks the peer, and where it fails the one that the picker names then. Ends all flights.
    fn run(&self, owners: &Owners, call: Call, host: &impl OwnerHost) -> Vec<(usize, Forwarded)> {
        let led = std::mem::take(&mut *lock(&self.led));
        let mut landed = Vec::with_capacity(led.len());
        let tell = &mut |at, forwarded| landed.push((at, forwarded));
        let mut open = Vec::with_capacity(led.len());
        for led in led {
            led.leader.begin();
            // Another flight of the key may have filled the cache since this caller looked there.
            match host.find(led.key()) {
                Some(found) => led.land(Forwarded::Answered(found), tell),
                None => open.push(led),
            }
        }
        let failed = owners.ask_once(&self.peer, open, (PeerRole::Owner, call), host, tell);
        let next = |led: &LedFlight| {
            let next = owners.picker().pick_peer(led.key());
            next.filter(|next| !call.is_over() && !is_same_peer(next, &self.peer))
        };
        let (mut stand_ins, mut unanswered) =
            by_peer(failed.into_iter().map(|led| (next(&led), led)));
        // Of several stand-ins one is asked, that of the most keys. More of them, if they are
        // silent as well, would each take their time.
        stand_ins.sort_by_key(|(_, theirs)| Reverse(theirs.len()));
        for (n, (stand_in, theirs)) in stand_ins.into_iter().enumerate() {
            unanswered.extend(match n {
                0 => owners.ask_once(&stand_in, theirs, (PeerRole::StandIn, call), host, tell),
                _ => theirs,
            });
        }
        let end = if call.is_over() { Forwarded::CutShort } else { Forwarded::Failed };
        unanswered.into_iter().for_each(|led| led.land(end.clone(), tell));
        landed
    }
}

/// For whom a peer answers.
#[derive(Clone, Copy)]
enum PeerRole {
    Owner,
    StandIn,
}

impl PeerRole {
    /// An answer, with the origin that it has for this process.
    fn mark(self, loaded: Loaded) -> Loaded {
        let was_in_memory = loaded.origin().is_memory();
        loaded.came_from(match self {
            Self::StandIn => Origin::StandIn,
            Self::Owner if was_in_memory => Origin::OwnerMemory,
            Self::Owner => Origin::Owner,
        })
    }
}

/// A key whose forward flight is led here.
struct LedFlight {
    /// The key's place among those that were asked for.
    at: usize,
    leader: Leader<Forwarded>,
}

impl LedFlight {
    fn key(&self) -> &str {
        self.leader.key()
    }

    /// Ends the flight, and tells how.
    fn land(self, forwarded: Forwarded, tell: Tell<'_>) {
        self.leader.land(&forwarded);
        tell(self.at, forwarded);
    }
}

/// Is told how the flight of each key ended, by the place of the key.
type Tell<'a> = &'a mut dyn FnMut(usize, Forwarded);

/// The keys at these places.
fn keys_at<'k>(keys: &[&'k str], places: &[usize]) -> Vec<&'k str> {
    places.iter().map(|&at| keys[at]).collect()
}

#[cfg(test)]
mod tests;
