//! What two processes take on the wire besides time: connections after a burst, how long hits wait
//! beside slow loads, and the memory of long values.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use geecache::{Error, Group, HotCache, HttpPool, Server};
use lexopt::prelude::*;

use crate::BoxError;
use crate::machine;
use crate::process::{Process, announce};
use crate::report::Table;

const GROUP: &str = "wire";
const SERVERS: [(&str, Server); 2] =
    [("guarded", Server::Guarded), ("tiny_http", Server::TinyHttp)];
const THREADS: usize = 64;
/// How long a slow key takes to load.
const SLOW: Duration = Duration::from_millis(50);
/// One of so many gets is of a slow key.
const ONE_IN: usize = 10;
const HITS: usize = 1_000;
const MIB: usize = 1 << 20;

/// Prints three tables.
pub fn run(args: impl Iterator<Item = String>) -> Result<(), BoxError> {
    let (mut json, mut time) = (false, Duration::from_secs(3));
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("json") => json = true,
            Long("quick") => time = Duration::from_millis(300),
            // What the processes are started with.
            Long("owner") => return own(&parser.value()?.string()?),
            Long("asker") => return ask_for_long(&parser.value()?.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if !json {
        println!("{}", machine::describe());
    }
    let title = format!("{THREADS} threads that get keys of one peer, values of 64 bytes");
    let mut connections = Table::new(title, &["server", "connections after it"], 0);
    let title =
        format!("{THREADS} threads, hits in the peer's memory; one get in {ONE_IN} loads {SLOW:?}");
    let columns = ["server", "hits alone: p99 µs", "beside loads: p99 µs", "ratio", "loads"];
    let mut beside = Table::new(title, &columns, 2);
    let title = "One value from a peer; greatest memory of a process beyond that before";
    let columns = ["server", "MiB", "owner: of the value", "asker: of the value"];
    let mut memory = Table::new(title, &columns, 2);
    for (name, server) in SERVERS {
        let mut owner = Owner::start(server)?;
        let group = client(&owner.url)?;
        let alone = p99(&group, time, false)?.0;
        connections.push(name, [owner.connections().map(|count| count as f64)]);
        let (mixed, loads) = p99(&group, time, true)?;
        beside.push(name, [alone, mixed, mixed / alone, loads as f64].map(Some));
        for mib in [4, 16, 48] {
            memory.push(name, owner.memory_of(mib * MIB)?);
        }
    }
    [connections, beside, memory].iter().for_each(|table| table.print(json));
    Ok(())
}

/// The process that owns all keys.
fn own(server: &str) -> Result<(), BoxError> {
    let (_, server) = *SERVERS.iter().find(|(name, _)| *name == server).ok_or("no such server")?;
    let load = |key: &str| -> Result<Vec<u8>, BoxError> {
        match key.split_once(':') {
            Some(("long", bytes)) => Ok(vec![1; bytes.parse()?]),
            Some(("slow", _)) => {
                thread::sleep(SLOW);
                Ok(vec![1; 64])
            }
            _ => Ok(vec![1; 64]),
        }
    };
    let group = Group::new(GROUP, 1 << 30, load);
    let pool = HttpPool::builder().server(server).bind("127.0.0.1:0")?;
    let url = pool.url().ok_or("a bound pool has a URL")?.to_owned();
    pool.add(&group)?;
    pool.set_peers([&url])?;
    let done = announce(format!("{} {url}", std::process::id()));
    pool.shutdown();
    done
}

/// A group whose keys all belong to the peer at `url`.
fn client(url: &str) -> Result<Group, BoxError> {
    let pool = HttpPool::builder().client([url])?;
    let refuse = |key: &str| Err::<Vec<u8>, _>(format!("{key:?} did not come from the peer"));
    let group = Group::builder(GROUP, 1 << 30, refuse).hot_cache(HotCache::Off).build();
    pool.add(&group)?;
    Ok(group)
}

/// Gets one long value that the owner has in memory, and tells how much memory that took here.
fn ask_for_long(words: &str) -> Result<(), BoxError> {
    let (url, key) = words.split_once(' ').ok_or("a URL and a key are wanted")?;
    let group = client(url)?;
    group.get("hit:0")?;
    let before = Memory::of("self")?;
    let value = group.get(key)?;
    println!("{} {}", Memory::of("self")?.since(&before), value.len());
    Ok(())
}

struct Owner {
    /// It ends with this.
    _process: Process,
    id: String,
    url: String,
}

impl Owner {
    fn start(server: Server) -> Result<Self, BoxError> {
        let (name, _) = SERVERS.iter().find(|(_, it)| *it == server).ok_or("no such server")?;
        let mut process = Process::part(&["wire", "--owner", name])?;
        let line = process.line()?;
        let (id, url) = line.split_once(' ').ok_or("the owner does not say where it is")?;
        Ok(Self { _process: process, id: id.to_owned(), url: url.to_owned() })
    }

    /// Connections to it that are open; `None` where the kernel does not tell as Linux does.
    fn connections(&self) -> Option<usize> {
        let port: u16 = self.url.rsplit(':').next()?.parse().ok()?;
        let (open, remote) = ("01", format!(":{port:04X}"));
        let table = fs::read_to_string("/proc/self/net/tcp").ok()?;
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let is_ours = |fields: &Vec<&str>| {
            fields.len() > 3 && fields[2].ends_with(&remote) && fields[3] == open
        };
        Some(fields.filter(is_ours).count())
    }

    /// The length in MiB, and the greatest memory of both sides as parts of it.
    fn memory_of(&mut self, bytes: usize) -> Result<[Option<f64>; 3], BoxError> {
        let key = format!("long:{bytes}");
        client(&self.url)?.get(&key)?;
        let before = Memory::of(&self.id)?;
        let asker = Process::part(&["wire", "--asker", &format!("{} {key}", self.url)])?.line()?;
        let owner = Memory::of(&self.id)?.since(&before);
        let (asker, got) = asker.split_once(' ').ok_or("the asker does not say what it took")?;
        if got.parse::<usize>()? != bytes {
            return Err(format!("{got} bytes came of {bytes}").into());
        }
        let part = |taken: u64| Some(taken as f64 / bytes as f64);
        Ok([Some((bytes / MIB) as f64), part(owner), part(asker.parse()?)])
    }
}

/// The memory of a process, in bytes.
struct Memory {
    now: u64,
    greatest: u64,
}

impl Memory {
    /// From now on, the greatest one is the greatest since now.
    fn of(process: &str) -> Result<Self, BoxError> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| -> Result<u64, BoxError> {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(kib.ok_or("the kernel does not tell how much memory it is")?.parse::<u64>()? << 10)
        };
        let memory = Self { now: field("VmRSS:")?, greatest: field("VmHWM:")? };
        fs::write(format!("/proc/{process}/clear_refs"), "5")?;
        Ok(memory)
    }

    fn since(&self, before: &Self) -> u64 {
        self.greatest.saturating_sub(before.now)
    }
}

