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
/// A value that is said to be longer gets its memory while it comes, which costs one more copy of
/// it.
const MAX_BYTES_AT_ONCE: u64 = 64 << 20;

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
        Length::Known(length) => read_exactly(body, length),
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

/// Reads a body of `length` bytes, into the one allocation that the value is going to live in
/// unless it is very long.
fn read_exactly(body: &mut Body, length: u64) -> Result<ByteView, CallError> {
    if length > MAX_BYTES_AT_ONCE {
        let mut bytes = Vec::new();
        body.as_reader().read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(broken("the value is not as long as its Content-Length"));
        }
        return Ok(ByteView::from(bytes));
    }
    let length = usize::try_from(length).map_err(|_| broken("the value fills the memory"))?;
    let mut bytes: Arc<[u8]> = iter::repeat_n(0, length).collect();
    let unshared = Arc::get_mut(&mut bytes).expect("nobody else has seen the allocation");
    let mut reader = body.as_reader();
    reader.read_exact(unshared)?;
    // Only a reader that has seen the end gives its connection back.
    if reader.read(&mut [0])? != 0 {
        return Err(broken("the value is longer than its Content-Length"));
    }
    Ok(ByteView::from(bytes))
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
