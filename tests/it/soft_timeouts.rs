//! Loads that take long where an expired value is there: it is served, and they go on.

use std::time::{Duration, Instant};

use geecache::{Error, Event, Group, GroupBuilder, HotCache, Loaded, Origin, StaleReason};

use crate::support::{
    Condition, Gate, Hand, MemoryPeers, Point, SOON, Versions, start, until, version_of,
};

const SECOND: Duration = Duration::from_secs(1);
/// Long enough to be on the way, short enough for a test.
const BRIEF: Duration = Duration::from_millis(30);

/// A ttl of 10 s, and values that are held for an hour.
fn builder(hand: &Hand, source: &Versions) -> GroupBuilder {
    Group::builder("alone", 64 << 20, source.getter())
        .ttl(10 * SECOND)
        .stale_if_error(3600 * SECOND)
        .soft_timeout(BRIEF)
        .clock(hand.clock())
}

#[track_caller]
fn version(group: &Group, key: &str) -> u64 {
    version_of(&group.get(key).unwrap())
}

/// Has "Tom" in memory, expired, and another version in the source.
fn with_an_expired_value() -> (Hand, Versions, Group) {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source).build();
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(10 * SECOND);
    source.write("Tom");
    (hand, source, group)
}

#[test]
fn a_slow_load_is_left_for_the_expired_value_and_fills_the_cache() {
    let (_, source, group) = with_an_expired_value();
    let gate = Gate::closed();
    source.hold_next(&gate);
    for caller in 1..=3 {
        let from = Instant::now();
        let (value, origin) = group.get_with_origin("Tom").unwrap();
        assert!(from.elapsed() >= BRIEF);
        assert_eq!((version_of(&value), origin), (0, Origin::Stale));
        assert_eq!((group.stats().soft_timeouts, group.stats().hits_stale), (caller, caller));
    }
    gate.open();
    until("the load has filled the cache", || group.peek("Tom").is_some());
    assert_eq!(version(&group, "Tom"), 1);
    assert_eq!(group.stats().local_loads, 2);
}

#[test]
fn a_fast_load_and_one_without_an_expired_value_are_waited_for() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source).soft_timeout(SOON).build();
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(10 * SECOND);
    source.write("Tom");
    assert_eq!(version(&group, "Tom"), 1);
    let (_, source, group) = with_an_expired_value();
    let gate = Gate::closed();
    source.hold_next(&gate);
    let waits = start({
        let group = group.clone();
        move || version(&group, "Jack")
    });
    gate.wait_for_arrivals(1);
    std::thread::sleep(2 * BRIEF);
    gate.open();
    assert_eq!((waits.result(), group.stats().soft_timeouts), (0, 0));
}

#[test]
fn what_may_not_be_served_when_a_load_fails_is_not_served_when_it_is_slow() {
    let (hand, source, group) = with_an_expired_value();
    hand.advance(3600 * SECOND);
    let gate = Gate::closed();
    source.hold_next(&gate);
    assert!(matches!(group.get_timeout("Tom", 2 * BRIEF), Err(Error::TimedOut { .. })));
    gate.open();
}

#[test]
fn a_caller_with_less_time_gets_the_expired_value_when_that_is_over() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source).soft_timeout(SOON).build();
    group.get("Tom").unwrap();
    hand.advance(10 * SECOND);
    let gate = Gate::closed();
    source.hold_next(&gate);
    assert_eq!(version_of(&group.get_timeout("Tom", BRIEF).unwrap()), 0);
    gate.open();
}

#[test]
fn a_load_that_fails_in_time_is_as_ever() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source).soft_timeout(SOON).build();
    assert_eq!(version(&group, "Tom"), 0);
    hand.advance(10 * SECOND);
    source.make("Tom", Condition::Failing);
    assert_eq!(version(&group, "Tom"), 0);
    assert_eq!((group.stats().soft_timeouts, group.stats().hits_stale), (0, 1));
}

#[test]
fn callers_who_follow_a_slow_load_leave_it_too() {
    let (_, source, group) = with_an_expired_value();
    let gate = Gate::closed();
    source.hold_next(&gate);
    let values = crate::support::all_at_once(8, {
        let group = group.clone();
        move |_| version(&group, "Tom")
    });
    assert_eq!(values, [0; 8]);
    gate.open();
    until("the load has filled the cache", || group.peek("Tom").is_some());
    assert_eq!(group.stats().local_loads, 2);
}

#[test]
fn a_batch_of_expired_keys_is_left_and_one_with_others_waits_for_those() {
    let (_, source, group) = with_an_expired_value();
    let gate = Gate::closed();
    source.hold_next(&gate);
    let values = group.get_many(["Tom", "Tom"]);
    assert!(values.into_iter().all(|value| version_of(&value.unwrap()) == 0));
    gate.open();
    until("the load has filled the cache", || group.peek("Tom").is_some());

    let (_, source, group) = with_an_expired_value();
    let gate = Gate::closed();
    source.hold_next(&gate);
    let mixed = start({
        let group = group.clone();
        move || group.get_many(["Tom", "Jack"]).into_iter().map(|it| version_of(&it.unwrap()))
    });
    gate.wait_for_arrivals(1);
    std::thread::sleep(2 * BRIEF);
    gate.open();
    // One call has loaded both by then.
    assert_eq!(Vec::from_iter(mixed.result()), [1, 0]);
    assert_eq!(group.stats().soft_timeouts, 0);
}

