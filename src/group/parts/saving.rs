//! How the caches of a group get into a file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;
use crate::group::memory::Stock;
use crate::group::parts::Parts;
use crate::group::snapshots::SaveReport;
use crate::snapshot::{
    FileEnd, FileHeader, PeerMark, SnapshotRecord, SnapshotWriter, write_in_place,
};

/// About so many bytes of entries are shared with the caches at a time.
const CHUNK_BYTES: u64 = 1 << 20;

impl Parts {
    /// Writes what is in memory to `path`. `marks` are places in the peers' journals: this process
    /// was told of all changes before them.
    pub(in crate::group) fn save(
        &self,
        path: &Path,
        marks: Vec<PeerMark>,
    ) -> Result<SaveReport, Error> {
        let _turn = self.snapshots.turn();
        self.save_in_turn(path, marks)
    }

    /// The same for one who has the turn to write.
    pub(super) fn save_in_turn(
        &self,
        path: &Path,
        marks: Vec<PeerMark>,
    ) -> Result<SaveReport, Error> {
        let begun = Instant::now();
        let saved = write_in_place(path, |out| self.write_snapshot(out, marks));
        match saved {
            Ok((entries, bytes)) => {
                self.snapshots.counters.written.add(entries as usize);
                let report = SaveReport { entries, bytes, took: begun.elapsed() };
                self.telling.saved(path, &report);
                Ok(report)
            }
            Err(error) => Err(self.snapshot_failed(path, error)),
        }
    }

    pub(super) fn snapshot_failed(&self, path: &Path, error: io::Error) -> Error {
        self.snapshots.counters.failures.add_one();
        let error = Error::Snapshot { path: path.display().to_string(), source: Arc::new(error) };
        self.telling.snapshot_failed(path, &error);
        error
    }

    /// Writes a file to `out`. How many records it has, and how many bytes.
    ///
    /// What is removed meanwhile may be in it, and is named at its end.
    pub(in crate::group) fn write_snapshot<W: Write>(
        &self,
        out: W,
        marks: Vec<PeerMark>,
    ) -> io::Result<(W, (u64, u64))> {
        let watch = self.memory.watch_removals();
        let begun = self.memory.now();
        let header = FileHeader {
            saved_at_ms: self.memory.clock().wall_ms(),
            group: self.name.to_string(),
            marks,
        };
        let mut writer = SnapshotWriter::begin(out, &header)?;
        let (mut walk, mut records) = (self.memory.walk(), 0);
        loop {
            // Lives are told as they were when the header was written.
            let passed = self.memory.now().saturating_sub(begun);
            let more = self.memory.stock(&mut walk, CHUNK_BYTES, |key, stock| {
                records += 1;
                let Stock { value, left_ms, load_ms, heat, is_copy, marks } = &stock;
                let marks = marks.as_deref().copied().unwrap_or_default();
                writer.record(&SnapshotRecord {
                    key,
                    value: value.as_deref(),
                    left_ms: left_ms.map(|left| left.saturating_add(passed)),
                    load_ms: *load_ms,
                    heat: heat.to_byte(),
                    is_copy: *is_copy,
                    version: marks.version,
                    tags: marks.tags,
                })
            })?;
            if !more {
                break;
            }
        }
        // Who has a tag that was removed meanwhile is not known.
        let gone = watch.keys().filter(|_| self.memory.removed_tags().tick() == watch.tick());
        let knows_gone = gone.is_some();
        let end = FileEnd { knows_gone, gone: gone.unwrap_or_default(), ..FileEnd::default() };
        let (out, bytes) = writer.end(end)?;
        Ok((out, (records, bytes)))
    }
}
