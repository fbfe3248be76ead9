//! A peer that has reached a bound of its server says so, and is well.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroUsize;

use geecache::{HttpPoolBuilder, PeerState, Server};

use crate::support::{CountingGetter, Gate, Peer, SERVERS, SOON, value_of};

/// More failures than it takes to call a peer down.
const CALLS: usize = 10;

/// A peer on `server` whose getter waits at the gate, and one that shares the keys with it.
fn owner_and_asker(
    server: Server,
    gate: &Gate,
    bound: impl FnOnce(HttpPoolBuilder) -> HttpPoolBuilder,
) -> (Peer, Peer) {
    let owner = Peer::start(server, CountingGetter::behind(gate), bound);
    let asker = Peer::start(server, CountingGetter::new(), |pool| pool);
    asker.join(&[&owner.url()]);
    (owner, asker)
}

/// Sends `request` to `peer` on a connection that stays open with the return value.
fn send(peer: &Peer, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(peer.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn send_a_get(peer: &Peer) -> TcpStream {
    send(peer, "GET /_geecache/scores/held HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// Checks that `asker` has asked `owner` each time, and holds nothing against it.
#[track_caller]
fn assert_well(asker: &Peer, owner: &Peer, server: Server) {
    let stats = asker.pool.peer_stats();
    let stats = stats.iter().find(|stats| stats.url == owner.url()).unwrap();
    assert_eq!((stats.state, stats.failures), (PeerState::Up, 0), "{server:?}");
    assert!(stats.requests >= CALLS as u64, "{server:?}: {stats:?}");
}

/// Asks for keys of a peer that is too busy for any of them.
fn ask_in_vain(server: Server, bound: impl FnOnce(HttpPoolBuilder) -> HttpPoolBuilder) {
    let gate = Gate::closed();
    let (owner, asker) = owner_and_asker(server, &gate, bound);
    let _held = send_a_get(&owner);
    gate.wait_for_arrivals(1);
    for key in asker.keys_owned_by(&owner.url()).take(CALLS) {
        assert_eq!(asker.group.get(&key).unwrap(), value_of(&key).as_str());
    }
    assert_eq!(gate.arrivals(), 1);
    assert_well(&asker, &owner, server);
    gate.open();
}

#[test]
fn peer_at_its_bound_of_requests_is_not_down() {
    for server in SERVERS {
        ask_in_vain(server, |pool| pool.max_requests(NonZeroUsize::MIN));
    }
}

#[test]
fn peer_at_its_bound_of_connections_is_not_down() {
    ask_in_vain(Server::Guarded, |pool| pool.max_connections(NonZeroUsize::MIN));
}

#[test]
fn peer_that_has_no_room_for_another_long_value_says_so() {
    // A quarter of it is for values that peers send.
    let bound = |pool: HttpPoolBuilder| pool.max_transfer_bytes(8 << 20);
    let (owner, asker) = owner_and_asker(Server::Guarded, &Gate::closed(), bound);
    let path = "PUT /_geecache/scores/long HTTP/1.1\r\nHost: x\r\nExpect: 100-continue";
    let ask = |time: &str| {
        let head = format!("{path}\r\nGeecache: t={time}\r\nContent-Length: {}\r\n\r\n", 1 << 20);
        let mut stream = send(&owner, &head);
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        (stream, answer)
    };
    let begun: Vec<_> = (0..2).map(|_| ask("60000")).collect();
    assert!(begun.iter().all(|(_, answer)| answer == b"HTTP/1.1 100"));
    let (mut refused, answer) = ask("50");
    assert_eq!(&answer, b"HTTP/1.1 503");
    let mut rest = String::new();
    refused.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("s=overloaded"), "{rest}");
    // Short values need none.
    for key in asker.keys_owned_by(&owner.url()).take(CALLS) {
        assert!(asker.group.insert(&key, "short").unwrap().is_kept);
    }
    assert_well(&asker, &owner, Server::Guarded);
}
