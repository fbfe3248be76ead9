//! [`Following`]: a thread that keeps the list of a pool as its source has it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{BoxError, Error};
use crate::http::discovery::Discovery;
use crate::http::discovery::roll::{IsPeer, Made, Roll, Why};
use crate::http::discovery::source::Discover;
use crate::http::discovery::stats::{FollowStats, ListChange, ListChangeKind};
use crate::http::identity::Bell;
use crate::http::listed::ListedPeer;
use crate::http::peers::{Greeting, Peers};
use crate::http::url::PeerUrl;
use crate::one_line::OneLine;
use crate::sync::lock;

/// How many changes are remembered.
const MAX_CHANGES: usize = 64;
/// How often peers are greeted, so that lists that differ are seen without any gets.
const GREET_EVERY: Duration = Duration::from_secs(1);
/// How many peers are greeted at a time, or asked whether they are there.
const GREETED_AT_ONCE: usize = 8;
/// For how long one is not greeted that does not tell who it is.
const FOREIGN_FOR: Duration = Duration::from_secs(60);
/// How long the caller waits for the first answer.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Follows a source, until it is dropped.
pub(crate) struct Following {
    shared: Arc<Followed>,
    bell: Arc<Bell>,
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
    last_error: Option<String>,
    missing: Vec<String>,
    changes: VecDeque<(Instant, PeerUrl, ListChangeKind, String)>,
}

impl Following {
    /// Begins to follow, and waits for the first answer, but not for long.
    pub(crate) fn begin(peers: &Arc<Peers>, discovery: Discovery) -> Result<Self, Error> {
        let (follower, every) = ListFollower::new(peers, discovery)?;
        let bell = Arc::clone(peers.identity().bell());
        let this = Self { shared: Arc::clone(&follower.shared), bell: Arc::clone(&bell) };
        let thread = thread::Builder::new().name("geecache-follow".to_owned());
        thread.spawn(move || follower.run(every, &bell)).map_err(|error| no_thread(&error))?;
        this.wait_for_the_first_answer();
        Ok(this)
    }

