//! What has a tag goes with it: every interleaving of a load and a removal that the group's sources
//! name; and of several writers the newest prevails.

use std::time::Duration;

use geecache::{Event, Group, HotCache, Loaded, PeerErrorKind, RemoveReport, Tag};

use crate::support::{
    Condition, CountingGetter, Gate, Hand, MemoryPeers, Point, Random, Running, Versions, start,
    until, value_at, version_of, with_seeds,
};

const TAG: &str = "user:7";

/// Peers over one source of tagged values, of which each keeps a copy of all that it fetches.
fn peers_with_copies(first: usize, count: usize, source: &Versions) -> MemoryPeers {
    MemoryPeers::growing(
        first,
        count,
        |_| source.tagged_getter(TAG),
        |getter| Group::builder("memory", 64 << 20, getter).hot_cache(HotCache::Always).build(),
    )
}

#[track_caller]
fn version(group: &Group, key: &str) -> u64 {
    version_of(&group.get(key).unwrap())
}

fn start_get(group: &Group, key: &str) -> Running<u64> {
    let (group, key) = (group.clone(), key.to_owned());
    start(move || version_of(&group.get(&key).unwrap()))
}

fn start_remove(group: &Group) -> Running<RemoveReport> {
    let group = group.clone();
    start(move || group.remove_tag(TAG))
}

#[test]
fn what_has_the_tag_goes_and_all_else_stays() {
    let getter = CountingGetter::with(|key| {
        let loaded = if key.starts_with("no") { Loaded::absent() } else { Loaded::from(key) };
        Ok(key.split('+').skip(1).fold(loaded, Loaded::tag))
    });
    let group =
        Group::builder("alone", 1 << 20, getter).negative_ttl(Duration::from_secs(60)).build();
    let keys = ["a", "a+x", "a+y", "a+x+y", "no", "no+x", "a+1+2+3+4+5+6+7+8+9"];
    let held = || -> Vec<&str> {
        keys.into_iter().filter(|key| group.peek_loaded(key).is_some()).collect()
    };
    group.get_many(keys);
    assert_eq!(held(), keys);
    assert!(group.peek_loaded("no+x").unwrap().tags().eq([Tag::from("x")]));
    assert!(group.peek_loaded(keys[6]).unwrap().tags().eq([Tag::ANY]), "more than eight");
    assert!(group.remove_tag("z").is_complete());
    assert_eq!(held(), keys[..6], "that with too many goes with any");
    group.remove_tag("x");
    assert_eq!(held(), ["a", "a+y", "no"]);
    group.get_many(keys);
    assert_eq!(held(), keys, "what is loaded later stays");
    group.remove_tags(["x", "y"]);
    assert_eq!(held(), ["a", "no"]);
    group.remove_tags([""; 0]);
    assert_eq!(group.stats().tag_removes, 4);
    let group = Group::new("alone", 1 << 20, |key: &str| Ok::<_, std::fmt::Error>(key.to_owned()));
    group.insert("k", Loaded::from("inserted").tag("x")).unwrap();
    assert_eq!(group.get("k").unwrap(), "inserted");
    group.remove_tag("x");
    assert_eq!(group.get("k").unwrap(), "k");
}

#[test]
fn a_getter_that_read_before_the_removal_serves_those_who_waited_and_nobody_later() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let getter = source.tagged_getter(TAG);
    let group = Group::new("alone", 1 << 20, getter.clone());
    source.hold_next(&gate);
    let old = start_get(&group, "Tom");
    gate.wait_for_arrivals(1);
    let waited = start_get(&group, "Tom");
    until("it waits", || group.stats().gets == 2);
    source.write("Tom");
    group.remove_tag(TAG);
    let later = start_get(&group, "Tom");
    let batch = {
        let group = group.clone();
        start(move || version_of(group.get_many(["Tom", "Sam"])[0].as_ref().unwrap()))
    };
    until("they come", || group.stats().gets == 5);
    gate.open();
    assert_eq!(old.result(), 0, "it began before the removal");
    assert!(waited.result() <= 1);
    assert_eq!((later.result(), batch.result()), (1, 1));
    assert_eq!(version(&group, "Tom"), 1);
    assert_eq!(getter.calls(), 3, "Tom twice and Sam");
}

