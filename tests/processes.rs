//! Peers as real processes: this test binary starts itself again, several times, and talks to its
//! children line by line.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stdout, reason = "a child answers on its standard output")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use geecache::consistenthash::Ring;
use geecache::{Group, HttpPool, RemoveOutcome, Server};

/// Far longer than anything takes on a busy machine; only a hang is as long.
const SOON: Duration = Duration::from_secs(30);

/// The child's side.
mod child {
    use super::*;

    /// What makes the binary a child: its name. The values that it loads tell it.
    pub(super) const NAME: &str = "GEECACHE_TEST_PEER";
    pub(super) const LISTEN: &str = "GEECACHE_TEST_LISTEN";
    pub(super) const SERVER: &str = "GEECACHE_TEST_SERVER";
    /// The timeout of a call from peer to peer, in milliseconds; 10 s if it is not set.
    pub(super) const TIMEOUT: &str = "GEECACHE_TEST_TIMEOUT";
    /// What the lines for the parent begin with, among those of the test harness.
    pub(super) const MARK: &str = "peer: ";

    /// Serves, and does what it reads on its standard input until that ends.
    pub(super) fn run(name: String) {
        let written = Arc::new(Mutex::new(String::new()));
        let getter = {
            let written = Arc::clone(&written);
            move |key: &str| match key {
                "absent" => Ok(None),
                "failing" => Err("the source fails"),
                _ => Ok(Some(format!("{key} from {name}{}", written.lock().unwrap()))),
            }
        };
        let group = Group::new("scores", 1 << 20, getter);
        let server = match env::var(SERVER).as_deref() {
            Ok("guarded") => Server::Guarded,
            _ => Server::TinyHttp,
        };
        let listen = env::var(LISTEN).unwrap_or_else(|_| "127.0.0.1:0".to_owned());
        let timeout = env::var(TIMEOUT).map_or(10_000, |timeout| timeout.parse().unwrap());
        let builder = HttpPool::builder().server(server);
        let builder = builder.timeout(Duration::from_millis(timeout));
        let pool = builder.bind(&*listen).unwrap();
        pool.add(&group).unwrap();
        answer(pool.url().unwrap());
        for line in io::stdin().lines().map_while(Result::ok) {
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("peers", urls) => {
                    pool.set_peers(urls.split(' ')).unwrap();
                    answer("done");
                }
                ("get", key) => match group.get(key) {
                    Ok(value) => answer(value.as_str().unwrap()),
                    Err(error) => answer(&format!("error: {error}")),
                },
                // Changes the source, and with it all of its values.
                ("write", text) => {
                    *written.lock().unwrap() = format!(", {text}");
                    answer("done");
                }
                ("remove", key) => {
                    let report = group.remove(key);
                    let is_done = |it: &RemoveOutcome| matches!(it, RemoveOutcome::Done);
                    let undone = report.peers.iter().filter(|peer| !is_done(&peer.outcome));
                    let undone: Vec<&str> = undone.map(|peer| &*peer.peer).collect();
                    answer(&format!("{} told, but not {undone:?}", report.peers.len()));
                }
                ("loads", _) => answer(&group.stats().local_loads.to_string()),
                _ => answer("that is no command"),
            }
        }
        pool.shutdown();
    }

    fn answer(text: &str) {
        println!("{MARK}{text}");
        io::stdout().flush().unwrap();
    }
}

#[test]
#[ignore = "not a test, but the program that the tests here start as their peers"]
fn peer_process() {
    if let Ok(name) = env::var(child::NAME) {
        child::run(name);
    }
}

/// A child. It is killed when this is dropped, and it ends by itself when this process does.
struct Process {
    name: String,
    url: String,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Process {
    fn start(name: &str, server: &str, set: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(env::current_exe().unwrap()), name, server, set)
    }

    /// Starts a peer that can have no more than 64 files and sockets open.
    #[cfg(unix)]
    fn start_with_few_descriptors(name: &str, server: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
        // Threads of tiny_http panic there, which is expected and would be told at length.
        shell.stderr(Stdio::null());
        Self::start_by(shell, name, server, &[])
    }

