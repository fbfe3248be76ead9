//! The peers' processes, and what is done to them.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{HttpGetter, PeerGetter};

use crate::common::output::say;
use crate::histogram::Histogram;
use crate::schedule::Step;
use crate::source::Source;
use crate::truth::Truth;
use crate::versions::Checked;
use crate::{note, peer, source};

/// How soon a peer must serve after its fault ends.
const RECOVERY: Duration = Duration::from_secs(8);
/// How soon a peer must answer its parent.
const ANSWER: Duration = Duration::from_secs(40);

/// What was seen.
pub(crate) struct Report {
    pub(crate) seen: Seen,
    pub(crate) failures: Vec<String>,
}

/// What the processes of a peer say of their gets.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) latencies: Histogram,
    pub(crate) checked: Checked,
}

impl Seen {
    fn nothing() -> Self {
        Self { latencies: Histogram::new(), checked: Checked::default() }
    }

    fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.checked.merge(&other.checked);
    }

    fn decode(words: &str) -> Option<Self> {
        let (latencies, checked) = words.split_once(' ')?;
        let (latencies, checked) = (Histogram::decode(latencies)?, Checked::decode(checked)?);
        Some(Self { latencies, checked })
    }
}

/// How many faults there were, of which kind.
#[derive(Default, Clone, Copy)]
pub(crate) struct Faults {
    kills: u32,
    stops: u32,
    lists: u32,
}

impl Faults {
    pub(crate) fn total(&self) -> u32 {
        self.kills + self.stops + self.lists
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, lists } = self;
        write!(f, "{kills} kills and restarts, {stops} stops, {lists} changes of lists")
    }
}

pub(crate) struct Cluster {
    source: SocketAddr,
    truth: Arc<Mutex<Truth>>,
    warm_up: Duration,
    peers: Vec<Process>,
    undo: Vec<(Instant, Undo)>,
    faults: Faults,
    report: Arc<Mutex<Report>>,
    begun: Instant,
    verbose: bool,
}

/// What ends a fault.
enum Undo {
    Restart(usize),
    Continue(usize),
    WholeList,
}

impl Undo {
    fn is_of_lists(&self) -> bool {
        matches!(self, Self::WholeList)
    }
}

struct Process {
    child: Child,
    addr: SocketAddr,
    url: String,
    /// Lines that are no reports of what was seen.
    answers: Receiver<String>,
    /// What this process told last, and what all of its forerunners did.
    seen: Arc<Mutex<Seen>>,
    past: Seen,
    /// How many lists it was told, and how many of them it has.
    told_lists: usize,
    lists: Arc<AtomicUsize>,
    faulty: bool,
}

