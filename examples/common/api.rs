//! A small HTTP server for the demos' API: a thread per connection, one request each. Any web
//! server would do.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use geecache::Error;

use super::errors::describe;

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request line may be, in bytes.
const MAX_LINE: u64 = 16 << 10;

/// An API that was started.
pub(crate) struct Api {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What a client gets.
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Api {
    /// Answers `GET /api?key=KEY` at `address` by `answer`.
    pub(crate) fn start(
        address: impl ToSocketAddrs,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let ending = Arc::new(AtomicBool::new(false));
        let thread = {
            let ending = Arc::clone(&ending);
            Builder::new().name("api".into()).spawn(move || accept(&listener, &ending, &answer))?
        };
        Ok(Self { address, ending, thread })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, and returns when everybody has their answer.
    pub(crate) fn shutdown(self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
        let _ = self.thread.join();
    }
}

fn accept(listener: &TcpListener, ending: &AtomicBool, answer: &(impl Fn(&str) -> Answer + Sync)) {
    thread::scope(|scope| {
        loop {
            let accepted = listener.accept();
            if ending.load(Ordering::Acquire) {
                return;
            }
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: there are more when other requests have ended.
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            // Who can't have a thread, or went away, sees the connection close.
            let _ = Builder::new().spawn_scoped(scope, move || serve(stream, answer));
        }
    });
}

fn serve(stream: TcpStream, answer: impl Fn(&str) -> Answer) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.take(MAX_LINE));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let answer = match key(&line) {
        Ok(key) => answer(&key),
        Err(refusal) => refusal,
    };

    let Answer { status, headers, body } = answer;
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    bytes += "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n";
    let mut bytes = bytes.into_bytes();
    bytes.extend(body);
    reader.into_inner().into_inner().write_all(&bytes)
}

/// The key that a request line asks for.
fn key(line: &str) -> Result<String, Answer> {
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(Answer::text("400 Bad Request", "this is not HTTP"));
    };
    if method != "GET" {
        return Err(Answer::text("405 Method Not Allowed", "only GET is served here"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key="));
    let (true, Some(key)) = (path == "/api", key) else {
        return Err(Answer::text("404 Not Found", "ask for /api?key=NAME"));
    };
    decode(key).ok_or_else(|| Answer::text("400 Bad Request", "the key is not UTF-8"))
}

/// Text as forms send it: `+` is a space, `%XX` a byte.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest = after;
                hex(*high) << 4 | hex(*low)
            }
            (other, _) => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

impl Answer {
    /// The value, or why there is none.
    pub(crate) fn of(key: &str, result: &Result<impl AsRef<[u8]>, Error>) -> Self {
        match result {
            Ok(value) => Self { body: value.as_ref().to_vec(), ..Self::text("200 OK", "") },
            Err(Error::EmptyKey) => Self::text("400 Bad Request", "the key is empty"),
            Err(Error::NotFound { .. }) => Self::text("404 Not Found", &format!("{key} not exist")),
            Err(error) => Self::text("500 Internal Server Error", &describe(error)),
        }
    }

    fn text(status: &'static str, line: &str) -> Self {
        Self { status, headers: Vec::new(), body: format!("{line}\n").into_bytes() }
    }
}
