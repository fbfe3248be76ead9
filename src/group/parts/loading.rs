//! How a file gets into the caches of a group.
//!
//! What a file has may be out of date, and others go on to load, insert and remove meanwhile. So an
//! entry of a file never takes the place of another value, and never comes back after a removal:
//!
//! * *Removed while the file was written.* The file names it at its end, which is read first.
//! * *Removed after that, while no process was here.* The peers that were up all the time say so.
//! * *Removed since this process has begun to load.* A watch notes the key before the removal
//!   empties the caches. Under the lock of the cache, right before the entry goes in, the watch is
//!   asked. Either the removal comes later, and takes the entry out, or the watch knows of it.
//! * *Removed by one of its tags.* What was saved before such a removal is gone with all of the
//!   file, as peers then say that they do not know which keys are. What is removed while it is
//!   loaded is dead where it arrives: its tick is that of the watch.
//! * *Loaded or inserted by others meanwhile.* Under the same lock the entry finds that its key has
//!   one, and stays out.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::cache::{Addition, Heat};
use crate::error::Error;
use crate::group::memory::{RemovalWatch, Stock};
use crate::group::parts::Parts;
use crate::group::snapshots::{LoadReport, SnapshotTrust};
use crate::snapshot::{FileHeader, Next, PeerMark, SnapshotReader, SnapshotRecord, open};
use crate::tag::Marks;

/// What peers say of a file.
#[derive(Debug, Default)]
pub(in crate::group) struct PeersWord {
    /// Whether one of them knows of all removals since.
    pub(in crate::group) is_given: bool,
    /// Keys that were removed since.
    pub(in crate::group) gone: HashSet<String>,
    /// Whether that may be all keys.
    pub(in crate::group) is_all_gone: bool,
}

/// One loading of a file.
struct Loading<'a> {
    parts: &'a Parts,
    watch: &'a RemovalWatch,
    trust: SnapshotTrust,
    word: PeersWord,
    /// Whether the file names all keys that were removed while it was written.
    knows_gone: bool,
    gone: HashSet<String>,
    /// How long the file was away, in milliseconds.
    away_ms: u64,
    report: LoadReport,
}

/// What becomes of an entry of a file.
enum RecordFate {
    Expired,
    Removed,
    Unconfirmed,
    /// Somebody else owns it.
    Moved,
    Added(Addition),
}

impl Parts {
    /// Loads the file at `path`. What was removed since `watch` began stays out. `word` is what
    /// peers say of the marks in the file.
    pub(in crate::group) fn load_snapshot(
        &self,
        path: &Path,
        trust: SnapshotTrust,
        watch: &RemovalWatch,
        word: impl FnOnce(&[PeerMark]) -> PeersWord,
    ) -> Result<LoadReport, Error> {
        let begun = Instant::now();
        let read = || -> io::Result<LoadReport> {
            let Some(file) = open(path)? else { return Ok(LoadReport::default()) };
            self.read_snapshot::<File>(file, trust, watch, word)
        };
        match read() {
            Ok(report) => {
                let report = LoadReport { took: begun.elapsed(), ..report };
                let counters = &self.snapshots.counters;
                counters.loaded.add(report.entries as usize);
                counters.skipped.add(report.skipped.total() as usize);
                self.telling.loaded_snapshot(path, &report);
                Ok(report)
            }
            Err(error) => Err(self.snapshot_failed(path, error)),
        }
    }

    /// The same from anything that is like a file.
    pub(in crate::group) fn read_snapshot<R: Read + Seek>(
        &self,
        input: R,
        trust: SnapshotTrust,
        watch: &RemovalWatch,
        word: impl FnOnce(&[PeerMark]) -> PeersWord,
    ) -> io::Result<LoadReport> {
        let mut reader = SnapshotReader::open(input, self.memory.longest_entry())?;
        reader.header().check_group(&self.name)?;
        let FileHeader { saved_at_ms, marks, .. } = reader.header();
        let end = reader.end();
        let mut loading = Loading {
            parts: self,
            watch,
            trust,
            word: word(marks),
            knows_gone: end.is_some_and(|end| end.knows_gone),
            gone: end.map(|end| end.gone.iter().cloned().collect()).unwrap_or_default(),
            // 0 where the clock went back: no life gets longer by that.
            away_ms: self.memory.clock().wall_ms().saturating_sub(*saved_at_ms),
            report: LoadReport { found: true, ..LoadReport::default() },
        };
        loading.report.confirmed = loading.word.is_given && !loading.word.is_all_gone;
        while !loading.is_vain() {
            match reader.next()? {
                Next::Record(record) => loading.take_in(&record),
                Next::TooLong => loading.report.skipped.no_room += 1,
                Next::End => break,
                Next::Damaged(at) => {
                    loading.report.damaged_at = Some(at);
                    break;
                }
            }
        }
        Ok(loading.report)
    }
}

impl Loading<'_> {
    /// Whether nothing more of the file will be taken.
    fn is_vain(&self) -> bool {
        self.watch.is_all_gone() || self.parts.snapshots.is_over()
    }

    fn take_in(&mut self, record: &SnapshotRecord<'_>) {
        let left_ms = record.left_ms.map(|left| left.saturating_sub(self.away_ms));
        let is_gone = || {
            let PeersWord { gone, is_all_gone, .. } = &self.word;
            *is_all_gone || self.gone.contains(record.key) || gone.contains(record.key)
        };
        let is_moved = || self.parts.owners.picker().owns(record.key) == record.is_copy;
        let fate = if left_ms == Some(0) {
            RecordFate::Expired
        } else if is_gone() {
            RecordFate::Removed
        } else if !self.word.is_given && !self.is_trusted(left_ms) {
            RecordFate::Unconfirmed
        } else if is_moved() {
            RecordFate::Moved
        } else {
            RecordFate::Added(self.add(record, left_ms))
        };
        let LoadReport { entries, bytes, skipped, .. } = &mut self.report;
        let count = match fate {
            RecordFate::Expired => &mut skipped.expired,
            RecordFate::Removed | RecordFate::Added(Addition::Unwanted) => &mut skipped.removed,
            RecordFate::Unconfirmed => &mut skipped.unconfirmed,
            RecordFate::Moved => &mut skipped.moved,
            RecordFate::Added(Addition::IsThere) => &mut skipped.newer,
            RecordFate::Added(Addition::NoRoom) => &mut skipped.no_room,
            RecordFate::Added(Addition::Kept) => {
                *bytes += (record.key.len() + record.value.map_or(0, <[u8]>::len)) as u64;
                entries
            }
        };
        *count += 1;
    }

    /// Whether an entry is loaded that no peer confirms.
    fn is_trusted(&self, left_ms: Option<u64>) -> bool {
        match self.trust {
            SnapshotTrust::Never => false,
            SnapshotTrust::UntilTtl => left_ms.is_some(),
            // A file that was cut may have what was removed as it was written.
            SnapshotTrust::Always => self.knows_gone || left_ms.is_some(),
        }
    }

    fn add(&self, record: &SnapshotRecord<'_>, left_ms: Option<u64>) -> Addition {
        let marks = Marks { tags: record.tags, version: record.version, ..Marks::default() };
        let has_marks = marks != Marks::default();
        let stock = Stock {
            value: None,
            left_ms,
            load_ms: record.load_ms,
            heat: Heat::from_byte(record.heat),
            is_copy: record.is_copy,
            marks: has_marks.then(|| Arc::new(marks)),
        };
        self.parts.memory.add(record.key, record.value, &stock, self.watch)
    }
}

#[cfg(test)]
mod tests;
