//! `get_timeout` and `PeerSide::get_timeout`: who gives up, and what goes on without them.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use geecache::{Error, Group, Loaded, PeerError, PeerErrorKind, PeerGetter, PeerPicker};

use crate::support::{CountingGetter, Gate, MemoryPeers, SOON, alone, start, until, value_of};

/// Long enough to be on the way, short enough for a test.
const BRIEF: Duration = Duration::from_millis(30);

fn assert_timed_out<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::TimedOut { key, timeout, .. }) => assert_eq!((&*key, timeout), ("Tom", BRIEF)),
        other => panic!("not timed out but {other:?}"),
    }
}

#[test]
fn enough_time_is_as_no_limit() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    for _ in 0..2 {
        assert_eq!(group.get_timeout("Tom", SOON).unwrap(), "value of Tom");
    }
    assert_eq!(getter.calls(), 1);
    assert_eq!(group.get_timeout("Tom", Duration::ZERO).unwrap(), "value of Tom", "from memory");
    assert_eq!(group.get_timeout("Sam", Duration::MAX).unwrap(), "value of Sam");
    assert!(matches!(group.get_timeout("", SOON), Err(Error::EmptyKey)));
}

#[test]
fn a_group_of_any_name_has_its_threads() {
    for name in ["\0", "a\0b", "", "你好", &"long ".repeat(100)] {
        let group = Group::new(name, 1 << 10, CountingGetter::new());
        assert_eq!(group.get_timeout("Tom", SOON).unwrap(), "value of Tom", "{name:?}");
    }
}

#[test]
fn the_first_caller_gives_up_and_the_load_goes_on() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    let from = Instant::now();
    assert_timed_out(group.get_timeout("Tom", BRIEF));
    assert!(from.elapsed() >= BRIEF && from.elapsed() < SOON);
    gate.open();
    until("the load has filled the cache", || group.main_cache_stats().entries == 1);
    assert_eq!(group.get("Tom").unwrap(), "value of Tom");
    assert_eq!(getter.calls(), 1);
}

#[test]
fn a_caller_who_waits_for_another_s_load_gives_up_alone() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    let leader = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    gate.wait_for_arrivals(1);
    assert_timed_out(group.get_timeout("Tom", BRIEF));
    gate.open();
    assert_eq!(leader.result().unwrap(), "value of Tom");
    assert_eq!(getter.calls(), 1);
}

#[test]
fn whoever_comes_back_after_giving_up_waits_for_the_same_load() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    assert_timed_out(group.get_timeout("Tom", BRIEF));
    assert_timed_out(group.get_timeout("Tom", BRIEF));
    let patient = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    until("it has missed", || group.stats().loads == 3);
    gate.open();
    assert_eq!(patient.result().unwrap(), "value of Tom");
    assert_eq!(getter.calls(), 1);
}

#[test]
fn whoever_gives_up_before_the_load_has_its_thread_may_ask_again_at_once() {
    // The caller who started the flight is not the thread that flies it, so its next call is no
    // re-entry.
    let group = alone(CountingGetter::new());
    for i in 0..500 {
        let key = format!("key {i}");
        let _ = group.get_timeout(&key, Duration::ZERO);
        let again = group.get(&key);
        assert_eq!(again.unwrap(), value_of(&key).as_str(), "in round {i}");
    }
}

#[test]
fn wait_timeout_is_the_limit_of_plain_gets() {
    let gate = Gate::closed();
    let group =
        Group::builder("impatient", 64 << 20, CountingGetter::behind(&gate)).wait_timeout(BRIEF);
    let group = group.build();
    assert_timed_out(group.get("Tom"));
    let patient = start({
        let group = group.clone();
        move || group.get_timeout("Tom", SOON)
    });
    until("it has missed", || group.stats().loads == 2);
    gate.open();
    assert_eq!(patient.result().unwrap(), "value of Tom");
}

#[test]
fn serving_a_peer_is_bounded_too() {
    let gate = Gate::closed();
    let group = alone(CountingGetter::behind(&gate));
    assert_timed_out(group.peer_side().get_timeout("Tom", BRIEF));
    gate.open();
    let served = group.peer_side().get_timeout("Tom", SOON).unwrap();
    assert_eq!(served.into_value().unwrap(), "value of Tom");
}

