//! What a getter says of values that are there: unchanged, or new; one by one and in batches.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{BoxError, ConditionalGetter, Getter, Group, GroupBuilder, Loaded, Refreshed};

use crate::support::{
    Condition, CountingGetter, Hand, MemoryPeers, Versions, until, value_at, version_of,
};

const SECOND: Duration = Duration::from_secs(1);

/// A source that is asked whether what is there is still right, and counts that.
#[derive(Clone)]
struct Asked {
    source: Versions,
    getter: CountingGetter,
    refreshed: Arc<Mutex<Vec<String>>>,
    /// How long an unchanged value holds, if it is not for the group to say.
    holds: Option<Duration>,
}

impl Asked {
    fn new(source: &Versions) -> Self {
        let (source, refreshed) = (source.clone(), Arc::default());
        Self { getter: source.getter(), source, refreshed, holds: None }
    }

    fn refreshed(&self) -> usize {
        self.refreshed.lock().unwrap().len()
    }
}

impl Getter for Asked {
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        self.getter.get(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        self.getter.get_many(keys)
    }

    fn refresh(&self, key: &str, old: &Loaded) -> Result<Refreshed, BoxError> {
        self.refreshed.lock().unwrap().push(key.to_owned());
        if version_of(old.value().unwrap()) != self.source.version(key) {
            return self.get(key).map(Refreshed::Changed);
        }
        Ok(self.holds.map_or(Refreshed::Unchanged, Refreshed::UnchangedFor))
    }
}

/// A ttl of 10 s, after which values are served for 5 s more and held for an hour.
fn builder(hand: &Hand, getter: impl Getter) -> GroupBuilder {
    Group::builder("alone", 64 << 20, getter)
        .ttl(10 * SECOND)
        .stale_while_revalidate(5 * SECOND)
        .stale_if_error(3600 * SECOND)
        .clock(hand.clock())
}

fn is_fresh(group: &Group, key: &str) -> bool {
    group.peer_side().peek(key).is_some()
}

#[test]
fn an_unchanged_value_lives_on_without_a_copy() {
    let (hand, source) = (Hand::default(), Versions::default());
    let asked = Asked::new(&source);
    let group = builder(&hand, asked.clone()).build();
    let place = group.get("Tom").map(|_| group.get("Tom").unwrap().as_ptr()).unwrap();
    for refresh in 1..=3 {
        // Past the time in which it is served to others meanwhile, who would have it as well.
        hand.advance(60 * SECOND);
        assert_eq!(group.get("Tom").unwrap().as_ptr(), place, "the same bytes");
        assert!(is_fresh(&group, "Tom"));
        assert_eq!(asked.refreshed(), refresh);
    }
    let stats = group.stats();
    assert_eq!((asked.getter.calls(), stats.unchanged, stats.local_loads), (1, 3, 4));
    assert_eq!(group.main_cache_stats().inserts, 1);
}

#[test]
fn a_value_that_is_refreshed_while_it_is_served_is_asked_about() {
    let (hand, source) = (Hand::default(), Versions::default());
    let asked = Asked::new(&source);
    let group = builder(&hand, asked.clone()).build();
    group.get("Tom").unwrap();
    for refresh in 1..=3 {
        hand.advance(10 * SECOND);
        group.get("Tom").unwrap();
        until("it is fresh", || is_fresh(&group, "Tom"));
        assert_eq!((asked.refreshed(), asked.getter.calls()), (refresh, 1));
    }
    let stats = group.stats();
    assert_eq!((stats.unchanged, stats.refreshes, stats.hits_stale), (3, 3, 3));
}