    fn wait_for_the_first_answer(&self) {
        let state = lock(&self.shared.state);
        let waits =
            |state: &mut FollowState| state.answered.is_none() && state.last_error.is_none();
        let waited = self.shared.answered.wait_timeout_while(state, FIRST_ANSWER_WITHIN, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn stats(&self) -> FollowStats {
        let (state, now) = (lock(&self.shared.state), Instant::now());
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

impl Drop for Following {
    /// Does not wait for the thread: its source may be busy for long.
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
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
    source: Box<dyn Discover>,
    name: String,
    roll: Roll,
    /// The last answer that could be taken.
    found: Option<Vec<ListedPeer>>,
    /// Those that do not tell who they are, and since when that is known.
    foreign: HashMap<PeerUrl, Instant>,
    next_greeted: usize,
    /// When those that are missing were greeted.
    missing_greeted: Option<Instant>,
}

impl ListFollower {
    /// One that has not asked yet, and how often it is to ask.
    fn new(peers: &Arc<Peers>, discovery: Discovery) -> Result<(Self, Duration), Error> {
        let (every, absence) = (discovery.every, discovery.absence);
        let source = discovery.into_source(peers.scheme())?;
        let name = source.name();
        let state = FollowState {
            is_over: false,
            source: name.clone(),
            answered: None,
            failing_since: None,
            last_error: None,
            missing: Vec::new(),
            changes: VecDeque::new(),
        };
        let shared = Followed { state: Mutex::new(state), answered: Condvar::new() };
        let this = Self {
            peers: Arc::downgrade(peers),
            shared: Arc::new(shared),
            source,
            name,
            roll: Roll::new(peers.own_listed().cloned(), absence, &peers.list()),
            found: None,
            foreign: HashMap::new(),
            next_greeted: 0,
            missing_greeted: None,
        };
        Ok((this, every))
    }

    fn run(mut self, every: Duration, bell: &Bell) {
        let mut greeted = Instant::now();
        let mut asked = None::<Instant>;
        loop {
            let heard = bell.rings();
            if lock(&self.shared.state).is_over {
                return;
            }
            let now = Instant::now();
            self.let_go(now);
            let is_due = asked.is_none_or(|asked| now.saturating_duration_since(asked) >= every);
            if is_due {
                asked = Some(now);
                if !self.step(now) {
                    return;
                }
            }
            if greeted.elapsed() >= GREET_EVERY {
                greeted = Instant::now();
                self.greet(greeted);
            }
            let rest = every.saturating_sub(asked.map_or(every, |asked| asked.elapsed()));
            bell.wait(heard, rest.min(GREET_EVERY));
        }
    }

    /// Takes out of the list who has said that it leaves.
    fn let_go(&mut self, now: Instant) {
        let Some(peers) = self.peers.upgrade() else { return };
        let leaving = peers.take_leaving();
        let made = leaving.iter().filter_map(|url| self.roll.leaves(url, now)).collect();
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
        match answer.and_then(|answer| self.apply(answer, &peers, now)) {
            Ok(()) => {
                let mut state = lock(&self.shared.state);
                state.missing = self.roll.missing().map(|url| url.as_str().to_owned()).collect();
            }
            Err(error) => self.fail(&error, now),
        }
        self.shared.answered.notify_all();
        true
    }

    /// Takes an answer.
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
        let is_due =
            self.missing_greeted.is_none_or(|at| now.saturating_duration_since(at) >= GREET_EVERY);
        let mut rest = if is_due { GREETED_AT_ONCE } else { 0 };
        let made = self.roll.take(&found, now, |url| {
            let is_asked = rest > 0;
            rest = rest.saturating_sub(1);
            is_asked && matches!(peers.greet(url), Greeting::Refused | Greeting::HasLeft)
        });
        if is_due {
            self.missing_greeted = Some(now);
        }
        self.found = Some(found);
        self.succeed(now);
        self.put_in_force(made, peers, now)
    }

    /// Has the pool take the list, and remembers what changed.
    fn put_in_force(&self, made: Vec<Made>, peers: &Peers, now: Instant) -> Result<(), BoxError> {
        let is_peer = if peers.listed().is_some() { IsPeer::Yes } else { IsPeer::No };
        let list = self.roll.list(is_peer);
        if *peers.list() != *list {
            peers.set(list)?;
        }
        made.into_iter().for_each(|made| self.record(made, peers, now));
        Ok(())
    }

    fn succeed(&self, now: Instant) {
        let failed_since = {
            let mut state = lock(&self.shared.state);
            state.answered = Some(now);
            state.last_error = None;
            state.failing_since.take()
        };
        if let Some(since) = failed_since {
            let failed_for = now.saturating_duration_since(since);
            log::info!("{} has an answer again, after {failed_for:?}", self.name);
        }
    }

    fn fail(&self, error: &BoxError, now: Instant) {
        let error = OneLine(error).to_string();
        let is_first = {
            let mut state = lock(&self.shared.state);
            let is_first = state.failing_since.is_none();
            state.failing_since.get_or_insert(now);
            state.last_error = Some(error.clone());
            is_first
        };
        if is_first {
            log::warn!("the list of peers stays as it is: {} has no answer: {error}", self.name);
        }
    }

    fn record(&self, made: Made, peers: &Peers, now: Instant) {
        let Made { url, kind, why } = made;
        let reason = match why {
            Why::Source => format!("{} says so", self.name),
            Why::Missing(time) => format!("{} has lacked it for {time:?}", self.name),
            Why::Leaves => "it said that it leaves".to_owned(),
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
        self.foreign.retain(|_, since| now.saturating_duration_since(*since) < FOREIGN_FOR);
        let urls = peers.ready();
        if urls.is_empty() {
            return;
        }
        let first = self.next_greeted % urls.len();
        let count = urls.len().min(GREETED_AT_ONCE);
        self.next_greeted = first + count;
        let mut made = Vec::new();
        for url in urls.iter().cycle().skip(first).take(count) {
            if self.foreign.contains_key(url) {
                continue;
            }
            match peers.greet(url) {
                Greeting::Foreign => {
                    self.foreign.insert(url.clone(), now);
                }
                Greeting::HasLeft => made.extend(self.roll.leaves(url, now)),
                Greeting::Ours | Greeting::Refused | Greeting::Failed => {}
            }
            // One that is silent takes long, and the source is to be asked in time.
            if now.elapsed() >= GREET_EVERY {
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
            self.fail(&error, now);
        }
    }
}

#[cfg(test)]
mod tests;
