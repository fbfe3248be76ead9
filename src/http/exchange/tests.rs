//! What an exchange remembers of where its peer is.

use std::io;
use std::sync::Mutex;
use std::thread;

use super::*;
use crate::http::note::Note;
use crate::http::testing::{FaultyPeer, SOON, ok};
use crate::sync::lock;

#[track_caller]
fn assert_answered(exchange: &Exchange) {
    let target = Target { path: "/_geecache/g/k".to_owned(), note: Note::default() };
    let request = Outgoing::get(target);
    let value = exchange.send(&request, exchange.timeout(), |answer| answer.into_value(100));
    assert_eq!(value.unwrap(), "630");
}

#[test]
fn a_name_that_stops_resolving_keeps_its_last_address() {
    let peer = FaultyPeer::start(|talk, _| {
        // One request for each connection, so that each call needs an address.
        talk.request();
        talk.say(&ok(b"630"));
    });
    let address = peer.url.strip_prefix("http://").unwrap().parse().unwrap();
    let rounds = Arc::new(Mutex::new(0));
    let look_up = {
        let rounds = Arc::clone(&rounds);
        move |_: &str, _| {
            *lock(&rounds) += 1;
            if *lock(&rounds) == 1 {
                Ok(vec![address])
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }
    };
    let url = PeerUrl::parse("http://peer.invalid:8001").unwrap();
    let options =
        ExchangeOptions { timeout: 2 * SOON, connect_timeout: SOON, ..Default::default() };
    let addresses = Addresses::with_look_up(&url, look_up);
    let exchange = Exchange::with_addresses(url, addresses, options);
    assert_answered(&exchange);
    let begun = Instant::now();
    while *lock(&rounds) == 1 {
        exchange.addresses.doubt();
        assert!(begun.elapsed() < SOON, "nobody looks it up again");
        thread::yield_now();
    }
    for _ in 0..3 {
        assert_answered(&exchange);
    }
    drop(peer);
}
