//! [`Stream`]: what requests are read from and answers are written to.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

use crate::http::tls::TlsSession;

/// The bytes of one connection, as they are or over TLS.
///
/// Each call reads or writes the socket once at most. Where that has not brought anything, as a
/// record of TLS is not complete, the call is told to be interrupted: those who call look at their
/// time then, and call again.
pub(super) enum Stream<'a> {
    Plain(&'a TcpStream),
    Tls(&'a TcpStream, TlsSession),
}

impl<'a> Stream<'a> {
    pub(super) fn socket(&self) -> &'a TcpStream {
        match self {
            Self::Plain(socket) | Self::Tls(socket, _) => socket,
        }
    }

    /// Tells a client that knows TLS that no more comes, if there is room for that.
    pub(super) fn say_end(&mut self) -> io::Result<()> {
        if let Self::Tls(socket, tls) = self {
            tls.end();
            socket.set_nonblocking(true)?;
            // If there is none, the end of the connection says the same.
            let _ = tls.send(socket);
            socket.set_nonblocking(false)?;
        }
        Ok(())
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(room),
            Self::Tls(socket, tls) => {
                if let Some(n) = tls.plain(room)? {
                    return Ok(n);
                }
                tls.receive(socket)?;
                tls.plain(room)?.ok_or_else(|| io::ErrorKind::Interrupted.into())
            }
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(..) => self.write_encrypted(&[IoSlice::new(bytes)]),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(parts),
            Self::Tls(..) => self.write_encrypted(parts),
        }
    }

    /// Writes once what was taken and not written.
    fn flush(&mut self) -> io::Result<()> {
        let Self::Tls(socket, tls) = self else { return Ok(()) };
        if tls.wants_write() && tls.send(socket)? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if tls.wants_write() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl Stream<'_> {
    /// Takes bytes once all that was taken before is written, and begins to write them.
    fn write_encrypted(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let Self::Tls(_, tls) = self else { return Ok(0) };
        let taken = tls.take(parts)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(taken),
        }
    }
}
