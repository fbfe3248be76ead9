//! Sorted points, and the index that finds one among them without a search.

/// A place on the ring, and who has the keys up to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) hash: u32,
    /// Position of the node in the ring's list.
    pub(super) node: u32,
}

/// Points in the order of their hashes, of equal hashes the greatest node first.
#[derive(Clone, Default)]
pub(super) struct Points {
    /// After the points there is one more, at the greatest hash, which ends every search and closes
    /// the ring. It belongs to the node that has the first point.
    sorted: Vec<Point>,
    /// A hash shifted right by this is its bucket.
    shift: u32,
    /// Element *b* is the position of the first point in bucket *b* or later.
    ///
    /// Buckets are equal parts of the hashes, two to four for each point. So a search that begins
    /// here mostly ends after one step, or at once.
    starts: Vec<u32>,
}

impl Points {
    pub(super) fn as_slice(&self) -> &[Point] {
        match self.sorted.split_last() {
            Some((_closing, points)) => points,
            None => &[],
        }
    }

    /// The node that has `hash`: that of the first point at or after it, or else of the first
    /// point; `None` without points.
    pub(super) fn owner(&self, hash: u32) -> Option<usize> {
        if self.sorted.is_empty() {
            return None;
        }
        Some(self.sorted[self.first_at_or_after(hash)].node as usize)
    }

    /// All points in the order of the ring, beginning with the first at or after `hash`.
    pub(super) fn starting_at(&self, hash: u32) -> impl Iterator<Item = &Point> {
        let points = self.as_slice();
        let at = if points.is_empty() { 0 } else { self.first_at_or_after(hash) };
        points[at..].iter().chain(&points[..at])
    }

    /// Replaces the points by what `change` makes of them, in any order.
    pub(super) fn update(&mut self, change: impl FnOnce(&mut Vec<Point>)) {
        self.sorted.pop();
        change(&mut self.sorted);
        // The stable sort takes runs that are in order as they are, such as the points that were
        // there before.
        self.sorted.sort_by(|a, b| a.hash.cmp(&b.hash).then(b.node.cmp(&a.node)));
        if let Some(first) = self.sorted.first() {
            self.sorted.push(Point { hash: u32::MAX, node: first.node });
        }
        self.index();
    }

    fn index(&mut self) {
        let bits = (4 * self.sorted.len()).next_power_of_two().ilog2().clamp(2, 26) - 1;
        self.shift = u32::BITS - bits;
        self.starts.clear();
        for (position, point) in (0_u32..).zip(&self.sorted) {
            let bucket = (point.hash >> self.shift) as usize;
            while self.starts.len() <= bucket {
                self.starts.push(position);
            }
        }
    }

    /// Only where there are points: their position may be that of the closing one.
    fn first_at_or_after(&self, hash: u32) -> usize {
        let mut at = self.starts[(hash >> self.shift) as usize] as usize;
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
