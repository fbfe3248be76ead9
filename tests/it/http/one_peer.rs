//! A getter for one peer, with the options of a pool.

use std::time::{Duration, Instant};

use geecache::{Error, HttpPool, PeerErrorKind, PeerGetter, Protocol};

use crate::support::{CountingGetter, Peer, SERVERS, SOON, value_of};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_getter_of_a_builder_has_its_options() {
    for server in SERVERS {
        let options = |pool: geecache::HttpPoolBuilder| {
            pool.token(SECRET).protocol(Protocol::Groupcache).base_path("/of/ours/")
        };
        let peer = Peer::start(server, CountingGetter::new(), options);
        let getter = options(HttpPool::builder()).getter(&peer.url()).unwrap();
        let group = peer.group.name();
        assert_eq!(*getter.get(group, "a").unwrap().value().unwrap(), *value_of("a"));
        assert!(getter.peek(group, "a").unwrap().is_some());
        let stranger = HttpPool::builder().getter(&peer.url()).unwrap();
        let error = stranger.get(group, "a").unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::Unauthorized, "{server:?}");
        assert_eq!(getter.page("/readyz").unwrap(), "ready: this peer is the only one\n");
        assert!(getter.page("/metrics").unwrap().len() > 100);
        assert_eq!(stranger.page("/metrics").unwrap_err().kind(), PeerErrorKind::Unauthorized);
        assert!(getter.page("/no/such/page").is_err());
        assert!(getter.page("metrics").is_err() && getter.page("/a b\n").is_err());
    }
}

#[test]
fn a_getter_of_a_builder_gives_up_after_its_timeout() {
    // It accepts no connection, and the kernel does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let pool = HttpPool::builder().timeout(Duration::from_millis(100));
    let getter = pool.getter(&url).unwrap();
    let begun = Instant::now();
    for error in [getter.get("g", "k").unwrap_err(), getter.page("/metrics").unwrap_err()] {
        assert_eq!(error.kind(), PeerErrorKind::TimedOut);
    }
    assert!(begun.elapsed() < SOON);
}

#[test]
fn what_can_not_work_is_told_when_the_getter_is_made() {
    let error = HttpPool::builder().getter("10.0.0.1:8001").unwrap_err();
    assert!(matches!(error, Error::InvalidPeer { .. }), "{error}");
    let error = HttpPool::builder().timeout(Duration::ZERO).getter("http://a:1").unwrap_err();
    assert!(matches!(error, Error::InvalidOption { option: "timeout", .. }), "{error}");
    let error = HttpPool::builder().token("two words").getter("http://a:1").unwrap_err();
    assert!(matches!(error, Error::InvalidOption { option: "token", .. }), "{error}");
}
