//! [`Recent`]: what this process has changed lately, for peers that come into its list.
//!
//! A peer that joins is known to some processes earlier than to others. It may take a value over
//! from one that knows it, and serve it to all of these, while a process that does not know it yet
//! removes the key everywhere else. So who sees it in the list for the first time has it remove
//! what it owns of these changes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::group::changes::debts::Missed;
use crate::sync::{Mutex, lock};

/// All processes of a cluster have learned of a new peer in this time.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// So many of the last keys are remembered, and so many of their bytes.
const MOST_KEYS: usize = 16 << 10;
const MOST_BYTES: usize = 2 << 20;

/// The last changes.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<RecentChanges>);

#[derive(Debug, Default)]
struct RecentChanges {
    keys: VecDeque<(Instant, Box<str>)>,
    bytes: usize,
    /// When it was last something else than keys.
    all: Option<Instant>,
}

impl Recent {
    /// This process has made a change.
    pub(super) fn note(&self, change: &Missed<'_>, now: Instant) {
        let mut changes = lock(&self.0);
        match change {
            Missed::Keys(keys) => keys.iter().for_each(|key| changes.push(key, now)),
            Missed::Shared(keys) => keys.iter().for_each(|key| changes.push(key, now)),
            Missed::All(_) => changes.all = Some(now),
        }
        changes.forget_some(now);
    }

    /// The keys that were changed lately and that `is_wanted` picks; `None` if nobody knows them.
    pub(super) fn keys(
        &self,
        now: Instant,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<Vec<String>> {
        let keys: Vec<Box<str>> = {
            let mut changes = lock(&self.0);
            changes.forget_some(now);
            if changes.all.is_some_and(|all| now.saturating_duration_since(all) < KEPT_FOR) {
                return None;
            }
            changes.keys.iter().map(|(_, key)| key.clone()).collect()
        };
        Some(keys.into_iter().filter(|key| is_wanted(key)).map(String::from).collect())
    }
}

impl RecentChanges {
    fn push(&mut self, key: &str, now: Instant) {
        self.bytes += key.len();
        self.keys.push_back((now, key.into()));
    }

    fn forget_some(&mut self, now: Instant) {
        while let Some((at, key)) = self.keys.front() {
            let is_old = now.saturating_duration_since(*at) >= KEPT_FOR;
            if !is_old && self.keys.len() <= MOST_KEYS && self.bytes <= MOST_BYTES {
                return;
            }
            self.bytes -= key.len();
            self.keys.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::changes::owed::Everything;

    fn keys(recent: &Recent, now: Instant) -> Option<Vec<String>> {
        recent.keys(now, |key| key != "not theirs")
    }

    #[test]
    fn changes_are_remembered_for_two_minutes() {
        let (recent, begin) = (Recent::default(), Instant::now());
        recent.note(&Missed::Keys(&["a".to_owned(), "not theirs".to_owned()]), begin);
        recent.note(&Missed::Shared(&["b".into()]), begin + KEPT_FOR / 2);
        assert_eq!(keys(&recent, begin + KEPT_FOR / 2), Some(vec!["a".into(), "b".into()]));
        assert_eq!(keys(&recent, begin + KEPT_FOR), Some(vec!["b".into()]));
        recent.note(&Missed::All(Everything::Cleared), begin + KEPT_FOR);
        assert_eq!(keys(&recent, begin + KEPT_FOR), None);
        assert_eq!(keys(&recent, begin + 2 * KEPT_FOR), Some(Vec::new()));
        assert_eq!(lock(&recent.0).bytes, 0);
    }

    #[test]
    fn of_very_many_changes_the_last_ones_are_remembered() {
        let (recent, now) = (Recent::default(), Instant::now());
        for n in 0..=MOST_KEYS {
            recent.note(&Missed::Keys(&[n.to_string()]), now);
        }
        let known = keys(&recent, now).unwrap();
        assert_eq!((known.len(), &*known[0]), (MOST_KEYS, "1"));
        recent.note(&Missed::Keys(&["x".repeat(MOST_BYTES)]), now);
        assert_eq!(keys(&recent, now).unwrap().len(), 1);
    }
}
