//! Peers that could not be told of a removal, over real sockets.

use std::time::Duration;

use geecache::{HttpPoolBuilder, Server};

use crate::http::removal::Source;
use crate::support::{Cluster, Peer, SERVERS, SOON};

#[test]
fn a_process_that_has_left_serves_nothing_that_was_removed_later() {
    for server in SERVERS {
        let source = Source::default();
        let cluster = Cluster::with(3, server, |_| source.getter());
        let key = cluster.key_owned_by(2);
        let leaver = cluster.node(2);
        assert_eq!(leaver.group.get(&key).unwrap(), *source.value());
        for node in 0..2 {
            let others = [cluster.node(0).url(), cluster.node(1).url()];
            cluster.node(node).pool.set_peers(others).unwrap();
        }
        leaver.pool.leave(Duration::ZERO);
        source.change();
        assert!(cluster.node(0).group.remove(&key).is_complete());
        assert_eq!(leaver.group.get(&key).unwrap(), *source.value());
        assert_eq!(leaver.group.main_cache_stats().entries, 0, "it owns nothing");
    }
}

#[test]
fn a_peer_that_a_health_check_takes_out_for_a_while_is_told_when_it_is_back() {
    for server in SERVERS {
        let source = Source::default();
        let cluster = Cluster::settled(3, server, |_| source.getter());
        let key = cluster.key_owned_by(2);
        for node in 0..3 {
            assert_eq!(cluster.node(node).group.get(&key).unwrap(), *source.value());
        }
        let [a, b, c] = [0, 1, 2].map(|node| cluster.node(node).url());
        for node in 0..2 {
            cluster.node(node).pool.set_peers([&a, &b].map(String::as_str)).unwrap();
        }
        source.change();
        assert!(cluster.node(0).group.remove(&key).is_complete());
        assert_eq!(cluster.node(2).group.get(&key).unwrap(), "version 0", "it is not told");
        for node in 0..2 {
            cluster.node(node).pool.set_peers([&a, &b, &c].map(String::as_str)).unwrap();
            assert_eq!(cluster.node(node).group.get(&key).unwrap(), *source.value());
        }
        for node in 0..2 {
            cluster.node(node).group.settled(SOON).unwrap();
        }
        assert_eq!(cluster.node(2).group.get(&key).unwrap(), *source.value());
    }
}

#[test]
fn a_peer_that_is_back_on_its_port_is_told_what_it_has_missed() {
    let source = Source::default();
    let settled = |pool: HttpPoolBuilder| pool.warm_up(Duration::ZERO);
    let writer = Peer::start(Server::Guarded, source.getter(), settled);
    let owner = Peer::start(Server::Guarded, source.getter(), settled);
    let addr = owner.addr();
    writer.join(&[&owner.url()]);
    let key = writer.key_owned_by(&owner.url());
    owner.pool.shutdown();
    source.change();
    assert!(!writer.group.remove(&key).is_complete());
    assert_eq!(writer.group.get(&key).unwrap(), *source.value());
    let page = writer.group.debts();
    assert_eq!((page.len(), page[0].keys), (1, Some(1)), "{page:?}");
    let again = Peer::start_on(&addr, Server::Guarded, source.getter(), settled);
    writer.group.settled(SOON).unwrap();
    assert!(again.group.stats().removes > 0);
}

#[test]
fn a_pool_that_ends_tells_once_more_what_it_owes() {
    let source = Source::default();
    let settled = |pool: HttpPoolBuilder| pool.warm_up(Duration::ZERO);
    let writer = Peer::start(Server::Guarded, source.getter(), settled);
    let owner = Peer::start(Server::Guarded, source.getter(), settled);
    writer.join(&[&owner.url()]);
    let key = writer.key_owned_by(&owner.url());
    assert_eq!(owner.group.get(&key).unwrap(), *source.value());
    // It says that it has no such group, and has the value all the same.
    let group = owner.pool.remove(owner.group.name()).unwrap();
    source.change();
    assert!(!writer.group.remove(&key).is_complete());
    owner.pool.add(&group).unwrap();
    writer.pool.shutdown();
    assert_eq!(owner.group.get(&key).unwrap(), *source.value());
}
