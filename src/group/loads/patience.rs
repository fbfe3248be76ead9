//! [`Patience`]: how long one who waits for another's load takes that load for a healthy one.
//!
//! A load may wait for a thread that waits for it, without anyone being inside a getter as far as
//! its thread knows. In a pool that steals work:
//!
//! ```text
//! one thread: leads "k"; its getter splits its work, and waits for the half that another took
//! another:    works on that half, waits there for something, takes up another task meanwhile, and
//!             that one gets "k": it waits for the flight of "k", which waits for this thread
//! ```
//!
//! Nobody can see the circle. So a caller without a time limit that has waited for longer than a
//! load should take becomes a *back-up*: it loads on its own thread as well, and the flight has the
//! value of the one that is first. Its thread then goes on with what it owes to the first load.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::millis;

/// No load has a back-up earlier. Longer than most sources take, since each back-up is one more
/// load of a source that may be slow because it has too much to do.
const LEAST: Duration = Duration::from_secs(5);
/// Where loads take long, a back-up waits for so many times the usual time...
const TIMES_USUAL: u64 = 4;
/// ... but not for longer than this.
const MOST: Duration = Duration::from_secs(30);

/// Learns how long the loads of a group take.
#[derive(Debug)]
pub(super) struct Patience {
    least: Duration,
    /// About the longest of the last loads, in milliseconds.
    usual: AtomicU64,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { least: LEAST, usual: AtomicU64::new(0) }
    }

    /// Patience that ends earlier.
    #[cfg(test)]
    pub(super) fn at_least(least: Duration) -> Self {
        Self { least, ..Self::new() }
    }

    /// Learns that a load took so many milliseconds.
    pub(super) fn learn(&self, took: u64) {
        let usual = self.usual.load(Ordering::Relaxed);
        let new = took.max(usual - usual.div_ceil(8));
        // Most loads take no millisecond: then nothing is written that other threads read.
        if new != usual {
            self.usual.store(new, Ordering::Relaxed);
        }
    }

    /// How long to wait for a load.
    pub(super) fn span(&self) -> Duration {
        let usual = self.usual.load(Ordering::Relaxed).min(millis(MOST));
        Duration::from_millis(usual * TIMES_USUAL).min(MOST).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_what_loads_take_and_shrinks_again() {
        let patience = Patience::new();
        assert_eq!(patience.span(), LEAST);
        patience.learn(500);
        assert_eq!(patience.span(), LEAST);
        patience.learn(4000);
        assert_eq!(patience.span(), Duration::from_secs(16));
        patience.learn(10_000);
        assert_eq!(patience.span(), MOST);
        patience.learn(u64::MAX);
        assert_eq!(patience.span(), MOST);
        for _ in 0..1000 {
            patience.learn(0);
        }
        assert_eq!((patience.span(), patience.usual.into_inner()), (LEAST, 0));
    }
}
