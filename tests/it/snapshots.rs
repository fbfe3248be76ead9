//! Groups whose memory outlives their process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use geecache::{Error, Event, Group, GroupBuilder, Loaded, SnapshotOptions, SnapshotTrust};

use crate::support::{CountingGetter, Hand, keep_logs, logged, until};

/// A path in a folder of its own, which goes with it.
struct Snap {
    folder: PathBuf,
    path: PathBuf,
}

impl Snap {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("geecache-snapshots-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { path: folder.join("snap"), folder }
    }

    /// Written at the end only, believed, and loaded at once.
    fn options(&self) -> SnapshotOptions {
        SnapshotOptions::new(&self.path)
            .every(Duration::ZERO)
            .trust(SnapshotTrust::Always)
            .peers_within(Duration::ZERO)
    }
}

impl Drop for Snap {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn builder(getter: &CountingGetter) -> GroupBuilder {
    Group::builder("scores", 1 << 20, getter.clone())
}

#[test]
fn the_drop_of_the_last_handle_writes_the_snapshot_and_the_next_process_has_it() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).snapshot(snap.options()).build();
    let value = first.get("Tom").unwrap();
    let clone = first.clone();
    drop(first);
    assert!(!snap.path.exists(), "there is another handle");
    drop(clone);
    assert!(snap.path.exists());

    let second = builder(&getter).snapshot(snap.options()).build();
    until("it is loaded", || second.stats().snapshot_loaded == 1);
    assert_eq!(second.get("Tom").unwrap(), value);
    assert_eq!(getter.calls(), 1);
}

#[test]
fn what_has_no_end_in_a_snapshot_gets_the_ttl_that_the_group_has_now() {
    let (snap, getter, hand) = (Snap::new(), CountingGetter::new(), Hand::default());
    let second = Duration::from_secs(1);
    let first = builder(&getter).clock(hand.clock()).build();
    first.get("Tom").unwrap();
    first.insert("Jack", Loaded::from("589").ttl(60 * second)).unwrap();
    first.save_snapshot(&snap.path).unwrap();

    let group = builder(&getter).clock(hand.clock()).ttl(10 * second).build();
    group.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    let life = |key| group.peek_loaded(key).unwrap().time_to_live().unwrap();
    assert_eq!(life("Tom"), 10 * second);
    assert!(life("Jack") > 10 * second, "the getter said it itself");
    hand.advance(10 * second);
    assert!(group.peek("Tom").is_none());
}

#[test]
fn a_clock_of_a_test_goes_on_while_no_process_does() {
    let (snap, getter, hand) = (Snap::new(), CountingGetter::new(), Hand::default());
    let minute = Duration::from_secs(60);
    let built = || builder(&getter).clock(hand.clock()).ttl(minute);
    let first = built().build();
    first.get("Tom").unwrap();
    first.save_snapshot(&snap.path).unwrap();
    hand.advance(minute / 2);
    let group = built().build();
    group.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    assert_eq!(group.peek_loaded("Tom").unwrap().time_to_live(), Some(minute / 2));
    hand.advance(60 * minute);
    let report = built().build().load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    assert_eq!((report.entries, report.skipped.expired), (0, 1));

    let options = snap.options().every(5 * minute);
    fs::remove_file(&snap.path).unwrap();
    let kept = built().snapshot(options).build();
    kept.get("Tom").unwrap();
    until("it has begun, and is written once more", || {
        hand.advance(minute);
        snap.path.exists()
    });
}

#[test]
fn a_snapshot_that_is_closed_is_not_written_again() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let group = builder(&getter).snapshot(snap.options()).build();
    group.get("Tom").unwrap();
    let report = group.close_snapshot().unwrap().expect("the first call writes it");
    assert_eq!(report.entries, 1);
    assert_eq!(report.bytes, fs::metadata(&snap.path).unwrap().len());
    assert_eq!(group.close_snapshot().unwrap(), None);
    fs::remove_file(&snap.path).unwrap();
    drop(group);
    assert!(!snap.path.exists());
    let without = builder(&getter).build();
    assert_eq!(without.close_snapshot().unwrap(), None);
}

