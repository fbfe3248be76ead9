//! Files that are written and read while others change the group: each interleaving by itself.

use std::io::{self, Cursor, Write};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::error::PeerError;
use crate::getter::Loaded;
use crate::group::{Group, GroupBuilder};
use crate::peers::{PeerGetter, PeerPicker};
use crate::snapshot::{FileEnd, SnapshotWriter};

const SECOND: u64 = 1_000;

fn builder(bytes: u64) -> GroupBuilder {
    let load = |key: &str| match key {
        "absent" => Ok(Loaded::absent()),
        _ => Ok::<_, io::Error>(Loaded::from(key)),
    };
    Group::builder("g", bytes, load).negative_ttl(Duration::from_secs(60))
}

fn group() -> Group {
    builder(1 << 20).build()
}

fn saved(group: &Group) -> Vec<u8> {
    group.parts.write_snapshot(Vec::new(), Vec::new()).unwrap().0
}

fn nobody(_: &[PeerMark]) -> PeersWord {
    PeersWord::default()
}

fn confirmed(_: &[PeerMark]) -> PeersWord {
    PeersWord { is_given: true, ..PeersWord::default() }
}

fn load_with(
    group: &Group,
    file: &[u8],
    trust: SnapshotTrust,
    word: impl FnOnce(&[PeerMark]) -> PeersWord,
) -> LoadReport {
    let watch = group.parts.memory.watch_removals();
    group.parts.read_snapshot(Cursor::new(file), trust, &watch, word).unwrap()
}

fn load(group: &Group, file: &[u8]) -> LoadReport {
    load_with(group, file, SnapshotTrust::Always, nobody)
}

/// A file that was written so long before now, in milliseconds, or so long after.
fn file_of(before: i64, records: &[SnapshotRecord<'_>]) -> Vec<u8> {
    let saved_at_ms = Clock::system().wall_ms().saturating_add_signed(-before);
    let header = FileHeader { saved_at_ms, group: "g".to_owned(), marks: Vec::new() };
    let mut writer = SnapshotWriter::begin(Vec::new(), &header).unwrap();
    records.iter().for_each(|record| writer.record(record).unwrap());
    writer.end(FileEnd { knows_gone: true, ..FileEnd::default() }).unwrap().0
}

fn record(key: &str, left_ms: Option<u64>) -> SnapshotRecord<'_> {
    SnapshotRecord { key, value: Some(key.as_bytes()), left_ms, ..SnapshotRecord::default() }
}

#[test]
fn what_is_saved_is_loaded_without_the_getter() {
    let first = group();
    for key in ["a", "b"] {
        assert_eq!(first.get(key).unwrap(), key);
    }
    first.get("absent").unwrap_err();
    let second = group();
    let report = load(&second, &saved(&first));
    assert_eq!((report.entries, report.skipped.total()), (3, 0));
    assert!(report.found && !report.confirmed && report.damaged_at.is_none());
    assert_eq!(second.get("a").unwrap(), "a");
    second.get("absent").unwrap_err();
    let stats = second.stats();
    assert_eq!((stats.local_loads, stats.negative_hits), (0, 1));
    assert_eq!(second.main_cache_stats().entries, 3);
}

#[test]
fn lives_go_on_by_the_clock_on_the_wall() {
    let group = group();
    let records = [record("over", Some(9 * SECOND)), record("goes on", Some(15 * SECOND))];
    let report = load(&group, &file_of(10 * SECOND as i64, &records));
    assert_eq!((report.entries, report.skipped.expired), (1, 1));
    let left = group.peek_loaded("goes on").unwrap().time_to_live().unwrap();
    assert!(left <= Duration::from_secs(5) && left > Duration::from_secs(2), "{left:?}");
}

#[test]
fn a_clock_that_went_back_makes_no_life_longer() {
    let group = group();
    let in_the_future = file_of(-3_600 * SECOND as i64, &[record("a", Some(5 * SECOND))]);
    assert_eq!(load(&group, &in_the_future).entries, 1);
    let left = group.peek_loaded("a").unwrap().time_to_live().unwrap();
    assert!(left <= Duration::from_secs(5), "{left:?}");
}

