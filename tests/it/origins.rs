//! Where values come from, and the ratios that follow from it.

use std::time::Duration;

use geecache::{ChangeStamp, Error, Group, HotCache, Loaded, Origin, PeerErrorKind};

use crate::support::{CountingGetter, Hand, MemoryPeers, alone, value_of};

#[track_caller]
fn assert_origin(group: &Group, key: &str, expected: Origin) {
    let (value, origin) = group.get_with_origin(key).unwrap();
    assert_eq!((value, origin), (value_of(key).into(), expected));
}

#[test]
fn a_value_comes_from_the_getter_and_then_from_memory() {
    let group = alone(CountingGetter::new());
    assert_origin(&group, "Tom", Origin::Getter);
    assert_origin(&group, "Tom", Origin::Memory);
    group.get_many(&["Jack"]);
    assert_origin(&group, "Jack", Origin::Memory);
    assert!(matches!(group.get_with_origin(""), Err(Error::EmptyKey)));
    let nobody = alone(CountingGetter::with(|_| Ok(Loaded::absent())));
    assert!(matches!(nobody.get_with_origin("Tom"), Err(Error::NotFound { .. })));
}

#[test]
fn a_value_past_its_ttl_is_stale_whether_it_is_refreshed_or_can_not_be_loaded() {
    let (hand, minute) = (Hand::default(), Duration::from_secs(60));
    let works = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let getter = CountingGetter::with({
        let works = works.clone();
        move |key| match works.load(std::sync::atomic::Ordering::SeqCst) {
            true => Ok(value_of(key).into()),
            false => Err("the disk is gone".into()),
        }
    });
    let group = Group::builder("memory", 1 << 20, getter)
        .ttl(minute)
        .stale_while_revalidate(minute)
        .stale_if_error(3 * minute)
        .clock(hand.clock())
        .build();
    assert_origin(&group, "Tom", Origin::Getter);
    works.store(false, std::sync::atomic::Ordering::SeqCst);
    hand.advance(minute);
    assert_origin(&group, "Tom", Origin::Stale);
    hand.advance(minute);
    assert_origin(&group, "Tom", Origin::Stale);
}

#[test]
fn what_others_own_comes_from_their_memory_their_source_a_copy_or_a_stand_in() {
    let build =
        |getter| Group::builder("memory", 1 << 20, getter).hot_cache(HotCache::Always).build();
    let peers = MemoryPeers::built(3, |_| CountingGetter::new(), build);
    let (us, key) = (&peers.node(0).group, peers.key_owned_by(&[1, 2]));
    assert_origin(us, &key, Origin::Owner);
    assert_origin(us, &key, Origin::Copy);
    us.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
    assert_origin(us, &key, Origin::OwnerMemory);
    us.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
    peers.node(1).link.fail_once(PeerErrorKind::Unreachable);
    peers.node(1).link.take_down();
    assert_origin(us, &key, Origin::StandIn);
    us.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
    peers.node(2).link.take_down();
    assert_origin(us, &key, Origin::Getter);
}

#[test]
fn each_value_of_a_batch_tells_where_it_came_from() {
    let build =
        |getter| Group::builder("memory", 1 << 20, getter).hot_cache(HotCache::Always).build();
    let peers = MemoryPeers::built(3, |_| CountingGetter::new(), build);
    let us = &peers.node(0).group;
    let ours = peers.keys_owned_by(&[0], 2);
    let (theirs, copy) = (peers.key_owned_by(&[2]), peers.key_owned_by(&[1, 0]));
    let stood_in = peers.key_owned_by(&[1, 2]);
    us.get_many([&ours[0], &copy]);
    peers.node(1).link.take_down();
    peers.node(1).link.fail_once(PeerErrorKind::Unreachable);

    let keys = [&*ours[0], &ours[1], &theirs, &copy, &stood_in, ""];
    let answers = us.get_many_with_origin(keys);
    let expected = [Origin::Memory, Origin::Getter, Origin::Owner, Origin::Copy, Origin::StandIn];
    for ((key, answer), origin) in keys.iter().zip(&answers).zip(expected) {
        assert_eq!(*answer.as_ref().unwrap(), (value_of(key).into(), origin), "{key}");
    }
    assert!(matches!(answers[5], Err(Error::EmptyKey)));
}

