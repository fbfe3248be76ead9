//! Reads from a connection, within a time.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use crate::http::server::guarded::stream::Stream;

/// Reads once from a connection whose read timeout is `known`. `None` means that `timeout` is over.
pub(super) fn receive(
    stream: &mut Stream<'_>,
    known: &mut Option<Duration>,
    timeout: Duration,
    room: &mut [u8],
) -> io::Result<Option<usize>> {
    if *known != Some(timeout) {
        stream.socket().set_read_timeout(Some(timeout))?;
        *known = Some(timeout);
    }
    let mut deadline = None;
    loop {
        match stream.read(room) {
            Ok(n) => return Ok(Some(n)),
            // A signal, or a part of what TLS sends as a whole. The next read would wait for the
            // whole timeout again, and signals can come faster than that.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
                let Some(left) = left_until(deadline) else { return Ok(None) };
                stream.socket().set_read_timeout(Some(left))?;
                *known = Some(left);
            }
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// What is left of the time until `deadline`, if anything.
pub(super) fn left_until(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
