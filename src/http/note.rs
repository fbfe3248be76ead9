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

mod numbers;
mod status;
mod tags;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::change::{ChangeMark, ChangeStamp};
use crate::getter::Loaded;
use crate::group::Chain;
use crate::http::protocol::Protocol;
use numbers::{Decimal, decimal, hash, hexadecimal, long_hexadecimal, millis, number};
pub(crate) use status::Status;
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

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
