//! [`Request`]: keys that one peer is asked for, in forward flights that are led here.

use std::cell::{Cell, OnceCell};
use std::cmp::Reverse;
use std::sync::{Arc, Mutex};

use crate::clock::moment;
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::batch::{Answer, by_peer, is_same_peer};
use crate::group::call::Call;
use crate::group::nesting::is_in_circle;
use crate::group::owners::losses::{Losses, Round};
use crate::group::owners::news::{CopyHost, News};
use crate::group::owners::rule::OwnerErrors;
use crate::group::telling::Telling;
use crate::histogram::Latency;
use crate::origin::Origin;
use crate::peers::{PeerGetter, PeerPicker};
use crate::singleflight::{Follower, Leader};
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
    /// Keys that were loaded here as well, and those of them that were there first.
    pub(in crate::group) hedges: Counter,
    pub(in crate::group) hedges_won: Counter,
    /// Waits for other callers.
    pub(in crate::group) waits: Latency,
}

/// What those who ask peers need of their group.
pub(in crate::group) trait OwnerHost: CopyHost + Send + Sync + 'static {
    /// A fresh copy of what another peer owns that is in memory by now.
    fn find_copy(&self, key: &str) -> Option<Loaded>;

    /// Whether a peer may be asked: it was told of all that it has to remove.
    fn may_ask(&self, peer: &Arc<dyn PeerGetter>) -> bool;

    /// The time by the group's clock, in milliseconds.
    fn now(&self) -> u64;

    /// The tick of the removals of tags in this process. What a peer answers is taken for as old as
    /// the tick at which it was asked.
    fn tick(&self) -> u64;

    /// Whether one who came at the tick `came` may have what was answered to another one.
    fn is_for_one_who_came_at(&self, came: u64, loaded: &Loaded) -> bool;

    /// Keeps a copy of what an owner answered to a question of the time `asked`, if it is worth one
    /// and `is_wanted` holds. Returns the answer with what is left of its life.
    fn keep_copy(
        &self,
        key: &str,
        loaded: Loaded,
        asked: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded;

    /// Loads a key here although its owner is being asked.
    fn load_beside(self: &Arc<Self>, key: &str, call: Call) -> Answer;
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
    pub(super) news: &'a News,
    pub(super) host: &'a H,
    pub(super) call: Call,
    pub(super) losses: &'a Losses,
}

/// Keys that one peer owns, and whose forward flights are led here.
pub(super) struct Request {
    peer: Arc<dyn PeerGetter>,
    /// Taken when the request is sent.
    led: Mutex<Vec<LedFlight>>,
    pub(super) call: Call,
}

impl Request {
    pub(super) fn new(peer: Arc<dyn PeerGetter>, led: Vec<LedFlight>, call: Call) -> Self {
        Self { peer, led: Mutex::new(led), call }
    }

    pub(super) fn peer_name(&self) -> &str {
        self.peer.name()
    }

    /// The place of the key, the key, and a place among those who wait for it, if it is only one
    /// and was not asked for yet.
    pub(super) fn only_flight(&self) -> Option<(usize, Arc<str>, Follower<Forwarded>)> {
        let led = lock(&self.led);
        let [only] = &led[..] else { return None };
        Some((only.at, Arc::from(only.leader.key()), only.leader.follower()))
    }

