//! [`Cluster`]: peers of this process; [`run`]: the program, and what it did.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use geecache::{Group, HttpPool, HttpPoolBuilder};
use serde_json::Value;

/// Far longer than anything takes on a busy machine; only a hang is as long.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Peers with a group `scores` each.
pub(crate) struct Cluster {
    pub(crate) pools: Vec<HttpPool>,
    pub(crate) groups: Vec<Group>,
    loads: Arc<AtomicUsize>,
}

impl Cluster {
    pub(crate) fn of(peers: usize) -> Self {
        Self::with(peers, |builder| builder)
    }

    pub(crate) fn with(peers: usize, options: impl Fn(HttpPoolBuilder) -> HttpPoolBuilder) -> Self {
        let loads = Arc::new(AtomicUsize::new(0));
        let group = || {
            let loads = Arc::clone(&loads);
            Group::new("scores", 1 << 20, move |key: &str| {
                loads.fetch_add(1, Ordering::SeqCst);
                match key {
                    "Tom" => Ok(Some(b"630".to_vec())),
                    "Sam" => Ok(Some(b"567".to_vec())),
                    "bytes" => Ok(Some(vec![0, 0xff, b'\n'])),
                    "evil" => Err(io::Error::other("\u{1b}[2Jgone")),
                    "broken" => Err(io::Error::other("the disk is on fire")),
                    _ => Ok(None),
                }
            })
        };
        let groups: Vec<Group> = (0..peers).map(|_| group()).collect();
        let pools = groups.iter().map(|group| {
            let pool = options(HttpPool::builder()).bind("127.0.0.1:0").unwrap();
            pool.add(group).unwrap();
            pool
        });
        let cluster = Self { pools: pools.collect(), groups, loads };
        cluster.pools.iter().for_each(|pool| pool.set_peers(cluster.urls()).unwrap());
        cluster
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.pools.iter().map(|pool| pool.url().unwrap().to_owned()).collect()
    }

    /// The URL of one of them, which tells the others.
    pub(crate) fn one(&self) -> String {
        self.urls().remove(0)
    }

    pub(crate) fn all(&self) -> String {
        self.urls().join(",")
    }

    /// How often the source was asked.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Ends the owner of `key`; its URL.
    pub(crate) fn end_owner(&self, key: &str) -> String {
        let owner = self.pools[0].owner(key).unwrap();
        let pool = self.pools.iter().find(|pool| pool.url() == Some(&*owner)).unwrap();
        pool.shutdown();
        owner
    }

    /// Runs the program with `line`, cut at blanks, and one of the peers.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Ran {
        run(&format!("{line} --peers {}", self.one()))
    }
}

/// How the program ended, and what it has printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Its lines as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It ended with that code, and said something like that on standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        let lacking: Vec<_> = parts.iter().filter(|part| !self.err.contains(**part)).collect();
        assert!(lacking.is_empty(), "{lacking:?} is not in: {}", self.err);
    }

    /// It ended well, and had nothing to say on standard error.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!((self.code, &*self.err), (0, ""), "{}", String::from_utf8_lossy(&self.out));
        self
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_geecache"));
    for name in ["GEECACHE_PEERS", "GEECACHE_TOKEN", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program with `line`, cut at blanks.
#[track_caller]
pub(crate) fn run(line: &str) -> Ran {
    ended(program().args(line.split_whitespace()).spawn().unwrap())
}

/// The same with a standard input.
#[track_caller]
pub(crate) fn run_with_input(line: &str, input: &[u8]) -> Ran {
    let mut command = program();
    let mut child = command.args(line.split_whitespace()).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        // It may end without having read it.
        let _ = stdin.write_all(&input);
    });
    let ran = ended(child);
    writer.join().unwrap();
    ran
}

/// Waits for the end, which has to come soon.
#[track_caller]
pub(crate) fn ended(mut child: Child) -> Ran {
    fn read(from: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut from) = from {
                from.read_to_end(&mut bytes).unwrap();
            }
            sender.send(bytes)
        });
        receiver
    }
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    let (Ok(out), Ok(err)) = (out.recv_timeout(SOON), err.recv_timeout(SOON)) else {
        child.kill().unwrap();
        panic!("it does not end");
    };
    // Its streams are closed, so it ends now.
    let code = child.wait().unwrap().code().unwrap();
    Ran { code, out, err: String::from_utf8(err).unwrap() }
}

/// A file that is gone at the end.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn with(contents: &[u8]) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        let name = format!("geecache-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, contents).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
