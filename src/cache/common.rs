//! [`Common`]: what the shards of a cache have in common.

use std::sync::Arc;

use crate::cache::accounting::Accounting;
use crate::cache::budget::ByteBudget;
use crate::cache::departures::Listener;
use crate::cache::options::Eviction;
use crate::cache::window::Window;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::tag::RemovedTags;

/// What the shards of a cache have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) budget: ByteBudget,
    pub(super) window: Window,
    pub(super) eviction: Eviction,
    pub(super) accounting: Accounting,
    /// Is told, without a lock, of each entry that leaves by itself.
    pub(super) listener: Listener,
    /// Which tags were removed when: entries that have them are dead.
    pub(super) removed: Arc<RemovedTags>,
    any_can_die: AtomicBool,
}

impl Common {
    pub(super) fn new(
        max_bytes: u64,
        shards: usize,
        eviction: Eviction,
        accounting: Accounting,
    ) -> Self {
        Self {
            budget: ByteBudget::new(max_bytes, shards),
            window: Window::new(shards),
            eviction,
            accounting,
            listener: Listener::default(),
            removed: Arc::default(),
            any_can_die: AtomicBool::new(false),
        }
    }

    /// The same with somebody who listens, and with the tags that were removed.
    pub(super) fn beside(self, listener: Listener, removed: Arc<RemovedTags>) -> Self {
        Self { listener, removed, ..self }
    }

    /// The most that an entry may be charged to pass through the window, and not be compared when
    /// it comes: as much as the window of the whole cache. What one shard has of it is less than
    /// many entries, and these would never get in by being asked for twice in short order. On a
    /// web trace with sizes that cost 4 points of the bytes.
    pub(super) fn largest_to_pass(&self) -> u64 {
        self.window.part_of(self.budget.max_bytes())
    }

    /// Whether there was ever an entry that dies at some time, or with a tag.
    #[inline]
    pub(super) fn any_can_die(&self) -> bool {
        self.any_can_die.load(Ordering::Relaxed)
    }

    /// There is an entry that dies at some time, or with a tag.
    pub(super) fn note_one_that_can_die(&self) {
        // Read first: it is written once, and read by all.
        if !self.any_can_die() {
            self.any_can_die.store(true, Ordering::Relaxed);
        }
    }
}
