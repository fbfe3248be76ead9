//! How one `get` goes: memory, the owner, the getter.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use geecache::{
    Accounting, BoxError, ByteView, Error, Group, Loaded, NotFound, PeerError, PeerErrorKind,
    PeerGetter, PeerPicker,
};

use crate::support::{
    CountingGetter, FixedPicker, MemoryPeers, ScriptedPeer, alone, keep_logs, logged, value_of,
};

#[test]
fn a_key_is_loaded_once_and_then_comes_from_memory() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    for _ in 0..3 {
        assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    }
    assert_eq!(getter.calls(), 1);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads), (3, 2, 1));
    assert_eq!((stats.local_loads, stats.local_load_errors, stats.loads_deduplicated), (1, 0, 0));
    let cache = group.main_cache_stats();
    assert_eq!((cache.entries, cache.inserts), (1, 1));
    assert_eq!(cache.bytes, ("Tom".len() + "value of Tom".len()) as u64);
    assert_eq!(group.hot_cache_stats().entries, 0);
}

#[test]
fn hits_share_the_bytes_of_the_value() {
    let group = alone(CountingGetter::new());
    group.get("Tom").unwrap();
    let (one, other) = (group.get("Tom").unwrap(), group.get("Tom").unwrap());
    assert_eq!(one.as_ptr(), other.as_ptr());
}

#[test]
fn clones_of_a_group_are_the_same_group() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    group.clone().get("Tom").unwrap();
    group.get("Tom").unwrap();
    assert_eq!(getter.calls(), 1);
    assert_eq!(group.clone().stats(), group.stats());
}

#[test]
fn a_value_outlives_its_group() {
    let group = alone(CountingGetter::new());
    let value = group.get("Tom").unwrap();
    drop(group);
    assert_eq!(value, "value of Tom");
}

#[test]
fn the_empty_key_is_refused_everywhere_and_loads_nothing() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    assert!(matches!(group.get(""), Err(Error::EmptyKey)));
    assert!(matches!(group.peer_side().get(""), Err(Error::EmptyKey)));
    assert_eq!(getter.calls(), 0);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.server_requests, stats.loads), (0, 0, 0));
}

#[test]
fn keys_are_any_text() {
    let group = alone(CountingGetter::new());
    let long = "k".repeat(4096);
    for key in [" ", "a b", "a+b", "a/b", "%2F", "..", ".", "?", "#", "\n", "\0", "你好", &long] {
        for _ in 0..2 {
            assert_eq!(group.get(key).unwrap(), value_of(key).as_str(), "of key {key:?}");
        }
    }
}

#[test]
fn an_empty_value_is_a_value() {
    let getter = CountingGetter::with(|_| Ok("".into()));
    let group = alone(getter.clone());
    assert_eq!(group.get("nothing in it").unwrap(), "");
    assert_eq!(group.get("nothing in it").unwrap(), "");
    assert_eq!(getter.calls(), 1, "it is cached like any other");
    assert!(group.peer_side().get("nothing in it").unwrap().value().is_some());
}

