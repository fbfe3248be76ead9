//! What gets, changes and errors come to.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{
    BoxError, Error, Group, NotFound, TypedBatch, TypedGetter, TypedGroup, TypedLoaded,
};

use super::{RUBBISH, Text, Texts, counted};
use crate::support::{CountingGetter, Gate, Hand, SOON, value_of};

const SECOND: Duration = Duration::from_secs(1);

/// A group before a closure.
fn before<R, E>(load: impl Fn(String) -> Result<R, E> + Send + Sync + 'static) -> Texts
where
    R: Into<TypedLoaded<String>>,
    E: Into<BoxError>,
{
    TypedGroup::new("texts", 1 << 20, Text, load)
}

#[test]
fn a_getter_returns_values_of_the_type_and_callers_get_them() {
    let group = before(|name| match &*name {
        "Tom" => Ok(Some(value_of("Tom"))),
        "kkk" => Ok(None),
        "gone" => Err(Box::from(NotFound)),
        _ => Err(BoxError::from(io::Error::other("the table is locked"))),
    });
    assert_eq!(*group.get("Tom").unwrap(), value_of("Tom"));
    for key in ["kkk", "gone"] {
        let answer = group.get(key);
        assert!(matches!(&answer, Err(Error::NotFound { key: k, .. }) if k == key), "{answer:?}");
    }
    let Err(Error::Load { source, .. }) = group.get("Jack") else { panic!("nobody has loaded it") };
    assert!(source.is::<io::Error>());
    assert!(matches!(group.get(""), Err(Error::EmptyKey)));
    assert_eq!(group.group().get("Tom").unwrap(), value_of("Tom").as_str(), "the bytes below");
}

#[test]
fn a_value_has_the_life_that_its_getter_or_its_inserter_gives_it() {
    let (hand, loads) = (Hand::default(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&loads);
    let load = move |name: String| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, io::Error>(TypedLoaded::from(name).ttl(10 * SECOND))
    };
    let group: Texts = TypedGroup::builder("texts", 1 << 20, Text, load)
        .group(|group| group.clock(hand.clock()).negative_ttl(SECOND))
        .build();
    let loads = || loads.load(Ordering::SeqCst);
    group.get("Tom").unwrap();
    hand.advance(9 * SECOND);
    assert_eq!((group.get("Tom").unwrap().as_str(), loads()), ("Tom", 1));
    hand.advance(2 * SECOND);
    assert_eq!((group.get("Tom").unwrap().as_str(), loads()), ("Tom", 2));

    let brief = TypedLoaded::from("given".to_owned()).ttl(SECOND);
    assert!(group.insert("Tom", brief).unwrap().is_kept);
    assert_eq!((group.get("Tom").unwrap().as_str(), loads()), ("given", 2));
    hand.advance(2 * SECOND);
    assert_eq!((group.get("Tom").unwrap().as_str(), loads()), ("Tom", 3));
    group.insert("Tom", TypedLoaded::absent()).unwrap();
    assert!(matches!(group.get("Tom"), Err(Error::NotFound { .. })));
}

#[test]
fn removed_and_inserted_values_are_seen_at_once() {
    let (group, getter) = counted();
    assert_eq!(*group.get("Tom").unwrap(), value_of("Tom"));
    assert!(group.insert("Tom", "given".to_owned()).unwrap().is_kept);
    assert_eq!(*group.get("Tom").unwrap(), "given");
    assert!(group.remove("Tom").is_complete());
    assert_eq!(group.peek("Tom"), None);
    assert_eq!(*group.get("Tom").unwrap(), value_of("Tom"));
    group.get("Jack").unwrap();
    assert!(group.remove_many(["Tom", "Jack"]).is_complete());
    assert_eq!((group.peek("Tom"), group.peek("Jack")), (None, None));
    assert_eq!(getter.calls(), 3);
    assert!(matches!(group.insert("", "given".to_owned()), Err(Error::EmptyKey)));
}

#[test]
fn a_peek_loads_nothing_and_shows_nothing_that_can_not_be_decoded() {
    let (group, getter) = counted();
    assert_eq!(group.peek("Tom"), None);
    group.get("Tom").unwrap();
    assert_eq!(group.peek("Tom").as_deref(), Some(&value_of("Tom")));
    group.group().insert("Tom", RUBBISH).unwrap();
    assert_eq!(group.peek("Tom"), None);
    assert_eq!(getter.calls(), 1);
}

#[test]
fn many_keys_are_answered_in_their_order_and_loaded_together() {
    let (group, getter) = counted();
    let tom = group.get("Tom").unwrap();
    let keys = ["Jack", "", "Tom", "Sam", "Jack"];
    let answers = group.get_many(keys);
    for (key, answer) in keys.iter().zip(&answers) {
        match answer {
            Ok(value) => assert_eq!(**value, value_of(key)),
            Err(error) => assert!(matches!(error, Error::EmptyKey) && key.is_empty()),
        }
    }
    assert!(Arc::ptr_eq(answers[2].as_ref().unwrap(), &tom));
    assert_eq!(getter.batches(), [["Jack", "Sam"]]);
    let owned = vec!["Tom".to_owned(), "Jack".to_owned()];
    assert!(group.get_many_timeout(&owned, SOON).iter().all(Result::is_ok));
    assert!(group.get_many([""; 0]).is_empty());
}

#[test]
fn a_closure_for_many_keys_gets_them_with_their_type_and_returns_a_map() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let load = move |ids: &[(String, u32)]| {
        noted.lock().unwrap().push(ids.len());
        if ids.iter().any(|(name, _)| name == "bad") {
            return Err(io::Error::other("the table is locked"));
        }
        let rows = ids.iter().filter(|(_, n)| *n < 10).cloned();
        Ok(rows.map(|id| (id.clone(), Some(id.0))).collect::<HashMap<_, _>>())
    };
    let batch = TypedBatch::new(load).max_batch(NonZeroUsize::new(2).unwrap());
    let group: TypedGroup<(&'static str, u32), String> =
        TypedGroup::new("names", 1 << 20, Text, batch);
    // A colon must find its way back.
    let answers = group.get_many([("a:b", 1), ("c", 2), ("bad", 3), ("d", 4), ("e", 50)]);
    assert_eq!(*asked.lock().unwrap(), [2, 2, 1]);
    assert_eq!(**answers[0].as_ref().unwrap(), "a:b");
    assert!(answers[1].is_ok());
    assert!(answers[2..4].iter().all(|answer| matches!(answer, Err(Error::Load { .. }))));
    assert!(matches!(answers[4], Err(Error::NotFound { .. })));
    assert_eq!(*group.get(&("f", 6)).unwrap(), "f");
}

#[test]
fn a_value_that_can_not_be_encoded_is_an_error_that_names_it() {
    let group = before(|name| Ok::<_, io::Error>(format!("impossible {name}")));
    let errors = [
        group.get("Tom").unwrap_err(),
        group.get_many(["Jack", "Tom"]).remove(1).unwrap_err(),
        group.insert("Tom", "impossible".to_owned()).unwrap_err(),
    ];
    for error in errors {
        let expected = r#"encoding "Tom" of group "texts" failed: no such text can be written"#;
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, Error::Encode { .. }), "{error:?}");
    }
    assert!(group.insert("Jack", "possible".to_owned()).is_ok());
}

