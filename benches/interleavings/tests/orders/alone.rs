//! Flights, and groups without peers.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use geecache::singleflight::{Role, Singleflight};
use geecache::{Accounting, BatchGetter, Error, Eviction, Group, Loaded};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use crate::{
    LONG, ONE, Source, boxed, changes_and_looks, in_any_order, made, reads, together, version_in,
};

/// Counts who is inside at the same time.
#[derive(Default)]
struct Room {
    inside: AtomicUsize,
    entered: AtomicUsize,
}

impl Room {
    /// Stays for a while. What is returned says how often it was entered before.
    fn visit(&self, most: usize) -> usize {
        let others = self.inside.fetch_add(1, Ordering::SeqCst);
        assert!(others < most, "{others} were inside already");
        let before = self.entered.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        self.inside.fetch_sub(1, Ordering::SeqCst);
        before
    }
}

#[test]
fn one_flies_and_the_others_get_its_value() {
    in_any_order(|| {
        let (flights, room) = (Singleflight::new(), Arc::new(Room::default()));
        let fly = |_| {
            let (flights, room) = (flights.clone(), Arc::clone(&room));
            boxed(move || flights.run("key", || room.visit(1)).unwrap())
        };
        let outcomes = together((0..3).map(fly).collect());
        let flown = room.entered.load(Ordering::SeqCst);
        let led = outcomes.iter().filter(|(_, role)| *role == Role::Leader).count();
        assert_eq!(led, flown, "who flies is the leader");
        assert!(outcomes.iter().all(|(value, _)| *value < flown));
    });
}

#[test]
fn flight_that_panics_leaves_nobody_waiting() {
    in_any_order(|| {
        let (flights, room) = (Singleflight::new(), Arc::new(Room::default()));
        let fly = |_| {
            let (flights, room) = (flights.clone(), Arc::clone(&room));
            boxed(move || {
                let work = || match room.visit(1) {
                    0 => std::panic::panic_any("the first one panics"),
                    before => before,
                };
                catch_unwind(AssertUnwindSafe(|| flights.run("key", work).unwrap().0)).ok()
            })
        };
        let outcomes = together((0..3).map(fly).collect());
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 1);
    });
}

#[test]
fn what_is_read_after_a_removal_was_loaded_after_it() {
    in_any_order(|| {
        let (source, remove) = (Source::default(), |group: &Group| _ = group.remove("key"));
        let group = source.group();
        together(vec![
            boxed(reads(&group)),
            boxed(changes_and_looks(&source, &group, remove)),
            boxed(changes_and_looks(&source, &group, remove)),
        ]);
        assert_eq!(version_in(&group), 2);
    });
}

#[test]
fn what_is_read_after_a_clear_was_loaded_after_it() {
    in_any_order(|| {
        let (source, clear) = (Source::default(), |group: &Group| _ = group.clear());
        let group = source.group();
        together(vec![
            boxed(reads(&group)),
            boxed(reads(&group)),
            boxed(changes_and_looks(&source, &group, clear)),
        ]);
        assert_eq!(version_in(&group), 1);
    });
}

#[test]
fn load_that_began_before_an_insertion_does_not_replace_what_was_inserted() {
    in_any_order(|| {
        let source = Source::default();
        let group = source.group();
        let inserts = {
            let (source, group) = (source.clone(), group.clone());
            move || {
                let version = source.change();
                group.insert("key", Loaded::from(version.to_string())).unwrap();
                assert_eq!(version_in(&group), 1);
            }
        };
        together(vec![boxed(reads(&group)), boxed(reads(&group)), boxed(inserts)]);
        assert_eq!(version_in(&group), 1);
    });
}

#[test]
fn callers_in_a_hurry_share_few_loaders_and_all_get_their_values() {
    in_any_order(|| {
        let room = Arc::new(Room::default());
        let load = {
            let room = Arc::clone(&room);
            move |key: &str| {
                room.visit(1);
                Ok::<_, io::Error>(key.to_owned())
            }
        };
        let group = made(Group::builder("loaded", 1 << 20, load).shards(ONE).max_loaders(ONE));
        let get = |key: &'static str| {
            let group = group.clone();
            boxed(move || assert_eq!(group.get_timeout(key, LONG).unwrap(), key))
        };
        together(vec![get("a"), get("b"), get("a")]);
        assert_eq!(room.entered.load(Ordering::SeqCst), 2, "each was loaded once");
        // Its threads end with it, or this order never does.
    });
}