impl Cluster {
    /// `warm_up` is how long a peer that left the lists is told of removals all the same.
    pub(crate) fn start(
        peers: usize,
        source: &Source,
        warm_up: Duration,
        verbose: bool,
    ) -> io::Result<Self> {
        let (source, truth) = (source.addr(), source.truth());
        let report = Arc::new(Mutex::new(Report { seen: Seen::nothing(), failures: Vec::new() }));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let started: io::Result<Vec<_>> =
            (0..peers).map(|n| Process::start(n, (any, source), warm_up, &report)).collect();
        let begun = Instant::now();
        let (undo, faults) = (Vec::new(), Faults::default());
        let peers = started?;
        let mut cluster =
            Self { source, truth, warm_up, peers, undo, faults, report, begun, verbose };
        cluster.tell_whole_list();
        for n in 0..cluster.peers.len() {
            cluster.expect_service(n);
        }
        Ok(cluster)
    }

    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }

    /// Ends the faults that are due, and begins another if it leaves two peers in health.
    pub(crate) fn step(&mut self, step: Step) -> io::Result<()> {
        self.end_faults(Instant::now())?;
        self.look_at_lists();
        let (Step::Kill(n, pause)
        | Step::Stop(n, pause)
        | Step::Leave(n, pause)
        | Step::Differ(n, pause)) = step;
        let healthy = self.peers.iter().filter(|peer| !peer.faulty).count();
        let harms = matches!(step, Step::Kill(..) | Step::Stop(..));
        if self.peers[n].faulty || (harms && healthy <= 2) {
            return Ok(());
        }
        self.show(&format!("{step:?}"));
        let undo = match step {
            Step::Kill(..) => {
                self.faults.kills += 1;
                // Its restart would hide that.
                if let Some(status) = self.peers[n].child.try_wait()? {
                    self.fail(format!("peer {n} had ended by itself: {status}"));
                }
                self.peers[n].kill()?;
                Undo::Restart(n)
            }
            Step::Stop(..) => {
                self.faults.stops += 1;
                self.peers[n].signal("STOP")?;
                Undo::Continue(n)
            }
            Step::Leave(..) => {
                self.lists_differ();
                let rest = self.list(|m| m != n);
                for m in (0..self.peers.len()).filter(|&m| m != n) {
                    self.peers[m].tell(&format!("peers {rest}"));
                }
                Undo::WholeList
            }
            Step::Differ(..) => {
                self.lists_differ();
                let next = (n + 1) % self.peers.len();
                let pair = self.list(|m| m == n || m == next);
                self.peers[n].tell(&format!("peers {pair}"));
                Undo::WholeList
            }
        };
        self.peers[n].faulty |= harms;
        self.undo.push((Instant::now() + pause, undo));
        Ok(())
    }

    /// Ends all faults, and waits until every peer serves. Then there are gets to which no older
    /// version is allowed, also where lists never were whole for long enough before.
    pub(crate) fn heal(&mut self) -> io::Result<()> {
        self.end_faults(Instant::now() + Duration::from_secs(3600))?;
        self.tell_whole_list();
        for n in 0..self.peers.len() {
            self.expect_service(n);
        }
        let (before, until) = (self.firm_gets(), Instant::now() + ANSWER);
        while self.firm_gets() == before && Instant::now() < until {
            self.look_at_lists();
            thread::sleep(Duration::from_millis(20));
        }
        if self.firm_gets() == before {
            self.fail(format!("nothing was settled for all within {ANSWER:?} after the faults"));
        }
        Ok(())
    }

    fn firm_gets(&self) -> u64 {
        self.peers.iter().map(|peer| peer.all_seen().checked.firm).sum()
    }

    /// Ends the load, then the peers, and looks at what they leave behind.
    pub(crate) fn finish(mut self) -> Report {
        for peer in &mut self.peers {
            peer.tell("quiet");
        }
        for n in 0..self.peers.len() {
            self.expect_answer(n, "quiet");
        }
        for peer in &mut self.peers {
            peer.tell("drain");
        }
        for n in 0..self.peers.len() {
            let left = self.expect_answer(n, "drained");
            if left.as_deref().is_some_and(|left| left != "drained 1 0") {
                self.fail(format!("peer {n} was left with (threads, sockets) {left:?}"));
            }
        }
        let mut all = Seen::nothing();
        for peer in &self.peers {
            all.merge(&peer.all_seen());
        }
        let mut report = self.report.lock().expect("noting does not panic");
        let failures = std::mem::take(&mut report.failures);
        Report { seen: all, failures }
    }

    fn lists_differ(&mut self) {
        self.faults.lists += 1;
        self.truth.lock().expect("noting does not panic").lists_are_whole(false);
    }

    /// Whether everybody has the whole list again.
    fn look_at_lists(&self) {
        let mut truth = self.truth.lock().expect("noting does not panic");
        if truth.are_lists_whole() || self.undo.iter().any(|(_, undo)| undo.is_of_lists()) {
            return;
        }
        // A killed one has none, and its successor is told the whole one.
        let is_killed = |n: usize| {
            self.undo.iter().any(|(_, undo)| matches!(undo, Undo::Restart(m) if *m == n))
        };
        let mut peers = self.peers.iter().enumerate();
        if peers.all(|(n, peer)| is_killed(n) || peer.has_its_list()) {
            truth.lists_are_whole(true);
        }
    }

    fn end_faults(&mut self, now: Instant) -> io::Result<()> {
        let (due, later) =
            std::mem::take(&mut self.undo).into_iter().partition(|(at, _)| *at <= now);
        self.undo = later;
        for (_, undo) in due {
            match undo {
                Undo::WholeList => self.tell_whole_list(),
                Undo::Continue(n) => {
                    self.peers[n].signal("CONT")?;
                    self.expect_service(n);
                }
                Undo::Restart(n) => {
                    let addrs = (self.peers[n].addr, self.source);
                    let mut next = Process::start(n, addrs, self.warm_up, &self.report)?;
                    next.past = self.peers[n].all_seen();
                    self.peers[n] = next;
                    let list = self.list(|_| true);
                    self.peers[n].tell(&format!("peers {list}"));
                    self.expect_service(n);
                }
            }
        }
        Ok(())
    }

    fn tell_whole_list(&mut self) {
        let list = self.list(|_| true);
        for peer in &mut self.peers {
            peer.tell(&format!("peers {list}"));
        }
    }

    fn list(&self, take: impl Fn(usize) -> bool) -> String {
        let peers = self.peers.iter().enumerate().filter(|(n, _)| take(*n));
        peers.map(|(_, peer)| peer.url.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Waits until a peer answers with a right value.
    fn expect_service(&mut self, n: usize) {
        let getter = HttpGetter::new(&self.peers[n].url).expect("the peer told its URL");
        let (key, begun) = (format!("check {n}"), Instant::now());
        loop {
            match getter.get(peer::GROUP, &key) {
                Ok(loaded) if loaded.value().is_some_and(|v| *v == *source::value_of(&key)) => {
                    break;
                }
                Ok(loaded) => return self.fail(format!("peer {n} serves {loaded:?}")),
                Err(error) if begun.elapsed() > RECOVERY => {
                    return self.fail(format!("peer {n} does not serve after its fault: {error}"));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        self.peers[n].faulty = false;
        self.show(&format!("peer {n} serves again after {:?}", begun.elapsed()));
    }

    /// The line with which a peer answers, skipping others.
    fn expect_answer(&self, n: usize, word: &str) -> Option<String> {
        let until = Instant::now() + ANSWER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.peers[n].answers.recv_timeout(left) {
                Ok(line) if line.starts_with(word) => return Some(line),
                Ok(_) => {}
                Err(_) => {
                    self.fail(format!("peer {n} did not say {word:?} within {ANSWER:?}"));
                    return None;
                }
            }
        }
    }

    fn fail(&self, failure: String) {
        note(&mut self.report.lock().expect("noting does not panic"), failure);
    }

    fn show(&self, what: &str) {
        if self.verbose {
            say(format_args!("  {:7.3} s  {what}", self.begun.elapsed().as_secs_f64()));
        }
    }
}

impl Process {
    fn start(
        n: usize,
        (listen, source): (SocketAddr, SocketAddr),
        warm_up: Duration,
        report: &Arc<Mutex<Report>>,
    ) -> io::Result<Self> {
        let server = if n % 2 == 0 { "tiny_http" } else { "guarded" };
        let mut child = Command::new(std::env::current_exe()?)
            .args([peer::FLAG, &listen.to_string(), &source.to_string(), server])
            .arg(warm_up.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().expect("it is piped");
        let (tell, answers) = mpsc::channel();
        let seen = Arc::new(Mutex::new(Seen::nothing()));
        let lists = Arc::new(AtomicUsize::new(0));
        let (last, report) = (Arc::clone(&seen), Arc::clone(report));
        let count = Arc::clone(&lists);
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if line == "listed" {
                    count.fetch_add(1, Ordering::SeqCst);
                } else if let Some(words) = line.strip_prefix("report ") {
                    // The last line of a killed process may be cut off.
                    if let Some(told) = Seen::decode(words) {
                        *last.lock().expect("counting does not panic") = told;
                    }
                } else if line.starts_with("failed") {
                    let mut report = report.lock().expect("noting does not panic");
                    note(&mut report, format!("peer {n} {line}"));
                } else if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let url = match answers.recv_timeout(ANSWER) {
            Ok(line) if line.starts_with("url ") => line["url ".len()..].to_owned(),
            other => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(io::Error::other(format!("peer {n} did not start: {other:?}")));
            }
        };
        let addr = url.trim_start_matches("http://").parse().map_err(io::Error::other)?;
        let (past, told_lists) = (Seen::nothing(), 0);
        let faulty = false;
        Ok(Self { child, addr, url, answers, seen, past, told_lists, lists, faulty })
    }

    fn all_seen(&self) -> Seen {
        let mut all = self.past.clone();
        all.merge(&self.seen.lock().expect("counting does not panic"));
        all
    }

    /// Whether it has the list that it was told last.
    fn has_its_list(&self) -> bool {
        self.lists.load(Ordering::SeqCst) == self.told_lists
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("kill -{name} failed")))
        }
    }

    /// Sends a line; a peer that is dead will be told when it starts again.
    fn tell(&mut self, line: &str) {
        self.told_lists += usize::from(line.starts_with("peers "));
        if let Some(stdin) = &mut self.child.stdin {
            let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has been told to end, and is not waited for; a dead one is reaped.
        let _ = self.kill();
    }
}
