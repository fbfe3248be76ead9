//! The answers about many keys, as they are written and read.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::error::PeerErrorKind;
use crate::getter::Loaded;
use crate::http::frame::{
    FrameReader, HEAD_BYTES, MAX_KEYS, MalformedFrame, NO_TTL, Operation, marks, millis, push_head,
};
use crate::origin::Origin;

/// As much is sent of an error's message, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 10;
/// Status, ttl, length.
pub(super) const ANSWER_HEAD_BYTES: usize = 17;
/// A short value keeps no more than this of the answer that it came with in memory.
const PIECE_BYTES: usize = 4 << 10;
/// Stands for the ttl of a [`status::TIMED_OUT`] that is an overload. Readers that do not know this
/// skip the ttl of a failure, and take an overload for a lack of time.
const OVERLOADED_TTL: u64 = 0;
/// All of an answer that is not value, at its largest.
pub(crate) const MAX_ANSWER_OVERHEAD_BYTES: usize =
    HEAD_BYTES + MAX_KEYS * (ANSWER_HEAD_BYTES + MAX_MESSAGE_BYTES);

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

/// The same before it is written.
#[derive(Debug, Clone)]
pub(crate) enum AnswerRef<'a> {
    Loaded(&'a Loaded),
    Failed(PeerErrorKind, Cow<'a, str>),
    NotCached,
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
    /// The bit of what has marks.
    pub(super) const MARKED: u8 = 0x40;
}

/// The answer to a request to get, or peek at, many keys. From the value on with which the values
/// would come to more than `max_bytes`, they are [left](KeyAnswer::Left) out; the first one is
/// always in it.
pub(crate) fn encode_answers<'a>(
    answers: impl ExactSizeIterator<Item = AnswerRef<'a>> + Clone,
    max_bytes: usize,
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(encoded_bytes(answers.clone(), max_bytes));
    push_head(&mut frame, Operation::Get, answers.len());
    let mut room = Room { left: max_bytes, is_empty: true, is_full: false };
    for answer in answers {
        match answer {
            AnswerRef::Loaded(loaded) => push_loaded(&mut frame, loaded, &mut room),
            AnswerRef::Failed(kind, message) => {
                let (status, ttl) = match kind {
                    PeerErrorKind::TimedOut => (status::TIMED_OUT, NO_TTL),
                    PeerErrorKind::Overloaded => (status::TIMED_OUT, OVERLOADED_TTL),
                    PeerErrorKind::Protocol => (status::BAD_KEY, NO_TTL),
                    _ => (status::LOAD_FAILED, NO_TTL),
                };
                let message = cut(&message);
                push_answer_head(&mut frame, status, ttl, message.len());
                frame.extend_from_slice(message.as_bytes());
            }
            AnswerRef::NotCached => push_answer_head(&mut frame, status::NOT_CACHED, NO_TTL, 0),
            AnswerRef::Left => push_answer_head(&mut frame, status::LEFT, NO_TTL, 0),
        }
    }
    frame
}

fn push_loaded(frame: &mut Vec<u8>, loaded: &Loaded, room: &mut Room) {
    let (status, bytes) = match loaded.value() {
        Some(value) if room.takes(value.len()) => (status::VALUE, value.as_slice()),
        Some(_) => return push_answer_head(frame, status::LEFT, NO_TTL, 0),
        None => (status::ABSENT, &[][..]),
    };
    let held = if loaded.origin().is_memory() { status::HELD } else { 0 };
    let marked = if marks::are_there(loaded) { status::MARKED } else { 0 };
    let ttl = loaded.time_to_live().map_or(NO_TTL, millis);
    push_answer_head(frame, status | held | marked, ttl, bytes.len());
    if marked != 0 {
        marks::write(loaded, frame);
    }
    frame.extend_from_slice(bytes);
}

fn push_answer_head(frame: &mut Vec<u8>, status: u8, ttl: u64, length: usize) {
    let mut head = [status; ANSWER_HEAD_BYTES];
    head[1..9].copy_from_slice(&ttl.to_be_bytes());
    head[9..].copy_from_slice(&(length as u64).to_be_bytes());
    frame.extend_from_slice(&head);
}

