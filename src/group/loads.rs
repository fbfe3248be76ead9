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

mod flying;
mod patience;
mod refreshing;
mod source;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::KeyHash;
use crate::getter::{Getter, Loaded};
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::error::{
    GetterPanicked, load_failed, overloaded, reentrant, timed_out, too_deep,
};
use crate::group::nesting::{
    Chain, LoadId, MAX_LEVELS, is_inside_getter, is_too_deep, may_load_again,
};
use crate::group::telling::Telling;
use crate::histogram::Latency;
use crate::singleflight::{Follower, Leader, Singleflight, Ticket, Waited};
use crate::spans::Context;
use crate::stack::StackBytes;
use crate::stats::Counter;
use crate::sync::{Mutex, lock};
use crate::workers::Workers;
use patience::Patience;
use source::SourceGate;
pub(super) use source::SourceOptions;

/// The source of truth of a group, and the flights of those who load from it.
pub(super) struct Loads {
    group: Arc<str>,
    telling: Arc<Telling>,
    getter: Box<dyn Getter>,
    source: SourceGate,
    flights: Singleflight<Answer, KeyHash>,
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
    /// Calls of the getter that left an old value as it is.
    pub(super) unchanged: Counter,
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

    /// The tick of the removals of tags in this process. What a load has read is taken for as old
    /// as the tick at which it began.
    fn tick(&self) -> u64;

    /// Whether one who came at the tick `came` may have what another one's load has brought.
    fn is_for_one_who_came_at(&self, came: u64, loaded: &Loaded) -> bool;

    /// Waits for a moment, if memory is being filled from a disk; whether it was. A load may wait
    /// for that again and again.
    fn wait_for_disk(&self) -> bool;

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

    /// What is in memory of a key that is to be loaded, if it is a value: an old one.
    fn held(&self, key: &str) -> Option<Loaded>;

    /// As [`keep`](Self::keep), for a value that was [held](Self::held), and has a new life. What
    /// is returned is to be used in its place.
    fn renew(
        &self,
        key: &str,
        loaded: Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded;
}

/// What is optional about loads.
pub(super) struct LoadOptions {
    pub(super) max_loaders: usize,
    pub(super) max_refreshers: usize,
    pub(super) stack: StackBytes,
    pub(super) source: SourceOptions,
}

impl Loads {
    pub(super) fn new(
        telling: Arc<Telling>,
        getter: Box<dyn Getter>,
        options: LoadOptions,
    ) -> Self {
        let LoadOptions { max_loaders, max_refreshers, stack, source } = options;
        let group = Arc::clone(&telling.group);
        let workers = |what, max| {
            Workers::with_stack((what, Arc::clone(&group)), max, stack, &telling.repeats)
        };
        Self {
            loaders: workers("load", max_loaders),
            nested_loaders: workers("nested load", max_loaders),
            refreshers: workers("refresh", max_refreshers),
            source: SourceGate::new(source, Arc::clone(&telling)),
            group,
            telling,
            getter,
            flights: Singleflight::with_hasher(KeyHash::random()),
            patience: Patience::new(),
            counters: LoadCounters::default(),
        }
    }

    /// How many loads wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.loaders.waiting() + self.nested_loaders.waiting()
    }

    /// Loads that have not ended, and refreshes.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn unfinished(&self) -> (usize, usize) {
        let loaders = self.loaders.unfinished() + self.nested_loaders.unfinished();
        (self.flights.len().max(loaders), self.refreshers.unfinished())
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
        let (mut waits_since, came) = (None, host.tick());
        let may_have = |answer: &Answer| {
            answer.as_ref().map_or(true, |loaded| host.is_for_one_who_came_at(came, loaded))
        };
        // Who waited for a flight that ended without a value starts over.
        while answers.iter().any(Option::is_none) {
            let followed = self.board(keys, led, answers, call.chain);
            // What is led here comes first: see the rule of the module.
            let started = self.lead(keys, led, answers, call, host);
            for (at, follower) in started {
                let theirs = call.of(at);
                let answer = match follower.wait_for_start_and_end(theirs.until()) {
                    Waited::Value(answer) => answer,
                    Waited::TimedOut => Err(timed_out(&self.group, keys[at], theirs.deadline)),
                    Waited::Abandoned => {
                        Err(load_failed(&self.group, keys[at], Arc::new(GetterPanicked)))
                    }
                };
                answers[at] = Some(answer);
            }
            if !followed.is_empty() {
                let since = *waits_since.get_or_insert_with(Instant::now);
                if self.follow(keys, followed, (led, answers), (call, since), &may_have) {
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
        let (mut boarding, mut followed) = (self.flights.board(keys), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            if answers[at].is_some() || led[at].is_some() {
                continue;
            }
            match boarding.join(at) {
                Ok(Ticket::Leader(leader)) => led[at] = Some(leader),
                Ok(Ticket::Follower(follower)) if may_wait && !waits_for_us(&follower) => {
                    followed.push((at, follower));
                }
                Err(_) if may_wait => answers[at] = Some(Err(reentrant(&self.group, key))),
                _ => {
                    let leader = boarding.lead_alone(at);
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
        let soft = (0..keys.len()).find(|&at| led[at].is_some() && call.is_soft(at));
        let earliest = soft.map_or(call, |at| call.of(at)).deadline;
        let call = call.hard();
        let Some(deadline) = earliest.filter(|_| !is_inside_getter()) else {
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
        // The flights ended as the job was dropped. Those who have more time start over.
        let is_final = |at: usize| soft.is_none_or(|first| at >= first);
        for (at, _) in started.into_iter().filter(|(at, _)| is_final(*at)) {
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

    /// Times that the source came to rest, and keys for which the getter was not called.
    pub(super) fn source_counts(&self) -> (u64, u64) {
        (self.source.times_at_rest.value(), self.source.refusals.value())
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

#[cfg(test)]
mod tests;
