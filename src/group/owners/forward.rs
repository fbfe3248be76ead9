//! [`Request`]: keys that one peer is asked for, in forward flights that are led here.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex};

use crate::clock::moment;
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::{by_peer, is_same_peer};
use crate::group::call::Call;
use crate::group::nesting::is_in_circle;
use crate::group::owners::losses::{Losses, Round};
use crate::group::owners::rule::OwnerErrors;
use crate::group::telling::Telling;
use crate::histogram::Latency;
use crate::origin::Origin;
use crate::peers::{PeerGetter, PeerPicker};
use crate::singleflight::Leader;
use crate::stats::Counter;
use crate::sync::lock;

#[derive(Debug, Default)]
pub(in crate::group) struct OwnerCounters {
    /// Keys that were not in memory here and that a peer was picked for, and all others.
    pub(in crate::group) misses: Counter,
    pub(in crate::group) own_misses: Counter,
    /// Keys that peers answered: those that were in their memory, and all others.
    pub(in crate::group) hits: Counter,
    pub(in crate::group) loads: Counter,
    /// Keys that they did not answer.
    pub(in crate::group) errors: Counter,
    /// Callers who got what another caller was answered.
    pub(in crate::group) deduplicated: Counter,
    /// Their waits.
    pub(in crate::group) waits: Latency,
}

/// What those who ask peers need of their group.
pub(in crate::group) trait OwnerHost: Send + Sync + 'static {
    /// A fresh value that is in memory by now.
    fn find(&self, key: &str) -> Option<Loaded>;

    /// The time by the group's clock, in milliseconds.
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
    /// The owner's getter failed, for one who asks in a circle: the getter here would go round once
    /// more. Others may try it.
    Circle(PeerError),
    /// No peer could answer: the getter has to.
    Failed,
    /// The leader's own deadline passed before the peer answered.
    CutShort {
        /// The [rounds](Losses) that the leader has lost by then.
        rounds: usize,
    },
}

/// How a call asks, whichever peer it asks.
pub(super) struct Asking<'a, H> {
    pub(super) telling: &'a Telling,
    pub(super) picker: &'a dyn PeerPicker,
    pub(super) owner_errors: OwnerErrors,
    pub(super) counters: &'a OwnerCounters,
    pub(super) host: &'a H,
    pub(super) call: Call,
    pub(super) losses: &'a Losses,
}

/// Keys that one peer owns, and whose forward flights are led here.
pub(super) struct Request {
    peer: Arc<dyn PeerGetter>,
    /// Taken when the request is sent.
    led: Mutex<Vec<LedFlight>>,
}

impl Request {
    pub(super) fn new(peer: Arc<dyn PeerGetter>, led: Vec<LedFlight>) -> Self {
        Self { peer, led: Mutex::new(led) }
    }

