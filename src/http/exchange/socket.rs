//! [`Socket`]: a connection to a peer, as ureq wants it, that makes as few system calls as a
//! request can do with.
//!
//! ureq's own transport makes ten for a request on a kept connection: two that set timeouts, six
//! that look twice whether the connection is still there, and those that send and receive. This one
//! makes three, and sends a short body with its head:
//!
//! * A timeout that the socket has is left in force while it is a little shorter than what is
//!   wanted. A read or write that it ends early goes on with what is then left of the time, so none
//!   takes longer than it may.
//! * ureq looks when it puts a connection back and again when it takes it out. What the second look
//!   finds includes what the first would have found, so only that one asks the system, and with one
//!   call where the system has a way to.
//! * What is sent is held back until an answer is awaited, or there is much of it.

use std::fmt;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::http::exchange::trace::Trace;
use crate::http::glance;
use crate::http::tls::TlsSession;
use crate::http::token::{MAX_HEADER_BYTES, Tokens};

/// A timeout this short is set as it is.
const SHORT: Duration = Duration::from_millis(20);

/// Who takes a socket back that ureq drops.
pub(super) trait WayBack: fmt::Debug + Send + Sync {
    /// Whether it is awaited. Then it is given back, if it can be used again.
    fn is_awaited(&self) -> Option<Awaited>;

    fn give_back(&self, socket: Socket);
}

