//! [`DecodedTable`]: values by the place of their bytes, in one array.
//!
//! An open-addressed table with linear probing, since a look-up then waits for one place in memory,
//! where a hash map with control bytes waits for two. What is taken out is filled up from behind,
//! so there are no marks of what was there.

use std::sync::{Arc, Weak};

/// A value, and the bytes that it was made of.
#[derive(Debug)]
pub(super) struct Kept<V> {
    bytes: Weak<[u8]>,
    value: Arc<V>,
    weight: u32,
    /// Whether it was used since the hand passed.
    is_used: bool,
}

impl<V> Kept<V> {
    pub(super) fn new(bytes: &Arc<[u8]>, value: Arc<V>, weight: u32) -> Self {
        Self { bytes: Arc::downgrade(bytes), value, weight, is_used: false }
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight
    }

    /// Where its bytes are. No other bytes can be there as long as this one is kept.
    #[inline]
    pub(super) fn place(&self) -> usize {
        self.bytes.as_ptr().cast::<u8>().addr()
    }

    /// Whether the entry that it belongs to is still there.
    pub(super) fn is_of_an_entry(&self) -> bool {
        self.bytes.strong_count() > 0
    }
}

/// Spreads addresses, which lie in steps of 16 and more (Fibonacci hashing). The top bits are the
/// best ones.
#[inline]
pub(super) fn hash(place: usize) -> u64 {
    (place as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct DecodedTable<V> {
    /// None, or a power of two.
    slots: Box<[Option<Kept<V>>]>,
    len: usize,
    /// The place that is looked at next for an entry that is gone.
    broom: usize,
    /// The place that is looked at next to evict.
    hand: usize,
}

impl<V> Default for DecodedTable<V> {
    fn default() -> Self {
        Self { slots: Box::default(), len: 0, broom: 0, hand: 0 }
    }
}

impl<V> DecodedTable<V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of the bytes at `place`, and uses it.
    #[inline]
    pub(super) fn get(&mut self, hash: u64, place: usize) -> Option<Arc<V>> {
        let at = self.find(hash, place)?;
        let kept = self.slots[at].as_mut()?;
        if !kept.is_used {
            kept.is_used = true;
        }
        Some(Arc::clone(&kept.value))
    }

    #[inline]
    fn find(&self, hash: u64, place: usize) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            match &self.slots[at] {
                Some(kept) if kept.place() == place => return Some(at),
                Some(_) => at = self.after(at),
                None => return None,
            }
        }
    }

    /// Keeps one whose place is not in the table.
    pub(super) fn insert(&mut self, hash: u64, kept: Kept<V>) {
        // A quarter of the slots stays free, or the ways get long.
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let mut at = self.home(hash);
        while self.slots[at].is_some() {
            at = self.after(at);
        }
        self.slots[at] = Some(kept);
        self.len += 1;
    }

    fn grow(&mut self) {
        let room = (self.slots.len() * 2).max(8);
        let old = std::mem::replace(&mut self.slots, (0..room).map(|_| None).collect());
        (self.len, self.broom, self.hand) = (0, 0, 0);
        for kept in old.into_iter().flatten() {
            self.insert(hash(kept.place()), kept);
        }
    }

    pub(super) fn remove(&mut self, hash: u64, place: usize) -> Option<Kept<V>> {
        let at = self.find(hash, place)?;
        self.take(at)
    }

    /// Empties a slot, and fills it with what could not be nearer to its home before.
    fn take(&mut self, at: usize) -> Option<Kept<V>> {
        let taken = self.slots[at].take()?;
        self.len -= 1;
        let (mut hole, mut at) = (at, self.after(at));
        while let Some(kept) = &self.slots[at] {
            let home = self.home(hash(kept.place()));
            // How far it is from its home, and how far from the hole, on the way round.
            let mask = self.slots.len() - 1;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = self.slots[at].take();
                hole = at;
            }
            at = self.after(at);
        }
        Some(taken)
    }

    /// Looks at so many places, and takes those out whose entries are gone.
    pub(super) fn sweep(&mut self, looks: usize, gone: &mut Vec<Kept<V>>) {
        for _ in 0..looks.min(self.slots.len()) {
            match &self.slots[self.broom] {
                // Another one may take its place, so the broom stays.
                Some(kept) if !kept.is_of_an_entry() => gone.extend(self.take(self.broom)),
                _ => self.broom = self.after(self.broom),
            }
        }
    }

    /// Takes all out whose entries are gone, and gives up the memory of a table that is empty then.
    pub(super) fn sweep_all(&mut self, gone: &mut Vec<Kept<V>>) {
        let all = std::mem::take(self);
        for kept in all.slots.into_iter().flatten() {
            if kept.is_of_an_entry() {
                self.insert(hash(kept.place()), kept);
            } else {
                gone.push(kept);
            }
        }
    }

    /// Takes one out whose entry is gone, or that was not used since the hand passed.
    pub(super) fn evict(&mut self) -> Option<Kept<V>> {
        // The first round passes those that are used, and there is one more.
        for _ in 0..self.slots.len() * 2 {
            let at = self.hand;
            match &mut self.slots[at] {
                Some(kept) if kept.is_used && kept.is_of_an_entry() => {
                    kept.is_used = false;
                    self.hand = self.after(at);
                }
                Some(_) => return self.take(at),
                None => self.hand = self.after(at),
            }
        }
        None
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        // Other bits than those that choose the shard, which are the highest ones.
        (hash >> 20) as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// What all that is kept weighs; panics if something is not found, or not counted.
    #[cfg(test)]
    pub(super) fn validate(&self) -> u64 {
        let kept: Vec<_> = self.slots.iter().flatten().collect();
        assert_eq!(kept.len(), self.len);
        assert!(self.len * 4 <= self.slots.len() * 3);
        for kept in &kept {
            let found = self.find(hash(kept.place()), kept.place());
            assert!(found.is_some_and(|at| std::ptr::eq(self.slots[at].as_ref().unwrap(), *kept)));
        }
        kept.iter().map(|kept| u64::from(kept.weight)).sum()
    }
}
