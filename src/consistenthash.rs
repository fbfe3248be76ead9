//! Who owns a key: a [`Ring`] of hashed points, the same as that of GeeCache, of groupcache and of
//! its forks.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;

mod circle;
mod hashes;
mod md5;
mod places;
mod points;

use circle::{Circle, Hashes};
use places::Places;

/// The most points that one node of a [`Ring`] can have: its replicas times its weight.
///
/// The bound keeps a mistyped number from taking all memory. A ring of 100 nodes with so many
/// points of 32 bits takes 16 MiB, of 64 bits 24 MiB. More points are of no use: 160 with
/// [`RingHash::Mixed`] share keys out evenly, and with [`RingHash::Crc32`] more than 50 do not
/// help. [`RingHash::Balanced`] takes as much memory for few points as for many, but more time.
pub const MAX_REPLICAS: usize = 10_000;

/// [`MAX_REPLICAS`] in the type of the counts that it bounds.
const MOST: NonZeroUsize = NonZeroUsize::new(MAX_REPLICAS).expect("it is not zero");

/// A consistent-hash ring over names of nodes.
///
/// Each node has a number of points (`replicas`) on a ring of hashes of 32 bits, or of 64 where the
/// [`RingHash`] has so many: point *i* of node *n* lies at the hash of the text `{i}{n}`. A key
/// belongs to the node of the first point at or after the key's hash. If there is none, it belongs
/// to the node of the ring's first point. So when a node joins, the only keys that move are those
/// that move to it, and when it leaves, those that it had.
///
/// Peers that hold the same set of nodes agree on every key: the order of adding never matters.
/// Where points of two nodes fall on the same hash, the node whose name is greater (byte by byte)
/// has it.
///
/// [`RingHash::Balanced`] has other points, and another rule for those that meet. All else holds
/// there, too.
///
/// Looking a key up takes the same short time for few points and for many. A change of the nodes
/// takes time in proportion to the points of all nodes; [`extend`](Self::extend) does many changes
/// for the price of one.
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
/// // If that one is gone, the next in this order answers for the key.
/// let owners: Vec<&str> = ring.owners("Tom").take(2).collect();
/// assert_eq!(owners, ["http://localhost:8001", "http://localhost:8002"]);
/// ```
#[derive(Clone)]
pub struct Ring {
    replicas: NonZeroUsize,
    /// Sorted, so that the order of positions is that of the names.
    nodes: Vec<Box<str>>,
    circle: Circle,
}

impl Ring {
    /// An empty ring that hashes by CRC-32 (IEEE), as GeeCache and groupcache do.
    ///
    /// `replicas` is the number of points of each node. Both of those use 50, and all members of a
    /// cluster must use the same. More than [`MAX_REPLICAS`] count as that many: all nodes still
    /// have equal shares, and [`replicas`](Self::replicas) tells the number in use.
    #[must_use]
    pub fn new(replicas: NonZeroUsize) -> Self {
        RingHash::Crc32.ring_with(replicas)
    }

    /// An empty ring that hashes points and keys by `hash`; `replicas` as for [`new`](Self::new).
    #[must_use]
    pub fn with_hash(replicas: NonZeroUsize, hash: fn(&[u8]) -> u32) -> Self {
        Self::on(Circle::Narrow(Hashes::of(hash, hash)), replicas)
    }

    /// An empty ring of hashes of 64 bits: `point` hashes the text of a point, `key` a key.
    /// `replicas` as for [`new`](Self::new).
    ///
    /// For clusters of groupcache's forks that are set to a hash of their own; theirs by default
    /// is [`RingHash::Fnv1`].
    #[must_use]
    pub fn with_wide_hashes(
        replicas: NonZeroUsize,
        point: fn(&[u8]) -> u64,
        key: fn(&[u8]) -> u64,
    ) -> Self {
        Self::on(Circle::Wide(Hashes::of(point, key)), replicas)
    }

    fn on(circle: Circle, replicas: NonZeroUsize) -> Self {
        Self { replicas: replicas.min(MOST), nodes: Vec::new(), circle }
    }

    /// Adds a node; `false` if the ring had it already.
    pub fn add(&mut self, node: impl AsRef<str>) -> bool {
        self.add_all(std::iter::once(node), self.replicas) > 0
    }

    /// Adds a node that is to have about `weight` times the share of a node of weight 1, by so many
    /// times the points; `false` if the ring had it already, which changes nothing.
    ///
    /// All members of a cluster must give a node the same weight. For fractions choose fewer
    /// replicas and greater weights: with 16 replicas, weights 10 and 15 are one and one and a half
    /// times 160 points.
    ///
    /// # Errors
    ///
    /// [`TooManyPoints`] if replicas times weight are more than [`MAX_REPLICAS`]. Nothing changes.
    /// A lesser weight in place of that one would give the node another share than it was to have.
    pub fn add_weighted(
        &mut self,
        node: impl AsRef<str>,
        weight: NonZeroUsize,
    ) -> Result<bool, TooManyPoints> {
        Ok(self.extend_weighted([(node, weight)])? > 0)
    }

