//! [`Givings`]: the entries that new owners come for, a part at a time.
//!
//! What this process has loaded is given away: as the owner of the key, or in place of an owner
//! that was down. Copies of what others answered are not, see
//! [`changes`](crate::group::changes).

use std::time::Duration;

use crate::cache::{Cache, Resident, Walk};
use crate::clock::millis;
use crate::group::memory::lifetimes::Lifetimes;
use crate::peers::{HandOverEntry, HandOverPart, HandOverState};
use crate::sync::{Mutex, lock};

/// So many may come at a time. Each of them costs 4 bytes for each entry that there is.
const MOST_GIVINGS: usize = 8;
/// Who has not asked for so long does not come back.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// After so many entries a part ends, however little is in it: who waits for it does so for a few
/// milliseconds then.
const MOST_LOOKED_AT: usize = 16 << 10;

/// All who come for entries at the moment.
#[derive(Debug, Default)]
pub(super) struct Givings {
    all: Mutex<Vec<Giving>>,
}

/// Where one of them is.
#[derive(Debug)]
struct Giving {
    session: u64,
    /// When it was asked for last.
    asked: u64,
    main: Walk,
    /// Begun when the other one is through.
    hot: Option<Walk>,
    /// What did not fit into the last part.
    held_back: Option<HandOverEntry>,
}

impl Givings {
    fn take(&self, session: u64, now: u64) -> Option<Giving> {
        let mut all = lock(&self.all);
        let forgotten = now.saturating_sub(millis(FORGOTTEN_AFTER));
        all.retain(|giving| giving.asked >= forgotten);
        let at = all.iter().position(|giving| giving.session == session);
        at.map(|at| all.swap_remove(at))
    }

    /// Whether there is room for one more.
    fn has_room(&self) -> bool {
        lock(&self.all).len() < MOST_GIVINGS
    }

    fn put_back(&self, giving: Giving) {
        let mut all = lock(&self.all);
        if all.len() < MOST_GIVINGS {
            all.push(giving);
        }
    }
}

/// What is given from.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) main: &'a Cache,
    pub(super) hot: &'a Cache,
    pub(super) lifetimes: &'a Lifetimes,
}

impl Givings {
    /// The next part of what is given to the one who owns the keys for which `is_theirs` holds,
    /// hottest first.
    pub(super) fn next(
        &self,
        from: Given<'_>,
        session: u64,
        max_bytes: usize,
        is_theirs: impl Fn(&str) -> bool,
    ) -> HandOverPart {
        let now = from.lifetimes.now();
        let mut giving = match self.take(session, now) {
            Some(giving) => Giving { asked: now, ..giving },
            None if self.has_room() => {
                let main = from.main.walk();
                Giving { session, asked: now, main, hot: None, held_back: None }
            }
            None => return HandOverPart::empty(HandOverState::NotYet),
        };
        let mut entries: Vec<HandOverEntry> = giving.held_back.take().into_iter().collect();
        let given = entries.iter().map(HandOverEntry::bytes).sum();
        let (mut left, mut looked_at) = (max_bytes.saturating_sub(given), 0);
        while looked_at < MOST_LOOKED_AT && giving.held_back.is_none() {
            let Some(found) = giving.next(from, left as u64, now) else {
                return HandOverPart { entries, state: HandOverState::Ended };
            };
            looked_at += found.len();
            let is_main = giving.hot.is_none();
            for resident in found.iter().filter(|resident| is_theirs(resident.key())) {
                let Some(entry) = from.lifetimes.as_given(resident, is_main, now) else { continue };
                let bytes = entry.bytes();
                if bytes <= left {
                    left -= bytes;
                    entries.push(entry);
                } else if bytes <= max_bytes {
                    // It came alone: several come only if all of them fit.
                    giving.held_back = Some(entry);
                } // One that is longer than a part is asked for by itself.
            }
        }
        self.put_back(giving);
        HandOverPart { entries, state: HandOverState::More }
    }
}

impl Giving {
    /// The next few entries: first those of the main cache.
    fn next(&mut self, from: Given<'_>, max_bytes: u64, now: u64) -> Option<Vec<Resident>> {
        if self.hot.is_none() {
            if let Some(found) = from.main.hottest(&mut self.main, max_bytes, now) {
                return Some(found);
            }
        }
        let hot = self.hot.get_or_insert_with(|| from.hot.walk());
        from.hot.hottest(hot, max_bytes, now)
    }
}

impl Lifetimes {
    /// What is given away of an entry, if it is.
    fn as_given(&self, resident: &Resident, is_main: bool, now: u64) -> Option<HandOverEntry> {
        let (found, heat) = (resident.found(), resident.heat().to_byte());
        let key = resident.key().to_owned();
        if !is_main {
            let value = self.stood_in_as_loaded(found, now)?;
            return Some(HandOverEntry { key, value, load_time: Duration::ZERO, heat });
        }
        let load_time = Duration::from_millis(found.meta().load_ms.into());
        let is_fresh = self.is_fresh(&found, || now);
        let value = is_fresh.then(|| self.owned_as_loaded(found, || now))?;
        Some(HandOverEntry { key, value, load_time, heat })
    }
}