#[test]
fn without_a_free_thread_the_expired_value_is_served_too() {
    let (hand, source) = (Hand::default(), Versions::default());
    let one = std::num::NonZeroUsize::MIN;
    let group = builder(&hand, &source).max_loaders(one).build();
    group.get_many(["Tom", "Jack"]);
    hand.advance(10 * SECOND);
    let gate = Gate::closed();
    source.hold_next(&gate);
    for key in ["Tom", "Jack"] {
        assert_eq!(version(&group, key), 0);
    }
    // One that has no old value needs no such thread.
    let mixed = group.get_many(["Jack", "Sam"]);
    assert!(mixed.into_iter().all(|value| value.is_ok()));
    gate.open();
}

#[test]
fn those_who_listen_hear_why_it_was_served() {
    let (told, tells) = std::sync::mpsc::channel();
    let (hand, source) = (Hand::default(), Versions::default());
    let told = std::sync::Mutex::new(told);
    let group = builder(&hand, &source)
        .on_event(move |event| drop(told.lock().unwrap().send(event.clone())))
        .build();
    group.get("Tom").unwrap();
    hand.advance(10 * SECOND);
    let gate = Gate::closed();
    source.hold_next(&gate);
    group.get("Tom").unwrap();
    let event = tells.recv_timeout(SOON).unwrap();
    let line = event.to_string();
    let Event::StaleServed { reason, .. } = event else { panic!("{event:?}") };
    assert_eq!(reason, StaleReason::SlowLoad);
    assert!(line.ends_with("is served past its ttl, as its load takes long"), "{line}");
    gate.open();
}

/// Two peers whose groups keep every copy for 5 s.
fn two_peers(hand: &Hand, source: &Versions) -> MemoryPeers {
    MemoryPeers::built(
        2,
        |_| source.getter(),
        |getter| {
            Group::builder("memory", 64 << 20, getter)
                .ttl(10 * SECOND)
                .hot_ttl(5 * SECOND)
                .hot_cache(HotCache::Always)
                .stale_if_error(3600 * SECOND)
                .soft_timeout(BRIEF)
                .clock(hand.clock())
                .build()
        },
    )
}

#[test]
fn a_slow_owner_is_left_for_an_expired_copy() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = two_peers(&hand, &source);
    let key = peers.key_owned_by(&[1]);
    let asker = &peers.node(0).group;
    asker.get(&key).unwrap();
    assert_eq!(asker.get_with_origin(&key).unwrap().1, Origin::Copy);
    hand.advance(5 * SECOND);
    assert!(asker.peek(&key).is_none(), "the copy has ended");
    assert_eq!(version(asker, &key), 0, "from the owner's memory");
    assert_eq!(asker.stats().soft_timeouts, 0);
    hand.advance(10 * SECOND);
    source.write(&key);
    let gate = Gate::closed();
    source.hold_next(&gate);
    let (value, origin) = asker.get_with_origin(&key).unwrap();
    // The owner has an expired value as well, and the same limit.
    assert_eq!(version_of(&value), 0);
    assert!(matches!(origin, Origin::Stale | Origin::OwnerMemory), "{origin:?}");
    gate.open();
    until("the owner has loaded", || peers.node(1).group.peek(&key).is_some());
    assert_eq!(version(asker, &key), 1);
    let stats = asker.stats();
    assert_eq!((stats.gets, stats.hits, stats.copy_hits), (5, 1, 1));
}

#[test]
fn a_removal_takes_expired_copies_along() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = two_peers(&hand, &source);
    let key = peers.key_owned_by(&[1]);
    let asker = &peers.node(0).group;
    asker.get(&key).unwrap();
    hand.advance(20 * SECOND);
    source.write(&key);
    peers.node(1).group.remove(&key);
    let gate = Gate::closed();
    peers.node(1).link.hold(Point::GetAnswered, &gate);
    let asks = start({
        let (group, key) = (asker.clone(), key.clone());
        move || version(&group, &key)
    });
    gate.wait_for_arrivals(1);
    std::thread::sleep(2 * BRIEF);
    gate.open();
    assert_eq!(asks.result(), 1);
}

#[test]
fn a_peer_that_asks_the_owner_gets_its_expired_value() {
    let (_, source, group) = with_an_expired_value();
    let gate = Gate::closed();
    source.hold_next(&gate);
    let served: Loaded = group.peer_side().get_timeout("Tom", SOON).unwrap();
    assert_eq!((version_of(served.value().unwrap()), served.origin()), (0, Origin::Stale));
    let many = group.peer_side().get_many_timeout(&["Tom"], SOON).remove(0).unwrap();
    assert_eq!(version_of(many.value().unwrap()), 0);
    assert_eq!(many.time_to_live(), Some(Duration::ZERO));
    gate.open();
}
