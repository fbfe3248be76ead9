//! The caches that are measured, behind one trait.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{Accounting, BenchStore, ByteView, Eviction, Group};

use crate::fifo::{S3Fifo, Sieve};
use crate::typed::{self, DECODED, TYPED};
use crate::workload::Stream;

/// A cache that many threads share, from strings to bytes.
pub trait Contender: Send + Sync {
    /// Asks for each key of the stream, reads a byte of the value, and with `insert` inserts what
    /// is missed. Returns the hits.
    fn replay(&self, stream: &Stream, value: Option<&[u8]>) -> u64;
    /// Asks for each key of the stream, and inserts every tenth instead. Returns the hits.
    fn replay_with_writes(&self, stream: &Stream, value: &[u8]) -> u64;
    /// Asks for one key and inserts it if it is missed. Whether it was hit.
    fn request(&self, key: &str, value: &[u8]) -> bool;
    /// Does the work that was put off, where some is.
    fn settle(&self) {}
    /// Inserts each key of the stream.
    fn fill(&self, stream: &Stream, value: &[u8]);
    /// What it holds, if it tells.
    fn entries(&self) -> Option<u64> {
        None
    }
}

trait Cache: Send + Sync {
    type Value: AsRef<[u8]>;
    fn get(&self, key: &str) -> Option<Self::Value>;
    fn insert(&self, key: &str, value: &[u8]);
    fn len(&self) -> Option<u64> {
        None
    }
    fn run_pending(&self) {}
}

impl<C: Cache> Contender for C {
    fn request(&self, key: &str, value: &[u8]) -> bool {
        let hit = self.get(key).is_some();
        if !hit {
            self.insert(key, value);
        }
        hit
    }

    fn settle(&self) {
        self.run_pending();
    }

    fn replay(&self, stream: &Stream, value: Option<&[u8]>) -> u64 {
        let mut hits = 0;
        for key in stream.keys() {
            match (self.get(key), value) {
                (Some(found), _) => {
                    black_box(found.as_ref().first());
                    hits += 1;
                }
                (None, Some(value)) => self.insert(key, value),
                (None, None) => {}
            }
        }
        hits
    }

    fn replay_with_writes(&self, stream: &Stream, value: &[u8]) -> u64 {
        let mut hits = 0;
        for (at, key) in stream.keys().enumerate() {
            if at % 10 == 0 {
                self.insert(key, value);
            } else if let Some(found) = self.get(key) {
                black_box(found.as_ref().first());
                hits += 1;
            }
        }
        hits
    }

    fn fill(&self, stream: &Stream, value: &[u8]) {
        for key in stream.keys() {
            self.insert(key, value);
        }
    }

    fn entries(&self) -> Option<u64> {
        self.len()
    }
}

type Shared = Arc<[u8]>;

/// How much a contender may hold.
#[derive(Clone, Copy)]
pub enum Bound {
    /// So many entries, each of this payload.
    Entries { count: u64, payload: u64 },
    /// So many bytes of keys and values, in entries of about this payload.
    Payload { count: u64, payload: u64 },
    /// So many bytes, as each contender counts them, in entries of about this payload.
    Bytes { count: u64, payload: u64 },
}

impl Bound {
    /// The bound for those who only count entries, or want a guess of them.
    fn entries(self) -> usize {
        match self {
            Self::Entries { count, .. } => count as usize,
            Self::Payload { count, payload } | Self::Bytes { count, payload } => {
                (count / payload).max(1) as usize
            }
        }
    }

    /// The bound for those who weigh, each entry by [`weight`](Self::weight).
    fn weight_bound(self) -> u64 {
        match self {
            Self::Entries { count, .. }
            | Self::Payload { count, .. }
            | Self::Bytes { count, .. } => count,
        }
    }

    fn weight(self, key: &str, value: &[u8]) -> u64 {
        match self {
            Self::Entries { .. } => 1,
            Self::Payload { .. } | Self::Bytes { .. } => (key.len() + value.len()) as u64,
        }
    }