    /// Asks the peer, and where it fails the one that the picker names then. Ends all flights, each
    /// as soon as its answer is there.
    pub(super) fn run(&self, asking: &Asking<'_, impl OwnerHost>) -> Vec<(usize, Forwarded)> {
        let all = std::mem::take(&mut *lock(&self.led));
        let mut landed = Vec::with_capacity(all.len());
        let tell = &mut |at, forwarded| landed.push((at, forwarded));
        // They are of one boarding, and so begin together.
        all.first().into_iter().for_each(|led| led.leader.begin());
        let mut open = Vec::with_capacity(all.len());
        for led in &all {
            // Another flight of the key may have filled the cache since this caller looked there.
            match asking.host.find_copy(led.leader.key()) {
                Some(found) => led.land(Forwarded::Answered(found), tell),
                None => open.push(led),
            }
        }
        let unanswered = asking.ask_once(&self.peer, PeerRole::Owner, open, tell);
        let next = |led, may_ask_again| {
            let next = asking.pick(led);
            let is_worth_it = |next: &_| may_ask_again || !is_same_peer(next, &self.peer);
            next.filter(|next| !asking.call.is_over() && is_worth_it(next))
        };
        let again =
            unanswered.into_iter().map(|(led, may_ask_again)| (next(led, may_ask_again), led));
        let (mut stand_ins, mut unanswered) = by_peer(again);
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
        for led in unanswered {
            let end = match led.error.get().cloned() {
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
    /// Who is to be asked for a key now.
    fn pick(&self, led: &LedFlight) -> Option<Arc<dyn PeerGetter>> {
        let key = led.leader.key();
        let next = self.picker.pick_peer(key)?;
        led.is_in_place.set(!self.host.may_ask(&next));
        if !led.is_in_place.get() {
            return Some(next);
        }
        self.picker.pick_peer_that(key, &|peer| self.host.may_ask(peer))
    }

    /// Asks one peer once. The flights of what it answers end; the others come back, and with each
    /// of them whether the peer may be asked for it once more.
    fn ask_once<'l>(
        &self,
        peer: &Arc<dyn PeerGetter>,
        role: PeerRole,
        led: Vec<&'l LedFlight>,
        tell: Tell<'_>,
    ) -> Vec<(&'l LedFlight, bool)> {
        // Looked at once more, now that the flights can be doomed: a removal that could not be told
        // to the peer since it was picked would find nothing to doom.
        let may_ask = !led.is_empty() && self.host.may_ask(peer);
        let Some(round) = may_ask.then(|| self.losses.begin()).flatten() else {
            return led.into_iter().map(|led| (led, false)).collect();
        };
        let keys: Vec<&str> = led.iter().map(|led| led.leader.key()).collect();
        let mut answers = Answers {
            asking: self,
            role,
            asked: self.host.now(),
            tick: self.host.tick(),
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
        let unanswered = answers.end(&**peer, round);
        self.news.follow(&**peer, &self.telling.group, self.call, self.host);
        unanswered
    }
}

/// What a peer answers to one request.
struct Answers<'a, 'l, H> {
    asking: &'a Asking<'a, H>,
    role: PeerRole,
    /// When, and at which tick.
    asked: u64,
    tick: u64,
    /// The flights, by the places of the keys in the request, until they are told of.
    open: Vec<Option<&'l LedFlight>>,
    /// How many these are.
    left: usize,
    /// Those for which somebody else has to be asked.
    failed: Vec<&'l LedFlight>,
    last_error: Option<PeerError>,
    /// Whether the peer is what was wrong.
    is_lost: bool,
    tally: Tally,
}

impl<'l, H: OwnerHost> Answers<'_, 'l, H> {
    /// Takes what is told of the key at a place, once.
    fn take(&mut self, at: usize, answer: Result<Loaded, PeerError>, tell: Tell<'_>) {
        let Some(led) = self.open.get_mut(at).and_then(Option::take) else { return };
        self.left -= 1;
        self.tally.add(&answer);
        if self.left == 0 {
            // Now, as those who wait for the flight may look at the counters next.
            self.tally.count(self.asking.counters);
        }
        match self.settle(answer, led) {
            Ok(forwarded) => led.land(forwarded, tell),
            Err(error) => {
                self.is_lost |= error.kind() != PeerErrorKind::Load;
                let _ = led.error.set(error.clone());
                self.last_error = Some(error);
                self.failed.push(led);
            }
        }
    }

    /// The answer for a flight; the error, when somebody else has to be asked.
    fn settle(
        &self,
        answer: Result<Loaded, PeerError>,
        led: &LedFlight,
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
        let loaded = self.role.mark(loaded).begun_at(self.tick);
        let flight = &led.leader;
        let is_wanted = || !led.is_in_place.get() && !flight.is_doomed();
        let host = self.asking.host;
        Ok(Forwarded::Answered(host.keep_copy(flight.key(), loaded, self.asked, &is_wanted)))
    }

    /// The flights that have not ended, when nothing more is told. The peer may be asked once more
    /// for what it did not speak of, if it spoke of something.
    fn end(mut self, peer: &dyn PeerGetter, round: Round) -> Vec<(&'l LedFlight, bool)> {
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
    /// Whether another peer is asked than the one that the others ask, as this process owes that
    /// one a removal. To a remover it is one of the rest, which are emptied at the same time as
    /// this process. So what it has is no copy to keep.
    is_in_place: Cell<bool>,
    /// What the first peer that was asked for it said, where that failed.
    error: OnceCell<PeerError>,
}

impl LedFlight {
    pub(super) fn new(at: usize, leader: Leader<Forwarded>, is_in_place: bool) -> Self {
        Self { at, leader, is_in_place: Cell::new(is_in_place), error: OnceCell::new() }
    }

    /// Ends the flight, and tells how.
    fn land(&self, forwarded: Forwarded, tell: Tell<'_>) {
        self.leader.land(&forwarded);
        tell(self.at, forwarded);
    }
}

/// Is told how the flight of each key ended, by the place of the key.
type Tell<'a> = &'a mut dyn FnMut(usize, Forwarded);
