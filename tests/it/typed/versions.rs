//! Values that can't be decoded: those of peers of another version, and others.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use geecache::{
    BoxError, Codec, Error, Group, Loaded, Origin, PeerErrorKind, TypedGroup, Versioned,
};
use log::Level;

use super::{RUBBISH, Text, Texts, counted, source_of, texts_of};
use crate::support::{
    CountingGetter, FixedPicker, Gate, Hand, MemoryPeers, ScriptedPeer, all_at_once, keep_logs,
    logged, value_of,
};

/// Peers, each with the version of its number.
fn of_two_versions() -> (MemoryPeers, [Texts; 2]) {
    let peers = MemoryPeers::with(2, |node| source_of(node as u32));
    let groups = [0, 1].map(|node| texts_of(node as u32, &peers.node(node).group));
    (peers, groups)
}

#[test]
fn what_a_peer_of_another_version_has_is_loaded_here_once_and_kept() {
    let (peers, groups) = of_two_versions();
    let key = peers.key_owned_by(&[1]);
    assert_eq!(*groups[1].get(&key).unwrap(), value_of(&key), "the owner has it");
    for _ in 0..5 {
        assert_eq!(*groups[0].get(&key).unwrap(), value_of(&key));
        assert_eq!(**groups[0].get_many([&*key])[0].as_ref().unwrap(), value_of(&key));
    }
    let [here, owner] = [0, 1].map(|node| peers.node(node).getter.calls_of(&key));
    assert_eq!((here, owner), (1, 1));
    assert_eq!(groups[0].typed_stats().decode_errors, 1);
    assert_eq!(groups[1].typed_stats().decode_errors, 0, "the owner was not disturbed");
}

#[test]
fn typed_values_tell_where_they_came_from() {
    let (peers, groups) = of_two_versions();
    let (ours, theirs) = (peers.key_owned_by(&[0]), peers.keys_owned_by(&[1], 2));
    groups[1].get(&theirs[0]).unwrap();
    let origin = |key: &str| {
        let (value, origin) = groups[0].get_with_origin(key).unwrap();
        assert_eq!(*value, value_of(key));
        origin
    };
    // What the owner has is of no use here, so the own getter was asked.
    assert_eq!([origin(&ours), origin(&theirs[0])], [Origin::Getter; 2]);
    assert_eq!([origin(&ours), origin(&theirs[0])], [Origin::Memory, Origin::Copy]);
    let keys = [&*ours, &theirs[1], &theirs[0], ""];
    let answers = groups[0].get_many_with_origin(keys);
    let expected = [Origin::Memory, Origin::Getter, Origin::Copy];
    for ((key, answer), origin) in keys.iter().zip(&answers).zip(expected) {
        let (value, from) = answer.as_ref().unwrap();
        assert_eq!((&**value, *from), (&value_of(key), origin), "{key}");
    }
    assert!(matches!(answers[3], Err(Error::EmptyKey)));
    assert!(matches!(groups[0].get_with_origin(""), Err(Error::EmptyKey)));

    // A stand-in's answer is no owner's.
    let same = MemoryPeers::new(3);
    let texts: Texts = TypedGroup::over(same.node(0).group.clone(), Text);
    let key = same.key_owned_by(&[1, 2]);
    same.node(1).link.fail_once(PeerErrorKind::Unreachable);
    same.node(1).link.take_down();
    assert_eq!(texts.get_with_origin(&key).unwrap().1, Origin::StandIn);
}

#[test]
fn many_keys_of_another_version_are_loaded_in_one_call() {
    let (peers, groups) = of_two_versions();
    let theirs = peers.keys_owned_by(&[1], 3);
    let ours = peers.key_owned_by(&[0]);
    let keys = [&theirs[2], &theirs[0], &ours, &theirs[2], &theirs[1]];
    for (key, answer) in keys.iter().zip(groups[0].get_many(keys)) {
        assert_eq!(*answer.unwrap(), value_of(key));
    }
    let mut batches = peers.node(0).getter.batches();
    batches.iter_mut().for_each(|batch| batch.sort());
    let mut expected = theirs.clone();
    expected.sort();
    assert!(batches.contains(&expected), "{batches:?}");
    assert_eq!(peers.node(0).getter.calls(), 4);
}