    /// The bound and the accounting for our store.
    fn store(self) -> (u64, Accounting) {
        match self {
            Self::Entries { count, payload } => (count * payload, Accounting::PayloadOnly),
            Self::Payload { count, .. } => (count, Accounting::PayloadOnly),
            Self::Bytes { count, .. } => (count, Accounting::Real),
        }
    }
}

pub const STORE: &str = "geecache store";
pub const GROUP: &str = "geecache Group::get";
/// What life-times add to a hit: [`GROUP`] with values that live for an hour, and also with a look
/// whether to refresh them.
pub const GROUP_TTL: &str = "geecache Group::get, with ttl";
pub const GROUP_AHEAD: &str = "geecache Group::get, with ttl and refresh_ahead";
pub const QUICK: &str = "quick_cache";
pub const MOKA: &str = "moka";
/// For hit ratios only.
pub const SIEVE: &str = "SIEVE";
pub const S3_FIFO: &str = "S3-FIFO";
pub const FLOOR: &str = "bare map + Arc clone";
/// What a lock adds to that, before anything is known about the use of an entry.
pub const LOCKED_FLOOR: &str = "Mutex<bare map> + Arc clone";
pub const FLOORS: [&str; 2] = [FLOOR, LOCKED_FLOOR];

/// Longer than any run.
const TTL: Duration = Duration::from_secs(3600);

/// The names of the caches, in the order of the tables. The floors can't evict.
pub const ALL: [&str; 12] = [
    FLOOR,
    LOCKED_FLOOR,
    "Mutex<lru>",
    "Mutex<schnellru>",
    MOKA,
    "mini-moka",
    QUICK,
    "TinyUFO",
    "geecache store, 16 shards",
    "geecache store, Lru",
    STORE,
    GROUP,
];

/// Makes the contender of that name; `value` is what a group's getter gives.
pub fn make(name: &str, bound: Bound, value: &[u8]) -> Box<dyn Contender> {
    let (bytes, accounting) = bound.store();
    let store = |shards, eviction| Box::new(BenchStore::new(bytes, shards, eviction, accounting));
    match name {
        FLOOR => Box::new(Floor(Map::new().into())),
        LOCKED_FLOOR => Box::new(Mutex::new(Map::new())),
        "Mutex<lru>" => {
            let count = NonZeroUsize::new(bound.entries()).expect("room for one entry");
            Box::new(Mutex::new(lru::LruCache::<String, Shared>::new(count)))
        }
        "Mutex<schnellru>" => {
            let limit = schnellru::ByLength::new(bound.entries() as u32);
            Box::new(Mutex::new(schnellru::LruMap::<String, Shared>::new(limit)))
        }
        MOKA => Box::new(
            moka::sync::Cache::<String, Shared>::builder()
                .max_capacity(bound.weight_bound())
                .weigher(move |key, value: &Shared| bound.weight(key, value) as u32)
                .build(),
        ),
        "mini-moka" => Box::new(
            mini_moka::sync::Cache::<String, Shared>::builder()
                .max_capacity(bound.weight_bound())
                .weigher(move |key: &String, value: &Shared| bound.weight(key, value) as u32)
                .build(),
        ),
        QUICK => Box::new(quick_cache::sync::Cache::<String, Shared, _>::with_weighter(
            bound.entries(),
            bound.weight_bound(),
            Weigh(bound),
        )),
        SIEVE => Box::new(Mutex::new(Sieve::new(bound.entries()))),
        S3_FIFO => Box::new(Mutex::new(S3Fifo::new(bound.entries()))),
        "TinyUFO" => {
            let cache = TinyUfo::new(bound.entries(), bound.entries());
            Box::new(Ufo { cache, bound })
        }
        "geecache store, 16 shards" => store(NonZeroUsize::new(16), Eviction::Adaptive),
        "geecache store, Lru" => store(None, Eviction::Lru),
        STORE => store(None, Eviction::Adaptive),
        GROUP | GROUP_TTL | GROUP_AHEAD => {
            let value = ByteView::from(value);
            let getter = move |_: &str| Ok::<_, std::io::Error>(value.clone());
            let group = Group::builder("bench", bytes, getter).accounting(accounting);
            let group = match name {
                GROUP_TTL => group.ttl(TTL),
                GROUP_AHEAD => group.ttl(TTL).refresh_ahead(1.0),
                _ => group,
            };
            Box::new(Grouped(group.build()))
        }
        TYPED | DECODED => {
            let group =
                |getter| Group::builder("bench", bytes, getter).accounting(accounting).build();
            if name == TYPED { typed::kept(group) } else { typed::decoded(group) }
        }
        _ => unreachable!("no contender is called {name}"),
    }
}