#[test]
fn an_entry_past_its_ttl_is_not_written() {
    let now = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let hand = Arc::clone(&now);
    let clock = move || Duration::from_millis(hand.load(std::sync::atomic::Ordering::Relaxed));
    let ttl = Duration::from_secs(1);
    let stale = builder(1 << 20).ttl(ttl).stale_if_error(60 * ttl).clock(clock.clone()).build();
    stale.get("a").unwrap();
    now.store(SECOND, std::sync::atomic::Ordering::Relaxed);
    stale.insert("b", Loaded::from("b")).unwrap();
    let other = builder(1 << 20).clock(clock).build();
    assert_eq!(load(&other, &saved(&stale)).entries, 1);
    let left = other.peek_loaded("b").unwrap().time_to_live().unwrap();
    assert!(left <= ttl, "without the time for which it may be served stale: {left:?}");
}

/// Of the groups that such files are written of.
const KEYS: [&str; 2] = ["a long key", "b, a long key"];

/// A file. When its first record is on its way, something happens.
struct Meanwhile<F> {
    bytes: Vec<u8>,
    happens: Option<F>,
}

impl<F: FnOnce()> Write for Meanwhile<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        // A record of one of these. No checksum and no time begins in such a way by chance.
        if bytes.starts_with(KEYS[0].as_bytes()) || bytes.starts_with(KEYS[1].as_bytes()) {
            if let Some(happens) = self.happens.take() {
                happens();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn saved_while(group: &Group, happens: impl FnOnce()) -> Vec<u8> {
    let out = Meanwhile { bytes: Vec::new(), happens: Some(happens) };
    let (out, _) = group.parts.write_snapshot(out, Vec::new()).unwrap();
    assert!(out.happens.is_none(), "it happened");
    out.bytes
}

#[test]
fn what_is_removed_while_the_file_is_written_does_not_come_back() {
    let first = group();
    KEYS.iter().for_each(|key| drop(first.get(key)));
    let file = saved_while(&first, || drop(first.remove_many(KEYS)));
    let second = group();
    let report = load(&second, &file);
    assert_eq!((report.entries, report.skipped.removed), (0, 2));
}

#[test]
fn a_file_that_was_written_while_all_was_cleared_is_believed_by_the_word_of_peers_only() {
    let first = group();
    KEYS.iter().for_each(|key| drop(first.get(key)));
    let file = saved_while(&first, || drop(first.clear()));
    assert_eq!(load(&group(), &file).skipped.unconfirmed, 2);
    assert_eq!(load_with(&group(), &file, SnapshotTrust::Never, confirmed).entries, 2);
}

#[test]
fn what_is_removed_while_the_file_is_read_does_not_come_back() {
    let first = group();
    ["a", "b"].iter().for_each(|key| drop(first.get(key)));
    let (file, second) = (saved(&first), group());
    let removed_meanwhile = |_: &[PeerMark]| {
        second.remove("a");
        PeersWord::default()
    };
    let report = load_with(&second, &file, SnapshotTrust::Always, removed_meanwhile);
    assert_eq!((report.entries, report.skipped.removed), (1, 1));
    assert_eq!(second.peek("a"), None);
}

#[test]
fn nothing_is_loaded_after_all_was_cleared_meanwhile() {
    let first = group();
    ["a", "b"].iter().for_each(|key| drop(first.get(key)));
    let (file, second) = (saved(&first), group());
    let cleared_meanwhile = |_: &[PeerMark]| {
        second.clear();
        PeersWord::default()
    };
    let report = load_with(&second, &file, SnapshotTrust::Always, cleared_meanwhile);
    assert_eq!(report.entries, 0);
    assert_eq!(second.main_cache_stats().entries, 0);
}

#[test]
fn what_was_loaded_or_inserted_meanwhile_is_newer() {
    let (first, second) = (group(), group());
    ["a", "b", "c"].iter().for_each(|key| drop(first.get(key)));
    second.insert("a", "newer").unwrap();
    let inserted_meanwhile = |_: &[PeerMark]| {
        second.insert("b", "newer").unwrap();
        PeersWord::default()
    };
    let report = load_with(&second, &saved(&first), SnapshotTrust::Always, inserted_meanwhile);
    // The insertion of "b" was a removal first.
    assert_eq!((report.entries, report.skipped.newer, report.skipped.removed), (1, 1, 1));
    assert_eq!(
        (second.get("a").unwrap(), second.get("b").unwrap()),
        ("newer".into(), "newer".into())
    );
}

#[test]
fn trust_says_what_is_loaded_that_nobody_confirms() {
    let file = file_of(0, &[record("brief", Some(60 * SECOND)), record("endless", None)]);
    let loaded = |trust, word: fn(&[PeerMark]) -> PeersWord| {
        let group = group();
        let report = load_with(&group, &file, trust, word);
        assert_eq!(report.entries + report.skipped.unconfirmed, 2);
        ["brief", "endless"].map(|key| group.peek(key).is_some())
    };
    assert_eq!(loaded(SnapshotTrust::Never, nobody), [false, false]);
    assert_eq!(loaded(SnapshotTrust::UntilTtl, nobody), [true, false]);
    assert_eq!(loaded(SnapshotTrust::Always, nobody), [true, true]);
    for trust in [SnapshotTrust::Never, SnapshotTrust::UntilTtl, SnapshotTrust::Always] {
        assert_eq!(loaded(trust, confirmed), [true, true]);
    }
}

#[test]
fn what_peers_say_was_removed_is_never_loaded() {
    let first = group();
    ["a", "b"].iter().for_each(|key| drop(first.get(key)));
    let word = |is_given| {
        move |_: &[PeerMark]| PeersWord {
            is_given,
            gone: HashSet::from(["a".to_owned()]),
            ..PeersWord::default()
        }
    };
    for is_given in [false, true] {
        let second = group();
        let report = load_with(&second, &saved(&first), SnapshotTrust::Always, word(is_given));
        assert_eq!((report.entries, report.skipped.removed), (1, 1));
        assert_eq!(second.peek("a"), None);
    }
}

/// Owns keys of one letter.
struct OwnsShort;

struct Silent;

impl PeerGetter for Silent {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("it is not asked for values")
    }
}

impl PeerPicker for OwnsShort {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        (key.len() > 1).then(|| Arc::new(Silent) as Arc<dyn PeerGetter>)
    }
}

