use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, Weak, mpsc};
use std::time::Instant;

use super::*;
use crate::cache::{Accounting, Eviction};
use crate::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);

/// A memory whose clock stands at the milliseconds of the number.
fn memory(lifetimes: Lifetimes) -> (Memory, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(0));
    let hand = Arc::clone(&clock);
    let clock_of = move || Duration::from_millis(hand.load(Ordering::Relaxed));
    (memory_of(Lifetimes { clock: Clock::injected(clock_of), ..lifetimes }), clock)
}

fn memory_of(lifetimes: Lifetimes) -> Memory {
    let options = CacheOptions {
        max_bytes: 1 << 20,
        shards: None,
        eviction: Eviction::default(),
        accounting: Accounting::default(),
    };
    Memory::new(options, HotCache::Always, lifetimes, Telling::quiet("g"))
}

fn keep_ours(memory: &Memory, key: &str, loaded: Loaded) {
    let loaded = memory.with_ttl(loaded);
    memory.keep(key, &loaded, Owner::Here { cost: SECOND }, memory.now(), || true);
}

fn value(memory: &Memory, key: &str) -> Option<Option<ByteView>> {
    memory.value(key, |_| panic!("nothing is due"))
}

#[test]
fn what_is_ours_lies_in_the_main_cache_and_what_is_not_in_the_hot_one() {
    let (memory, _) = memory(Lifetimes::default());
    keep_ours(&memory, "ours", Loaded::from("1"));
    memory.keep("theirs", &Loaded::from("2"), Owner::Elsewhere, memory.now(), || true);
    memory.keep_copy("copy", &Loaded::from("3"), || true);
    assert_eq!((memory.main_stats().entries, memory.hot_stats().entries), (1, 2));
    for (key, wanted) in [("ours", "1"), ("theirs", "2"), ("copy", "3")] {
        assert_eq!(value(&memory, key).flatten().unwrap(), wanted);
        assert!(memory.peek(key).is_some());
    }
    assert!(memory.peek_owned("ours").is_some());
    assert!(memory.peek_owned("theirs").is_none() && memory.peek_owned("copy").is_none());
}

#[test]
fn what_is_no_longer_wanted_is_not_kept() {
    let (memory, _) = memory(Lifetimes::default());
    memory.keep("k", &Loaded::from("old"), Owner::Here { cost: SECOND }, memory.now(), || false);
    memory.keep("k", &Loaded::from("old"), Owner::Elsewhere, memory.now(), || false);
    memory.keep_copy("k", &Loaded::from("old"), || false);
    assert_eq!(value(&memory, "k"), None);
}

#[test]
fn a_value_that_is_not_ours_replaces_the_one_that_was() {
    let (memory, _) = memory(Lifetimes::default());
    keep_ours(&memory, "k", Loaded::from("old"));
    memory.keep("k", &Loaded::from("new"), Owner::Elsewhere, memory.now(), || true);
    assert_eq!(value(&memory, "k").flatten().unwrap(), "new");
    assert_eq!(memory.main_stats().entries, 0);
}

#[test]
fn a_value_that_came_since_a_result_was_wanted_is_not_replaced_by_it() {
    let (memory, _) = memory(Lifetimes::default());
    keep_ours(&memory, "k", Loaded::from("older"));
    std::thread::scope(|scope| {
        let asked = AtomicU64::new(0);
        let is_wanted = || {
            // Asked for the hot cache first, and then for what lies in the main one.
            if asked.fetch_add(1, Ordering::Relaxed) == 1 {
                let inserts = scope.spawn(|| keep_ours(&memory, "k", Loaded::from("newer")));
                let begun = Instant::now();
                while !inserts.is_finished() && begun.elapsed() < SECOND / 5 {
                    std::thread::yield_now();
                }
            }
            true
        };
        memory.keep("k", &Loaded::from("late"), Owner::Elsewhere, memory.now(), is_wanted);
        assert_eq!(asked.into_inner(), 2);
    });
    assert_eq!(value(&memory, "k").flatten().unwrap(), "newer");
}