#[test]
fn what_is_removed_after_the_snapshot_was_closed_does_not_come_back() {
    let ends: [fn(Group); 2] = [drop, |group| assert_eq!(group.close_snapshot().unwrap(), None)];
    for end in ends {
        let (snap, getter) = (Snap::new(), CountingGetter::new());
        let first = builder(&getter).snapshot(snap.options()).build();
        first.get_many(["Tom", "Jack", "Sam"]);
        assert_eq!(first.close_snapshot().unwrap().unwrap().entries, 3);
        first.remove("Tom");
        first.close_snapshot().unwrap();
        first.remove("Jack");
        end(first);

        let second = builder(&getter).build();
        let report = second.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
        assert_eq!((report.entries, report.skipped.removed), (1, 2));
        assert!(second.peek("Sam").is_some());
    }
}

#[test]
fn the_log_tells_why_entries_were_not_loaded() {
    keep_logs();
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).snapshot(snap.options()).build();
    first.get_many(["Tom", "Jack", "Sam"]);
    first.close_snapshot().unwrap();
    first.remove("Tom");
    drop(first);
    let second = builder(&getter).build();
    second.get("Jack").unwrap();
    second.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    let path = snap.path.display().to_string();
    let [(_, line)] = &*logged(&["loaded 1 entries", &path]) else { panic!("it is told once") };
    assert!(line.ends_with(", and 2 not: 1 removed, 1 newer in memory"), "{line}");
}

#[test]
fn what_was_replaced_after_the_snapshot_was_closed_does_not_come_back() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).snapshot(snap.options()).build();
    first.insert("plain", Loaded::from("old")).unwrap();
    first.insert_if_newer("versioned", "old", 1).unwrap();
    assert_eq!(first.close_snapshot().unwrap().unwrap().entries, 2);
    assert!(first.insert("plain", Loaded::from("new")).unwrap().is_kept);
    assert!(first.insert_if_newer("versioned", "new", 2).unwrap().is_kept);
    drop(first);

    let second = builder(&getter).build();
    let report = second.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    assert_eq!((report.entries, report.skipped.removed), (0, 2));
}

#[test]
fn a_tag_that_is_removed_after_the_snapshot_was_closed_leaves_what_has_a_ttl() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).snapshot(snap.options()).build();
    first.insert("Tom", Loaded::from("630").tag("red")).unwrap();
    first.close_snapshot().unwrap();
    assert!(first.remove_tag("red").is_complete());
    drop(first);
    // Nobody knows which keys had the tag.
    let second = builder(&getter).build();
    let report = second.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    assert_eq!((report.entries, report.skipped.unconfirmed), (0, 1));
}

#[test]
fn a_process_that_is_killed_has_what_was_written_last() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let options = snap.options().every(Duration::from_millis(1));
    let killed = builder(&getter).snapshot(options).build();
    killed.get("Tom").unwrap();
    until("it is written", || killed.stats().snapshot_written > 0);
    // A copy of the file is what a killed process leaves.
    let left = snap.folder.join("left");
    fs::copy(&snap.path, &left).unwrap();
    let next = builder(&getter).build();
    assert_eq!(next.load_snapshot(&left, SnapshotTrust::Always).unwrap().entries, 1);
}

#[test]
fn what_the_program_removes_before_its_snapshot_is_loaded_does_not_come_back() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).build();
    first.get_many(["Tom", "Jack"]);
    first.save_snapshot(&snap.path).unwrap();
    // It waits for peers for long enough that the removal comes first.
    let options = snap.options().peers_within(Duration::from_millis(200));
    let second = builder(&getter).snapshot(options).build();
    second.remove("Tom");
    until("it is loaded", || second.stats().snapshot_loaded == 1);
    assert_eq!((second.peek("Tom").is_some(), second.peek("Jack").is_some()), (false, true));
    assert_eq!(second.stats().snapshot_skipped, 1);
}

