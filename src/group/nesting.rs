//! Gets by a getter: what the calling thread is loading.
//!
//! A thread that is inside a getter never waits for a flight, and never for a thread that loads.
//! The flight may be its own, or wait for one of its own in a circle, though no key needs itself:
//!
//! ```text
//! this thread: leads "total" and "part", and to load "total" asks for "sum"
//! another:     leads "sum", and to load it asks for "part": waits for this thread
//! ```
//!
//! Here the batch of "total" and "part" makes the circle. A pool that steals work makes it as well:
//! a getter that waits there runs other tasks meanwhile, which are innocent callers on its thread.
//!
//! So what is being loaded already is loaded once more, *alone*: in a flight that nobody can find,
//! and whose value nobody keeps, since no removal could doom it. A key that needs itself would do
//! so for ever. It is found out when the same thread is to load a key alone that it is loading
//! twice already, each time by itself and not in a batch.
//!
//! Keys that need one another in a long chain take room on the thread's stack, whose end ends the
//! process. So there is a bound on the getters that run one inside the other.

use std::cell::RefCell;

/// No more getters run one inside the other on one thread. A level takes 12 KiB of the stack at
/// most, without what the getter itself needs, and the threads of the standard library have 2 MiB.
pub(super) const MAX_LEVELS: usize = 64;

thread_local! {
    static STACK: RefCell<Stack> = const { RefCell::new(Stack { loading: Vec::new(), levels: 0 }) };
}

/// The getters on the stack of a thread.
struct Stack {
    /// What they are loading.
    loading: Vec<LoadId>,
    /// How many they are.
    levels: usize,
}

/// A key of a group. Two keys with the same hash are taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoadId {
    /// An address that no other group has.
    pub(super) group: usize,
    pub(super) key_hash: u64,
}

/// Calls `look` with what is on the thread's stack; `None` when the thread is ending and its locals
/// are gone.
fn with_stack<T>(look: impl FnOnce(&mut Stack) -> T) -> Option<T> {
    STACK.try_with(|stack| look(&mut stack.borrow_mut())).ok()
}

/// Whether the calling thread is inside a getter of any group: whether what it gets, it gets to
/// load something else.
///
/// For those who write a transport. A request of such a thread should say so, and be answered by
/// [`PeerSide::nested`](crate::PeerSide::nested). A group makes the requests of a getter on the
/// getter's thread.
#[must_use]
pub fn is_inside_getter() -> bool {
    with_stack(|stack| stack.levels > 0).unwrap_or(false)
}

/// Whether another getter would be one too many on the calling thread.
pub(super) fn is_too_deep() -> bool {
    with_stack(|stack| stack.levels >= MAX_LEVELS).unwrap_or(false)
}

/// Whether the calling thread is loading this for the second time already.
pub(super) fn is_in_circle(load: LoadId) -> bool {
    let times = |stack: &mut Stack| stack.loading.iter().filter(|&&it| it == load).count();
    with_stack(times).is_some_and(|times| times > 1)
}

/// Says that a getter loads on the calling thread, as long as it lives.
pub(super) struct Inside {
    count: usize,
}

impl Inside {
    /// Of a getter that loads a batch nobody knows for which of the keys it gets what it gets, so
    /// these keys make no circle. [`MAX_LEVELS`] ends one that goes through batches.
    pub(super) fn begin(mut loads: impl Iterator<Item = LoadId>) -> Self {
        let alone = loads.next().filter(|_| loads.next().is_none());
        with_stack(|stack| {
            stack.levels += 1;
            stack.loading.extend(alone);
        });
        Self { count: usize::from(alone.is_some()) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        with_stack(|stack| {
            stack.levels -= 1;
            stack.loading.truncate(stack.loading.len() - self.count);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(key_hash: u64) -> LoadId {
        LoadId { group: 1, key_hash }
    }

    #[test]
    fn a_thread_is_inside_until_its_last_getter_returns() {
        assert!(!is_inside_getter());
        let outer = Inside::begin([load(1), load(2)].into_iter());
        let inner = Inside::begin([load(3)].into_iter());
        drop(inner);
        assert!(is_inside_getter());
        std::thread::scope(|scope| {
            assert!(!scope.spawn(is_inside_getter).join().unwrap(), "another thread is not");
        });
        drop(outer);
        assert!(!is_inside_getter());
    }

    #[test]
    fn the_second_load_of_a_key_on_one_stack_makes_a_circle() {
        let first = Inside::begin([load(1)].into_iter());
        let batch = Inside::begin([load(1), load(2)].into_iter());
        assert!(!is_in_circle(load(1)), "one of many in a batch does not count");
        let second = Inside::begin([load(1)].into_iter());
        assert!(is_in_circle(load(1)) && !is_in_circle(load(2)));
        assert!(!is_in_circle(LoadId { group: 2, key_hash: 1 }), "another group's");
        drop(second);
        assert!(!is_in_circle(load(1)));
        drop((batch, first));
    }
}
