//! Peers that are not there, that do not let everybody in, or that are of another kind.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use geecache::consistenthash::RingHash;
use geecache::{Protocol, StatusPages};

use crate::support::{Cluster, TempFile, ended, program, run};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Nothing listens there.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn nobody_who_answers_is_told_with_what_to_do() {
    for line in [
        "get scores Tom",
        "peek scores Tom",
        "owner Tom",
        "ring",
        "stats",
        "top --once",
        "remove scores Tom",
        "clear scores --yes",
        "bench scores --seconds 1",
    ] {
        let ran = run(&format!("{line} --peers {NOBODY}"));
        ran.failed(3, &[NOBODY, "is unreachable", "geecache check --peers"]);
    }
    let two = format!("{NOBODY},http://127.0.0.1:2");
    for line in ["get scores Tom", "stats", "remove scores Tom"] {
        run(&format!("{line} --peers {two}")).failed(3, &["none of 2 peers answered", &two]);
    }
    let ran = run(&format!("check --peers {NOBODY}"));
    assert_eq!(ran.code, 3);
    assert!(ran.text().contains("✗ answers    0 of 1 peer"), "{}", ran.text());
}

#[test]
fn wrong_calls_are_told_before_anybody_is_asked() {
    for (line, parts) in [
        ("get scores Tom", &["which peers?", "GEECACHE_PEERS"][..]),
        ("get scores Tom --peers ftp://a:1", &["ftp://a:1"]),
        ("get scores/x Tom --peers http://127.0.0.1:1", &["scores/x"]),
        ("get scores Tom --peers http://127.0.0.1:1 --timeout 0", &["more than zero"]),
        ("get scores Tom --peers http://127.0.0.1:1 --timeout soon", &["--timeout", "500ms"]),
        ("insert scores Tom a --text b", &["one value"]),
        ("completions tcsh", &["bash, zsh and fish"]),
        ("get", &["get needs a GROUP"]),
        ("gett", &["did you mean get?"]),
    ] {
        run(line).failed(2, parts);
    }
    run("insert scores Tom /nonexistent").failed(8, &["can not read /nonexistent"]);
}

#[test]
fn the_environment_names_the_peers() {
    let cluster = Cluster::of(2);
    let address = cluster.one().strip_prefix("http://").unwrap().to_owned();
    let child = program().env("GEECACHE_PEERS", address).args(["get", "scores", "Tom"]).spawn();
    assert_eq!(ended(child.unwrap()).well().out, b"630");
}

#[test]
fn a_token_comes_from_a_file_or_the_environment() {
    let cluster = Cluster::with(2, |builder| builder.token(SECRET));
    for line in ["get scores Tom", "stats", "remove scores Tom", "top --once"] {
        cluster.run(line).failed(4, &["does not let us in", "--token-file", "GEECACHE_TOKEN"]);
    }
    let ran = cluster.run("check");
    assert_eq!(ran.code, 4);
    assert!(ran.text().contains("--token-file"), "{}", ran.text());
    let file = TempFile::with(format!("{SECRET}\n").as_bytes());
    let path = file.path();
    assert_eq!(cluster.run(&format!("get scores Tom --token-file {path}")).well().out, b"630");
    assert_eq!(cluster.run(&format!("check scores --token-file {path}")).well().code, 0);
    let with_token = |token: &str| {
        let mut program = program();
        program.env("GEECACHE_TOKEN", token);
        let line = format!("get scores Tom --verbose --peers {}", cluster.one());
        ended(program.args(line.split(' ')).spawn().unwrap())
    };
    let ran = with_token(SECRET);
    assert_eq!((ran.code, &*ran.out), (0, &b"630"[..]));
    assert!(!ran.err.contains(SECRET), "{}", ran.err);
    with_token("another").failed(4, &["does not let us in", "the token is not the cluster's"]);
    with_token("no token").failed(2, &["GEECACHE_TOKEN"]);
    let missing = format!("get scores Tom --token-file /nonexistent --peers {}", cluster.one());
    run(&missing).failed(2, &["/nonexistent"]);
}

