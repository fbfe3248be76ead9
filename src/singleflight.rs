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

mod flight;
mod places;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::lock;
use flight::{Flight, Flights, Flying};
use places::LeaderKind;
pub(crate) use places::{Follower, Leader, Waited};

/// Lets one of many simultaneous callers for a key do the work, and gives its result to all.
///
/// Clones share the flights. Nothing is remembered after a flight has ended. `S` hashes the keys.
pub struct Singleflight<T, S = RandomState> {
    flights: Arc<Flights<T>>,
    hasher: S,
}

/// The wait for one more back-up of a flight is doubled so often at most.
const MOST_DOUBLINGS: u32 = 10;

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
        Self::with_hasher(RandomState::new())
    }
}

impl<T: Clone, S: BuildHasher> Singleflight<T, S> {
    /// The same with another hash of keys than that of the standard library, which takes more time
    /// than all else where nobody waits. Callers who can choose keys should not know it.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self { flights: Arc::new(Flights::new()), hasher }
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
        self.board(&[key]).join(0)
    }

    /// Lets keys, which must differ, fly together, as far as they do not fly already.
    pub(crate) fn board<'a>(&'a self, keys: &'a [&'a str]) -> Boarding<'a, T, S> {
        // Nobody is kept waiting while a flight of many is made. One of a single key may be that of
        // another caller.
        let flight =
            (keys.len() > 1).then(|| self.flight_of(keys, |key| self.hasher.hash_one(key)));
        Boarding { flights: self, keys, flight }
    }

    fn flight_of(&self, keys: &[&str], hash: impl Fn(&str) -> u64) -> Arc<Flight<T>> {
        Arc::new(Flight::new(Arc::clone(&self.flights), keys, hash))
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
        let now = Instant::now();
        let mut state = lock(&follower.place().state);
        if state.ended || state.leaders == 0 {
            return Err(now);
        }
        if state.held {
            return Err(now.checked_add(patience).unwrap_or(now));
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
        Ok(Leader::new(Arc::clone(&follower.flight), follower.at, LeaderKind::BackUp))
    }
}

/// Keys that are about to fly together; from [`Singleflight::board`].
///
/// They are one flight: who begins one of them begins all that are led. Each lands, is doomed and
/// is followed for itself.
pub(crate) struct Boarding<'a, T, S> {
    flights: &'a Singleflight<T, S>,
    keys: &'a [&'a str],
    /// That of a single key is made when it is to be led here.
    flight: Option<Arc<Flight<T>>>,
}

impl<T: Clone, S: BuildHasher> Boarding<'_, T, S> {
    /// Takes a place in the flight of the key at this place: as its leader when there is none yet.
    pub(crate) fn join(&mut self, at: usize) -> Result<Ticket<T>, Reentrant> {
        let (key, hash) = (self.keys[at], self.hash(at));
        let mut shard = lock(self.flights.flights.shard(hash));
        let mut found = None;
        for flying in shard.iter().filter(|flying| flying.is_of(hash, key)) {
            if !flying.flight.place(flying.at).is_doomed() {
                found = Some(Follower::of(&flying.flight, flying.at));
            } else if flying.flight.is_led_here(flying.at) {
                return Err(Reentrant);
            }
        }
        if let Some(follower) = found {
            drop(shard);
            if follower.is_led_here() {
                return Err(Reentrant);
            }
            return Ok(Ticket::Follower(follower));
        }
        let flight = self.flight(hash);
        shard.push(Flying { hash, at, flight: Arc::clone(&flight) });
        drop(shard);
        Ok(Ticket::Leader(Leader::new(flight, at, LeaderKind::First)))
    }

    /// A place as the leader of a flight that nobody can find, beside those that there may be. It
    /// is doomed from the start, as no [`doom`](Singleflight::doom) would find it either.
    pub(crate) fn lead_alone(&mut self, at: usize) -> Leader<T> {
        let flight = self.flight(self.hash(at));
        flight.place(at).doom();
        Leader::new(flight, at, LeaderKind::Alone)
    }

    fn hash(&self, at: usize) -> u64 {
        match &self.flight {
            Some(flight) => flight.place(at).hash,
            None => self.flights.hasher.hash_one(self.keys[at]),
        }
    }

    /// The flight. Where it is not there yet, this is the hash of its only key: foreign code, such
    /// as a hasher may be, does not run here, under the lock.
    fn flight(&mut self, hash: u64) -> Arc<Flight<T>> {
        let make = || self.flights.flight_of(self.keys, |_| hash);
        Arc::clone(self.flight.get_or_insert_with(make))
    }
}

impl<T, S: BuildHasher> Singleflight<T, S> {
    /// Dooms the flight of `key`, if there is one: those who are in it get its value, but it is no
    /// longer to be found. Who comes from now on starts another, and [`Leader::is_doomed`]
    /// tells its leader.
    pub(crate) fn doom(&self, key: &str) {
        let hash = self.hasher.hash_one(key);
        // Under the lock, so that of two who doom a flight at once, none goes on before it is
        // doomed.
        for flying in lock(self.flights.shard(hash)).iter() {
            if flying.is_of(hash, key) {
                flying.flight.place(flying.at).doom();
            }
        }
    }
}

impl<T, S> Singleflight<T, S> {
    /// Dooms all flights that began before.
    pub(crate) fn doom_all(&self) {
        for shard in self.flights.all_shards() {
            for flying in lock(shard).iter() {
                flying.flight.place(flying.at).doom();
            }
        }
    }

    /// How many keys fly.
    pub(crate) fn len(&self) -> usize {
        self.flights.all_shards().map(|shard| lock(shard).len()).sum()
    }
}

impl<T: Clone> Default for Singleflight<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, S: Clone> Clone for Singleflight<T, S> {
    fn clone(&self) -> Self {
        Self { flights: Arc::clone(&self.flights), hasher: self.hasher.clone() }
    }
}

impl<T, S> fmt::Debug for Singleflight<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Singleflight").field("in_flight", &self.len()).finish()
    }
}

/// A place in a flight.
pub(crate) enum Ticket<T> {
    Leader(Leader<T>),
    Follower(Follower<T>),
}

#[cfg(test)]
mod tests;
