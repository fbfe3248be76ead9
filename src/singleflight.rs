//! [`Singleflight`]: many callers that want the same thing at once, one of them does the work.
//!
//! The first caller for a key becomes the *leader* of a *flight*; those who come while it flies are
//! *followers*, and get a clone of what the leader came back with. A flight ends in every case:
//! when the leader's work panics, a drop guard wakes the followers, and each of them starts over,
//! so that one of them becomes the next leader.
//!
//! ```
//! use geecache::singleflight::{Role, Singleflight};
//!
//! let flights = Singleflight::new();
//! let (sum, role) = flights.run("1+1", || 1 + 1).expect("nobody on this thread flies it already");
//! assert_eq!((sum, role), (2, Role::Leader));
//! ```

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Lets one of many simultaneous callers for a key do the work, and gives its result to all.
///
/// Clones share the flights. Nothing is remembered after a flight has ended.
pub struct Singleflight<T> {
    flights: Arc<Flights<T>>,
}

/// Parts of the flights with a lock of their own each. A batch flies a thousand keys at once, so
/// there are many.
const SHARDS: usize = 256;

/// The wait for one more back-up of a flight is doubled so often at most.
const MOST_DOUBLINGS: u32 = 10;

/// All flights that have not ended. There are a few in each shard at most, so that looking at all
/// of them takes less time than a second hash would.
///
/// Doomed flights are among them, though nobody can join them: their leaders are still told when
/// they ask for their own key.
struct Flights<T> {
    hasher: RandomState,
    /// Made by the first flight.
    shards: OnceLock<Box<[Shard<T>]>>,
}

type Shard<T> = Mutex<Vec<Arc<Flight<T>>>>;

impl<T> Flights<T> {
    fn new() -> Self {
        Self { hasher: RandomState::new(), shards: OnceLock::new() }
    }

    fn shard(&self, hash: u64) -> &Shard<T> {
        let shards = self.shards.get_or_init(|| (0..SHARDS).map(|_| Mutex::default()).collect());
        &shards[hash as usize % SHARDS]
    }

    /// All shards, if there are any yet.
    fn all_shards(&self) -> impl Iterator<Item = &Shard<T>> {
        self.shards.get().into_iter().flatten()
    }

    /// Takes a flight away, so that nobody finds it any longer.
    fn remove(&self, flight: &Arc<Flight<T>>) -> Option<Arc<Flight<T>>> {
        let mut shard = lock(self.shard(flight.hash));
        let at = shard.iter().position(|it| Arc::ptr_eq(it, flight))?;
        Some(shard.swap_remove(at))
    }
}

/// Who did the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// This caller did.
    Leader,
    /// Another caller did, and this one waited for it.
    Follower,
}

/// The calling thread leads a flight of this key already: waiting for it would never end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reentrant;

impl fmt::Display for Reentrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this thread is doing that work already")
    }
}

impl std::error::Error for Reentrant {}

impl<T: Clone> Singleflight<T> {
    /// No flights yet.
    #[must_use]
    pub fn new() -> Self {
        Self { flights: Arc::new(Flights::new()) }
    }

    /// Runs `work`, or waits for the caller who is running it for the same `key` and takes a clone
    /// of its result.
    ///
    /// # Errors
    ///
    /// [`Reentrant`] when the calling thread is itself running the work for `key`.
    ///
    /// # Blocking
    ///
    /// For as long as the work takes, here or in another caller: without end if it never returns.
    /// [`run_timeout`](Self::run_timeout) bounds the wait for others.
    ///
    /// # Panics
    ///
    /// If `work` does. The panic is the leader's alone: those who waited start over.
    pub fn run(&self, key: &str, work: impl FnOnce() -> T) -> Result<(T, Role), Reentrant> {
        let ran = self.run_until(key, None, work)?;
        Ok(ran.expect("only a deadline ends the wait without a result"))
    }

    /// As [`run`](Self::run), but waits no longer than `timeout` for another caller. `None` when
    /// that one is not done by then; its work goes on.
    ///
    /// # Errors
    ///
    /// That of [`run`](Self::run).
    ///
    /// # Blocking
    ///
    /// For `timeout`, and as long as `work` takes if it is this caller who runs it: nothing ends
    /// the work itself.
    ///
    /// # Panics
    ///
    /// If `work` does.
    pub fn run_timeout(
        &self,
        key: &str,
        timeout: Duration,
        work: impl FnOnce() -> T,
    ) -> Result<Option<(T, Role)>, Reentrant> {
        self.run_until(key, Instant::now().checked_add(timeout), work)
    }

