//! Many keys at once: as many single gets, with fewer calls and requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use geecache::{
    BoxError, Error, Getter, Group, HotCache, Loaded, OwnerErrors, PeerError, PeerErrorKind,
    PeerGetter, TellAnswer,
};

use crate::support::{
    Condition, CountingGetter, FixedPicker, Gate, MemoryPeers, Running, SOON, Versions,
    all_at_once, alone, start, until, value_of,
};

type Answers = Vec<Result<geecache::ByteView, Error>>;

fn start_many(group: &Group, keys: &[impl AsRef<str>]) -> Running<Answers> {
    let keys: Vec<String> = keys.iter().map(|key| key.as_ref().to_owned()).collect();
    let group = group.clone();
    start(move || {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        group.get_many(&keys)
    })
}

fn refs(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

#[track_caller]
fn assert_values(keys: &[&str], answers: &Answers) {
    assert_eq!(keys.len(), answers.len());
    for (key, answer) in keys.iter().zip(answers) {
        assert_eq!(*answer.as_ref().unwrap(), value_of(key).as_str(), "of {key:?}");
    }
}

#[test]
fn answers_have_the_order_of_the_keys_and_each_key_is_loaded_once() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    let keys = ["Tom", "", "Jack", "Tom", "Sam", "Jack"];
    let mut answers = group.get_many(&keys);
    assert!(matches!(answers.remove(1), Err(Error::EmptyKey)));
    assert_values(&["Tom", "Jack", "Tom", "Sam", "Jack"], &answers);
    assert_eq!(getter.batches(), [["Tom", "Jack", "Sam"]]);
    assert!(group.get_many([""; 0]).is_empty());
}

#[test]
fn what_is_in_memory_is_not_loaded() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    group.get("Tom").unwrap();
    assert_values(&["Jack", "Tom"], &group.get_many(&["Jack", "Tom"]));
    assert_values(&["Jack", "Tom"], &group.get_many(&["Jack", "Tom"]));
    assert_eq!(getter.batches(), [["Jack"]]);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads, stats.local_loads), (5, 3, 2, 2));
}

#[test]
fn one_failing_or_absent_key_fails_alone() {
    let source = Versions::default();
    source.make("Jack", Condition::Failing);
    source.make("Sam", Condition::Absent);
    let group = alone(source.getter());
    let answers = group.get_many(&["Tom", "Jack", "Sam", "kkk"]);
    assert!(answers[0].is_ok() && answers[3].is_ok());
    assert!(matches!(&answers[1], Err(Error::Load { key, .. }) if key == "Jack"));
    assert!(matches!(&answers[2], Err(Error::NotFound { key, .. }) if key == "Sam"));
    let stats = group.stats();
    assert_eq!((stats.local_loads, stats.local_load_errors), (3, 1));
}

/// A source whose answer to many keys is `answer`.
struct Many<F>(F);

impl<F> Getter for Many<F>
where
    F: Fn(&[&str]) -> Vec<Result<Loaded, BoxError>> + Send + Sync + 'static,
{
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        Ok(value_of(key).into())
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        (self.0)(keys)
    }
}

#[test]
fn a_panicking_getter_is_an_error_for_the_keys_that_it_was_called_for() {
    let group = alone(Many(|_: &[&str]| panic!("the source panics")));
    group.get("Tom").unwrap();
    let answers = group.get_many(&["Tom", "Jack", "Sam"]);
    assert!(answers[0].is_ok());
    for answer in &answers[1..] {
        assert!(matches!(answer, Err(Error::Load { .. })));
    }
    assert_eq!(group.stats().local_load_errors, 2);
    assert_eq!(group.get("Jack").unwrap(), value_of("Jack").as_str(), "the flights have ended");
}

#[test]
fn an_answer_of_the_wrong_length_is_an_error_for_every_key() {
    for count in [0, 1, 3] {
        let group = alone(Many(move |_: &[&str]| (0..count).map(|_| Ok("v".into())).collect()));
        for answer in group.get_many(&["Tom", "Jack"]) {
            let Err(Error::Load { source, .. }) = answer else { panic!("{answer:?}") };
            assert_eq!(source.to_string(), format!("the getter answered {count} of 2 keys"));
        }
        assert_eq!(group.main_cache_stats().entries, 0);
    }
}

