//! Clients that do not go on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use geecache::{HttpGetter, PeerGetter};

use super::peer;
use crate::support::{Authority, Peer, SOON, value_of};

/// The beginning of a handshake: a record of which most is missing.
const BEGINNING: &[u8] = &[22, 3, 1, 2, 0, 1, 0];

/// So many handshakes a server has at once.
const MOST: usize = 256;

/// So long one may take.
const DEADLINE: Duration = Duration::from_secs(5);

fn stalled(owner: &Peer, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(owner.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Whether the other side closes, which may be a reset.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn clients_that_stall_in_the_handshake_hold_nobody_up() {
    let authority = Authority::new();
    let owner = peer(&authority.mutual());
    owner.join(&[]);
    let stalled: Vec<_> =
        (0..100).map(|n| stalled(&owner, if n % 2 == 0 { BEGINNING } else { &[] })).collect();
    let begun = Instant::now();
    for _ in 0..3 {
        let getter = HttpGetter::with_tls(&owner.url(), authority.tls()).unwrap();
        let got = getter.get_timeout("scores", "Tom", SOON).unwrap();
        assert_eq!(got.value().unwrap(), &*value_of("Tom"));
    }
    for mut stream in stalled {
        assert!(is_closed(&mut stream));
    }
    let took = begun.elapsed();
    assert!(took < DEADLINE + SOON, "{took:?}");
}

#[test]
fn the_oldest_of_too_many_handshakes_makes_room() {
    let authority = Authority::new();
    let owner = peer(&authority.mutual());
    owner.join(&[]);
    let mut oldest = stalled(&owner, BEGINNING);
    let later: Vec<_> = (0..2 * MOST).map(|_| stalled(&owner, BEGINNING)).collect();
    assert!(is_closed(&mut oldest));
    let getter = HttpGetter::with_tls(&owner.url(), authority.tls()).unwrap();
    assert!(getter.get_timeout("scores", "Tom", SOON).is_ok());
    drop(later);
}

#[test]
fn a_pool_with_stalled_handshakes_shuts_down_at_once() {
    let authority = Authority::new();
    let owner = peer(&authority.mutual());
    let mut stalled: Vec<_> = (0..10).map(|_| stalled(&owner, BEGINNING)).collect();
    owner.pool.shutdown();
    assert!(stalled.iter_mut().all(is_closed));
}
