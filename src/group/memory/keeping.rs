//! Filling and emptying the [`Memory`].

use std::sync::Weak;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::cache::{Addition, Body, Cache, Found, Heat, Meta};
use crate::getter::Loaded;
use crate::group::memory::{Beside, Memory, Owner};
use crate::tag::{RemovedTags, Tag};

impl Memory {
    /// Keeps what was loaded by the time `now`, while `is_wanted` holds: ours in the main cache,
    /// and what is not ours for a short time in the hot one.
    pub(in crate::group) fn keep(
        &self,
        key: &str,
        loaded: &Loaded,
        owner: Owner,
        now: u64,
        is_wanted: impl Fn() -> bool,
    ) {
        let (cache, meta) = self.cache_for(loaded, owner, now);
        if let Some(meta) = meta {
            cache.insert(key, body_of(loaded), meta, now, &is_wanted);
        }
        if meta.is_none() || owner == Owner::Elsewhere {
            self.main.remove_if(key, is_wanted); // An older value, which this result replaces.
        }
        self.neighbours.tell(|it| it.inserted());
    }

    /// As [`keep`](Self::keep), for a value of ours that was [held](Self::held) and has a new life:
    /// its entry lives on. Its bytes are copied only while others have them as well.
    pub(in crate::group) fn renew(
        &self,
        key: &str,
        loaded: Loaded,
        cost: Duration,
        now: u64,
        is_wanted: impl Fn() -> bool,
    ) -> Loaded {
        let owner = Owner::Here { cost };
        let (meta, marks) = (self.lifetimes.owned(&loaded, cost, now), loaded.shared_marks());
        let (Some(meta), Some(value)) = (meta, loaded.value().cloned()) else {
            self.keep(key, &loaded, owner, now, is_wanted);
            return loaded;
        };
        let said = loaded.with_value(None);
        let tick = marks.as_ref().map_or(0, |marks| marks.tick);
        let value = match self.main.renew(key, value, (meta, tick), &is_wanted) {
            Ok(value) => value,
            Err(value) => {
                let body = Body::new(Some(&value), marks.as_deref());
                self.main.insert(key, body, meta, now, is_wanted);
                let new = self.main.peek(key, || 0).and_then(Found::into_value);
                let new = new.filter(|new| *new == value).unwrap_or_else(|| value.clone());
                self.neighbours.tell(|it| it.renewed(&value, &new));
                new
            }
        };
        said.with_value(Some(value))
    }

    /// As [`keep`](Self::keep), for what a caller knows and wants to be there: it is kept wherever
    /// it fits. Whether it is there now.
    pub(in crate::group) fn keep_wanted(
        &self,
        key: &str,
        loaded: &Loaded,
        owner: Owner,
        now: u64,
        is_wanted: impl Fn() -> bool,
    ) -> bool {
        let (cache, meta) = self.cache_for(loaded, owner, now);
        let is_kept = meta
            .is_some_and(|meta| cache.insert_wanted(key, body_of(loaded), meta, now, &is_wanted));
        if meta.is_none() || owner == Owner::Elsewhere {
            self.main.remove_if(key, is_wanted); // An older value.
        }
        self.neighbours.tell(|it| it.inserted());
        is_kept
    }

    /// As [`keep_wanted`](Self::keep_wanted), for a value with a version, which replaces only what
    /// is older. Nothing else is left of the key where it is kept.
    pub(in crate::group) fn keep_newer(
        &self,
        key: &str,
        loaded: &Loaded,
        owner: Owner,
        now: u64,
        is_wanted: impl Fn() -> bool,
    ) -> bool {
        // Who carries an older value elsewhere has to know.
        self.watches.note(Some(key));
        // Copies are of no use beside what their owner has, and what is not ours any more neither.
        let other = if owner == Owner::Elsewhere { &self.main } else { &self.hot };
        let is_kept = self.keep_wanted(key, loaded, owner, now, &is_wanted);
        other.remove(key);
        if !is_kept && self.cache_for(loaded, owner, now).1.is_none() {
            // It is out of date, as it would be replaced.
            self.remove(key);
        }
        is_kept
    }

    /// Keeps what a previous owner has handed over, while `is_wanted` holds, if there is room that
    /// nobody uses and the key has no entry. `cost` is how long it took to load there.
    pub(in crate::group) fn keep_handed_over(
        &self,
        key: &str,
        loaded: &Loaded,
        (cost, heat): (Duration, u8),
        is_wanted: impl FnOnce() -> bool,
    ) -> Addition {
        let now = self.lifetimes.now();
        let Some(meta) = self.lifetimes.owned(loaded, cost, now) else { return Addition::Unwanted };
        if self.is_removed(loaded) {
            return Addition::Unwanted;
        }
        let added =
            self.main.add(key, body_of(loaded), (meta, Heat::from_byte(heat)), now, is_wanted);
        self.neighbours.tell(|it| it.inserted());
        added
    }