    fn start_by(mut command: Command, name: &str, server: &str, set: &[(&str, &str)]) -> Self {
        let mut child = command
            .args(["--exact", "peer_process", "--ignored", "--nocapture"])
            .env(child::NAME, name)
            .env(child::SERVER, server)
            .envs(set.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The harness may have begun the line.
                if let Some(at) = line.find(child::MARK) {
                    if tell.send(line[at + child::MARK.len()..].to_owned()).is_err() {
                        return;
                    }
                }
            }
        });
        let input = child.stdin.take();
        let mut process = Self { name: name.to_owned(), url: String::new(), child, input, answers };
        process.url = process.answer();
        process
    }

    /// Starts another process in this one's place, once this one is dead.
    fn restart(&mut self, server: &str) {
        let listen = self.url.strip_prefix("http://").unwrap().to_owned();
        let again = Self::start(&self.name, server, &[(child::LISTEN, &listen)]);
        assert_eq!(again.url, self.url);
        *self = again;
    }

    #[track_caller]
    fn answer(&self) -> String {
        match self.answers.recv_timeout(SOON) {
            Ok(answer) => answer,
            Err(error) => panic!("peer {} did not answer: {error}", self.name),
        }
    }

    #[track_caller]
    fn ask(&mut self, command: &str) -> String {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{command}").and_then(|()| input.flush()).unwrap();
        self.answer()
    }

    /// What the peer gets for `key`. It takes no longer than a call that times out and a load.
    #[track_caller]
    fn get(&mut self, key: &str) -> String {
        let from = Instant::now();
        let answer = self.ask(&format!("get {key}"));
        assert!(from.elapsed() < SOON, "peer {} took {:?}", self.name, from.elapsed());
        answer
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the child's input, and waits for its end.
    fn finish(mut self) -> ExitStatus {
        drop(self.input.take());
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "peer {} does not end", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Peers `a`, `b`, … that know each other.
fn peers(count: usize, server: &str) -> Vec<Process> {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut peers: Vec<_> =
        names[..count].iter().map(|name| Process::start(name, server, &[])).collect();
    introduce(&mut peers);
    peers
}

fn introduce(peers: &mut [Process]) {
    let urls: Vec<_> = peers.iter().map(|peer| peer.url.clone()).collect();
    for peer in peers {
        assert_eq!(peer.ask(&format!("peers {}", urls.join(" "))), "done");
    }
}

/// The index of the peer that owns `key`.
fn owner(urls: &[String], key: &str) -> usize {
    let mut ring = Ring::new(NonZeroUsize::new(50).unwrap());
    for url in urls {
        ring.add(url);
    }
    let owner = ring.get(key).unwrap();
    urls.iter().position(|url| url == owner).unwrap()
}

fn urls(peers: &[Process]) -> Vec<String> {
    peers.iter().map(|peer| peer.url.clone()).collect()
}

/// Keys that the peer with this index owns; each of them is another one.
fn keys_of(index: usize, peers: &[Process]) -> impl Iterator<Item = String> + use<> {
    let urls = urls(peers);
    (0..).map(|n| format!("key {n}")).filter(move |key| owner(&urls, key) == index)
}

fn four_peers_share_the_keys(server: &str) {
    let mut peers = peers(4, server);
    let urls = urls(&peers);
    for i in 0..100 {
        let key = format!("key {i}");
        let expected = format!("{key} from {}", peers[owner(&urls, &key)].name);
        for asked in [i % 4, (i + 1) % 4] {
            assert_eq!(peers[asked].get(&key), expected, "asked {}", peers[asked].name);
        }
    }
    let loads: u64 = peers.iter_mut().map(|peer| peer.ask("loads").parse::<u64>().unwrap()).sum();
    assert_eq!(loads, 100, "each key was loaded once in the cluster");
    for peer in &mut peers {
        assert_eq!(peer.get("absent"), r#"error: no "absent" in group "scores""#);
        assert!(peer.get("failing").starts_with("error: loading"));
    }
    for peer in peers {
        assert!(peer.finish().success());
    }
}

#[test]
fn four_peers_on_tiny_http_share_the_keys() {
    four_peers_share_the_keys("tiny_http");
}

#[test]
fn four_peers_on_the_guarded_server_share_the_keys() {
    four_peers_share_the_keys("guarded");
}

/// Changes the source of all `peers`, and has one of them remove `key`; what that one says of it.
fn write_and_remove(peers: &mut [Process], text: &str, remover: usize, key: &str) -> String {
    for peer in &mut *peers {
        assert_eq!(peer.ask(&format!("write {text}")), "done");
    }
    peers[remover].ask(&format!("remove {key}"))
}

fn a_removal_is_seen_by_all(server: &str) {
    let mut peers = peers(3, server);
    let key = keys_of(1, &peers).next().unwrap();
    for remover in 0..3 {
        // The third time it is a copy that answers.
        let before: Vec<String> = (0..9).map(|n| peers[n % 3].get(&key)).collect();
        let text = format!("removed by {remover}");
        let report = write_and_remove(&mut peers, &text, remover, &key);
        assert_eq!(report, "2 told, but not []");
        for peer in &mut peers {
            let got = peer.get(&key);
            assert_eq!(got, format!("{key} from b, {text}"), "at {}", peer.name);
            assert!(!before.contains(&got));
        }
    }
    // Peer c is stopped with a copy.
    for _ in 0..3 {
        peers[2].get(&key);
    }
    peers[2].kill();
    let gone = peers.remove(2);
    let report = write_and_remove(&mut peers, "one is gone", 0, &key);
    assert_eq!(report, format!("2 told, but not [{:?}]", gone.url));
    for peer in &mut peers {
        assert_eq!(peer.get(&key), format!("{key} from b, one is gone"), "at {}", peer.name);
    }
}

#[test]
fn a_removal_is_seen_by_three_tiny_http_peers() {
    a_removal_is_seen_by_all("tiny_http");
}

#[test]
fn a_removal_is_seen_by_three_guarded_peers() {
    a_removal_is_seen_by_all("guarded");
}

fn a_peer_that_is_killed_is_done_without_until_it_is_back(server: &str) {
    let mut peers = peers(4, server);
    let urls = urls(&peers);
    let mut victim = peers.pop().unwrap();

    // Three peers get keys at once, and in the middle of that the fourth is killed.
    let (progress, seen) = mpsc::channel();
    let asking: Vec<_> = peers
        .into_iter()
        .map(|mut peer| {
            let (urls, progress) = (urls.clone(), progress.clone());
            thread::spawn(move || {
                for i in 0..300 {
                    let key = format!("key {i} for {}", peer.name);
                    let value = peer.get(&key);
                    let from =
                        value.strip_prefix(&format!("{key} from ")).expect(&value).to_owned();
                    let owner = owner(&urls, &key);
                    if owner < 3 {
                        assert_eq!(from, ["a", "b", "c"][owner], "the owner of {key} is alive");
                    }
                    progress.send(from).unwrap();
                }
                peer
            })
        })
        .collect();
    drop(progress);
    let mut loaders = BTreeSet::new();
    for _ in 0..200 {
        loaders.insert(seen.recv_timeout(SOON).unwrap());
    }
    assert_eq!(loaders.len(), 4, "all four have loaded something by now: {loaders:?}");
    victim.kill();
    let rest = seen.iter().count();
    assert_eq!(rest, 700, "every get was answered");
    let mut peers: Vec<_> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();

    // It comes back on its port, and is asked again once its peers have tried it.
    victim.restart(server);
    peers.push(victim);
    let all = peers.iter().map(|peer| peer.url.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(peers[3].ask(&format!("peers {all}")), "done");
    let deadline = Instant::now() + SOON;
    for key in keys_of(3, &peers).skip(1000) {
        if peers[0].get(&key) == format!("{key} from d") {
            break;
        }
        assert!(Instant::now() < deadline, "nobody asks the peer that is back");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_tiny_http_peer_that_is_killed_is_done_without_until_it_is_back() {
    a_peer_that_is_killed_is_done_without_until_it_is_back("tiny_http");
}

#[test]
fn a_guarded_peer_that_is_killed_is_done_without_until_it_is_back() {
    a_peer_that_is_killed_is_done_without_until_it_is_back("guarded");
}

#[test]
fn a_restart_between_two_gets_goes_unnoticed() {
    for server in ["tiny_http", "guarded"] {
        let mut peers = peers(2, server);
        let mut keys = keys_of(1, &peers);
        let mut ask_for_the_other_s = |peers: &mut Vec<Process>| {
            let key = keys.next().unwrap();
            assert_eq!(peers[0].get(&key), format!("{key} from b"), "{server}");
        };
        ask_for_the_other_s(&mut peers);
        for _ in 0..3 {
            // The asking peer holds a connection to a process that is no more.
            peers[1].kill();
            peers[1].restart(server);
            introduce(&mut peers);
            ask_for_the_other_s(&mut peers);
            ask_for_the_other_s(&mut peers);
        }
    }
}

#[test]
#[cfg(unix)]
fn a_peer_that_is_stopped_is_given_up_and_met_again() {
    for server in ["tiny_http", "guarded"] {
        let brief = [(child::TIMEOUT, "300")];
        let mut peers = ["a", "b"].map(|name| Process::start(name, server, &brief));
        introduce(&mut peers);
        let mut keys = keys_of(1, &peers);
        let mut asked = |peers: &mut [Process]| {
            let key = keys.next().unwrap();
            peers[0].get(&key).strip_prefix(&format!("{key} from ")).unwrap().to_owned()
        };
        peers[1].signal("-STOP");
        // It stops soon, though not at the very moment.
        let deadline = Instant::now() + SOON;
        while asked(&mut peers) != "a" {
            assert!(Instant::now() < deadline, "nobody answers for the peer that was stopped");
        }
        for _ in 0..5 {
            assert_eq!(asked(&mut peers), "a", "{server}");
        }
        peers[1].signal("-CONT");
        let deadline = Instant::now() + SOON;
        while asked(&mut peers) != "b" {
            assert!(Instant::now() < deadline, "nobody asks the peer that goes on");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    // A proxy that takes connections, and would answer none of them.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let connections = Arc::new(Mutex::new(0));
    thread::spawn({
        let connections = Arc::clone(&connections);
        move || {
            let mut held = Vec::new();
            for connection in proxy.incoming() {
                *connections.lock().unwrap() += 1;
                held.push(connection);
            }
        }
    });
    let names =
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"];
    let set: Vec<_> = names.iter().map(|name| (*name, url.as_str())).collect();
    let mut peers =
        vec![Process::start("a", "tiny_http", &set), Process::start("b", "guarded", &[])];
    introduce(&mut peers);
    for key in keys_of(1, &peers).take(5) {
        assert_eq!(peers[0].get(&key), format!("{key} from b"));
    }
    assert_eq!(*connections.lock().unwrap(), 0);
}

/// A peer in this process, whose own getter's values come `from here`.
struct Here {
    pool: HttpPool,
    group: Group,
}

impl Here {
    /// `timeout` is that of its calls to other peers.
    fn start(server: Server, timeout: Duration) -> Self {
        let group = Group::new("scores", 1 << 20, |key: &str| {
            Ok::<_, Infallible>(format!("{key} from here"))
        });
        let builder = HttpPool::builder().server(server).timeout(timeout);
        let pool = builder.bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        Self { pool, group }
    }

    /// Makes a cluster of this peer and `peers`.
    fn join(&self, peers: &mut [Process]) {
        let mut all = urls(peers);
        all.push(self.pool.url().unwrap().to_owned());
        self.pool.set_peers(&all).unwrap();
        for peer in peers {
            assert_eq!(peer.ask(&format!("peers {}", all.join(" "))), "done");
        }
    }

    /// Lets `threads` threads get one key after the other, until they are stopped. Each get must be
    /// right, and soon.
    fn under_load(&self, threads: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, loaders) = mpsc::channel();
        let threads = (0..threads).map(|thread| {
            let (group, stop, tell) = (self.group.clone(), Arc::clone(&stop), tell.clone());
            thread::spawn(move || {
                for i in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return i;
                    }
                    let (key, from) = (format!("key {thread} {i}"), Instant::now());
                    let value = group.get(&key).unwrap();
                    assert!(from.elapsed() < SOON, "{key:?} took {:?}", from.elapsed());
                    let value = value.as_str().unwrap();
                    let loader = value.strip_prefix(&format!("{key} from ")).expect(value);
                    let _ = tell.send(loader.to_owned());
                }
                unreachable!("nobody counts that far")
            })
        });
        Load { threads: threads.collect(), stop, loaders }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.pool.shutdown();
    }
}

/// Threads that get keys.
struct Load {
    threads: Vec<thread::JoinHandle<u64>>,
    stop: Arc<AtomicBool>,
    /// Who loaded what was got, one name for each get.
    loaders: Receiver<String>,
}

impl Load {
    /// Waits until all of `names` have loaded something from now on.
    #[track_caller]
    fn wait_for(&self, names: &[&str]) {
        while self.loaders.try_recv().is_ok() {}
        let deadline = Instant::now() + SOON;
        let mut missing: BTreeSet<_> = names.iter().copied().collect();
        while !missing.is_empty() {
            assert!(Instant::now() < deadline, "these load nothing: {missing:?}");
            let loader = self.loaders.recv_timeout(SOON).unwrap();
            missing.remove(loader.as_str());
        }
    }

    /// Ends the load; how many gets there were.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    }
}

#[test]
fn five_of_six_peers_are_killed_one_after_another_under_load() {
    let here = Here::start(Server::TinyHttp, SOON);
    let names = ["a", "b", "c", "d", "e"];
    let servers = ["tiny_http", "guarded"].into_iter().cycle();
    let mut peers: Vec<_> =
        names.iter().zip(servers).map(|(name, server)| Process::start(name, server, &[])).collect();
    here.join(&mut peers);
    let load = here.under_load(8);
    load.wait_for(&names);
    while let Some(mut peer) = peers.pop() {
        peer.kill();
        let mut left = names[..peers.len()].to_vec();
        left.push("here");
        load.wait_for(&left);
    }
    // How many gets that took depends on the machine; all of them were checked.
    assert!(load.end() > 0);
}

#[test]
fn a_peer_restarts_on_its_port_under_load() {
    for server in ["tiny_http", "guarded"] {
        let here = Here::start(Server::Guarded, SOON);
        let mut peers = [Process::start("a", server, &[])];
        here.join(&mut peers);
        let load = here.under_load(4);
        load.wait_for(&["a", "here"]);
        for _ in 0..2 {
            peers[0].kill();
            load.wait_for(&["here"]);
            peers[0].restart(server);
            load.wait_for(&["a", "here"]);
        }
        load.end();
    }
}

#[test]
#[cfg(unix)]
fn a_peer_out_of_descriptors_serves_again_once_it_has_some() {
    for server in ["tiny_http", "guarded"] {
        let here = Here::start(Server::Guarded, Duration::from_millis(300));
        let mut peers = [Process::start_with_few_descriptors("a", server)];
        here.join(&mut peers);
        let addr = peers[0].url.strip_prefix("http://").unwrap().to_owned();
        // More connections than it can have; those that it can't accept wait in its backlog.
        let crowd: Vec<_> = (0..120).map(|_| TcpStream::connect(&addr).unwrap()).collect();
        let load = here.under_load(2);
        load.wait_for(&["here"]);
        // As long as the peer is crowded, all gets are answered.
        thread::sleep(Duration::from_secs(1));
        load.end();
        drop(crowd);
        let load = here.under_load(2);
        load.wait_for(&["a"]);
        load.end();
    }
}
