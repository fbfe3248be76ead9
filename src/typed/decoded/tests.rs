use std::thread;

use super::*;
use crate::testing::{Random, with_seeds};

/// An entry of a store, so to say: it lives until it is dropped, and callers have views of it.
struct FakeEntry(ByteView);

impl FakeEntry {
    fn of(text: &str) -> Self {
        Self(ByteView::from(text))
    }

    fn view(&self) -> ByteView {
        self.0.clone()
    }
}

fn decoded(max_values: u64) -> Decoded<String> {
    Decoded::new(max_values * (OVERHEAD_BYTES + 100))
}

#[track_caller]
fn keep(decoded: &Decoded<String>, entry: &FakeEntry, value: &str) {
    decoded.insert(&entry.view(), Arc::new(value.to_owned()), 100);
}

#[test]
fn a_value_is_there_for_its_entry_and_for_no_other_of_the_same_bytes() {
    let (decoded, entry) = (decoded(10), FakeEntry::of("bytes"));
    assert_eq!(decoded.get(&entry.view()), None);
    keep(&decoded, &entry, "value");
    assert_eq!(decoded.get(&entry.view()).as_deref(), Some(&"value".to_owned()));
    assert_eq!(decoded.get(&FakeEntry::of("bytes").view()), None);
    decoded.validate();
}

#[test]
fn of_two_values_of_one_entry_the_first_is_that_of_all() {
    let (decoded, entry) = (decoded(10), FakeEntry::of("bytes"));
    let (first, second) = (Arc::new("first".to_owned()), Arc::new("second".to_owned()));
    let kept = decoded.insert(&entry.view(), Arc::clone(&first), 100);
    assert!(Arc::ptr_eq(&kept, &first));
    let kept = decoded.insert(&entry.view(), second, 100);
    assert!(Arc::ptr_eq(&kept, &first));
    assert_eq!(decoded.len(), 1);
    decoded.validate();
}

#[test]
fn what_belongs_to_no_entry_is_not_kept() {
    let decoded = decoded(10);
    // The only view of bytes that no store has.
    let bytes = ByteView::from("bytes");
    let value = decoded.insert(&bytes, Arc::new("value".to_owned()), 100);
    assert_eq!((&**value, decoded.len(), decoded.bytes()), ("value", 0, 0));
}

#[test]
fn what_is_heavier_than_the_bound_is_not_kept_and_nothing_leaves_for_it() {
    let (decoded, entry, heavy) = (decoded(2), FakeEntry::of("a"), FakeEntry::of("b"));
    keep(&decoded, &entry, "value");
    for weight in [decoded.max_bytes(), u64::from(u32::MAX), u64::MAX] {
        decoded.insert(&heavy.view(), Arc::new("heavy".to_owned()), weight);
    }
    assert!(decoded.get(&heavy.view()).is_none() && decoded.get(&entry.view()).is_some());
    let nothing = Decoded::<String>::new(0);
    nothing.insert(&entry.view(), Arc::new("value".to_owned()), 0);
    assert_eq!((nothing.len(), nothing.bytes()), (0, 0));
}

#[test]
fn a_value_that_was_used_outlives_one_that_was_not() {
    let decoded = decoded(100);
    let entries: Vec<_> = (0..100).map(|n| FakeEntry::of(&n.to_string())).collect();
    for (n, entry) in entries.iter().enumerate() {
        keep(&decoded, entry, &n.to_string());
    }
    for entry in &entries[..50] {
        assert!(decoded.get(&entry.view()).is_some());
    }
    let more: Vec<_> = (0..50).map(|n| FakeEntry::of(&n.to_string())).collect();
    more.iter().for_each(|entry| keep(&decoded, entry, "more"));
    let there = entries.iter().filter(|entry| decoded.get(&entry.view()).is_some());
    assert!(there.count() >= 50, "those that were used are there");
    assert!(entries[..50].iter().all(|entry| decoded.get(&entry.view()).is_some()));
    assert_eq!(decoded.evictions.value(), 50);
    decoded.validate();
}

#[test]
fn memory_of_entries_that_are_gone_is_given_back_as_others_come() {
    let decoded = decoded(10_000);
    let gone: Vec<_> = (0..1000)
        .map(|n: u32| {
            let entry = FakeEntry::of(&n.to_string());
            keep(&decoded, &entry, "value");
            Arc::downgrade(entry.0.allocation())
        })
        .collect();
    let held = || gone.iter().filter(|bytes| bytes.strong_count() == 0).count();
    assert_eq!(held(), 1000, "nobody has the entries");
    assert!(decoded.len() < 300, "each insertion frees some: {} are left", decoded.len());
    for _ in 0..1000 {
        decoded.look_around();
    }
    assert_eq!((decoded.len(), decoded.bytes()), (0, 0));
    assert_eq!(decoded.evictions.value(), 0);
}

#[test]
fn a_removal_and_a_clearing_free_at_once() {
    let decoded = decoded(100);
    let entries: Vec<_> = (0..50).map(|n| FakeEntry::of(&n.to_string())).collect();
    entries.iter().for_each(|entry| keep(&decoded, entry, "value"));
    decoded.remove(&entries[0].view());
    decoded.remove(&entries[0].view());
    assert!(decoded.get(&entries[0].view()).is_none());
    assert_eq!(decoded.len(), 49);
    let kept = entries.into_iter().nth(7).unwrap();
    decoded.look_everywhere();
    assert_eq!(decoded.len(), 1);
    assert!(decoded.get(&kept.view()).is_some());
    decoded.validate();
}

#[test]
fn any_operations_find_the_right_value_or_none() {
    with_seeds(30, |random: &mut Random| {
        let decoded = decoded(1 + random.below(300));
        let mut entries: Vec<(FakeEntry, u64)> = Vec::new();
        for n in 0..2000 {
            match random.below(10) {
                0..=3 => {
                    let entry = FakeEntry::of("bytes");
                    keep(&decoded, &entry, &n.to_string());
                    entries.push((entry, n));
                }
                4..=7 if !entries.is_empty() => {
                    let (entry, n) = &entries[random.below(entries.len() as u64) as usize];
                    if let Some(value) = decoded.get(&entry.view()) {
                        assert_eq!(*value, n.to_string());
                    }
                }
                8 if !entries.is_empty() => {
                    let at = random.below(entries.len() as u64) as usize;
                    let (entry, _) = entries.swap_remove(at);
                    if random.below(2) == 0 {
                        decoded.remove(&entry.view());
                    }
                }
                _ if random.below(50) == 0 => decoded.look_everywhere(),
                _ => decoded.look_around(),
            }
            if n % 50 == 0 {
                decoded.validate();
            }
        }
        decoded.validate();
        entries.clear();
        decoded.look_everywhere();
        assert_eq!((decoded.len(), decoded.bytes()), (0, 0));
    });
}

#[test]
fn many_threads_share_it() {
    let decoded = decoded(200);
    let entries: Vec<_> = (0..500).map(|n| FakeEntry::of(&n.to_string())).collect();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (decoded, entries) = (&decoded, &entries);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..5000 {
                    let n = random.below(500) as usize;
                    let view = entries[n].view();
                    let value = decoded
                        .get(&view)
                        .unwrap_or_else(|| decoded.insert(&view, Arc::new(n.to_string()), 100));
                    assert_eq!(*value, n.to_string());
                    match random.below(100) {
                        0 => decoded.remove(&view),
                        1 => decoded.look_everywhere(),
                        2..=9 => decoded.look_around(),
                        _ => {}
                    }
                }
            });
        }
    });
    decoded.validate();
}
