//! The places in a flight: [`Leader`] and [`Follower`].

use std::cell::Cell;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::singleflight::flight::{Flight, FlightPlace, this_thread};
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::sync::thread::ThreadId;

/// The place of the one who does the work for a key. Dropping it ends that without a value, unless
/// somebody else does the same work.
pub(crate) struct Leader<T> {
    flight: Arc<Flight<T>>,
    at: usize,
    /// Until it has landed or given up.
    is_open: Cell<bool>,
    kind: LeaderKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaderKind {
    First,
    /// Came after the first leader, to do the same work.
    BackUp,
    /// Can't be found by others.
    Alone,
}

impl<T: Clone> Leader<T> {
    /// Does the work on the calling thread, and ends the flight with its result.
    pub(crate) fn lead(self, work: impl FnOnce(&Self) -> T) -> T {
        self.begin();
        let value = work(&self);
        self.land(&value);
        value
    }

    /// Ends the flight of the key with `value`, if it has not ended.
    pub(crate) fn land(&self, value: &T) {
        if !self.is_open.replace(false) {
            return;
        }
        // Nobody could doom those who still do the same work, once the flight can't be found.
        self.place().doom();
        self.depart();
        if self.is_followed() {
            let _ = self.place().value.set(Box::new(value.clone()));
            self.wake();
        }
    }
}

impl<T> Leader<T> {
    pub(super) fn new(flight: Arc<Flight<T>>, at: usize, kind: LeaderKind) -> Self {
        Self { flight, at, is_open: Cell::new(true), kind }
    }

    fn can_be_found(&self) -> bool {
        self.kind != LeaderKind::Alone
    }

    fn place(&self) -> &FlightPlace<T> {
        self.flight.place(self.at)
    }

    /// Says that the work is done on the calling thread from now on: that for all keys of the
    /// flight.
    pub(crate) fn begin(&self) {
        if self.is_back_up() {
            return;
        }
        let mut start = lock(&self.flight.start);
        start.leader = Some(this_thread());
        start.queued = None;
    }

    /// Says that the work has to wait for others, which a [back-up] would have to as well: there is
    /// none until it [goes on](Self::go_on).
    ///
    /// [back-up]: crate::singleflight::Singleflight::back_up
    pub(crate) fn hold(&self) {
        lock(&self.place().state).held = true;
    }

    /// Says that the work goes on.
    pub(crate) fn go_on(&self) {
        lock(&self.place().state).held = false;
    }

    pub(crate) fn key(&self) -> &str {
        self.flight.key(self.at)
    }

    /// A hash of the key, which is the same for all flights of it.
    pub(crate) fn key_hash(&self) -> u64 {
        self.place().hash
    }

    /// Whether the key was removed since the flight began, so that its value may already be out of
    /// date: the callers get it, but nobody may keep it. So it is when another leader has landed.
    pub(crate) fn is_doomed(&self) -> bool {
        self.place().is_doomed()
    }

    /// Whether another leader does this work as well, and began before.
    pub(crate) fn is_back_up(&self) -> bool {
        self.kind == LeaderKind::BackUp
    }

    /// A place among those who wait for this very flight.
    pub(crate) fn follower(&self) -> Follower<T> {
        Follower::of(&self.flight, self.at)
    }

    /// Sees to it that nobody finds the key any longer.
    fn depart(&self) {
        if self.can_be_found() {
            drop(self.flight.flights.remove(self.place().hash, self.at, &self.flight));
        }
    }

    /// Gives up this place without a value; whether other leaders are left. If not, there is no
    /// back-up from now on.
    fn goes_on_without(&self) -> bool {
        let mut state = lock(&self.place().state);
        state.leaders -= 1;
        if !self.is_back_up() {
            self.place().is_left.store(true, Ordering::Release);
        }
        state.leaders > 0
    }

    /// Whether somebody waits, or is about to. Asked when it can't be found any more: who found it
    /// before has said so under the lock that was taken since.
    fn is_followed(&self) -> bool {
        self.place().followed.load(Ordering::Acquire)
    }

    /// Tells those who wait that it has ended.
    fn wake(&self) {
        let mut state = lock(&self.place().state);
        state.ended = true;
        let is_awaited = state.waiting > 0;
        drop(state);
        // To wake nobody is a system call all the same.
        if is_awaited {
            self.place().landed.notify_all();
        }
    }
}

impl<T> Drop for Leader<T> {
    /// Ends a flight that has no value: removes it first, then wakes its followers, so that one who
    /// starts over never meets the flight that has just failed it. What the work put into a cache
    /// is there before both.
    ///
    /// Where there are other leaders, the flight is theirs.
    fn drop(&mut self) {
        if !self.is_open.get() || self.can_be_found() && self.goes_on_without() {
            return;
        }
        self.depart();
        if self.is_followed() {
            self.wake();
        }
    }
}

/// The place of one who waits for a key.
pub(crate) struct Follower<T> {
    pub(super) flight: Arc<Flight<T>>,
    pub(super) at: usize,
}

impl<T> Follower<T> {
    pub(super) fn of(flight: &Arc<Flight<T>>, at: usize) -> Self {
        flight.place(at).followed.store(true, Ordering::Release);
        Self { flight: Arc::clone(flight), at }
    }

    pub(super) fn place(&self) -> &FlightPlace<T> {
        self.flight.place(self.at)
    }

    /// The thread that does the work, once it has begun.
    pub(crate) fn leader(&self) -> Option<ThreadId> {
        self.flight.leader(self.at)
    }

    pub(super) fn is_led_here(&self) -> bool {
        self.flight.is_led_here(self.at)
    }

    /// Says that the flight has to wait for a thread before it can begin, in that queue.
    pub(crate) fn queue(&self, queue: u8) {
        let mut start = lock(&self.flight.start);
        start.queued = Some(queue).filter(|_| start.leader.is_none());
        drop(start);
        // Who was about to wait, and did not see it, has the lock until it waits.
        drop(lock(&self.place().state));
        self.place().landed.notify_all();
    }

    fn queued(&self) -> Option<u8> {
        lock(&self.flight.start).queued
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

    /// As [`wait`](Self::wait), of the one who had it started: by a thread that may not have begun.
    pub(crate) fn wait_for_start_and_end(&self, deadline: Option<Instant>) -> Waited<T> {
        self.wait_for_end(deadline, 0)
    }

    /// As [`wait`](Self::wait) of one who can work, but [times out](Waited::TimedOut) at `until`.
    pub(crate) fn wait_as_worker(&self, until: Instant) -> Waited<T> {
        self.wait_for_end(Some(until), u8::MAX)
    }

    fn wait_for_end(&self, until: Option<Instant>, least: u8) -> Waited<T> {
        let place = self.place();
        let mut state = lock(&place.state);
        state.waiting += 1;
        while !state.ended {
            if self.queued().is_some_and(|queue| queue < least) {
                state.waiting -= 1;
                place.doom();
                return Waited::Abandoned;
            }
            state = match until {
                None => place.landed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.waiting -= 1;
                        return Waited::TimedOut;
                    }
                    let waited = place.landed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(state);
        place.value.get().map_or(Waited::Abandoned, |value| Waited::Value((**value).clone()))
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
