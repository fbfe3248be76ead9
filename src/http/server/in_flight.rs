//! [`InFlight`]: a bounded count of requests.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One request in flight, counted until this is dropped.
pub(super) struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    /// Counts one more in `count`, unless there are `most` of them.
    pub(super) fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let enter = |n| (n < most).then_some(n + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).ok()?;
        Some(Self(count))
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