#[test]
fn an_expired_value_is_served_stale_and_its_refresh_called_for() {
    let (memory, clock) = memory(Lifetimes {
        ttl: Some(SECOND),
        stale_while_revalidate: SECOND,
        stale_if_error: 3 * SECOND,
        ..Lifetimes::default()
    });
    keep_ours(&memory, "k", Loaded::from("v"));
    assert!(memory.stale("k").is_some(), "a value that is not expired does as well");
    clock.store(1500, Ordering::Relaxed);
    let mut due = None;
    assert_eq!(memory.value("k", |seen| due = Some(seen)).flatten().unwrap(), "v");
    let seen = due.expect("it is due");
    assert!(memory.peek("k").is_none(), "a peek takes what is fresh");
    assert!(memory.peek_newer("k", seen).is_none());
    clock.store(2500, Ordering::Relaxed);
    assert_eq!(value(&memory, "k"), None, "only an error serves it now");
    assert_eq!(memory.stale("k").unwrap().value().unwrap(), "v");
    keep_ours(&memory, "k", Loaded::from("w"));
    assert_eq!(memory.peek_newer("k", seen).unwrap().value().unwrap(), "w");
    let counters = &memory.counters;
    assert_eq!((counters.hits_stale.value(), counters.hits_refused.value()), (3, 1));
}

#[test]
fn known_absence_is_a_hit_without_a_value() {
    let negative_ttl = Some(SECOND);
    let (memory, clock) = memory(Lifetimes { negative_ttl, ..Lifetimes::default() });
    keep_ours(&memory, "k", Loaded::absent());
    assert_eq!(value(&memory, "k"), Some(None));
    assert_eq!(memory.counters.negative_hits.value(), 1);
    clock.store(1001, Ordering::Relaxed);
    assert_eq!(value(&memory, "k"), None);
}

#[test]
fn who_watches_removals_learns_of_copies_that_go_and_of_values_that_are_replaced() {
    let (memory, _) = memory(Lifetimes::default());
    let watch = memory.watch_removals();
    memory.remove_copy("copy");
    let newer = Loaded::from("2").version(2);
    assert!(memory.keep_newer("versioned", &newer, Owner::Here { cost: SECOND }, 0, || true));
    assert!(watch.is_gone("copy") && watch.is_gone("versioned") && !watch.is_gone("other"));
}

#[test]
fn nothing_is_left_after_a_removal() {
    let (memory, _) = memory(Lifetimes::default());
    for key in ["a", "b"] {
        keep_ours(&memory, key, Loaded::from("v"));
        memory.keep_copy(key, &Loaded::from("v"), || true);
    }
    memory.remove("a");
    assert_eq!((value(&memory, "a"), value(&memory, "b").is_some()), (None, true));
    memory.clear();
    assert_eq!(value(&memory, "b"), None);
}

#[test]
fn a_clock_of_others_is_not_asked_under_a_lock() {
    let known = Arc::new(OnceLock::<Weak<Memory>>::new());
    let theirs = Arc::clone(&known);
    // Needs the locks of all shards, on another thread, so that it ends in any case.
    let clock = move || {
        if let Some(memory) = theirs.get().and_then(Weak::upgrade) {
            let (tell, told) = mpsc::channel();
            std::thread::spawn(move || tell.send((memory.main_stats(), memory.hot_stats())));
            told.recv_timeout(10 * SECOND).expect("no lock is held");
        }
        Duration::ZERO
    };
    let memory = Arc::new(memory_of(Lifetimes {
        ttl: Some(SECOND),
        stale_if_error: SECOND,
        keeps_old_copies: true,
        clock: Clock::injected(clock),
        ..Lifetimes::default()
    }));
    keep_ours(&memory, "ours", Loaded::from("1"));
    memory.keep_copy("copy", &Loaded::from("2"), || true);
    known.set(Arc::downgrade(&memory)).expect("it is set once");
    for key in ["ours", "copy"] {
        assert!(value(&memory, key).is_some());
        assert!(memory.loaded(key, |_| panic!("nothing is due")).is_some());
        assert!(memory.peek(key).is_some() && memory.expired(key).is_some());
    }
    assert!(memory.held("ours").is_some());
    assert!(memory.peek_newer("ours", Meta::default()).is_some());
    let mut answers = [None, None];
    memory.answer(Asker::Peer, &["ours", "copy"], &mut answers, |_, _| panic!("nothing is due"));
    assert!(answers.iter().all(Option::is_some));
}
