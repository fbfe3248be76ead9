//! What can be a getter, and what its errors look like.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::{error, fmt, io};

use geecache::{BatchGetter, ByteView, Error, Getter, Group, Loaded, NotFound};

use crate::support::{CountingGetter, alone, start, value_of};

/// The batches that a source was asked for.
type Batches = Arc<Mutex<Vec<Vec<String>>>>;

fn note(batches: &Batches, keys: &[&str]) {
    batches.lock().unwrap().push(keys.iter().map(|&key| key.to_owned()).collect());
}

/// A group before a source that knows Tom and Jack, and has an index of no other key.
fn of_tom_and_jack(batches: &Batches) -> Group {
    let batches = Arc::clone(batches);
    alone(BatchGetter::new(move |keys: &[&str]| {
        note(&batches, keys);
        let rows = ["Jack", "Tom", "unasked"].map(|key| (key, value_of(key)));
        Ok::<HashMap<_, _>, io::Error>(rows.into())
    }))
}

#[test]
fn keys_that_are_not_in_the_map_of_a_batch_do_not_exist() {
    let batches = Batches::default();
    let group = of_tom_and_jack(&batches);
    let answers = group.get_many(["Tom", "kkk", "Jack", "Tom"]);
    for (key, answer) in ["Tom", "", "Jack", "Tom"].iter().zip(&answers) {
        match answer {
            Ok(value) => assert_eq!(*value, value_of(key).as_str()),
            Err(error) => assert!(matches!(error, Error::NotFound { .. }) && key.is_empty()),
        }
    }
    assert_eq!(*batches.lock().unwrap(), [["Tom", "kkk", "Jack"]]);
    assert_eq!(group.main_cache_stats().entries, 2, "nobody asked for the third row");
}

#[test]
fn a_single_key_is_a_batch_of_one() {
    let batches = Batches::default();
    let group = of_tom_and_jack(&batches);
    assert_eq!(group.get("Jack").unwrap(), value_of("Jack").as_str());
    assert!(matches!(group.get("kkk"), Err(Error::NotFound { .. })));
    assert_eq!(*batches.lock().unwrap(), [["Jack"], ["kkk"]]);
}

#[test]
fn an_error_of_a_batch_is_that_of_all_its_keys_and_is_seen_as_it_was() {
    let batches = Batches::default();
    let noted = Arc::clone(&batches);
    let getter = BatchGetter::new(move |keys: &[&str]| {
        note(&noted, keys);
        if keys.contains(&"bad") {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        Ok(keys.iter().map(|&key| (key.to_owned(), value_of(key))).collect::<BTreeMap<_, _>>())
    });
    let group = alone(getter.max_batch(NonZeroUsize::new(2).unwrap()));
    let answers = group.get_many(["Tom", "Jack", "bad", "Sam", "Kim"]);
    let batches = batches.lock().unwrap();
    assert_eq!(*batches, [vec!["Tom", "Jack"], vec!["bad", "Sam"], vec!["Kim"]]);
    let are_loaded: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(are_loaded, [true, true, false, false, true]);
    for answer in &answers[2..4] {
        let Err(Error::Load { source, .. }) = answer else { panic!("{answer:?}") };
        let error: &io::Error = source.downcast_ref().expect("the closure's own error");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_batch_may_say_that_none_of_its_keys_exists() {
    let none = |_: &[&str]| Err::<Vec<(String, String)>, _>(NotFound);
    let group = alone(BatchGetter::new(none));
    for answer in group.get_many(["Tom", "Jack"]) {
        assert!(matches!(answer, Err(Error::NotFound { .. })), "{answer:?}");
    }
}

#[test]
fn shared_and_boxed_getters_are_getters() {
    let getter = Arc::new(CountingGetter::new());
    let (one, other) = (alone(Arc::clone(&getter)), alone(Arc::clone(&getter)));
    assert!(one.get("Tom").is_ok() && other.get_many(["Tom", "Jack"])[1].is_ok());
    assert_eq!((getter.calls(), getter.batches().len()), (3, 1), "both methods are passed on");

    let boxed: Box<dyn Getter> = Box::new(CountingGetter::clone(&getter));
    assert!(alone(boxed).get_many(["Tom", "Jack"])[1].is_ok());
    assert_eq!((getter.calls(), getter.batches().len()), (5, 2));
    let shared: Arc<dyn Getter> = getter;
    assert!(alone(shared).get("Tom").is_ok());
    let closure = Box::new(|key: &str| Ok::<_, io::Error>(value_of(key)));
    assert!(alone(closure).get("Tom").is_ok());
}

#[test]
fn keys_of_a_batch_are_anything_that_is_text() {
    let group = alone(CountingGetter::new());
    let keys = ["Tom".to_owned(), "Jack".to_owned()];
    let values = ["Tom", "Jack"].map(|key| ByteView::from(value_of(key)));
    let all = |answers: Vec<Result<ByteView, Error>>| {
        assert_eq!(answers.into_iter().collect::<Result<Vec<_>, _>>().unwrap(), values);
    };
    all(group.get_many(["Tom", "Jack"]));
    all(group.get_many(["Tom", "Jack"]));
    all(group.get_many(&keys));
    all(group.get_many(keys.iter().map(String::as_str)));
    all(group.get_many(vec![Arc::<str>::from("Tom"), "Jack".into()]));
    all(group.get_many_timeout(keys.clone(), crate::support::SOON));
    assert!(group.remove_many(&keys).is_complete());
    assert_eq!(group.main_cache_stats().entries, 0);
}

/// An error that leaves it to its source to say what happened.
#[derive(Debug)]
struct QueryFailed(io::Error);

impl fmt::Display for QueryFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the query failed")
    }
}

impl error::Error for QueryFailed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_tells_all_its_causes_in_one_line_and_none_of_them_twice() {
    let failing = |_: &str| Err::<Loaded, _>(QueryFailed(io::Error::other("line 1\nline 2")));
    let error = alone(failing).get("Tom").unwrap_err();
    let expected = r#"loading "Tom" of group "alone" failed: the query failed: line 1\nline 2"#;
    assert_eq!(error.to_string(), expected);

    // `io::Error` shows the error that it wraps, which is its source, too.
    let wrapping = |_: &str| Err::<Loaded, _>(io::Error::other("the disk is gone"));
    let error = alone(wrapping).get("Tom").unwrap_err();
    assert_eq!(error.to_string().matches("the disk is gone").count(), 1, "{error}");
}

#[test]
fn a_long_chain_of_errors_is_told_in_a_time_that_does_not_double_with_each_of_them() {
    let begin = Error::NotFound { group: "g".to_owned(), key: "0".to_owned() };
    // `io::Error` tells the error that it wraps, with all that this one tells.
    let error = (1..60).fold(begin, |cause, n| Error::Load {
        group: "g".to_owned(),
        key: n.to_string(),
        source: Arc::new(io::Error::other(cause)),
    });
    let text = start(move || error.to_string()).result();
    let begin = r#"loading "59" of group "g" failed: loading "58" of group "g" failed"#;
    assert!(text.starts_with(begin) && text.len() < 500, "{text}");
}