impl Cache for BenchStore {
    type Value = ByteView;
    fn get(&self, key: &str) -> Option<ByteView> {
        Self::get(self, key)
    }
    fn insert(&self, key: &str, value: &[u8]) {
        self.insert_bytes(key, value);
    }
    fn len(&self) -> Option<u64> {
        Some(self.stats().entries)
    }
}

struct Grouped(Group);

impl Contender for Grouped {
    fn replay(&self, stream: &Stream, _value: Option<&[u8]>) -> u64 {
        let before = self.0.main_cache_stats().misses;
        for key in stream.keys() {
            if let Ok(found) = self.0.get(key) {
                black_box(found.first());
            }
        }
        stream.len() as u64 - (self.0.main_cache_stats().misses - before).min(stream.len() as u64)
    }
    fn replay_with_writes(&self, stream: &Stream, value: &[u8]) -> u64 {
        let value = ByteView::from(value);
        let mut hits = 0;
        for (at, key) in stream.keys().enumerate() {
            if at % 10 == 0 {
                black_box(self.0.insert(key, value.clone()).is_ok());
            } else if let Ok(found) = self.0.get(key) {
                black_box(found.first());
                hits += 1;
            }
        }
        hits
    }
    fn request(&self, key: &str, value: &[u8]) -> bool {
        self.replay(&Stream::of(key), Some(value)) == 1
    }
    fn fill(&self, stream: &Stream, _value: &[u8]) {
        for key in stream.keys() {
            black_box(self.0.get(key).is_ok());
        }
    }
    fn entries(&self) -> Option<u64> {
        Some(self.0.main_cache_stats().entries)
    }
}

/// No lock and no bound for readers: what nothing that locks can be faster than. Filled through a
/// lock that reading does not take.
struct Floor(std::sync::RwLock<Map>);

type Map = hashbrown::HashMap<String, Shared>;

impl Contender for Floor {
    fn replay(&self, stream: &Stream, _value: Option<&[u8]>) -> u64 {
        // Locked once for the whole stream, so in effect not at all.
        let map = self.0.read().expect("nobody panics");
        let mut hits = 0;
        for key in stream.keys() {
            if let Some(found) = map.get(key).cloned() {
                black_box(found.first());
                hits += 1;
            }
        }
        hits
    }
    /// Every write takes the lock, and every reader waits for it.
    fn replay_with_writes(&self, stream: &Stream, value: &[u8]) -> u64 {
        let mut hits = 0;
        for (at, key) in stream.keys().enumerate() {
            if at % 10 == 0 {
                self.fill(&Stream::of(key), value);
            } else {
                hits += u64::from(self.0.read().expect("nobody panics").contains_key(key));
            }
        }
        hits
    }
    fn request(&self, key: &str, value: &[u8]) -> bool {
        let hit = self.0.read().expect("nobody panics").contains_key(key);
        if !hit {
            self.0.write().expect("nobody panics").insert(key.to_owned(), value.into());
        }
        hit
    }
    fn fill(&self, stream: &Stream, value: &[u8]) {
        let mut map = self.0.write().expect("nobody panics");
        for key in stream.keys() {
            map.insert(key.to_owned(), value.into());
        }
    }
    fn entries(&self) -> Option<u64> {
        Some(self.0.read().expect("nobody panics").len() as u64)
    }
}

