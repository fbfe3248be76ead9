//! Getters that get: a thread inside a getter never waits for a flight or for a loader.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use geecache::{Error, Group, GroupBuilder};
use rayon::ThreadPoolBuilder;

use crate::support::{CountingGetter, SOON, start};

const ONE: NonZeroUsize = NonZeroUsize::new(1).unwrap();

/// A group whose getter asks it for "b" to load "a", "b2" for "a2", and so on.
fn a_needs_b(build: impl FnOnce(GroupBuilder) -> GroupBuilder) -> (Group, CountingGetter) {
    let me = Arc::new(OnceLock::<Group>::new());
    let getter = CountingGetter::with({
        let me = Arc::clone(&me);
        move |key| match key.strip_prefix('a') {
            None => Ok(key.into()),
            Some(rest) => Ok(me.get().unwrap().get(&format!("b{rest}"))?.into()),
        }
    });
    let group = build(Group::builder("nested", 1 << 20, getter.clone())).build();
    me.set(group.clone()).unwrap();
    (group, getter)
}

#[test]
fn a_task_that_a_waiting_getter_runs_on_its_thread_is_no_circle() {
    let group = Group::new("stolen", 0, |key: &str| {
        rayon::yield_now(); // runs the other task on this thread
        Ok::<_, io::Error>(key.to_owned())
    });
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (answer, answers) = mpsc::channel();
    pool.install(|| {
        for _ in 0..2 {
            let (group, answer) = (group.clone(), answer.clone());
            rayon::spawn(move || answer.send(group.get("k")).unwrap());
        }
    });
    for _ in 0..2 {
        assert_eq!(answers.recv_timeout(SOON).unwrap().unwrap(), "k");
    }
}

/// One thread waits for the half of its getter's work that another one took. That one takes up a
/// task meanwhile, which gets the same key, and so waits for the first.
#[test]
fn a_task_that_waits_for_the_getter_that_its_thread_works_for_loads_in_the_end() {
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let me = Arc::new(OnceLock::<Group>::new());
    let (answer, answers) = mpsc::channel();
    let calls = AtomicUsize::new(0);
    let group = Group::new("split", 0, {
        let (me, answer) = (Arc::clone(&me), answer.clone());
        move |key: &str| {
            if calls.fetch_add(1, Ordering::SeqCst) > 0 {
                return Ok::<_, io::Error>(key.to_owned());
            }
            let (take, taken) = mpsc::channel();
            let (group, answer) = (me.get().unwrap().clone(), answer.clone());
            let theirs = move || {
                take.send(()).unwrap();
                rayon::spawn(move || answer.send(group.get("k")).unwrap());
                rayon::yield_now(); // runs it
            };
            rayon::join(move || taken.recv_timeout(SOON).unwrap(), theirs);
            Ok(key.to_owned())
        }
    });
    me.set(group.clone()).unwrap();
    pool.spawn(move || answer.send(group.get("k")).unwrap());
    for _ in 0..2 {
        assert_eq!(answers.recv_timeout(SOON).expect("nobody hangs").unwrap(), "k");
    }
}

#[test]
fn a_nested_load_needs_no_second_loader() {
    let limit = |group: GroupBuilder| group.wait_timeout(SOON / 4).max_loaders(ONE);
    let (group, _) = a_needs_b(limit);
    assert_eq!(group.get("a").unwrap(), "b");
    assert_eq!(group.get_many(&["a1", "a2"])[1].as_ref().unwrap(), "b2");
}

#[test]
fn as_many_nested_loads_as_there_are_loaders_get_done() {
    let (group, _) = a_needs_b(|group| group.wait_timeout(SOON));
    let callers: Vec<_> = (0..64)
        .map(|n| {
            let group = group.clone();
            start(move || group.get(&format!("a{n}")))
        })
        .collect();
    for (n, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.result().unwrap(), format!("b{n}").as_str());
    }
}

#[test]
fn a_key_that_somebody_is_loading_is_loaded_alone_by_a_getter_and_not_kept() {
    let (begun, begins) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let gates = std::sync::Mutex::new((begun, opened));
    let me = Arc::new(OnceLock::<Group>::new());
    let getter = CountingGetter::with({
        let me = Arc::clone(&me);
        move |key| match key {
            "outer" => Ok(me.get().unwrap().get("inner")?.into()),
            // The first load of it waits, the second one does not.
            _ => {
                if let Ok(gates) = gates.try_lock() {
                    gates.0.send(()).unwrap();
                    gates.1.recv_timeout(SOON).unwrap();
                }
                Ok("value".into())
            }
        }
    });
    let group = Group::new("nested", 1 << 20, getter.clone());
    me.set(group.clone()).unwrap();
    let first = start({
        let group = group.clone();
        move || group.get("inner")
    });
    begins.recv_timeout(SOON).unwrap();
    let outer = start({
        let group = group.clone();
        move || group.get("outer")
    });
    assert_eq!(outer.result().unwrap(), "value", "it did not wait");
    assert_eq!(group.peek("inner"), None, "nobody keeps what no removal could doom");
    open.send(()).unwrap();
    assert_eq!(first.result().unwrap(), "value");
    assert_eq!(group.peek("inner").unwrap(), "value");
    assert_eq!(getter.calls_of("inner"), 2);
}

