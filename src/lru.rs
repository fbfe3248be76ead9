//! [`Lru`]: a least-recently-used cache for one owner, built by hand and without `unsafe`.
//!
//! # What it is for
//!
//! A small map that must not grow without end, and that belongs to one thread, one connection, or
//! one struct with a lock of its own: what was parsed, compiled or looked up, and may be needed
//! again. It is the `lru.Cache` of GeeCache and groupcache in Rust, and useful without the rest of
//! this crate. A [`Group`](crate::Group) doesn't use it: many threads share the memory of a group,
//! which has a store of its own for that.
//!
//! | in Go | here |
//! |---|---|
//! | `Add` | [`insert`](Lru::insert) |
//! | `Get` | [`get`](Lru::get), and [`peek`](Lru::peek), which doesn't count as a use |
//! | `Remove`, `RemoveOldest` | [`remove`](Lru::remove), [`pop_oldest`](Lru::pop_oldest) |
//! | `Len` | [`len`](Lru::len) |
//! | `OnEvicted` | [`Inserted::evicted`]: what leaves is returned |
//!
//! No callback tells what leaves the cache. It is *returned*, so a caller who holds a lock around
//! the `Lru` can drop it, or run any other code on it, after the lock is released.
//!
//! ```
//! use geecache::lru::{Lru, Weight};
//!
//! /// A path, cut into its parts.
//! struct Route {
//!     parts: Vec<String>,
//! }
//!
//! impl Weight for Route {
//!     fn weight(&self) -> u64 {
//!         self.parts.iter().map(|part| part.len() as u64).sum()
//!     }
//! }
//!
//! /// Belongs to one connection.
//! struct Router {
//!     routes: Lru<Route>,
//! }
//!
//! impl Router {
//!     /// How many parts a path has. Cuts it only when it was not seen lately.
//!     fn depth(&mut self, path: &str) -> usize {
//!         if let Some(route) = self.routes.get(path) {
//!             return route.parts.len();
//!         }
//!         let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
//!         let depth = parts.len();
//!         self.routes.insert(path, Route { parts });
//!         depth
//!     }
//! }
//!
//! let mut router = Router { routes: Lru::new(64 << 10) };
//! assert_eq!(router.depth("a/b/c"), 3);
//! assert_eq!(router.depth("a/b/c"), 3);
//! assert_eq!(router.routes.len(), 1);
//! ```
//!
//! # How it works
//!
//! The entries live in a slab, a `Vec` of nodes, and are linked into a ring by their indices: `u32`
//! numbers where a textbook has pointers. Node 0 is the sentinel of the ring: its `next` is the
//! most recently used entry and its `prev` the least recently used one, so linking and unlinking
//! have no special cases. A list of free nodes uses the same links; a node that was freed is used
//! again. A `HashMap` finds the node of a key.
//!
//! The cache is bounded by weight, not by a count. An entry weighs the bytes of its key plus the
//! [`Weight`] of its value. That is asked once, when the entry is inserted, and kept beside it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::byteview::ByteView;

/// What a value adds to the weight of its entry, usually its length in bytes.
///
/// A cache asks once, when the value is inserted. A value that changes its weight later still
/// counts as it was then.
pub trait Weight {
    /// The weight, without that of the key.
    fn weight(&self) -> u64;
}

/// An LRU cache from strings to values, bounded by weight.
///
/// ```
/// use geecache::lru::Lru;
///
/// let mut lru = Lru::new(8); // "a" + "one" weigh 4 bytes
/// lru.insert("a", "one");
/// lru.insert("b", "two");
/// lru.get("a"); // now "b" is the least recently used
/// let inserted = lru.insert("c", "3");
/// assert_eq!(inserted.evicted.len(), 1);
/// assert_eq!(&*inserted.evicted[0].0, "b");
/// assert_eq!(lru.weight(), 6);
/// ```
pub struct Lru<V> {
    index: HashMap<Arc<str>, u32>,
    /// Node 0 is the sentinel.
    nodes: Vec<Node<V>>,
    /// The first free node, 0 when there is none.
    free: u32,
    /// The sum of the weights of all nodes in use.
    weight: u64,
    max_weight: u64,
}

struct Node<V> {
    /// `None` in the sentinel and in free nodes.
    entry: Option<(Arc<str>, V)>,
    /// What the entry weighed when it was inserted.
    weight: u64,
    prev: u32,
    next: u32,
}

/// What left the cache, or never entered it, by one [`Lru::insert`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inserted<V> {
    /// The value that the key had before.
    pub replaced: Option<V>,
    /// The new value, handed back, if the entry alone is heavier than the whole cache may be.
    pub refused: Option<V>,
    /// The entries that had to go to make room, least recently used first.
    pub evicted: Vec<(Arc<str>, V)>,
}

/// The node that closes the ring.
const SENTINEL: u32 = 0;

