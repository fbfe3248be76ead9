//! The protobuf message that groupcache and GeeCache answer with, and the one by which groupcache's
//! forks set a value, by hand.
//!
//! ```text
//! message GetResponse {
//!     bytes  value      = 1;
//!     double minute_qps = 2;   // groupcache
//!     int64  expire     = 3;   // its forks: Unix time in nanoseconds, 0 is never
//! }
//! message SetRequest {         // its forks
//!     string group  = 1;
//!     string key    = 2;
//!     bytes  value  = 3;
//!     int64  expire = 4;       // as above
//! }
//! ```
//!
//! GeeCache's `Response` has the first field alone. What is read here came from a socket: every
//! input ends in a message or in [`MalformedMessage`], nothing is allocated, and no length is
//! believed before that many bytes are there.

use std::fmt;
use std::ops::Range;

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

/// The answer with `value`, and with `expire` if there is one.
pub(super) fn encode_response(value: &[u8], expire: Option<i64>) -> Vec<u8> {
    // Two tags of one byte, and two varints of at most ten.
    let mut message = Vec::with_capacity(value.len() + 22);
    push_bytes(&mut message, 1, value);
    if let Some(expire) = expire {
        push_number(&mut message, 3, expire);
    }
    message
}

/// Reads an answer.
pub(super) fn decode_response(message: &[u8]) -> Result<GetResponse, MalformedMessage> {
    let mut response = GetResponse::default();
    let mut reader = MessageReader { message, at: 0 };
    while let Some(field) = reader.field()? {
        match field {
            (1, FieldValue::Bytes(value)) => response.value = value,
            (2, FieldValue::Fixed64(bytes)) => response.minute_qps = f64::from_le_bytes(bytes),
            (3, FieldValue::Varint(number)) => response.expire = number as i64,
            (1..=3, _) => return Err(MalformedMessage::WireType),
            _ => {}
        }
    }
    Ok(response)
}

/// What a peer of a fork sends that sets a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SetRequest<'a> {
    pub(super) group: &'a str,
    pub(super) key: &'a str,
    /// Where in the message the value lies.
    pub(super) value: Range<usize>,
    /// When the value ends, in nanoseconds of Unix time; 0 is never.
    pub(super) expire: i64,
}

/// The request that sets `value`.
pub(super) fn encode_set(group: &str, key: &str, value: &[u8], expire: i64) -> Vec<u8> {
    // Four tags of one byte, and four varints of at most ten.
    let mut message = Vec::with_capacity(group.len() + key.len() + value.len() + 44);
    push_bytes(&mut message, 1, group.as_bytes());
    push_bytes(&mut message, 2, key.as_bytes());
    push_bytes(&mut message, 3, value);
    push_number(&mut message, 4, expire);
    message
}

/// Reads a request that sets a value. The group and the key have to be there.
pub(super) fn decode_set(message: &[u8]) -> Result<SetRequest<'_>, MalformedMessage> {
    let (mut group, mut key, mut value, mut expire) = (None, None, 0..0, 0);
    let mut reader = MessageReader { message, at: 0 };
    while let Some(field) = reader.field()? {
        match field {
            (1, FieldValue::Bytes(name)) => group = Some(name),
            (2, FieldValue::Bytes(name)) => key = Some(name),
            (3, FieldValue::Bytes(bytes)) => value = bytes,
            (4, FieldValue::Varint(number)) => expire = number as i64,
            (1..=4, _) => return Err(MalformedMessage::WireType),
            _ => {}
        }
    }
    let text = |name: Option<Range<usize>>| {
        let name = &message[name.ok_or(MalformedMessage::Missing)?];
        std::str::from_utf8(name).map_err(|_| MalformedMessage::NotUtf8)
    };
    Ok(SetRequest { group: text(group)?, key: text(key)?, value, expire })
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MalformedMessage {
    Truncated,
    Varint,
    FieldNumber,
    WireType,
    Missing,
    NotUtf8,
}

impl fmt::Display for MalformedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "a protobuf field reaches past the end of the message",
            Self::Varint => "a protobuf number has more than 64 bits",
            Self::FieldNumber => "a protobuf field has an impossible number",
            Self::WireType => "a protobuf field is not of its type",
            Self::Missing => "a protobuf field is missing that has to be there",
            Self::NotUtf8 => "a protobuf field is to be text, and is not UTF-8",
        })
    }
}

fn tag(field: u64, wire_type: u64) -> u8 {
    (field << 3 | wire_type) as u8
}

fn push_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    message.push(tag(field, LENGTH_DELIMITED));
    push_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn push_number(message: &mut Vec<u8>, field: u64, number: i64) {
    message.push(tag(field, VARINT));
    push_varint(message, number as u64);
}

fn push_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// Reads the fields of a message.
///
/// Those who call it skip unknown fields, and take the last one of a field that comes again, as
/// every protobuf library does. Two things are stricter than there: a known field of the wrong type
/// is an error, for the message is then another's, and so is a group.
struct MessageReader<'a> {
    message: &'a [u8],
    at: usize,
}

enum FieldValue {
    Varint(u64),
    Fixed64([u8; 8]),
    /// Where the bytes lie in the message.
    Bytes(Range<usize>),
    Fixed32,
}

impl MessageReader<'_> {
    /// The number and the value of the next field; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, FieldValue)>, MalformedMessage> {
        if self.at == self.message.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if !(1..=GREATEST_FIELD).contains(&number) {
            return Err(MalformedMessage::FieldNumber);
        }
        let value = match wire_type {
            VARINT => FieldValue::Varint(self.varint()?),
            FIXED_64 => FieldValue::Fixed64(self.array()?),
            LENGTH_DELIMITED => FieldValue::Bytes(self.length_delimited()?),
            FIXED_32 => {
                self.array::<4>()?;
                FieldValue::Fixed32
            }
            _ => return Err(MalformedMessage::WireType),
        };
        Ok(Some((number, value)))
    }

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
