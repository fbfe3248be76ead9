//! Each situation is a function that runs against both servers.

mod support;

use std::{
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use self::support::{Client, Served, limits, on_each_server};
use super::{Request, Response, Server};

on_each_server! {
    no_request_of_a_burst_on_a_fresh_server_is_left_unanswered,
    two_hundred_kept_connections_at_once_are_all_answered,
}

fn echo(request: &Request<'_>) -> Response {
    Response::text(200, format!("{} {}", request.method, request.target))
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

/// `clients` connect at once and ask three times each; none lets go of its connection before all are answered.
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
    assert!(started.elapsed() < Duration::from_secs(8), "{what}: {:?}", started.elapsed());
}
