//! Hash functions for rings.

use crate::consistenthash::md5;

/// [`RingHash::Mixed`](crate::consistenthash::RingHash::Mixed): CRC-32, and MurmurHash3's
/// finalizer.
pub(super) fn mixed(bytes: &[u8]) -> u32 {
    mix(crc32fast::hash(bytes))
}

/// The 32-bit finalizer of MurmurHash3, which is one-to-one: it makes no new collisions.
pub(super) const fn mix(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// FNV-1 of 64 bits (not FNV-1a), of the draft draft-eastlake-fnv.
pub(super) fn fnv1(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
    })
}

/// The hash of a point: FNV-1 alone leaves texts that differ in their last bytes close to each
/// other.
pub(super) fn fnv1_of_md5(bytes: &[u8]) -> u64 {
    let digits = md5::digest(bytes).map(|byte| format!("{byte:02x}")).concat();
    fnv1(digits.as_bytes())
}
