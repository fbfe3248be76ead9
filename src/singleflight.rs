//! [`Singleflight`]: many callers that want the same thing at once, one of them does the work.
//!
//! The first caller for a key becomes the *leader* of a *flight*; those who come while it flies are
//! *followers*, and get a clone of what the leader came back with. A flight ends in every case: when the
//! leader's work panics, a drop guard wakes the followers, and each of them starts over, so that one of them
//! becomes the next leader.
//!
//! ```
//! use geecache::singleflight::{Role, Singleflight};
//!
//! let flights = Singleflight::new();
//! let (sum, role) = flights.run("1+1", || 1 + 1).expect("nobody on this thread flies it already");
//! assert_eq!((sum, role), (2, Role::Leader));
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::sync::lock;

/// Lets one of many simultaneous callers for a key do the work, and gives its result to all.
///
/// Clones share the flights. Nothing is remembered after a flight has ended.
pub struct Singleflight<T> {
    flights: Arc<Mutex<Flights<T>>>,
}

type Flights<T> = HashMap<Arc<str>, Arc<Flight<T>>>;

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
        Self { flights: Arc::default() }
    }

    /// Runs `work`, or waits for the caller who is running it for the same `key` and takes a clone of its
    /// result.
    ///
    /// # Errors
    ///
    /// [`Reentrant`] when the calling thread is itself running the work for `key`.
    ///
    /// # Blocking
    ///
    /// For as long as the work takes.
    ///
    /// # Panics
    ///
    /// If `work` does. The panic is the leader's alone: those who waited start over.
    pub fn run(&self, key: &str, work: impl FnOnce() -> T) -> Result<(T, Role), Reentrant> {
        loop {
            match self.join(key)? {
                Ticket::Leader(leader) => {
                    let value = leader.lead(|_| work());
                    return Ok((value, Role::Leader));
                }
                Ticket::Follower(follower) => {
                    if let Waited::Value(value) = follower.wait(None) {
                        return Ok((value, Role::Follower));
                    }
                }
            }
        }
    }

    /// Takes a place in the flight of `key`: as its leader when there is none yet.
    pub(crate) fn join(&self, key: &str) -> Result<Ticket<T>, Reentrant> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(key) {
            let flight = Arc::clone(flight);
            drop(flights);
            if lock(&flight.state).leader == Some(thread::current().id()) {
                return Err(Reentrant);
            }
            return Ok(Ticket::Follower(Follower { flight }));
        }
        let key = Arc::<str>::from(key);
        let flight = Arc::new(Flight::new());
        flights.insert(Arc::clone(&key), Arc::clone(&flight));
        drop(flights);
        Ok(Ticket::Leader(Leader { flights: Arc::clone(&self.flights), key, flight }))
    }
}

impl<T> Singleflight<T> {
    /// Dooms the flight of `key`, if there is one: those who are in it get its value, but it is no longer to be
    /// found, so whoever comes from now on starts another, and [`Leader::is_doomed`] tells its leader.
    pub(crate) fn doom(&self, key: &str) {
        let doomed = lock(&self.flights).remove(key);
        if let Some(flight) = doomed {
            flight.doomed.store(true, Ordering::Release);
        }
    }

    /// Dooms all flights.
    pub(crate) fn doom_all(&self) {
        let doomed = std::mem::take(&mut *lock(&self.flights));
        for flight in doomed.values() {
            flight.doomed.store(true, Ordering::Release);
        }
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
        f.debug_struct("Singleflight").field("in_flight", &lock(&self.flights).len()).finish()
    }
}

/// A place in a flight.
pub(crate) enum Ticket<T> {
    Leader(Leader<T>),
    Follower(Follower<T>),
}

/// The place of the one who does the work. Dropping it ends the flight without a value.
pub(crate) struct Leader<T> {
    flights: Arc<Mutex<Flights<T>>>,
    key: Arc<str>,
    flight: Arc<Flight<T>>,
}

