//! [`TlsSession`]: TLS on one connection, of either side.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::ops::Range;

use rustls::Connection;

use crate::http::tls::fault::{self, TlsSide};

/// Bytes that one read of a socket takes: a whole record, and most of a handshake.
const READ_BYTES: usize = 17 * 1024;
/// The same once there was more to read.
const LONG_READ_BYTES: usize = 4 * READ_BYTES;

/// TLS on one connection, without its socket: each call reads or writes that once at most. So a
/// caller that watches its time can do so between any two of them.
pub(crate) struct TlsSession {
    tls: Box<Connection>,
    /// What is read from the socket. Empty until something is.
    raw: Vec<u8>,
    /// The part of it that has not been looked at yet. rustls takes no more than a record until
    /// that was read by [`plain`](Self::plain).
    rest: Range<usize>,
    /// Whether there may be something to read by `plain`.
    has_news: bool,
    /// Whether the other side has ended.
    is_over: bool,
}

impl TlsSession {
    pub(super) fn new(tls: Connection) -> Self {
        let (tls, raw, rest) = (Box::new(tls), Vec::new(), 0..0);
        Self { tls, raw, rest, has_news: false, is_over: false }
    }

    fn side(&self) -> TlsSide {
        match *self.tls {
            Connection::Client(_) => TlsSide::Client,
            Connection::Server(_) => TlsSide::Server,
        }
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
        !self.has_news && !self.is_over && self.rest.is_empty() && !self.tls.wants_write()
    }

    /// Whether there is something to [`send`](Self::send).
    pub(crate) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Takes bytes for the other side, and encrypts them. How many: there is a bound on what was
    /// not sent.
    pub(crate) fn take(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.tls.writer().write_vectored(parts)
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
        if !self.rest.is_empty() {
            return self.look_at_rest(socket);
        }
        if self.raw.len() < READ_BYTES {
            self.raw.resize(READ_BYTES, 0);
        }
        let n = socket.read(&mut self.raw)?;
        self.rest = 0..n;
        if n == 0 {
            self.tls.read_tls(&mut io::empty())?;
            self.is_over = true;
            return Ok(0);
        }
        let is_full = n == self.raw.len();
        let looked_at = self.look_at_rest(socket);
        if is_full && self.raw.len() < LONG_READ_BYTES {
            self.raw.resize(LONG_READ_BYTES, 0);
        }
        looked_at
    }

    /// Has rustls look at what came, up to the first bytes for the caller, and tells how much it
    /// has looked at.
    fn look_at_rest(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        let all = self.rest.len();
        while !self.rest.is_empty() && !self.has_news && !self.is_over {
            let n = self.tls.read_tls(&mut &self.raw[self.rest.clone()])?;
            self.rest.start += n;
            match self.tls.process_new_packets() {
                Ok(state) => {
                    self.has_news = state.plaintext_bytes_to_read() > 0;
                    self.is_over = state.peer_has_closed();
                }
                Err(error) => {
                    let _ = self.tls.write_tls(socket);
                    return Err(fault::of(error, self.side()));
                }
            }
            if n == 0 {
                break;
            }
        }
        // Zero would be the end.
        Ok((all - self.rest.len()).max(1))
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