#[test]
fn a_key_that_somebody_else_is_loading_is_waited_for() {
    let gate = Gate::closed();
    let getter = {
        let gate = gate.clone();
        CountingGetter::with(move |key| {
            if key == "Tom" {
                gate.pass();
            }
            Ok(value_of(key).into())
        })
    };
    let group = alone(getter.clone());
    let single = {
        let group = group.clone();
        start(move || group.get("Tom"))
    };
    gate.wait_for_arrivals(1);
    let batch = start_many(&group, &["Tom", "Jack"]);
    until("the batch has loaded the other key", || getter.calls_of("Jack") == 1);
    gate.open();
    assert_values(&["Tom", "Jack"], &batch.result());
    assert!(single.result().is_ok());
    assert_eq!((getter.calls(), group.stats().loads_deduplicated), (2, 1));
}

#[test]
fn who_wants_a_key_of_a_batch_gets_it_from_the_batch() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    let batch = start_many(&group, &["Tom", "Jack"]);
    gate.wait_for_arrivals(1);
    let impatient = group.get_timeout("Jack", Duration::from_millis(1));
    assert!(matches!(impatient, Err(Error::TimedOut { .. })), "it joined, and did not load");
    let single = {
        let group = group.clone();
        start(move || group.get("Jack"))
    };
    gate.open();
    assert_values(&["Tom", "Jack"], &batch.result());
    assert!(single.result().is_ok());
    assert_eq!(getter.calls(), 2);
}

#[test]
fn batches_with_the_same_keys_in_opposite_order_end_and_load_each_key_once() {
    let peers = Arc::new(MemoryPeers::new(3));
    for round in 0..30 {
        let keys: Vec<String> = (0..40).map(|n| format!("round {round} key {n}")).collect();
        let shared = (Arc::clone(&peers), keys.clone());
        let answers = all_at_once(12, move |thread| {
            let (peers, keys) = &shared;
            let mut keys = refs(keys);
            if thread % 2 == 0 {
                keys.reverse();
            }
            assert_values(&keys, &peers.node(thread % 3).group.get_many(&keys));
        });
        assert_eq!(answers.len(), 12);
    }
    assert_eq!(peers.calls(), 30 * 40);
}

#[test]
fn two_peers_that_disagree_answer_each_other_s_batches() {
    let gate = Gate::closed();
    let peers = MemoryPeers::that_disagree(|_| CountingGetter::behind(&gate));
    let keys = ["a", "b", "c"];
    let callers = [0, 1].map(|node| start_many(&peers.node(node).group, &keys));
    gate.wait_for_arrivals(2);
    gate.open();
    for caller in callers {
        assert_values(&keys, &caller.result());
    }
}

#[test]
fn each_owner_is_asked_once_for_all_of_its_keys() {
    let peers = MemoryPeers::new(3);
    let keys: Vec<_> = (0..3).flat_map(|node| peers.keys_owned_by(&[node], 5)).collect();
    assert_values(&refs(&keys), &peers.node(0).group.get_many(&refs(&keys)));
    for node in [1, 2] {
        assert_eq!(peers.node(node).link.requests(), 1);
    }
    for node in peers.nodes() {
        assert_eq!(node.getter.batches().len(), 1, "and calls its getter once");
        assert_eq!(node.getter.calls(), 5);
    }
    let stats = peers.node(0).stats();
    assert_eq!((stats.gets, stats.loads, stats.peer_loads, stats.local_loads), (15, 15, 10, 5));
    let stats = peers.node(1).stats();
    assert_eq!((stats.gets, stats.server_requests, stats.loads), (0, 5, 5));
}

#[test]
fn keys_of_an_owner_that_is_down_are_asked_of_the_next_one() {
    let peers = MemoryPeers::new(3);
    let keys = peers.keys_owned_by(&[1, 2], 5);
    peers.node(1).link.take_down();
    assert_values(&refs(&keys), &peers.node(0).group.get_many(&refs(&keys)));
    assert_eq!(peers.node(2).getter.batches().len(), 1);
    assert_eq!((peers.node(1).link.requests(), peers.node(2).link.requests()), (1, 1));
    assert_eq!(peers.node(0).getter.calls(), 0);
}

#[test]
fn keys_that_no_owner_answers_are_loaded_here_in_one_call() {
    let peers = MemoryPeers::new(3);
    let mut keys = peers.keys_owned_by(&[1], 3);
    keys.extend(peers.keys_owned_by(&[2], 3));
    for node in [1, 2] {
        peers.node(node).link.break_with(PeerErrorKind::Protocol);
    }
    assert_values(&refs(&keys), &peers.node(0).group.get_many(&refs(&keys)));
    assert_eq!(peers.node(0).getter.batches().len(), 1);
    assert_eq!(peers.node(0).stats().peer_errors, 6);
}

