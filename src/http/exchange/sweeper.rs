//! [`Sweeper`]: a thread that closes what rests for too long, also where no call comes any more.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::sync::lock;

/// Whether there is something left to sweep, after a sweep.
type Sweep = Box<dyn FnMut() -> bool + Send>;

/// Sweeps from time to time, on one thread for all that it watches. The thread is there only as
/// long as there is something to watch. Clones share it, and it ends with the last of them.
#[derive(Clone, Default)]
pub(crate) struct Sweeper(Arc<Handle>);

#[derive(Default)]
struct Handle(Arc<Sweeps>);

#[derive(Default)]
struct Sweeps {
    state: Mutex<Watch>,
    /// Told of something new to watch, and of the end.
    changed: Condvar,
}

#[derive(Default)]
struct Watch {
    watched: Vec<(Duration, Sweep)>,
    is_running: bool,
    closed: bool,
}

impl Sweeper {
    /// Calls `sweep` each time that `every` has passed, or earlier, until it says that there is
    /// nothing left. An error if there is no thread to do so.
    pub(super) fn watch(
        &self,
        every: Duration,
        sweep: impl FnMut() -> bool + Send + 'static,
    ) -> Result<(), NoThread> {
        let shared = &self.0.0;
        let mut state = lock(&shared.state);
        state.watched.push((every, Box::new(sweep)));
        let is_running = std::mem::replace(&mut state.is_running, true);
        drop(state);
        if is_running {
            shared.changed.notify_all();
            return Ok(());
        }
        let this = Arc::clone(shared);
        let thread = thread::Builder::new().name("geecache-sweep".to_owned());
        thread.spawn(move || this.run()).map(drop).map_err(|error| {
            log::debug!("no thread to close idle connections: {error}");
            let gone = {
                let mut state = lock(&shared.state);
                state.is_running = false;
                std::mem::take(&mut state.watched)
            };
            drop(gone);
            NoThread
        })
    }
}

/// No thread could be started, and what was watched is no longer.
#[derive(Debug)]
pub(super) struct NoThread;

impl Sweeps {
    fn run(&self) {
        loop {
            let mut state = lock(&self.state);
            let next = state.watched.iter().map(|(every, _)| *every).min();
            let Some(next) = next.filter(|_| !state.closed) else {
                state.is_running = false;
                return;
            };
            state =
                self.changed.wait_timeout(state, next).unwrap_or_else(PoisonError::into_inner).0;
            let mut watched = std::mem::take(&mut state.watched);
            drop(state);
            watched.retain_mut(|(_, sweep)| sweep());
            lock(&self.state).watched.append(&mut watched);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let watched = {
            let mut state = lock(&self.0.state);
            state.closed = true;
            std::mem::take(&mut state.watched)
        };
        self.0.changed.notify_all();
        drop(watched);
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    const BRIEF: Duration = Duration::from_millis(1);

    fn is_running(sweeper: &Sweeper) -> bool {
        lock(&sweeper.0.0.state).is_running
    }

    #[test]
    fn what_is_watched_is_swept_until_nothing_is_left_and_then_there_is_no_thread() {
        let sweeper = Sweeper::default();
        for _ in 0..2 {
            let (swept, sweeps) = mpsc::channel();
            let mut left = 3;
            sweeper
                .clone()
                .watch(BRIEF, move || {
                    left -= 1;
                    swept.send(left).unwrap();
                    left > 0
                })
                .unwrap();
            for left in [2, 1, 0] {
                assert_eq!(sweeps.recv_timeout(SOON).unwrap(), left);
            }
            let deadline = Instant::now() + SOON;
            while is_running(&sweeper) {
                assert!(Instant::now() < deadline);
            }
        }
    }

    #[test]
    fn the_thread_ends_with_the_last_handle_and_lets_go_of_what_it_watched() {
        let sweeper = Sweeper::default();
        let witness = Arc::new(());
        let held = Arc::clone(&witness);
        sweeper.watch(100 * SOON, move || Arc::strong_count(&held) > 0).unwrap();
        let shared = Arc::downgrade(&sweeper.0.0);
        drop(sweeper);
        let deadline = Instant::now() + SOON;
        while shared.strong_count() > 0 || Arc::strong_count(&witness) > 1 {
            assert!(Instant::now() < deadline);
        }
    }
}
