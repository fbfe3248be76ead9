//! [`Victim`]: a peer in a process of its own, whose memory can be looked at.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use geecache::{Group, HttpPool, Server};

use super::SOON;
use super::attacks::TOKEN;

/// What makes this binary a victim: the server that it runs on.
const SERVER: &str = "GEECACHE_TEST_SERVER";
/// What the line for the parent begins with, among those of the test harness.
const MARK: &str = "victim: ";

/// Serves until its standard input ends.
pub(crate) fn be_a_victim() {
    let Ok(server) = env::var(SERVER) else { return };
    let score = |key: &str| Ok::<_, io::Error>((key == "Tom").then_some("630"));
    let group = Group::new("scores", 1 << 20, score);
    let server = if server == "guarded" { Server::Guarded } else { Server::TinyHttp };
    let pool = HttpPool::builder().server(server).token(TOKEN).max_value_bytes(1 << 20);
    let pool = pool.bind("127.0.0.1:0").unwrap();
    pool.add(&group).unwrap();
    println!("{MARK}{}", pool.local_addr().unwrap());
    io::stdout().flush().unwrap();
    io::stdin().lines().for_each(drop);
    // Without a shutdown: with tiny_http that waits for connections.
    std::process::exit(0);
}

/// It is killed when this is dropped, and ends by itself when this process does.
pub(crate) struct Victim {
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Victim {
    pub(crate) fn start(server: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "victim_process", "--ignored", "--nocapture"])
            .env(SERVER, server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // tiny_http may panic on threads of its own.
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (heard, addr) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(at) = line.find(MARK) {
                    let _ = heard.send(line[at + MARK.len()..].parse().unwrap());
                }
            }
        });
        let addr = addr.recv_timeout(SOON).expect("it tells its address");
        Self { addr, child }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:") << 10
    }

    pub(crate) fn threads(&self) -> usize {
        self.status("Threads:") as usize
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
