//! Reads the body of an answer, in which nothing is believed before it is there.

use std::fmt;
use std::io::Read;
use std::iter;
use std::sync::Arc;

use ureq::Body;
use ureq::http::HeaderMap;
use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING,
};

use crate::byteview::ByteView;
use crate::error::PeerErrorKind;
use crate::http::exchange::failure::{CallError, Failure};
use crate::http::verdict::Verdict;

/// As much of an error's text is read, and kept.
const MAX_TEXT_BYTES: u64 = 8 << 10;
/// A value up to this long gets all of its memory before its first byte has come.
const MAX_BYTES_AHEAD: usize = 1 << 20;
/// A longer one gets this many times what has come of it, again and again. Each time, what has come
/// is copied: a third of the value altogether, and a quarter of it at the end.
const GROWTH: usize = 4;

/// Reads the whole body that follows `headers`, which may be `limit` bytes long.
pub(super) fn read_value(
    body: &mut Body,
    headers: &HeaderMap,
    limit: u64,
) -> Result<ByteView, CallError> {
    let mut types = all(headers, CONTENT_TYPE).filter_map(|value| value.split(';').next());
    // No peer says this of a value; what serves web pages has one for every path.
    if types.any(|essence| essence.trim().eq_ignore_ascii_case("text/html")) {
        return Err(broken("a web page is no value"));
    }
    match length(headers)? {
        Length::Known(length) if length > limit => {
            Err(too_long(format_args!("of {length} bytes"), limit))
        }
        Length::Known(length) => read_exactly(body.as_reader(), length),
        Length::Chunked => read_chunks(body, limit),
    }
}

/// How the end of a body is told.
enum Length {
    Known(u64),
    /// The servers of Go do this with all but short bodies.
    Chunked,
}

fn length(headers: &HeaderMap) -> Result<Length, CallError> {
    let is_coded = |coding: &&str| !coding.eq_ignore_ascii_case("identity");
    if all(headers, CONTENT_ENCODING).any(|coding| is_coded(&coding)) {
        return Err(broken("the value has a content-encoding"));
    }
    let mut codings = all(headers, TRANSFER_ENCODING).filter(is_coded);
    let mut lengths = all(headers, CONTENT_LENGTH);
    match ((codings.next(), codings.next()), (lengths.next(), lengths.next())) {
        ((None, _), (Some(length), None)) => match length.parse() {
            Ok(length) => Ok(Length::Known(length)),
            Err(_) => Err(broken("the value has a Content-Length that is no number")),
        },
        ((Some(coding), None), (None, _)) if coding.eq_ignore_ascii_case("chunked") => {
            Ok(Length::Chunked)
        }
        // A value that was cut off could not be told from a whole one.
        ((None, _), (None, _)) => Err(broken("the value has neither a length nor chunks")),
        ((None, _), _) => Err(broken("the value has two lengths")),
        (_, (None, _)) => Err(broken("the value has a transfer-encoding")),
        // A peer that sends both wants two readers to see two different bodies.
        _ => Err(broken("the value has a length and a transfer-encoding")),
    }
}

fn all(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("not text"))
}

/// Reads a body of `length` bytes, into the allocation that the value is going to live in.
///
/// A length that was only announced takes little memory, or a peer that says nothing more could
/// take all of it: the allocation grows with what has come.
fn read_exactly(mut reader: impl Read, length: u64) -> Result<ByteView, CallError> {
    let length = usize::try_from(length).map_err(|_| broken("the value fills the memory"))?;
    let mut bytes = zeros(length.min(MAX_BYTES_AHEAD));
    let mut come = 0;
    loop {
        let unshared = Arc::get_mut(&mut bytes).expect("nobody else has seen the allocation");
        reader.read_exact(&mut unshared[come..])?;
        come = bytes.len();
        if come == length {
            break;
        }
        let mut more = zeros(length.min(come.saturating_mul(GROWTH)));
        let unshared = Arc::get_mut(&mut more).expect("nobody else has seen the allocation");
        unshared[..come].copy_from_slice(&bytes);
        bytes = more;
    }
    // Only a reader that has seen the end gives its connection back.
    if reader.read(&mut [0])? != 0 {
        return Err(broken("the value is longer than its Content-Length"));
    }
    Ok(ByteView::from(bytes))
}

fn zeros(length: usize) -> Arc<[u8]> {
    // Collecting a run of known length into an `Arc` allocates once, and copies nothing.
    iter::repeat_n(0, length).collect()
}

/// Reads chunks to the last one. If that never comes, the reader ends with an error.
fn read_chunks(body: &mut Body, limit: u64) -> Result<ByteView, CallError> {
    let mut bytes = Vec::new();
    body.as_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_long("in chunks", limit));
    }
    Ok(ByteView::from(bytes))
}

fn too_long(what: impl fmt::Display, limit: u64) -> CallError {
    let message = format!("a value {what} is longer than the limit of {limit}");
    // The peer is well; the two ends differ in what they allow.
    CallError::Answer(Failure::new(PeerErrorKind::Protocol, Verdict::Answered, message))
}

/// Reads an error's text, or as much of it as there is. Its status has been read, and that decides.
pub(super) fn read_text(body: &mut Body, headers: &HeaderMap) -> String {
    let mut text = Vec::new();
    if !headers.contains_key("content-length") && !headers.contains_key("transfer-encoding") {
        // It would end with the connection, which the peer may keep open: a text is not worth
        // waiting for that.
        return String::new();
    }
    let mut reader = body.as_reader();
    let read = reader.by_ref().take(MAX_TEXT_BYTES).read_to_end(&mut text);
    if let Err(error) = read {
        log::debug!("the text of an error ended early: {error}");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The answer breaks the protocol.
fn broken(what: impl fmt::Display) -> CallError {
    CallError::Answer(Failure::broken(what))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Gives so many bytes, and notes the longest run that it was asked for when it had given less
    /// than a quarter of that.
    struct Slow {
        left: usize,
        given: usize,
        most_ahead: usize,
    }

    impl Read for Slow {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if self.given < room.len() / 4 {
                self.most_ahead = self.most_ahead.max(room.len());
            }
            let n = room.len().min(self.left).min(10_000);
            room[..n].fill(b'v');
            self.left -= n;
            self.given += n;
            Ok(n)
        }
    }

    #[test]
    fn memory_for_a_value_grows_with_what_has_come() {
        for (announced, sent) in [(64 << 20, 0), (64 << 20, 3 << 20), (u64::MAX >> 1, 1 << 20)] {
            let mut slow = Slow { left: sent, given: 0, most_ahead: 0 };
            assert!(read_exactly(&mut slow, announced).is_err());
            assert!(slow.most_ahead <= MAX_BYTES_AHEAD, "{} bytes", slow.most_ahead);
        }
    }

    #[test]
    fn values_of_all_lengths_are_read_whole() {
        for length in [0, 1, MAX_BYTES_AHEAD, MAX_BYTES_AHEAD + 1, 5 * MAX_BYTES_AHEAD, 11 << 20] {
            let mut slow = Slow { left: length, given: 0, most_ahead: 0 };
            let value = read_exactly(&mut slow, length as u64).ok().unwrap();
            assert!(value.len() == length && value.iter().all(|&byte| byte == b'v'));
            let mut longer = Slow { left: length + 1, given: 0, most_ahead: 0 };
            assert!(read_exactly(&mut longer, length as u64).is_err());
        }
    }
}
