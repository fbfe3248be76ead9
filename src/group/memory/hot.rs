//! Which copies of what other peers own are worth keeping: [`HotCache`].

use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::KeyHash;
use crate::random;

/// Of which values, got from the peer that owns them, a process keeps a copy.
///
/// Copies spare the owner's network card: a key that everyone wants is else asked of one machine by
/// all the others. They have an eighth of `cache_bytes` of their own on top of it, and live no
/// longer than [`hot_ttl`](crate::GroupBuilder::hot_ttl) and the value itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HotCache {
    /// Of a key that is fetched a second time within 10 s. The default.
    ///
    /// Told by a table of 4,096 fingerprints: of the keys that share a place in it the last one is
    /// remembered.
    #[default]
    SecondHit,
    /// Of none.
    Off,
    /// Of every one.
    Always,
    /// Of one in so many, by chance, as groupcache does with one in ten.
    OneIn(NonZeroU32),
}

/// How long a first fetch is remembered, in milliseconds.
const MEMORY_MS: u64 = 10_000;

const PLACES: usize = 4096;

/// A [`HotCache`] at work.
pub(super) struct HotPolicy {
    rule: HotCache,
    /// The upper half of a key's hash, and the low 32 bits of the time of its fetch; 0 is nothing.
    /// Made by the first fetch: most groups of most processes never fetch from a peer.
    fetched: OnceLock<Box<[AtomicU64]>>,
    hasher: KeyHash,
}

impl HotPolicy {
    pub(super) fn new(rule: HotCache) -> Self {
        Self { rule, fetched: OnceLock::new(), hasher: KeyHash::random() }
    }

    /// Whether the rule is to keep no copies.
    pub(super) fn keeps_nothing(&self) -> bool {
        self.rule == HotCache::Off
    }

    /// Whether the value of `key`, fetched at `now` (in milliseconds), is to be kept.
    pub(super) fn keeps(&self, key: &str, now: u64) -> bool {
        match self.rule {
            HotCache::Off => false,
            HotCache::Always => true,
            HotCache::OneIn(n) => random::unit() * f64::from(n.get()) < 1.0,
            HotCache::SecondHit => {
                let hash = self.hasher.hash_one(key);
                let fetched = self.fetched.get_or_init(no_fetches);
                let place = &fetched[hash as usize % PLACES];
                let (print, time) = (hash >> 32 << 32, now & u64::from(u32::MAX));
                // Simultaneous fetches may both find the older print, and the key is then kept one
                // fetch later.
                let before = place.swap(print | time, Ordering::Relaxed);
                let ago = time.wrapping_sub(before) & u64::from(u32::MAX);
                before >> 32 << 32 == print && ago <= MEMORY_MS
            }
        }
    }
}

fn no_fetches() -> Box<[AtomicU64]> {
    (0..PLACES).map(|_| AtomicU64::new(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_fetch_within_ten_seconds_keeps() {
        let policy = HotPolicy::new(HotCache::SecondHit);
        assert!(!policy.keeps("key", 1000));
        assert!(policy.keeps("key", 11_000));
        assert!(!policy.keeps("key", 21_001), "too long after the last one");
        assert!(!policy.keeps("other", 21_001));
    }

    #[test]
    fn time_goes_on_past_32_bits() {
        let policy = HotPolicy::new(HotCache::SecondHit);
        let wrap = u64::from(u32::MAX);
        assert!(!policy.keeps("key", wrap - 1));
        assert!(policy.keeps("key", wrap + 5));
    }

    #[test]
    fn dice_keep_about_one_in_n() {
        let policy = HotPolicy::new(HotCache::OneIn(NonZeroU32::new(10).unwrap()));
        let kept = (0..10_000).filter(|_| policy.keeps("key", 1)).count();
        assert!((800..1200).contains(&kept), "{kept} of 10,000");
    }

    #[test]
    fn off_keeps_nothing_and_always_everything() {
        assert!(!HotPolicy::new(HotCache::Off).keeps("key", 1));
        assert!(HotPolicy::new(HotCache::Always).keeps("key", 1));
    }
}
