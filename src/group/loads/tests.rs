use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;

use super::*;
use crate::clock::Deadline;
use crate::error::{BoxError, Error};
use crate::group::batch::all;
use crate::stack::StackBytes;
use crate::sync::lock;
use crate::tag::RemovedTags;

mod places;

const SOON: Duration = Duration::from_secs(20);

/// A group without caches and peers, but for a map.
#[derive(Default)]
struct Host {
    kept: Mutex<BTreeMap<String, Loaded>>,
    old: Mutex<BTreeMap<String, Loaded>>,
    previous: BTreeMap<&'static str, &'static str>,
    /// Stands still between two calls of the getter, if that does not move it.
    clock: AtomicU64,
    cost: Mutex<Duration>,
    removed: RemovedTags,
    /// Whether nothing is kept.
    forgets: bool,
}

impl LoadHost for Host {
    fn find(&self, key: &str) -> Option<Loaded> {
        lock(&self.kept).get(key).cloned()
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn tick(&self) -> u64 {
        self.removed.tick()
    }

    fn is_for_one_who_came_at(&self, came: u64, loaded: &Loaded) -> bool {
        loaded.is_for_one_who_came_at(came, &self.removed)
    }

    fn wait_for_disk(&self) -> bool {
        false
    }

    fn is_warming_up(&self) -> bool {
        !self.previous.is_empty()
    }

    fn take_over(&self, keys: &[&str]) -> Vec<Option<Loaded>> {
        keys.iter().map(|key| self.previous.get(key).map(|&value| Loaded::from(value))).collect()
    }

    fn with_ttl(&self, loaded: Loaded) -> Loaded {
        loaded
    }

    fn keep(
        &self,
        key: &str,
        loaded: &Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) {
        assert_eq!(now, self.now());
        *lock(&self.cost) = cost;
        if is_wanted() && !self.forgets {
            lock(&self.kept).insert(key.to_owned(), loaded.clone());
        }
    }

    fn held(&self, key: &str) -> Option<Loaded> {
        lock(&self.old).get(key).cloned()
    }

    fn renew(
        &self,
        key: &str,
        loaded: Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded {
        self.keep(key, &loaded, cost, now, is_wanted);
        loaded
    }
}

fn loads(getter: impl Getter) -> Arc<Loads> {
    loads_with(getter, SourceOptions::default())
}

fn loads_with(getter: impl Getter, source: SourceOptions) -> Arc<Loads> {
    let stack = StackBytes::default();
    let options = LoadOptions { max_loaders: 1, max_refreshers: 2, stack, source };
    Arc::new(Loads::new(Telling::quiet("g"), Box::new(getter), options))
}

/// Loads keys; their answers.
fn load(loads: &Arc<Loads>, keys: &[&str], call: Call, host: &Arc<Host>) -> Vec<Answer> {
    let mut answers = vec![None; keys.len()];
    loads.load(keys, &mut answers, call, host);
    all(answers)
}

fn upper(key: &str) -> Result<String, std::fmt::Error> {
    Ok(key.to_uppercase())
}

fn soon() -> Option<Deadline> {
    Deadline::after(SOON)
}

/// Says that a getter has begun, and holds it until it may go on.
fn gate() -> (impl Fn() + Send + Sync + 'static, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, begins) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let gates = Mutex::new((begun, opened));
    let pass = move || {
        let gates = lock(&gates);
        gates.0.send(()).unwrap();
        gates.1.recv_timeout(SOON).unwrap();
    };
    (pass, begins, open)
}

#[test]
fn what_is_loaded_is_kept_and_what_is_there_is_not_loaded() {
    let (loads, host) = (loads(upper), Arc::new(Host::default()));
    lock(&host.kept).insert("b".to_owned(), Loaded::from("there"));
    for call in [Call::many(None), Call::many(soon())] {
        let answers = load(&loads, &["a", "b"], call, &host);
        let values: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
        assert_eq!(values, [Loaded::from("A"), Loaded::from("there")]);
    }
    assert_eq!(loads.counters.loads.value(), 1);
    assert_eq!(load(&loads, &["c"], Call::one(None), &host)[0].as_ref().unwrap(), &"C".into());
}

#[test]
fn the_cost_of_a_load_is_told_by_the_clock_of_the_group() {
    let host = Arc::new(Host::default());
    let hand = Arc::clone(&host);
    let loads = loads(move |key: &str| {
        hand.clock.fetch_add(1500, Ordering::Relaxed);
        upper(key)
    });
    load(&loads, &["a"], Call::one(None), &host);
    assert_eq!(*lock(&host.cost), Duration::from_millis(1500));
    load(&loads, &["b", "c", "d"], Call::many(None), &host);
    assert_eq!(
        *lock(&host.cost),
        Duration::from_millis(1500),
        "three calls, for each of three keys"
    );
}

#[test]
fn what_previous_owners_have_is_taken_and_kept_and_not_loaded() {
    let host = Host { previous: BTreeMap::from([("a", "theirs")]), ..Host::default() };
    let (loads, host) = (loads(upper), Arc::new(host));
    let answers = load(&loads, &["a", "b"], Call::many(None), &host);
    assert_eq!(answers[0].as_ref().unwrap(), &Loaded::from("theirs"));
    assert_eq!(lock(&host.kept).len(), 2);
    assert_eq!(loads.counters.loads.value(), 1);
}

#[test]
fn a_doomed_load_is_answered_and_not_kept() {
    let (pass, begins, open) = gate();
    let loads = loads(move |key: &str| {
        pass();
        upper(key)
    });
    let host = Arc::new(Host::default());
    thread::scope(|scope| {
        let caller = scope.spawn(|| load(&loads, &["a"], Call::one(None), &host).remove(0));
        begins.recv_timeout(SOON).unwrap();
        loads.doom("a");
        open.send(()).unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), Loaded::from("A"));
    });
    assert!(lock(&host.kept).is_empty());
}

