//! What a file says of itself: [`FileHeader`] and [`FileEnd`].

use std::io;

use crate::snapshot::frame::{Fields, put_count, put_text};

/// The first byte of the body of the header.
pub(super) const HEADER: u8 = 1;
/// The first byte of the body of the end.
pub(super) const END: u8 = 3;

/// The first frame of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// Milliseconds since 1970. The lives in the records were left at this time.
    pub(crate) saved_at_ms: u64,
    /// The group's name.
    pub(crate) group: String,
    /// Places in the peers' journals. What was changed before them was told to the process that
    /// wrote the file.
    pub(crate) marks: Vec<PeerMark>,
}

/// A place in the journal of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerMark {
    pub(crate) peer: String,
    /// Which life of the peer this is about.
    pub(crate) origin: u64,
    /// How many changes the peer knew.
    pub(crate) count: u64,
}

/// The last frame of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileEnd {
    pub(crate) records: u64,
    /// Whether `gone` has all keys that were removed while the file was written.
    pub(crate) knows_gone: bool,
    /// Keys that were removed while the file was written. It may have records of them.
    pub(crate) gone: Vec<String>,
}

impl FileHeader {
    /// An error if the file is that of another group.
    pub(crate) fn check_group(&self, group: &str) -> io::Result<()> {
        if self.group == group {
            return Ok(());
        }
        let why = format!("it is of group {:?}", self.group);
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }

    pub(super) fn write(&self, body: &mut Vec<u8>) {
        body.push(HEADER);
        body.extend_from_slice(&self.saved_at_ms.to_le_bytes());
        put_text(body, &self.group);
        put_count(body, self.marks.len());
        for PeerMark { peer, origin, count } in &self.marks {
            put_text(body, peer);
            body.extend_from_slice(&origin.to_le_bytes());
            body.extend_from_slice(&count.to_le_bytes());
        }
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        if fields.u8()? != HEADER {
            return None;
        }
        let saved_at_ms = fields.u64()?;
        let group = fields.text()?.to_owned();
        let mark = |fields: &mut Fields<'_>| {
            let peer = fields.text()?.to_owned();
            Some(PeerMark { peer, origin: fields.u64()?, count: fields.u64()? })
        };
        let marks = fields.list(mark)?;
        Some(Self { saved_at_ms, group, marks })
    }
}

impl FileEnd {
    pub(super) fn write(&self, body: &mut Vec<u8>) {
        body.push(END);
        body.extend_from_slice(&self.records.to_le_bytes());
        body.push(u8::from(self.knows_gone));
        put_count(body, self.gone.len());
        self.gone.iter().for_each(|key| put_text(body, key));
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        if fields.u8()? != END {
            return None;
        }
        let records = fields.u64()?;
        let knows_gone = fields.u8()? == 1;
        let gone = fields.list(|fields| fields.text().map(str::to_owned))?;
        Some(Self { records, knows_gone, gone })
    }
}