/// About as much as the answers take.
fn encoded_bytes<'a>(
    answers: impl ExactSizeIterator<Item = AnswerRef<'a>>,
    max_bytes: usize,
) -> usize {
    let heads = HEAD_BYTES + answers.len() * ANSWER_HEAD_BYTES;
    let values = answers.map(|answer| match answer {
        AnswerRef::Loaded(loaded) => loaded.value().map_or(0, |value| value.len()),
        _ => 0,
    });
    heads + values.sum::<usize>().min(max_bytes)
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
pub(crate) fn decode_answers(
    frame: &ByteView,
    count: usize,
) -> Result<Vec<KeyAnswer>, MalformedFrame> {
    let mut rest = FrameReader(frame);
    let (operation, told) = rest.head(ANSWER_HEAD_BYTES)?;
    if operation != Operation::Get || told != count {
        return Err(MalformedFrame("it answers another request"));
    }
    let mut pieces = Pieces { frame, start: 0, piece: ByteView::default() };
    let mut answers = Vec::with_capacity(count);
    for _ in 0..count {
        let AnswerHead { status, told_ttl, length } = rest.answer_head()?;
        let (status, bits) = split_status(status)?;
        let marks = match bits & status::MARKED {
            0 => None,
            _ => Some(rest.marks()?),
        };
        let start = frame.len() - rest.0.len();
        let bytes = rest.take(length)?;
        let failed = |kind| KeyAnswer::Failed(kind, String::from_utf8_lossy(bytes).into_owned());
        let loaded = |mut loaded: Loaded| {
            if told_ttl != NO_TTL {
                loaded = loaded.ttl(Duration::from_millis(told_ttl));
            }
            if bits & status::HELD != 0 {
                loaded = loaded.came_from(Origin::Memory);
            }
            KeyAnswer::Loaded(marks.iter().fold(loaded, |loaded, marks| marks.mark(loaded)))
        };
        answers.push(match status {
            status::VALUE => loaded(Loaded::from(pieces.view(start..start + length))),
            status::ABSENT if length == 0 => loaded(Loaded::absent()),
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

/// Where the values of an answer live.
///
/// An allocation for each short value would cost more than all the rest of it. In that of the whole
/// frame, a caller who keeps one of them would keep all the others in memory. So short values that
/// are neighbours share a copy of their part of the frame, which has a few KiB.
struct Pieces<'a> {
    frame: &'a ByteView,
    /// The last copy, and where in the frame it begins.
    piece: ByteView,
    start: usize,
}

impl Pieces<'_> {
    /// The bytes of the frame in `range`, which lies within it.
    fn view(&mut self, range: Range<usize>) -> ByteView {
        let (frame, length) = (self.frame, range.len());
        if length >= frame.len() / 2 || frame.len() <= PIECE_BYTES {
            return frame.slice(range);
        }
        if length > PIECE_BYTES / 2 {
            return ByteView::from(&frame[range]);
        }
        if range.end > self.start + self.piece.len() {
            self.start = range.start;
            let end = frame.len().min(range.start + PIECE_BYTES);
            self.piece = ByteView::from(&frame[range.start..end]);
        }
        self.piece.slice(range.start - self.start..range.end - self.start)
    }
}

/// A status without its bits, and these. Only a value, or its absence, has them.
fn split_status(status: u8) -> Result<(u8, u8), MalformedFrame> {
    let (status, bits) =
        (status & !(status::HELD | status::MARKED), status & (status::HELD | status::MARKED));
    match status {
        status::VALUE | status::ABSENT => Ok((status, bits)),
        _ if bits == 0 => Ok((status, bits)),
        _ => Err(MalformedFrame("a status has bits that it can't have")),
    }
}

/// The beginning of `message`.
fn cut(message: &str) -> &str {
    let mut end = message.len().min(MAX_MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

/// What stands in front of the data of an answer.
struct AnswerHead {
    status: u8,
    told_ttl: u64,
    length: usize,
}

impl FrameReader<'_> {
    fn answer_head(&mut self) -> Result<AnswerHead, MalformedFrame> {
        let [status, numbers @ ..]: [u8; ANSWER_HEAD_BYTES] = self.array()?;
        let (mut ttl, mut length) = ([0; 8], [0; 8]);
        ttl.copy_from_slice(&numbers[..8]);
        length.copy_from_slice(&numbers[8..]);
        let length = usize::try_from(u64::from_be_bytes(length))
            .map_err(|_| MalformedFrame("a value is longer than the frame"))?;
        Ok(AnswerHead { status, told_ttl: u64::from_be_bytes(ttl), length })
    }
}
