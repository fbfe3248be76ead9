//! Peers that could not be told of a removal, over real sockets.

use std::time::Duration;

use geecache::{HttpPoolBuilder, Server};

use crate::http::removal::Source;
use crate::support::{Cluster, CountingGetter, Peer, SERVERS, SOON};

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

#[test]
fn a_peer_that_left_and_ended_is_told_what_it_has_missed_when_it_is_back_soon() {
    for server in SERVERS {
        let source = Source::default();
        // Previous owners are told of removals, too, for as long as new ones may ask them.
        let start = || Peer::start(server, source.getter(), |pool| pool);
        let (writer, owner) = (start(), start());
        Peer::set_all(&[&writer, &owner]);
        let (key, addr, before) = (writer.key_owned_by(&owner.url()), owner.addr(), source.value());
        writer.join(&[]);
        owner.pool.leave(Duration::ZERO);
        owner.pool.shutdown();
        source.change();
        assert!(writer.group.remove(&key).is_complete(), "what it had is gone with it");
        // As if it had read a file that it wrote before.
        let from_a_file = CountingGetter::with(move |_| Ok(before.clone().into()));
        let again = Peer::start_on(&addr, server, from_a_file, |pool| pool);
        again.join(&[]);
        assert_eq!(again.group.get(&key).unwrap(), "version 0");
        Peer::set_all(&[&writer, &again]);
        writer.group.settled(SOON).unwrap();
        assert_eq!(again.group.peek(&key), None);
    }
}

#[test]
fn a_peer_that_the_remover_learns_of_last_is_told_what_was_removed_just_before() {
    for server in SERVERS {
        let source = Source::default();
        let start = || Peer::start(server, source.getter(), |pool| pool.peek_timeout(SOON));
        let (remover, other, joiner) = (start(), start(), start());
        let before = [remover.url(), other.url()];
        Peer::set_all(&[&remover, &other]);
        let all = [remover.url(), other.url(), joiner.url()];
        joiner.pool.set_peers(&all).unwrap();
        other.pool.set_peers(&all).unwrap();
        let moves = |key: &String| {
            joiner.pool.owner(key) == Some(joiner.url())
                && remover.pool.owner(key).as_ref() == Some(&before[1])
        };
        let key = (0..).map(|n| format!("key {n}")).find(moves).unwrap();
        assert_eq!(joiner.group.get(&key).unwrap(), "version 0");
        source.change();
        assert!(remover.group.remove(&key).is_complete());
        assert_eq!(joiner.group.get(&key).unwrap(), "version 0", "nobody has told it");
        remover.pool.set_peers(&all).unwrap();
        remover.group.settled(SOON).unwrap();
        for peer in [&joiner, &remover, &other] {
            assert_eq!(peer.group.get(&key).unwrap(), *source.value(), "{server:?}");
        }
    }
}
