//! [`GroupBuilder`]: what is optional about a group.

mod source;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::cache::{Accounting, CacheOptions, Eviction};
use crate::clock::Clock;
use crate::events::{Event, EventSink};
use crate::getter::{Getter, NoSource};
use crate::group::Group;
use crate::group::changes::Changes;
use crate::group::loads::{LoadOptions, Loads, SourceOptions};
use crate::group::memory::{HotCache, Lifetimes, Memory};
use crate::group::owners::{OwnerErrors, Owners};
use crate::group::parts::{GroupCounters, Parts};
use crate::group::portions::Portions;
use crate::group::snapshots::{SnapshotOptions, Snapshots};
use crate::group::telling::Telling;
use crate::hot_keys::{DEFAULT_KEYS, HotKeyTable};
use crate::stack::StackBytes;

/// The bound on the main cache of a group without a source, of which its copies have an eighth.
const REMOTE_CACHE_BYTES: u64 = 64 << 20;

/// Making one.
impl Group {
    /// A group that keeps at most `cache_bytes` bytes of what `getter` loads, with default options.
    /// Copies of what other peers own have an eighth of it on top. With 0 nothing is cached.
    ///
    /// It knows no peers: until [`register_peers`](Self::register_peers) every key is its own.
    #[must_use]
    pub fn new(name: impl Into<String>, cache_bytes: u64, getter: impl Getter) -> Self {
        Self::builder(name, cache_bytes, getter).build()
    }

    /// A group for a program that has no source: it asks the peers, and what goes wrong there is
    /// its error.
    ///
    /// A failure of the key's owner, such as its getter's error, is an [`Error::Load`] with the
    /// [`PeerError`] as its source. Where no peer could be asked, because none is registered or all
    /// are down, the source is [`NoSource`]. The program keeps copies of what it asks for again and
    /// again, in up to 8 MiB: see [`HotCache`]. For other options see [`NoSource`].
    ///
    /// A process that serves its groups to peers owns keys, and needs a source for them.
    ///
    /// [`Error::Load`]: crate::Error::Load
    /// [`PeerError`]: crate::PeerError
    #[must_use]
    pub fn remote(name: impl Into<String>) -> Self {
        Self::builder(name, REMOTE_CACHE_BYTES, NoSource)
            .owner_errors(OwnerErrors::ReturnAll)
            .build()
    }

    /// Starts a group with options. The arguments are those of [`new`](Self::new).
    #[must_use]
    pub fn builder(name: impl Into<String>, cache_bytes: u64, getter: impl Getter) -> GroupBuilder {
        GroupBuilder::new(name.into(), cache_bytes, Box::new(getter))
    }
}

/// Makes a [`Group`] with other than the default options; from [`Group::builder`].
pub struct GroupBuilder {
    name: String,
    getter: Box<dyn Getter>,
    cache_bytes: u64,
    eviction: Eviction,
    accounting: Accounting,
    shards: Option<NonZeroUsize>,
    hot_cache: HotCache,
    lifetimes: Lifetimes,
    owner_errors: OwnerErrors,
    hedge: Option<f64>,
    wait_timeout: Option<Duration>,
    soft_timeout: Option<Duration>,
    max_loaders: NonZeroUsize,
    max_refreshers: NonZeroUsize,
    source: SourceOptions,
    stack: StackBytes,
    hot_keys: usize,
    events: EventSink,
    snapshot: Option<SnapshotOptions>,
}

impl GroupBuilder {
    fn new(name: String, cache_bytes: u64, getter: Box<dyn Getter>) -> Self {
        Self {
            name,
            getter,
            cache_bytes,
            eviction: Eviction::default(),
            accounting: Accounting::default(),
            shards: None,
            hot_cache: HotCache::default(),
            lifetimes: Lifetimes::default(),
            owner_errors: OwnerErrors::default(),
            hedge: None,
            wait_timeout: None,
            soft_timeout: None,
            max_loaders: NonZeroUsize::new(64).expect("64 is not zero"),
            max_refreshers: NonZeroUsize::new(2).expect("2 is not zero"),
            source: SourceOptions::default(),
            stack: StackBytes::default(),
            hot_keys: DEFAULT_KEYS,
            events: EventSink::new(),
            snapshot: None,
        }
    }

    /// Which entry leaves a full cache. Defaults to [`Eviction::Adaptive`].
    #[must_use]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// What an entry counts against the bound of the cache. Defaults to [`Accounting::Real`].
    #[must_use]
    pub fn accounting(mut self, accounting: Accounting) -> Self {
        self.accounting = accounting;
        self
    }

