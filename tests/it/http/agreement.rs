//! Requests that arrive as something else than was sent, and peers that do not speak alike: an
//! error, and never the value of another key.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use geecache::{
    ChangeStamp, Group, HttpGetter, HttpPool, PeerErrorKind, PeerGetter, Protocol, Server,
};

use crate::support::{CountingGetter, SERVERS, SOON, value_of};

/// A pool that serves the group "scores" in `protocol` to peers.
fn serving(server: Server, protocol: Protocol) -> (HttpPool, Group) {
    let builder = HttpPool::builder().server(server).protocol(protocol);
    let pool = builder.bind("127.0.0.1:0").unwrap();
    let group = Group::new("scores", 1 << 20, CountingGetter::new());
    pool.add(&group).unwrap();
    (pool, group)
}

/// What `proxy_pass http://peer/;` of nginx does to a path: it decodes it, merges slashes, resolves
/// dots, and sends what it has with a plus left as it is.
fn rewritten(target: &str) -> String {
    let mut path = target.replace("%2F", "/").replace("%2B", "+").replace("%2E", ".");
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    match path.split_once("/x/../") {
        Some((before, behind)) => format!("{before}/{behind}"),
        None => path,
    }
}

/// A proxy in front of `upstream`; its URL.
fn proxy_of(upstream: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = upstream.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            client.set_read_timeout(Some(SOON)).unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            let mut server = TcpStream::connect(&upstream).unwrap();
            server.set_read_timeout(Some(SOON)).unwrap();
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let Some((method, rest)) = head.split_once(' ') else { continue };
            let (target, rest) = rest.split_once(' ').unwrap();
            let rest = rest.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            write!(server, "{method} {} {rest}", rewritten(target)).unwrap();
            let length = rest.to_ascii_lowercase();
            let length = length
                .split_once("content-length: ")
                .map_or(0, |(_, length)| length.split("\r\n").next().unwrap().parse().unwrap());
            let mut body = vec![0; length];
            client.read_exact(&mut body).unwrap();
            server.write_all(&body).unwrap();
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).unwrap();
            client.write_all(&answer).unwrap();
        }
    });
    url
}

#[test]
fn a_proxy_that_rewrites_paths_gives_no_value_of_another_key() {
    for server in SERVERS {
        let (owner, group) = serving(server, Protocol::GeeCache);
        let proxy = proxy_of(owner.url().unwrap());
        let getter = HttpGetter::new(&proxy).unwrap();
        for key in ["a//b", "a+b", "x/../b", "/a"] {
            let error = getter.get("scores", key).unwrap_err();
            assert_eq!(error.kind(), PeerErrorKind::Protocol, "{server:?}: {error}");
            assert!(error.message().contains("rewritten"), "{server:?}: {error}");
            assert!(
                getter
                    .insert("scores", key, &"of another key".into(), ChangeStamp::UNORDERED)
                    .is_err()
            );
        }
        assert_eq!(group.main_cache_stats().entries, 0, "{server:?}");
        let loaded = getter.get("scores", "a/b").unwrap();
        assert_eq!(loaded.value(), Some(&value_of("a/b").into()), "a path that arrives whole");

        // A whole group behind it loads what it can't get.
        let client = HttpPool::client([&proxy]).unwrap();
        let source = CountingGetter::new();
        let reader = Group::new("scores", 0, source.clone());
        client.add(&reader).unwrap();
        assert_eq!(reader.get("a//b").unwrap(), *value_of("a//b"));
        assert_eq!((source.calls(), client.peer_stats()[0].failures), (1, 0), "{server:?}");
    }
}

#[test]
fn a_peer_of_another_protocol_gives_an_error_and_the_key_is_loaded() {
    let pairs = [
        (Protocol::GeeCache, Protocol::GeeCacheProtobuf),
        (Protocol::GeeCacheProtobuf, Protocol::GeeCache),
    ];
    for (server, (ours, theirs)) in SERVERS.into_iter().zip(pairs) {
        let (owner, group) = serving(server, theirs);
        let client = HttpPool::builder().protocol(ours).client([owner.url().unwrap()]).unwrap();
        let source = CountingGetter::new();
        let reader = Group::new("scores", 0, source.clone());
        client.add(&reader).unwrap();
        assert_eq!(reader.get("Tom").unwrap(), *value_of("Tom"));
        let many = reader.get_many(&["Jack", "Sam"]);
        assert!(many.into_iter().all(|value| value.is_ok()));
        let report = reader.remove("Tom");
        assert!(!report.is_complete(), "{server:?}: {report:?}");
        assert_eq!((source.calls(), group.stats().loads), (3, 0), "{server:?}");
        assert_eq!(client.peer_stats()[0].failures, 0, "the peer is well");
    }
}
