//! What is in the caches, for those who carry it elsewhere; and what they bring back.

use std::sync::Arc;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::cache::{Addition, Body, Heat, Walk};
use crate::getter::Loaded;
use crate::group::memory::Memory;
use crate::group::memory::watches::RemovalWatch;
use crate::tag::Marks;

/// A walk over both caches, hottest entries first: those of the main one, and then the copies.
#[derive(Debug)]
pub(in crate::group) struct StockWalk {
    main: Walk,
    hot: Walk,
    is_in_hot: bool,
}

/// What is known of an entry beside its key, to carry it elsewhere.
#[derive(Debug)]
pub(in crate::group) struct Stock {
    pub(in crate::group) value: Option<ByteView>,
    /// What is left of its life, in milliseconds; `None` = no end.
    pub(in crate::group) left_ms: Option<u64>,
    pub(in crate::group) load_ms: u32,
    pub(in crate::group) heat: Heat,
    /// Whether it is a copy of what another peer owns.
    pub(in crate::group) is_copy: bool,
    /// Its tags and its version, if it has some.
    pub(in crate::group) marks: Option<Arc<Marks>>,
}

impl Memory {
    /// Begins a walk over all entries that are there now; for [`stock`](Self::stock).
    pub(in crate::group) fn walk(&self) -> StockWalk {
        StockWalk { main: self.main.walk(), hot: self.hot.walk(), is_in_hot: false }
    }

    /// Tells the next few entries of a walk that may be served, with about `max_bytes`; whether
    /// there were more entries. Those past their ttl are left out. No lock is held while it tells.
    pub(in crate::group) fn stock<E>(
        &self,
        walk: &mut StockWalk,
        max_bytes: u64,
        mut tell: impl FnMut(&str, Stock) -> Result<(), E>,
    ) -> Result<bool, E> {
        let now = self.lifetimes.now();
        let mut chunk = None;
        if !walk.is_in_hot {
            chunk = self.main.hottest(&mut walk.main, max_bytes, now);
            walk.is_in_hot = chunk.is_none();
        }
        if walk.is_in_hot {
            chunk = self.hot.hottest(&mut walk.hot, max_bytes, now);
        }
        let Some(chunk) = chunk else { return Ok(false) };
        for resident in &chunk {
            let (found, is_copy) = (resident.found(), walk.is_in_hot);
            let load_ms = found.meta().load_ms;
            let can_die = found.dead_at() != 0;
            let loaded = match is_copy {
                true => self.lifetimes.copied_as_loaded(found, || now),
                false => self.lifetimes.owned_as_loaded(found, || now),
            };
            let left = loaded.time_to_live().filter(|_| can_die);
            let left_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            if left_ms != Some(0) && !resident.key().is_empty() {
                let (heat, marks) = (resident.heat(), loaded.shared_marks());
                let value = loaded.into_value();
                tell(resident.key(), Stock { value, left_ms, load_ms, heat, is_copy, marks })?;
            }
        }
        Ok(true)
    }

    /// Learns of each removal of a key that begins from now on, and knows which tags are removed
    /// from now on.
    pub(in crate::group) fn watch_removals(&self) -> Arc<RemovalWatch> {
        self.watches.watch(self.removed.tick())
    }

    /// Takes in an entry from elsewhere, while there is room for it and no other value of its key,
    /// and unless it was removed since `watch` began.
    pub(in crate::group) fn add(
        &self,
        key: &str,
        value: Option<&[u8]>,
        stock: &Stock,
        watch: &RemovalWatch,
    ) -> Addition {
        let now = self.lifetimes.now();
        // What is asked of the life of a value is asked of an empty one as well.
        let loaded = value.map_or_else(Loaded::absent, |_| Loaded::from(ByteView::default()));
        let loaded = match stock.left_ms {
            Some(left) => loaded.ttl(Duration::from_millis(left)),
            None => self.lifetimes.with_an_end(loaded),
        };
        let (cache, meta) = if stock.is_copy {
            (&self.hot, self.lifetimes.copied(&loaded, self.lifetimes.hot_ttl, now))
        } else {
            let cost = Duration::from_millis(stock.load_ms.into());
            (&self.main, self.lifetimes.owned(&loaded, cost, now))
        };
        let Some(meta) = meta else { return Addition::Unwanted };
        // A tag that was removed since the watch began may be one of its own.
        let marks = stock.marks.as_deref().map(|marks| Marks { tick: watch.tick(), ..*marks });
        let body = Body::new(value, marks.as_ref());
        cache.add(key, body, (meta, stock.heat), now, || !watch.is_gone(key))
    }

    /// The longest key and value that a cache would take in.
    pub(in crate::group) fn longest_entry(&self) -> u64 {
        self.main.longest_entry()
    }
}
