//! The frames of a hand-over: what a new owner asks a previous one, and a part of what that has.
//!
//! ```text
//! request   version  operation  session  max bytes  length  URL of who asks
//!           u8 = 1   u8 = 9     u64      u32        u32     UTF-8
//!
//! answer    version  operation  state  count   then for each entry:
//!           u8 = 1   u8 = 9     u8     u32
//!
//!   status  heat  load time  ttl      key length  value length  marks  key    value
//!   u8      u8    u32, ms    u64, ms  u32         u64                  UTF-8  bytes
//! ```
//!
//! The marks are there if a bit of the status says so: the tags and the version of the value.

use std::time::Duration;

use crate::byteview::ByteView;
use crate::getter::Loaded;
use crate::http::frame::marks::{self, FrameMarks};
use crate::http::frame::{FrameReader, MAX_KEY_BYTES, MalformedFrame, NO_TTL, VERSION, millis};
use crate::origin::Origin;
use crate::peers::{HandOverEntry, HandOverPart, HandOverState};

/// The most that a part has of keys and values, in bytes.
pub(crate) const MAX_PART_BYTES: usize = 1 << 20;
/// The most that is taken for an answer: short entries have more beside them than in them.
pub(crate) const MAX_FRAME_BYTES: u64 = 32 << 20;
const OPERATION: u8 = 9;
/// Version, operation, state, count.
const HEAD_BYTES: usize = 7;
/// Of an entry, without marks, key and value.
const ENTRY_BYTES: usize = 26;
const MAX_NAME_BYTES: usize = 8 << 10;
/// The lowest bit of a status: there is no value.
const ABSENT: u8 = 1;
/// Another one: there are marks.
const MARKED: u8 = 2;

/// What a new owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandOverRequest<'a> {
    pub(crate) session: u64,
    pub(crate) max_bytes: usize,
    /// Who asks.
    pub(crate) name: &'a str,
}

/// Whether a frame is one of these.
pub(crate) fn is_hand_over(frame: &[u8]) -> bool {
    frame.starts_with(&[VERSION, OPERATION])
}

pub(crate) fn encode_request(request: HandOverRequest<'_>) -> Vec<u8> {
    let HandOverRequest { session, max_bytes, name } = request;
    let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
    let mut frame = vec![VERSION, OPERATION];
    frame.extend_from_slice(&session.to_be_bytes());
    frame.extend_from_slice(&max_bytes.to_be_bytes());
    frame.extend_from_slice(&(name.len() as u32).to_be_bytes());
    frame.extend_from_slice(name.as_bytes());
    frame
}

/// Reads what [`encode_request`] wrote.
pub(crate) fn decode_request(frame: &[u8]) -> Result<HandOverRequest<'_>, MalformedFrame> {
    let mut rest = FrameReader(frame);
    head(&mut rest)?;
    let session = u64::from_be_bytes(rest.array()?);
    let max_bytes = u32::from_be_bytes(rest.array()?) as usize;
    let length = u32::from_be_bytes(rest.array()?) as usize;
    if length > MAX_NAME_BYTES {
        return Err(MalformedFrame("a name is too long"));
    }
    let name = std::str::from_utf8(rest.take(length)?);
    let name = name.map_err(|_| MalformedFrame("a name is not UTF-8"))?;
    rest.end()?;
    Ok(HandOverRequest { session, max_bytes, name })
}

/// An entry whose key is longer than a frame takes is left out.
pub(crate) fn encode_part(part: &HandOverPart) -> Vec<u8> {
    let entries = || part.entries.iter().filter(|entry| entry.key.len() <= MAX_KEY_BYTES);
    let bytes: usize = entries().map(|entry| ENTRY_BYTES + entry.bytes()).sum();
    let mut frame = Vec::with_capacity(HEAD_BYTES + bytes);
    let state = match part.state {
        HandOverState::More => 0,
        HandOverState::Ended => 1,
        HandOverState::NotYet => 2,
    };
    frame.extend_from_slice(&[VERSION, OPERATION, state]);
    frame.extend_from_slice(&(entries().count() as u32).to_be_bytes());
    for HandOverEntry { key, value, load_time, heat } in entries() {
        let ttl = value.time_to_live().map_or(NO_TTL, millis);
        let load_time = u32::try_from(load_time.as_millis()).unwrap_or(u32::MAX);
        let bytes = value.value().map_or(&[][..], ByteView::as_slice);
        let absent = if value.value().is_none() { ABSENT } else { 0 };
        let marked = if marks::are_there(value) { MARKED } else { 0 };
        frame.extend_from_slice(&[absent | marked, *heat]);
        frame.extend_from_slice(&load_time.to_be_bytes());
        frame.extend_from_slice(&ttl.to_be_bytes());
        frame.extend_from_slice(&(key.len() as u32).to_be_bytes());
        frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        if marked != 0 {
            marks::write(value, &mut frame);
        }
        frame.extend_from_slice(key.as_bytes());
        frame.extend_from_slice(bytes);
    }
    frame
}

