//! [`Gate`].

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;
use crate::testing::waits::PATIENCE;

/// Holds all who come to it until it is opened. Clones are the same gate.
///
/// It makes an order of events that a test needs: what is held is under way for certain, and has
/// not ended. See [`start`](crate::testing::start) for an example.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<(Mutex<Passage>, Condvar)>,
    patience: Duration,
}

#[derive(Default)]
struct Passage {
    is_open: bool,
    arrived: usize,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self { shared: Arc::default(), patience: PATIENCE }
    }

    /// The same gate with another patience: how long it is waited at it. Defaults to [`PATIENCE`].
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Lets all pass, now and later.
    pub fn open(&self) {
        lock(&self.shared.0).is_open = true;
        self.shared.1.notify_all();
    }

    /// Arrives, and waits until the gate is open.
    ///
    /// # Panics
    ///
    /// If nobody opens it in time.
    #[track_caller]
    pub fn pass(&self) {
        let (passage, changed) = &*self.shared;
        let mut state = lock(passage);
        state.arrived += 1;
        changed.notify_all();
        let waited = changed.wait_timeout_while(state, self.patience, |state| !state.is_open);
        let is_open = waited.unwrap_or_else(PoisonError::into_inner).0.is_open;
        assert!(is_open, "nobody opened the gate within {:?}", self.patience);
    }

    /// Waits until `count` have arrived since the gate was made.
    ///
    /// # Panics
    ///
    /// If fewer come in time.
    #[track_caller]
    pub fn wait_for_arrivals(&self, count: usize) {
        let (passage, changed) = &*self.shared;
        let state = lock(passage);
        let is_missing = |state: &mut Passage| state.arrived < count;
        let waited = changed.wait_timeout_while(state, self.patience, is_missing);
        let arrived = waited.unwrap_or_else(PoisonError::into_inner).0.arrived;
        let patience = self.patience;
        assert!(arrived >= count, "{arrived} of {count} came to the gate within {patience:?}");
    }

    /// How many have arrived since the gate was made.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        lock(&self.shared.0).arrived
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("arrivals", &self.arrivals()).finish_non_exhaustive()
    }
}