#[test]
fn a_caller_who_leaves_in_time_leaves_the_load_behind() {
    let (pass, begins, open) = gate();
    let loads = loads(move |key: &str| {
        pass();
        upper(key)
    });
    let host = Arc::new(Host::default());
    let brief = || Call::one(Deadline::after(Duration::from_millis(20)));
    let answer = load(&loads, &["a"], brief(), &host).remove(0);
    assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
    begins.recv_timeout(SOON).unwrap();
    let answer = load(&loads, &["b"], brief(), &host).remove(0);
    assert!(matches!(answer, Err(Error::Overloaded { .. })), "its only loader is busy: {answer:?}");
    open.send(()).unwrap();
    let answer = load(&loads, &["a"], Call::one(soon()), &host).remove(0);
    assert_eq!(answer.unwrap(), Loaded::from("A"));
    assert_eq!(loads.counters.loads.value(), 1);
}

#[test]
fn a_panic_is_the_caller_s_of_one_key_and_an_error_of_many() {
    let loads = loads(|_: &str| -> Result<String, std::fmt::Error> { panic!("the getter panics") });
    let host = Arc::new(Host::default());
    let one = || drop(load(&loads, &["a"], Call::one(None), &host));
    assert!(catch_unwind(AssertUnwindSafe(one)).is_err());
    for call in [Call::many(None), Call::many(soon()), Call::one(soon())] {
        let answer = load(&loads, &["a"], call, &host).remove(0);
        assert!(matches!(answer, Err(Error::Load { .. })), "{answer:?}");
    }
    assert!(loads.counters.errors.value() >= 4);
}

#[test]
fn a_refresh_runs_elsewhere_and_only_if_it_is_still_due() {
    let (done, results) = mpsc::channel();
    let done = Mutex::new(done);
    let loads = loads(move |key: &str| {
        lock(&done).send(key.to_owned()).unwrap();
        upper(key)
    });
    let host = Arc::new(Host::default());
    loads.refresh(&[("a", ())], &host, |_, _, ()| None);
    assert_eq!(results.recv_timeout(SOON).unwrap(), "a");
    let (asked, asks) = mpsc::channel();
    loads.refresh(&[("b", ())], &host, move |_, key, ()| {
        asked.send(key.to_owned()).unwrap();
        Some(Loaded::from("found"))
    });
    assert_eq!(asks.recv_timeout(SOON).unwrap(), "b");
    loads.refresh(&[("c", ())], &host, |_, _, ()| None);
    assert_eq!(results.recv_timeout(SOON).unwrap(), "c", "and b was not loaded");
}

