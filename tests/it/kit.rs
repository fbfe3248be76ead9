//! The kit for the tests of users, `geecache::testing`: what its own promises are.

#[cfg(feature = "http")]
mod cluster;
#[cfg(feature = "http")]
mod faults;
#[cfg(feature = "http")]
mod time;

use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use geecache::testing::{CountingGetter, DelegatingGetter, FakeClock, Gate};
use geecache::{ChangeStamp, Group, Loaded, PeerError, PeerErrorKind, PeerGetter};

use crate::support::ScriptedPeer;

/// What a panic says.
fn said(panics: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(panics).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn gate_that_nobody_opens_says_so() {
    let gate = Gate::closed().patience(Duration::from_millis(1));
    let (passes, waits) = (gate.clone(), gate.clone());
    assert_eq!(said(move || passes.pass()), "nobody opened the gate within 1ms");
    assert_eq!(said(move || waits.wait_for_arrivals(2)), "1 of 2 came to the gate within 1ms");
    gate.open();
    gate.pass();
    assert_eq!(gate.arrivals(), 2);
}

#[test]
fn fake_clock_goes_on_when_it_is_told_and_clones_are_one_clock() {
    let clock = FakeClock::new();
    let read = clock.reader();
    clock.clone().advance(Duration::from_secs(3));
    assert_eq!((clock.now(), read()), (Duration::from_secs(3), Duration::from_secs(3)));
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    assert!(read() > Duration::from_secs(500 * 365 * 24 * 60 * 60));
}

#[test]
fn counting_getter_counts_keys_and_batches() {
    let source = CountingGetter::new();
    let group = Group::new("counted", 1 << 20, source.clone());
    group.get("Tom").unwrap();
    assert!(group.get_many(["Tom", "Jack", "Sam"]).iter().all(Result::is_ok));
    assert_eq!((source.calls(), source.calls_of("Tom"), source.calls_of("nobody")), (3, 1, 0));
    assert_eq!(source.batches(), [["Jack", "Sam"]]);
}

#[test]
fn delegating_getter_answers_what_its_look_says_and_asks_nobody() {
    let peer = ScriptedPeer::new(|_| Ok(Loaded::from("630")));
    let asked: Arc<dyn PeerGetter> = Arc::clone(&peer) as _;
    let looks = DelegatingGetter::new(asked, |request| match request.method {
        "get" => Ok(()),
        method => Err(PeerError::new(PeerErrorKind::TimedOut, request.peer, method)),
    });
    assert_eq!(looks.get("g", "Tom").unwrap().into_value().unwrap(), "630");
    assert_eq!(looks.name(), peer.name());
    assert!(looks.get_timeout("g", "Tom", Duration::from_secs(1)).is_err());
    let mut told = Vec::new();
    looks.get_many("g", &["Tom", "Jack"], &mut |at, answer| told.push((at, answer.is_err())));
    assert_eq!(told, [(0, true), (1, true)]);
    assert!(looks.remove("g", &["Tom"], ChangeStamp::UNORDERED).is_err());
    assert_eq!(peer.requests(), 1);
}
