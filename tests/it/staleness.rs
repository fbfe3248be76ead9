//! Values past their ttl: served while they are refreshed, or when they can't be.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use geecache::{Error, Group, GroupBuilder, HotCache};

use crate::support::{
    Condition, CountingGetter, Gate, Hand, MemoryPeers, Versions, all_at_once, until, version_of,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A ttl of 10 s.
fn builder(hand: &Hand, source: &Versions) -> GroupBuilder {
    Group::builder("alone", 64 << 20, source.getter()).ttl(10 * SECOND).clock(hand.clock())
}

#[track_caller]
fn version(group: &Group, key: &str) -> u64 {
    version_of(&group.get(key).unwrap())
}

/// Has "Tom" in memory, 10 s old, and another version in the source.
fn with_an_expired_value(build: impl FnOnce(GroupBuilder) -> Group) -> (Hand, Versions, Group) {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = build(builder(&hand, &source));
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(10 * SECOND);
    source.write("Tom");
    (hand, source, group)
}

#[test]
fn sixty_four_threads_get_the_stale_value_at_once_and_cost_one_refresh() {
    let (_, source, group) =
        with_an_expired_value(|builder| builder.stale_while_revalidate(5 * SECOND).build());
    let gate = Gate::closed();
    source.hold_next(&gate);
    let served = {
        let group = group.clone();
        all_at_once(64, move |_| version(&group, "Tom"))
    };
    assert_eq!(served, [0; 64]);
    gate.wait_for_arrivals(1);
    assert_eq!((group.stats().refreshes, group.stats().hits_stale), (1, 64));
    gate.open();
    until("the new value is served", || version(&group, "Tom") == 1);
    let stats = group.stats();
    assert_eq!((stats.refreshes, stats.loads, stats.local_loads), (1, 1, 2));
    assert_eq!(stats.gets, stats.hits + 1);
}

#[test]
fn each_expiry_costs_one_refresh_however_the_threads_fall() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source).stale_while_revalidate(5 * SECOND).build();
    group.get("Tom").unwrap();
    for expiry in 1..=100 {
        hand.advance(10 * SECOND);
        let stale = group.clone();
        all_at_once(8, move |_| (0..20).for_each(|_| drop(stale.get("Tom").unwrap())));
        until("the value is fresh again", || {
            group.get("Tom").unwrap();
            group.peer_side().peek("Tom").is_some()
        });
        assert_eq!((group.stats().refreshes, group.stats().local_loads), (expiry, expiry + 1));
    }
}

#[test]
fn past_the_stale_span_a_get_waits_for_the_load() {
    let (hand, _, group) =
        with_an_expired_value(|builder| builder.stale_while_revalidate(5 * SECOND).build());
    hand.advance(5 * SECOND);
    assert_eq!(version(&group, "Tom"), 1);
    assert_eq!((group.stats().refreshes, group.main_cache_stats().expired), (0, 1));
}

#[test]
fn a_full_pool_skips_refreshes_and_later_gets_catch_up() {
    let (_, source, group) = with_an_expired_value(|builder| {
        let group =
            builder.stale_while_revalidate(5 * SECOND).max_refreshers(NonZeroUsize::MIN).build();
        group.get("Jack").unwrap();
        group
    });
    let gate = Gate::closed();
    source.hold_next(&gate);
    assert_eq!(version(&group, "Tom"), 0);
    gate.wait_for_arrivals(1);
    source.write("Jack");
    for _ in 0..10 {
        assert_eq!(version(&group, "Jack"), 0, "served at once all the same");
    }
    assert_eq!(group.stats().refreshes, 1);
    gate.open();
    until("Jack is refreshed", || version(&group, "Jack") == 1);
    assert_eq!(version(&group, "Tom"), 1);
    assert_eq!(group.stats().refreshes, 2);
}