#[test]
fn nobody_keeps_what_such_a_getter_brings_even_if_no_other_load_follows() {
    let (source, gate, hand) = (Versions::default(), Gate::closed(), Hand::default());
    let second = Duration::from_secs(1);
    let group = Group::builder("alone", 64 << 20, source.tagged_getter(TAG))
        .ttl(second)
        .stale_while_revalidate(second)
        .clock(hand.clock())
        .build();
    source.hold_next(&gate);
    let old = start_get(&group, "Tom");
    gate.wait_for_arrivals(1);
    source.write("Tom");
    group.remove_tag(TAG);
    gate.open();
    assert_eq!(old.result(), 0);
    assert_eq!(group.main_cache_stats().entries, 0);
    assert_eq!(version(&group, "Tom"), 1);
    // The same of a refresh.
    hand.advance(second + second / 2);
    let gate = Gate::closed();
    source.hold_next(&gate);
    assert_eq!(version(&group, "Tom"), 1, "it is served while it is refreshed");
    gate.wait_for_arrivals(1);
    source.write("Tom");
    group.remove_tag(TAG);
    let later = start_get(&group, "Tom");
    until("it comes", || group.stats().gets == 4);
    gate.open();
    assert_eq!(later.result(), 2);
}

#[test]
fn an_answer_under_way_to_a_peer_does_not_become_a_copy_and_serves_nobody_later() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(2, 2, &source);
    let key = peers.key_owned_by(&[1]);
    let (asker, owner) = (peers.node(0), peers.node(1));
    owner.link.hold(Point::GetAnswered, &gate);
    let old = start_get(&asker.group, &key);
    gate.wait_for_arrivals(1);
    source.write(&key);
    assert!(owner.group.remove_tag(TAG).is_complete());
    let later = start_get(&asker.group, &key);
    until("it comes", || asker.stats().gets == 2);
    gate.open();
    assert_eq!((old.result(), later.result()), (0, 1));
    assert_eq!(version(&asker.group, &key), 1);
    assert_eq!(asker.getter.calls(), 0, "the owner was asked again");
}

#[test]
fn a_peer_that_was_told_asks_an_owner_that_was_not() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(3, 3, &source);
    let key = peers.key_owned_by(&[1]);
    let (asker, owner, remover) = (peers.node(0), peers.node(1), peers.node(2));
    assert_eq!(version(&owner.group, &key), 0);
    owner.link.hold(Point::RemoveSent, &gate);
    source.write(&key);
    let removal = start_remove(&remover.group);
    until("the asker is told", || asker.stats().tag_removes == 1);
    assert_eq!(version(&asker.group, &key), 0, "the removal goes on");
    assert_eq!(version(&remover.group, &key), 0);
    gate.open();
    assert!(removal.result().is_complete());
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 1);
    }
}

#[test]
fn a_new_owner_that_was_told_takes_nothing_over_from_a_previous_one_that_was_not() {
    for in_parts in [false, true] {
        let (source, gate) = (Versions::default(), Gate::closed());
        let peers = peers_with_copies(2, 3, &source);
        let (previous, remover, new) = (peers.node(0), peers.node(1), peers.node(2));
        let key = peers.key_that_moves(0, 2);
        assert_eq!(version(&previous.group, &key), 0);
        peers.join(2);
        previous.link.hold(Point::RemoveSent, &gate);
        source.write(&key);
        let removal = start_remove(&remover.group);
        until("the new owner is told", || new.stats().tag_removes == 1);
        if in_parts {
            assert_eq!(peers.take_over(2), 0);
            assert_eq!(previous.stats().handed_over, 1, "it has come, and is not kept");
        }
        assert_eq!(version(&new.group, &key), 1);
        gate.open();
        assert!(removal.result().is_complete());
        assert_eq!(version(&new.group, &key), 1);
        peers.warmed_up();
        assert_eq!(version(&previous.group, &key), 1);
    }
}

