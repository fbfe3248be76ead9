//! Getters that say of a value that it has not changed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{BoxError, Loaded, Refreshed, TypedConditional, TypedGroup, TypedLoaded, TypedOld};

use super::{RUBBISH, Text, Texts, assert_same};
use crate::support::Hand;

const SECOND: Duration = Duration::from_secs(1);

/// A group whose source counts its loads and says, as long as that is so, that nothing changes.
fn unchanging(hand: &Hand) -> (Texts, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (loads, changes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let load = {
        let loads = Arc::clone(&loads);
        move |name: String| {
            Ok::<_, BoxError>(format!("{name} {}", loads.fetch_add(1, Ordering::SeqCst)))
        }
    };
    let refresh = {
        let (load, changes) = (load.clone(), Arc::clone(&changes));
        move |name: String, old: &TypedOld<'_, String>| {
            assert!(old.bytes().starts_with(name.as_bytes()));
            assert!(old.decode()?.starts_with(&name));
            if changes.load(Ordering::SeqCst) {
                return Ok::<_, BoxError>(Refreshed::Changed(load(name)?.into()));
            }
            Ok(Refreshed::Unchanged)
        }
    };
    let group = TypedGroup::builder("texts", 1 << 20, Text, TypedConditional::new(load, refresh))
        .group(|group| group.ttl(10 * SECOND).stale_if_error(3600 * SECOND).clock(hand.clock()))
        .build();
    (group, loads, changes)
}

#[test]
fn an_unchanged_value_is_not_decoded_again() {
    let hand = Hand::default();
    let (group, loads, changes) = unchanging(&hand);
    let first = group.get("Tom").unwrap();
    let decodes = group.typed_stats().decodes;
    for _ in 0..3 {
        hand.advance(60 * SECOND);
        assert_same(&group.get("Tom").unwrap(), &first);
    }
    assert_eq!((loads.load(Ordering::SeqCst), group.typed_stats().decodes), (1, decodes));
    assert_eq!((group.typed_stats().decoded, group.group().stats().unchanged), (1, 3));
    changes.store(true, Ordering::SeqCst);
    hand.advance(60 * SECOND);
    assert_eq!((&**first, &**group.get("Tom").unwrap()), ("Tom 0", "Tom 1"));
}

#[test]
fn a_refresh_knows_the_version_of_what_is_there_without_decoding_it() {
    let (hand, seen) = (Hand::default(), Arc::<Mutex<Vec<_>>>::default());
    let load = |name: String| Ok::<_, BoxError>(TypedLoaded::from(name).version(7));
    let refresh = {
        let seen = Arc::clone(&seen);
        move |_: String, old: &TypedOld<'_, String>| {
            seen.lock().unwrap().push(old.version_number());
            Ok::<_, BoxError>(Refreshed::Unchanged)
        }
    };
    let group: Texts =
        TypedGroup::builder("texts", 1 << 20, Text, TypedConditional::new(load, refresh))
            .group(|group| group.ttl(10 * SECOND).stale_if_error(3600 * SECOND).clock(hand.clock()))
            .build();
    group.get("Tom").unwrap();
    // It is known as long as the value lives, be it inserted, or said to be unchanged.
    for (round, version) in [7, 7, 8].into_iter().enumerate() {
        if round == 2 {
            group.insert_if_newer("Tom", "given".to_owned(), 8).unwrap();
        }
        hand.advance(60 * SECOND);
        group.get("Tom").unwrap();
        assert_eq!(seen.lock().unwrap().pop(), Some(Some(version)));
    }
    group.insert("Tom", "of no version".to_owned()).unwrap();
    hand.advance(60 * SECOND);
    group.get("Tom").unwrap();
    assert_eq!(*seen.lock().unwrap(), [None]);
}

#[test]
fn what_has_not_changed_and_can_not_be_decoded_is_loaded() {
    let hand = Hand::default();
    let load = |name: String| Ok::<_, BoxError>(TypedLoaded::from(name).version(7));
    let refresh = |_: String, old: &TypedOld<'_, String>| {
        assert_eq!(old.version_number(), Some(7));
        Ok::<_, BoxError>(Refreshed::Unchanged)
    };
    let group: Texts =
        TypedGroup::builder("texts", 1 << 20, Text, TypedConditional::new(load, refresh))
            .group(|group| group.ttl(10 * SECOND).stale_if_error(3600 * SECOND).clock(hand.clock()))
            .build();
    // As a program of another version does.
    group.group().insert("Tom", Loaded::from(RUBBISH).version(7)).unwrap();
    hand.advance(60 * SECOND);
    assert_eq!(*group.get("Tom").unwrap(), "Tom");
    assert_eq!((group.group().stats().unchanged, group.group().stats().local_loads), (1, 2));
    assert_eq!(*group.peek("Tom").unwrap(), "Tom");
}
