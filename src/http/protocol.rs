//! What a cluster speaks, as data: see [`Protocol`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::byteview::ByteView;
use crate::getter::Loaded;
use crate::http::protobuf::{self, MalformedMessage};

/// What the peers of a cluster speak. All members must speak the same. Peers of this crate tell
/// each other what they speak, and a request or an answer of another protocol is an error. The
/// answer of a foreign peer does not tell.
///
/// | protocol | base path | body of an answer | content type |
/// |---|---|---|---|
/// | [`GeeCache`](Self::GeeCache) | `/_geecache/` | the value | `application/octet-stream` |
/// | [`GeeCacheProtobuf`](Self::GeeCacheProtobuf) | `/_geecache/` | protobuf, `value = 1` | `application/octet-stream` |
/// | [`Groupcache`](Self::Groupcache) | `/_groupcache/` | protobuf, `value = 1, minute_qps = 2, expire = 3` | `application/x-protobuf` |
///
/// Whatever the protocol, peers of this crate tell each other more, in headers that others ignore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// GeeCache up to its sixth day, and this crate by itself.
    #[default]
    GeeCache,
    /// GeeCache's seventh day.
    GeeCacheProtobuf,
    /// golang/groupcache, and as far as the ring agrees its forks, which know when a value ends.
    ///
    /// That is told as a point in time: the clocks of such a cluster should agree, and between
    /// peers of this crate need not.
    Groupcache,
}

impl Protocol {
    pub(super) const ALL: [Self; 3] = [Self::GeeCache, Self::GeeCacheProtobuf, Self::Groupcache];

    /// What peers of this crate call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GeeCache => "geecache",
            Self::GeeCacheProtobuf => "geecache-protobuf",
            Self::Groupcache => "groupcache",
        }
    }

    /// The protocol that peers of this crate call `name`.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().as_bytes() == name)
    }

    /// All that is different from one protocol to the other.
    pub(super) fn wire(self) -> &'static Wire {
        match self {
            Self::GeeCache => &GEECACHE,
            Self::GeeCacheProtobuf => &GEECACHE_PROTOBUF,
            Self::Groupcache => &GROUPCACHE,
        }
    }
}

/// How a protocol looks on the wire.
#[derive(Debug)]
pub(super) struct Wire {
    /// The path under which groups lie, unless a pool is told another.
    pub(super) base_path: &'static str,
    /// The content type of values.
    pub(super) content_type: &'static str,
    /// How many bytes longer than its value a body may be.
    pub(super) overhead_bytes: u64,
    encode: fn(&ByteView, Option<Duration>, SystemTime) -> ByteView,
    decode: fn(ByteView, SystemTime) -> Result<Loaded, MalformedMessage>,
}

impl Wire {
    /// The body of the answer `value`, which holds for `ttl` from `now` on, or without end.
    pub(super) fn encode(
        &self,
        value: &ByteView,
        ttl: Option<Duration>,
        now: SystemTime,
    ) -> ByteView {
        (self.encode)(value, ttl, now)
    }

    /// The value in an answer's body, and how long it holds from `now` on if the body tells. No
    /// bytes are copied.
    pub(super) fn decode(
        &self,
        body: ByteView,
        now: SystemTime,
    ) -> Result<Loaded, MalformedMessage> {
        (self.decode)(body, now)
    }
}

static GEECACHE: Wire = Wire {
    base_path: "/_geecache/",
    content_type: "application/octet-stream",
    overhead_bytes: 0,
    encode: |value, _, _| value.clone(),
    decode: |body, _| Ok(Loaded::from(body)),
};

static GEECACHE_PROTOBUF: Wire = Wire {
    base_path: "/_geecache/",
    content_type: "application/octet-stream",
    overhead_bytes: PROTOBUF_OVERHEAD_BYTES,
    encode: |value, _, _| ByteView::from(protobuf::encode(value, NEVER)),
    decode: |body, _| Ok(Loaded::from(body.slice(protobuf::decode(&body)?.value))),
};

static GROUPCACHE: Wire = Wire {
    base_path: "/_groupcache/",
    content_type: "application/x-protobuf",
    overhead_bytes: PROTOBUF_OVERHEAD_BYTES,
    encode: |value, ttl, now| {
        let expire = ttl.map_or(NEVER, |ttl| expire_after(ttl, now));
        ByteView::from(protobuf::encode(value, expire))
    },
    decode: |body, now| {
        let response = protobuf::decode(&body)?;
        let loaded = Loaded::from(body.slice(response.value));
        Ok(match time_left(response.expire, now) {
            Some(ttl) => loaded.ttl(ttl),
            None => loaded,
        })
    },
};

