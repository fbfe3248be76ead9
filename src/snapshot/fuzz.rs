//! Any bytes as a file, and as the bodies of its frames: for the unit tests and the fuzz target.

use std::io::Cursor;

use crate::snapshot::header::{FileEnd, FileHeader};
use crate::snapshot::reader::{Next, SnapshotReader};
use crate::snapshot::record::SnapshotRecord;

/// What is longer is passed over.
const MAX_RECORD_BYTES: u64 = 1 << 16;

/// Reads `bytes` as a file, and as each kind of body: those come with checksums, which no fuzzer
/// finds.
pub(crate) fn drive(bytes: &[u8]) {
    file(bytes);
    if let Some(record) = SnapshotRecord::read(bytes) {
        let mut again = Vec::new();
        record.write_head(&mut again);
        again.extend_from_slice(record.value.unwrap_or_default());
        assert_eq!(SnapshotRecord::read(&again), Some(record));
    }
    if let Some(header) = FileHeader::read(bytes) {
        let mut again = Vec::new();
        header.write(&mut again);
        assert_eq!(FileHeader::read(&again), Some(header));
    }
    if let Some(end) = FileEnd::read(bytes) {
        let mut again = Vec::new();
        end.write(&mut again);
        assert_eq!(FileEnd::read(&again), Some(end));
    }
}

fn file(bytes: &[u8]) {
    let Ok(mut reader) = SnapshotReader::open(Cursor::new(bytes), MAX_RECORD_BYTES) else { return };
    // A frame takes eight bytes at least.
    for _ in 0..=bytes.len() / 8 {
        match reader.next().expect("no disk fails here") {
            Next::Record(record) => assert!(!record.key.is_empty()),
            Next::TooLong => {}
            Next::End | Next::Damaged(_) => return,
        }
    }
    panic!("it goes on for ever");
}
