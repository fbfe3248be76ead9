//! [`TlsSession`]: TLS on one connection, of either side.

use std::fmt;
use std::io::{self, Read, Write};

use rustls::Connection;

use crate::http::tls::fault;

/// Bytes that one read of a socket takes: a whole record, and most of a handshake.
const READ_BYTES: usize = 17 * 1024;

/// TLS on one connection, without its socket: each call reads or writes that once at most. So a
/// caller that watches its time can do so between any two of them.
pub(crate) struct TlsSession {
    tls: Box<Connection>,
    /// What was read and has not been looked at yet, from `looked_at` on. rustls takes no more than
    /// a record until that was read by [`plain`](Self::plain).
    raw: Vec<u8>,
    looked_at: usize,
    /// Whether there may be something to read by `plain`.
    has_news: bool,
    /// Whether the other side has ended.
    is_over: bool,
}

impl TlsSession {
    pub(super) fn new(tls: Connection) -> Self {
        Self { tls: Box::new(tls), raw: Vec::new(), looked_at: 0, has_news: false, is_over: false }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether nothing has come that was not read, and the other side has not ended.
    pub(crate) fn is_quiet(&mut self) -> bool {
        if self.has_news {
            // The last reader may have asked for just as much as there was.
            let state = self.tls.process_new_packets();
            self.has_news = state.map_or(true, |state| state.plaintext_bytes_to_read() > 0);
        }
        !self.has_news && !self.is_over && self.raw.is_empty() && !self.tls.wants_write()
    }

    /// Whether there is something to [`send`](Self::send).
    pub(crate) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Takes bytes for the other side, and encrypts them. How many: there is a bound on what was
    /// not sent.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tls.writer().write(bytes)
    }

    /// Has the other side told, by what is sent next, that no more comes.
    pub(crate) fn end(&mut self) {
        self.tls.send_close_notify();
    }

    /// Writes once to the socket.
    pub(crate) fn send(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        self.tls.write_tls(socket)
    }

    /// Reads from the socket, at most once; not at all if an earlier call has read more than a
    /// record. Zero means that the other side has closed its end. After an error that is no
    /// socket's the other side was told of it.
    pub(crate) fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        if self.looked_at < self.raw.len() {
            let raw = std::mem::take(&mut self.raw);
            let from = std::mem::take(&mut self.looked_at);
            return self.look_at(&raw[from..], socket);
        }
        let mut raw = [0; READ_BYTES];
        let n = socket.read(&mut raw)?;
        if n == 0 {
            self.tls.read_tls(&mut io::empty())?;
            self.is_over = true;
            return Ok(0);
        }
        self.look_at(&raw[..n], socket)
    }

    /// Has rustls look at what came, up to the first bytes for the caller.
    fn look_at(&mut self, raw: &[u8], socket: &mut impl Write) -> io::Result<usize> {
        let mut rest = raw;
        while !rest.is_empty() && !self.has_news && !self.is_over {
            let before = rest.len();
            self.tls.read_tls(&mut rest)?;
            match self.tls.process_new_packets() {
                Ok(state) => {
                    self.has_news = state.plaintext_bytes_to_read() > 0;
                    self.is_over = state.peer_has_closed();
                }
                Err(error) => {
                    let _ = self.tls.write_tls(socket);
                    return Err(fault::of(error));
                }
            }
            if rest.len() == before {
                break;
            }
        }
        if !rest.is_empty() {
            self.raw = rest.to_vec();
        }
        Ok(raw.len())
    }

    /// Reads bytes that the other side has sent, and that were received. Zero is their end, `None`
    /// means that more must be received first.
    pub(crate) fn plain(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.has_news && !self.is_over {
            return Ok(None);
        }
        match self.tls.reader().read(room) {
            Ok(n) => {
                // A reader that was not filled has taken all that there was.
                self.has_news = n == room.len();
                Ok(Some(n))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.has_news = false;
                Ok(None)
            }
            // The socket was closed without a word. Who reads HTTP knows by that whether it was
            // too early.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.tls.protocol_version();
        f.debug_struct("TlsSession").field("version", &version).finish_non_exhaustive()
    }
}
