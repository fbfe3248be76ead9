//! What the tests need: peers as processes, and a peer of this process with threads that get all
//! the time.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use geecache::{Discovery, Group, HotCache, HttpPool, PeerState, PeerStats, Server};

/// Far longer than anything takes on a busy machine; only a hang is as long.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Threads that get all the time.
pub(crate) const THREADS: usize = 8;

/// Any port of this machine that is free.
const ANY: &str = "127.0.0.1:0";

/// What makes this binary a peer: the server that it runs on.
const SERVER: &str = "GEECACHE_TEST_SERVER";
const LISTEN: &str = "GEECACHE_TEST_LISTEN";
/// Set where a previous owner has all the time to say what it has.
const PATIENT: &str = "GEECACHE_TEST_PATIENT";
/// The file with the version of all values, for a process whose values change.
const VERSION_FILE: &str = "GEECACHE_TEST_VERSION_FILE";
/// What the lines for the parent begin with, among those of the test harness.
const MARK: &str = "peer: ";

/// What all sources hold for `key`.
pub(crate) fn value_of(key: &str) -> String {
    format!("value of {key}")
}

/// The group of a process that keeps what it has got for as long as it can. All values are what
/// the file holds, and change with it. Such processes have no warm-up, in which one that has left
/// the list is still told of removals.
fn versioned_group(file: PathBuf) -> Group {
    Group::builder("scores", 64 << 20, move |_: &str| fs::read_to_string(&file))
        .hot_cache(HotCache::Always)
        .hot_ttl(100 * SOON)
        .fallback_ttl(100 * SOON)
        .build()
}

/// What a peer process does: it serves, and does what its standard input says until that ends.
pub(crate) fn be_a_peer() {
    let Ok(server) = env::var(SERVER) else { return };
    let server = if server == "guarded" { Server::Guarded } else { Server::TinyHttp };
    let mut builder = HttpPool::builder().server(server);
    let group = match env::var(VERSION_FILE) {
        Ok(file) => {
            builder = builder.warm_up(Duration::ZERO);
            versioned_group(file.into())
        }
        Err(_) => {
            let getter = |key: &str| Ok::<_, io::Error>(value_of(key));
            Group::builder("scores", 64 << 20, getter).hot_cache(HotCache::Off).build()
        }
    };
    if env::var(PATIENT).is_ok() {
        builder = builder.peek_timeout(SOON);
    }
    let pool = builder.bind(&*env::var(LISTEN).unwrap()).unwrap();
    pool.add(&group).unwrap();
    tell(pool.url().unwrap());
    #[cfg(feature = "signal")]
    pool.leave_on_signal(2 * SOON).unwrap();
    let loads = || group.stats().local_loads.to_string();
    let mut held = Vec::new();
    for line in io::stdin().lines().map_while(Result::ok) {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("peers", urls) => {
                pool.set_peers(urls.split(' ')).unwrap();
                tell("done");
            }
            ("get", key) => match group.get(key) {
                Ok(value) => tell(value.as_str().unwrap()),
                Err(error) => tell(&format!("error: {error}")),
            },
            ("follow", path) => {
                pool.follow(Discovery::file(path)).unwrap();
                tell("done");
            }
            ("count", _) => tell(&pool.list_stats().peers.to_string()),
            ("differing", _) => tell(&pool.list_stats().differing.to_string()),
            ("loads", _) => tell(&loads()),
            // It answers until it is told to end.
            ("leave", _) => drop(thread::spawn({
                let pool = pool.clone();
                move || pool.leave(2 * SOON)
            })),
            ("end", _) => {
                pool.shutdown();
                tell(&loads());
            }
            ("hold", addr) => {
                let connect = || TcpStream::connect_timeout(&addr.parse().unwrap(), SOON).unwrap();
                held.extend((0..2000).map(|_| connect()));
                tell("done");
            }
            _ => tell("that is no command"),
        }
    }
    pool.shutdown();
}

fn tell(text: &str) {
    println!("{MARK}{text}");
    io::stdout().flush().unwrap();
}

