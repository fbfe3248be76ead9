//! Keys that change: a peer that writes to some of them, and looks at all of them.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use geecache::{Group, HotCache};

use crate::peer::say;
use crate::source;
use crate::truth::{COPY_TTL, TTL};

/// Keys that one peer removes.
const REMOVED: usize = 8;
/// Keys that one process inserts. They are not those of the process before it: what that sent to a
/// stopped peer may arrive when its successor writes already, and there is no order between them.
const INSERTED: usize = 4;
/// Between two looks at the keys.
const PAUSE: Duration = Duration::from_millis(100);

/// What the processes of a peer have seen.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Checked {
    pub(crate) gets: u64,
    /// Those of keys whose last settled version is one that no get may go back behind.
    pub(crate) firm: u64,
    /// Changes of keys, and those of them that a peer could not be told at first.
    pub(crate) changes: u64,
    pub(crate) owed: u64,
    /// Gets that brought an older version than one that was settled, while that may be.
    pub(crate) stale: u64,
}

impl Checked {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.gets += other.gets;
        self.firm += other.firm;
        self.changes += other.changes;
        self.owed += other.owed;
        self.stale += other.stale;
    }

    /// As one word, for a line between processes.
    pub(crate) fn encode(&self) -> String {
        let Self { gets, firm, changes, owed, stale } = self;
        format!("{gets},{firm},{changes},{owed},{stale}")
    }

    pub(crate) fn decode(word: &str) -> Option<Self> {
        let numbers: Option<Vec<u64>> = word.split(',').map(|part| part.parse().ok()).collect();
        let [gets, firm, changes, owed, stale] = numbers?[..] else { return None };
        Some(Self { gets, firm, changes, owed, stale })
    }
}

/// The group of the keys that change.
pub(crate) fn group(source: SocketAddr) -> Group {
    Group::builder("versions", 16 << 20, move |key: &str| {
        source::ask(source, &format!("version {key}"))
    })
    .ttl(TTL)
    .hot_cache(HotCache::Always)
    .hot_ttl(COPY_TTL)
    .fallback_ttl(COPY_TTL)
    .build()
}

/// Changes keys, until it is over.
pub(crate) struct Writer {
    pub(crate) group: Group,
    pub(crate) source: SocketAddr,
    /// What no other peer has, and the next process of this one has, too.
    pub(crate) port: u16,
}

impl Writer {
    pub(crate) fn run(&self, over: &AtomicBool, checked: &Mutex<Checked>) {
        let pid = std::process::id();
        let mut random = u64::from(pid);
        let mut below = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % most
        };
        let removed: Vec<String> = (0..REMOVED).map(|n| format!("r/{}/{n}", self.port)).collect();
        let mut pending: Vec<String> = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let first = below(REMOVED);
            let change = match below(100) {
                0 => self.remove(&removed, |group, _| group.clear().is_complete()),
                1..20 => self.insert(&format!("i/{}/{pid}/{}", self.port, below(INSERTED))),
                20..40 => {
                    let some: Vec<String> = removed.iter().skip(first).take(3).cloned().collect();
                    self.remove(&some, |group, keys| group.remove_many(keys).is_complete())
                }
                _ => self.remove(&removed[first..=first], |group, keys| {
                    group.remove(&keys[0]).is_complete()
                }),
            };
            // It is the source that did not answer.
            let Some((versions, is_complete)) = change else { continue };
            if is_complete {
                self.tell_settled(&versions);
            } else {
                pending.extend(versions);
            }
            if !pending.is_empty() && self.group.settled(Duration::from_millis(50)).is_ok() {
                self.tell_settled(&pending);
                pending.clear();
            }
            {
                let mut checked = checked.lock().expect("counting does not panic");
                checked.changes += 1;
                checked.owed += u64::from(!is_complete);
            }
            thread::sleep(Duration::from_millis(20 + below(60) as u64));
        }
    }

    fn next(&self, key: &str) -> Option<String> {
        source::ask(self.source, &format!("next {key}")).ok()
    }

    /// The keys with their new versions, and whether every peer knows.
    fn remove(
        &self,
        keys: &[String],
        remove: impl FnOnce(&Group, &[String]) -> bool,
    ) -> Option<(Vec<String>, bool)> {
        let versions: Option<Vec<String>> =
            keys.iter().map(|key| self.next(key).map(|next| format!("{key}={next}"))).collect();
        Some((versions?, remove(&self.group, keys)))
    }

    fn insert(&self, key: &str) -> Option<(Vec<String>, bool)> {
        let next = self.next(key)?;
        let report = self.group.insert(key, next.as_str());
        let is_complete = report.is_ok_and(|report| report.is_complete());
        Some((vec![format!("{key}={next}")], is_complete))
    }

    fn tell_settled(&self, versions: &[String]) {
        // If the source does not hear it, fewer gets are checked.
        let _ = source::ask(self.source, &format!("settled {}", versions.join(" ")));
    }
}

/// Gets all keys and looks at their versions, until it is over.
pub(crate) fn check(
    group: &Group,
    source: SocketAddr,
    over: &AtomicBool,
    checked: &Mutex<Checked>,
) {
    let mut rounds = 0usize;
    while !over.load(Ordering::Relaxed) {
        let floors = source::ask(source, "floors .").unwrap_or_default();
        let parse = |line: &str| {
            let mut words = line.split(' ');
            let key = words.next()?.to_owned();
            Some((key, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        };
        let floors: Vec<(String, u64, u64)> = floors.lines().filter_map(parse).collect();
        rounds += 1;
        // Each time another key is the first.
        for at in 0..floors.len() {
            let (key, firm, settled) = &floors[(at + rounds) % floors.len()];
            let got = group.get_with_origin(key);
            // The other gets tell what is wrong with those that bring nothing.
            let Ok((value, origin)) = got else { continue };
            let Some(version) = value.as_str().ok().and_then(|text| text.parse::<u64>().ok())
            else {
                say(&format!("failed: {key} is {value:?}"));
                continue;
            };
            if version < *firm {
                say(&format!(
                    "failed: {key} is version {version} ({origin:?}) after {firm} was settled"
                ));
            }
            let mut checked = checked.lock().expect("counting does not panic");
            checked.gets += 1;
            checked.firm += u64::from(*firm > 0 && firm == settled);
            checked.stale += u64::from(version < *settled);
        }
        thread::sleep(PAUSE);
    }
}
