//! What deploys cost: loads at the source while peers are replaced under load.
//!
//! Each peer is a process of its own, and all of them ask for the same keys at the frequencies of
//! Zipf's law. The source is a file with a version for each key, read as slowly as `--load-ms`
//! says. One thread of each peer changes keys: it writes a greater version to the source, removes
//! the key, and then notes in another file the version that no later get may be older than. A get
//! that is older than the note from before it began is *stale*; a removal that did not reach every
//! peer is noted nowhere.
//!
//! The loads of a deploy are those from its first step until `--after` seconds behind the last one,
//! as many as copies live: what is lost is loaded only when the last copy is gone. What the writers
//! removed has to be loaded again in any case, and is not counted. The goals stand beside the
//! figures.

mod histogram;
mod peer;
mod versions;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use lexopt::prelude::*;

use crate::BoxError;
use crate::machine;
use crate::process::Process;
use crate::report::Table;
use peer::Counts;
use versions::Versions;

const USAGE: &str = "deploys: what replacing peers under load costs, see the module

--only NAME,...   restart, leave, join, whole (default: all)
--keys N          6000          --rate N      gets per second of all peers: 8000
--load-ms N       5             --writes N    changes per second of each peer: 2
--after SECONDS   35            --pause SECONDS   between two peers: 5
--full-cache      caches that hold 60 % of the keys only
--no-hand-over    with peeks alone
--snapshots       each peer saves its memory, and loads it when it starts; 20 s longer each
--runs N          each scenario so often: the least, the median and the greatest of each figure
--quick           2 s for both times, and copies that live for 1 s
--json";

const PEERS: usize = 3;

/// How it is done.
pub(self) struct Plan {
    keys: u64,
    rate: u64,
    load: Duration,
    writes: u64,
    after: Duration,
    pause: Duration,
    hot_ttl: Duration,
    cache_bytes: u64,
    hand_over_rate: u64,
    snapshots: bool,
    runs: usize,
    json: bool,
    only: Option<Vec<String>>,
}

/// Runs the benchmark, or one of its peers.
pub fn run(args: impl Iterator<Item = String>) -> Result<(), BoxError> {
    let args: Vec<String> = args.collect();
    if args.first().is_some_and(|first| first == "--peer") {
        return peer::run(&args[1..]);
    }
    let plan = Plan::parse(args)?;
    println!("{}", machine::describe());
    let title = "loads at the source while peers are replaced; times of gets in us. \
                 Goals: the % of the column behind, 0 failed, 0 stale, and p99 x of 2 at most";
    let columns = [
        "scenario",
        "loads",
        "% of keys",
        "goal",
        "removed",
        "failed",
        "stale",
        "unreached",
        "p50 before",
        "p99 before",
        "p50",
        "p99",
        "p99 x",
        "gets",
    ];
    let mut table = Table::new(title, &columns, 1);
    for scenario in SCENARIOS {
        let name = scenario.name;
        if plan.only.as_ref().is_none_or(|only| only.iter().any(|it| it == name)) {
            let runs = (0..plan.runs).map(|_| plan.measure(scenario)).collect::<Result<_, _>>()?;
            let [least, median, most] = spread(runs);
            if plan.runs > 1 {
                table.push(format!("{name} min"), least);
                table.push(format!("{name} median"), median);
                table.push(format!("{name} max"), most);
            } else {
                table.push(name, median);
            }
        }
    }
    table.print(plan.json);
    Ok(())
}

type Row = Vec<Option<f64>>;

/// The least, the median and the greatest of each column.
fn spread(rows: Vec<Row>) -> [Row; 3] {
    let columns = rows.first().map_or(0, Vec::len);
    let column = |at: usize| {
        let mut all: Vec<Option<f64>> = rows.iter().map(|row| row[at]).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        [all[0], all[all.len() / 2], all[all.len() - 1]]
    };
    let columns: Vec<[Option<f64>; 3]> = (0..columns).map(column).collect();
    [0, 1, 2].map(|which| columns.iter().map(|column| column[which]).collect())
}

struct Scenario {
    name: &'static str,
    run: fn(&mut Cluster<'_>) -> Result<(), BoxError>,
    /// Which share of the keys may be loaded again, in percent: without snapshots, and with them.
    goals: [Option<f64>; 2],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "restart",
        run: |cluster| cluster.roll(Farewell::None),
        goals: [None, Some(2.0)],
    },
    Scenario { name: "leave", run: |cluster| cluster.roll(Farewell::Leave), goals: [Some(1.0); 2] },
    Scenario { name: "join", run: |cluster| cluster.join(), goals: [Some(1.0); 2] },
    Scenario { name: "whole", run: |cluster| cluster.restart_all(), goals: [None, Some(2.0)] },
];

