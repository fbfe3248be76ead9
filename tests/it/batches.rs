//! Many keys at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use geecache::{BoxError, ByteView, Error, Getter, Group, Loaded, NotFound, PeerErrorKind};

use crate::support::{
    CountingGetter, Gate, MemoryPeers, SOON, all_at_once, alone, start, until, value_of,
};

/// A source that takes many keys in one call, and remembers what it was asked.
#[derive(Clone, Default)]
struct Batching {
    batches: Arc<Mutex<Vec<Vec<String>>>>,
    singles: Arc<AtomicUsize>,
}

impl Getter for Batching {
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        self.singles.fetch_add(1, Ordering::SeqCst);
        answer(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let batch = keys.iter().map(|key| (*key).to_owned()).collect();
        self.batches.lock().unwrap().push(batch);
        keys.iter().map(|key| answer(key)).collect()
    }
}

fn answer(key: &str) -> Result<Loaded, BoxError> {
    match key {
        "gone" => Ok(Loaded::absent()),
        "lost" => Err(NotFound.into()),
        "failing" => Err("the source fails".into()),
        _ => Ok(value_of(key).into()),
    }
}

fn texts(answers: Vec<Result<ByteView, Error>>) -> Vec<String> {
    answers.into_iter().map(|answer| answer.unwrap().as_str().unwrap().to_owned()).collect()
}

fn values_of<'a>(keys: impl IntoIterator<Item = &'a &'a str>) -> Vec<String> {
    keys.into_iter().map(|key| value_of(key)).collect()
}

#[test]
fn a_batch_is_one_call_of_the_getter_and_keeps_its_order() {
    let getter = Batching::default();
    let group = alone(getter.clone());
    let keys = ["c", "a", "b"];
    assert_eq!(texts(group.get_many(&keys)), values_of(&keys));
    assert_eq!(*getter.batches.lock().unwrap(), [["c", "a", "b"]]);

    let more = ["a", "d", "b", "e"];
    assert_eq!(texts(group.get_many(&more)), values_of(&more));
    assert_eq!(getter.batches.lock().unwrap()[1], ["d", "e"], "the rest is in memory");
    assert_eq!(getter.singles.load(Ordering::SeqCst), 0);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.cache_hits, stats.loads, stats.local_loads), (7, 2, 5, 5));
}

#[test]
fn no_keys_are_no_work() {
    let getter = Batching::default();
    let group = alone(getter.clone());
    assert!(group.get_many(&[]).is_empty());
    assert!(getter.batches.lock().unwrap().is_empty());
}

#[test]
fn each_key_fails_alone_and_duplicates_are_asked_for_once() {
    let getter = Batching::default();
    let group = alone(getter.clone());
    let keys = ["a", "", "gone", "a", "failing", "lost", "b", "failing"];
    let answers = group.get_many(&keys);
    assert_eq!(answers.len(), keys.len());
    assert_eq!(answers[0].as_ref().unwrap(), &"value of a");
    assert!(matches!(answers[1], Err(Error::EmptyKey)));
    assert!(matches!(&answers[2], Err(Error::NotFound { key, .. }) if key == "gone"));
    assert_eq!(answers[3].as_ref().unwrap(), &"value of a");
    assert!(matches!(&answers[4], Err(Error::Load { key, .. }) if key == "failing"));
    assert!(matches!(answers[5], Err(Error::NotFound { .. })));
    assert_eq!(answers[6].as_ref().unwrap(), &"value of b");
    assert!(matches!(answers[7], Err(Error::Load { .. })));
    assert_eq!(getter.batches.lock().unwrap()[0], ["a", "gone", "failing", "lost", "b"]);
}

#[test]
fn a_getter_that_answers_another_number_of_keys_fails_them_all() {
    struct Short;
    impl Getter for Short {
        fn get(&self, key: &str) -> Result<Loaded, BoxError> {
            answer(key)
        }
        fn get_many(&self, _keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
            vec![Ok("for whom?".into())]
        }
    }
    let group = alone(Short);
    for answer in group.get_many(&["a", "b"]) {
        assert!(matches!(answer, Err(Error::Load { .. })), "{answer:?}");
    }
    assert_eq!(group.get("a").unwrap(), "value of a");
}

#[test]
fn a_getter_that_panics_fails_its_batch_and_nobody_else() {
    struct Panics;
    impl Getter for Panics {
        fn get(&self, key: &str) -> Result<Loaded, BoxError> {
            answer(key)
        }
        fn get_many(&self, _keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
            panic!("the getter panics")
        }
    }
    let group = alone(Panics);
    for answer in group.get_many(&["a", "b"]) {
        assert!(matches!(answer, Err(Error::Load { .. })), "{answer:?}");
    }
    assert_eq!(group.get("a").unwrap(), "value of a");
}