#[test]
fn a_failing_refresh_leaves_the_stale_value_until_its_span_ends() {
    let (hand, source, group) =
        with_an_expired_value(|builder| builder.stale_while_revalidate(5 * SECOND).build());
    source.make("Tom", Condition::Failing);
    until("several refreshes have failed", || {
        assert_eq!(version(&group, "Tom"), 0);
        group.stats().local_load_errors >= 3
    });
    hand.advance(5 * SECOND - MS);
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(MS);
    assert!(matches!(group.get("Tom"), Err(Error::Load { .. })));
    source.make("Tom", Condition::Present);
    until("the last refresh has ended, and a load succeeds", || group.get("Tom").is_ok());
    assert_eq!(version(&group, "Tom"), 1);
}

#[test]
fn a_refresh_that_fails_after_the_source_healed_is_tried_again() {
    let (_, source, group) =
        with_an_expired_value(|builder| builder.stale_while_revalidate(5 * SECOND).build());
    source.make("Tom", Condition::Failing);
    assert_eq!(version(&group, "Tom"), 0);
    until("the refresh has failed", || group.stats().local_load_errors == 1);
    source.make("Tom", Condition::Present);
    until("the next one succeeds", || version(&group, "Tom") == 1);
}

#[test]
fn a_refresh_that_panics_is_an_error_of_the_load_and_nothing_more() {
    let hand = Hand::default();
    let panics = Arc::new(AtomicBool::new(false));
    let getter = {
        let panics = Arc::clone(&panics);
        CountingGetter::with(move |_| {
            assert!(!panics.load(Ordering::SeqCst), "the getter panics");
            Ok("v".into())
        })
    };
    let group = Group::builder("alone", 64 << 20, getter.clone())
        .ttl(SECOND)
        .stale_while_revalidate(SECOND)
        .clock(hand.clock())
        .build();
    group.get("Tom").unwrap();
    hand.advance(SECOND);
    panics.store(true, Ordering::SeqCst);
    until("several refreshes have panicked", || {
        assert_eq!(group.get("Tom").unwrap(), "v");
        group.stats().local_load_errors >= 3
    });
    panics.store(false, Ordering::SeqCst);
    until("one succeeded", || {
        group.get("Tom").unwrap();
        group.stats().local_loads == 2
    });
}

#[test]
fn when_the_reload_fails_the_old_value_is_served_until_its_span_ends() {
    let (hand, source, group) =
        with_an_expired_value(|builder| builder.stale_if_error(5 * SECOND).build());
    source.make("Tom", Condition::Failing);
    for n in 1..=3 {
        assert_eq!(version(&group, "Tom"), 0);
        let stats = group.stats();
        assert_eq!((stats.hits_stale, stats.local_load_errors), (n, n));
        assert_eq!((stats.gets, stats.hits, stats.loads), (n + 1, 0, n + 1));
    }
    hand.advance(5 * SECOND - MS);
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(MS);
    assert!(matches!(group.get("Tom"), Err(Error::Load { .. })));
}

#[test]
fn when_the_reload_succeeds_the_old_value_is_not_served() {
    let (_, _, group) = with_an_expired_value(|builder| builder.stale_if_error(5 * SECOND).build());
    assert_eq!(version(&group, "Tom"), 1);
    assert_eq!(group.stats().hits_stale, 0);
}

#[test]
fn a_key_that_is_gone_from_the_source_is_not_served_stale() {
    let (_, source, group) =
        with_an_expired_value(|builder| builder.stale_if_error(5 * SECOND).build());
    source.make("Tom", Condition::Absent);
    assert!(matches!(group.get("Tom"), Err(Error::NotFound { .. })));
    source.make("Tom", Condition::Failing);
    assert!(matches!(group.get("Tom"), Err(Error::Load { .. })), "the old value is gone");
}