/// How a peer ends.
#[derive(Clone, Copy)]
enum Farewell {
    /// It is shut down, and the lists keep it.
    None,
    /// The lists lose it, and it leaves.
    Leave,
}

impl Plan {
    fn parse(args: Vec<String>) -> Result<Self, BoxError> {
        let second = Duration::from_secs(1);
        let mut plan = Self {
            keys: 6000,
            rate: 8000,
            load: Duration::from_millis(5),
            writes: 2,
            after: 35 * second,
            pause: 5 * second,
            hot_ttl: 30 * second,
            cache_bytes: 64 << 20,
            hand_over_rate: 64 << 20,
            snapshots: false,
            runs: 1,
            json: false,
            only: None,
        };
        let (mut parser, mut is_full) = (lexopt::Parser::from_args(args), false);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("only") => {
                    let names = parser.value()?.string()?;
                    plan.only = Some(names.split(',').map(str::to_owned).collect());
                }
                Long("keys") => plan.keys = parser.value()?.parse()?,
                Long("rate") => plan.rate = parser.value()?.parse()?,
                Long("writes") => plan.writes = parser.value()?.parse()?,
                Long("load-ms") => plan.load = Duration::from_millis(parser.value()?.parse()?),
                Long("after") => plan.after = Duration::from_secs(parser.value()?.parse()?),
                Long("pause") => plan.pause = Duration::from_secs(parser.value()?.parse()?),
                Long("full-cache") => is_full = true,
                Long("no-hand-over") => plan.hand_over_rate = 0,
                Long("quick") => {
                    (plan.after, plan.pause, plan.hot_ttl) = (2 * second, 2 * second, second);
                }
                Long("snapshots") => plan.snapshots = true,
                Long("runs") => plan.runs = parser.value()?.parse::<NonZeroUsize>()?.get(),
                Long("json") => plan.json = true,
                _ => return Err(USAGE.into()),
            }
        }
        if is_full {
            plan.cache_bytes = plan.keys * 1100 * 6 / 10 / PEERS as u64;
        }
        Ok(plan)
    }

    /// One row of the table.
    fn measure(&self, scenario: &Scenario) -> Result<Row, BoxError> {
        let mut cluster = Cluster::start(self)?;
        cluster.warm()?;
        if self.snapshots {
            // How far the peers were with their changes is taken for sure after a while.
            thread::sleep(Duration::from_secs(20));
        }
        cluster.collect()?;
        thread::sleep(3 * Duration::from_secs(1));
        let before = cluster.collect()?;
        (scenario.run)(&mut cluster)?;
        let end = Instant::now() + self.after;
        thread::sleep(end.saturating_duration_since(Instant::now()));
        cluster.collect()?;
        let during = std::mem::take(&mut cluster.deploy);
        let share = 100.0 * during.loads as f64 / self.keys as f64;
        let (a, b) = (&before.times, &during.times);
        let goal = scenario.goals[usize::from(self.snapshots)];
        Ok(vec![
            Some(during.loads as f64),
            Some(share),
            goal,
            Some(during.removed as f64),
            Some(during.failed as f64),
            Some(during.stale as f64),
            Some(during.unreached as f64),
            Some(a.quantile(0.5)),
            Some(a.quantile(0.99)),
            Some(b.quantile(0.5)),
            Some(b.quantile(0.99)),
            Some(b.quantile(0.99) / a.quantile(0.99)),
            Some(b.count() as f64),
        ])
    }
}

/// The peers, and what those that ended counted.
struct Cluster<'p> {
    plan: &'p Plan,
    dir: PathBuf,
    peers: Vec<Option<Process>>,
    urls: Vec<String>,
    deploy: Counts,
}

