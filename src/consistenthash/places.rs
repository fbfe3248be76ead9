//! [`Places`]: a ring of a million places, each with its owner written down.
//!
//! As on every ring (Karger and others, "Consistent hashing and random trees", 1997), a key belongs
//! to the first point at or after it. But points are so many that they meet, and of those that do,
//! one ranks first. The table and the ranks are those of Maglev (Eisenbud and others, 2016): each
//! node has a list of places in an order of its own, and gets those that it names earlier than the
//! others do. But nodes take no turns, which would make shares equal and move keys between nodes
//! that stay. So who has a place depends on nothing but who names it, as in rendezvous hashing
//! (Thaler and Ravishankar, 1998): a node that joins only takes keys, and one that leaves only
//! gives some away.
//!
//! All nodes have as many points, and the same ranks. So their shares vary by less than those on a
//! ring of free places. For *n* nodes with *r* points each, and *s* places, the variance is
//! `x / r · coth(x)` of the mean's square, where `x = nr / 2s`. For few nodes that is `1 / r`, as
//! on a ring, and for many `n / 2s`, half of what it is where a place goes to a node by chance.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::{fmt, iter};

use crate::consistenthash::hashes::{mix, mixed};
use crate::consistenthash::points::Named;

/// The number of places, as a power of two.
const PLACE_BITS: u32 = 20;
/// The number of points for each replica.
const POINTS: usize = 8;
/// More than all ranks: nobody has a point there.
const FREE: u64 = u64::MAX;

/// Who owns each place.
#[derive(Clone)]
pub(super) struct Places {
    /// Of a node of weight 1.
    replicas: usize,
    /// The ring is cut into sections of equal length, in each of which a claim has one point. Their
    /// number, as a power of two.
    sections: u32,
    claims: Vec<Claim>,
    /// The node that owns each place; empty without nodes.
    owners: Vec<u32>,
}

/// What a node has as many of as its weight is.
#[derive(Clone, Copy)]
struct Claim {
    hash: u32,
    /// Position of the node in the ring's list.
    node: u32,
}

/// A place, counted from the begin of its section, and the rank and the node of one who has a point
/// there, as one number. So points are in the order of the ring, the owner of a place first.
type RankedPoint = (usize, u64);

impl Places {
    pub(super) fn new(replicas: usize) -> Self {
        let sections = (POINTS * replicas).next_power_of_two().ilog2();
        Self { replicas, sections, claims: Vec::new(), owners: Vec::new() }
    }

    /// The node that owns `key`; `None` without nodes.
    #[inline]
    pub(super) fn owner(&self, key: &str) -> Option<usize> {
        self.owners.get(place(key)).map(|&node| node as usize)
    }

