//! Many callers for one key: one load for all, and a flight that ends in every case.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use geecache::{Error, Group, PeerErrorKind, PeerPicker};

use crate::support::{
    CountingGetter, FixedPicker, Gate, MemoryPeers, SOON, ScriptedPeer, all_at_once, alone, start,
    until, value_of,
};

#[test]
fn sixteen_threads_that_want_one_key_cost_one_load() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let group = group.clone();
            start(move || group.get("Tom"))
        })
        .collect();
    until("all have missed", || group.stats().loads == 16);
    gate.open();
    for caller in callers {
        assert_eq!(caller.result().unwrap(), "value of Tom");
    }
    assert_eq!(getter.calls(), 1);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.local_loads, stats.hits), (16, 1, 0));
    assert!(stats.loads_deduplicated <= 15);
}

#[test]
fn sixteen_threads_that_want_one_key_send_the_owner_one_request() {
    let gate = Gate::closed();
    let peers = MemoryPeers::with(2, |_| CountingGetter::behind(&gate));
    let key = peers.key_owned_by(&[1]);
    let asker = &peers.node(0).group;
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (group, key) = (asker.clone(), key.clone());
            start(move || group.get(&key))
        })
        .collect();
    gate.wait_for_arrivals(1);
    until("all have missed", || asker.stats().loads == 16);
    gate.open();
    for caller in callers {
        assert_eq!(caller.result().unwrap(), value_of(&key).as_str());
    }
    assert_eq!(peers.calls(), 1, "what a late caller asks for again, the owner has in memory");
}

#[test]
fn no_load_is_done_twice_however_the_threads_fall() {
    for round in 0..200 {
        let getter = CountingGetter::new();
        let group = alone(getter.clone());
        all_at_once(4, {
            let group = group.clone();
            move |_| assert_eq!(group.get("Tom").unwrap(), "value of Tom")
        });
        assert_eq!(getter.calls(), 1, "in round {round}");
    }
}

#[test]
fn other_keys_do_not_wait_for_a_slow_one() {
    let gate = Gate::closed();
    let getter = CountingGetter::with({
        let gate = gate.clone();
        move |key| {
            if key == "slow" {
                gate.pass();
            }
            Ok(value_of(key).into())
        }
    });
    let group = alone(getter);
    let slow = start({
        let group = group.clone();
        move || group.get("slow")
    });
    gate.wait_for_arrivals(1);
    for i in 0..100 {
        group.get(&format!("key {i}")).unwrap();
    }
    gate.open();
    assert_eq!(slow.result().unwrap(), "value of slow");
}

#[test]
fn all_who_wait_for_a_failing_getter_get_its_error() {
    let gate = Gate::closed();
    let getter = CountingGetter::with({
        let gate = gate.clone();
        move |_| {
            gate.pass();
            Err("the table is locked".into())
        }
    });
    let group = alone(getter.clone());
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let group = group.clone();
            start(move || group.get("Tom"))
        })
        .collect();
    until("all have missed", || group.stats().loads == 8);
    gate.open();
    for caller in callers {
        assert!(matches!(caller.result(), Err(Error::Load { .. })));
    }
    let stats = group.stats();
    assert_eq!(stats.local_load_errors + stats.loads_deduplicated, 8);
    assert_eq!(stats.local_load_errors, getter.calls() as u64);
}

#[test]
fn a_getter_that_panics_fails_one_caller_and_the_others_get_a_value() {
    let gate = Gate::closed();
    let group = alone(CountingGetter::with({
        let (gate, panicked) = (gate.clone(), AtomicBool::new(false));
        move |key| {
            gate.pass();
            assert!(panicked.swap(true, Ordering::SeqCst), "the getter panics, once");
            Ok(value_of(key).into())
        }
    }));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let group = group.clone();
            start(move || group.get("Tom"))
        })
        .collect();
    until("all have missed", || group.stats().loads == 16);
    gate.open();
    let outcomes: Vec<_> = callers.into_iter().map(|caller| caller.outcome()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    for value in outcomes.into_iter().flatten() {
        assert_eq!(value.unwrap(), "value of Tom");
    }
    assert_eq!(group.get("Tom").unwrap(), "value of Tom", "the key works afterwards");
    let stats = group.stats();
    assert_eq!((stats.local_load_errors, stats.local_loads), (1, 1));
}

#[test]
fn a_getter_that_always_panics_hangs_nobody() {
    let group = alone(|_: &str| -> Result<String, Error> { panic!("the getter panics") });
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let group = group.clone();
            start(move || group.get("Tom"))
        })
        .collect();
    for caller in callers {
        assert!(caller.outcome().is_err());
    }
    assert_eq!(group.stats().local_load_errors, 8);
}

