//! [`Turn`]: one thread at a time receives.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

/// Lets one thread at a time receive a request and sort it.
///
/// A client may send two requests at once, and the first may end its connection. Two threads that
/// receive at will can take one each, and the second may look whether the connection is over before
/// the first has said so.
#[derive(Default)]
pub(super) struct Turn {
    state: Mutex<TurnState>,
    free: Condvar,
}

#[derive(Default)]
struct TurnState {
    is_taken: bool,
    waiting: usize,
}

impl Turn {
    /// Waits for the turn, for `patience` at most. It is over when the return value is dropped.
    pub(super) fn take(&self, patience: Duration) -> Option<HeldTurn<'_>> {
        let mut state = lock(&self.state);
        if state.is_taken {
            state.waiting += 1;
            let waited = self.free.wait_timeout_while(state, patience, |state| state.is_taken);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
            if state.is_taken {
                return None;
            }
        }
        state.is_taken = true;
        Some(HeldTurn(self))
    }
}

/// See [`Turn::take`].
pub(super) struct HeldTurn<'a>(&'a Turn);

impl Drop for HeldTurn<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.is_taken = false;
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.0.free.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn one_at_a_time_has_the_turn_and_it_is_given_on() {
        let (turn, soon) = (Turn::default(), Duration::from_secs(20));
        let taken = turn.take(soon);
        assert!(taken.is_some());
        assert!(turn.take(Duration::ZERO).is_none());
        thread::scope(|scope| {
            let others = [(); 4].map(|()| scope.spawn(|| turn.take(soon).is_some()));
            while lock(&turn.state).waiting < others.len() {
                thread::yield_now();
            }
            drop(taken);
            assert!(others.into_iter().all(|other| other.join().unwrap()));
        });
        assert!(turn.take(Duration::ZERO).is_some());
    }
}