#[test]
fn an_absent_key_is_not_found_and_names_group_and_key() {
    let getter = CountingGetter::with(|_| Ok(Loaded::absent()));
    let group = Group::new("scores", 1 << 20, getter.clone());
    let error = group.get("kkk").unwrap_err();
    assert!(
        matches!(&error, Error::NotFound { group, key } if group == "scores" && key == "kkk"),
        "{error:?}"
    );
    assert_eq!(error.to_string(), r#"no "kkk" in group "scores""#);
    assert_eq!(group.peer_side().get("kkk").unwrap(), Loaded::absent());
    assert_eq!(group.main_cache_stats().entries, 0);
    assert_eq!(group.stats().local_load_errors, 0, "to know that there is none is no failure");
}

#[test]
fn getters_may_return_an_option_or_the_error_not_found() {
    let option = alone(|key: &str| Ok::<_, io::Error>((key == "here").then(|| key.to_owned())));
    assert_eq!(option.get("here").unwrap(), "here");
    assert!(matches!(option.get("gone"), Err(Error::NotFound { .. })));

    let error = alone(|key: &str| if key == "here" { Ok("here") } else { Err(NotFound) });
    assert_eq!(error.get("here").unwrap(), "here");
    assert!(matches!(error.get("gone"), Err(Error::NotFound { .. })));

    let boxed = alone(|_: &str| Err::<Vec<u8>, BoxError>(NotFound.into()));
    assert!(matches!(boxed.get("gone"), Err(Error::NotFound { .. })));
}

#[test]
fn functions_and_methods_are_getters() {
    fn shout(key: &str) -> Result<String, io::Error> {
        Ok(key.to_uppercase())
    }
    assert_eq!(alone(shout).get("tom").unwrap(), "TOM");

    let view = ByteView::from("shared");
    let keeps_a_view = alone(move |_: &str| Ok::<_, io::Error>(view.clone()));
    assert_eq!(keeps_a_view.get("any").unwrap(), "shared");
}

#[test]
fn a_failing_getter_s_error_is_the_source_and_nothing_is_cached() {
    let getter = CountingGetter::with(|_| Err(io::Error::other("the table is locked").into()));
    let group = Group::new("scores", 1 << 20, getter.clone());
    let error = group.get("Tom").unwrap_err();
    assert!(
        matches!(&error, Error::Load { group, key, .. } if group == "scores" && key == "Tom"),
        "{error:?}"
    );
    let source = error.source().expect("the getter's error");
    assert!(source.is::<io::Error>());
    assert_eq!(source.to_string(), "the table is locked");
    let line = r#"loading "Tom" of group "scores" failed: the table is locked"#;
    assert_eq!(error.to_string(), line);

    assert!(group.get("Tom").is_err());
    assert_eq!(getter.calls(), 2, "errors are not cached");
    let stats = group.stats();
    assert_eq!((stats.local_loads, stats.local_load_errors), (0, 2));
}

#[test]
fn an_error_can_be_cloned_and_keeps_its_source() {
    let group = alone(|_: &str| Err::<&str, _>(io::Error::other("the table is locked")));
    let error = group.get("Tom").unwrap_err();
    let clone = error.clone();
    drop(error);
    assert_eq!(clone.source().unwrap().to_string(), "the table is locked");
}

#[test]
fn a_value_larger_than_the_cache_is_served_and_evicts_nothing() {
    let getter = CountingGetter::with(|key| match key {
        "large" => Ok(vec![7; 5000].into()),
        _ => Ok("small".into()),
    });
    let group = Group::builder("small cache", 2048, getter.clone())
        .accounting(Accounting::PayloadOnly)
        .build();
    group.get("Tom").unwrap();
    for _ in 0..2 {
        assert_eq!(group.get("large").unwrap(), vec![7; 5000]);
    }
    assert_eq!(getter.calls_of("large"), 2);
    let cache = group.main_cache_stats();
    assert_eq!((cache.entries, cache.evictions, cache.rejected), (1, 0, 2));
    group.get("Tom").unwrap();
    assert_eq!(getter.calls_of("Tom"), 1, "it is still there");
}

#[test]
fn a_group_of_no_bytes_serves_everything_and_keeps_nothing() {
    let getter = CountingGetter::new();
    let group = Group::new("no cache", 0, getter.clone());
    for _ in 0..2 {
        assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    }
    assert_eq!(getter.calls(), 2);
    assert_eq!(group.main_cache_stats().entries, 0);
    assert_eq!(group.main_cache_stats().max_bytes, 0);
}

#[test]
fn the_main_cache_never_holds_more_than_its_bytes() {
    let group = Group::new("bounded", 16 << 10, CountingGetter::new());
    for i in 0..2000 {
        group.get(&format!("key {i}")).unwrap();
        let cache = group.main_cache_stats();
        assert!(cache.charged_bytes <= cache.max_bytes, "{cache:?}");
        assert!(cache.bytes <= cache.charged_bytes, "{cache:?}");
    }
    assert!(group.main_cache_stats().evictions > 0);
}

#[test]
fn the_owner_is_asked_for_what_it_owns() {
    let peers = MemoryPeers::new(3);
    let key = peers.key_owned_by(&[1]);
    assert_eq!(peers.node(0).group.get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(peers.node(0).getter.calls(), 0);
    assert_eq!(peers.node(1).getter.calls(), 1);

    let (asker, owner) = (peers.node(0).stats(), peers.node(1).stats());
    assert_eq!((asker.gets, asker.loads, asker.peer_loads, asker.peer_errors), (1, 1, 1, 0));
    assert_eq!((asker.local_loads, asker.server_requests), (0, 0));
    assert_eq!((owner.gets, owner.server_requests, owner.loads, owner.local_loads), (0, 1, 1, 1));
    assert_eq!(peers.node(1).group.main_cache_stats().entries, 1);
    assert_eq!(peers.node(0).group.main_cache_stats().entries, 0, "not ours to keep");

    peers.node(2).group.get(&key).unwrap();
    assert_eq!(peers.calls(), 1, "one load in the whole cluster");
    assert_eq!(peers.node(1).stats().server_hits, 1);
}

#[test]
fn what_this_process_owns_is_loaded_here() {
    let peers = MemoryPeers::new(3);
    let key = peers.key_owned_by(&[0]);
    peers.node(0).group.get(&key).unwrap();
    assert_eq!(peers.node(0).getter.calls(), 1);
    assert_eq!((0..3).map(|node| peers.node(node).link.requests()).sum::<usize>(), 0);
}

#[test]
fn the_owner_s_word_that_there_is_none_is_final() {
    let absent = |_| CountingGetter::with(|_| Ok(Loaded::absent()));
    let peers = MemoryPeers::with(2, absent);
    let key = peers.key_owned_by(&[1]);
    assert!(matches!(peers.node(0).group.get(&key), Err(Error::NotFound { .. })));
    assert_eq!(peers.node(0).getter.calls(), 0);
    let stats = peers.node(0).stats();
    assert_eq!((stats.peer_loads, stats.peer_errors), (1, 0));
}

#[test]
fn a_peer_error_of_the_kind_not_found_is_final_too() {
    let peers = MemoryPeers::new(2);
    let key = peers.key_owned_by(&[1]);
    peers.node(1).link.fail_once(PeerErrorKind::NotFound);
    let error = peers.node(0).group.get(&key).unwrap_err();
    assert!(matches!(&error, Error::NotFound { group, .. } if group == "memory"), "{error:?}");
    assert_eq!(peers.calls(), 0);
}

#[test]
fn any_other_failure_of_the_owner_is_counted_and_the_getter_answers() {
    use PeerErrorKind::*;
    for kind in [Load, NoSuchGroup, Protocol, TimedOut, Unreachable, Overloaded, NotSupported] {
        let peers = MemoryPeers::new(2);
        let key = peers.key_owned_by(&[1]);
        peers.node(1).link.fail_once(kind);
        assert_eq!(peers.node(0).group.get(&key).unwrap(), value_of(&key).as_str(), "{kind:?}");
        let stats = peers.node(0).stats();
        assert_eq!((stats.peer_errors, stats.peer_loads), (1, 0), "{kind:?}");
        assert_eq!((stats.local_loads, stats.loads), (1, 1), "{kind:?}");
    }
}

#[test]
fn when_the_owner_s_getter_fails_the_own_one_is_tried() {
    let peers = MemoryPeers::with(2, |node| {
        CountingGetter::with(move |key| match node {
            1 => Err("no route to the database".into()),
            _ => Ok(key.into()),
        })
    });
    let key = peers.key_owned_by(&[1]);
    assert_eq!(peers.node(0).group.get(&key).unwrap(), key.as_str());
    assert_eq!(peers.node(1).stats().local_load_errors, 1);
}

#[test]
fn a_request_from_a_peer_is_never_forwarded() {
    let peers = MemoryPeers::new(3);
    let key = peers.key_owned_by(&[2]);
    let asked = peers.node(1).group.peer_side().get(&key).unwrap();
    assert_eq!(asked.value().unwrap(), &value_of(&key).as_str());
    assert_eq!(peers.node(1).getter.calls(), 1, "it loads what it does not own");
    assert_eq!(peers.node(2).link.requests(), 0);
    assert_eq!(peers.node(1).group.main_cache_stats().entries, 0);

    peers.node(1).group.peer_side().get(&key).unwrap();
    assert_eq!(peers.node(1).getter.calls(), 1, "and keeps a copy of for a while");
}

#[test]
fn a_peer_that_failed_is_passed_over_for_the_next_owner() {
    let peers = MemoryPeers::new(3);
    let key = peers.key_owned_by(&[1, 2, 0]);
    peers.node(1).link.take_down();
    assert_eq!(peers.node(0).group.get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(peers.node(2).getter.calls(), 1, "the successor answers for the owner");
    assert_eq!(peers.node(0).getter.calls(), 0);
    let stats = peers.node(0).stats();
    assert_eq!((stats.peer_errors, stats.peer_loads, stats.local_loads), (1, 1, 0));

    peers.node(0).group.get(&peers.key_owned_by(&[1, 2])).unwrap();
    assert_eq!(peers.node(1).link.requests(), 1, "a peer known to be down is not asked again");
}

#[test]
fn a_peer_that_failed_and_is_named_again_is_not_asked_twice() {
    let failing = ScriptedPeer::new(|_| Err(PeerErrorKind::Protocol));
    let picker =
        FixedPicker::new([failing.clone() as _, failing.clone() as _, failing.clone() as _]);
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    group.register_peers(picker.clone()).unwrap();
    assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    assert_eq!(failing.requests(), 1);
    assert_eq!(picker.asked.load(Ordering::SeqCst), 2);
    assert_eq!(getter.calls(), 1);
}

#[test]
fn a_peer_is_known_by_its_name_where_each_call_makes_a_handle() {
    /// One failing peer, by a handle of its own each time, as a wrapper may make it.
    struct Wrapping(Arc<AtomicUsize>);
    struct Handle(Arc<AtomicUsize>);
    impl PeerPicker for Wrapping {
        fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
            Some(Arc::new(Handle(Arc::clone(&self.0))))
        }
    }
    impl PeerGetter for Handle {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(PeerError::new(PeerErrorKind::Load, self.name(), "its source is down"))
        }

        fn name(&self) -> &str {
            "http://the-only-one"
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let group = alone(CountingGetter::new());
    group.register_peers(Wrapping(Arc::clone(&asked))).unwrap();
    assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a peer that failed is not asked again");
    for answer in group.get_many(&["Jack", "Sam"]) {
        assert!(answer.is_ok());
    }
    assert_eq!(group.stats().peer_errors, 1 + 2, "one request for both");
}

#[test]
fn two_peers_are_asked_and_never_a_third() {
    let failing: Vec<_> =
        (0..3).map(|_| ScriptedPeer::new(|_| Err(PeerErrorKind::Unreachable))).collect();
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    group.register_peers(FixedPicker::new(failing.iter().map(|peer| peer.clone() as _))).unwrap();
    assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    assert_eq!(failing.iter().map(|peer| peer.requests()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(group.stats().peer_errors, 2);
    assert_eq!(getter.calls(), 1);
}

#[test]
fn peers_are_registered_once() {
    let group = alone(CountingGetter::new());
    assert_eq!(group.get("before").unwrap(), "value of before");
    let peer = ScriptedPeer::new(|_| Ok("from the peer".into()));
    group.register_peers(FixedPicker::new([peer as _])).unwrap();
    assert_eq!(group.get("Tom").unwrap(), "from the peer");
    let error = group.register_peers(geecache::NoPeers).unwrap_err();
    assert!(
        matches!(&error, Error::PeersAlreadyRegistered { group } if group == "alone"),
        "{error:?}"
    );
}

#[test]
fn without_peers_every_key_is_one_s_own() {
    assert!(geecache::NoPeers.pick_peer("Tom").is_none());
    assert!(geecache::NoPeers.owns("Tom"));
}

#[test]
fn a_group_that_peers_ask_and_that_knows_no_peers_is_told_of_once() {
    keep_logs();
    let group = Group::new("served without a picker", 1 << 20, CountingGetter::new());
    for _ in 0..3 {
        assert!(group.peer_side().get("Tom").is_ok());
    }
    let warnings = logged(&["served without a picker", "no peers registered"]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let alone = Group::new("nobody asks for it", 1 << 20, CountingGetter::new());
    alone.get("Tom").unwrap();
    assert_eq!(logged(&["nobody asks for it"]), []);
}
