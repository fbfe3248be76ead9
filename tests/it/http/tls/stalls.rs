//! Clients that do not go on, and servers that go on with a byte at a time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use geecache::{HttpGetter, PeerErrorKind, PeerGetter};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::peer;
use crate::support::{Authority, Peer, SOON, chain, key, value_of};

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

/// Sends the beginning of a record of 16 KiB, and then a byte now and then for ten seconds, if
/// nobody closes.
fn drip(mut stream: &TcpStream, kind: u8) {
    let _ = stream.set_nodelay(true).and_then(|()| stream.write_all(&[kind, 3, 3, 0x40, 0]));
    for _ in 0..200 {
        thread::sleep(Duration::from_millis(50));
        if stream.write_all(&[2]).is_err() {
            return;
        }
    }
}

/// The kind of the error of a get that asks a server which does `serve` with a connection.
fn error_of_one_who_asks(
    authority: &Authority,
    serve: impl FnOnce(TcpStream) + Send + 'static,
) -> PeerErrorKind {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    let url = format!("https://localhost:{port}");
    let getter = HttpGetter::with_tls(&url, authority.tls()).unwrap();
    getter.get_timeout("scores", "Tom", Duration::from_millis(500)).unwrap_err().kind()
}

#[test]
fn a_server_that_drips_in_the_handshake_is_given_up_in_time() {
    let error = error_of_one_who_asks(&Authority::new(), |stream| drip(&stream, 22));
    assert_eq!(error, PeerErrorKind::TimedOut);
}

#[test]
fn a_server_whose_answer_drips_is_given_up_in_time() {
    let authority = Authority::new();
    let issued = authority.issue();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain(&issued.cert), key(&issued))
        .unwrap();
    let error = error_of_one_who_asks(&authority, |stream| {
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(tls, stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        drip(&stream.sock, 23);
    });
    assert_eq!(error, PeerErrorKind::TimedOut);
}
