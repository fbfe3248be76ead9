//! Peers that follow a file, and are replaced one after the other while they are asked.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use geecache::{Discovery, Group, HotCache, HttpPool};

use super::SERVERS;
use super::peers::{Here, Process, SOON, THREADS, until, value_of};

/// How many keys are asked for.
const KEYS: usize = 400;
/// After so many gets each key was asked for.
const EACH_KEY: u64 = (KEYS * THREADS) as u64;

/// A file with the list of peers.
struct ListFile(PathBuf);

impl ListFile {
    fn new(name: &str) -> Self {
        let name = format!("geecache-rolling-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn write(&self, peers: &[Process]) {
        self.write_with(peers, None);
    }

    fn write_with(&self, peers: &[Process], another: Option<&str>) {
        let urls = peers.iter().map(|peer| peer.url.as_str());
        let lines: Vec<&str> = urls.chain(another).collect();
        let new = self.0.with_extension("new");
        fs::write(&new, lines.join("\n")).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }

    fn followed_by(&self, peer: &mut Process) {
        assert_eq!(peer.ask(&format!("follow {}", self.0.display())), "done");
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn start(n: usize) -> Process {
    Process::start_patient(SERVERS[n % 2])
}

fn wait_for_lists_of(count: usize, peers: &mut [Process], here: &HttpPool) {
    until("the lists are alike", || {
        here.list_stats().peers == count
            && peers.iter_mut().all(|peer| peer.ask("count") == count.to_string())
    });
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

#[test]
fn five_peers_that_follow_a_file_are_all_replaced_under_load_and_no_get_fails() {
    let file = ListFile::new("all");
    let mut peers: Vec<Process> = (0..5).map(start).collect();
    file.write(&peers);
    peers.iter_mut().for_each(|peer| file.followed_by(peer));
    let group = Group::builder("scores", 0, |key: &str| {
        Ok::<_, std::io::Error>(value_of(key)) // asked only if no peer answers
    });
    let here = Here {
        group: group.hot_cache(HotCache::Off).build(),
        pool: HttpPool::client([""; 0]).unwrap(),
    };
    here.pool.add(&here.group).unwrap();
    here.pool.follow(Discovery::file(&file.0)).unwrap();
    wait_for_lists_of(5, &mut peers, &here.pool);

    let load = here.load_of(KEYS);
    load.goes_on(EACH_KEY);
    let mut loads = 0;
    for n in 0..5 {
        let mut new = start(n);
        file.followed_by(&mut new);
        peers.push(new);
        file.write(&peers);
        wait_for_lists_of(6, &mut peers, &here.pool);
        // The new one takes its keys over.
        load.goes_on(EACH_KEY);
        let mut old = peers.remove(0);
        old.say("leave");
        wait_for_lists_of(5, &mut peers, &here.pool);
        load.goes_on(EACH_KEY);
        file.write(&peers);
        loads += number(&old.ask("end"));
    }
    load.end();
    loads += peers.iter_mut().map(|peer| number(&peer.ask("loads"))).sum::<u64>();
    loads += here.group.stats().local_loads;
    println!("{loads} loads of {KEYS} keys, while all of 5 peers were replaced");
    // Without any hand-over it would be about 2.8 times the keys.
    assert!(loads < 2 * KEYS as u64, "{loads} loads of {KEYS} keys");
}

#[test]
fn processes_whose_lists_differ_see_it_on_both_sides() {
    let (one, other) = (ListFile::new("one"), ListFile::new("other"));
    let mut peers: Vec<Process> = (0..2).map(start).collect();
    one.write(&peers);
    other.write_with(&peers, Some("http://127.0.0.1:1"));
    one.followed_by(&mut peers[0]);
    other.followed_by(&mut peers[1]);
    let begun = Instant::now();
    for peer in &mut peers {
        until("it sees that", || peer.ask("differing") == "1");
    }
    println!("seen on both sides after {:?}", begun.elapsed());
    other.write(&peers);
    for peer in &mut peers {
        until("they agree again", || peer.ask("differing") == "0");
    }
    assert!(begun.elapsed() < 4 * SOON);
}

/// `SIGTERM` has the process leave, finish, and end as the signal does.
#[cfg(feature = "signal")]
#[test]
fn a_process_that_is_told_to_end_leaves_first() {
    use std::os::unix::process::ExitStatusExt;

    let file = ListFile::new("signal");
    let mut peers: Vec<Process> = (0..2).map(start).collect();
    file.write(&peers);
    peers.iter_mut().for_each(|peer| file.followed_by(peer));
    let here = HttpPool::client([""; 0]).unwrap();
    here.follow(Discovery::file(&file.0)).unwrap();
    wait_for_lists_of(2, &mut peers, &here);
    peers[0].signal("-TERM");
    until("the others miss it", || here.list_stats().peers == 1);
    // It answers still: nothing but its stay of many seconds holds it.
    assert_eq!(peers[0].ask("get Tom"), value_of("Tom"));
    let reason = here.follow_stats().unwrap().changes.last().unwrap().reason.clone();
    assert!(reason.contains("it leaves"), "{reason}");
    peers[0].signal("-TERM");
    assert_eq!(peers[0].wait().signal(), Some(15), "the second signal ends it at once");
}
