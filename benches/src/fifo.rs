//! SIEVE and S3-FIFO, as their papers tell them, for a look at what they hit. Each behind one lock;
//! their speed tells nothing.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

type Shared = Arc<[u8]>;

/// SIEVE (Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is Simpler than LRU", NSDI 2024).
pub struct Sieve {
    entries: HashMap<String, SieveEntry>,
    /// The keys by their time of insertion.
    queue: BTreeMap<u64, String>,
    next: u64,
    /// The time of insertion that the hand has come to, on its way from the oldest to the newest.
    hand: u64,
    capacity: usize,
}

struct SieveEntry {
    value: Shared,
    visited: bool,
}

impl Sieve {
    pub fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), queue: BTreeMap::new(), next: 0, hand: 0, capacity }
    }

    pub fn get(&mut self, key: &str) -> Option<Shared> {
        let entry = self.entries.get_mut(key)?;
        entry.visited = true;
        Some(entry.value.clone())
    }

    pub fn put(&mut self, key: String, value: Shared) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.value = value;
            return;
        }
        if self.entries.len() >= self.capacity {
            self.evict();
        }
        self.entries.insert(key.clone(), SieveEntry { value, visited: false });
        self.queue.insert(self.next, key);
        self.next += 1;
    }

    fn evict(&mut self) {
        loop {
            let Some((&at, key)) = self.queue.range(self.hand..).next() else {
                if self.queue.is_empty() {
                    return;
                }
                self.hand = 0;
                continue;
            };
            self.hand = at + 1;
            match self.entries.get_mut(key) {
                Some(entry) if entry.visited => entry.visited = false,
                _ => {
                    self.entries.remove(key);
                    self.queue.remove(&at);
                    return;
                }
            }
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, "FIFO Queues are All You Need for Cache Eviction",
/// SOSP 2023).
pub struct S3Fifo {
    entries: HashMap<String, S3Entry>,
    small: VecDeque<String>,
    main: VecDeque<String>,
    ghosts: VecDeque<String>,
    is_ghost: HashSet<String>,
    capacity: usize,
}

struct S3Entry {
    value: Shared,
    /// Up to 3.
    uses: u8,
}

impl S3Fifo {
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            is_ghost: HashSet::new(),
            capacity,
        }
    }

    pub fn get(&mut self, key: &str) -> Option<Shared> {
        let entry = self.entries.get_mut(key)?;
        entry.uses = (entry.uses + 1).min(3);
        Some(entry.value.clone())
    }

    pub fn put(&mut self, key: String, value: Shared) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.value = value;
            return;
        }
        while self.entries.len() >= self.capacity && !self.entries.is_empty() {
            let small_share = (self.capacity / 10).max(1);
            match self.small.len() >= small_share || self.main.is_empty() {
                true => self.evict_small(),
                false => self.evict_main(),
            }
        }
        let queue = match self.is_ghost.remove(&key) {
            true => &mut self.main,
            false => &mut self.small,
        };
        queue.push_front(key.clone());
        self.entries.insert(key, S3Entry { value, uses: 0 });
    }

    fn evict_small(&mut self) {
        while let Some(key) = self.small.pop_back() {
            match self.entries.get_mut(&key) {
                Some(entry) if entry.uses > 1 => {
                    entry.uses = 0;
                    self.main.push_front(key);
                }
                _ => {
                    self.entries.remove(&key);
                    return self.remember(key);
                }
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(key) = self.main.pop_back() {
            match self.entries.get_mut(&key) {
                Some(entry) if entry.uses > 0 => {
                    entry.uses -= 1;
                    self.main.push_front(key);
                }
                _ => {
                    self.entries.remove(&key);
                    return;
                }
            }
        }
    }

    /// As many ghosts as the main queue has entries.
    fn remember(&mut self, key: String) {
        self.is_ghost.insert(key.clone());
        self.ghosts.push_front(key);
        while self.ghosts.len() > self.capacity * 9 / 10 {
            if let Some(oldest) = self.ghosts.pop_back() {
                self.is_ghost.remove(&oldest);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
