//! [`Note`]: what peers of this crate tell each other beside HTTP, in one header each way.
//!
//! ```text
//! request   Geecache: t=1800 k=9f3a01bc p=geecache
//! answer    Geecache: p=geecache ttl=60000
//! answer    Geecache: s=not-found ttl=1000
//! ```
//!
//! | name | in a request | in an answer |
//! |---|---|---|
//! | `t` | milliseconds that the asker is going to wait | |
//! | `k` | hash of the group and the key that are asked for, see [`hash_of`] | |
//! | `p` | the [protocol](Protocol) of the asker | the protocol of the body |
//! | `s` | `not-found` in a `PUT`: there is no value; `has-left` in a greeting: the asker leaves | what the answer [means](Status) |
//! | `ttl` | milliseconds that are left of the value's life | the same |
//! | `n` | of a change: its [stamp](ChangeStamp), as its origin and its number: `0123456789abcdef.17` | |
//! | `m` | without a value: the asker wants to hear of changes | the [mark](ChangeMark) of the group, as its origin and its count |
//! | `g` | the numbers of the value's [tags](crate::Tag), with commas: `0123456789abcdef,…` | the same |
//! | `v` | the value's version, if it has one | the same |
//! | `nested` | a getter asks, in the [chain](Chain) of this id and after so many requests: `c0ffee01.2`; without a value, in one that is not known | |
//! | `c` | hash of the name of the cluster, if it has one | |
//! | `i` | who asks, and in which of its lives | the same of who answers |
//! | `r` | digest of the asker's list of peers | the same of who answers |
//! | `hit` | | without a value: it was in memory |
//!
//! Names that are not known are ignored, and so is the whole header at peers of other programs. No
//! clocks need to agree. Neither reading nor writing allocates.

mod tags;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::change::{ChangeMark, ChangeStamp};
use crate::getter::Loaded;
use crate::group::Chain;
use crate::http::protocol::Protocol;
pub(crate) use tags::NoteTags;

/// The name of the header.
pub(crate) const HEADER: &str = "Geecache";
/// No note is longer, in bytes.
const MAX_BYTES: usize = 384;

/// What a request or an answer tells a peer of ours. The default tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Note {
    /// How long the asker is going to wait.
    pub(crate) timeout: Option<Duration>,
    /// The [hash](hash_of) of what is asked for.
    pub(crate) key: Option<u32>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) status: Option<Status>,
    /// What is left of the value's life.
    pub(crate) ttl: Option<Duration>,
    /// The hash of the name of the sender's cluster.
    pub(crate) cluster: Option<u32>,
    /// Who the sender is, and in which of its lives.
    pub(crate) incarnation: Option<u64>,
    /// The digest of the sender's list of peers.
    pub(crate) digest: Option<u32>,
    /// What is told of changes.
    pub(crate) order: InOrder,
    /// The tags of the value.
    pub(crate) tags: NoteTags,
    /// Its version.
    pub(crate) version: Option<u64>,
    /// The chain in which a getter asks, if one does.
    pub(crate) nested: Option<Chain>,
    /// Whether the answer was in memory.
    pub(crate) is_hit: bool,
}

/// What a note tells of changes. One thing at most: requests to change, gets and answers are
/// different notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InOrder {
    #[default]
    Nothing,
    /// Which change a request makes.
    Stamp(ChangeStamp),
    /// The asker wants to know the mark of the group.
    MarkWanted,
    /// The mark of the group, before the answer was made.
    Mark(ChangeMark),
}

impl Note {
    /// Which change a request makes.
    pub(crate) fn stamp(&self) -> ChangeStamp {
        match self.order {
            InOrder::Stamp(stamp) => stamp,
            _ => ChangeStamp::UNORDERED,
        }
    }

