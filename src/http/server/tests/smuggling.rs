//! Requests whose end two readers could see in different places. What follows such a request may be
//! its body, or another request that somebody hid there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{Client, Gate, Served, limits, on_each_server};
use crate::http::server::{HttpRequest, HttpResponse, Limits, Server};
use crate::sync::lock;

on_each_server! {
    nothing_after_a_refused_encoding_is_answered,
    nothing_of_a_refused_connection_is_handled_later,
    encoded_body_is_refused_at_the_bound_of_requests_as_well,
    lengths_that_can_be_read_in_two_ways_are_refused,
    request_sent_along_with_a_refused_one_is_not_handled,
    late_rest_of_a_body_is_no_request,
    line_that_can_be_read_as_two_is_refused,
    flaw_beside_a_length_past_the_limit_ends_the_connection,
}

/// What hides in a body.
const HIDDEN: &str = "DELETE /hidden HTTP/1.1\r\nHost: x\r\n\r\n";

/// The requests that reached the handler.
type Handled = Arc<Mutex<Vec<String>>>;

fn served(server: Server, limits: Limits) -> (Served, Handled) {
    let handled = Handled::default();
    let seen = Arc::clone(&handled);
    let served = Served::new(server, limits, move |request: &HttpRequest<'_>| {
        lock(&seen).push(format!("{} {}", request.method, request.target));
        HttpResponse::text(200, "")
    });
    (served, handled)
}

/// Connections that nothing is answered on are closed after that time.
fn soon_idle() -> Limits {
    Limits { idle: Duration::from_millis(500), ..limits() }
}

/// Checks that the answer is a refusal, and the last one of its connection.
#[track_caller]
fn assert_is_last(client: &mut Client, statuses: &[u16], what: &str) {
    assert_refuses(client, statuses, what);
    assert!(client.is_closed(), "{what}");
}

#[track_caller]
fn assert_refuses(client: &mut Client, statuses: &[u16], what: &str) {
    let answer = client.answer().unwrap();
    assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
    assert_eq!(answer.header("connection"), Some("close"), "{what}");
}

fn nothing_after_a_refused_encoding_is_answered(server: Server) {
    let (served, handled) = served(server, soon_idle());
    let long = HIDDEN.len() + 5;
    let headers = [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding:\tChunked",
        &format!("Content-Length: {long}\r\nTransfer-Encoding: chunked"),
        &format!("Transfer-Encoding: chunked\r\nContent-Length: {long}"),
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: identity",
    ];
    let send = |headers: &str, body: &str| {
        let mut client = Client::connect(served.addr);
        let head = format!("POST /outer HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
        client.send(format!("{head}{body}{HIDDEN}{HIDDEN}")).unwrap();
        client
    };
    for body in ["0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n"] {
        let mut clients = headers.map(|headers| send(headers, body));
        for (client, headers) in clients.iter_mut().zip(headers) {
            assert_is_last(client, &[400, 411], headers);
        }
    }
    // No body in chunks. To what it can't read tiny_http may answer a 400 by itself.
    for headers in headers {
        let mut client = send(headers, "");
        assert_refuses(&mut client, &[400, 411], headers);
        while let Ok(answer) = client.answer() {
            assert_eq!(answer.status, 400, "{headers}");
        }
    }
    assert_eq!(*lock(&handled), [""; 0]);
    assert_eq!(Client::connect(served.addr).get("/").status, 200);
}

/// A client that reads the refusal, and the word to close, and goes on all the same.
fn nothing_of_a_refused_connection_is_handled_later(server: Server) {
    let (served, handled) = served(server, soon_idle());
    let mut client = Client::connect(served.addr);
    let head = "POST /outer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked";
    client.send(format!("{head}\r\n\r\n0\r\n\r\n")).unwrap();
    assert_eq!(client.answer().unwrap().status, 411);
    for _ in 0..3 {
        // The connection may be gone.
        let _ = client.send(HIDDEN);
    }
    assert!(client.is_closed());
    assert_eq!(*lock(&handled), [""; 0]);
}

fn encoded_body_is_refused_at_the_bound_of_requests_as_well(server: Server) {
    let gate = Gate::new();
    let inside = Arc::clone(&gate);
    let served = Served::new(
        server,
        Limits { max_in_flight: 1, ..soon_idle() },
        move |_: &HttpRequest<'_>| {
            inside.enter();
            HttpResponse::text(200, "")
        },
    );
    let mut first = Client::connect(served.addr);
    first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    gate.wait_for(1);
    for (headers, status) in [
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
    ] {
        let mut client = Client::connect(served.addr);
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
        client.send(format!("{head}0\r\n\r\n{HIDDEN}")).unwrap();
        assert_is_last(&mut client, &[status], headers);
    }
    gate.open();
    assert_eq!(first.answer().unwrap().status, 200);
}