impl<T: Clone> Leader<T> {
    /// Does the work on the calling thread, and ends the flight with its result.
    pub(crate) fn lead(self, work: impl FnOnce(&Self) -> T) -> T {
        self.begin();
        let value = work(&self);
        self.land(value.clone());
        value
    }

    /// Says that the work is done on the calling thread from now on.
    pub(crate) fn begin(&self) {
        lock(&self.flight.state).leader = Some(thread::current().id());
    }

    /// Ends the flight with `value`.
    pub(crate) fn land(self, value: T) {
        let _ = self.flight.value.set(value);
    }

    /// Whether the key was removed since the flight began, so that its value may already be out of date: the
    /// callers get it, but nobody may keep it.
    pub(crate) fn is_doomed(&self) -> bool {
        self.flight.doomed.load(Ordering::Acquire)
    }

    /// A place among those who wait for this very flight.
    pub(crate) fn follower(&self) -> Follower<T> {
        Follower { flight: Arc::clone(&self.flight) }
    }
}

impl<T> Drop for Leader<T> {
    /// Ends the flight: removes it first, then wakes its followers, so that one who starts over never meets
    /// the flight that has just failed it. What the work put into a cache is there before both.
    fn drop(&mut self) {
        let removed = match lock(&self.flights).entry(Arc::clone(&self.key)) {
            Entry::Occupied(entry) if Arc::ptr_eq(entry.get(), &self.flight) => {
                Some(entry.remove_entry())
            }
            _ => None,
        };
        lock(&self.flight.state).ended = true;
        self.flight.landed.notify_all();
        drop(removed);
    }
}

/// The place of one who waits.
pub(crate) struct Follower<T> {
    flight: Arc<Flight<T>>,
}

impl<T: Clone> Follower<T> {
    /// Waits for the flight to end, until `deadline` if there is one.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Waited<T> {
        let mut state = lock(&self.flight.state);
        while !state.ended {
            state = match deadline {
                None => self.flight.landed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Waited::TimedOut;
                    }
                    let waited = self.flight.landed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(state);
        self.flight.value.get().map_or(Waited::Abandoned, |value| Waited::Value(value.clone()))
    }
}

/// What a follower's wait ended with.
pub(crate) enum Waited<T> {
    Value(T),
    /// The leader ended without a value: its work panicked.
    Abandoned,
    /// The flight goes on.
    TimedOut,
}

struct Flight<T> {
    /// Set before `state.ended`, and cloned outside of any lock.
    value: OnceLock<T>,
    state: Mutex<State>,
    landed: Condvar,
    doomed: AtomicBool,
}

struct State {
    /// The thread that does the work; `None` until it begins, which may be on another thread than the one
    /// that joined first.
    leader: Option<ThreadId>,
    ended: bool,
}

