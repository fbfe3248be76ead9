//! What groupcache's forks do otherwise, as far as we go along: values that end, and paths in which
//! a plus is a plus. The forks are played here, by hand.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use geecache::{Group, HttpPool, Loaded, Plus, Protocol};

const SOON: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_value_of_a_fork_holds_as_long_as_it_tells() {
    let now = i64::try_from(now_nanos()).unwrap();
    for (expire, expected) in [
        (None, None),
        (Some(0), None),
        (Some(now + 60_000_000_000), Some(MINUTE)),
        (Some(now - 1), Some(Duration::ZERO)),
        (Some(-1), Some(Duration::ZERO)),
    ] {
        // The value, requests per minute, and the end.
        let mut body = b"\x0a\x03630\x11\0\0\0\0\0\0\xf0\x3f".to_vec();
        if let Some(expire) = expire {
            body.push(0x18);
            push_varint(&mut body, expire as u64);
        }
        let fork = peer_that_answers(&body);
        let pool = HttpPool::builder().protocol(Protocol::Groupcache).client([fork]).unwrap();
        let loaded = pool.picker().pick_peer("Tom").unwrap().get("scores", "Tom").unwrap();
        assert!(loaded.value().is_some_and(|value| value == "630"));
        match (loaded.time_to_live(), expected) {
            (Some(ttl), Some(expected)) => {
                assert!(ttl <= expected && ttl + SOON >= expected, "{ttl:?} for {expire:?}");
            }
            (ttl, expected) => assert_eq!(ttl, expected, "for {expire:?}"),
        }
    }
}

#[test]
fn a_fork_is_told_when_our_value_ends_and_others_are_not() {
    for (protocol, base, tells) in [
        (Protocol::Groupcache, "/_groupcache/", true),
        (Protocol::GeeCacheProtobuf, "/_geecache/", false),
    ] {
        let pool = HttpPool::builder().protocol(protocol).bind("127.0.0.1:0").unwrap();
        pool.add(&brief_values()).unwrap();
        let body = get(&pool, &format!("{base}scores/Tom"));
        pool.shutdown();
        let rest = body.strip_prefix(b"\x0a\x03Tom").unwrap();
        if !tells {
            assert_eq!(rest, b"", "{protocol:?}");
            continue;
        }
        let expire = rest.strip_prefix(b"\x18").map(varint).unwrap();
        let left = Duration::from_nanos(u64::try_from(u128::from(expire) - now_nanos()).unwrap());
        assert!(left <= MINUTE && left + SOON >= MINUTE, "{left:?}");
    }
}

#[test]
fn a_plus_in_a_path_is_what_the_peers_of_the_protocol_mean_unless_the_pool_is_told_otherwise() {
    let of = |protocol| HttpPool::builder().protocol(protocol);
    let (spaced, literal) = (b"a b c+d", b"a+b c+d");
    for (builder, base, expected) in [
        (of(Protocol::GeeCache), "/_geecache/", spaced),
        (of(Protocol::GeeCache).plus(Plus::Literal), "/_geecache/", literal),
        (of(Protocol::Galaxycache), "/_galaxycache/", literal),
        (of(Protocol::Galaxycache).plus(Plus::Space), "/_galaxycache/", spaced),
    ] {
        let pool = builder.bind("127.0.0.1:0").unwrap();
        pool.add(&brief_values()).unwrap();
        assert_eq!(get(&pool, &format!("{base}scores/a+b%20c%2Bd")), expected);
        pool.shutdown();
    }
}

#[test]
fn what_a_fork_gives_every_peer_is_kept_in_the_main_cache_of_those_that_do_not_own_it() {
    let pool = HttpPool::builder().protocol(Protocol::GroupcacheGo).bind("127.0.0.1:0").unwrap();
    let group = brief_values();
    pool.add(&group).unwrap();
    // Nothing listens on port 1.
    pool.set_peers([pool.url().unwrap(), "http://127.0.0.1:1"]).unwrap();
    let is_foreign = |key: &String| pool.owner(key).as_deref() != pool.url();
    let mut key = (0..).map(|n: u32| format!("{:08x}", n.wrapping_mul(0x9e37_79b1)));
    let key = key.find(is_foreign).unwrap();
    let message = [b"\x0a\x06scores\x12\x08", key.as_bytes(), b"\x1a\x03NEW\x20\x00"].concat();
    let path = format!("/_groupcache/scores/{key}");
    assert_eq!(send(&pool, "PUT", &path, &message), "HTTP/1.1 200 OK");
    assert_eq!((group.main_cache_stats().entries, group.hot_cache_stats().entries), (1, 0));
    assert_eq!(group.get(&key).unwrap(), "NEW");
    assert_eq!(send(&pool, "DELETE", &path, b""), "HTTP/1.1 200 OK");
    assert_eq!(group.main_cache_stats().entries, 0);
}

/// A group of values that are their keys and hold for a minute.
fn brief_values() -> Group {
    Group::new("scores", 1 << 20, |key: &str| Ok::<_, Infallible>(Loaded::from(key).ttl(MINUTE)))
}

/// Starts a peer that gives one answer, and returns its URL.
fn peer_that_answers(body: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nConnection: close\r\n";
    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), body].concat();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let head = BufReader::new(&stream).lines().map_while(Result::ok);
        head.take_while(|line| !line.is_empty()).for_each(drop);
        stream.write_all(&answer).unwrap();
    });
    url
}

/// The body of the answer to a request for `path`.
fn get(pool: &HttpPool, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(pool.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}

/// The first line of the answer to a request that comes without a word of ours.
fn send(pool: &HttpPool, method: &str, path: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(pool.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n");
    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    BufReader::new(stream).lines().next().unwrap().unwrap()
}

fn now_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn varint(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}
