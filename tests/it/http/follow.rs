//! Pools that learn from a source who their peers are.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use geecache::testing::FakeClock;
use geecache::{BoxError, Discover, Discovery, Error, HttpPool, ListChangeKind};

use crate::support::{
    CountingGetter, FaultyPeer, Peer, SERVERS, SOON, answer, keep_logs, logged, value_of,
};

const BRIEF: Duration = Duration::from_millis(10);

/// A file of this test's own, which ends with it.
struct ListFile(PathBuf);

impl ListFile {
    fn new(name: &str) -> Self {
        let name = format!("geecache-follow-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Puts other lines in its place, as a whole.
    fn write(&self, lines: &[String]) {
        let new = self.0.with_extension("new");
        fs::write(&new, lines.join("\n")).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }

    fn source(&self) -> Discovery {
        Discovery::file(&self.0)
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn start() -> Peer {
    Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool.warm_up(Duration::ZERO))
}

/// Waits until a pool's list has so many peers.
#[track_caller]
fn wait_for(peer: &Peer, count: usize) {
    wait_until(|| peer.pool.list_stats().peers == count);
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come to that");
        std::thread::sleep(BRIEF);
    }
}

#[test]
fn peers_that_follow_a_file_agree_and_follow_its_changes() {
    let file = ListFile::new("changes");
    let peers = [start(), start(), start()];
    let urls: Vec<String> = peers.iter().map(Peer::url).collect();
    file.write(&urls[..2]);
    for peer in &peers[..2] {
        peer.pool.follow(file.source()).unwrap();
        assert_eq!(peer.pool.list_stats().peers, 2, "the first answer is there at once");
    }
    for key in (0..50).map(|n| format!("key {n}")) {
        for peer in &peers[..2] {
            assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
        }
    }
    let calls = peers[0].getter.calls() + peers[1].getter.calls();
    assert_eq!(calls, 50, "each key was loaded by its owner alone");

    peers[2].pool.follow(file.source()).unwrap();
    assert_eq!(peers[2].pool.list_stats().peers, 3, "it has added itself");
    file.write(&urls);
    peers.iter().for_each(|peer| wait_for(peer, 3));

    // It goes without a word, so that it refuses connections, and is taken out of the file.
    peers[2].pool.shutdown();
    file.write(&urls[..2]);
    peers[..2].iter().for_each(|peer| wait_for(peer, 2));
    // It is told once the list is in force.
    let changes = || peers[0].pool.follow_stats().unwrap().changes;
    wait_until(|| changes().last().is_some_and(|last| last.kind == ListChangeKind::Removed));
    let stats = peers[0].pool.follow_stats().unwrap();
    let last = stats.changes.last().unwrap();
    assert_eq!(last.url, urls[2]);
    assert!(last.reason.contains("refuses connections"), "{last:?}");
    assert!(stats.source.starts_with("file:") && stats.failing_for.is_none(), "{stats:?}");
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let file = ListFile::new("gone");
    let peer = start();
    peer.pool.follow(file.source()).unwrap();
    let stats = peer.pool.follow_stats().unwrap();
    assert!(stats.answered_ago.is_none() && stats.last_error.is_some(), "{stats:?}");
    file.write(&[peer.url(), "http://127.0.0.1:1".to_owned()]);
    wait_for(&peer, 2);
    fs::remove_file(&file.0).unwrap();
    wait_until(|| peer.pool.follow_stats().unwrap().failing_for.is_some());
    assert_eq!(peer.pool.list_stats().peers, 2);
}

#[test]
fn a_peer_that_leaves_is_missed_at_once_and_hands_over_what_it_has() {
    let start = || Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool.peek_timeout(SOON));
    let (leaver, stayer) = (start(), start());
    // The source knows of no end, as a resolver with its cache.
    let source = || Discovery::fixed([leaver.url(), stayer.url()]).every(BRIEF);
    stayer.pool.follow(source()).unwrap();
    leaver.pool.follow(source()).unwrap();
    let keys: Vec<_> = (0..200).map(|n| format!("key {n}")).collect();
    for key in &keys {
        stayer.group.get(key).unwrap();
    }
    assert!(leaver.getter.calls() > 0);
    std::thread::scope(|scope| {
        scope.spawn(|| leaver.pool.leave(SOON));
        wait_for(&stayer, 1);
        for key in &keys {
            assert_eq!(stayer.group.get(key).unwrap(), value_of(key).as_str());
        }
        leaver.pool.shutdown();
    });
    let calls = leaver.getter.calls() + stayer.getter.calls();
    assert_eq!(calls, 200, "no key was loaded a second time");
    let changes = stayer.pool.follow_stats().unwrap().changes;
    assert!(changes.last().unwrap().reason.contains("it leaves"), "{changes:?}");
}

#[test]
fn a_peer_that_begins_again_after_it_has_left_is_one_at_once() {
    let clock = FakeClock::new();
    let start_on = |addr: &str| {
        Peer::start_on(addr, SERVERS[1], CountingGetter::new(), |pool| pool.clock(clock.reader()))
    };
    let (leaver, stayer) = (start_on("127.0.0.1:0"), start_on("127.0.0.1:0"));
    let (addr, urls) = (leaver.addr(), [leaver.url(), stayer.url()]);
    stayer.pool.follow(Discovery::fixed(urls.clone()).every(BRIEF)).unwrap();
    wait_for(&stayer, 2);
    std::thread::scope(|scope| {
        scope.spawn(|| leaver.pool.leave(SOON));
        wait_for(&stayer, 1);
        leaver.pool.shutdown();
    });
    drop(leaver);
    // The clock stands still: the time for which it counts as one that has left does not end.
    let again = start_on(&addr);
    again.pool.follow(Discovery::fixed(urls).every(BRIEF)).unwrap();
    wait_for(&stayer, 2);
    let changes = stayer.pool.follow_stats().unwrap().changes;
    assert!(changes.last().unwrap().reason.contains("begun again"), "{changes:?}");
}

/// Names that a service has, as a resolver tells them: one answer after the other, and then the
/// last one again and again.
struct Names {
    answers: Arc<Mutex<VecDeque<Vec<String>>>>,
    _dropped: mpsc::Sender<()>,
}

impl Discover for Names {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            return Ok(answers.pop_front());
        }
        Ok(answers.front().cloned())
    }
}

