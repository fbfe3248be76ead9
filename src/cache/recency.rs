//! [`Recency`]: after how long new keys are asked for again.
//!
//! A window of `n` bytes catches those requests before which at most `n` bytes arrived since the
//! last one for the same key. To know what another size would catch, one needs to know after how
//! many bytes they come. That is counted here, in a histogram: for entries in the window when they
//! are hit, and for keys that the window let go and admission refused when they come back. Those
//! are remembered as *ghosts* (the idea of the ghost lists of ARC; Megiddo and Modha, FAST 2003).
//!
//! Time is what all arrivals were charged together, in steps of 1/32 to 1/64 of the bytes held, of
//! which the low 8 bits are a *stamp*. (Counted in entries, it would misjudge a window through
//! which large ones pass: that cost 2 points of the hits on traffic where only recency helps.) A
//! ghost is 24 bits of the key's tag and the stamp of its last request, in a table in which the tag
//! chooses the one place: a newer ghost overwrites an older one. Some are lost that way, which
//! costs nothing that could be measured.

/// How many ages the histogram has. The last one is the age of all that was held longer.
pub(super) const AGES: usize = 64;
/// The shards of a small cache have room for this many ghosts together.
const MIN_GHOSTS: usize = 1024;
/// A shard has room for this many in any case.
const MIN_GHOSTS_OF_SHARD: usize = 64;

/// The histogram, and the ghosts.
#[derive(Debug)]
pub(super) struct Recency {
    /// 24 bits of a tag and a stamp each.
    ghosts: Vec<u32>,
    min_ghosts: usize,
    /// What all arrivals were charged together.
    arrived: u64,
    /// A step of time is 2 to this power bytes.
    shift: u32,
    ages: [u32; AGES],
}

impl Recency {
    /// For a shard, of so many, with this share of the bytes.
    pub(super) fn new(share: u64, shards: usize) -> Self {
        let min_ghosts = (MIN_GHOSTS / shards).max(MIN_GHOSTS_OF_SHARD);
        let (ghosts, shift, ages) = (Vec::new(), shift(share), [0; AGES]);
        Self { ghosts, min_ghosts, arrived: 0, shift, ages }
    }

    /// Sizes the table of ghosts for a shard of `slots` slots. With another size, all ghosts are
    /// forgotten.
    pub(super) fn resize(&mut self, slots: usize) {
        let len = (slots / 4).max(self.min_ghosts);
        if self.ghosts.len() != len {
            self.ghosts = vec![0; len];
        }
    }

    /// A key comes in that is not here, charged `charge`: it is counted if it is a ghost. Returns
    /// its stamp.
    pub(super) fn arrival(&mut self, tag: u32, charge: u64) -> u8 {
        self.arrived = self.arrived.wrapping_add(charge);
        let now = self.now();
        let place = self.place(tag);
        if let Some(ghost) = self.ghosts.get_mut(place).filter(|ghost| **ghost >> 8 == tag >> 8) {
            let age = now.wrapping_sub(*ghost as u8);
            *ghost = 0;
            // A ghost that is older tells nothing: no window would have kept it so long.
            if let Some(count) = self.ages.get_mut(usize::from(age)) {
                *count += 1;
            }
        }
        now
    }

    /// An entry in the window with this stamp was hit. Returns its new one.
    #[inline]
    pub(super) fn hit(&mut self, stamp: u8) -> u8 {
        let now = self.now();
        let age = usize::from(now.wrapping_sub(stamp)).min(AGES - 1);
        self.ages[age] += 1;
        now
    }

    /// An entry was let go by the window and refused by admission.
    pub(super) fn refused(&mut self, tag: u32, stamp: u8) {
        let place = self.place(tag);
        if let Some(ghost) = self.ghosts.get_mut(place) {
            *ghost = (tag & !0xff) | u32::from(stamp);
        }
    }

    /// How many hits and ghosts there were at each age, and how many bytes a step of age is.
    pub(super) fn ages(&self) -> (&[u32; AGES], u64) {
        (&self.ages, 1 << self.shift)
    }

    /// Begins a new sample.
    pub(super) fn begin_sample(&mut self) {
        self.ages = [0; AGES];
    }

    #[inline]
    fn now(&self) -> u8 {
        (self.arrived >> self.shift) as u8
    }

    fn place(&self, tag: u32) -> usize {
        let mixed = tag.wrapping_mul(0x9e37_79b1);
        ((u64::from(mixed) * self.ghosts.len() as u64) >> 32) as usize
    }
}

/// The step of time, as a power of two, that suits a shard of so many bytes. All shards of a cache
/// have the same, or their counts could not be summed up.
fn shift(bytes: u64) -> u32 {
    (bytes / (AGES as u64 / 2)).max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::Recency;

    #[test]
    fn hits_and_ghosts_are_counted_at_their_age() {
        let mut recency = Recency::new(6_400, 1);
        recency.resize(1000);
        assert_eq!(recency.ages().1, 128);
        let (first, second) = (recency.arrival(0x1_0000, 10), recency.arrival(0x2_0000, 10));
        for i in 0..30 {
            recency.arrival(0x1000_0000 + (i << 20), 10);
        }
        assert_eq!(recency.hit(first), 2);
        recency.refused(0x2_0000, second);
        recency.arrival(0x2_0000, 10);
        recency.arrival(0x2_0000, 10);
        let (ages, _) = recency.ages();
        assert_eq!((ages[2], ages.iter().sum()), (2, 2));
        recency.begin_sample();
        assert_eq!(recency.ages().0.iter().sum::<u32>(), 0);
    }
}
