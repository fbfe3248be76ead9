//! Values that move to other owners on their own, before anybody asks for them.

use std::time::{Duration, Instant};

use geecache::{HttpPoolBuilder, Origin, Server};

use crate::support::{CountingGetter, Peer, SERVERS, SOON, start, until, value_of};

fn patient(pool: HttpPoolBuilder) -> HttpPoolBuilder {
    pool.hand_over_rate(64 << 20).peek_timeout(SOON).timeout(SOON).connect_timeout(SOON)
}

fn peer(server: Server) -> Peer {
    Peer::start(server, CountingGetter::new(), patient)
}

fn keys() -> Vec<String> {
    (0..300).map(|n| format!("key {n}")).collect()
}

fn owned_by<'k>(keys: &'k [String], peer: &Peer) -> Vec<&'k String> {
    keys.iter().filter(|key| peer.pool.owner(key) == Some(peer.url())).collect()
}

/// All of it is loaded, each key by its owner. `asker` has copies of some that others own.
fn get_all(asker: &Peer) {
    for _ in 0..2 {
        assert!(asker.group.get_many(&keys()).iter().all(Result::is_ok));
    }
}

/// Waits until a peer has all that it owns among what it owns.
#[track_caller]
fn wait_until_all_is_there(peer: &Peer) {
    let keys = keys();
    until("all is there", || {
        owned_by(&keys, peer).into_iter().all(|key| {
            let held = peer.group.peek_loaded(key);
            held.is_some_and(|held| held.origin() == Origin::Memory)
        })
    });
}

#[test]
fn a_peer_that_joins_gets_what_is_its_own_before_it_is_asked() {
    for server in SERVERS {
        let (one, two) = (peer(server), peer(server));
        Peer::set_all(&[&one, &two]);
        get_all(&one);
        let new = peer(server);
        Peer::set_all(&[&new, &one, &two]);
        wait_until_all_is_there(&new);
        let keys = keys();
        let moved = owned_by(&keys, &new).len() as u64;
        assert!(moved > 0);
        assert_eq!((new.stats().taken_over, new.getter.calls()), (moved, 0), "{server:?}");
        assert_eq!(one.stats().handed_over + two.stats().handed_over, moved);
        assert_eq!(
            new.group.get(owned_by(&keys, &new)[0]).unwrap(),
            &*value_of(owned_by(&keys, &new)[0])
        );
    }
}

#[test]
fn a_group_that_is_added_after_the_list_takes_over_too() {
    let (one, new) = (peer(SERVERS[1]), peer(SERVERS[1]));
    Peer::set_all(&[&one]);
    get_all(&one);
    let group = new.pool.remove("scores").unwrap();
    Peer::set_all(&[&new, &one]);
    new.pool.add(&group).unwrap();
    wait_until_all_is_there(&new);
    assert_eq!(new.getter.calls(), 0);
}

#[test]
fn one_that_leaves_goes_as_soon_as_the_others_have_all_of_it() {
    for server in SERVERS {
        let peers = [peer(server), peer(server), peer(server)];
        let [one, two, leaver] = &peers;
        Peer::set_all(&[one, two, leaver]);
        get_all(one);
        let loads = one.getter.calls() + two.getter.calls() + leaver.getter.calls();
        Peer::set_all(&[one, two]);
        let begun = Instant::now();
        let pool = leaver.pool.clone();
        start(move || pool.leave(30 * SOON)).result();
        assert!(begun.elapsed() < SOON, "{server:?}");
        // It is gone. Who had copies of its keys has the values, and need not ask it.
        for peer in [one, two] {
            wait_until_all_is_there(peer);
        }
        get_all(two);
        assert_eq!(one.getter.calls() + two.getter.calls() + leaver.getter.calls(), loads);
    }
}

#[test]
fn one_whose_keys_nobody_can_come_for_stays_for_its_time() {
    let (one, leaver) = (peer(SERVERS[1]), peer(SERVERS[1]));
    Peer::set_all(&[&one, &leaver]);
    get_all(&one);
    // Longer than one stays in any case.
    let (begun, stay) = (Instant::now(), Duration::from_millis(2_500));
    // The other one was not told, and so has another list.
    leaver.pool.leave(stay);
    assert!(begun.elapsed() >= stay);
    assert_eq!(one.stats().taken_over, 0);
}

#[test]
fn who_comes_back_gets_what_was_loaded_in_its_place() {
    for server in SERVERS {
        let (one, two) = (peer(server), peer(server));
        Peer::set_all(&[&one, &two]);
        let (addr, urls) = (one.addr(), [one.url(), two.url()]);
        let keys = keys();
        let theirs: Vec<String> = owned_by(&keys, &one).into_iter().cloned().collect();
        drop(one);
        assert!(two.group.get_many(&theirs).iter().all(Result::is_ok));
        assert_eq!(two.getter.calls(), theirs.len());
        let one = Peer::start_on(&addr, server, CountingGetter::new(), patient);
        one.pool.set_peers(&urls).unwrap();
        wait_until(&one, &theirs);
        assert_eq!((one.getter.calls(), one.stats().taken_over), (0, theirs.len() as u64));
    }
}

#[track_caller]
fn wait_until(peer: &Peer, keys: &[String]) {
    until("all is there", || keys.iter().all(|key| peer.group.peek(key).is_some()));
}

#[test]
fn a_rate_of_zero_takes_nothing_over_but_what_is_asked_for() {
    let (one, new) = (
        peer(SERVERS[1]),
        Peer::start(SERVERS[1], CountingGetter::new(), |pool| patient(pool).hand_over_rate(0)),
    );
    Peer::set_all(&[&one]);
    get_all(&one);
    Peer::set_all(&[&new, &one]);
    let keys = keys();
    let key = owned_by(&keys, &new)[0];
    assert_eq!(new.group.get(key).unwrap(), value_of(key).as_str());
    assert_eq!((new.stats().peek_hits, new.stats().taken_over, new.getter.calls()), (1, 0, 0));
}

#[test]
fn a_rate_bounds_how_fast_it_goes_and_the_end_of_the_pool_ends_it() {
    // With a byte per second all of it would take longer than any test.
    let slow = |pool: HttpPoolBuilder| patient(pool).hand_over_rate(1);
    let (one, two) = (peer(SERVERS[1]), peer(SERVERS[1]));
    Peer::set_all(&[&one, &two]);
    get_all(&one);
    let new = Peer::start(SERVERS[1], CountingGetter::new(), slow);
    Peer::set_all(&[&new, &one, &two]);
    until("something is there", || new.stats().taken_over > 0);
    let pool = new.pool.clone();
    drop(new);
    drop(pool);
    assert!(one.group.get("key 1").is_ok());
}
