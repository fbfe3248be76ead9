//! The wire between peers, as pure functions: paths, and what an answer means.
//!
//! `GET {peer}{base}{group}/{key}`, answered by `200` with the raw bytes of the value, or by an
//! error whose body is text. The form is the one of GeeCache and groupcache. What our peers tell
//! each other beside it is a [note](crate::http::note), which others ignore.
//!
//! Between peers of this crate there is more:
//!
//! | request | does | answer |
//! |---|---|---|
//! | `POST {base}{group}` with a [frame](crate::http::frame) | gets many keys, or what is in memory of them | 200 with a frame |
//! | `POST {base}{group}` with a frame | removes keys, or what has a tag | 204 |
//! | `DELETE {base}{group}/{key}` | removes a key | 204 |
//! | `DELETE {base}{group}` | removes all keys | 204 |
//! | `PUT {base}{group}/{key}` with a value, or with `s=not-found` in its note | inserts it | 204; with `s=not-kept` where the value is not kept, and the older one is gone |
//!
//! Those that come without a note are of groupcache's forks, see
//! [`ForeignChanges`](crate::http::protocol::ForeignChanges). They mean the same otherwise, and are
//! answered with 200, for the forks take nothing else for done.
//!
//! The peers of GeeCache and groupcache ignore the method. They answer 400 to a path without a key,
//! which is why we remove single keys by a frame as well, and insert only where a peer is known to
//! remove. To the others they answer with a value that they load: a 200 where a 204 is due means
//! that the peer does not know the operation.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::PeerErrorKind;
use crate::http::note::Status;
use crate::http::protocol::{ForeignError, Plus, Wire};
use crate::http::verdict::Verdict;

/// Everything but `A-Za-z0-9-_~.` is escaped. This is right for servers that decode a `+` as a
/// space and for those that do not, as we send neither a plus nor a space.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');

/// Whether a group can be named in a path.
pub(crate) fn is_group(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

/// The path of the request for `key` in `group`. `base` begins and ends with a slash.
pub(crate) fn request_path(base: &str, group: &str, key: &str) -> String {
    let mut path = String::with_capacity(base.len() + group.len() + 1 + key.len() + key.len() / 4);
    path.push_str(base);
    push_escaped(&mut path, group);
    path.push('/');
    push_escaped(&mut path, key);
    path
}

/// The path of what concerns many keys of `group`, or all of them.
pub(crate) fn group_path(base: &str, group: &str) -> String {
    let mut path = String::with_capacity(base.len() + group.len());
    path.push_str(base);
    push_escaped(&mut path, group);
    path
}

fn push_escaped(path: &mut String, part: &str) {
    match part {
        // Servers and clients remove dot segments, in some cases after they decoded the path.
        "." => path.push_str("%2E"),
        ".." => path.push_str("%2E%2E"),
        _ => path.extend(utf8_percent_encode(part, ESCAPED)),
    }
}

/// The group and the key that a request's raw target names.
///
/// The raw path is cut at the first slash behind the base and decoded afterwards, so both parts may
/// hold an escaped slash. A query is not part of the path, and is ignored.
pub(crate) fn parse_target<'a>(
    base: &str,
    target: &'a str,
    plus: Plus,
) -> Result<(Cow<'a, str>, Cow<'a, str>), BadTarget> {
    let (group, key) = below(base, target)?.split_once('/').ok_or(BadTarget::NoKey)?;
    Ok((unescape_group(group, plus)?, unescape(key, plus)?))
}

/// The group that a request's raw target names, without a key.
pub(crate) fn parse_group<'a>(
    base: &str,
    target: &'a str,
    plus: Plus,
) -> Result<Cow<'a, str>, BadTarget> {
    match below(base, target)? {
        group if group.contains('/') => Err(BadTarget::Key),
        group => unescape_group(group, plus),
    }
}

/// The part of a target's path below the base.
fn below<'a>(base: &str, target: &'a str) -> Result<&'a str, BadTarget> {
    path_of(target).strip_prefix(base).ok_or(BadTarget::OutsideBase)
}

/// The raw path of a target.
pub(crate) fn path_of(target: &str) -> &str {
    origin_form(target.split_once(['?', '#']).map_or(target, |(path, _)| path))
}

/// The query of a target, as forms write it: a `+` is a space. A name may stand without a value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn of(target: &'a str) -> Result<Self, BadTarget> {
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((unescape(name, Plus::Space)?, unescape(value, Plus::Space)?))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The first value of `name`; empty if it stands without one.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(it, _)| it == name)?;
        Some(value)
    }
}

/// A value of a query, escaped.
pub(crate) fn push_query_value(target: &mut String, value: &str) {
    target.extend(utf8_percent_encode(value, ESCAPED));
}

fn unescape_group(group: &str, plus: Plus) -> Result<Cow<'_, str>, BadTarget> {
    match unescape(group, plus)? {
        group if group.is_empty() => Err(BadTarget::EmptyGroup),
        group => Ok(group),
    }
}

/// The path of a target in absolute form, which every server has to accept.
fn origin_form(target: &str) -> &str {
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    }
}

fn unescape(part: &str, plus: Plus) -> Result<Cow<'_, str>, BadTarget> {
    let special = |byte| byte == b'%' || (byte == b'+' && plus == Plus::Space);
    let Some(first) = part.bytes().position(special) else {
        return Ok(Cow::Borrowed(part));
    };
    let mut decoded = Vec::with_capacity(part.len());
    decoded.extend_from_slice(&part.as_bytes()[..first]);
    let mut rest = part.as_bytes()[first..].iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(BadTarget::BadEscape);
                };
                (high * 16 + low) as u8
            }
            b'+' if plus == Plus::Space => b' ',
            _ => byte,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| BadTarget::NotUtf8)
}

