//! Figures, not tests: `cargo test --release --lib figures -- --ignored --nocapture --test-threads
//! 1`.
#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::support::{Client, Served, limits};
use crate::http::server::{HttpRequest, HttpResponse, Server};

const SERVERS: [Server; 2] = [Server::TinyHttp, Server::Guarded];
const REQUEST: &[u8] = b"GET /_geecache/scores/Tom HTTP/1.1\r\nHost: 127.0.0.1:8001\r\n\
      Geecache: t=250 k=6bbb767f p=geecache\r\n\r\n";

fn value(_: &HttpRequest<'_>) -> HttpResponse {
    HttpResponse {
        content_type: "application/octet-stream",
        ..HttpResponse::text(200, vec![7; 64])
    }
}

/// Requests per second of both servers, beside a responder that does nothing but answer.
#[test]
#[ignore = "prints figures"]
fn requests_per_second() {
    println!("connections  fixed answer  tiny_http         guarded");
    for connections in [1, 16, 64] {
        let mut rates = [0.0; 3];
        for _ in 0..3 {
            rates[0] = f64::max(rates[0], rate(fixed_responder(), connections));
            for (rate_of, server) in rates[1..].iter_mut().zip(SERVERS) {
                let served = Served::new(server, limits(), value);
                *rate_of = f64::max(*rate_of, rate(served.addr, connections));
            }
        }
        let [fixed, tiny, guarded] = rates;
        println!(
            "{connections:>11} {fixed:>13.0} {tiny:>10.0} ({:.2}) {guarded:>8.0} ({:.2})",
            tiny / fixed,
            guarded / fixed
        );
    }
}

/// Requests per second that as many clients as `connections` get answered, each waiting for one
/// answer before it asks again.
fn rate(addr: SocketAddr, connections: usize) -> f64 {
    let (start, stop) = (Barrier::new(connections + 1), AtomicBool::new(false));
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(addr).unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut count) = ([0; 1024], 0);
                start.wait();
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(REQUEST).unwrap();
                    let mut end = 0;
                    while !buffer[..end].ends_with(&[7; 64]) {
                        end += stream.read(&mut buffer[end..]).unwrap();
                    }
                    count += 1;
                }
                answered.fetch_add(count, Ordering::Relaxed);
            });
        }
        start.wait();
        thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
    });
    answered.load(Ordering::Relaxed) as f64
}

/// A thread per connection that answers whatever it reads.
fn fixed_responder() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\nContent-Type: application/octet-stream\r\n\r\n"
            .to_vec();
    answer.extend_from_slice(&[7; 64]);
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                    stream.write_all(&answer).unwrap();
                }
            });
        }
    });
    addr
}

/// The longest that any request of a burst of new connections waits.
#[test]
#[ignore = "prints figures"]
fn longest_wait_in_a_burst() {
    for server in SERVERS {
        for connections in [16, 64, 200] {
            let longest = |served: &Served| longest_wait(served.addr, connections);
            let fresh = (0..10).map(|_| longest(&Served::new(server, limits(), value))).max();
            let served = Served::new(server, limits(), value);
            let again = (0..10).map(|_| longest(&served)).max();
            let quiet = (0..3).map(|_| {
                thread::sleep(Duration::from_secs(4));
                longest(&served)
            });
            println!(
                "{server:?}, {connections} connections: fresh server {:?}, again and again {:?}, \
                 after a quiet time {:?}",
                fresh.unwrap(),
                again.unwrap(),
                quiet.max().unwrap()
            );
        }
    }
}

fn longest_wait(addr: SocketAddr, connections: usize) -> Duration {
    let (start, done) = (Barrier::new(connections), Barrier::new(connections));
    let longest = Mutex::new(Duration::ZERO);
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                start.wait();
                let started = Instant::now();
                let mut client = Client::connect(addr);
                assert_eq!(client.get("/").status, 200);
                let waited = started.elapsed();
                done.wait();
                let mut longest = longest.lock().unwrap();
                *longest = waited.max(*longest);
            });
        }
    });
    longest.into_inner().unwrap()
}

/// Threads, descriptors and memory of each server at 2,000 idle connections; each needs `ulimit -n`
/// above 8,000.
#[test]
#[ignore = "prints figures"]
fn two_thousand_idle_connections() {
    for server in SERVERS {
        let before = usage();
        let served = Served::new(server, limits(), value);
        let mut clients: Vec<_> = (0..2000).map(|_| Client::connect(served.addr)).collect();
        let started = Instant::now();
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        let all = started.elapsed();
        let after = usage();
        println!(
            "{server:?}: {} threads, {} descriptors without the clients', {} MiB more; asked once \
             each in {all:?}",
            after[0] - before[0],
            after[1] - before[1] - 2000,
            (after[2] - before[2]) / 1024,
        );
    }
}

/// Threads, descriptors and resident KiB of this process.
fn usage() -> [u64; 3] {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    [field("Threads:"), fs::read_dir("/proc/self/fd").unwrap().count() as u64, field("VmRSS:")]
}

/// Time that the process of an idle server computes in ten seconds, and how often it is woken.
#[test]
#[ignore = "prints figures"]
fn idle_server() {
    for server in SERVERS {
        let served = Served::new(server, limits(), value);
        assert_eq!(Client::connect(served.addr).get("/").status, 200);
        for what in ["after a request", "later"] {
            let before = scheduled();
            thread::sleep(Duration::from_secs(5));
            let after = scheduled();
            println!(
                "{server:?} {what}: {:?} computing and {} wake-ups of threads in 5 s",
                Duration::from_nanos(after.0.saturating_sub(before.0)),
                after.1.saturating_sub(before.1)
            );
        }
    }
}

/// Nanoseconds on a processor and turns on one, of all threads that live. Those of a thread that
/// ends are lost.
fn scheduled() -> (u64, u64) {
    let mut sum = (0, 0);
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let Ok(line) = fs::read_to_string(task.unwrap().path().join("schedstat")) else { continue };
        let mut fields = line.split_whitespace().map(|field| field.parse::<u64>().unwrap());
        sum.0 += fields.next().unwrap();
        sum.1 += fields.nth(1).unwrap();
    }
    sum
}
