//! [`Heat`]: how much an entry is worth to the cache that it is in.

use crate::cache::slots::{ListName, MAX_COUNT};

/// How often an entry was asked for lately, and whether it stood the test. It fits into a byte, and
/// goes along with the entry into another cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heat(u8);

/// Set where the entry was in the protected list; the bits below it hold the count.
const PROTECTED: u8 = MAX_COUNT + 1;

impl Heat {
    pub(super) fn of(list: ListName, count: u8) -> Self {
        let protected = if list == ListName::Protected { PROTECTED } else { 0 };
        Self(protected | count.min(MAX_COUNT))
    }

    /// The same from a byte. Every byte is some heat.
    pub(crate) fn from_byte(byte: u8) -> Self {
        Self(byte & (PROTECTED | MAX_COUNT))
    }

    pub(crate) fn to_byte(self) -> u8 {
        self.0
    }

    pub(super) fn count(self) -> u8 {
        self.0 & MAX_COUNT
    }

    pub(super) fn is_protected(self) -> bool {
        self.0 & PROTECTED != 0
    }

    /// Which of [`BANDS`] bands it is in; 0 is the hottest one.
    pub(super) fn band(self) -> usize {
        match (self.is_protected(), self.count()) {
            (true, 4..) => 0,
            (true, _) => 1,
            (false, 2..) => 2,
            (false, _) => 3,
        }
    }
}

/// So many bands of heat are told apart by those who want the hottest entries first.
pub(super) const BANDS: usize = 4;
