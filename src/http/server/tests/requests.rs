//! Well-formed requests.

use super::echo;
use super::support::{Client, Served, limits, on_each_server};
use crate::ByteView;
use crate::http::note::{Note, Status};
use crate::http::server::{HttpResponse, Limits, Server};

on_each_server! {
    kept_connection_serves_one_request_after_the_other,
    target_and_headers_reach_the_handler_as_they_were_sent,
    pipelined_requests_are_answered_in_order,
    client_that_asks_to_close_is_closed,
    old_client_that_asks_to_keep_the_connection_keeps_it,
    head_request_gets_the_length_and_no_body,
    answer_without_content_has_neither_body_nor_length,
    body_reaches_the_handler,
    client_that_waits_before_it_sends_the_body_is_told_to_go_on,
    body_past_the_limit_gets_a_413,
    panicking_handler_gets_a_500_and_the_connection_lives,
    answer_of_eleven_mebibytes_arrives_whole,
    answer_carries_type_length_and_headers,
}

fn kept_connection_serves_one_request_after_the_other(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut client = Client::connect(served.addr);
    for n in 0..100 {
        assert_eq!(client.get(&format!("/{n}")).text(), format!("GET /{n}"));
    }
    assert_eq!(served.running.health().requests, 100);
}

fn target_and_headers_reach_the_handler_as_they_were_sent(server: Server) {
    let served = Served::new(server, limits(), |request| {
        let header = request.header("GEECACHE-timeout-ms").unwrap_or(b"none");
        let header = String::from_utf8_lossy(header);
        assert_eq!(request.header("absent"), None);
        HttpResponse::text(200, format!("{} {} {header}", request.method, request.target))
    });
    let mut client = Client::connect(served.addr);
    let target = "/_geecache/scores/a%2Fb+c%20?x=%E4%BD%A0&%25";
    client
        .send(format!("DELETE {target} HTTP/1.1\r\nHost: x\r\ngeecache-Timeout-Ms:  250 \r\n\r\n"))
        .unwrap();
    assert_eq!(client.answer().unwrap().text(), format!("DELETE {target} 250"));
}

fn pipelined_requests_are_answered_in_order(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut client = Client::connect(served.addr);
    let all: String =
        (0..100).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
    // Cut where it hurts: in the middle of a head.
    let (first, second) = all.split_at(all.len() / 2 + 7);
    client.send(first).unwrap();
    for n in 0..40 {
        assert_eq!(client.answer().unwrap().text(), format!("GET /{n}"));
    }
    client.send(second).unwrap();
    for n in 40..100 {
        assert_eq!(client.answer().unwrap().text(), format!("GET /{n}"));
    }
}

fn client_that_asks_to_close_is_closed(server: Server) {
    let served = Served::new(server, limits(), echo);
    for request in [
        "GET /last HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        "GET /last HTTP/1.0\r\n\r\n",
    ] {
        let mut client = Client::connect(served.addr);
        client.send(request).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.header("connection")),
            ("GET /last", Some("close"))
        );
        assert!(client.is_closed(), "{request:?}");
    }
}

fn old_client_that_asks_to_keep_the_connection_keeps_it(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut client = Client::connect(served.addr);
    for _ in 0..2 {
        client.send("GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
        assert_eq!(client.answer().unwrap().header("connection"), Some("keep-alive"));
    }
}

fn head_request_gets_the_length_and_no_body(server: Server) {
    let served = Served::new(server, limits(), |request| {
        let body = if request.target == "/long" { vec![7; 100_000] } else { vec![7; 5] };
        HttpResponse { body: body.into(), ..HttpResponse::text(200, "") }
    });
    let mut client = Client::connect(served.addr);
    for (target, length) in [("/short", "5"), ("/long", "100000")] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
        assert_eq!(client.answer_to("HEAD").unwrap().header("content-length"), Some(length));
    }
    assert_eq!(client.get("/short").body, [7; 5]);
}

fn answer_without_content_has_neither_body_nor_length(server: Server) {
    let served = Served::new(server, limits(), |_| HttpResponse::text(204, "never sent"));
    let mut client = Client::connect(served.addr);
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.header("content-length")), (204, None));
    }
}

fn body_reaches_the_handler(server: Server) {
    let served =
        Served::new(server, limits(), |request| HttpResponse::text(200, request.body.to_vec()));
    let mut client = Client::connect(served.addr);
    for length in [0, 1, 1000, 5000, 300_000, 10] {
        let body: Vec<_> = (0..length).map(|n: u32| n.to_le_bytes()[0]).collect();
        client
            .send(format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"))
            .unwrap();
        client.send(&body).unwrap();
        assert_eq!(client.answer().unwrap().body, body);
    }
}

fn client_that_waits_before_it_sends_the_body_is_told_to_go_on(server: Server) {
    let served =
        Served::new(server, limits(), |request| HttpResponse::text(200, request.body.to_vec()));
    let mut client = Client::connect(served.addr);
    client
        .send("POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .unwrap();
    assert_eq!(client.answer().unwrap().status, 100);
    client.send("630").unwrap();
    assert_eq!(client.answer().unwrap().text(), "630");
}

fn body_past_the_limit_gets_a_413(server: Server) {
    let served = Served::new(server, Limits { max_body_bytes: 1000, ..limits() }, |request| {
        HttpResponse::text(200, request.body.to_vec())
    });
    let post = |length: usize| {
        let mut client = Client::connect(served.addr);
        client
            .send(format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"))
            .unwrap();
        client.send(vec![1; length]).unwrap();
        client.answer().unwrap().status
    };
    assert_eq!((post(1000), post(1001), post(50_000)), (200, 413, 413));
    assert_eq!(served.running.health().abandoned, 0);
}

fn panicking_handler_gets_a_500_and_the_connection_lives(server: Server) {
    let served = Served::new(server, limits(), |request| {
        assert!(request.target != "/panic", "as it should");
        echo(request)
    });
    let mut client = Client::connect(served.addr);
    for target in ["/panic", "/panic-at-once"].repeat(5) {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text().as_str()), (500, "the handler panicked\n"));
        assert_eq!(client.get("/fine").text(), "GET /fine");
    }
    served.wait_until_none_is_in_flight();
}

fn answer_of_eleven_mebibytes_arrives_whole(server: Server) {
    let value: ByteView =
        (0..11 * 1024 * 1024 / 4_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>().into();
    let body = value.clone();
    let served = Served::new(server, limits(), move |_| HttpResponse {
        content_type: "application/octet-stream",
        body: body.clone().into(),
        ..HttpResponse::text(200, "")
    });
    let mut client = Client::connect(served.addr);
    for _ in 0..2 {
        assert!(client.get("/").body == value.as_slice());
    }
}

fn answer_carries_type_length_and_headers(server: Server) {
    let served = Served::new(server, limits(), |_| HttpResponse {
        note: Note::of(Status::NotFound),
        headers: &[("Allow", "GET")],
        ..HttpResponse::text(404, "kkk not exist\n")
    });
    let answer = Client::connect(served.addr).get("/kkk");
    assert_eq!((answer.status, answer.text().as_str()), (404, "kkk not exist\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("content-length"), Some("14"));
    assert_eq!(answer.header("geecache"), Some("s=not-found"));
    assert_eq!(answer.header("allow"), Some("get"));
}
