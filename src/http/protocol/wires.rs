//! [`Wire`]: how each protocol looks on the wire.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::byteview::ByteView;
use crate::consistenthash::RingHash;
use crate::error::PeerErrorKind;
use crate::getter::Loaded;
use crate::http::protocol::bodies::{
    Coded, Decode, Encode, MalformedAnswer, PROTOBUF, PROTOBUF_WITH_ANY_END, PROTOBUF_WITH_END,
    RAW, RAW_WITH_END,
};
use crate::http::protocol::errors::{
    self, Classify, ForeignError, GALAXY_FOUND, GALAXY_NOT_FOUND, GALAXY_STATUS,
};
use crate::http::protocol::plus::Plus;
use crate::http::url::PeerUrl;
use crate::http::verdict::Verdict;

/// Headers of an answer, as pairs of name and value.
pub(in crate::http) type HeaderLines = &'static [(&'static str, &'static str)];

/// Which changes the peers of other programs make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum ForeignChanges {
    None,
    /// They remove a key (`DELETE`), and set one (`PUT` of a `SetRequest`).
    OfOneKey,
    /// They also remove many keys at once (`POST` of a list in JSON).
    OfManyKeys,
}

/// How a protocol looks on the wire.
#[derive(Debug)]
pub(in crate::http) struct Wire {
    /// The path under which groups lie, unless a pool is told another.
    pub(in crate::http) base_path: &'static str,
    /// What the base path of peeks ends in beside that, where peers of other programs know peeks.
    peek_suffix: Option<&'static str>,
    /// What a plus stands for in a path, unless a pool is told otherwise.
    pub(in crate::http) plus: Plus,
    /// The hash of the ring, unless a pool is told another.
    pub(in crate::http) hash: RingHash,
    /// The name of a peer on the ring, unless it is given one.
    pub(in crate::http) name_of: fn(&PeerUrl) -> Arc<str>,
    /// The content type of values.
    pub(in crate::http) content_type: &'static str,
    /// How many bytes longer than its value a body may be.
    pub(in crate::http) overhead_bytes: u64,
    /// Whether a header tells when a value ends.
    pub(in crate::http) has_expires: bool,
    /// The status that tells that a getter failed, so that peers of other programs take it for one.
    pub(in crate::http) load_failed: u16,
    /// The status that tells that this peer can't answer now, so that those peers load for
    /// themselves.
    pub(in crate::http) busy: u16,
    /// What a 404 says beside its status where the key does not exist.
    pub(in crate::http) no_such_key: HeaderLines,
    /// The same where the group does not.
    pub(in crate::http) no_such_group: HeaderLines,
    pub(in crate::http) changes: ForeignChanges,
    body: (Encode, Decode),
    classify: Classify,
}

impl Wire {
    /// The body of the answer `value`, which holds for `ttl` from `now` on, or without end.
    pub(in crate::http) fn encode(
        &self,
        value: &ByteView,
        ttl: Option<Duration>,
        now: SystemTime,
    ) -> ByteView {
        (self.body.0)(value, ttl, now)
    }

    /// The value in an answer, and how long it holds from `now` on if the answer tells. No bytes
    /// are copied.
    pub(in crate::http) fn decode(
        &self,
        answer: Coded<'_>,
        now: SystemTime,
    ) -> Result<Loaded, MalformedAnswer> {
        (self.body.1)(answer, now)
    }

    /// What an error of a peer of another program means to the caller, and what it tells about the
    /// peer's health; `None` where it means nothing special in this protocol.
    pub(in crate::http) fn classify(
        &self,
        error: &ForeignError<'_>,
    ) -> Option<(PeerErrorKind, Verdict)> {
        (self.classify)(error)
    }

    /// The path below which peeks at the keys of groups lie whose path is `base`; `None` where
    /// peers of other programs know no peeks.
    pub(in crate::http) fn peek_path(&self, base: &str) -> Option<String> {
        let base = base.strip_suffix('/').filter(|base| !base.is_empty())?;
        self.peek_suffix.map(|suffix| format!("{base}{suffix}/"))
    }
}

pub(super) const GEECACHE: Wire = Wire {
    base_path: "/_geecache/",
    peek_suffix: None,
    plus: Plus::Space,
    hash: RingHash::Crc32,
    name_of: |url| Arc::clone(url.text()),
    content_type: "application/octet-stream",
    overhead_bytes: 0,
    has_expires: false,
    load_failed: 500,
    busy: 503,
    no_such_key: &[],
    no_such_group: &[],
    changes: ForeignChanges::None,
    body: RAW,
    classify: errors::NONE,
};

pub(super) const GEECACHE_PROTOBUF: Wire =
    Wire { overhead_bytes: PROTOBUF_OVERHEAD_BYTES, body: PROTOBUF, ..GEECACHE };

pub(super) const GROUPCACHE: Wire = Wire {
    base_path: "/_groupcache/",
    content_type: "application/x-protobuf",
    body: PROTOBUF_WITH_END,
    ..GEECACHE_PROTOBUF
};

pub(super) const MAILGUN: Wire = Wire {
    plus: Plus::Literal,
    hash: RingHash::Fnv1,
    load_failed: 503,
    busy: 500,
    changes: ForeignChanges::OfOneKey,
    body: PROTOBUF_WITH_ANY_END,
    classify: errors::FORK,
    ..GROUPCACHE
};

pub(super) const GROUPCACHE_GO: Wire =
    Wire { name_of: PeerUrl::host_and_port, changes: ForeignChanges::OfManyKeys, ..MAILGUN };

pub(super) const GALAXYCACHE: Wire = Wire {
    base_path: "/_galaxycache/",
    peek_suffix: Some("_peek"),
    plus: Plus::Literal,
    has_expires: true,
    no_such_key: &[(GALAXY_STATUS, GALAXY_FOUND)],
    no_such_group: &[(GALAXY_STATUS, GALAXY_NOT_FOUND)],
    body: RAW_WITH_END,
    classify: errors::GALAXY,
    ..GEECACHE
};

/// Tags, lengths and the fields that we know take less than 40 bytes; the rest is for fields that
/// we do not know.
const PROTOBUF_OVERHEAD_BYTES: u64 = 1024;
