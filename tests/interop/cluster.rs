//! Peers in processes of their own, and clusters of them.

use std::collections::HashMap;
use std::env;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use geecache::Protocol;

use crate::control::{receive, send};

/// Longer than anything here takes on a machine that is very busy.
const SOON: Duration = Duration::from_secs(30);

/// Tells the Rust peer whom to obey, which protocol to speak, and where to serve.
pub(crate) const CONTROL: &str = "GEECACHE_INTEROP_CONTROL";
pub(crate) const DIALECT: &str = "GEECACHE_INTEROP_DIALECT";
pub(crate) const ADDRESS: &str = "GEECACHE_INTEROP_ADDRESS";

/// A protocol, and what the peers call it on their command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) base_path: &'static str,
}

pub(crate) const DIALECTS: [Dialect; 3] = [
    Dialect { name: "groupcache", protocol: Protocol::Groupcache, base_path: "/_groupcache/" },
    Dialect { name: "geecache", protocol: Protocol::GeeCache, base_path: "/_geecache/" },
    Dialect {
        name: "geecache-protobuf",
        protocol: Protocol::GeeCacheProtobuf,
        base_path: "/_geecache/",
    },
];

/// The forks of groupcache.
pub(crate) const FORKS: [Dialect; 3] = [
    Dialect { name: "mailgun", protocol: Protocol::Mailgun, base_path: "/_groupcache/" },
    Dialect { name: "groupcache-go", protocol: Protocol::GroupcacheGo, base_path: "/_groupcache/" },
    Dialect { name: "galaxycache", protocol: Protocol::Galaxycache, base_path: "/_galaxycache/" },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Go,
    Rust,
}

/// A peer in a process of its own, which ends at the latest when this is dropped.
pub(crate) struct Peer {
    pub(crate) language: Language,
    pub(crate) url: String,
    process: Child,
    control: BufReader<TcpStream>,
}

impl Peer {
    /// Starts a peer that serves at `address`.
    fn start(language: Language, go_peer: &Path, dialect: Dialect, address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let control = listener.local_addr().unwrap().to_string();
        let mut command = match language {
            Language::Go => {
                let mut command = Command::new(go_peer);
                command.args(["-protocol", dialect.name, "-control", &control, "-listen", address]);
                command
            }
            Language::Rust => {
                let mut command = Command::new(env::current_exe().unwrap());
                command.args(["--exact", "rust_peer", "--ignored", "--nocapture"]).envs([
                    (CONTROL, &*control),
                    (DIALECT, dialect.name),
                    (ADDRESS, address),
                ]);
                command
            }
        };
        // A proxy that does not exist: neither side may ask it.
        command.envs([("http_proxy", "http://127.0.0.1:1"), ("HTTP_PROXY", "http://127.0.0.1:1")]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(listener.accept()));
        // From here on the process ends with the value, whatever happens.
        let mut starting = Starting(Some(process));
        let (control, _) = receiver.recv_timeout(SOON).expect("the peer calls back").unwrap();
        control.set_read_timeout(Some(SOON)).unwrap();
        control.set_write_timeout(Some(SOON)).unwrap();
        control.set_nodelay(true).unwrap();
        let process = starting.0.take().expect("it was put there above");
        let control = BufReader::new(control);
        let mut peer = Self { language, url: String::new(), process, control };
        peer.url = one_text(peer.answer());
        peer
    }

    pub(crate) fn owners(&mut self, keys: &[String]) -> Vec<String> {
        let owners = self.command("owner", keys).unwrap();
        owners.into_iter().map(|owner| String::from_utf8(owner).unwrap()).collect()
    }

    /// A Go peer takes keys that are not text as well.
    pub(crate) fn get(&mut self, key: impl AsRef<[u8]>) -> Result<Vec<u8>, String> {
        self.command("get", &[key]).map(one)
    }

    /// Asks the owner of the key and nobody else; `None` if it says that the key does not exist.
    /// For Rust peers.
    pub(crate) fn ask(&mut self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.command("ask", &[key]).map(|values| values.into_iter().next())
    }

    /// For Rust peers.
    pub(crate) fn get_many(&mut self, keys: &[String]) -> Result<Vec<Vec<u8>>, String> {
        self.command("get_many", keys)
    }

    /// Has a Rust peer remove keys everywhere, and returns what became of it at each other peer, by
    /// URL.
    pub(crate) fn remove(&mut self, keys: &[&str]) -> HashMap<String, String> {
        outcomes(self.command("remove", keys))
    }

