//! Spans, and the `traceparent` of requests between peers. A program of its own, as it sees all
//! spans of the process.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use geecache::{Error, Group, HttpPool, HttpPoolBuilder, Server, traceparent, with_traceparent};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const SECRET: &str = "c2VjcmV0LW9mLXRoZS1jbHVzdGVy";
const SOON: Duration = Duration::from_secs(20);

/// A span, as the subscriber heard of it.
#[derive(Debug, Clone)]
struct Seen {
    metadata: &'static Metadata<'static>,
    parent: Option<u64>,
    fields: String,
}

static SPANS: Mutex<Option<HashMap<u64, Seen>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static STACK: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Remembers all spans.
struct Watcher;

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.fields, "{field}={value:?};").unwrap();
    }
}

fn with_spans<R>(work: impl FnOnce(&mut HashMap<u64, Seen>) -> R) -> R {
    work(SPANS.lock().unwrap().get_or_insert_default())
}

impl Subscriber for Watcher {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "geecache" || metadata.target() == "program"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let current = || STACK.with_borrow(|stack| stack.last().copied());
        let parent = if span.is_contextual() { current() } else { None };
        let mut seen = Seen { metadata: span.metadata(), parent, fields: String::new() };
        span.record(&mut seen);
        with_spans(|spans| spans.insert(id, seen));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        with_spans(|spans| values.record(spans.get_mut(&span.into_u64()).unwrap()));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        STACK.with_borrow_mut(|stack| stack.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let left = STACK.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(span.into_u64()), "spans are left in order");
    }

    fn current_span(&self) -> Current {
        let Some(id) = STACK.with_borrow(|stack| stack.last().copied()) else {
            return Current::none();
        };
        Current::new(Id::from_u64(id), with_spans(|spans| spans[&id].metadata))
    }
}

fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| tracing::subscriber::set_global_default(Watcher).unwrap());
}

/// The spans called `name` with all of `parts` among their fields, in order.
fn spans(name: &str, parts: &[&str]) -> Vec<Seen> {
    let mut found: Vec<(u64, Seen)> = with_spans(|spans| {
        let fits = |seen: &Seen| {
            seen.metadata.name() == name && parts.iter().all(|part| seen.fields.contains(part))
        };
        spans.iter().filter(|(_, seen)| fits(seen)).map(|(id, seen)| (*id, seen.clone())).collect()
    });
    found.sort_by_key(|(id, _)| *id);
    found.into_iter().map(|(_, seen)| seen).collect()
}

/// The names of the spans that a span is in, the innermost first.
fn ancestors(span: &Seen) -> Vec<&'static str> {
    let (mut names, mut next) = (Vec::new(), span.parent);
    with_spans(|spans| {
        while let Some(id) = next {
            names.push(spans[&id].metadata.name());
            next = spans[&id].parent;
        }
    });
    names
}

fn options(server: Server) -> HttpPoolBuilder {
    HttpPool::builder().server(server).token(SECRET).timeout(SOON).connect_timeout(SOON)
}

/// A peer whose getter answers with the traceparent that it sees.
fn owner(group: &str, server: Server) -> (HttpPool, Group) {
    watch();
    let pool = options(server).bind("127.0.0.1:0").unwrap();
    let echo = |_: &str| Ok::<_, String>(traceparent().unwrap_or_else(|| "none".to_owned()));
    let group = Group::new(group, 1 << 20, echo);
    pool.add(&group).unwrap();
    pool.set_peers([pool.url().unwrap()]).unwrap();
    (pool, group)
}

/// A group of a process that only asks `owner`.
fn asker(group: &str, owner: &HttpPool, options: HttpPoolBuilder) -> (HttpPool, Group) {
    let pool = options.client([owner.url().unwrap()]).unwrap();
    let group = Group::remote(group);
    pool.add(&group).unwrap();
    (pool, group)
}

#[test]
fn get_shows_in_spans_on_both_sides() {
    for (server, name) in [(Server::Guarded, "seen-g"), (Server::TinyHttp, "seen-t")] {
        let (owner, theirs) = owner(name, server);
        let (_client, ours) = asker(name, &owner, options(server).traceparent(|| Some(ONE.into())));
        let program = tracing::info_span!(target: "program", "request");
        assert_eq!(program.in_scope(|| ours.get("Tom")).unwrap(), ONE);

        let group = format!("group={name};");
        let gets = spans("get", &[&group, "key=Tom;keys=1;"]);
        assert_eq!(ancestors(&gets[0]), ["request"]);
        let asked = spans("peer_request", &[&group, "operation=\"get\"", "outcome=answered;"]);
        assert_eq!(ancestors(&asked[0]), ["get", "request"]);
        assert!(asked[0].fields.contains(owner.url().unwrap()), "{asked:?}");
        let target = format!("target=/_geecache/{name}/Tom;");
        let parts = ["method=GET;", &target, &format!("traceparent=\"{ONE}\";"), "outcome=200;"];
        let served = spans("serve", &parts);
        assert_eq!(served.len(), 1, "{:?}", spans("serve", &[]));
        let loads = spans("load", &[&group, "key=Tom;keys=1;outcome=loaded;"]);
        assert_eq!(loads.len(), 1);
        assert_eq!(ancestors(&loads[0]), ["serve"], "also on a thread of the group");

        // A value in memory has no span.
        assert_eq!(theirs.get("Tom").unwrap(), ONE);
        assert_eq!(spans("get", &[&group]).len(), gets.len());
        with_spans(|spans| {
            assert!(spans.values().all(|seen| !seen.fields.contains(SECRET)), "{spans:?}");
        });
        owner.shutdown();
    }
}