    /// The nodes of all points, in the order in which they would own `key` if those before them
    /// were gone.
    pub(super) fn nodes_from<'a>(&'a self, key: &str) -> impl Iterator<Item = usize> + use<'a> {
        let (place, length) = (place(key), self.length());
        let (first, at, sections) = (place / length, place % length, 1 << self.sections);
        // Most want to know about few, who are near: there are eight points up to there or so.
        let near = length.min(at + 1 + 8 * length / self.claims.len().max(1));
        let begin = [(first, at..near), (first, near..length)].into_iter();
        let all = begin
            .chain((1..sections).map(move |step| ((first + step) % sections, 0..length)))
            .chain([(first, 0..at)]);
        let walk = all.flat_map(move |(section, places)| {
            let points = self.points(section as u32).filter(|(at, _)| places.contains(at));
            let mut points: BinaryHeap<Reverse<RankedPoint>> = points.map(Reverse).collect();
            iter::from_fn(move || points.pop()).map(|Reverse((_, rank))| rank as u32 as usize)
        });
        // The owner is written down. Few want to know more.
        self.owners.get(place).map(|&node| node as usize).into_iter().chain(walk)
    }

    /// The part of all places that each of so many nodes owns.
    pub(super) fn shares(&self, nodes: usize) -> Vec<f64> {
        let mut owned = vec![0_u32; nodes];
        for &node in &self.owners {
            owned[node as usize] += 1;
        }
        owned.into_iter().map(|places| part(places as usize)).collect()
    }

    /// The ring, cut into pieces of one owner each: where a piece ends, as a part of the whole
    /// ring, and the node that owns it.
    pub(super) fn arcs(&self) -> Vec<(f64, usize)> {
        let pieces = self.owners.chunk_by(|a, b| a == b);
        let ends = pieces.scan(0, |end, piece| {
            *end += piece.len();
            Some((part(*end), piece[0] as usize))
        });
        ends.collect()
    }

    /// Where `key` lies, as a part of the whole ring.
    pub(super) fn position(key: &str) -> f64 {
        part(place(key))
    }

    /// Takes in nodes, each with so many replicas. A node that was there before is now the one that
    /// `moved_to` has at its place.
    pub(super) fn add(&mut self, nodes: &[Named<'_>], replicas: usize, moved_to: &[u32]) {
        for claim in &mut self.claims {
            claim.node = moved_to[claim.node as usize];
        }
        let weight = replicas / self.replicas;
        for &(node, name) in nodes {
            let hash = crc32fast::hash(name.as_bytes());
            let hashes = (0..).map(|i: u32| mix(hash ^ mix(i))).take(weight);
            self.claims.extend(hashes.map(|hash| Claim { hash, node }));
        }
        self.fill();
    }

    /// Takes a node out; the nodes after it move up.
    pub(super) fn remove(&mut self, gone: u32) {
        self.claims.retain(|claim| claim.node != gone);
        for claim in &mut self.claims {
            claim.node -= u32::from(claim.node > gone);
        }
        self.fill();
    }

    /// Writes down who owns each place.
    fn fill(&mut self) {
        self.owners.clear();
        // From the end on: who owns a place has those before it, too, up to the next point. What
        // lies after the last point belongs to the first one. Each section has points.
        let Some((_, first)) = self.points(0).min() else { return };
        let mut next = first as u32;
        let mut owners = vec![0; 1 << PLACE_BITS];
        let mut ranks = vec![FREE; self.length()];
        for (section, owners) in owners.chunks_exact_mut(ranks.len()).enumerate().rev() {
            ranks.fill(FREE);
            for (at, rank) in self.points(section as u32) {
                ranks[at] = ranks[at].min(rank);
            }
            for (owner, &rank) in owners.iter_mut().zip(&ranks).rev() {
                next = if rank == FREE { next } else { rank as u32 };
                *owner = next;
            }
        }
        self.owners = owners;
    }

    /// The points of a section, in no order.
    #[inline]
    fn points(&self, section: u32) -> impl Iterator<Item = RankedPoint> {
        let (salt, spare) = (mix(section), u32::BITS - PLACE_BITS + self.sections);
        let ranks = (1 << self.sections) - 1;
        self.claims.iter().map(move |claim| {
            // A claim has each rank in one section.
            let rank = (claim.hash ^ section) & ranks;
            let at = mix(claim.hash ^ salt) >> spare;
            (at as usize, u64::from(rank) << u32::BITS | u64::from(claim.node))
        })
    }

    /// How many places a section has.
    fn length(&self) -> usize {
        1 << (PLACE_BITS - self.sections)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.claims.len() << self.sections
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} claims", self.claims.len())
    }
}

/// Where `key` lies.
#[inline]
fn place(key: &str) -> usize {
    (mixed(key.as_bytes()) >> (u32::BITS - PLACE_BITS)) as usize
}

