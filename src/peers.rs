//! The seam to any transport: who owns a key ([`PeerPicker`]), and how to ask them ([`PeerGetter`]).

use std::sync::Arc;

use crate::error::PeerError;
use crate::getter::Loaded;

/// Knows which peer owns a key.
///
/// # For those who implement it
///
/// Every process of a cluster should name the same owner for a key. Where they disagree for a while, nothing
/// breaks: a request from a peer is answered without asking a third one, at the price of a second load.
pub trait PeerPicker: Send + Sync + 'static {
    /// The peer to ask for `key`; `None` when this process should load it.
    ///
    /// A peer known to be down should not be named: another one, or this process, answers in its place. When
    /// a peer fails, the group counts that and asks `pick_peer` once more for the same key.
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>>;
}

impl<P: PeerPicker + ?Sized> PeerPicker for Arc<P> {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        (**self).pick_peer(key)
    }
}

/// Asks one peer.
///
/// # For those who implement it
///
/// The other side answers with [`Group::serve_peer`](crate::Group::serve_peer), never with `Group::get`: a
/// request that came from a peer is not forwarded. Every call must end in bounded time.
pub trait PeerGetter: Send + Sync + 'static {
    /// Gets the value of `key` in `group` from this peer. [`Loaded::absent`] is the peer's answer that the
    /// key does not exist, and so is an error of the kind `NotFound`.
    ///
    /// # Errors
    ///
    /// Why the peer gave no value.
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError>;
}

/// The picker of a program without peers: every key is its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

impl PeerPicker for NoPeers {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        None
    }
}
