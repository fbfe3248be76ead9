//! Processes that are talked to over their standard streams, and end when their standard input
//! does.

use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::BoxError;

/// The kernel tells times of processes in hundredths of a second, on every architecture of Linux.
const TICK: Duration = Duration::from_millis(10);

/// Says where a server is, and waits until nobody needs it any longer.
pub fn announce(address: impl Display) -> Result<(), BoxError> {
    let mut out = io::stdout();
    writeln!(out, "{address}")?;
    out.flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Obeys the commands of standard input, words on a line, until it ends: answers each with a line,
/// `ok` and what `command` returned, or `error` and its reason.
pub fn obey(mut command: impl FnMut(&[&str]) -> Result<String, BoxError>) -> Result<(), BoxError> {
    let mut out = io::stdout();
    for line in io::stdin().lock().lines() {
        let line = line?;
        match command(&line.split_whitespace().collect::<Vec<_>>()) {
            Ok(answer) => writeln!(out, "ok {answer}")?,
            Err(error) => writeln!(out, "error {}", error.to_string().replace('\n', " "))?,
        }
        out.flush()?;
    }
    Ok(())
}

/// A process; it is ended when this is dropped.
pub struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    pub fn start(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("the output of a process is not piped")?;
        Ok(Self { child, out: BufReader::new(out) })
    }

    /// Another process of this program.
    pub fn part(args: &[&str]) -> Result<Self, BoxError> {
        Self::start(Command::new(std::env::current_exe()?).args(args))
    }

    /// The next line of its output.
    pub fn line(&mut self) -> Result<String, BoxError> {
        let mut line = String::new();
        if self.out.read_line(&mut line)? == 0 {
            return Err(format!("the process ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Sends a command; what comes behind `ok` in the answer.
    pub fn command(&mut self, command: &str) -> Result<String, BoxError> {
        let input = self.child.stdin.as_mut().ok_or("the input of a process is not piped")?;
        writeln!(input, "{command}")?;
        let answer = self.line()?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("ok", rest) => Ok(rest.to_owned()),
            (_, reason) => Err(reason.into()),
        }
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Time on processors so far; `None` where the kernel does not tell as Linux does.
    pub fn cpu_time(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name of the program stands in parentheses, and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u32 =
            fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
        Some(TICK * ticks)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Our own programs end with their input; memcached does not read it.
        drop(self.child.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