#[test]
fn what_a_peer_of_another_version_inserts_is_loaded_by_its_owner() {
    let (peers, groups) = of_two_versions();
    let key = peers.key_owned_by(&[1]);
    assert!(groups[0].insert(&key, "given".to_owned()).unwrap().is_kept);
    assert_eq!(*groups[1].get(&key).unwrap(), value_of(&key));
    assert_eq!(*groups[1].get(&key).unwrap(), value_of(&key));
    assert_eq!(peers.node(1).getter.calls_of(&key), 1, "from its memory, the second time");
}

#[test]
fn what_a_previous_owner_of_another_version_has_is_not_taken_over_again_and_again() {
    let growing = |getter: CountingGetter| Group::new("memory", 1 << 20, getter);
    let peers = MemoryPeers::growing(1, 2, |node| source_of(node as u32), growing);
    let groups = [0, 1].map(|node| texts_of(node as u32, &peers.node(node).group));
    let key = peers.key_that_moves(0, 1);
    groups[0].get(&key).unwrap();
    peers.join(1);
    assert_eq!(*groups[1].get(&key).unwrap(), value_of(&key));
    assert_eq!(peers.node(1).stats().peek_hits, 1, "it looked there");
    assert_eq!(*groups[1].get(&key).unwrap(), value_of(&key));
    assert_eq!(peers.node(1).getter.calls_of(&key), 1);
}

#[test]
fn many_callers_of_what_can_not_be_decoded_share_one_load() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group: Texts = TypedGroup::over(Group::new("texts", 1 << 20, getter.clone()), Text);
    group.group().insert("Tom", RUBBISH).unwrap();
    let opener = gate.clone();
    let answers = all_at_once(8, move |thread| {
        if thread == 0 {
            gate.wait_for_arrivals(1);
            opener.open();
        }
        group.get("Tom").map(|value| value.to_string())
    });
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == value_of("Tom")));
    assert_eq!(getter.calls(), 1);
}

