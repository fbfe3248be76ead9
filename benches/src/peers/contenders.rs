//! Who is compared, and how each is started.

use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::BoxError;
use super::report::Sample;
use super::scenario::Scenario;
use crate::process::Process;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Pair,
    Guarded,
    /// The guarded server again, with what keeps others out.
    Token,
    Tls,
    MutualTls,
    TinyHttp,
    Memcached,
    Groupcache,
}

impl Contender {
    pub(super) const ALL: [Self; 8] = [
        Self::Pair,
        Self::Guarded,
        Self::Token,
        Self::Tls,
        Self::MutualTls,
        Self::TinyHttp,
        Self::Memcached,
        Self::Groupcache,
    ];

    /// The guarded server, and what makes it safe.
    pub(super) const PROTECTED: [Self; 4] =
        [Self::Guarded, Self::Token, Self::Tls, Self::MutualTls];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pair => "std::net pair",
            Self::Guarded => "geecache guarded",
            Self::Token => "geecache token",
            Self::Tls => "geecache TLS",
            Self::MutualTls => "geecache mTLS",
            Self::TinyHttp => "geecache tiny_http",
            Self::Memcached => "memcached",
            Self::Groupcache => "golang/groupcache",
        }
    }

    pub(super) fn is_able_to(self, scenario: &Scenario) -> bool {
        // groupcache has no batches.
        self != Self::Groupcache || scenario.batch == 1
    }

    /// Starts its server and its client; or says what is missing, and how to come by it.
    ///
    /// `certificates` is the directory for those who need some.
    pub(super) fn start(self, certificates: &Path) -> Result<Result<Running, String>, BoxError> {
        let (server, client, version) = match self {
            Self::Pair => {
                let mut server = Process::part(&["peers", "serve", "pair"])?;
                let client = Process::part(&["peers", "ask", "pair", &server.line()?])?;
                (server, client, None)
            }
            Self::Guarded | Self::Token | Self::Tls | Self::MutualTls | Self::TinyHttp => {
                let protection = match self {
                    Self::Token => "token",
                    Self::Tls => "tls",
                    Self::MutualTls => "mutual-tls",
                    _ => "none",
                };
                let server = if self == Self::TinyHttp { "tiny-http" } else { "guarded" };
                let files = certificates.to_str().ok_or("a directory with a strange name")?;
                let mut server = Process::part(&["peers", "serve", server, protection, files])?;
                let client = ["peers", "ask", "geecache", protection, files, &server.line()?];
                let client = Process::part(&client)?;
                (server, client, None)
            }
            Self::Memcached => {
                let Some(version) = output_of(Command::new("memcached").arg("-V"))? else {
                    return Ok(Err("install it, on Debian: apt-get install memcached".to_owned()));
                };
                let (server, address) = start_memcached()?;
                let client = Process::part(&["peers", "ask", "memcached", &address])?;
                (server, client, Some(version))
            }
            Self::Groupcache => {
                let (program, version) = match build_groupcache()? {
                    Ok(built) => built,
                    Err(missing) => return Ok(Err(missing)),
                };
                let mut server = Process::start(Command::new(&program).arg("serve"))?;
                let client = Process::start(Command::new(&program).args(["ask", &server.line()?]))?;
                (server, client, Some(version))
            }
        };
        let mut running = Running { contender: self, server, client, version };
        let ready = running.client.line()?;
        if ready != "ready" {
            return Err(format!("the client of {self} says {ready:?}").into());
        }
        Ok(Ok(running))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A contender's two processes.
pub(super) struct Running {
    pub(super) contender: Contender,
    pub(super) version: Option<String>,
    // In this order they end: the client before its server.
    client: Process,
    server: Process,
}

impl Running {
    pub(super) fn prime(&mut self, scenario: &Scenario) -> Result<(), BoxError> {
        self.client.command(&format!("prime {}", scenario.words())).map(drop)
    }

    /// Has the client ask for about as long as `slice`.
    pub(super) fn turn(
        &mut self,
        scenario: &Scenario,
        slice: Duration,
    ) -> Result<Sample, BoxError> {
        let before = self.cpu_time();
        let command = format!("run {} {}", scenario.words(), slice.as_millis());
        let answer = self.client.command(&command)?;
        let cpu = self.cpu_time().zip(before).map(|(after, before)| after.saturating_sub(before));
        let numbers: Vec<u64> = answer.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [gets, nanos, p50, p99] = numbers[..] else {
            return Err(format!("the client says {answer:?}").into());
        };
        Ok(Sample {
            gets,
            time: Duration::from_nanos(nanos),
            p50: Duration::from_nanos(p50),
            p99: Duration::from_nanos(p99),
            cpu,
        })
    }

    /// Has the client ask over so many new connections, one after the other; the mean time of one.
    pub(super) fn fresh(&mut self, handshake: &str, count: usize) -> Result<Duration, BoxError> {
        let answer = self.client.command(&format!("fresh {handshake} {count}"))?;
        Ok(Duration::from_nanos(answer.parse::<u64>()? / count as u64))
    }

    /// Of both processes.
    fn cpu_time(&self) -> Option<Duration> {
        Some(self.client.cpu_time()? + self.server.cpu_time()?)
    }
}

/// What a command prints, in one line; `None` if there is no such program.
fn output_of(command: &mut Command) -> Result<Option<String>, BoxError> {
    match command.output() {
        Ok(output) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().replace('\n', " "))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn start_memcached() -> Result<(Process, String), BoxError> {
    // It takes no port 0. Between this line and its start somebody else might take the port; then
    // it ends, which shows below.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let port = address.port().to_string();
    let mut command = Command::new("memcached");
    command.args(["-u", "nobody", "-l", "127.0.0.1", "-p", &port, "-t", "2", "-m", "512"]);
    let mut server = Process::start(command.stderr(Stdio::inherit()))?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if server.has_ended() || begun.elapsed() > Duration::from_secs(5) {
            return Err(format!("memcached does not listen on {address}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok((server, address.to_string()))
}

/// Builds the program in Go beside this one; its path and version, or what is missing.
fn build_groupcache() -> Result<Result<(PathBuf, String), String>, BoxError> {
    const GOPATH: &str = "/usr/share/gocode";
    let missing = || {
        "install it, on Debian: apt-get install golang-go golang-github-golang-groupcache-dev"
            .to_owned()
    };
    let library = Path::new(GOPATH).join("src/github.com/golang/groupcache");
    let Some(version) = output_of(Command::new("go").arg("version"))?.filter(|_| library.is_dir())
    else {
        return Ok(Err(missing()));
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/groupcache");
    let program = std::env::current_exe()?.with_file_name("geecache-bench-groupcache");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(&source)
        .env("GO111MODULE", "off")
        .env("GOPATH", GOPATH)
        .output()?;
    if !built.status.success() {
        let reason = String::from_utf8_lossy(&built.stderr);
        return Err(format!("building {}: {reason}", source.display()).into());
    }
    let version = version.trim_start_matches("go version ").to_owned();
    Ok(Ok((program, format!("groupcache on {version}"))))
}