/// Loads whose callers lose their patience at once.
fn impatient(getter: impl Getter) -> Arc<Loads> {
    let mut loads = loads(getter);
    let inner = Arc::get_mut(&mut loads).expect("nobody has it yet");
    inner.patience = Patience::at_least(Duration::from_millis(20));
    loads
}

/// A getter of which the first call waits at the gate, and that numbers its values by their calls.
fn stuck_at_first() -> (impl Getter, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (pass, begins, open) = gate();
    let calls = AtomicU64::new(0);
    let getter = move |key: &str| -> Result<String, std::fmt::Error> {
        let nth = calls.fetch_add(1, Ordering::SeqCst);
        if nth == 0 {
            pass();
        }
        if key == "failing" && nth > 0 { Err(std::fmt::Error) } else { Ok(format!("{key}{nth}")) }
    };
    (getter, begins, open)
}

#[test]
fn a_load_that_takes_too_long_is_made_again_by_one_who_waits_and_lands_for_all() {
    let (getter, begins, open) = stuck_at_first();
    let (loads, host) = (impatient(getter), Arc::new(Host::default()));
    thread::scope(|scope| {
        let first = scope.spawn(|| load(&loads, &["a"], Call::one(None), &host).remove(0));
        begins.recv_timeout(SOON).unwrap();
        let waiting: Vec<_> = (0..8)
            .map(|n| {
                let (loads, host) = (&loads, &host);
                scope.spawn(move || match n % 2 {
                    0 => load(loads, &["a"], Call::one(None), host).remove(0),
                    _ => load(loads, &["a", "b"], Call::many(None), host).remove(0),
                })
            })
            .collect();
        for waiting in waiting {
            assert_ne!(waiting.join().unwrap().unwrap(), Loaded::from("a0"));
        }
        let kept = lock(&host.kept)["a"].clone();
        open.send(()).unwrap();
        assert_eq!(first.join().unwrap().unwrap(), Loaded::from("a0"));
        assert_eq!(lock(&host.kept)["a"], kept, "what was stuck is not kept");
    });
}

#[test]
fn who_starts_over_has_its_patience_again() {
    let loads = impatient(upper);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    let follow = |leader_gives_up: bool| {
        let Ok(Ticket::Leader(leader)) = loads.flights.join("a") else { panic!("nobody flies") };
        let (mut led, mut answers) = ([None], [None]);
        let (follower, stays) = (leader.follower(), (!leader_gives_up).then_some(leader));
        let call = (Call::one(None), long_ago);
        let slots = (&mut led[..], &mut answers[..]);
        let starts_over = loads.follow(&["a"], vec![(0, follower)], slots, call, &|_| true);
        drop(stays);
        (starts_over, led[0].is_some())
    };
    assert_eq!(follow(true), (true, false), "the next flight has just begun");
    assert_eq!(follow(false), (false, true), "this one takes too long");
}

#[test]
fn the_failure_of_a_back_up_is_its_caller_s_alone() {
    let (getter, begins, open) = stuck_at_first();
    let (loads, host) = (impatient(getter), Arc::new(Host::default()));
    thread::scope(|scope| {
        let get = || load(&loads, &["failing"], Call::one(None), &host).remove(0);
        let first = scope.spawn(get);
        begins.recv_timeout(SOON).unwrap();
        assert!(matches!(get(), Err(Error::Load { .. })));
        let Ok(Ticket::Follower(other)) = loads.flights.join("failing") else { panic!("it flies") };
        open.send(()).unwrap();
        let Waited::Value(answer) = other.wait(soon().map(|it| it.at)) else { panic!("it lands") };
        assert_eq!(answer.unwrap(), Loaded::from("failing0"));
        assert!(first.join().unwrap().is_ok());
    });
}

