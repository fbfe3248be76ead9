//! The frame of a batch, as pure functions: many keys in the body of one request, and an answer for
//! each of them in another.
//!
//! ```text
//! request   version  operation  count   then for each key:  length  key
//!           u8 = 1   u8         u32                          u32    UTF-8
//!
//! answer    version  operation  count   then for each key:  status  ttl      length  data
//!           u8 = 1   u8         u32                          u8     u64, ms  u64     bytes
//! ```
//!
//! The data is a value or a message. Numbers are in network order. A ttl of all ones is none, and
//! with the status of what came too late a ttl of 0 means that the peer is overloaded. The highest
//! bit of a status is set where a value, or its absence, was in memory. All answers
//! have the operation 1. They have the order of the keys, and a frame ends where its last part
//! does. Whatever comes off a socket is checked before anything is allocated for it.

use std::fmt;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::error::PeerErrorKind;
use crate::getter::Loaded;
use crate::origin::Origin;

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
/// As much is sent of an error's message, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 10;
/// All of an answer that is not value, at its largest.
pub(crate) const MAX_ANSWER_OVERHEAD_BYTES: usize =
    HEAD_BYTES + MAX_KEYS * (ANSWER_HEAD_BYTES + MAX_MESSAGE_BYTES);

const VERSION: u8 = 1;
/// Version, operation, count.
const HEAD_BYTES: usize = 6;
/// Status, ttl, length.
const ANSWER_HEAD_BYTES: usize = 17;
const NO_TTL: u64 = u64::MAX;
/// Stands for the ttl of a [`status::TIMED_OUT`] that is an overload. Readers that do not know this
/// skip the ttl of a failure, and take an overload for a lack of time.
const OVERLOADED_TTL: u64 = 0;

/// What the keys of a frame are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Remove,
    /// To get what is in memory of them, for owners.
    Peek,
    /// To get what is in memory of them, as a get does.
    Held,
}

impl Operation {
    const fn code(self) -> u8 {
        match self {
            Self::Get => 1,
            Self::Remove => 2,
            Self::Peek => 3,
            Self::Held => 4,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        let all = [Self::Get, Self::Remove, Self::Peek, Self::Held];
        all.into_iter().find(|operation| operation.code() == code)
    }
}

/// What is answered about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyAnswer {
    /// A value, or the knowledge that there is none.
    Loaded(Loaded),
    /// Neither; with a message.
    Failed(PeerErrorKind, String),
    /// It is not in memory.
    NotCached,
    /// Nothing: the answer had become too long. It is to be asked for again.
    Left,
}

/// The status byte of an [`KeyAnswer`].
mod status {
    pub(super) const VALUE: u8 = 0;
    pub(super) const ABSENT: u8 = 1;
    pub(super) const LEFT: u8 = 2;
    pub(super) const LOAD_FAILED: u8 = 3;
    pub(super) const TIMED_OUT: u8 = 4;
    pub(super) const BAD_KEY: u8 = 5;
    pub(super) const NOT_CACHED: u8 = 6;
    /// The bit of what was in memory.
    pub(super) const HELD: u8 = 0x80;
    pub(super) const HELD_VALUE: u8 = VALUE | HELD;
    pub(super) const HELD_ABSENT: u8 = ABSENT | HELD;
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
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let length = u32::from_be_bytes(rest.array()?) as usize;
        if length > MAX_KEY_BYTES {
            return Err(MalformedFrame("a key is too long"));
        }
        let key = std::str::from_utf8(rest.take(length)?);
        keys.push(key.map_err(|_| MalformedFrame("a key is not UTF-8"))?);
    }
    rest.end()?;
    Ok((operation, keys))
}

/// The answer to a request to get, or peek at, many keys. From the value on with which the values
/// would come to more than `max_bytes`, they are [left](KeyAnswer::Left) out; the first one is
/// always in it.
pub(crate) fn encode_answers(answers: &[KeyAnswer], max_bytes: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(encoded_bytes(answers, max_bytes));
    push_head(&mut frame, Operation::Get, answers.len());
    let mut room = Room { left: max_bytes, is_empty: true, is_full: false };
    for answer in answers {
        let ttl_of = |loaded: &Loaded| loaded.time_to_live().map_or(NO_TTL, millis);
        let (status, ttl, bytes) = match answer {
            KeyAnswer::Loaded(loaded) => match loaded.value() {
                Some(value) if room.takes(value.len()) => {
                    (status::VALUE | origin_bit(loaded), ttl_of(loaded), value.as_slice())
                }
                Some(_) => (status::LEFT, NO_TTL, &[][..]),
                None => (status::ABSENT | origin_bit(loaded), ttl_of(loaded), &[][..]),
            },
            KeyAnswer::Failed(kind, message) => {
                let (status, ttl) = match kind {
                    PeerErrorKind::TimedOut => (status::TIMED_OUT, NO_TTL),
                    PeerErrorKind::Overloaded => (status::TIMED_OUT, OVERLOADED_TTL),
                    PeerErrorKind::Protocol => (status::BAD_KEY, NO_TTL),
                    _ => (status::LOAD_FAILED, NO_TTL),
                };
                (status, ttl, cut(message).as_bytes())
            }
            KeyAnswer::NotCached => (status::NOT_CACHED, NO_TTL, &[][..]),
            KeyAnswer::Left => (status::LEFT, NO_TTL, &[][..]),
        };
        frame.push(status);
        frame.extend_from_slice(&ttl.to_be_bytes());
        frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        frame.extend_from_slice(bytes);
    }
    frame
}

