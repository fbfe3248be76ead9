//! Keys that move to other owners, and take their values along.

use std::time::Duration;

use geecache::{HttpPoolBuilder, PeerPicker, Server};

use crate::support::{
    CountingGetter, FaultyPeer, Gate, Peer, SERVERS, SOON, start, until, value_of,
};

/// Peers that do not give up on a previous owner because the machine is busy.
fn patient(pool: HttpPoolBuilder) -> HttpPoolBuilder {
    pool.peek_timeout(SOON).timeout(SOON).connect_timeout(SOON)
}

fn peer(server: Server) -> Peer {
    Peer::start(server, CountingGetter::new(), patient)
}

fn calls(peers: &[&Peer]) -> usize {
    peers.iter().map(|peer| peer.getter.calls()).sum()
}

fn keys() -> impl Iterator<Item = String> {
    (0..300).map(|n| format!("key {n}"))
}

#[track_caller]
fn get_all(peer: &Peer) {
    for key in keys() {
        assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
    }
}

#[test]
fn a_peer_that_joins_takes_over_what_the_others_have() {
    for server in SERVERS {
        let old = [peer(server), peer(server), peer(server)];
        let old = [&old[0], &old[1], &old[2]];
        Peer::set_all(&old);
        get_all(old[0]);
        assert_eq!(calls(&old), 300);

        let new = peer(server);
        Peer::set_all(&[old[0], old[1], old[2], &new]);
        get_all(old[1]);
        get_all(&new);
        assert_eq!((calls(&old), new.getter.calls()), (300, 0), "{server:?}");
        let moved = keys().filter(|key| new.pool.owner(key) == Some(new.url())).count() as u64;
        let stats = new.stats();
        assert!(moved > 0);
        assert_eq!((stats.peeks, stats.peek_hits), (moved, moved), "{server:?}");
    }
}

#[test]
fn a_batch_takes_over_as_well() {
    let old = [peer(SERVERS[1]), peer(SERVERS[1])];
    Peer::set_all(&[&old[0], &old[1]]);
    get_all(&old[0]);
    let new = peer(SERVERS[1]);
    Peer::set_all(&[&old[0], &old[1], &new]);
    let all: Vec<String> = keys().collect();
    let keys: Vec<&str> = all.iter().map(String::as_str).collect();
    for (key, value) in keys.iter().zip(old[0].group.get_many(&keys)) {
        assert_eq!(value.unwrap(), value_of(key).as_str());
    }
    assert_eq!(calls(&[&old[0], &old[1], &new]), 300);
    for (key, value) in keys.iter().zip(new.group.get_many(&keys)) {
        assert_eq!(value.unwrap(), value_of(key).as_str());
    }
    assert_eq!(new.getter.calls(), 0);
    let moved = keys.iter().filter(|key| new.pool.owner(key) == Some(new.url())).count() as u64;
    assert_eq!((new.stats().peeks, new.stats().peek_hits), (moved, moved));
    let requests: u64 = new.pool.peer_stats().iter().map(|peer| peer.requests).sum();
    assert!(requests <= 6, "{requests}: two batches of peeks and one of gets, of two peers each");
}

#[test]
fn without_a_warm_up_what_moves_is_loaded_anew() {
    let cold = |pool: HttpPoolBuilder| pool.warm_up(Duration::ZERO);
    let old = Peer::start(SERVERS[1], CountingGetter::new(), cold);
    get_all(&old);
    let new = Peer::start(SERVERS[1], CountingGetter::new(), cold);
    Peer::set_all(&[&old, &new]);
    get_all(&new);
    let moved = keys().filter(|key| new.pool.owner(key) == Some(new.url())).count();
    assert!(moved > 0);
    assert_eq!((new.getter.calls(), new.stats().peeks), (moved, 0));
    assert_eq!(new.pool.picker().warm_up(), None);
}

#[test]
fn a_peer_that_leaves_hands_over_what_it_has_and_then_is_gone() {
    for server in SERVERS {
        let peers = [peer(server), peer(server), peer(server)];
        let [one, two, leaver] = &peers;
        Peer::set_all(&[one, two, leaver]);
        get_all(one);
        let theirs: Vec<_> =
            keys().filter(|key| one.pool.owner(key) == Some(leaver.url())).collect();
        assert!(!theirs.is_empty());

        Peer::set_all(&[one, two]);
        let leaving = {
            let pool = leaver.pool.clone();
            start(move || pool.leave(SOON))
        };
        until("it owns no key", || !leaver.pool.picker().owns(&theirs[0]));
        get_all(one);
        get_all(two);
        assert_eq!(calls(&[one, two, leaver]), 300, "{server:?}: nothing is loaded anew");
        // It goes on as a client of the others.
        get_all(leaver);
        assert_eq!(calls(&[one, two, leaver]), 300);

        leaver.pool.shutdown();
        leaving.result();
        leaver.pool.set_peers([one.url(), two.url()]).unwrap();
        get_all(one);
        // Who has left and ended has nothing any more that a removal would have to reach.
        let report = one.group.remove(&theirs[0]);
        assert!(report.is_complete(), "{report:?}");
        assert!(one.group.clear().is_complete());
    }
}