#[test]
fn each_owner_is_asked_once_and_the_own_keys_are_loaded_here() {
    let peers = MemoryPeers::new(3);
    let keys: Vec<_> = (0..60).map(|n| format!("key {n}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    assert_eq!(texts(peers.node(0).group.get_many(&keys)), values_of(&keys));
    assert_eq!(peers.calls(), 60, "each key was loaded once");
    for node in 0..3 {
        assert!(peers.node(node).getter.calls() > 0);
    }
    assert_eq!((peers.node(1).link.requests(), peers.node(2).link.requests()), (1, 1));
    assert_eq!(texts(peers.node(1).group.get_many(&keys)), values_of(&keys));
    assert_eq!(peers.calls(), 60, "each key was loaded once");
}

#[test]
fn what_an_owner_can_not_answer_the_next_one_or_the_getter_does() {
    let peers = MemoryPeers::new(3);
    let keys: Vec<_> = (0..60).map(|n| format!("key {n}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    peers.node(1).link.take_down();
    assert_eq!(texts(peers.node(0).group.get_many(&keys)), values_of(&keys));
    assert_eq!(peers.node(1).getter.calls(), 0);
    assert_eq!(peers.calls(), 60, "each key was loaded once");

    let peers = MemoryPeers::new(2);
    peers.node(1).link.break_with(PeerErrorKind::Protocol);
    assert_eq!(texts(peers.node(0).group.get_many(&keys)), values_of(&keys));
    assert_eq!(peers.node(0).getter.calls(), 60);
}

#[test]
fn a_key_that_somebody_is_loading_is_waited_for() {
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
    let group = alone(getter.clone());
    let single = start({
        let group = group.clone();
        move || group.get("slow")
    });
    gate.wait_for_arrivals(1);
    let batch = start({
        let group = group.clone();
        move || group.get_many(&["a", "slow", "b"])
    });
    until("the batch has done its own part", || group.main_cache_stats().entries == 2);
    gate.open();
    assert_eq!(texts(batch.result()), values_of(&["a", "slow", "b"]));
    single.result().unwrap();
    assert_eq!(getter.calls_of("slow"), 1);
}

#[test]
fn a_key_of_a_batch_is_waited_for_by_others() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    let batch = start({
        let group = group.clone();
        move || group.get_many(&["a", "b"])
    });
    gate.wait_for_arrivals(1);
    let single = start({
        let group = group.clone();
        move || group.get("b")
    });
    until("it has missed", || group.stats().loads == 3);
    gate.open();
    assert_eq!(single.result().unwrap(), "value of b");
    batch.result();
    assert_eq!(getter.calls(), 2);
}

#[test]
fn batches_of_the_same_keys_in_any_order_never_wait_for_each_other_for_ever() {
    for round in 0..30 {
        let peers = Arc::new(MemoryPeers::new(3));
        all_at_once(8, {
            let peers = Arc::clone(&peers);
            move |thread| {
                let mut keys: Vec<_> = (0..24).map(|n| format!("key {n}")).collect();
                keys.rotate_left(thread * 3);
                if thread % 2 == 1 {
                    keys.reverse();
                }
                let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                let group = &peers.node(thread % 3).group;
                let answers = match thread {
                    0..6 => group.get_many(&keys),
                    _ => group.get_many_timeout(&keys, SOON),
                };
                assert_eq!(texts(answers), values_of(&keys));
            }
        });
        assert_eq!(peers.calls(), 24, "in round {round}");
    }
}

#[test]
fn two_peers_that_disagree_answer_each_other_s_batches() {
    let gate = Gate::closed();
    let peers = MemoryPeers::that_disagree(|_| CountingGetter::behind(&gate));
    let callers: Vec<_> = [0, 1]
        .map(|node| {
            let group = peers.node(node).group.clone();
            start(move || group.get_many(&["a", "b", "c"]))
        })
        .into_iter()
        .collect();
    gate.wait_for_arrivals(2);
    gate.open();
    for caller in callers {
        assert_eq!(texts(caller.result()), values_of(&["a", "b", "c"]));
    }
}

#[test]
fn a_batch_is_given_up_after_its_timeout_and_goes_on() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let group = alone(getter.clone());
    for answer in group.get_many_timeout(&["a", "b"], Duration::from_millis(30)) {
        assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
    }
    gate.open();
    until("the loads have filled the cache", || group.main_cache_stats().entries == 2);
    assert_eq!(texts(group.get_many(&["a", "b"])), values_of(&["a", "b"]));
    assert_eq!(getter.calls(), 2);
}

#[test]
#[ignore = "a batch holds the flights of all its keys while the getter runs"]
fn keys_of_a_batch_may_need_each_other() {
    // The value of each number is made of those before it, which the getter asks the group for.
    let me = Arc::new(OnceLock::<Group>::new());
    let group = alone({
        let me = Arc::clone(&me);
        move |key: &str| -> Result<String, Error> {
            let n: u64 = key.parse().unwrap();
            if n < 2 {
                return Ok(n.to_string());
            }
            let of = |n: u64| me.get().unwrap().get(&n.to_string());
            let number = |view: ByteView| view.as_str().unwrap().parse::<u64>().unwrap();
            Ok((number(of(n - 1)?) + number(of(n - 2)?)).to_string())
        }
    });
    me.set(group.clone()).unwrap();
    let answers = start(move || group.get_many(&["5", "4", "3"])).result();
    assert_eq!(texts(answers), ["5", "3", "2"]);
}
