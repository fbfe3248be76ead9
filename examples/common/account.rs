//! Asks a group, and tells how the answer came.

use std::time::{Duration, Instant};

use geecache::{ByteView, Error, Group, HttpPool, Origin};

use super::scores::{Load, Source};

/// A value, or the lack of it, and how it came.
pub(crate) struct Account {
    pub(crate) result: Result<ByteView, Error>,
    /// The URL of the owner; empty if there are no peers at all.
    pub(crate) owner: String,
    pub(crate) from: From,
    pub(crate) took: Duration,
}

/// Where an answer came from.
pub(crate) enum From {
    /// The key was loaded meanwhile, by a getter in this process.
    Load(Load),
    /// It was not.
    Origin(Origin),
    /// There is none.
    Nowhere,
}

/// Gets `key` from `group`, whose getter loads from `source`.
pub(crate) fn ask(group: &Group, pool: &HttpPool, source: &Source, key: &str) -> Account {
    let owner = pool.owner(key).unwrap_or_default();
    let start = Instant::now();
    let asked = group.get_with_origin(key);
    let took = start.elapsed();
    let from = match (&asked, source.load_since(start, key)) {
        (Ok(_) | Err(Error::NotFound { .. }), Some(load)) => From::Load(load),
        (Ok((_, origin)), None) => From::Origin(*origin),
        // Nobody remembers that a key does not exist, so its owner has looked.
        (Err(Error::NotFound { .. }), None) => From::Origin(Origin::Owner),
        (Err(_), _) => From::Nowhere,
    };
    Account { result: asked.map(|(value, _)| value), owner, from, took }
}
