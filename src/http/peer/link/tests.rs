use std::sync::mpsc;
use std::thread;

use super::*;
use crate::getter::Loaded;
use crate::http::exchange::ExchangeOptions;
use crate::http::peer::gets;
use crate::http::testing::{FaultyPeer, SOON, ok};

fn link(url: &str, max_requests: usize) -> Link {
    let exchange = ExchangeOptions { timeout: 2 * SOON, ..ExchangeOptions::default() };
    let max_requests = max_requests.try_into().unwrap();
    let options = PeerOptions { max_requests, exchange, ..PeerOptions::default() };
    Link::new(PeerUrl::parse(url).unwrap(), options)
}

fn get(link: &Link) -> Result<Loaded, Failure> {
    gets::get(link, "g", "k", link.timeout())
}

fn kind(answer: Result<Loaded, Failure>) -> PeerErrorKind {
    answer.unwrap_err().kind
}

/// Ends the pause of the peer's breaker.
fn wait_out(link: &Link) {
    let begun = Instant::now();
    while !link.is_ready() {
        assert!(begun.elapsed() < SOON, "the breaker stays open");
        thread::yield_now();
    }
}

#[test]
fn calls_past_the_bound_are_turned_away_at_once_and_do_not_harm_the_peer() {
    let (arrived_tx, arrived) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gates = Mutex::new((arrived_tx, gone));
    let faulty = FaultyPeer::start(move |talk, _| {
        talk.request();
        let gates = lock(&gates);
        gates.0.send(()).unwrap();
        gates.1.recv_timeout(SOON).unwrap();
        talk.say(&ok(b"630"));
    });
    let link = link(&faulty.url, 1);
    thread::scope(|scope| {
        let slow = scope.spawn(|| get(&link));
        arrived.recv_timeout(SOON).unwrap();
        for _ in 0..5 {
            assert_eq!(kind(get(&link)), PeerErrorKind::Overloaded);
        }
        assert_eq!(link.stats().in_flight, 1);
        assert!(link.is_ready());
        go.send(()).unwrap();
        assert!(slow.join().unwrap().is_ok());
    });
    let stats = link.stats();
    assert_eq!((stats.requests, stats.failures, stats.rejected), (1, 0, 5));
    assert_eq!((stats.in_flight, stats.state), (0, PeerState::Up));
}

#[test]
fn a_peer_that_is_down_is_not_asked_until_a_trial_is_answered() {
    let faulty = FaultyPeer::start(|talk, number| {
        if number >= 3 {
            while talk.request().is_some() && talk.say(&ok(b"630")) {}
        }
    });
    let link = link(&faulty.url, 8);
    for _ in 0..3 {
        assert!(link.is_ready());
        assert_eq!(kind(get(&link)), PeerErrorKind::Unreachable);
    }
    assert!(!link.is_ready());
    assert_eq!(link.stats().state, PeerState::Down);
    assert_eq!(kind(get(&link)), PeerErrorKind::Unreachable);
    assert_eq!(faulty.connections(), 3);
    wait_out(&link);
    assert!(get(&link).is_ok());
    let stats = link.stats();
    assert_eq!(stats.state, PeerState::Up);
    assert_eq!((stats.requests, stats.failures, stats.rejected), (4, 3, 1));
}

#[test]
fn answers_of_an_owner_that_has_no_value_never_open_the_breaker() {
    for answer in [
        "HTTP/1.1 500 X\r\nGeecache: s=load-failed\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 X\r\nGeecache: s=not-found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 504 X\r\nGeecache: s=timed-out\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 X\r\nGeecache: s=overloaded\r\nContent-Length: 0\r\n\r\n",
    ] {
        let faulty =
            FaultyPeer::start(
                move |talk, _| {
                    while talk.request().is_some() && talk.say(answer.as_bytes()) {}
                },
            );
        let link = link(&faulty.url, 8);
        for _ in 0..10 {
            let _ = get(&link);
        }
        let stats = link.stats();
        assert_eq!((stats.state, stats.requests, stats.failures), (PeerState::Up, 10, 0));
    }
}

#[test]
fn a_trial_that_is_given_up_is_given_back() {
    let link = link("http://127.0.0.1:1", 8);
    assert_eq!(kind(get(&link)), PeerErrorKind::Unreachable);
    wait_out(&link);
    drop(CallInFlight::begin(&link, Admit::IfUp).unwrap());
    assert_eq!(link.stats().in_flight, 0);
    assert!(!link.is_ready());
    wait_out(&link);
}

#[test]
fn what_insists_is_sent_to_a_peer_that_is_down_and_may_find_it_up_again() {
    let faulty = FaultyPeer::start(|talk, number| {
        if number >= 3 {
            while talk.request().is_some() && talk.say(&ok(b"630")) {}
        }
    });
    let link = link(&faulty.url, 8);
    for _ in 0..3 {
        assert_eq!(kind(get(&link)), PeerErrorKind::Unreachable);
    }
    assert_eq!(kind(get(&link)), PeerErrorKind::Unreachable);
    let mut sent = false;
    let about = PeerCall::new("get", "g");
    let answer = link.call(Admit::Always, about, |_| {
        sent = true;
        Ok(())
    });
    assert!(answer.is_ok() && sent);
    // It was sent while no trial was due, and so tells the breaker nothing.
    assert_eq!(link.stats().state, PeerState::Down);
    wait_out(&link);
    assert!(link.call(Admit::Always, about, |_| Ok(())).is_ok());
    assert_eq!(link.stats().state, PeerState::Up);
}

#[test]
fn a_link_without_a_breaker_asks_a_peer_that_is_down() {
    let options = PeerOptions::default();
    let link = Link::without_breaker(PeerUrl::parse("http://127.0.0.1:1").unwrap(), options);
    for _ in 0..5 {
        assert_eq!(get(&link).unwrap_err().verdict, Verdict::Refused);
        assert!(link.is_ready());
    }
    assert_eq!((link.stats().requests, link.stats().rejected), (5, 0));
}

#[test]
fn a_call_without_time_left_sends_nothing_and_holds_nothing_against_the_peer() {
    let faulty = FaultyPeer::start(|talk, _| {
        talk.request();
    });
    let link = link(&faulty.url, 8);
    for _ in 0..5 {
        let answer = gets::get(&link, "g", "k", Duration::ZERO);
        assert_eq!(answer.unwrap_err().kind, PeerErrorKind::TimedOut);
    }
    let stats = link.stats();
    assert_eq!((stats.state, stats.requests, stats.failures), (PeerState::Up, 0, 0));
    assert_eq!(faulty.connections(), 0);
}

#[test]
fn one_that_is_in_no_list_any_more_may_end_without_an_event() {
    for (has_left, told) in [(true, 0), (false, 1)] {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let link = link(&format!("http://{closed}"), 1);
        if has_left {
            link.mark_left();
        }
        assert_eq!(kind(get(&link)), PeerErrorKind::Unreachable);
        assert!(!link.is_ready(), "it is known to be down in any case");
        assert_eq!(link.options.events.recent().len(), told);
    }
}
