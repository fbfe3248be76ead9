//! [`Budget`]: the memory that bodies take together while they are on their way.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Shorter bodies take no share: the number of requests bounds them.
pub(crate) const SHORT_BODY: usize = 64 << 10;

/// Bytes for the bodies that a process receives and sends.
///
/// It is cut into three, and nobody who holds a share of one part waits for another part. Else two
/// processes could wait for each other: each with answers that the other has no room to read.
#[derive(Debug)]
pub(crate) struct Budget {
    received: Part,
    written: Part,
    answers: Part,
}

/// What a share is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// The body of a request that a server receives. A quarter of the budget.
    Received,
    /// The body of an answer that a server writes. A quarter of the budget.
    Written,
    /// The body of an answer that a client receives. Half of the budget.
    Answer,
}

#[derive(Debug)]
struct Part {
    most: u64,
    state: Mutex<PartState>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct PartState {
    taken: u64,
    /// How many wait for more to come free. A condition is told with a system call, though nobody
    /// waits for it.
    waiting: usize,
}

impl Budget {
    /// What a pool has if nobody says otherwise.
    pub(crate) const DEFAULT_BYTES: u64 = 256 << 20;

    pub(crate) fn new(bytes: u64) -> Self {
        let part = |most| Part { most, state: Mutex::default(), freed: Condvar::new() };
        Self { received: part(bytes / 4), written: part(bytes / 4), answers: part(bytes / 2) }
    }

    /// A share for a body of `bytes`, as soon as there is room, until it is dropped; `None` if
    /// there is none after `wait`. A body that is longer than its part of the budget has the part
    /// to itself.
    pub(crate) fn take(
        self: &Arc<Self>,
        transfer: Transfer,
        bytes: usize,
        wait: Duration,
    ) -> Option<Share> {
        if bytes <= SHORT_BODY {
            return Some(Share { budget: None, transfer, bytes: 0 });
        }
        let part = self.part(transfer);
        let bytes = (bytes as u64).min(part.most);
        let until = Instant::now().checked_add(wait);
        let mut state = lock(&part.state);
        while bytes > part.most - state.taken {
            let left = until.map_or(wait, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            state.waiting += 1;
            let waited = part.freed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.taken += bytes;
        Some(Share { budget: Some(Arc::clone(self)), transfer, bytes })
    }

    fn part(&self, transfer: Transfer) -> &Part {
        match transfer {
            Transfer::Received => &self.received,
            Transfer::Written => &self.written,
            Transfer::Answer => &self.answers,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

/// See [`Budget::take`].
#[derive(Debug)]
pub(crate) struct Share {
    /// `None` for a short body.
    budget: Option<Arc<Budget>>,
    transfer: Transfer,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            let part = budget.part(self.transfer);
            let mut state = lock(&part.state);
            state.taken -= self.bytes;
            let is_awaited = state.waiting > 0;
            drop(state);
            if is_awaited {
                part.freed.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn budget() -> Arc<Budget> {
        Arc::new(Budget::new(8 << 20))
    }

    fn now(budget: &Arc<Budget>, transfer: Transfer, bytes: usize) -> Option<Share> {
        budget.take(transfer, bytes, Duration::ZERO)
    }

    #[test]
    fn shares_are_given_while_there_is_room_and_short_bodies_need_none() {
        let budget = budget();
        for (transfer, most) in
            [(Transfer::Received, 2), (Transfer::Written, 2), (Transfer::Answer, 4)]
        {
            let held: Vec<_> =
                (0..most).map(|_| now(&budget, transfer, 1 << 20).unwrap()).collect();
            assert!(now(&budget, transfer, SHORT_BODY + 1).is_none(), "{transfer:?}");
            assert!(now(&budget, transfer, SHORT_BODY).is_some(), "{transfer:?}");
            drop(held);
            assert!(now(&budget, transfer, 1 << 20).is_some(), "{transfer:?}");
        }
    }

    #[test]
    fn body_that_is_longer_than_all_has_all_to_itself() {
        let budget = budget();
        let long = now(&budget, Transfer::Received, usize::MAX).unwrap();
        assert!(now(&budget, Transfer::Received, 100_000).is_none());
        drop(long);
        let short = now(&budget, Transfer::Received, 100_000).unwrap();
        assert!(now(&budget, Transfer::Received, usize::MAX).is_none());
        drop(short);
        assert!(now(&budget, Transfer::Received, usize::MAX).is_some());
    }

    #[test]
    fn who_waits_gets_what_is_given_back() {
        let budget = budget();
        let held = now(&budget, Transfer::Written, 2 << 20).unwrap();
        let (got, gets) = mpsc::channel();
        let theirs = Arc::clone(&budget);
        thread::spawn(move || {
            let share = theirs.take(Transfer::Written, 1 << 20, Duration::MAX);
            got.send(share.is_some()).unwrap();
        });
        drop(held);
        assert_eq!(gets.recv_timeout(SOON), Ok(true));
        assert!(budget.take(Transfer::Written, 2 << 20, SOON).is_some());
    }
}
