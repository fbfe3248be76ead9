//! [`Loads`]: the getter, and who runs it.
//!
//! For each key one caller at a time runs the getter. It leads the *flight* of the key, and the
//! others who want the key wait for it. Of many keys, a caller leads some flights, runs the getter
//! once for all of them, and waits for the flights of the others afterwards. One rule keeps such
//! callers from waiting for each other for ever: **who waits for another's flight holds no flight
//! that has yet to begin or to end.** A thread that is inside a getter holds one, so it never
//! waits: see [`nesting`](crate::group::nesting). Where that can't be known, a wait ends with
//! [`Patience`].
//!
//! This part knows neither caches nor peers. What a flight needs of them, it asks of a
//! [`LoadHost`].

mod patience;
mod waiting;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{BoxError, NotFound};
use crate::getter::{Getter, Loaded};
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::error::{
    GetterPanicked, load_failed, overloaded, reentrant, timed_out, too_deep,
};
use crate::group::nesting::{
    Chain, Inside, LoadId, MAX_LEVELS, is_inside_getter, is_too_deep, may_load_again,
};
use crate::group::telling::Telling;
use crate::histogram::Latency;
use crate::origin::Origin;
use crate::singleflight::{Follower, Leader, Singleflight, Ticket, Waited};
use crate::spans::Context;
use crate::stack::StackBytes;
use crate::stats::Counter;
use crate::sync::lock;
use crate::workers::Workers;
use patience::Patience;

/// The source of truth of a group, and the flights of those who load from it.
pub(super) struct Loads {
    group: Arc<str>,
    telling: Arc<Telling>,
    getter: Box<dyn Getter>,
    flights: Singleflight<Answer>,
    patience: Patience,
    /// Threads that run the getter for callers who may not wait for its end.
    loaders: Workers,
    /// The same for callers that are getters of peers.
    nested_loaders: Workers,
    /// Threads that run the getter for values that are served meanwhile.
    refreshers: Workers,
    pub(super) counters: LoadCounters,
}

#[derive(Debug, Default)]
pub(super) struct LoadCounters {
    /// Calls of the getter that returned, a value or that there is none; and those that did not.
    pub(super) loads: Counter,
    pub(super) errors: Counter,
    /// Callers who got what another caller loaded.
    pub(super) deduplicated: Counter,
    pub(super) refreshes: Counter,
    /// Calls of the getter, and waits of those callers.
    pub(super) getter_calls: Latency,
    pub(super) waits: Latency,
}

/// What a load needs of its group.
pub(super) trait LoadHost: Send + Sync + 'static {
    /// A fresh value that is in memory by now.
    fn find(&self, key: &str) -> Option<Loaded>;

    /// The time by the group's clock, in milliseconds.
    fn now(&self) -> u64;

    /// Whether previous owners may have what this process lacks.
    fn is_warming_up(&self) -> bool;

    /// What the previous owners of keys have, element *i* for `keys[i]`. An empty answer is
    /// nothing.
    fn take_over(&self, keys: &[&str]) -> Vec<Option<Loaded>>;

    /// A result of the getter with the life that it has for everyone.
    fn with_ttl(&self, loaded: Loaded) -> Loaded;

    /// Keeps a result, which was there at the time `now`, while `is_wanted` holds. `cost` is how
    /// long it took to load.
    fn keep(
        &self,
        key: &str,
        loaded: &Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    );
}

impl Loads {
    pub(super) fn new(
        telling: Arc<Telling>,
        getter: Box<dyn Getter>,
        max_loaders: usize,
        max_refreshers: usize,
        stack: StackBytes,
    ) -> Self {
        let group = Arc::clone(&telling.group);
        let workers = |name: &str, max| {
            Workers::with_stack(format!("{name} {group}"), max, stack, &telling.repeats)
        };
        Self {
            loaders: workers("load", max_loaders),
            nested_loaders: workers("nested load", max_loaders),
            refreshers: workers("refresh", max_refreshers),
            group,
            telling,
            getter,
            flights: Singleflight::new(),
            patience: Patience::new(),
            counters: LoadCounters::default(),
        }
    }