    /// Adds many nodes with their weights, for the price of one change for each different weight,
    /// and tells how many are new. Those that the ring has already change nothing.
    ///
    /// # Errors
    ///
    /// As [`add_weighted`](Self::add_weighted), if one of them can't be added. Nothing changes.
    pub fn extend_weighted<S: AsRef<str>>(
        &mut self,
        nodes: impl IntoIterator<Item = (S, NonZeroUsize)>,
    ) -> Result<usize, TooManyPoints> {
        let mut by_points = BTreeMap::<NonZeroUsize, Vec<S>>::new();
        for (node, weight) in nodes {
            let points = self.replicas.saturating_mul(weight);
            if points > MOST {
                let (node, replicas) = (node.as_ref().to_owned(), self.replicas);
                return Err(TooManyPoints { node, weight, replicas });
            }
            by_points.entry(points).or_default().push(node);
        }
        let add = |(points, nodes): (_, Vec<S>)| self.add_all(nodes.into_iter(), points);
        Ok(by_points.into_iter().map(add).sum())
    }

    /// Takes a node out; `false` if the ring did not have it.
    pub fn remove(&mut self, node: &str) -> bool {
        let Ok(at) = self.nodes.binary_search_by(|known| (**known).cmp(node)) else { return false };
        let gone = node_index(at);
        self.nodes.remove(at);
        self.circle.remove(gone);
        true
    }

    /// The node that owns `key`; `None` if the ring is empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let owner = self.circle.owner(key)?;
        Some(&self.nodes[owner])
    }

    /// All nodes, each once, in the order in which they would own `key` if those before them were
    /// gone.
    ///
    /// The first is the owner. The iterator does its work as it goes: taking the first few is
    /// cheap.
    pub fn owners<'ring>(&'ring self, key: &str) -> impl Iterator<Item = &'ring str> + use<'ring> {
        let mut seen = vec![false; self.nodes.len()];
        self.circle
            .nodes_from(key)
            .filter(move |node| !std::mem::replace(&mut seen[*node], true))
            .map(|node| &*self.nodes[node])
            .take(self.nodes.len())
    }

    /// Each node with the share of all hashes that it owns, in the order of the names. The shares
    /// add up to 1, but for what sums of floats lose.
    ///
    /// That is the share of the keys that it will own, as far as the hash spreads them evenly.
    #[must_use]
    pub fn shares(&self) -> Vec<(&str, f64)> {
        let shares = self.circle.shares(self.nodes.len());
        self.nodes.iter().map(|node| &**node).zip(shares).collect()
    }

    /// The ring, cut into pieces of one owner each: where a piece ends, as a part of the whole ring
    /// (0 to 1), and the node that owns it. In the order of the ring; neighbours have different
    /// owners. The first piece begins at 0. What lies after the last one belongs to the node of the
    /// first. For pictures of a ring.
    #[must_use]
    pub fn arcs(&self) -> Vec<(f64, &str)> {
        let arcs = self.circle.arcs();
        arcs.into_iter().map(|(end, node)| (end, &*self.nodes[node])).collect()
    }

    /// Where `key` lies, as a part of the whole ring: from 0 on, and less than 1. It belongs to the
    /// first of the [`arcs`](Self::arcs) that ends after it.
    #[must_use]
    pub fn position(&self, key: &str) -> f64 {
        self.circle.position(key)
    }

    /// Whether the ring has a node of this name.
    #[must_use]
    pub fn contains(&self, node: &str) -> bool {
        self.nodes.binary_search_by(|known| (**known).cmp(node)).is_ok()
    }

    /// How many points a node of weight 1 has.
    #[must_use]
    pub fn replicas(&self) -> NonZeroUsize {
        self.replicas
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

    /// Takes in those of `nodes` that are new, with `replicas` points each, and tells how many.
    fn add_all<S: AsRef<str>>(
        &mut self,
        nodes: impl Iterator<Item = S>,
        replicas: NonZeroUsize,
    ) -> usize {
        // What is not ours runs before anything changes: the iterator, the names, the hash.
        let mut new: Vec<Box<str>> = nodes.map(|node| Box::from(node.as_ref())).collect();
        new.sort_unstable();
        new.dedup();
        new.retain(|node| self.nodes.binary_search(node).is_err());
        let added = new.len();
        if added == 0 {
            return 0;
        }
        // Where the known nodes will be in the list: after all that have lesser names.
        let moved_to: Vec<u32> = (0..)
            .zip(&self.nodes)
            .map(|(at, node)| node_index(at + new.partition_point(|new| new < node)))
            .collect();
        let named = (0..).zip(&new).map(|(at, node)| {
            (node_index(at + self.nodes.partition_point(|known| known < node)), &**node)
        });
        self.circle.add(&named.collect::<Vec<_>>(), replicas.get(), &moved_to);

        self.nodes.append(&mut new);
        self.nodes.sort_unstable();
        added
    }
}

