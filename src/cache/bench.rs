//! The store below `Group`, for the package in `benches/`. Not part of the public surface.

use std::num::NonZeroUsize;

use crate::byteview::ByteView;
use crate::cache::Cache;
use crate::cache::accounting::Accounting;
use crate::cache::arrival::Place;
use crate::cache::entry::{Body, Meta};
use crate::cache::options::{CacheOptions, Eviction};
use crate::stats::CacheStats;

/// The store.
#[derive(Debug)]
pub struct BenchStore(Cache);

impl BenchStore {
    /// A store of `max_bytes`, with as many shards as a group's main cache would have if `shards`
    /// is `None`.
    #[must_use]
    pub fn new(
        max_bytes: u64,
        shards: Option<NonZeroUsize>,
        eviction: Eviction,
        accounting: Accounting,
    ) -> Self {
        Self(Cache::new(CacheOptions { max_bytes, shards, eviction, accounting }))
    }

    /// A look-up as a get does it.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> Option<ByteView> {
        self.0.get(key, || 0)?.into_value_of(key)
    }

    /// An insertion as a load does it.
    pub fn insert(&self, key: &str, value: &ByteView) -> bool {
        self.0.insert(key, Some(value), Meta::default(), 0, || true)
    }

    /// The same, without a view of the value.
    pub fn insert_bytes(&self, key: &str, value: &[u8]) -> bool {
        let body = Body::new(Some(value), None);
        self.0.insert_body(key, body, Meta::default(), 0, Place::ByMerit, || true)
    }

    /// What the store counted.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.0.stats()
    }
}
