//! [`Window`]: how much of a cache is given to new entries, adapted to the traffic.
//!
//! Some traffic wants recency: what was asked for a moment ago is asked for again, and a large
//! window is best. Some wants frequency: loops and scans pass through any window, and every byte of
//! it is lost to the entries that would be hit again. No fixed size suits both ("Adaptive Software
//! Cache Management", Einziger, Eytan, Friedman and Manes, Middleware 2018). That paper climbs the
//! hill: it takes a step and looks whether the hit ratio rose. In small caches the hit ratio is
//! mostly noise, and where the next hill is far away there is no slope to climb. So here the slope
//! is not tried out but *measured*:
//!
//! - What would a window that is larger by `n` bytes have caught? The keys that came back before
//!   `n` more bytes arrived after the window had let them go. What would a smaller one have lost?
//!   The hits at the corresponding ages. [`Recency`] counts both.
//! - What are `n` bytes worth to the main lists? The hits in probation, which is where their next
//!   victims are, per byte.
//!
//! After each sample the window grows or shrinks by the number of bytes that pays best, if any does
//! by enough. Compared with the climb on ten real traces, that is 0.7 % more of the optimal hits,
//! and much more where the traffic shifts.
//!
//! The shards of a cache learn together. Each adds what it counted to one sum, and the share that
//! comes of it is for all. A shard of a hundred entries sees too little traffic to tell a trend
//! from noise.
//!
//! [`Recency`]: crate::cache::recency::Recency

use crate::cache::recency::AGES;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// The smallest share of the window, and its first. Below it there is too little left to learn
/// from, and bursts get lost.
const MIN_SHARE: f64 = 0.03;
/// The largest share of the window. The main lists need the rest to show when frequency serves
/// better again.
const MAX_SHARE: f64 = 0.80;
/// The most that one sample moves.
const MAX_MOVE: f64 = 0.125;
/// The gain must be larger than the loss by this factor. On a loop a bit larger than the cache the
/// two are always equal, as each entry that the window gains is one more that the main lists miss.
const MARGIN: f64 = 1.25;
/// The gain must also be larger than the loss by so many standard deviations of a count.
const NOISE: f64 = 2.0;

/// A share of 1.
const WHOLE: u64 = 1 << 32;

/// The size of the window.
#[derive(Debug)]
pub(super) struct Window {
    shards: u64,
    /// In parts of [`WHOLE`], written by those who hold the sum. Each insertion reads it a few
    /// times, and no number with a point is as quick.
    share: AtomicU64,
    sum: Mutex<Sample>,
}

/// What a part of the requests to a full cache told: those to one shard, or to all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// At each age, how many hits there were in the window, and misses of keys that it had let go.
    pub(super) ages: [u32; AGES],
    /// How many shards' samples are in it.
    pub(super) shards: u64,
    /// The bytes held, in all lists.
    pub(super) held: u64,
    /// The bytes held, and the hits, where the main lists would have to give way.
    pub(super) last: u64,
    pub(super) last_hits: u64,
}

impl Sample {
    const EMPTY: Self = Self { ages: [0; AGES], shards: 0, held: 0, last: 0, last_hits: 0 };

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.ages.iter_mut().zip(other.ages) {
            *sum = sum.saturating_add(count);
        }
        self.shards += other.shards;
        self.held += other.held;
        self.last += other.last;
        self.last_hits += other.last_hits;
    }
}

impl Window {
    /// The window of a cache of so many shards.
    pub(super) fn new(shards: usize) -> Self {
        let (share, sum) = (AtomicU64::new(in_parts(MIN_SHARE)), Mutex::new(Sample::EMPTY));
        Self { shards: shards as u64, share, sum }
    }

    /// What the entries in the window of a shard of `bytes` may be charged together.
    #[inline]
    pub(super) fn part_of(&self, bytes: u64) -> u64 {
        let share = self.share.load(Ordering::Relaxed);
        (u128::from(bytes) * u128::from(share) / u128::from(WHOLE)) as u64
    }

    fn share(&self) -> f64 {
        self.share.load(Ordering::Relaxed) as f64 / WHOLE as f64
    }

    /// Adds what a shard counted, with `age_step` bytes between one age and the next. When there is
    /// as much as one sample of each shard, it takes the step that would have paid best.
    pub(super) fn learn(&self, sample: &Sample, age_step: u64) {
        let mut sum = lock(&self.sum);
        sum.add(sample);
        if sum.shards >= self.shards {
            let share = better_share(self.share(), &sum, age_step);
            self.share.store(in_parts(share), Ordering::Relaxed);
            *sum = Sample::EMPTY;
        }
    }
}

