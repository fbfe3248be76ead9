//! Many keys at once: [`Group::get_many`], the load path with one request per owner and one call of the getter.
//!
//! Every key keeps its own flights, so a key that somebody else is loading is waited for and not loaded again, and whoever else
//! wants a key of the batch gets it from the batch. One rule keeps batches from waiting for each other for ever: **who waits for
//! another's flight holds no flight that has yet to begin or end.** A batch first does all the work that it leads, and waits
//! afterwards; what its getter asks for meanwhile is loaded without waiting (see [`nested`]).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Group;
use super::load::{Forwarded, GetterPanicked, Local, same_peer};
use super::nested::{self, InBatch};
use crate::byteview::ByteView;
use crate::clock::Deadline;
use crate::error::{BoxError, Error, PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::peers::PeerGetter;
use crate::singleflight::{Follower, Leader, Ticket, Waited};
use crate::sync::lock;

impl Group {
    /// The values of many keys; element *i* of the answer belongs to `keys[i]`.
    ///
    /// What is in memory is taken from there. For the rest each owner is asked once, all owners in parallel, and the keys of this
    /// process go to the getter in one call of [`get_many`](crate::Getter::get_many). Everything else holds for each key as
    /// with [`get`](Self::get): fail-over, flights, absence, life-times; one failing key fails alone. A key that occurs
    /// more than once is asked for once.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get`](Self::get). A getter that panics fails the keys it was called for with [`Error::Load`].
    ///
    /// # Blocking
    ///
    /// As [`get`](Self::get).
    pub fn get_many(&self, keys: &[&str]) -> Vec<Result<ByteView, Error>> {
        self.get_many_by(keys, self.inner.wait_timeout.and_then(Deadline::after))
    }

    /// As [`get_many`](Self::get_many), but waits no longer than `timeout`, as [`get_timeout`](Self::get_timeout) does.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_timeout`](Self::get_timeout).
    pub fn get_many_timeout(
        &self,
        keys: &[&str],
        timeout: Duration,
    ) -> Vec<Result<ByteView, Error>> {
        self.get_many_by(keys, Deadline::after(timeout))
    }

    fn get_many_by(
        &self,
        keys: &[&str],
        deadline: Option<Deadline>,
    ) -> Vec<Result<ByteView, Error>> {
        let load = |missing: &[&str]| {
            self.inner.counters.get_misses.add(missing.len());
            self.load_many(missing, deadline)
        };
        let (answers, _) = self.answer_many(keys, load);
        answers
            .into_iter()
            .zip(keys)
            .map(|(answer, key)| answer?.into_value().ok_or_else(|| self.not_found(key)))
            .collect()
    }

    pub(super) fn serve_many_by(
        &self,
        keys: &[&str],
        timeout: Option<Duration>,
    ) -> Vec<Result<Loaded, Error>> {
        let deadline = timeout.and_then(Deadline::after);
        let load = |missing: &[&str]| {
            self.inner.counters.served_misses.add(missing.len());
            self.load_many_locally(missing, deadline)
        };
        let (answers, hits) = self.answer_many(keys, load);
        self.inner.counters.served_hits.add(hits);
        answers
    }

    /// Answers keys from memory, and those that are not there, each once, with `load`; also tells how many were there.
    fn answer_many(
        &self,
        keys: &[&str],
        load: impl FnOnce(&[&str]) -> Vec<Local>,
    ) -> (Vec<Local>, usize) {
        let mut hits = 0;
        let mut missing = Vec::new();
        let mut places = HashMap::with_hasher(self.inner.main.key_hash());
        let found: Vec<Result<Local, usize>> = keys
            .iter()
            .map(|&key| {
                if key.is_empty() {
                    return Ok(Err(Error::EmptyKey));
                }
                if let Some(&place) = places.get(key) {
                    return Err(place);
                }
                if let Some(loaded) = self.cached(key) {
                    hits += 1;
                    return Ok(Ok(loaded));
                }
                if missing.is_empty() {
                    // Where one is missing, most are: it is the key of a peer, or the cache is cold.
                    missing.reserve(keys.len());
                    places.reserve(keys.len());
                }
                places.insert(key, missing.len());
                missing.push(key);
                Err(missing.len() - 1)
            })
            .collect();
        let loaded = if missing.is_empty() { Vec::new() } else { load(&missing) };
        if loaded.len() == keys.len() {
            return (loaded, hits); // Each key was missing, and was there once.
        }
        let found = found.into_iter();
        (found.map(|found| found.unwrap_or_else(|place| loaded[place].clone())).collect(), hits)
    }

    /// Loads keys, which must differ, from their owners and the getter.
    fn load_many(&self, keys: &[&str], deadline: Option<Deadline>) -> Vec<Local> {
        let mut answers: Vec<Option<Local>> = vec![None; keys.len()];
        let in_batch = nested::in_batch();
        let mut errands = Vec::<Errand>::new();
        let mut own = Vec::new();
        let mut followers = Vec::new();
        for ((at, key), owner) in keys.iter().enumerate().zip(self.peers().pick_peers(keys)) {
            let Some(owner) = owner else {
                // Only this thread knows that it is loading the key. Another one, on which the errand may run, would wait for
                // it, and it for the errand.
                if !in_batch && self.inner.locals.is_led_here(key) {
                    answers[at] = Some(Err(self.reentrant(key)));
                } else {
                    own.push(at);
                }
                continue;
            };
            match self.inner.forwards.join(key) {
                Err(_) => answers[at] = Some(Err(self.reentrant(key))),
                Ok(Ticket::Follower(follower)) => followers.push((at, follower)),
                Ok(Ticket::Leader(leader)) => {
                    let led = Led { at, leader };
                    match errands.iter_mut().find(|errand| errand.is_to(&owner)) {
                        Some(Errand::Ask(_, led_keys)) => lock(led_keys).push(led),
                        _ => errands.push(Errand::Ask(owner, Mutex::new(vec![led]))),
                    }
                }
            }
        }
        if !own.is_empty() {
            // The last of the errands, so that the others have begun when this one waits for other callers' loads.
            errands.push(Errand::Load(own.iter().map(|&at| (at, keys[at].to_owned())).collect()));
        }
        let group = self.clone();
        let done = if in_batch {
            // The others would not know that they may not wait.
            errands.iter().map(|errand| Some(errand.run(&group, deadline))).collect()
        } else {
            self.inner.fan_out.map(errands, move |errand| errand.run(&group, deadline))
        };
        for (at, answer) in done.into_iter().flatten().flatten() {
            answers[at] = answer;
        }
        for (at, follower) in followers {
            let waited = follower.wait(deadline.map(|d| d.at));
            answers[at] = self.followed(keys[at], waited, deadline);
        }
        self.load_the_rest(keys, answers, deadline)
    }

    /// What a follower of another caller's forward flight got; `None` when the getter has to answer.
    fn followed(
        &self,
        key: &str,
        waited: Waited<Forwarded>,
        deadline: Option<Deadline>,
    ) -> Option<Local> {
        match waited {
            Waited::Value(Forwarded::CutShort) | Waited::Abandoned => None,
            Waited::TimedOut => Some(Err(self.timed_out(key, deadline))),
            Waited::Value(forwarded) => {
                if matches!(forwarded, Forwarded::Answered(_)) {
                    self.inner.counters.loads_deduplicated.add_one();
                }
                self.meaning(key, forwarded, deadline)
            }
        }
    }

    /// What the end of a forward flight means to its leader; `None` when the getter has to answer.
    fn meaning(
        &self,
        key: &str,
        forwarded: Forwarded,
        deadline: Option<Deadline>,
    ) -> Option<Local> {
        match forwarded {
            Forwarded::Answered(loaded) => Some(Ok(loaded)),
            Forwarded::Refused(error) => Some(Err(self.load_error(key, error.into()))),
            Forwarded::CutShort => Some(Err(self.timed_out(key, deadline))),
            Forwarded::Failed => None,
        }
    }

    /// Loads what no peer has answered.
    fn load_the_rest(
        &self,
        keys: &[&str],
        mut answers: Vec<Option<Local>>,
        deadline: Option<Deadline>,
    ) -> Vec<Local> {
        let rest: Vec<usize> = (0..keys.len()).filter(|&at| answers[at].is_none()).collect();
        let rest_keys: Vec<&str> = rest.iter().map(|&at| keys[at]).collect();
        for (at, answer) in rest.into_iter().zip(self.load_many_locally(&rest_keys, deadline)) {
            answers[at] = Some(answer);
        }
        let answers = answers.into_iter();
        answers.map(|answer| answer.expect("what was not answered has just been loaded")).collect()
    }

    /// Loads keys, which must differ, with one call of the getter, but for those that others are loading.
    fn load_many_locally(&self, keys: &[&str], deadline: Option<Deadline>) -> Vec<Local> {
        let mut answers: Vec<Option<Local>> = vec![None; keys.len()];
        let mut followers: Vec<(usize, Follower<Local>)> = Vec::new();
        let mut led = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match self.inner.locals.join(key) {
                Err(_) | Ok(Ticket::Follower(_)) if nested::in_batch() => {
                    answers[at] = Some(self.load_alone(key));
                }
                Err(_) => answers[at] = Some(Err(self.reentrant(key))),
                Ok(Ticket::Follower(follower)) => followers.push((at, follower)),
                Ok(Ticket::Leader(leader)) => led.push(Led { at, leader }),
            }
        }
        let joined = followers.len();
        if !led.is_empty() {
            match deadline {
                None => {
                    for (at, answer) in self.call_getter_many(led) {
                        answers[at] = Some(answer);
                    }
                }
                Some(deadline) => {
                    followers.extend(led.iter().map(|led| (led.at, led.leader.follower())));
                    let group = self.clone();
                    // Where no thread becomes free, dropping the job ends its flights, and the deadline has passed.
                    self.inner.loaders.run_by(deadline.at, move || {
                        group.call_getter_many(led);
                    });
                }
            }
        }
        for (n, (at, follower)) in followers.into_iter().enumerate() {
            answers[at] = Some(match follower.wait(deadline.map(|d| d.at)) {
                Waited::Value(answer) => {
                    if n < joined {
                        self.inner.counters.loads_deduplicated.add_one();
                    }
                    answer
                }
                Waited::TimedOut => Err(self.timed_out(keys[at], deadline)),
                Waited::Abandoned => self.load_locally(keys[at], deadline),
            });
        }
        let answers = answers.into_iter().zip(keys);
        answers
            .map(|(answer, key)| {
                self.or_stale(key, answer.expect("every key was led, followed or refused"))
            })
            .collect()
    }

    /// Runs the getter for many keys whose local flights are led here, and ends these flights.
    fn call_getter_many(&self, led: Vec<Led<Local>>) -> Vec<(usize, Local)> {
        let mut answers = Vec::with_capacity(led.len());
        let mut open = Vec::with_capacity(led.len());
        for led in led {
            led.leader.begin();
            match self.peek_loaded(led.leader.key()) {
                Some(found) => answers.push(led.land(Ok(found))),
                None => open.push(led),
            }
        }
        let open = self.take_over_many(open, &mut answers);
        let keys: Vec<&str> = open.iter().map(|led| led.leader.key()).collect();
        let start = Instant::now();
        let outcomes = self.outcomes_of_getter(&keys);
        let cost = start.elapsed() / u32::try_from(open.len()).unwrap_or(u32::MAX).max(1);
        for (led, outcome) in open.into_iter().zip(outcomes) {
            let answer = self.settle_load(led.leader.key(), outcome, cost, &led.leader);
            answers.push(led.land(answer));
        }
        answers
    }

    /// What the getter says of each key; something for every key, whatever the getter does.
    fn outcomes_of_getter(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let called = catch_unwind(AssertUnwindSafe(|| {
            let _in_batch = InBatch::begin();
            self.inner.getter.get_many(keys)
        }));
        match called {
            Ok(outcomes) if outcomes.len() == keys.len() => outcomes,
            Ok(outcomes) => {
                let (got, asked) = (outcomes.len(), keys.len());
                let wrong = || format!("the getter answered {got} of {asked} keys");
                keys.iter().map(|_| Err(wrong().into())).collect()
            }
            Err(panic) => {
                // Its drop may panic as well.
                std::mem::forget(panic);
                let (group, count) = (self.name(), keys.len());
                log::error!(
                    "the getter of group {group:?} panicked on {count} keys from {:?} on",
                    keys[0]
                );
                keys.iter().map(|_| Err(GetterPanicked.into())).collect()
            }
        }
    }
}