/// Tags, lengths and the fields that we know take less than 40 bytes; the rest is for fields that
/// we do not know.
const PROTOBUF_OVERHEAD_BYTES: u64 = 1024;

/// An `expire` without end.
const NEVER: i64 = 0;

/// When a value ends that holds for `ttl` from `now` on, in nanoseconds of Unix time.
fn expire_after(ttl: Duration, now: SystemTime) -> i64 {
    // A clock before 1970 is as good as one at 1970.
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // Past the year 2262 is without end; and 0, in truth the past, must not be taken for it.
    i64::try_from(since_epoch.saturating_add(ttl).as_nanos()).map_or(NEVER, |expire| expire.max(1))
}

/// How long a value that ends at `expire` holds from `now` on: not at all if that is past.
fn time_left(expire: i64, now: SystemTime) -> Option<Duration> {
    if expire == NEVER {
        return None;
    }
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let end = u64::try_from(expire).map_or(Duration::ZERO, Duration::from_nanos);
    Some(end.saturating_sub(since_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NANOS: i64 = 1_700_000_000_123_456_789;
    const ALL: [Protocol; 3] =
        [Protocol::GeeCache, Protocol::GeeCacheProtobuf, Protocol::Groupcache];

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(NOW_NANOS as u64)
    }

    fn through(protocol: Protocol, value: &ByteView, ttl: Option<Duration>) -> Option<Duration> {
        let wire = protocol.wire();
        let body = wire.encode(value, ttl, now());
        assert!(body.len() as u64 <= value.len() as u64 + wire.overhead_bytes);
        let loaded = wire.decode(body, now()).unwrap();
        assert_eq!(loaded.value(), Some(value), "{protocol:?}");
        loaded.time_to_live()
    }

    #[test]
    fn values_come_back_whatever_the_protocol() {
        for protocol in ALL {
            for value in [&b""[..], b"630", b"\n\x03630", &[0xff; 300], &vec![7; 1 << 20]] {
                assert_eq!(through(protocol, &ByteView::from(value), None), None);
            }
        }
    }

    #[test]
    fn bodies_are_those_of_geecache_and_groupcache() {
        let value = ByteView::from("630");
        let second = Some(Duration::from_secs(1));
        assert_eq!(Protocol::GeeCache.wire().encode(&value, second, now()), "630");
        assert_eq!(Protocol::GeeCacheProtobuf.wire().encode(&value, second, now()), "\n\x03630");
        assert_eq!(Protocol::Groupcache.wire().encode(&value, None, now()), "\n\x03630");
        let body = Protocol::Groupcache.wire().encode(&value, second, now());
        assert_eq!(body[..6], b"\n\x03630\x18"[..]);
        assert_eq!(body[6..], [0x95, 0xae, 0x82, 0xc9, 0xe7, 0x9f, 0xe7, 0xcb, 0x17]);
    }

    #[test]
    fn only_groupcache_tells_in_the_body_when_a_value_ends() {
        let value = ByteView::from("v");
        let ttl = Some(Duration::new(60, 5));
        assert_eq!(through(Protocol::GeeCache, &value, ttl), None);
        assert_eq!(through(Protocol::GeeCacheProtobuf, &value, ttl), None);
        assert_eq!(through(Protocol::Groupcache, &value, ttl), ttl);
    }

    #[test]
    fn spans_beyond_the_format_are_without_end_and_past_ends_hold_no_longer() {
        let value = ByteView::from("v");
        let protocol = Protocol::Groupcache;
        assert_eq!(through(protocol, &value, Some(Duration::MAX)), None);
        assert_eq!(through(protocol, &value, Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(expire_after(Duration::ZERO, UNIX_EPOCH), 1);
        for past in [i64::MIN, -1, 1, NOW_NANOS - 1, NOW_NANOS] {
            assert_eq!(time_left(past, now()), Some(Duration::ZERO), "{past}");
        }
        assert_eq!(time_left(NOW_NANOS + 1, now()), Some(Duration::from_nanos(1)));
        assert_eq!(time_left(0, now()), None);
    }

    #[test]
    fn protobuf_that_is_raw_bytes_is_an_error_and_not_a_value() {
        for protocol in [Protocol::GeeCacheProtobuf, Protocol::Groupcache] {
            let raw = ByteView::from("630");
            assert!(protocol.wire().decode(raw, now()).is_err(), "{protocol:?}");
        }
    }
}