#[test]
fn a_process_that_ends_before_it_has_loaded_leaves_the_file_as_it_is() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).build();
    first.get_many(["Tom", "Jack"]);
    first.save_snapshot(&snap.path).unwrap();
    let before = fs::read(&snap.path).unwrap();
    let waits = snap.options().peers_within(Duration::from_secs(3_600));
    let brief = builder(&getter).snapshot(waits).build();
    brief.get("Sam").unwrap();
    assert_eq!(brief.close_snapshot().unwrap(), None);
    drop(brief);
    assert_eq!(fs::read(&snap.path).unwrap(), before);
}

#[test]
fn what_a_process_removes_that_ends_before_it_has_loaded_does_not_come_back() {
    let ends: [fn(Group); 2] = [drop, |group| assert_eq!(group.close_snapshot().unwrap(), None)];
    for end in ends {
        let (snap, getter) = (Snap::new(), CountingGetter::new());
        let first = builder(&getter).build();
        first.get_many(["Tom", "Jack", "Sam"]);
        first.save_snapshot(&snap.path).unwrap();
        let waits = || snap.options().peers_within(Duration::from_secs(3_600));
        for key in ["Tom", "Jack"] {
            let brief = builder(&getter).snapshot(waits()).build();
            assert!(brief.remove(key).is_complete());
            end(brief);
        }
        let next = builder(&getter).build();
        let report = next.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
        assert_eq!((report.entries, report.skipped.removed), (1, 2));
        assert!(next.peek("Sam").is_some());
    }
}

#[test]
fn the_removals_of_a_process_that_ends_early_are_named_in_no_file_of_others() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let other = Group::builder("other", 1 << 20, getter.clone()).build();
    other.save_snapshot(&snap.path).unwrap();
    let of_other = fs::read(&snap.path).unwrap();
    let waits = snap.options().peers_within(Duration::from_secs(3_600));
    let brief = builder(&getter).snapshot(waits).build();
    brief.remove("Tom");
    drop(brief);
    assert_eq!(fs::read(&snap.path).unwrap(), of_other);
}

#[test]
fn an_older_file_in_place_of_the_last_one_is_not_believed_without_peers() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    // Its unfinished file would have a name that is too long for any folder.
    let path = snap.folder.join("x".repeat(250));
    let first = builder(&getter).build();
    first.get_many(["Tom", "Jack"]);
    first.save_snapshot(&snap.path).unwrap();
    fs::rename(&snap.path, &path).unwrap();

    let options = SnapshotOptions::new(&path).every(Duration::from_millis(10));
    let options = options.peers_within(Duration::ZERO).trust(SnapshotTrust::Always);
    let second = builder(&getter).snapshot(options).build();
    until("it could not be written", || second.stats().snapshot_failures > 0);
    assert_eq!(second.stats().snapshot_loaded, 2);
    second.remove("Tom");
    second.close_snapshot().expect_err("the name is too long");

    let third = builder(&getter).build();
    let report = third.load_snapshot(&path, SnapshotTrust::Always).unwrap();
    assert_eq!((report.entries, report.skipped.unconfirmed), (0, 2));
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_snapshot_holds_nobody_up() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let made = std::process::Command::new("mkfifo").arg(&snap.path).status();
    assert!(made.expect("mkfifo is there").success());
    let (told, hears) = std::sync::mpsc::channel();
    let (path, group) = (snap.path.clone(), builder(&getter).build());
    std::thread::spawn(move || told.send(group.load_snapshot(path, SnapshotTrust::Always)));
    let loaded = hears.recv_timeout(Duration::from_secs(20)).expect("it does not wait");
    let error = loaded.unwrap_err();
    assert!(error.to_string().ends_with("it is not a file"), "{error}");
}

#[test]
fn what_is_no_snapshot_of_the_group_is_never_written_over() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let other = Group::builder("other", 1 << 20, getter.clone()).build();
    other.save_snapshot(&snap.path).unwrap();
    let of_other = fs::read(&snap.path).unwrap();
    for found in [of_other, b"my thesis".to_vec()] {
        fs::write(&snap.path, &found).unwrap();
        let options = snap.options().every(Duration::from_millis(1));
        let group = builder(&getter).snapshot(options).build();
        until("it was refused", || group.stats().snapshot_failures == 1);
        group.get("Tom").unwrap();
        drop(group);
        assert_eq!(fs::read(&snap.path).unwrap(), found);
    }
}