    fn run_until(
        &self,
        key: &str,
        deadline: Option<Instant>,
        work: impl FnOnce() -> T,
    ) -> Result<Option<(T, Role)>, Reentrant> {
        loop {
            match self.join(key)? {
                Ticket::Leader(leader) => {
                    let value = leader.lead(|_| work());
                    return Ok(Some((value, Role::Leader)));
                }
                Ticket::Follower(follower) => match follower.wait(deadline) {
                    Waited::Value(value) => return Ok(Some((value, Role::Follower))),
                    Waited::TimedOut => return Ok(None),
                    Waited::Abandoned => {}
                },
            }
        }
    }

    /// Takes a place in the flight of `key`: as its leader when there is none yet.
    pub(crate) fn join(&self, key: &str) -> Result<Ticket<T>, Reentrant> {
        let hash = self.flights.hasher.hash_one(key);
        let mut shard = lock(self.flights.shard(hash));
        let mut found = None;
        for flight in shard.iter().filter(|flight| flight.hash == hash && *flight.key == *key) {
            if !flight.is_doomed() {
                found = Some(Arc::clone(flight));
            } else if flight.is_led_here() {
                return Err(Reentrant);
            }
        }
        if let Some(flight) = found {
            drop(shard);
            if flight.is_led_here() {
                return Err(Reentrant);
            }
            return Ok(Ticket::Follower(Follower { flight }));
        }
        let flight = Arc::new(Flight::new(hash, key));
        shard.push(Arc::clone(&flight));
        drop(shard);
        let flights = Arc::clone(&self.flights);
        Ok(Ticket::Leader(Leader { flights, flight, can_be_found: true, is_back_up: false }))
    }

    /// A place as the leader of a flight that nobody can find, beside those that there may be. It
    /// is doomed from the start, as no [`doom`](Self::doom) would find it either.
    pub(crate) fn lead_alone(&self, key: &str) -> Leader<T> {
        let flight = Flight::new(self.flights.hasher.hash_one(key), key);
        flight.doomed.store(true, Ordering::Release);
        let flights = Arc::clone(&self.flights);
        Leader { flights, flight: Arc::new(flight), can_be_found: false, is_back_up: false }
    }

    /// A second place as a leader of the flight that `follower` waits for, beside the first leader:
    /// for a follower whose `patience` is at an end. The value of whichever lands first is that of
    /// the flight. The others are doomed then.
    ///
    /// One at a time, mostly: after the last back-up began the next one has to wait for `patience`
    /// again, and for twice as long with each back-up that has not ended. None at all would be too
    /// few, as a back-up may get stuck like the leader. The error is when to ask again.
    pub(crate) fn back_up(
        &self,
        follower: &Follower<T>,
        patience: Duration,
    ) -> Result<Leader<T>, Instant> {
        let (flight, now) = (&follower.flight, Instant::now());
        let mut state = lock(&flight.state);
        if state.ended || state.leaders == 0 {
            return Err(now);
        }
        if let Some(last) = state.last_back_up {
            let doubled = (state.leaders - 1).min(MOST_DOUBLINGS);
            let next = last.checked_add(patience.saturating_mul(1 << doubled));
            if let Some(next) = next.filter(|next| *next > now) {
                return Err(next);
            }
        }
        state.leaders += 1;
        state.last_back_up = Some(now);
        drop(state);
        let (flights, flight) = (Arc::clone(&self.flights), Arc::clone(flight));
        Ok(Leader { flights, flight, can_be_found: true, is_back_up: true })
    }
}

impl<T> Singleflight<T> {
    /// Dooms the flight of `key`, if there is one: those who are in it get its value, but it is no
    /// longer to be found. Who comes from now on starts another, and [`Leader::is_doomed`]
    /// tells its leader.
    pub(crate) fn doom(&self, key: &str) {
        let hash = self.flights.hasher.hash_one(key);
        // Under the lock, so that of two who doom a flight at once, none goes on before it is
        // doomed.
        for flight in lock(self.flights.shard(hash)).iter() {
            if flight.hash == hash && *flight.key == *key {
                flight.doomed.store(true, Ordering::Release);
            }
        }
    }