#[test]
fn a_value_that_a_caller_has_keeps_its_bytes_and_the_entry_lives_on_as_well() {
    let (hand, source) = (Hand::default(), Versions::default());
    let group = builder(&hand, Asked::new(&source)).build();
    group.get("Tom").unwrap();
    let held = group.get("Tom").unwrap();
    hand.advance(20 * SECOND);
    let renewed = group.get("Tom").unwrap();
    assert_eq!((version_of(&held), version_of(&renewed)), (0, 0));
    assert!(is_fresh(&group, "Tom"));
    hand.advance(20 * SECOND);
    assert!(!is_fresh(&group, "Tom"));
    assert_eq!(group.stats().unchanged, 1);
}

#[test]
fn an_expired_value_that_is_held_is_asked_about_by_the_load() {
    let (hand, source) = (Hand::default(), Versions::default());
    let asked = Asked::new(&source);
    let group = builder(&hand, asked.clone()).build();
    group.get("Tom").unwrap();
    hand.advance(60 * SECOND);
    assert_eq!(version_of(&group.get("Tom").unwrap()), 0);
    assert_eq!((asked.refreshed(), asked.getter.calls()), (1, 1));
    hand.advance(60 * SECOND);
    source.write("Tom");
    assert_eq!(version_of(&group.get("Tom").unwrap()), 1);
    hand.advance(60 * SECOND);
    group.remove("Tom");
    assert_eq!(version_of(&group.get("Tom").unwrap()), 1);
    assert_eq!(
        (asked.refreshed(), asked.getter.calls()),
        (2, 3),
        "nothing is known of a removed one"
    );
    assert_eq!(group.stats().hits_stale, 0);
}

#[test]
fn an_unchanged_value_holds_for_as_long_as_the_getter_says() {
    let (hand, source) = (Hand::default(), Versions::default());
    let asked = Asked { holds: Some(3 * SECOND), ..Asked::new(&source) };
    let group = builder(&hand, asked).build();
    group.get("Tom").unwrap();
    hand.advance(60 * SECOND);
    group.get("Tom").unwrap();
    hand.advance(2 * SECOND);
    assert!(is_fresh(&group, "Tom"));
    hand.advance(SECOND);
    assert!(!is_fresh(&group, "Tom"));
}

#[test]
fn a_value_that_is_gone_at_the_source_is_gone() {
    let (hand, source) = (Hand::default(), Versions::default());
    let refresh = {
        let source = source.clone();
        move |key: &str, _: &Loaded| -> Result<Refreshed, BoxError> {
            match source.condition(key) {
                Condition::Absent => Err(geecache::NotFound.into()),
                _ => Ok(Refreshed::Unchanged),
            }
        }
    };
    let group = builder(&hand, ConditionalGetter::new(source.getter(), refresh)).build();
    group.get("Tom").unwrap();
    hand.advance(60 * SECOND);
    assert!(group.get("Tom").is_ok());
    source.make("Tom", Condition::Absent);
    hand.advance(60 * SECOND);
    assert!(matches!(group.get("Tom"), Err(geecache::Error::NotFound { .. })));
    assert!(group.peek_loaded("Tom").is_none());
}

#[test]
fn a_removal_during_the_question_lets_nothing_live_on() {
    let hand = Hand::default();
    let group: Arc<std::sync::OnceLock<Group>> = Arc::default();
    let removes = Arc::clone(&group);
    let refresh = move |key: &str, _: &Loaded| {
        removes.get().unwrap().remove(key);
        Ok::<_, BoxError>(Refreshed::Unchanged)
    };
    let source = Versions::default();
    let getter = ConditionalGetter::new(source.getter(), refresh);
    group.set(builder(&hand, getter).build()).ok().unwrap();
    let group = group.get().unwrap();
    group.get("Tom").unwrap();
    hand.advance(60 * SECOND);
    assert_eq!(group.get("Tom").unwrap(), value_at(0).as_str(), "for the one who asked before");
    assert!(group.peek("Tom").is_none());
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("key {n}")).collect()
}

fn write_all(source: &Versions, keys: &[String]) {
    for key in keys {
        source.write(key);
    }
}

