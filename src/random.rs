//! Random numbers for decisions that need no secrecy: jitter, copies by chance, early refreshes,
//! samples.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
}

/// A random number, from a generator of the calling thread (SplitMix64, Steele, Lea and Flood
/// 2014).
pub(crate) fn number() -> u64 {
    STATE.with(|state| {
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = state.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A random number in `0.0..1.0`.
pub(crate) fn unit() -> f64 {
    (number() >> 11) as f64 / (1u64 << 53) as f64
}

/// One in so many is [sampled](is_sampled).
pub(crate) const SAMPLED_ONE_IN: u32 = 64;

/// The logarithm of the chance not to be.
const LN_PASSED: f64 = -0.015_748_356_968_139_112;

thread_local! {
    /// How many calls are left until one is sampled, that one included; 0 before the first call.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// True for one call in 64, by chance. Costs about a nanosecond: the dice are cast for the next
/// sample, and not for each call.
#[inline]
pub(crate) fn is_sampled() -> bool {
    let left = LEFT.get();
    if left > 1 {
        LEFT.set(left - 1);
        return false;
    }
    is_last_before_a_sample(left)
}

#[cold]
fn is_last_before_a_sample(left: u32) -> bool {
    let left = if left == 0 { calls_to_sample() } else { left };
    let is_it = left == 1;
    LEFT.set(if is_it { calls_to_sample() } else { left - 1 });
    is_it
}

/// How many calls it takes until one is sampled, if each has the same chance, whatever was before:
/// a geometric distribution, drawn by its inverse.
fn calls_to_sample() -> u32 {
    1 + ((1.0 - unit()).ln() / LN_PASSED) as u32
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_chance() {
        let chance = 1.0 - 1.0 / f64::from(SAMPLED_ONE_IN);
        assert!((chance.ln() - LN_PASSED).abs() < 1e-15);
    }

    #[test]
    fn one_call_in_64_is_sampled() {
        let sampled = (0..640_000).filter(|_| is_sampled()).count();
        assert!((9_000..11_000).contains(&sampled), "{sampled} of 640,000");
    }

    #[test]
    fn the_first_call_of_a_thread_has_the_same_chance() {
        let sampled = || (0..1000).filter(|_| thread::spawn(is_sampled).join().unwrap()).count();
        let sampled = sampled();
        assert!((1..60).contains(&sampled), "{sampled} of 1,000");
    }
}
