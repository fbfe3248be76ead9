//! Go's groupcache, as a process that replays a stream whenever it is told to.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::workload::{KEY_BYTES, Stream};

const PROGRAM: &str = include_str!("../groupcache/main.go");
/// Where Debian's `golang-github-golang-groupcache-dev` puts it.
const GOPATH: &str = "/usr/share/gocode";

/// The process; it is ended when this is dropped.
pub struct Groupcache {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    directory: std::path::PathBuf,
}

impl Groupcache {
    /// Builds and starts it; `None` if `go` or the package is not there.
    pub fn start(cache_bytes: u64, value_bytes: usize, stream: &Stream) -> Option<Self> {
        Path::new(GOPATH).join("src/github.com/golang/groupcache").is_dir().then_some(())?;
        let directory = std::env::temp_dir().join(format!("geecache-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).ok()?;
        let (source, binary) = (directory.join("main.go"), directory.join("groupcache"));
        fs::write(&source, PROGRAM).ok()?;
        fs::write(directory.join("keys"), stream.as_bytes()).ok()?;
        let built = Command::new("go")
            .args(["build", "-o"])
            .args([&binary, &source])
            .env("GO111MODULE", "off")
            .env("GOPATH", GOPATH)
            .env("GOCACHE", directory.join("cache"))
            .status();
        built.ok().filter(|status| status.success())?;
        let numbers = [cache_bytes, value_bytes as u64, KEY_BYTES as u64].map(|n| n.to_string());
        let mut child = Command::new(&binary)
            .arg(directory.join("keys"))
            .args(numbers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut started = Self { child, input, output, directory };
        started.replay(0, stream.len(), 1)?;
        Some(started)
    }

    /// Replays `count` keys from number `from` on, on each of so many threads; nanoseconds in all.
    pub fn replay(&mut self, from: usize, count: usize, threads: usize) -> Option<f64> {
        writeln!(self.input, "{from} {count} {threads}").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        line.trim().parse().ok()
    }
}

impl Drop for Groupcache {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