#[test]
fn a_caller_with_little_time_leaves_in_time() {
    let gate = Gate::closed();
    let passes = gate.clone();
    let group = before(move |name| {
        passes.pass();
        Ok::<_, io::Error>(name)
    });
    let little = Duration::from_millis(20);
    assert!(matches!(group.get_timeout("Tom", little), Err(Error::TimedOut { .. })));
    let answers = group.get_many_timeout(["Tom", "Jack"], little);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::TimedOut { .. }))));
    gate.open();
    assert_eq!(*group.get_timeout("Tom", SOON).unwrap(), "Tom");
}

#[test]
fn a_default_time_limit_of_the_group_holds_for_its_values() {
    let gate = Gate::closed();
    let getter = CountingGetter::behind(&gate);
    let below = Group::builder("texts", 1 << 20, getter).wait_timeout(Duration::from_millis(20));
    let group: Texts = TypedGroup::builder_over(below.build(), Text).build();
    assert!(matches!(group.get("Tom"), Err(Error::TimedOut { .. })));
    assert!(matches!(group.get_many(["Tom"])[0], Err(Error::TimedOut { .. })));
    gate.open();
}

#[test]
fn an_answer_of_the_wrong_length_is_an_error_for_every_key() {
    struct Forgetful;

    impl TypedGetter<u64, String> for Forgetful {
        fn get(&self, key: u64) -> Result<TypedLoaded<String>, BoxError> {
            Ok(key.to_string().into())
        }

        fn get_many(&self, keys: Vec<u64>) -> Vec<Result<TypedLoaded<String>, BoxError>> {
            keys.into_iter().skip(1).map(|key| self.get(key)).collect()
        }
    }

    let group: TypedGroup<u64, String> = TypedGroup::new("forgetful", 1 << 20, Text, Forgetful);
    for answer in group.get_many([1, 2, 3]) {
        let Err(Error::Load { source, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(source.to_string(), "the getter answered 2 of 3 keys");
    }
    assert_eq!(*group.get(&1).unwrap(), "1");
}

#[test]
fn gets_of_values_with_types_are_among_the_keys_asked_for_most_and_the_hits_that_are_timed() {
    let (group, _) = counted();
    for _ in 0..2_000 {
        group.get("Tom").unwrap();
    }
    let hot: Vec<_> = group.group().hot_keys(1).into_iter().map(|hot| hot.key).collect();
    assert_eq!(hot, ["Tom"]);
    assert!(group.group().latencies().hits.count() > 0);
}