#[test]
fn where_there_is_no_file_nothing_is_loaded_and_nothing_is_wrong() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let group = builder(&getter).build();
    let report = group.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
    assert!(!report.found);
    assert_eq!((report.entries, group.stats().snapshot_failures), (0, 0));
}

#[test]
fn what_is_no_snapshot_is_an_error_that_is_told_and_counted() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    fs::write(&snap.path, "something else").unwrap();
    let group = builder(&getter).build();
    let error = group.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap_err();
    assert!(error.to_string().ends_with("it is no snapshot"), "{error}");
    assert!(matches!(error, Error::Snapshot { .. }));
    let nowhere = Path::new("/no such folder/snap");
    let error = group.save_snapshot(nowhere).unwrap_err();
    assert!(matches!(error, Error::Snapshot { .. }), "{error}");
    assert_eq!(group.stats().snapshot_failures, 2);
    let told = group.recent_events();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|past| matches!(past.event, Event::SnapshotFailed { .. })));
    assert_eq!(fs::read(&snap.path).unwrap(), b"something else");
}

#[test]
fn gets_go_on_while_a_snapshot_is_written_and_loaded() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let [first, second] = [0, 1].map(|_| builder(&getter).build());
    let keys: Vec<String> = (0..500).map(|n| format!("key {n}")).collect();
    first.get_many(&keys);
    std::thread::scope(|scope| {
        let gets = scope.spawn(|| {
            for key in keys.iter().cycle().take(20_000) {
                first.get(key).unwrap();
                second.get(key).unwrap();
            }
        });
        while !gets.is_finished() {
            assert_eq!(first.save_snapshot(&snap.path).unwrap().entries, 500);
            second.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
        }
        gets.join().unwrap();
    });
    assert_eq!(second.main_cache_stats().entries, 500);
}

#[cfg(feature = "http")]
mod http {
    use std::sync::{Arc, OnceLock};

    use geecache::{HttpPool, Server};

    use super::*;

    /// A peer that keeps a snapshot, alone in its list.
    fn peer(addr: &str, snap: &Snap, getter: &CountingGetter) -> (HttpPool, Group) {
        let options = snap.options().trust(SnapshotTrust::UntilTtl);
        let builder = builder(getter).ttl(Duration::from_secs(3_600));
        let group = builder.snapshot(options).build();
        let pool = HttpPool::builder().server(Server::Guarded).bind(addr).unwrap();
        pool.add(&group).unwrap();
        let own = pool.url().unwrap().to_owned();
        pool.set_peers([own]).unwrap();
        (pool, group)
    }

    #[test]
    fn a_pool_that_shuts_down_or_leaves_has_its_groups_write_their_snapshots() {
        let ends: [fn(HttpPool); 3] =
            [|pool| pool.shutdown(), |pool| pool.leave(Duration::ZERO), drop];
        for end in ends {
            let (snap, getter) = (Snap::new(), CountingGetter::new());
            let (pool, group) = peer("127.0.0.1:0", &snap, &getter);
            group.get("Tom").unwrap();
            let addr = pool.local_addr().unwrap().to_string();
            end(pool);
            assert_eq!(group.stats().snapshot_written, 1, "while there are handles of the group");
            let (_pool, group) = peer(&addr, &snap, &getter);
            until("it is loaded", || group.stats().snapshot_loaded == 1);
            group.get("Tom").unwrap();
            assert_eq!(getter.calls(), 1);
        }
    }

