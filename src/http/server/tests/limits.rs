//! Limits that only the guarded server has, up to their last byte.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::echo;
use super::support::{Client, PATIENCE, Served, limits};
use crate::http::server::{HttpResponse, Limits, Server};

#[test]
fn one_header_more_than_the_limit_gets_a_431() {
    let served = Served::new(Server::Guarded, limits(), echo);
    // With the host they are 64, and 65.
    for (headers, expected) in [(63, 200), (64, 431)] {
        let mut client = Client::connect(served.addr);
        let headers = "X: y\r\n".repeat(headers);
        client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).unwrap();
        assert_eq!(client.answer().unwrap().status, expected);
    }
}

#[test]
fn one_byte_of_a_head_more_than_the_limit_gets_a_431() {
    let most = limits().max_head_bytes;
    let served = Served::new(Server::Guarded, limits(), echo);
    for (length, expected) in [(most, 200), (most + 1, 431)] {
        let mut client = Client::connect(served.addr);
        let start = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
        let filler = "y".repeat(length - start.len() - "\r\n\r\n".len());
        client.send(format!("{start}{filler}\r\n\r\n")).unwrap();
        assert_eq!(client.answer().unwrap().status, expected, "{length}");
    }
}

#[test]
fn body_that_drips_is_given_up_at_its_deadline() {
    let limits = Limits { io: Duration::from_millis(300), ..limits() };
    let served = Served::new(Server::Guarded, limits, echo);
    let mut client = Client::connect(served.addr);
    let started = Instant::now();
    client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").unwrap();
    // Each byte comes long before a timeout that begins again with each byte.
    while client.send("x").is_ok() && !client.has_answer_within(Duration::from_millis(20)) {
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(client.answer().unwrap().status, 408);
    assert!(client.is_closed());
}

#[test]
fn refused_client_that_goes_on_is_read_for_a_moment_only() {
    let served = Served::new(Server::Guarded, limits(), echo);
    let mut stream = TcpStream::connect(served.addr).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/9.9\r\n\r\n").unwrap();
    let (chunk, started, mut sent) = (vec![b'x'; 64 * 1024], Instant::now(), 0);
    while stream.write_all(&chunk).is_ok() {
        sent += chunk.len();
        assert!(started.elapsed() < PATIENCE && sent < 64 << 20, "{sent} bytes are taken");
    }
    assert_eq!(Client::connect(served.addr).get("/").status, 200);
}

/// Nobody has read them, so nobody can have answered.
#[test]
fn client_that_takes_no_answer_is_given_up() {
    let limits = Limits { io: Duration::from_millis(300), ..limits() };
    let served =
        Served::new(Server::Guarded, limits, |_| HttpResponse::text(200, vec![7; 64 << 20]));
    let mut client = Client::connect(served.addr);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let deadline = Instant::now() + PATIENCE;
    // The one that asks is counted as well.
    while served.running.health().connections != Some(0) {
        assert!(Instant::now() < deadline, "{:?}", served.running.health());
        std::thread::yield_now();
    }
}