#[test]
fn the_owner_s_failing_key_is_tried_here_or_returned_as_the_group_is_told() {
    for (rule, calls) in [(OwnerErrors::LoadLocally, 1), (OwnerErrors::Return, 0)] {
        let source = Versions::default();
        let build = |getter| Group::builder("memory", 64 << 20, getter).owner_errors(rule).build();
        let peers = MemoryPeers::built(2, |_| source.getter(), build);
        let keys = peers.keys_owned_by(&[1], 3);
        source.make(&keys[1], Condition::Failing);
        source.make(&keys[2], Condition::Absent);
        let answers = peers.node(0).group.get_many(&refs(&keys));
        assert!(answers[0].is_ok());
        assert!(matches!(answers[1], Err(Error::Load { .. })));
        assert!(matches!(answers[2], Err(Error::NotFound { .. })), "the owner's word is final");
        assert_eq!(peers.node(0).getter.calls(), calls);
        let single = peers.node(0).group.get(&keys[1]);
        assert!(matches!(single, Err(Error::Load { .. })));
        assert_eq!(peers.node(0).getter.calls(), 2 * calls, "as for a single get");
    }
}

#[test]
fn a_batch_has_a_deadline_and_its_loads_go_on() {
    let gate = Gate::closed();
    let getter = {
        let gate = gate.clone();
        CountingGetter::with(move |key| {
            if key != "Tom" {
                gate.pass();
            }
            Ok(value_of(key).into())
        })
    };
    let group = alone(getter.clone());
    group.get("Tom").unwrap();
    let answers = group.get_many_timeout(&["Tom", "Jack", "Sam"], Duration::from_millis(20));
    assert!(answers[0].is_ok(), "what is in memory is there at once");
    for answer in &answers[1..] {
        assert!(matches!(answer, Err(Error::TimedOut { .. })));
    }
    gate.open();
    assert_values(&["Jack", "Sam"], &group.get_many(&["Jack", "Sam"]));
    assert_eq!(getter.calls(), 3);
}

#[test]
fn a_slow_owner_does_not_hold_a_batch_past_its_deadline() {
    let gate = Gate::closed();
    let peers = MemoryPeers::with(2, |_| CountingGetter::behind(&gate));
    let keys = peers.keys_owned_by(&[1], 3);
    let answers = peers.node(0).group.get_many_timeout(&refs(&keys), Duration::from_millis(20));
    for answer in answers {
        assert!(matches!(answer, Err(Error::TimedOut { .. })));
    }
    gate.open();
    assert_values(&refs(&keys), &peers.node(0).group.get_many(&refs(&keys)));
    assert_eq!(peers.calls(), 3);
}

#[test]
fn enough_time_is_as_no_limit() {
    let peers = MemoryPeers::new(2);
    let mut keys = peers.keys_owned_by(&[1], 3);
    keys.extend(peers.keys_owned_by(&[0], 3));
    let answers = peers.node(0).group.get_many_timeout(&refs(&keys), Duration::from_secs(20));
    assert_values(&refs(&keys), &answers);
    assert_eq!(peers.calls(), 6);
}

/// A peer whose answer to a batch is `answer`.
struct Odd<F>(F);

impl<F> PeerGetter for Odd<F>
where
    F: Fn(&[&str]) -> Vec<Result<Loaded, PeerError>> + Send + Sync + 'static,
{
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("batches are asked for as batches")
    }

    fn get_many(&self, _group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        (self.0)(keys).into_iter().enumerate().for_each(|(at, answer)| tell(at, answer));
    }
}

#[test]
fn keys_that_a_peer_leaves_out_of_its_answer_are_asked_for_once_more_and_then_loaded_here() {
    let group = alone(CountingGetter::new());
    let brief = Arc::new(Odd(|keys: &[&str]| vec![Ok(value_of(keys[0]).into())]));
    let picks = FixedPicker::new([(); 5].map(|()| Arc::clone(&brief) as _));
    group.register_peers(picks).unwrap();
    let keys = ["Tom", "Jack", "Sam"];
    assert_values(&keys, &group.get_many(&keys));
    let stats = group.stats();
    assert_eq!((stats.peer_loads, stats.peer_errors, stats.local_loads), (2, 3, 1));
}