impl<V: Weight> Lru<V> {
    /// An empty cache whose entries together weigh at most `max_weight`.
    #[must_use]
    pub fn new(max_weight: u64) -> Self {
        let sentinel = Node { entry: None, weight: 0, prev: SENTINEL, next: SENTINEL };
        Self { index: HashMap::new(), nodes: vec![sentinel], free: SENTINEL, weight: 0, max_weight }
    }

    /// An empty cache without a bound: nothing is evicted until all weights together pass
    /// `u64::MAX`. [`pop_oldest`](Self::pop_oldest) still works.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::new(u64::MAX)
    }

    /// Makes `value` the value of `key` and the most recently used entry, and evicts from the least
    /// recently used end until the bound holds.
    ///
    /// An entry that alone is heavier than the bound is refused and evicts nothing. The older value
    /// of its key is out of date by then and leaves the cache.
    ///
    /// # Panics
    ///
    /// If [`Weight::weight`] does. The cache is then as it was.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: V) -> Inserted<V> {
        let key = key.into();
        // The only call of foreign code, before anything has changed.
        let weight = entry_weight(&key, &value);
        let replaced = self.remove(&key);
        if weight > self.max_weight {
            return Inserted { replaced, refused: Some(value), evicted: Vec::new() };
        }
        let mut evicted = Vec::new();
        // `max_weight - weight` can't underflow: the entry alone fits.
        while self.weight > self.max_weight - weight {
            evicted.extend(self.pop_oldest());
        }
        let node = self.allocate((Arc::clone(&key), value), weight);
        self.link_first(node);
        self.index.insert(key, node);
        Inserted { replaced, refused: None, evicted }
    }
}

impl<V> Lru<V> {
    /// The value of `key`, which becomes the most recently used entry.
    pub fn get(&mut self, key: &str) -> Option<&V> {
        let node = *self.index.get(key)?;
        self.unlink(node);
        self.link_first(node);
        self.value(node)
    }

    /// The value of `key`, without a change to the order.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<&V> {
        self.value(*self.index.get(key)?)
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let node = self.index.remove(key)?;
        self.release(node).map(|(_, value)| value)
    }

    /// Removes the least recently used entry and returns it.
    pub fn pop_oldest(&mut self) -> Option<(Arc<str>, V)> {
        let oldest = self.nodes[SENTINEL as usize].prev;
        let (key, value) = self.release(oldest)?;
        self.index.remove(&key);
        Some((key, value))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What the entries weigh together: the bytes of their keys and the weights of their values.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The bound on the weight; `u64::MAX` for an unbounded cache.
    #[must_use]
    pub fn max_weight(&self) -> u64 {
        self.max_weight
    }

    /// The entries, most recently used first. Does not change the order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        let entry_after = |node: u32| {
            let next = self.nodes[node as usize].next;
            (next != SENTINEL).then_some(next)
        };
        std::iter::successors(entry_after(SENTINEL), move |&node| entry_after(node)).filter_map(
            |node| {
                let (key, value) = self.nodes[node as usize].entry.as_ref()?;
                Some((&**key, value))
            },
        )
    }

    fn value(&self, node: u32) -> Option<&V> {
        self.nodes[node as usize].entry.as_ref().map(|(_, value)| value)
    }

    /// Puts an entry into a node that is linked nowhere yet, and counts its weight.
    fn allocate(&mut self, entry: (Arc<str>, V), weight: u64) -> u32 {
        self.weight += weight;
        let new = Node { entry: Some(entry), weight, prev: SENTINEL, next: SENTINEL };
        if self.free == SENTINEL {
            let node = u32::try_from(self.nodes.len()).expect("2^32 nodes do not fit into memory");
            self.nodes.push(new);
            return node;
        }
        let node = self.free;
        self.free = std::mem::replace(&mut self.nodes[node as usize], new).next;
        node
    }

    /// Takes the entry out of `node` and frees the node; `None` for the sentinel.
    fn release(&mut self, node: u32) -> Option<(Arc<str>, V)> {
        let entry = self.nodes[node as usize].entry.take()?;
        self.weight -= self.nodes[node as usize].weight;
        self.unlink(node);
        self.nodes[node as usize].next = self.free;
        self.free = node;
        Some(entry)
    }

    fn unlink(&mut self, node: u32) {
        let Node { prev, next, .. } = self.nodes[node as usize];
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
    }

    fn link_first(&mut self, node: u32) {
        let first = std::mem::replace(&mut self.nodes[SENTINEL as usize].next, node);
        self.nodes[first as usize].prev = node;
        self.nodes[node as usize].prev = SENTINEL;
        self.nodes[node as usize].next = first;
    }
}

fn entry_weight<V: Weight>(key: &str, value: &V) -> u64 {
    (key.len() as u64).saturating_add(value.weight())
}

impl<V: fmt::Debug> fmt::Debug for Lru<V> {
    /// Shows the entries, most recently used first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Weight for ByteView {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

impl Weight for Vec<u8> {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

impl Weight for String {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

impl Weight for &str {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

impl Weight for Arc<[u8]> {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

#[cfg(test)]
mod tests;