impl<S: AsRef<str>> Extend<S> for Ring {
    /// Adds many nodes; those that the ring has already change nothing.
    fn extend<I: IntoIterator<Item = S>>(&mut self, nodes: I) {
        self.add_all(nodes.into_iter(), self.replicas);
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("replicas", &self.replicas)
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

/// A weight would give a node more than [`MAX_REPLICAS`] points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooManyPoints {
    node: String,
    weight: NonZeroUsize,
    replicas: NonZeroUsize,
}

impl fmt::Display for TooManyPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, weight, replicas } = self;
        write!(
            f,
            "weight {weight} of node {node:?} times {replicas} replicas is more than \
             {MAX_REPLICAS} points"
        )
    }
}

impl std::error::Error for TooManyPoints {}

/// The hashes that a cluster can agree on. All members must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RingHash {
    /// CRC-32 (IEEE) and 50 points for each node: the ring of GeeCache, groupcache and
    /// galaxycache, needed in a cluster with them.
    ///
    /// CRC-32 is linear, so the points of nodes with similar names keep the same distances, and
    /// more points do not help. Over 1,000 clusters of 10 nodes in one subnet the greatest share
    /// was 1.56 times the mean on average, and 4.9 times at worst (`ring` in the benchmarks).
    #[default]
    Crc32,
    /// CRC-32 with its bits mixed by MurmurHash3's finalizer, and 160 points for each node: for
    /// clusters of this crate alone.
    ///
    /// Over the same 1,000 clusters the greatest share was 1.13 times the mean on average, and 1.28
    /// times at worst.
    Mixed,
    /// A ring of 2^20 places, each with its owner written down: for clusters of this crate alone,
    /// above all for large ones. Each node has eight points for each of its 256 replicas, on places
    /// in an order of its own, as in Maglev (Eisenbud and others, 2016). Where nodes meet, the one
    /// has the place that comes to it earlier in its order.
    ///
    /// Of 1,000 nodes the one with the greatest share has 1.10 times the mean at most, where
    /// [`Mixed`](Self::Mixed) gives it 1.33 times. A look-up takes a single step. The ring takes
    /// 4 MiB, and to make it or to change it takes a millisecond for few nodes, and five for 1,000
    /// (`ring` in the benchmarks). A number of replicas that is no power of two counts as the next
    /// one.
    Balanced,
    /// FNV-1 of 64 bits and 50 points for each node: the ring of mailgun/groupcache from 2.2.1 on
    /// and of groupcache-go v3, needed in a cluster with them. A key lies at its hash, a point at
    /// the hash of its text's MD5 in hexadecimal.
    ///
    /// Over the same 1,000 clusters the greatest share was 1.23 times the mean on average, and 1.56
    /// times at worst. But keys that differ in their last three bytes alone lie close together,
    /// such as `user:1000` to `user:1999`: most often all of them have one owner.
    Fnv1,
}

impl RingHash {
    /// How many points each node has in a ring of this hash unless told otherwise.
    #[must_use]
    pub fn replicas(self) -> NonZeroUsize {
        let replicas = match self {
            Self::Crc32 | Self::Fnv1 => 50,
            Self::Mixed => 160,
            Self::Balanced => 256,
        };
        NonZeroUsize::new(replicas).unwrap_or(NonZeroUsize::MIN)
    }

    /// An empty ring of this hash with its usual number of points.
    #[must_use]
    pub fn ring(self) -> Ring {
        self.ring_with(self.replicas())
    }

    /// An empty ring of this hash with another number of points; see [`Ring::new`].
    #[must_use]
    pub fn ring_with(self, replicas: NonZeroUsize) -> Ring {
        match self {
            Self::Crc32 => Ring::with_hash(replicas, crc32fast::hash),
            Self::Mixed => Ring::with_hash(replicas, hashes::mixed),
            Self::Balanced => {
                Ring::on(Circle::Written(Places::new(replicas.min(MOST).get())), replicas)
            }
            Self::Fnv1 => Ring::with_wide_hashes(replicas, hashes::fnv1_of_md5, hashes::fnv1),
        }
    }

    /// Where a key lies in a ring of this hash.
    #[must_use]
    pub fn of_key(self, key: &str) -> u64 {
        match self {
            Self::Crc32 => crc32fast::hash(key.as_bytes()).into(),
            Self::Mixed | Self::Balanced => hashes::mixed(key.as_bytes()).into(),
            Self::Fnv1 => hashes::fnv1(key.as_bytes()),
        }
    }
}

/// A position in the list of nodes, as points keep it.
fn node_index(at: usize) -> u32 {
    u32::try_from(at).expect("points of 2^32 nodes do not fit into memory")
}

#[cfg(test)]
mod tests;
