//! Values and absences that end, and what is served meanwhile. Time passes when the tests say so.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use geecache::{Error, Group, GroupBuilder, HotCache, Loaded, OwnerErrors};

use crate::support::{CountingGetter, Gate, Hand, MemoryPeers, all_at_once, until, value_of};

const SECOND: Duration = Duration::from_secs(1);

/// A source whose values tell how often the source was called.
fn counting_up() -> CountingGetter {
    let calls = AtomicU64::new(0);
    CountingGetter::with(move |_| Ok((calls.fetch_add(1, Ordering::SeqCst) + 1).to_string().into()))
}

fn group(
    hand: &Hand,
    getter: &CountingGetter,
    options: impl FnOnce(GroupBuilder) -> GroupBuilder,
) -> Group {
    options(Group::builder("lives", getter.clone()).clock(hand.clock())).build()
}

#[track_caller]
fn assert_gets(group: &Group, value: &str) {
    assert_eq!(group.get("Tom").unwrap(), value);
}

#[test]
fn a_value_is_loaded_again_when_its_time_is_over() {
    let (hand, getter) = (Hand::default(), counting_up());
    let group = group(&hand, &getter, |group| group.ttl(10 * SECOND));
    assert_gets(&group, "1");
    hand.advance(10 * SECOND - Duration::from_millis(1));
    assert_gets(&group, "1");
    hand.advance(Duration::from_millis(1));
    assert_gets(&group, "2");
    let stats = group.stats();
    assert_eq!((stats.cache_hits, stats.local_loads, stats.hits_stale), (1, 2, 0));
}

#[test]
fn without_a_ttl_a_value_stays() {
    let (hand, getter) = (Hand::default(), counting_up());
    let group = group(&hand, &getter, |group| group);
    assert_gets(&group, "1");
    hand.advance(Duration::from_secs(100 * 365 * 24 * 3600));
    assert_gets(&group, "1");
}

#[test]
fn a_value_s_own_ttl_goes_before_the_group_s() {
    let hand = Hand::default();
    let getter = CountingGetter::with(|key| Ok(Loaded::from(value_of(key)).ttl(60 * SECOND)));
    let group = group(&hand, &getter, |group| group.ttl(10 * SECOND));
    group.get("Tom").unwrap();
    hand.advance(59 * SECOND);
    group.get("Tom").unwrap();
    assert_eq!(getter.calls(), 1);
    hand.advance(SECOND);
    group.get("Tom").unwrap();
    assert_eq!(getter.calls(), 2);
}

#[test]
fn keys_loaded_together_do_not_end_together_with_jitter() {
    let (hand, getter) = (Hand::default(), counting_up());
    let group = group(&hand, &getter, |group| group.ttl(100 * SECOND).ttl_jitter(0.5));
    let keys: Vec<_> = (0..200).map(|n| format!("key {n}")).collect();
    let get_all = || keys.iter().for_each(|key| drop(group.get(key).unwrap()));
    get_all();
    hand.advance(49 * SECOND);
    get_all();
    assert_eq!(getter.calls(), 200, "no value lost more than half of its life");
    hand.advance(26 * SECOND);
    get_all();
    let calls = getter.calls();
    assert!((220..380).contains(&calls), "about half of 200 should be over: {}", calls - 200);
}

#[test]
fn absence_is_remembered_for_the_negative_ttl_only() {
    let (hand, exists) = (Hand::default(), Arc::new(AtomicUsize::new(0)));
    let getter = CountingGetter::with({
        let exists = Arc::clone(&exists);
        move |key| Ok((exists.load(Ordering::SeqCst) == 1).then(|| value_of(key)).into())
    });
    let group = group(&hand, &getter, |group| group.negative_ttl(5 * SECOND));
    for _ in 0..3 {
        assert!(matches!(group.get("Tom"), Err(Error::NotFound { .. })));
    }
    assert_eq!((getter.calls(), group.stats().negative_hits), (1, 2));
    exists.store(1, Ordering::SeqCst);
    assert!(group.get("Tom").is_err(), "nobody has told the cache");
    hand.advance(5 * SECOND);
    assert_gets(&group, "value of Tom");
}

