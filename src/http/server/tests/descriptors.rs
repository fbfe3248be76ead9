//! Listeners that fail to accept.

use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, thread};

use super::echo;
use super::support::{Client, PATIENCE, Served, limits, on_each_server};
use crate::http::server::{Handler, HttpRequest, HttpResponse, Server, bind};

on_each_server! {
    listener_that_failed_accepts_again_within_three_seconds,
    process_out_of_descriptors_serves_again_when_it_has_some,
    start_that_fails_half_way_leaves_nothing,
}

/// Names the descriptors that a process started by these tests may have.
const CHILD: &str = "GEECACHE_TEST_DESCRIPTORS";

/// A listener that does not block fails with every `accept` that finds nobody.
fn listener_that_failed_accepts_again_within_three_seconds(server: Server) {
    let listener = bind("127.0.0.1:0").unwrap();
    let switch = listener.try_clone().unwrap();
    let served = Served::on(listener, server, limits(), echo);
    let mut kept = Client::connect(served.addr);
    assert_eq!(kept.get("/").status, 200);

    switch.set_nonblocking(true).unwrap();
    let mut during = Client::connect(served.addr);
    during.send("GET /during HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let failing = Instant::now();
    while served.running.health().accept_restarts == 0 {
        assert_eq!(kept.get("/").status, 200);
        assert!(failing.elapsed() < Duration::from_secs(10), "accepting goes on all the same");
    }
    switch.set_nonblocking(false).unwrap();

    let mended = Instant::now();
    let mut after = Client::connect(served.addr);
    assert_eq!(after.get("/after").text(), "GET /after");
    assert_eq!(during.answer().unwrap().text(), "GET /during");
    assert_eq!(kept.get("/").status, 200);
    assert!(mended.elapsed() < Duration::from_secs(5), "{:?}", mended.elapsed());
}

/// Runs itself in a process of 64, and of 65, descriptors: tiny_http needs two for a connection,
/// and it fails in one way when it gets none of them, and in another when it gets one. (Whether the
/// last one goes to a client or to the server is up to chance.)
fn process_out_of_descriptors_serves_again_when_it_has_some(server: Server) {
    if let Ok(name) = env::var(CHILD) {
        return exhaust_descriptors(server, &name);
    }
    run_with_descriptors(
        server,
        "process_out_of_descriptors_serves_again_when_it_has_some",
        &["64", "65"],
    );
}

/// Runs a test of this module in processes that may have so many descriptors.
#[track_caller]
fn run_with_descriptors(server: Server, test: &str, descriptors: &[&str]) {
    let module = if server == Server::TinyHttp { "tiny_http" } else { "guarded" };
    let here = module_path!().split_once("::").unwrap().1;
    let test = format!("{here}::{module}::{test}");
    for descriptors in descriptors {
        let output = Command::new("sh")
            .args(["-c", r#"ulimit -n "$1"; shift; exec "$@""#, "sh", descriptors])
            .arg(env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture", "--test-threads", "1"])
            .env(CHILD, descriptors)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{descriptors} descriptors: {told}\n{failed}");
        assert!(told.contains("1 passed"), "{descriptors} descriptors: {told}\n{failed}");
    }
}

fn exhaust_descriptors(server: Server, descriptors: &str) {
    let served = Served::new(server, limits(), echo);
    let mut kept = Client::connect(served.addr);
    assert_eq!(kept.get("/").status, 200);

    let mut hoard = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        match TcpStream::connect(served.addr) {
            Ok(stream) => hoard.push(stream),
            // The guarded server ends the connection that is idle for longest, which may be this
            // one.
            Err(_) if server == Server::Guarded => thread::yield_now(),
            Err(_) => assert_eq!(kept.get("/").status, 200),
        }
    }
    assert!(hoard.len() > 10, "{} connections", hoard.len());

    drop(hoard);
    let freed = Instant::now();
    // A connection that the dying generation of tiny_http had accepted may end without an answer.
    let after = loop {
        match Client::connect(served.addr).try_get("/after") {
            Ok(answer) => break answer,
            Err(error) => {
                assert!(freed.elapsed() < Duration::from_secs(6), "{descriptors}: {error}")
            }
        }
    };
    assert_eq!(after.text(), "GET /after");
    assert!(freed.elapsed() < Duration::from_secs(6), "at {descriptors}: {:?}", freed.elapsed());
}

/// Starts a server with no descriptor to spare, with one, and so on until that succeeds.
fn start_that_fails_half_way_leaves_nothing(server: Server) {
    if env::var(CHILD).is_err() {
        return run_with_descriptors(server, "start_that_fails_half_way_leaves_nothing", &["64"]);
    }
    let threads = threads();
    let mut failures = 0;
    for spare in 0.. {
        let listener = bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        hoard.truncate(hoard.len() - spare);
        let started = server.start(listener, limits(), None, Arc::new(Echo));
        drop(hoard);
        let is_started = started.is_ok();
        if let Ok(running) = started {
            running.shutdown();
        } else {
            failures += 1;
        }
        until(&format!("the port is free, with {spare} to spare"), || bind(addr).is_ok());
        if is_started {
            break;
        }
        let what = format!("the threads are gone, with {spare} to spare");
        until(&what, || self::threads() == threads);
    }
    assert!(failures > 0);
}

struct Echo;

impl Handler for Echo {
    fn at_once(&self, _request: &HttpRequest<'_>) -> Option<HttpResponse> {
        None
    }

    fn admit(&self, _request: &HttpRequest<'_>) -> Result<(), HttpResponse> {
        Ok(())
    }

    fn handle(&self, request: &HttpRequest<'_>) -> HttpResponse {
        echo(request)
    }

    fn overloaded(&self, reason: &'static str) -> HttpResponse {
        HttpResponse::text(503, reason)
    }
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The threads of this process; none where that can't be told.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
