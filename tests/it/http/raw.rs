//! Requests that no peer of ours sends, byte by byte.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use geecache::Server;

use crate::support::{Cluster, CountingGetter, Peer, SERVERS, SOON, keep_logs, logged};

/// What `peer` answers to `request`, until it closes the connection.
fn answer(peer: &Peer, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(peer.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A connection that is reset may have brought an answer.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn insert(peer: &Peer, key: &str, header: &[u8]) -> Vec<u8> {
    let head = format!("PUT /_geecache/scores/{key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let rest = b"\r\nContent-Length: 1\r\n\r\nv";
    answer(peer, &[head.as_bytes(), header, rest].concat())
}

#[test]
fn value_with_a_ttl_that_can_t_be_read_is_not_kept() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let unreadable: &[&[u8]] = &[
            b"",
            b"-1",
            b"+1",
            b"1.5",
            b"1s",
            b"0x10",
            b"1_000",
            b"one",
            b"\0",
            b"1\0",
            b"\xff",
            b"12\xff",
            b"\xff12",
            "\u{661}\u{662}".as_bytes(),
        ];
        for (n, ttl) in unreadable.iter().enumerate() {
            let key = format!("key{n}");
            let answer = insert(&peer, &key, &[b"Geecache: ttl=", *ttl].concat());
            // tiny_http ends the connection without an answer where a head is not ASCII.
            let is_silent = server == Server::TinyHttp && !ttl.is_ascii() && answer.is_empty();
            let ttl = String::from_utf8_lossy(ttl);
            assert!(is_silent || answer.starts_with(b"HTTP/1.1 400"), "{server:?}: {ttl:?}");
            assert_eq!(peer.group.peek(&key), None, "{server:?}: {ttl:?}");
        }
        let answer = insert(&peer, "key", b"Geecache: ttl=60000");
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(peer.group.peek("key").unwrap(), "v");
    }
}

#[test]
fn words_of_a_peer_stay_on_one_line_of_the_log() {
    keep_logs();
    for server in SERVERS {
        let words =
            format!("{server:?} is gone\r\nERROR forged\u{1b}[31m by {server:?} {:2000}.", "");
        let cluster = Cluster::with(2, server, |_| {
            let words = words.clone();
            CountingGetter::with(move |_| Err(words.clone().into()))
        });
        let keys: Vec<String> = cluster.keys_owned_by(1).take(3).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let asker = &cluster.node(0).group;
        assert!(asker.get(keys[0]).is_err());
        assert!(asker.get_many(&keys[1..]).iter().all(Result::is_err));

        let lines = logged(&[&format!("{server:?} is gone")]);
        assert!(lines.len() >= 2, "{lines:?}");
        for (_, line) in lines {
            assert!(line.contains(r"gone\r\nERROR forged\u{1b}[31m by"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.len() < 1000, "{}", line.len());
        }
    }
}

#[test]
fn no_word_of_a_request_or_of_a_getter_gets_into_the_head_of_an_answer() {
    for server in SERVERS {
        let words = "gone\r\nX-Injected: yes\r\n\r\nHTTP/1.1 200 OK\r\n";
        let getter = CountingGetter::with(move |_| Err(words.into()));
        let peer = Peer::start(server, getter, |pool| pool);
        let name = "x%0D%0AX-Injected:%20yes%0D%0A%0D%0AHTTP/1.1%20200%20OK";
        for target in [
            format!("/_geecache/scores/{name}"),
            format!("/_geecache/{}/Tom", name.replace('/', "%2F")),
            format!("/{name}"),
            format!("/_geecache/scores/Tom?{name}"),
        ] {
            for method in ["GET", "PUT", "DELETE", "POST", "X-Injected"] {
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nHost: x\r\nGeecache: t={name} X-Injected\r\n\
                     Connection: close\r\n\r\n"
                );
                let answer = answer(&peer, request.as_bytes());
                let answer = String::from_utf8(answer).unwrap();
                let (head, _) = answer.split_once("\r\n\r\n").unwrap();
                assert!(head.starts_with("HTTP/1.1 "), "{server:?}: {answer}");
                assert!(!head.to_lowercase().contains("injected"), "{server:?}: {answer}");
            }
        }
    }
}
