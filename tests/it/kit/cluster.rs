//! Clusters in one process: who owns what, who dies and comes back, and when it is at rest.

use std::time::Duration;

use geecache::testing::{Cluster, CountingGetter, DelegatingPicker, Gate, start, value_of};
use geecache::{Group, Origin, PeerError, PeerErrorKind};

use super::said;
use crate::support::SOON;

fn three_peers(source: &CountingGetter) -> Cluster {
    let source = source.clone();
    Cluster::local(3, move |_| Group::new("scores", 1 << 20, source.clone())).unwrap()
}

#[test]
fn owner_loads_once_and_all_get_its_value() {
    let source = CountingGetter::new();
    let cluster = three_peers(&source);
    for owner in 0..3 {
        for key in cluster.keys_owned_by(owner, 2) {
            for asked in 0..3 {
                assert_eq!(cluster.group(asked).get(&key).unwrap(), value_of(&key).as_str());
            }
            assert_eq!(source.calls_of(&key), 1);
        }
        assert_eq!(cluster.group(owner).stats().local_loads, 2);
        assert_eq!(cluster.group(owner).stats().peeks, 0, "nobody has had it before");
    }
}

#[test]
fn owners_are_the_same_in_each_cluster() {
    let source = CountingGetter::new();
    let (one, other) = (three_peers(&source), three_peers(&source));
    assert_eq!(one.keys_owned_by(1, 5), other.keys_owned_by(1, 5));
}

#[test]
fn peer_that_dies_is_stood_in_for_and_comes_back_with_nothing_in_memory() {
    let source = CountingGetter::new();
    let cluster = three_peers(&source);
    let key = cluster.key_owned_by(2);
    let (asker, url) = (cluster.group(0), cluster.pool(2).url().unwrap().to_owned());
    asker.get(&key).unwrap();
    cluster.kill(2);
    let (_, origin) = asker.get_with_origin(&key).unwrap();
    assert!(matches!(origin, Origin::StandIn | Origin::Getter), "{origin:?}");
    assert_eq!(source.calls_of(&key), 2);
    assert_eq!(asker.stats().peer_errors, 1);

    let back = cluster.restart(2).unwrap();
    assert_eq!(back.pool().url(), Some(&*url));
    assert_eq!(back.groups()[0].main_cache_stats().entries, 0);
    assert_eq!(cluster.group(2).get(&key).unwrap(), value_of(&key).as_str());
}

#[test]
fn peer_that_is_added_takes_over_what_the_previous_owner_has() {
    let source = CountingGetter::new();
    let cluster = three_peers(&source);
    // Numbers are given in turn, and URLs with them.
    let future = {
        let source = CountingGetter::new();
        Cluster::local(4, move |_| Group::new("scores", 1 << 20, source.clone())).unwrap()
    };
    let key = future.key_owned_by(3);
    cluster.group(0).get(&key).unwrap();
    let added = cluster.add().unwrap();
    assert_eq!(added.number(), 3);
    assert_eq!(cluster.group(3).get(&key).unwrap(), value_of(&key).as_str());
    let stats = cluster.group(3).stats();
    assert!(stats.peek_hits + stats.taken_over >= 1, "{stats:?}");
    assert_eq!(source.calls_of(&key), 1, "it was taken over");
}

#[test]
fn rolling_restart_of_all_peers_costs_the_source_nothing() {
    let source = CountingGetter::new();
    let cluster = three_peers(&source);
    let keys: Vec<_> = (0..3).flat_map(|owner| cluster.keys_owned_by(owner, 20)).collect();
    keys.iter().for_each(|key| drop(cluster.group(0).get(key).unwrap()));
    for number in 0..3 {
        let new = cluster.add().unwrap();
        cluster.settle(SOON);
        let begun = std::time::Instant::now();
        cluster.leave(number, 2 * SOON).unwrap();
        assert!(begun.elapsed() < 2 * SOON, "it did not wait for anybody");
        cluster.settle(SOON);
        for key in &keys {
            assert_eq!(new.groups()[0].get(key).unwrap(), value_of(key).as_str());
        }
    }
    assert_eq!(source.calls(), keys.len());
}