/// What became of a socket that is awaited.
#[derive(Debug)]
pub(super) struct Awaited {
    /// The timeout that it has by now.
    pub(super) read_timeout: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    /// Whose it is when ureq drops it.
    way_back: Option<Weak<dyn WayBack>>,
    /// What is between the socket and the buffers, if they hold other than what goes over the wire.
    tls: Option<TlsSession>,
    /// The secret, which is added to the heads of requests as they leave.
    tokens: Option<Arc<Tokens>>,
    /// Whether the head of a request has yet to be sent.
    awaits_head: bool,
    buffers: SocketBuffers,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Nothing was sent or received since somebody asked whether it is open.
    resting: bool,
    /// A request was sent, at least in part, and its answer has not come.
    is_unanswered: bool,
    /// Why the other side takes nothing any more. It may have said why before it closed, so this is
    /// an error only when nothing comes.
    refused: Option<io::Error>,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        tls: Option<TlsSession>,
        tokens: Option<Arc<Tokens>>,
        (input_bytes, output_bytes): (usize, usize),
    ) -> Self {
        let reserved_bytes = tokens.as_ref().map_or(0, |_| MAX_HEADER_BYTES);
        Self {
            stream: Arc::new(stream),
            way_back: None,
            tls,
            tokens,
            awaits_head: true,
            buffers: SocketBuffers::new(input_bytes, output_bytes, reserved_bytes),
            read_timeout: None,
            write_timeout: None,
            resting: false,
            is_unanswered: false,
            refused: None,
        }
    }

    /// The connection itself, where what is read from it is what the other side says.
    pub(super) fn plain_stream(&self) -> Option<&Arc<TcpStream>> {
        self.tls.is_none().then_some(&self.stream)
    }

    pub(super) fn set_way_back(&mut self, way_back: Weak<dyn WayBack>) {
        self.way_back = Some(way_back);
    }

    /// Adds the secret to the head of a request. It is done here, as ureq logs every byte that it
    /// knows at the level `trace`.
    fn add_token(&mut self) -> Result<(), Error> {
        let Some(tokens) = self.tokens.as_ref().filter(|_| self.awaits_head) else { return Ok(()) };
        let (room, held) = (&mut self.buffers.output[..], self.buffers.held);
        self.buffers.held = tokens.add_to(room, held).ok_or_else(|| {
            let message = "the token can't be added to this request";
            Error::Io(io::Error::new(io::ErrorKind::InvalidInput, message))
        })?;
        // What follows may be the body, which may hold anything.
        self.awaits_head = false;
        Ok(())
    }

    /// Sends what was held back.
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        if self.buffers.held == 0 {
            return Ok(());
        }
        self.add_token()?;
        let mut countdown = Countdown::start(timeout.for_write());
        if self.tls.is_some() {
            self.shake_hands(&mut countdown)?;
        }
        self.is_unanswered = true;
        let mut sent = 0;
        while sent < self.buffers.held && self.refused.is_none() {
            match &mut self.tls {
                None => sent += self.write(&mut countdown, sent)?,
                Some(tls) => {
                    sent +=
                        tls.take(&[IoSlice::new(&self.buffers.output[sent..self.buffers.held])])?;
                    self.send_encrypted(&mut countdown)?;
                }
            }
            if sent < self.buffers.held {
                countdown.go_on()?;
            }
        }
        self.buffers.held = 0;
        Ok(())
    }

    /// Writes once, from `sent` on.
    fn write(&mut self, countdown: &mut Countdown, sent: usize) -> Result<usize, Error> {
        countdown.set(&self.stream, TcpStream::set_write_timeout, &mut self.write_timeout)?;
        let written = (&*self.stream).write(&self.buffers.output[sent..self.buffers.held]);
        self.wrote(countdown, written)
    }

    /// How much was written, if it may go on.
    fn wrote(
        &mut self,
        countdown: &mut Countdown,
        written: io::Result<usize>,
    ) -> Result<usize, Error> {
        match written {
            Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
            Ok(n) => {
                Trace::note_sent();
                return Ok(n);
            }
            Err(error) if is_closed(&error) => self.refused = Some(error),
            Err(error) => countdown.go_on_after(error)?,
        }
        Ok(0)
    }

    /// Sends what TLS has made of what it was given, and what it has to say itself.
    fn send_encrypted(&mut self, countdown: &mut Countdown) -> Result<(), Error> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            if self.refused.is_some() {
                break;
            }
            countdown.set(&self.stream, TcpStream::set_write_timeout, &mut self.write_timeout)?;
            let written = tls.send(&mut &*self.stream);
            self.wrote(countdown, written)?;
            if self.tls.as_ref().is_some_and(TlsSession::wants_write) {
                countdown.go_on()?;
            }
        }
        Ok(())
    }

    /// Makes a TLS connection of one that is none yet.
    fn shake_hands(&mut self, countdown: &mut Countdown) -> Result<(), Error> {
        loop {
            self.send_encrypted(countdown)?;
            let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_handshaking()) else {
                return Ok(());
            };
            countdown.set(&self.stream, TcpStream::set_read_timeout, &mut self.read_timeout)?;
            match tls.receive(&mut &*self.stream) {
                Ok(0) => {
                    let message = "TLS: the other side closed the connection in the handshake";
                    let kind = io::ErrorKind::UnexpectedEof;
                    return Err(Error::Io(io::Error::new(kind, message)));
                }
                Ok(n) => {
                    Trace::note_heard(n);
                    countdown.go_on()?;
                }
                Err(error) => countdown.go_on_after(error)?,
            }
        }
    }

    /// Waits for bytes and puts them into the buffer. Zero is the end.
    fn fill(&mut self, countdown: &mut Countdown) -> Result<usize, Error> {
        let mut has_heard = false;
        loop {
            let Some(tls) = &mut self.tls else {
                let room = self.buffers.input_append_buf();
                return receive(&self.stream, countdown, &mut self.read_timeout, room);
            };
            if let Some(n) = tls.plain(self.buffers.input_append_buf())? {
                return Ok(n);
            }
            // A part of a record, or one that says nothing to ureq.
            if has_heard {
                countdown.go_on()?;
            }
            countdown.set(&self.stream, TcpStream::set_read_timeout, &mut self.read_timeout)?;
            match tls.receive(&mut &*self.stream) {
                Ok(n) => {
                    if n > 0 {
                        Trace::note_heard(n);
                    }
                    has_heard = true;
                }
                Err(error) => countdown.go_on_after(error)?,
            }
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.resting = false;
        self.buffers.held += amount;
        // The next part is written into what is left of the buffer.
        if self.buffers.held > self.buffers.output_end() / 2 {
            self.flush(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.resting = false;
        self.flush(timeout)?;
        self.awaits_head = true;
        let mut countdown = Countdown::start(timeout.for_read());
        let filled = self.fill(&mut countdown);
        // Where it is not the time that was over, the other side has ended the connection, or what
        // it said made an end of it.
        self.is_unanswered &= matches!(filled, Err(Error::Timeout(_)));
        match filled? {
            0 => self.refused.take().map_or(Ok(false), |why| Err(Error::Io(why))),
            n => {
                self.buffers.input_appended(n);
                Ok(true)
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // A caller that asks for the first time puts the connection aside, and asks again before it
        // is used.
        let was_resting = std::mem::replace(&mut self.resting, true);
        let is_whole = self.buffers.held == 0 && self.refused.is_none();
        let is_quiet = self.tls.as_mut().is_none_or(TlsSession::is_quiet);
        is_whole && is_quiet && (!was_resting || glance::is_silent(&self.stream))
    }

    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl Drop for Socket {
    /// A request that was given up must not arrive later: with a reset, the system forgets what it
    /// has not delivered, and the peer learns that nobody waits.
    fn drop(&mut self) {
        if self.is_unanswered {
            // Where that can't be set, the connection ends as usual.
            let _ = socket2::SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
            return;
        }
        let Some(way_back) = self.way_back.as_ref().and_then(Weak::upgrade) else { return };
        let Some(Awaited { read_timeout }) = way_back.is_awaited() else { return };
        let is_whole = self.buffers.held == 0 && self.buffers.input().is_empty();
        if is_whole && self.refused.is_none() {
            way_back.give_back(Self {
                stream: Arc::clone(&self.stream),
                way_back: None,
                tls: None,
                tokens: self.tokens.take(),
                awaits_head: true,
                buffers: std::mem::take(&mut self.buffers),
                read_timeout,
                write_timeout: self.write_timeout,
                resting: true,
                is_unanswered: false,
                refused: None,
            });
        }
    }
}

/// Waits for bytes and puts them into the room. Zero is the end. `current` is the timeout that the
/// socket has.
pub(super) fn receive(
    stream: &TcpStream,
    countdown: &mut Countdown,
    current: &mut Option<Duration>,
    room: &mut [u8],
) -> Result<usize, Error> {
    loop {
        countdown.set(stream, TcpStream::set_read_timeout, current)?;
        match (&mut &*stream).read(room) {
            Ok(n) => {
                if n > 0 {
                    Trace::note_heard(n);
                }
                return Ok(n);
            }
            Err(error) => countdown.go_on_after(error)?,
        }
    }
}

/// The time that an operation on a socket may take.
pub(super) struct Countdown {
    timeout: NextTimeout,
    begun: Instant,
    left: Option<Duration>,
}

impl Countdown {
    pub(super) fn start(timeout: NextTimeout) -> Self {
        let left = timeout.not_zero().map(|left| *left);
        Self { timeout, begun: Instant::now(), left }
    }

    /// Sees to it that the socket's timeout, which is `current`, ends the next operation in time,
    /// maybe early.
    fn set(
        &self,
        stream: &TcpStream,
        set: impl Fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        current: &mut Option<Duration>,
    ) -> Result<(), Error> {
        if !is_good_for(*current, self.left) {
            let timeout = self.left.map(|left| if left > SHORT { left - left / 8 } else { left });
            set(stream, timeout)?;
            *current = timeout;
        }
        Ok(())
    }

    /// Decides whether there is another try after `error`.
    fn go_on_after(&mut self, error: io::Error) -> Result<(), Error> {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        if !matches!(error.kind(), Interrupted | TimedOut | WouldBlock) {
            return Err(Error::Io(error));
        }
        self.go_on()
    }

    /// What comes next has what is left of the time; an error if nothing is.
    fn go_on(&mut self) -> Result<(), Error> {
        if let Some(within) = self.timeout.not_zero() {
            let left = within.saturating_sub(self.begun.elapsed());
            if left.is_zero() {
                return Err(Error::Timeout(self.timeout.reason));
            }
            self.left = Some(left);
        }
        Ok(())
    }
}

/// Whether the other side has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// Whether a timeout is neither too long for `left`, nor so much too short that it would end one
/// operation after the other.
fn is_good_for(timeout: Option<Duration>, left: Option<Duration>) -> bool {
    match (timeout, left) {
        (None, None) => true,
        (Some(timeout), Some(left)) => timeout <= left && timeout >= left - left / 4,
        _ => false,
    }
}

/// What is to be sent, and what has come.
#[derive(Debug, Default)]
struct SocketBuffers {
    /// Its first `held` bytes wait to be sent. Its last `reserved` ones are not for ureq.
    output: Box<[u8]>,
    held: usize,
    reserved: usize,
    /// What has come and is not consumed is `input[start..end]`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the last consumer took something.
    progress: bool,
}

impl SocketBuffers {
    fn new(input_bytes: usize, output_bytes: usize, reserved: usize) -> Self {
        let output = vec![0; output_bytes + reserved].into();
        let input = vec![0; input_bytes].into();
        Self { output, held: 0, reserved, input, start: 0, end: 0, progress: false }
    }

    /// Where the room that ureq has for what is sent ends.
    fn output_end(&self) -> usize {
        self.output.len() - self.reserved
    }
}

impl Buffers for SocketBuffers {
    fn output(&mut self) -> &mut [u8] {
        let end = self.output_end();
        &mut self.output[self.held.min(end)..end]
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.input[self.end..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.end += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.start += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let end = self.output_end();
        (&mut self.input[self.end..], &mut self.output[self.held.min(end)..end])
    }

    fn can_use_input(&self) -> bool {
        self.start < self.end && self.progress
    }
}

#[cfg(test)]
mod tests;
