//! Many connections at the same moment, to a server that has just started.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};

use geecache::{Group, Server};

use crate::support::{CountingGetter, Peer, SERVERS, SOON, all_at_once, value_of};

const THREADS: usize = 16;
const ROUNDS: usize = 20;
const REQUESTS: usize = 5;

/// A connection that is kept open, as a browser's or a peer's.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The body of the answer to a request for `path`.
    fn get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: peer\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a request was not answered");
            if let Some((name, value)) = line.split_once(':') {
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap();
                }
            }
            if line == "\r\n" {
                break;
            }
            assert!(!line.is_empty(), "the connection was closed");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

/// Each of many threads makes a connection to a server that is new, sends some requests, and holds
/// the connection until the requests of all are answered.
fn burst_of_kept_connections(server: Server) {
    for round in 0..ROUNDS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let (addr, answered) = (peer.addr(), Arc::new(Barrier::new(THREADS)));
        all_at_once(THREADS, move |thread| {
            let mut client = Client::connect(&addr);
            for i in 0..REQUESTS {
                let body = client.get(&format!("/_geecache/scores/{thread}-{i}"));
                assert_eq!(body, value_of(&format!("{thread}-{i}")), "{server:?}, round {round}");
            }
            answered.wait();
        });
        assert_eq!(peer.getter.calls(), THREADS * REQUESTS);
    }
}

#[test]
fn no_request_of_a_burst_is_lost_by_tiny_http() {
    burst_of_kept_connections(Server::TinyHttp);
}

#[test]
fn no_request_of_a_burst_is_lost_by_the_guarded_server() {
    burst_of_kept_connections(Server::Guarded);
}

#[test]
fn no_get_of_a_burst_of_gets_is_lost() {
    for server in SERVERS {
        for round in 0..ROUNDS {
            let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
            let group = Group::new("scores", 0, |_: &str| Err::<&str, _>("nobody should ask"));
            Peer::client(&[peer.url()]).add(&group).unwrap();
            all_at_once(THREADS, move |thread| {
                for i in 0..REQUESTS {
                    let key = format!("{thread}-{i}");
                    let value = group.get(&key);
                    assert_eq!(
                        value.unwrap(),
                        value_of(&key).as_str(),
                        "{server:?}, round {round}"
                    );
                }
            });
        }
    }
}

#[test]
fn more_requests_than_a_server_takes_at_once_cost_a_load_and_no_answer() {
    for server in SERVERS {
        let two = std::num::NonZeroUsize::new(2).unwrap();
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool.max_requests(two));
        let asker = Peer::start(server, CountingGetter::new(), |pool| pool);
        asker.join(&[&owner.url()]);
        let group = asker.group.clone();
        all_at_once(THREADS, move |thread| {
            for i in 0..20 {
                let key = format!("{thread}-{i}");
                assert_eq!(group.get(&key).unwrap(), value_of(&key).as_str());
            }
        });
    }
}
