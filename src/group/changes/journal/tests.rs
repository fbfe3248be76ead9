use std::thread;

use super::*;
use crate::testing::with_seeds;

const ORIGIN: u64 = 7;

fn journal() -> Journal {
    Journal::new(ORIGIN)
}

/// All keys that were changed since `mark`, sorted; `None` if that is not known.
fn all_since(journal: &Journal, mut mark: ChangeMark) -> Option<Vec<String>> {
    let mut all = HashSet::new();
    loop {
        match journal.since(Some(mark)) {
            ChangesSince::Unknown { .. } => return None,
            ChangesSince::Keys { keys, .. } if keys.is_empty() => break,
            ChangesSince::Keys { keys, mark: next } => {
                assert!(keys.len() <= MAX_TOLD && next.count() > mark.count());
                all.extend(keys);
                mark = next;
            }
        }
    }
    assert_eq!(mark, journal.mark());
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_unstable();
    Some(all)
}

#[test]
fn the_keys_behind_a_mark_are_told() {
    let journal = journal();
    let before = journal.mark();
    assert_eq!(all_since(&journal, before), Some(vec![]));
    journal.note(&["b", "a"]);
    let after = journal.mark();
    journal.note(&["c"]);
    journal.note(&["b"]);
    journal.note(&[]);
    assert_eq!(all_since(&journal, before).unwrap(), ["a", "b", "c"]);
    assert_eq!(all_since(&journal, after).unwrap(), ["b", "c"]);
}

#[test]
fn what_was_changed_before_the_first_mark_is_not_remembered() {
    let journal = journal();
    journal.note(&["a"]);
    assert!(lock(&journal.last).keys.is_empty());
    assert_eq!(all_since(&journal, ChangeMark::new(ORIGIN, 0)), None);
    let first = journal.mark();
    journal.note(&["b"]);
    assert_eq!(all_since(&journal, first).unwrap(), ["b"]);
}

#[test]
fn marks_of_another_life_and_of_the_future_are_unknown_and_so_is_what_was_cleared() {
    let journal = journal();
    let before = journal.mark();
    journal.note(&["a"]);
    for mark in [None, Some(ChangeMark::new(ORIGIN + 1, 1)), Some(ChangeMark::new(ORIGIN, 9))] {
        assert_eq!(journal.since(mark), ChangesSince::Unknown { mark: journal.mark() });
    }
    journal.note_all();
    assert_eq!(all_since(&journal, before), None);
    let cleared = journal.mark();
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    journal.note(&["a", &long]);
    assert_eq!(all_since(&journal, cleared), None);
}

#[test]
fn so_many_changes_are_remembered_and_no_more_bytes_than_it_says() {
    let journal = journal();
    let first = journal.mark();
    journal.note(&["early"]);
    let second = journal.mark();
    let keys: Vec<String> = (0..MAX_CHANGES).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.chunks(999).for_each(|some| journal.note(some));
    assert_eq!(all_since(&journal, first), None);
    assert_eq!(all_since(&journal, second).unwrap().len(), MAX_CHANGES);
    let long = "k".repeat(MAX_KEY_BYTES);
    let third = journal.mark();
    for n in 0..200 {
        journal.note(&[&long]);
        let last = lock(&journal.last);
        assert!(last.bytes <= MAX_BYTES);
        let bytes: usize = last.keys.iter().map(|key| key.len() + KEY_OVERHEAD).sum();
        assert_eq!(bytes, last.bytes, "{n}");
    }
    assert_eq!(all_since(&journal, third), None);
    assert!(matches!(journal.since(Some(journal.mark())), ChangesSince::Keys { .. }));
}

#[test]
fn any_changes_are_told_as_they_were_made() {
    with_seeds(20, |random| {
        let journal = journal();
        let mut marks = vec![(journal.mark(), 0)];
        let mut made: Vec<Option<String>> = Vec::new();
        for _ in 0..random.below(60) {
            match random.below(8) {
                0 => {
                    journal.note_all();
                    made.push(None);
                }
                1 => marks.push((journal.mark(), made.len())),
                _ => {
                    let keys: Vec<String> =
                        (0..random.below(2000)).map(|_| random.below(5000).to_string()).collect();
                    journal.note(&keys.iter().map(String::as_str).collect::<Vec<_>>());
                    made.extend(keys.into_iter().map(Some));
                }
            }
        }
        for (mark, at) in marks {
            let expected: Option<HashSet<String>> = made[at..].iter().cloned().collect();
            let expected = expected.filter(|_| made.len() - at <= MAX_CHANGES);
            let expected = expected.map(|keys| {
                let mut keys: Vec<String> = keys.into_iter().collect();
                keys.sort_unstable();
                keys
            });
            assert_eq!(all_since(&journal, mark), expected);
        }
    });
}

#[test]
fn changes_of_many_threads_are_all_told() {
    let journal = journal();
    let before = journal.mark();
    thread::scope(|scope| {
        for thread in 0..4 {
            let journal = &journal;
            scope.spawn(move || (0..500).for_each(|n| journal.note(&[&format!("{thread} {n}")])));
        }
    });
    assert_eq!(all_since(&journal, before).unwrap().len(), 2000);
}
