//! Two ends of a socket that do nothing but send as many bytes as HTTP would: what no cache can be
//! faster than.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::client::{Ask, Session};
use super::scenario::Scenario;
use super::{BoxError, geecache};
use crate::process::announce;

/// Bytes of a request's head without its key.
const REQUEST_HEAD: usize =
    "GET /_geecache/bench/ HTTP/1.1\r\nhost: 127.0.0.1:40000\r\ngeecache-timeout-ms: 1800\r\n\r\n"
        .len();

/// Bytes of an answer's head.
const ANSWER_HEAD: usize =
    "HTTP/1.1 200 OK\r\nContent-Length: 262144\r\nContent-Type: application/octet-stream\r\n\r\n"
        .len();

/// Each connection begins with the lengths of all its requests and of all its answers.
pub(super) fn serve() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    announce(address)
}

/// Answers until the client has gone.
fn answer(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lengths = [0; 8];
    stream.read_exact(&mut lengths).ok()?;
    let mut request = vec![0; u32::from_le_bytes(lengths[..4].try_into().ok()?) as usize];
    let answer = vec![7; u32::from_le_bytes(lengths[4..].try_into().ok()?) as usize];
    loop {
        stream.read_exact(&mut request).ok()?;
        stream.write_all(&answer).ok()?;
    }
}

pub(super) struct Client {
    address: String,
}

impl Client {
    pub(super) fn new(address: &str) -> Result<Self, BoxError> {
        Ok(Self { address: address.to_owned() })
    }
}

impl Ask for Client {
    type Session<'a> = Connection;

    fn prime(&self, _keys: &[String], _scenario: &Scenario) -> Result<(), BoxError> {
        Ok(())
    }

    fn session(&self, scenario: &Scenario) -> Result<Connection, BoxError> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let keys: usize = scenario.keys(0).iter().take(scenario.batch).map(String::len).sum();
        let framing = if scenario.batch > 1 { scenario.batch * geecache::FRAMING } else { 0 };
        let request = vec![7; REQUEST_HEAD + keys + framing];
        let answer = vec![0; ANSWER_HEAD + scenario.batch * scenario.value_bytes + framing];
        stream.write_all(&u32::try_from(request.len())?.to_le_bytes())?;
        stream.write_all(&u32::try_from(answer.len())?.to_le_bytes())?;
        Ok(Connection { stream, request, answer })
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Session for Connection {
    fn get(&mut self, _keys: &[&str]) -> Result<(), BoxError> {
        self.stream.write_all(&self.request)?;
        self.stream.read_exact(&mut self.answer)?;
        Ok(())
    }
}
