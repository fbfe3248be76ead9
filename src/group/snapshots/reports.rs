//! What became of a snapshot: [`SaveReport`] and [`LoadReport`].

use std::time::Duration;

/// A snapshot that was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaveReport {
    /// How many entries it has.
    pub entries: u64,
    /// How long the file is, in bytes.
    pub bytes: u64,
    /// How long it took to write it, and to have it on the disk.
    pub took: Duration,
}

/// What became of the entries of a snapshot that was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// Whether there was a file.
    pub found: bool,
    /// Whether a peer that was up all the time said what was removed since the file was written.
    pub confirmed: bool,
    /// How many entries are in memory now that were not before.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// How many are not, and why.
    pub skipped: SkippedEntries,
    /// Where in the file the damage is that it was read up to, in bytes from its front; `None` if
    /// it was read as a whole.
    pub damaged_at: Option<u64>,
    /// How long it took.
    pub took: Duration,
}

/// Entries of a snapshot that were not loaded, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedEntries {
    /// Their time to live is over.
    pub expired: u64,
    /// They were removed since, or may have been.
    pub removed: u64,
    /// No peer confirms them: see [`SnapshotTrust`](crate::SnapshotTrust).
    pub unconfirmed: u64,
    /// Another peer owns them now; or this process does, and has a copy in the file.
    pub moved: u64,
    /// Their keys had values in memory already.
    pub newer: u64,
    /// There was no room that nobody uses, or the entry is too long for the cache.
    pub no_room: u64,
}

impl SkippedEntries {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { expired, removed, unconfirmed, moved, newer, no_room } = self;
        expired + removed + unconfirmed + moved + newer + no_room
    }
}
