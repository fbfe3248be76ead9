//! [`SnapshotReader`]: reads a file of which nothing is believed.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use crate::snapshot::frame::{FRAME_HEAD_BYTES, begin_checksum, checksum};
use crate::snapshot::header::{END, FileEnd, FileHeader};
use crate::snapshot::record::SnapshotRecord;
use crate::snapshot::{HEAD_BYTES, MAGIC, MAX_FRAME_BYTES, TAIL, TAIL_BYTES, VERSION};

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;
/// What a record has beside key, value and tags, at most.
const RECORD_OVERHEAD_BYTES: u64 = 64;

/// Reads a file from its front to its end, or to where it is damaged. Has one record in memory at a
/// time.
#[derive(Debug)]
pub(crate) struct SnapshotReader<R> {
    input: BufReader<R>,
    header: FileHeader,
    /// With its place. `None` where the file was cut, or its end is damaged.
    end: Option<(u64, FileEnd)>,
    max_record_bytes: u64,
    len: u64,
    at: u64,
    body: Vec<u8>,
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    Record(SnapshotRecord<'a>),
    /// A whole record, with more bytes than were wanted.
    TooLong,
    /// There are no more records.
    End,
    /// From this byte on nothing can be read.
    Damaged(u64),
}

impl<R: Read + Seek> SnapshotReader<R> {
    /// Reads the header, and the end. Records with more than `max_record_bytes` of key, value and
    /// tags are passed over.
    ///
    /// An error of the kind `InvalidData` says why this file can't be read, and one of the kind
    /// `InvalidInput` that it is something else.
    pub(crate) fn open(mut input: R, max_record_bytes: u64) -> io::Result<Self> {
        let len = input.seek(SeekFrom::End(0))?;
        input.seek(SeekFrom::Start(0))?;
        let mut reader = Self {
            input: BufReader::with_capacity(READ_BYTES, input),
            header: FileHeader::default(),
            end: None,
            max_record_bytes: max_record_bytes.saturating_add(RECORD_OVERHEAD_BYTES),
            len,
            at: 0,
            body: Vec::new(),
        };
        reader.read_head()?;
        let header = reader.whole_frame(MAX_FRAME_BYTES)?;
        let header = header.and_then(FileHeader::read);
        reader.header = header.ok_or_else(|| invalid("its header is damaged"))?;
        let records = reader.at;
        reader.end = reader.find_end()?;
        reader.seek(records)?;
        Ok(reader)
    }

    pub(crate) fn header(&self) -> &FileHeader {
        &self.header
    }

    /// The end of the file; `None` where the file has none.
    pub(crate) fn end(&self) -> Option<&FileEnd> {
        self.end.as_ref().map(|(_, end)| end)
    }

    /// The same, and where in the file it begins.
    pub(super) fn into_end(self) -> Option<(u64, FileEnd)> {
        self.end
    }

    /// The next record. An error is one of the disk.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        let begin = self.at;
        let Some((len, crc)) = self.frame_head()? else { return Ok(Next::Damaged(begin)) };
        if u64::from(len) > self.max_record_bytes.max(MAX_FRAME_BYTES) {
            let is_whole = self.pass_over(len)? == crc;
            return Ok(if is_whole { Next::TooLong } else { Next::Damaged(begin) });
        }
        if !self.read_body(len, crc)? {
            return Ok(Next::Damaged(begin));
        }
        if self.body.first() == Some(&END) {
            return Ok(Next::End);
        }
        match SnapshotRecord::read(&self.body) {
            None => Ok(Next::Damaged(begin)),
            Some(_) if u64::from(len) > self.max_record_bytes => Ok(Next::TooLong),
            Some(record) => Ok(Next::Record(record)),
        }
    }

    fn read_head(&mut self) -> io::Result<()> {
        let mut head = [0; HEAD_BYTES];
        if self.len == 0 {
            return Err(invalid("it is empty"));
        }
        if !self.fill(&mut head)? || head[..8] != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no snapshot"));
        }
        let crc = crc32fast::hash(&head[..12]);
        if head[12..] != crc.to_le_bytes() {
            return Err(invalid("its first bytes are damaged"));
        }
        if head[8..12] != VERSION.to_le_bytes() {
            return Err(invalid("it is of another version of the crate"));
        }
        Ok(())
    }

    /// The end of the file, by way of its tail.
    fn find_end(&mut self) -> io::Result<Option<(u64, FileEnd)>> {
        let Some(tail_at) = self.len.checked_sub(TAIL_BYTES as u64) else { return Ok(None) };
        let mut tail = [0; TAIL_BYTES];
        self.seek(tail_at)?;
        let is_there = self.fill(&mut tail)?
            && tail[12..] == TAIL.to_le_bytes()
            && tail[8..12] == crc32fast::hash(&tail[..8]).to_le_bytes();
        let mut at = [0; 8];
        at.copy_from_slice(&tail[..8]);
        let at = u64::from_le_bytes(at);
        if !is_there || at >= tail_at {
            return Ok(None);
        }
        self.seek(at)?;
        let end = self.whole_frame(MAX_FRAME_BYTES)?;
        let end = end.and_then(FileEnd::read);
        Ok(end.filter(|_| self.at == tail_at).map(|end| (at, end)))
    }

    /// The body of the next frame, unless it is damaged or longer than `most`.
    fn whole_frame(&mut self, most: u64) -> io::Result<Option<&[u8]>> {
        let Some((len, crc)) = self.frame_head()? else { return Ok(None) };
        let is_whole = u64::from(len) <= most && self.read_body(len, crc)?;
        Ok(is_whole.then_some(&self.body[..]))
    }

    /// Length and checksum of the next frame, if the file has so many bytes.
    fn frame_head(&mut self) -> io::Result<Option<(u32, u32)>> {
        let mut head = [0; FRAME_HEAD_BYTES];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (len, crc) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        Ok((u64::from(len) <= self.len.saturating_sub(self.at)).then_some((len, crc)))
    }

    /// Reads a body of a length that the file has; whether it is what was written.
    fn read_body(&mut self, len: u32, crc: u32) -> io::Result<bool> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        // What one long record took is not kept for all the short ones.
        body.shrink_to(READ_BYTES.max(len as usize));
        body.resize(len as usize, 0);
        let is_whole = self.fill(&mut body)? && checksum(&[&body]) == crc;
        self.body = body;
        Ok(is_whole)
    }

    /// Passes over a body, and tells its checksum. It is not kept in memory.
    fn pass_over(&mut self, len: u32) -> io::Result<u32> {
        let (mut left, mut hasher) = (len as usize, begin_checksum(len));
        while left > 0 {
            let bytes = self.input.fill_buf()?;
            let bytes = &bytes[..bytes.len().min(left)];
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            let read = bytes.len();
            self.input.consume(read);
            self.at += read as u64;
            left -= read;
        }
        Ok(hasher.finalize())
    }

    /// Fills `bytes`; whether there were so many.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn seek(&mut self, at: u64) -> io::Result<()> {
        self.at = self.input.seek(SeekFrom::Start(at))?;
        Ok(())
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
