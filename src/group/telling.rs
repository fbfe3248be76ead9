//! [`Telling`]: how the parts of a group tell the world what happens in it.

use std::hash::Hash;
use std::sync::Arc;

use crate::events::EventSink;
use crate::repeats::{Again, Repeats};

/// The name of a group, and where its parts tell what happens.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) group: Arc<str>,
    pub(super) events: EventSink,
    /// What was logged before.
    pub(super) repeats: Arc<Repeats>,
}

impl Telling {
    pub(super) fn new(group: impl Into<Arc<str>>, events: EventSink) -> Arc<Self> {
        Arc::new(Self { group: group.into(), events, repeats: Arc::default() })
    }

    /// For a group that nobody listens to.
    #[cfg(test)]
    pub(super) fn quiet(group: &str) -> Arc<Self> {
        Self::new(group, EventSink::new())
    }

    /// See [`Repeats::due`].
    pub(super) fn due(&self, cause: impl Hash) -> Option<Again> {
        self.repeats.due(cause)
    }
}