    /// Loads keys, which must differ, with one call of the getter for those that nobody is loading.
    /// Element *i* of `answers` becomes the answer to `keys[i]`.
    pub(super) fn load(
        self: &Arc<Self>,
        keys: &[&str],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &Arc<impl LoadHost>,
    ) {
        // A load of one key needs no list.
        let (mut one, mut many) = ([None], Vec::new());
        let led: &mut [Option<Leader<Answer>>] = if keys.len() == 1 {
            &mut one
        } else {
            many.resize_with(keys.len(), || None);
            &mut many
        };
        if is_too_deep() {
            let error = |key: &&str| Some(Err(too_deep(&self.group, key, MAX_LEVELS)));
            return answers.iter_mut().zip(keys).for_each(|(answer, key)| *answer = error(key));
        }
        let mut waits_since = None;
        // Who waited for a flight that ended without a value starts over.
        while answers.iter().any(Option::is_none) {
            let followed = self.board(keys, led, answers, call.chain);
            // What is led here comes first: see the rule of the module.
            let started = self.lead(keys, led, answers, call, host);
            for (at, follower) in started {
                let answer = match follower.wait(call.until()) {
                    Waited::Value(answer) => answer,
                    Waited::TimedOut => Err(timed_out(&self.group, keys[at], call.deadline)),
                    Waited::Abandoned => {
                        Err(load_failed(&self.group, keys[at], GetterPanicked.into()))
                    }
                };
                answers[at] = Some(answer);
            }
            if !followed.is_empty() {
                let since = *waits_since.get_or_insert_with(Instant::now);
                if self.follow(keys, followed, led, answers, (call, since)) {
                    waits_since = None;
                }
            }
        }
    }

