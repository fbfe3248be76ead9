//! [`PeerSide`]: what the peers of a process may ask of a group.

use std::time::Duration;

use super::Group;
use crate::error::Error;
use crate::getter::Loaded;

/// What peers may ask of a [`Group`], for those who write a transport; from [`Group::peer_side`].
///
/// All of it is answered by this process alone. Nothing is passed on to a third peer: when two lists
/// of peers differ, requests that are passed on could go in circles.
#[derive(Debug, Clone, Copy)]
pub struct PeerSide<'a> {
    pub(super) group: &'a Group,
}

impl PeerSide<'_> {
    /// Answers a peer that asks for `key`: from memory or by the getter. [`Loaded::absent`] is the
    /// answer that the key does not exist.
    ///
    /// # Errors
    ///
    /// Those of [`Group::get`], except `NotFound`.
    ///
    /// # Blocking
    ///
    /// As long as the getter takes.
    ///
    /// # Panics
    ///
    /// If the getter does.
    pub fn get(&self, key: &str) -> Result<Loaded, Error> {
        self.group.serve_peer_by(key, None)
    }

    /// As [`get`](Self::get), but waits no longer than `timeout`, as [`Group::get_timeout`] does.
    /// What the asking peer would not wait for is loaded all the same.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] or [`Error::Overloaded`] after `timeout`, and those of `get`.
    pub fn get_timeout(&self, key: &str, timeout: Duration) -> Result<Loaded, Error> {
        self.group.serve_peer_by(key, Some(timeout))
    }

    /// As [`get`](Self::get), for many keys: from memory, or by one call of the getter for all that
    /// is missing. Element *i* of the answer belongs to `keys[i]`.
    ///
    /// # Errors
    ///
    /// Per key, those of `get`. A getter that panics fails the keys it was called for with
    /// [`Error::Load`].
    pub fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, Error>> {
        self.group.serve_many_by(keys, None)
    }

    /// As [`get_many`](Self::get_many), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_timeout`](Self::get_timeout).
    pub fn get_many_timeout(&self, keys: &[&str], timeout: Duration) -> Vec<Result<Loaded, Error>> {
        self.group.serve_many_by(keys, Some(timeout))
    }

    /// Answers a peer that would like to have what is in memory of `key`, and nothing that is not.
    /// Counts as no request and no use of the value.
    ///
    /// Only what this process loaded as an owner is given away, and no copy of what another peer owns:
    /// a copy may be older than a removal that is under way.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Loaded> {
        self.group.peek_main(key)
    }

    /// Removes keys here: what a peer's removal comes to.
    pub fn remove(&self, keys: &[&str]) {
        self.group.serve_remove(keys);
    }

    /// Empties the caches here: what a peer's clearing comes to.
    pub fn clear(&self) {
        self.group.serve_clear();
    }

    /// Keeps a value here: what a peer's insertion comes to. An empty key is ignored.
    pub fn insert(&self, key: &str, value: impl Into<Loaded>) {
        self.group.serve_insert(key, value.into());
    }
}