#[test]
fn one_peer_with_another_token_is_told_from_a_token_that_nobody_takes() {
    let made = AtomicUsize::new(0);
    let cluster = Cluster::with(3, |builder| match made.fetch_add(1, Ordering::Relaxed) {
        2 => builder.token("another0123456789abcdef012345678"),
        _ => builder.token(SECRET),
    });
    let file = TempFile::with(SECRET.as_bytes());
    let ran = cluster.run(&format!("check --token-file {}", file.path()));
    assert_eq!(ran.code, 7, "{}", ran.text());
    let url = &cluster.urls()[2];
    for part in ["✗ answers ", url, "has another token than the others"] {
        assert!(ran.text().contains(part), "{part}: {}", ran.text());
    }
    let none = TempFile::with(b"nobody0123456789abcdef0123456789");
    let ran = cluster.run(&format!("check --peers {} --token-file {}", cluster.all(), none.path()));
    assert_eq!(ran.code, 4, "{}", ran.text());
    assert!(ran.text().contains("the token is not the cluster's"), "{}", ran.text());
}

#[test]
fn peers_without_a_status_are_asked_all_the_same() {
    let cluster = Cluster::with(2, |builder| builder.status_pages(StatusPages::Off));
    let all = cluster.all();
    assert_eq!(run(&format!("get scores Tom --peers {all}")).well().out, b"630");
    assert_eq!(run(&format!("remove scores Tom --peers {all}")).well().code, 0);
    run(&format!("stats --peers {all}")).failed(5, &["no peer has a status page"]);
    let ran = run(&format!("check scores --peers {all}"));
    assert!(ran.text().contains("has no status page"), "{}", ran.text());
    assert_eq!(ran.code, 0, "{}", ran.text());
    // One alone can not tell the others.
    let ran = run(&format!("get scores Tom --peers {}", cluster.one()));
    assert_eq!((ran.code, &*ran.out), (0, &b"630"[..]));
    assert!(ran.err.contains("does not tell who the other peers are"), "{}", ran.err);
}

#[test]
fn what_is_not_the_default_can_be_said() {
    let cluster = Cluster::with(2, |builder| {
        builder
            .status_pages(StatusPages::Off)
            .hash(RingHash::Mixed)
            .replicas(NonZeroUsize::new(7).unwrap())
            .protocol(Protocol::Groupcache)
            .base_path("/cache/")
    });
    let options = "--hash mixed --replicas 7 --protocol groupcache --base-path /cache/";
    let all = cluster.all();
    assert_eq!(run(&format!("get scores Tom {options} --peers {all}")).well().out, b"630");
    for key in ["a", "b", "c", "d", "e"] {
        let ran = run(&format!("owner {key} {options} --peers {all}")).well();
        assert_eq!(ran.text().trim_end(), cluster.pools[0].owner(key).unwrap());
    }
}

#[test]
fn a_list_that_the_peers_do_not_have_is_warned_of() {
    let cluster = Cluster::of(3);
    let two = cluster.urls()[..2].join(",");
    let ran = run(&format!("owner Tom --peers {two}"));
    assert!(ran.code == 0 && ran.err.contains("another list of peers"), "{ran:?}");
    // One that is asked anyway is enough.
    let ran = run(&format!("get scores Tom --from {}", cluster.one())).well();
    assert_eq!(ran.out, b"630");
}

#[test]
fn a_ring_that_the_peers_do_not_have_is_warned_of() {
    let cluster = Cluster::of(3);
    let told = "is that of --hash crc32 --replicas 50,";
    for options in ["--hash mixed", "--replicas 7", "--hash fnv1 --replicas 50"] {
        for line in ["insert scores Tom --text 631", "owner Tom", "remove scores Tom"] {
            for peers in [cluster.one(), cluster.all()] {
                let ran = run(&format!("{line} {options} --peers {peers}"));
                let is_told = ran.err.contains(told) && ran.err.contains("leave them out");
                assert!(ran.code == 0 && is_told, "{line} {options}: {ran:?}");
            }
        }
        let ran = cluster.run(&format!("check scores {options}"));
        assert_eq!(ran.code, 7, "{options}");
        assert!(ran.text().contains("✗ ring       crc32, 50 points each, and not "), "{ran:?}");
        assert!(ran.text().contains("--hash and --replicas"), "{ran:?}");
    }
    cluster.run("owner Tom --hash crc32 --replicas 50").well();
}

