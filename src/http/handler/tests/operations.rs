//! What peers of this crate ask beyond a value.

use std::io;
use std::time::Duration;

use super::*;
use crate::error::{Error, PeerErrorKind};
use crate::http::frame::KeyAnswer;
use crate::http::note;

/// The header of a request that comes from a peer of ours.
const OURS: &[(&str, &str)] = &[("Geecache", "p=geecache")];

/// A peer's handler that serves the group "scores".
struct Desk {
    handler: PeerHandler,
    group: Group,
}

impl Desk {
    fn new() -> Self {
        let group = Group::new("scores", 1 << 20, |key: &str| match key {
            "nobody" => Ok(Loaded::absent()),
            "fails" => Err(io::Error::other("the disk is gone")),
            "panics" => panic!("as asked"),
            _ => Ok(Loaded::from(format!("value of {key}"))),
        });
        let registry = Registry::new();
        registry.insert(&group).unwrap();
        let handler = PeerHandler::new(
            "a peer".to_owned(),
            Arc::new(Door::new(None, Arc::default())),
            Serving {
                registry,
                base_path: "/_geecache/".to_owned(),
                protocol: Protocol::GeeCache,
                plus: Plus::Space,
                identity: Arc::default(),
                picker: Arc::new(NoPeers),
                handed_over: Arc::default(),
                pages: None,
                repeats: Arc::default(),
            },
        );
        Self { handler, group }
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> HttpResponse {
        send_to(&self.handler, method, target, headers, body)
    }

    fn post(&self, operation: Operation, keys: &[&str]) -> HttpResponse {
        self.ask("POST", "/_geecache/scores", OURS, &frame::encode_request(operation, keys))
    }

    fn in_memory(&self) -> u64 {
        self.group.main_cache_stats().entries
    }
}

fn status(response: &HttpResponse) -> (u16, Option<&'static str>) {
    (response.status, response.note.status.map(Status::name))
}

#[track_caller]
fn assert_done(response: &HttpResponse) {
    assert_eq!((status(response), response.body.len()), ((204, None), 0));
}

#[test]
fn a_batch_answers_every_key() {
    let desk = Desk::new();
    desk.group.get("here").unwrap();
    let keys = ["here", "nobody", "fails", "", "new", "here"];
    let response = desk.post(Operation::Get, &keys);
    assert_eq!((response.status, response.headers.len()), (200, 0));
    let value = |key: &str| KeyAnswer::Loaded(Loaded::from(format!("value of {key}")));
    let failed = |kind, message: &str| KeyAnswer::Failed(kind, message.to_owned());
    assert_eq!(
        frame::decode_answers(&ByteView::from(&*response.body), keys.len()),
        Ok(vec![
            value("here"),
            KeyAnswer::Loaded(Loaded::absent()),
            failed(PeerErrorKind::Load, "the disk is gone"),
            failed(PeerErrorKind::Protocol, "bad request"),
            value("new"),
            value("here"),
        ])
    );
    let stats = desk.group.stats();
    assert_eq!((stats.server_requests, stats.gets), (5, 1), "a peer asked, and one key was no key");
}

#[test]
fn an_overloaded_getter_is_told_alike_of_one_key_and_of_many() {
    let (arrived_tx, arrived) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gates = Mutex::new((arrived_tx, gone));
    let busy = Group::builder("busy", 1 << 20, move |_: &str| {
        let gates = lock(&gates);
        gates.0.send(()).unwrap();
        gates.1.recv_timeout(Duration::from_secs(10)).map(|()| "at last")
    })
    .max_loaders(1.try_into().unwrap())
    .build();
    let desk = Desk::new();
    lock(&desk.handler.serving).clone().unwrap().registry.insert(&busy).unwrap();
    let hurry = [("geecache", "t=30")];
    let late = desk.ask("GET", "/_geecache/busy/first", &hurry, b"");
    assert_eq!(status(&late), (504, Some("timed-out")));
    arrived.recv_timeout(Duration::from_secs(10)).unwrap();

    // The one loader is busy.
    let one = desk.ask("GET", "/_geecache/busy/second", &hurry, b"");
    assert_eq!(status(&one), (503, Some("overloaded")));
    let keys = ["third", "fourth"];
    let frame = frame::encode_request(Operation::Get, &keys);
    let many = desk.ask("POST", "/_geecache/busy", &hurry, &frame);
    for answer in frame::decode_answers(&ByteView::from(&*many.body), 2).unwrap() {
        assert!(matches!(answer, KeyAnswer::Failed(PeerErrorKind::Overloaded, _)), "{answer:?}");
    }
    go.send(()).unwrap();
}

#[test]
fn a_panic_fails_the_keys_that_were_being_loaded_and_no_others() {
    let desk = Desk::new();
    desk.group.get("here").unwrap();
    let response = desk.post(Operation::Get, &["here", "panics"]);
    let answers = frame::decode_answers(&ByteView::from(&*response.body), 2).unwrap();
    assert_eq!(answers[0], KeyAnswer::Loaded(Loaded::from("value of here")));
    assert!(matches!(answers[1], KeyAnswer::Failed(PeerErrorKind::Load, _)), "{:?}", answers[1]);
}

#[test]
fn keys_are_removed_one_by_one_or_many_at_once_or_all() {
    let desk = Desk::new();
    for key in ["a", "b", "c/d", "e"] {
        desk.group.get(key).unwrap();
    }
    assert_done(&desk.ask("DELETE", "/_geecache/scores/c%2Fd", OURS, b""));
    assert_eq!(desk.in_memory(), 3);
    assert_done(&desk.ask("DELETE", "/_geecache/scores/unknown", OURS, b""));
    assert_done(&desk.post(Operation::Remove, &["a", "unknown", "b"]));
    assert_eq!(desk.in_memory(), 1);
    assert_done(&desk.ask("DELETE", "/_geecache/scores", OURS, b""));
    assert_eq!(desk.in_memory(), 0);
    let stats = desk.group.stats();
    assert_eq!((stats.removes, stats.clears), (5, 1));
}

#[test]
fn what_is_put_is_kept_as_if_it_had_been_loaded() {
    let desk = Desk::new();
    let ttl = [("Geecache", "ttl=60000")];
    assert_done(&desk.ask("PUT", "/_geecache/scores/Tom", &ttl, b"631"));
    assert_done(&desk.ask("PUT", "/_geecache/scores/empty", OURS, b""));
    let absent = [("Geecache", "s=not-found ttl=60000")];
    assert_done(&desk.ask("PUT", "/_geecache/scores/Jack", &absent, b""));
    assert_eq!(desk.group.get("Tom").unwrap(), "631");
    assert_eq!(desk.group.get("empty").unwrap(), "");
    assert!(matches!(desk.group.get("Jack"), Err(Error::NotFound { .. })));
    let left = desk.group.peer_side().peek("Tom").unwrap().time_to_live().unwrap();
    assert!(left > Duration::from_secs(30) && left <= Duration::from_secs(60), "{left:?}");
    assert_eq!(desk.group.stats().loads, 0);
}

#[test]
fn a_look_into_memory_never_loads() {
    let desk = Desk::new();
    desk.group.get("Tom").unwrap();
    let many = desk.post(Operation::Peek, &["Jack", "Tom", ""]);
    let value = KeyAnswer::Loaded(Loaded::from("value of Tom"));
    let expected = vec![KeyAnswer::NotCached, value, KeyAnswer::NotCached];
    assert_eq!(frame::decode_answers(&ByteView::from(&*many.body), 3), Ok(expected));
    assert_eq!(desk.group.stats().loads, 1);
}

#[test]
fn an_insertion_that_is_not_kept_is_told_and_removes_what_there_was() {
    let desk = Desk::new();
    desk.group.get("Tom").unwrap();
    let response = desk.ask("PUT", "/_geecache/scores/Tom", OURS, &[7; 2 << 20]);
    assert_eq!((status(&response), response.body.len()), ((204, Some("not-kept")), 0));
    assert_eq!(desk.in_memory(), 0);
    // An absence without a life is not kept either.
    let absent = [("Geecache", "s=not-found")];
    let response = desk.ask("PUT", "/_geecache/scores/Tom", &absent, b"");
    assert_eq!(status(&response), (204, Some("not-kept")));
}

#[test]
fn what_is_no_request_of_ours_changes_nothing() {
    let desk = Desk::new();
    desk.group.get("Tom").unwrap();
    let frame = frame::encode_request(Operation::Remove, &["Tom"]);
    let newer = [&[2], &frame[1..]].concat();
    let unknown = [&frame[..1], &[9], &frame[2..]].concat();
    let bad_ttl = [("Geecache", "ttl=soon")];
    for (method, target, headers, body) in [
        ("POST", "/_geecache/scores/Tom", OURS, &frame[..]),
        ("POST", "/_geecache/", OURS, &frame),
        ("POST", "/_geecache/scores", OURS, b""),
        ("POST", "/_geecache/scores", OURS, &frame[..frame.len() - 1]),
        ("POST", "/_geecache/scores", OURS, &newer),
        ("POST", "/_geecache/scores", OURS, &unknown),
        ("PUT", "/_geecache/scores", OURS, b"v"),
        ("PUT", "/_geecache/scores/", OURS, b"v"),
        ("PUT", "/_geecache/scores/Tom", &bad_ttl, b"v"),
        ("DELETE", "/_geecache/scores/", OURS, b""),
        ("DELETE", "/_geecache/", OURS, b""),
        ("DELETE", "/elsewhere", OURS, b""),
    ] {
        let response = desk.ask(method, target, headers, body);
        assert_eq!(status(&response), (400, Some("bad-request")), "{method} {target}");
    }
    for method in ["POST", "DELETE"] {
        let response = desk.ask(method, "/_geecache/other", &[], &frame);
        assert_eq!(status(&response), (404, Some("no-such-group")));
    }
    assert_eq!(desk.group.get("Tom").unwrap(), "value of Tom");
    assert_eq!(desk.group.stats().loads, 1);
}

#[test]
fn a_request_whose_path_names_another_key_or_group_than_its_header_is_refused() {
    let desk = Desk::new();
    desk.group.get("a/b").unwrap();
    let frame = frame::encode_request(Operation::Get, &["a/b"]);
    let meant = |group, key| format!("k={:08x}", note::hash_of(group, key));
    for (method, target, meant, body) in [
        ("GET", "/_geecache/scores/a/b", meant("scores", Some("a//b")), &b""[..]),
        ("HEAD", "/_geecache/scores/a/b", meant("scores", Some("a//b")), b""),
        ("GET", "/_geecache/scores/a+b", meant("scores", Some("a+b")), b""),
        ("GET", "/_geecache/scores/a/b", meant("Scores", Some("a/b")), b""),
        ("PUT", "/_geecache/scores/a/b", meant("scores", Some("a//b")), b"of another"),
        ("DELETE", "/_geecache/scores/a/b", meant("scores", Some("a//b")), b""),
        // The path of a key lost it.
        ("DELETE", "/_geecache/scores", meant("scores", Some("..")), b""),
        ("POST", "/_geecache/scores", meant("sc/ores", None), &frame),
    ] {
        let response = desk.ask(method, target, &[("Geecache", &meant)], body);
        assert_eq!(status(&response), (400, Some("other-key")), "{method} {target}");
    }
    assert_eq!(desk.group.get("a/b").unwrap(), "value of a/b");
    assert_eq!(desk.group.stats().loads, 1);
    let same = meant("scores", Some("a/b"));
    let response = desk.ask("GET", "/_geecache/scores/a%2Fb", &[("Geecache", &same)], b"");
    assert_eq!(response.body[..], b"value of a/b"[..]);
}

#[test]
fn a_request_in_another_protocol_is_refused_and_an_answer_names_its_own() {
    let desk = Desk::new();
    let frame = frame::encode_request(Operation::Get, &["Tom"]);
    for (method, target, body) in [
        ("GET", "/_geecache/scores/Tom", &b""[..]),
        ("PUT", "/_geecache/scores/Tom", b"v"),
        ("POST", "/_geecache/scores", &frame),
    ] {
        let header = [("Geecache", "p=geecache-protobuf")];
        let response = desk.ask(method, target, &header, body);
        assert_eq!(status(&response), (400, Some("other-protocol")), "{method} {target}");
        let header = [("Geecache", "p=of-tomorrow")];
        let response = desk.ask(method, target, &header, body);
        assert_eq!(status(&response), (400, Some("bad-request")), "{method} {target}");
    }
    assert_eq!(desk.group.stats().loads, 0);
    let response = desk.ask("GET", "/_geecache/scores/Tom", &[("Geecache", "p=geecache")], b"");
    assert_eq!(response.note.protocol, Some(Protocol::GeeCache));
}

#[test]
fn what_is_in_memory_and_does_not_fit_counts_when_it_is_asked_for_again() {
    let desk = Desk::new();
    let long = Group::new("long", 64 << 20, |_: &str| Ok::<_, io::Error>(vec![7; 400 << 10]));
    lock(&desk.handler.serving).clone().unwrap().registry.insert(&long).unwrap();
    let keys = ["a", "b", "c", "d", "e"];
    long.get_many(keys);
    let body = frame::encode_request(Operation::Held, &keys);
    let response = desk.ask("POST", "/_geecache/long", &[], &body);
    let answers = frame::decode_answers(&ByteView::from(&*response.body), keys.len()).unwrap();
    let is_there = |answer: &&KeyAnswer| matches!(answer, KeyAnswer::Loaded(_));
    assert_eq!(answers.iter().filter(is_there).count(), 2);
    assert_eq!(long.stats().server_hits, 2);
}

/// What a peer of ours tells beside a change.
const STAMPED: &str = "n=000000000000000a.";

impl Desk {
    fn put(&self, note: &str, value: &str, is_given_up: bool) -> HttpResponse {
        self.handler.handle(&HttpRequest {
            method: "PUT",
            target: "/_geecache/scores/Tom",
            headers: &&[("Geecache", note)][..],
            body: value.as_bytes(),
            own_body: None,
            client: &|| None,
            came: Instant::now(),
            is_given_up: &|| is_given_up,
        })
    }
}

#[test]
fn an_insertion_for_which_nobody_waits_is_late_and_leaves_nothing_older() {
    for (note, is_given_up) in [("t=0", false), ("", true)] {
        let desk = Desk::new();
        assert_eq!(desk.put(&format!("{STAMPED}1"), "old", false).status, 204);
        let response = desk.put(&format!("{STAMPED}2 {note}"), "new", is_given_up);
        assert_eq!((response.status, response.note.status), (409, Some(Status::Late)));
        assert_eq!(desk.group.peek("Tom"), None);
        // What was newer stays.
        assert_eq!(desk.put(&format!("{STAMPED}4"), "newer", false).status, 204);
        let response = desk.put(&format!("{STAMPED}3 {note}"), "new", is_given_up);
        assert_eq!(response.note.status, Some(Status::Late));
        assert_eq!(desk.group.peek("Tom").unwrap(), "newer");
        assert_eq!(desk.group.stats().late_changes, 2);
    }
    // A client of another program may end its side when it has sent all.
    assert_eq!(Desk::new().put("p=geecache t=60000", "v", true).status, 204);
}
