//! Fields of a frame, and its checksum.

use crc32fast::Hasher;

/// Bytes before the body of a frame.
pub(super) const FRAME_HEAD_BYTES: usize = 8;

/// The checksum of a frame whose body consists of `parts`.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut hasher = begin_checksum(len as u32);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// A checksum that knows the length of the body, and is to be told the body.
pub(super) fn begin_checksum(len: u32) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher
}

/// Takes fields off the front of a body. `None` where it is too short.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.u32()?).ok()?;
        std::str::from_utf8(self.bytes(len)?).ok()
    }

    /// So many things as the next number says. Memory is taken for those that are there alone.
    pub(super) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Some(list)
    }
}

pub(super) fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u32).to_le_bytes());
    body.extend_from_slice(text.as_bytes());
}

pub(super) fn put_count(body: &mut Vec<u8>, count: usize) {
    body.extend_from_slice(&(count as u32).to_le_bytes());
}
