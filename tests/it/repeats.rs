//! What happens again and again is logged once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use geecache::{Group, PeerErrorKind};
use log::Level;

use crate::support::{CountingGetter, Hand, MemoryPeers, keep_logs, logged};

#[test]
fn a_source_that_is_down_while_old_values_are_served_is_told_once() {
    keep_logs();
    let (hand, works) = (Hand::default(), Arc::new(AtomicBool::new(true)));
    let getter = CountingGetter::with({
        let works = Arc::clone(&works);
        move |_| match works.load(Ordering::SeqCst) {
            true => Ok("630".into()),
            false => Err("the disk is gone".into()),
        }
    });
    let group = Group::builder("source down", 1 << 20, getter)
        .ttl(Duration::from_secs(1))
        .stale_if_error(Duration::from_secs(60))
        .clock(hand.clock())
        .build();
    for n in 0..100 {
        group.get(&n.to_string()).unwrap();
    }
    works.store(false, Ordering::SeqCst);
    hand.advance(Duration::from_secs(1));
    for n in 0..1_000 {
        group.get(&(n % 100).to_string()).unwrap();
    }
    let told = logged(&["\"source down\"", "past its ttl"]);
    assert!(matches!(told[..], [(Level::Warn, _)]), "{told:?}");
    assert_eq!(group.stats().logs_suppressed, 999);
}

#[test]
fn a_peer_that_fails_is_told_once_for_each_kind_of_failure() {
    keep_logs();
    let peers = MemoryPeers::built(
        2,
        |_| CountingGetter::new(),
        |getter| Group::builder("memory", 0, getter).build(),
    );
    let (asker, link) = (&peers.node(0).group, &peers.node(1).link);
    let before = logged(&["getting", "\"memory\""]).len();
    for (kind, keys) in [(PeerErrorKind::NoSuchGroup, 1_000), (PeerErrorKind::Overloaded, 500)] {
        link.break_with(kind);
        for key in peers.keys_owned_by(&[1], keys) {
            asker.get(&key).unwrap();
        }
    }
    assert_eq!(asker.stats().peer_errors, 1_500);
    assert_eq!(asker.stats().logs_suppressed, 1_498);
    assert!(logged(&["getting", "\"memory\""]).len() >= before + 2);
}

#[test]
fn removals_that_a_peer_does_not_make_are_told_once() {
    let peers = MemoryPeers::new(2);
    peers.node(1).link.break_with(PeerErrorKind::Protocol);
    let group = &peers.node(0).group;
    for n in 0..100 {
        assert!(!group.remove(&n.to_string()).is_complete());
    }
    assert!(group.stats().logs_suppressed >= 99, "{}", group.stats().logs_suppressed);
}