#[test]
fn three_names_behind_a_resolver_that_flaps_are_three_peers_all_the_time() {
    let peers = [start(), start(), start()];
    let urls: Vec<String> = peers.iter().map(Peer::url).collect();
    let mut scripts = Vec::new();
    for peer in &peers {
        let mut answers = VecDeque::from([urls.clone()]);
        for n in 0..20 {
            answers.push_back(if n % 5 == 0 { Vec::new() } else { vec![urls[n % 3].clone()] });
        }
        let (dropped, _) = mpsc::channel();
        let names = Names { answers: Arc::new(Mutex::new(answers)), _dropped: dropped };
        scripts.push(Arc::clone(&names.answers));
        peer.pool.follow(Discovery::of(names).every(BRIEF)).unwrap();
    }
    let mut asked = 0;
    while asked < 100 || scripts.iter().any(|answers| answers.lock().unwrap().len() > 1) {
        let key = format!("key {asked}");
        for peer in &peers {
            assert_eq!(peer.group.get(&key).unwrap(), value_of(&key).as_str());
            assert_eq!(peer.pool.list_stats().peers, 3);
        }
        asked += 1;
        assert!(asked < 100_000, "the resolver never came to its last answer");
    }
    let calls: usize = peers.iter().map(|peer| peer.getter.calls()).sum();
    assert_eq!(calls, asked, "no key was loaded twice");
}

#[test]
fn lists_that_differ_are_seen_on_both_sides_though_nobody_asks_for_a_key() {
    let (one, other) = (start(), start());
    let third = "http://127.0.0.1:1".to_owned();
    one.pool.follow(Discovery::fixed([one.url(), other.url()])).unwrap();
    other.pool.follow(Discovery::fixed([one.url(), other.url(), third])).unwrap();
    for peer in [&one, &other] {
        wait_until(|| peer.pool.list_stats().differing == 1);
    }
    other.pool.follow(Discovery::fixed([one.url(), other.url()]).absence(Duration::ZERO)).unwrap();
    for peer in [&one, &other] {
        wait_until(|| peer.pool.list_stats().differing == 0);
    }
}