/// A key of a batch whose flight the batch leads.
pub(super) struct Led<T> {
    /// Its place in the batch.
    pub(super) at: usize,
    pub(super) leader: Leader<T>,
}

impl Led<Local> {
    pub(super) fn land(self, answer: Local) -> (usize, Local) {
        self.leader.land(&answer);
        (self.at, answer)
    }
}

/// A part of a batch that is done on one thread.
enum Errand {
    /// Ask a peer for keys whose forward flights the batch leads.
    Ask(Arc<dyn PeerGetter>, Mutex<Vec<Led<Forwarded>>>),
    /// Load keys of this process.
    Load(Vec<(usize, String)>),
}

impl Errand {
    fn is_to(&self, peer: &Arc<dyn PeerGetter>) -> bool {
        matches!(self, Self::Ask(to, _) if same_peer(to, peer))
    }

    fn run(&self, group: &Group, deadline: Option<Deadline>) -> Answers {
        match self {
            Self::Ask(peer, led) => {
                let led = std::mem::take(&mut *lock(led));
                group.ask_peer_many(peer, led, deadline)
            }
            Self::Load(own) => {
                let keys: Vec<&str> = own.iter().map(|(_, key)| key.as_str()).collect();
                let answers = group.load_many_locally(&keys, deadline);
                own.iter().zip(answers).map(|((at, _), answer)| (*at, Some(answer))).collect()
            }
        }
    }
}

