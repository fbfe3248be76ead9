//! The file that keeps what a group has in memory, while no process does: its form, how it is
//! written and how it is read.
//!
//! ```text
//! magic (8 bytes) | version u32 | crc of both u32
//! frame: the header     wall clock, name of the group, where the journals of the peers were
//! frame: a record       key, value or absence, life left, heat, load time, tags, version
//! frame: a record …     hottest first
//! frame: the end        how many records, which of their keys were removed meanwhile
//! tail                  where the end begins u64 | crc u32 | "tail" u32
//!
//! frame = length of the body u32 | crc32 of that length and the body u32 | body
//! ```
//!
//! All numbers are little endian, and texts have their length before them as u32. Each byte is
//! covered by a crc32, so a byte that changed is noticed. The tail lets a reader know the end
//! first: a file without it was cut, and what was removed while it was written is not known.
//!
//! Lives are those that were left at the time in the header. A reader takes off what passed since
//! by the clock on the wall. If that went back, nothing is taken off, and so no value lives longer
//! than it would have lived at the time of the header.
//!
//! Nothing in a file is believed: lengths are compared with what the file still has and with what
//! the cache could take, before memory is taken for them. This part knows no groups and no caches.

mod file;
mod frame;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
mod header;
mod reader;
mod record;
mod writer;

pub(crate) use file::{add_gone, open, write_in_place};
pub(crate) use header::{FileEnd, FileHeader, PeerMark};
pub(crate) use reader::{Next, SnapshotReader};
pub(crate) use record::SnapshotRecord;
pub(crate) use writer::SnapshotWriter;

/// What a file begins with.
const MAGIC: [u8; 8] = *b"geesnap\n";
/// The version of the form.
const VERSION: u32 = 1;
/// Bytes before the first frame.
const HEAD_BYTES: usize = 16;
/// What a file ends with.
const TAIL: u32 = u32::from_le_bytes(*b"tail");
/// Bytes after the last frame.
const TAIL_BYTES: usize = 16;
/// The longest body of the header and of the end.
const MAX_FRAME_BYTES: u64 = 8 << 20;

#[cfg(test)]
mod tests;
