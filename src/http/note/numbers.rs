//! Numbers as a note writes them: decimal, and hexadecimal of a fixed width.

use std::time::Duration;

/// Reads whole milliseconds.
pub(super) fn millis(text: &[u8]) -> Option<Duration> {
    decimal(text).map(Duration::from_millis)
}

/// Reads digits. More of them than fit are the greatest number; anything but digits is none.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(value_of(*digit));
    Some(text.iter().fold(0, add))
}

fn value_of(digit: u8) -> u64 {
    (digit - b'0').into()
}

/// A number as digits.
pub(super) struct Decimal {
    bytes: [u8; 20],
    begin: usize,
}

impl Decimal {
    /// Whole milliseconds, rounded down, so that no copy outlives its original.
    pub(super) fn of(time: Duration) -> Self {
        Self::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn new(mut rest: u64) -> Self {
        let mut decimal = Self { bytes: [0; 20], begin: 20 };
        loop {
            decimal.begin -= 1;
            decimal.bytes[decimal.begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return decimal;
            }
        }
    }

    pub(super) fn digits(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}

/// Eight hexadecimal digits, all of them at once: a note has up to five such numbers.
pub(super) fn hexadecimal(number: u32) -> [u8; 8] {
    // Each byte gets four bits.
    let mut bits = u64::from(number);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte that is more than 9, whose digit is a letter.
    let letters = (bits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (bits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// Sixteen of them.
pub(super) fn long_hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&hexadecimal((number >> 32) as u32));
    digits[8..].copy_from_slice(&hexadecimal(number as u32));
    digits
}

/// Reads eight hexadecimal digits.
pub(super) fn hash(text: &[u8]) -> Option<u32> {
    let digits: &[u8; 8] = text.try_into().ok()?;
    let (mut number, mut wrong) = (0, 0);
    for &byte in digits {
        let digit = DIGITS[usize::from(byte)];
        wrong |= digit;
        number = number << 4 | u32::from(digit & 0xf);
    }
    (wrong <= 0xf).then_some(number)
}

/// The value of each byte as a hexadecimal digit; more than 15 for what is none.
const DIGITS: [u8; 256] = {
    let mut digits = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads sixteen hexadecimal digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let (high, low) = text.split_at_checked(8)?;
    Some(u64::from(hash(high)?) << 32 | u64::from(hash(low)?))
}
