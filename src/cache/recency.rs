//! [`Recency`]: after how long new keys are asked for again.
//!
//! A window of `n` entries catches those requests that come at most `n` arrivals after the last one for the same key. To know what
//! another size would catch, one needs to know after how many arrivals they come. That is counted here, in a histogram: for
//! entries in the window when they are hit, and for keys that the window let go and admission refused when they come
//! back. Those are remembered as *ghosts* (the idea of the ghost lists of ARC; Megiddo and Modha, FAST 2003).
//!
//! Time is the number of arrivals, in steps of 1/32 to 1/64 of the entries held, of which the low 8 bits are a *stamp*. A ghost
//! is 24 bits of the key's tag and the stamp of its last request, in a table in which the tag chooses the one place: a newer ghost
//! overwrites an older one, and a quarter of them are lost that way, which is as good as any other way to forget.

/// The bars of the histogram; the last one is the age of all that was held longer.
pub(super) const AGES: usize = 64;

#[derive(Debug)]
pub(super) struct Recency {
    ghosts: Vec<u32>,
    arrivals: u64,
    /// A step of time is 2 to this power arrivals.
    shift: u32,
    ages: [u32; AGES],
}

impl Recency {
    pub(super) fn new() -> Self {
        Self { ghosts: Vec::new(), arrivals: 0, shift: 0, ages: [0; AGES] }
    }

    /// One place for each of `slots` slots. A table that gets another size forgets its ghosts.
    pub(super) fn resize(&mut self, slots: usize) {
        if self.ghosts.len() != slots {
            self.ghosts = vec![0; slots];
        }
    }

    /// A key comes in that is not here: it is counted if it is a ghost. Returns its stamp.
    pub(super) fn arrival(&mut self, tag: u32) -> u8 {
        self.arrivals += 1;
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

    /// How many hits and ghosts there were at each age, and how many arrivals a step of age is.
    pub(super) fn ages(&self) -> (&[u32; AGES], u64) {
        (&self.ages, 1 << self.shift)
    }

    /// Begins a new sample, with steps of time that suit `entries` entries.
    pub(super) fn begin_sample(&mut self, entries: usize) {
        self.ages = [0; AGES];
        self.shift = (entries / (AGES / 2)).max(1).ilog2();
    }

    #[inline]
    fn now(&self) -> u8 {
        (self.arrivals >> self.shift) as u8
    }

    fn place(&self, tag: u32) -> usize {
        let mixed = tag.wrapping_mul(0x9e37_79b1);
        ((u64::from(mixed) * self.ghosts.len() as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Recency;

    #[test]
    fn hits_and_ghosts_are_counted_at_their_age() {
        let mut recency = Recency::new();
        recency.resize(1000);
        recency.begin_sample(640);
        assert_eq!(recency.ages().1, 16);
        let (first, second) = (recency.arrival(0x1_0000), recency.arrival(0x2_0000));
        for i in 0..30 {
            recency.arrival(0x1000_0000 + (i << 20));
        }
        assert_eq!(recency.hit(first), 2);
        recency.refused(0x2_0000, second);
        recency.arrival(0x2_0000);
        recency.arrival(0x2_0000);
        let (ages, _) = recency.ages();
        assert_eq!((ages[2], ages.iter().sum()), (2, 2));
        recency.begin_sample(640);
        assert_eq!(recency.ages().0.iter().sum::<u32>(), 0);
    }
}
