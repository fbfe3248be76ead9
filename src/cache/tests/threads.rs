//! Many threads at one cache, and what happens under its locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Cache, cache, insert};
use crate::byteview::ByteView;
use crate::cache::entry::{Entry, Meta};
use crate::cache::{Accounting, Eviction};
use crate::sync::lock;
use crate::testing::Random;

thread_local! {
    /// Runs whenever this thread drops an entry.
    static ON_DROP: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

impl Drop for Entry {
    fn drop(&mut self) {
        ON_DROP.with_borrow_mut(|on_drop| on_drop.iter_mut().for_each(|on_drop| on_drop()));
    }
}

/// Runs `work`, and `on_drop` whenever it drops an entry on this thread.
fn watch_drops(on_drop: impl FnMut() + 'static, work: impl FnOnce()) {
    ON_DROP.set(Some(Box::new(on_drop)));
    work();
    ON_DROP.set(None);
}

#[test]
fn no_value_is_dropped_under_a_lock() {
    for eviction in [Eviction::Lru, Eviction::Adaptive] {
        let cache = Arc::new(cache(16 << 20, 1, eviction, Accounting::Real));
        let drops = Rc::new(Cell::new(0));
        let (watched, count) = (Arc::clone(&cache), Rc::clone(&drops));
        let on_drop = move || {
            let is_locked = |shard: &Mutex<_>| shard.try_lock().is_err();
            let any_is_locked = watched.shards.get().is_some_and(|it| it.iter().any(is_locked));
            assert!(!any_is_locked, "a value is dropped under the lock");
            count.set(count.get() + 1);
        };
        let huge = ByteView::from(vec![0; 8 << 20]);
        watch_drops(on_drop, || {
            let put = |key: &str, dead_at, keep| {
                cache.insert(key, Some(&huge), Meta { dead_at, load_ms: 0 }, 5, || keep)
            };
            put("first", 0, true);
            put("first", 0, true); // replaced
            put("first", 0, false); // vetoed
            put("second", 0, true); // one is evicted, or refused
            put("short-lived", 6, true);
            cache.get("short-lived", || 7);
            put("dead", 1, true);
            insert(&cache, "sweeps", "");
            cache.remove("first");
            cache.remove("second");
            put("last", 0, true);
            cache.clear();
            let small = ByteView::from(vec![0; 16 << 20]);
            cache.insert("too large", Some(&small), Meta::default(), 0, || true);
        });
        assert!(drops.get() >= 8, "{} drops", drops.get());
        assert_eq!(cache.stats().entries, 0);
    }
}

/// Each key has a writer's lock, under which its version grows. So a reader who has seen a version,
/// or knows that another one has, must never be given an older one.
#[test]
fn eight_threads_never_see_a_value_older_than_one_already_seen() {
    const KEYS: u64 = 200;
    struct State {
        cache: Cache,
        written: Vec<Mutex<u64>>,
        seen: Vec<AtomicU64>,
        failed: AtomicBool,
    }
    for eviction in [Eviction::Lru, Eviction::Adaptive] {
        let state = State {
            // ShardRoom for about half of the keys.
            cache: cache(100 * (16 + 3), 4, eviction, Accounting::PayloadOnly),
            written: (0..KEYS).map(|_| Mutex::new(0)).collect(),
            seen: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            failed: AtomicBool::new(false),
        };
        let work = |thread: u64| {
            let mut random = Random::new(thread);
            for _ in 0..20_000 {
                // The smaller of two: some keys are asked for more often than others.
                let at = random.below(KEYS).min(random.below(KEYS));
                let key = format!("{at:03}");
                match random.below(10) {
                    0..=2 => {
                        let mut version = lock(&state.written[at as usize]);
                        *version += 1;
                        // Two copies of the version: a torn value would show.
                        let bytes = [version.to_le_bytes(), version.to_le_bytes()].concat();
                        let value = ByteView::from(bytes);
                        state.cache.insert(&key, Some(&value), Meta::default(), 0, || true);
                    }
                    3 => {
                        state.cache.remove(&key);
                    }
                    _ => {
                        let before = state.seen[at as usize].load(Ordering::SeqCst);
                        let Some(found) = state.cache.get(&key, || 0) else { continue };
                        let value = found.into_value().expect("only values are inserted");
                        let (a, b) = value.split_at(8);
                        let version = u64::from_le_bytes(a.try_into().expect("8 bytes"));
                        state.seen[at as usize].fetch_max(version, Ordering::SeqCst);
                        if a != b || version < before {
                            state.failed.store(true, Ordering::SeqCst);
                        }
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let work = &work;
                scope.spawn(move || work(thread));
            }
        });
        assert!(!state.failed.load(Ordering::SeqCst), "an old or a torn value was seen");
        state.cache.validate();
        assert!(state.cache.stats().hits > 10_000);
    }
}
