//! A source that is protected: a bound on the calls of the getter, and a rest after failures.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use geecache::{Error, Event, Group, GroupBuilder};

use crate::support::{
    Condition, CountingGetter, Gate, Hand, MemoryPeers, SOON, Versions, start, until, value_of,
    version_of,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const ONE: NonZeroUsize = NonZeroUsize::MIN;

fn with_max_loads(getter: CountingGetter, calls: usize) -> Group {
    Group::builder("alone", 1 << 20, getter).max_loads(NonZeroUsize::new(calls).unwrap()).build()
}

/// A ttl of 10 s, and a rest of 5 s after three failures.
fn builder(hand: &Hand, source: &Versions) -> GroupBuilder {
    let three = NonZeroU32::new(3).unwrap();
    Group::builder("alone", 1 << 20, source.getter())
        .ttl(10 * SECOND)
        .source_breaker(three, 5 * SECOND)
        .clock(hand.clock())
}

/// A source that rests, as the loads of three keys have failed.
fn at_rest(build: impl FnOnce(GroupBuilder) -> GroupBuilder) -> (Hand, Versions, Group) {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = build(builder(&hand, &source)).build();
    fail_three_times(&source, &group);
    (hand, source, group)
}

fn fail_three_times(source: &Versions, group: &Group) {
    for key in ["x", "y", "z"] {
        source.make(key, Condition::Failing);
        assert!(matches!(group.get(key), Err(Error::Load { .. })));
    }
}

#[track_caller]
fn assert_down(group: &Group, key: &str, after: Duration) {
    match group.get(key) {
        Err(Error::SourceDown { key: its_key, retry_after, source, .. }) => {
            assert_eq!((&*its_key, retry_after), (key, after));
            assert_eq!(source.to_string(), "the source fails");
        }
        other => panic!("not down but {other:?}"),
    }
}

#[test]
fn no_more_calls_than_allowed_run_at_once_and_the_others_wait() {
    let gate = Gate::closed();
    let most = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let getter = {
        let (gate, most) = (gate.clone(), Arc::clone(&most));
        CountingGetter::with(move |key| {
            let running = most.0.fetch_add(1, Ordering::SeqCst) + 1;
            most.1.fetch_max(running, Ordering::SeqCst);
            gate.pass();
            most.0.fetch_sub(1, Ordering::SeqCst);
            Ok(value_of(key).into())
        })
    };
    let group = with_max_loads(getter, 3);
    let callers = (0..12).map(|n| {
        let group = group.clone();
        start(move || match n % 3 {
            0 => group.get(&n.to_string()),
            1 => group.get_timeout(&n.to_string(), SOON),
            _ => group.get_many([n.to_string(), format!("{n} more")]).remove(0),
        })
    });
    let callers: Vec<_> = callers.collect();
    gate.wait_for_arrivals(3);
    until("all have missed", || group.stats().gets == 16);
    assert_eq!(gate.arrivals(), 3);
    gate.open();
    callers.into_iter().for_each(|caller| drop(caller.result().unwrap()));
    assert_eq!((most.1.load(Ordering::SeqCst), group.stats().source_refusals), (3, 0));
}

#[test]
fn one_who_finds_no_place_in_time_is_told_and_the_getter_is_not_called() {
    let gate = Gate::closed();
    let group = with_max_loads(CountingGetter::behind(&gate), 1);
    let holder = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    gate.wait_for_arrivals(1);
    let refused = group.get_timeout("Jack", 20 * MS);
    let is_told = matches!(refused, Err(Error::TimedOut { .. } | Error::Overloaded { .. }));
    assert!(is_told, "{refused:?}");
    until("its load has given up", || group.stats().source_refusals == 1);
    gate.open();
    assert_eq!(holder.result().unwrap(), value_of("Tom").as_str());
    assert_eq!(group.get("Jack").unwrap(), value_of("Jack").as_str());
    assert_eq!(gate.arrivals(), 2);
}

#[test]
fn one_who_has_more_time_than_the_leader_of_its_flight_waits_on() {
    let gate = Gate::closed();
    let group = with_max_loads(CountingGetter::behind(&gate), 1);
    let holder = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    gate.wait_for_arrivals(1);
    let brief = start({
        let group = group.clone();
        move || group.get_timeout("Jack", 100 * MS)
    });
    until("the first one leads", || group.stats().gets == 2);
    let patient = start({
        let group = group.clone();
        move || group.get("Jack")
    });
    assert!(brief.result().is_err());
    until("the leader has given up", || group.stats().source_refusals >= 1);
    gate.open();
    assert_eq!(patient.result().unwrap(), value_of("Jack").as_str());
    drop(holder.result());
}

/// A getter that asks its own group for the key after the slash.
fn nested(build: impl FnOnce(GroupBuilder) -> GroupBuilder) -> Group {
    let own: Arc<OnceLock<Group>> = Arc::default();
    let asked = Arc::clone(&own);
    let getter = CountingGetter::with(move |key| match key.split_once('/') {
        Some((_, rest)) => Ok(asked.get().unwrap().get(rest)?.into()),
        None => Ok(value_of(key).into()),
    });
    let group = build(Group::builder("alone", 1 << 20, getter)).build();
    assert!(own.set(group.clone()).is_ok());
    group
}

#[test]
fn a_getter_that_asks_for_other_keys_needs_one_place_and_one_thread() {
    let group = nested(|builder| builder.max_loads(ONE).max_loaders(ONE).wait_timeout(SOON));
    assert_eq!(group.get("a/b/c").unwrap(), value_of("c").as_str());
    for value in group.get_many(["d/e", "f/g", "h"]) {
        assert!(value.is_ok(), "{value:?}");
    }
    assert_eq!(
        group.peer_side().get_timeout("i/j", SOON).unwrap().value().unwrap(),
        &*value_of("j")
    );
    assert_eq!(group.stats().source_refusals, 0);
}

#[test]
fn two_groups_whose_getters_ask_each_other_do_not_wait_for_each_other() {
    let other: Arc<OnceLock<Group>> = Arc::default();
    let both_inside = Gate::closed();
    let first = {
        let (other, gate) = (Arc::clone(&other), both_inside.clone());
        Group::builder(
            "first",
            1 << 20,
            CountingGetter::with(move |key| {
                if key == "outer" {
                    gate.pass();
                    return Ok(other.get().unwrap().get("inner")?.into());
                }
                Ok(value_of(key).into())
            }),
        )
    };
    let first = first.max_loads(ONE).build();
    let second = {
        let (first, gate) = (first.clone(), both_inside.clone());
        Group::builder(
            "second",
            1 << 20,
            CountingGetter::with(move |key| {
                if key == "outer" {
                    gate.pass();
                    return Ok(first.get("inner")?.into());
                }
                Ok(value_of(key).into())
            }),
        )
    };
    let second = second.max_loads(ONE).build();
    assert!(other.set(second.clone()).is_ok());
    let callers = [first, second].map(|group| start(move || group.get("outer")));
    both_inside.wait_for_arrivals(2);
    both_inside.open();
    for caller in callers {
        assert_eq!(caller.result().unwrap(), value_of("inner").as_str());
    }
}

#[test]
fn a_source_that_failed_three_times_in_a_row_rests_and_is_tried_once() {
    let (hand, source, group) = at_rest(|builder| builder);
    let calls = group.stats().local_load_errors;
    assert_down(&group, "Tom", 5 * SECOND);
    hand.advance(2 * SECOND);
    assert_down(&group, "x", 3 * SECOND);
    assert_eq!(group.stats().local_load_errors, calls, "it was not asked");
    hand.advance(3 * SECOND);
    let gate = Gate::closed();
    source.hold_next(&gate);
    let trial = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    gate.wait_for_arrivals(1);
    assert_down(&group, "Jack", 5 * SECOND);
    gate.open();
    assert_eq!(version_of(&trial.result().unwrap()), 0);
    assert!(group.get("Jack").is_ok());
    let stats = group.stats();
    assert_eq!((stats.source_rests, stats.source_refusals), (1, 3));
}

#[test]
fn while_the_source_rests_expired_values_are_served_and_not_refreshed() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source)
        .stale_while_revalidate(10 * SECOND)
        .stale_if_error(60 * SECOND)
        .build();
    assert!(group.get("Tom").is_ok());
    hand.advance(15 * SECOND);
    fail_three_times(&source, &group);
    for _ in 0..100 {
        assert_eq!(version_of(&group.get("Tom").unwrap()), 0, "without a refresh");
    }
    assert_eq!(group.stats().refreshes, 0);
    hand.advance(10 * SECOND);
    fail_three_times_again(&source, &group);
    assert_eq!(version_of(&group.get("Tom").unwrap()), 0, "in place of the error");
    assert_eq!(group.stats().hits_stale, 101);
    hand.advance(4 * SECOND);
    assert!(group.get("Jack").is_err(), "there is nothing to serve");
}

