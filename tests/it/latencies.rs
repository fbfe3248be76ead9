//! How long the work of a group took.

use std::time::{Duration, Instant};

use geecache::{Group, Latencies};

use crate::support::{CountingGetter, Gate, MemoryPeers, SOON, alone, start, until};

/// What was counted of getter calls, waits and hits.
fn counts(group: &Group) -> (u64, u64, u64) {
    let Latencies { getter, waits, hits, .. } = group.latencies();
    (getter.count(), waits.count(), hits.count())
}

#[test]
fn each_call_of_the_getter_is_counted_failed_or_not_and_a_batch_is_one() {
    let group = alone(CountingGetter::with(|key| match key {
        "bad" => Err("the disk is gone".into()),
        "worse" => panic!("the getter panics"),
        _ => Ok("630".into()),
    }));
    assert_eq!(group.latencies(), Latencies::default());
    group.get("Tom").unwrap();
    assert_eq!(counts(&group), (1, 0, 0));
    assert!(group.get("bad").is_err());
    assert_eq!(counts(&group), (2, 0, 0));
    let theirs = group.clone();
    assert!(start(move || theirs.get("worse")).outcome().is_err());
    assert_eq!(counts(&group), (3, 0, 0));
    group.get_many(&["a", "b", "c"]);
    assert_eq!(counts(&group), (4, 0, 0));
}

#[test]
fn a_call_and_those_who_wait_for_it_take_as_long_as_it_does() {
    let gate = Gate::closed();
    let group = alone(CountingGetter::behind(&gate));
    let get = || {
        let group = group.clone();
        start(move || group.get("Tom").unwrap())
    };
    let begun = Instant::now();
    let leader = get();
    gate.wait_for_arrivals(1);
    let followers = [get(), get()];
    gate.open();
    leader.result();
    for follower in followers {
        follower.result();
    }
    let (took, latencies) = (begun.elapsed(), group.latencies());
    assert_eq!(latencies.getter.count(), 1);
    // One who came late found the value.
    assert_eq!(latencies.waits.count(), group.stats().loads_deduplicated);
    assert!(latencies.getter.max() <= took && latencies.waits.max() <= took);
}

#[test]
fn waits_for_the_answer_of_an_owner_are_counted_too() {
    let peers = MemoryPeers::new(2);
    let (key, gate) = (peers.key_owned_by(&[1]), Gate::closed());
    peers.node(1).link.hold_at(&gate);
    let group = peers.node(0).group.clone();
    let get = |timeout| {
        let (group, key) = (group.clone(), key.clone());
        start(move || group.get_timeout(&key, timeout))
    };
    let leader = get(SOON);
    gate.wait_for_arrivals(1);
    // One who leaves has waited, unless its time was over before.
    until("somebody waited", || {
        assert!(get(Duration::from_millis(5)).result().is_err());
        counts(&group).1 == 1
    });
    gate.open();
    leader.result().unwrap();
    assert_eq!(counts(&group), (0, 1, 0));
}

#[test]
fn about_one_hit_in_64_is_timed() {
    let group = alone(CountingGetter::new());
    group.get("Tom").unwrap();
    (0..64_000).for_each(|_| drop(group.get("Tom").unwrap()));
    let hits = group.latencies().hits;
    assert!((700..1300).contains(&hits.count()), "{hits:?}");
    assert!(hits.percentile(50.0).unwrap() < Duration::from_secs(1));
    assert_eq!(group.stats().hits, 64_000);
}
