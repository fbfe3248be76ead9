//! `top`, `bench` and `clear` on a terminal. It is one of the kernel's that nobody looks at;
//! `setsid` of util-linux makes it the program's.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Cluster, SOON};

/// A terminal, with the program on it.
struct Terminal {
    master: File,
    slave: File,
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: String,
    before: Termios,
}

impl Terminal {
    /// None where there is no `setsid`.
    fn run(line: &str) -> Option<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let stdio = || Stdio::from(OwnedFd::from(slave.try_clone().unwrap()));
        let mut command = Command::new("setsid");
        command.args(["-c", env!("CARGO_BIN_EXE_geecache")]).args(line.split(' '));
        command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("GEECACHE_TOKEN");
        let spawned = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn();
        let child = spawned.ok()?;
        let master = File::from(master);
        let (sender, output) = mpsc::channel();
        let mut reader = master.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { master, slave, child, output, seen: String::new(), before })
    }

    /// Waits until it has written `part`.
    #[track_caller]
    fn shows(&mut self, part: &str) {
        let until = Instant::now() + SOON;
        while !self.seen.contains(part) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{part:?} does not come: {:?}", self.seen),
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; its code. The terminal is as it was.
    #[track_caller]
    fn ends(mut self) -> Option<i32> {
        let (sender, ended) = mpsc::channel();
        let id = self.child.id();
        let mut child = self.child;
        thread::spawn(move || sender.send(child.wait().unwrap().code()));
        let Ok(code) = ended.recv_timeout(SOON) else {
            send(Signal::KILL, id);
            panic!("it does not end: {:?}", self.seen);
        };
        // What it has written last may still be on its way.
        while !self.seen.contains("\u{1b}[?1049l") && self.seen.contains("\u{1b}[?1049h") {
            let bytes = self.output.recv_timeout(SOON).unwrap();
            self.seen += &String::from_utf8_lossy(&bytes);
        }
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes);
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        code
    }
}

fn send(signal: Signal, id: u32) {
    kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn top_draws_and_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::of(2);
    for keys in ["q", "\u{3}"] {
        let line = format!("top --interval 200ms --peers {}", cluster.one());
        let Some(mut terminal) = Terminal::run(&line) else { return };
        terminal.shows("2 peers, 2 up");
        terminal.shows("q quit");
        terminal.types("s");
        terminal.shows("by requests");
        terminal.types("p");
        terminal.shows("paused");
        terminal.types(keys);
        assert_eq!(terminal.ends(), Some(0));
    }
}

#[test]
fn top_that_is_told_to_end_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::of(1);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let line = format!("top --interval 200ms --peers {}", cluster.one());
        let Some(mut terminal) = Terminal::run(&line) else { return };
        terminal.shows("q quit");
        send(signal, terminal.child.id());
        assert_eq!(terminal.ends(), Some(0), "{signal:?}");
    }
}

#[test]
fn top_shows_a_peer_that_goes() {
    let cluster = Cluster::of(2);
    let line = format!("top --interval 200ms --color never --peers {}", cluster.all());
    let Some(mut terminal) = Terminal::run(&line) else { return };
    terminal.shows("2 peers, 2 up");
    cluster.pools[1].shutdown();
    terminal.shows("2 peers, 1 up");
    terminal.shows("down");
    terminal.types("q");
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn a_bench_that_is_interrupted_tells_what_it_has_seen_and_leaves_nothing() {
    let cluster = Cluster::of(1);
    let line = format!("bench scores --seconds 600 --threads 1 --peers {}", cluster.one());
    let Some(mut terminal) = Terminal::run(&line) else { return };
    terminal.shows("/600 s");
    terminal.shows(" gets/s");
    send(Signal::INT, terminal.child.id());
    terminal.shows("1 caller for ");
    assert_eq!(terminal.ends(), Some(0));
    assert_eq!(cluster.groups[0].main_cache_stats().entries, 0);
}

#[test]
fn clear_does_what_is_answered() {
    let cluster = Cluster::of(1);
    for (answer, code, entries) in [("n", 1, 1), ("", 1, 1), ("y", 0, 0)] {
        cluster.groups[0].get("Tom").unwrap();
        let line = format!("clear scores --peers {}", cluster.one());
        let Some(mut terminal) = Terminal::run(&line) else { return };
        terminal.shows("[y/N]");
        terminal.types(&format!("{answer}\n"));
        assert_eq!(terminal.ends(), Some(code), "{answer:?}");
        assert_eq!(cluster.groups[0].main_cache_stats().entries, entries);
    }
}

#[test]
fn what_would_confuse_a_terminal_is_not_written_to_it() {
    let cluster = Cluster::of(1);
    let line = format!("get scores bytes --peers {}", cluster.one());
    let Some(mut terminal) = Terminal::run(&line) else { return };
    terminal.shows("3 B that are no text");
    assert_eq!(terminal.ends(), Some(0));
}
