use super::{Accounting, Cache, CacheOptions, Eviction, Found, Meta};
use crate::byteview::ByteView;

fn cache(max_bytes: u64) -> Cache {
    let (eviction, accounting) = (Eviction::Lru, Accounting::PayloadOnly);
    Cache::new(CacheOptions { max_bytes, shards: None, eviction, accounting })
}

fn insert(cache: &Cache, key: &str, value: &str) -> bool {
    cache.insert(key, Some(&ByteView::from(value)), Meta::default(), 0, || true)
}

fn get(cache: &Cache, key: &str) -> Option<ByteView> {
    cache.get(key, || 0)?.value
}

#[test]
fn a_cache_of_2_kib_is_one_exact_lru() {
    let cache = cache(2048);
    for i in 0..256 {
        assert!(insert(&cache, &format!("{i:04}"), "1234"));
    }
    assert_eq!(cache.stats().bytes, 2048);
    assert_eq!(get(&cache, "0000").as_deref(), Some(&b"1234"[..]));
    assert!(insert(&cache, "next", "1234"));
    assert_eq!(get(&cache, "0001"), None);
    assert!(get(&cache, "0000").is_some() && get(&cache, "next").is_some());
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions, stats.entries), (3, 1, 1, 256));
}

#[test]
fn nothing_is_cached_in_a_cache_of_no_bytes() {
    let cache = cache(0);
    assert!(!insert(&cache, "", ""));
    assert_eq!(cache.get("", || 0), None);
}

#[test]
fn a_value_too_large_is_counted_and_evicts_nothing() {
    let cache = cache(16);
    assert!(insert(&cache, "a", "1"));
    assert!(!insert(&cache, "b", "0123456789abcdef"));
    assert!(get(&cache, "a").is_some());
    let stats = cache.stats();
    assert_eq!((stats.rejected, stats.evictions, stats.entries, stats.bytes), (1, 0, 1, 2));
}

#[test]
fn the_caller_s_veto_leaves_everything_as_it_was() {
    let cache = cache(16);
    assert!(insert(&cache, "a", "1"));
    assert!(!cache.insert("a", None, Meta::default(), 0, || false));
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_dead_entry_is_a_miss_and_a_live_one_asks_for_the_time() {
    let cache = cache(100);
    let meta = Meta { dead_at: 10, note: 7 };
    assert!(cache.insert("absent", None, meta, 0, || true));
    assert_eq!(cache.get("absent", || 9), Some(Found { value: None, meta }));
    assert_eq!(cache.peek("absent", || 10), None);
    assert_eq!(cache.get("absent", || 10), None);
    let stats = cache.stats();
    assert_eq!((stats.expired, stats.entries, stats.bytes, stats.hits), (1, 0, 0, 1));
    assert!(insert(&cache, "for ever", "1"));
    assert!(cache.get("for ever", || unreachable!("it can not die")).is_some());
}

#[test]
fn removing_and_clearing_leave_no_bytes() {
    let cache = cache(100);
    assert!(insert(&cache, "a", "1") && insert(&cache, "b", "2"));
    assert!(cache.remove("a") && !cache.remove("a"));
    assert_eq!((cache.stats().bytes, cache.stats().charged_bytes), (2, 2));
    cache.clear();
    assert_eq!((cache.stats().bytes, cache.stats().entries, get(&cache, "b")), (0, 0, None));
}
