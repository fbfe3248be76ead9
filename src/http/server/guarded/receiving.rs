//! Reads from a connection, within a time.

use std::io::{self, Read as _};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::http::server::guarded::stream::Stream;

/// Bytes of the read buffer while nothing longer has come.
pub(super) const BUFFER: usize = 4 * 1024;

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

/// A buffer that begins with what is `pending` in `buffer`, if that leaves most of it unused. There
/// may be no end of requests that come one after the other, so it can't be waited for.
pub(super) fn smaller_buffer(buffer: &[u8], pending: Range<usize>) -> Option<Vec<u8>> {
    if buffer.len() <= 16 * BUFFER || pending.len() > buffer.len() / 4 {
        return None;
    }
    let mut smaller = Vec::with_capacity(pending.len().max(BUFFER));
    smaller.extend_from_slice(&buffer[pending]);
    smaller.resize(smaller.capacity(), 0);
    Some(smaller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_buffer_is_given_back_although_the_next_request_has_begun() {
        let mut buffer = vec![b'x'; 64 << 20];
        let len = buffer.len();
        buffer[len - 1] = b'G';
        let smaller = smaller_buffer(&buffer, len - 1..len).unwrap();
        assert!(smaller.capacity() <= 2 * BUFFER, "{}", smaller.capacity());
        assert_eq!((smaller.len(), smaller[0]), (smaller.capacity(), b'G'));

        let smaller = smaller_buffer(&buffer, 0..0).unwrap();
        assert!(smaller.len() <= 2 * BUFFER);
    }

    #[test]
    fn buffer_that_is_short_or_in_use_is_kept() {
        assert_eq!(smaller_buffer(&[0; 16 * BUFFER], 5..6), None);
        assert_eq!(smaller_buffer(&[0; 64 * BUFFER], 0..17 * BUFFER), None);
    }
}
