//! Long bodies over a connection that is kept.

use std::sync::mpsc;

use super::*;
use crate::byteview::ByteView;
use crate::error::PeerErrorKind;
use crate::http::exchange::{Exchange, ExchangeOptions, Failure, Outgoing, Target};
use crate::http::note::Note;
use crate::http::testing::{FaultyPeer, SOON, ok};
use crate::http::token::Tokens;
use crate::http::url::PeerUrl;

const LENGTHS: [usize; 6] =
    [0, INPUT_BYTES, INPUT_BYTES + 1, 3 * INPUT_BYTES, (1 << 20) + 1, 7 << 20];

fn value_of(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

fn exchange(peer: &FaultyPeer) -> Exchange {
    let tokens = Tokens::fixed(vec!["the-secret-of-all-peers".to_owned()]).unwrap();
    let options = ExchangeOptions {
        timeout: 2 * SOON,
        connect_timeout: SOON,
        tokens: Some(Arc::new(tokens)),
        ..Default::default()
    };
    Exchange::new(PeerUrl::parse(&peer.url).unwrap(), options)
}

fn get_within(exchange: &Exchange, time: Duration) -> Result<ByteView, Failure> {
    let target = Target { path: "/_geecache/g/k".to_owned(), note: Note::default() };
    exchange.send(&Outgoing::get(target), time, |answer| answer.into_value(1 << 30))
}

fn get(exchange: &Exchange) -> Result<ByteView, Failure> {
    get_within(exchange, exchange.timeout())
}

#[test]
fn bodies_of_all_lengths_come_over_one_connection() {
    let peer = FaultyPeer::start(|talk, _| {
        for length in LENGTHS.into_iter().cycle() {
            if talk.request().is_none() || !talk.say(&ok(&value_of(length))) {
                return;
            }
        }
    });
    let exchange = exchange(&peer);
    for length in LENGTHS.into_iter().chain(LENGTHS) {
        assert!(get(&exchange).unwrap() == value_of(length), "{length} bytes");
    }
    assert_eq!(peer.connections(), 1);
    let requests = lock(&peer.shared.requests);
    assert_eq!(requests.len(), 2 * LENGTHS.len());
    for request in &*requests {
        assert_eq!(request.matches("Authorization: Bearer the-secret").count(), 1, "{request}");
    }
}

#[test]
fn head_that_comes_before_its_body_is_answered_as_well() {
    let peer = FaultyPeer::start(|talk, _| {
        while talk.request().is_some() {
            let answer = ok(&value_of(200_000));
            let head = answer.len() - 200_000;
            // Three parts, and the other side may see fewer.
            if !(talk.say(&answer[..head])
                && talk.say(&answer[head..head + 1])
                && talk.say(&answer[head + 1..]))
            {
                return;
            }
        }
    });
    let exchange = exchange(&peer);
    for _ in 0..20 {
        assert!(get(&exchange).unwrap() == value_of(200_000));
    }
    assert_eq!(peer.connections(), 1);
}

#[test]
fn connection_that_is_to_be_closed_is_not_used_again() {
    let head = |text: &str| format!("HTTP/1.{text}\r\nContent-Length: 100000\r\n\r\n");
    for text in ["1 200 OK\r\nConnection: close", "0 200 OK"] {
        let answer = [head(text).into_bytes(), value_of(100_000)].concat();
        let (asks, asked) = mpsc::channel();
        let asks = Mutex::new(asks);
        let peer = FaultyPeer::start(move |talk, number| {
            talk.request();
            talk.say(&answer);
            // It leaves the closing to the other side.
            let _ = lock(&asks).send((number, talk.request().is_some()));
        });
        let exchange = exchange(&peer);
        for _ in 0..2 {
            assert_eq!(get(&exchange).unwrap().len(), 100_000);
        }
        drop(exchange);
        let mut all = [asked.recv_timeout(SOON).unwrap(), asked.recv_timeout(SOON).unwrap()];
        all.sort_unstable();
        assert_eq!(all, [(0, false), (1, false)], "{text}");
    }
}

#[test]
fn bytes_behind_the_end_answer_no_other_request() {
    let (said, is_said) = mpsc::channel();
    let said = Mutex::new(said);
    let peer = FaultyPeer::start(move |talk, number| {
        talk.request();
        // All of it finds room at the other side, though nobody reads it.
        talk.say(&[ok(&vec![number as u8; 40_000]), ok(b"forged")].concat());
        lock(&said).send(()).unwrap();
        talk.request();
    });
    let exchange = exchange(&peer);
    for number in 0..3 {
        assert!(get(&exchange).unwrap() == vec![number; 40_000]);
        is_said.recv_timeout(SOON).unwrap();
    }
}

#[test]
fn body_that_ends_early_is_an_error_and_the_next_one_comes() {
    let peer = FaultyPeer::start(|talk, number| {
        let answer = ok(&value_of(300_000));
        talk.request();
        talk.say(if number == 0 { &answer[..200_000] } else { &answer });
    });
    let exchange = exchange(&peer);
    assert_eq!(get(&exchange).unwrap_err().kind, PeerErrorKind::Unreachable);
    assert_eq!(get(&exchange).unwrap().len(), 300_000);
}

#[test]
fn body_that_stops_or_comes_in_drops_ends_with_the_time() {
    for drops in [false, true] {
        let (over, is_over) = mpsc::channel::<()>();
        let is_over = Mutex::new(is_over);
        let peer = FaultyPeer::start(move |talk, _| {
            talk.request();
            talk.say(&ok(&value_of(300_000))[..100_000]);
            let wait = Duration::from_millis(5);
            while lock(&is_over).recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
                if drops && !talk.say(b"x") {
                    return;
                }
            }
        });
        let exchange = exchange(&peer);
        let begun = Instant::now();
        let error = get_within(&exchange, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind, PeerErrorKind::TimedOut, "{error:?}");
        assert!(begun.elapsed() < SOON);
        drop(over);
    }
}

#[test]
fn connection_that_the_peer_has_closed_meanwhile_is_replaced() {
    let (closed, is_closed) = mpsc::channel();
    let closed = Mutex::new(closed);
    let peer = FaultyPeer::start(move |talk, _| {
        talk.request();
        talk.say(&ok(&value_of(100_000)));
        talk.stream.shutdown(std::net::Shutdown::Both).unwrap();
        lock(&closed).send(()).unwrap();
    });
    let exchange = exchange(&peer);
    for _ in 0..3 {
        assert_eq!(get(&exchange).unwrap().len(), 100_000);
        is_closed.recv_timeout(SOON).unwrap();
    }
    assert_eq!(peer.connections(), 3);
}

#[test]
fn connection_goes_with_its_exchange() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let peer = FaultyPeer::start(move |talk, _| {
        talk.request();
        talk.say(&ok(&value_of(100_000)));
        lock(&told).send(talk.request().is_none()).unwrap();
    });
    let exchange = exchange(&peer);
    assert_eq!(get(&exchange).unwrap().len(), 100_000);
    drop(exchange);
    assert_eq!(tell.recv_timeout(SOON), Ok(true), "the other side has closed it");
}
