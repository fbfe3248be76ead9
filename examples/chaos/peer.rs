//! A peer process: serves, gets all the time, and checks what it gets. It is told what to do by
//! lines on its standard input, and tells what it sees by lines on its standard output.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use geecache::{Error, Group, HotCache, HttpPool, Server};

use crate::histogram::Histogram;
use crate::source;
use crate::versions::{self, Checked, Writer};

/// The argument that makes this program a peer.
pub(crate) const FLAG: &str = "--as-peer";
pub(crate) const GROUP: &str = "chaos";
pub(crate) const LOAD_THREADS: usize = 4;
/// What a caller's patience is. A stopped peer is noticed after 2 s, and two of them may stand
/// before a load.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// How long the servers keep connections that nobody uses.
const IDLE: Duration = Duration::from_secs(15);
/// What a loaded machine may add to it.
const SLACK: Duration = Duration::from_secs(1);
const KEYS: f64 = 3000.0;

/// Runs until standard input ends: the parent is gone, or done.
pub(crate) fn run(args: &[String]) {
    let [listen, source, server, warm_up] = args else {
        panic!("{FLAG} LISTEN SOURCE SERVER WARM_UP")
    };
    let warm_up = Duration::from_millis(warm_up.parse().expect("the parent sends a number"));
    let listen: SocketAddr = listen.parse().expect("the parent knows the address");
    let source: SocketAddr = source.parse().expect("the parent knows the address");
    let server = if server == "guarded" { Server::Guarded } else { Server::TinyHttp };

    let group = Group::builder(GROUP, 64 << 20, move |key: &str| source::ask(source, key))
        .hot_cache(HotCache::Off) // Every get of another's key crosses the network.
        .build();
    let changing = versions::group(source);
    let pool = bind(listen, server, warm_up);
    for group in [&group, &changing] {
        pool.add(group).expect("they have different names, and are added once");
    }
    let addr = pool.local_addr().expect("it serves");
    say(&format!("url {}", pool.url().expect("it serves")));

    let writer = Writer { group: changing.clone(), source, port: addr.port() };
    let mut load = Some(Load::new(group.clone(), writer));
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("peers", urls) => {
                if let Err(error) = pool.set_peers(urls.split(',')) {
                    say(&format!("failed the list {urls}: {error}"));
                }
                say("listed");
                if let Some(load) = &mut load {
                    load.start();
                }
            }
            ("quiet", _) => {
                drop(load.take());
                let own = pool.url().expect("it serves");
                pool.set_peers([own]).expect("it is in the list");
                say("quiet");
            }
            ("drain", _) => break,
            (other, _) => say(&format!("failed to understand {other}")),
        }
    }
    drop(load);
    drop((group, changing, pool));
    // What is left now should be this thread, and no socket. Idle threads end by themselves after
    // some seconds.
    let until = Instant::now() + Duration::from_secs(25);
    while (threads(), sockets()) != (1, 0) && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    say(&format!("drained {} {}", threads(), sockets()));
}

/// After a kill the port may be in use for a moment.
fn bind(listen: SocketAddr, server: Server, warm_up: Duration) -> HttpPool {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        // Less than the default, as the end of a peer is waited for: a server outlives its shutdown
        // for this long.
        let builder = HttpPool::builder().server(server).idle_timeout(IDLE).warm_up(warm_up);
        match builder.bind(listen) {
            Err(Error::Bind { .. }) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            bound => return bound.expect("the address is the peer's own"),
        }
    }
}

/// Threads that get, two for the keys that change, and one that reports.
struct Load {
    group: Group,
    writer: Arc<Writer>,
    over: Arc<AtomicBool>,
    latencies: Arc<Mutex<Histogram>>,
    checked: Arc<Mutex<Checked>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn new(group: Group, writer: Writer) -> Self {
        let latencies = Arc::new(Mutex::new(Histogram::new()));
        let (over, checked) = (Arc::default(), Arc::default());
        Self { group, writer: Arc::new(writer), over, latencies, checked, threads: Vec::new() }
    }

