//! [`FaultyPeer`] and [`with_changed`], for the tests of the modules beside this one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::sync::lock;
use crate::testing::with_seeds;

/// What "in bounded time" means on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A peer that does on each connection what a script says. The script gets the connection and its
/// number, from 0.
pub(crate) struct FaultyPeer {
    pub(crate) url: String,
    pub(crate) shared: Arc<Heard>,
}

#[derive(Default)]
pub(crate) struct Heard {
    connections: AtomicUsize,
    stopped: AtomicBool,
    pub(crate) requests: Mutex<Vec<String>>,
}

/// One connection, as a script sees it.
pub(crate) struct Talk {
    pub(crate) stream: TcpStream,
    shared: Arc<Heard>,
}

impl FaultyPeer {
    pub(crate) fn start(script: impl Fn(&mut Talk, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Heard::default());
        let script = Arc::new(script);
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.stopped.load(Ordering::SeqCst) {
                    break;
                }
                stream.set_read_timeout(Some(2 * SOON)).unwrap();
                stream.set_write_timeout(Some(2 * SOON)).unwrap();
                stream.set_nodelay(true).unwrap();
                let number = theirs.connections.fetch_add(1, Ordering::SeqCst);
                let mut talk = Talk { stream, shared: Arc::clone(&theirs) };
                let script = Arc::clone(&script);
                thread::spawn(move || script(&mut talk, number));
            }
        });
        Self { url, shared }
    }

    /// A peer that answers the first request of each connection with `bytes`, and closes.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |talk, _| {
            talk.request();
            talk.say(&bytes);
        })
    }

    /// A peer that answers every request with a value.
    pub(crate) fn well(value: &'static [u8]) -> Self {
        Self::start(move |talk, _| while talk.request().is_some() && talk.say(&ok(value)) {})
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyPeer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

impl Talk {
    /// Reads one request; `None` when the other side has closed.
    pub(crate) fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        lock(&self.shared.requests).push(head.clone());
        Some(head)
    }

    /// Sends `bytes`; false when the other side is gone.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Is silent until the other side closes.
    pub(crate) fn stay_silent(&mut self) {
        while self.request().is_some() {}
    }

    /// Sends `bytes` again and again, with a pause before each, until the other side is gone.
    pub(crate) fn say_for_ever(&mut self, bytes: &[u8], pause: Duration) {
        while self.say(bytes) {
            thread::sleep(pause);
        }
    }

    /// Closes with a reset.
    pub(crate) fn reset(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

pub(crate) fn ok(value: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", value.len());
    [head.as_bytes(), value].concat()
}

/// Runs `test` on one of the `seeds` with up to four bytes replaced by some of `others`, `runs`
/// times: for parsers of which a fuzzer has found what is worth keeping.
pub(crate) fn with_changed<S: AsRef<[u8]>>(
    runs: u64,
    seeds: &[S],
    others: &[u8],
    test: impl Fn(&[u8]),
) {
    with_seeds(runs, |random| {
        let mut bytes = seeds[random.below(seeds.len() as u64) as usize].as_ref().to_vec();
        for _ in 0..random.below(5) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = others[random.below(others.len() as u64) as usize];
        }
        test(&bytes);
    });
}
