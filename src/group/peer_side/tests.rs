//! Batches whose answers have a bound.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::group::Group;

/// A group with values of 100 bytes, and how often one was loaded.
fn group(cache_bytes: u64) -> (Group, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let group = Group::new("g", cache_bytes, move |key: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        match key {
            "absent" => Ok(Loaded::absent()),
            "bad" => Err(std::io::Error::other("the disk is gone")),
            _ => Ok(Loaded::from(vec![7; 100])),
        }
    });
    (group, loads)
}

/// What an answer is: a value (v), an absence (a), an error (e), or none (-).
fn told(answers: &[Option<Result<Loaded, Error>>]) -> String {
    let letter = |answer: &Option<Result<Loaded, Error>>| match answer {
        None => '-',
        Some(Ok(loaded)) if loaded.value().is_some() => 'v',
        Some(Ok(_)) => 'a',
        Some(Err(_)) => 'e',
    };
    answers.iter().map(letter).collect()
}

#[test]
fn as_much_is_loaded_as_fits_into_the_answer() {
    let (group, loads) = group(0);
    let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    // It learns how long values are.
    assert_eq!(told(&group.peer_side().get_some(&keys[..16], 100_000)), "v".repeat(16));
    for (max_bytes, fitting) in [(0, 1), (199, 1), (400, 2), (2_000, 10), (19_900, 100)] {
        let before = loads.load(Ordering::SeqCst);
        let answers = group.peer_side().get_some(&keys, max_bytes);
        assert_eq!(told(&answers), "v".repeat(fitting) + &"-".repeat(100 - fitting), "{max_bytes}");
        assert_eq!(loads.load(Ordering::SeqCst) - before, fitting, "{max_bytes}");
    }
}

#[test]
fn what_is_no_value_takes_no_room() {
    let (group, _) = group(1 << 20);
    let keys = ["absent", "", "bad", "k", "absent", "k", "", "bad", "l"];
    assert_eq!(told(&group.peer_side().get_some(&keys, 350)), "aeevaveev");
    assert!(group.peer_side().get_some(&[], 250).is_empty());
}

#[test]
fn values_that_are_longer_than_expected_are_left_out() {
    let (group, loads) = group(0);
    let keys: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    // Nothing is known yet, and so much is loaded at first.
    assert_eq!(told(&group.peer_side().get_some(&keys, 550)), "vvvvv-----------");
    assert_eq!(loads.load(Ordering::SeqCst), 16);
    assert_eq!(told(&group.peer_side().get_some(&keys[5..], 550)), "vvv--------");
    assert_eq!(loads.load(Ordering::SeqCst), 19);
}

#[test]
fn when_the_time_is_over_no_more_is_loaded_and_memory_still_answers() {
    let (group, loads) = group(1 << 20);
    let keys: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    group.peer_side().get(keys[39]).unwrap();
    let answers = group.peer_side().get_some_timeout(&keys, 1 << 20, Duration::ZERO);
    // The first portion may have come in time.
    assert_eq!(told(&answers[16..39]), "e".repeat(23));
    assert_eq!(told(&answers[39..]), "v");
    assert!(loads.load(Ordering::SeqCst) <= 17, "the first portion at most");
}

/// A getter whose values have so many bytes as the key says.
fn of_length(key: &str) -> Result<Loaded, std::io::Error> {
    let length = key.split(' ').next().and_then(|length| length.parse().ok());
    Ok(Loaded::from(vec![7; length.unwrap_or_default()]))
}

#[test]
fn a_group_that_has_answered_with_short_values_loads_few_long_ones_in_vain() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let group = Group::new("g", 0, move |key: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        of_length(key)
    });
    let keys =
        |length: usize| -> Vec<String> { (0..1000).map(|n| format!("{length} {n}")).collect() };
    let short = keys(1);
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    assert_eq!(told(&group.peer_side().get_some(&short, 100_000)), "v".repeat(1000));
    let long = keys(1000);
    let mut long: Vec<&str> = long.iter().map(String::as_str).collect();
    loads.store(0, Ordering::SeqCst);
    while !long.is_empty() {
        let answers = group.peer_side().get_some(&long, 8_000);
        long.retain({
            let mut answers = answers.iter();
            move |_| answers.next().is_some_and(Option::is_none)
        });
    }
    let in_vain = loads.load(Ordering::SeqCst) - 1000;
    assert!(in_vain <= 16, "{in_vain} loads in vain");
    let stats = group.stats();
    assert_eq!(stats.server_requests, 2000, "what is left out is counted when it is answered");
}
