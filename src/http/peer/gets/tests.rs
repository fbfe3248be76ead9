//! Gets from peers that misbehave, over real sockets.

use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Instant;

use super::*;
use crate::error::PeerError;
use crate::http::exchange::{ExchangeOptions, MAX_PATH_BYTES};
use crate::http::testing::{FaultyPeer, SOON, ok};
use crate::http::url::PeerUrl;
use crate::http::verdict::Verdict;
use crate::http::wire;
use crate::sync::lock;

mod answers;
mod bodies;
mod connections;

/// The time that a getter gives a peer in tests where it passes.
const TIMEOUT: Duration = Duration::from_millis(400);
/// The time that a getter gives a peer in all others. It never passes.
const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> PeerOptions {
    let exchange = ExchangeOptions {
        timeout: PATIENCE,
        connect_timeout: PATIENCE,
        ..ExchangeOptions::default()
    };
    PeerOptions { exchange, ..PeerOptions::default() }
}

fn link_with(url: &str, options: PeerOptions) -> Link {
    Link::without_breaker(PeerUrl::parse(url).unwrap(), options)
}

/// A link for tests in which the peer, or the system, answers in some way.
fn link(url: &str) -> Link {
    link_with(url, options())
}

/// A link for tests in which the time passes.
fn hasty_link(url: &str) -> Link {
    let mut options = options();
    options.exchange.timeout = TIMEOUT;
    link_with(url, options)
}

/// Gets a key within `left`; the answer, and what it tells about the peer.
fn get_within(
    link: &Link,
    group: &str,
    key: &str,
    left: Duration,
) -> (Result<Loaded, PeerError>, Verdict) {
    match get(link, group, key, left) {
        Ok(loaded) => (Ok(loaded), Verdict::Answered),
        Err(failure) => {
            let verdict = failure.verdict;
            (Err(link.error_of(failure)), verdict)
        }
    }
}

/// Asks for a key, and demands that the answer comes in bounded time.
#[track_caller]
fn ask(link: &Link) -> (Result<Loaded, PeerError>, Verdict) {
    let begun = Instant::now();
    let answer = get_within(link, "scores", "Tom", link.timeout());
    let took = begun.elapsed();
    assert!(took < SOON, "it took {took:?} to get {answer:?}");
    answer
}

#[track_caller]
fn assert_value(link: &Link, value: &[u8]) {
    let (answer, verdict) = ask(link);
    let answer = answer.expect("a value");
    assert!(answer.value().is_some_and(|it| it == value), "{} bytes", value.len());
    assert_eq!(verdict, Verdict::Answered);
}

#[track_caller]
fn assert_error(link: &Link, kind: PeerErrorKind, verdict: Verdict) -> PeerError {
    let (answer, said) = ask(link);
    let error = answer.expect_err("an error");
    assert_eq!((error.kind(), said), (kind, verdict), "{error}");
    assert_eq!(error.peer(), link.url().as_str());
    error
}

#[test]
fn a_value_comes_as_it_is_over_one_kept_connection() {
    let peer = FaultyPeer::well(b"630");
    let link = link(&peer.url);
    for _ in 0..10 {
        assert_value(&link, b"630");
    }
    assert_eq!(peer.connections(), 1);
    let requests = lock(&peer.shared.requests);
    assert_eq!(requests.len(), 10);
    let request = requests[0].to_ascii_lowercase();
    assert!(request.starts_with("get /_geecache/scores/tom http/1.1\r\n"), "{request}");
    let note = "geecache: t=18000 k=6bbb767f p=geecache\r\n";
    assert!(request.contains(note), "{request}");
    assert!(request.len() < 140, "{request}");
}

#[test]
fn empty_and_large_values_are_values() {
    let large: &'static [u8] = Box::leak(vec![7_u8; 11 << 20].into_boxed_slice());
    for value in [b"", large] {
        let peer = FaultyPeer::well(value);
        let link = link(&peer.url);
        assert_value(&link, value);
        assert_value(&link, value);
        assert_eq!(peer.connections(), 1);
    }
}