/// A map behind one lock, and how it calls an insertion.
macro_rules! locked {
    ($map:ty, $insert:ident) => {
        impl Cache for Mutex<$map> {
            type Value = Shared;
            fn get(&self, key: &str) -> Option<Shared> {
                self.lock().expect("nobody panics").get(key).cloned()
            }
            fn insert(&self, key: &str, value: &[u8]) {
                let (key, value) = (key.to_owned(), value.into());
                self.lock().expect("nobody panics").$insert(key, value);
            }
            fn len(&self) -> Option<u64> {
                Some(self.lock().expect("nobody panics").len() as u64)
            }
        }
    };
}

/// A policy of [`fifo`](crate::fifo) behind one lock.
macro_rules! policy {
    ($policy:ty) => {
        impl Cache for Mutex<$policy> {
            type Value = Shared;
            fn get(&self, key: &str) -> Option<Shared> {
                self.lock().expect("nobody panics").get(key)
            }
            fn insert(&self, key: &str, value: &[u8]) {
                self.lock().expect("nobody panics").put(key.to_owned(), value.into());
            }
            fn len(&self) -> Option<u64> {
                Some(self.lock().expect("nobody panics").len() as u64)
            }
        }
    };
}

policy!(Sieve);
policy!(S3Fifo);
locked!(Map, insert);
locked!(lru::LruCache<String, Shared>, put);
locked!(schnellru::LruMap<String, Shared>, insert);

impl Cache for moka::sync::Cache<String, Shared> {
    type Value = Shared;
    fn get(&self, key: &str) -> Option<Shared> {
        Self::get(self, key)
    }
    fn insert(&self, key: &str, value: &[u8]) {
        Self::insert(self, key.to_owned(), value.into());
    }
    fn run_pending(&self) {
        self.run_pending_tasks();
    }
    fn len(&self) -> Option<u64> {
        self.run_pending_tasks();
        Some(self.entry_count())
    }
}

impl Cache for mini_moka::sync::Cache<String, Shared> {
    type Value = Shared;
    fn get(&self, key: &str) -> Option<Shared> {
        Self::get(self, &key.to_owned())
    }
    fn insert(&self, key: &str, value: &[u8]) {
        Self::insert(self, key.to_owned(), value.into());
    }
    fn run_pending(&self) {
        mini_moka::sync::ConcurrentCacheExt::sync(self);
    }
    fn len(&self) -> Option<u64> {
        mini_moka::sync::ConcurrentCacheExt::sync(self);
        Some(self.entry_count())
    }
}

#[derive(Clone)]
struct Weigh(Bound);

impl quick_cache::Weighter<String, Shared> for Weigh {
    fn weight(&self, key: &String, value: &Shared) -> u64 {
        self.0.weight(key, value)
    }
}

impl Cache for quick_cache::sync::Cache<String, Shared, Weigh> {
    type Value = Shared;
    fn get(&self, key: &str) -> Option<Shared> {
        Self::get(self, key)
    }
    fn insert(&self, key: &str, value: &[u8]) {
        Self::insert(self, key.to_owned(), value.into());
    }
    fn len(&self) -> Option<u64> {
        Some(Self::len(self) as u64)
    }
}

type TinyUfo = tinyufo::TinyUfo<String, Shared>;

struct Ufo {
    cache: TinyUfo,
    bound: Bound,
}

impl Cache for Ufo {
    type Value = Shared;
    fn get(&self, key: &str) -> Option<Shared> {
        // It can only be asked with an owned key.
        self.cache.get(&key.to_owned())
    }
    fn insert(&self, key: &str, value: &[u8]) {
        // Weights are 16 bits and the bound counts entries, so values are weighed by their size
        // relative to the usual one.
        let (Bound::Entries { payload, .. }
        | Bound::Payload { payload, .. }
        | Bound::Bytes { payload, .. }) = self.bound;
        let weight = ((key.len() + value.len()) as u64 / payload).clamp(1, u64::from(u16::MAX));
        self.cache.put(key.to_owned(), value.into(), weight as u16);
    }
}
