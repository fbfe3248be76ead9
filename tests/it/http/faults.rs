//! Owners that do not answer as they should: the value comes from the own getter, soon, and the
//! failure is counted and logged.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use geecache::{HttpGetter, PeerErrorKind, PeerGetter};
use log::Level;

use crate::support::{
    Connection, CountingGetter, FaultyPeer, Peer, SERVERS, SOON, answer, keep_logs, logged,
    value_of,
};

const TIMEOUT: Duration = Duration::from_millis(300);

/// Asks for a key that belongs to the peer at `url`, which fails to answer.
#[track_caller]
fn assert_loaded_here(url: &str) {
    keep_logs();
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool.timeout(TIMEOUT));
    peer.join(&[url]);
    let key = peer.key_owned_by(url);
    let from = Instant::now();
    assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
    assert!(from.elapsed() < SOON, "that took {:?}", from.elapsed());
    let stats = peer.stats();
    assert_eq!((stats.peer_errors, stats.peer_loads, stats.local_loads), (1, 0, 1));
    assert_eq!(peer.group.main_cache_stats().entries, 0);
    let told = logged(&[url, &key]);
    assert!(told.iter().any(|(level, _)| *level == Level::Warn), "{told:?}");
}

/// The kind of error that a get from the peer at `url` ends with.
fn kind_from(url: &str, timeout: Duration) -> PeerErrorKind {
    let getter = HttpGetter::new(url).unwrap();
    let from = Instant::now();
    let error = getter.get_timeout("scores", "Tom", timeout).unwrap_err();
    assert!(from.elapsed() < SOON, "that took {:?}", from.elapsed());
    assert_eq!(error.peer(), url);
    error.kind()
}

#[track_caller]
fn assert_fails_as(kind: PeerErrorKind, faulty: &FaultyPeer) {
    // Only where the time has to pass it is short; elsewhere it should not be what decides.
    let timeout = if kind == PeerErrorKind::TimedOut { TIMEOUT } else { SOON };
    assert_eq!(kind_from(&faulty.url(), timeout), kind);
    assert_loaded_here(&faulty.url());
}

fn said(text: &str) -> FaultyPeer {
    FaultyPeer::saying(text)
}

#[test]
fn an_owner_that_refuses_connections() {
    // The port is free again when the listener is dropped.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{addr}");
    assert_eq!(kind_from(&url, SOON), PeerErrorKind::Unreachable);
    assert_loaded_here(&url);
}

#[test]
fn an_owner_that_accepts_and_never_answers() {
    let silent = FaultyPeer::start(Connection::wait_for_the_end);
    assert_fails_as(PeerErrorKind::TimedOut, &silent);
}

#[test]
fn an_owner_that_does_not_even_accept() {
    // Connections wait in the backlog of a listener that nobody accepts from.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    assert_eq!(kind_from(&url, TIMEOUT), PeerErrorKind::TimedOut);
    assert_loaded_here(&url);
}

#[test]
fn an_owner_that_answers_after_the_timeout() {
    let late = FaultyPeer::start(|connection| {
        if connection.request().is_some() {
            std::thread::sleep(4 * TIMEOUT);
            connection.send(&answer("too late"));
        }
    });
    assert_fails_as(PeerErrorKind::TimedOut, &late);
}

#[test]
fn an_owner_that_closes_at_once() {
    let closing = FaultyPeer::start(Connection::close);
    assert_fails_as(PeerErrorKind::Unreachable, &closing);
}

#[test]
fn an_owner_that_closes_after_the_request() {
    let closing = FaultyPeer::saying("");
    assert_fails_as(PeerErrorKind::Unreachable, &closing);
}

#[test]
fn an_owner_that_resets_the_connection() {
    let resetting = FaultyPeer::start(|connection| {
        connection.request();
        connection.reset();
    });
    assert_fails_as(PeerErrorKind::Unreachable, &resetting);
}

#[test]
fn an_owner_that_resets_in_the_middle_of_the_value() {
    let resetting = FaultyPeer::start(|connection| {
        connection.request();
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        connection.reset();
    });
    assert_loaded_here(&resetting.url());
}

#[test]
fn an_owner_that_sends_half_a_head_and_closes() {
    assert_loaded_here(&said("HTTP/1.1 200 OK\r\nContent-Le").url());
}

#[test]
fn an_owner_that_sends_half_a_head_and_waits() {
    let waiting = FaultyPeer::saying_and_waiting("HTTP/1.1 200 OK\r\nContent-Le");
    assert_fails_as(PeerErrorKind::TimedOut, &waiting);
}

#[test]
fn an_owner_that_sends_half_a_body_and_closes() {
    assert_loaded_here(&said("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").url());
}

#[test]
fn an_owner_that_sends_half_a_body_and_waits() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    assert_fails_as(PeerErrorKind::TimedOut, &FaultyPeer::saying_and_waiting(half));
}

#[test]
fn an_owner_that_drips_its_answer() {
    let dripping = FaultyPeer::start(|connection| {
        if connection.request().is_some() {
            connection.drip(answer("a value that takes its time"), Duration::from_millis(100));
        }
    });
    assert_fails_as(PeerErrorKind::TimedOut, &dripping);
}

#[test]
fn an_owner_that_sends_garbage() {
    for garbage in [
        "\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
        "220 mail ESMTP\r\n\r\n",
    ] {
        assert_loaded_here(&said(garbage).url());
    }
}

#[test]
fn an_owner_that_speaks_http_2() {
    let preface =
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff".to_vec();
    assert_loaded_here(&FaultyPeer::saying(preface).url());
}