/// The 99th percentile of hits, in microseconds, when all threads get at once for so long; and how
/// many loads there were among them.
fn p99(group: &Group, time: Duration, with_loads: bool) -> Result<(f64, usize), BoxError> {
    let keys: Vec<String> = (0..HITS).map(|n| format!("hit:{n}")).collect();
    group.get_many(&keys).into_iter().collect::<Result<Vec<_>, Error>>()?;
    let start = Barrier::new(THREADS);
    let ask = |thread: usize| {
        start.wait();
        let (begun, mut times, mut loads) = (Instant::now(), Vec::new(), 0);
        for n in thread.. {
            if begun.elapsed() > time {
                break;
            }
            if with_loads && n % ONE_IN == 0 {
                loads += 1;
                group.get(&format!("slow:{thread}:{n}"))?;
                continue;
            }
            let asked = Instant::now();
            group.get(&keys[(n * 7) % HITS])?;
            times.push(asked.elapsed());
        }
        Ok::<_, Error>((times, loads))
    };
    let all = thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || ask(thread))).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let (mut times, mut loads) = (Vec::new(), 0);
    for outcome in all {
        let (theirs, their_loads) = outcome.map_err(|_| "a thread panicked")??;
        times.extend(theirs);
        loads += their_loads;
    }
    times.sort_unstable();
    let at = NonZeroUsize::new(times.len()).ok_or("no get ended in time")?.get() * 99 / 100;
    Ok((times[at].as_secs_f64() * 1e6, loads))
}
