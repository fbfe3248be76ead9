//! New connections of those who have talked before.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

use geecache::HttpPool;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::peer;
use crate::support::{Authority, SOON, chain, is_full, key, raw_connection, value_of};

#[test]
fn a_server_resumes_the_sessions_of_its_clients() {
    let authority = Authority::new();
    for (tls, issued) in [(authority.tls(), None), (authority.mutual(), Some(authority.issue()))] {
        let owner = peer(&tls);
        owner.join(&[]);
        for version in [&TLS12, &TLS13] {
            let client = authority.raw_client(issued.as_ref(), &[version]);
            let full = [0; 4].map(|_| {
                let mut connection = raw_connection(&client, &owner.addr());
                write!(
                    connection,
                    "GET /_geecache/scores/Tom HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                )
                .unwrap();
                let mut answer = Vec::new();
                connection.read_to_end(&mut answer).unwrap();
                assert!(answer.ends_with(value_of("Tom").as_ref()));
                is_full(connection.conn.handshake_kind())
            });
            assert_eq!(full, [true, false, false, false]);
        }
    }
}

/// A server of no part of this crate: it answers so many requests on each connection, and tells of
/// each whether it came with a full handshake, or on a connection that was there (`None`).
fn raw_server(authority: &Authority, requests: usize) -> (String, mpsc::Receiver<Option<bool>>) {
    let issued = authority.issue();
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain(&issued.cert), key(&issued))
        .unwrap();
    let (server, listener) = (Arc::new(server), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok).take(4) {
            stream.set_read_timeout(Some(SOON)).unwrap();
            let tls = ServerConnection::new(Arc::clone(&server)).unwrap();
            let mut stream = StreamOwned::new(tls, stream);
            for request in 1..=requests {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).unwrap();
                    head.extend(byte);
                }
                let close = if request == requests { "Connection: close\r\n" } else { "" };
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{close}\r\n630");
                stream.write_all(answer.as_bytes()).unwrap();
                let is_first = request == 1;
                tell.send(is_first.then(|| is_full(stream.conn.handshake_kind()))).unwrap();
            }
        }
    });
    (url, told)
}

/// What the server tells of four gets.
fn four_gets(requests: usize) -> [Option<bool>; 4] {
    let authority = Authority::new();
    let (url, told) = raw_server(&authority, requests);
    let pool = HttpPool::builder().tls(authority.tls()).timeout(SOON).connect_timeout(SOON);
    let pool = pool.client([url]).unwrap();
    let peer = pool.picker().pick_peer("Tom").unwrap();
    [0; 4].map(|_| {
        assert_eq!(peer.get("scores", "Tom").unwrap().value().unwrap(), "630");
        told.recv_timeout(SOON).unwrap()
    })
}

#[test]
fn a_client_resumes_its_sessions() {
    assert_eq!(four_gets(1), [Some(true), Some(false), Some(false), Some(false)]);
}

#[test]
fn a_kept_connection_is_used_again() {
    assert_eq!(four_gets(4), [Some(true), None, None, None]);
}