#[test]
fn a_getter_s_panic_on_another_thread_is_an_error_of_the_load() {
    let group = alone(CountingGetter::with({
        let panicked = AtomicBool::new(false);
        move |key| {
            assert!(panicked.swap(true, Ordering::SeqCst), "the getter panics, once");
            Ok(value_of(key).into())
        }
    }));
    let error = group.get_timeout("Tom", SOON).unwrap_err();
    assert!(matches!(error, Error::Load { .. }), "{error:?}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("panicked"), "{source}");
    assert_eq!(group.get_timeout("Tom", SOON).unwrap(), "value of Tom");
}

#[test]
fn those_who_wait_for_a_getter_that_panics_load_anew() {
    let gate = Gate::closed();
    let group = alone(CountingGetter::with({
        let (gate, panicked) = (gate.clone(), AtomicBool::new(false));
        move |key| {
            gate.pass();
            assert!(panicked.swap(true, Ordering::SeqCst), "the getter panics, once");
            Ok(value_of(key).into())
        }
    }));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let group = group.clone();
            start(move || group.get_timeout("Tom", SOON))
        })
        .collect();
    until("all have missed", || group.stats().loads == 8);
    gate.open();
    let results: Vec<_> = callers.into_iter().map(|caller| caller.result()).collect();
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}

#[test]
fn a_slow_owner_is_given_up_and_its_load_goes_on_there() {
    let gate = Gate::closed();
    let peers = MemoryPeers::with(2, |_| CountingGetter::behind(&gate));
    let key = peers.key_owned_by(&[1]);
    let from = Instant::now();
    let result = peers.node(0).group.get_timeout(&key, BRIEF);
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
    assert!(from.elapsed() >= BRIEF && from.elapsed() < SOON);
    gate.open();
    let owner = &peers.node(1).group;
    until("the owner has it", || owner.main_cache_stats().entries == 1);
    assert_eq!(peers.node(0).group.get(&key).unwrap(), value_of(&key).as_str());
    assert_eq!(peers.node(0).getter.calls(), 0, "no time was left to load it here");
    assert_eq!(peers.node(1).getter.calls(), 1);
}

#[test]
fn a_patient_caller_survives_the_leader_that_gave_up() {
    let gate = Gate::closed();
    let peers = MemoryPeers::with(2, |_| CountingGetter::behind(&gate));
    let key = peers.key_owned_by(&[1]);
    let asker = peers.node(0).group.clone();
    let hasty = start({
        let (group, key) = (asker.clone(), key.clone());
        move || group.get_timeout(&key, Duration::from_millis(200))
    });
    gate.wait_for_arrivals(1);
    let patient = start({
        let (group, key) = (asker.clone(), key.clone());
        move || group.get(&key)
    });
    assert!(matches!(hasty.result(), Err(Error::TimedOut { .. })));
    until("it has missed", || asker.stats().loads == 2);
    gate.open();
    assert_eq!(patient.result().unwrap(), value_of(&key).as_str());
    assert_eq!(peers.calls(), 1);
}

#[test]
fn at_most_max_loaders_getters_run_for_callers_with_a_limit() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = Group::builder("few loaders", 64 << 20, getter.clone())
        .max_loaders(NonZeroUsize::new(2).unwrap())
        .build();
    let callers = [0, 1].map(|i| {
        let group = group.clone();
        start(move || group.get_timeout(&format!("key {i}"), SOON))
    });
    gate.wait_for_arrivals(2);
    assert!(matches!(group.get_timeout("Tom", BRIEF), Err(Error::Overloaded { .. })));
    assert_eq!(getter.calls_of("Tom"), 0, "no thread was free to start it");

    let unlimited = start({
        let group = group.clone();
        move || group.get("Sam")
    });
    gate.wait_for_arrivals(3);
    gate.open();
    assert_eq!(unlimited.result().unwrap(), "value of Sam", "who may wait needs no loader");
    for (i, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.result().unwrap(), value_of(&format!("key {i}")).as_str());
    }
    assert_eq!(group.get_timeout("Tom", SOON).unwrap(), "value of Tom", "the threads are back");
}