    /// Where a result belongs, and what to keep beside it, if it is to be kept at all.
    fn cache_for(&self, loaded: &Loaded, owner: Owner, now: u64) -> (&Cache, Option<Meta>) {
        let (cache, meta) = match owner {
            Owner::Here { cost } => (&self.main, self.lifetimes.owned(loaded, cost, now)),
            Owner::Elsewhere => (&self.hot, self.lifetimes.stood_in(loaded, now)),
        };
        (cache, meta.filter(|_| !self.is_removed(loaded)))
    }

    /// Whether a tag of a result was removed since its load began. It need not be kept then.
    pub(in crate::group) fn is_removed(&self, loaded: &Loaded) -> bool {
        loaded.marks().is_some_and(|marks| self.removed.has_removed(marks))
    }

    /// Keeps a copy of what the owner of `key` answered, if the policy wants it and `is_wanted`
    /// holds.
    pub(in crate::group) fn keep_copy(
        &self,
        key: &str,
        loaded: &Loaded,
        is_wanted: impl Fn() -> bool,
    ) {
        if self.hot_policy.keeps_nothing() || self.is_removed(loaded) {
            return;
        }
        let now = self.lifetimes.now();
        let Some(meta) = self.lifetimes.copied(loaded, self.lifetimes.hot_ttl, now) else { return };
        if self.hot_policy.keeps(key, now) {
            self.hot.insert(key, body_of(loaded), meta, now, is_wanted);
            self.neighbours.tell(|it| it.inserted());
        }
    }

    /// Drops what both caches have of `key`.
    pub(in crate::group) fn remove(&self, key: &str) {
        self.watches.note(Some(key));
        let values = if self.neighbours.are_there() { self.values_of(key) } else { [None, None] };
        self.main.remove(key);
        self.hot.remove(key);
        for value in values.into_iter().flatten() {
            self.neighbours.tell(|it| it.removed(&value));
        }
    }

    /// Drops the copy of `key`.
    pub(in crate::group) fn remove_copy(&self, key: &str) {
        self.watches.note(Some(key));
        let copy = if self.neighbours.are_there() { self.values_of(key)[1].take() } else { None };
        self.hot.remove(key);
        if let Some(value) = copy {
            self.neighbours.tell(|it| it.removed(&value));
        }
    }

    /// Drops all copies.
    pub(in crate::group) fn clear_copies(&self) {
        self.hot.clear();
        self.neighbours.tell(|it| it.cleared());
    }

    /// Drops what both caches have with this tag, at no cost: each entry sees by itself that it has
    /// to go.
    pub(in crate::group) fn remove_tag(&self, tag: Tag) {
        self.removed.remove(tag);
    }

    /// When which tag was removed.
    pub(in crate::group) fn removed_tags(&self) -> &RemovedTags {
        &self.removed
    }

    /// Whether there is a value of this version of the key, or of a newer one.
    pub(in crate::group) fn has_newer(&self, key: &str, version: u64) -> bool {
        // Nothing is dead at the beginning of time.
        let found = self.main.peek(key, || 0).or_else(|| self.hot.peek(key, || 0));
        let there = found.and_then(|found| found.marks()?.version);
        there.is_some_and(|there| there >= version)
    }

    /// Drops what the caches have of `key` and is not useful.
    pub(in crate::group) fn remove_useless(
        &self,
        key: &str,
        is_useful: impl Fn(&ByteView) -> bool,
    ) {
        if self.values_of(key).iter().flatten().any(|value| !is_useful(value)) {
            self.remove(key);
        }
    }

    /// Drops everything.
    pub(in crate::group) fn clear(&self) {
        self.watches.note(None);
        self.main.clear();
        self.hot.clear();
        self.neighbours.tell(|it| it.cleared());
    }

    /// Drops what this process owns.
    pub(in crate::group) fn clear_main(&self) {
        self.main.clear();
        self.neighbours.tell(|it| it.cleared());
    }

    /// What both caches have of `key`, whether or not it may be served.
    fn values_of(&self, key: &str) -> [Option<ByteView>; 2] {
        // Nothing is dead at the beginning of time.
        [&self.main, &self.hot].map(|cache| cache.peek(key, || 0)?.into_value())
    }

    /// Has `neighbour` learn which entries are gone.
    pub(in crate::group) fn tell_of_entries(&self, neighbour: Weak<dyn Beside>) {
        self.neighbours.add(neighbour);
    }
}

/// What an entry of this result holds.
fn body_of(loaded: &Loaded) -> Body<'_> {
    Body::new(loaded.value().map(ByteView::as_slice), loaded.marks())
}
