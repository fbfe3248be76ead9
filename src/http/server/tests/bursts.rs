//! Many clients at once.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::echo;
use super::support::{Client, Gate, Served, limits, on_each_server};
use crate::http::server::{HttpRequest, HttpResponse, Limits, Server};

on_each_server! {
    no_request_of_a_burst_on_a_fresh_server_is_left_unanswered,
    two_hundred_kept_connections_at_once_are_all_answered,
    burst_on_a_server_that_was_quiet_is_answered,
    burst_beside_connections_that_ask_nothing_is_answered,
    requests_past_the_bound_get_a_503,
}

fn no_request_of_a_burst_on_a_fresh_server_is_left_unanswered(server: Server) {
    for round in 0..20 {
        let served = Served::new(server, limits(), echo);
        burst(&served, 16, &format!("round {round}"));
    }
}

fn two_hundred_kept_connections_at_once_are_all_answered(server: Server) {
    let served = Served::new(server, limits(), echo);
    burst(&served, 200, "first");
    // Connections that ended leave idle threads behind, which is when tiny_http starves new ones.
    burst(&served, 200, "second");
}

/// tiny_http's supervisor naps a second at a time when nobody asks for anything.
fn burst_on_a_server_that_was_quiet_is_answered(server: Server) {
    let served = Served::new(server, limits(), echo);
    thread::sleep(Duration::from_millis(1500));
    burst(&served, 64, "after a quiet second");
}

/// The threads that tiny_http gives to silent connections must not be missed.
fn burst_beside_connections_that_ask_nothing_is_answered(server: Server) {
    let served = Served::new(server, limits(), echo);
    let _silent: Vec<_> = (0..20).map(|_| Client::connect(served.addr)).collect();
    burst(&served, 50, "burst");
}

fn requests_past_the_bound_get_a_503(server: Server) {
    let gate = Gate::new();
    let handler = {
        let gate = Arc::clone(&gate);
        move |request: &HttpRequest<'_>| {
            if request.target == "/held" {
                gate.enter();
            }
            HttpResponse::text(200, "done")
        }
    };
    let served = Served::new(server, Limits { max_in_flight: 2, ..limits() }, handler);
    let mut held: Vec<_> = (0..2).map(|_| Client::connect(served.addr)).collect();
    for client in &mut held {
        client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    }
    gate.wait_for(2);
    assert_eq!(served.running.health().in_flight, 2);

    let mut late = Client::connect(served.addr);
    for _ in 0..3 {
        assert_eq!(late.get("/late").status, 503);
    }
    assert_eq!(served.running.health().rejected, 3);

    gate.open();
    for client in &mut held {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    // An answer is out before its place is free.
    let deadline = Instant::now() + Duration::from_secs(10);
    while late.get("/late").status != 200 {
        assert!(Instant::now() < deadline, "the bound is never lifted");
    }
}

/// `clients` connect at once and ask three times each; none lets go of its connection before all
/// are answered.
fn burst(served: &Served, clients: usize, what: &str) {
    let ready = Arc::new(Barrier::new(clients));
    let done = Arc::new(Barrier::new(clients));
    let addr = served.addr;
    let started = Instant::now();
    let threads: Vec<_> = (0..clients)
        .map(|n| {
            let (ready, done) = (Arc::clone(&ready), Arc::clone(&done));
            thread::spawn(move || {
                ready.wait();
                let mut client = Client::connect(addr);
                let answers: Vec<_> =
                    (0..3).map(|k| client.try_get(&format!("/{n}/{k}"))).collect();
                done.wait();
                answers
            })
        })
        .collect();
    for (n, thread) in threads.into_iter().enumerate() {
        for (k, answer) in thread.join().unwrap().into_iter().enumerate() {
            let answer = answer.unwrap_or_else(|error| panic!("{what}: /{n}/{k}: {error}"));
            assert_eq!((answer.status, answer.text()), (200, format!("GET /{n}/{k}")), "{what}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(9), "{what}: {:?}", started.elapsed());
}
