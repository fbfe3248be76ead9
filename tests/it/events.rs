//! What happens in a group, as its subscriber is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{
    Error, Event, Eviction, EvictionReason, Group, GroupBuilder, Loaded, PeerErrorKind, StaleReason,
};

use crate::support::{CountingGetter, Gate, Hand, MemoryPeers, SOON, start};

const SECOND: Duration = Duration::from_secs(1);

/// The group, and what its subscriber is told.
fn watched(builder: GroupBuilder) -> (Group, Receiver<Event>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let subscriber = move |event: &Event| tell.lock().unwrap().send(event.clone()).unwrap();
    (builder.on_event(subscriber).build(), told)
}

#[track_caller]
fn next(told: &Receiver<Event>) -> Event {
    told.recv_timeout(SOON).expect("something happened")
}

/// The next event, as its name and its key.
#[track_caller]
fn next_key(told: &Receiver<Event>) -> (&'static str, String) {
    let event = next(told);
    let name = event.name();
    match event {
        Event::Evicted { group, key, .. }
        | Event::Expired { group, key }
        | Event::LoadFailed { group, key, .. }
        | Event::StaleServed { group, key, .. } => {
            assert_eq!(group, "watched");
            (name, key)
        }
        event => panic!("{event:?}"),
    }
}

#[test]
fn entries_that_leave_are_told_with_the_reason() {
    let value = |length| CountingGetter::with(move |_| Ok(vec![7; length].into()));
    let builder = Group::builder("watched", 10_000, value(3_000)).eviction(Eviction::Lru);
    let (group, told) = watched(builder);
    for key in ["a", "b", "c", "d"] {
        group.get(key).unwrap();
    }
    let Event::Evicted { key, reason, .. } = next(&told) else { panic!("an eviction") };
    assert_eq!((&*key, reason), ("a", EvictionReason::MadeRoom));
    // What a caller removes or replaces is no event.
    group.remove("b");
    group.insert("c", Loaded::from("new")).unwrap();
    let large = Group::builder("watched", 10_000, value(20_000));
    let (large, told_of_large) = watched(large);
    large.get("large").unwrap();
    let Event::Evicted { key, reason, .. } = next(&told_of_large) else { panic!("an eviction") };
    assert_eq!((&*key, reason), ("large", EvictionReason::TooLarge));
    group.clear();
    assert!(told.try_recv().is_err());
}

#[test]
fn an_entry_that_is_worth_less_than_the_others_is_told_as_not_admitted() {
    let getter = CountingGetter::with(|_| Ok(vec![7; 100].into()));
    let (group, told) = watched(Group::builder("watched", 20_000, getter));
    // Keys that are all in use, and then many that are asked for once.
    for _ in 0..50 {
        (0..60).for_each(|n| drop(group.get(&format!("used {n}")).unwrap()));
    }
    (0..500).for_each(|n| drop(group.get(&format!("once {n}")).unwrap()));
    assert_eq!(group.stats().events_dropped, 0);
    let evicted = group.main_cache_stats().evictions as usize;
    let all: Vec<EvictionReason> = (0..evicted)
        .map(|_| match next(&told) {
            Event::Evicted { reason, .. } => reason,
            event => panic!("{event:?}"),
        })
        .collect();
    let refused = all.iter().filter(|reason| **reason == EvictionReason::NotAdmitted).count();
    assert!(refused > 300, "{refused} of {evicted}");
}

#[test]
fn entries_that_expire_and_stale_ones_that_are_served_are_told() {
    let (hand, works) = (Hand::default(), Arc::new(AtomicBool::new(true)));
    let getter = CountingGetter::with({
        let works = Arc::clone(&works);
        move |_| match works.load(Ordering::SeqCst) {
            true => Ok("630".into()),
            false => Err("the disk is gone".into()),
        }
    });
    let builder = Group::builder("watched", 1 << 20, getter)
        .ttl(SECOND)
        .stale_if_error(2 * SECOND)
        .clock(hand.clock());
    let (group, told) = watched(builder);
    group.get("Tom").unwrap();
    works.store(false, Ordering::SeqCst);
    hand.advance(SECOND);
    group.get("Tom").unwrap();
    assert_eq!(next_key(&told), ("load-failed", "Tom".to_owned()));
    let Event::StaleServed { reason, .. } = next(&told) else { panic!("a stale value") };
    assert_eq!(reason, StaleReason::LoadFailed);
    hand.advance(2 * SECOND);
    assert!(group.get("Tom").is_err());
    assert_eq!(next_key(&told), ("expired", "Tom".to_owned()));
    let event = next(&told);
    let Event::LoadFailed { error: Error::Load { source, .. }, .. } = &event else {
        panic!("{event:?}")
    };
    assert_eq!(source.to_string(), "the disk is gone");
    let text = event.to_string();
    assert_eq!(text, "loading \"Tom\" of group \"watched\" failed: the disk is gone");
    // Those that are rare are remembered.
    let recent = group.recent_events();
    let recent: Vec<&str> = recent.iter().map(|past| past.event.name()).collect();
    assert_eq!(recent, ["load-failed", "load-failed"]);
}

