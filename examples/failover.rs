//! What a dead peer costs the source, with the breakers of `HttpPool` and without any.
//!
//! ```text
//! cargo run --release --example failover
//! ```
//!
//! Four peers live in this process, and a fifth in one of its own, which is killed, or stopped by a
//! signal. The picker without breakers is made of public parts: a ring, and an `HttpGetter` for
//! each peer. It exits with 1 if a get brings a wrong value or none. It needs a Unix.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use geecache::consistenthash::{Ring, RingHash};
use geecache::{Group, HttpGetter, HttpPool, Loaded, PeerError, PeerGetter, PeerPicker};

mod common;

use common::command::command;
use common::output::{complain, human, say};

const HELP: &str = "\
Prints how often the source is asked after one of five peers has died, with breakers and without.

Usage: failover [--seed N]

  --seed N    what the keys are drawn from [default: 1]
  -h, --help  prints this";

/// The argument that makes this program the peer that will die.
const VICTIM: &str = "as-victim";
const GROUP: &str = "failover";
const LIVING: usize = 4;
const THREADS: usize = LIVING * 2;
const KEYS: usize = 5000;
/// After so many gets, or so long, it is enough.
const GETS: usize = 80_000;
const LONGEST: Duration = Duration::from_millis(2500);
/// What a peer has to answer. Less than the default, so that a demonstration shows what happens
/// after it.
const TIMEOUT: Duration = Duration::from_millis(300);

/// The one with the more even shares, so that the cases can be compared: each has ports, and so
/// shares, of its own.
const RING: RingHash = RingHash::Mixed;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    command("failover", HELP, parse, |role| match role {
        Role::Victim => be_the_victim().map(|()| true),
        Role::Judge { seed } => compare(seed),
    })
}

/// What this process is.
enum Role {
    Victim,
    Judge { seed: u64 },
}