#[test]
fn what_others_own_now_stays_out_and_copies_stay_copies() {
    let copy = |key| SnapshotRecord { is_copy: true, ..record(key, Some(3_600 * SECOND)) };
    let records = [record("a", None), record("moved", None), copy("copied"), copy("b")];
    let group = group();
    group.register_peers(OwnsShort).unwrap();
    let report = load(&group, &file_of(0, &records));
    assert_eq!((report.entries, report.skipped.moved), (2, 2));
    assert_eq!((group.main_cache_stats().entries, group.hot_cache_stats().entries), (1, 1));
    let left = group.peek_loaded("copied").unwrap().time_to_live().unwrap();
    assert!(left <= Duration::from_secs(30), "no longer than hot_ttl: {left:?}");
}

#[test]
fn a_smaller_cache_takes_the_hottest_and_evicts_nothing() {
    let first = group();
    let keys: Vec<String> = (0..2_000).map(|n| format!("{n:0100}")).collect();
    keys.iter().for_each(|key| drop(first.get(key)));
    for key in &keys[..20] {
        (0..6).for_each(|_| drop(first.get(key)));
    }
    let smaller = builder(20_000).build();
    smaller.insert("mine", "mine").unwrap();
    let report = load(&smaller, &saved(&first));
    assert!(report.entries >= 20 && report.skipped.no_room > 1_000, "{report:?}");
    assert!(keys[..20].iter().all(|key| smaller.peek(key).is_some()));
    assert_eq!(smaller.get("mine").unwrap(), "mine");
    assert_eq!(smaller.main_cache_stats().evictions, 0);
}

#[test]
fn a_file_of_another_group_is_refused_and_a_damaged_one_is_read_up_to_there() {
    let other = Group::new("other", 1 << 20, |key: &str| Ok::<_, io::Error>(key.to_owned()));
    let watch = other.parts.memory.watch_removals();
    let group = group();
    ["a", "b", "c"].iter().for_each(|key| drop(group.get(key)));
    let mut file = saved(&group);
    let refused =
        other.parts.read_snapshot(Cursor::new(&file), SnapshotTrust::Always, &watch, nobody);
    assert_eq!(refused.unwrap_err().to_string(), "it is of group \"g\"");
    let last = file.windows(2).rposition(|it| it == [2, 1]).expect("the last record");
    file[last + 5] ^= 1;
    let report = load(&builder(1 << 20).build(), &file);
    assert_eq!((report.entries, report.damaged_at), (2, Some(last as u64 - 8)));
    file.truncate(last);
    let report = load(&builder(1 << 20).build(), &file);
    assert_eq!((report.entries, report.skipped.unconfirmed), (0, 2), "what was removed is unknown");
}
