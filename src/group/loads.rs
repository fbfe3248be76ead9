//! [`Loads`]: the getter, and who runs it.
//!
//! For each key one caller at a time runs the getter. It leads the *flight* of the key, and the others
//! who want the key wait for it. Of many keys, a caller leads some flights, runs the getter once for
//! all of them, and waits for the flights of the others afterwards. One rule keeps such callers from
//! waiting for each other for ever: **who waits for another's flight holds no flight that has yet to
//! begin or to end.** A thread that is inside a getter holds one, so it never waits: see
//! [`nesting`](crate::group::nesting).
//!
//! This part knows neither caches nor peers. What a flight needs of them, it asks of a [`LoadHost`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{BoxError, NotFound};
use crate::getter::{Getter, Loaded};
use crate::group::batch::{Answer, Led, keys_of};
use crate::group::call::Call;
use crate::group::error::{GetterPanicked, load_failed, overloaded, reentrant, timed_out};
use crate::group::nesting::{Inside, LoadId, is_in_circle, is_inside_getter};
use crate::singleflight::{Follower, Leader, Singleflight, Ticket, Waited};
use crate::stats::Counter;
use crate::workers::Workers;

/// The source of truth of a group, and the flights of those who load from it.
pub(super) struct Loads {
    group: Arc<str>,
    getter: Box<dyn Getter>,
    flights: Singleflight<Answer>,
    /// Threads that run the getter for callers who may not wait for its end.
    loaders: Workers,
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
}

/// What a load needs of its group.
pub(super) trait LoadHost: Send + Sync + 'static {
    /// A fresh value that is in memory by now.
    fn find(&self, key: &str) -> Option<Loaded>;

    /// What the previous owners of keys have, element *i* for `keys[i]`. An empty answer is nothing.
    fn take_over(&self, keys: &[&str]) -> Vec<Option<Loaded>>;

    /// A result of the getter with the life that it has for everyone.
    fn with_ttl(&self, loaded: Loaded) -> Loaded;

    /// Keeps a result, which took `cost` to load, while `is_wanted` holds.
    fn keep(&self, key: &str, loaded: &Loaded, cost: Duration, is_wanted: &dyn Fn() -> bool);
}

impl Loads {
    pub(super) fn new(
        group: Arc<str>,
        getter: Box<dyn Getter>,
        max_loaders: usize,
        max_refreshers: usize,
    ) -> Self {
        Self {
            loaders: Workers::new(format!("load {group}"), max_loaders),
            refreshers: Workers::new(format!("refresh {group}"), max_refreshers),
            group,
            getter,
            flights: Singleflight::new(),
            counters: LoadCounters::default(),
        }
    }