#[test]
fn a_key_that_batches_at_many_levels_need_is_no_circle() {
    let me = Arc::new(OnceLock::<Group>::new());
    let group = Group::new("levels", 1 << 20, {
        let me = Arc::clone(&me);
        // "8" needs "7" and "leaf", "7" needs "6" and "leaf", and so on.
        move |key: &str| -> Result<String, Error> {
            if let Some(level) = key.parse::<u32>().ok().filter(|level| *level > 0) {
                let below = (level - 1).to_string();
                me.get()
                    .unwrap()
                    .get_many(&[&below, "leaf"])
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()?;
            }
            Ok(key.to_owned())
        }
    });
    me.set(group.clone()).unwrap();
    assert_eq!(start(move || group.get("8")).result().unwrap(), "8");
}

#[test]
fn two_threads_whose_keys_need_each_other_are_told_so() {
    let me = Arc::new(OnceLock::<Group>::new());
    let both = Arc::new(std::sync::Barrier::new(2));
    let first = Arc::new(AtomicUsize::new(0));
    let group = Group::new("circle", 1 << 20, {
        let me = Arc::clone(&me);
        move |key: &str| {
            // The two outer loads are both under way before either asks for the other's key.
            if first.fetch_add(1, Ordering::SeqCst) < 2 {
                both.wait();
            }
            let other = if key == "x" { "y" } else { "x" };
            me.get().unwrap().get(other)
        }
    });
    me.set(group.clone()).unwrap();
    let callers = ["x", "y"].map(|key| {
        let group = group.clone();
        start(move || group.get(key))
    });
    for caller in callers {
        let error = caller.result().unwrap_err();
        let mut sources =
            std::iter::successors(std::error::Error::source(&error), |error| error.source());
        let last = sources.by_ref().last().unwrap();
        assert!(matches!(last.downcast_ref(), Some(Error::ReentrantLoad { .. })), "{error:?}");
    }
}

/// Each of them asks for all of them, and fails afterwards if one is missing.
#[test]
fn a_circle_of_a_few_keys_ends_soon_though_each_getter_asks_for_all_of_them() {
    const KEYS: [&str; 3] = ["x", "y", "z"];
    for is_batch in [false, true] {
        let me = Arc::new(OnceLock::<Group>::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let group = Group::new("knot", 1 << 20, {
            let (me, calls) = (Arc::clone(&me), Arc::clone(&calls));
            move |key: &str| {
                if calls.fetch_add(1, Ordering::SeqCst) >= 1000 {
                    return Ok(key.to_owned()); // It would take years.
                }
                let group = me.get().unwrap();
                let all: Vec<_> = if is_batch {
                    group.get_many(&KEYS)
                } else {
                    KEYS.iter().map(|key| group.get(key)).collect()
                };
                all.into_iter().collect::<Result<Vec<_>, _>>().map(|_| key.to_owned())
            }
        });
        me.set(group.clone()).unwrap();
        assert!(start(move || group.get("x")).result().is_err());
        let calls = calls.load(Ordering::SeqCst);
        assert!(calls < 100, "{calls} loads");
    }
}

/// Not more than a thread has room for, and far from the end of this one.
#[test]
fn a_chain_of_keys_that_is_too_long_is_an_error_and_not_the_end_of_the_process() {
    let me = Arc::new(OnceLock::<Group>::new());
    let getter = CountingGetter::with({
        let me = Arc::clone(&me);
        move |key| match key.parse::<u32>().unwrap() {
            0 => Ok("end".into()),
            n => Ok(me.get().unwrap().get(&(n - 1).to_string())?.into()),
        }
    });
    let group = Group::new("chain", 1 << 20, getter);
    me.set(group.clone()).unwrap();
    for many in [false, true] {
        let error = match many {
            false => group.get("1000000").unwrap_err(),
            true => group.get_many(&["1000000", "999"])[0].clone().unwrap_err(),
        };
        let sources =
            std::iter::successors(std::error::Error::source(&error), |error| error.source());
        let last = sources.last().unwrap().downcast_ref();
        let Some(Error::NestedTooDeep { key, levels: 64, .. }) = last else { panic!("{last:?}") };
        assert_eq!(key, "999936");
        // Each level tells the next one, and none tells it twice.
        let text = start(move || error.to_string()).result();
        let begin = "loading \"1000000\" of group \"chain\" failed: loading \"999999\" of group";
        assert!(text.starts_with(begin) && text.len() < 500, "{text}");
    }
    // What is near enough is loaded, and then the rest is.
    assert_eq!(group.get("63").unwrap(), "end");
    assert_eq!(group.get("100").unwrap(), "end");
}
