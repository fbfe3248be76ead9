//! Sorted points, and the index that finds one among them without a search.

use std::fmt;

/// What points lie at.
pub(super) trait PointHash: Copy + Ord + Into<u128> {
    /// In bits.
    const WIDTH: u8;
    /// The greatest.
    const MAX: Self;
    /// How many bits a float has no room for.
    const SPARE: u32 = (Self::WIDTH as u32).saturating_sub(f64::MANTISSA_DIGITS);
    /// How many parts it tells.
    const PARTS: f64 = (1_u64 << (Self::WIDTH as u32 - Self::SPARE)) as f64;

    /// The bits above the lowest `shift`; no more than 32 of them may be left.
    fn bucket(self, shift: u32) -> usize;

    /// Where it lies, as a part of all hashes: from 0 on, and less than 1. No more bits count than
    /// a float has.
    fn part(self) -> f64 {
        (self.into() >> Self::SPARE) as f64 / Self::PARTS
    }

    /// Where what it owns ends, as a part of all hashes: it has its own place, too.
    fn end(self) -> f64 {
        ((self.into() >> Self::SPARE) + 1) as f64 / Self::PARTS
    }
}

impl PointHash for u32 {
    const WIDTH: u8 = 32;
    const MAX: Self = Self::MAX;

    #[inline]
    fn bucket(self, shift: u32) -> usize {
        (self >> shift) as usize
    }
}

impl PointHash for u64 {
    const WIDTH: u8 = 64;
    const MAX: Self = Self::MAX;

    #[inline]
    fn bucket(self, shift: u32) -> usize {
        (self >> shift) as usize
    }
}

/// A place on the ring, and who has the keys up to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<H> {
    pub(super) hash: H,
    /// Position of the node in the ring's list.
    pub(super) node: u32,
}

/// A node, as points keep it, and its name.
pub(super) type Named<'a> = (u32, &'a str);

/// Points in the order of their hashes, of equal hashes the greatest node first.
#[derive(Clone)]
pub(super) struct Points<H> {
    /// After the points there is one more, at the greatest hash, which ends every search and closes
    /// the ring. It belongs to the node that has the first point.
    sorted: Vec<Point<H>>,
    /// A hash shifted right by this is its bucket.
    shift: u32,
    /// Element *b* is the position of the first point in bucket *b* or later.
    ///
    /// Buckets are equal parts of the hashes, two to four for each point. So a search that begins
    /// here mostly ends after one step, or at once.
    starts: Vec<u32>,
}

impl<H> Default for Points<H> {
    fn default() -> Self {
        Self { sorted: Vec::new(), shift: 0, starts: Vec::new() }
    }
}

impl<H: PointHash> Points<H> {
    pub(super) fn as_slice(&self) -> &[Point<H>] {
        match self.sorted.split_last() {
            Some((_closing, points)) => points,
            None => &[],
        }
    }

    /// The node that has `hash`: that of the first point at or after it, or else of the first
    /// point; `None` without points.
    pub(super) fn owner(&self, hash: H) -> Option<usize> {
        if self.sorted.is_empty() {
            return None;
        }
        Some(self.sorted[self.first_at_or_after(hash)].node as usize)
    }

    /// All points in the order of the ring, beginning with the first at or after `hash`.
    pub(super) fn starting_at(&self, hash: H) -> impl Iterator<Item = &Point<H>> {
        let points = self.as_slice();
        let at = if points.is_empty() { 0 } else { self.first_at_or_after(hash) };
        points[at..].iter().chain(&points[..at])
    }

    /// The part of all hashes that each of so many nodes owns.
    pub(super) fn shares(&self, nodes: usize) -> Vec<f64> {
        let mut owned = vec![0_u128; nodes];
        for (node, hashes) in self.lengths() {
            owned[node] += hashes;
        }
        let all = 1_u128 << H::WIDTH;
        owned.into_iter().map(|hashes| hashes as f64 / all as f64).collect()
    }

    /// The node of each point, and how many hashes have no other point before it.
    fn lengths(&self) -> impl Iterator<Item = (usize, u128)> {
        let points = self.as_slice();
        let last = points.last().map_or(0, |last| last.hash.into() + 1);
        // A point has the hashes after the one before it. The first point has those after the last
        // one, too.
        let mut end = 0;
        points.iter().enumerate().map(move |(at, point)| {
            let hash: u128 = point.hash.into();
            let wrapped = if at == 0 { (1_u128 << H::WIDTH) - last } else { 0 };
            let length = hash + 1 - end + wrapped;
            end = hash + 1;
            (point.node as usize, length)
        })
    }