#[test]
fn what_the_own_getter_loads_and_nobody_can_decode_is_an_error_that_names_it() {
    let getter = CountingGetter::with(|_| Ok(RUBBISH.into()));
    let group: Texts = TypedGroup::over(Group::new("texts", 1 << 20, getter.clone()), Text);
    for calls in [1, 2] {
        let error = group.get("Tom").unwrap_err();
        assert!(error.to_string().starts_with(r#"decoding "Tom" of group "texts" failed: "#));
        assert!(matches!(error, Error::Decode { .. }), "{error:?}");
        assert!(std::error::Error::source(&error).unwrap().is::<std::str::Utf8Error>());
        assert_eq!(getter.calls(), calls);
    }
    assert!(matches!(group.get_many(["Tom", "Jack"])[1], Err(Error::Decode { .. })));
    assert_eq!(getter.calls(), 4);
}

#[test]
fn a_failing_getter_is_the_error_where_memory_has_nothing_that_can_be_decoded() {
    let hand = Hand::default();
    let failing = |_: &str| Err::<Loaded, _>(io::Error::other("the table is locked"));
    let below = Group::builder("texts", 1 << 20, failing)
        .ttl(Duration::from_secs(1))
        .stale_if_error(Duration::from_secs(100))
        .clock(hand.clock())
        .build();
    let group: Texts = TypedGroup::over(below, Text);
    for age in [0, 10] {
        group.group().insert("Tom", RUBBISH).unwrap();
        hand.advance(Duration::from_secs(age));
        assert!(matches!(group.get("Tom"), Err(Error::Load { .. })), "{age} s old");
    }
}

#[test]
fn a_caller_with_little_time_does_not_wait_for_the_load_here() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group: Texts = TypedGroup::over(Group::new("texts", 1 << 20, getter), Text);
    group.group().insert("Tom", RUBBISH).unwrap();
    let answer = group.get_timeout("Tom", Duration::from_millis(20));
    assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
    gate.open();
}

#[test]
fn a_codec_that_panics_has_not_decoded() {
    let (group, getter) = counted();
    group.group().insert("Tom", "panic").unwrap();
    assert_eq!(*group.get("Tom").unwrap(), value_of("Tom"));
    assert_eq!((getter.calls(), group.typed_stats().decode_errors), (1, 1));
}

#[test]
fn a_group_tells_of_values_that_can_not_be_decoded_once() {
    keep_logs();
    let group: Texts =
        TypedGroup::over(Group::new("told once", 1 << 20, CountingGetter::new()), Text);
    for key in ["Tom", "Jack", "Sam"] {
        group.group().insert(key, RUBBISH).unwrap();
        group.get(key).unwrap();
    }
    let told = logged(&["decoding", "told once"]);
    assert!(told.len() == 1 && told[0].0 == Level::Warn, "{told:?}");
    assert_eq!(group.typed_stats().decode_errors, 3);
}

#[test]
fn a_remote_group_can_not_load_what_it_can_not_decode() {
    let owner = ScriptedPeer::new(|key: &str| match key {
        "down" => Err(PeerErrorKind::Unreachable),
        _ => Ok(Loaded::from(RUBBISH)),
    });
    let below = Group::remote("texts");
    let picks = (0..8).map(|_| Arc::clone(&owner) as _);
    below.register_shared_peers(FixedPicker::new(picks)).unwrap();
    let group: Texts = TypedGroup::over(below, Text);
    assert!(matches!(group.get("Tom"), Err(Error::Decode { .. })));
    assert!(matches!(group.get_many(["Tom"])[0], Err(Error::Decode { .. })));
    assert!(matches!(group.get("down"), Err(Error::Load { .. })));
}

#[test]
fn what_is_decoded_is_what_the_codec_wrote_and_not_what_the_getter_returned() {
    /// Forgets the case, and counts what it decodes.
    struct Shouting(Arc<AtomicUsize>);

    impl Codec<String> for Shouting {
        fn encode(&self, value: &String) -> Result<Vec<u8>, BoxError> {
            Ok(value.to_uppercase().into())
        }

        fn decode(&self, bytes: &[u8]) -> Result<String, BoxError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Text.decode(bytes)
        }
    }

    let decodes = Arc::new(AtomicUsize::new(0));
    let echo = |name: String| Ok::<_, io::Error>(name);
    let group: Texts = TypedGroup::new("texts", 1 << 20, Shouting(Arc::clone(&decodes)), echo);
    assert_eq!(*group.get("Tom").unwrap(), "TOM");
    assert_eq!(*group.get("Tom").unwrap(), "TOM");
    assert_eq!(decodes.load(Ordering::SeqCst), 1);
}

#[cfg(feature = "http")]
#[test]
fn peers_of_two_versions_share_a_cluster_over_http() {
    use crate::support::{Cluster, SERVERS};

    for server in SERVERS {
        let cluster = Cluster::settled(2, server, |node| source_of(node as u32));
        let groups = [0, 1].map(|node| texts_of(node as u32, &cluster.node(node).group));
        for (owner, other) in [(0, 1), (1, 0)] {
            let keys: Vec<_> = cluster.keys_owned_by(owner).take(4).collect();
            for key in &keys {
                for node in [owner, other, other, owner] {
                    assert_eq!(*groups[node].get(key).unwrap(), value_of(key));
                }
                let [by_owner, by_other] =
                    [owner, other].map(|node| cluster.node(node).getter.calls_of(key));
                assert_eq!((by_owner, by_other), (1, 1), "each of them loads it once");
            }
            let keys: Vec<_> = cluster.keys_owned_by(owner).skip(4).take(4).collect();
            for node in [owner, other, other] {
                for (key, answer) in keys.iter().zip(groups[node].get_many(&keys)) {
                    assert_eq!(*answer.unwrap(), value_of(key));
                }
            }
            assert_eq!(cluster.node(other).getter.calls_of(&keys[0]), 1);
        }
    }
}

#[test]
fn a_version_is_told_from_another_one_and_from_none() {
    let (old, new) = (Versioned::new(1, Text), Versioned::new(2, Text));
    let bytes = old.encode(&"Tom".to_owned()).unwrap();
    assert_eq!(old.decode(&bytes).unwrap(), "Tom");
    assert_eq!(new.decode(&bytes).unwrap_err().to_string(), "it has version 1 and not 2");
    let none = new.decode(b"Tom").unwrap_err().to_string();
    assert_eq!(none, "it has no version, and should have 2");
    assert!(old.encode(&"impossible".to_owned()).is_err());
}
