//! Between whom keys move from one ring to another.

use std::collections::BTreeSet;

use crate::consistenthash::Ring;

/// Who loses keys to whom: the names of the previous owner and of the new one, each pair once.
pub(super) fn moved<'r>(old: &'r Ring, new: &'r Ring) -> BTreeSet<(&'r str, &'r str)> {
    let (mut old, mut new) = (Arcs::of(old), Arcs::of(new));
    let mut pairs = BTreeSet::new();
    while let (Some((old_end, from)), Some((new_end, to))) = (old.current(), new.current()) {
        if from != to {
            pairs.insert((from, to));
        }
        // The piece that both are in ends with the shorter one.
        if old_end <= new_end {
            old.next();
        }
        if new_end <= old_end {
            new.next();
        }
    }
    pairs
}

/// The pieces of a ring, up to its end.
struct Arcs<'r> {
    arcs: Vec<(f64, &'r str)>,
    at: usize,
}

impl<'r> Arcs<'r> {
    fn of(ring: &'r Ring) -> Self {
        let mut arcs = ring.arcs();
        if let Some(&(_, first)) = arcs.first() {
            // What lies after the last one is its, too.
            arcs.push((f64::INFINITY, first));
        }
        Self { arcs, at: 0 }
    }

    fn current(&self) -> Option<(f64, &'r str)> {
        self.arcs.get(self.at).copied()
    }

    fn next(&mut self) {
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consistenthash::RingHash;

    fn ring(nodes: &[&str]) -> Ring {
        ring_by(RingHash::Crc32, nodes)
    }

    fn ring_by(hash: RingHash, nodes: &[&str]) -> Ring {
        let mut ring = hash.ring();
        ring.extend(nodes);
        ring
    }

    /// The same by the owners of many keys.
    fn moved_keys<'r>(old: &'r Ring, new: &'r Ring) -> BTreeSet<(&'r str, &'r str)> {
        let keys = (0..20_000).map(|n| format!("key {n}"));
        let owners = keys.filter_map(|key| Some((old.get(&key)?, new.get(&key)?)));
        owners.filter(|(from, to)| from != to).collect()
    }

    #[test]
    fn pairs_are_those_of_the_keys_that_move() {
        let lists: &[&[&str]] =
            &[&["a", "b", "c"], &["a", "b"], &["a", "b", "c", "d"], &["d", "e"], &["a"]];
        for hash in [RingHash::Crc32, RingHash::Balanced] {
            let rings: Vec<Ring> = lists.iter().map(|list| ring_by(hash, list)).collect();
            for old in &rings {
                for new in &rings {
                    assert_eq!(moved(old, new), moved_keys(old, new), "{old:?} {new:?}");
                }
            }
        }
    }

    #[test]
    fn an_empty_ring_has_nothing_to_move() {
        assert!(moved(&ring(&[]), &ring(&["a"])).is_empty());
        assert!(moved(&ring(&["a"]), &ring(&[])).is_empty());
    }
}