/// Reads what [`encode_part`] wrote. Values are copied out of the frame by who keeps them.
pub(crate) fn decode_part(frame: &ByteView) -> Result<HandOverPart, MalformedFrame> {
    let mut rest = FrameReader(frame);
    head(&mut rest)?;
    let [state] = rest.array()?;
    let state = match state {
        0 => HandOverState::More,
        1 => HandOverState::Ended,
        2 => HandOverState::NotYet,
        _ => return Err(MalformedFrame("a state is unknown")),
    };
    let count = u32::from_be_bytes(rest.array()?) as usize;
    if count > rest.0.len() / ENTRY_BYTES {
        return Err(MalformedFrame("it ends early"));
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(entry(frame, &mut rest)?);
    }
    rest.end()?;
    Ok(HandOverPart { entries, state })
}

fn entry(frame: &ByteView, rest: &mut FrameReader<'_>) -> Result<HandOverEntry, MalformedFrame> {
    let [status, heat] = rest.array()?;
    let load_time = Duration::from_millis(u32::from_be_bytes(rest.array()?).into());
    let ttl = u64::from_be_bytes(rest.array()?);
    let key_length = u32::from_be_bytes(rest.array()?) as usize;
    let value_length = usize::try_from(u64::from_be_bytes(rest.array()?))
        .map_err(|_| MalformedFrame("a value is longer than the frame"))?;
    let marks = if status & MARKED == 0 { FrameMarks::default() } else { rest.marks()? };
    if key_length > MAX_KEY_BYTES {
        return Err(MalformedFrame("a key is too long"));
    }
    let key = std::str::from_utf8(rest.take(key_length)?);
    let key = key.map_err(|_| MalformedFrame("a key is not UTF-8"))?.to_owned();
    let start = frame.len() - rest.0.len();
    rest.take(value_length)?;
    let value = match status & !MARKED {
        0 => Loaded::from(frame.slice(start..start + value_length)),
        ABSENT if value_length == 0 => Loaded::absent(),
        _ => return Err(MalformedFrame("a status is unknown, or has bytes that it can't have")),
    };
    let value = marks.mark(value).came_from(Origin::Memory);
    let value = if ttl == NO_TTL { value } else { value.ttl(Duration::from_millis(ttl)) };
    Ok(HandOverEntry { key, value, load_time, heat })
}

fn head(rest: &mut FrameReader<'_>) -> Result<(), MalformedFrame> {
    match rest.array()? {
        [VERSION, OPERATION] => Ok(()),
        _ => Err(MalformedFrame("it is no hand-over")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> HandOverPart {
        let entry = |key: &str, value: Loaded, heat| HandOverEntry {
            key: key.to_owned(),
            value: value.came_from(Origin::Memory),
            load_time: Duration::from_millis(7),
            heat,
        };
        let entries = vec![
            entry("Tom", Loaded::from("630").ttl(Duration::from_secs(9)), 3),
            entry("你好", Loaded::from(""), 255),
            entry("tagged", Loaded::from("v").tag("a").tag("b").version(7), 1),
            entry("Nobody", Loaded::absent().ttl(Duration::from_millis(1)), 0),
        ];
        HandOverPart { entries, state: HandOverState::More }
    }

    #[test]
    fn what_is_written_is_read() {
        let request = HandOverRequest { session: u64::MAX, max_bytes: 1 << 20, name: "http://a:1" };
        let frame = encode_request(request);
        assert!(is_hand_over(&frame));
        assert_eq!(decode_request(&frame), Ok(request));
        for state in [HandOverState::More, HandOverState::Ended, HandOverState::NotYet] {
            let part = HandOverPart { state, ..part() };
            assert_eq!(decode_part(&ByteView::from(encode_part(&part))), Ok(part));
        }
    }

    #[test]
    fn keys_that_no_frame_takes_are_left_out() {
        let mut part = part();
        part.entries[0].key = "k".repeat(MAX_KEY_BYTES + 1);
        let read = decode_part(&ByteView::from(encode_part(&part))).unwrap();
        assert_eq!(read.entries, part.entries[1..]);
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_some_answer() {
        let whole = encode_part(&part());
        for end in 0..whole.len() {
            assert!(decode_part(&ByteView::from(&whole[..end])).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let _ = decode_part(&ByteView::from(flipped));
            }
        }
        let request = encode_request(HandOverRequest { session: 1, max_bytes: 2, name: "a" });
        for end in 0..request.len() {
            assert!(decode_request(&request[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_count_that_the_frame_can_not_have_takes_no_memory() {
        let mut frame = encode_part(&HandOverPart::empty(HandOverState::More));
        frame[3..7].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(decode_part(&ByteView::from(frame)).is_err());
    }
}
