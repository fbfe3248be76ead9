//! Clients that are slow, by nature or on purpose, and how many others they keep waiting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::support::{Client, LONG, PATIENCE, Served, limits, on_each_server};
use crate::http::server::{HttpRequest, HttpResponse, Limits, Server};

on_each_server! {
    readers_that_do_not_read_keep_nobody_else_waiting,
    bodies_that_stop_keep_nobody_else_waiting,
    requests_to_upgrade_keep_nobody_else_waiting,
    answer_that_was_cut_short_is_the_last_of_its_connection,
}

/// The bound of requests, and more clients than it takes to reach it in each way.
const BOUND: usize = 4;
const MANY: usize = 5 * BOUND;

/// Answers `/long` with more than sockets take, and everything else with a word.
fn served(server: Server, limits: Limits) -> Served {
    Served::new(server, limits, |request: &HttpRequest<'_>| match request.target {
        "/long" => HttpResponse::text(200, LONG.clone()),
        _ => HttpResponse::text(200, "short"),
    })
}

fn bounded() -> Limits {
    Limits { max_in_flight: BOUND, idle: PATIENCE, io: PATIENCE, ..limits() }
}

/// Waits until `n` requests have come, and none of them has a handler any more.
#[track_caller]
fn wait_until_handled(served: &Served, n: usize) {
    let deadline = Instant::now() + PATIENCE / 2;
    loop {
        let health = served.running.health();
        if health.requests == n as u64 && health.in_flight == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{health:?}");
        thread::yield_now();
    }
}

#[track_caller]
fn assert_others_are_answered(served: &Served) {
    let mut others: Vec<_> = (0..BOUND).map(|_| Client::connect(served.addr)).collect();
    for other in &mut others {
        // Short enough for tiny_http to have all of it before anybody is asked.
        other.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab").unwrap();
        assert_eq!(other.answer().unwrap().text(), "short");
        assert_eq!(other.get("/").text(), "short");
    }
}

fn readers_that_do_not_read_keep_nobody_else_waiting(server: Server) {
    for target in ["/long", "/long-at-once"] {
        let served = served(server, bounded());
        let mut readers = Vec::new();
        for n in 1..=MANY {
            let mut reader = Client::connect(served.addr);
            reader.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap();
            readers.push(reader);
            wait_until_handled(&served, n);
        }
        assert_others_are_answered(&served);
    }
}

fn bodies_that_stop_keep_nobody_else_waiting(server: Server) {
    let served = served(server, bounded());
    let mut senders = Vec::new();
    for (n, head) in ["", "Expect: 100-continue\r\n"].iter().cycle().take(MANY).enumerate() {
        let mut sender = Client::connect(served.addr);
        let head = format!("PUT / HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 5000\r\n\r\n");
        sender.send(format!("{head}a")).unwrap();
        senders.push(sender);
        wait_until_handled(&served, n + 1);
    }
    assert_others_are_answered(&served);
    // They are slow, but they mean well.
    for sender in &mut senders {
        sender.send("b".repeat(4999)).unwrap();
        let mut answer = sender.answer().unwrap();
        if answer.status == 100 {
            answer = sender.answer().unwrap();
        }
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        assert_eq!(sender.get("/").text(), "short");
    }
}

fn requests_to_upgrade_keep_nobody_else_waiting(server: Server) {
    let served = served(server, bounded());
    let mut clients: Vec<_> = (0..MANY).map(|_| Client::connect(served.addr)).collect();
    for client in &mut clients {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n";
        client.send(format!("{head}Content-Length: 5000\r\n\r\n")).unwrap();
    }
    assert_others_are_answered(&served);
}

/// Whatever came after it would be taken for the rest of the value.
fn answer_that_was_cut_short_is_the_last_of_its_connection(server: Server) {
    let (io, idle) = (Duration::from_millis(500), Duration::from_secs(4));
    let served = served(server, Limits { max_in_flight: 1, io, idle, ..limits() });
    let mut stream = TcpStream::connect(served.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // Some of it is there. Then nothing is read until the server has given up: tiny_http has room
    // for another long answer then, and the guarded server has closed the connection.
    stream.read_exact(&mut [0; 1000]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let has_given_up = || match server {
        Server::TinyHttp => Client::connect(served.addr).get("/long").status == 200,
        Server::Guarded => served.running.health().connections == Some(0),
    };
    while !has_given_up() {
        assert!(Instant::now() < deadline, "{:?}", served.running.health());
        thread::sleep(Duration::from_millis(10));
    }
    let _ = stream.write_all(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 32 << 20, "all of it came");
    assert!(rest.iter().all(|&byte| byte == b'x'), "something came after it");
}