#[test]
fn previous_owners_are_those_of_the_list_before() {
    let peers = [peer(SERVERS[1]), peer(SERVERS[1]), peer(SERVERS[1])];
    let [one, two, three] = &peers;
    let name = |key: &str| one.pool.picker().previous_owner(key).map(|peer| peer.name().to_owned());
    assert!(keys().all(|key| name(&key).is_none()), "there was nobody before");

    Peer::set_all(&[one, two]);
    let before: Vec<_> = keys().map(|key| one.pool.owner(&key)).collect();
    // Saying the same again changes nothing, nor does it in another order.
    for urls in [[one.url(), two.url(), three.url()], [three.url(), two.url(), one.url()]] {
        one.pool.set_peers(urls).unwrap();
        assert_eq!(one.pool.picker().warm_up(), Some(1));
        for (key, before) in keys().zip(&before) {
            let stays = one.pool.owner(&key) == *before;
            let expected = before.clone().filter(|owner| !stays && *owner != one.url());
            assert_eq!(name(&key), expected, "{key}");
        }
    }
    assert_eq!(one.pool.picker().peers().len(), 2);
    // A peer that leaves the list is still to be emptied, and one that comes back is who it was.
    let known = one.pool.picker().peers();
    one.pool.set_peers([one.url(), two.url()]).unwrap();
    assert_eq!(one.pool.picker().peers().len(), 2);
    assert_eq!(one.pool.peer_stats().len(), 1);
    one.pool.set_peers([one.url(), two.url(), three.url()]).unwrap();
    for peer in one.pool.picker().peers() {
        assert!(known.iter().any(|it| std::ptr::addr_eq(&raw const **it, &raw const *peer)));
    }
}

/// The answer to a peek at one key: its value, or that it is not in memory.
fn peeked(value: Option<&str>) -> Vec<u8> {
    let (version, get, count) = ([1], [1], 1_u32.to_be_bytes());
    let (in_memory, not_cached) = ([0], [6]);
    let text = value.unwrap_or_default();
    let frame = [
        &version[..],
        &get,
        &count,
        if value.is_some() { &in_memory } else { &not_cached },
        &u64::MAX.to_be_bytes(),
        &(text.len() as u64).to_be_bytes(),
        text.as_bytes(),
    ]
    .concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream";
    let head = format!("{head}\r\nContent-Length: {}\r\n\r\n", frame.len());
    [head.as_bytes(), &frame].concat()
}

#[test]
fn a_removal_is_not_undone_by_a_take_over_that_began_before_it() {
    // A previous owner whose answer to the first peek is on its way while it forgets the value.
    let gate = Gate::closed();
    let previous = {
        let gate = gate.clone();
        FaultyPeer::start(move |connection| {
            while let Some(head) = connection.request() {
                let is_first = gate.arrivals() == 0;
                let frame = connection.body(&head);
                // Of the operations of a frame, the second one removes.
                let bytes = if frame.get(1) == Some(&2) {
                    b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
                } else if is_first {
                    gate.pass();
                    peeked(Some("old"))
                } else {
                    peeked(None)
                };
                if !connection.send(&bytes) {
                    return;
                }
            }
        })
    };
    let owner = Peer::start(Server::Guarded, CountingGetter::new(), patient);
    owner.join(&[&previous.url()]);
    let is_own = |key: &String| owner.pool.owner(key) == Some(owner.url());
    let key = keys().find(is_own).unwrap();

    let caller = {
        let (group, key) = (owner.group.clone(), key.clone());
        start(move || group.get(&key))
    };
    gate.wait_for_arrivals(1);
    assert!(owner.group.remove(&key).is_complete());
    gate.open();
    assert_eq!(caller.result().unwrap(), "old", "who asked before the removal may get it");
    assert_eq!(owner.group.get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(owner.getter.calls_of(&key), 1);
}

#[test]
fn a_previous_owner_that_is_an_old_peer_loads_nothing_and_is_not_asked_again() {
    let old = FaultyPeer::of_old();
    let owner = Peer::start(Server::Guarded, CountingGetter::new(), patient);
    owner.join(&[&old.url()]);
    let own: Vec<String> =
        keys().filter(|key| owner.pool.owner(key) == Some(owner.url())).take(5).collect();
    for key in &own {
        assert_eq!(owner.group.get(key).unwrap(), value_of(key).as_str());
    }
    assert_eq!((old.requests(), owner.getter.calls()), (1, 5));
}
