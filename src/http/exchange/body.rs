//! Reads the body of an answer, in which nothing is believed before it is there.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

use ureq::Body;
use ureq::http::HeaderMap;
use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING,
};

use crate::byteview::ByteView;
use crate::error::PeerErrorKind;
use crate::http::arriving::{self, Arriving};
use crate::http::budget::{Budget, SHORT_BODY, Share, Transfer};
use crate::http::exchange::failure::{CallError, Failure};
use crate::http::exchange::line::{INPUT_BYTES, Line};
use crate::http::verdict::Verdict;

/// As much of an error's text is read, and kept.
const MAX_TEXT_BYTES: u64 = 8 << 10;

/// Where a body gets its share of the memory, and how long it may wait for that.
pub(super) struct Allowance {
    pub(super) budget: Arc<Budget>,
    pub(super) until: Instant,
    /// What a long one is read from, if its connection stays open.
    pub(super) line: Option<Line>,
}

impl Allowance {
    /// A share for `bytes` more.
    fn take(&self, bytes: usize) -> Result<Share, CallError> {
        let left = self.until.saturating_duration_since(Instant::now());
        self.budget.take(Transfer::Answer, bytes, left).ok_or_else(|| {
            let message = format!("no room for {bytes} bytes of an answer came free in time");
            // The peer is well; this process reads too much at once.
            CallError::Answer(Failure::new(PeerErrorKind::Overloaded, Verdict::Unclear, message))
        })
    }
}

/// Reads the whole body that follows `headers`, which may be `limit` bytes long.
pub(super) fn read_value(
    body: &mut Body,
    headers: &HeaderMap,
    limit: u64,
    allowance: &Allowance,
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
        Length::Known(length) => read_exactly(body, length, allowance),
        Length::Chunked => read_chunks(body, limit, allowance),
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
fn read_exactly(
    body: &mut Body,
    length: u64,
    allowance: &Allowance,
) -> Result<ByteView, CallError> {
    let length = usize::try_from(length).map_err(|_| broken("the value fills the memory"))?;
    let mut reader = body.as_reader();
    let mut value = Arriving::new(length);
    // All of the share is for those of which something comes.
    let ahead = arriving::ahead(length);
    let mut share = allowance.take(ahead)?;
    let line = allowance.line.as_ref().filter(|_| length > INPUT_BYTES);
    let mut rest = line.and_then(|line| line.rest(allowance.until));
    let mut source: &mut dyn Read = &mut reader;
    if let Some(rest) = &mut rest {
        // All that ureq has read already: its buffer is shorter than the body.
        value.read_ahead(&mut source, 1)?;
        source = rest;
    }
    value.read_ahead(&mut source, ahead)?;
    if ahead < length {
        drop(share);
        share = allowance.take(length)?;
    }
    let value = value.read_from(&mut source)?;
    drop(share);
    if let Some(rest) = rest {
        rest.ended();
        return Ok(value);
    }
    // Only a reader that has seen the end gives its connection back.
    if reader.read(&mut [0])? != 0 {
        return Err(broken("the value is longer than its Content-Length"));
    }
    Ok(value)
}

/// Reads chunks to the last one. If that never comes, the reader ends with an error.
fn read_chunks(body: &mut Body, limit: u64, allowance: &Allowance) -> Result<ByteView, CallError> {
    let mut reader = body.as_reader();
    let mut bytes = Vec::new();
    let mut share = allowance.take(SHORT_BODY)?;
    loop {
        // As much again as has come. The old share goes first: nobody waits for one and holds one.
        let step = bytes.len().max(SHORT_BODY);
        drop(share);
        share = allowance.take(bytes.len() + step)?;
        let rest = limit.saturating_add(1).saturating_sub(bytes.len() as u64);
        let step = rest.min(step as u64);
        let read = reader.by_ref().take(step).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(too_long("in chunks", limit));
        }
        if (read as u64) < step {
            return Ok(ByteView::from(bytes));
        }
    }
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
