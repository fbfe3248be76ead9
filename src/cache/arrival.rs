//! An [`Arrival`]: an entry on its way into a shard.

use crate::cache::entry::Entry;

/// An entry on its way into a shard.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) tag: u32,
    pub(super) key: &'a [u8],
    pub(super) entry: Entry,
    pub(super) place: Place,
    /// The time, for the dead entries that are swept on the way.
    pub(super) now: u64,
}

/// By what right an entry comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The policy decides whether it may stay.
    ByMerit,
    /// It stays, and others make room.
    Sure,
}

/// Whose turn it is to give room to an entry that finds none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giver {
    /// A shard that has more than its share: the entry's own first, then others.
    AboveShare,
    /// Any shard: the entry's own if it has enough, or others.
    Anyone,
    /// The entry's own shard alone.
    ThisShard,
}

/// What became of an entry that takes only room which nobody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addition {
    Kept,
    /// Its key has an entry, which is newer.
    IsThere,
    /// The cache is full, or the entry is larger than any may be.
    NoRoom,
    /// Those who know did not want it.
    Unwanted,
}

/// What became of an entry that arrived.
#[derive(Debug)]
pub(super) enum Insertion<'a> {
    Kept,
    NotKept,
    /// Nothing yet: other shards must give so many bytes first.
    Lacks {
        arrival: Arrival<'a>,
        bytes: u64,
    },
}