/// A peer in a process of its own. It is killed when this is dropped, and ends by itself when this
/// process does.
pub(crate) struct Process {
    pub(crate) url: String,
    server: &'static str,
    descriptors: Option<u32>,
    set: Vec<(&'static str, String)>,
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Process {
    pub(crate) fn start(server: &'static str) -> Self {
        Self::start_at(ANY, server, None, Vec::new())
    }

    /// A process whose values are what the file holds.
    pub(crate) fn start_versioned(server: &'static str, file: &Path) -> Self {
        let file = file.to_str().unwrap().to_owned();
        Self::start_at(ANY, server, None, vec![(VERSION_FILE, file)])
    }

    /// A process that waits for what previous owners have.
    pub(crate) fn start_patient(server: &'static str) -> Self {
        Self::start_at(ANY, server, None, vec![(PATIENT, String::new())])
    }

    /// A process that may open so many descriptors and no more.
    pub(crate) fn start_with_descriptors(server: &'static str, descriptors: u32) -> Self {
        Self::start_at(ANY, server, Some(descriptors), Vec::new())
    }

    fn start_at(
        listen: &str,
        server: &'static str,
        descriptors: Option<u32>,
        set: Vec<(&'static str, String)>,
    ) -> Self {
        let this = env::current_exe().unwrap();
        let mut command = match descriptors {
            None => Command::new(this),
            Some(descriptors) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", r#"ulimit -n "$1"; shift; exec "$@""#, "sh"]);
                shell.arg(descriptors.to_string()).arg(this);
                shell.stderr(Stdio::null()); // tiny_http panics when it finds no descriptor.
                shell
            }
        };
        let mut child = command
            .args(["--exact", "peer_process", "--ignored", "--nocapture"])
            .env(SERVER, server)
            .env(LISTEN, listen)
            .envs(set.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (heard, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The harness may have begun the line.
                if let Some(at) = line.find(MARK) {
                    if heard.send(line[at + MARK.len()..].to_owned()).is_err() {
                        return;
                    }
                }
            }
        });
        let input = child.stdin.take().unwrap();
        let url = String::new();
        let mut process = Self { url, server, descriptors, set, child, input, answers };
        process.url = process.answer();
        process
    }

    #[track_caller]
    fn answer(&self) -> String {
        match self.answers.recv_timeout(SOON) {
            Ok(answer) => answer,
            Err(error) => panic!("the peer at {} did not answer: {error}", self.url),
        }
    }

    /// The peer's answer to a command.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.say(command);
        self.answer()
    }

    /// A command that has no answer.
    pub(crate) fn say(&mut self, command: &str) {
        writeln!(self.input, "{command}").and_then(|()| self.input.flush()).unwrap();
    }

    /// Waits for its end.
    #[cfg(feature = "signal")]
    #[track_caller]
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts another process in the place of this one, which is dead, with the list of peers in
    /// `urls`.
    pub(crate) fn restart(&mut self, urls: &[String]) {
        let listen = self.url.strip_prefix("http://").unwrap();
        let again = Self::start_at(listen, self.server, self.descriptors, self.set.clone());
        assert_eq!(again.url, self.url);
        *self = again;
        self.have_peers(urls);
    }