    fn start(&mut self) {
        if !self.threads.is_empty() {
            return;
        }
        let sleeps = Arc::new(Sleeps::default());
        for n in 0..LOAD_THREADS {
            let (group, over) = (self.group.clone(), Arc::clone(&self.over));
            let (latencies, sleeps) = (Arc::clone(&self.latencies), Arc::clone(&sleeps));
            self.threads.push(thread::spawn(move || {
                let mut random = u64::from(std::process::id()) << 8 | n as u64;
                while !over.load(Ordering::Relaxed) {
                    get(&group, &mut random, &latencies, &sleeps);
                    thread::sleep(Duration::from_micros(500));
                }
            }));
        }
        for writes in [true, false] {
            let (writer, over) = (Arc::clone(&self.writer), Arc::clone(&self.over));
            let checked = Arc::clone(&self.checked);
            self.threads.push(thread::spawn(move || match writes {
                true => writer.run(&over, &checked),
                false => versions::check(&writer.group, writer.source, &over, &checked),
            }));
        }
        let (over, latencies) = (Arc::clone(&self.over), Arc::clone(&self.latencies));
        let checked = Arc::clone(&self.checked);
        self.threads.push(thread::spawn(move || {
            let mut beats = 0u32;
            while !over.load(Ordering::Relaxed) {
                sleeps.beat();
                beats += 1;
                if beats % 10 == 0 {
                    report(&latencies, &checked);
                }
            }
            report(&latencies, &checked);
        }));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                say("failed: a thread panicked");
            }
        }
    }
}

/// One get, or one batch, of keys of which some are much more popular than others.
fn get(group: &Group, random: &mut u64, latencies: &Mutex<Histogram>, sleeps: &Sleeps) {
    let mut key = || {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let unit = (*random >> 11) as f64 / (1u64 << 53) as f64;
        format!("key/{} +%", KEYS.powf(unit) as u64) // Zipf's law: popularity falls with the rank.
    };
    let keys: Vec<String> =
        if key().len() % 2 == 0 { vec![key()] } else { (0..8).map(|_| key()).collect() };
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let values = match keys[..] {
        [key] => vec![group.get_timeout(key, DEADLINE)],
        _ => group.get_many_timeout(&keys, DEADLINE),
    };
    let ended = Instant::now();
    let took = (ended - begun).saturating_sub(sleeps.within(begun, ended));
    for (key, value) in keys.iter().zip(values) {
        match value {
            Ok(value) if value == *source::value_of(key) => {}
            Ok(value) => say(&format!("failed: {key:?} is {value:?}")),
            // A stopped process's own time runs on, and its deadlines pass.
            Err(Error::TimedOut { .. }) if took < DEADLINE && ended - begun >= DEADLINE => {}
            Err(error) => say(&format!("failed: {key:?} after {took:?}: {error}")),
        }
    }
    if took > DEADLINE + SLACK {
        say(&format!("failed: a get took {took:?}"));
    }
    latencies.lock().expect("counting does not panic").add(took);
}

/// When this process was stopped by a signal, as seen by a heart that should beat every 20 ms.
struct Sleeps {
    seen: Mutex<SleepsSeen>,
    beaten: Condvar,
}

struct SleepsSeen {
    /// Until here all sleeps are known.
    until: Instant,
    sleeps: Vec<(Instant, Instant)>,
}

impl Default for Sleeps {
    fn default() -> Self {
        let seen = SleepsSeen { until: Instant::now(), sleeps: Vec::new() };
        Self { seen: Mutex::new(seen), beaten: Condvar::new() }
    }
}

impl Sleeps {
    fn beat(&self) {
        let begun = Instant::now();
        thread::sleep(Duration::from_millis(20));
        let ended = Instant::now();
        let mut seen = self.seen.lock().expect("noting does not panic");
        if ended - begun > Duration::from_millis(200) {
            seen.sleeps.push((begun, ended));
        }
        seen.until = ended;
        self.beaten.notify_all();
    }

    /// How much of the time from `begun` to `ended` was slept.
    fn within(&self, begun: Instant, ended: Instant) -> Duration {
        if ended - begun < Duration::from_millis(200) {
            return Duration::ZERO;
        }
        // On a busy machine it takes the heart a while to tell of a sleep that has just ended.
        let seen = self.seen.lock().expect("reading does not panic");
        let is_behind = |seen: &mut SleepsSeen| seen.until < ended;
        let waited = self.beaten.wait_timeout_while(seen, Duration::from_secs(10), is_behind);
        let (seen, _) = waited.expect("reading does not panic");
        let parts = seen
            .sleeps
            .iter()
            .map(|&(from, to)| to.min(ended).saturating_duration_since(from.max(begun)));
        parts.sum()
    }
}

fn report(latencies: &Mutex<Histogram>, checked: &Mutex<Checked>) {
    let latencies = latencies.lock().expect("counting does not panic").encode();
    let checked = checked.lock().expect("counting does not panic").encode();
    say(&format!("report {latencies} {checked}"));
}

/// A line to the parent; if that is gone, standard input ends as well.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

fn sockets() -> usize {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let targets = open.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}