#[test]
fn a_stale_value_is_served_at_once_and_refreshed_by_one_load() {
    let (hand, gate, calls) = (Hand::default(), Gate::closed(), AtomicU64::new(0));
    let getter = CountingGetter::with({
        let gate = gate.clone();
        move |_| {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            if call > 1 {
                gate.pass();
            }
            Ok(call.to_string().into())
        }
    });
    let group =
        group(&hand, &getter, |group| group.ttl(10 * SECOND).stale_while_revalidate(5 * SECOND));
    assert_gets(&group, "1");
    hand.advance(12 * SECOND);
    all_at_once(16, {
        let group = group.clone();
        move |_| assert_gets(&group, "1")
    });
    gate.wait_for_arrivals(1);
    assert_eq!((getter.calls(), group.stats().hits_stale), (2, 16));
    gate.open();
    until("it is refreshed", || group.get("Tom").unwrap() == "2");
    assert_eq!((getter.calls(), group.stats().refreshes), (2, 1));
    hand.advance(SECOND);
    assert_gets(&group, "2");
}

#[test]
fn past_the_stale_span_a_value_is_no_longer_served() {
    let (hand, getter) = (Hand::default(), counting_up());
    let group =
        group(&hand, &getter, |group| group.ttl(10 * SECOND).stale_while_revalidate(5 * SECOND));
    assert_gets(&group, "1");
    hand.advance(15 * SECOND);
    assert_gets(&group, "2");
    assert_eq!(group.stats().refreshes, 0);
}

#[test]
fn refreshes_that_find_no_thread_are_left_out() {
    let (hand, gate, calls) = (Hand::default(), Gate::closed(), AtomicU64::new(0));
    let getter = CountingGetter::with({
        let gate = gate.clone();
        move |key| {
            if calls.fetch_add(1, Ordering::SeqCst) >= 2 {
                gate.pass();
            }
            Ok(value_of(key).into())
        }
    });
    let group = group(&hand, &getter, |group| {
        let group = group.ttl(10 * SECOND).stale_while_revalidate(5 * SECOND);
        group.max_refreshers(NonZeroUsize::MIN)
    });
    for key in ["Tom", "Sam"] {
        group.get(key).unwrap();
    }
    hand.advance(12 * SECOND);
    group.get("Tom").unwrap();
    gate.wait_for_arrivals(1);
    assert_eq!(group.get("Sam").unwrap(), "value of Sam", "served, though nobody refreshes it");
    assert_eq!(getter.calls(), 3);
    gate.open();
    until("it has its turn", || {
        group.get("Sam").unwrap();
        getter.calls_of("Sam") == 2
    });
}

#[test]
fn a_refresh_that_fails_or_panics_leaves_the_old_value() {
    for panics in [false, true] {
        let (hand, calls) = (Hand::default(), AtomicU64::new(0));
        let getter = CountingGetter::with(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Ok("old".into()),
            1 if panics => panic!("the getter panics"),
            1 => Err("the source fails".into()),
            _ => Ok("new".into()),
        });
        let group = group(&hand, &getter, |group| {
            group.ttl(10 * SECOND).stale_while_revalidate(5 * SECOND)
        });
        assert_gets(&group, "old");
        hand.advance(12 * SECOND);
        assert_gets(&group, "old");
        until("the refresh has failed", || group.stats().local_load_errors == 1);
        until("the next one has not", || group.get("Tom").unwrap() == "new");
    }
}

#[test]
fn an_old_value_is_better_than_an_error_for_as_long_as_it_is_told() {
    let (hand, calls) = (Hand::default(), AtomicU64::new(0));
    let getter = CountingGetter::with(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Ok("old".into()),
        _ => Err("the source fails".into()),
    });
    let group = group(&hand, &getter, |group| group.ttl(10 * SECOND).stale_if_error(60 * SECOND));
    assert_gets(&group, "old");
    hand.advance(69 * SECOND);
    assert_gets(&group, "old");
    assert_eq!((group.stats().hits_stale, group.stats().local_load_errors), (1, 1));
    hand.advance(SECOND);
    assert!(matches!(group.get("Tom"), Err(Error::Load { .. })));
}