    /// The ring, cut into pieces of one owner each: where a piece ends, as a part of the whole
    /// ring, and the node that owns it. Neighbours have different owners.
    pub(super) fn arcs(&self) -> Vec<(f64, usize)> {
        let mut arcs: Vec<(f64, usize)> = Vec::new();
        for point in self.as_slice() {
            let (end, node) = (point.hash.end(), point.node as usize);
            match arcs.last_mut() {
                Some((last, before)) if *before == node => *last = end,
                // Of points on one hash the first has it, and the others have nothing.
                Some((last, _)) if *last == end => {}
                _ => arcs.push((end, node)),
            }
        }
        arcs
    }

    /// Takes in points, in any order. A node that was there before is now the one that `moved_to`
    /// has at its place.
    pub(super) fn add(&mut self, mut new: Vec<Point<H>>, moved_to: &[u32]) {
        self.update(|points| {
            for point in points.iter_mut() {
                point.node = moved_to[point.node as usize];
            }
            points.append(&mut new);
        });
    }

    /// Takes the points of a node out; the nodes after it move up.
    pub(super) fn remove(&mut self, gone: u32) {
        self.update(|points| {
            points.retain(|point| point.node != gone);
            for point in points {
                point.node -= u32::from(point.node > gone);
            }
        });
    }

    /// Replaces the points by what `change` makes of them, in any order.
    fn update(&mut self, change: impl FnOnce(&mut Vec<Point<H>>)) {
        self.sorted.pop();
        change(&mut self.sorted);
        let bits = (4 * (self.sorted.len() + 1)).next_power_of_two().ilog2().clamp(2, 26) - 1;
        self.shift = u32::from(H::WIDTH) - bits;
        self.sort();
        if let Some(first) = self.sorted.first() {
            self.sorted.push(Point { hash: H::MAX, node: first.node });
        }
        let last = self.sorted.last().map_or(0, |last| last.hash.bucket(self.shift) + 1);
        self.starts.truncate(last);
    }

    /// Sorts the points by counting how many are in each bucket, and makes the index of it. Hashes
    /// are spread evenly, so that few share a bucket.
    fn sort(&mut self) {
        let bucket = |point: &Point<H>| point.hash.bucket(self.shift);
        self.starts.clear();
        self.starts.resize((1 << (u32::from(H::WIDTH) - self.shift)) + 1, 0);
        for point in &self.sorted {
            self.starts[bucket(point) + 1] += 1;
        }
        let mut before = 0;
        for start in &mut self.starts {
            before += *start;
            *start = before;
        }
        let mut free = self.starts.clone();
        let mut sorted = self.sorted.clone();
        for point in &self.sorted {
            let at = &mut free[bucket(point)];
            sorted[*at as usize] = *point;
            *at += 1;
        }
        // Few points share a bucket, and of these every other pair is in order.
        let order = |a: &Point<H>, b: &Point<H>| a.hash.cmp(&b.hash).then(b.node.cmp(&a.node));
        let mut at = 1;
        while at < sorted.len() {
            if order(&sorted[at - 1], &sorted[at]).is_le() {
                at += 1;
                continue;
            }
            let bucket = bucket(&sorted[at]);
            let (begin, end) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
            sorted[begin..end].sort_unstable_by(order);
            at = end;
        }
        self.sorted = sorted;
    }

    /// Only where there are points: their position may be that of the closing one.
    fn first_at_or_after(&self, hash: H) -> usize {
        let mut at = self.starts[hash.bucket(self.shift)] as usize;
        // Two steps without a branch: a branch that the processor can't predict costs more than
        // both.
        at += usize::from(self.sorted[at].hash < hash);
        at += usize::from(self.sorted[at].hash < hash);
        if self.sorted[at].hash < hash {
            // A crowd of points on few hashes.
            at += self.sorted[at..].partition_point(|point| point.hash < hash);
        }
        at
    }
}

impl<H> fmt::Debug for Points<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} points", self.sorted.len().saturating_sub(1))
    }
}