#[test]
fn a_value_over_the_limit_is_refused_before_it_is_read() {
    let peer = FaultyPeer::well(b"12345");
    for (limit, fits) in [(5, true), (4, false)] {
        let options = PeerOptions { max_value_bytes: limit, ..options() };
        let link = link_with(&peer.url, options);
        if fits {
            assert_value(&link, b"12345");
        } else {
            assert_error(&link, PeerErrorKind::Protocol, Verdict::Answered);
        }
    }
    let peer = FaultyPeer::saying("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n");
    assert_error(&link(&peer.url), PeerErrorKind::Protocol, Verdict::Answered);
}

#[test]
fn a_value_may_be_very_long() {
    let long: &'static [u8] = Box::leak(vec![7_u8; (5 << 20) + 1].into_boxed_slice());
    let peer = FaultyPeer::well(long);
    let options = PeerOptions { max_value_bytes: u64::MAX, ..options() };
    let link = link_with(&peer.url, options);
    for _ in 0..2 {
        let (answer, _) = get_within(&link, "scores", "Tom", PATIENCE);
        assert!(answer.unwrap().value().is_some_and(|value| value == long));
    }
    assert_eq!(peer.connections(), 1);
}

#[test]
fn a_length_that_no_memory_holds_is_not_believed_where_no_limit_is_set() {
    let options = PeerOptions { max_value_bytes: u64::MAX, ..options() };
    for length in [1 << 45, i64::MAX as u64, u64::MAX] {
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n630");
        let peer = FaultyPeer::saying(said);
        let link = link_with(&peer.url, options.clone());
        let (answer, verdict) = ask(&link);
        assert!(answer.is_err());
        assert_eq!(verdict, Verdict::Failed, "{length}: {answer:?}");
    }
}

#[test]
fn a_peer_that_refuses_the_connection_is_known_to_be_down_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_error(&link(&url), PeerErrorKind::Unreachable, Verdict::Refused);
}

#[test]
fn a_name_that_does_not_resolve_is_unreachable() {
    // RFC 6761 reserves the domain; resolvers answer at once, or not at all.
    let link = hasty_link("http://peer.invalid:8001");
    let (answer, verdict) = ask(&link);
    assert_eq!(answer.unwrap_err().kind(), PeerErrorKind::Unreachable);
    assert_eq!(verdict, Verdict::Failed);
}

#[test]
fn a_peer_that_is_silent_at_any_point_is_given_up_after_the_timeout() {
    for said in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n63",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let peer = FaultyPeer::start(move |talk, _| {
            talk.request();
            talk.say(said.as_bytes());
            talk.stay_silent();
        });
        assert_error(&hasty_link(&peer.url), PeerErrorKind::TimedOut, Verdict::Failed);
        // A timeout is never tried again.
        assert_eq!(peer.connections(), 1, "{said:?}");
    }
}

#[test]
fn a_peer_that_answers_too_late_is_given_up() {
    let peer = FaultyPeer::start(|talk, _| {
        talk.request();
        // The getter closes when it gives up: only then is the answer sent.
        talk.stay_silent();
        talk.say(&ok(b"630"));
    });
    let link = hasty_link(&peer.url);
    assert_error(&link, PeerErrorKind::TimedOut, Verdict::Failed);
    assert_error(&link, PeerErrorKind::TimedOut, Verdict::Failed);
    assert_eq!(peer.connections(), 2);
}