    /// Takes a place in the flight of each key that has no answer. Those led here go to `led`, and
    /// the others come back. A flight that waits for the answer to a request of this `chain` is
    /// none to wait for.
    fn board(
        &self,
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        chain: Option<Chain>,
    ) -> Vec<(usize, Follower<Answer>)> {
        let may_wait = !is_inside_getter();
        let waits_for_us = |follower: &Follower<Answer>| {
            chain.is_some_and(|chain| follower.leader().is_some_and(|leader| chain.has(leader)))
        };
        let mut followed = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if answers[at].is_some() || led[at].is_some() {
                continue;
            }
            match self.flights.join(key) {
                Ok(Ticket::Leader(leader)) => led[at] = Some(leader),
                Ok(Ticket::Follower(follower)) if may_wait && !waits_for_us(&follower) => {
                    followed.push((at, follower));
                }
                Err(_) if may_wait => answers[at] = Some(Err(reentrant(&self.group, key))),
                _ => {
                    let leader = self.flights.lead_alone(key);
                    if may_load_again(self.id(&leader), chain) {
                        led[at] = Some(leader);
                    } else {
                        answers[at] = Some(Err(reentrant(&self.group, key)));
                    }
                }
            }
        }
        followed
    }

    /// Sees to it that the flights that are led here fly: on the calling thread, whose answers are
    /// there at once, or on another one, if the caller may have to leave before. It can wait for
    /// those.
    fn lead(
        self: &Arc<Self>,
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &Arc<impl LoadHost>,
    ) -> Vec<(usize, Follower<Answer>)> {
        let Some(deadline) = call.deadline.filter(|_| !is_inside_getter()) else {
            self.fly(keys, led, answers, call, &**host);
            return Vec::new();
        };
        let (mut started, mut leaders, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for (at, leader) in led.iter_mut().enumerate() {
            if let Some(leader) = leader.take() {
                started.push((at, leader.follower()));
                theirs.push(keys[at].to_owned());
                leaders.push(Some(leader));
            }
        }
        if leaders.is_empty() {
            return started;
        }
        let (loads, host) = (Arc::clone(self), Arc::clone(host));
        let context = Context::of_this_thread();
        let fly = move || {
            let keys: Vec<&str> = theirs.iter().map(String::as_str).collect();
            let mut answers = vec![None; keys.len()];
            let fly = || loads.fly(&keys, &mut leaders, &mut answers, call, &*host);
            context.run(|| loads.telling.apart(keys[0], fly));
        };
        // Callers without a deadline need no loader, and go on without this one.
        let queue = call.queue();
        let waits = || started.iter().for_each(|(_, follower)| follower.queue(queue));
        let is_started = match queue {
            0 => self.loaders.run_by(deadline.at, fly, waits),
            1 => self.nested_loaders.run_by(deadline.at, fly, waits),
            // Those who have a loader may all wait for this one, which so waits for none.
            _ => self.run_at_once(fly),
        };
        if is_started {
            return started;
        }
        // The flights ended as the job was dropped.
        for (at, _) in started {
            answers[at] = Some(Err(overloaded(&self.group, keys[at])));
        }
        Vec::new()
    }

    /// Runs a load on a thread for getters of peers or, where none is free, on the calling one.
    fn run_at_once(&self, load: impl FnOnce() + Send + 'static) -> bool {
        let here = Arc::new(Mutex::new(Some(load)));
        let there = Arc::clone(&here);
        let take = |load: &Mutex<Option<_>>| lock(load).take();
        if !self.nested_loaders.run_now(move || take(&there).into_iter().for_each(|load| load())) {
            take(&here).into_iter().for_each(|load| load());
        }
        true
    }

    /// Leads flights to their ends, on the calling thread.
    fn fly(
        &self,
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &impl LoadHost,
    ) {
        Self::find(keys, led, answers, host);
        if host.is_warming_up() {
            Self::take_over(keys, led, answers, host);
        }
        self.run_getter(keys, led, answers, call, host);
    }

    /// Begins flights, and ends those whose value has come meanwhile.
    ///
    /// The caches are asked again, because between this caller's look-up and the start of its
    /// flight another flight of the key may have begun and ended:
    ///
    /// ```text
    /// this thread: looks up, misses
    /// another:     looks up, misses, flies, fills the cache, ends the flight
    /// this thread: starts a flight, and would load a second time
    /// ```
    ///
    /// A flight fills the cache before it is removed. So a caller that finds no flight finds its
    /// value here.
    fn find(
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        host: &impl LoadHost,
    ) {
        for ((key, led), answer) in keys.iter().zip(led).zip(answers) {
            let Some(leader) = led else { continue };
            leader.begin();
            if let Some(found) = host.find(key) {
                land(led, answer, Ok(found));
            }
        }
    }

    /// Ends the flights of keys that their previous owners still have.
    fn take_over(
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        host: &impl LoadHost,
    ) {
        let open: Vec<usize> = (0..keys.len()).filter(|&at| led[at].is_some()).collect();
        let open_keys: Vec<&str> = open.iter().map(|&at| keys[at]).collect();
        let taken = host.take_over(&open_keys);
        let now = host.now();
        for (at, taken) in open.into_iter().zip(taken) {
            if let (Some(leader), Some(taken)) = (&led[at], taken) {
                host.keep(keys[at], &taken, Duration::ZERO, now, &|| !leader.is_doomed());
                land(&mut led[at], &mut answers[at], Ok(taken));
            }
        }
    }

    /// Runs the getter for the keys whose flights have not ended, keeps what it loads, and ends
    /// them.
    fn run_getter(
        &self,
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &impl LoadHost,
    ) {
        let count = led.iter().flatten().count();
        if count == 0 {
            return;
        }
        if count > 1 && self.getter.loads_one_by_one() {
            // Who waits for one of them need not wait for those after it.
            for at in 0..keys.len() {
                let (led, answers) = (&mut led[at..=at], &mut answers[at..=at]);
                self.run_getter(&keys[at..=at], led, answers, call, host);
            }
            return;
        }
        let start = host.now();
        let replies = {
            let loads = led.iter().flatten().map(|leader| self.id(leader));
            let _inside = Inside::begin(loads, call.chain);
            let panicked = self.telling.of_panic(led, &self.counters.errors);
            let _timer = self.counters.getter_calls.timer();
            let replies = if count == keys.len() {
                call.ask_getter(&*self.getter, &self.telling, keys)
            } else {
                let open = keys.iter().zip(&*led).filter(|(_, led)| led.is_some());
                let open: Vec<&str> = open.map(|(&key, _)| key).collect();
                call.ask_getter(&*self.getter, &self.telling, &open)
            };
            panicked.disarm();
            replies
        };
        let now = host.now();
        let took = now.saturating_sub(start);
        let cost = Duration::from_millis(took / count as u64);
        // What was stuck until a back-up landed tells nothing of how long loads take.
        if led.iter().flatten().any(|leader| !leader.is_doomed()) {
            self.patience.learn(took);
        }
        let open = keys.iter().zip(led).zip(answers).filter(|((_, led), _)| led.is_some());
        for (((key, led), answer), reply) in open.zip(replies) {
            let Some(leader) = led else { continue };
            let settled = self.settle(key, reply, (cost, now), host, leader);
            land(led, answer, settled);
        }
    }

    /// Counts what the getter returned, gives it its life, and keeps it.
    fn settle(
        &self,
        key: &str,
        reply: Result<Loaded, BoxError>,
        (cost, now): (Duration, u64),
        host: &impl LoadHost,
        flight: &Leader<Answer>,
    ) -> Answer {
        let loaded = match reply {
            Ok(loaded) => loaded,
            Err(error) if error.is::<NotFound>() => Loaded::absent(),
            Err(error) => {
                self.counters.errors.add_one();
                return Err(self.telling.load_failed(key, error));
            }
        };
        self.counters.loads.add_one();
        log::debug!("loaded {key:?} of group {:?} in {cost:?}", self.group);
        let loaded = host.with_ttl(loaded).came_from(Origin::Getter);
        host.keep(key, &loaded, cost, now, &|| !flight.is_doomed());
        Ok(loaded)
    }

    /// Has a key refreshed on another thread, unless somebody is loading it, `find` says that
    /// somebody has done so since, or all threads for that are busy.
    pub(super) fn refresh<H: LoadHost>(
        self: &Arc<Self>,
        key: &str,
        host: &Arc<H>,
        find: impl FnOnce(&H, &str) -> Option<Loaded> + Send + 'static,
    ) {
        let Ok(Ticket::Leader(leader)) = self.flights.join(key) else { return };
        let (loads, host) = (Arc::clone(self), Arc::clone(host));
        let refresh = move || {
            let key = leader.key().to_owned();
            let (mut led, mut answer) = ([Some(leader)], [None]);
            loads.telling.apart(&key, || {
                led.iter().flatten().for_each(Leader::begin);
                if let Some(found) = find(&host, &key) {
                    land(&mut led[0], &mut answer[0], Ok(found));
                } else {
                    loads.counters.refreshes.add_one();
                    loads.run_getter(&[&key], &mut led, &mut answer, Call::one(None), &*host);
                }
            });
        };
        // Where no thread is free, dropping the job ends the flight, and those who joined it
        // meanwhile start over.
        self.refreshers.run_now(refresh);
    }

    /// Dooms the flight of `key`: its value goes to those who wait, and nobody keeps it.
    pub(super) fn doom(&self, key: &str) {
        self.flights.doom(key);
    }

    /// Dooms all flights.
    pub(super) fn doom_all(&self) {
        self.flights.doom_all();
    }

    fn id(&self, leader: &Leader<Answer>) -> LoadId {
        LoadId { group: std::ptr::from_ref(self).addr(), key_hash: leader.key_hash() }
    }
}

/// Ends the flight of a key with its answer. The failure of a back-up is that of its caller alone:
/// the first load may yet succeed.
fn land(led: &mut Option<Leader<Answer>>, slot: &mut Option<Answer>, answer: Answer) {
    if let Some(leader) = led.take().filter(|leader| answer.is_ok() || !leader.is_back_up()) {
        leader.land(&answer);
    }
    *slot = Some(answer);
}

#[cfg(test)]
mod tests;
