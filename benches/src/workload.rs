//! Seeded streams of keys.

/// Bytes of a key; those of a value are a choice of the benchmark.
pub const KEY_BYTES: usize = 20;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / u64::MAX as f64
    }
}

/// Numbers below `keys` with the frequencies of Zipf's law, exponent 0.99, as YCSB has it.
pub struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    pub fn new(keys: usize) -> Self {
        let mut sum = 0.0;
        let next = |rank: usize| {
            sum += 1.0 / ((rank + 1) as f64).powf(0.99);
            sum
        };
        Self { sums: (0..keys).map(next).collect() }
    }

    pub fn draw(&self, random: &mut Random) -> u64 {
        let point = random.unit() * self.sums.last().copied().unwrap_or_default();
        self.sums.partition_point(|&sum| sum < point) as u64
    }
}

/// The text of key number `number`: the most popular ones do not stand side by side.
pub fn key(number: u64) -> String {
    format!("key-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Keys one after the other in one text, so that reading them costs the same for every contender,
/// and little.
pub struct Stream {
    text: String,
}

impl Stream {
    pub fn new(numbers: impl Iterator<Item = u64>) -> Self {
        Self { text: numbers.map(key).collect() }
    }

    /// Of one key, which must have the length of all.
    pub fn of(key: &str) -> Self {
        Self { text: key.to_owned() }
    }

    pub fn len(&self) -> usize {
        self.text.len() / KEY_BYTES
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.key(i))
    }

    pub fn key(&self, i: usize) -> &str {
        &self.text[i * KEY_BYTES..(i + 1) * KEY_BYTES]
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