#[test]
fn batch_with_an_expired_value_waits_for_a_loader_and_gets_all_values() {
    in_any_order(|| {
        let clock = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let hand = Arc::clone(&clock);
        let load = |key: &str| {
            thread::yield_now();
            Ok::<_, io::Error>(key.to_owned())
        };
        let group = Group::builder("loaded", 1 << 20, load)
            .shards(ONE)
            .max_loaders(ONE)
            .ttl(Duration::from_secs(1))
            .stale_if_error(LONG)
            .soft_timeout(LONG)
            .hot_keys(0)
            .clock(move || Duration::from_secs(hand.load(Ordering::SeqCst)))
            .build();
        group.insert("old", Loaded::from("old")).unwrap();
        clock.store(10, Ordering::SeqCst);
        let (one, many) = (group.clone(), group);
        let keys = ["b", "old"];
        together(vec![
            boxed(move || assert_eq!(one.get_timeout("a", LONG).unwrap(), "a")),
            boxed(move || {
                for (key, value) in keys.iter().zip(many.get_many(&keys)) {
                    assert_eq!(value.unwrap(), *key);
                }
            }),
        ]);
    });
}

#[test]
fn batches_that_meet_load_each_key_once_and_wait_for_no_circle() {
    in_any_order(|| {
        let loaded = Arc::new(AtomicUsize::new(0));
        let load = {
            let loaded = Arc::clone(&loaded);
            move |keys: &[&str]| {
                loaded.fetch_add(keys.len(), Ordering::SeqCst);
                thread::yield_now();
                let rows = keys.iter().map(|key| (key.to_string(), key.to_string()));
                Ok::<_, io::Error>(rows.collect::<Vec<_>>())
            }
        };
        let group = made(Group::builder("loaded", 1 << 20, BatchGetter::new(load)).shards(ONE));
        let get = |keys: &'static [&'static str]| {
            let group = group.clone();
            boxed(move || {
                for (key, value) in keys.iter().zip(group.get_many(keys)) {
                    assert_eq!(value.unwrap(), *key);
                }
            })
        };
        together(vec![get(&["a", "b", "c"]), get(&["c", "b"]), get(&["b"])]);
        assert_eq!(loaded.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn loader_that_panics_is_there_for_the_next_load() {
    in_any_order(|| {
        let load = |key: &str| match key {
            "a" => std::panic::panic_any("it panics"),
            _ => Ok::<_, io::Error>(key.to_owned()),
        };
        let group = made(Group::builder("loaded", 1 << 20, load).shards(ONE).max_loaders(ONE));
        let get = |key: &'static str| {
            let group = group.clone();
            boxed(move || group.get_timeout(key, LONG))
        };
        let outcomes = together(vec![get("a"), get("b"), get("b")]);
        assert!(matches!(outcomes[0], Err(Error::Load { .. })));
        assert!(outcomes[1..].iter().all(|it| it.as_ref().is_ok_and(|value| *value == "b")));
    });
}

#[test]
fn cache_never_holds_more_than_it_may() {
    const BYTES: u64 = 400;
    in_any_order(|| {
        let load = |_: &str| Ok::<_, io::Error>(vec![0; 98]);
        let group = Group::builder("full", BYTES, load)
            .shards(2.try_into().unwrap())
            .eviction(Eviction::Lru)
            .accounting(Accounting::PayloadOnly);
        let group = made(group);
        let fill = |keys: [&'static str; 2]| {
            let group = group.clone();
            boxed(move || keys.iter().for_each(|key| assert_eq!(group.get(key).unwrap().len(), 98)))
        };
        let looks = {
            let group = group.clone();
            boxed(move || {
                for _ in 0..4 {
                    let stats = group.main_cache_stats();
                    assert!(stats.charged_bytes <= BYTES, "{stats:?}");
                    thread::yield_now();
                }
            })
        };
        together(vec![fill(["k1", "k2"]), fill(["k3", "k4"]), fill(["k5", "k6"]), looks]);
        let stats = group.main_cache_stats();
        assert_eq!((stats.charged_bytes, stats.bytes), (100 * stats.entries, 100 * stats.entries));
        assert!(stats.entries <= 4, "{stats:?}");
    });
}