#[test]
fn a_peer_that_panics_hangs_nobody() {
    let gate = Gate::closed();
    let peer = ScriptedPeer::new({
        let gate = gate.clone();
        move |_| {
            gate.pass();
            panic!("the transport panics")
        }
    });
    let group = alone(CountingGetter::new());
    group.register_peers(FixedPicker::new([peer as _])).unwrap();
    let leader = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    gate.wait_for_arrivals(1);
    gate.open();
    assert_eq!(leader.result().unwrap(), "value of Tom", "the getter answers in its place");
    assert_eq!(group.stats().peer_errors, 1);
}

/// A group whose getter asks the group for the key that it is loading, by `ask`.
///
/// The first time it may be an innocent caller on the same thread, whose load is made alone. That
/// load asks for the key once more, which is a circle.
fn re_entering(ask: fn(&Group, &str) -> Result<String, Error>) -> (Group, CountingGetter) {
    let me = Arc::new(OnceLock::<Group>::new());
    let getter = CountingGetter::with({
        let me = Arc::clone(&me);
        move |key| match ask(me.get().unwrap(), key) {
            Ok(value) => Ok(value.into()),
            Err(Error::ReentrantLoad { .. }) => Ok("loaded all the same".into()),
            Err(other) => panic!("{other:?}"),
        }
    });
    let group = alone(getter.clone());
    me.set(group.clone()).unwrap();
    (group, getter)
}

#[track_caller]
fn assert_told_after_some_loads(
    (group, getter): (Group, CountingGetter),
    ask: fn(&Group, &str) -> Result<String, Error>,
) {
    let answer = start(move || ask(&group, "Tom"));
    assert_eq!(answer.result().unwrap(), "loaded all the same");
    assert_eq!(getter.calls(), 8);
}

fn plainly(group: &Group, key: &str) -> Result<String, Error> {
    group.get(key).map(|value| value.as_str().unwrap().to_owned())
}

fn with_a_timeout(group: &Group, key: &str) -> Result<String, Error> {
    group.get_timeout(key, SOON).map(|value| value.as_str().unwrap().to_owned())
}

fn as_a_peer(group: &Group, key: &str) -> Result<String, Error> {
    group
        .peer_side()
        .get(key)
        .map(|loaded| loaded.into_value().unwrap().as_str().unwrap().to_owned())
}

#[test]
fn a_getter_that_asks_for_its_own_key_is_told_so() {
    for ask in [plainly, with_a_timeout, as_a_peer] {
        for inner in [plainly, with_a_timeout, as_a_peer] {
            assert_told_after_some_loads(re_entering(inner), ask);
        }
    }
}

#[test]
fn a_getter_that_removes_its_own_key_and_asks_for_it_is_told_so() {
    for ask in [plainly, with_a_timeout, as_a_peer] {
        let removing = re_entering(|group, key| {
            group.remove(key);
            plainly(group, key)
        });
        assert_told_after_some_loads(removing, ask);
    }
}

#[test]
fn a_getter_that_asks_for_its_own_key_is_told_so_with_peers_that_fail() {
    for ask in [plainly, with_a_timeout] {
        let (group, getter) = re_entering(ask);
        let peer = || ScriptedPeer::new(|_| Err(PeerErrorKind::Unreachable)) as _;
        group.register_peers(FixedPicker::new((0..8).map(|_| peer()))).unwrap();
        assert_told_after_some_loads((group, getter), ask);
    }
}

#[test]
fn a_getter_that_hands_its_own_error_on_shows_the_way_in_the_sources() {
    let me = Arc::new(OnceLock::<Group>::new());
    let group = alone({
        let me = Arc::clone(&me);
        move |key: &str| me.get().unwrap().get(key)
    });
    me.set(group.clone()).unwrap();
    let error = start(move || group.get("Tom")).result().unwrap_err();
    let mut sources = std::iter::successors(std::error::Error::source(&error), |it| it.source());
    let last = sources.by_ref().last().unwrap();
    assert!(matches!(last.downcast_ref(), Some(Error::ReentrantLoad { .. })), "{error:?}");
}

