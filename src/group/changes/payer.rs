//! [`Payer`]: the thread that tells peers what they have missed. It exists only while something is
//! owed.

use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::group::telling::Telling;
use crate::sync::{Condvar, Mutex, lock};
use crate::workers::Workers;

/// One thread pays. The one before may still be about to end when the next one begins.
const THREADS: usize = 2;

/// Who owes, as the thread knows it.
pub(in crate::group) trait Debtor: Send + Sync {
    /// Pays what is due; when it is to be called again, unless nothing is owed.
    fn pay_due(&self, haste: Haste) -> Option<Instant>;
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::group) enum Haste {
    /// What has rested for its pause.
    Usual,
    /// All but what was tried a moment ago: a peer was seen to be up.
    Soon,
    /// Everything.
    Now,
}

/// Starts the thread, wakes it, and waits for it.
pub(super) struct Payer {
    threads: Workers,
    debtor: OnceLock<Weak<dyn Debtor>>,
    shared: Arc<PayerCalls>,
}

#[derive(Default)]
struct PayerCalls {
    state: Mutex<PayerState>,
    /// Told of each change of the state.
    changed: Condvar,
}

#[derive(Default)]
struct PayerState {
    is_running: bool,
    /// What is wanted before its time.
    called: Option<Haste>,
    /// How many passes were called for, and how many calls the last whole pass has served.
    calls: u64,
    served: u64,
    is_over: bool,
}

impl Payer {
    pub(super) fn new(telling: &Telling) -> Self {
        let name = ("debts of", Arc::clone(&telling.group));
        let threads = Workers::new(name, THREADS, &telling.repeats);
        Self { threads, debtor: OnceLock::new(), shared: Arc::default() }
    }

    /// Says who owes. Before that nothing is paid.
    pub(super) fn set_debtor(&self, debtor: Weak<dyn Debtor>) {
        // A second one would be the same group.
        let _ = self.debtor.set(debtor);
    }

    /// Has the thread look at what is owed.
    pub(super) fn call(&self, haste: Haste) {
        let Some(debtor) = self.debtor.get() else { return };
        let is_running = {
            let mut state = lock(&self.shared.state);
            state.called = state.called.max(Some(haste));
            state.calls += 1;
            std::mem::replace(&mut state.is_running, true)
        };
        self.shared.changed.notify_all();
        if is_running {
            return;
        }
        let (shared, debtor) = (Arc::clone(&self.shared), Weak::clone(debtor));
        if !self.threads.run_now(move || shared.run(&debtor)) {
            // The next call tries once more.
            lock(&self.shared.state).is_running = false;
        }
    }

    /// Has everything tried once, and waits for the end of that, but not for longer than `timeout`.
    pub(super) fn try_all(&self, timeout: Duration) {
        self.call(Haste::Now);
        let state = lock(&self.shared.state);
        let wanted = state.calls;
        let waits = |state: &mut PayerState| state.is_running && state.served < wanted;
        let waited = self.shared.changed.wait_timeout_while(state, timeout, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Payer {
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.changed.notify_all();
    }
}

impl PayerCalls {
    fn run(&self, debtor: &Weak<dyn Debtor>) {
        let stopped = Stopped(self);
        loop {
            let (haste, calls) = {
                let mut state = lock(&self.state);
                (state.called.take().unwrap_or(Haste::Usual), state.calls)
            };
            // If this is the last handle, the group ends here, outside of the lock.
            let next = debtor.upgrade().and_then(|debtor| debtor.pay_due(haste));
            if !self.rest(next, calls) {
                break;
            }
        }
        // It has said so already, together with the look at the calls.
        std::mem::forget(stopped);
    }

    /// Waits until `next` or a call. `false` if the thread is to end, and is no longer counted.
    fn rest(&self, next: Option<Instant>, served: u64) -> bool {
        let mut state = lock(&self.state);
        state.served = served;
        self.changed.notify_all();
        loop {
            if state.called.is_some() && !state.is_over {
                return true;
            }
            let left = next.map(|next| next.saturating_duration_since(Instant::now()));
            match left {
                Some(left) if !state.is_over => {
                    if left.is_zero() {
                        return true;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => {
                    state.is_running = false;
                    self.changed.notify_all();
                    return false;
                }
            }
        }
    }
}

/// Says that no thread pays, where one panicked.
struct Stopped<'a>(&'a PayerCalls);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_running = false;
        self.0.changed.notify_all();
    }
}
