//! Asks a group, and finds out where the answer came from.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use geecache::{ByteView, Error, Group, HttpPool, PeerGetter, PeerPicker, PeerState};

use super::scores::{Load, Source};

thread_local! {
    /// Whether a peer was picked on this thread.
    static PICKED: Cell<bool> = const { Cell::new(false) };
}

/// The picker of a group: that of the pool, and a note of every pick.
///
/// A group asks its picker when a key is not in its memory, and on the thread of the caller.
pub(crate) struct Noting(pub(crate) Arc<dyn PeerPicker>);

impl PeerPicker for Noting {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let peer = self.0.pick_peer(key);
        PICKED.set(PICKED.get() || peer.is_some());
        peer
    }

    fn owns(&self, key: &str) -> bool {
        self.0.owns(key)
    }
}

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
    /// The owner was asked, and answered.
    Owner,
    /// A peer was asked; the owner failed, and so it may have been another one.
    SomePeer,
    /// It was in the memory of the group that was asked.
    Memory,
    /// There is none.
    Nowhere,
}

/// Gets `key` from `group`, whose picker is `pool` in a [`Noting`], and whose getter loads from
/// `source`.
pub(crate) fn ask(group: &Group, pool: &HttpPool, source: &Source, key: &str) -> Account {
    let owner = pool.owner(key).unwrap_or_default();
    let faults = faults_of(pool, &owner);
    PICKED.set(false);
    let start = Instant::now();
    let result = group.get(key);
    let took = start.elapsed();
    let answered = matches!(result, Ok(_) | Err(Error::NotFound { .. }));
    let from = match source.load_since(start, key) {
        _ if !answered => From::Nowhere,
        Some(load) => From::Load(load),
        None if !PICKED.get() => From::Memory,
        None if faults.is_some() && faults == faults_of(pool, &owner) => From::Owner,
        None => From::SomePeer,
    };
    Account { result, owner, from, took }
}

/// How often the peer failed or was not asked; `None` if it is down.
fn faults_of(pool: &HttpPool, url: &str) -> Option<(u64, u64)> {
    let stats = pool.peer_stats();
    let up = stats.iter().find(|peer| peer.url == url && peer.state == PeerState::Up)?;
    Some((up.failures, up.rejected))
}