#[test]
fn a_transport_that_panics_costs_a_load_here_and_hangs_nobody() {
    let group = alone(CountingGetter::new());
    let panics = |keys: &[&str]| match keys.len() {
        0 => Vec::new(),
        _ => panic!("the transport panics"),
    };
    let broken = Arc::new(Odd(panics));
    group.register_peers(FixedPicker::new([0, 1].map(|_| Arc::clone(&broken) as _))).unwrap();
    assert_values(&["Tom", "Jack"], &group.get_many(&["Tom", "Jack"]));
    assert_values(&["Tom", "Jack"], &group.get_many(&["Tom", "Jack"]));
}

/// A group whose getter, for "total of a,b", asks the group for "a" and "b" as `ask` does.
fn totals(ask: fn(&Group, &[&str]) -> Result<String, Error>) -> (Group, CountingGetter) {
    let own = Arc::new(std::sync::OnceLock::<Group>::new());
    let getter = {
        let own = Arc::clone(&own);
        CountingGetter::with(move |key| match key.strip_prefix("total of ") {
            None => Ok(value_of(key).into()),
            Some(parts) => {
                let parts: Vec<&str> = parts.split(',').collect();
                Ok(ask(own.get().unwrap(), &parts)?.into())
            }
        })
    };
    let group = alone(getter.clone());
    own.set(group.clone()).unwrap();
    (group, getter)
}

fn one_by_one(group: &Group, parts: &[&str]) -> Result<String, Error> {
    let parts = parts.iter().map(|part| Ok(group.get(part)?.len()));
    Ok(parts.sum::<Result<usize, Error>>()?.to_string())
}

fn together(group: &Group, parts: &[&str]) -> Result<String, Error> {
    let parts = group.get_many(parts).into_iter().map(|part| Ok(part?.len()));
    Ok(parts.sum::<Result<usize, Error>>()?.to_string())
}

#[test]
fn a_getter_may_ask_for_keys_of_the_batch_that_it_is_loading() {
    for ask in [one_by_one, together] {
        let (group, _) = totals(ask);
        let answers = group.get_many(&["total of Tom,Jack", "Tom", "Jack"]);
        let total = (value_of("Tom").len() + value_of("Jack").len()).to_string();
        assert_eq!(*answers[0].as_ref().unwrap(), total.as_str());
        assert_values(&["Tom", "Jack"], &answers[1..].to_vec());
    }
}

#[test]
fn a_getter_that_asks_for_its_own_key_in_a_batch_is_told_so() {
    for ask in [one_by_one, together] {
        let (group, _) = totals(ask);
        let answers = group.get_many(&["total of total of Tom", "Tom"]);
        assert_eq!(*answers[1].as_ref().unwrap(), value_of("Tom").as_str());
        assert!(answers[0].is_ok(), "another key");
        let own = Arc::new(std::sync::OnceLock::<Group>::new());
        let getter = {
            let own = Arc::clone(&own);
            move |key: &str| own.get().unwrap().get(key)
        };
        let group = alone(getter);
        own.set(group.clone()).unwrap();
        for answer in group.get_many(&["Tom", "Jack"]) {
            assert!(matches!(answer, Err(Error::Load { .. })));
        }
    }
}

#[test]
fn a_getter_that_asks_for_its_own_key_among_others_is_told_so() {
    for round in 0..20 {
        let timeout = (round % 2 == 1).then_some(SOON);
        let own = Arc::new(std::sync::OnceLock::<(Group, String)>::new());
        let told = Arc::new(AtomicUsize::new(0));
        let peers = MemoryPeers::with(2, |_| {
            let (own, told) = (Arc::clone(&own), Arc::clone(&told));
            CountingGetter::with(move |key| {
                let (group, theirs) = own.get().unwrap();
                if key == theirs {
                    return Ok(value_of(key).into());
                }
                let answers = match timeout {
                    None => group.get_many(&[theirs, key]),
                    Some(timeout) => group.get_many_timeout(&[theirs, key], timeout),
                };
                assert_eq!(*answers[0].as_ref().unwrap(), value_of(theirs).as_str());
                match &answers[1] {
                    Ok(value) => assert_eq!(*value, value_of(key).as_str(), "loaded alone"),
                    Err(Error::ReentrantLoad { .. }) => _ = told.fetch_add(1, Ordering::SeqCst),
                    Err(other) => panic!("{other:?}"),
                }
                Ok(value_of(key).into())
            })
        });
        let group = peers.node(0).group.clone();
        let (ours, theirs) = (peers.key_owned_by(&[0]), peers.key_owned_by(&[1]));
        assert!(own.set((group.clone(), theirs)).is_ok());
        let value = value_of(&ours);
        assert_eq!(start(move || group.get(&ours)).result().unwrap(), value.as_str());
        assert_eq!(told.load(Ordering::SeqCst), 1, "the second time");
    }
}

