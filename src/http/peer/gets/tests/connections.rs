//! Connections that are kept, shared, and found dead.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use super::*;
use crate::sync::lock;

#[test]
fn a_kept_connection_that_dies_under_the_request_is_replaced_once() {
    // Each connection answers one request, and closes when it has read the second.
    let peer = FaultyPeer::start(|talk, number| {
        talk.request();
        talk.say(&ok(b"630"));
        talk.request();
        if number % 2 == 0 {
            talk.reset();
        }
    });
    let link = link(&peer.url);
    for expected in 1..=6 {
        assert_value(&link, b"630");
        assert_eq!(peer.connections(), expected);
    }
}

#[test]
fn all_kept_connections_may_be_dead_at_once() {
    let both = Arc::new(Barrier::new(2));
    let theirs = Arc::clone(&both);
    // Two connections at the same time, which close on their second request; and then a third.
    let peer = FaultyPeer::start(move |talk, number| {
        talk.request();
        if number < 2 {
            theirs.wait();
        }
        talk.say(&ok(b"630"));
        talk.request();
    });
    let link = link(&peer.url);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_value(&link, b"630"));
        }
    });
    assert_eq!(peer.connections(), 2);
    assert_value(&link, b"630");
    assert_eq!(peer.connections(), 3);
}

#[test]
fn a_peer_that_shuts_down_is_asked_once_more_on_a_fresh_connection() {
    let leaving = "HTTP/1.1 503 X\r\nGeecache: s=shutting-down\r\nContent-Length: 0\r\n\r\n";
    // The first connection is with a server that ends, the second with its successor, if there is
    // one.
    for restarted in [true, false] {
        let peer = FaultyPeer::start(move |talk, number| {
            talk.request();
            talk.say(&if number == 1 && !restarted { leaving.into() } else { ok(b"630") });
            talk.request();
            talk.say(leaving.as_bytes());
        });
        let link = link(&peer.url);
        assert_value(&link, b"630");
        if restarted {
            assert_value(&link, b"630");
        } else {
            assert_error(&link, PeerErrorKind::Unreachable, Verdict::Refused);
        }
        assert_eq!(peer.connections(), 2);
    }
}

#[test]
fn a_fresh_connection_that_dies_too_is_an_error() {
    // The first connection answers once, all others close on the request.
    let peer = FaultyPeer::start(|talk, number| {
        talk.request();
        if number == 0 {
            talk.say(&ok(b"630"));
            talk.request();
        }
    });
    let link = link(&peer.url);
    assert_value(&link, b"630");
    assert_error(&link, PeerErrorKind::Unreachable, Verdict::Failed);
    assert_eq!(peer.connections(), 2);
    assert_error(&link, PeerErrorKind::Unreachable, Verdict::Failed);
    assert_eq!(peer.connections(), 3);
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_is_not_used() {
    let (closed_tx, closed) = mpsc::channel();
    let closed_tx = Mutex::new(closed_tx);
    let peer = FaultyPeer::start(move |talk, _| {
        talk.request();
        talk.say(&ok(b"630"));
        let _ = talk.stream.shutdown(Shutdown::Both);
        let _ = lock(&closed_tx).send(());
    });
    let link = link(&peer.url);
    for expected in 1..=3 {
        assert_value(&link, b"630");
        assert_eq!(peer.connections(), expected);
        closed.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn many_threads_share_a_link() {
    let peer = FaultyPeer::well(b"630");
    let link = link(&peer.url);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let answer = get(&link, "g", "k", PATIENCE).unwrap();
                    assert!(answer.value().is_some_and(|it| it == "630"));
                }
            });
        }
    });
    assert!(peer.connections() <= 16, "{}", peer.connections());
}

#[test]
fn one_silent_connection_closes_those_that_have_rested_beside_it() {
    // The first connections answer until the way to their other end is lost without a word.
    const KEPT: usize = 16;
    let (all, is_lost) = (Arc::new(Barrier::new(KEPT)), Arc::new(AtomicBool::new(false)));
    let theirs = (Arc::clone(&all), Arc::clone(&is_lost));
    let peer = FaultyPeer::start(move |talk, number| {
        talk.request();
        if number < KEPT {
            theirs.0.wait();
        }
        talk.say(&ok(b"630"));
        while talk.request().is_some() {
            if number >= KEPT || !theirs.1.load(Ordering::SeqCst) {
                talk.say(&ok(b"630"));
            }
        }
    });
    // One call waits for this in vain, and all others have to be answered in it.
    let mut options = options();
    options.exchange.timeout = 3 * TIMEOUT;
    let link = link_with(&peer.url, options);
    thread::scope(|scope| {
        for _ in 0..KEPT {
            scope.spawn(|| assert_value(&link, b"630"));
        }
    });
    assert_eq!(peer.connections(), KEPT);
    is_lost.store(true, Ordering::SeqCst);
    assert_error(&link, PeerErrorKind::TimedOut, Verdict::Failed);
    assert_eq!(peer.connections(), KEPT);
    // The next ones get fresh connections, even all at once.
    let together = Barrier::new(KEPT);
    thread::scope(|scope| {
        for _ in 0..KEPT {
            scope.spawn(|| {
                together.wait();
                assert_value(&link, b"630");
            });
        }
    });
}

#[test]
fn one_in_a_hurry_closes_its_own_connection_alone() {
    const KEPT: usize = 4;
    let (all, is_slow) = (Arc::new(Barrier::new(KEPT)), Arc::new(AtomicBool::new(false)));
    let theirs = (Arc::clone(&all), Arc::clone(&is_slow));
    let peer = FaultyPeer::start(move |talk, _| {
        while talk.request().is_some() {
            if !theirs.1.swap(false, Ordering::SeqCst) {
                // All of them are in flight at once, each on a connection of its own.
                theirs.0.wait();
                talk.say(&ok(b"630"));
            }
        }
    });
    let link = link(&peer.url);
    let all_at_once = || {
        thread::scope(|scope| {
            for _ in 0..KEPT {
                scope.spawn(|| assert_value(&link, b"630"));
            }
        });
    };
    all_at_once();
    is_slow.store(true, Ordering::SeqCst);
    let (_, verdict) = get_within(&link, "scores", "Tom", TIMEOUT);
    assert_eq!(verdict, Verdict::Silent);
    all_at_once();
    assert_eq!(peer.connections(), KEPT + 1);
}
