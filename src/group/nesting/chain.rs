//! [`Chain`]: loads of which each needs the next one, over all peers.

use std::num::NonZeroU8;
use std::sync::Mutex;

use crate::sync::lock;
use crate::sync::thread::{self, ThreadId};

/// The threads of this process that load for a chain of which peers may know. A chain crosses
/// groups, and a getter may ask any of them: so this belongs to the process.
static THREADS: Mutex<Vec<LoadingThread>> = Mutex::new(Vec::new());

struct LoadingThread {
    chain: u32,
    thread: ThreadId,
    /// Whether the chain was found to be a circle while this one has been in it.
    is_circle: bool,
}

/// A getter that gets a key, for which another getter may have to get one, and so on: all loads
/// that began with one getter, in this process and at its peers.
///
/// For those who write a transport. What a getter asks a peer for carries its chain, and the peer
/// [answers](crate::PeerSide::nested) in that chain. So a peer sees that a load which it would wait
/// for is one that waits for its answer.
///
/// It is two numbers, which a transport sends as it likes. The default stands for a chain of which
/// no more is known than that a getter asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain {
    id: u32,
    hops: NonZeroU8,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new(0, 1)
    }
}

impl Chain {
    /// The chain of these numbers, as a peer told them. No `hops` count as one.
    #[must_use]
    pub fn new(id: u32, hops: u8) -> Self {
        Self { id, hops: NonZeroU8::new(hops).unwrap_or(NonZeroU8::MIN) }
    }

    /// A random number of its own; 0 if it is not known. Should two chains have the same, a key may
    /// be loaded once more than needed.
    #[must_use]
    pub fn id(self) -> u32 {
        self.id
    }

    /// How many requests to peers it has come through, this one among them; at least one.
    #[must_use]
    pub fn hops(self) -> u8 {
        self.hops.get()
    }

    /// This chain, one request further.
    pub(super) fn next(self) -> Self {
        Self { hops: self.hops.saturating_add(1), ..self }
    }

    /// The calling thread works for this chain from now on.
    pub(super) fn join(self) {
        let mut threads = lock(&THREADS);
        let is_circle = threads.iter().any(|it| it.chain == self.id && it.is_circle);
        threads.push(LoadingThread { chain: self.id, thread: thread::current().id(), is_circle });
    }

    /// The calling thread works for it no longer.
    pub(super) fn leave(self) {
        let (mut threads, thread) = (lock(&THREADS), thread::current().id());
        if let Some(at) = threads.iter().position(|it| it.chain == self.id && it.thread == thread) {
            threads.swap_remove(at);
        }
    }

    /// Whether a thread of this process works for it.
    pub(in crate::group) fn has(self, thread: ThreadId) -> bool {
        self.id != 0 && lock(&THREADS).iter().any(|it| it.chain == self.id && it.thread == thread)
    }

    /// Says that its keys need one another in a circle.
    pub(super) fn mark_circle(self) {
        let mut threads = lock(&THREADS);
        threads.iter_mut().filter(|it| it.chain == self.id).for_each(|it| it.is_circle = true);
    }

    /// Whether that was found here, while a thread has worked for it.
    pub(super) fn is_circle(self) -> bool {
        lock(&THREADS).iter().any(|it| it.chain == self.id && it.is_circle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_knows_its_threads_and_that_it_is_a_circle_as_long_as_one_is_left() {
        let (chain, other) = (Chain::new(0xc4a1, 1), Chain::new(0xc4a2, 1));
        let here = thread::current().id();
        assert!(!chain.has(here));
        chain.join();
        assert!(chain.has(here) && chain.next().has(here) && !other.has(here));
        assert!(!chain.is_circle());
        chain.mark_circle();
        thread::scope(|scope| {
            let later = || {
                chain.next().join();
                assert!(chain.is_circle() && !other.is_circle());
                chain.leave();
            };
            scope.spawn(later).join().unwrap();
        });
        chain.leave();
        assert!(!chain.has(here) && !chain.is_circle());
    }
}