#[test]
fn stale_keys_of_a_batch_are_refreshed_by_one_call() {
    let (hand, source) = (Hand::default(), Versions::default());
    let getter = source.getter();
    let group = builder(&hand, getter.clone()).build();
    let keys = many(1000);
    group.get_many(&keys);
    hand.advance(10 * SECOND);
    write_all(&source, &keys);
    assert!(group.get_many(&keys).into_iter().all(|it| version_of(&it.unwrap()) == 0));
    until("all are fresh", || keys.iter().all(|key| is_fresh(&group, key)));
    assert!(group.get_many(&keys).into_iter().all(|it| version_of(&it.unwrap()) == 1));
    let batches: Vec<usize> = getter.batches().iter().map(Vec::len).collect();
    assert_eq!((batches, group.stats().refreshes), (vec![1000, 1000], 1000));
}

#[test]
fn stale_keys_of_a_batch_whose_getter_is_a_closure_are_all_refreshed() {
    let (hand, source) = (Hand::default(), Versions::default());
    let getter = source.getter();
    let group = builder(&hand, move |key: &str| getter.get(key)).build();
    let keys = many(100);
    group.get_many(&keys);
    hand.advance(10 * SECOND);
    write_all(&source, &keys);
    group.get_many(&keys);
    until("all are fresh", || keys.iter().all(|key| is_fresh(&group, key)));
    assert_eq!((group.stats().refreshes, group.stats().local_loads), (100, 200));
}

#[test]
fn what_peers_ask_for_in_a_batch_is_refreshed_together_too() {
    let (hand, source) = (Hand::default(), Versions::default());
    let peers = MemoryPeers::built(
        2,
        |_| source.getter(),
        |getter| {
            Group::builder("memory", 64 << 20, getter)
                .ttl(10 * SECOND)
                .stale_while_revalidate(5 * SECOND)
                .hot_cache(geecache::HotCache::Off)
                .clock(hand.clock())
                .build()
        },
    );
    let keys = peers.keys_owned_by(&[1], 50);
    peers.node(0).group.get_many(&keys);
    hand.advance(10 * SECOND);
    peers.node(0).group.get_many(&keys);
    let owner = peers.node(1);
    until("all are fresh", || keys.iter().all(|key| is_fresh(&owner.group, key)));
    assert_eq!(owner.getter.batches().len(), 2);
}

#[test]
fn a_batch_of_old_values_is_asked_about_together() {
    /// Says of even keys that they have not changed.
    struct Even(Arc<Mutex<Vec<usize>>>);
    impl Getter for Even {
        fn get(&self, key: &str) -> Result<Loaded, BoxError> {
            Ok(key.into())
        }

        fn refresh_many(&self, keys: &[&str], old: &[Loaded]) -> Vec<Result<Refreshed, BoxError>> {
            self.0.lock().unwrap().push(old.len());
            let refresh = |(key, old): (&&str, &Loaded)| {
                let is_even = key.ends_with(['0', '2', '4', '6', '8']);
                assert_eq!(old.value().unwrap(), *key);
                Ok(if is_even { Refreshed::Unchanged } else { Refreshed::Changed("new".into()) })
            };
            keys.iter().zip(old).map(refresh).collect()
        }
    }
    let (hand, asked) = (Hand::default(), Arc::default());
    let group = builder(&hand, Even(Arc::clone(&asked))).build();
    let keys = many(10);
    group.get_many(&keys);
    hand.advance(60 * SECOND);
    let values = group.get_many(&keys).into_iter().map(|value| value.unwrap());
    let new: BTreeSet<usize> =
        values.enumerate().filter(|(_, value)| value == "new").map(|(at, _)| at).collect();
    assert_eq!(new, BTreeSet::from([1, 3, 5, 7, 9]));
    assert_eq!((asked.lock().unwrap().clone(), group.stats().unchanged), (vec![10], 5));
}
