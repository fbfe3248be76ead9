//! What a cluster speaks, as data: see [`Protocol`].

mod bodies;
mod errors;
mod plus;
mod wires;

pub use plus::Plus;

pub(super) use bodies::{Coded, expire_after, time_left};
pub(super) use errors::{ForeignError, GALAXY_STATUS};
pub(super) use wires::{ForeignChanges, Wire};

/// What the peers of a cluster speak. All members must speak the same. Peers of this crate tell
/// each other what they speak, and a request or an answer of another protocol is an error. The
/// answer of a foreign peer does not tell.
///
/// | protocol | for clusters of | base path | body of an answer | ring, and a peer's name on it |
/// |---|---|---|---|---|
/// | [`GeeCache`](Self::GeeCache) | GeeCache up to day 6; this crate alone | `/_geecache/` | the value | [`Crc32`], URL |
/// | [`GeeCacheProtobuf`](Self::GeeCacheProtobuf) | GeeCache day 7 | `/_geecache/` | protobuf | [`Crc32`], URL |
/// | [`Groupcache`](Self::Groupcache) | golang/groupcache; mailgun/groupcache up to 2.2.0 | `/_groupcache/` | protobuf | [`Crc32`], URL |
/// | [`Mailgun`](Self::Mailgun) | mailgun/groupcache 2.2.1 to 2.6.0 | `/_groupcache/` | protobuf | [`Fnv1`], URL |
/// | [`GroupcacheGo`](Self::GroupcacheGo) | groupcache-go 3.0 to 3.5 | `/_groupcache/` | protobuf | [`Fnv1`], `host:port` |
/// | [`Galaxycache`](Self::Galaxycache) | galaxycache 1.0 to 1.4 over HTTP | `/_galaxycache/` | the value | [`Crc32`], URL |
///
/// The last column is what a pool takes unless it is told another [`hash`], or
/// [other names](crate::PeerAddress::named).
///
/// Whatever the protocol, peers of this crate tell each other more, in headers that others ignore.
/// Changes are made wherever a peer knows how to: all of this crate do; those of mailgun/groupcache
/// and groupcache-go remove and set single keys; the others in Go make none. A peer of theirs that
/// sets or removes keys here is understood whatever the protocol.
///
/// The forks tell the end of a value as a point in time. The clocks of such a cluster should agree,
/// and between peers of this crate need not.
///
/// [`Crc32`]: crate::consistenthash::RingHash::Crc32
/// [`Fnv1`]: crate::consistenthash::RingHash::Fnv1
/// [`hash`]: crate::HttpPoolBuilder::hash
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// GeeCache up to its sixth day, and this crate by itself.
    #[default]
    GeeCache,
    /// GeeCache's seventh day.
    GeeCacheProtobuf,
    /// golang/groupcache, and those of its forks that have its ring and know when a value ends.
    Groupcache,
    /// mailgun/groupcache with a ring of its own. Up to 2.4.1 its peers mean a space by a plus:
    /// there [`plus`](crate::HttpPoolBuilder::plus) should be [`Plus::Space`]. They set values
    /// from 2.3.0 on, and tell that a key does not exist from 2.5.0 on.
    Mailgun,
    /// groupcache-go, version 3. Its peers remove many keys at once from 3.4 on.
    GroupcacheGo,
    /// galaxycache over HTTP, which knows no removal. Its peers tell what they have in memory, and
    /// that a key does not exist, from 1.3 on, and when a value ends from 1.4 on. Where they were
    /// given an ID apart from the URL, that is their [name](crate::PeerAddress::named).
    Galaxycache,
}

impl Protocol {
    pub(super) const ALL: [Self; 6] = [
        Self::GeeCache,
        Self::GeeCacheProtobuf,
        Self::Groupcache,
        Self::Mailgun,
        Self::GroupcacheGo,
        Self::Galaxycache,
    ];

    /// What peers of this crate call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GeeCache => "geecache",
            Self::GeeCacheProtobuf => "geecache-protobuf",
            Self::Groupcache => "groupcache",
            Self::Mailgun => "mailgun",
            Self::GroupcacheGo => "groupcache-go",
            Self::Galaxycache => "galaxycache",
        }
    }

    /// The protocol that peers of this crate call `name`.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().as_bytes() == name)
    }

    /// All that is different from one protocol to the other.
    pub(super) fn wire(self) -> &'static Wire {
        match self {
            Self::GeeCache => &wires::GEECACHE,
            Self::GeeCacheProtobuf => &wires::GEECACHE_PROTOBUF,
            Self::Groupcache => &wires::GROUPCACHE,
            Self::Mailgun => &wires::MAILGUN,
            Self::GroupcacheGo => &wires::GROUPCACHE_GO,
            Self::Galaxycache => &wires::GALAXYCACHE,
        }
    }
}

#[cfg(test)]
mod tests;