#[test]
fn a_value_that_is_refreshed_while_it_is_served_is_told() {
    let hand = Hand::default();
    let builder = Group::builder("watched", 1 << 20, CountingGetter::new())
        .ttl(SECOND)
        .stale_while_revalidate(SECOND)
        .clock(hand.clock());
    let (group, told) = watched(builder);
    group.get("Tom").unwrap();
    hand.advance(SECOND);
    group.get("Tom").unwrap();
    let Event::StaleServed { key, reason, .. } = next(&told) else { panic!("a stale value") };
    assert_eq!((&*key, reason), ("Tom", StaleReason::Refreshing));
}

#[test]
fn a_panic_of_the_getter_is_a_load_that_failed_for_each_key() {
    let getter = CountingGetter::with(|key| panic!("the getter panics on {key}"));
    let (group, told) = watched(Group::builder("watched", 1 << 20, getter));
    let theirs = group.clone();
    assert!(start(move || theirs.get("Tom")).outcome().is_err());
    assert_eq!(next_key(&told), ("load-failed", "Tom".to_owned()));
    assert!(group.get_many(&["a", "b"]).iter().all(Result::is_err));
    assert_eq!(next_key(&told), ("load-failed", "a".to_owned()));
    assert_eq!(next_key(&told), ("load-failed", "b".to_owned()));
}

#[test]
fn a_removal_that_a_peer_did_not_make_is_told_once_for_each_peer() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let subscriber = move |event: &Event| tell.lock().unwrap().send(event.clone()).unwrap();
    let subscriber = Mutex::new(Some(subscriber));
    let build = |getter| {
        let builder = Group::builder("memory", 1 << 20, getter);
        // The first group is the one that is looked at.
        let subscriber = subscriber.lock().unwrap().take();
        subscriber.into_iter().fold(builder, GroupBuilder::on_event).build()
    };
    let peers = MemoryPeers::built(3, |_| CountingGetter::new(), build);
    let group = &peers.node(0).group;
    let mine = peers.key_owned_by(&[0]);
    group.remove(&mine);
    peers.node(2).link.break_with(PeerErrorKind::Protocol);
    assert!(!group.remove_many(&[&mine, "other"]).is_complete());
    let event = next(&told);
    let Event::RemovalIncomplete { first_key, keys, error, .. } = &event else {
        panic!("{event:?}")
    };
    assert!(first_key.is_some() && *keys >= 1);
    assert_eq!((error.peer(), error.kind()), ("2", PeerErrorKind::Protocol));
    group.clear();
    let event = next(&told);
    let Event::RemovalIncomplete { first_key: None, keys: 0, .. } = event else {
        panic!("{event:?}")
    };
    assert!(event.to_string().contains("was not cleared everywhere"), "{event}");
    assert!(told.try_recv().is_err(), "three rounds are one event");
    assert_eq!(group.recent_events().len(), 2);
}

#[test]
fn a_subscriber_that_is_stuck_holds_nobody_up_and_what_it_misses_is_counted() {
    let gate = Gate::closed();
    let getter = CountingGetter::with(|_| Err("the disk is gone".into()));
    let held = gate.clone();
    let group = Group::builder("watched", 1 << 20, getter).on_event(move |_| held.pass()).build();
    for n in 0..2_000 {
        assert!(group.get(&n.to_string()).is_err());
    }
    assert!(group.stats().events_dropped >= 900, "{}", group.stats().events_dropped);
    gate.open();
}

#[test]
fn a_subscriber_may_use_the_group() {
    let (tell, told) = mpsc::channel();
    let shared = Arc::new(Mutex::new((None::<Group>, tell)));
    let theirs = Arc::clone(&shared);
    let getter = CountingGetter::with(|key| match key {
        "bad" => Err("the disk is gone".into()),
        _ => Ok("630".into()),
    });
    let subscriber = move |_: &Event| {
        let (group, tell) = {
            let shared = theirs.lock().unwrap();
            (shared.0.clone(), shared.1.clone())
        };
        tell.send(group.unwrap().get("good")).unwrap();
    };
    let group = Group::builder("watched", 1 << 20, getter).on_event(subscriber).build();
    shared.lock().unwrap().0 = Some(group.clone());
    assert!(group.get("bad").is_err());
    assert_eq!(told.recv_timeout(SOON).unwrap().unwrap(), "630");
    shared.lock().unwrap().0 = None;
}
