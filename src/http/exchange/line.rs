//! [`Line`]: the connection of an agent, and how long bodies are read from it past ureq.
//!
//! ureq copies a body out of a buffer, and walks over all of it once more for its log, also where
//! nothing is logged. That is a sixth of what a value of 256 KiB costs. So of a long body ureq
//! reads what came with the head, and the rest comes from the socket right into its place. For ureq
//! the connection ends there, with a body that nobody wanted. It is kept here, and ureq gets it
//! once more where it would open another one.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use ureq::Timeout;
use ureq::unversioned::transport::{NextTimeout, Transport as _};

use crate::http::exchange::socket::{self, Awaited, Countdown, Socket, WayBack};
use crate::sync::lock;

/// The bytes of ureq's buffer. Of longer bodies it reads the beginning only.
pub(super) const INPUT_BYTES: usize = 32 << 10;

/// The connection of an agent.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Arc<Mutex<LineState>>);

#[derive(Debug, Default)]
struct LineState {
    /// The connection that ureq has, if what goes over it is what is read from it.
    stream: Weak<TcpStream>,
    /// Whether an answer was read from it to the end, until it comes back.
    ended: Option<Awaited>,
    /// The one that came back, and when.
    rested: Option<(Socket, Instant)>,
}

impl Line {
    /// The connection to use in place of a new one, if there is one that has rested for less than
    /// `max_age`.
    pub(super) fn take_rested(&self, max_age: Duration) -> Option<Socket> {
        let rested = lock(&self.0).rested.take();
        let (mut socket, since) = rested?;
        let is_good = since.elapsed() < max_age && socket.is_open();
        is_good.then(|| self.lead_over(socket))
    }

    /// Makes `socket` the connection that ureq has.
    pub(super) fn lead_over(&self, mut socket: Socket) -> Socket {
        let Some(stream) = socket.plain_stream() else { return socket };
        lock(&self.0).stream = Arc::downgrade(stream);
        let way_back: Arc<dyn WayBack> = Arc::<Mutex<LineState>>::clone(&self.0);
        socket.set_way_back(Arc::downgrade(&way_back));
        socket
    }

    /// What ureq has not read of an answer, until a moment; `None` where only ureq can read it.
    pub(super) fn rest(&self, until: Instant) -> Option<Rest<'_>> {
        let stream = lock(&self.0).stream.upgrade()?;
        Some(Rest { line: self, stream, timeout: None, until })
    }
}

impl WayBack for Mutex<LineState> {
    fn is_awaited(&self) -> Option<Awaited> {
        lock(self).ended.take()
    }

    fn give_back(&self, socket: Socket) {
        let before = lock(self).rested.replace((socket, Instant::now()));
        // Closed without the lock, if there was one.
        drop(before);
    }
}

/// The rest of an answer, read past ureq.
pub(super) struct Rest<'a> {
    line: &'a Line,
    stream: Arc<TcpStream>,
    timeout: Option<Duration>,
    until: Instant,
}

impl Rest<'_> {
    /// All of it was read: the connection may be used again.
    pub(super) fn ended(self) {
        lock(&self.line.0).ended = Some(Awaited { read_timeout: self.timeout });
    }
}

impl Read for Rest<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ureq::Error::Timeout(Timeout::Global).into_io());
        }
        let timeout =
            NextTimeout { after: left.into(), reason: Timeout::Global, ..NextTimeout::default() };
        let mut countdown = Countdown::start(timeout);
        let received = socket::receive(&self.stream, &mut countdown, &mut self.timeout, room);
        received.map_err(ureq::Error::into_io)
    }
}

#[cfg(test)]
mod tests;