#[test]
fn tags_wander_with_what_is_taken_over() {
    let source = Versions::default();
    let peers = peers_with_copies(2, 3, &source);
    let key = peers.key_that_moves(0, 2);
    assert_eq!(version(&peers.node(0).group, &key), 0);
    peers.join(2);
    assert_eq!(version(&peers.node(2).group, &key), 0);
    assert_eq!(peers.node(2).stats().peek_hits, 1);
    peers.warmed_up();
    source.write(&key);
    peers.node(1).group.remove_tag(TAG);
    assert_eq!(version(&peers.node(2).group, &key), 1);
}

#[test]
fn tags_wander_with_what_is_handed_over_in_parts() {
    let source = Versions::default();
    let peers = peers_with_copies(2, 3, &source);
    let key = peers.key_that_moves(0, 2);
    // A removal before the load is no reason to leave the value where it is.
    peers.node(2).group.remove_tag(TAG);
    assert_eq!(version(&peers.node(0).group, &key), 0);
    peers.join(2);
    assert_eq!(peers.take_over(2), 1);
    peers.warmed_up();
    source.write(&key);
    assert!(peers.node(1).group.remove_tag(TAG).is_complete());
    assert_eq!(version(&peers.node(2).group, &key), 1);
}

#[test]
fn what_has_a_removed_tag_and_is_on_its_way_to_a_new_owner_is_not_kept() {
    let (source, gate) = (Versions::default(), Gate::closed());
    let peers = peers_with_copies(2, 3, &source);
    let (previous, remover, new) = (peers.node(0), peers.node(1), peers.node(2));
    let key = peers.key_that_moves(0, 2);
    assert_eq!(version(&previous.group, &key), 0);
    previous.link.hold(Point::HandOverAnswered, &gate);
    peers.join(2);
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| peers.take_over(2));
        gate.wait_for_arrivals(1);
        source.write(&key);
        assert!(remover.group.remove_tag(TAG).is_complete());
        gate.open();
        assert_eq!(taking.join().unwrap(), 0);
    });
    assert_eq!(version(&new.group, &key), 1);
}

#[test]
fn a_peer_that_is_not_told_is_named() {
    let source = Versions::default();
    let peers = peers_with_copies(2, 2, &source);
    peers.node(1).link.break_with(PeerErrorKind::NotSupported);
    let report = peers.node(0).group.remove_tags([TAG, "other"]);
    assert!(!report.is_complete());
    let events = peers.node(0).group.recent_events();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(&event.event, Event::TagRemovalIncomplete { first_tag, tags: 2, .. }
        if first_tag == TAG));
    let text = event.event.to_string();
    assert!(text.contains("the tag \"user:7\", or 1 more, in group"), "{text}");
}

/// Whoever gets whatever, nobody sees what was removed before.
#[test]
fn random_gets_and_removals_of_tags_show_nothing_old() {
    with_seeds(20, |random: &mut Random| {
        let source = Versions::default();
        let read = source.clone();
        let peers = MemoryPeers::built(
            3,
            move |_| {
                let source = read.clone();
                CountingGetter::with(move |key| {
                    let tags = key.split(':').skip(1);
                    let loaded = match source.condition(key) {
                        Condition::Absent => Loaded::absent(),
                        _ => Loaded::from(value_at(source.version(key))),
                    };
                    Ok(tags.fold(loaded, Loaded::tag))
                })
            },
            |getter| {
                Group::builder("memory", 1 << 18, getter)
                    .hot_cache(HotCache::Always)
                    .negative_ttl(Duration::from_secs(60))
                    .build()
            },
        );
        let keys: Vec<String> =
            (0..24).map(|n| format!("{n}:t{}:t{}:u", n % 5, (n / 5) % 5)).collect();
        for _ in 0..300 {
            let group = &peers.node(random.below(3) as usize).group;
            if random.below(4) > 0 {
                let key = &keys[random.below(24) as usize];
                match group.get(key) {
                    Ok(value) => assert_eq!(version_of(&value), source.version(key), "{key}"),
                    Err(_) => assert_eq!(source.condition(key), Condition::Absent),
                }
                continue;
            }
            let tag = format!("t{}", random.below(5));
            for key in keys.iter().filter(|key| key.split(':').any(|it| it == tag)) {
                source.write(key);
                let is_absent = random.below(4) == 0;
                source.make(key, if is_absent { Condition::Absent } else { Condition::Present });
            }
            assert!(group.remove_tag(&tag).is_complete());
        }
    });
}

