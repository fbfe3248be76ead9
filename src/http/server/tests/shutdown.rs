//! The end of a server, and of connections.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::echo;
use super::support::{Client, Gate, PATIENCE, Served, limits, on_each_server};
use crate::http::server::{HttpRequest, HttpResponse, Limits, Server};

on_each_server! {
    shutdown_answers_what_is_in_flight_and_frees_the_port,
    shutdown_does_not_wait_for_ever,
    shutdown_twice_and_from_many_threads_is_one,
    shutdown_tells_idle_clients_to_close,
    silent_connection_is_closed_after_the_idle_time,
}

/// A handler that holds requests for `/held` at the gate.
fn held_at(gate: &Arc<Gate>) -> impl Fn(&HttpRequest<'_>) -> HttpResponse + Send + Sync + use<> {
    let gate = Arc::clone(gate);
    move |request| {
        if request.target == "/held" {
            gate.enter();
        }
        echo(request)
    }
}

fn shutdown_answers_what_is_in_flight_and_frees_the_port(server: Server) {
    let gate = Gate::new();
    let served = Served::new(server, limits(), held_at(&gate));
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(served.addr)).collect();
    for client in &mut clients {
        client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    }
    gate.wait_for(5);
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| served.running.shutdown());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(served.addr).is_ok() {
            assert!(Instant::now() < deadline, "the port is still open");
        }
        assert!(!shutdown.is_finished());
        gate.open();
    });
    for client in &mut clients {
        let answer = client.answer().unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.header("connection")),
            ("GET /held", Some("close"))
        );
    }
    assert!(TcpStream::connect(served.addr).is_err());
    let again = Served::on(TcpListener::bind(served.addr).unwrap(), server, limits(), echo);
    assert_eq!(Client::connect(again.addr).get("/again").text(), "GET /again");
}

fn shutdown_does_not_wait_for_ever(server: Server) {
    let gate = Gate::new();
    let limits = Limits { drain: Duration::from_millis(100), ..limits() };
    let served = Served::new(server, limits, held_at(&gate));
    let mut client = Client::connect(served.addr);
    client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    gate.wait_for(1);
    let started = Instant::now();
    served.running.shutdown();
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    gate.open();
}

fn shutdown_twice_and_from_many_threads_is_one(server: Server) {
    let served = Served::new(server, limits(), echo);
    assert_eq!(Client::connect(served.addr).get("/").status, 200);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| served.running.shutdown());
        }
    });
    served.running.shutdown();
    assert!(TcpStream::connect(served.addr).is_err());
}

/// tiny_http can't close a connection: it answers the next request with the word to close.
fn shutdown_tells_idle_clients_to_close(server: Server) {
    let served = Served::new(server, limits(), echo);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(served.addr)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let started = Instant::now();
    served.running.shutdown();
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    for mut client in clients {
        match server {
            Server::TinyHttp => assert_eq!(client.get("/late").header("connection"), Some("close")),
            Server::Guarded => assert!(client.is_closed()),
        }
    }
}

fn silent_connection_is_closed_after_the_idle_time(server: Server) {
    let served = Served::new(server, Limits { idle: Duration::from_millis(300), ..limits() }, echo);
    let mut fresh = Client::connect(served.addr);
    let mut used = Client::connect(served.addr);
    assert_eq!(used.get("/").status, 200);
    assert!(used.is_closed());
    assert!(fresh.is_closed());
    assert_eq!(Client::connect(served.addr).get("/").status, 200);
}
