//! One host: it serves, gets all keys all the time, and may be the one that changes them.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use geecache::{Group, HotCache, HttpPool};

use crate::network;
use crate::source::{self, KEYS};

/// The argument that makes this program a host.
pub(crate) const FLAG: &str = "--as-host";
const PORT: u16 = 8000;
const READERS: usize = 4;
/// The host that changes keys.
const WRITER: usize = 0;

/// Runs until standard input ends.
pub(crate) fn run(args: &[String]) {
    let [number, hosts, path, ttl] = args else { panic!("{FLAG} NUMBER HOSTS SOURCE TTL") };
    let [number, hosts, ttl] = [number, hosts, ttl].map(|it| it.parse::<u64>().expect("a number"));
    let path = PathBuf::from(path);
    let getter = {
        let path = path.clone();
        move |key: &str| source::ask(&path, &format!("get {key}"))
    };
    let builder = Group::builder("versions", 16 << 20, getter).hot_cache(HotCache::Always);
    let group = if ttl == 0 { builder } else { builder.ttl(Duration::from_secs(ttl)) }.build();
    let pool = HttpPool::bind((network::addr(number as usize), PORT)).expect("the host is ours");
    pool.add(&group).expect("it is the only group");
    let urls = (0..hosts as usize).map(|n| format!("http://{}:{PORT}", network::addr(n)));
    pool.set_peers(urls).expect("these are URLs");
    for _ in 0..READERS {
        let (group, path) = (group.clone(), path.clone());
        thread::spawn(move || read(&group, number, &path));
    }
    if number as usize == WRITER {
        thread::spawn({
            let (group, path) = (group.clone(), path.clone());
            move || write(&group, &path)
        });
        thread::spawn(move || settle(&group, &path));
    }
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {}
    // The hosts end together, and nobody is to be told of that.
    std::process::exit(0);
}

/// What may not be got any more by a get that begins now.
struct Floors {
    /// To which of the phases what is got now belongs.
    phase: u64,
    removed: Vec<u64>,
    settled: Vec<u64>,
}

/// Tells what was seen, and asks for the next floors; `None` when all is over.
fn next_floors(path: &Path, seen: [u64; 5]) -> Option<Floors> {
    let seen = seen.map(|number| number.to_string()).join(" ");
    let answer = source::ask(path, &format!("seen {seen}")).ok()?;
    let mut lines = answer.lines().map(numbers);
    let phase = *lines.next()?.first()?;
    Some(Floors { phase, removed: lines.next()?, settled: lines.next()? })
}

fn read(group: &Group, number: u64, path: &Path) {
    let mut seen = [number, 0, 0, 0, 0];
    while let Some(floors) = next_floors(path, seen) {
        let (mut gets, mut stale, mut settled) = (0, 0, 0);
        for key in 0..KEYS {
            let got = group.get(&key.to_string()).ok();
            let version = got.and_then(|value| value.as_str().ok()?.parse::<u64>().ok());
            let Some(version) = version else { continue };
            gets += 1;
            stale += u64::from(version < floors.removed[key]);
            settled += u64::from(version < floors.settled[key]);
        }
        seen = [number, floors.phase, gets, stale, settled];
        thread::sleep(Duration::from_millis(20));
    }
}

/// Changes all keys, and removes them.
fn write(group: &Group, path: &Path) {
    let keys: Vec<String> = (0..KEYS).map(|key| key.to_string()).collect();
    while let Ok(versions) = source::ask(path, "next .") {
        group.remove_many(&keys);
        if source::ask(path, &format!("removed {versions}")).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Tells what is settled.
fn settle(group: &Group, path: &Path) {
    while let Some(floors) = next_floors(path, [0; 5]) {
        let removed = floors.removed.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let done = group.settled(Duration::from_secs(1)).is_ok();
        if done && source::ask(path, &format!("settled {removed}")).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn numbers(line: &str) -> Vec<u64> {
    line.split(' ').filter_map(|word| word.parse().ok()).collect()
}
