//! What the leaders of flights do: they look once more, take over, run the getter, and keep.

use std::sync::Arc;
use std::time::Duration;

use crate::error::NotFound;
use crate::getter::{Loaded, Refreshed};
use crate::group::batch::Answer;
use crate::group::call::{Call, GetterReply, wrong_answer};
use crate::group::error::{overloaded, source_down};
use crate::group::loads::source::{Refused, SourcePlace};
use crate::group::loads::{LoadHost, Loads};
use crate::group::nesting::Inside;
use crate::origin::Origin;
use crate::singleflight::Leader;

impl Loads {
    /// Leads flights to their ends, on the calling thread.
    pub(super) fn fly(
        &self,
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &impl LoadHost,
    ) {
        Self::find(keys, led, answers, host);
        Self::wait_for_disk(keys, led, answers, call, host);
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
        // The others that are the first leaders of their keys boarded with it.
        let first = led.iter().flatten().find(|leader| !leader.is_back_up());
        first.into_iter().for_each(Leader::begin);
        for ((key, led), answer) in keys.iter().zip(led).zip(answers) {
            if led.is_none() {
                continue;
            }
            if let Some(found) = host.find(key) {
                land(led, answer, Ok(found));
            }
        }
    }

    /// Ends the flights of keys whose values come from a disk, while they are read from there.
    fn wait_for_disk(
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        call: Call,
        host: &impl LoadHost,
    ) {
        while led.iter().any(Option::is_some) && !call.is_over() && host.wait_for_disk() {
            for ((key, led), answer) in keys.iter().zip(&mut *led).zip(&mut *answers) {
                if let Some(found) = led.as_ref().and_then(|_| host.find(key)) {
                    land(led, answer, Ok(found));
                }
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
    pub(super) fn run_getter(
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
            let mut call = call;
            for at in 0..keys.len() {
                let (led, answers) = (&mut led[at..=at], &mut answers[at..=at]);
                self.run_getter(&keys[at..=at], led, answers, call, host);
                call = call.after(answers[0].as_ref());
            }
            return;
        }
        let open = open_keys(keys, led);
        let asked = if count == keys.len() { keys } else { &open };
        let place = match self.enter_source(led, call, host) {
            Ok(place) => place,
            Err(refused) => return self.refuse(keys, led, answers, &refused),
        };
        let old = old_values(asked, host);
        // Before the getter reads anything: see `LoadHost::tick`.
        let (start, tick) = (host.now(), host.tick());
        let replies = {
            let loads = led.iter().flatten().map(|leader| self.id(leader));
            let _inside = Inside::begin(loads, call.chain);
            let panicked = self.telling.of_panic(led, &self.counters.errors);
            let _timer = self.counters.getter_calls.timer();
            let replies = call.ask_getter(&*self.getter, &self.telling, asked, &old);
            panicked.disarm();
            replies
        };
        let now = host.now();
        match replies.of_source() {
            Some(told) => place.end(now, told.err()),
            None => place.end_untold(now),
        }
        let took = now.saturating_sub(start);
        let cost = Duration::from_millis(took / count as u64);
        // What was stuck until a back-up landed tells nothing of how long loads take.
        if led.iter().flatten().any(|leader| !leader.is_doomed()) {
            self.patience.learn(took);
        }
        let mut old = old.into_iter();
        let open = keys.iter().zip(&*led).zip(&mut *answers);
        let open = open.filter_map(|((key, led), answer)| Some((key, led.as_ref()?, answer)));
        for ((key, leader, answer), reply) in open.zip(replies) {
            *answer = Some(self.settle(key, (reply, old.next()), (cost, now, tick), host, leader));
        }
        // From the end on. There stand the keys for which expired values are served: who waits for
        // the keys before finds these landed.
        for (led, answer) in led.iter_mut().zip(answers).rev().filter(|(led, _)| led.is_some()) {
            let settled = answer.take();
            settled.into_iter().for_each(|settled| land(led, answer, settled));
        }
    }

    /// A place for one call of the getter. Those who wait for the flights meanwhile do not load as
    /// well: they would have to wait for a place, too.
    ///
    /// A load for a getter of a peer waits for none. What has the places may wait for it.
    fn enter_source(
        &self,
        led: &[Option<Leader<Answer>>],
        call: Call,
        host: &impl LoadHost,
    ) -> Result<SourcePlace<'_>, Refused> {
        if !self.source.has_bound() {
            return Ok(self.source.free_place());
        }
        let waits = || led.iter().flatten().for_each(Leader::hold);
        let waits = call.chain.is_none().then_some(waits);
        let place = self.source.enter(host.now(), call.place_until(), waits);
        led.iter().flatten().for_each(Leader::go_on);
        place
    }

    /// Ends the flights of keys for which the getter is not called.
    fn refuse(
        &self,
        keys: &[&str],
        led: &mut [Option<Leader<Answer>>],
        answers: &mut [Option<Answer>],
        refused: &Refused,
    ) {
        let refused_ones = keys.iter().zip(led).zip(answers).filter(|((_, led), _)| led.is_some());
        for ((key, led), answer) in refused_ones {
            self.source.refusals.add_one();
            let error = match refused {
                Refused::Full => overloaded(&self.group, key),
                Refused::Resting { left, cause } => {
                    source_down(&self.group, key, *left, Arc::clone(cause))
                }
            };
            land(led, answer, Err(error));
        }
    }

    /// Counts what the getter said of a key, and of the old value that it was shown, gives the
    /// result its life, and keeps it.
    fn settle(
        &self,
        key: &str,
        (reply, old): (GetterReply, Option<Loaded>),
        (cost, now, tick): (Duration, u64, u64),
        host: &impl LoadHost,
        flight: &Leader<Answer>,
    ) -> Answer {
        let is_wanted = || !flight.is_doomed();
        let failed = |cause| {
            self.counters.errors.add_one();
            Err(self.telling.load_failed(key, cause))
        };
        let loaded = match (reply, old) {
            (Ok(Refreshed::Changed(loaded)), _) => loaded,
            (Err(error), _) if error.is::<NotFound>() => Loaded::absent(),
            (Err(error), _) => return failed(error),
            (Ok(unchanged), Some(old)) => {
                let old = old.unchanged().begun_at(tick);
                let loaded = match unchanged {
                    Refreshed::UnchangedFor(ttl) => old.ttl(ttl),
                    _ => old,
                };
                self.counters.loads.add_one();
                self.counters.unchanged.add_one();
                log::debug!("{key:?} of group {:?} has not changed", self.group);
                let loaded = host.with_ttl(loaded).came_from(Origin::Getter);
                return Ok(host.renew(key, loaded, cost, now, &is_wanted));
            }
            (Ok(_), None) => {
                return failed(wrong_answer("\"unchanged\" was said of no old value"));
            }
        };
        self.counters.loads.add_one();
        log::debug!("loaded {key:?} of group {:?} in {cost:?}", self.group);
        let loaded = host.with_ttl(loaded).came_from(Origin::Getter).begun_at(tick);
        host.keep(key, &loaded, cost, now, &is_wanted);
        Ok(loaded)
    }
}

/// The keys whose flights are led here; none where these are all.
fn open_keys<'k>(keys: &[&'k str], led: &[Option<Leader<Answer>>]) -> Vec<&'k str> {
    if led.iter().all(Option::is_some) {
        return Vec::new();
    }
    keys.iter().zip(led).filter(|(_, led)| led.is_some()).map(|(key, _)| *key).collect()
}

/// The old values of keys, if all of them have one.
fn old_values(keys: &[&str], host: &impl LoadHost) -> Vec<Loaded> {
    let old: Vec<Loaded> = keys.iter().map_while(|key| host.held(key)).collect();
    if old.len() == keys.len() { old } else { Vec::new() }
}

/// Ends the flight of a key with its answer. The failure of a back-up is that of its caller alone:
/// the first load may yet succeed.
pub(super) fn land(led: &mut Option<Leader<Answer>>, slot: &mut Option<Answer>, answer: Answer) {
    if let Some(leader) = led.take().filter(|leader| answer.is_ok() || !leader.is_back_up()) {
        leader.land(&answer);
    }
    *slot = Some(answer);
}
