//! Bodies that are not what their heads say.

use std::sync::{Arc, Mutex};

use super::support::{Client, Gate, Served, limits, on_each_server};
use crate::http::server::{HttpRequest, HttpResponse, Limits, Server};
use crate::sync::lock;

on_each_server! {
    truncated_body_reaches_no_handler,
    chunked_body_is_refused,
    huge_length_past_the_bound_of_requests_gets_a_413,
}

/// What follows the method and the target: a head's end, and less of a body than it announces.
const CUT_SHORT: &[&str] = &[
    "Content-Length: 5\r\n\r\n6",
    "Content-Length: 1025\r\n\r\n6",
    "Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n6",
    "Transfer-Encoding: chunked\r\n\r\n5\r\n6",
    "Transfer-Encoding: chunked\r\n\r\n1\r\n6\r\n",
    "Connection: upgrade\r\nContent-Length: 5\r\n\r\n6",
    "Connection: Keep-Alive, Upgrade\r\nContent-Length: 1025\r\n\r\n6",
    "Connection: upgrade\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n6\r\n",
];

fn truncated_body_reaches_no_handler(server: Server) {
    let handled = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&handled);
    let served = Served::new(server, limits(), move |request: &HttpRequest<'_>| {
        lock(&seen).push(format!("{request:?}"));
        HttpResponse::text(204, "")
    });
    for method in ["PUT", "POST", "DELETE", "GET"] {
        for rest in CUT_SHORT {
            let mut client = Client::connect(served.addr);
            client.send(format!("{method} /cut HTTP/1.1\r\nHost: x\r\n{rest}")).unwrap();
            client.send_no_more();
            // A handler is called before its request is answered, and before its connection ends.
            while client.answer().is_ok() {}
            assert_eq!(*lock(&handled), [""; 0], "{method} {rest:?}");
        }
    }
    served.wait_until_none_is_in_flight();
    assert_eq!(Client::connect(served.addr).get("/").status, 204);
}

fn chunked_body_is_refused(server: Server) {
    let served = Served::new(server, limits(), super::echo);
    let mut client = Client::connect(served.addr);
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked";
    client.send(format!("{head}\r\n\r\n3\r\n630\r\n0\r\n\r\n")).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (411, Some("close")));
}

/// tiny_http allocates what is left of a body when its request is answered. So much memory is not
/// to be had, which would end the process.
fn huge_length_past_the_bound_of_requests_gets_a_413(server: Server) {
    let gate = Gate::new();
    let inside = Arc::clone(&gate);
    let limits = Limits { max_in_flight: 1, ..limits() };
    let served = Served::new(server, limits, move |_: &HttpRequest<'_>| {
        inside.enter();
        HttpResponse::text(200, "")
    });
    let mut first = Client::connect(served.addr);
    first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    gate.wait_for(1);
    for method in ["GET", "PUT", "POST", "DELETE"] {
        let mut client = Client::connect(served.addr);
        let head = format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000");
        client.send(format!("{head}\r\n\r\n")).unwrap();
        assert_eq!(client.answer().unwrap().status, 413, "{method}");
        assert_eq!(Client::connect(served.addr).get("/").status, 503);
    }
    gate.open();
    assert_eq!(first.answer().unwrap().status, 200);
    served.wait_until_none_is_in_flight();
}
