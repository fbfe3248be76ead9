//! [`RemovalWatch`]: which keys were removed while somebody carries values in or out.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// So many keys are remembered, and so many bytes of them.
const MOST_KEYS: usize = 1 << 16;
const MOST_KEY_BYTES: usize = 4 << 20;

/// The keys that were removed since it was made.
///
/// A removal notes its key before it empties the cache. So one who asks, under the lock of the
/// cache, whether a key was removed, either hears of it, or is emptied with the rest.
#[derive(Debug, Default)]
pub(in crate::group) struct RemovalWatch {
    gone: Mutex<GoneKeys>,
    /// The tick of removals of tags at which it was made.
    tick: u64,
}

#[derive(Debug, Clone, Default)]
pub(in crate::group) struct GoneKeys {
    keys: HashSet<String>,
    bytes: usize,
    /// All keys may have been removed: they were, or too many to be remembered.
    all: bool,
}

impl RemovalWatch {
    /// Whether `key` was removed, or may have been.
    pub(in crate::group) fn is_gone(&self, key: &str) -> bool {
        let gone = lock(&self.gone);
        gone.all || gone.keys.contains(key)
    }

    /// The tick of removals of tags at which it was made.
    pub(in crate::group) fn tick(&self) -> u64 {
        self.tick
    }

    /// Whether all keys may have been removed.
    pub(in crate::group) fn is_all_gone(&self) -> bool {
        lock(&self.gone).all
    }

    /// The keys that were removed; `None` if these are not known.
    pub(in crate::group) fn keys(&self) -> Option<Vec<String>> {
        let gone = lock(&self.gone).clone();
        (!gone.all).then(|| gone.keys.into_iter().collect())
    }

    fn note(&self, key: Option<&str>) {
        let key = key.map(str::to_owned);
        let mut gone = lock(&self.gone);
        let forgotten = match key {
            Some(key)
                if gone.keys.len() < MOST_KEYS && gone.bytes + key.len() <= MOST_KEY_BYTES =>
            {
                gone.bytes += key.len();
                gone.keys.insert(key);
                return;
            }
            _ => std::mem::take(&mut gone.keys),
        };
        gone.all = true;
        drop(gone);
        drop(forgotten);
    }
}

/// All who want to know what is removed.
#[derive(Debug, Default)]
pub(super) struct RemovalWatches {
    /// Whether there are any: as a rule there are none, and removals pay for no lock.
    any: AtomicBool,
    all: Mutex<Vec<Weak<RemovalWatch>>>,
}

impl RemovalWatches {
    /// One that learns of each removal that begins from now on. `tick` is the present one of
    /// removals of tags.
    pub(super) fn watch(&self, tick: u64) -> Arc<RemovalWatch> {
        let watch = Arc::new(RemovalWatch { gone: Mutex::default(), tick });
        let mut all = lock(&self.all);
        all.retain(|it| it.strong_count() > 0);
        all.push(Arc::downgrade(&watch));
        self.any.store(true, Ordering::SeqCst);
        watch
    }

    /// The entry of `key` is about to be removed, or all entries are.
    pub(super) fn note(&self, key: Option<&str>) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        let mut watches = Vec::new();
        let mut all = lock(&self.all);
        all.retain(|it| it.strong_count() > 0);
        watches.extend(all.iter().filter_map(Weak::upgrade));
        self.any.store(!all.is_empty(), Ordering::SeqCst);
        drop(all);
        watches.iter().for_each(|watch| watch.note(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_watch_at_the_time_learn_of_a_removal() {
        let watches = RemovalWatches::default();
        watches.note(Some("before"));
        let watch = watches.watch(0);
        watches.note(Some("a"));
        let late = watches.watch(0);
        watches.note(Some("b"));
        assert!(watch.is_gone("a") && watch.is_gone("b") && !watch.is_gone("before"));
        assert_eq!(late.keys(), Some(vec!["b".to_owned()]));
        drop((watch, late));
        watches.note(Some("c"));
        assert!(!watches.any.load(Ordering::SeqCst));
    }

    #[test]
    fn more_removals_than_can_be_remembered_are_taken_for_all_keys() {
        let watches = RemovalWatches::default();
        let watch = watches.watch(0);
        (0..MOST_KEYS).for_each(|n| watches.note(Some(&n.to_string())));
        assert!(!watch.is_gone("other") && watch.is_gone("7"));
        watches.note(Some("one more"));
        assert!(watch.is_gone("other") && watch.is_all_gone());
        assert_eq!(watch.keys(), None);
        let watch = watches.watch(0);
        watches.note(None);
        assert!(watch.is_gone("a"));
        let watch = watches.watch(0);
        (0..5).for_each(|n| watches.note(Some(&n.to_string().repeat(1 << 20))));
        assert!(watch.is_all_gone(), "their bytes are bounded, too");
    }
}