    /// A note that tells what an answer means.
    pub(crate) fn of(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// The same with what is to be told of a value.
    pub(crate) fn with(self, loaded: &Loaded) -> Self {
        let (ttl, tags) = (loaded.time_to_live(), NoteTags::of(loaded));
        Self { ttl, tags, version: loaded.version_number(), ..self }
    }

    /// A value with what the note tells of it.
    pub(crate) fn mark(&self, loaded: Loaded) -> Loaded {
        let loaded = self.ttl.into_iter().fold(loaded, Loaded::ttl);
        self.version.into_iter().fold(self.tags.tag(loaded), Loaded::version)
    }

    /// Reads the value of the header.
    pub(crate) fn read(text: &[u8]) -> Result<Self, BadNote> {
        let mut note = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, value);
            (name, value, rest) = next_field(rest);
            match name {
                b"t" => note.timeout = Some(millis(value).ok_or(BadNote("t"))?),
                b"k" => note.key = Some(hash(value).ok_or(BadNote("k"))?),
                b"c" => note.cluster = Some(hash(value).ok_or(BadNote("c"))?),
                b"i" => note.incarnation = Some(number(value).ok_or(BadNote("i"))?),
                b"r" => note.digest = Some(hash(value).ok_or(BadNote("r"))?),
                b"p" => note.protocol = Some(Protocol::named(value).ok_or(BadNote("p"))?),
                b"s" => note.status = Status::named(value),
                b"ttl" => note.ttl = Some(millis(value).ok_or(BadNote("ttl"))?),
                b"n" => note.order = InOrder::Stamp(stamp(value).ok_or(BadNote("n"))?),
                b"m" if value.is_empty() => note.order = InOrder::MarkWanted,
                b"m" => note.order = InOrder::Mark(mark(value).ok_or(BadNote("m"))?),
                b"g" => note.tags = tags(value).ok_or(BadNote("g"))?,
                b"v" => note.version = Some(decimal(value).ok_or(BadNote("v"))?),
                b"nested" => note.nested = Some(chain(value).unwrap_or_default()),
                b"hit" => note.is_hit = true,
                _ => {}
            }
        }
        Ok(note)
    }

    /// What an answer with the HTTP status `code` means. A status that does not go with the code is
    /// somebody else's.
    pub(crate) fn status_with(&self, code: u16) -> Option<Status> {
        self.status.filter(|status| status.goes_with(code))
    }

    /// The value of the header; empty if there is nothing to tell.
    pub(crate) fn text(&self) -> NoteText {
        let mut text = NoteText { bytes: [0; MAX_BYTES], length: 0 };
        if let Some(timeout) = self.timeout {
            text.push("t", Decimal::of(timeout).digits());
        }
        if let Some(key) = self.key {
            text.push("k", &hexadecimal(key));
        }
        if let Some(cluster) = self.cluster {
            text.push("c", &hexadecimal(cluster));
        }
        if let Some(incarnation) = self.incarnation {
            text.push("i", &long_hexadecimal(incarnation));
        }
        if let Some(digest) = self.digest {
            text.push("r", &hexadecimal(digest));
        }
        if let Some(protocol) = self.protocol {
            text.push("p", protocol.name().as_bytes());
        }
        if let Some(status) = self.status {
            text.push("s", status.name().as_bytes());
        }
        if let Some(ttl) = self.ttl {
            text.push("ttl", Decimal::of(ttl).digits());
        }
        match self.order {
            InOrder::Nothing => {}
            InOrder::Stamp(stamp) => text.push_place("n", stamp.origin(), stamp.number()),
            InOrder::MarkWanted => text.push_name("m"),
            InOrder::Mark(mark) => text.push_place("m", mark.origin(), mark.count()),
        }
        for (at, number) in self.tags.numbers().iter().enumerate() {
            match at {
                0 => text.push("g", &long_hexadecimal(*number)),
                _ => {
                    text.push_bytes(b",");
                    text.push_bytes(&long_hexadecimal(*number));
                }
            }
        }
        if let Some(version) = self.version {
            text.push("v", Decimal::new(version).digits());
        }
        match self.nested {
            Some(chain) if chain.id() == 0 => text.push_name("nested"),
            Some(chain) => {
                text.push("nested", &hexadecimal(chain.id()));
                text.push_bytes(b".");
                text.push_bytes(Decimal::new(chain.hops().into()).digits());
            }
            None => {}
        }
        if self.is_hit {
            text.push_name("hit");
        }
        text
    }
}

