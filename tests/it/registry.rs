//! The groups of a process by name.

use geecache::{Error, Group, Registry};

use crate::support::CountingGetter;

fn group(name: &str) -> Group {
    Group::new(name, 1 << 10, CountingGetter::new())
}

#[test]
fn groups_are_found_by_name() {
    let registry = Registry::new();
    for name in ["scores", "a b", "你好", "..", "%2F"] {
        registry.insert(&group(name)).unwrap();
        assert_eq!(registry.get(name).unwrap().name(), name);
    }
    assert!(registry.get("nobody").is_none());
    assert_eq!(registry.names(), ["%2F", "..", "a b", "scores", "你好"]);
}

#[test]
fn a_name_is_taken_once_until_it_is_given_back() {
    let registry = Registry::new();
    let scores = group("scores");
    registry.insert(&scores).unwrap();
    for again in [&scores, &group("scores")] {
        let error = registry.insert(again).unwrap_err();
        assert!(matches!(&error, Error::DuplicateGroup { name } if name == "scores"), "{error:?}");
    }
    assert_eq!(registry.remove("scores").unwrap().name(), "scores");
    assert!(registry.remove("scores").is_none());
    registry.insert(&group("scores")).unwrap();
}

#[test]
fn a_name_that_can_not_stand_in_a_path_is_refused() {
    let registry = Registry::new();
    for name in ["", "/", "a/b", "a/"] {
        let error = registry.insert(&group(name)).unwrap_err();
        assert!(matches!(&error, Error::InvalidGroup { name: n } if n == name), "{error:?}");
    }
    assert!(registry.names().is_empty());
}

#[test]
fn clones_are_one_registry_and_others_are_apart() {
    let (registry, other) = (Registry::new(), Registry::default());
    registry.clone().insert(&group("scores")).unwrap();
    assert!(registry.get("scores").is_some());
    assert!(other.get("scores").is_none(), "peers of one process do not share their groups");
}

#[test]
fn what_is_found_is_the_group_itself() {
    let registry = Registry::new();
    let scores = group("scores");
    registry.insert(&scores).unwrap();
    registry.get("scores").unwrap().get("Tom").unwrap();
    assert_eq!(scores.stats().gets, 1);
}