#[test]
fn a_caller_in_a_hurry_does_not_blame_the_peer() {
    let peer = FaultyPeer::start(|talk, _| talk.stay_silent());
    let link = link(&peer.url);
    let (answer, verdict) = get_within(&link, "g", "k", Duration::from_millis(30));
    assert_eq!(verdict, Verdict::Silent, "{answer:?}");
    assert!(answer.is_err());
    // There is no time to send anything.
    for left in [0, 1, 999_999].map(Duration::from_nanos) {
        let (answer, verdict) = get_within(&link, "g", "k", left);
        assert_eq!(answer.unwrap_err().kind(), PeerErrorKind::TimedOut);
        assert_eq!((verdict, link.stats().requests), (Verdict::Unclear, 1), "{left:?}");
    }
    // It may be slow to notice the one that there was.
    assert!(peer.connections() <= 1);
}

#[test]
fn a_peer_that_drips_its_head_gets_no_more_time() {
    let peer = FaultyPeer::start(|talk, _| {
        talk.request();
        for byte in ok(b"a value that is never whole") {
            if !talk.say(&[byte]) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_error(&hasty_link(&peer.url), PeerErrorKind::TimedOut, Verdict::Failed);
}

#[test]
fn a_value_that_is_still_coming_when_the_time_is_over_is_held_against_nobody() {
    let peer = FaultyPeer::start(|talk, _| {
        talk.request();
        talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        talk.say_for_ever(&[7; 1_000], Duration::from_millis(5));
    });
    let error = assert_error(&hasty_link(&peer.url), PeerErrorKind::TimedOut, Verdict::Answered);
    assert!(error.message().contains("no whole answer within"), "{error}");
    // One that drips is as silent as one that never begins, and so is one that stops half way.
    let peer = FaultyPeer::start(|talk, _| {
        talk.request();
        talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        talk.say_for_ever(&[7], Duration::from_millis(10));
    });
    assert_error(&hasty_link(&peer.url), PeerErrorKind::TimedOut, Verdict::Failed);
    let peer = FaultyPeer::start(|talk, _| {
        talk.request();
        talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        talk.say(&[7; 10_000]);
        talk.stay_silent();
    });
    assert_error(&hasty_link(&peer.url), PeerErrorKind::TimedOut, Verdict::Failed);
}

#[test]
fn an_answer_cut_off_is_an_error_wherever_it_ends() {
    let whole = ok(b"630");
    for length in 0..whole.len() {
        let peer = FaultyPeer::saying(&whole[..length]);
        assert_error(&link(&peer.url), PeerErrorKind::Unreachable, Verdict::Failed);
        // The connection was fresh, so its end is an answer of a kind, and not tried again.
        assert_eq!(peer.connections(), 1);
    }
}

#[test]
fn a_connection_reset_in_the_middle_of_the_value_is_an_error() {
    let peer = FaultyPeer::start(|talk, _| {
        talk.request();
        talk.say(&ok(&[7; 100_000])[..50_000]);
        talk.reset();
    });
    assert_error(&link(&peer.url), PeerErrorKind::Unreachable, Verdict::Failed);
}

#[test]
fn what_follows_a_value_is_not_taken_for_the_next_one() {
    let peer = FaultyPeer::start(|talk, _| {
        while talk.request().is_some() {
            talk.say(&[ok(b"630"), ok(b"666")].concat());
        }
    });
    let link = link(&peer.url);
    for _ in 0..3 {
        assert_value(&link, b"630");
    }
    assert_eq!(peer.connections(), 3);
}

#[test]
fn interim_answers_are_skipped() {
    let noise = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                 HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let peer = FaultyPeer::saying([noise.repeat(10).as_bytes(), &ok(b"630")].concat());
    assert_value(&link(&peer.url), b"630");
}

#[test]
fn answers_without_an_end_are_given_up() {
    let endless = |said: &'static str, again: &'static [u8], pause: Duration| {
        FaultyPeer::start(move |talk, _| {
            talk.request();
            talk.say(said.as_bytes());
            talk.say_for_ever(again, pause);
        })
    };
    let (flood, trickle) = (Duration::ZERO, Duration::from_millis(20));
    for (peer, kind) in [
        (endless("HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", flood), PeerErrorKind::Protocol),
        (endless("HTTP/1.1 200 OK\r\nX-A: ", b"bbbbbbbbbbbbb", flood), PeerErrorKind::Protocol),
        (endless("", b"x", flood), PeerErrorKind::Protocol),
        (endless("HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", trickle), PeerErrorKind::TimedOut),
        (endless("", b"HTTP/1.1 103 Early Hints\r\n\r\n", trickle), PeerErrorKind::TimedOut),
        (endless("", b"HTTP/1.1 100 Continue\r\n\r\n", trickle), PeerErrorKind::TimedOut),
    ] {
        let timed_out = kind == PeerErrorKind::TimedOut;
        let link = if timed_out { hasty_link(&peer.url) } else { link(&peer.url) };
        assert_error(&link, kind, Verdict::Failed);
    }
    // A flood of interim answers ends by its size or by the time, as the machine's speed will have
    // it.
    let peer = endless("", b"HTTP/1.1 103 Early Hints\r\n\r\n", flood);
    let (answer, verdict) = ask(&hasty_link(&peer.url));
    let kind = answer.unwrap_err().kind();
    assert!(matches!(kind, PeerErrorKind::Protocol | PeerErrorKind::TimedOut), "{kind:?}");
    assert_eq!(verdict, Verdict::Failed);
    // The texts of errors have no end either. They are cut, and the status decides.
    let peer = endless("HTTP/1.1 503 Busy\r\n\r\n", b"busy ", flood);
    assert_error(&link(&peer.url), PeerErrorKind::Overloaded, Verdict::Failed);
    let peer =
        endless("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", flood);
    assert_error(&link(&peer.url), PeerErrorKind::Protocol, Verdict::Failed);
}

#[test]
fn what_is_not_http_is_a_broken_protocol() {
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\n630",
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n630",
    ] {
        let peer = FaultyPeer::saying(bytes);
        assert_error(&link(&peer.url), PeerErrorKind::Protocol, Verdict::Failed);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = FaultyPeer::well(b"666");
    for (status, verdict) in [
        (301, Verdict::Answered),
        (302, Verdict::Failed),
        (307, Verdict::Answered),
        (308, Verdict::Answered),
    ] {
        let peer = FaultyPeer::saying(format!(
            "HTTP/1.1 {status} Go\r\nLocation: {}/_geecache/scores/Tom\r\n\
             Content-Length: 0\r\n\r\n",
            elsewhere.url
        ));
        assert_error(&link(&peer.url), PeerErrorKind::Protocol, verdict);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_key_too_long_for_a_path_is_refused_here_and_the_longest_that_fits_is_sent() {
    let peer = FaultyPeer::well(b"630");
    let link = link(&peer.url);
    let prefix = wire::request_path("/_geecache/", "g", "").len();
    let longest = "k".repeat(MAX_PATH_BYTES - prefix);
    let (answer, _) = get_within(&link, "g", &longest, PATIENCE);
    assert!(answer.unwrap().value().is_some_and(|it| it == "630"));
    let (answer, verdict) = get_within(&link, "g", &format!("{longest}k"), PATIENCE);
    assert_eq!(answer.unwrap_err().kind(), PeerErrorKind::NotSupported);
    assert_eq!(verdict, Verdict::Unclear);
    assert_eq!(peer.connections(), 1);
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    const CHILD: &str = "GEECACHE_TEST_PROXY_CHILD";
    if let Ok(url) = std::env::var(CHILD) {
        assert_value(&link(&url), b"630");
        return;
    }
    let peer = FaultyPeer::well(b"630");
    let proxy = FaultyPeer::well(b"666");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "http::peer::gets::tests::proxies_of_the_environment_are_not_used"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, &proxy.url);
    }
    let output = child.env(CHILD, &peer.url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((peer.connections(), proxy.connections()), (1, 0));
}
