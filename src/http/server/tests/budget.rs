//! The memory that bodies take together.

use std::sync::Arc;
use std::thread;

use super::support::{Client, Gate, PATIENCE, Served, limits, on_each_server};
use crate::http::budget::Budget;
use crate::http::server::{HttpRequest, HttpResponse, Limits, Server};

on_each_server! {
    long_body_waits_for_room_until_its_time_is_over,
    long_answer_waits_for_room_until_its_time_is_over,
}

/// Limits with so many bytes for what is received, and as many for what is written.
fn limits_with(bytes: u64) -> Limits {
    let budget = Arc::new(Budget::new(4 * bytes));
    Limits { budget, max_body_bytes: 4 << 20, ..limits() }
}

fn put(target: &str, patience_ms: u64, body: &[u8]) -> Vec<u8> {
    let head = format!("PUT {target} HTTP/1.1\r\nHost: x\r\nX-Patience-Ms: {patience_ms}");
    let length = body.len();
    [format!("{head}\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body].concat()
}

fn long_body_waits_for_room_until_its_time_is_over(server: Server) {
    let gate = Gate::new();
    let inside = Arc::clone(&gate);
    let served = Served::new(server, limits_with(2 << 20), move |request: &HttpRequest<'_>| {
        if request.target == "/held" {
            inside.enter();
        }
        HttpResponse::text(200, request.body.len().to_string())
    });
    let mut held = Client::connect(served.addr);
    held.send(put("/held", 60_000, &[7; 2 << 20])).unwrap();
    gate.wait_for(1);
    let mut hasty = Client::connect(served.addr);
    // The server may refuse it before all of it has come.
    let _ = hasty.send(put("/", 50, &[7; 1 << 20]));
    let refused = hasty.answer().unwrap();
    assert_eq!((refused.status, refused.header("x-overloaded")), (503, Some("yes")));
    assert_eq!(served.running.health().rejected, 1);
    let mut short = Client::connect(served.addr);
    short.send(put("/", 50, &[7; 64 << 10])).unwrap();
    assert_eq!(short.answer().unwrap().text(), "65536", "short ones are not kept out");
    thread::scope(|threads| {
        let patient = threads.spawn(|| {
            let mut client = Client::connect(served.addr);
            client.send(put("/", 60_000, &[7; 1 << 20])).unwrap();
            client.answer().unwrap().text()
        });
        gate.open();
        assert_eq!(held.answer().unwrap().text(), (2 << 20).to_string());
        assert_eq!(patient.join().unwrap(), (1 << 20).to_string());
    });
}

fn long_answer_waits_for_room_until_its_time_is_over(server: Server) {
    const LENGTH: usize = 32 << 20;
    let value = crate::byteview::ByteView::from(vec![7; LENGTH]);
    let served =
        Served::new(server, limits_with(LENGTH as u64), move |request: &HttpRequest<'_>| {
            let is_long = request.target == "/long";
            HttpResponse::text(200, if is_long { value.clone() } else { "short".into() })
        });
    let ask = |method: &str, patience_ms: u64| {
        let mut client = Client::connect(served.addr);
        let head = format!("{method} /long HTTP/1.1\r\nHost: x\r\nX-Patience-Ms: {patience_ms}");
        client.send(format!("{head}\r\n\r\n")).unwrap();
        client
    };
    let mut slow = ask("GET", 60_000);
    // It is more than the system keeps on the way.
    assert!(slow.has_answer_within(PATIENCE));
    let refused = ask("GET", 50).answer().unwrap();
    assert_eq!((refused.status, refused.header("x-overloaded")), (503, Some("yes")));
    assert_eq!(served.running.health().rejected, 1);
    assert_eq!(ask("HEAD", 50).answer_to("HEAD").unwrap().status, 200, "it has no body");
    assert_eq!(Client::connect(served.addr).get("/").text(), "short");
    assert_eq!(slow.answer().unwrap().body.len(), LENGTH);
    assert_eq!(ask("GET", 60_000).answer().unwrap().body.len(), LENGTH, "there is room again");
}