    /// Asks the peer, and where it fails the one that the picker names then. Ends all flights, each
    /// as soon as its answer is there.
    pub(super) fn run(&self, asking: &Asking<'_, impl OwnerHost>) -> Vec<(usize, Forwarded)> {
        let led = std::mem::take(&mut *lock(&self.led));
        let mut landed = Vec::with_capacity(led.len());
        let tell = &mut |at, forwarded| landed.push((at, forwarded));
        let mut open = Vec::with_capacity(led.len());
        for led in led {
            led.leader.begin();
            // Another flight of the key may have filled the cache since this caller looked there.
            match asking.host.find(led.leader.key()) {
                Some(found) => led.land(Forwarded::Answered(found), tell),
                None => open.push(led),
            }
        }
        let unanswered = asking.ask_once(&self.peer, PeerRole::Owner, open, tell);
        let next = |(led, may_ask_again): (LedFlight, bool)| {
            let next = asking.picker.pick_peer(led.leader.key());
            let is_worth_it = |next: &_| may_ask_again || !is_same_peer(next, &self.peer);
            (next.filter(|next| !asking.call.is_over() && is_worth_it(next)), led)
        };
        let (mut stand_ins, mut unanswered) = by_peer(unanswered.into_iter().map(next));
        // Of several stand-ins one is asked, that of the most keys. More of them, if they are
        // silent as well, would each take their time.
        stand_ins.sort_by_key(|(_, theirs)| Reverse(theirs.len()));
        for (n, (peer, theirs)) in stand_ins.into_iter().enumerate() {
            let is_owner = is_same_peer(&peer, &self.peer);
            let role = if is_owner { PeerRole::Owner } else { PeerRole::StandIn };
            if n == 0 {
                let again = asking.ask_once(&peer, role, theirs, tell);
                unanswered.extend(again.into_iter().map(|(led, _)| led));
            } else {
                unanswered.extend(theirs);
            }
        }
        let (is_over, is_final) =
            (asking.call.is_over(), asking.owner_errors == OwnerErrors::ReturnAll);
        for mut led in unanswered {
            let end = match led.error.take() {
                _ if is_over => Forwarded::CutShort { rounds: asking.losses.rounds() },
                error if is_final => {
                    Forwarded::Refused(error.unwrap_or_else(|| no_answer(&*self.peer)))
                }
                _ => Forwarded::Failed,
            };
            led.land(end, tell);
        }
        landed
    }
}

impl<H: OwnerHost> Asking<'_, H> {
    /// Asks one peer once. The flights of what it answers end; the others come back, and with each
    /// of them whether the peer may be asked for it once more.
    fn ask_once(
        &self,
        peer: &Arc<dyn PeerGetter>,
        role: PeerRole,
        led: Vec<LedFlight>,
        tell: Tell<'_>,
    ) -> Vec<(LedFlight, bool)> {
        let Some(round) = self.losses.begin().filter(|_| !led.is_empty()) else {
            return led.into_iter().map(|led| (led, false)).collect();
        };
        let keys: Vec<Arc<str>> = led.iter().map(|led| led.leader.shared_key()).collect();
        let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
        let mut answers = Answers {
            asking: self,
            role,
            asked: self.host.now(),
            left: led.len(),
            open: led.into_iter().map(Some).collect(),
            failed: Vec::new(),
            last_error: None,
            is_lost: false,
            tally: Tally::default(),
        };
        self.call.ask_peer(&**peer, &self.telling.group, &keys, &mut |at, answer| {
            answers.take(at, answer, tell);
        });
        answers.end(&**peer, round)
    }
}

/// What a peer answers to one request.
struct Answers<'a, H> {
    asking: &'a Asking<'a, H>,
    role: PeerRole,
    /// When.
    asked: u64,
    /// The flights, by the places of the keys in the request, until they are told of.
    open: Vec<Option<LedFlight>>,
    /// How many these are.
    left: usize,
    /// Those for which somebody else has to be asked.
    failed: Vec<LedFlight>,
    last_error: Option<PeerError>,
    /// Whether the peer is what was wrong.
    is_lost: bool,
    tally: Tally,
}

