//! Threads of a test, and waits that end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long the kit waits for what should happen at once, 20 s: far longer than a busy machine
/// takes, so that only what hangs takes so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Something that runs on a thread of its own, and is to end soon; from [`start`].
pub struct Background<T> {
    outcome: mpsc::Receiver<thread::Result<T>>,
}

/// Runs `work` on a thread of its own.
///
/// ```
/// use geecache::Group;
/// use geecache::testing::{CountingGetter, Gate, start};
///
/// let gate = Gate::closed();
/// let group = Group::new("scores", 1 << 20, CountingGetter::behind(&gate));
/// let asks = {
///     let group = group.clone();
///     start(move || group.get("Tom"))
/// };
/// gate.wait_for_arrivals(1); // its getter runs, and can't go on
/// assert_eq!(group.peek("Tom"), None);
/// gate.open();
/// assert_eq!(asks.result()?, "value of Tom");
/// # Ok::<(), geecache::Error>(())
/// ```
#[must_use]
pub fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Background<T> {
    let (tell, outcome) = mpsc::channel();
    thread::spawn(move || {
        // Nobody may be left to hear it.
        let _ = tell.send(catch_unwind(AssertUnwindSafe(work)));
    });
    Background { outcome }
}

impl<T> Background<T> {
    /// What the work returned or panicked with.
    ///
    /// # Errors
    ///
    /// The panic of the work.
    ///
    /// # Panics
    ///
    /// If the work does not end within [`PATIENCE`].
    #[track_caller]
    pub fn outcome(self) -> thread::Result<T> {
        match self.outcome.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome,
            Err(error) => panic!("work on another thread should have ended long ago: {error}"),
        }
    }

    /// What the work returned.
    ///
    /// # Panics
    ///
    /// As the work did, and if it does not end within [`PATIENCE`].
    #[track_caller]
    pub fn result(self) -> T {
        self.outcome().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl<T> fmt::Debug for Background<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

/// Runs `work` on `count` threads that begin at the same moment. Each gets its number, from 0; what
/// they return comes in this order.
///
/// # Panics
///
/// As the work does, and if it does not end within [`PATIENCE`].
#[track_caller]
pub fn all_at_once<T: Send + 'static>(
    count: usize,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let (work, barrier) = (Arc::new(work), Arc::new(Barrier::new(count)));
    let begin = |number: usize| {
        let (work, barrier) = (Arc::clone(&work), Arc::clone(&barrier));
        start(move || {
            barrier.wait();
            work(number)
        })
    };
    // All have begun before the first is waited for.
    let mut running = Vec::with_capacity(count);
    running.extend((0..count).map(begin));
    running.into_iter().map(Background::result).collect()
}

/// Waits until `condition` holds. `what` says in a few words what that is.
///
/// # Panics
///
/// If it does not hold within [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
