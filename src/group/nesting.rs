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
//! [several times](MOST_TIMES) already, each time by itself and not in a batch.
//!
//! A circle may lead through other peers:
//!
//! ```text
//! this thread: leads "total" and "part"; to load "total" it asks a peer for "sum"
//! the peer:    to load "sum", asks this process for "part": waits for this thread
//! ```
//!
//! So a request that a getter makes carries the [`Chain`] that it is part of. Who is asked for a
//! key that the same chain is loading does not wait for it, and loads it alone. A circle of keys
//! would go on for ever there, too: after [`MAX_HOPS`] requests it is taken for one. From then on
//! the chain loads nothing twice, its requests say so by a number of hops that is too large, and
//! what fails at an owner is not tried here: otherwise each getter on the way back, whose peer has
//! failed it, would try for itself and go round once more.
//!
//! Keys that need one another in a long chain take room on the thread's stack, whose end ends the
//! process. So there is a bound on the getters that run one inside the other.

mod chain;

use std::cell::RefCell;

pub use chain::Chain;

use crate::random;
use crate::sync::thread_local;

/// No more getters run one inside the other on one thread. A level takes 16 KiB of the stack at
/// most, without what the getter itself needs, and the threads of the standard library have 2 MiB.
pub(super) const MAX_LEVELS: usize = 64;
/// A thread may load a key so many times at once, each inside the one before. One that needs itself
/// would do so for ever, and an innocent task on a thread that steals work does so by chance: the
/// more often, the less likely.
const MOST_TIMES: usize = 8;
/// The same in a chain that peers know of. There each of them costs more loads at other peers.
const MOST_TIMES_OF_CHAINS: usize = 2;
/// So many requests to peers a chain may come through before it may load no more what it loads
/// already. Two are enough for a circle that batches make over two peers.
const MAX_HOPS: u8 = 4;

thread_local! {
    static STACK: RefCell<Stack> = const {
        RefCell::new(Stack { loading: Vec::new(), circles: Vec::new(), levels: 0, chain: None })
    };
}

/// The getters on the stack of a thread.
struct Stack {
    /// What they are loading.
    loading: Vec<LoadId>,
    /// What was found to need itself, since the first of them began.
    circles: Vec<LoadId>,
    /// How many they are.
    levels: usize,
    /// What their requests are part of, once a peer knows of it.
    chain: Option<Chain>,
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

impl Chain {
    /// The chain in which a request of the calling thread is made; `None` if the thread is not
    /// inside a getter of any group. A group makes the requests of a getter on the getter's thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        with_stack(|stack| {
            let begin = || {
                let chain = Self::new((random::number() as u32).max(1), 1);
                chain.join();
                chain
            };
            (stack.levels > 0).then(|| *stack.chain.get_or_insert_with(begin))
        })
        .flatten()
        .map(|chain| if chain.is_circle() { Self::new(chain.id(), u8::MAX) } else { chain })
    }
}

/// Whether the calling thread is inside a getter of any group: whether what it gets, it gets to
/// load something else.
pub(super) fn is_inside_getter() -> bool {
    with_stack(|stack| stack.levels > 0).unwrap_or(false)
}

/// Whether the calling thread loads for a chain that is known to be a circle.
pub(super) fn is_in_circle() -> bool {
    with_stack(|stack| stack.chain).flatten().is_some_and(Chain::is_circle)
}

/// Whether another getter would be one too many on the calling thread.
pub(super) fn is_too_deep() -> bool {
    with_stack(|stack| stack.levels >= MAX_LEVELS).unwrap_or(false)
}

/// Whether the calling thread may load what is being loaded already. Not if it is loading that
/// several times itself, or if the chain in which it is `asked` to do so is a circle.
///
/// What was refused once is refused until the first getter on the stack returns. Otherwise each of
/// the getters on the way back that asks for several keys, and does not stop at the first error,
/// would go to the same depth once more for each of them: a circle of three keys would take years.
pub(super) fn may_load_again(load: LoadId, asked: Option<Chain>) -> bool {
    let look = |stack: &mut Stack| {
        let times = stack.loading.iter().filter(|&&it| it == load).count();
        let was_refused = stack.circles.contains(&load);
        if times >= MOST_TIMES && !was_refused {
            stack.circles.push(load);
        }
        (if was_refused { MOST_TIMES } else { times }, stack.chain)
    };
    let (times, chain) = with_stack(look).unwrap_or_default();
    let has_gone_far = asked.is_some_and(|asked| asked.hops() >= MAX_HOPS);
    let Some(chain) = chain.or(asked) else { return times < MOST_TIMES };
    let is_circle = times >= MOST_TIMES_OF_CHAINS || has_gone_far;
    if is_circle {
        chain.mark_circle();
    }
    !is_circle && !chain.is_circle()
}

