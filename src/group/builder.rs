//! [`GroupBuilder`]: what is optional about a group.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::Duration;

use super::{Group, Inner};
use crate::cache::{Accounting, Cache, CacheOptions, Eviction};
use crate::clock::Clock;
use crate::getter::Getter;
use crate::singleflight::Singleflight;
use crate::workers::Workers;

/// Makes a [`Group`] with other than the default options; from [`Group::builder`].
pub struct GroupBuilder {
    name: String,
    getter: Box<dyn Getter>,
    cache_bytes: u64,
    eviction: Eviction,
    accounting: Accounting,
    shards: Option<NonZeroUsize>,
    fallback_ttl: Duration,
    wait_timeout: Option<Duration>,
    max_loaders: NonZeroUsize,
    clock: Clock,
}

impl GroupBuilder {
    pub(super) fn new(name: String, getter: Box<dyn Getter>) -> Self {
        Self {
            name,
            getter,
            cache_bytes: 64 << 20,
            eviction: Eviction::default(),
            accounting: Accounting::default(),
            shards: None,
            fallback_ttl: Duration::from_secs(10),
            wait_timeout: None,
            max_loaders: NonZeroUsize::new(64).expect("64 is not zero"),
            clock: Clock::system(),
        }
    }

    /// The bound on the main cache, in bytes; 0 caches nothing. Copies of what other peers own have an eighth of it on
    /// top. Defaults to 64 MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Which entry leaves a full cache. Defaults to [`Eviction::Adaptive`].
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// What an entry counts against [`cache_bytes`](Self::cache_bytes). Defaults to [`Accounting::Real`].
    #[must_use]
    pub fn accounting(mut self, accounting: Accounting) -> Self {
        self.accounting = accounting;
        self
    }

    /// Into how many parts, each with a lock and an equal part of the bytes, a cache is split; rounded up to a power of
    /// two. Defaults to about 8 per core, each of at least 8 MiB.
    #[must_use]
    pub fn shards(mut self, shards: NonZeroUsize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How long a value is kept that this process loaded though it does not own the key, because the owner was down or
    /// the lists of peers differ. Zero keeps none. Defaults to 10 s.
    #[must_use]
    pub fn fallback_ttl(mut self, ttl: Duration) -> Self {
        self.fallback_ttl = ttl;
        self
    }

    /// How long [`Group::get`] waits at most, as [`Group::get_timeout`] does. Defaults to no limit.
    #[must_use]
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = Some(timeout);
        self
    }

    /// How many threads may run the getter for callers with a time limit. Defaults to 64.
    ///
    /// Such a caller does not run the getter on its own thread, since that could not be left. The threads are started
    /// when needed and end when idle. When all are busy a caller waits for one, until its time is up.
    #[must_use]
    pub fn max_loaders(mut self, threads: NonZeroUsize) -> Self {
        self.max_loaders = threads;
        self
    }

    /// The clock that life-times are measured with: any monotonic time since a moment of its own. Defaults to the
    /// system's. For tests, which should not have to wait.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Clock::injected(now);
        self
    }

    /// Makes the group.
    #[must_use]
    pub fn build(self) -> Group {
        let cache = |max_bytes| {
            Cache::new(CacheOptions {
                max_bytes,
                shards: self.shards,
                eviction: self.eviction,
                accounting: self.accounting,
            })
        };
        Group::from_inner(Inner {
            main: cache(self.cache_bytes),
            hot: cache(self.cache_bytes / 8),
            loaders: Workers::new(format!("load {}", self.name), self.max_loaders.get()),
            name: self.name,
            getter: self.getter,
            fallback_ttl: self.fallback_ttl,
            wait_timeout: self.wait_timeout,
            clock: self.clock,
            peers: OnceLock::new(),
            forwards: Singleflight::new(),
            locals: Singleflight::new(),
            counters: super::Counters::default(),
        })
    }
}

impl fmt::Debug for GroupBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