    /// Loads keys, which must differ, with one call of the getter for those that nobody is loading.
    pub(super) fn load(
        self: &Arc<Self>,
        keys: &[&str],
        call: Call,
        host: &Arc<impl LoadHost>,
    ) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = vec![None; keys.len()];
        let mut open: Vec<usize> = (0..keys.len()).collect();
        // Who waited for a flight that ended without a value starts over.
        while !open.is_empty() {
            open = self.load_once(keys, &open, call, host, &mut answers);
        }
        let answers = answers.into_iter();
        answers.map(|answer| answer.expect("no key is open any more")).collect()
    }

    /// Loads the keys at the places `open`; those that have to start over come back.
    fn load_once(
        self: &Arc<Self>,
        keys: &[&str],
        open: &[usize],
        call: Call,
        host: &Arc<impl LoadHost>,
        answers: &mut [Option<Answer>],
    ) -> Vec<usize> {
        let Boarded { led, followed, refused } = self.board(keys, open);
        for at in refused {
            answers[at] = Some(Err(reentrant(&self.group, keys[at])));
        }
        // What is led here comes first: see the rule of the module.
        let started = self.lead(led, call, host, answers);
        let joined = followed.into_iter().map(|(at, follower)| (at, follower, Joined::Another));
        let mut again = Vec::new();
        for (at, follower, whose) in joined.chain(started) {
            answers[at] = match (follower.wait(call.until()), whose) {
                (Waited::Value(answer), Joined::Own) => Some(answer),
                (Waited::Value(answer), Joined::Another) => {
                    self.counters.deduplicated.add_one();
                    Some(answer)
                }
                (Waited::TimedOut, _) => Some(Err(timed_out(&self.group, keys[at], call.deadline))),
                (Waited::Abandoned, Joined::Own) => {
                    Some(Err(load_failed(&self.group, keys[at], GetterPanicked.into())))
                }
                (Waited::Abandoned, Joined::Another) => {
                    again.push(at);
                    None
                }
            };
        }
        again
    }

    /// Takes a place in the flight of each key.
    fn board(&self, keys: &[&str], open: &[usize]) -> Boarded {
        let mut boarded = Boarded { led: Vec::with_capacity(open.len()), ..Boarded::default() };
        let may_wait = !is_inside_getter();
        for &at in open {
            match self.flights.join(keys[at]) {
                Ok(Ticket::Leader(leader)) => boarded.led.push(Led { at, leader }),
                Ok(Ticket::Follower(follower)) if may_wait => boarded.followed.push((at, follower)),
                Err(_) if may_wait => boarded.refused.push(at),
                _ => {
                    let leader = self.flights.lead_alone(keys[at]);
                    if is_in_circle(self.id(&leader)) {
                        boarded.refused.push(at);
                    } else {
                        boarded.led.push(Led { at, leader });
                    }
                }
            }
        }
        boarded
    }

    /// Sees to it that the flights that are led here fly: on the calling thread, whose answers are there
    /// at once, or on another one, if the caller may have to leave before.
    fn lead(
        self: &Arc<Self>,
        led: Vec<Led<Answer>>,
        call: Call,
        host: &Arc<impl LoadHost>,
        answers: &mut [Option<Answer>],
    ) -> Vec<(usize, Follower<Answer>, Joined)> {
        if led.is_empty() {
            return Vec::new();
        }
        let Some(deadline) = call.deadline.filter(|_| !is_inside_getter()) else {
            for (at, answer) in self.fly(led, call, &**host) {
                answers[at] = Some(answer);
            }
            return Vec::new();
        };
        let started: Vec<_> =
            led.iter().map(|led| (led.at, led.leader.follower(), Joined::Own)).collect();
        let keys: Vec<Box<str>> = led.iter().map(|led| led.key().into()).collect();
        let (loads, host) = (Arc::clone(self), Arc::clone(host));
        let fly = move || {
            let first = led[0].key().to_owned();
            loads.apart(&first, || drop(loads.fly(led, call, &*host)));
        };
        if self.loaders.run_by(deadline.at, fly) {
            return started;
        }
        // The flights ended as the job was dropped.
        for ((at, ..), key) in started.into_iter().zip(keys) {
            answers[at] = Some(Err(overloaded(&self.group, &key)));
        }
        Vec::new()
    }

    /// Leads flights to their ends, on the calling thread.
    fn fly(&self, led: Vec<Led<Answer>>, call: Call, host: &impl LoadHost) -> Vec<(usize, Answer)> {
        let mut answers = Vec::with_capacity(led.len());
        let open = Self::find(led, host, &mut answers);
        let open = self.take_over(open, host, &mut answers);
        self.run_getter(open, call, host, &mut answers);
        answers
    }

    /// Begins flights, and ends those whose value has come meanwhile. The others come back.
    ///
    /// The caches are asked again, because between this caller's look-up and the start of its flight
    /// another flight of the key may have begun and ended:
    ///
    /// ```text
    /// this thread: looks up, misses
    /// another:     looks up, misses, flies, fills the cache, ends the flight
    /// this thread: starts a flight, and would load a second time
    /// ```
    ///
    /// A flight fills the cache before it is removed. So a caller that finds no flight finds its value
    /// here.
    fn find(
        led: Vec<Led<Answer>>,
        host: &impl LoadHost,
        answers: &mut Vec<(usize, Answer)>,
    ) -> Vec<Led<Answer>> {
        let mut open = Vec::with_capacity(led.len());
        for led in led {
            led.leader.begin();
            match host.find(led.key()) {
                Some(found) => answers.push(led.land(Ok(found))),
                None => open.push(led),
            }
        }
        open
    }

    /// Ends the flights of keys that their previous owners still have. The others come back.
    fn take_over(
        &self,
        led: Vec<Led<Answer>>,
        host: &impl LoadHost,
        answers: &mut Vec<(usize, Answer)>,
    ) -> Vec<Led<Answer>> {
        let taken = host.take_over(&keys_of(&led));
        if taken.is_empty() {
            return led;
        }
        let mut open = Vec::with_capacity(led.len());
        for (led, taken) in led.into_iter().zip(taken) {
            match taken {
                None => open.push(led),
                Some(taken) => {
                    let is_wanted = || !led.leader.is_doomed();
                    host.keep(led.key(), &taken, Duration::ZERO, &is_wanted);
                    answers.push(led.land(Ok(taken)));
                }
            }
        }
        open
    }

    /// Runs the getter, keeps what it loads, and ends the flights.
    fn run_getter(
        &self,
        led: Vec<Led<Answer>>,
        call: Call,
        host: &impl LoadHost,
        answers: &mut Vec<(usize, Answer)>,
    ) {
        if led.is_empty() {
            return;
        }
        let start = Instant::now();
        let outcomes = {
            let _inside = Inside::begin(led.iter().map(|led| self.id(&led.leader)));
            let panicked = self.counters.errors.add_one_on_drop();
            let outcomes = call.ask_getter(&*self.getter, &self.group, &keys_of(&led));
            panicked.disarm();
            outcomes
        };
        let cost = start.elapsed() / u32::try_from(led.len()).unwrap_or(u32::MAX);
        for (led, outcome) in led.into_iter().zip(outcomes) {
            let answer = self.settle(led.key(), outcome, cost, host, &led.leader);
            answers.push(led.land(answer));
        }
    }

    /// Counts what the getter returned, gives it its life, and keeps it.
    fn settle(
        &self,
        key: &str,
        outcome: Result<Loaded, BoxError>,
        cost: Duration,
        host: &impl LoadHost,
        flight: &Leader<Answer>,
    ) -> Answer {
        let loaded = match outcome {
            Ok(loaded) => loaded,
            Err(error) if error.is::<NotFound>() => Loaded::absent(),
            Err(error) => {
                self.counters.errors.add_one();
                return Err(load_failed(&self.group, key, error));
            }
        };
        self.counters.loads.add_one();
        log::debug!("loaded {key:?} of group {:?} in {cost:?}", self.group);
        let loaded = host.with_ttl(loaded);
        host.keep(key, &loaded, cost, &|| !flight.is_doomed());
        Ok(loaded)
    }

    /// Has a key refreshed on another thread, unless somebody is loading it, `find` says that somebody
    /// has done so since, or all threads for that are busy.
    pub(super) fn refresh<H: LoadHost>(
        self: &Arc<Self>,
        key: &str,
        host: &Arc<H>,
        find: impl FnOnce(&H, &str) -> Option<Loaded> + Send + 'static,
    ) {
        let Ok(Ticket::Leader(leader)) = self.flights.join(key) else { return };
        let (loads, host) = (Arc::clone(self), Arc::clone(host));
        let refresh = move || {
            let led = Led { at: 0, leader };
            let key = led.key().to_owned();
            loads.apart(&key, || {
                led.leader.begin();
                if let Some(found) = find(&host, led.key()) {
                    let _ = led.land(Ok(found));
                } else {
                    loads.counters.refreshes.add_one();
                    loads.run_getter(vec![led], Call::one(None), &*host, &mut Vec::new());
                }
            });
        };
        // Where no thread is free, dropping the job ends the flight, and those who joined it meanwhile
        // start over.
        self.refreshers.run_by(Instant::now(), refresh);
    }

    /// Does a load on a thread of the group, and tells the log of a panic: there is no caller to go on
    /// to.
    fn apart(&self, key: &str, load: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(load)) {
            // Its drop may panic as well.
            std::mem::forget(panic);
            log::error!("the getter of group {:?} panicked on {key:?}", self.group);
        }
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

/// The places that a caller took in the flights of its keys.
#[derive(Default)]
struct Boarded {
    led: Vec<Led<Answer>>,
    followed: Vec<(usize, Follower<Answer>)>,
    /// Keys that need themselves.
    refused: Vec<usize>,
}

/// Whose flight a caller waits for.
#[derive(Clone, Copy)]
enum Joined {
    /// One that it has put on another thread.
    Own,
    Another,
}

#[cfg(test)]
mod tests;