/// So many places, as a part of all.
fn part(places: usize) -> f64 {
    places as f64 / f64::from(1 << PLACE_BITS)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use crate::consistenthash::{Ring, RingHash};

    fn keys() -> impl Iterator<Item = String> {
        (0..5_000).map(|number| format!("user:{number}"))
    }

    fn ring_of(nodes: impl IntoIterator<Item = usize>) -> Ring {
        let mut ring = RingHash::Balanced.ring();
        ring.extend(nodes.into_iter().map(|node| format!("http://10.0.3.{node}:8080")));
        ring
    }

    #[test]
    fn members_of_a_cluster_name_the_same_owners_for_ever() {
        // A change of these needs another name: members of two versions would disagree.
        let owners = ["Tom", "Jack", "Sam", "kkk", "hello", "key/with/slash", "你好"];
        let owners = owners.map(|key| {
            let mut ring = RingHash::Balanced.ring();
            ring.extend((8001..=8003).map(|port| format!("http://localhost:{port}")));
            ring.get(key).map(|owner| owner[17..].to_owned())
        });
        assert_eq!(
            owners.map(Option::unwrap_or_default).join(" "),
            "8001 8003 8001 8001 8001 8002 8002"
        );
        // Of many nodes that meet on most places, with weights.
        let mut ring = RingHash::Balanced.ring();
        let weighted = |node: usize| (node.to_string(), NonZeroUsize::MIN.saturating_add(node % 3));
        ring.extend_weighted((0..1000).map(weighted)).unwrap();
        let owners: String = keys().map(|key| ring.get(&key).unwrap().to_owned()).collect();
        assert_eq!(crc32fast::hash(owners.as_bytes()), 2_944_342_263);
    }

    #[test]
    fn a_thousand_nodes_have_equal_shares_however_they_are_named() {
        let namings: [fn(usize) -> String; 3] = [
            |i| format!("http://10.0.{}.{}:8080", 3 + i / 200, 17 + i % 200),
            |i| format!("http://cache-{i}.cache.svc:8008"),
            |i| format!("http://localhost:{}", 8001 + i),
        ];
        for naming in namings {
            let mut ring = RingHash::Balanced.ring();
            ring.extend((0..1000).map(naming));
            let shares = ring.shares();
            let sum: f64 = shares.iter().map(|(_, share)| share).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            let greatest = shares.iter().map(|(_, share)| share * 1000.0).fold(0.0, f64::max);
            assert!(greatest <= 1.10, "the greatest share of {} is {greatest}", naming(0));
        }
    }

    #[test]
    fn a_node_that_joins_takes_keys_and_one_that_leaves_gives_them_to_the_next() {
        let ring = ring_of(0..12);
        let (fewer, more) = (ring_of(1..12), ring_of(0..13));
        let (leaves, joins) = ("http://10.0.3.0:8080", "http://10.0.3.12:8080");
        let mut again = more.clone();
        assert!(again.remove(joins));
        let (mut left, mut joined) = (0, 0);
        for key in keys() {
            let mut owners = ring.owners(&key);
            assert_eq!(owners.next(), ring.get(&key), "{key}");
            if ring.get(&key) == Some(leaves) {
                left += 1;
            }
            let mut staying = ring.owners(&key).filter(|owner| *owner != leaves);
            assert_eq!(staying.next(), fewer.get(&key), "{key}");
            if ring.get(&key) != more.get(&key) {
                assert_eq!(more.get(&key), Some(joins), "{key}");
                joined += 1;
            }
            assert!(again.owners(&key).eq(ring.owners(&key)), "{key}");
            assert_eq!(ring.owners(&key).count(), 12);
        }
        assert!((250..600).contains(&left) && (250..600).contains(&joined), "{left}, {joined}");
    }

    #[test]
    fn nodes_that_meet_on_most_places_move_no_more_keys_than_others() {
        let (leaves, one) = ("http://leaves:80", NonZeroUsize::MIN);
        let name = |node: usize| format!("http://10.0.3.{node}:8080");
        let weighted = (0..700).map(|node| (name(node), one.saturating_add(node % 3)));
        let mut all = RingHash::Balanced.ring();
        all.extend_weighted(weighted).unwrap();
        let fewer = all.clone();
        all.add_weighted(leaves, one.saturating_add(9)).unwrap();
        let mut moved = 0;
        for key in keys() {
            let mut staying = all.owners(&key).filter(|owner| *owner != leaves);
            assert_eq!(fewer.get(&key), staying.next(), "{key}");
            assert!(all.get(&key) == fewer.get(&key) || all.get(&key) == Some(leaves), "{key}");
            moved += usize::from(all.get(&key) == Some(leaves));
        }
        assert!((20..60).contains(&moved), "{moved} keys, of 35 that are its share");
        assert!(all.remove(leaves));
        assert_eq!(all.arcs(), fewer.arcs());
    }

    #[test]
    fn few_points_and_none_at_all_are_a_ring_too() {
        let one = NonZeroUsize::MIN;
        let mut ring = RingHash::Balanced.ring_with(one);
        assert_eq!((ring.get("Tom"), ring.owners("Tom").count()), (None, 0));
        assert!(ring.shares().is_empty() && ring.arcs().is_empty());
        ring.add("a");
        assert_eq!((ring.get("Tom"), ring.shares()), (Some("a"), vec![("a", 1.0)]));
        ring.add("b");
        ring.add("c");
        for key in keys() {
            assert_eq!(ring.owners(&key).next(), ring.get(&key), "{key}");
        }
        let owned = |node| keys().filter(|key| ring.get(key) == Some(node)).count() as f64 / 5e3;
        for (node, share) in ring.shares() {
            assert!((owned(node) - share).abs() < 0.02, "{node}: {share} and {}", owned(node));
        }
    }
}