#[test]
fn what_a_peer_says_can_not_move_the_cursor() {
    let cluster = Cluster::of(1);
    cluster.run("get scores evil").failed(5, &["\\u{1b}[2J"]);
    let ran = cluster.run("get scores evil Tom");
    assert!(!ran.err.contains('\u{1b}') && !ran.text().contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_peer_in_go_is_asked_all_the_same() {
    let url = go_peer();
    let ran = run(&format!("get scores Tom --peers {url}"));
    assert_eq!((ran.code, &*ran.out), (0, &b"630"[..]), "{}", ran.err);
    run(&format!("stats --peers {url}")).failed(5, &["no peer has a status page"]);
    let ran = run(&format!("check scores --peers {url}"));
    assert!(ran.text().contains("has no status page"), "{}", ran.text());
    assert!(ran.text().contains("it takes no values from others"), "{}", ran.text());
    assert_eq!(ran.code, 0, "{}", ran.text());
    run(&format!("remove scores Tom --peers {url}")).failed(6, &["peers in Go"]);
    run(&format!("peek scores Tom --peers {url}")).failed(5, &["peers in Go"]);
    run(&format!("bench scores --peers {url}")).failed(5, &["--keys-from"]);
}

/// Answers as GeeCache does: a value below the base path, and a closed connection elsewhere.
fn go_peer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
            let answer = match head.lines().next().unwrap_or_default() {
                line if line.contains(" /_geecache/scores/") => "200 OK\r\nContent-Length: 3",
                line if line.contains(" /_geecache/") => {
                    "400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 3"
                }
                _ => continue,
            };
            let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n630");
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn an_empty_key_is_told_before_anybody_is_asked() {
    for line in [
        &["get", "scores", ""][..],
        &["get", "scores", "Tom", ""],
        &["peek", "scores", ""],
        &["owner", ""],
        &["remove", "scores", "Tom", ""],
        &["insert", "scores", "", "--text", "630"],
    ] {
        let child = program().args(line).args(["--peers", NOBODY]).spawn().unwrap();
        ended(child).failed(2, &["the key is empty"]);
    }
}

#[test]
fn a_group_that_no_peer_has_is_told_with_what_to_do() {
    let cluster = Cluster::of(3);
    for line in [
        "get users Tom",
        "peek users Tom",
        "insert users Tom --text 630",
        "remove users Tom",
        "clear users --yes",
        "bench users --seconds 1",
    ] {
        let ran = cluster.run(line);
        ran.failed(5, &["has no such group", "geecache stats --peers"]);
        assert_eq!(ran.err.lines().count(), 2, "{line}: {}", ran.err);
    }
    for line in ["stats users", "check users"] {
        let ran = cluster.run(line);
        let told = format!("{}{}", ran.text(), ran.err);
        assert!(ran.code != 0 && told.contains("the groups: scores"), "{line}: {told}");
    }
}

#[test]
fn owners_are_found_by_the_names_and_weights_of_the_cluster() {
    let cluster = Cluster::with(3, |builder| builder.protocol(Protocol::GroupcacheGo));
    let plain = cluster.urls();
    for list in [plain.clone(), vec![format!("{}#weight=5", plain[0]), plain[1].clone()]] {
        // The third one has left, or is as before.
        for pool in &cluster.pools[..list.len()] {
            pool.set_peers(&list).unwrap();
        }
        for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let ran = run(&format!("owner {key} --peers {}", cluster.one())).well();
            assert_eq!(ran.text().trim_end(), cluster.pools[0].owner(key).unwrap(), "{key}");
        }
    }
}