#[test]
fn a_getter_may_ask_its_group_for_other_keys() {
    let me = Arc::new(OnceLock::<Group>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let group = alone({
        let (me, calls) = (Arc::clone(&me), Arc::clone(&calls));
        move |key: &str| -> Result<String, Error> {
            calls.fetch_add(1, Ordering::SeqCst);
            let n: u64 = key.parse().unwrap();
            if n < 2 {
                return Ok(n.to_string());
            }
            let of = |n: u64| me.get().unwrap().get(&n.to_string());
            let number = |view: geecache::ByteView| view.as_str().unwrap().parse::<u64>().unwrap();
            Ok((number(of(n - 1)?) + number(of(n - 2)?)).to_string())
        }
    });
    me.set(group.clone()).unwrap();
    assert_eq!(start(move || group.get("50")).result().unwrap(), "12586269025");
    assert_eq!(calls.load(Ordering::SeqCst), 51);
}

#[test]
fn two_peers_that_disagree_answer_each_other_at_once() {
    // Both sources wait until both peers are in a request of the other's: at that moment each peer
    // has a flight that waits for the other peer.
    let gate = Gate::closed();
    let peers = MemoryPeers::that_disagree(|_| CountingGetter::behind(&gate));
    let callers: Vec<_> = [0, 1]
        .map(|node| {
            let group = peers.node(node).group.clone();
            start(move || group.get("Tom"))
        })
        .into_iter()
        .collect();
    gate.wait_for_arrivals(2);
    gate.open();
    for caller in callers {
        assert_eq!(caller.result().unwrap(), "value of Tom");
    }
    assert_eq!(peers.calls(), 2, "one load each, the price of disagreeing");
    for node in [0, 1] {
        let stats = peers.node(node).stats();
        assert_eq!((stats.peer_loads, stats.server_requests, stats.peer_errors), (1, 1, 0));
        assert_eq!(peers.node(node).group.main_cache_stats().entries, 0, "nobody owns the key");
    }
}

#[test]
fn a_peer_s_request_joins_the_load_that_is_on_its_way() {
    let gate = Gate::closed();
    let peers = MemoryPeers::with(2, |_| CountingGetter::behind(&gate));
    let key = peers.key_owned_by(&[1]);
    let callers = [1, 0].map(|node| {
        let (group, key) = (peers.node(node).group.clone(), key.clone());
        start(move || group.get(&key))
    });
    gate.wait_for_arrivals(1);
    until("the owner was asked", || peers.node(1).stats().loads == 2);
    gate.open();
    for caller in callers {
        assert_eq!(caller.result().unwrap(), value_of(&key).as_str());
    }
    assert_eq!(peers.calls(), 1);
}

#[test]
fn a_peer_that_fails_while_many_wait_costs_one_load_here() {
    let gate = Gate::closed();
    let peers = MemoryPeers::new(2);
    let key = peers.key_owned_by(&[1]);
    peers.node(1).link.hold_at(&gate);
    peers.node(1).link.break_with(PeerErrorKind::Protocol);
    let asker = &peers.node(0).group;
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (group, key) = (asker.clone(), key.clone());
            start(move || group.get(&key))
        })
        .collect();
    until("all have missed", || asker.stats().loads == 16);
    gate.open();
    for caller in callers {
        assert_eq!(caller.result().unwrap(), value_of(&key).as_str());
    }
    assert_eq!(peers.node(0).getter.calls(), 1);
}

#[test]
fn a_cycle_across_threads_is_ended_by_the_deadline() {
    // The load of "a" needs "b" and the load of "b" needs "a"; each runs on a thread of its own, so
    // neither sees itself. Both are on their way before either asks for the other.
    let (me, gate) = (Arc::new(OnceLock::<Group>::new()), Gate::closed());
    let group = alone(CountingGetter::with({
        let (me, gate) = (Arc::clone(&me), gate.clone());
        move |key| {
            gate.pass();
            let other = if key == "a" { "b" } else { "a" };
            let brief = Duration::from_millis(50);
            me.get().unwrap().get_timeout(other, brief).map(Into::into).map_err(Into::into)
        }
    }));
    me.set(group.clone()).unwrap();
    let callers = ["a", "b"].map(|key| {
        let group = group.clone();
        start(move || group.get(key))
    });
    gate.wait_for_arrivals(2);
    gate.open();
    for caller in callers {
        let error = caller.result().unwrap_err();
        assert!(matches!(error, Error::Load { .. }), "{error:?}");
    }
}

#[test]
fn no_lock_is_held_while_a_picker_or_a_getter_runs() {
    // A picker and a getter that use the group themselves would hang on any lock that is held
    // around them.
    struct Curious(Arc<OnceLock<Group>>);
    impl PeerPicker for Curious {
        fn pick_peer(&self, key: &str) -> Option<Arc<dyn geecache::PeerGetter>> {
            let group = self.0.get().unwrap();
            let _ = (group.stats(), group.main_cache_stats(), group.hot_cache_stats());
            if key != "of the picker" {
                group.get("of the picker").unwrap();
            }
            None
        }
    }
    let me = Arc::new(OnceLock::<Group>::new());
    let group = alone(CountingGetter::with({
        let me = Arc::clone(&me);
        move |key| {
            let group = me.get().unwrap();
            let _ = (group.stats(), group.main_cache_stats(), format!("{group:?}"));
            Ok(value_of(key).into())
        }
    }));
    me.set(group.clone()).unwrap();
    group.register_peers(Curious(me)).unwrap();
    assert_eq!(start(move || group.get("Tom")).result().unwrap(), "value of Tom");
}