    /// Into how many parts, each with a lock, a cache is split; rounded up to a power of two, and
    /// at most 65,536. Defaults to 8 per core, of 0.75 to 64 MiB each (1.5 at least in a cache of
    /// less than 8 MiB), and at most 4,096.
    ///
    /// The bytes are not split: a part takes more than its share while the cache has room. An entry
    /// that takes more than a quarter of the cache is served, but not kept. With two parts that is
    /// a half, and with one part the whole: 1 is for groups with few and very large values. With
    /// [`Eviction::Lru`] one part is one exact LRU.
    #[must_use]
    pub fn shards(mut self, shards: NonZeroUsize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How long a value is kept that this process loaded though it does not own the key, because
    /// the owner was down or the lists of peers differ. Zero keeps none. Defaults to 10 s.
    #[must_use]
    pub fn fallback_ttl(mut self, ttl: Duration) -> Self {
        self.lifetimes.fallback_ttl = ttl;
        self
    }

    /// Of which values of other peers this process keeps a copy. Defaults to
    /// [`HotCache::SecondHit`].
    #[must_use]
    pub fn hot_cache(mut self, rule: HotCache) -> Self {
        self.hot_cache = rule;
        self
    }

    /// How long a copy of another peer's value is kept at most; never longer than the value's own
    /// ttl. Defaults to 30 s.
    #[must_use]
    pub fn hot_ttl(mut self, ttl: Duration) -> Self {
        self.lifetimes.hot_ttl = ttl;
        self
    }

    /// How long a value may be served after it was loaded, unless the getter says so
    /// [itself](crate::Loaded::ttl). Counted in whole milliseconds; zero keeps nothing. Defaults to
    /// for ever.
    ///
    /// A group that was started again with a ttl may get values from before, by a
    /// [snapshot](Self::snapshot) or from the previous owner of a key. Those that have an end keep
    /// it. Those without one get this ttl, counted from when they come.
    ///
    /// The system's clock is read as of its last tick, so a value may be served for up to 10 ms
    /// longer or shorter (16 ms on Windows).
    ///
    /// An expired value is not served unless an option says so. Its memory is freed when its key is
    /// asked for, when other entries need the room, or when the gets and insertions of other keys
    /// come by: after about a hundred hits, or one insertion, for each entry of the cache. On Linux
    /// the system's clock stands still while the machine is suspended, and lives are longer by that
    /// time; a [clock](Self::clock) of your own can count it.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.lifetimes.ttl = Some(ttl);
        self
    }

    /// By which fraction of its ttl, at most, a value expires earlier, at random, so that values
    /// loaded together do not expire together. Clamped to `0.0..=1.0`. Defaults to 0.
    #[must_use]
    pub fn ttl_jitter(mut self, fraction: f64) -> Self {
        self.lifetimes.jitter = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self
    }