/// The name and the value of the first field of a note, and what follows it. A field without a
/// value has an empty one.
fn next_field(text: &[u8]) -> (&[u8], &[u8], &[u8]) {
    // Nothing of a number needs to be looked at to find its end.
    let likely = match text {
        [b'k' | b'r' | b'c', b'=', ..] => 10,
        [b'i', b'=', ..] => 18,
        _ => 0,
    };
    let is_end = |at: usize| text.get(at).is_none_or(|&byte| byte <= b' ');
    let end = if likely > 0 && likely <= text.len() && is_end(likely) {
        likely
    } else {
        text.iter().position(|&byte| byte <= b' ').unwrap_or(text.len())
    };
    let (field, rest) = (&text[..end], text.get(end + 1..).unwrap_or_default());
    let at = field.iter().position(|&byte| byte == b'=');
    let (name, value) = at.map_or((field, &[][..]), |at| (&field[..at], &field[at + 1..]));
    (name, value, rest)
}

/// A note, written.
pub(crate) struct NoteText {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl NoteText {
    fn push(&mut self, name: &str, value: &[u8]) {
        self.push_name(name);
        self.push_bytes(b"=");
        self.push_bytes(value);
    }

    /// A place in the row of an origin.
    fn push_place(&mut self, name: &str, origin: u64, number: u64) {
        self.push(name, &long_hexadecimal(origin));
        self.push_bytes(b".");
        self.push_bytes(Decimal::new(number).digits());
    }

    fn push_name(&mut self, name: &str) {
        if self.length > 0 {
            self.push_bytes(b" ");
        }
        self.push_bytes(name.as_bytes());
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

impl Deref for NoteText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A part of the header can't be read; its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadNote(&'static str);

impl fmt::Display for BadNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the `{}` of the header {HEADER} can't be read", self.0)
    }
}

/// The hash that names a key, or a group alone, for the second time: CRC-32 of the group's bytes,
/// and for a key of a byte `ff` and the key's bytes behind them.
///
/// A proxy on the way may merge slashes, resolve dots, or decode what is escaped, and a path that
/// then names another key is a good one. No text holds a byte `ff`, so no two pairs of names are
/// hashed as the same bytes.
pub(crate) fn hash_of(group: &str, key: Option<&str>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(group.as_bytes());
    if let Some(key) = key {
        hasher.update(&[0xff]);
        hasher.update(key.as_bytes());
    }
    hasher.finalize()
}

/// Reads whole milliseconds.
fn millis(text: &[u8]) -> Option<Duration> {
    decimal(text).map(Duration::from_millis)
}

/// Reads digits. More of them than fit are the greatest number; anything but digits is none.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(value_of(*digit));
    Some(text.iter().fold(0, add))
}

fn value_of(digit: u8) -> u64 {
    (digit - b'0').into()
}

/// A number as digits.
struct Decimal {
    bytes: [u8; 20],
    begin: usize,
}

