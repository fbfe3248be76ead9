//! Sequences of operations, told by bytes, against a model: for the unit tests and for the fuzz
//! target.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use crate::byteview::ByteView;
use crate::cache::Cache;
use crate::cache::accounting::Accounting;
use crate::cache::entry::{Found, Meta};
use crate::cache::hash::KeyHash;
use crate::cache::options::{CacheOptions, Eviction};
use crate::cache::shards::Shards;
use crate::sync::lock;

/// The first three bytes choose the cache, the others what is done to it. The same bytes do the
/// same at every run.
pub(crate) fn store(bytes: &[u8]) {
    let Some((&[kind, high, low], operations)) = bytes.split_first_chunk() else { return };
    let options = CacheOptions {
        max_bytes: u64::from(u16::from_be_bytes([high, low])) / 3,
        shards: NonZeroUsize::new(1 << (kind >> 2 & 3)),
        eviction: if kind & 1 == 0 { Eviction::Adaptive } else { Eviction::Lru },
        accounting: if kind & 2 == 0 { Accounting::Real } else { Accounting::PayloadOnly },
    };
    drive(&Cache { hash: KeyHash::fixed(), ..Cache::new(options) }, operations);
}

/// Runs the operations that `bytes` spell, four bytes to each, against a cache and a map of what
/// was inserted last. The cache may have forgotten a key at any time, but what it has must be the
/// last value, alive, and within the bound.
pub(super) fn drive(cache: &Cache, bytes: &[u8]) {
    let mut newest: HashMap<String, Found> = HashMap::new();
    let mut now = 1;
    for (step, operation) in bytes.chunks_exact(4).enumerate() {
        let [what, key, size, life] = *operation else { unreachable!("chunks of four") };
        let key = format!("{:x}", key);
        match what % 16 {
            0..=5 => {
                // Squared, so that most values are small and a few are larger than a shard.
                let value =
                    (size > 3).then(|| ByteView::from(vec![what; usize::from(size).pow(2) / 16]));
                let dead_at = if life % 4 == 0 { now + u64::from(life) / 4 } else { 0 };
                let meta = Meta { dead_at, load_ms: step as u32 };
                let is_wanted = what % 16 == 5;
                let kept = if is_wanted {
                    cache.insert_wanted(&key, value.as_ref(), meta, now, || true)
                } else {
                    cache.insert(&key, value.as_ref(), meta, now, || true)
                };
                if is_wanted && dead_at != now {
                    let size = key.len() + value.as_ref().map_or(0, |value| value.len());
                    assert_eq!(kept, cache.fits_alone(size as u64), "it must stay if it fits");
                }
                let found = cache.peek(&key, || now);
                if dead_at != now {
                    assert_eq!(
                        kept,
                        found.is_some(),
                        "insertion must tell whether the entry is there"
                    );
                }
                newest.insert(key, Found::unmarked(value.as_ref(), meta));
            }
            6 => assert!(!cache.insert(&key, None, Meta::default(), now, || false)),
            7..=12 => check(&newest, &key, now, cache.get(&key, || now)),
            13 => check(&newest, &key, now, cache.peek(&key, || now)),
            14 => {
                let removed = cache.remove(&key);
                assert!(!removed || newest.contains_key(&key));
                newest.remove(&key);
                assert_eq!(cache.peek(&key, || 0), None);
            }
            _ if life == 0 => {
                cache.clear();
                assert_eq!(cache.stats().entries, 0);
                newest.clear();
            }
            _ => now += u64::from(life) % 8,
        }
        cache.validate();
    }
    let stats = cache.stats();
    assert!(stats.entries <= newest.len() as u64);
}

fn check(newest: &HashMap<String, Found>, key: &str, now: u64, found: Option<Found>) {
    let Some(found) = found else { return };
    assert_eq!(Some(&found), newest.get(key), "an older value");
    assert!(found.dead_at() == 0 || found.dead_at() > now, "a dead entry");
}

impl Cache {
    /// Whether a key and value of so many bytes are small enough for the cache.
    fn fits_alone(&self, payload: u64) -> bool {
        self.options.max_bytes > 0 && self.options.accounting.charge(payload) <= self.largest
    }

    /// Checks everything that must hold between two operations.
    pub(super) fn validate(&self) {
        let (mut charged, mut large) = (0, 0);
        for shard in self.shards.get().into_iter().flat_map(Shards::iter) {
            let shard = lock(shard);
            shard.validate();
            charged += shard.table().charged();
            large += shard.table().large();
        }
        let stats = self.stats();
        assert!(stats.charged_bytes <= stats.max_bytes, "{stats:?}");
        let known = self.shards.get().map(|shards| &shards.common().budget);
        let known = known.map_or((0, 0), |budget| (budget.reserved(), budget.large()));
        assert_eq!((charged, large), known, "the budget knows all, and nothing else");
    }
}