fn lengths_that_can_be_read_in_two_ways_are_refused(server: Server) {
    let (served, handled) = served(server, soon_idle());
    for lengths in [
        "Content-Length: 2, 2",
        "Content-Length: +2",
        "Content-Length: -1",
        "Content-Length: 2 3",
        "Content-Length: 0x2",
        "Content-Length:",
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\ncontent-length: 44",
        "Content-Length: x\r\nContent-Length: 2",
    ] {
        let mut client = Client::connect(served.addr);
        client.send(format!("PUT /outer HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\nab")).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{lengths}");
        let _ = client.send(HIDDEN);
        let _ = client.answer();
    }
    assert_eq!(*lock(&handled), [""; 0]);
}

/// The server has given the body up, and the client goes on where it had stopped.
/// tiny_http hands both requests out before one of them is answered.
fn request_sent_along_with_a_refused_one_is_not_handled(server: Server) {
    let (served, handled) = served(server, soon_idle());
    for round in 0..50 {
        for lines in [
            "Content-Length: +2",
            "Content-Length: 2, 2",
            "Content-Length: 2\r\nContent-Length: 44",
            "Content-Length: 18446744073709551616",
            "Connection: upgrade\r\nContent-Length: 2",
            "X: a\nContent-Length: 44",
        ] {
            if server == Server::Guarded && lines.contains("upgrade") {
                continue; // It ignores that.
            }
            let mut client = Client::connect(served.addr);
            let head = format!("PUT /outer HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
            client.send(format!("{head}{HIDDEN}{HIDDEN}")).unwrap();
            assert_refuses(&mut client, &[400, 413], lines);
            assert_eq!(*lock(&handled), [""; 0], "round {round}, {lines:?}");
        }
    }
    served.wait_until_none_is_in_flight();
    assert_eq!(*lock(&handled), [""; 0]);
}

fn late_rest_of_a_body_is_no_request(server: Server) {
    let limits = Limits { io: Duration::from_millis(300), ..soon_idle() };
    let (served, handled) = served(server, limits);
    let mut client = Client::connect(served.addr);
    let head = "PUT /outer HTTP/1.1\r\nHost: x\r\nContent-Length: 5000";
    client.send(format!("{head}\r\n\r\nab")).unwrap();
    assert!([400, 408].contains(&client.answer().unwrap().status));
    for _ in 0..3 {
        let _ = client.send(HIDDEN);
    }
    assert!(client.is_closed());
    assert_eq!(*lock(&handled), [""; 0]);
}

/// A reader that takes a bare CR or LF, or a NUL, for the end of a line sees one header more.
fn line_that_can_be_read_as_two_is_refused(server: Server) {
    let (served, handled) = served(server, soon_idle());
    for lines in [
        "X: a\nContent-Length: 40",
        "X: a\rContent-Length: 40",
        "X: a\0Content-Length: 40",
        "X: a\nTransfer-Encoding: chunked",
        "X: a\n\nGET /hidden HTTP/1.1\nHost: y",
        "X\0: a",
        "X: a\u{7f}b",
        "X: a\u{1b}b",
    ] {
        let mut client = Client::connect(served.addr);
        let head = format!("POST /outer HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
        client.send(format!("{head}{HIDDEN}")).unwrap();
        assert_is_last(&mut client, &[400], &format!("{lines:?}"));
    }
    for line in ["GET /a\nHost: HTTP/1.1", "GET /\ra HTTP/1.1", "GE\0T / HTTP/1.1"] {
        let mut client = Client::connect(served.addr);
        client.send(format!("{line}\r\nHost: x\r\n\r\n{HIDDEN}")).unwrap();
        assert_is_last(&mut client, &[400], &format!("{line:?}"));
    }
    assert_eq!(*lock(&handled), [""; 0]);
    assert_eq!(Client::connect(served.addr).get("/").status, 200);
}

fn flaw_beside_a_length_past_the_limit_ends_the_connection(server: Server) {
    let limits = Limits { max_body_bytes: 1000, ..soon_idle() };
    let (served, handled) = served(server, limits);
    let body = "x".repeat(2000);
    for lines in ["Content-Length: 2000\r\nContent-Length: 5", "Content-Length: 2000\r\nX: a\nY: b"]
    {
        let mut client = Client::connect(served.addr);
        let head = format!("PUT /outer HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
        client.send(format!("{head}{body}{HIDDEN}")).unwrap();
        let answer = client.answer().unwrap();
        assert!([400, 413].contains(&answer.status), "{lines:?}: {}", answer.status);
        assert!(client.is_closed(), "{lines:?}");
    }
    assert_eq!(*lock(&handled), [""; 0]);
}