    /// Has a Rust peer remove all keys everywhere, and returns what became of it at each other
    /// peer, by URL.
    pub(crate) fn clear(&mut self) -> HashMap<String, String> {
        outcomes(self.command::<&str>("clear", &[]))
    }

    /// How often a Rust peer asked a previous owner for a key, and how often not in vain.
    pub(crate) fn peeks(&mut self) -> (u64, u64) {
        let answer = self.command::<&str>("peeks", &[]).unwrap().into_iter();
        let mut counts = answer.map(|count| String::from_utf8(count).unwrap().parse().unwrap());
        (counts.next().unwrap(), counts.next().unwrap())
    }

    /// Has a Rust peer insert a value, and returns what became of that at each other peer, by URL.
    pub(crate) fn insert(&mut self, key: &str, value: &str) -> HashMap<String, String> {
        outcomes(self.command("insert", &[key, value]))
    }

    /// How many seconds are left of a value's life, as the owner tells a Rust peer.
    pub(crate) fn seconds_left(&mut self, key: &str) -> u64 {
        one_text(self.command("ttl", &[key])).parse().unwrap()
    }

    /// Has a Go peer set a value everywhere, as its program does that.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.command("set", &[key, value]).map(drop)
    }

    /// Has a Go peer remove keys everywhere, as its program does that.
    pub(crate) fn remove_as_go(&mut self, keys: &[&str]) -> Result<(), String> {
        self.command("remove", keys).map(drop)
    }

    /// How often this process loaded the key.
    pub(crate) fn loads(&mut self, key: &str) -> u64 {
        one_text(self.command("loads", &[key])).parse().unwrap()
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The status that a request gets that no client of ours would send.
    pub(crate) fn raw_status(&self, method: &str, path: &str) -> u16 {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let head = "Host: peer\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(format!("{method} {path} HTTP/1.1\r\n{head}").as_bytes()).unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }

    fn command<B: AsRef<[u8]>>(&mut self, word: &str, args: &[B]) -> Result<Vec<Vec<u8>>, String> {
        send(self.control.get_ref(), word, args).unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let message = receive(&mut self.control);
        let message = message.unwrap_or_else(|error| panic!("{:?} peer: {error}", self.language));
        let message = message.unwrap_or_else(|| panic!("the {:?} peer is gone", self.language));
        match &*message.word {
            "ok" => Ok(message.rest),
            _ => Err(one_text(Ok(message.rest))),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(end);
    }
}

fn end(process: &mut Child) {
    // It may have ended before, which is as good.
    let _ = process.kill();
    let _ = process.wait();
}

fn one(mut answer: Vec<Vec<u8>>) -> Vec<u8> {
    assert_eq!(answer.len(), 1);
    answer.remove(0)
}

fn one_text(answer: Result<Vec<Vec<u8>>, String>) -> String {
    String::from_utf8(one(answer.unwrap())).unwrap()
}

fn outcomes(answer: Result<Vec<Vec<u8>>, String>) -> HashMap<String, String> {
    let words = answer.unwrap().into_iter().map(|word| String::from_utf8(word).unwrap());
    let words: Vec<String> = words.collect();
    words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// Two Go peers and two Rust peers with the same list.
pub(crate) struct Cluster {
    pub(crate) dialect: Dialect,
    go_peer: PathBuf,
    pub(crate) peers: Vec<Peer>,
}

impl Cluster {
    pub(crate) fn start(go_peer: &Path, dialect: Dialect) -> Self {
        let languages = [Language::Go, Language::Rust, Language::Go, Language::Rust];
        let peers: Vec<Peer> =
            languages.map(|language| Peer::start(language, go_peer, dialect, "127.0.0.1:0")).into();
        let mut cluster = Self { dialect, go_peer: go_peer.to_owned(), peers };
        cluster.tell_all();
        cluster
    }

    /// Gives all peers the list of them.
    pub(crate) fn tell_all(&mut self) {
        let urls: Vec<String> = self.peers.iter().map(|peer| peer.url.clone()).collect();
        for peer in &mut self.peers {
            peer.command("peers", &urls).unwrap();
        }
    }

    /// Gives all peers but one a list without that one.
    pub(crate) fn tell_others_to_leave_out(&mut self, one: usize) {
        let mut urls: Vec<String> = self.peers.iter().map(|peer| peer.url.clone()).collect();
        let left_out = urls.remove(one);
        for peer in self.peers.iter_mut().filter(|peer| peer.url != left_out) {
            peer.command("peers", &urls).unwrap();
        }
    }

    /// Ends a peer and starts another in its place, with the same URL.
    pub(crate) fn replace(&mut self, seat: usize, language: Language) {
        self.peers[seat].kill();
        let urls: Vec<String> = self.peers.iter().map(|peer| peer.url.clone()).collect();
        let address = urls[seat].strip_prefix("http://").unwrap();
        let mut peer = Peer::start(language, &self.go_peer, self.dialect, address);
        assert_eq!(peer.url, urls[seat]);
        peer.command("peers", &urls).unwrap();
        self.peers[seat] = peer;
    }

    /// Positions of the peers of a language.
    pub(crate) fn of(&self, language: Language) -> [usize; 2] {
        let mut found = (0..4).filter(|&peer| self.peers[peer].language == language);
        [(); 2].map(|()| found.next().expect("there are two of each"))
    }

    /// Position of the owner of each key, as the first Rust peer sees it.
    pub(crate) fn owners(&mut self, keys: &[String]) -> Vec<usize> {
        let [rust, _] = self.of(Language::Rust);
        let owners = self.peers[rust].owners(keys);
        let position = |url: &String| self.peers.iter().position(|peer| peer.url == *url);
        owners.iter().map(|url| position(url).expect("the owner is a member")).collect()
    }

    /// Position of the owner of a key.
    pub(crate) fn owner(&mut self, key: &str) -> usize {
        self.owners(&[key.to_owned()])[0]
    }

    /// The first keys that begin with `prefix` and belong to the peer at `owner`.
    pub(crate) fn keys_of<const N: usize>(&mut self, owner: usize, prefix: &str) -> [String; N] {
        let mut found = Vec::new();
        // The ports differ from run to run, and the owners with them. A peer may own little.
        for hundred in 0..100 {
            // Numbers that differ in all digits: the ring of groupcache's forks has keys in one
            // place that differ in their last ones alone.
            let number = |at: u32| (hundred * 100 + at).wrapping_mul(0x9e37_79b1);
            let keys: Vec<String> =
                (0..100).map(|at| format!("{prefix}{:08x}", number(at))).collect();
            let owned = self.owners(&keys).into_iter().map(|it| it == owner);
            found.extend(
                keys.into_iter().zip(owned).filter(|(_, owned)| *owned).map(|(key, _)| key),
            );
            if found.len() >= N {
                found.truncate(N);
                return found.try_into().unwrap();
            }
        }
        panic!("peer {owner} owns only {} of 10,000 keys", found.len());
    }

    pub(crate) fn key_of(&mut self, owner: usize, prefix: &str) -> String {
        let [key] = self.keys_of(owner, prefix);
        key
    }

    /// How often the key was loaded by anyone.
    pub(crate) fn loads(&mut self, key: &str) -> u64 {
        self.peers.iter_mut().map(|peer| peer.loads(key)).sum()
    }
}

/// Where the forks themselves and all that they import lie as GOPATH has them. Then the Go peers of
/// their protocols are made of them, and else of what we know of them.
const FORKS_GOPATH: &str = "GEECACHE_FORKS_GOPATH";

/// The Go peer's program; `None` if there is no Go here, which is an error where
/// `GEECACHE_REQUIRE_GO` is set.
pub(crate) fn go_peer() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let built = build_go_peer();
        if let Err(why) = &built {
            // Not by `eprintln!`, which is kept from sight where the test passes.
            let _ = writeln!(
                std::io::stderr(),
                "No Go peers to test with: {why}. On Debian: apt-get install golang-go \
                 golang-github-golang-groupcache-dev"
            );
        }
        built
    });
    match program {
        Ok(program) => Some(program),
        Err(why) if env::var_os("GEECACHE_REQUIRE_GO").is_some() => panic!("no Go peers: {why}"),
        Err(_) => None,
    }
}

fn build_go_peer() -> Result<PathBuf, String> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = scratch.join("go-peer");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program);
    let mut sources = "/usr/share/gocode".to_owned();
    if let Ok(forks) = env::var(FORKS_GOPATH) {
        build.args(["-tags", "forks"]);
        sources = format!("{forks}:{sources}");
    }
    let built = build
        .arg("./tests/interop/peer")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs([("GO111MODULE", "off"), ("GOPATH", &sources), ("GOFLAGS", "")])
        .env("GOCACHE", scratch.join("go-cache"))
        .output()
        .map_err(|error| format!("`go` can not be run ({error})"))?;
    if built.status.success() {
        return Ok(program);
    }
    let said = String::from_utf8_lossy(&built.stderr);
    Err(format!("`go build` failed ({})", said.trim().replace('\n', "; ")))
}
