//! From an accepted connection to one that requests can be read from.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::http::server::guarded::connections::Member;
use crate::http::server::guarded::shared::GuardedShared;
use crate::http::server::guarded::stream::Stream;
use crate::http::tls::{TlsConfig, TlsSession};

/// The answer to what is no TLS.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 32\r\n\
    Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    this port speaks TLS (https://)\n";

/// How long, and how much, is read from a client that was refused, so that its end of the
/// connection does not break before it has read why.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 64 * 1024);

/// What requests are read from, once the client and this server agree on that.
pub(super) fn open<'a>(shared: &GuardedShared, member: &'a Member) -> io::Result<Stream<'a>> {
    let (socket, handshakes) = (member.socket(), &shared.handshakes);
    let Some(tls) = &handshakes.tls else { return Ok(Stream::Plain(socket)) };
    let limits = &shared.limits;
    let place = handshakes.enter(member.line(), limits.max_handshakes);
    if place.took_place {
        shared.rejected.fetch_add(1, Ordering::Relaxed);
    }
    let deadline = Instant::now() + limits.handshake;
    socket.set_write_timeout(Some(limits.handshake))?;
    let shaken = shake_hands(tls, socket, deadline);
    drop(place);
    shaken.map(|tls| Stream::Tls(socket, tls)).inspect_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            handshakes.tell(shared.addr, socket, error);
            member.give_up();
            linger(socket);
        }
    })
}

fn shake_hands(
    tls: &TlsConfig,
    mut socket: &TcpStream,
    deadline: Instant,
) -> io::Result<TlsSession> {
    let wait = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_slow()) } else { socket.set_read_timeout(Some(left)) }
    };
    let mut first = [0];
    loop {
        wait()?;
        match socket.peek(&mut first) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(named(error)),
        }
    }
    if first[0].is_ascii_uppercase() {
        // A request, most likely. One who sends other things would not understand the answer.
        socket.write_all(NO_TLS)?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no TLS"));
    }
    let mut tls = tls.accept()?;
    while tls.is_handshaking() || tls.wants_write() {
        wait()?;
        let done = if tls.wants_write() { tls.send(&mut socket) } else { tls.receive(&mut socket) };
        match done {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(named(error)),
        }
    }
    Ok(tls)
}

/// Reads what still comes for a moment. A socket that is closed with unread bytes resets the
/// connection, and the client might never see why.
fn linger(mut socket: &TcpStream) {
    let deadline = Instant::now() + LINGER.0;
    let (mut bytes, mut read) = ([0; 4096], 0);
    if socket.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while read < LINGER.1 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match socket.read(&mut bytes) {
            Ok(n) if n > 0 => read += n,
            _ => return,
        }
    }
}

/// The error of a read that may have had no time left.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => too_slow(),
        _ => error,
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")
}