#[test]
fn a_batch_serves_stale_values_as_a_single_get_does() {
    let (_, source, group) =
        with_an_expired_value(|builder| builder.stale_if_error(5 * SECOND).build());
    source.make("Tom", Condition::Failing);
    source.make("Jack", Condition::Failing);
    let answers = group.get_many(&["Tom", "Jack"]);
    assert_eq!(version_of(answers[0].as_ref().unwrap()), 0);
    assert!(answers[1].is_err());
    assert_eq!(group.stats().hits_stale, 1);
}

#[test]
fn one_span_after_the_other() {
    let (hand, source, group) = with_an_expired_value(|builder| {
        builder.stale_while_revalidate(2 * SECOND).stale_if_error(5 * SECOND).build()
    });
    source.make("Tom", Condition::Failing);
    assert_eq!(version(&group, "Tom"), 0, "at once, while a refresh fails");
    until("it has failed", || group.stats().local_load_errors == 1);
    hand.advance(2 * SECOND);
    assert_eq!(version(&group, "Tom"), 0, "after a reload has failed");
    hand.advance(3 * SECOND);
    assert!(group.get("Tom").is_err());
}

#[test]
fn a_refresh_that_fails_is_no_answer_and_not_counted_as_one() {
    let (_, source, group) = with_an_expired_value(|builder| {
        builder.stale_while_revalidate(2 * SECOND).stale_if_error(5 * SECOND).build()
    });
    source.make("Tom", Condition::Failing);
    let mut gets = 0;
    while group.stats().local_load_errors < 3 {
        assert_eq!(version(&group, "Tom"), 0);
        gets += 1;
    }
    assert_eq!(group.stats().hits_stale, gets);
}

#[test]
fn a_peer_gets_the_stale_value_and_keeps_no_copy_of_it() {
    let (hand, source, gate) = (Hand::default(), Versions::default(), Gate::closed());
    let build = |getter| {
        Group::builder("memory", 64 << 20, getter)
            .ttl(10 * SECOND)
            .stale_while_revalidate(5 * SECOND)
            .hot_cache(HotCache::Always)
            .clock(hand.clock())
            .build()
    };
    let peers = MemoryPeers::built(2, |_| source.getter(), build);
    let key = peers.key_owned_by(&[1]);
    assert_eq!(version(&peers.node(1).group, &key), 0);
    hand.advance(10 * SECOND);
    source.write(&key);
    source.hold_next(&gate);
    assert_eq!(version(&peers.node(0).group, &key), 0);
    assert_eq!(peers.node(0).group.hot_cache_stats().entries, 0);
    assert_eq!(peers.node(1).stats().hits_stale, 1);
    gate.open();
    until("the new value comes", || version(&peers.node(0).group, &key) == 1);
    assert_eq!(peers.calls(), 2);
}

#[test]
fn a_fresh_copy_is_served_though_an_expired_value_of_one_s_own_is_still_there() {
    let (hand, source) = (Hand::default(), Versions::default());
    let build = |getter| {
        Group::builder("memory", 64 << 20, getter)
            .ttl(10 * SECOND)
            .stale_if_error(3600 * SECOND)
            .hot_cache(HotCache::Always)
            .clock(hand.clock())
            .build()
    };
    let peers = MemoryPeers::growing(2, 3, |_| source.getter(), build);
    let key = peers.key_that_moves(0, 2);
    let (previous, owner) = (peers.node(0), peers.node(2));
    assert_eq!(version(&previous.group, &key), 0);
    peers.join(2);
    peers.warmed_up();
    hand.advance(10 * SECOND);
    source.write(&key);
    for batch in [false, true] {
        for _ in 0..3 {
            let value = match batch {
                false => previous.group.get(&key).unwrap(),
                true => previous.group.get_many(&[&key]).remove(0).unwrap(),
            };
            assert_eq!(version_of(&value), 1);
        }
    }
    assert_eq!(owner.link.requests(), 1);
    let stats = previous.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads), (7, 5, 2));
}