/// The answers to a part of a batch, by place; `None` for a key that the getter has to load.
type Answers = Vec<(usize, Option<Local>)>;

impl Group {
    /// Asks a peer for many keys, and those that it fails for of whoever the picker names then, as
    /// [`ask_peers`](Self::ask_peers) does for one. Ends the flights of all keys.
    fn ask_peer_many(
        &self,
        peer: &Arc<dyn PeerGetter>,
        led: Vec<Led<Forwarded>>,
        deadline: Option<Deadline>,
    ) -> Answers {
        let mut answers = Vec::with_capacity(led.len());
        let mut open = Vec::with_capacity(led.len());
        for led in led {
            led.leader.begin();
            match self.peek_loaded(led.leader.key()) {
                Some(found) => answers.push(self.land(led, Forwarded::Answered(found), deadline)),
                None => open.push(led),
            }
        }
        let failed = self.ask_once(peer, open, deadline, &mut answers);
        let mut again = Vec::<(Arc<dyn PeerGetter>, Vec<Led<Forwarded>>)>::new();
        for led in failed {
            match self.peers().pick_peer(led.leader.key()) {
                Some(next) if !same_peer(&next, peer) && !passed(deadline) => {
                    match again.iter_mut().find(|(peer, _)| same_peer(peer, &next)) {
                        Some((_, theirs)) => theirs.push(led),
                        None => again.push((next, vec![led])),
                    }
                }
                _ => answers.push(self.land(led, failure(deadline), deadline)),
            }
        }
        for (next, theirs) in again {
            for led in self.ask_once(&next, theirs, deadline, &mut answers) {
                answers.push(self.land(led, failure(deadline), deadline));
            }
        }
        answers
    }

