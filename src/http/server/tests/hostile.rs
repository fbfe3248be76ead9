//! Clients that mean harm, or do not know what they do.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::echo;
use super::support::{Client, PATIENCE, Served, limits, on_each_server};
use crate::http::server::{HttpResponse, Limits, Server};

on_each_server! {
    malformed_requests_harm_nobody_else,
    huge_content_length_gets_a_413,
    client_that_leaves_in_the_middle_harms_nobody_else,
    preface_of_http_2_harms_nobody_else,
    client_that_resets_harms_nobody_else,
    header_that_is_not_ascii_harms_nobody_else,
}

/// What a request comes to: its answer's status, or `CLOSED` without one, or `SILENCE`.
type Outcome = u16;
const CLOSED: Outcome = 0;
const SILENCE: Outcome = 1;

/// What, the request, its outcome in the guarded server, and in tiny_http where that differs. Where
/// tiny_http answers a 200, it does not see what is wrong.
const MALFORMED: &[(&str, &str, Outcome, Option<Outcome>)] = &[
    ("garbage", "\u{1}\u{2}\u{3}\r\n\r\n", 400, None),
    ("one word", "HELLO\r\n\r\n", 400, None),
    ("two words", "GET /\r\n\r\n", 400, None),
    ("four words", "GET / HTTP/1.1 x\r\nHost: x\r\n\r\n", 400, Some(200)),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, None),
    ("method that is no token", "G@T(/ / HTTP/1.1\r\nHost: x\r\n\r\n", 400, Some(200)),
    ("HTTP/0.9", "GET / HTTP/0.9\r\n\r\n", 505, Some(200)),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, Some(400)),
    ("no version", "GET / FTP/1.1\r\nHost: x\r\n\r\n", 400, None),
    ("no host", "GET / HTTP/1.1\r\n\r\n", 400, Some(200)),
    ("two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, Some(200)),
    ("no colon", "GET / HTTP/1.1\r\nHost: x\r\nBroken\r\n\r\n", 400, None),
    ("no name", "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400, Some(200)),
    ("space before colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, None),
    ("folded header", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", 400, None),
    ("folded header with a colon", "GET / HTTP/1.1\r\nHost: x\r\n X: y\r\n\r\n", 400, Some(200)),
    ("LF before a value", "GET / HTTP/1.1\r\nHost: x\r\nX:\nY: z\r\n\r\n", 400, Some(200)),
    ("NUL in a header", "GET / HTTP/1.1\r\nHost: \0\r\n\r\n", 400, None),
    ("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400, None),
    ("bare CR", "GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", 400, None),
    ("bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400, Some(SILENCE)),
    ("target that is not ASCII", "GET /你好 HTTP/1.1\r\nHost: x\r\n\r\n", 400, Some(CLOSED)),
    ("length of no digits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400, None),
    ("empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400, None),
    ("negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, None),
    ("length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nab", 400, None),
    ("list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nab", 400, None),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nabcde",
        400,
        None,
    ),
    (
        "length and encoding",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        400,
        None,
    ),
    (
        "encoding",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        411,
        None,
    ),
    (
        "broken chunk",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        411,
        None,
    ),
    ("unknown expectation", "GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417, None),
];

fn malformed_requests_harm_nobody_else(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut bystander = Client::connect(served.addr);
    for &(what, request, guarded, tiny) in MALFORMED {
        let expected = match server {
            Server::TinyHttp => tiny.unwrap_or(guarded),
            Server::Guarded => guarded,
        };
        assert_eq!(outcome(&served, request, expected), expected, "{what}");
        assert_eq!(bystander.get("/").status, 200, "after {what}");
    }
    served.wait_until_none_is_in_flight();
}

/// Sends `request`, and tells what comes back. Only silence, where it is expected, is not waited
/// for with patience.
fn outcome(served: &Served, request: &str, expected: Outcome) -> Outcome {
    let mut client = Client::connect(served.addr);
    if expected == SILENCE {
        client.wait_at_most(Duration::from_millis(700));
    }
    client.send(request).unwrap();
    match client.answer() {
        Ok(answer) => answer.status,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => SILENCE,
        Err(_) => CLOSED,
    }
}

/// tiny_http allocates what is left of a body when the request is dropped, so it must never be
/// dropped: that leaks a thread and two descriptors, which is better than the process.
fn huge_content_length_gets_a_413(server: Server) {
    let served = Served::new(server, limits(), echo);
    for (n, length) in
        ["1000000000000", "9223372036854775807", "9223372036854775808"].iter().enumerate()
    {
        let mut client = Client::connect(served.addr);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"))
            .unwrap();
        assert_eq!(client.answer().unwrap().status, 413, "{length}");
        assert_eq!(Client::connect(served.addr).get("/").status, 200);
        let abandoned = if server == Server::TinyHttp { n as u64 + 1 } else { 0 };
        assert_eq!(served.running.health().abandoned, abandoned);
    }
}

fn client_that_leaves_in_the_middle_harms_nobody_else(server: Server) {
    let served = Served::new(server, limits(), |_| HttpResponse::text(200, vec![7; 1024 * 1024]));
    let mut bystander = Client::connect(served.addr);
    for request in [
        "",
        "GET",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc",
    ] {
        for _ in 0..5 {
            Client::connect(served.addr).send(request).unwrap();
        }
        assert_eq!(bystander.get("/").status, 200, "{request:?}");
    }
}

/// tiny_http deadlocks one of its threads over the preface and never lets go of the connection.
fn preface_of_http_2_harms_nobody_else(server: Server) {
    let served = Served::new(server, limits(), echo);
    let expected = if server == Server::TinyHttp { SILENCE } else { 505 };
    for request in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"] {
        assert_eq!(outcome(&served, request, expected), expected, "{request:?}");
        assert_eq!(Client::connect(served.addr).get("/").status, 200);
    }
}

/// A thread of tiny_http panics where the reset comes before the connection is accepted.
fn client_that_resets_harms_nobody_else(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut bystander = Client::connect(served.addr);
    for _ in 0..100 {
        let mut stream = TcpStream::connect(served.addr).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        assert_eq!(bystander.get("/").status, 200);
    }
    assert_eq!(Client::connect(served.addr).get("/").status, 200);
}

/// tiny_http drops the connection as it reads such a line, before this crate learns of a request.
fn header_that_is_not_ascii_harms_nobody_else(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut bystander = Client::connect(served.addr);
    let expected = if server == Server::TinyHttp { CLOSED } else { 200 };
    for header in ["X-Region: São", "X-Region: 圣保罗", "X-Region: \u{85}"] {
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
        // What was asked before it is answered all the same.
        let mut client = Client::connect(served.addr);
        client.send(format!("GET /before HTTP/1.1\r\nHost: x\r\n\r\n{request}")).unwrap();
        assert_eq!(client.answer().unwrap().text(), "GET /before", "{header}");
        assert_eq!(client.answer().map_or(CLOSED, |answer| answer.status), expected, "{header}");
        assert_eq!(bystander.get("/").status, 200);
    }
}

/// What tiny_http can't do.
mod guarded_only {
    use super::*;

    #[test]
    fn refused_connection_is_closed() {
        let served = Served::new(Server::Guarded, limits(), echo);
        for (what, request, ..) in MALFORMED {
            let mut client = Client::connect(served.addr);
            client.send(request).unwrap();
            assert_eq!(client.answer().unwrap().header("connection"), Some("close"), "{what}");
            assert!(client.is_closed(), "{what}");
        }
    }

    #[test]
    fn head_that_drips_is_given_up_at_its_deadline() {
        let limits = Limits { head: Duration::from_millis(300), ..limits() };
        let served = Served::new(Server::Guarded, limits, echo);
        let mut client = Client::connect(served.addr);
        let started = Instant::now();
        // Each byte comes long before a timeout that begins again with each byte.
        for byte in "GET / HTTP/1.1\r\nHost: x\r\nX: ".bytes().chain(std::iter::repeat(b'x')) {
            if client.send([byte]).is_err() || client.has_answer_within(Duration::from_millis(20)) {
                break;
            }
            assert!(started.elapsed() < PATIENCE);
        }
        assert_eq!(client.answer().unwrap().status, 408);
        assert!(client.is_closed());
    }

    #[test]
    fn body_that_stops_is_given_up() {
        let served = Served::new(
            Server::Guarded,
            Limits { io: Duration::from_millis(300), ..limits() },
            echo,
        );
        let mut client = Client::connect(served.addr);
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").unwrap();
        assert_eq!(client.answer().unwrap().status, 408);
        assert!(client.is_closed());
    }

    #[test]
    fn megabyte_of_headers_gets_a_431() {
        let served = Served::new(Server::Guarded, limits(), echo);
        for header in ["X: y\r\n".to_owned(), format!("X: {}\r\n", "y".repeat(1024 * 1024))] {
            let mut client = Client::connect(served.addr);
            let headers = header.repeat(1024 * 1024 / header.len() + 1);
            client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).unwrap();
            assert_eq!(client.answer().unwrap().status, 431);
        }
    }

    #[test]
    fn endless_target_gets_a_414() {
        let served = Served::new(Server::Guarded, limits(), echo);
        let mut client = Client::connect(served.addr);
        client.send(format!("GET /{}", "x".repeat(1024 * 1024))).unwrap();
        assert_eq!(client.answer().unwrap().status, 414);
    }

    #[test]
    fn client_that_pipelines_and_never_reads_is_not_read_for_long() {
        let limits = Limits { io: Duration::from_millis(300), ..limits() };
        let served = Served::new(Server::Guarded, limits, echo);
        let mut stream = TcpStream::connect(served.addr).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
        let mut sent = 0;
        // The server stops reading once it can't write, and gives up when that does not change.
        while stream.write_all(requests.as_bytes()).is_ok() {
            sent += requests.len();
            assert!(sent < 64 * 1024 * 1024, "the server reads on and on");
        }
        assert_eq!(Client::connect(served.addr).get("/").status, 200);
    }

    #[test]
    fn idle_connection_makes_room() {
        let served = Served::new(Server::Guarded, Limits { max_connections: 3, ..limits() }, echo);
        // They have asked for nothing yet, so there is no answer after which they may not be idle
        // again.
        let mut clients: Vec<_> = (0..3).map(|_| Client::connect(served.addr)).collect();
        let mut another = Client::connect(served.addr);
        assert_eq!(another.get("/").status, 200);
        assert!(clients[0].is_closed());
        assert_eq!((clients[1].get("/").status, clients[2].get("/").status), (200, 200));
        assert_eq!(served.running.health().connections, Some(3));
    }

    #[test]
    fn connection_past_the_cap_gets_a_503_when_none_is_idle() {
        let gate = super::super::support::Gate::new();
        let handler = {
            let gate = std::sync::Arc::clone(&gate);
            move |_: &crate::http::server::HttpRequest<'_>| {
                gate.enter();
                HttpResponse::text(200, "")
            }
        };
        let served =
            Served::new(Server::Guarded, Limits { max_connections: 2, ..limits() }, handler);
        let mut clients: Vec<_> = (0..2).map(|_| Client::connect(served.addr)).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        }
        gate.wait_for(2);
        let mut late = Client::connect(served.addr);
        assert_eq!(late.get("/").status, 503);
        assert!(late.is_closed());
        gate.open();
        for client in &mut clients {
            assert_eq!(client.answer().unwrap().status, 200);
        }
    }

    #[test]
    fn bodies_that_stop_do_not_keep_others_out() {
        let served = Served::new(Server::Guarded, Limits { max_connections: 3, ..limits() }, echo);
        let begin = || {
            let mut client = Client::connect(served.addr);
            let requests = served.running.health().requests;
            client.send("PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1").unwrap();
            let deadline = Instant::now() + PATIENCE;
            while served.running.health().requests == requests {
                assert!(Instant::now() < deadline, "its head is not read");
                std::thread::yield_now();
            }
            client
        };
        let mut first = begin();
        let mut rest = vec![begin()];
        // An idle one goes first, then those that wait for the rest of a body.
        let mut idle = Client::connect(served.addr);
        rest.push(begin());
        assert!(idle.is_closed());
        rest.push(begin());
        assert!(first.is_closed());
        for client in &mut rest {
            client.send("2").unwrap();
            assert_eq!(client.answer().unwrap().text(), "PUT /slow");
        }
    }

    #[test]
    fn heads_that_never_end_do_not_keep_others_out() {
        let served = Served::new(Server::Guarded, Limits { max_connections: 50, ..limits() }, echo);
        let mut slow = Vec::new();
        for n in 0..200 {
            let mut client = Client::connect(served.addr);
            // The connection may be gone before it has said that much.
            let _ = client.send("GET / HTTP/1.1\r\nX: ");
            slow.push(client);
            if n % 20 == 0 {
                assert_eq!(Client::connect(served.addr).get("/").status, 200);
            }
        }
        assert!(served.running.health().connections <= Some(50));
    }
}