    /// Dooms all flights that began before.
    pub(crate) fn doom_all(&self) {
        for shard in self.flights.all_shards() {
            for flight in lock(shard).iter() {
                flight.doomed.store(true, Ordering::Release);
            }
        }
    }

    /// How many flights have not ended.
    fn len(&self) -> usize {
        self.flights.all_shards().map(|shard| lock(shard).len()).sum()
    }
}

impl<T: Clone> Default for Singleflight<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Singleflight<T> {
    fn clone(&self) -> Self {
        Self { flights: Arc::clone(&self.flights) }
    }
}

impl<T> fmt::Debug for Singleflight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Singleflight").field("in_flight", &self.len()).finish()
    }
}

/// A place in a flight.
pub(crate) enum Ticket<T> {
    Leader(Leader<T>),
    Follower(Follower<T>),
}

/// The place of the one who does the work. Dropping it ends the flight without a value, unless
/// somebody else does the same work.
pub(crate) struct Leader<T> {
    flights: Arc<Flights<T>>,
    flight: Arc<Flight<T>>,
    /// Until the flight ends.
    can_be_found: bool,
    /// Whether it came after the first leader, see [`Singleflight::back_up`].
    is_back_up: bool,
}

impl<T: Clone> Leader<T> {
    /// Does the work on the calling thread, and ends the flight with its result.
    pub(crate) fn lead(self, work: impl FnOnce(&Self) -> T) -> T {
        self.begin();
        let value = work(&self);
        self.land(&value);
        value
    }

    /// Says that the work is done on the calling thread from now on.
    pub(crate) fn begin(&self) {
        if self.is_back_up {
            return;
        }
        let mut state = lock(&self.flight.state);
        state.leader = Some(this_thread());
        state.queued = None;
    }

    /// Ends the flight with `value`.
    pub(crate) fn land(mut self, value: &T) {
        // Nobody could doom those who still do the same work, once the flight can't be found.
        self.flight.doomed.store(true, Ordering::Release);
        self.depart();
        if self.is_followed() {
            let _ = self.flight.value.set(Box::new(value.clone()));
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.flight.key
    }

    /// The key, for one who needs it longer than the leader.
    pub(crate) fn shared_key(&self) -> Arc<str> {
        Arc::clone(&self.flight.key)
    }

    /// A hash of the key, which is the same for all flights of it.
    pub(crate) fn key_hash(&self) -> u64 {
        self.flight.hash
    }

    /// Whether the key was removed since the flight began, so that its value may already be out of
    /// date: the callers get it, but nobody may keep it. So it is when another leader has landed.
    pub(crate) fn is_doomed(&self) -> bool {
        self.flight.is_doomed()
    }

    /// Whether another leader does this work as well, and began before.
    pub(crate) fn is_back_up(&self) -> bool {
        self.is_back_up
    }

    /// A place among those who wait for this very flight.
    pub(crate) fn follower(&self) -> Follower<T> {
        Follower { flight: Arc::clone(&self.flight) }
    }
}

impl<T> Leader<T> {
    /// Sees to it that nobody finds the flight any longer.
    fn depart(&mut self) {
        if std::mem::take(&mut self.can_be_found) {
            drop(self.flights.remove(&self.flight));
        }
    }

    /// Gives up this place without a value; whether other leaders are left. If not, there is no
    /// back-up from now on.
    fn goes_on_without(&self) -> bool {
        let mut state = lock(&self.flight.state);
        state.leaders -= 1;
        if !self.is_back_up {
            // Its thread may ask for the key again, and then wait for a back-up as others do.
            state.leader = None;
        }
        state.leaders > 0
    }

    /// Whether somebody waits, or is about to. Of a flight that can't be found, nobody can become a
    /// follower any more.
    fn is_followed(&mut self) -> bool {
        Arc::get_mut(&mut self.flight).is_none()
    }
}

impl<T> Drop for Leader<T> {
    /// Ends the flight: removes it first, then wakes its followers, so that one who starts over
    /// never meets the flight that has just failed it. What the work put into a cache is there
    /// before both.
    ///
    /// Where this leader has no value and there are others, the flight is theirs.
    fn drop(&mut self) {
        if self.can_be_found && self.goes_on_without() {
            return;
        }
        self.depart();
        if self.is_followed() {
            let mut state = lock(&self.flight.state);
            state.ended = true;
            let is_awaited = state.waiting > 0;
            drop(state);
            // To wake nobody is a system call all the same.
            if is_awaited {
                self.flight.landed.notify_all();
            }
        }
    }
}

/// The place of one who waits.
pub(crate) struct Follower<T> {
    flight: Arc<Flight<T>>,
}

impl<T> Follower<T> {
    /// The thread that does the work, once it has begun.
    pub(crate) fn leader(&self) -> Option<ThreadId> {
        lock(&self.flight.state).leader
    }

