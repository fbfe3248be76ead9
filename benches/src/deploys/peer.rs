//! One of the peers: serves, asks at a rate, and changes keys.

use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{Group, HttpPool, Server, SnapshotOptions, SnapshotTrust};

use super::histogram::Times;
use super::versions::Versions;
use crate::BoxError;
use crate::process::obey;
use crate::workload::{Random, Zipf};

/// Threads that ask.
const THREADS: u64 = 2;
/// What a leaver takes at most.
const STAY: Duration = Duration::from_secs(20);
const VALUE_BYTES: usize = 1000;

/// What one peer counted since it was asked last.
#[derive(Default, Clone)]
pub(super) struct Counts {
    /// Loads of what was loaded before.
    pub(super) loads: u64,
    pub(super) removed: u64,
    pub(super) failed: u64,
    pub(super) stale: u64,
    /// Removals that did not reach every peer.
    pub(super) unreached: u64,
    pub(super) times: Times,
}

impl Counts {
    pub(super) fn add(&mut self, more: Self) {
        self.loads += more.loads;
        self.removed += more.removed;
        self.failed += more.failed;
        self.stale += more.stale;
        self.unreached += more.unreached;
        self.times.add(&more.times);
    }

    fn words(&self) -> String {
        let Self { loads, removed, failed, stale, unreached, times } = self;
        format!("{loads} {removed} {failed} {stale} {unreached} {}", times.words())
    }
}

impl FromStr for Counts {
    type Err = BoxError;

    fn from_str(words: &str) -> Result<Self, BoxError> {
        let wrong = || format!("a peer says {words:?}");
        let (numbers, times) = words.rsplit_once(' ').ok_or_else(wrong)?;
        let numbers: Vec<u64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [loads, removed, failed, stale, unreached] = numbers[..] else {
            return Err(wrong().into());
        };
        let times = Times::parse(times).ok_or_else(wrong)?;
        Ok(Self { loads, removed, failed, stale, unreached, times })
    }
}

/// What the threads of a peer share.
struct Shared {
    group: Group,
    versions: Arc<Versions>,
    zipf: Zipf,
    place: u64,
    keys: u64,
    loads: Arc<AtomicU64>,
    counts: Mutex<Counts>,
    asks: AtomicBool,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_counts(&self) -> Counts {
        let mut counts = std::mem::take(&mut *self.counts());
        counts.loads = self.loads.swap(0, Relaxed);
        counts
    }

    /// Asks for a key, and looks whether the answer is one that may be.
    fn ask(&self, number: u64, noted: &mut Counts) -> Result<(), BoxError> {
        let oldest = self.versions.removed(number)?;
        let begun = Instant::now();
        let got = self.group.get(&key(number));
        noted.times.note(begun.elapsed().as_nanos() as u64);
        match got {
            Err(_) => noted.failed += 1,
            Ok(value) => {
                let version = value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
                noted.stale += u64::from(version.is_none_or(|version| version < oldest));
            }
        }
        Ok(())
    }

