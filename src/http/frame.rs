//! The frame of a batch, as pure functions: many keys in the body of one request, and an answer for
//! each of them in another.
//!
//! ```text
//! request   version  operation  count   then for each key:  length  key
//!           u8 = 1   u8         u32                          u32    UTF-8
//!
//! answer    version  operation  count   then for each key:  status  ttl      length  marks  data
//!           u8 = 1   u8         u32                          u8     u64, ms  u64            bytes
//! ```
//!
//! The data is a value or a message. Numbers are in network order. A ttl of all ones is none, and
//! with the status of what came too late a ttl of 0 means that the peer is overloaded. The highest
//! bit of a status is set where a value, or its absence, was in memory, and the next one where it
//! has marks: its tags and its version. All answers have the operation 1. They have the order of
//! the keys, and a frame ends where its last part does. Whatever comes off a socket is checked
//! before anything is allocated for it.

mod answers;
mod marks;

pub(crate) mod handed;

use std::fmt;
use std::time::Duration;

pub(crate) use answers::{
    AnswerRef, KeyAnswer, MAX_ANSWER_OVERHEAD_BYTES, decode_answers, encode_answers,
};

use marks::FrameMarks;

/// The most keys in one frame.
pub(crate) const MAX_KEYS: usize = 1024;
/// The longest key in a frame, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 64 << 10;
/// The longest request, in bytes.
pub(crate) const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Past so many bytes of values, an answer leaves the rest for another request. The first value is
/// always in it.
pub(crate) const MAX_VALUES_BYTES: usize = 8 << 20;
/// The same for an answer from memory only, for which nobody waits long.
pub(crate) const MAX_PEEKED_BYTES: usize = 1 << 20;

const VERSION: u8 = 1;
/// Version, operation, count.
const HEAD_BYTES: usize = 6;
const NO_TTL: u64 = u64::MAX;

/// What the keys of a frame are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Remove,
    /// To get what is in memory of them, for owners.
    Peek,
    /// To get what is in memory of them, as a get does.
    Held,
    /// To get the keys that were changed since a mark, which is the only key. The answer is such a
    /// frame, too: a mark, and the keys behind it.
    Changes,
    /// To remove what has one of these tags. They take the places of keys.
    RemoveTags,
}

impl Operation {
    const fn code(self) -> u8 {
        match self {
            Self::Get => 1,
            Self::Remove => 2,
            Self::Peek => 3,
            Self::Held => 4,
            Self::Changes => 5,
            Self::RemoveTags => 8,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        let all =
            [Self::Get, Self::Remove, Self::Peek, Self::Held, Self::Changes, Self::RemoveTags];
        all.into_iter().find(|operation| operation.code() == code)
    }
}

/// How many of `keys`, from the first on, fit into one request. At least one, if there is one and
/// none is too long.
pub(crate) fn fitting(keys: &[&str]) -> usize {
    let mut bytes = HEAD_BYTES;
    let fits = |key: &&&str| {
        bytes += 4 + key.len();
        bytes <= MAX_REQUEST_BYTES
    };
    keys.iter().take(MAX_KEYS).take_while(fits).count()
}

/// A request for keys that [fit](fitting).
pub(crate) fn encode_request(operation: Operation, keys: &[&str]) -> Vec<u8> {
    let bytes = keys.iter().map(|key| 4 + key.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(HEAD_BYTES + bytes);
    push_head(&mut frame, operation, keys.len());
    for key in keys {
        frame.extend_from_slice(&(key.len() as u32).to_be_bytes());
        frame.extend_from_slice(key.as_bytes());
    }
    frame
}

/// Reads what [`encode_request`] wrote.
pub(crate) fn decode_request(frame: &[u8]) -> Result<(Operation, Vec<&str>), MalformedFrame> {
    if frame.len() > MAX_REQUEST_BYTES {
        return Err(MalformedFrame("it is too long"));
    }
    let mut rest = FrameReader(frame);
    let (operation, count) = rest.head(4)?;
    // The lengths of short keys are text, too: then one look is enough for all of the frame.
    let text = std::str::from_utf8(frame).ok();
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let length = u32::from_be_bytes(rest.array()?) as usize;
        if length > MAX_KEY_BYTES {
            return Err(MalformedFrame("a key is too long"));
        }
        let start = frame.len() - rest.0.len();
        let bytes = rest.take(length)?;
        let key = match text {
            Some(text) => text.get(start..start + length),
            None => std::str::from_utf8(bytes).ok(),
        };
        keys.push(key.ok_or(MalformedFrame("a key is not UTF-8"))?);
    }
    rest.end()?;
    Ok((operation, keys))
}

fn push_head(frame: &mut Vec<u8>, operation: Operation, count: usize) {
    frame.extend_from_slice(&[VERSION, operation.code()]);
    frame.extend_from_slice(&(count as u32).to_be_bytes());
}

/// Whole milliseconds, rounded down, so that no copy outlives its original.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(NO_TTL)
}

/// The part of a frame that is not read yet.
struct FrameReader<'a>(&'a [u8]);

impl<'a> FrameReader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], MalformedFrame> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or(MalformedFrame("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedFrame> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn marks(&mut self) -> Result<FrameMarks, MalformedFrame> {
        let [kind] = self.array()?;
        let marks = FrameMarks::read(kind, || self.array().map(u64::from_be_bytes))?;
        marks.ok_or(MalformedFrame("a value has too many tags"))
    }

    /// The operation, and the number of parts, each of which takes `part_bytes` at least.
    fn head(&mut self, part_bytes: usize) -> Result<(Operation, usize), MalformedFrame> {
        let [version, operation] = self.array()?;
        if version != VERSION {
            return Err(MalformedFrame("its version is unknown"));
        }
        let operation =
            Operation::from_code(operation).ok_or(MalformedFrame("its operation is unknown"))?;
        let count = u32::from_be_bytes(self.array()?) as usize;
        if !(1..=MAX_KEYS).contains(&count) {
            return Err(MalformedFrame("it has too many keys, or none"));
        }
        if count * part_bytes > self.0.len() {
            return Err(MalformedFrame("it ends early"));
        }
        Ok((operation, count))
    }

    fn end(&self) -> Result<(), MalformedFrame> {
        if self.0.is_empty() { Ok(()) } else { Err(MalformedFrame("it goes on behind its end")) }
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedFrame(&'static str);

impl MalformedFrame {
    pub(crate) const fn new(reason: &'static str) -> Self {
        Self(reason)
    }
}

impl fmt::Display for MalformedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a malformed batch: {}", self.0)
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
