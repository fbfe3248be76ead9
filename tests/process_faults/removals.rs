//! Removals that a process misses: once they are settled, no process has the old value.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::SERVERS;
use super::peers::{Here, Process, SOON};

/// So many keys of the process that is away.
const KEYS: usize = 20;

/// A file with the version that all values have at the source.
struct VersionFile(PathBuf);

impl VersionFile {
    fn new(name: &str) -> Self {
        let name = format!("geecache-version-{name}-{}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write("old");
        file
    }

    fn write(&self, version: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, version).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }
}

impl Drop for VersionFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The peer of this process, which removes; one that will be away, with keys that it owns; and a
/// third one. All of them have the old values.
struct Three {
    file: VersionFile,
    here: Here,
    others: [Process; 2],
    keys: Vec<String>,
}

impl Three {
    fn start(name: &str, server: &'static str) -> Self {
        let file = VersionFile::new(&format!("{name}-{server}"));
        let start = |server| Process::start_versioned(server, &file.0);
        let mut others = [start(server), start("guarded")];
        let here = Here::versioned(&file.0, &mut others);
        let keys = here.keys_of(&others[0].url).take(KEYS).collect();
        let mut three = Self { file, here, others, keys };
        // Who makes a change, or is told of one, sees who there is.
        assert!(three.here.group.remove("another key").is_complete());
        three.all_get("old");
        three
    }

    #[track_caller]
    fn all_get(&mut self, version: &str) {
        for key in &self.keys {
            for (n, process) in self.others.iter_mut().enumerate() {
                assert_eq!(process.ask(&format!("get {key}")), version, "process {n} and {key}");
            }
            assert_eq!(self.here.group.get(key).unwrap(), version, "here and {key}");
        }
    }

    /// The source has new values, and the old ones are removed. Whether all know.
    fn remove(&self) -> bool {
        self.file.write("new");
        self.here.group.remove_many(&self.keys).is_complete()
    }

    /// Nobody gets an old value once it is settled, nor later.
    #[track_caller]
    fn expect_settled(&mut self) {
        self.here.group.settled(SOON).unwrap();
        for _ in 0..3 {
            self.all_get("new");
        }
    }
}

#[test]
fn an_owner_that_is_stopped_has_no_old_value_once_it_is_settled() {
    for server in SERVERS {
        let mut three = Three::start("stopped", server);
        three.others[0].signal("-STOP");
        assert!(!three.remove());
        assert!(three.here.group.settled(Duration::from_millis(10)).is_err());
        let key = &three.keys[0];
        assert_eq!(three.here.group.get(key).unwrap(), "new", "who owes does not read");
        three.others[0].signal("-CONT");
        three.expect_settled();
    }
}

#[test]
fn an_owner_that_is_killed_and_its_stand_in_have_no_old_value_once_it_is_settled() {
    for server in SERVERS {
        let mut three = Three::start("killed", server);
        three.others[0].kill();
        assert!(!three.remove());
        assert!(three.here.group.settled(Duration::from_millis(10)).is_err());
        let urls = three.here.urls(&three.others);
        three.others[0].restart(&urls);
        three.expect_settled();
    }
}

#[test]
fn an_owner_that_is_dropped_from_the_list_and_put_back_has_no_old_value_once_it_is_settled() {
    for server in SERVERS {
        let mut three = Three::start("dropped", server);
        let all = three.here.urls(&three.others);
        let without: Vec<String> =
            all.iter().filter(|url| **url != three.others[0].url).cloned().collect();
        three.others[1].have_peers(&without);
        three.here.pool.set_peers(&without).unwrap();
        assert!(three.remove(), "nobody knows of it now");
        let key = three.keys[0].clone();
        assert_eq!(three.others[0].ask(&format!("get {key}")), "old", "it was not told");
        assert_eq!(three.others[1].ask(&format!("get {key}")), "new");
        // The third one may ask it first, and remembers what it has missed.
        three.others[1].have_peers(&all);
        assert_eq!(three.others[1].ask(&format!("get {key}")), "new");
        three.here.pool.set_peers(&all).unwrap();
        assert_eq!(three.here.group.get(&key).unwrap(), "new");
        three.expect_settled();
    }
}
