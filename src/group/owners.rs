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
mod hedges;
mod losses;
mod news;
mod racing;
mod rule;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub(super) use forward::{OwnerCounters, OwnerHost};
pub(super) use news::CopyHost;

use crate::cache::KeyHash;
use crate::clock::moment;
use crate::getter::Loaded;
use crate::group::batch::{Answer, ByPeer, add_to, by_peer, keys_at};
use crate::group::call::Call;
use crate::group::error::{load_failed, reentrant, timed_out};
use crate::group::nesting::{is_in_circle, is_inside_getter};
use crate::group::telling::Telling;
use crate::peers::{MayAsk, NoPeers, PeerGetter, PeerPicker};
use crate::singleflight::{Follower, Singleflight, Ticket, Waited};
use crate::stack::StackBytes;
use crate::workers::Workers;
use forward::{Asking, Forwarded, LedFlight, Request};
use handover::{HandOver, HandOverCounters};
use hedges::Hedges;
use losses::Losses;
use news::News;
pub use rule::OwnerErrors;

/// How many threads of one group ask peers for its batches, beside the callers' own.
const MAX_FAN_OUT: usize = 64;

/// How many ask peers for single keys that may be loaded here as well.
const MAX_RACERS: usize = 256;

/// Who owns the keys of a group, and the flights of those who ask them.
pub(super) struct Owners {
    group: Arc<str>,
    telling: Arc<Telling>,
    picker: OnceLock<Arc<dyn PeerPicker>>,
    flights: Singleflight<Forwarded, KeyHash>,
    /// Threads that ask several peers at once.
    fan_out: Workers,
    owner_errors: OwnerErrors,
    hand_over: HandOver,
    hedges: Hedges,
    /// Threads for requests that may be left, and for the loads beside them.
    racers: Workers,
    /// What peers tell of changes.
    news: News,
    /// Whether it was told that a peer asks and there is no picker.
    warned: AtomicBool,
    pub(super) counters: OwnerCounters,
}

/// Who is to be asked for which keys, by their places.
#[derive(Default)]
struct Picks {
    by_owner: ByPeer<usize>,
    /// What this process owns.
    ours: Vec<usize>,
    /// Those for which another peer is named than the first one, which may not be read from.
    in_place: Vec<usize>,
}

/// Requests for keys whose flights are led here, and the places in those of others.
type Boarded = (Vec<Arc<Request>>, Vec<(usize, Follower<Forwarded>)>);

impl Owners {
    /// With `hedge` a key is loaded here as well when its owner has not answered in the time in
    /// which that part of its answers comes.
    pub(super) fn new(
        telling: Arc<Telling>,
        owner_errors: OwnerErrors,
        hedge: Option<f64>,
        stack: StackBytes,
    ) -> Self {
        let workers = |what, most, stack| {
            let name = (what, Arc::clone(&telling.group));
            Workers::with_stack(name, most, stack, &telling.repeats)
        };
        Self {
            fan_out: workers("peers of", MAX_FAN_OUT, StackBytes::default()),
            racers: workers("hedge", MAX_RACERS, stack),
            group: Arc::clone(&telling.group),
            telling,
            picker: OnceLock::new(),
            flights: Singleflight::with_hasher(KeyHash::random()),
            owner_errors,
            hand_over: HandOver::default(),
            hedges: Hedges::new(hedge),
            news: News::default(),
            warned: AtomicBool::new(false),
            counters: OwnerCounters::default(),
        }
    }

    /// Questions to peers that have not been answered.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn unfinished(&self) -> usize {
        self.flights.len() + self.fan_out.unfinished()
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