#[test]
fn client_asks_the_owners_and_loads_nothing() {
    let cluster = three_peers(&CountingGetter::new());
    let (client, group) = (cluster.client().unwrap(), Group::remote("scores"));
    client.add(&group).unwrap();
    let keys: Vec<_> = (0..3).flat_map(|owner| cluster.keys_owned_by(owner, 1)).collect();
    assert!(group.get_many(&keys).iter().all(Result::is_ok));
    assert_eq!(group.stats().peer_loads, 3);
}

#[test]
fn peers_with_zones_and_names_know_each_other_by_them() {
    let source = CountingGetter::new();
    let loads = source.clone();
    let cluster = Cluster::builder(4)
        .group(move |_| Group::new("scores", 1 << 20, loads.clone()))
        .pool(|options, number| {
            let zone = if number % 2 == 0 { "east" } else { "west" };
            options.zone(zone).ring_name(format!("cache-{number}"))
        })
        .start()
        .unwrap();
    let urls = |number: usize| cluster.pool(number).url().unwrap().to_owned();
    for number in 0..4 {
        let stats = cluster.pool(number).peer_stats();
        let east = stats.iter().filter(|peer| peer.zone.as_deref() == Some("east")).count();
        assert_eq!((stats.len(), east), (3, if number % 2 == 0 { 1 } else { 2 }));
    }
    // Each zone has an owner for each key, and loads it once.
    let key = cluster.key_owned_by(2);
    assert_eq!(cluster.pool(0).owner(&key), Some(urls(2)));
    assert!([urls(1), urls(3)].contains(&cluster.pool(1).owner(&key).unwrap()));
    (0..4).for_each(|number| drop(cluster.group(number).get(&key).unwrap()));
    assert_eq!(source.calls_of(&key), 2);
    assert!(cluster.group(0).remove(&key).is_complete());
    assert_eq!(cluster.group(3).peek(&key), None);

    let client = cluster.client().unwrap();
    assert_eq!(client.owner(&key), Some(urls(2)), "it is in the east, too");
    cluster.add().unwrap();
    let stats = cluster.pool(0).peer_stats();
    let added = stats.iter().find(|peer| peer.url == urls(5)).unwrap();
    assert_eq!(added.zone.as_deref(), Some("west"));
}

#[test]
fn cluster_that_has_started_is_at_rest() {
    for _ in 0..10 {
        three_peers(&CountingGetter::new()).settle(Duration::ZERO);
    }
}

#[test]
fn cluster_is_at_rest_when_the_last_load_has_ended() {
    let gate = Gate::closed();
    let source = CountingGetter::behind(&gate);
    let cluster = three_peers(&source);
    let (key, asker) = (cluster.key_owned_by(1), cluster.group(0));
    let asks = start(move || asker.get(&key));
    gate.wait_for_arrivals(1);
    let said = said(std::panic::AssertUnwindSafe(|| cluster.settle(Duration::from_millis(10))));
    assert!(said.starts_with("not at rest after 10ms: "), "{said}");
    assert!(said.contains("1 loads of \"scores\" at peer 1"), "{said}");
    assert!(said.contains("1 requests of peer 0 to http://127.1.0.2:8000"), "{said}");
    gate.open();
    asks.result().unwrap();
    cluster.settle(SOON);
}

#[test]
fn wrapped_picker_can_do_what_the_wrapped_one_can() {
    let cluster = three_peers(&CountingGetter::new());
    let (client, group) = (cluster.client().unwrap(), Group::remote("scores"));
    let picker = DelegatingPicker::new(client.picker(), |request| match request.method {
        "clear" => Err(PeerError::new(PeerErrorKind::TimedOut, request.peer, "in a test")),
        _ => Ok(()),
    });
    group.register_peers(picker).unwrap();
    let keys = cluster.keys_owned_by(1, 3);
    assert!(group.get_many(&keys).iter().all(Result::is_ok));
    assert_eq!(cluster.pool(1).peer_stats().len(), 2);
    let requests = client.peer_stats().iter().map(|peer| peer.requests).sum::<u64>();
    assert_eq!(requests, 1, "batches go along as batches");
    assert!(group.remove(&keys[0]).is_complete());
    assert_eq!(cluster.group(1).peek(&keys[0]), None);
    assert!(!group.clear().is_complete(), "the look had an error for it");
}