fn in_parts(share: f64) -> u64 {
    (share * WHOLE as f64).round() as u64
}

/// The share after the step that would have paid best in this sample.
fn better_share(share: f64, sample: &Sample, age_step: u64) -> f64 {
    let (ages, held) = (&sample.ages, sample.held.max(1) as f64);
    // Between one age and the next, this many bytes arrive in all shards.
    let age_step = age_step as f64 * sample.shards as f64;
    let main_worth = sample.last_hits as f64 / sample.last.max(1) as f64;
    let step_share = age_step / held;
    // The age at which the window lets go, and the age beyond which the whole cache could keep
    // nothing.
    let edge = ((share / step_share).round() as usize).min(ages.len());
    let end = ((1.0 / step_share) as usize).clamp(edge, ages.len());
    let step_worth = main_worth * age_step;
    let growth = best_of(ages[edge..end].iter(), |steps, caught, noise| {
        caught - noise - MARGIN * step_worth * steps
    });
    let shrinking = best_of(ages[..edge].iter().rev(), |steps, lost, noise| {
        step_worth * steps / MARGIN - noise - lost
    });
    let move_by = match (growth, shrinking) {
        (0, steps) => -(steps as f64),
        (steps, _) => steps as f64,
    };
    let move_by = (move_by * step_share).clamp(-MAX_MOVE, MAX_MOVE);
    (share + move_by).clamp(MIN_SHARE, MAX_SHARE)
}

/// How many steps to take over `counts` for the best gain, 0 if none gains. `gain` is told the
/// steps, the sum of their counts, and what part of that sum may be noise.
fn best_of<'a>(
    counts: impl Iterator<Item = &'a u32>,
    gain: impl Fn(f64, f64, f64) -> f64,
) -> usize {
    let (mut sum, mut best, mut best_steps) = (0.0, 0.0, 0);
    for (before, count) in counts.enumerate() {
        sum += f64::from(*count);
        let gain = gain((before + 1) as f64, sum, NOISE * sum.sqrt());
        if gain > best {
            (best, best_steps) = (gain, before + 1);
        }
    }
    best_steps
}

#[cfg(test)]
mod tests {
    use super::{AGES, Sample, Window};

    /// A sample of a shard of 640 bytes in which all hits of new keys come at one age, in steps of
    /// 10 bytes.
    fn learn(window: &Window, age: usize, hits: u32, (last, last_hits): (u64, u64)) {
        let mut ages = [0; AGES];
        ages[age] = hits;
        window.learn(&Sample { ages, shards: 1, held: 640, last, last_hits }, 10);
    }

    #[test]
    fn grows_to_where_the_hits_are_and_stays_there() {
        for shards in [1, 4] {
            let window = Window::new(shards);
            assert_eq!(window.part_of(6_400), 192);
            for _ in 0..20 * shards {
                learn(&window, 30, 500, (1_000, 100));
            }
            let size = window.part_of(6_400);
            assert!((3_000..3_200).contains(&size), "{size}");
        }
    }

    #[test]
    fn shards_with_too_little_traffic_for_a_trend_find_it_together() {
        let windows = [Window::new(1), Window::new(16)];
        for _ in 0..16 * 20 {
            // Three hits are noise.
            windows.iter().for_each(|window| learn(window, 30, 3, (1_000, 0)));
        }
        let [alone, together] = windows.map(|window| window.part_of(6_400));
        assert_eq!(alone, 192);
        assert!(together > 3_000, "{together}");
    }

    #[test]
    fn shrinks_when_the_main_lists_are_worth_more() {
        let window = Window::new(1);
        for _ in 0..20 {
            learn(&window, 30, 500, (1_000, 100));
        }
        for _ in 0..20 {
            learn(&window, 0, 1, (1_000, 5_000));
        }
        assert_eq!(window.part_of(6_400), 192);
    }

    #[test]
    fn does_not_move_for_an_even_exchange_or_for_noise() {
        let window = Window::new(1);
        for _ in 0..20 {
            // A loop: what the window would catch by 200 bytes more, the main lists would miss.
            learn(&window, 21, 200, (1_000, 1_000));
            learn(&window, 21, 3, (1_000, 1));
        }
        assert_eq!(window.part_of(6_400), 192);
    }

    #[test]
    fn never_takes_the_whole_cache() {
        let window = Window::new(1);
        for _ in 0..20 {
            learn(&window, 63, 10_000, (1_000, 0));
        }
        assert_eq!(window.part_of(1_000), 800);
    }
}
