//! Who owns a key: a [`Ring`] of hashed points, the same as GeeCache's and groupcache's.

use std::fmt;
use std::num::NonZeroUsize;

/// A consistent-hash ring over names of nodes.
///
/// Each node has a number of points (`replicas`) on a ring of 32-bit hashes: point *i* of node *n* lies at the hash of the text
/// `{i}{n}`. A key belongs to the node of the first point at or after the key's hash, or of the ring's first point if there is
/// none. So when a node joins, the only keys that move are those that move to it, and when it leaves, those that it had.
///
/// Peers that hold the same set of nodes agree on every key: the order of adding never matters. Where points of two nodes fall
/// on the same hash, the node whose name is greater (byte by byte) has it.
///
/// ```
/// use geecache::consistenthash::Ring;
/// use std::num::NonZeroUsize;
///
/// let mut ring = Ring::new(NonZeroUsize::new(50).expect("50 is not zero"));
/// for node in ["http://localhost:8001", "http://localhost:8002", "http://localhost:8003"] {
///     ring.add(node);
/// }
/// assert_eq!(ring.get("Tom"), Some("http://localhost:8001"));
/// assert_eq!(ring.owners("Tom").count(), 3);
/// ```
#[derive(Clone)]
pub struct Ring {
    hash: fn(&[u8]) -> u32,
    replicas: NonZeroUsize,
    /// Sorted, so that comparing two indices compares two names.
    nodes: Vec<Box<str>>,
    /// Sorted by hash; of points on one hash, the greatest node comes first and so has the keys.
    points: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    hash: u32,
    /// Index into `nodes`.
    node: u32,
}

impl Ring {
    /// An empty ring that hashes by CRC-32 (IEEE), as GeeCache and groupcache do.
    ///
    /// `replicas` is the number of points of each node. Both of those use 50, and all members of a cluster must use the same.
    #[must_use]
    pub fn new(replicas: NonZeroUsize) -> Self {
        Self::with_hash(replicas, crc32fast::hash)
    }

    /// An empty ring that hashes points and keys by `hash`.
    #[must_use]
    pub fn with_hash(replicas: NonZeroUsize, hash: fn(&[u8]) -> u32) -> Self {
        Self { hash, replicas, nodes: Vec::new(), points: Vec::new() }
    }

    /// Adds a node; `false` if the ring had it already.
    pub fn add(&mut self, node: impl AsRef<str>) -> bool {
        let node = node.as_ref();
        let Err(at) = self.find(node) else { return false };
        let index = node_index(at);
        for point in &mut self.points {
            point.node += u32::from(point.node >= index);
        }
        self.nodes.insert(at, node.into());
        self.points.extend((0..self.replicas.get()).map(|replica| Point {
            hash: (self.hash)(format!("{replica}{node}").as_bytes()),
            node: index,
        }));
        self.points.sort_by(|a, b| a.hash.cmp(&b.hash).then(b.node.cmp(&a.node)));
        true
    }

    /// Takes a node out; `false` if the ring did not have it.
    pub fn remove(&mut self, node: &str) -> bool {
        let Ok(at) = self.find(node) else { return false };
        let index = node_index(at);
        self.nodes.remove(at);
        self.points.retain(|point| point.node != index);
        for point in &mut self.points {
            point.node -= u32::from(point.node > index);
        }
        true
    }

    /// The node that owns `key`; `None` if the ring is empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.first_point(key);
        let point = self.points.get(at).or_else(|| self.points.first())?;
        Some(self.name(point))
    }

    /// All nodes, each once, in the order in which they would own `key` if those before them were gone.
    ///
    /// The first is the owner. The iterator does its work as it goes: taking the first few is cheap.
    pub fn owners<'ring>(&'ring self, key: &str) -> impl Iterator<Item = &'ring str> + use<'ring> {
        let (before, from) = self.points.split_at(self.first_point(key));
        let mut seen: Vec<u32> = Vec::new();
        from.iter()
            .chain(before)
            .filter(move |point| {
                let new = !seen.contains(&point.node);
                if new {
                    seen.push(point.node);
                }
                new
            })
            .map(|point| self.name(point))
            .take(self.nodes.len())
    }

    /// Whether the ring has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Index of the first point at or after the key's hash; `points.len()` if there is none.
    fn first_point(&self, key: &str) -> usize {
        let hash = (self.hash)(key.as_bytes());
        self.points.partition_point(|point| point.hash < hash)
    }

    fn find(&self, node: &str) -> Result<usize, usize> {
        self.nodes.binary_search_by(|known| (**known).cmp(node))
    }

    fn name(&self, point: &Point) -> &str {
        &self.nodes[point.node as usize]
    }
}

/// Positions of nodes as points keep them.
fn node_index(at: usize) -> u32 {
    u32::try_from(at).expect("points of 2^32 nodes do not fit into memory")
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("replicas", &self.replicas)
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