#[test]
fn an_absence_replaces_an_old_value() {
    let (hand, calls) = (Hand::default(), AtomicU64::new(0));
    let getter = CountingGetter::with(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Ok("old".into()),
        1 => Ok(Loaded::absent()),
        _ => Err("the source fails".into()),
    });
    let group = group(&hand, &getter, |group| group.ttl(10 * SECOND).stale_if_error(60 * SECOND));
    assert_gets(&group, "old");
    hand.advance(11 * SECOND);
    assert!(matches!(group.get("Tom"), Err(Error::NotFound { .. })));
    assert!(matches!(group.get("Tom"), Err(Error::Load { .. })), "what is gone stays gone");
}

/// Two peers on one clock, with groups of the given options.
fn two_peers(
    hand: &Hand,
    source: impl Fn(usize) -> CountingGetter,
    options: impl Fn(GroupBuilder) -> GroupBuilder,
) -> MemoryPeers {
    let build = |getter| options(Group::builder("memory", getter).clock(hand.clock())).build();
    MemoryPeers::built(2, source, build)
}

#[test]
fn a_copy_ends_with_the_owner_s_value() {
    let hand = Hand::default();
    let options = |group: GroupBuilder| {
        group.ttl(10 * SECOND).hot_cache(HotCache::Always).hot_ttl(30 * SECOND)
    };
    let peers = two_peers(&hand, |_| counting_up(), options);
    let key = peers.key_owned_by(&[1]);
    let get = |node: usize| peers.node(node).group.get(&key).unwrap();
    assert_eq!(get(1), "1");
    hand.advance(6 * SECOND);
    assert_eq!(get(0), "1");
    assert_eq!(peers.node(0).group.hot_cache_stats().entries, 1);
    hand.advance(3 * SECOND);
    assert_eq!((get(0), peers.node(1).link.requests()), ("1".into(), 1));
    hand.advance(SECOND);
    assert_eq!((get(0), peers.node(1).link.requests()), ("2".into(), 2));
}

#[test]
fn a_copy_lives_no_longer_than_the_hot_ttl() {
    let hand = Hand::default();
    let options = |group: GroupBuilder| group.hot_cache(HotCache::Always).hot_ttl(30 * SECOND);
    let peers = two_peers(&hand, |_| counting_up(), options);
    let key = peers.key_owned_by(&[1]);
    for (after, requests) in [(0, 1), (29, 1), (1, 2)] {
        hand.advance(after * SECOND);
        peers.node(0).group.get(&key).unwrap();
        assert_eq!(peers.node(1).link.requests(), requests);
    }
}

#[test]
fn a_copy_is_kept_of_what_is_fetched_again_soon_unless_the_group_says_otherwise() {
    for (rule, requests) in [(HotCache::SecondHit, 2), (HotCache::Off, 5), (HotCache::Always, 1)] {
        let hand = Hand::default();
        let peers = two_peers(&hand, |_| counting_up(), |group| group.hot_cache(rule));
        let key = peers.key_owned_by(&[1]);
        for _ in 0..5 {
            peers.node(0).group.get(&key).unwrap();
        }
        assert_eq!(peers.node(1).link.requests(), requests, "{rule:?}");
        assert_eq!(peers.node(0).group.main_cache_stats().entries, 0);
    }
}

#[test]
fn the_owner_s_error_is_returned_where_the_group_says_so() {
    let failing = |_| CountingGetter::with(|_| Err("no route to the database".into()));
    let options = |group: GroupBuilder| group.owner_errors(OwnerErrors::Return);
    let peers = two_peers(&Hand::default(), failing, options);
    let key = peers.key_owned_by(&[1]);
    let error = peers.node(0).group.get(&key).unwrap_err();
    assert!(matches!(error, Error::Load { .. }), "{error:?}");
    assert_eq!((peers.node(0).getter.calls(), peers.node(1).getter.calls()), (0, 1));
}