    /// Asks one peer once; what it did not answer comes back.
    fn ask_once(
        &self,
        peer: &Arc<dyn PeerGetter>,
        led: Vec<Led<Forwarded>>,
        deadline: Option<Deadline>,
        answers: &mut Answers,
    ) -> Vec<Led<Forwarded>> {
        if led.is_empty() {
            return led;
        }
        let keys: Vec<&str> = led.iter().map(|led| led.leader.key()).collect();
        let asked = self.inner.lifetimes.now();
        let outcomes = match deadline {
            None => peer.get_many(self.name(), &keys),
            Some(deadline) => peer.get_many_timeout(self.name(), &keys, deadline.left()),
        };
        self.count_answers(&outcomes[..keys.len().min(outcomes.len())]);
        let mut outcomes = outcomes.into_iter();
        let mut failed = Vec::new();
        let mut last_error = None;
        for led in led {
            let missing = || Err(PeerError::new(PeerErrorKind::Protocol, peer.name(), "no answer"));
            let outcome = outcomes.next().unwrap_or_else(missing);
            match self.settle_answer(led.leader.key(), outcome, asked, &led.leader) {
                Ok(forwarded) => answers.push(self.land(led, forwarded, deadline)),
                Err(error) => {
                    last_error = Some(error);
                    failed.push(led);
                }
            }
        }
        if let Some(error) = last_error {
            log::warn!("getting {} keys of group {:?}: {error}", failed.len(), self.name());
        }
        failed
    }

    /// Ends a forward flight; its place, and what its end means.
    fn land(
        &self,
        led: Led<Forwarded>,
        forwarded: Forwarded,
        deadline: Option<Deadline>,
    ) -> (usize, Option<Local>) {
        let meaning = self.meaning(led.leader.key(), forwarded.clone(), deadline);
        led.leader.land(&forwarded);
        (led.at, meaning)
    }
}

fn passed(deadline: Option<Deadline>) -> bool {
    deadline.is_some_and(|deadline| deadline.left().is_zero())
}

fn failure(deadline: Option<Deadline>) -> Forwarded {
    if passed(deadline) { Forwarded::CutShort } else { Forwarded::Failed }
}