#[test]
fn a_thread_that_is_ending_may_still_get() {
    /// Gets when it is dropped, and tells whether that panicked.
    struct LastWish(Group, std::sync::mpsc::Sender<bool>);
    impl Drop for LastWish {
        fn drop(&mut self) {
            let get = || assert_values(&["Jack", "Sam"], &self.0.get_many(&["Jack", "Sam"]));
            let got = std::panic::catch_unwind(std::panic::AssertUnwindSafe(get));
            self.1.send(got.is_ok()).unwrap();
        }
    }
    use std::cell::RefCell;
    thread_local! {
        static LAST_WISH: RefCell<Option<LastWish>> = const { RefCell::new(None) };
    }
    // What the crate keeps for the thread may be gone by then, or not yet: that depends on which
    // came first.
    for gets_before in [true, false] {
        let group = alone(CountingGetter::new());
        let (tell, told) = std::sync::mpsc::channel();
        start(move || {
            if gets_before {
                group.get_many(&["Tom"]);
            }
            LAST_WISH.set(Some(LastWish(group.clone(), tell)));
            group.get_many(&["Kim"]);
        })
        .result();
        assert!(told.recv_timeout(SOON).unwrap());
    }
}

#[test]
fn a_getter_of_a_batch_may_ask_for_its_keys_with_a_deadline() {
    for round in 0..2 {
        let (group, _) = totals(|group, parts| {
            let parts = parts.iter().map(|part| Ok(group.get_timeout(part, SOON / 2)?.len()));
            Ok(parts.sum::<Result<usize, Error>>()?.to_string())
        });
        // To load the first key, the batch asks for "total of Tom", which is loaded on another
        // thread, and that for Tom, which the batch is yet to load.
        let answers = match round {
            0 => group.get_many(&["total of total of Tom", "Tom"]),
            _ => group.get_many_timeout(&["total of total of Tom", "Tom"], SOON),
        };
        assert!(answers[0].is_ok(), "{:?}", answers[0]);
        assert_eq!(*answers[1].as_ref().unwrap(), value_of("Tom").as_str());
    }
}

#[test]
fn a_batch_whose_getter_wants_what_waits_for_the_batch_ends() {
    for ask in [one_by_one, together] {
        let (group, getter) = totals(ask);
        // The batch is [total of middle, Tom], whose first key needs "middle", which another thread
        // loads, and whose getter needs Tom, which the batch is yet to load. No key needs itself.
        for round in 0..50 {
            let tom = format!("Tom {round}");
            let middle = format!("total of {tom}");
            let outer = format!("total of {middle}");
            let keys = [outer, tom, middle.clone()];
            let group = group.clone();
            let answers = all_at_once(2, move |thread| match thread {
                0 => group.get_many(&[&keys[0], &keys[1]]).into_iter().all(|v| v.is_ok()),
                _ => group.get(&keys[2]).is_ok(),
            });
            assert_eq!(answers, [true, true]);
        }
        assert!(getter.calls() >= 150);
    }
}

#[test]
fn copies_of_a_batch_follow_the_policy() {
    for (rule, kept) in [(HotCache::Off, 0), (HotCache::Always, 3), (HotCache::SecondHit, 0)] {
        let build = |getter| Group::builder("memory", 64 << 20, getter).hot_cache(rule).build();
        let peers = MemoryPeers::built(2, |_| CountingGetter::new(), build);
        let keys = peers.keys_owned_by(&[1], 3);
        peers.node(0).group.get_many(&refs(&keys));
        assert_eq!(peers.node(0).group.hot_cache_stats().entries, kept, "{rule:?}");
    }
}

#[test]
fn a_key_that_is_asked_for_three_times_counts_three_times_cold_and_warm() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    for gets in [3, 6] {
        assert_values(&["k", "k", "k"], &group.get_many(&["k", "k", "k"]));
        assert_eq!(group.stats().gets, gets);
    }
    assert_eq!(getter.calls(), 1);
}

#[test]
fn many_keys_served_to_a_peer_are_counted_one_by_one() {
    let getter = CountingGetter::new();
    let group = alone(getter.clone());
    group.get("Tom").unwrap();
    let answers = group.peer_side().get_many(&["Tom", "Jack", "", "Sam", "Jack"]);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
    assert!(matches!(answers[2], Err(Error::EmptyKey)));
    assert_eq!(getter.batches(), [["Jack", "Sam"]]);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.hits, stats.loads), (1, 0, 4));
    assert_eq!((stats.server_requests, stats.server_hits), (4, 1));
}
