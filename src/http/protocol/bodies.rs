//! The bodies of answers, and how they tell when a value ends.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::byteview::ByteView;
use crate::getter::Loaded;
use crate::http::date;
use crate::http::protobuf::{self, MalformedMessage};

/// What a value is read from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::http) struct Coded<'a> {
    pub(in crate::http) body: ByteView,
    /// The header `Expires`.
    pub(in crate::http) expires: Option<&'a [u8]>,
}

/// Writes a value that holds for a time from a moment on, or without end.
pub(super) type Encode = fn(&ByteView, Option<Duration>, SystemTime) -> ByteView;

/// Reads a value, and how long it holds from a moment on if that is told. No bytes are copied.
pub(super) type Decode = fn(Coded<'_>, SystemTime) -> Result<Loaded, MalformedAnswer>;

/// Why an answer holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum MalformedAnswer {
    Message(MalformedMessage),
    Expires,
}

impl fmt::Display for MalformedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(error) => error.fmt(f),
            Self::Expires => f.write_str("the header Expires is no date"),
        }
    }
}

impl From<MalformedMessage> for MalformedAnswer {
    fn from(error: MalformedMessage) -> Self {
        Self::Message(error)
    }
}

/// The value alone.
pub(super) const RAW: (Encode, Decode) =
    (|value, _, _| value.clone(), |coded, _| Ok(Loaded::from(coded.body)));

/// The value, and a header beside it that tells when it ends.
pub(super) const RAW_WITH_END: (Encode, Decode) = (RAW.0, |coded, now| {
    let loaded = Loaded::from(coded.body);
    let Some(text) = coded.expires else { return Ok(loaded) };
    let end = date::read(text).ok_or(MalformedAnswer::Expires)?;
    Ok(loaded.ttl(end.duration_since(now).unwrap_or(Duration::ZERO)))
});

/// A message with the value.
pub(super) const PROTOBUF: (Encode, Decode) = (
    |value, _, _| ByteView::from(protobuf::encode_response(value, None)),
    |coded, _| {
        let value = protobuf::decode_response(&coded.body)?.value;
        Ok(Loaded::from(coded.body.slice(value)))
    },
);

/// A message with the value, and with its end if it has one.
pub(super) const PROTOBUF_WITH_END: (Encode, Decode) = (
    |value, ttl, now| {
        let expire = Some(expire_after(ttl, now)).filter(|expire| *expire != NEVER);
        ByteView::from(protobuf::encode_response(value, expire))
    },
    decode_with_end,
);

/// A message with the value, and with a number where it has no end, too.
pub(super) const PROTOBUF_WITH_ANY_END: (Encode, Decode) = (
    |value, ttl, now| {
        let expire = expire_after(ttl, now);
        ByteView::from(protobuf::encode_response(value, Some(expire)))
    },
    decode_with_end,
);

fn decode_with_end(coded: Coded<'_>, now: SystemTime) -> Result<Loaded, MalformedAnswer> {
    let response = protobuf::decode_response(&coded.body)?;
    let loaded = Loaded::from(coded.body.slice(response.value));
    Ok(time_left(response.expire, now).into_iter().fold(loaded, Loaded::ttl))
}

/// An `expire` without end.
const NEVER: i64 = 0;

/// When a value ends that holds for `ttl` from `now` on, in nanoseconds of Unix time; 0 is never.
pub(in crate::http) fn expire_after(ttl: Option<Duration>, now: SystemTime) -> i64 {
    let Some(ttl) = ttl else { return NEVER };
    // A clock before 1970 is as good as one at 1970.
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // Past the year 2262 is without end; and 0, in truth the past, must not be taken for it.
    i64::try_from(since_epoch.saturating_add(ttl).as_nanos()).map_or(NEVER, |expire| expire.max(1))
}

/// How long a value that ends at `expire` holds from `now` on: not at all if that is past.
pub(in crate::http) fn time_left(expire: i64, now: SystemTime) -> Option<Duration> {
    if expire == NEVER {
        return None;
    }
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let end = u64::try_from(expire).map_or(Duration::ZERO, Duration::from_nanos);
    Some(end.saturating_sub(since_epoch))
}