#[test]
fn a_caller_with_a_time_limit_keeps_it_and_makes_no_second_load() {
    let (getter, begins, open) = stuck_at_first();
    let (loads, host) = (impatient(getter), Arc::new(Host::default()));
    thread::scope(|scope| {
        let first = scope.spawn(|| load(&loads, &["a"], Call::one(None), &host).remove(0));
        begins.recv_timeout(SOON).unwrap();
        let brief = Call::one(Deadline::after(Duration::from_millis(60)));
        let answer = load(&loads, &["a"], brief, &host).remove(0);
        assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
        open.send(()).unwrap();
        assert_eq!(first.join().unwrap().unwrap(), Loaded::from("a0"));
    });
    assert_eq!(loads.counters.loads.value(), 1);
}

#[test]
fn a_batch_makes_all_its_overdue_loads_in_one_call() {
    let (pass, begins, open) = gate();
    let calls = Arc::new(Mutex::new(Vec::new()));
    struct Noting<F>(Arc<Mutex<Vec<usize>>>, F);
    impl<F: Fn() + Send + Sync + 'static> Getter for Noting<F> {
        fn get(&self, _key: &str) -> Result<Loaded, BoxError> {
            unreachable!("these are batches")
        }

        fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
            let is_first = {
                let mut calls = lock(&self.0);
                calls.push(keys.len());
                calls.len() == 1
            };
            if is_first {
                (self.1)();
            }
            keys.iter().map(|&key| Ok(Loaded::from(key))).collect()
        }
    }
    let (loads, host) = (impatient(Noting(Arc::clone(&calls), pass)), Arc::new(Host::default()));
    thread::scope(|scope| {
        let first = scope.spawn(|| load(&loads, &["a", "b", "c"], Call::many(None), &host));
        begins.recv_timeout(SOON).unwrap();
        let answers = load(&loads, &["a", "b", "c"], Call::many(None), &host);
        assert!(answers.iter().all(Result::is_ok));
        open.send(()).unwrap();
        assert!(first.join().unwrap().iter().all(Result::is_ok));
    });
    assert_eq!(*lock(&calls), [3, 3]);
}

#[test]
fn getters_that_split_their_work_in_the_pool_of_their_callers_all_return() {
    use rayon::prelude::*;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let loads = impatient(|key: &str| {
        let slow = |n: u64| {
            thread::sleep(Duration::from_micros(50));
            n
        };
        let sum: u64 = (0..16).into_par_iter().map(slow).sum();
        Ok::<_, std::fmt::Error>(format!("{key}{sum}"))
    });
    let host = Arc::new(Host { forgets: true, ..Host::default() });
    let (answer, answers) = mpsc::channel();
    const GETS: usize = 400;
    pool.spawn(move || {
        (0..GETS).into_par_iter().for_each(|n| {
            let key = ["a", "b", "c"][n % 3];
            let got = load(&loads, &[key], Call::one(None), &host).remove(0);
            answer.send(got.map_err(|error| error.to_string())).unwrap();
        });
    });
    for _ in 0..GETS {
        answers.recv_timeout(SOON).expect("nobody hangs").unwrap();
    }
}

#[test]
fn a_key_that_a_closure_has_loaded_is_there_while_the_rest_of_its_batch_loads() {
    let flights: Arc<OnceLock<Singleflight<Answer, _>>> = Arc::default();
    let theirs = Arc::clone(&flights);
    let loads = loads(move |key: &str| {
        let joins = || match theirs.get().unwrap().join("a") {
            Ok(Ticket::Follower(_)) => "its flight goes on",
            _ => "it has landed",
        };
        let seen = thread::scope(|scope| scope.spawn(joins).join().unwrap());
        assert_ne!(key, "bad", "the getter panics");
        Ok::<_, std::fmt::Error>(seen)
    });
    assert!(flights.set(loads.flights.clone()).is_ok());
    let answers = load(&loads, &["a", "bad", "b"], Call::many(None), &Arc::new(Host::default()));
    assert_eq!(answers[0].as_ref().unwrap(), &Loaded::from("its flight goes on"));
    assert!(matches!(answers[1], Err(Error::Load { .. })), "it fails alone");
    assert_eq!(answers[2].as_ref().unwrap(), &Loaded::from("it has landed"));
}
