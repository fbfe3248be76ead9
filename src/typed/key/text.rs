//! [`KeyText`]: a short text, built without an allocation.

use std::fmt;

/// So many bytes are held without an allocation. Most keys are shorter.
const INLINE_BYTES: usize = 48;

/// The text of a key, as [`CacheKey::write_text`](crate::CacheKey::write_text) builds it. Takes
/// `write!` as a `String` does, and needs no allocation for up to 48 bytes.
pub struct KeyText {
    inline: [u8; INLINE_BYTES],
    len: usize,
    /// All of the text, once it is longer.
    long: String,
}

impl KeyText {
    #[inline]
    pub(in crate::typed) fn new() -> Self {
        Self { inline: [0; INLINE_BYTES], len: 0, long: String::new() }
    }

    /// Appends `text`.
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        let end = self.len.saturating_add(text.len());
        match self.inline.get_mut(self.len..end) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(text.as_bytes());
                self.len = end;
            }
            _ => self.push_long(text),
        }
    }

    #[cold]
    fn push_long(&mut self, text: &str) {
        if self.long.is_empty() {
            let long = self.as_str().to_owned();
            self.long = long;
        }
        self.long.push_str(text);
    }

    /// Appends a number in decimal.
    #[inline]
    pub(super) fn push_digits(&mut self, number: u64) {
        let count = number.checked_ilog10().map_or(1, |log| log as usize + 1);
        match self.inline.get_mut(self.len..self.len + count) {
            Some(room) if self.long.is_empty() => {
                write_digits(number, room);
                self.len += count;
            }
            _ => {
                // 18,446,744,073,709,551,615 has 20 digits.
                let mut digits = [b'0'; 20];
                write_digits(number, &mut digits[..count]);
                self.push_long(std::str::from_utf8(&digits[..count]).unwrap_or_default());
            }
        }
    }

    /// What was appended.
    #[inline]
    pub fn as_str(&self) -> &str {
        if self.long.is_empty() {
            std::str::from_utf8(&self.inline[..self.len]).unwrap_or_default()
        } else {
            &self.long
        }
    }

    /// Puts `part` in place of all from byte `start` on.
    pub(super) fn replace_from(&mut self, start: usize, part: &str) {
        if self.long.is_empty() {
            self.len = start;
        } else {
            self.long.truncate(start);
            // What is left may be empty, and then it is not the long form any more.
            self.len = self.len.min(start);
        }
        self.push_str(part);
    }
}

/// Writes a number in decimal into a room of as many bytes as it has digits.
#[inline]
fn write_digits(mut number: u64, room: &mut [u8]) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Write for KeyText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
