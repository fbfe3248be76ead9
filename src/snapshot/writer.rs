//! [`SnapshotWriter`]: writes a file from its front to its end.

use std::io::{self, Write};

use crate::snapshot::frame::checksum;
use crate::snapshot::header::{FileEnd, FileHeader};
use crate::snapshot::record::SnapshotRecord;
use crate::snapshot::{HEAD_BYTES, MAGIC, TAIL, VERSION};

/// Writes a file from its front to its end, and keeps nothing of it.
#[derive(Debug)]
pub(crate) struct SnapshotWriter<W> {
    out: W,
    written: u64,
    records: u64,
    body: Vec<u8>,
}

impl<W: Write> SnapshotWriter<W> {
    pub(crate) fn begin(out: W, header: &FileHeader) -> io::Result<Self> {
        let mut writer = Self { out, written: 0, records: 0, body: Vec::new() };
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let crc = crc32fast::hash(&head[..12]);
        head[12..].copy_from_slice(&crc.to_le_bytes());
        writer.write(&head)?;
        writer.frame(|body| header.write(body), &[])?;
        Ok(writer)
    }

    /// Goes on with a file of `records` records that is cut at the byte `at`, where its end was.
    pub(super) fn at_end(out: W, at: u64, records: u64) -> Self {
        Self { out, written: at, records, body: Vec::new() }
    }

    pub(crate) fn record(&mut self, record: &SnapshotRecord<'_>) -> io::Result<()> {
        self.frame(|body| record.write_head(body), record.value.unwrap_or_default())?;
        self.records += 1;
        Ok(())
    }

    /// Ends the file, and tells how many bytes it has. `end` need not know the number of records.
    pub(crate) fn end(mut self, end: FileEnd) -> io::Result<(W, u64)> {
        let at = self.written;
        let end = FileEnd { records: self.records, ..end };
        self.frame(|body| end.write(body), &[])?;
        let crc = crc32fast::hash(&at.to_le_bytes());
        self.write(&at.to_le_bytes())?;
        self.write(&crc.to_le_bytes())?;
        self.write(&TAIL.to_le_bytes())?;
        self.out.flush()?;
        Ok((self.out, self.written))
    }

    /// A frame with what `fill` writes, and behind it `rest`, which is not copied.
    fn frame(&mut self, fill: impl FnOnce(&mut Vec<u8>), rest: &[u8]) -> io::Result<()> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        fill(&mut body);
        let len = u32::try_from(body.len() + rest.len());
        let len = len.map_err(|_| io::Error::other("an entry of 4 GiB or more"))?;
        self.write(&len.to_le_bytes())?;
        self.write(&checksum(&[&body, rest]).to_le_bytes())?;
        self.write(&body)?;
        self.write(rest)?;
        self.body = body;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
