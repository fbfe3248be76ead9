//! [`FaultyPeer`]: a peer that answers as no peer should.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::SOON;

/// Listens, and does with each connection what a script says. Ends, with all its connections, when
/// it is dropped.
pub(crate) struct FaultyPeer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    connections: AtomicUsize,
    requests: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

/// A connection in the hands of a script.
pub(crate) struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    /// How many connections came before this one.
    pub(crate) number: usize,
}

impl FaultyPeer {
    pub(crate) fn start(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (shared, script) = (Arc::new(Shared::default()), Arc::new(script));
        let accept = {
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    stream.set_nodelay(true).unwrap();
                    stream.set_read_timeout(Some(SOON)).unwrap();
                    stream.set_write_timeout(Some(SOON)).unwrap();
                    shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                    let (shared, script) = (Arc::clone(&shared), Arc::clone(&script));
                    thread::spawn(move || script(&mut Connection { stream, shared, number }));
                }
            }
        };
        Self { addr, shared, accepting: Some(thread::spawn(accept)) }
    }

    /// Answers the first request of each connection with `bytes`, and closes.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            if connection.request().is_some() {
                connection.send(&bytes);
                connection.close();
            }
        })
    }

    /// Answers the first request of each connection with `bytes`, and then is silent.
    pub(crate) fn saying_and_waiting(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |connection| {
            if connection.request().is_some() {
                connection.send(&bytes);
                connection.wait_for_the_end();
            }
        })
    }

    /// An old peer, as those of GeeCache and groupcache: whatever the method, `630` for a path with
    /// a key, and a 400 for one without.
    pub(crate) fn of_old() -> Self {
        Self::start(|connection| {
            while let Some(head) = connection.request() {
                connection.body(&head);
                let path = head.split(' ').nth(1).unwrap();
                let bytes = if path.trim_start_matches("/_geecache/").contains('/') {
                    answer("630")
                } else {
                    let head =
                        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8";
                    format!("{head}\r\nContent-Length: 12\r\n\r\nbad request\n").into_bytes()
                };
                if !connection.send(&bytes) {
                    return;
                }
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many requests it read.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyPeer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Ends the wait for the next connection.
        let _ = TcpStream::connect_timeout(&self.addr, SOON);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Connection {
    /// Reads the head of the next request; `None` if the client has closed instead.
    pub(crate) fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        self.shared.requests.fetch_add(1, Ordering::SeqCst);
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads the body that follows the head of a request, as long as that says.
    pub(crate) fn body(&mut self, head: &str) -> Vec<u8> {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).unwrap();
        body
    }

    /// Sends `bytes`; whether the client still takes them is the answer.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends `bytes` one at a time, with `pause` after each, as long as the client takes them.
    pub(crate) fn drip(&mut self, bytes: impl IntoIterator<Item = u8>, pause: Duration) {
        for byte in bytes {
            if !self.send(&[byte]) {
                return;
            }
            thread::sleep(pause);
        }
    }

    /// Waits until the client closes.
    pub(crate) fn wait_for_the_end(&mut self) {
        while self.stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    }

    pub(crate) fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Ends the connection by a reset, as the kernel does for a process that died.
    pub(crate) fn reset(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        // The reset goes out when the last handle is closed.
        self.shared
            .open
            .lock()
            .unwrap()
            .retain(|open| open.peer_addr().ok() != self.stream.peer_addr().ok());
    }
}

/// A whole, correct answer.
pub(crate) fn answer(value: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{value}", value.len()).into_bytes()
}
