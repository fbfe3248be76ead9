//! [`Client`]: a connection that says exactly what it is told to.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::SOON;

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether it announces the end of the connection.
    pub(crate) says_close: bool,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Silence,
    /// What came is no answer.
    Garbled,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, SOON).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        let client = Self { stream, buffer: Vec::new() };
        client.wait_at_most(SOON);
        client
    }

    pub(crate) fn wait_at_most(&self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).unwrap();
    }

    /// The server may have ended the connection before it took everything.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends `bytes` again and again, until `most` bytes are sent or nobody takes them.
    pub(crate) fn send_what_is_taken(&mut self, bytes: &[u8], most: usize) {
        self.stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut sent = 0;
        while sent < most && self.stream.write_all(bytes).is_ok() {
            sent += bytes.len();
        }
    }

    /// Ends this side of the connection. Answers can still come.
    pub(crate) fn send_no_more(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Leaves without a farewell.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn answer(&mut self) -> Result<Answer, End> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            self.fill()?;
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).map_err(|_| End::Garbled)?.to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let status = field("http/1.1 ").or_else(|| field("http/1.0 ")).ok_or(End::Garbled)?;
        let status = status.split(' ').next().and_then(|status| status.parse().ok());
        let length = field("content-length: ").map_or(Ok(0), str::parse);
        let length: usize = length.map_err(|_| End::Garbled)?;
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(Answer {
            status: status.ok_or(End::Garbled)?,
            body: self.buffer.drain(..length).collect(),
            says_close: field("connection: ") == Some("close"),
        })
    }

    fn fill(&mut self) -> Result<(), End> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(End::Closed),
            Ok(n) => {
                self.buffer.extend_from_slice(&bytes[..n]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(End::Silence)
            }
            Err(_) => Err(End::Closed),
        }
    }
}
