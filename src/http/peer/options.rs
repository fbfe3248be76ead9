//! [`PeerOptions`]: how to talk to a peer.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::error::PeerErrorKind;
use crate::events::EventSink;
use crate::group::Chain;
use crate::http::exchange::{ExchangeOptions, Failure, MAX_PATH_BYTES, Target};
use crate::http::note::{self, Note};
use crate::http::protocol::Protocol;
use crate::http::verdict::Verdict;
use crate::http::wire;
use crate::repeats::Repeats;

const MOST_LANES: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not zero");

/// Whether a process asks its peers to tell of changes beside their answers; see
/// [`HttpPoolBuilder::change_news`](crate::HttpPoolBuilder::change_news).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeNews {
    /// It asks. A copy of what was changed is dropped with the next answer of any peer that has
    /// heard of the change.
    On,
    /// It does not: copies go when this process is told of the change, or end on their own.
    Off,
}

/// How to talk to a peer.
#[derive(Debug, Clone)]
pub(crate) struct PeerOptions {
    pub(crate) protocol: Protocol,
    pub(crate) base_path: String,
    /// For what a peer has in memory.
    pub(crate) peek_timeout: Duration,
    pub(crate) max_value_bytes: u64,
    /// `None`: from the moment on when this process has left its peers.
    pub(crate) change_news: Option<ChangeNews>,
    /// Gets of single keys that are sent side by side.
    pub(crate) lanes: NonZeroUsize,
    /// Requests in flight at once.
    pub(crate) max_requests: NonZeroUsize,
    pub(crate) exchange: ExchangeOptions,
    /// The URL of this process; `None` for one that owns no key.
    pub(crate) own_url: Option<Arc<str>>,
    /// What was logged before, and where it is told what happens; for all peers together.
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) events: EventSink,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            base_path: Protocol::default().wire().base_path.to_owned(),
            peek_timeout: Duration::from_millis(20),
            max_value_bytes: 64 << 20,
            change_news: None,
            lanes: lanes(),
            max_requests: NonZeroUsize::new(256).expect("256 is not zero"),
            exchange: ExchangeOptions::default(),
            own_url: None,
            repeats: Arc::default(),
            events: EventSink::new(),
        }
    }
}

/// One lane for two processors: a request keeps one busy here, and another one at the peer if that
/// is on this machine.
fn lanes() -> NonZeroUsize {
    static LANES: OnceLock<NonZeroUsize> = OnceLock::new();
    *LANES.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        NonZeroUsize::new(processors / 2).map_or(NonZeroUsize::MIN, |half| half.min(MOST_LANES))
    })
}

impl PeerOptions {
    /// Whether peers are asked to tell of changes, as this process is not told otherwise.
    pub(super) fn hears_news(&self) -> bool {
        match self.change_news {
            Some(news) => news == ChangeNews::On,
            None => self.exchange.identity.has_left(),
        }
    }

    /// The target of what concerns one key; a failure if it can't be sent.
    pub(super) fn key(&self, group: &str, key: &str) -> Result<Target, Failure> {
        self.key_below(&self.base_path, group, key)
    }

    /// The same for what is in memory of a key, where peers of other programs can be asked for
    /// that.
    pub(super) fn peek(&self, group: &str, key: &str) -> Option<Result<Target, Failure>> {
        let base_path = self.protocol.wire().peek_path(&self.base_path)?;
        Some(self.key_below(&base_path, group, key))
    }

    fn key_below(&self, base_path: &str, group: &str, key: &str) -> Result<Target, Failure> {
        validate_group(group)?;
        let path = wire::request_path(base_path, group, key);
        if path.len() > MAX_PATH_BYTES {
            return Err(Failure::new(
                PeerErrorKind::NotSupported,
                Verdict::Unclear,
                format!("the key takes {} bytes of a request path, too many", path.len()),
            ));
        }
        Ok(Target { path, note: self.note(group, Some(key)) })
    }

    /// The target of what concerns many keys, or all of them; a failure if it can't be sent.
    pub(super) fn group(&self, group: &str) -> Result<Target, Failure> {
        validate_group(group)?;
        let path = wire::group_path(&self.base_path, group);
        Ok(Target { path, note: self.note(group, None) })
    }

    /// A failure if a value is longer than what is taken from others.
    pub(super) fn validate_length(&self, value: &[u8]) -> Result<(), Failure> {
        let (length, limit) = (value.len(), self.max_value_bytes);
        if length as u64 <= limit {
            return Ok(());
        }
        let message = format!("a value of {length} bytes is longer than the limit of {limit}");
        Err(Failure::new(PeerErrorKind::Protocol, Verdict::Unclear, message))
    }

    fn note(&self, group: &str, key: Option<&str>) -> Note {
        Note {
            key: Some(note::hash_of(group, key)),
            protocol: Some(self.protocol),
            nested: Chain::current(),
            ..self.exchange.identity.note()
        }
    }
}

/// Go's servers cut a path after they decoded it: they would take such a group for another one.
fn validate_group(group: &str) -> Result<(), Failure> {
    if wire::is_group(group) {
        return Ok(());
    }
    let message = format!("peers can't be asked for a group named {group:?}");
    Err(Failure::new(PeerErrorKind::NotSupported, Verdict::Unclear, message))
}