    /// How long it is remembered that a key does not exist. Takes room in the cache like a value.
    /// Defaults to not at all.
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.lifetimes.negative_ttl = Some(ttl);
        self
    }

    /// How long past its ttl a value is still served at once, while one load on another thread
    /// refreshes it (RFC 5861). That is one of at most
    /// [`max_refreshers`](Self::max_refreshers) threads. Defaults to not at all.
    #[must_use]
    pub fn stale_while_revalidate(mut self, span: Duration) -> Self {
        self.lifetimes.stale_while_revalidate = span;
        self
    }

    /// How long past its ttl a value is served when the getter fails (RFC 5861). Defaults to not at
    /// all.
    #[must_use]
    pub fn stale_if_error(mut self, span: Duration) -> Self {
        self.lifetimes.stale_if_error = span;
        self
    }

    /// Refreshes a value on another thread already before it expires, at random. That is likelier
    /// the nearer its expiry is, and the longer its load took. 1.0 is a good value, larger ones
    /// refresh earlier; 0.0 is off, the default. It goes by the time of the load, and not by the
    /// ttl: with a source that answers in 1 ms that is next to nothing.
    ///
    /// The algorithm is XFetch (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache
    /// Stampede Prevention", VLDB 2015) with this number as its beta.
    #[must_use]
    pub fn refresh_ahead(mut self, beta: f64) -> Self {
        self.lifetimes.refresh_ahead = if beta.is_finite() { beta.max(0.0) } else { 0.0 };
        self
    }

    /// How many threads may refresh values that are served meanwhile. A refresh that finds all of
    /// them busy is skipped, and tried again with the next get. They are started when needed and
    /// end when idle. Defaults to 2.
    #[must_use]
    pub fn max_refreshers(mut self, threads: NonZeroUsize) -> Self {
        self.max_refreshers = threads;
        self
    }

    /// What to do when the owner answers that its getter failed. Defaults to
    /// [`OwnerErrors::LoadLocally`].
    #[must_use]
    pub fn owner_errors(mut self, rule: OwnerErrors) -> Self {
        self.owner_errors = rule;
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
    /// Such a caller does not run the getter on its own thread, since that could not be left. The
    /// threads are started when needed and end when idle. When all are busy a caller waits for one,
    /// until its time is up.
    #[must_use]
    pub fn max_loaders(mut self, threads: NonZeroUsize) -> Self {
        self.max_loaders = threads;
        self
    }

    /// The stack of the group's own threads that run the getter, in bytes: those for callers with a
    /// time limit, as most peers have one, and those that refresh values. Defaults to that of Rust,
    /// which is 2 MiB. Less than 1 MiB counts as that, and more than 1 GiB as that.
    ///
    /// A main thread has 8 MiB as a rule, so a getter that needs more than 2 MiB may work there,
    /// and end the whole process when the first peer asks. Requests of peers without a time limit
    /// run it on the server's threads, which have an option of their own in
    /// `HttpPoolBuilder::stack_bytes`.
    #[must_use]
    pub fn stack_bytes(mut self, bytes: u64) -> Self {
        self.stack = StackBytes::of(bytes);
        self
    }

    /// How many of the keys that are asked for most are [known](Group::hot_keys). 0 is none, and
    /// more than 256 count as 256. Defaults to 64, which take up to 20 KB with their keys.
    #[must_use]
    pub fn hot_keys(mut self, keys: usize) -> Self {
        self.hot_keys = keys;
        self
    }

    /// Calls `subscriber` with what happens in the group: what leaves its caches and why, loads
    /// that fail, stale values, removals that a peer did not make. See [`Event`] for all of it.
    /// Defaults to nobody, which costs nothing.
    ///
    /// It is called on a thread of its own, `events of NAME`, with one event after the other, and
    /// never under a lock of the group. It may be slow, and it may panic: up to 1,024 events wait
    /// for it, or 1 MiB of text. What comes then is dropped, and counted as
    /// [`Stats::events_dropped`](crate::Stats::events_dropped). The thread ends when there was
    /// nothing to tell for 5 s.
    ///
    /// A subscriber that holds the group keeps it for ever.
    #[must_use]
    pub fn on_event(mut self, subscriber: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = EventSink::with_subscriber(&self.name, subscriber);
        self
    }

    /// Keeps what is in memory in a file while no process does, so that a program that is started
    /// again begins with full caches. Takes a path, or [`SnapshotOptions`]. Defaults to none.
    ///
    /// A thread of the group, `snapshot of NAME`, loads the file as soon as the peers are known,
    /// and writes it every few minutes. It is written for the last time when the last handle of the
    /// group is dropped, or before that by [`Group::close_snapshot`]; `HttpPool::shutdown` and
    /// `HttpPool::leave` call that for the groups that they serve. What came after the last time is
    /// lost with a process that is killed, or that ends by [`exit`](std::process::exit).
    ///
    /// What exactly is loaded, and what removals mean for it, stands in
    /// [`guide::snapshots`](crate::guide::snapshots).
    #[must_use]
    pub fn snapshot(mut self, snapshot: impl Into<SnapshotOptions>) -> Self {
        self.snapshot = Some(snapshot.into());
        self
    }

    /// The clock that life-times are measured with: any monotonic time since a moment of its own.
    /// Defaults to the system's, as of its last tick. For tests, which should not have to wait.
    ///
    /// A [snapshot](Self::snapshot) goes by it as well: it stands for the clock on the wall, so the
    /// next group goes on from where it is then. One that begins with each process would give
    /// entries the time again that they have had.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.lifetimes.clock = Clock::injected(now);
        self
    }

    /// Makes the group.
    #[must_use]
    pub fn build(self) -> Group {
        self.build_with(Changes::new).paying()
    }

    /// As [`build`](Self::build), with changes that are made in a way of their own.
    pub(super) fn build_with(self, changes: impl FnOnce(Arc<Telling>) -> Changes) -> Group {
        let telling = Telling::new(self.name, self.events);
        let changes = changes(Arc::clone(&telling));
        let hot_keys = HotKeyTable::new(self.hot_keys);
        let cache = CacheOptions {
            max_bytes: self.cache_bytes,
            shards: self.shards,
            eviction: self.eviction,
            accounting: self.accounting,
        };
        let loads = LoadOptions {
            max_loaders: self.max_loaders.get(),
            max_refreshers: self.max_refreshers.get(),
            stack: self.stack,
            source: self.source,
        };
        Group::of(Parts {
            memory: Memory::new(cache, self.hot_cache, self.lifetimes, Arc::clone(&telling)),
            loads: Arc::new(Loads::new(Arc::clone(&telling), self.getter, loads)),
            owners: Arc::new(Owners::new(
                Arc::clone(&telling),
                self.owner_errors,
                self.hedge,
                self.stack,
            )),
            changes,
            snapshots: Snapshots::new(self.snapshot),
            later_removals: Mutex::default(),
            wait_timeout: self.wait_timeout,
            soft_timeout: self.soft_timeout,
            portions: Portions::default(),
            counters: GroupCounters::default(),
            hot_keys,
            name: Arc::clone(&telling.group),
            telling,
        })
    }
}

impl From<GroupBuilder> for Group {
    fn from(builder: GroupBuilder) -> Self {
        builder.build()
    }
}

impl fmt::Debug for GroupBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