#[test]
fn peers_of_other_programs_are_greeted_once_and_stay_up() {
    let foreign = FaultyPeer::start(|connection| {
        while let Some(head) = connection.request() {
            let greeting = "HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nbad\n";
            let is_greeting = head.starts_with("POST /_geecache/ ");
            let said = if is_greeting { greeting.into() } else { answer("630") };
            if !connection.send(&said) {
                return;
            }
        }
    });
    let peer = start();
    peer.pool.follow(Discovery::fixed([peer.url(), foreign.url()])).unwrap();
    wait_until(|| foreign.requests() > 0);
    let key = (0..).map(|n| format!("key {n}"));
    let key = key.into_iter().find(|key| peer.pool.owner(key) == Some(foreign.url())).unwrap();
    assert_eq!(peer.group.get(&key).unwrap(), "630");
    assert_eq!(peer.pool.peer_stats()[0].failures, 0);
    let (second, third) = (start(), start());
    // Others are greeted in turn, and it is not.
    let urls = [peer.url(), foreign.url(), second.url(), third.url()];
    peer.pool.follow(Discovery::fixed(urls)).unwrap();
    let requests = |url: String| {
        let stats = peer.pool.peer_stats().into_iter().find(|stats| stats.url == url);
        stats.map_or(0, |stats| stats.requests)
    };
    wait_until(|| requests(second.url()) >= 3 && requests(third.url()) >= 3);
    assert!(requests(foreign.url()) <= 3, "a greeting of each follower, and a get");
}

#[test]
fn a_proxy_that_answers_a_greeting_in_place_of_a_peer_shows_that_the_peer_is_down() {
    let proxy = FaultyPeer::start(|connection| {
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nbad\n";
        while connection.request().is_some() && connection.send(refusal) {}
    });
    let peer = start();
    peer.pool.follow(Discovery::fixed([peer.url(), proxy.url()])).unwrap();
    wait_until(|| peer.pool.peer_stats()[0].failures > 0);
}

#[test]
fn a_source_that_fails_now_and_then_does_not_fill_the_log() {
    keep_logs();
    let peer = start();
    let asked = Arc::new(AtomicUsize::new(0));
    /// Answers every other time.
    struct Flapping(Arc<AtomicUsize>, String);
    impl Discover for Flapping {
        fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
            if self.0.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
                return Err("as asked".into());
            }
            Ok(Some(vec![self.1.clone()]))
        }

        fn name(&self) -> String {
            format!("a source for {}", self.1)
        }
    }
    let source = Flapping(Arc::clone(&asked), peer.url());
    let name = source.name();
    peer.pool.follow(Discovery::of(source).every(BRIEF)).unwrap();
    wait_until(|| asked.load(Ordering::Relaxed) >= 20);
    for told in ["has no answer", "has an answer again"] {
        assert_eq!(logged(&[&name, told]).len(), 1, "{told}");
    }
}

#[test]
fn the_thread_ends_with_the_pool_and_a_second_source_replaces_the_first() {
    let peer = start();
    let follow = || {
        let (dropped, is_dropped) = mpsc::channel();
        let answers = VecDeque::from([vec![peer.url()]]);
        let names = Names { answers: Arc::new(Mutex::new(answers)), _dropped: dropped };
        peer.pool.follow(names).unwrap();
        is_dropped
    };
    let (first, second) = (follow(), follow());
    let gone = |source: mpsc::Receiver<()>| {
        source.recv_timeout(SOON) == Err(mpsc::RecvTimeoutError::Disconnected)
    };
    assert!(gone(first));
    assert_eq!(peer.pool.follow_stats().unwrap().source, "the source");
    drop(peer);
    assert!(gone(second));
}

#[test]
fn a_client_follows_and_is_in_no_list() {
    let peer = start();
    peer.join(&[]);
    let client = HttpPool::client([""; 0]).unwrap();
    assert!(client.follow_stats().is_none());
    client.follow(Discovery::dns(peer.url().trim_start_matches("http://"))).unwrap();
    assert_eq!(client.list_stats().peers, 1);
    assert_eq!(client.owner("Tom"), Some(peer.url()));
    let refused = client.follow(Discovery::dns("no port"));
    assert!(matches!(refused, Err(Error::InvalidPeer { .. })), "{refused:?}");
    assert_eq!(client.list_stats().peers, 1);
}
