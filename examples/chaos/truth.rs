//! What the keys are at that change: their versions, and the oldest of them that a get may bring.
//!
//! Who writes to a key asks for its next version, then removes the key from the cache or inserts
//! the new value, and says so when every peer knows of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The life-times that the peers give to values, and to copies.
pub(crate) const TTL: Duration = Duration::from_secs(30);
pub(crate) const COPY_TTL: Duration = Duration::from_secs(1);
/// What a stopped process, or a busy machine, may add to a life-time.
const SLACK: Duration = Duration::from_secs(10);
/// How soon a peer that is back in all lists has to know what it has missed: the time of two
/// requests to a peer that does not answer, and some more.
const BACK: Duration = Duration::from_secs(5);
/// For how long a key is asked for after its last change.
const INTEREST: Duration = Duration::from_secs(60);

/// The source of truth for the keys that change.
pub(crate) struct Truth {
    keys: BTreeMap<String, Key>,
    /// Since when all peers have had the whole list of peers.
    whole_since: Option<Instant>,
}

#[derive(Default)]
struct Key {
    /// When each version came. Before the first one it is version 0.
    came: Vec<Instant>,
    /// Versions before which all is settled, and since when.
    settled: Vec<(usize, Instant)>,
}

/// The oldest versions of a key that a get may bring which begins now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    /// An older one is a fault.
    pub(crate) firm: usize,
    /// An older one is a copy that may live for a moment, or was read while lists of peers changed.
    pub(crate) settled: usize,
}

impl Truth {
    pub(crate) fn new() -> Self {
        Self { keys: BTreeMap::new(), whole_since: Some(Instant::now()) }
    }

    /// Lists of peers differ from now on, or all are whole again.
    pub(crate) fn lists_are_whole(&mut self, whole: bool) {
        self.whole_since =
            if whole { self.whole_since.or_else(|| Some(Instant::now())) } else { None };
    }

    pub(crate) fn are_lists_whole(&self) -> bool {
        self.whole_since.is_some()
    }

    /// The answer to what peers ask of keys that change; `None` if it is something else.
    pub(crate) fn answer(&mut self, request: &str) -> Option<String> {
        let now = Instant::now();
        let (command, rest) = request.split_once(' ')?;
        match command {
            "version" => Some(self.newest(rest).to_string()),
            "next" => {
                let key = self.keys.entry(rest.to_owned()).or_default();
                key.came.push(now);
                Some(key.came.len().to_string())
            }
            "settled" => {
                for (key, version) in rest.split(' ').filter_map(|pair| pair.split_once('=')) {
                    let key = self.keys.get_mut(key)?;
                    key.settle(version.parse().ok()?, now);
                }
                Some("noted".to_owned())
            }
            "floors" => {
                let recent = |key: &&Key| key.came.last().is_some_and(|at| *at + INTEREST > now);
                let lines = self.keys.iter().filter(|(_, key)| recent(key)).map(|(name, key)| {
                    let Floor { firm, settled } = key.floor(self.whole_since, now);
                    format!("{name} {firm} {settled}\n")
                });
                Some(lines.collect::<String>() + ".")
            }
            _ => None,
        }
    }

    fn newest(&self, key: &str) -> usize {
        self.keys.get(key).map_or(0, |key| key.came.len())
    }
}

impl Key {
    fn settle(&mut self, version: usize, now: Instant) {
        // One entry is enough of those that hold in any case.
        let firm = now.checked_sub(BACK + COPY_TTL);
        let old = |(_, at): &(usize, Instant)| firm.is_some_and(|firm| *at < firm);
        let last_old = self.settled.iter().filter(|it| old(it)).map(|(version, _)| *version).max();
        self.settled.retain(|it| !old(it) || Some(it.0) == last_old);
        self.settled.push((version, now));
    }

    fn floor(&self, whole_since: Option<Instant>, now: Instant) -> Floor {
        let settled = self.settled.iter().map(|(version, _)| *version).max().unwrap_or(0);
        let is_firm =
            |at: Instant| whole_since.is_some_and(|since| at.max(since + BACK) + COPY_TTL <= now);
        let firm = self.settled.iter().filter(|(_, at)| is_firm(*at));
        let firm = firm.map(|(version, _)| *version).max().unwrap_or(0);
        // What was loaded before this version came is dead everywhere.
        let alive = self.came.iter().take_while(|came| **came + TTL + SLACK <= now).count();
        Floor { firm: firm.max(alive), settled: settled.max(alive) }
    }
}
