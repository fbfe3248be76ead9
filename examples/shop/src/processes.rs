//! Two processes by one command. The first one starts the second, and each learns where the other
//! one is. The second one ends when its input does, so it never outlives the first.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The word that makes a process the second one.
pub const SECOND: &str = "second";
/// How long the second process may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a process is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Address {
    /// The URL of its pages.
    pub web: String,
    /// The URL by which its peers ask it.
    pub pool: String,
    pub pid: u32,
}

/// Why a process should end.
pub enum End {
    Signal,
    Input,
    /// The second process has ended. The first one can go on without it.
    Second,
}

/// The second process, as the first one has it.
pub struct Second {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    pub address: Address,
}

impl Second {
    /// Starts this program once more, with the same options. `ends` is told when that has ended,
    /// for whatever reason.
    pub fn start(ends: Sender<End>) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(SECOND)
            .args(env::args_os().skip(1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                let _ = line.send(text);
            }
            drop(line);
            let _ = ends.send(End::Second);
        });
        match next(&lines) {
            Ok(address) => Ok(Self { child, input, lines, address }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Tells it where both processes are, and returns when it serves.
    pub fn tell(&mut self, both: &[Address]) -> io::Result<()> {
        writeln!(self.input, "{}", serde_json::to_string(both)?)?;
        next::<bool>(&self.lines).map(drop)
    }

    /// Has it end, and returns when it has.
    pub fn end(self) -> io::Result<()> {
        let Self { mut child, input, lines, .. } = self;
        drop(input);
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    break;
                }
            }
        }
        child.wait().map(drop)
    }
}

/// What the second process says next.
fn next<T: for<'a> Deserialize<'a>>(lines: &Receiver<String>) -> io::Result<T> {
    let line = lines.recv_timeout(PATIENCE);
    let line = line.map_err(|_| io::Error::other("the second process does not start"))?;
    Ok(serde_json::from_str(&line)?)
}

/// What the second process does: it says where it is, and learns where both are.
pub fn introduce(me: &Address) -> io::Result<Vec<Address>> {
    say_to_first(me)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// … and says that it serves.
pub fn report_ready() -> io::Result<()> {
    say_to_first(&true)
}

fn say_to_first(what: &impl Serialize) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string(what)?)
}

/// Tells of Ctrl-C, and of `kill`.
pub fn watch_signals(ends: Sender<End>) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        let _ = ends.send(End::Signal);
    })
}

/// Tells of the end of the input.
pub fn watch_input(ends: Sender<End>) {
    thread::spawn(move || {
        // An error is an end, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ends.send(End::Input);
    });
}