/// The trial fails, and it rests again.
fn fail_three_times_again(source: &Versions, group: &Group) {
    source.make("w", Condition::Failing);
    assert!(matches!(group.get("w"), Err(Error::Load { .. })));
}

#[test]
fn absence_is_no_failure_and_a_batch_is_one_call() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, &source).build();
    let failing = ["a", "b", "c", "d"];
    failing.iter().for_each(|key| source.make(key, Condition::Failing));
    source.make("absent", Condition::Absent);
    for _ in 0..2 {
        assert!(group.get_many(failing).iter().all(|answer| answer.is_err()));
    }
    assert!(matches!(group.get("absent"), Err(Error::NotFound { .. })), "the first of a row");
    for _ in 0..5 {
        // A part of a batch that fails is no failure of the source.
        let answers = group.get_many(["a", "absent"]);
        assert!(matches!(answers[0], Err(Error::Load { .. })));
    }
    for _ in 0..3 {
        assert!(matches!(group.get_many(failing)[0], Err(Error::Load { .. })));
    }
    let answers = group.get_many(failing);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::SourceDown { .. }))));
}

#[test]
fn those_who_listen_are_told_once_that_it_is_down_and_once_that_it_is_up() {
    let (hand, source, group) = at_rest(|builder| builder);
    for _ in 0..3 {
        hand.advance(5 * SECOND);
        assert!(matches!(group.get("x"), Err(Error::Load { .. })), "a trial");
    }
    hand.advance(5 * SECOND);
    source.make("x", Condition::Present);
    assert!(group.get("x").is_ok());
    let told = group.recent_events().into_iter().map(|past| past.event);
    let told: Vec<_> = told.filter(|event| !matches!(event, Event::LoadFailed { .. })).collect();
    let [Event::SourceDown { pause, cause, .. }, Event::SourceUp { group: name }] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*pause, &**name), (5 * SECOND, "alone"));
    assert_eq!(cause.to_string(), "the source fails");
    let line = told[0].to_string();
    assert_eq!(line, "the source of group \"alone\" is down, resting for 5s: the source fails");
}

