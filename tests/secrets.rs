//! Secrets stay out of the log, whatever is logged. A program of its own, as it sees all that
//! anybody logs in the process.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Mutex;

use geecache::{Group, HttpPool, Server};
use log::{LevelFilter, Log, Metadata, Record};

const SECRET: &str = "c2VjcmV0LW9mLXRoZS1jbHVzdGVy";

struct All(Mutex<String>);

static ALL: All = All(Mutex::new(String::new()));

impl Log for All {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        *self.0.lock().unwrap() += &format!("{} {}\n", record.target(), record.args());
    }

    fn flush(&self) {}
}

/// All bytes that are dumped in hexadecimal, as ureq does with what it sends.
fn dumped(log: &str) -> String {
    let hex = |word: &&str| {
        matches!(word.len(), 2 | 4) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    log.lines().flat_map(|line| line.split(' ').filter(hex)).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn no_token_is_logged_at_any_level() {
    log::set_logger(&ALL).unwrap();
    log::set_max_level(LevelFilter::Trace);
    for server in [Server::Guarded, Server::TinyHttp] {
        let source = |key: &str| Ok::<_, std::io::Error>(key.to_owned());
        let owner = HttpPool::builder().server(server).token(SECRET).bind("127.0.0.1:0").unwrap();
        let theirs = Group::new("scores", 1 << 20, source);
        owner.add(&theirs).unwrap();
        let client = HttpPool::builder().token(SECRET).client([owner.url().unwrap()]).unwrap();
        let ours = Group::new("scores", 0, source);
        client.add(&ours).unwrap();
        for key in ["Tom", "Jack"] {
            assert_eq!(ours.get(key).unwrap(), key);
        }
        assert!(ours.insert("Tom", "a value").unwrap().is_complete());
        assert!(ours.remove("Tom").is_complete());
        assert_eq!(theirs.stats().server_requests, 2, "{server:?}");
        owner.shutdown();
    }
    let log = ALL.0.lock().unwrap();
    let dumped = dumped(&log);
    assert!(dumped.contains(&hex("/_geecache/scores/")), "requests are dumped at this level");
    assert!(!log.contains(SECRET) && !log.contains(&SECRET[..16]), "{log}");
    assert!(!dumped.contains(&hex(SECRET)));
}
