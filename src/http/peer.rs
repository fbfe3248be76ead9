//! [`Peer`]: one peer as a pool knows it: how to ask it, whether to ask it, and how that went.

mod abilities;
mod batch;
mod changes;
mod foreign;
mod frames;
mod gets;
mod greeting;
mod handover;
mod lanes;
mod link;
mod marks;
mod news;
mod options;
mod pages;
mod peeks;
mod stats;
mod together;

pub(crate) use greeting::Greeting;
pub use options::ChangeNews;
pub(crate) use options::PeerOptions;
pub use stats::{PeerState, PeerStats};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use abilities::Abilities;
use batch::Batch;
use lanes::Lanes;
use link::Link;

use crate::byteview::ByteView;
use crate::change::{ChangeMark, ChangeStamp, ChangesSince};
use crate::error::PeerError;
use crate::getter::Loaded;
use crate::http::identity::Acquaintance;
use crate::http::url::PeerUrl;
use crate::peers::{HandOverPart, PeerGetter, TellAnswer};

/// One peer: a link to it, and what is remembered of the operations that it knows.
///
/// A get is not sent to a peer that is down. Removals and inserts always are. Once the peer has
/// [left](Self::mark_left) the list, a removal at it counts as done when nothing listens there any
/// more.
pub(crate) struct Peer {
    link: Link,
    abilities: Abilities,
    lanes: Lanes,
}

impl Peer {
    /// A peer behind a breaker. No connection is made yet.
    pub(crate) fn new(url: PeerUrl, options: PeerOptions) -> Self {
        Self::with(Link::new(url, options))
    }

    /// A peer that is asked whether or not it is up.
    pub(crate) fn without_breaker(url: PeerUrl, options: PeerOptions) -> Self {
        Self::with(Link::without_breaker(url, options))
    }

    fn with(link: Link) -> Self {
        let lanes = Lanes::new(link.options().lanes);
        Self { link, abilities: Abilities::default(), lanes }
    }

    pub(crate) fn url(&self) -> &PeerUrl {
        self.link.url()
    }

    /// How long it may take to answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.link.timeout()
    }

    /// Whether a get would be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        self.link.is_ready()
    }

    /// What the peer said of itself.
    pub(crate) fn acquaintance(&self) -> &Arc<Acquaintance> {
        self.link.acquaintance()
    }

    /// Whether it is this very process under another name.
    pub(crate) fn is_us(&self) -> bool {
        self.acquaintance().is_us()
    }

    /// Greets it, whether or not it is up. Each side learns the other's list.
    pub(crate) fn greet(&self) -> Greeting {
        greeting::greet(&self.link, b"")
    }

    /// Greets it, and tells it what its source of peers reads.
    #[cfg(feature = "gossip")]
    pub(crate) fn greet_with(&self, body: &[u8]) -> Greeting {
        greeting::greet(&self.link, body)
    }

    pub(crate) fn stats(&self) -> PeerStats {
        self.link.stats()
    }

    /// Gets a page on which the peer tells how it is, of up to `limit` bytes, whether or not it is
    /// up. That counts nowhere, and nothing is learned from it: who watches changes nothing.
    pub(crate) fn page(
        &self,
        path: &str,
        limit: u64,
        left: Duration,
    ) -> Result<ByteView, PeerError> {
        pages::page(&self.link, &self.abilities, path, limit, left)
    }

    /// The peer is in the list of peers, maybe again.
    pub(crate) fn mark_listed(&self) {
        self.link.mark_listed();
    }

    /// The peer is no longer in the list of peers, but may still be there, with what it has.
    pub(crate) fn mark_left(&self) {
        self.link.mark_left();
    }
}

impl PeerGetter for Peer {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.get_timeout(group, key, self.link.timeout())
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        together::get((&self.link, &self.abilities, &self.lanes), group, key, timeout)
    }

    fn get_many(&self, group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        Batch::new(&self.link, &self.abilities, group, keys, None, tell).get();
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
        tell: TellAnswer<'_>,
    ) {
        Batch::new(&self.link, &self.abilities, group, keys, Some(timeout), tell).get();
    }

    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.peek_many(group, &[key]).map(|mut found| found.remove(0))
    }

    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        peeks::peek_many(&self.link, &self.abilities, group, keys)
    }

    fn hand_over(
        &self,
        group: &str,
        session: u64,
        max_bytes: usize,
    ) -> Result<HandOverPart, PeerError> {
        handover::hand_over(&self.link, group, session, max_bytes)
    }

    fn name(&self) -> &str {
        self.url().as_str()
    }

    fn has_left(&self) -> bool {
        self.link.has_left()
    }

    fn remove(&self, group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        changes::remove(&self.link, &self.abilities, (group, stamp), keys)
    }

    fn remove_tags(&self, group: &str, tags: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        changes::remove_tags(&self.link, (group, stamp), tags)
    }

    fn clear(&self, group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        changes::clear(&self.link, (group, stamp))
    }

    fn insert(
        &self,
        group: &str,
        key: &str,
        value: &Loaded,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        changes::insert(&self.link, &self.abilities, (group, stamp), key, value)
    }

    fn change_mark(&self, group: &str) -> Option<ChangeMark> {
        self.link.options().hears_news().then(|| self.link.marks().of(group)).flatten()
    }

    fn changes_since(
        &self,
        group: &str,
        mark: Option<ChangeMark>,
    ) -> Result<ChangesSince, PeerError> {
        news::changes_since(&self.link, group, mark)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.name()).finish()
    }
}
