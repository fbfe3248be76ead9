//! [`Lanes`]: few gets of single keys go to a peer side by side; those that meet are sent together.
//!
//! A get takes a lane, if one is free, and is a request of its own. Otherwise it waits. Who gets a
//! lane that becomes free takes all that wait along, and asks for their keys with one request. That
//! one is answered from memory alone: a key that the peer would have to load is asked for again, by
//! its own caller and outside of the lanes, so that a slow load holds nobody up.
//!
//! A request has its lane for a short time only. So a peer that is far away, and takes long for
//! every answer, is asked again before it has given the last one.
//!
//! Long values gain nothing by this, so while a peer's values are long its gets take no lanes.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::PeerError;
use crate::getter::Loaded;
use crate::http::frame;
use crate::sync::lock;

/// A request that takes longer gives its lane up, such as one that waits for a load.
const TURN: Duration = Duration::from_millis(1);
/// Values that are longer, as a rule, are asked for one by one: together they would be copied once
/// more on each side, and few of them fit into an answer.
const LONG_VALUE: usize = 16 << 10;
/// The most keys that are sent together.
const MAX_KEYS: usize = 128;

/// The lanes to one peer.
#[derive(Debug)]
pub(super) struct Lanes {
    count: usize,
    turn: Duration,
    state: Mutex<LanesState>,
    /// About how long the last values were, in bytes.
    usual_length: AtomicUsize,
}

#[derive(Debug, Default)]
struct LanesState {
    taken: Vec<Lane>,
    last_number: u64,
    /// Those who have no lane, in their order.
    waiting: VecDeque<Arc<Rider>>,
}

/// A lane that is taken.
#[derive(Debug)]
struct Lane {
    number: u64,
    begun: Instant,
    /// Whether it asks for keys of others, too.
    has_company: bool,
}

/// A get that waits for a lane.
#[derive(Debug)]
pub(super) struct Rider {
    pub(super) group: Box<str>,
    pub(super) key: Box<str>,
    /// When its time is over.
    pub(super) until: Instant,
    decision: Mutex<Option<Decision>>,
    decided: Condvar,
}

/// What becomes of a get that waits.
#[derive(Debug)]
enum Decision {
    /// It has got a lane.
    Leads(u64),
    /// It was asked for by another one.
    Answered(Result<Loaded, PeerError>),
    /// It is to ask by itself, outside of the lanes.
    Alone,
}

/// How a get goes on.
pub(super) enum NextStep<'a> {
    /// With a request of its own, at once.
    Goes(LaneGuard<'a>),
    /// With a request for its key and those of others, of whom there may be none.
    Leads(LaneGuard<'a>, Company),
    /// With a request of its own, outside of the lanes.
    GoesAlone,
    /// Another one has asked for it.
    Ends(Result<Loaded, PeerError>),
    /// Not at all: its time was over before it got a lane.
    IsLate,
}

impl Lanes {
    pub(super) fn new(count: NonZeroUsize) -> Self {
        Self::with(count.get(), TURN)
    }

    fn with(count: usize, turn: Duration) -> Self {
        Self { count, turn, state: Mutex::default(), usual_length: AtomicUsize::new(0) }
    }

    /// Whether gets had better be sent one by one.
    pub(super) fn are_values_long(&self) -> bool {
        self.usual_length.load(Ordering::Relaxed) > LONG_VALUE
    }

    /// Learns from the end of a get.
    pub(super) fn saw(&self, answer: &Result<Loaded, PeerError>) {
        let Some(value) = answer.as_ref().ok().and_then(Loaded::value) else { return };
        let usual = self.usual_length.load(Ordering::Relaxed);
        // Threads that see short values write nothing, which others would have to fetch.
        if value.len().max(usual) > LONG_VALUE / 8 {
            self.usual_length.store(usual - usual / 8 + value.len() / 8, Ordering::Relaxed);
        }
    }

    /// Waits until a get, which may take until then, has its turn.
    pub(super) fn turn(&self, group: &str, key: &str, until: Instant) -> NextStep<'_> {
        let (rider, mut pause) = {
            let mut state = lock(&self.state);
            let now = Instant::now();
            let is_crowded =
                !state.waiting.is_empty() || state.taken.iter().any(|it| it.has_company);
            let count = if is_crowded { self.count } else { self.count.saturating_mul(2) };
            if let Some(number) = state.take_lane(count, self.turn, now) {
                return NextStep::Goes(LaneGuard { lanes: self, number });
            }
            if key.len() > frame::MAX_KEY_BYTES {
                return NextStep::GoesAlone;
            }
            let rider = Arc::new(Rider {
                group: group.into(),
                key: key.into(),
                until,
                decision: Mutex::new(None),
                decided: Condvar::new(),
            });
            // The first looks often enough for all of them.
            let pause = self.turn * if state.waiting.is_empty() { 1 } else { 4 };
            state.waiting.push_back(Arc::clone(&rider));
            (rider, pause)
        };
        loop {
            let wake = Instant::now().checked_add(pause).map_or(until, |wake| until.min(wake));
            let decision = rider.wait(wake).map_or_else(|| self.step_out(&rider), Ok);
            match decision {
                Ok(Decision::Leads(number)) => {
                    let lane = LaneGuard { lanes: self, number };
                    let company = lock(&self.state).company_of(&rider, number);
                    return NextStep::Leads(lane, company);
                }
                Ok(Decision::Answered(answer)) => return NextStep::Ends(answer),
                Ok(Decision::Alone) => return NextStep::GoesAlone,
                Err(_) if Instant::now() >= until => return NextStep::IsLate,
                Err(next) => pause = next,
            }
        }
    }

    /// Gives a rider who has waited for a while a lane, if there is one, or lets it go if its time
    /// is over. The error is how long it waits before it asks again.
    fn step_out(&self, rider: &Arc<Rider>) -> Result<Decision, Duration> {
        let mut state = lock(&self.state);
        let Some(at) = state.waiting.iter().position(|it| Arc::ptr_eq(it, rider)) else {
            // It has got a lane just now, or is asked for by another one, who tells it.
            return rider.take_decision().ok_or(Duration::MAX);
        };
        let now = Instant::now();
        let number = state.take_lane(self.count, self.turn, now);
        if number.is_some() || now >= rider.until {
            state.waiting.remove(at);
        }
        number.map(Decision::Leads).ok_or(self.turn)
    }
}

