use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// Starts a flight of "key" on its own thread; it lands with `value` when the sender is used or
/// dropped.
fn take_off(
    flights: &Singleflight<u32>,
    end: impl FnOnce() -> u32 + Send + 'static,
) -> (mpsc::Sender<()>, thread::JoinHandle<Option<u32>>) {
    let (go, gate) = mpsc::channel::<()>();
    let (started, flying) = mpsc::channel();
    let flights = flights.clone();
    let leader = thread::spawn(move || {
        let work = || {
            started.send(()).unwrap();
            let _ = gate.recv_timeout(Duration::from_secs(10));
            end()
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| flights.run("key", work)));
        outcome.ok().map(|result| result.unwrap().0)
    });
    flying.recv_timeout(Duration::from_secs(10)).unwrap();
    (go, leader)
}

fn follower_of(flights: &Singleflight<u32>) -> Follower<u32> {
    match flights.join("key") {
        Ok(Ticket::Follower(follower)) => follower,
        _ => panic!("there should be a flight to follow"),
    }
}

#[test]
fn simultaneous_callers_share_one_run() {
    let flights = Singleflight::new();
    let runs = AtomicUsize::new(0);
    let (go, leader) = take_off(&flights, || 7);
    let followers: Vec<_> = (0..8).map(|_| follower_of(&flights)).collect();
    drop(go);
    for follower in followers {
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(matches!(follower.wait(Some(deadline)), Waited::Value(7)));
    }
    assert_eq!(leader.join().unwrap(), Some(7));
    let again = flights.run("key", || {
        runs.fetch_add(1, Ordering::Relaxed);
        8
    });
    assert_eq!(again, Ok((8, Role::Leader)), "an ended flight is forgotten");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn who_has_a_limit_does_not_wait_for_work_that_never_ends() {
    let flights = Singleflight::new();
    let (go, leader) = take_off(&flights, || 7);
    let brief = Duration::from_millis(1);
    assert_eq!(flights.run_timeout("key", brief, || unreachable!("another one works")), Ok(None));
    drop(go);
    assert_eq!(leader.join().unwrap(), Some(7));
    assert_eq!(flights.run_timeout("key", brief, || 8), Ok(Some((8, Role::Leader))));
}

#[test]
fn other_keys_are_not_held_up() {
    let flights = Singleflight::new();
    let (go, leader) = take_off(&flights, || 7);
    assert_eq!(flights.run("other", || 1), Ok((1, Role::Leader)));
    drop(go);
    leader.join().unwrap();
}

#[test]
fn panicking_leader_wakes_its_followers_and_one_of_them_leads() {
    let flights = Singleflight::new();
    let (go, leader) = take_off(&flights, || panic!("the work panics"));
    let follower = follower_of(&flights);
    let waiter = thread::spawn({
        let flights = flights.clone();
        move || flights.run("key", || 9)
    });
    drop(go);
    assert_eq!(leader.join().unwrap(), None);
    let deadline = Instant::now() + Duration::from_secs(10);
    assert!(matches!(follower.wait(Some(deadline)), Waited::Abandoned));
    assert_eq!(waiter.join().unwrap(), Ok((9, Role::Leader)));
    assert_eq!(flights.len(), 0);
}

#[test]
fn the_same_thread_is_refused_instead_of_waiting_for_itself() {
    let flights = Singleflight::<Option<Reentrant>>::new();
    let outer = flights.run("key", || flights.run("key", || None).err());
    assert_eq!(outer, Ok((Some(Reentrant), Role::Leader)));
    assert_eq!(flights.run("key", || None), Ok((None, Role::Leader)));
}

#[test]
fn work_handed_to_another_thread_is_reentrant_there() {
    let flights = Singleflight::<bool>::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let follower = leader.follower();
    let worker = thread::spawn(move || leader.lead(|_| flights.join("key").is_err()));
    let deadline = Instant::now() + Duration::from_secs(10);
    assert!(matches!(follower.wait(Some(deadline)), Waited::Value(true)));
    assert!(worker.join().unwrap());
}

#[test]
fn a_doomed_flight_serves_its_followers_and_nobody_else() {
    let flights = Singleflight::new();
    let Ok(Ticket::Leader(old)) = flights.join("key") else { panic!("nobody flies") };
    let follower = old.follower();
    assert!(!old.is_doomed());
    flights.doom("key");
    assert!(old.is_doomed());
    let Ok(Ticket::Leader(new)) = flights.join("key") else { panic!("it can not be followed") };
    new.begin();
    old.land(&1);
    assert!(matches!(follower.wait(None), Waited::Value(1)));
    assert!(flights.join("key").is_err(), "the old flight's end leaves the new one alone");
    flights.doom_all();
    assert!(new.is_doomed());
}

#[test]
fn who_hands_the_work_on_is_a_follower_like_any_other() {
    let flights = Singleflight::<u32>::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let before_it_begins = follower_of(&flights);
    assert_eq!(thread::spawn(move || leader.lead(|_| 7)).join().unwrap(), 7);
    assert!(matches!(before_it_begins.wait(None), Waited::Value(7)));
}

#[test]
fn a_follower_gives_up_at_its_deadline_and_the_flight_goes_on() {
    let flights = Singleflight::new();
    let (go, leader) = take_off(&flights, || 7);
    let follower = follower_of(&flights);
    assert!(matches!(follower.wait(Some(Instant::now())), Waited::TimedOut));
    drop(go);
    assert_eq!(leader.join().unwrap(), Some(7));
    assert!(matches!(follower.wait(None), Waited::Value(7)));
}

#[test]
fn a_follower_that_has_not_begun_to_wait_gets_the_value_all_the_same() {
    let flights = Singleflight::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let follower = follower_of(&flights);
    leader.land(&7);
    assert_eq!(flights.len(), 0);
    assert!(matches!(follower.wait(None), Waited::Value(7)));
}

#[test]
fn many_flights_are_told_apart() {
    let flights = Singleflight::new();
    let keys: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
    let mut leaders = Vec::new();
    for key in &keys {
        let Ok(Ticket::Leader(leader)) = flights.join(key) else { panic!("nobody flies {key}") };
        leaders.push(leader);
    }
    assert_eq!(flights.len(), 2000);
    let mut followers = Vec::new();
    for key in &keys {
        let Ok(Ticket::Follower(follower)) = flights.join(key) else { panic!("{key} flies") };
        followers.push(follower);
    }
    for (n, leader) in leaders.into_iter().enumerate() {
        leader.land(&n);
    }
    for (n, follower) in followers.iter().enumerate() {
        assert!(matches!(follower.wait(None), Waited::Value(it) if it == n));
    }
    assert_eq!(flights.len(), 0);
}

/// A place as a back-up for a follower of the flight of "key".
fn back_up_of(flights: &Singleflight<u32>) -> Leader<u32> {
    let follower = follower_of(flights);
    let Ok(leader) = flights.back_up(&follower, Duration::ZERO) else { panic!("none is allowed") };
    leader
}

#[test]
fn a_back_up_that_is_first_lands_for_all_and_dooms_the_leader() {
    let flights = Singleflight::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let waits = follower_of(&flights);
    let back_up = back_up_of(&flights);
    assert!(back_up.is_back_up() && !back_up.is_doomed() && !leader.is_doomed());
    back_up.land(&8);
    assert!(matches!(waits.wait(None), Waited::Value(8)));
    assert!(leader.is_doomed(), "a removal does not find it any more");
    assert_eq!(flights.len(), 0);
    let Ok(Ticket::Leader(next)) = flights.join("key") else { panic!("it has ended") };
    leader.land(&7);
    assert!(matches!(waits.wait(None), Waited::Value(8)), "the first value stays");
    assert!(!next.is_doomed() && matches!(flights.join("key"), Ok(Ticket::Follower(_))));
}

#[test]
fn a_leader_that_is_first_lands_for_all_and_dooms_the_back_up() {
    let flights = Singleflight::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let back_up = back_up_of(&flights);
    let waits = follower_of(&flights);
    leader.land(&7);
    assert!(matches!(waits.wait(None), Waited::Value(7)));
    assert!(back_up.is_doomed());
    assert!(flights.back_up(&waits, Duration::ZERO).is_err(), "it has ended");
}

#[test]
fn the_flight_goes_on_as_long_as_one_of_its_leaders_is_left() {
    let flights = Singleflight::new();
    for leader_stays in [true, false] {
        let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
        let waits = follower_of(&flights);
        let back_up = back_up_of(&flights);
        leader.begin();
        let (stays, gives_up) = if leader_stays { (leader, back_up) } else { (back_up, leader) };
        drop(gives_up);
        assert!(matches!(waits.wait(Some(Instant::now())), Waited::TimedOut));
        // This thread has begun it, and does nothing of it any more when that has given up.
        assert_eq!(flights.join("key").is_err(), leader_stays);
        flights.doom("key");
        assert!(stays.is_doomed(), "a removal finds it");
        drop(stays);
        assert!(matches!(waits.wait(None), Waited::Abandoned));
        assert!(flights.back_up(&waits, Duration::ZERO).is_err(), "it has ended");
        assert_eq!(flights.len(), 0);
    }
}

#[test]
fn one_back_up_at_a_time_and_the_next_one_after_twice_the_patience() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let flights = Singleflight::<u32>::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let follower = follower_of(&flights);
    let begun = Instant::now();
    let Ok(back_up) = flights.back_up(&follower, HOUR) else { panic!("it is the first") };
    let next = flights.back_up(&follower, HOUR).err().expect("another one is under way");
    assert!(next >= begun + 2 * HOUR);
    drop(back_up);
    let next = flights.back_up(&follower, HOUR).err().expect("another one began just now");
    assert!(next >= begun + HOUR && next < begun + 2 * HOUR);
    assert!(flights.back_up(&follower, Duration::ZERO).is_ok());
    drop(leader);
}

