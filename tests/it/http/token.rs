//! Clusters with a secret: peers that know it are served, and strangers learn nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use geecache::{
    ChangeStamp, Error, HttpGetter, HttpPool, HttpPoolBuilder, PeerErrorKind, PeerGetter,
    PeerState, Server,
};

use crate::support::{CountingGetter, Peer, SERVERS, SOON, keep_logs, logged, until, value_of};

const SECRET: &str = "c2VjcmV0LW9mLXRoZS1jbHVzdGVy";

fn with(token: &str) -> impl FnOnce(HttpPoolBuilder) -> HttpPoolBuilder {
    let token = token.to_owned();
    move |pool| pool.token(token)
}

/// The answer to `request`, with `Connection: close` and `headers` beside it.
fn answer_to(addr: &str, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}");
    write!(stream, "{head}Connection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn peers_that_share_a_token_are_a_cluster() {
    for server in SERVERS {
        let peers = [0, 1].map(|_| Peer::start(server, CountingGetter::new(), with(SECRET)));
        peers[0].join(&[&peers[1].url()]);
        peers[1].join(&[&peers[0].url()]);
        let key = peers[0].key_owned_by(&peers[1].url());
        assert_eq!(peers[0].group.get(&key).unwrap(), *value_of(&key));
        let many = peers[0].group.get_many(&["a", "b", "c", "d", "e", "f"]);
        assert!(many.iter().all(Result::is_ok));
        assert!(peers[0].group.insert(&key, "new").unwrap().is_complete());
        assert!(peers[0].group.remove(&key).is_complete());
        assert!(peers[0].group.clear().is_complete());
        assert_eq!((peers[0].stats().peer_errors, peers[1].pool.turned_away()), (0, 0));
        let getter = HttpGetter::with_token(&peers[1].url(), SECRET).unwrap();
        assert!(getter.get("scores", "Tom").is_ok());
    }
}

#[test]
fn a_peer_without_the_token_loads_for_itself_and_calls_nobody_down() {
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), with(SECRET));
        for token in [None, Some("another")] {
            let before = owner.pool.turned_away();
            let pool = |pool: HttpPoolBuilder| token.into_iter().fold(pool, HttpPoolBuilder::token);
            let stranger = Peer::start(server, CountingGetter::new(), pool);
            stranger.join(&[&owner.url()]);
            let key = stranger.key_owned_by(&owner.url());
            for _ in 0..3 {
                assert_eq!(stranger.group.get(&key).unwrap(), *value_of(&key));
                stranger.group.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
            }
            let report = stranger.group.remove(&key);
            assert!(!report.is_complete(), "{report:?}");
            let stats = &stranger.pool.peer_stats()[0];
            assert_eq!((stats.state, stats.failures), (PeerState::Up, 0), "{server:?}");
            let turned_away = owner.pool.turned_away() - before;
            // The removal is owed, and may have been tried again by now.
            let again = 1 + stranger.group.debts()[0].attempts;
            assert!((4..=4 + again).contains(&turned_away), "{server:?}: {turned_away}");
        }
        assert_eq!(owner.getter.calls(), 0);
    }
}

#[test]
fn strangers_learn_nothing_and_change_nothing() {
    keep_logs();
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), with(SECRET));
        owner.group.get("Tom").unwrap();
        let wrong = "Authorization: Bearer wrong-secret\r\n";
        let mut answers = Vec::new();
        for (request, body) in [
            ("GET /_geecache/scores/Tom", ""),
            ("GET /_geecache/no-such-group/Tom", ""),
            ("GET /nowhere", ""),
            ("PUT /_geecache/scores/Tom", "changed"),
            ("DELETE /_geecache/scores/Tom", ""),
            ("DELETE /_geecache/scores", ""),
            ("POST /_geecache/scores", "no frame"),
            ("BREW /_geecache/scores/Tom", ""),
        ] {
            for headers in ["", wrong, "Authorization: Basic Og==\r\n", "Geecache: k=?\r\n"] {
                answers.push(answer_to(&owner.addr(), request, headers, body));
            }
        }
        assert!(answers[0].starts_with("HTTP/1.1 401 "), "{}", answers[0]);
        assert!(answers[0].contains("WWW-Authenticate: Bearer\r\n"), "{}", answers[0]);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{server:?}: {answers:#?}");
        assert_eq!(owner.pool.turned_away(), answers.len() as u64);
        assert_eq!(owner.group.peek("Tom").unwrap(), *value_of("Tom"));

        let told = logged(&[&owner.url(), "turned"]);
        assert_eq!(told.len(), 1, "it is told once a minute: {told:?}");
        assert!(told[0].1.contains("127.0.0.1:"), "{told:?}");
        assert!(!format!("{:?}", owner.pool).contains(SECRET));
        assert!(logged(&[SECRET]).is_empty() && logged(&["wrong-secret"]).is_empty());
    }
}

