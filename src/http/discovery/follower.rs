//! [`Following`]: a thread that keeps the list of a pool as its source has it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{BoxError, Error};
use crate::http::discovery::roll::{IsPeer, Made, Roll, Why};
use crate::http::discovery::source::Discover;
use crate::http::discovery::stats::{FollowStats, ListChange, ListChangeKind};
use crate::http::discovery::zones::ToldZones;
use crate::http::discovery::{Discovery, Silence};
use crate::http::identity::Bell;
use crate::http::listed::ListedPeer;
use crate::http::peers::{Greeting, Peers};
use crate::http::time::PoolClock;
use crate::http::url::PeerUrl;
use crate::one_line::OneLine;
use crate::sync::lock;

/// How many changes are remembered.
const MAX_CHANGES: usize = 64;
/// How often peers are greeted, so that lists that differ are seen without any gets.
const GREET_EVERY: Duration = Duration::from_secs(1);
/// How many peers are greeted at a time.
const GREETED_AT_ONCE: usize = 8;
/// How long farewells wait for each other. All who reach the port can send some.
const FAREWELLS_EVERY: Duration = Duration::from_millis(100);
/// For how long one is not greeted that does not tell who it is.
const FOREIGN_FOR: Duration = Duration::from_secs(60);
/// How long the caller waits for the first answer.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Follows a source, until it is dropped.
pub(crate) struct Following {
    shared: Arc<Followed>,
    bell: Arc<Bell>,
    clock: PoolClock,
}

/// What the thread and its handle share.
struct Followed {
    state: Mutex<FollowState>,
    /// Told of each answer.
    answered: Condvar,
}

struct FollowState {
    is_over: bool,
    source: String,
    answered: Option<Instant>,
    failing_since: Option<Instant>,
    failure_was_told: bool,
    last_error: Option<String>,
    missing: Vec<String>,
    changes: VecDeque<(Instant, PeerUrl, ListChangeKind, String)>,
}

impl Following {
    /// Begins to follow.
    pub(crate) fn begin(peers: &Arc<Peers>, discovery: Discovery) -> Result<Self, Error> {
        let (follower, every) = ListFollower::new(peers, discovery)?;
        let bell = Arc::clone(peers.identity().bell());
        let clock = follower.clock.clone();
        let this = Self { shared: Arc::clone(&follower.shared), bell: Arc::clone(&bell), clock };
        let thread = thread::Builder::new().name("geecache-follow".to_owned());
        thread.spawn(move || follower.run(every, &bell)).map_err(|error| no_thread(&error))?;
        Ok(this)
    }

    /// What waits for the first answer.
    pub(crate) fn first_answer(&self) -> FirstAnswer {
        FirstAnswer(Arc::clone(&self.shared))
    }

    pub(crate) fn stats(&self) -> FollowStats {
        let now = self.clock.now();
        let state = lock(&self.shared.state);
        let ago = |at: Instant| now.saturating_duration_since(at);
        let change = |(at, url, kind, reason): &(Instant, PeerUrl, ListChangeKind, String)| {
            let (url, reason) = (url.as_str().to_owned(), reason.clone());
            ListChange { ago: ago(*at), url, kind: *kind, reason }
        };
        FollowStats {
            source: state.source.clone(),
            answered_ago: state.answered.map(ago),
            failing_for: state.failing_since.map(ago),
            last_error: state.last_error.clone(),
            missing: state.missing.clone(),
            changes: state.changes.iter().map(change).collect(),
        }
    }
}

/// The first answer of a source.
pub(crate) struct FirstAnswer(Arc<Followed>);

