//! The one protobuf message that groupcache and GeeCache answer with, by hand.
//!
//! ```text
//! message GetResponse {
//!     bytes  value      = 1;
//!     double minute_qps = 2;   // groupcache
//!     int64  expire     = 3;   // its forks: Unix time in nanoseconds, 0 is never
//! }
//! ```
//!
//! GeeCache's `Response` has the first field alone. What is read here came from a socket: every
//! input ends in a message or in [`MalformedMessage`], nothing is allocated, and no length is
//! believed before that many bytes are there.

use std::fmt;
use std::ops::Range;

const VALUE: u64 = 1;
const MINUTE_QPS: u64 = 2;
const EXPIRE: u64 = 3;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// Field numbers have 29 bits.
const GREATEST_FIELD: u64 = (1 << 29) - 1;

/// What an answer holds. A field that is missing has its default, which is what a field that holds
/// the default may be sent as.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct GetResponse {
    /// Where in the message the value lies.
    pub(super) value: Range<usize>,
    /// How often the owner is asked for this key, in requests per minute.
    pub(super) minute_qps: f64,
    /// When the value ends, in nanoseconds of Unix time; 0 is never.
    pub(super) expire: i64,
}

/// The message with `value`, and with `expire` unless that is 0.
pub(super) fn encode(value: &[u8], expire: i64) -> Vec<u8> {
    // Two tags of one byte, and two varints of at most ten.
    let mut message = Vec::with_capacity(value.len() + 22);
    message.push(tag(VALUE, LENGTH_DELIMITED));
    push_varint(&mut message, value.len() as u64);
    message.extend_from_slice(value);
    if expire != 0 {
        message.push(tag(EXPIRE, VARINT));
        push_varint(&mut message, expire as u64);
    }
    message
}

/// Reads a message.
///
/// Unknown fields are skipped, and of a field that comes again the last one counts, as every
/// protobuf library does. Two things are stricter than there: a known field of the wrong type is an
/// error, for the message is then another's, and so is a group.
pub(super) fn decode(message: &[u8]) -> Result<GetResponse, MalformedMessage> {
    let mut response = GetResponse::default();
    let mut reader = MessageReader { message, at: 0 };
    while reader.at < message.len() {
        let tag = reader.varint()?;
        let (field, wire_type) = (tag >> 3, tag & 7);
        if !(1..=GREATEST_FIELD).contains(&field) {
            return Err(MalformedMessage::FieldNumber);
        }
        match (field, wire_type) {
            (VALUE, LENGTH_DELIMITED) => response.value = reader.length_delimited()?,
            (MINUTE_QPS, FIXED_64) => {
                response.minute_qps = f64::from_le_bytes(reader.array()?);
            }
            (EXPIRE, VARINT) => response.expire = reader.varint()? as i64,
            (VALUE | MINUTE_QPS | EXPIRE, _) => return Err(MalformedMessage::WireType),
            (_, VARINT) => {
                reader.varint()?;
            }
            (_, FIXED_64) => {
                reader.array::<8>()?;
            }
            (_, LENGTH_DELIMITED) => {
                reader.length_delimited()?;
            }
            (_, FIXED_32) => {
                reader.array::<4>()?;
            }
            _ => return Err(MalformedMessage::WireType),
        }
    }
    Ok(response)
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MalformedMessage {
    Truncated,
    Varint,
    FieldNumber,
    WireType,
}

impl fmt::Display for MalformedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "a protobuf field reaches past the end of the message",
            Self::Varint => "a protobuf number has more than 64 bits",
            Self::FieldNumber => "a protobuf field has an impossible number",
            Self::WireType => "a protobuf field is not of its type",
        })
    }
}

fn tag(field: u64, wire_type: u64) -> u8 {
    (field << 3 | wire_type) as u8
}

fn push_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

struct MessageReader<'a> {
    message: &'a [u8],
    at: usize,
}

impl MessageReader<'_> {
    fn varint(&mut self) -> Result<u64, MalformedMessage> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return Err(MalformedMessage::Varint);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(MalformedMessage::Varint)
    }

    fn length_delimited(&mut self) -> Result<Range<usize>, MalformedMessage> {
        let length = self.varint()?;
        let left = self.message.len() - self.at;
        let length = usize::try_from(length).ok().filter(|length| *length <= left);
        let start = self.at;
        self.at += length.ok_or(MalformedMessage::Truncated)?;
        Ok(start..self.at)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedMessage> {
        let bytes = self.message[self.at..].first_chunk().ok_or(MalformedMessage::Truncated)?;
        self.at += N;
        Ok(*bytes)
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