#[test]
fn a_long_body_of_a_stranger_is_refused_before_it_comes() {
    let requests = ["PUT /_geecache/scores/Tom", "GET /healthz", "HEAD /readyz"];
    for (server, request) in SERVERS.iter().flat_map(|&server| requests.map(|it| (server, it))) {
        let owner = Peer::start(server, CountingGetter::new(), with(SECRET));
        let mut stream = TcpStream::connect(owner.addr()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let length = 8 << 20;
        let head = format!("Host: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        // Health is open, and bodies are not.
        write!(stream, "{request} HTTP/1.1\r\n{head}").unwrap();
        if server == Server::TinyHttp {
            // It answers when the body has come, and keeps nothing of it.
            stream.write_all(&vec![b'x'; length]).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{server:?}: {answer}");
    }
}

/// A file in the directory for such, which is gone at the end.
struct TokenFile(PathBuf);

impl TokenFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("geecache-{name}-{}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn a_token_is_changed_without_a_refused_request() {
    keep_logs();
    let files = ["a", "b"].map(|name| TokenFile::new(name, "old\n"));
    let [a, b] = [0, 1].map(|node| {
        let path = files[node].0.clone();
        Peer::start(SERVERS[node], CountingGetter::new(), |pool| pool.token_file(path))
    });
    a.join(&[&b.url()]);
    b.join(&[&a.url()]);
    let (keys, others) = (a.key_owned_by(&b.url()), b.key_owned_by(&a.url()));
    for (changes, text) in [(1, "old\nnew\n"), (2, "new\nold\n"), (3, "new\n")] {
        for file in &files {
            fs::write(&file.0, text).unwrap();
            let path = file.0.to_str().unwrap();
            // While one has read it and the other one has not, too.
            until("it is read", || {
                a.group.get(&keys).unwrap();
                b.group.get(&others).unwrap();
                a.group.remove(&keys);
                b.group.remove(&others);
                logged(&[path, "have changed"]).len() == changes
            });
        }
    }
    let getter = |token| HttpGetter::with_token(&a.url(), token).unwrap();
    assert_eq!((a.pool.turned_away(), b.pool.turned_away()), (0, 0));
    assert_eq!((a.stats().peer_errors, b.stats().peer_errors), (0, 0));
    assert!(getter("new").get("scores", "Tom").is_ok());
    let error = getter("old").get("scores", "Tom").unwrap_err();
    assert_eq!(error.kind(), PeerErrorKind::Unauthorized);
}

#[test]
fn a_pool_that_strangers_may_reach_warns_once_as_it_starts() {
    keep_logs();
    // Nobody listens there: only what is said of the address counts.
    let start = |server, url: &str, token: Option<&str>| {
        let pool = HttpPool::builder().server(server).advertise(url);
        let pool = token.into_iter().fold(pool, HttpPoolBuilder::token);
        pool.bind("127.0.0.1:0").unwrap()
    };
    let (tiny, guarded) = (Server::TinyHttp, Server::Guarded);
    let cases = [
        (tiny, None, &["tiny_http", "token"][..]),
        (tiny, Some(SECRET), &["tiny_http"]),
        (guarded, None, &["token"]),
        (guarded, Some(SECRET), &[]),
    ];
    for (n, (server, token, words)) in cases.into_iter().enumerate() {
        for host in ["203.0.113.7", "[2001:db8::7]"] {
            let url = format!("http://{host}:{}", 8001 + n);
            let pool = start(server, &url, token);
            let told = logged(&[&url, "no private address"]);
            assert_eq!(told.len(), usize::from(!words.is_empty()), "{url}: {told:?}");
            for (level, text) in &told {
                assert_eq!(*level, log::Level::Warn);
                let says = |word: &str| text.contains(word) == words.contains(&word);
                assert!(says("token") && says("tiny_http"), "{text}");
            }
            drop(pool);
        }
        for host in ["10.0.0.7", "100.64.0.7", "[fd00::7]", "localhost", "cache.example.com"] {
            let url = format!("http://{host}:{}", 8001 + n);
            start(server, &url, token);
            let told = logged(&[&url, "no private address"]);
            assert!(told.is_empty(), "{told:?}");
        }
    }
}

#[test]
fn tokens_that_cannot_work_are_refused_at_the_start() {
    let invalid = |builder: HttpPoolBuilder, expected: &str| match builder.bind("127.0.0.1:0") {
        Err(Error::InvalidOption { option, reason }) => {
            assert_eq!(option, expected, "{reason}");
            assert!(!reason.contains(SECRET), "{reason}");
        }
        other => panic!("{expected}: {other:?}"),
    };
    let new = HttpPool::builder;
    invalid(new().token(""), "token");
    invalid(new().token(format!("{SECRET} {SECRET}")), "token");
    invalid(new().token(SECRET).accept_token("two words"), "token");
    invalid(new().accept_token(SECRET), "accept_token");
    invalid(new().token_file("/no/such/file"), "token_file");
    invalid(new().token(SECRET).token_file("/no/such/file"), "token_file");
    let empty = TokenFile::new("empty", "# nothing\n");
    invalid(new().token_file(&empty.0), "token_file");
    assert!(!format!("{:?}", new().token(SECRET).accept_token(SECRET)).contains(SECRET));
    let error = HttpGetter::with_token("http://127.0.0.1:1", "two words").unwrap_err();
    assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
}