    /// Who is to be asked for the keys at these places, which have these owners.
    fn sort_out(
        &self,
        keys: &[&str],
        owners: Vec<Option<Arc<dyn PeerGetter>>>,
        places: impl IntoIterator<Item = usize>,
        host: &impl OwnerHost,
    ) -> Picks {
        let (mut by_owner, mut ours) = by_peer(owners.into_iter().zip(places));
        let mut in_place = Vec::new();
        by_owner.retain_mut(|(peer, places)| {
            let may_ask = host.may_ask(peer);
            if !may_ask {
                in_place.append(places);
            }
            may_ask
        });
        if !in_place.is_empty() {
            in_place.sort_unstable();
            let next = |at| self.picker().pick_peer_that(keys[at], &|peer| host.may_ask(peer));
            let (stand_ins, nobody) = by_peer(in_place.iter().map(|&at| (next(at), at)));
            stand_ins.into_iter().for_each(|theirs| add_to(&mut by_owner, theirs));
            ours.extend(nobody);
            ours.sort_unstable();
        }
        Picks { by_owner, ours, in_place }
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
        load_here: impl Fn(&[&str], &mut [Option<Answer>], Call),
    ) {
        let owners = if self.picker.get().is_some() { self.pick(keys) } else { Vec::new() };
        let mut picks = match owners.iter().any(Option::is_some) {
            true => self.sort_out(keys, owners, 0..keys.len(), &**host),
            false => Picks::default(),
        };
        let theirs = picks.by_owner.iter().map(|(_, places)| places.len()).sum();
        self.counters.own_misses.add(keys.len() - theirs);
        if theirs == 0 {
            return load_here(keys, answers, call);
        }
        self.counters.misses.add(theirs);
        let load_at = |places: &[usize], answers: &mut [Option<Answer>]| {
            let mut loaded = vec![None; places.len()];
            load_here(&keys_at(keys, places), &mut loaded, call.of_places(places));
            for (&at, answer) in places.iter().zip(loaded) {
                answers[at] = answer;
            }
        };
        let came = host.tick();
        let may_have = |loaded: &Loaded| host.is_for_one_who_came_at(came, loaded);
        let losses = Arc::new(Losses::default());
        // The second round is for those who followed a flight whose leader had less time than they
        // have. A third one would be somebody else's bad luck again: the getter is a better answer.
        for _ in 0..2 {
            let Picks { by_owner, ours, in_place } = picks;
            let (requests, followed) = self.board(keys, (by_owner, &in_place), call, answers);
            let meanwhile = (!ours.is_empty()).then_some(|| load_at(&ours, answers));
            let landed = self.send(requests, (host, &losses), meanwhile);
            for (at, forwarded) in landed.into_iter().flatten() {
                answers[at] = self.answer((keys[at], at), forwarded, call);
            }
            let mut open = self.follow(keys, followed, (call, &losses), answers, &may_have);
            // Who has lost all the time that it may lose leads nothing, and would only follow the
            // next one, who has lost none.
            if open.is_empty() || losses.begin().is_none() {
                break;
            }
            // They come by their peers, and a call counts its keys in order.
            open.sort_unstable();
            picks = self.sort_out(keys, self.pick(&keys_at(keys, &open)), open, &**host);
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
        (by_owner, in_place): (ByPeer<usize>, &[usize]),
        call: Call,
        answers: &mut [Option<Answer>],
    ) -> Boarded {
        let (mut requests, mut followed) = (Vec::with_capacity(by_owner.len()), Vec::new());
        let may_wait = !is_inside_getter();
        let new = |at, leader| LedFlight::new(at, leader, in_place.binary_search(&at).is_ok());
        for (peer, places) in by_owner {
            // For those of which there is an old value, a request of its own with a shorter time.
            for places in call.hard_and_soft(places) {
                let theirs = call.of(places[0]);
                if theirs.is_over() {
                    // Nothing is sent, and nothing is held against the peer.
                    for at in places {
                        answers[at] = Some(Err(timed_out(&self.group, keys[at], theirs.deadline)));
                    }
                    continue;
                }
                let their_keys = keys_at(keys, &places);
                let mut boarding = self.flights.board(&their_keys);
                let mut led = Vec::with_capacity(places.len());
                for (n, at) in places.into_iter().enumerate() {
                    match boarding.join(n) {
                        Ok(Ticket::Leader(leader)) => led.push(new(at, leader)),
                        Ok(Ticket::Follower(follower)) if may_wait => followed.push((at, follower)),
                        Err(_) if may_wait => {
                            answers[at] = Some(Err(reentrant(&self.group, keys[at])));
                        }
                        _ => led.push(new(at, boarding.lead_alone(n))),
                    }
                }
                if !led.is_empty() {
                    requests.push(Arc::new(Request::new(Arc::clone(&peer), led, theirs)));
                }
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
        requests: Vec<Arc<Request>>,
        (host, losses): (&Arc<impl OwnerHost>, &Arc<Losses>),
        meanwhile: Option<impl FnOnce()>,
    ) -> Vec<Vec<(usize, Forwarded)>> {
        let is_one = requests.len() < 2 && meanwhile.is_none();
        if is_one && self.hedges.are_on() && !is_inside_getter() {
            if let [request] = &requests[..] {
                return vec![self.send_hedged(Arc::clone(request), host, losses)];
            }
        }
        // Other threads would not know that they are inside a getter.
        if is_one || is_inside_getter() {
            let waiting = (0..requests.len() + usize::from(meanwhile.is_some())).rev();
            let run = |(request, waiting): (&Arc<Request>, usize)| {
                request.run(&self.asking(request.call.share(waiting), &**host, losses))
            };
            let landed = requests.iter().zip(waiting).map(run).collect();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            landed
        } else {
            let (owners, host) = (Arc::clone(self), Arc::clone(host));
            let losses = Arc::clone(losses);
            let request = move |request: &Arc<Request>, waiting: usize| {
                request.run(&owners.asking(request.call.share(waiting), &*host, &losses))
            };
            self.fan_out.map_beside(requests, request, meanwhile).into_iter().flatten().collect()
        }
    }

    fn asking<'a, H>(&'a self, call: Call, host: &'a H, losses: &'a Losses) -> Asking<'a, H> {
        Asking {
            telling: &self.telling,
            picker: self.picker(),
            owner_errors: self.owner_errors,
            counters: &self.counters,
            news: &self.news,
            host,
            call,
            losses,
        }
    }

    /// Waits for the flights of others. Those who should try again come back: also those who came
    /// after a tag of the answer was removed.
    fn follow(
        &self,
        keys: &[&str],
        followed: Vec<(usize, Follower<Forwarded>)>,
        (call, losses): (Call, &Losses),
        answers: &mut [Option<Answer>],
        may_have: &dyn Fn(&Loaded) -> bool,
    ) -> Vec<usize> {
        let (mut again, since) = (Vec::new(), moment());
        for (at, follower) in followed {
            let theirs = call.of(at);
            let waited = follower.wait(theirs.until());
            if let (Some(since), false) = (since, matches!(waited, Waited::Abandoned)) {
                self.counters.waits.add(since.elapsed());
            }
            match waited {
                Waited::Value(Forwarded::CutShort { rounds }) => {
                    losses.inherit(rounds);
                    again.push(at);
                }
                Waited::Value(Forwarded::Answered(loaded)) if !may_have(&loaded) => again.push(at),
                Waited::Abandoned => again.push(at),
                Waited::TimedOut => {
                    answers[at] = Some(Err(timed_out(&self.group, keys[at], theirs.deadline)));
                }
                Waited::Value(forwarded) => {
                    if matches!(forwarded, Forwarded::Answered(_)) {
                        self.counters.deduplicated.add_one();
                    }
                    answers[at] = self.answer((keys[at], at), forwarded, call);
                }
            }
        }
        again
    }

    /// The answer that the end of the forward flight of the key at a place is; `None` when the
    /// getter has to answer.
    #[inline]
    fn answer(&self, (key, at): (&str, usize), forwarded: Forwarded, call: Call) -> Option<Answer> {
        match forwarded {
            Forwarded::Answered(loaded) => Some(Ok(loaded)),
            Forwarded::Refused(error) => Some(Err(load_failed(&self.group, key, Arc::new(error)))),
            Forwarded::Circle(error) if is_in_circle() => {
                Some(Err(load_failed(&self.group, key, Arc::new(error))))
            }
            Forwarded::CutShort { .. } if call.of(at).is_over() => {
                Some(Err(timed_out(&self.group, key, call.of(at).deadline)))
            }
            // One who is out of its share of the time may have the rest of it.
            Forwarded::CutShort { .. } | Forwarded::Circle(_) | Forwarded::Failed => None,
        }
    }

    /// What the previous owners that may be asked have of keys that this process has come to own,
    /// element *i* for `keys[i]`. An empty answer is nothing.
    pub(super) fn take_over(&self, keys: &[&str], may_ask: MayAsk<'_>) -> Vec<Option<Loaded>> {
        self.hand_over.take_over(&self.group, keys, self.picker(), may_ask)
    }

    /// A previous owner is about to hand over all that it has.
    pub(super) fn begin_hand_over(&self, peer: &Arc<dyn PeerGetter>) {
        self.hand_over.begin(peer);
    }

    /// It has done so, in the warm-up of that number.
    pub(super) fn end_hand_over(&self, peer: &Arc<dyn PeerGetter>, warm_up: u64) {
        self.hand_over.end(peer, warm_up);
    }

    /// Whether `key` was removed since keys began to move, in the warm-up of that number.
    pub(super) fn was_removed(&self, key: &str, warm_up: u64) -> bool {
        self.hand_over.was_removed(key, warm_up)
    }

    /// Counts of the hand-over.
    pub(super) fn hand_over_counters(&self) -> &HandOverCounters {
        self.hand_over.counters()
    }

    /// How often a peer told of changes that were not known here.
    pub(super) fn changes_heard(&self) -> u64 {
        self.news.heard.value()
    }

    /// Dooms the flight of `key`: its answer goes to those who wait, and nobody keeps it.
    pub(super) fn doom(&self, key: &str) {
        self.flights.doom(key);
    }

    /// Dooms all flights.
    pub(super) fn doom_all(&self) {
        self.flights.doom_all();
    }

    /// Learns that a tag is removed whose values have this tick, or an older one.
    pub(super) fn remember_tag_removal(&self, tick: u64) {
        self.hand_over.remember_tag_removal(tick, self.picker());
    }

    /// The tick of what was taken over since the present one was `tick`.
    pub(super) fn tick_of_what_is_taken_over(&self, tick: u64) -> u64 {
        self.hand_over.tick_of_what_is_taken_over(tick)
    }

    /// Learns of the removal of `key`, or of all keys. See [`handover`].
    pub(super) fn remember_removal(&self, key: Option<&str>) {
        self.hand_over.remember_removal(key, self.picker());
    }
}

#[cfg(test)]
mod tests;
