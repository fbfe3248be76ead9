//! What a pool logs in a life without trouble, whoever logs it. In a process of its own, which has
//! one logger.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Mutex;
use std::time::Duration;

use geecache::consistenthash::RingHash;
use geecache::{Group, HttpPool, Server};
use log::{Level, LevelFilter, Log, Metadata, Record};

const SOON: Duration = Duration::from_secs(20);

/// Warnings and errors of all crates.
struct Trouble(Mutex<Vec<String>>);

static TROUBLE: Trouble = Trouble(Mutex::new(Vec::new()));

/// What tiny_http says when its listener is closed, and what can't be kept from it.
const KNOWN: &str = "ERROR tiny_http: Error accepting new client: ";

impl Log for Trouble {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}: {}", record.level(), record.target(), record.args());
            self.0.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

#[test]
fn clean_life_of_a_pool_logs_no_trouble() {
    log::set_logger(&TROUBLE).unwrap();
    log::set_max_level(LevelFilter::Warn);
    for server in [Server::Guarded, Server::TinyHttp] {
        let peers = [(); 3].map(|()| {
            let group = Group::new("squares", 1 << 20, |key: &str| Ok::<_, String>(key.to_owned()));
            // Times and shares of the ring that no busy machine and no port can make a trouble of.
            let pool = HttpPool::builder().server(server).hash(RingHash::Mixed);
            let pool = pool.timeout(SOON).connect_timeout(SOON).bind("127.0.0.1:0").unwrap();
            pool.add(&group).unwrap();
            (pool, group)
        });
        for (pool, _) in &peers {
            pool.set_peers(peers.iter().filter_map(|(pool, _)| pool.url())).unwrap();
        }
        for (_, group) in &peers {
            for n in 0..50 {
                assert_eq!(group.get(&n.to_string()).unwrap(), n.to_string().as_str());
            }
        }
        for (pool, _) in &peers {
            pool.shutdown();
        }
        let trouble = TROUBLE.0.lock().unwrap().clone();
        let known = |line: &String| server == Server::TinyHttp && line.starts_with(KNOWN);
        assert!(trouble.iter().all(known), "{server:?}: {trouble:?}");
        TROUBLE.0.lock().unwrap().clear();
    }
}