/// Leaders of keys that board together.
fn board(flights: &Singleflight<u32>, keys: &[&str]) -> Vec<Leader<u32>> {
    let mut boarding = flights.board(keys);
    let lead = |at| match boarding.join(at) {
        Ok(Ticket::Leader(leader)) => leader,
        _ => panic!("{} flies already", keys[at]),
    };
    (0..keys.len()).map(lead).collect()
}

#[test]
fn keys_that_board_together_end_one_by_one() {
    let flights = Singleflight::new();
    let mut led = board(&flights, &["a", "bb", "ccc", ""]);
    assert_eq!(led.iter().map(Leader::key).collect::<Vec<_>>(), ["a", "bb", "ccc", ""]);
    let follow = |key| match flights.join(key) {
        Ok(Ticket::Follower(follower)) => follower,
        _ => panic!("{key} should fly"),
    };
    let followers = ["a", "bb", "ccc"].map(follow);
    let over = Some(Instant::now());
    led[1].land(&2);
    assert!(matches!(followers[1].wait(None), Waited::Value(2)));
    assert!(matches!(followers[0].wait(over), Waited::TimedOut));
    assert_eq!(flights.len(), 3);
    flights.doom("a");
    assert_eq!(led.iter().map(Leader::is_doomed).collect::<Vec<_>>(), [true, true, false, false]);
    drop(led.remove(2));
    assert!(matches!(followers[2].wait(None), Waited::Abandoned), "as it panicked");
    assert!(matches!(followers[0].wait(over), Waited::TimedOut));
    led[0].land(&1);
    led[0].land(&7);
    assert!(matches!(followers[0].wait(None), Waited::Value(1)), "it has landed once");
    drop(led);
    assert_eq!(flights.len(), 0);
}