fn origin_bit(loaded: &Loaded) -> u8 {
    if loaded.origin().is_memory() { status::HELD } else { 0 }
}

/// About as much as the answers take.
fn encoded_bytes(answers: &[KeyAnswer], max_bytes: usize) -> usize {
    let values = answers.iter().map(|answer| match answer {
        KeyAnswer::Loaded(loaded) => loaded.value().map_or(0, |value| value.len()),
        _ => 0,
    });
    HEAD_BYTES + answers.len() * ANSWER_HEAD_BYTES + values.sum::<usize>().min(max_bytes)
}

/// How much more of values an answer takes.
struct Room {
    left: usize,
    is_empty: bool,
    is_full: bool,
}

impl Room {
    fn takes(&mut self, bytes: usize) -> bool {
        self.is_full |= bytes > self.left && !self.is_empty;
        if !self.is_full {
            self.left = self.left.saturating_sub(bytes);
            self.is_empty = false;
        }
        !self.is_full
    }
}

/// Reads what [`encode_answers`] wrote, in answer to a request for `count` keys.
///
/// A value that takes up at least half of the frame shares its allocation. A smaller one is copied
/// out of it: a caller who keeps one short value would else keep all the others in memory.
pub(crate) fn decode_answers(
    frame: &ByteView,
    count: usize,
) -> Result<Vec<KeyAnswer>, MalformedFrame> {
    let mut rest = FrameReader(frame);
    let (operation, told) = rest.head(ANSWER_HEAD_BYTES)?;
    if operation != Operation::Get || told != count {
        return Err(MalformedFrame("it answers another request"));
    }
    let mut answers = Vec::with_capacity(count);
    for _ in 0..count {
        let [status] = rest.array()?;
        let told_ttl = u64::from_be_bytes(rest.array()?);
        let ttl = (told_ttl != NO_TTL).then(|| Duration::from_millis(told_ttl));
        let length = usize::try_from(u64::from_be_bytes(rest.array()?))
            .map_err(|_| MalformedFrame("a value is longer than the frame"))?;
        let start = frame.len() - rest.0.len();
        let bytes = rest.take(length)?;
        let failed = |kind| KeyAnswer::Failed(kind, String::from_utf8_lossy(bytes).into_owned());
        let origin = if status & status::HELD == 0 { Origin::default() } else { Origin::Memory };
        let loaded = |loaded: Loaded| {
            KeyAnswer::Loaded(ttl.into_iter().fold(loaded, Loaded::ttl).came_from(origin))
        };
        answers.push(match status {
            status::VALUE | status::HELD_VALUE if length >= frame.len() / 2 => {
                loaded(Loaded::from(frame.slice(start..start + length)))
            }
            status::VALUE | status::HELD_VALUE => loaded(Loaded::from(bytes)),
            status::ABSENT | status::HELD_ABSENT if length == 0 => loaded(Loaded::absent()),
            status::LEFT if length == 0 => KeyAnswer::Left,
            status::NOT_CACHED if length == 0 => KeyAnswer::NotCached,
            status::LOAD_FAILED => failed(PeerErrorKind::Load),
            status::TIMED_OUT if told_ttl == OVERLOADED_TTL => failed(PeerErrorKind::Overloaded),
            status::TIMED_OUT => failed(PeerErrorKind::TimedOut),
            status::BAD_KEY => failed(PeerErrorKind::Protocol),
            _ => {
                return Err(MalformedFrame("a status is unknown, or has bytes that it can't have"));
            }
        });
    }
    rest.end()?;
    Ok(answers)
}

fn push_head(frame: &mut Vec<u8>, operation: Operation, count: usize) {
    frame.extend_from_slice(&[VERSION, operation.code()]);
    frame.extend_from_slice(&(count as u32).to_be_bytes());
}

/// Whole milliseconds, rounded down, so that no copy outlives its original.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(NO_TTL)
}

/// The beginning of `message`.
fn cut(message: &str) -> &str {
    let mut end = message.len().min(MAX_MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
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

impl fmt::Display for MalformedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a malformed batch: {}", self.0)
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