impl Decimal {
    /// Whole milliseconds, rounded down, so that no copy outlives its original.
    fn of(time: Duration) -> Self {
        Self::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    fn new(mut rest: u64) -> Self {
        let mut decimal = Self { bytes: [0; 20], begin: 20 };
        loop {
            decimal.begin -= 1;
            decimal.bytes[decimal.begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return decimal;
            }
        }
    }

    fn digits(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}

/// Eight hexadecimal digits, all of them at once: a note has up to five such numbers.
fn hexadecimal(number: u32) -> [u8; 8] {
    // Each byte gets four bits.
    let mut bits = u64::from(number);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte that is more than 9, whose digit is a letter.
    let letters = (bits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (bits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// Sixteen of them.
fn long_hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&hexadecimal((number >> 32) as u32));
    digits[8..].copy_from_slice(&hexadecimal(number as u32));
    digits
}

/// Reads eight hexadecimal digits.
fn hash(text: &[u8]) -> Option<u32> {
    let digits: &[u8; 8] = text.try_into().ok()?;
    let (mut number, mut wrong) = (0, 0);
    for &byte in digits {
        let digit = DIGITS[usize::from(byte)];
        wrong |= digit;
        number = number << 4 | u32::from(digit & 0xf);
    }
    (wrong <= 0xf).then_some(number)
}

/// The value of each byte as a hexadecimal digit; more than 15 for what is none.
const DIGITS: [u8; 256] = {
    let mut digits = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads sixteen hexadecimal digits.
fn number(text: &[u8]) -> Option<u64> {
    let (high, low) = text.split_at_checked(8)?;
    Some(u64::from(hash(high)?) << 32 | u64::from(hash(low)?))
}

/// Reads the stamp of a change.
fn stamp(text: &[u8]) -> Option<ChangeStamp> {
    let (origin, count) = text.split_at_checked(16)?;
    Some(ChangeStamp::new(number(origin)?, decimal(count.strip_prefix(b".")?)?))
}

/// A mark as text, as its origin and its count: `0123456789abcdef.17`.
pub(crate) fn mark_text(mark: ChangeMark) -> String {
    format!("{:016x}.{}", mark.origin(), mark.count())
}

/// Reads a mark.
pub(crate) fn mark(text: &[u8]) -> Option<ChangeMark> {
    let (origin, count) = text.split_at_checked(16)?;
    Some(ChangeMark::new(number(origin)?, decimal(count.strip_prefix(b".")?)?))
}

/// Reads the numbers of tags.
fn tags(text: &[u8]) -> Option<NoteTags> {
    let mut tags = NoteTags::default();
    for digits in text.split(|&byte| byte == b',') {
        tags.add(number(digits)?)?;
    }
    Some(tags)
}

/// Reads what stands for a chain. What can't be read is a chain that is not known.
fn chain(text: &[u8]) -> Option<Chain> {
    let (id, hops) = text.split_at_checked(8)?;
    let (id, hops) = (hash(id)?, decimal(hops.strip_prefix(b".")?)?);
    (id != 0).then(|| Chain::new(id, u8::try_from(hops).unwrap_or(u8::MAX)))
}

/// What an answer that is not a value means, so that it can be told from a foreign server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    BadRequest,
    /// The path names another key than the note, or another group.
    OtherKey,
    /// The asker speaks another protocol.
    OtherProtocol,
    /// The asker belongs to another cluster.
    OtherCluster,
    /// The asker is this very process, which it knows by another name.
    Itself,
    /// The asker shows no token that is known.
    Unauthorized,
    NoSuchGroup,
    NotFound,
    LoadFailed,
    TimedOut,
    Overloaded,
    ShuttingDown,
    /// It answers still, but has left the list of peers.
    HasLeft,
    NotSupported,
    /// An insertion has removed the older value, and the new one is not kept.
    NotKept,
    /// An insertion came too late. There is no older value.
    Late,
}

impl Status {
    pub(crate) const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::OtherKey,
        Self::OtherProtocol,
        Self::OtherCluster,
        Self::Itself,
        Self::Unauthorized,
        Self::NoSuchGroup,
        Self::NotFound,
        Self::LoadFailed,
        Self::TimedOut,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::HasLeft,
        Self::NotSupported,
        Self::NotKept,
        Self::Late,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::OtherKey => "other-key",
            Self::OtherProtocol => "other-protocol",
            Self::OtherCluster => "other-cluster",
            Self::Itself => "itself",
            Self::Unauthorized => "unauthorized",
            Self::NoSuchGroup => "no-such-group",
            Self::NotFound => "not-found",
            Self::LoadFailed => "load-failed",
            Self::TimedOut => "timed-out",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting-down",
            Self::HasLeft => "has-left",
            Self::NotSupported => "not-supported",
            Self::NotKept => "not-kept",
            Self::Late => "late",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name().as_bytes() == name)
    }

    /// The HTTP status that goes with the name.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::BadRequest | Self::OtherKey | Self::OtherProtocol => 400,
            Self::Unauthorized => 401,
            Self::NoSuchGroup | Self::NotFound => 404,
            Self::NotSupported => 405,
            Self::Late => 409,
            Self::HasLeft => 410,
            Self::OtherCluster | Self::Itself => 421,
            Self::NotKept => 204,
            Self::LoadFailed => 500,
            Self::Overloaded | Self::ShuttingDown => 503,
            Self::TimedOut => 504,
        }
    }

    /// Whether an answer of this HTTP status may have the name. Some clusters have the two numbers
    /// the other way round that tell of a failed load and of a peer that can't answer.
    fn goes_with(self, code: u16) -> bool {
        match self.code() {
            500 | 503 => matches!(code, 500 | 503),
            only => only == code,
        }
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