impl<T> Flight<T> {
    fn new() -> Self {
        Self {
            value: OnceLock::new(),
            state: Mutex::new(State { leader: None, ended: false }),
            landed: Condvar::new(),
            doomed: AtomicBool::new(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Starts a flight of "key" on its own thread; it lands with `value` when the sender is used or dropped.
    fn take_off(
        flights: &Singleflight<u32>,
        end: impl FnOnce() -> u32 + Send + 'static,
    ) -> (mpsc::Sender<()>, thread::JoinHandle<Option<u32>>) {
        let (go, gate) = mpsc::channel::<()>();
        let (started, flying) = mpsc::channel();
        let flights = flights.clone();
        let leader = thread::spawn(move || {
            let work = || {
                started.send(()).unwrap();
                let _ = gate.recv_timeout(Duration::from_secs(10));
                end()
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| flights.run("key", work)));
            outcome.ok().map(|result| result.unwrap().0)
        });
        flying.recv_timeout(Duration::from_secs(10)).unwrap();
        (go, leader)
    }

    fn follower_of(flights: &Singleflight<u32>) -> Follower<u32> {
        match flights.join("key") {
            Ok(Ticket::Follower(follower)) => follower,
            _ => panic!("there should be a flight to follow"),
        }
    }

    #[test]
    fn simultaneous_callers_share_one_run() {
        let flights = Singleflight::new();
        let runs = AtomicUsize::new(0);
        let (go, leader) = take_off(&flights, || 7);
        let followers: Vec<_> = (0..8).map(|_| follower_of(&flights)).collect();
        drop(go);
        for follower in followers {
            let deadline = Instant::now() + Duration::from_secs(10);
            assert!(matches!(follower.wait(Some(deadline)), Waited::Value(7)));
        }
        assert_eq!(leader.join().unwrap(), Some(7));
        let again = flights.run("key", || {
            runs.fetch_add(1, Ordering::Relaxed);
            8
        });
        assert_eq!(again, Ok((8, Role::Leader)), "an ended flight is forgotten");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn other_keys_are_not_held_up() {
        let flights = Singleflight::new();
        let (go, leader) = take_off(&flights, || 7);
        assert_eq!(flights.run("other", || 1), Ok((1, Role::Leader)));
        drop(go);
        leader.join().unwrap();
    }

    #[test]
    fn panicking_leader_wakes_its_followers_and_one_of_them_leads() {
        let flights = Singleflight::new();
        let (go, leader) = take_off(&flights, || panic!("the work panics"));
        let follower = follower_of(&flights);
        let waiter = thread::spawn({
            let flights = flights.clone();
            move || flights.run("key", || 9)
        });
        drop(go);
        assert_eq!(leader.join().unwrap(), None);
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(matches!(follower.wait(Some(deadline)), Waited::Abandoned));
        assert_eq!(waiter.join().unwrap(), Ok((9, Role::Leader)));
        assert!(lock(&flights.flights).is_empty());
    }

    #[test]
    fn the_same_thread_is_refused_instead_of_waiting_for_itself() {
        let flights = Singleflight::<Option<Reentrant>>::new();
        let outer = flights.run("key", || flights.run("key", || None).err());
        assert_eq!(outer, Ok((Some(Reentrant), Role::Leader)));
        assert_eq!(flights.run("key", || None), Ok((None, Role::Leader)));
    }

    #[test]
    fn work_handed_to_another_thread_is_reentrant_there() {
        let flights = Singleflight::<bool>::new();
        let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
        let follower = leader.follower();
        let worker = thread::spawn(move || leader.lead(|_| flights.join("key").is_err()));
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(matches!(follower.wait(Some(deadline)), Waited::Value(true)));
        assert!(worker.join().unwrap());
    }

    #[test]
    fn a_doomed_flight_serves_its_followers_and_nobody_else() {
        let flights = Singleflight::new();
        let Ok(Ticket::Leader(old)) = flights.join("key") else { panic!("nobody flies") };
        let follower = old.follower();
        assert!(!old.is_doomed());
        flights.doom("key");
        assert!(old.is_doomed());
        let Ok(Ticket::Leader(new)) = flights.join("key") else { panic!("it can not be followed") };
        new.begin();
        old.land(1);
        assert!(matches!(follower.wait(None), Waited::Value(1)));
        assert!(flights.join("key").is_err(), "the old flight's end leaves the new one alone");
        flights.doom_all();
        assert!(new.is_doomed());
    }

    #[test]
    fn who_hands_the_work_on_is_a_follower_like_any_other() {
        let flights = Singleflight::<u32>::new();
        let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
        let before_it_begins = follower_of(&flights);
        assert_eq!(thread::spawn(move || leader.lead(|_| 7)).join().unwrap(), 7);
        assert!(matches!(before_it_begins.wait(None), Waited::Value(7)));
    }

    #[test]
    fn a_follower_gives_up_at_its_deadline_and_the_flight_goes_on() {
        let flights = Singleflight::new();
        let (go, leader) = take_off(&flights, || 7);
        let follower = follower_of(&flights);
        assert!(matches!(follower.wait(Some(Instant::now())), Waited::TimedOut));
        drop(go);
        assert_eq!(leader.join().unwrap(), Some(7));
        assert!(matches!(follower.wait(None), Waited::Value(7)));
    }
}