impl<'p> Cluster<'p> {
    fn start(plan: &'p Plan) -> Result<Self, BoxError> {
        let dir = std::env::temp_dir().join(format!("geecache-deploys-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Versions::make(&dir, plan.keys)?;
        let (peers, urls, deploy) = (Vec::new(), Vec::new(), Counts::default());
        let mut cluster = Self { plan, dir, peers, urls, deploy };
        for _ in 0..PEERS {
            cluster.add()?;
        }
        cluster.set_lists(|_| true)?;
        Ok(cluster)
    }

    /// A further peer, which knows of no other yet.
    fn add(&mut self) -> Result<(), BoxError> {
        let (peer, url) = self.process(self.peers.len(), "127.0.0.1:0")?;
        self.peers.push(Some(peer));
        self.urls.push(url);
        Ok(())
    }

    fn process(&self, place: usize, address: &str) -> Result<(Process, String), BoxError> {
        let Plan { keys, rate, load, writes, hot_ttl, cache_bytes, hand_over_rate, .. } = self.plan;
        let numbers = [
            place as u64,
            *keys,
            rate / PEERS as u64,
            load.as_millis() as u64,
            *writes,
            hot_ttl.as_millis() as u64,
            *cache_bytes,
            *hand_over_rate,
            u64::from(self.plan.snapshots),
        ];
        let numbers = numbers.map(|number| number.to_string());
        let dir = self.dir.to_string_lossy().into_owned();
        let mut args = vec!["deploys", "--peer", address, &dir];
        args.extend(numbers.iter().map(String::as_str));
        let mut peer = Process::part(&args)?;
        let url = peer.line()?;
        Ok((peer, url))
    }

    fn peer(&mut self, place: usize) -> Result<&mut Process, BoxError> {
        self.peers[place].as_mut().ok_or_else(|| format!("peer {place} has ended").into())
    }

    /// Tells the peers for which this holds who they all are.
    fn set_lists(&mut self, is_listed: impl Fn(usize) -> bool) -> Result<(), BoxError> {
        let listed: Vec<usize> = (0..self.urls.len()).filter(|&at| is_listed(at)).collect();
        let urls: Vec<&str> = listed.iter().map(|&at| self.urls[at].as_str()).collect();
        let command = format!("join {}", urls.join(" "));
        for at in listed {
            self.peer(at)?.command(&command)?;
        }
        Ok(())
    }

    /// All keys are loaded, and all threads ask.
    fn warm(&mut self) -> Result<(), BoxError> {
        self.peer(0)?.command("warm")?;
        for at in 0..self.peers.len() {
            self.peer(at)?.command("begin")?;
        }
        thread::sleep(3 * Duration::from_secs(1));
        Ok(())
    }

    /// What the peers counted since this was asked last; it is added to what the deploy cost.
    fn collect(&mut self) -> Result<Counts, BoxError> {
        let mut all = Counts::default();
        for peer in self.peers.iter_mut().flatten() {
            all.add(peer.command("counts")?.parse()?);
        }
        self.deploy.add(all.clone());
        Ok(all)
    }

    /// Ends a peer, and starts another one in its place that is told to begin.
    fn replace(&mut self, place: usize, farewell: Farewell) -> Result<(), BoxError> {
        if matches!(farewell, Farewell::Leave) {
            self.set_lists(|at| at != place)?;
        }
        self.end(place, farewell)?;
        self.restart(place)
    }

    fn end(&mut self, place: usize, farewell: Farewell) -> Result<(), BoxError> {
        let command = match farewell {
            Farewell::None => "shutdown",
            Farewell::Leave => "leave",
        };
        let counted = self.peer(place)?.command(command)?.parse()?;
        self.deploy.add(counted);
        self.peers[place] = None;
        Ok(())
    }

    fn restart(&mut self, place: usize) -> Result<(), BoxError> {
        let address = self.urls[place].trim_start_matches("http://").to_owned();
        let (mut peer, url) = self.process(place, &address)?;
        peer.command(&format!("join {}", self.urls.join(" ")))?;
        peer.command("begin")?;
        self.peers[place] = Some(peer);
        self.urls[place] = url;
        Ok(())
    }

    /// One peer after the other.
    fn roll(&mut self, farewell: Farewell) -> Result<(), BoxError> {
        self.deploy = Counts::default();
        for place in 0..PEERS {
            self.replace(place, farewell)?;
            self.set_lists(|_| true)?;
            thread::sleep(self.plan.pause);
        }
        Ok(())
    }

    fn join(&mut self) -> Result<(), BoxError> {
        self.deploy = Counts::default();
        self.add()?;
        let newest = self.peers.len() - 1;
        let command = format!("join {}", self.urls.join(" "));
        self.peer(newest)?.command(&command)?;
        self.peer(newest)?.command("begin")?;
        self.set_lists(|_| true)
    }

    fn restart_all(&mut self) -> Result<(), BoxError> {
        self.deploy = Counts::default();
        for place in 0..PEERS {
            self.end(place, Farewell::None)?;
        }
        for place in 0..PEERS {
            self.restart(place)?;
        }
        Ok(())
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        self.peers.clear();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
