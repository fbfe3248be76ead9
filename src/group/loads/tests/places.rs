//! Loads that wait for a place at their source.

use std::num::NonZeroUsize;

use super::*;

#[test]
fn those_who_wait_for_a_load_that_finds_no_place_do_not_each_try_for_as_long() {
    let (pass, begins, open) = gate();
    let getter = move |key: &str| {
        if key == "a" {
            pass();
        }
        upper(key)
    };
    let source = SourceOptions { max_loads: NonZeroUsize::new(1), breaker: None };
    let mut loads = loads_with(getter, source);
    Arc::get_mut(&mut loads).expect("nobody has it yet").source.most_wait =
        Duration::from_millis(300);
    let host = Arc::new(Host::default());
    thread::scope(|scope| {
        let first = scope.spawn(|| load(&loads, &["a"], Call::one(None), &host).remove(0));
        begins.recv_timeout(SOON).unwrap();
        let callers = [(); 8]
            .map(|()| scope.spawn(|| load(&loads, &["b"], Call::one(None), &host).remove(0)));
        for caller in callers {
            assert!(matches!(caller.join().unwrap(), Err(Error::Overloaded { .. })));
        }
        open.send(()).unwrap();
        first.join().unwrap().unwrap();
    });
    assert!(
        loads.source_counts().1 < 8,
        "each of them has waited for a place, one after the other"
    );
}

#[test]
fn who_waits_for_a_load_that_waits_for_a_place_does_not_load_as_well() {
    let (pass, begins, open) = gate();
    let calls = Arc::new(AtomicU64::new(0));
    let getter = {
        let calls = Arc::clone(&calls);
        move |key: &str| {
            calls.fetch_add(1, Ordering::SeqCst);
            if key == "a" {
                pass();
            }
            upper(key)
        }
    };
    let source = SourceOptions { max_loads: NonZeroUsize::new(1), breaker: None };
    let mut loads = loads_with(getter, source);
    Arc::get_mut(&mut loads).expect("nobody has it yet").patience =
        Patience::at_least(Duration::from_millis(5));
    let host = Arc::new(Host::default());
    thread::scope(|scope| {
        let first = scope.spawn(|| load(&loads, &["a"], Call::one(None), &host).remove(0));
        begins.recv_timeout(SOON).unwrap();
        let callers = [(); 4]
            .map(|()| scope.spawn(|| load(&loads, &["b"], Call::one(None), &host).remove(0)));
        // Long enough for the patience of all of them to end several times.
        thread::sleep(Duration::from_millis(100));
        open.send(()).unwrap();
        for caller in callers.into_iter().chain([first]) {
            assert!(caller.join().unwrap().is_ok());
        }
    });
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a_batch_waits_for_a_place_once_and_not_for_each_of_its_keys() {
    let (pass, begins, open) = gate();
    let getter = move |key: &str| {
        if key == "a" {
            pass();
        }
        upper(key)
    };
    let source = SourceOptions { max_loads: NonZeroUsize::new(1), breaker: None };
    let mut loads = loads_with(getter, source);
    Arc::get_mut(&mut loads).expect("nobody has it yet").source.most_wait =
        Duration::from_millis(300);
    let host = Arc::new(Host::default());
    let keys: Vec<String> = (0..200).map(|n| format!("key {n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    thread::scope(|scope| {
        let first = scope.spawn(|| load(&loads, &["a"], Call::one(None), &host).remove(0));
        begins.recv_timeout(SOON).unwrap();
        let begun = Instant::now();
        let answers = load(&loads, &keys, Call::many(None), &host);
        let took = begun.elapsed();
        open.send(()).unwrap();
        first.join().unwrap().unwrap();
        assert!(answers.iter().all(|it| matches!(it, Err(Error::Overloaded { .. }))));
        assert!(took < SOON, "{took:?} for what would be a minute of waits");
    });
}
