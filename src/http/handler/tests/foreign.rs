//! What peers of groupcache's forks ask beyond a value: changes that come without our note.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::http::note::Note;
use crate::http::protobuf;

const SET: &[u8] = b"\x0a\x06scores\x12\x01k\x1a\x03NEW\x20\x00";

fn bench(protocol: Protocol) -> Bench {
    Bench::with(protocol, protocol.wire().plus)
}

#[track_caller]
fn assert_done(response: &HttpResponse) {
    assert_eq!((response.status, response.note, response.body.len()), (200, Note::default(), 0));
}

#[test]
fn what_a_fork_sets_is_kept_whatever_the_protocol() {
    for protocol in Protocol::ALL {
        let bench = bench(protocol);
        bench.group.get("k").unwrap();
        let path = format!("{}scores/k", protocol.wire().base_path);
        assert_done(&bench.send("PUT", &path, &[], SET));
        assert_eq!(bench.group.get("k").unwrap(), "NEW");
        assert_eq!(bench.group.stats().loads, 1);
    }
}

#[test]
fn what_a_fork_sets_ends_when_it_says() {
    let bench = bench(Protocol::Mailgun);
    let end = SystemTime::now() + Duration::from_secs(600);
    for (key, end) in [("ends", Some(end)), ("ended", Some(UNIX_EPOCH)), ("stays", None)] {
        let ttl = end.map(|end| end.duration_since(UNIX_EPOCH).unwrap());
        let expire = crate::http::protocol::expire_after(ttl, UNIX_EPOCH);
        let set = protobuf::encode_set("scores", key, b"NEW", expire);
        assert_done(&bench.send("PUT", &format!("/_groupcache/scores/{key}"), &[], &set));
    }
    let left = |key: &str| bench.group.peer_side().peek(key).map(|loaded| loaded.time_to_live());
    assert!(left("ends").flatten().is_some_and(|left| left > Duration::from_secs(300)));
    assert_eq!(left("ended"), None);
    assert_eq!(left("stays"), Some(None));
}

#[test]
fn a_set_value_is_kept_under_the_key_of_the_message_and_only_in_the_group_of_the_path() {
    let bench = bench(Protocol::Mailgun);
    // mailgun/groupcache up to 2.4 means a space by a plus.
    let spaced = protobuf::encode_set("scores", "a b", b"NEW", 0);
    assert_done(&bench.send("PUT", "/_groupcache/scores/a+b", &[], &spaced));
    assert_eq!(bench.group.get("a b").unwrap(), "NEW");
    let other = protobuf::encode_set("other", "k", b"NEW", 0);
    let empty = protobuf::encode_set("scores", "", b"NEW", 0);
    for message in [&other[..], &empty, b"", b"NEW", &SET[..SET.len() - 1]] {
        let response = bench.send("PUT", "/_groupcache/scores/k", &[], message);
        assert_eq!((response.status, response.note.status), (400, Some(Status::BadRequest)));
    }
    let response = bench.send("PUT", "/_groupcache/other/k", &[], &other);
    assert_eq!((response.status, response.note.status), (404, Some(Status::NoSuchGroup)));
    assert_eq!(bench.group.get("k").unwrap(), "value of k");
}

#[test]
fn a_long_field_beside_a_short_value_is_not_kept() {
    let bench = bench(Protocol::Mailgun);
    let padding = [&b"\x2a\x80\x80\x40"[..], &vec![0; 1 << 20]].concat();
    let padded = [SET, &padding].concat();
    assert_done(&bench.send("PUT", "/_groupcache/scores/k", &[], &padded));
    assert_eq!(bench.group.get("k").unwrap(), "NEW");
    assert!(bench.group.main_cache_stats().bytes < 1 << 10);
}

#[test]
fn keys_are_removed_as_the_forks_ask_for_it_whatever_the_protocol() {
    for protocol in Protocol::ALL {
        let bench = bench(protocol);
        for key in ["a", "b", "c d", "e"] {
            bench.group.get(key).unwrap();
        }
        let base = protocol.wire().base_path;
        assert_done(&bench.send("DELETE", &format!("{base}scores/a"), &[], b""));
        assert_eq!(bench.group.main_cache_stats().entries, 3);
        let body = br#"{"group":"scores","keys":["b","c d","unknown"]}"#;
        assert_done(&bench.send("POST", &format!("{base}scores/_remove-keys/"), &[], body));
        assert_eq!(bench.group.main_cache_stats().entries, 1);
        assert_done(&bench.send("POST", &format!("{base}scores/_remove-keys/"), &[], b"{}"));
        for body in [&br#"{"group":"other","keys":["e"]}"#[..], b"", b"[]", b"e"] {
            let path = format!("{base}scores/_remove-keys/");
            let response = bench.send("POST", &path, &[], body);
            assert_eq!((response.status, response.note.status), (400, Some(Status::BadRequest)));
        }
        assert_eq!(bench.group.main_cache_stats().entries, 1);
    }
}

#[test]
fn failures_are_told_so_that_the_forks_take_them_for_what_they_are() {
    for (protocol, failed, busy) in [
        (Protocol::GeeCache, 500, 503),
        (Protocol::GeeCacheProtobuf, 500, 503),
        (Protocol::Groupcache, 500, 503),
        (Protocol::Mailgun, 503, 500),
        (Protocol::GroupcacheGo, 503, 500),
        (Protocol::Galaxycache, 500, 503),
    ] {
        let bench = bench(protocol);
        let base = protocol.wire().base_path;
        let get = |key: &str| bench.get(&format!("{base}scores/{key}"));
        assert_refused(&get("fails"), failed, "load-failed", "the disk\nis gone\n");
        let absent = get("nobody");
        assert_refused(&absent, 404, "not-found", "no \"nobody\" in group \"scores\"\n");
        let unknown = bench.get(&format!("{base}other/k"));
        assert_refused(&unknown, 404, "no-such-group", "no such group: other\n");
        let told = |value| match protocol {
            Protocol::Galaxycache => vec![("X-Galaxycache-Galaxy-Status", value)],
            _ => Vec::new(),
        };
        assert_eq!((absent.headers, unknown.headers), (&*told("Found"), &*told("Not Found")));
        let overloaded = bench.handler.overloaded("too much");
        assert_refused(&overloaded, busy, "overloaded", "too much\n");
        bench.handler.close();
        assert_refused(&get("k"), busy, "shutting-down", "this peer is shutting down\n");
    }
}

#[test]
fn galaxycache_is_told_what_is_in_memory_and_when_it_ends() {
    let bench = bench(Protocol::Galaxycache);
    let peek = |key: &str| bench.get(&format!("/_galaxycache_peek/scores/{key}"));
    let unknown = peek("gone%20soon");
    assert_eq!((unknown.status, unknown.headers.len()), (404, 1));
    assert_eq!(bench.group.stats().loads, 0);
    bench.group.get("gone soon").unwrap();
    let found = peek("gone%20soon");
    assert_eq!((found.status, &*found.body), (200, &b"v"[..]));
    assert!(found.has_expires);
    let left = found.note.ttl.unwrap();
    assert!(left > Duration::from_secs(300) && left <= Duration::from_secs(600), "{left:?}");
    assert_eq!(bench.get("/_galaxycache/scores/Tom").note.ttl, None);
    assert_eq!(bench.get("/_galaxycache_peek/other/k").status, 404);
    // Elsewhere this is no path of ours.
    assert_eq!(Bench::new().get("/_geecache_peek/scores/Tom").status, 400);
}
