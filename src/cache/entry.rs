//! An [`Entry`]: header, key and value in one allocation. What a look-up gives of it: [`Found`].
//!
//! ```text
//! key length u32 | load_ms u32 | dead_at u64 | key | value
//! ```
//!
//! One allocation means one place in memory to wait for: the look-up compares the key, reads the
//! time of death and counts the reference of the caller's `ByteView` in the same one or two cache
//! lines. The value is copied once, when the entry is made. The top bit of the key length tells
//! that the key has no value.

use std::sync::Arc;

use crate::byteview::ByteView;

/// What the store keeps beside a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// When the entry is dead, in milliseconds of the group's clock; 0 = never.
    pub(crate) dead_at: u64,
    /// How long the value took to load, in milliseconds. The store only keeps it.
    pub(crate) load_ms: u32,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// `None` = the key is known to be absent.
    pub(crate) value: Option<ByteView>,
    pub(crate) meta: Meta,
}

/// Bytes before the key.
pub(super) const HEADER_BYTES: usize = 16;
/// No key is as long as this, so the bit is free to tell that there is no value.
const ABSENT: u32 = 1 << 31;

/// A whole entry. What is dropped with it may be huge, so no entry is dropped under a lock.
#[derive(Debug)]
pub(super) struct Entry(Arc<[u8]>);

impl Entry {
    /// Copies key and value together; `None` if the key is 2 GiB long or longer.
    pub(super) fn new(key: &str, value: Option<&[u8]>, meta: Meta) -> Option<Self> {
        let key_len = u32::try_from(key.len()).ok().filter(|len| len & ABSENT == 0)?;
        let absent = if value.is_none() { ABSENT } else { 0 };
        let value = value.unwrap_or_default();
        let value_start = HEADER_BYTES + key.len();
        let zeros = std::iter::repeat_n(0, value_start + value.len());
        // Collecting a run of known length into an `Arc` allocates once, and copies nothing.
        let mut bytes: Arc<[u8]> = zeros.collect();
        let fields = Arc::get_mut(&mut bytes).expect("nobody else has it yet");
        fields[..4].copy_from_slice(&(key_len | absent).to_le_bytes());
        fields[4..8].copy_from_slice(&meta.load_ms.to_le_bytes());
        fields[8..16].copy_from_slice(&meta.dead_at.to_le_bytes());
        fields[HEADER_BYTES..value_start].copy_from_slice(key.as_bytes());
        fields[value_start..].copy_from_slice(value);
        Some(Self(bytes))
    }

    #[inline]
    pub(super) fn has_key(&self, key: &[u8]) -> bool {
        // The length is compared first, as slices do, so that a shorter key is never read past its
        // end.
        self.key_len() == key.len() && self.0[HEADER_BYTES..].starts_with(key)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.0[HEADER_BYTES..HEADER_BYTES + self.key_len()]
    }

    /// When the entry is dead; 0 = never.
    #[inline]
    pub(super) fn dead_at(&self) -> u64 {
        let mut field = [0; 8];
        field.copy_from_slice(&self.0[8..16]);
        u64::from_le_bytes(field)
    }

    /// Bytes of key and value. Read from the handle alone: the allocation itself is not touched.
    #[inline]
    pub(super) fn payload(&self) -> u64 {
        (self.0.len() - HEADER_BYTES) as u64
    }

    /// What a caller gets who has looked for `key`, which is the entry's. It shares the allocation.
    #[inline]
    pub(super) fn found(&self, key: &[u8]) -> Found {
        let meta = Meta { dead_at: self.dead_at(), load_ms: self.u32_at(4) };
        let value = (self.u32_at(0) & ABSENT == 0).then(|| {
            // Not the length in the header: the processor would wait for it before it fetches the
            // value.
            let value_start = HEADER_BYTES + key.len();
            ByteView::of_range(Arc::clone(&self.0), value_start..self.0.len())
        });
        Found { value, meta }
    }

    #[inline]
    fn key_len(&self) -> usize {
        (self.u32_at(0) & !ABSENT) as usize
    }

    #[inline]
    fn u32_at(&self, at: usize) -> u32 {
        let mut field = [0; 4];
        field.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(field)
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Meta};

    #[test]
    fn what_goes_in_comes_out() {
        let meta = Meta { dead_at: u64::MAX - 1, load_ms: u32::MAX };
        for (key, value) in [("", None), ("", Some("")), ("key", None), ("你好", Some("value"))] {
            let entry = Entry::new(key, value.map(str::as_bytes), meta).expect("a short key");
            assert!(entry.has_key(key.as_bytes()) && !entry.has_key(b"ke"));
            assert_eq!(entry.key(), key.as_bytes());
            let found = entry.found(key.as_bytes());
            assert_eq!(found.value.as_deref(), value.map(str::as_bytes));
            assert_eq!(found.meta, meta);
            assert_eq!(entry.payload(), (key.len() + value.map_or(0, str::len)) as u64);
        }
    }
}
