//! Random numbers for decisions that need no secrecy: jitter, copies by chance, early refreshes.

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
