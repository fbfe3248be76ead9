use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
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
