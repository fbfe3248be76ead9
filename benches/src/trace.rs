//! Traces of requests, read from files or made, and the optimum that no cache can beat.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::io::Read;
use std::path::Path;

use crate::workload::{Random, Zipf};

pub struct Trace {
    pub name: String,
    pub requests: Vec<Request>,
    /// Whether the file told sizes.
    pub sized: bool,
}

#[derive(Clone, Copy)]
pub struct Request {
    pub key: u64,
    /// 1 if the trace tells no sizes.
    pub bytes: u64,
}

impl Trace {
    /// Reads one request a line, `KEY` or `KEY BYTES`; keys are numbers or any words. Gzipped files
    /// are unpacked.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut unpacked = Vec::new();
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked)?;
            bytes = unpacked;
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut numbers: HashMap<&str, u64> = HashMap::new();
        let mut sized = false;
        let mut requests = Vec::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            // The traces of the LIRS paper mark places with a star.
            let Some(word) = words.next().filter(|&word| word != "*") else { continue };
            let next = numbers.len() as u64;
            let key = *numbers.entry(word).or_insert(next);
            let bytes = words.next().map(str::parse).transpose()?;
            sized |= bytes.is_some();
            requests.push(Request { key, bytes: bytes.unwrap_or(1) });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.trim_end_matches(".gz").trim_end_matches(".txt").to_owned();
        if requests.is_empty() {
            return Err(format!("{name} holds no requests").into());
        }
        Ok(Self { name, requests, sized })
    }

    /// The shapes that traffic comes in.
    pub fn synthetic() -> Vec<Self> {
        let (zipf, small) = (Zipf::new(100_000), Zipf::new(20_000));
        let mut random = Random(1);
        let statics = (0..400_000).map(|_| zipf.draw(&mut random)).collect();
        let looped = (0..200_000).map(|i| i % 1_011).collect();
        let mut scans = Vec::new();
        for scan in 0..10 {
            scans.extend((0..30_000).map(|_| zipf.draw(&mut random)));
            scans.extend((0..20_000).map(|i| 1_000_000 + scan * 20_000 + i));
        }
        let shifting = |i: u64| small.draw(&mut random) + i / 40_000 * 3_000;
        let shifts = (0..400_000).map(shifting).collect();
        let twice = (0..300_000).map(|i| if i / 3_000 % 2 == 0 { i } else { i - 3_000 }).collect();
        let sized = Self {
            name: "zipf, mixed sizes (made)".to_owned(),
            requests: (0..400_000).map(|_| mixed_size(small.draw(&mut random))).collect(),
            sized: true,
        };
        let of_one_size = [
            ("zipf (made)", statics),
            ("loop (made)", looped),
            ("zipf and scans (made)", scans),
            ("shifting hot set (made)", shifts),
            ("each key twice (made)", twice),
        ]
        .map(|(name, keys): (&str, Vec<u64>)| {
            let requests = keys.into_iter().map(|key| Request { key, bytes: 1 }).collect();
            Self { name: name.to_owned(), requests, sized: false }
        });
        of_one_size.into_iter().chain([sized]).collect()
    }

    /// How many keys there are, and the bytes that one of each takes.
    pub fn unique(&self) -> (u64, u64) {
        let sizes: HashMap<u64, u64> =
            self.requests.iter().map(|request| (request.key, request.bytes)).collect();
        (sizes.len() as u64, sizes.values().sum())
    }

    /// The share of requests, and of bytes, that a cache of `room` bytes could hit which knows the
    /// future: it drops what is needed again the latest (Belady 1966). With sizes that is not the
    /// optimum but close to it.
    pub fn optimum(&self, room: u64) -> (f64, f64) {
        const NEVER: usize = usize::MAX;
        let mut next = vec![NEVER; self.requests.len()];
        let mut later = HashMap::new();
        for (at, request) in self.requests.iter().enumerate().rev() {
            next[at] = later.insert(request.key, at).unwrap_or(NEVER);
        }
        let mut by_need: BTreeSet<(usize, u64)> = BTreeSet::new();
        let mut held: HashMap<u64, (usize, u64)> = HashMap::new();
        let (mut taken, mut hits) = (0, Ratios::default());
        for (at, request) in self.requests.iter().enumerate() {
            let had = held.remove(&request.key);
            if let Some((need, bytes)) = had {
                by_need.remove(&(need, request.key));
                taken -= bytes;
            }
            hits.count(had.is_some(), request.bytes);
            if next[at] == NEVER || request.bytes > room {
                continue;
            }
            by_need.insert((next[at], request.key));
            held.insert(request.key, (next[at], request.bytes));
            taken += request.bytes;
            while taken > room {
                let Some((_, key)) = by_need.pop_last() else { break };
                taken -= held.remove(&key).map_or(0, |(_, bytes)| bytes);
            }
        }
        hits.percent()
    }
}

/// A request for `key`, of 32 to 32,768 bytes, each power of two as often as any other.
fn mixed_size(key: u64) -> Request {
    Request { key, bytes: 32 << (Random(key).next() % 11) }
}

/// Hits among requests, and among bytes.
#[derive(Default)]
pub struct Ratios {
    hits: u64,
    requests: u64,
    hit_bytes: u64,
    bytes: u64,
}

impl Ratios {
    pub fn count(&mut self, hit: bool, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
        if hit {
            self.hits += 1;
            self.hit_bytes += bytes;
        }
    }

    pub fn percent(&self) -> (f64, f64) {
        let of = |part, whole| 100.0 * part as f64 / whole as f64;
        (of(self.hits, self.requests), of(self.hit_bytes, self.bytes))
    }
}