impl FirstAnswer {
    /// Waits for it, but not for long, and only while the source is followed.
    pub(crate) fn wait(self) {
        let Followed { state, answered } = &*self.0;
        let waits = |state: &mut FollowState| {
            state.answered.is_none() && state.last_error.is_none() && !state.is_over
        };
        let waited = answered.wait_timeout_while(lock(state), FIRST_ANSWER_WITHIN, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Following {
    /// Does not wait for the thread: its source may be busy for long.
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.answered.notify_all();
        self.bell.ring();
    }
}

fn no_thread(error: &io::Error) -> Error {
    Error::InvalidOption {
        option: "follow",
        reason: format!("no thread could be started: {error}"),
    }
}

/// What the thread has.
struct ListFollower {
    /// The pool may end first.
    peers: Weak<Peers>,
    shared: Arc<Followed>,
    clock: PoolClock,
    source: Box<dyn Discover>,
    name: String,
    roll: Roll,
    /// The last answer that could be taken.
    found: Option<Vec<ListedPeer>>,
    /// Why the last list of the source could not be taken. It may say that it is the same again.
    refused: Option<String>,
    /// Those that do not tell who they are, and since when that is known.
    foreign: HashMap<PeerUrl, Instant>,
    zones: ToldZones,
    next_greeted: usize,
    /// Those who are said to leave, and are still to be asked.
    said_to_leave: BTreeSet<PeerUrl>,
    /// When such were asked.
    farewells_heard: Option<Instant>,
    /// When those that are missing were greeted.
    missing_greeted: Option<Instant>,
    silence: Silence,
}

impl ListFollower {
    /// One that has not asked yet, and how often it is to ask.
    fn new(peers: &Arc<Peers>, discovery: Discovery) -> Result<(Self, Duration), Error> {
        let (every, absence) = (discovery.every, discovery.absence);
        let silence = discovery.silence();
        let source = discovery.into_source(peers)?;
        let name = source.name();
        let state = FollowState {
            is_over: false,
            source: name.clone(),
            answered: None,
            failing_since: None,
            failure_was_told: false,
            last_error: None,
            missing: Vec::new(),
            changes: VecDeque::new(),
        };
        let shared = Followed { state: Mutex::new(state), answered: Condvar::new() };
        let this = Self {
            peers: Arc::downgrade(peers),
            shared: Arc::new(shared),
            clock: peers.options().peer.exchange.clock.clone(),
            source,
            name,
            roll: Roll::new(peers.own_listed().cloned(), absence, &peers.list()),
            found: None,
            refused: None,
            foreign: HashMap::new(),
            zones: ToldZones::default(),
            next_greeted: 0,
            said_to_leave: BTreeSet::new(),
            farewells_heard: None,
            missing_greeted: None,
            silence,
        };
        Ok((this, every))
    }

    fn run(mut self, every: Duration, bell: &Bell) {
        let mut greeted = Instant::now();
        // By the clock of the pool, and by the system's: whichever is faster.
        let mut asked = None::<(Instant, Instant)>;
        loop {
            let heard = bell.rings();
            if self.is_over() {
                return;
            }
            let now = self.clock.now();
            self.let_go(now);
            let is_due = asked.is_none_or(|(asked, really)| {
                now.saturating_duration_since(asked) >= every || really.elapsed() >= every
            });
            if is_due {
                asked = Some((now, Instant::now()));
                if !self.step(now) {
                    return;
                }
            }
            if greeted.elapsed() >= GREET_EVERY {
                greeted = Instant::now();
                self.greet(self.clock.now());
                self.greet_those_who_left(self.clock.now());
            }
            let rest = every.saturating_sub(asked.map_or(every, |(_, really)| really.elapsed()));
            bell.wait(heard, self.clock.nap(rest.min(GREET_EVERY)));
        }
    }

    fn is_over(&self) -> bool {
        lock(&self.shared.state).is_over
    }

    /// Takes out of the list who leaves. Anybody can send a farewell in a peer's name, so the peer
    /// itself is asked.
    fn let_go(&mut self, now: Instant) {
        let Some(peers) = self.peers.upgrade() else { return };
        self.said_to_leave.extend(peers.take_leaving());
        let is_due = self.farewells_heard.is_none_or(|at| at.elapsed() >= FAREWELLS_EVERY);
        if self.said_to_leave.is_empty() || !is_due {
            return;
        }
        let begun = Instant::now();
        let mut made = Vec::new();
        while let Some(url) = self.said_to_leave.pop_first() {
            if peers.greet(&url) == Greeting::HasLeft {
                made.extend(self.roll.leaves(&url, now));
            }
            // The rest is asked when the source was.
            if begun.elapsed() >= GREET_EVERY {
                break;
            }
        }
        self.farewells_heard = Some(begun);
        self.put_in_force_if_any(made, &peers, now);
    }

    /// Asks the source, and changes the list. `false` if there is no pool any more.
    fn step(&mut self, now: Instant) -> bool {
        let answer = catch_unwind(AssertUnwindSafe(|| self.source.discover()));
        let Some(peers) = self.peers.upgrade() else { return false };
        let answer = answer.unwrap_or_else(|panic| {
            // Its drop may panic as well.
            std::mem::forget(panic);
            Err("it panicked".into())
        });
        if self.is_over() {
            return false;
        }
        match answer.and_then(|answer| self.take(answer, &peers, now)) {
            Ok(()) => {
                let mut state = lock(&self.shared.state);
                state.missing = self.roll.missing().map(|url| url.as_str().to_owned()).collect();
            }
            Err(error) => self.fail(&error, &peers, now),
        }
        self.shared.answered.notify_all();
        true
    }

    /// Takes an answer.
    fn take(
        &mut self,
        answer: Option<Vec<String>>,
        peers: &Peers,
        now: Instant,
    ) -> Result<(), BoxError> {
        match (&answer, &self.refused) {
            (None, Some(error)) => return Err(error.clone().into()),
            (None, None) => return self.apply(None, peers, now),
            (Some(_), _) => {}
        }
        let taken = self.apply(answer, peers, now);
        self.refused = taken.as_ref().err().map(ToString::to_string);
        taken
    }

    fn apply(
        &mut self,
        answer: Option<Vec<String>>,
        peers: &Peers,
        now: Instant,
    ) -> Result<(), BoxError> {
        let found = match answer {
            Some(texts) if texts.is_empty() => return Err("it names no peer".into()),
            Some(texts) => {
                let list = texts.iter().map(|text| peers.parse(text)).collect::<Result<_, _>>()?;
                ListedPeer::tidy(list)?
            }
            None => match self.found.clone() {
                Some(found) => found,
                None => return Ok(()),
            },
        };
        peers.check(&found)?;
        let (found, as_found) = (self.zones.complete(&found, peers, GREET_EVERY), found);
        let is_due =
            self.missing_greeted.is_none_or(|at| now.saturating_duration_since(at) >= GREET_EVERY);
        let (begun, silence) = (Instant::now(), self.silence);
        let made = self.roll.take(&found, now, |url| {
            // One that is silent takes long, and the source is to be asked in time.
            is_due
                && begun.elapsed() < GREET_EVERY
                && match peers.greet(url) {
                    Greeting::Refused | Greeting::HasLeft => true,
                    Greeting::Failed => silence == Silence::IsTheEnd,
                    Greeting::Ours(_) | Greeting::Foreign => false,
                }
        });
        if is_due {
            self.missing_greeted = Some(now);
        }
        self.found = Some(as_found);
        self.put_in_force(made, peers, now)?;
        // Who waits for the first answer looks at the list then.
        self.succeed(now);
        Ok(())
    }

    /// Has the pool take the list, and remembers what changed.
    fn put_in_force(&self, made: Vec<Made>, peers: &Peers, now: Instant) -> Result<(), BoxError> {
        let is_peer = if peers.listed().is_some() { IsPeer::Yes } else { IsPeer::No };
        let list = self.roll.list(is_peer);
        // Peers were asked meanwhile, and another source may be followed by now.
        if self.is_over() {
            return Ok(());
        }
        if *peers.list() != *list {
            peers.set(list)?;
        }
        made.into_iter().for_each(|made| self.record(made, peers, now));
        Ok(())
    }

    fn succeed(&self, now: Instant) {
        let (failed_since, was_told) = {
            let mut state = lock(&self.shared.state);
            state.answered = Some(now);
            state.last_error = None;
            (state.failing_since.take(), std::mem::take(&mut state.failure_was_told))
        };
        if let Some(since) = failed_since.filter(|_| was_told) {
            let failed_for = now.saturating_duration_since(since);
            log::info!("{} has an answer again, after {failed_for:?}", self.name);
        }
    }

    fn fail(&self, error: &BoxError, peers: &Peers, now: Instant) {
        let error = OneLine(error).to_string();
        let again = {
            let mut state = lock(&self.shared.state);
            state.failing_since.get_or_insert(now);
            state.last_error = Some(error.clone());
            // It may fail every other time.
            let is_due = || peers.options().peer.repeats.due(("source", &self.name));
            let again = (!state.failure_was_told).then(is_due).flatten();
            state.failure_was_told |= again.is_some();
            again
        };
        if let Some(again) = again {
            log::warn!(
                "the list of peers stays as it is: {} has no answer: {error}{again}",
                self.name
            );
        }
    }

    fn record(&self, made: Made, peers: &Peers, now: Instant) {
        let Made { url, kind, why } = made;
        let reason = match why {
            Why::Source if kind == ListChangeKind::Moved && self.zones.has(&url) => {
                "it said so".to_owned()
            }
            Why::Source => format!("{} says so", self.name),
            Why::Missing(time) => format!("{} has lacked it for {time:?}", self.name),
            Why::Leaves => "it said that it leaves".to_owned(),
            Why::BeginsAgain => "it has begun again".to_owned(),
            Why::Refuses => format!("{} lacks it, and it refuses connections", self.name),
        };
        log::info!("{peers:?}: peer {url} {kind}: {reason}");
        let mut state = lock(&self.shared.state);
        if state.changes.len() == MAX_CHANGES {
            state.changes.pop_front();
        }
        state.changes.push_back((now, url, kind, reason));
    }

    /// Greets some of the peers that are up, one after the other in turn: each learns the other's
    /// list by that.
    fn greet(&mut self, now: Instant) {
        let Some(peers) = self.peers.upgrade() else { return };
        let begun = Instant::now();
        self.foreign.retain(|_, since| now.saturating_duration_since(*since) < FOREIGN_FOR);
        let urls = peers.ready();
        if urls.is_empty() {
            return;
        }
        let first = self.next_greeted % urls.len();
        let count = urls.len().min(GREETED_AT_ONCE);
        self.next_greeted = first;
        let (mut made, mut has_moved) = (Vec::new(), false);
        for url in urls.iter().cycle().skip(first).take(count) {
            self.next_greeted += 1;
            if self.foreign.contains_key(url) {
                continue;
            }
            match peers.greet(url) {
                Greeting::Foreign => {
                    self.foreign.insert(url.clone(), now);
                }
                Greeting::HasLeft => made.extend(self.roll.leaves(url, now)),
                Greeting::Ours(zone) => has_moved |= self.zones.tells(url, zone),
                Greeting::Refused | Greeting::Failed => {}
            }
            // One that is silent takes long, and the source is to be asked in time.
            if begun.elapsed() >= GREET_EVERY {
                break;
            }
        }
        if let Some(found) = self.found.clone().filter(|_| has_moved) {
            let found = self.zones.complete(&found, &peers, GREET_EVERY);
            made.extend(self.roll.take_zones(&found));
        }
        self.put_in_force_if_any(made, &peers, now);
    }

    /// Greets those who have left while the source still has them. Who says so once more is none
    /// for as long again: its stay may be long, and the source late. Who has begun again is a peer
    /// at once.
    fn greet_those_who_left(&mut self, now: Instant) {
        let Some(peers) = self.peers.upgrade() else { return };
        let (begun, mut made) = (Instant::now(), Vec::new());
        let urls: Vec<PeerUrl> = self.roll.left().cloned().collect();
        for url in urls {
            match peers.greet_anybody(&url) {
                Greeting::HasLeft => drop(self.roll.leaves(&url, now)),
                Greeting::Ours(_) => made.extend(self.roll.begins_again(&url)),
                Greeting::Foreign | Greeting::Refused | Greeting::Failed => {}
            }
            // One that is silent takes long, and the source is to be asked in time.
            if begun.elapsed() >= GREET_EVERY {
                break;
            }
        }
        self.put_in_force_if_any(made, &peers, now);
    }

    fn put_in_force_if_any(&self, made: Vec<Made>, peers: &Peers, now: Instant) {
        if made.is_empty() {
            return;
        }
        if let Err(error) = self.put_in_force(made, peers, now) {
            self.fail(&error, peers, now);
        }
    }
}

#[cfg(test)]
mod tests;
