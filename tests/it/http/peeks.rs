//! A look into a peer's memory, which never makes it load.

use std::time::{Duration, Instant};

use geecache::{HttpGetter, Loaded, PeerErrorKind, PeerGetter};

use crate::support::{CountingGetter, FaultyPeer, Peer, SERVERS, SOON, value_of};

const GROUP: &str = "scores";

/// Peeks until the answer does not come too late, which it may on a busy machine.
fn peek(getter: &HttpGetter, key: &str) -> Option<Loaded> {
    let deadline = Instant::now() + SOON;
    loop {
        match getter.peek(GROUP, key) {
            Ok(answer) => return answer,
            Err(error) => {
                let late = [PeerErrorKind::TimedOut, PeerErrorKind::NotSupported];
                assert!(late.contains(&error.kind()), "{error}");
                assert!(Instant::now() < deadline, "no peek was answered: {error}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

#[test]
fn what_is_not_in_memory_is_not_loaded() {
    for server in SERVERS {
        let source = CountingGetter::with(|key| match key {
            "absent" => Ok(Loaded::absent().ttl(Duration::from_secs(3600))),
            "brief" => Ok(Loaded::from("v").ttl(Duration::from_secs(3600))),
            _ => Ok(value_of(key).into()),
        });
        let peer = Peer::start(server, source, |pool| pool);
        let getter = HttpGetter::new(&peer.url()).unwrap();
        for key in ["Tom", "absent", "brief"] {
            assert_eq!(peek(&getter, key), None, "{server:?}");
        }
        assert_eq!(peer.getter.calls(), 0, "{server:?}");

        for key in ["Tom", "absent", "brief"] {
            let _ = peer.group.get(key);
        }
        assert_eq!(peek(&getter, "Tom"), Some(Loaded::from(value_of("Tom"))));
        let brief = peek(&getter, "brief").unwrap();
        assert_eq!(brief.value().unwrap(), "v");
        assert!(brief.time_to_live().unwrap() > Duration::from_secs(3000), "{brief:?}");
        let absent = peek(&getter, "absent").unwrap();
        assert_eq!(absent.value(), None);
        assert!(absent.time_to_live().unwrap() > Duration::from_secs(3000), "{absent:?}");
        let stats = peer.stats();
        assert_eq!((peer.getter.calls(), stats.server_requests), (3, 0), "a peek is no request");
    }
}

#[test]
fn an_old_peer_loads_nothing_for_a_peek_and_is_not_asked_again() {
    let old = FaultyPeer::of_old();
    let getter = HttpGetter::new(&old.url()).unwrap();
    for _ in 0..10 {
        let kind = getter.peek(GROUP, "Tom").unwrap_err().kind();
        // On a busy machine the answer may come too late to be judged.
        assert!([PeerErrorKind::NotSupported, PeerErrorKind::TimedOut].contains(&kind), "{kind}");
    }
    assert!(old.requests() <= 3, "{} requests", old.requests());
    assert_eq!(getter.get(GROUP, "Tom").unwrap(), Loaded::from("630"), "it is asked for values");
}

#[test]
fn a_peer_that_is_late_again_and_again_is_left_alone_for_a_moment() {
    let silent = FaultyPeer::start(|connection| connection.wait_for_the_end());
    let getter = HttpGetter::new(&silent.url()).unwrap();
    for _ in 0..3 {
        assert_eq!(getter.peek(GROUP, "Tom").unwrap_err().kind(), PeerErrorKind::TimedOut);
    }
    assert_eq!(getter.peek(GROUP, "Tom").unwrap_err().kind(), PeerErrorKind::NotSupported);
    assert_eq!(silent.connections(), 3);
}
