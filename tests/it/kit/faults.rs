//! Faults between peers: what askers see of them, and that they end.

use std::time::{Duration, Instant};

use geecache::testing::{Cluster, CountingGetter, Fault, start, value_of};
use geecache::{Error, Group, OwnerErrors, PeerErrorKind, PeerState};

use crate::support::SOON;

/// Two peers, of which nobody loads what the other one owns: so what goes wrong is told.
fn strict_peers(timeout: Duration) -> (Cluster, CountingGetter) {
    let source = CountingGetter::new();
    let cluster = Cluster::builder(2)
        .group({
            let source = source.clone();
            move |_| Group::new("scores", 1 << 20, source.clone())
        })
        .pool(move |options, _| options.timeout(timeout).connect_timeout(timeout))
        .start()
        .unwrap();
    (cluster, source)
}

/// A group that tells what its peers have said, as it has no source of its own.
fn client_of(cluster: &Cluster) -> Group {
    let client = cluster.client().unwrap();
    let group = Group::builder("scores", 0, geecache::NoSource)
        .owner_errors(OwnerErrors::ReturnAll)
        .build();
    client.add(&group).unwrap();
    group
}

fn kind_of(error: &Error) -> PeerErrorKind {
    let Error::Load { source, .. } = error else { panic!("{error:?}") };
    source.downcast_ref::<geecache::PeerError>().unwrap().kind()
}

const BRIEF: Duration = Duration::from_millis(500);

#[test]
fn each_fault_is_what_it_is_to_the_asker() {
    for (fault, timeout, expected) in [
        (Fault::Refuse, SOON, PeerErrorKind::Unreachable),
        (Fault::BlackHole, BRIEF, PeerErrorKind::TimedOut),
        (Fault::Slow(2 * SOON), BRIEF, PeerErrorKind::TimedOut),
        (Fault::HalfAnswer, SOON, PeerErrorKind::Unreachable),
    ] {
        for is_open_before in [false, true] {
            let (cluster, _) = strict_peers(timeout);
            let group = client_of(&cluster);
            let [first, key] = cluster.keys_owned_by(1, 2).try_into().unwrap();
            if is_open_before {
                assert_eq!(group.get(&first).unwrap(), value_of(&first).as_str());
            }
            cluster.fail(1, fault);
            cluster.fail(0, fault);
            let kind = kind_of(&group.get(&key).unwrap_err());
            assert_eq!(kind, expected, "{fault:?}, connected before: {is_open_before}");
        }
    }
}

#[test]
fn slow_answer_comes_later_and_is_whole() {
    let (cluster, _) = strict_peers(SOON);
    let key = cluster.key_owned_by(1);
    cluster.fail_between(0, 1, Fault::Slow(BRIEF));
    let begun = Instant::now();
    assert_eq!(cluster.group(0).get(&key).unwrap(), value_of(&key).as_str());
    assert!(begun.elapsed() >= BRIEF);
    assert_eq!(cluster.group(0).stats().peer_loads, 1);
}

#[test]
fn what_was_sent_into_a_black_hole_arrives_when_it_is_over() {
    let (cluster, source) = strict_peers(SOON);
    let [first, key] = cluster.keys_owned_by(1, 2).try_into().unwrap();
    let group = cluster.group(0);
    group.get(&first).unwrap();
    cluster.fail(1, Fault::BlackHole);
    let asks = {
        let key = key.clone();
        start(move || group.get(&key))
    };
    geecache::testing::wait_until("the request is sent", || {
        cluster.pool(0).peer_stats()[0].in_flight == 1
    });
    assert_eq!(source.calls_of(&key), 0);
    cluster.heal();
    assert_eq!(asks.result().unwrap(), value_of(&key).as_str());
    assert_eq!(cluster.group(1).stats().local_loads, 2);
}

#[test]
fn one_way_partition_stops_one_way_alone() {
    let (cluster, _) = strict_peers(SOON);
    cluster.fail_between(0, 1, Fault::Refuse);
    let (of_0, of_1) = (cluster.key_owned_by(0), cluster.key_owned_by(1));
    cluster.group(0).get(&of_1).unwrap();
    cluster.group(1).get(&of_0).unwrap();
    assert_eq!(cluster.group(0).stats().peer_errors, 1);
    assert_eq!(cluster.group(1).stats().peer_loads, 1);
    assert_eq!(cluster.pool(0).peer_stats()[0].state, PeerState::Down);
    assert_eq!(cluster.pool(1).peer_stats()[0].state, PeerState::Up);
}

#[test]
fn parts_of_a_cut_network_go_on_alone() {
    let source = CountingGetter::new();
    let cluster = Cluster::builder(3)
        .group(move |_| Group::new("scores", 1 << 20, source.clone()))
        .pool(|options, _| options.timeout(BRIEF).connect_timeout(BRIEF))
        .start()
        .unwrap();
    cluster.partition(&[0], &[1, 2]);
    let key = cluster.key_owned_by(2);
    assert_eq!(cluster.group(1).get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(cluster.group(1).stats().peer_loads, 1);
    assert_eq!(cluster.group(0).get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(cluster.group(0).stats().peer_loads, 0);
    assert_eq!(cluster.group(0).stats().local_loads, 1);
}

#[test]
fn cluster_is_at_rest_while_a_killed_peer_is_owed_something() {
    let (cluster, source) = strict_peers(SOON);
    let key = cluster.key_owned_by(0);
    let group = cluster.group(0);
    group.get(&key).unwrap();
    cluster.kill(1);
    assert!(!group.remove(&key).is_complete());
    cluster.settle(SOON);
    assert_eq!(group.debts().len(), 1);
    let _restarted = cluster.restart(1).unwrap();
    cluster.settle(SOON);
    assert!(group.debts().is_empty(), "{:?}", group.debts());
    assert_eq!(source.calls_of(&key), 1);
}