    /// Says that the flight has to wait for a thread before it can begin, in that queue.
    pub(crate) fn queue(&self, queue: u8) {
        let mut state = lock(&self.flight.state);
        state.queued = Some(queue).filter(|_| state.leader.is_none());
        drop(state);
        self.flight.landed.notify_all();
    }
}

impl<T: Clone> Follower<T> {
    /// Waits for the flight to end, until `deadline` if there is one.
    ///
    /// A flight that waits for a thread is not waited for without a deadline: such a follower can
    /// work on its own thread. The flight is doomed then, and starting over makes another one.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Waited<T> {
        self.wait_for_end(deadline, if deadline.is_none() { u8::MAX } else { 0 })
    }

    /// As [`wait`](Self::wait), but not for a flight that waits in a queue before `least`: the
    /// threads there may wait for this very caller.
    pub(crate) fn wait_in_queue(&self, least: u8, deadline: Option<Instant>) -> Waited<T> {
        self.wait_for_end(deadline, if deadline.is_none() { u8::MAX } else { least })
    }

    /// As [`wait`](Self::wait) of one who can work, but [times out](Waited::TimedOut) at `until`.
    pub(crate) fn wait_as_worker(&self, until: Instant) -> Waited<T> {
        self.wait_for_end(Some(until), u8::MAX)
    }

    fn wait_for_end(&self, until: Option<Instant>, least: u8) -> Waited<T> {
        let mut state = lock(&self.flight.state);
        state.waiting += 1;
        while !state.ended {
            if state.queued.is_some_and(|queue| queue < least) {
                state.waiting -= 1;
                self.flight.doomed.store(true, Ordering::Release);
                return Waited::Abandoned;
            }
            state = match until {
                None => self.flight.landed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.waiting -= 1;
                        return Waited::TimedOut;
                    }
                    let waited = self.flight.landed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(state);
        self.flight.value.get().map_or(Waited::Abandoned, |value| Waited::Value((**value).clone()))
    }
}

/// What a follower's wait ended with.
pub(crate) enum Waited<T> {
    Value(T),
    /// There is nothing to wait for: the leader ended without a value, as its work panicked, or has
    /// no thread.
    Abandoned,
    /// The flight goes on.
    TimedOut,
}

struct Flight<T> {
    hash: u64,
    key: Arc<str>,
    /// Set before `state.ended` if somebody follows, and cloned outside of any lock. In a box,
    /// since most flights have no followers and are many: small ones are what allocators are good
    /// at.
    value: OnceLock<Box<T>>,
    state: Mutex<Progress>,
    landed: Condvar,
    doomed: AtomicBool,
}

struct Progress {
    /// The thread that does the work; `None` until it begins, which may be on another thread than
    /// the one that joined first.
    leader: Option<ThreadId>,
    /// The queue in which it is, if it can't begin for want of a thread.
    queued: Option<u8>,
    /// Leaders that have neither landed nor given up: the first one, and its back-ups.
    leaders: u32,
    /// When the last back-up began.
    last_back_up: Option<Instant>,
    ended: bool,
    /// Followers that wait, or that did until the end.
    waiting: u32,
}

impl<T> Flight<T> {
    fn new(hash: u64, key: &str) -> Self {
        Self {
            hash,
            key: key.into(),
            value: OnceLock::new(),
            state: Mutex::new(Progress {
                leader: None,
                queued: None,
                leaders: 1,
                last_back_up: None,
                ended: false,
                waiting: 0,
            }),
            landed: Condvar::new(),
            doomed: AtomicBool::new(false),
        }
    }
}

impl<T> Flight<T> {
    fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Acquire)
    }

    /// Whether the calling thread does the work.
    fn is_led_here(&self) -> bool {
        lock(&self.state).leader == Some(this_thread())
    }
}

/// The calling thread, without a handle on it.
fn this_thread() -> ThreadId {
    thread_local!(static THIS: ThreadId = thread::current().id());
    // While a thread ends its locals may be gone.
    THIS.try_with(|id| *id).unwrap_or_else(|_| thread::current().id())
}

#[cfg(test)]
mod tests;
