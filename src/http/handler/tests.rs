//! The handler without a server, called as one would.

use std::io;
use std::time::{Duration, Instant};

use super::replies::MAX_TEXT_BYTES;
use super::*;
use crate::byteview::ByteView;
use crate::getter::Loaded;
use crate::group::Group;
use crate::http::protocol::{Plus, Protocol};
use crate::peers::NoPeers;
use crate::registry::Registry;

mod foreign;
mod operations;

/// A peer's handler that serves one group with keys for every situation.
struct Bench {
    handler: PeerHandler,
    group: Group,
}

impl Bench {
    fn new() -> Self {
        Self::with(Protocol::GeeCache, Plus::Space)
    }

    fn with(protocol: Protocol, plus: Plus) -> Self {
        let group = Group::new("scores", 1 << 20, |key: &str| match key {
            "nobody" => Ok(Loaded::absent()),
            "gone soon" => Ok(Loaded::from("v").ttl(Duration::from_secs(600))),
            "fails" => Err(io::Error::other("the disk\nis gone")),
            "fails at length" => Err(io::Error::other("é".repeat(100_000))),
            "panics" => panic!("as asked"),
            "empty" => Ok(Loaded::from("")),
            _ => Ok(Loaded::from(format!("value of {key}"))),
        });
        let registry = Registry::new();
        registry.insert(&group).unwrap();
        let base_path = protocol.wire().base_path.to_owned();
        let serving = Serving {
            registry,
            base_path,
            protocol,
            plus,
            identity: Arc::default(),
            picker: Arc::new(NoPeers),
            handed_over: Arc::default(),
            pages: None,
            repeats: Arc::default(),
        };
        let door = Arc::new(Door::new(None, Arc::default()));
        let handler = PeerHandler::new("a peer".to_owned(), door, serving);
        Self { handler, group }
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> HttpResponse {
        self.send(method, target, headers, b"")
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> HttpResponse {
        send_to(&self.handler, method, target, headers, body)
    }

    fn get(&self, target: &str) -> HttpResponse {
        self.ask("GET", target, &[])
    }
}

/// The answer of a handler to a request.
fn send_to(
    handler: &PeerHandler,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> HttpResponse {
    handler.handle(&HttpRequest {
        method,
        target,
        headers: &headers,
        body,
        own_body: None,
        client: &|| None,
        came: Instant::now(),
        is_given_up: &|| false,
    })
}

#[track_caller]
fn assert_refused(response: &HttpResponse, code: u16, status: &str, text: &str) {
    assert_eq!(response.status, code);
    assert_eq!(response.note.status.map(Status::name), Some(status));
    assert_eq!(response.content_type, "text/plain; charset=utf-8");
    assert_eq!(std::str::from_utf8(&response.body), Ok(text));
}

#[test]
fn a_value_is_answered_as_it_is() {
    let bench = Bench::new();
    for (target, body) in [
        ("/_geecache/scores/Tom", "value of Tom"),
        ("/_geecache/scores/a+b", "value of a b"),
        ("/_geecache/scores/a%2Bb", "value of a+b"),
        ("/_geecache/scores/a/b", "value of a/b"),
        ("/_geecache/scores/Tom?x=y", "value of Tom"),
        ("/_geecache/scores/empty", ""),
    ] {
        for method in ["GET", "HEAD"] {
            let response = bench.ask(method, target, &[]);
            assert_eq!((response.status, &*response.body), (200, body.as_bytes()), "{target}");
            assert_eq!(response.content_type, "application/octet-stream");
            assert_eq!(response.headers, []);
        }
    }
    let bench = Bench::with(Protocol::GeeCache, Plus::Literal);
    assert_eq!(bench.get("/_geecache/scores/a+b").body[..], b"value of a+b"[..]);
}

#[test]
fn what_is_left_of_a_life_is_told() {
    let bench = Bench::new();
    for _ in 0..2 {
        let response = bench.get("/_geecache/scores/gone%20soon");
        let left = response.note.ttl.unwrap().as_millis();
        assert!((500_000..=600_000).contains(&left), "{left}");
    }
}

#[test]
fn the_protocol_decides_over_body_content_type_and_base_path() {
    let bench = Bench::with(Protocol::Groupcache, Plus::Space);
    let response = bench.get("/_groupcache/scores/a");
    assert_eq!(response.content_type, "application/x-protobuf");
    assert_eq!(response.body[..], b"\n\x0avalue of a"[..]);
    assert_eq!(bench.get("/_geecache/scores/a").status, 400);
}

#[test]
fn every_refusal_has_its_status_its_name_and_its_text() {
    let bench = Bench::new();
    let absent = bench.get("/_geecache/scores/nobody");
    assert_refused(&absent, 404, "not-found", "no \"nobody\" in group \"scores\"\n");
    let no_group = bench.get("/_geecache/ages/Tom");
    assert_refused(&no_group, 404, "no-such-group", "no such group: ages\n");
    let failed = bench.get("/_geecache/scores/fails");
    assert_refused(&failed, 500, "load-failed", "the disk\nis gone\n");
    let panicked = bench.get("/_geecache/scores/panics");
    assert_refused(&panicked, 500, "load-failed", "the getter panicked\n");
    for target in [
        "/",
        "*",
        "/_geecache/",
        "/_geecache/scores",
        "/_geecache/scores/",
        "/_geecache//Tom",
        "/_geecache/scores/%zz",
        "/_geecache/scores/%FF",
        "/_geecach/scores/Tom",
    ] {
        assert_refused(&bench.get(target), 400, "bad-request", "bad request\n");
    }
    // The key that panicked works, or fails, like any other afterwards.
    assert_refused(
        &bench.get("/_geecache/scores/panics"),
        500,
        "load-failed",
        "the getter panicked\n",
    );
}

#[test]
fn a_message_without_end_is_cut() {
    let bench = Bench::new();
    let response = bench.get("/_geecache/scores/fails%20at%20length");
    assert_eq!(response.status, 500);
    assert_eq!(response.body.len(), MAX_TEXT_BYTES + 1);
    assert!(std::str::from_utf8(&response.body).unwrap().ends_with("é\n"));
}

#[test]
fn unknown_methods_are_refused_and_change_nothing() {
    let bench = Bench::new();
    for method in ["PATCH", "OPTIONS", "TRACE", "get", "BREW"] {
        let response = bench.ask(method, "/_geecache/scores/Tom", &[]);
        assert_refused(&response, 405, "not-supported", "method not allowed\n");
        assert!(
            response.headers.iter().any(|(name, value)| *name == "Allow" && value.contains("GET"))
        );
    }
    assert_eq!(bench.group.stats().server_requests, 0);
}

#[test]
fn pages_of_a_browser_change_nothing() {
    let bench = Bench::new();
    bench.get("/_geecache/scores/Tom");
    let origin = &[("Origin", "http://elsewhere.example")];
    for (method, target) in [
        ("POST", "/_geecache/scores"),
        ("PUT", "/_geecache/scores/Tom"),
        ("DELETE", "/_geecache/scores/Tom"),
        ("DELETE", "/_geecache/scores"),
    ] {
        let response = bench.ask(method, target, origin);
        let text = "no page of a browser may ask for this\n";
        assert_refused(&response, 400, "bad-request", text);
    }
    assert!(bench.group.peek("Tom").is_some());
    assert_eq!(bench.ask("GET", "/_geecache/scores/Tom", origin).status, 200);
    let ours = &[(note::HEADER, "t=1000")];
    assert_eq!(bench.ask("DELETE", "/_geecache/scores/Tom", ours).status, 204);
}

#[test]
fn a_peer_in_a_hurry_is_told_in_time_and_the_load_goes_on() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let bench = Bench::new();
    let slow = Group::new("slow", 1 << 20, move |_: &str| {
        lock(&wait).recv_timeout(Duration::from_secs(10)).map(|()| "at last")
    });
    let serving = lock(&bench.handler.serving).clone().unwrap();
    serving.registry.insert(&slow).unwrap();
    let hurry = [("geecache", "t=30")];
    let response = bench.ask("GET", "/_geecache/slow/k", &hurry);
    assert_eq!(response.status, 504);
    assert_eq!(response.note.status, Some(Status::TimedOut));
    go.send(()).unwrap();
    // Nobody calls the getter a second time: it would wait for a second word.
    let patience = [("Geecache", "t=10000")];
    assert_eq!(bench.ask("GET", "/_geecache/slow/k", &patience).body[..], b"at last"[..]);
    assert_eq!(slow.stats().local_loads, 1);
    // What is in memory is there at once.
    assert_eq!(
        bench.ask("GET", "/_geecache/slow/k", &[("Geecache", "t=0")]).body[..],
        b"at last"[..]
    );
    let soon = bench.ask("GET", "/_geecache/slow/k", &[("Geecache", "t=soon")]);
    let text = "the `t` of the header Geecache can't be read\n";
    assert_refused(&soon, 400, "bad-request", text);
}

#[test]
fn after_the_end_nothing_is_held_and_late_requests_are_turned_away() {
    let witness = Arc::new(());
    let theirs = Arc::clone(&witness);
    let group = Group::new("held", 1 << 20, move |_: &str| {
        let _ = &theirs;
        Ok::<_, io::Error>("v")
    });
    let bench = Bench::new();
    let serving = lock(&bench.handler.serving).clone().unwrap();
    serving.registry.insert(&group).unwrap();
    drop((serving, group));
    assert_eq!(bench.get("/_geecache/held/k").status, 200);
    assert_eq!(Arc::strong_count(&witness), 2);
    bench.handler.close();
    assert_eq!(Arc::strong_count(&witness), 1);
    let late = bench.get("/_geecache/held/k");
    assert_refused(&late, 503, "shutting-down", "this peer is shutting down\n");
}
