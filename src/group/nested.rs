//! Gets by a getter that is loading a batch.
//!
//! The thread of such a getter leads the flights of the whole batch. Waiting for one of these is waiting for itself, and
//! waiting for another flight may be the same in a roundabout way, though no key needs itself:
//!
//! ```text
//! this thread: leads "total" and "part", and to load "total" asks for "sum"
//! another:     leads "sum", and to load it asks for "part": waits for this thread
//! ```
//!
//! So it never waits for a flight, and neither does a thread that loads for it with a deadline. What is being loaded already it
//! loads once more, alone: nobody joins that load, and nobody keeps its value, since no removal could doom it.

use std::cell::RefCell;
use std::sync::Arc;

use super::Group;
use super::load::Local;

thread_local! {
    static NESTING: RefCell<Nesting> = const { RefCell::new(Nesting { batches: 0, alone: Vec::new() }) };
}

/// What the getters on a thread's stack are loading.
struct Nesting {
    /// How many of them load a batch.
    batches: usize,
    /// Keys that are loaded alone, and of which groups, told by their addresses.
    alone: Vec<(usize, String)>,
}

/// Marks the calling thread as one that loads a batch, or that a batch waits for, as long as it lives.
pub(super) struct InBatch(());

/// Looks at the calling thread's nesting; `None` when the thread is ending and that is gone.
fn with_nesting<T>(look: impl FnOnce(&mut Nesting) -> T) -> Option<T> {
    NESTING.try_with(|nesting| look(&mut nesting.borrow_mut())).ok()
}

impl InBatch {
    pub(super) fn begin() -> Self {
        with_nesting(|nesting| nesting.batches += 1);
        Self(())
    }
}

impl Drop for InBatch {
    fn drop(&mut self) {
        with_nesting(|nesting| nesting.batches -= 1);
    }
}

/// Whether the calling thread loads a batch, and may wait for no flight.
pub(super) fn in_batch() -> bool {
    with_nesting(|nesting| nesting.batches > 0).unwrap_or(false)
}

/// Takes a key from the list of those that are loaded alone.
struct Alone;

impl Drop for Alone {
    fn drop(&mut self) {
        with_nesting(|nesting| nesting.alone.pop());
    }
}

impl Group {
    /// Loads what is being loaded already, for a caller that may not wait.
    pub(super) fn load_alone(&self, key: &str) -> Local {
        let this = (Arc::as_ptr(&self.inner) as usize, key.to_owned());
        let fresh = with_nesting(|nesting| {
            let fresh = !nesting.alone.contains(&this);
            if fresh {
                nesting.alone.push(this);
            }
            fresh
        });
        if fresh == Some(false) {
            return Err(self.reentrant(key));
        }
        let _alone = Alone;
        let (outcome, cost) = self.ask_getter(key);
        self.count_load(key, outcome, cost)
    }
}
