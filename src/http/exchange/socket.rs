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

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::http::exchange::trace::Trace;

/// A timeout this short is set as it is.
const SHORT: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    buffers: SocketBuffers,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Nothing was sent or received since somebody asked whether it is open.
    resting: bool,
    /// Why the other side takes nothing any more. It may have said why before it closed, so this is
    /// an error only when nothing comes.
    refused: Option<io::Error>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, input_bytes: usize, output_bytes: usize) -> Self {
        let buffers = SocketBuffers::new(input_bytes, output_bytes);
        let (read_timeout, write_timeout) = (None, None);
        Self { stream, buffers, read_timeout, write_timeout, resting: false, refused: None }
    }

    /// Sends what was held back.
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let mut countdown = Countdown::start(timeout);
        let mut sent = 0;
        while sent < self.buffers.held && self.refused.is_none() {
            countdown.set(&self.stream, TcpStream::set_write_timeout, &mut self.write_timeout)?;
            match (&self.stream).write(&self.buffers.output[sent..self.buffers.held]) {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    Trace::note_sent();
                    sent += n;
                }
                Err(error) if is_closed(&error) => self.refused = Some(error),
                Err(error) => countdown.go_on_after(error)?,
            }
        }
        self.buffers.held = 0;
        Ok(())
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
        if self.buffers.held > self.buffers.output.len() / 2 {
            self.flush(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.resting = false;
        self.flush(timeout)?;
        let timeout = timeout.for_read();
        let mut countdown = Countdown::start(timeout);
        loop {
            countdown.set(&self.stream, TcpStream::set_read_timeout, &mut self.read_timeout)?;
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Ok(n) if n > 0 => {
                    Trace::note_heard();
                    self.buffers.input_appended(n);
                    return Ok(true);
                }
                Ok(_) => return self.refused.take().map_or(Ok(false), |why| Err(Error::Io(why))),
                Err(error) => countdown.go_on_after(error)?,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // A caller that asks for the first time puts the connection aside, and asks again before it
        // is used.
        let was_resting = std::mem::replace(&mut self.resting, true);
        let is_whole = self.buffers.held == 0 && self.refused.is_none();
        is_whole && (!was_resting || is_silent(&self.stream))
    }
}

/// The time that an operation on a socket may take.
struct Countdown {
    timeout: NextTimeout,
    begun: Instant,
    left: Option<Duration>,
}

impl Countdown {
    fn start(timeout: NextTimeout) -> Self {
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

/// Whether the other side has neither sent anything nor closed the connection.
fn is_silent(stream: &TcpStream) -> bool {
    matches!(peek(stream), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Looks at a byte that has come, without waiting for one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn peek(stream: &TcpStream) -> io::Result<usize> {
    /// MSG_PEEK and MSG_DONTWAIT, on all architectures.
    const FLAGS: i32 = 0x02 | 0x40;
    let mut byte = [std::mem::MaybeUninit::uninit()];
    socket2::SockRef::from(stream).recv_with_flags(&mut byte, FLAGS)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn peek(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    peeked
}

/// What is to be sent, and what has come.
#[derive(Debug)]
struct SocketBuffers {
    /// Its first `held` bytes wait to be sent.
    output: Box<[u8]>,
    held: usize,
    /// What has come and is not consumed is `input[start..end]`.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the last consumer took something.
    progress: bool,
}

impl SocketBuffers {
    fn new(input_bytes: usize, output_bytes: usize) -> Self {
        let (output, input) = (vec![0; output_bytes].into(), vec![0; input_bytes].into());
        Self { output, held: 0, input, start: 0, end: 0, progress: false }
    }
}

impl Buffers for SocketBuffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output[self.held..]
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
        (&mut self.input[self.end..], &mut self.output[self.held..])
    }

    fn can_use_input(&self) -> bool {
        self.start < self.end && self.progress
    }
}

#[cfg(test)]
mod tests;