    #[test]
    fn a_load_waits_for_the_snapshot_that_has_its_value() {
        let (snap, getter) = (Snap::new(), CountingGetter::new());
        let (pool, group) = peer("127.0.0.1:0", &snap, &getter);
        let keys: Vec<String> = (0..100).map(|n| format!("key {n}")).collect();
        group.get_many(&keys);
        pool.shutdown();
        let addr = pool.local_addr().unwrap().to_string();
        drop((pool, group));

        let options = snap.options().peers_within(Duration::from_secs(3_600));
        let options = options.loads_wait(Duration::from_secs(3_600));
        let group = builder(&getter).snapshot(options).build();
        let pool = HttpPool::builder().server(Server::Guarded).bind(addr).unwrap();
        pool.add(&group).unwrap();
        let own = pool.url().unwrap().to_owned();
        // Of a peer that is down: nobody but this process loads its keys.
        pool.set_peers([own.as_str(), "http://127.0.0.1:1"]).unwrap();
        let owned = |key: &&String| pool.owner(key).as_ref() == Some(&own);
        let key = keys.iter().find(owned).unwrap();
        group.get(key).unwrap();
        group.get_many(keys.iter().filter(owned));
        assert_eq!(getter.calls(), 100, "each of them was loaded once, by the first process");
        // Afterwards nobody waits.
        group.get("another").unwrap();
    }

    #[test]
    fn what_is_removed_while_the_last_requests_are_answered_does_not_come_back() {
        let (snap, getter) = (Snap::new(), CountingGetter::new());
        let removing: Arc<OnceLock<Group>> = Arc::default();
        let of_group = Arc::clone(&removing);
        let load = move |key: &str| {
            if key == "slow" {
                let group = of_group.get().unwrap();
                until("the snapshot is written", || group.stats().snapshot_written == 1);
                group.remove("Tom");
            }
            Ok::<_, std::io::Error>(key.to_owned())
        };
        let group = Group::builder("scores", 1 << 20, load).snapshot(snap.options()).build();
        let _ = removing.set(group.clone());
        let pool = HttpPool::builder().server(Server::Guarded).bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        group.get("Tom").unwrap();
        std::thread::scope(|scope| {
            let url = pool.url().unwrap().to_owned();
            scope.spawn(move || {
                let asking = Group::new("scores", 0, |_: &str| Ok::<_, std::io::Error>("late"));
                let client = HttpPool::client([url]).unwrap();
                client.add(&asking).unwrap();
                asking.get("slow").unwrap();
            });
            until("it is asked", || group.stats().server_requests == 1);
            pool.shutdown();
        });
        let second = builder(&getter).build();
        let report = second.load_snapshot(&snap.path, SnapshotTrust::Always).unwrap();
        assert_eq!((report.entries, report.skipped.removed), (0, 1), "{report:?}");
    }
}

/// What is kept beside a value goes into the file: its tags, by which it is removed later, and its
/// version, which keeps an older one out.
#[test]
fn tags_and_versions_outlive_their_process_and_what_a_tag_removed_does_not() {
    let (snap, getter) = (Snap::new(), CountingGetter::new());
    let first = builder(&getter).snapshot(snap.options()).build();
    let value = |text: &str, tag: &str| Loaded::from(text.to_owned()).tag(tag);
    let nobody = Loaded::absent().ttl(Duration::from_secs(60)).tag("green");
    for (key, tag) in [("gone", "red"), ("kept", "blue"), ("later", "green")] {
        assert!(first.insert(key, value(key, tag)).unwrap().is_kept);
    }
    assert!(first.insert_if_newer("versioned", "new", 7).unwrap().is_kept);
    assert!(first.insert("absent", nobody).unwrap().is_kept);
    assert!(first.remove_tag("red").is_complete());
    drop(first);

    let second = builder(&getter).snapshot(snap.options()).build();
    until("it is loaded", || second.stats().snapshot_loaded == 4);
    let has = |key| second.peek(key).is_some();
    assert!(!has("gone") && has("kept") && has("later") && has("versioned"));
    let older = second.insert_if_newer("versioned", "old", 6).unwrap();
    assert!(older.is_late && !older.is_kept, "{older:?}");
    assert_eq!(second.get("versioned").unwrap(), "new");
    assert!(second.remove_tag("green").is_complete());
    assert!(has("kept") && !has("later"));
    assert_eq!(second.get("kept").unwrap(), "kept");
    assert_eq!(getter.calls(), 0);
    second.get("absent").unwrap();
    assert_eq!(getter.calls(), 1, "that there is none was removed with its tag");
}
