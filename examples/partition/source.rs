//! The source of truth, which all hosts reach whatever becomes of their network: it listens on a
//! path. It counts what the hosts get.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How many keys there are.
pub(crate) const KEYS: usize = 30;

/// What one host has got in one phase.
#[derive(Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) gets: u64,
    /// Values that were removed before the get began.
    pub(crate) stale: u64,
    /// Those of them that every host was told of before, as the writer knows.
    pub(crate) settled: u64,
    /// When the last stale one was got.
    pub(crate) last_stale: Option<Instant>,
}

#[derive(Default)]
struct Books {
    /// The version of each key, the one before which all were removed, and the same for those that
    /// are settled.
    versions: [u64; KEYS],
    removed: [u64; KEYS],
    settled: [u64; KEYS],
    /// For each phase and host.
    phases: Vec<Vec<Seen>>,
    settled_at: Option<Instant>,
}

pub(crate) struct Source {
    path: PathBuf,
    books: Arc<Mutex<Books>>,
}

impl Source {
    pub(crate) fn start(hosts: usize) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("geecache-source-{}", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        let books = Arc::<Mutex<Books>>::default();
        let source = Self { path, books: Arc::clone(&books) };
        source.begin_phase(hosts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let books = Arc::clone(&books);
                thread::spawn(move || answer(stream, &books));
            }
        });
        Ok(source)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is told from now on is of another phase.
    pub(crate) fn begin_phase(&self, hosts: usize) {
        let mut books = self.books.lock().expect("counting does not panic");
        books.phases.push(vec![Seen::default(); hosts]);
        books.settled_at = None;
    }

    /// What was seen, for each phase and host.
    pub(crate) fn seen(&self) -> Vec<Vec<Seen>> {
        self.books.lock().expect("counting does not panic").phases.clone()
    }

    /// When the writer owed nothing for the first time in this phase.
    pub(crate) fn settled_at(&self) -> Option<Instant> {
        self.books.lock().expect("counting does not panic").settled_at
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> u64 {
        self.books.lock().expect("counting does not panic").versions.iter().sum()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn answer(mut stream: UnixStream, books: &Mutex<Books>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = String::new();
    stream.read_to_string(&mut request)?;
    let answer = books.lock().expect("counting does not panic").answer(&request);
    stream.write_all(answer.unwrap_or_default().as_bytes())
}

impl Books {
    /// Nothing, if it is no request.
    fn answer(&mut self, request: &str) -> Option<String> {
        let (command, rest) = request.split_once(' ')?;
        let numbers: Vec<u64> = rest.split(' ').filter_map(|word| word.parse().ok()).collect();
        match command {
            "get" => Some(self.versions.get(*numbers.first()? as usize)?.to_string()),
            "next" => {
                self.versions.iter_mut().for_each(|version| *version += 1);
                Some(list(&self.versions))
            }
            "removed" => {
                self.removed = numbers.try_into().ok()?;
                Some("noted".to_owned())
            }
            "settled" => {
                self.settled = numbers.try_into().ok()?;
                self.settled_at = self.settled_at.or_else(|| Some(Instant::now()));
                Some("noted".to_owned())
            }
            "seen" => {
                let [host, phase, gets, stale, settled] = numbers[..] else { return None };
                let seen = self.phases.get_mut(phase as usize)?.get_mut(host as usize)?;
                seen.gets += gets;
                seen.stale += stale;
                seen.settled += settled;
                if stale > 0 {
                    seen.last_stale = Some(Instant::now());
                }
                let phase = self.phases.len() - 1;
                Some(format!("{phase}\n{}\n{}", list(&self.removed), list(&self.settled)))
            }
            _ => None,
        }
    }
}

fn list(versions: &[u64]) -> String {
    versions.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// Asks the source; what a host does.
pub(crate) fn ask(path: &Path, request: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}