#[test]
fn a_getter_that_panics_comes_to_rest_and_its_place_is_free() {
    let getter = CountingGetter::with(|_| panic!("as the test wants it"));
    let group = Group::builder("alone", 1 << 20, getter)
        .max_loads(ONE)
        .source_breaker(NonZeroU32::new(2).unwrap(), SECOND)
        .build();
    for key in ["a", "b"] {
        let group = group.clone();
        assert!(start(move || group.get(key)).outcome().is_err());
    }
    assert!(matches!(group.get("c"), Err(Error::SourceDown { .. })));
}

#[test]
fn an_owner_whose_source_rests_is_no_broken_peer() {
    let source = |_| CountingGetter::with(|_| Err("the source fails".into()));
    let peers = MemoryPeers::built(2, source, |getter| {
        let once = NonZeroU32::MIN;
        Group::builder("memory", 1 << 20, getter).source_breaker(once, 60 * SECOND).build()
    });
    let key = peers.key_owned_by(&[1]);
    assert!(matches!(peers.node(1).group.get(&key), Err(Error::Load { .. })));
    assert!(matches!(peers.node(0).group.get(&key), Err(Error::Load { .. })), "it tries itself");
    assert!(matches!(peers.node(0).group.get(&key), Err(Error::SourceDown { .. })));
}