#[test]
fn an_owner_without_a_length() {
    assert_fails_as(
        PeerErrorKind::Protocol,
        &said("HTTP/1.1 200 OK\r\n\r\na value of some length"),
    );
}

#[test]
fn an_owner_with_two_lengths() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n";
    assert_fails_as(PeerErrorKind::Protocol, &said(&format!("{head}12345")));
}

#[test]
fn an_owner_with_a_length_that_is_no_number() {
    for length in ["-1", "1e3", "0x10", "18446744073709551616", "", "3, 5"] {
        assert_loaded_here(
            &said(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n123")).url(),
        );
    }
}

#[test]
fn an_owner_that_announces_more_than_anybody_can_hold() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX / 2);
    assert_fails_as(PeerErrorKind::Protocol, &FaultyPeer::saying_and_waiting(head));
}

#[test]
fn an_owner_that_sends_chunks_as_those_of_go_do() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n630\r\n0\r\n\r\n";
    let faulty = said(chunks);
    let getter = HttpGetter::new(&faulty.url()).unwrap();
    let loaded = getter.get_timeout("scores", "Tom", SOON).unwrap();
    assert_eq!(loaded.value(), Some(&"630".into()), "chunks say when a value is whole");
}

#[test]
fn an_owner_whose_last_chunk_is_missing() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n630\r\n";
    assert_fails_as(PeerErrorKind::Unreachable, &said(chunks));
}

#[test]
fn an_owner_whose_chunks_break_off() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in ["", "3\r\n63", "3\r\n630\r\n", "3\r\n630\r\n0", "z\r\n630\r\n0\r\n\r\n"] {
        assert_loaded_here(&said(&format!("{head}{chunks}")).url());
    }
    let waiting = FaultyPeer::saying_and_waiting(format!("{head}3\r\n630\r\n"));
    assert_fails_as(PeerErrorKind::TimedOut, &waiting);
}

#[test]
fn an_owner_with_both_a_length_and_chunks() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = format!("{both}3\r\n630\r\n0\r\n\r\n");
    assert_fails_as(PeerErrorKind::Protocol, &said(&answer));
}

#[test]
fn an_owner_that_sends_gzip() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n630";
    assert_fails_as(PeerErrorKind::Protocol, &said(head));
}

#[test]
fn an_owner_that_redirects() {
    let elsewhere = FaultyPeer::saying(answer("from elsewhere"));
    let location = format!("Location: {}/_geecache/scores/Tom", elsewhere.url());
    for code in [301, 302, 307, 308] {
        let redirect = format!("HTTP/1.1 {code} Moved\r\n{location}\r\nContent-Length: 0\r\n\r\n");
        assert_fails_as(PeerErrorKind::Protocol, &said(&redirect));
    }
    assert_eq!(elsewhere.requests(), 0, "nobody went there");
}

#[test]
fn an_owner_whose_head_never_ends() {
    let endless = FaultyPeer::start(|connection| {
        connection.request();
        connection.send(b"HTTP/1.1 200 OK\r\n");
        let deadline = Instant::now() + SOON;
        while connection.send(b"X-More: and more, and more, and more\r\n")
            && Instant::now() < deadline
        {}
    });
    assert_loaded_here(&endless.url());
}

#[test]
fn an_owner_that_always_continues() {
    let endless = FaultyPeer::start(|connection| {
        connection.request();
        let deadline = Instant::now() + SOON;
        while connection.send(b"HTTP/1.1 100 Continue\r\n\r\n") && Instant::now() < deadline {}
    });
    assert_loaded_here(&endless.url());
}

#[test]
fn an_owner_that_fails_without_saying_why() {
    for code in [400, 401, 403, 404, 405, 410, 418, 429, 500, 502, 503, 504, 299, 204, 206] {
        let faulty = said(&format!("HTTP/1.1 {code} Why\r\nContent-Length: 0\r\n\r\n"));
        assert_loaded_here(&faulty.url());
    }
}

#[test]
fn a_foreign_404_is_no_word_on_the_key() {
    let page = "<html>not found</html>";
    let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html";
    let foreign = said(&format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()));
    assert_ne!(kind_from(&foreign.url(), SOON), PeerErrorKind::NotFound);
    assert_loaded_here(&foreign.url());
}

#[test]
fn a_web_page_is_no_value() {
    // What listens there answers every path with its front page.
    let page = "<html>welcome</html>";
    for content_type in ["text/html", "Text/HTML; charset=utf-8"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}");
        let foreign = said(&format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()));
        assert_fails_as(PeerErrorKind::Protocol, &foreign);
    }
}

#[test]
fn a_name_that_does_not_resolve() {
    let url = "http://no-such-host.invalid:8001";
    assert_eq!(kind_from(url, SOON), PeerErrorKind::Unreachable);
    assert_loaded_here(url);
}

#[test]
fn an_owner_that_recovers_is_asked_again() {
    // The first connection dies, as of a process that is killed; those after it are answered.
    let recovering = FaultyPeer::start(|connection| {
        while connection.request().is_some() && connection.number > 0 {
            connection.send(&answer("from the owner"));
        }
        connection.close();
    });
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    peer.join(&[&recovering.url()]);
    let mut keys = (0..).map(|n| format!("key {n}"));
    let mut next = || keys.find(|key| peer.pool.owner(key) == Some(recovering.url())).unwrap();
    let key = next();
    assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(peer.group.get(&next()).unwrap(), "from the owner");
    assert_eq!(peer.stats().peer_errors, 1);
}
