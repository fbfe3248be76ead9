//! Remembers for a while which operations a peer knows, or does not.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Something known until a moment. The clock is the caller's.
#[derive(Debug, Default)]
pub(super) struct Recall {
    until: Mutex<Option<Instant>>,
}

impl Recall {
    /// Remembers it for `span` from `now` on.
    pub(super) fn note(&self, now: Instant, span: Duration) {
        *lock(&self.until) = now.checked_add(span);
    }

    /// Whether it is remembered at `now`.
    pub(super) fn holds(&self, now: Instant) -> bool {
        lock(&self.until).is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_for_its_span_and_no_longer() {
        let (recall, now) = (Recall::default(), Instant::now());
        assert!(!recall.holds(now));
        recall.note(now, Duration::from_secs(60));
        assert!(recall.holds(now));
        assert!(recall.holds(now + Duration::from_millis(59_999)));
        assert!(!recall.holds(now + Duration::from_secs(60)));
    }
}