    /// Tells it the list of peers.
    #[track_caller]
    pub(crate) fn have_peers(&mut self, urls: &[String]) {
        assert_eq!(self.ask(&format!("peers {}", urls.join(" "))), "done");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        #[cfg(target_os = "linux")]
        if signal == "-STOP" {
            // Its other threads may go on for a moment.
            let tasks = format!("/proc/{pid}/task");
            until("all of its threads have stopped", || {
                let mut tasks = fs::read_dir(&tasks).unwrap();
                tasks.all(|task| {
                    let stat = fs::read_to_string(task.unwrap().path().join("stat"));
                    let stat = stat.unwrap_or_default();
                    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
                })
            });
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The peer that the tests look from, in this process. It keeps nothing, so every get of another's
/// key asks a peer.
pub(crate) struct Here {
    pub(crate) group: Group,
    pub(crate) pool: HttpPool,
}

impl Here {
    /// A peer on `server` that forms a cluster with `others`.
    pub(crate) fn with(server: Server, others: &mut [Process]) -> Self {
        let group = Group::builder("scores", 0, |key: &str| Ok::<_, io::Error>(value_of(key)))
            .hot_cache(HotCache::Off)
            .build();
        Self::of(group, HttpPool::builder().server(server).bind(ANY).unwrap(), others)
    }

    /// The same with values that are what the file holds.
    pub(crate) fn versioned(file: &Path, others: &mut [Process]) -> Self {
        let pool = HttpPool::builder().warm_up(Duration::ZERO).bind(ANY).unwrap();
        Self::of(versioned_group(file.to_owned()), pool, others)
    }

    fn of(group: Group, pool: HttpPool, others: &mut [Process]) -> Self {
        pool.add(&group).unwrap();
        let here = Self { group, pool };
        let urls = here.urls(others);
        here.pool.set_peers(&urls).unwrap();
        others.iter_mut().for_each(|other| other.have_peers(&urls));
        here
    }

    /// The list of peers.
    pub(crate) fn urls(&self, others: &[Process]) -> Vec<String> {
        let own = self.pool.url().unwrap().to_owned();
        others.iter().map(|other| other.url.clone()).chain([own]).collect()
    }

    /// What is known about the peer at `url`.
    pub(crate) fn seen(&self, url: &str) -> PeerStats {
        self.pool.peer_stats().into_iter().find(|stats| stats.url == url).unwrap()
    }

    /// Keys that the peer at `url` owns.
    pub(crate) fn keys_of(&self, url: &str) -> impl Iterator<Item = String> + use<> {
        let (pool, url) = (self.pool.clone(), url.to_owned());
        let keys = (0..).map(|n| format!("key {n}"));
        keys.filter(move |key| pool.owner(key).as_ref() == Some(&url))
    }

    /// Begins to get keys of all peers, on [`THREADS`] threads.
    pub(crate) fn load(&self) -> Load {
        self.load_of(2000)
    }

    /// As [`load`](Self::load), of so many keys, each in its turn.
    pub(crate) fn load_of(&self, keys: usize) -> Load {
        let mut load = Load::default();
        for thread in 0..THREADS {
            let (group, shared) = (self.group.clone(), Arc::clone(&load.shared));
            load.threads.push(thread::spawn(move || {
                for n in 0.. {
                    if shared.over.load(Ordering::Relaxed) {
                        return;
                    }
                    shared.get(&group, &format!("key {}", (n * 31 + thread * 7) % keys));
                }
            }));
        }
        load
    }

    /// Waits until the peer at `url` answers as one that is well.
    #[track_caller]
    pub(crate) fn expect_back(&self, url: &str) {
        let mut keys = self.keys_of(url);
        until(&format!("{url} is up again"), || {
            // Somebody has to try it.
            let key = keys.next().unwrap();
            assert_eq!(self.group.get(&key).unwrap(), value_of(&key).as_str());
            self.seen(url).state == PeerState::Up
        });
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.pool.shutdown();
    }
}

/// Threads that get. Every get has to bring the right value.
#[derive(Default)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    gets: AtomicU64,
    slowest: Mutex<Duration>,
    wrong: Mutex<Vec<String>>,
}

impl Shared {
    fn get(&self, group: &Group, key: &str) {
        let from = Instant::now();
        let value = group.get(key);
        let took = from.elapsed();
        if !value.as_ref().is_ok_and(|value| *value == *value_of(key)) {
            lock(&self.wrong).push(format!("{key} is {value:?} after {took:?}"));
        }
        let mut slowest = lock(&self.slowest);
        *slowest = took.max(*slowest);
        self.gets.fetch_add(1, Ordering::Relaxed);
    }
}

impl Load {
    /// Waits until `more` gets from now have ended.
    #[track_caller]
    pub(crate) fn goes_on(&self, more: u64) {
        let enough = self.shared.gets.load(Ordering::Relaxed) + more;
        until("the load goes on", || self.shared.gets.load(Ordering::Relaxed) >= enough);
    }

    /// Ends the load. No get may have gone wrong, or have taken as long as a hang.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let wrong = lock(&self.shared.wrong);
        assert!(wrong.is_empty(), "{} gets went wrong, first {:?}", wrong.len(), wrong[0]);
        let slowest = *lock(&self.shared.slowest);
        assert!(slowest < SOON, "a get took {slowest:?}");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
