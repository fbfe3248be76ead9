//! [`Walk`]: all entries of a cache, hottest first, a few at a time.
//!
//! Snapshots and hand-overs read whole caches that others use meanwhile. Neither may hold a lock
//! for long, nor keep a second copy of what it reads.
//!
//! A walk begins with a survey: it notes the tag of each entry, in one of four bands by the
//! [heat](Heat) that the entry has at that moment. That is 4 bytes for each entry. Then it looks
//! the tags up again, band after band. An entry that is there all the time is so met once, also if
//! it grows hotter or colder meanwhile, or changes its place. One that comes after the survey is
//! not met. One that leaves is not met, or it was met before it left. One that is replaced is met
//! with the one value or the other.

use crate::cache::entry::{Entry, Found};
use crate::cache::heat::{BANDS, Heat};
use crate::cache::shard::CacheShard;
use crate::cache::shards::Shards;
use crate::cache::table::END_OF_TAGS;
use crate::sync::lock;

/// The survey looks at so many slots under one lock. It does not look into the entries, so this
/// reads 32 KiB that lie side by side.
const SURVEYED_AT_ONCE: usize = 1024;
/// So many entries are taken under one lock. Each is somewhere else in memory, so this takes about
/// as long as so many hits.
const TAKEN_AT_ONCE: usize = 64;

/// Where somebody is who goes through all entries of a cache.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    shards: usize,
    /// The tags of each band and shard that are still to come. Those of one shard are side by side.
    tags: Vec<Vec<u32>>,
    /// Which of them is next.
    at: usize,
    /// How many of its tags are done.
    done: usize,
}

/// An entry as it was at some moment of a walk. It shares the bytes with the cache.
#[derive(Debug)]
pub(crate) struct Resident {
    entry: Entry,
    heat: Heat,
}

impl Resident {
    pub(crate) fn key(&self) -> &str {
        // Keys come into the store as texts.
        std::str::from_utf8(self.entry.key()).unwrap_or_default()
    }

    pub(crate) fn found(&self) -> Found {
        self.entry.found()
    }

    pub(crate) fn heat(&self) -> Heat {
        self.heat
    }
}

impl Walk {
    /// Surveys the entries that are there now.
    pub(super) fn over(shards: &Shards) -> Self {
        let count = shards.iter().count();
        let mut tags = vec![Vec::new(); BANDS * count];
        for (at, shard) in shards.iter().enumerate() {
            let mut bands = [const { Vec::new() }; BANDS];
            let mut next = 0;
            while next < END_OF_TAGS {
                // The room is made before the lock is taken.
                bands.iter_mut().for_each(|band| band.reserve(SURVEYED_AT_ONCE));
                next = lock(shard).survey(next, SURVEYED_AT_ONCE, &mut bands);
            }
            for (band, mut found) in bands.into_iter().enumerate() {
                found.shrink_to_fit();
                tags[band * count + at] = found;
            }
        }
        Self { shards: count, tags, at: 0, done: 0 }
    }

    /// The next entries that are still there and alive, of no more than `max_bytes` or one; `None`
    /// at the end.
    pub(super) fn next(
        &mut self,
        shards: &Shards,
        max_bytes: u64,
        now: u64,
    ) -> Option<Vec<Resident>> {
        loop {
            let tags = self.tags.get_mut(self.at)?;
            let group = &tags[self.done..tags.len().min(self.done + TAKEN_AT_ONCE)];
            if group.is_empty() {
                *tags = Vec::new();
                (self.at, self.done) = (self.at + 1, 0);
                continue;
            }
            let mut found = Vec::with_capacity(group.len() + 1);
            self.done += lock(shards.at(self.at % self.shards))
                .take_stock(group, max_bytes, now, &mut found);
            if !found.is_empty() {
                return Some(found);
            }
        }
    }
}

impl CacheShard {
    /// Notes the tags of the entries of one part of the table; where the next part begins.
    fn survey(&self, from: u64, slots: usize, bands: &mut [Vec<u32>; BANDS]) -> u64 {
        let table = self.table();
        table.part_from(from, slots, |at| {
            // Of several entries with one tag the first stands for all: they are met together.
            if table.is_first_with_tag(at) {
                bands[self.heat(at).band()].push(table.tag(at));
            }
        })
    }

    /// Shares the living entries with these tags, until they have `max_bytes`. How many tags are
    /// done, which is one at least.
    fn take_stock(
        &self,
        tags: &[u32],
        max_bytes: u64,
        now: u64,
        found: &mut Vec<Resident>,
    ) -> usize {
        let (table, removed) = (self.table(), self.removed_tags());
        let (mut bytes, mut done) = (0, 0);
        for &tag in tags {
            let before = found.len();
            table.with_tag(tag, |at, entry| {
                if !table.is_dead(at, || now, removed) {
                    bytes += entry.payload();
                    found.push(Resident { entry: entry.share(), heat: self.heat(at) });
                }
            });
            if bytes > max_bytes && before > 0 {
                found.truncate(before);
                break;
            }
            done += 1;
        }
        done
    }

    fn heat(&self, at: u32) -> Heat {
        Heat::of(self.table().list_of(at), self.table().count(at))
    }
}
