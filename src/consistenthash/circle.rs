//! [`Circle`]: the points of a ring, and the hashes that put them there.

use std::fmt::{Debug, Write};

use crate::consistenthash::places::Places;
use crate::consistenthash::points::{Named, Point, PointHash, Points};

/// Where points and keys lie. Each width has code of its own: a narrow circle takes no more memory
/// and time than if there were no wide ones.
#[derive(Clone, Debug)]
pub(super) enum Circle {
    Narrow(Hashes<u32>),
    Wide(Hashes<u64>),
    /// Each place has its owner written down.
    Written(Places),
}

impl Circle {
    /// The node that owns `key`; `None` without points.
    #[inline]
    pub(super) fn owner(&self, key: &str) -> Option<usize> {
        match self {
            Self::Narrow(hashes) => hashes.points.owner((hashes.key)(key.as_bytes())),
            Self::Wide(hashes) => hashes.points.owner((hashes.key)(key.as_bytes())),
            Self::Written(places) => places.owner(key),
        }
    }

    /// The nodes of all points, in the order in which they would own `key` if those before them
    /// were gone.
    pub(super) fn nodes_from<'a>(&'a self, key: &str) -> impl Iterator<Item = usize> + use<'a> {
        let (mut narrow, mut wide, mut written) = (None, None, None);
        match self {
            Self::Narrow(hashes) => narrow = Some(hashes.nodes_from(key)),
            Self::Wide(hashes) => wide = Some(hashes.nodes_from(key)),
            Self::Written(places) => written = Some(places.nodes_from(key)),
        }
        let one = narrow.into_iter().flatten().chain(wide.into_iter().flatten());
        one.chain(written.into_iter().flatten())
    }

    /// The part of all keys that each of so many nodes owns.
    pub(super) fn shares(&self, nodes: usize) -> Vec<f64> {
        match self {
            Self::Narrow(hashes) => hashes.points.shares(nodes),
            Self::Wide(hashes) => hashes.points.shares(nodes),
            Self::Written(places) => places.shares(nodes),
        }
    }

    /// The circle, cut into pieces of one owner each. Neighbours have different owners.
    pub(super) fn arcs(&self) -> Vec<(f64, usize)> {
        match self {
            Self::Narrow(hashes) => hashes.points.arcs(),
            Self::Wide(hashes) => hashes.points.arcs(),
            Self::Written(places) => places.arcs(),
        }
    }

    /// Where `key` lies, as a part of the whole circle.
    pub(super) fn position(&self, key: &str) -> f64 {
        match self {
            Self::Narrow(hashes) => (hashes.key)(key.as_bytes()).part(),
            Self::Wide(hashes) => (hashes.key)(key.as_bytes()).part(),
            Self::Written(_) => Places::position(key),
        }
    }

    /// Takes in nodes, each with so many points. A node that was there before is now the one that
    /// `moved_to` has at its place.
    pub(super) fn add(&mut self, nodes: &[Named<'_>], replicas: usize, moved_to: &[u32]) {
        match self {
            Self::Narrow(hashes) => hashes.add(nodes, replicas, moved_to),
            Self::Wide(hashes) => hashes.add(nodes, replicas, moved_to),
            Self::Written(places) => places.add(nodes, replicas, moved_to),
        }
    }

    /// Takes the points of a node out; the nodes after it move up.
    pub(super) fn remove(&mut self, gone: u32) {
        match self {
            Self::Narrow(hashes) => hashes.points.remove(gone),
            Self::Wide(hashes) => hashes.points.remove(gone),
            Self::Written(places) => places.remove(gone),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Narrow(hashes) => hashes.points.as_slice().len(),
            Self::Wide(hashes) => hashes.points.as_slice().len(),
            Self::Written(places) => places.len(),
        }
    }
}

/// Points of one width, and how they and the keys are hashed.
#[derive(Clone, Debug)]
pub(super) struct Hashes<H> {
    /// Of the text of a point.
    point: fn(&[u8]) -> H,
    key: fn(&[u8]) -> H,
    points: Points<H>,
}

impl<H: PointHash> Hashes<H> {
    pub(super) fn of(point: fn(&[u8]) -> H, key: fn(&[u8]) -> H) -> Self {
        Self { point, key, points: Points::default() }
    }

    fn nodes_from<'a>(&'a self, key: &str) -> impl Iterator<Item = usize> + use<'a, H> {
        let hash = (self.key)(key.as_bytes());
        self.points.starting_at(hash).map(|point| point.node as usize)
    }

    fn add(&mut self, nodes: &[Named<'_>], replicas: usize, moved_to: &[u32]) {
        // What is not ours runs before anything changes: the hash.
        let mut new = Vec::with_capacity(nodes.len() * replicas);
        let mut text = String::new();
        for &(node, name) in nodes {
            for i in 0..replicas {
                text.clear();
                // A text takes all that is written to it.
                let _ = write!(text, "{i}{name}");
                new.push(Point { hash: (self.point)(text.as_bytes()), node });
            }
        }
        self.points.add(new, moved_to);
    }
}
