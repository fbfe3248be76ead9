//! What the tests share: ways to hold things, to count them, and to wait for them with a deadline.

#[cfg(feature = "http")]
mod browser;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(feature = "http")]
mod cluster;
#[cfg(feature = "http")]
mod faulty;
mod getter;
mod logs;
mod memory;
#[path = "../../../src/testing.rs"]
mod random;
mod versions;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "http")]
pub(crate) use browser::Browser;
#[cfg(feature = "tls")]
pub(crate) use certificates::{Authority, Issued, chain, is_full, key, raw_connection};
#[cfg(feature = "http")]
pub(crate) use cluster::{Cluster, Peer, SERVERS};
#[cfg(feature = "http")]
pub(crate) use faulty::{Connection, FaultyPeer, answer};
pub(crate) use getter::{CountingGetter, value_of};
pub(crate) use logs::{keep_logs, logged};
pub(crate) use memory::{FixedPicker, MemoryPeers, Point, ScriptedPeer, alone};
pub(crate) use random::{Random, with_seeds};
pub(crate) use versions::{Condition, Hand, Versions, value_at, version_of};

/// How long a test waits for what should happen at once: far longer than a busy machine takes, so
/// that only a hang is as long.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A bar that holds those who come to it until it is opened. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    shared: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Default)]
struct GateState {
    open: bool,
    arrived: usize,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self::default()
    }

    /// Lets everybody pass, now and later.
    pub(crate) fn open(&self) {
        self.shared.0.lock().unwrap().open = true;
        self.shared.1.notify_all();
    }

    /// Arrives, and waits until the gate is open.
    #[track_caller]
    pub(crate) fn pass(&self) {
        let mut state = self.shared.0.lock().unwrap();
        state.arrived += 1;
        self.shared.1.notify_all();
        let waited = self.shared.1.wait_timeout_while(state, SOON, |state| !state.open).unwrap();
        assert!(waited.0.open, "nobody opened the gate");
    }

    /// Waits until `count` have arrived since the gate was made.
    #[track_caller]
    pub(crate) fn wait_for_arrivals(&self, count: usize) {
        let state = self.shared.0.lock().unwrap();
        let missing = |state: &mut GateState| state.arrived < count;
        let waited = self.shared.1.wait_timeout_while(state, SOON, missing).unwrap();
        let arrived = waited.0.arrived;
        drop(waited);
        assert!(arrived >= count, "{arrived} of {count} came to the gate");
    }

    pub(crate) fn arrivals(&self) -> usize {
        self.shared.0.lock().unwrap().arrived
    }
}

/// Something that runs on a thread of its own, and must end soon.
pub(crate) struct Running<T> {
    outcome: mpsc::Receiver<thread::Result<T>>,
}

/// Runs `work` on a thread of its own.
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
    let (tell, outcome) = mpsc::channel();
    thread::spawn(move || tell.send(catch_unwind(AssertUnwindSafe(work))));
    Running { outcome }
}

impl<T> Running<T> {
    /// What the work returned or panicked with.
    #[track_caller]
    pub(crate) fn outcome(self) -> thread::Result<T> {
        match self.outcome.recv_timeout(SOON) {
            Ok(outcome) => outcome,
            Err(error) => panic!("it should have ended long ago: {error}"),
        }
    }

    /// What the work returned; panics as the work did.
    #[track_caller]
    pub(crate) fn result(self) -> T {
        self.outcome().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Runs `work` on `count` threads that start at the same moment, and collects what they return, in
/// order.
#[track_caller]
pub(crate) fn all_at_once<T: Send + 'static>(
    count: usize,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let (work, barrier) = (Arc::new(work), Arc::new(Barrier::new(count)));
    let running: Vec<_> = (0..count)
        .map(|i| {
            let (work, barrier) = (Arc::clone(&work), Arc::clone(&barrier));
            start(move || {
                barrier.wait();
                work(i)
            })
        })
        .collect();
    running.into_iter().map(Running::result).collect()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