#[test]
fn keys_that_board_together_begin_together_and_can_be_given_up_one_by_one() {
    let flights = Singleflight::new();
    let mut led = board(&flights, &["a", "key"]);
    let follower = follower_of(&flights);
    let _back_up = back_up_of(&flights);
    led[0].begin();
    assert!(flights.join("key").is_err() && flights.join("a").is_err());
    assert_eq!(follower.leader(), Some(thread::current().id()));
    drop(led.pop());
    assert!(follower.leader().is_none() && matches!(flights.join("key"), Ok(Ticket::Follower(_))));
    assert!(flights.join("a").is_err());
}

#[test]
fn a_key_that_is_led_alone_beside_others_of_its_batch_is_not_found() {
    let flights = Singleflight::new();
    let (_go, _leader) = take_off(&flights, || 7);
    let keys = ["other", "key"];
    let mut boarding = flights.board(&keys);
    let Ok(Ticket::Leader(_other)) = boarding.join(0) else { panic!("nobody flies it") };
    assert!(matches!(boarding.join(1), Ok(Ticket::Follower(_))));
    let alone = boarding.lead_alone(1);
    assert_eq!((alone.key(), flights.len()), ("key", 2));
    assert!(alone.is_doomed());
    alone.land(&8);
    assert_eq!(flights.len(), 2);
}

#[test]
fn who_had_a_flight_started_does_not_take_it_for_one_that_waits_for_a_thread() {
    let flights = Singleflight::new();
    let Ok(Ticket::Leader(leader)) = flights.join("key") else { panic!("nobody flies") };
    let follower = leader.follower();
    follower.queue(0);
    // A thread has taken it, and has not come to its beginning.
    let (waiting, waits) = mpsc::channel();
    let waiter = thread::spawn(move || {
        waiting.send(()).unwrap();
        match follower.wait_for_start_and_end(None) {
            Waited::Value(value) => Some(value),
            Waited::Abandoned | Waited::TimedOut => None,
        }
    });
    waits.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(leader.lead(|leader| if leader.is_doomed() { 0 } else { 7 }), 7);
    assert_eq!(waiter.join().unwrap(), Some(7));
}

/// Counts how often it is used.
struct Counting(RandomState, AtomicUsize);

impl BuildHasher for Counting {
    type Hasher = <RandomState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.build_hasher()
    }
}

#[test]
fn a_key_is_hashed_once() {
    let flights = Singleflight::with_hasher(Counting(RandomState::new(), AtomicUsize::new(0)));
    flights.run("key", || 1).unwrap();
    assert_eq!(flights.hasher.1.load(Ordering::Relaxed), 1);
    let mut boarding = flights.board(&["a", "b"]);
    assert!((0..2).all(|at| matches!(boarding.join(at), Ok(Ticket::Leader(_)))));
    assert_eq!(flights.hasher.1.load(Ordering::Relaxed), 3);
}