#[test]
fn a_caller_without_a_limit_does_not_wait_for_one_who_waits_for_a_loader() {
    for late in [false, true] {
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
        let group = Group::builder("one loader", 64 << 20, getter.clone())
            .max_loaders(NonZeroUsize::new(1).unwrap())
            .build();
        let limited = |key: &'static str| {
            let group = group.clone();
            start(move || group.get_timeout(key, SOON))
        };
        let slow = limited("slow");
        gate.wait_for_arrivals(1);
        let queued = limited("Tom");
        if late {
            until("the other one has missed", || group.stats().loads == 2);
        }
        // Whether it finds the other one's flight before, while, or after that waits for a loader.
        assert_eq!(group.get("Tom").unwrap(), value_of("Tom").as_str());
        gate.open();
        assert_eq!(queued.result().unwrap(), value_of("Tom").as_str());
        assert!(slow.result().is_ok());
        assert_eq!(getter.calls_of("Tom"), 1, "what the free one loaded was kept");
    }
}

#[test]
fn a_caller_waits_for_a_free_loader_as_long_as_it_may() {
    let gate = Gate::closed();
    let group = Group::builder("one loader", 64 << 20, CountingGetter::behind(&gate))
        .max_loaders(NonZeroUsize::MIN)
        .build();
    let callers: Vec<_> = (0..4)
        .map(|i| {
            let group = group.clone();
            start(move || group.get_timeout(&format!("key {i}"), SOON))
        })
        .collect();
    until("all have missed", || group.stats().loads == 4);
    gate.wait_for_arrivals(1);
    assert_eq!(gate.arrivals(), 1);
    gate.open();
    for caller in callers {
        caller.result().unwrap();
    }
}

#[test]
fn a_group_may_be_dropped_while_a_load_goes_on() {
    let (gate, ended) = (Gate::closed(), Arc::new(AtomicBool::new(false)));
    let group = alone({
        let (gate, ended) = (gate.clone(), Arc::clone(&ended));
        move |_: &str| {
            gate.pass();
            ended.store(true, Ordering::SeqCst);
            Ok::<_, Error>("nobody waits for it")
        }
    });
    assert_timed_out(group.get_timeout("Tom", BRIEF));
    drop(group);
    gate.open();
    until("the load ended", || ended.load(Ordering::SeqCst));
}

/// An owner and a stand-in that answer nothing. Callers without a limit wait for it at the gate.
struct NoAnswer {
    name: &'static str,
    gate: Gate,
}

impl PeerGetter for NoAnswer {
    fn get(&self, _: &str, _: &str) -> Result<Loaded, PeerError> {
        self.gate.pass();
        Err(PeerError::new(PeerErrorKind::TimedOut, self.name, "no answer"))
    }

    fn get_timeout(&self, _: &str, _: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        let long = if self.name == "owner" { 2 * BRIEF } else { SOON };
        std::thread::sleep(timeout.min(long));
        Err(PeerError::new(PeerErrorKind::TimedOut, self.name, "no answer"))
    }

    fn name(&self) -> &str {
        self.name
    }
}

/// Names the stand-in at the second look of the first caller, and lets the next one in before the
/// second look of the one who follows it.
struct NextLeader {
    gate: Gate,
    group: OnceLock<Group>,
    picks: AtomicUsize,
}

impl PeerPicker for NextLeader {
    fn pick_peer(&self, _: &str) -> Option<Arc<dyn PeerGetter>> {
        let pick = self.picks.fetch_add(1, Ordering::SeqCst);
        if pick == 3 {
            let group = self.group.get().unwrap().clone();
            drop(start(move || group.get("Tom")));
            self.gate.wait_for_arrivals(1);
        }
        let name = if pick == 2 { "stand-in" } else { "owner" };
        Some(Arc::new(NoAnswer { name, gate: self.gate.clone() }))
    }
}

#[test]
fn one_who_followed_a_caller_that_lost_all_time_follows_no_other_one() {
    let gate = Gate::closed();
    let group = Group::new("late", 1 << 10, CountingGetter::new());
    let picker = Arc::new(NextLeader {
        gate: gate.clone(),
        group: OnceLock::from(group.clone()),
        picks: AtomicUsize::new(0),
    });
    group.register_shared_peers(picker.clone()).unwrap();
    let first = start({
        let group = group.clone();
        move || group.get_timeout("Tom", Duration::from_secs(1))
    });
    until("the first caller asks", || picker.picks.load(Ordering::SeqCst) == 1);
    let follower = start({
        let group = group.clone();
        move || group.get("Tom")
    });
    assert!(first.result().is_err());
    assert_eq!(follower.result().unwrap(), "value of Tom");
    assert_eq!(gate.arrivals(), 1, "the next one still waits");
    gate.open();
}