    /// Asks for `rate` keys a second.
    fn ask_at(&self, rate: u64, thread: u64) -> Result<(), BoxError> {
        let mut random = Random(self.place << 32 | thread | 1 << 20);
        let (begun, mut asked) = (Instant::now(), 0);
        let mut noted = Counts::default();
        while self.asks.load(Relaxed) {
            let due = begun.elapsed().as_millis() as u64 * rate / 1000;
            if asked >= due {
                self.counts().add(std::mem::take(&mut noted));
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            // Who was held up does not ask for everything at once.
            asked = asked.max(due.saturating_sub(rate / 10)) + 1;
            self.ask(self.zipf.draw(&mut random), &mut noted)?;
        }
        self.counts().add(noted);
        Ok(())
    }

    /// Sleeps, but not past the end.
    fn rest(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time && self.asks.load(Relaxed) {
            thread::sleep(Duration::from_millis(5).min(time));
        }
    }

    /// Changes `rate` keys a second, of those that this peer alone changes.
    fn change_at(&self, rate: u64) -> Result<(), BoxError> {
        let mut random = Random(self.place << 40 | 7);
        while rate > 0 && self.asks.load(Relaxed) {
            self.rest(Duration::from_secs(1) / rate as u32);
            let drawn = self.zipf.draw(&mut random);
            let number = (drawn / 8 * 8 + self.place).min(self.keys - 1);
            if number % 8 != self.place {
                continue;
            }
            let version = self.versions.change(number)?;
            let report = self.group.remove(&key(number));
            self.counts().removed += 1;
            if report.is_complete() {
                self.versions.note_removed(number, version)?;
            } else {
                self.counts().unreached += 1;
            }
        }
        Ok(())
    }
}

fn key(number: u64) -> String {
    crate::workload::key(number)
}

/// Is a peer, until its standard input ends. It says its URL and then obeys commands:
///
/// ```text
/// join URL...   the list of all peers
/// warm          every key is asked for once
/// begin         begins to ask and to change keys
/// counts        what it counted since it was asked last
/// leave         leaves; what it counted
/// shutdown      stops serving; what it counted
/// ```
pub(super) fn run(args: &[String]) -> Result<(), BoxError> {
    let [address, dir, numbers @ ..] = args else { return Err("a peer needs an address".into()) };
    let numbers: Vec<u64> = numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [place, keys, rate, load_ms, writes, hot_ttl_ms, cache_bytes, hand_over_rate, snapshots] =
        numbers[..]
    else {
        return Err("a peer needs nine numbers".into());
    };
    let versions = Arc::new(Versions::open(Path::new(dir))?);
    let loads = Arc::new(AtomicU64::new(0));
    let getter = {
        let (versions, loads) = (Arc::clone(&versions), Arc::clone(&loads));
        let numbers: std::collections::HashMap<String, u64> =
            (0..keys).map(|number| (key(number), number)).collect();
        move |key: &str| {
            let number = *numbers.get(key).ok_or("no such key")?;
            let (version, was_loaded) = versions.load(number)?;
            let mut value = version.to_ne_bytes().to_vec();
            thread::sleep(Duration::from_millis(load_ms));
            loads.fetch_add(u64::from(was_loaded), Relaxed);
            value.resize(VALUE_BYTES, 0);
            Ok::<_, BoxError>(value)
        }
    };
    let group =
        Group::builder("deploys", cache_bytes, getter).hot_ttl(Duration::from_millis(hot_ttl_ms));
    let group = if snapshots == 0 {
        group.build()
    } else {
        // No peer can say what was removed where all were away. These processes are not killed, so
        // nothing that was removed everywhere comes back: see `guide::snapshots`.
        let path = Path::new(dir).join(format!("{place}.snapshot"));
        group.snapshot(SnapshotOptions::new(path).trust(SnapshotTrust::Always)).build()
    };
    let pool = HttpPool::builder()
        .server(Server::Guarded)
        .hand_over_rate(hand_over_rate)
        .bind(address.as_str())?;
    pool.add(&group)?;
    println!("{}", pool.url().unwrap_or_default());
    let (zipf, counts, asks) = (Zipf::new(keys as usize), Mutex::default(), AtomicBool::new(true));
    let shared = Shared { group, versions, zipf, place, keys, loads, counts, asks };
    let shared = &shared;
    thread::scope(|scope| {
        let told = obey(|words| match words {
            ["join", urls @ ..] => {
                pool.set_peers(urls.iter().copied())?;
                Ok(String::new())
            }
            ["warm"] => {
                let all: Vec<String> = (0..keys).map(key).collect();
                for some in all.chunks(500) {
                    shared.group.get_many(some).into_iter().collect::<Result<Vec<_>, _>>()?;
                }
                Ok(String::new())
            }
            ["begin"] => {
                for thread in 0..THREADS {
                    scope.spawn(move || shared.ask_at(rate / THREADS, thread).ok());
                }
                scope.spawn(move || shared.change_at(writes).ok());
                Ok(String::new())
            }
            ["counts"] => Ok(shared.take_counts().words()),
            ["leave"] => {
                pool.leave(STAY);
                shared.asks.store(false, Relaxed);
                Ok(shared.take_counts().words())
            }
            ["shutdown"] => {
                shared.asks.store(false, Relaxed);
                pool.shutdown();
                Ok(shared.take_counts().words())
            }
            _ => Err("no such command".into()),
        });
        shared.asks.store(false, Relaxed);
        told
    })
}