/// `None` = help is wanted.
fn parse(mut args: lexopt::Parser) -> Result<Option<Role>, lexopt::Error> {
    use lexopt::prelude::*;

    let mut role = Role::Judge { seed: 1 };
    while let Some(arg) = args.next()? {
        match arg {
            Long(VICTIM) => role = Role::Victim,
            Long("seed") => role = Role::Judge { seed: args.value()?.parse()? },
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(role))
}

/// Runs all cases; whether every get brought the right value.
fn compare(seed: u64) -> Outcome<bool> {
    say(format_args!(
        "{} peers hold {KEYS} keys. One of them is killed, or stopped by a signal; the others \
         give it {TIMEOUT:?}.\n\
         They get keys by Zipf's law (--seed {seed}) on {THREADS} threads, {GETS} times or for \
         {LONGEST:?}.\n",
        LIVING + 1
    ));
    let columns = ["gets", "loads", "keys", "per key", "p50", "p99", "longest"];
    say(row("the dead peer was", &columns.map(str::to_owned)));
    let mut wrong = 0;
    for fault in ["killed", "stopped"] {
        for breakers in [true, false] {
            let seen = one_case(fault, breakers, seed)?;
            let what = format!("{fault}, {} breakers", if breakers { "with" } else { "no" });
            say(row(&what, &seen.cells()));
            wrong += seen.wrong;
        }
    }
    say(
        "\nloads: how often the source was asked after the fault, always for keys of the dead peer",
    );
    if wrong > 0 {
        complain(format_args!("FAILED: {wrong} gets brought a wrong value or none"));
    }
    Ok(wrong == 0)
}

fn row(what: &str, cells: &[String; 7]) -> String {
    let [gets, loads, keys, each, p50, p99, longest] = cells;
    format!("{what:22} {gets:>7} {loads:>7} {keys:>7} {each:>8} {p50:>9} {p99:>9} {longest:>9}")
}

/// What one case came to.
struct Seen {
    /// Of all gets, in order.
    times: Vec<Duration>,
    wrong: usize,
    loads: usize,
    /// Distinct keys loaded.
    keys: usize,
}

impl Seen {
    fn cells(&self) -> [String; 7] {
        let time = |part: f64| {
            let at = (self.times.len() as f64 * part) as usize;
            match self.times.get(at).or_else(|| self.times.last()) {
                Some(time) if time.as_micros() == 0 => "< 1 µs".to_owned(),
                Some(time) => human(*time),
                None => String::new(),
            }
        };
        [
            self.times.len().to_string(),
            self.loads.to_string(),
            self.keys.to_string(),
            format!("{:.2}", self.loads as f64 / self.keys.max(1) as f64),
            time(0.5),
            time(0.99),
            time(1.0),
        ]
    }
}

fn one_case(fault: &str, breakers: bool, seed: u64) -> Outcome<Seen> {
    let source = Source::default();
    let mut victim = Victim::start()?;
    let peers: Vec<Peer> = (0..LIVING).map(|_| Peer::start(&source)).collect::<Outcome<_>>()?;
    let own = peers.iter().filter_map(|peer| peer.pool.url());
    let urls: Vec<String> = own.map(str::to_owned).chain([victim.url.clone()]).collect();
    victim.introduce(&urls)?;
    for peer in &peers {
        peer.pool.set_peers(&urls)?;
        if breakers {
            peer.pool.add(&peer.group)?;
        } else {
            peer.pool.registry().insert(&peer.group)?;
            peer.group.register_peers(NoBreakers::new(peer.pool.url(), &urls)?)?;
        }
    }
    // From now on each key is in the memory of its owner.
    for n in 0..KEYS {
        peers[n % LIVING].group.get(&key(n))?;
    }
    source.forget();
    if fault == "killed" {
        victim.kill()?
    } else {
        victim.stop()?
    }

    let begun = Instant::now();
    let enough = AtomicUsize::new(GETS);
    let (wrong, mut times) = (AtomicUsize::new(0), Vec::new());
    thread::scope(|scope| {
        let threads: [_; THREADS] = std::array::from_fn(|n| {
            let (group, enough, wrong) = (&peers[n % LIVING].group, &enough, &wrong);
            scope.spawn(move || {
                let mut random = seed << 8 | n as u64;
                let mut times = Vec::new();
                let more = |left: usize| left.checked_sub(1);
                while begun.elapsed() < LONGEST
                    && enough.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
                {
                    let key = popular_key(&mut random);
                    let from = Instant::now();
                    let value = group.get(&key);
                    times.push(from.elapsed());
                    if !value.is_ok_and(|value| value == *value_of(&key)) {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                }
                times
            })
        });
        for thread in threads {
            times.extend(thread.join().unwrap_or_default());
        }
    });
    times.sort_unstable();
    let (loads, keys) = source.counts();
    Ok(Seen { times, wrong: wrong.into_inner(), loads, keys })
}

fn key(n: usize) -> String {
    format!("key {n}")
}

fn value_of(key: &str) -> String {
    format!("value of {key}")
}

/// Draws a key by Zipf's law: its popularity falls with its rank.
fn popular_key(random: &mut u64) -> String {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *random;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
    key((KEYS as f64).powf(unit) as usize % KEYS)
}

/// The source of truth, which counts how often it is asked for what.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<HashMap<String, usize>>>);

impl Source {
    fn load(&self, key: &str) -> Result<String, io::Error> {
        let mut loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *loads.entry(key.to_owned()).or_default() += 1;
        Ok(value_of(key))
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Loads, and distinct keys.
    fn counts(&self) -> (usize, usize) {
        let loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (loads.values().sum(), loads.len())
    }
}

/// A peer that lives on.
struct Peer {
    group: Group,
    pool: HttpPool,
}

impl Peer {
    fn start(source: &Source) -> Outcome<Self> {
        let source = source.clone();
        let group = Group::new(GROUP, 64 << 20, move |key: &str| source.load(key));
        let pool = HttpPool::builder().hash(RING).timeout(TIMEOUT).bind("127.0.0.1:0")?;
        Ok(Self { group, pool })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.pool.shutdown();
    }
}

/// Asks the owner of a key on the ring, however often that failed before.
struct NoBreakers {
    ring: Ring,
    /// All but this process itself.
    peers: HashMap<String, Arc<dyn PeerGetter>>,
}

impl NoBreakers {
    fn new(own: Option<&str>, urls: &[String]) -> Outcome<Self> {
        let mut ring = RING.ring();
        let mut peers = HashMap::<_, Arc<dyn PeerGetter>>::new();
        for url in urls {
            ring.add(url);
            if Some(url.as_str()) != own {
                peers.insert(url.clone(), Arc::new(InTime(HttpGetter::new(url)?)));
            }
        }
        Ok(Self { ring, peers })
    }
}

impl PeerPicker for NoBreakers {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.peers.get(self.ring.get(key)?).cloned()
    }
}

/// Gives a peer the same time as the pools do.
struct InTime(HttpGetter);

impl PeerGetter for InTime {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.0.get_timeout(group, key, TIMEOUT)
    }
}

/// The peer that will die. It ends with this, or with this process.
struct Victim {
    process: Child,
    url: String,
}

impl Victim {
    fn start() -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(format!("--{VICTIM}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().ok_or("its output is piped")?;
        let mut victim = Self { process, url: String::new() };
        BufReader::new(out).read_line(&mut victim.url)?;
        victim.url.truncate(victim.url.trim_end().len());
        Ok(victim)
    }

    fn introduce(&mut self, urls: &[String]) -> Outcome<()> {
        let input = self.process.stdin.as_mut().ok_or("its input is piped")?;
        Ok(writeln!(input, "{}", urls.join(" ")).and_then(|()| input.flush())?)
    }

    fn kill(&mut self) -> Outcome<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn stop(&self) -> Outcome<()> {
        let pid = self.process.id().to_string();
        let told = Command::new("kill").args(["-STOP", &pid]).status()?;
        if told.success() { Ok(()) } else { Err("kill -STOP failed".into()) }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.kill(); // If it is dead already, that is as well.
    }
}

/// Serves until standard input ends, or worse happens.
fn be_the_victim() -> Outcome<()> {
    let group = Group::new(GROUP, 64 << 20, |key: &str| Ok::<_, io::Error>(value_of(key)));
    let pool = HttpPool::builder().hash(RING).bind("127.0.0.1:0")?;
    pool.add(&group)?;
    say(pool.url().ok_or("it serves")?);
    for urls in io::stdin().lines() {
        pool.set_peers(urls?.split(' '))?;
    }
    pool.shutdown();
    Ok(())
}