#[test]
fn batch_over_many_owners_is_one_trace() {
    let name = "owners";
    let owners = [(); 4].map(|()| owner(name, Server::Guarded));
    let urls = || owners.iter().filter_map(|(pool, _)| pool.url());
    for (pool, _) in &owners {
        pool.set_peers(urls()).unwrap();
    }
    let client = options(Server::Guarded).client(urls()).unwrap();
    let ours = Group::remote(name);
    client.add(&ours).unwrap();
    let keys = Vec::from_iter((0..200).map(|n| format!("key {n}")));
    let program = tracing::info_span!(target: "program", "batch");
    let values = program.in_scope(|| with_traceparent(ONE, || ours.get_many(&keys)));
    assert!(values.iter().all(|value| value.as_ref().is_ok_and(|value| value == ONE)));
    let asked = spans("peer_request", &["group=owners;", "operation=\"get_many\""]);
    assert!(asked.len() >= 4, "each owner is asked: {asked:?}");
    assert!(asked.iter().all(|span| ancestors(span) == ["get", "batch"]), "{asked:?}");
    assert!(asked.iter().all(|span| !span.fields.contains("key ")), "{asked:?}");
}

#[test]
fn failures_show_in_the_outcome() {
    watch();
    let group = Group::new("down", 1 << 20, |key: &str| match key {
        "gone" => Ok(None::<&str>),
        _ => Err("the disk is gone"),
    });
    assert!(matches!(group.get("gone"), Err(Error::NotFound { .. })));
    assert!(matches!(group.get("broken"), Err(Error::Load { .. })));
    assert_eq!(spans("load", &["group=down;", "key=gone;keys=1;outcome=loaded;"]).len(), 1);
    assert_eq!(spans("load", &["group=down;", "key=broken;keys=1;outcome=failed;"]).len(), 1);

    let pool = HttpPool::client(["http://127.0.0.1:1"]).unwrap();
    let far = Group::new("far", 1 << 20, |_: &str| Ok::<_, String>("mine"));
    pool.add(&far).unwrap();
    assert_eq!(far.get("Tom").unwrap(), "mine");
    let asked = spans("peer_request", &["group=far;"]);
    assert!(asked[0].fields.contains("outcome=is unreachable;"), "{asked:?}");
}

#[test]
fn traceparent_of_the_program_comes_before_that_of_the_thread() {
    let (owner, _) = owner("first", Server::Guarded);
    let hook = || (traceparent().is_some_and(|current| current == ONE)).then(|| OTHER.to_owned());
    let (_client, ours) = asker("first", &owner, options(Server::Guarded).traceparent(hook));
    assert_eq!(with_traceparent(ONE, || ours.get("a")).unwrap(), OTHER);
    assert_eq!(ours.get("b").unwrap(), "none");
    let unset = asker("first", &owner, options(Server::Guarded)).1;
    assert_eq!(with_traceparent(ONE, || unset.get("c")).unwrap(), ONE);
}

#[test]
fn what_a_getter_asks_of_others_belongs_to_the_same_trace() {
    let (last, _) = owner("last", Server::Guarded);
    let (middle_pool, middle) = {
        let (client, last) = asker("last", &last, options(Server::Guarded));
        let pool = options(Server::Guarded).bind("127.0.0.1:0").unwrap();
        let group = Group::new("middle", 1 << 20, move |key: &str| {
            let _kept = &client;
            last.get(key)
        });
        pool.add(&group).unwrap();
        pool.set_peers([pool.url().unwrap()]).unwrap();
        (pool, group)
    };
    let hook = || Some(ONE.to_owned());
    let (_client, ours) = asker("middle", &middle_pool, options(Server::Guarded).traceparent(hook));
    assert_eq!(ours.get("Tom").unwrap(), ONE);
    assert_eq!(middle.get("Jack").unwrap(), "none", "the thread is free of it again");
}

#[test]
fn garbage_of_the_program_is_not_sent() {
    let (owner, _) = owner("garbage", Server::Guarded);
    let wrong = ["", "garbage", &ONE[1..], "00-x\r\nAuthorization: Bearer y", &ONE.to_uppercase()];
    for (n, wrong) in wrong.into_iter().enumerate() {
        let wrong = wrong.to_owned();
        let hook = options(Server::Guarded).traceparent(move || Some(wrong.clone()));
        let ours = asker("garbage", &owner, hook);
        assert_eq!(ours.1.get(&n.to_string()).unwrap(), "none");
    }
    let hook = options(Server::Guarded).traceparent(|| panic!("the program's hook panics"));
    assert_eq!(asker("garbage", &owner, hook).1.get("panic").unwrap(), "none");
}

#[test]
fn garbage_from_the_wire_is_nothing() {
    for (server, name) in [(Server::Guarded, "wire-g"), (Server::TinyHttp, "wire-t")] {
        let (pool, _group) = owner(name, server);
        let long = "0".repeat(4_000);
        let zero = ONE.replace("00f067aa0ba902b7", &"0".repeat(16));
        let wrong = ["", "garbage", &ONE.to_uppercase(), &long, &format!("{ONE}-00"), &zero];
        for (n, wrong) in wrong.into_iter().enumerate() {
            assert_eq!(raw_get(&pool, name, n, wrong), "none", "{wrong:?}");
        }
        assert_eq!(raw_get(&pool, name, wrong.len(), ONE), ONE);
        let served = spans("serve", &[&format!("/_geecache/{name}/"), "traceparent="]);
        assert_eq!(served.len(), 1, "only what is valid is recorded: {served:?}");
        pool.shutdown();
    }
}

/// The body of the answer to a request with such a header.
fn raw_get(pool: &HttpPool, group: &str, key: usize, traceparent: &str) -> String {
    let addr = pool.url().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!(
        "GET /_geecache/{group}/{key} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\
         Authorization: Bearer {SECRET}\r\nTraceParent: {traceparent}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