/// Why a request target names no key, or no group, of ours. Each is answered by 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadTarget {
    OutsideBase,
    NoKey,
    Key,
    EmptyGroup,
    BadEscape,
    NotUtf8,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutsideBase => "the path lies outside the base path",
            Self::NoKey => "the path names no key",
            Self::Key => "the path names a key, and should name a group only",
            Self::EmptyGroup => "the path names no group",
            Self::BadEscape => "the path holds a percent sign without two hexadecimal digits",
            Self::NotUtf8 => "the path is not UTF-8 when decoded",
        })
    }
}

/// An answer that is not a value, as read off the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorAnswer<'a> {
    /// The HTTP status.
    pub(crate) code: u16,
    /// What the note says, if it goes with the code.
    pub(crate) status: Option<Status>,
    pub(crate) content_type: Option<&'a str>,
    /// The body, or its beginning.
    pub(crate) text: &'a str,
    /// What galaxycache says in a header of its own.
    pub(crate) galaxy: Option<&'a str>,
}

impl ErrorAnswer<'_> {
    /// What the answer means to the caller, and what it tells about the peer's health.
    ///
    /// | answer | means | the peer |
    /// |---|---|---|
    /// | 404 `not-found` | the key does not exist | is well |
    /// | 404 `no-such-group`; or plain text `no such group…` | no such group | is well |
    /// | 500 `load-failed`; or plain text (an old peer's getter failed) | could not load | is well |
    /// | 504 `timed-out` | the owner is still loading | is well |
    /// | 400 `other-key`, `other-protocol` | it did not get what was sent; it speaks otherwise | is well |
    /// | 401 `unauthorized` | our token is not known there | is well |
    /// | 410 `has-left`, to a greeting | it is about to end | is well |
    /// | 421 `itself` | we have asked ourselves | is well |
    /// | 421 `other-cluster` | it is none of our peers | failed |
    /// | 400 `bad-request`, 405 `not-supported`; 413, 414, 431 | this request is one that it does not take | is well |
    /// | 301, 307, 308: Go's routers like no `//` and `..` in a path | not our protocol | is well |
    /// | 503 `overloaded` | has too much to do | is well: it said so itself |
    /// | 503 `shutting-down` | nobody is there | is down |
    /// | what the protocol's other programs say in their own way | what they mean | is well |
    /// | any other 503 | overloaded | failed |
    /// | anything else: another redirect, a web page of whatever status | not our protocol | failed |
    ///
    /// Two of the numbers may be the other way round, see [`Wire`].
    pub(crate) fn classify(&self, wire: &Wire) -> (PeerErrorKind, Verdict) {
        let foreign = || {
            let Self { code, text, galaxy, .. } = *self;
            let is_plain_text = self.is_plain_text();
            wire.classify(&ForeignError { code, is_plain_text, text, galaxy })
        };
        let Some(status) = self.status else { return foreign().unwrap_or_else(|| self.usual()) };
        match status {
            Status::NotFound => (PeerErrorKind::NotFound, Verdict::Answered),
            Status::NoSuchGroup => (PeerErrorKind::NoSuchGroup, Verdict::Answered),
            Status::LoadFailed => (PeerErrorKind::Load, Verdict::Answered),
            Status::TimedOut => (PeerErrorKind::TimedOut, Verdict::Answered),
            Status::BadRequest | Status::OtherKey | Status::OtherProtocol | Status::Itself => {
                (PeerErrorKind::Protocol, Verdict::Answered)
            }
            Status::OtherCluster => (PeerErrorKind::OtherCluster, Verdict::Failed),
            Status::HasLeft => (PeerErrorKind::Unreachable, Verdict::Answered),
            Status::ShuttingDown => (PeerErrorKind::Unreachable, Verdict::Refused),
            Status::Unauthorized => (PeerErrorKind::Unauthorized, Verdict::Answered),
            Status::NotSupported => (PeerErrorKind::NotSupported, Verdict::Answered),
            Status::Overloaded => (PeerErrorKind::Overloaded, Verdict::Answered),
            Status::Late => (PeerErrorKind::Late, Verdict::Answered),
            Status::NotKept => self.usual(),
        }
    }

    /// What an answer means that comes without a word of ours.
    fn usual(&self) -> (PeerErrorKind, Verdict) {
        match self.code {
            404 if self.is_plain_text() && self.text.starts_with("no such group") => {
                (PeerErrorKind::NoSuchGroup, Verdict::Answered)
            }
            500 if self.is_plain_text() => (PeerErrorKind::Load, Verdict::Answered),
            503 => (PeerErrorKind::Overloaded, Verdict::Failed),
            301 | 307 | 308 | 413 | 414 | 431 => (PeerErrorKind::Protocol, Verdict::Answered),
            _ => (PeerErrorKind::Protocol, Verdict::Failed),
        }
    }

    /// What happened, in words. For a failed load the text of the peer's getter alone.
    pub(crate) fn message(&self, kind: PeerErrorKind) -> String {
        let text = self.text.trim_end_matches(['\r', '\n']);
        if kind == PeerErrorKind::Load && !text.is_empty() {
            return text.to_owned();
        }
        // A web page would drown a log; its first words tell whose it is.
        let first_line = text.lines().next().unwrap_or_default();
        let brief: String = first_line.chars().take(120).collect();
        if brief.is_empty() {
            format!("status {}", self.code)
        } else {
            format!("status {}: {brief}", self.code)
        }
    }

    fn is_plain_text(&self) -> bool {
        self.content_type.is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("text/plain")
        })
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