impl<H: OwnerHost> Answers<'_, H> {
    /// Takes what is told of the key at a place, once.
    fn take(&mut self, at: usize, answer: Result<Loaded, PeerError>, tell: Tell<'_>) {
        let Some(mut led) = self.open.get_mut(at).and_then(Option::take) else { return };
        self.left -= 1;
        self.tally.add(&answer);
        if self.left == 0 {
            // Now, as those who wait for the flight may look at the counters next.
            self.tally.count(self.asking.counters);
        }
        match self.settle(answer, &led.leader) {
            Ok(forwarded) => led.land(forwarded, tell),
            Err(error) => {
                self.is_lost |= error.kind() != PeerErrorKind::Load;
                led.error.get_or_insert_with(|| error.clone());
                self.last_error = Some(error);
                self.failed.push(led);
            }
        }
    }

    /// The answer for a flight; the error, when somebody else has to be asked.
    fn settle(
        &self,
        answer: Result<Loaded, PeerError>,
        flight: &Leader<Forwarded>,
    ) -> Result<Forwarded, PeerError> {
        let loaded = match answer {
            Ok(loaded) => loaded,
            Err(error) if error.kind() == PeerErrorKind::NotFound => Loaded::absent(),
            Err(error) => {
                let is_final = self.asking.owner_errors != OwnerErrors::LoadLocally;
                return match error.kind() {
                    PeerErrorKind::Load if is_final => Ok(Forwarded::Refused(error)),
                    PeerErrorKind::Load if is_in_circle() => Ok(Forwarded::Circle(error)),
                    _ => Err(error),
                };
            }
        };
        let (loaded, is_wanted) = (self.role.mark(loaded), || !flight.is_doomed());
        let host = self.asking.host;
        Ok(Forwarded::Answered(host.keep_copy(flight.key(), loaded, self.asked, &is_wanted)))
    }

    /// The flights that have not ended, when nothing more is told. The peer may be asked once more
    /// for what it did not speak of, if it spoke of something.
    fn end(mut self, peer: &dyn PeerGetter, round: Round) -> Vec<(LedFlight, bool)> {
        let (asking, untold) = (self.asking, self.left);
        let has_answered = self.failed.len() + untold < self.open.len();
        self.tally.errors += untold;
        self.tally.count(asking.counters);
        self.is_lost |= untold > 0;
        if self.is_lost {
            asking.losses.add(round, moment());
        }
        let failed = self.failed.into_iter().map(|led| (led, false));
        let untold = self.open.into_iter().flatten().map(|led| (led, has_answered));
        let unanswered: Vec<_> = failed.chain(untold).collect();
        if let [(first, _), rest @ ..] = &unanswered[..] {
            let error = self.last_error.unwrap_or_else(|| no_answer(peer));
            asking.telling.peer_failed(first.leader.key(), rest.len() + 1, &error);
        }
        unanswered
    }
}

fn no_answer(peer: &dyn PeerGetter) -> PeerError {
    PeerError::new(PeerErrorKind::Protocol, peer.name(), "no answer")
}

/// Counts what a peer answers, all of a batch at once: a counter that many threads write for each
/// key costs each of them a fetch from another processor.
#[derive(Default)]
struct Tally {
    loads: usize,
    hits: usize,
    errors: usize,
}

impl Tally {
    fn add(&mut self, answer: &Result<Loaded, PeerError>) {
        match answer {
            Ok(loaded) if loaded.origin().is_memory() => self.hits += 1,
            Ok(_) => self.loads += 1,
            Err(error) if error.kind() == PeerErrorKind::NotFound => self.loads += 1,
            Err(_) => self.errors += 1,
        }
    }

    /// Adds what was not added before.
    fn count(&mut self, counters: &OwnerCounters) {
        let Self { loads, hits, errors } = std::mem::take(self);
        let counts = [(&counters.loads, loads), (&counters.hits, hits), (&counters.errors, errors)];
        for (counter, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            counter.add(count);
        }
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
pub(super) struct LedFlight {
    /// The key's place among those that were asked for.
    pub(super) at: usize,
    pub(super) leader: Leader<Forwarded>,
    /// What the first peer that was asked for it said, where that failed.
    error: Option<PeerError>,
}

impl LedFlight {
    pub(super) fn new(at: usize, leader: Leader<Forwarded>) -> Self {
        Self { at, leader, error: None }
    }

    /// Ends the flight, and tells how.
    fn land(self, forwarded: Forwarded, tell: Tell<'_>) {
        self.leader.land(&forwarded);
        tell(self.at, forwarded);
    }
}

/// Is told how the flight of each key ended, by the place of the key.
type Tell<'a> = &'a mut dyn FnMut(usize, Forwarded);