/// Says that a getter loads on the calling thread, as long as it lives.
pub(super) struct Inside {
    count: usize,
}

impl Inside {
    /// Of a getter that loads a batch nobody knows for which of the keys it gets what it gets, so
    /// these keys make no circle. [`MAX_LEVELS`] ends one that goes through batches.
    ///
    /// A peer may have `asked` for them, in a chain of its own.
    pub(super) fn begin(mut loads: impl Iterator<Item = LoadId>, asked: Option<Chain>) -> Self {
        let alone = loads.next().filter(|_| loads.next().is_none());
        with_stack(|stack| {
            if let Some(chain) = asked.filter(|chain| stack.levels == 0 && chain.id() != 0) {
                chain.join();
                if chain.hops() > MAX_HOPS {
                    chain.mark_circle();
                }
                stack.chain = Some(chain.next());
            }
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
            if stack.levels == 0 {
                stack.circles.clear();
            }
            if let Some(chain) = stack.chain.take_if(|_| stack.levels == 0) {
                chain.leave();
            }
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
        let outer = Inside::begin([load(1), load(2)].into_iter(), None);
        let inner = Inside::begin([load(3)].into_iter(), None);
        drop(inner);
        assert!(is_inside_getter());
        std::thread::scope(|scope| {
            assert!(!scope.spawn(is_inside_getter).join().unwrap(), "another thread is not");
        });
        drop(outer);
        assert!(!is_inside_getter());
    }

    #[test]
    fn a_key_that_is_loaded_again_and_again_on_one_stack_makes_a_circle() {
        let mut stack = vec![Inside::begin([load(1), load(2)].into_iter(), None)];
        for _ in 0..MOST_TIMES {
            assert!(may_load_again(load(1), None), "one of many in a batch does not count");
            stack.push(Inside::begin([load(1)].into_iter(), None));
        }
        assert!(!may_load_again(load(1), None) && may_load_again(load(2), None));
        assert!(may_load_again(LoadId { group: 2, key_hash: 1 }, None), "another group's");
        drop(stack.pop());
        assert!(!may_load_again(load(1), None) && may_load_again(load(2), None), "for good");
        stack.truncate(2);
        assert!(!may_load_again(load(1), None), "until the first one returns");
        stack.clear();
        stack.extend([1, 1].map(|key| Inside::begin([load(key)].into_iter(), None)));
        assert!(may_load_again(load(1), None));
        Chain::current().unwrap();
        assert!(!may_load_again(load(1), None), "peers know of it");
        while stack.pop().is_some() {}
    }

    #[test]
    fn the_requests_of_a_getter_belong_to_one_chain_and_those_of_the_next_to_another() {
        assert_eq!(Chain::current(), None);
        let outer = Inside::begin([load(1)].into_iter(), None);
        let first = Chain::current().unwrap();
        let inner = Inside::begin([load(2)].into_iter(), Some(Chain::new(7, 1)));
        assert_eq!((Chain::current(), first.hops()), (Some(first), 1));
        drop(inner);
        assert!(first.has(std::thread::current().id()));
        drop(outer);
        assert!(!first.has(std::thread::current().id()) && Chain::current().is_none());
        let _asked = Inside::begin([load(1)].into_iter(), Some(first));
        assert_eq!(Chain::current(), Some(Chain::new(first.id(), 2)));
    }

    #[test]
    fn a_request_of_a_circle_makes_it_one_at_the_next_peer() {
        let inside = Inside::begin([load(1)].into_iter(), None);
        let chain = Chain::current().unwrap();
        assert!(chain.hops() == 1 && !is_in_circle());
        chain.mark_circle();
        let told = Chain::current().unwrap();
        assert!(told.id() == chain.id() && told.hops() > MAX_HOPS && is_in_circle());
        drop(inside);
        assert!(!is_in_circle());
        let _asked = Inside::begin([load(2)].into_iter(), Some(told));
        assert!(is_in_circle() && !may_load_again(load(2), None));
    }

    #[test]
    fn a_chain_that_has_come_through_many_peers_is_a_circle_until_it_ends() {
        let chain = Chain::new(0xabc, MAX_HOPS - 1);
        let inside = Inside::begin([load(1)].into_iter(), Some(chain));
        std::thread::scope(|scope| {
            let at = |hops| {
                move || {
                    let asked = Some(Chain::new(chain.id(), hops));
                    may_load_again(load(1), asked)
                }
            };
            let answers = [1, MAX_HOPS, 1].map(|hops| scope.spawn(at(hops)).join().unwrap());
            assert_eq!(answers, [true, false, false]);
        });
        assert!(!may_load_again(load(1), None));
        drop(inside);
        assert!(may_load_again(load(1), Some(chain)));
    }
}