impl LanesState {
    /// Takes a lane for a new request, if one of `count` is free.
    fn take_lane(&mut self, count: usize, turn: Duration, now: Instant) -> Option<u64> {
        if self.taken.len() >= count {
            self.taken.retain(|it| now.saturating_duration_since(it.begun) < turn);
        }
        (self.taken.len() < count).then(|| {
            self.last_number += 1;
            self.taken.push(Lane { number: self.last_number, begun: now, has_company: false });
            self.last_number
        })
    }

    /// Those who wait and can be asked for with `leader`, who has the lane of that number.
    fn company_of(&mut self, leader: &Rider, number: u64) -> Company {
        // One in a hurry would end the request for all.
        let (now, mut bytes) = (Instant::now(), leader.key.len());
        let patience = leader.until.saturating_duration_since(now) / 2;
        let mut company = Vec::new();
        self.waiting.retain(|rider| {
            let fits =
                company.len() + 1 < MAX_KEYS && bytes + rider.key.len() <= frame::MAX_KEY_BYTES;
            let is_patient = rider.until.saturating_duration_since(now) >= patience;
            let joins = fits && is_patient && rider.group == leader.group;
            if joins {
                bytes += rider.key.len();
                company.push(Arc::clone(rider));
            }
            !joins
        });
        if let Some(lane) = self.taken.iter_mut().find(|it| it.number == number) {
            lane.begun = now;
            lane.has_company = !company.is_empty();
        }
        Company(company)
    }
}

impl Rider {
    /// Waits for the decision until then.
    fn wait(&self, until: Instant) -> Option<Decision> {
        let mut decision = lock(&self.decision);
        while decision.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.decided.wait_timeout(decision, left);
            decision = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        decision.take()
    }

    fn take_decision(&self) -> Option<Decision> {
        lock(&self.decision).take()
    }

    fn decide(&self, decision: Decision) {
        *lock(&self.decision) = Some(decision);
        self.decided.notify_one();
    }
}

/// A lane that is taken. The drop hands it on.
pub(super) struct LaneGuard<'a> {
    lanes: &'a Lanes,
    number: u64,
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.lanes.state);
        let Some(at) = state.taken.iter().position(|it| it.number == self.number) else {
            return; // Its turn was over.
        };
        state.taken.swap_remove(at);
        if state.waiting.is_empty() {
            return;
        }
        let (count, turn) = (self.lanes.count, self.lanes.turn);
        let Some(number) = state.take_lane(count, turn, Instant::now()) else { return };
        if let Some(next) = state.waiting.pop_front() {
            // Under the lock, or it could find itself neither waiting nor with a lane, and leave.
            next.decide(Decision::Leads(number));
        }
    }
}

/// Those who are asked for along with another one. Who gets no answer asks alone.
pub(super) struct Company(Vec<Arc<Rider>>);

impl Company {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rider| &*rider.key)
    }

    /// When the time of the first of them is over.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.iter().map(|rider| rider.until).min()
    }

    /// Tells each of them its answer; `None` has it ask alone.
    pub(super) fn answer(
        mut self,
        mut answer_of: impl FnMut(&Rider) -> Option<Result<Loaded, PeerError>>,
    ) {
        for rider in std::mem::take(&mut self.0) {
            let answer = answer_of(&rider);
            rider.decide(answer.map_or(Decision::Alone, Decision::Answered));
        }
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        for rider in &self.0 {
            rider.decide(Decision::Alone);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