#[test]
fn an_older_version_replaces_nothing_newer_whoever_writes_it() {
    let source = Versions::default();
    let peers = peers_with_copies(2, 2, &source);
    let key = peers.key_owned_by(&[1]);
    for node in peers.nodes() {
        assert_eq!(version(&node.group, &key), 0, "loaded, without a version");
    }
    let writes = [(0, 5, true), (1, 4, false), (0, 4, false), (1, 5, false), (1, 6, true)];
    let mut newest = 0;
    for (node, version, is_newer) in writes {
        let value = value_at(version);
        let report = peers.node(node).group.insert_if_newer(&key, value, version).unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.is_kept, report.is_late), (is_newer, !is_newer), "{node} {version}");
        newest = newest.max(version);
        for node in peers.nodes() {
            assert_eq!(version_of(&node.group.get(&key).unwrap()), newest);
        }
    }
    let owner = &peers.node(1).group;
    assert_eq!(owner.peek_loaded(&key).unwrap().version_number(), Some(6));
    owner.remove(&key);
    assert!(owner.insert_if_newer(&key, "older", 1).unwrap().is_kept, "nothing is known of it");
    owner.insert(&key, "whatever").unwrap();
    assert_eq!(owner.get(&key).unwrap(), "whatever", "without a version it replaces any");
    assert_eq!(owner.stats().late_changes, 3);
}

#[test]
fn a_version_is_forgotten_with_the_value_whose_tag_is_removed() {
    let group = Group::new("alone", 1 << 20, |_: &str| Ok::<_, std::fmt::Error>("loaded"));
    let insert = |version| {
        let value = Loaded::from(value_at(version)).tag(TAG);
        group.insert_if_newer("k", value, version).unwrap().is_kept
    };
    assert!(insert(8));
    for version in [8, 7] {
        assert!(!insert(version));
        group.remove_tag(TAG);
        assert!(insert(version), "nothing is known of it");
        assert_eq!(group.get("k").unwrap(), value_at(version).as_str());
    }
}

#[test]
fn of_many_writers_at_once_the_newest_prevails() {
    let group = Group::new("alone", 1 << 20, |_: &str| Ok::<_, std::fmt::Error>("loaded"));
    for round in 0..20_u64 {
        let writers: Vec<_> = (1..=8_u64)
            .map(|version| {
                let group = group.clone();
                start(move || {
                    let version = round * 8 + version;
                    group.insert_if_newer("k", version.to_string(), version).unwrap();
                })
            })
            .collect();
        writers.into_iter().for_each(Running::result);
        assert_eq!(group.get("k").unwrap(), *(round * 8 + 8).to_string());
    }
}

#[test]
fn a_load_that_read_an_older_version_is_answered_and_not_kept() {
    let (source, hand) = (Versions::default(), Hand::default());
    let read = source.clone();
    let getter = CountingGetter::with(move |key| {
        let version = read.version(key);
        Ok(Loaded::from(value_at(version)).version(version))
    });
    let second = Duration::from_secs(1);
    let group = Group::builder("alone", 64 << 20, getter.clone())
        .ttl(second)
        .stale_while_revalidate(60 * second)
        .clock(hand.clock())
        .build();
    group.insert_if_newer("k", value_at(3), 3).unwrap();
    hand.advance(2 * second);
    assert_eq!(version(&group, "k"), 3, "it is refreshed, from a replica that lags behind");
    until("it was read", || getter.calls() == 1);
    until("it is loaded", || group.stats().local_loads == 1);
    assert_eq!(group.peek_loaded("k").map(|it| it.version_number()), None, "it is past its ttl");
    assert_eq!(version(&group, "k"), 3, "and is not replaced");
    while source.write("k") < 4 {}
    until("the replica has caught up", || version(&group, "k") == 4);
}