#[test]
fn a_new_owner_takes_values_over_from_the_previous_one() {
    let build = |getter| Group::new("memory", 1 << 20, getter);
    let peers = MemoryPeers::growing(2, 3, |_| CountingGetter::new(), build);
    let key = peers.key_that_moves(0, 2);
    peers.node(0).group.get(&key).unwrap();
    peers.join(2);
    assert_origin(&peers.node(2).group, &key, Origin::PreviousOwner);
    assert_origin(&peers.node(2).group, &key, Origin::Memory);
}

#[test]
fn ratios_tell_gets_of_own_keys_of_others_keys_and_questions_of_peers_apart() {
    let build =
        |getter| Group::builder("memory", 1 << 20, getter).hot_cache(HotCache::Always).build();
    let peers = MemoryPeers::built(2, |_| CountingGetter::new(), build);
    let (us, them) = (&peers.node(0).group, &peers.node(1).group);
    let none = us.stats();
    assert_eq!((none.hit_ratio(), none.peer_hit_ratio()), (None, None));
    let (ours, theirs) = (peers.keys_owned_by(&[0], 4), peers.keys_owned_by(&[1], 4));
    let of = |keys: &[String], at: usize| keys[at].clone();

    // Of our own: one miss, three hits. Of theirs: two misses, of which one was in their memory;
    // and two hits of copies.
    for _ in 0..4 {
        us.get(&ours[0]).unwrap();
    }
    them.get(&theirs[0]).unwrap();
    for at in [0, 1, 0, 1] {
        us.get(&theirs[at]).unwrap();
    }
    // In one batch: each key as often as it is there, and two misses. One of them is in their
    // memory by now.
    us.peer_side().remove(&[&theirs[1]], ChangeStamp::UNORDERED);
    let batch = [of(&ours, 0), of(&ours, 1), of(&theirs, 1), of(&theirs, 1), of(&theirs, 0)];
    us.get_many(&batch.each_ref().map(String::as_str));
    // A peer asks: one hit, one miss.
    us.peer_side().get(&ours[0]).unwrap();
    us.peer_side().get(&ours[2]).unwrap();

    let stats = us.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads), (13, 7, 7));
    assert_eq!((stats.owned_hits, stats.owned_misses), (4, 2));
    assert_eq!((stats.copy_hits, stats.copy_misses), (3, 3));
    assert_eq!((stats.peer_loads, stats.peer_hits), (3, 2));
    assert_eq!((stats.server_requests, stats.server_hits), (2, 1));
    assert_eq!(stats.hit_ratio(), Some(7.0 / 13.0));
    assert_eq!(stats.owned_hit_ratio(), Some(4.0 / 6.0));
    assert_eq!(stats.copy_hit_ratio(), Some(0.5));
    assert_eq!(stats.peer_hit_ratio(), Some(2.0 / 3.0));
    assert_eq!(stats.server_hit_ratio(), Some(0.5));
    // What they counted of the same.
    let theirs = them.stats();
    assert_eq!((theirs.gets, theirs.hits), (1, 0));
    assert_eq!((theirs.server_requests, theirs.server_hits), (3, 2));
}

#[test]
fn what_is_counted_never_falls_while_peers_ask() {
    let group = alone(CountingGetter::new());
    group.get("Tom").unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    group.peer_side().get("Tom").unwrap();
                    group.peer_side().get_many(&["Tom", "Tom", "Jack"]);
                }
            });
        }
        for _ in 0..20_000 {
            let stats = group.stats();
            if (stats.gets, stats.hits) != (1, 0) {
                is_over.store(true, std::sync::atomic::Ordering::SeqCst);
                panic!("peers' requests count as gets: {stats:?}");
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}
