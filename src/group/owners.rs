//! [`Owners`]: the peers that own keys, and how they are asked.
//!
//! For each key one caller at a time asks its owner, in a *forward flight*. These are apart from
//! the flights that run the getter. If they were the same, two peers that each believe the other
//! owns a key would wait for each other for ever: each for the other's answer, in the flight that
//! the other's request has to join.
//!
//! This part knows neither caches nor the getter. What a flight needs of its group, it asks of an
//! [`OwnerHost`].

mod forward;
mod handover;
mod losses;
mod rule;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub(super) use forward::{OwnerCounters, OwnerHost};

use crate::clock::moment;
use crate::getter::Loaded;
use crate::group::batch::{Answer, ByPeer, by_peer, keys_at};
use crate::group::call::Call;
use crate::group::error::{load_failed, reentrant, timed_out};
use crate::group::nesting::{is_in_circle, is_inside_getter};
use crate::group::telling::Telling;
use crate::peers::{NoPeers, PeerGetter, PeerPicker};
use crate::singleflight::{Follower, Singleflight, Ticket, Waited};
use crate::workers::Workers;
use forward::{Asking, Forwarded, LedFlight, Request};
use handover::{HandOver, HandOverCounters};
use losses::Losses;
pub use rule::OwnerErrors;

/// How many threads of one group ask peers for its batches, beside the callers' own.
const MAX_FAN_OUT: usize = 64;

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
        let losses = Arc::new(Losses::default());
        // The second round is for those who followed a flight whose leader had less time than they
        // have. A third one would be somebody else's bad luck again: the getter is a better answer.
        for _ in 0..2 {
            let (by_owner, ours) = by_peer(picks.into_iter().zip(open));
            let (requests, followed) = self.board(keys, by_owner, call, answers);
            let meanwhile = (!ours.is_empty()).then_some(|| load_at(&ours, answers));
            for (at, forwarded) in self.send(requests, call, (host, &losses), meanwhile) {
                answers[at] = self.answer(keys[at], forwarded, call);
            }
            open = self.follow(keys, followed, (call, &losses), answers);
            // Who has lost all the time that it may lose leads nothing, and would only follow the
            // next one, who has lost none.
            if open.is_empty() || losses.begin().is_none() {
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
                    Ok(Ticket::Leader(leader)) => led.push(LedFlight::new(at, leader)),
                    Ok(Ticket::Follower(follower)) if may_wait => followed.push((at, follower)),
                    Err(_) if may_wait => {
                        answers[at] = Some(Err(reentrant(&self.group, keys[at])));
                    }
                    _ => led.push(LedFlight::new(at, self.flights.lead_alone(keys[at]))),
                }
            }
            if !led.is_empty() {
                requests.push(Request::new(peer, led));
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
        (host, losses): (&Arc<impl OwnerHost>, &Arc<Losses>),
        meanwhile: Option<impl FnOnce()>,
    ) -> Vec<(usize, Forwarded)> {
        let is_one = requests.len() < 2 && meanwhile.is_none();
        // Other threads would not know that they are inside a getter.
        let answers = if is_one || is_inside_getter() {
            let waiting = (0..requests.len() + usize::from(meanwhile.is_some())).rev();
            let run = |(request, waiting): (&Request, usize)| {
                Some(request.run(&self.asking(call.share(waiting), &**host, losses)))
            };
            let answers = requests.iter().zip(waiting).map(run).collect();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            answers
        } else {
            let (owners, host) = (Arc::clone(self), Arc::clone(host));
            let losses = Arc::clone(losses);
            let request = move |request: &Request, waiting: usize| {
                request.run(&owners.asking(call.share(waiting), &*host, &losses))
            };
            self.fan_out.map_beside(requests, request, meanwhile)
        };
        answers.into_iter().flatten().flatten().collect()
    }

    fn asking<'a, H>(&'a self, call: Call, host: &'a H, losses: &'a Losses) -> Asking<'a, H> {
        Asking {
            telling: &self.telling,
            picker: self.picker(),
            owner_errors: self.owner_errors,
            counters: &self.counters,
            host,
            call,
            losses,
        }
    }

    /// Waits for the flights of others. Those who should try again come back.
    fn follow(
        &self,
        keys: &[&str],
        followed: Vec<(usize, Follower<Forwarded>)>,
        (call, losses): (Call, &Losses),
        answers: &mut [Option<Answer>],
    ) -> Vec<usize> {
        let (mut again, since) = (Vec::new(), moment());
        for (at, follower) in followed {
            let waited = follower.wait(call.until());
            if let (Some(since), false) = (since, matches!(waited, Waited::Abandoned)) {
                self.counters.waits.add(since.elapsed());
            }
            match waited {
                Waited::Value(Forwarded::CutShort { rounds }) => {
                    losses.inherit(rounds);
                    again.push(at);
                }
                Waited::Abandoned => again.push(at),
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
            Forwarded::Circle(error) if is_in_circle() => {
                Some(Err(load_failed(&self.group, key, error.into())))
            }
            Forwarded::CutShort { .. } if call.is_over() => {
                Some(Err(timed_out(&self.group, key, call.deadline)))
            }
            // One who is out of its share of the time may have the rest of it.
            Forwarded::CutShort { .. } | Forwarded::Circle(_) | Forwarded::Failed => None,
        }
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

#[cfg(test)]
mod tests;
