//! [`Identity`]: who a process is to its peers; and [`Acquaintance`]: what one of them says of
//! itself.
//!
//! Lists of peers that differ make no wrong values, but more loads, and nobody notices. So each
//! request and each answer tells the digest of the sender's list, and who the sender is: the hash
//! of its URL and a random number, which together stand for one life of one pool.

mod strangers;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::http::identity::strangers::Strangers;
use crate::http::note::{Note, Status};
use crate::http::time::PoolClock;
use crate::http::url::PeerUrl;
use crate::sync::lock;

/// How long lists have to differ before that is worth a warning: peers learn of a change within
/// seconds of each other.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often lists that differ are told.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// For how long a peer that was this process is taken for it. Names change what they stand for, and
/// behind that of a balancer are others as well.
const US_FOR: Duration = Duration::from_secs(60);

/// Who a process is to its peers.
#[derive(Default)]
pub(crate) struct Identity {
    /// What logs call it.
    name: String,
    cluster: Option<(Box<str>, u32)>,
    zone: Option<Arc<str>>,
    /// `None` for a getter on its own, which has no list and tells nothing.
    incarnation: Option<u64>,
    /// Of the list in force. See [`packed`].
    digest: AtomicU64,
    /// The peers of the list, by the hashes of their URLs.
    known: Mutex<HashMap<u32, Weak<Acquaintance>>>,
    /// How many acquaintances have another list.
    differing: AtomicUsize,
    strangers: Mutex<Strangers>,
    warned: Mutex<Option<Instant>>,
    misdirected: AtomicU64,
    has_left: AtomicBool,
    bell: Arc<Bell>,
    /// Where the bodies of greetings go, if anybody reads them.
    ears: Mutex<Option<SyncSender<Vec<u8>>>>,
    clock: PoolClock,
}

/// Wakes who follows a source: somebody leaves, or it is over.
#[derive(Default)]
pub(crate) struct Bell {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *lock(&self.rings) += 1;
        self.rung.notify_all();
    }

    /// How often it rang.
    pub(crate) fn rings(&self) -> u64 {
        *lock(&self.rings)
    }

    /// Waits until it has rung more than `heard` times, but no longer than that.
    pub(crate) fn wait(&self, heard: u64, no_longer: Duration) {
        let rings = lock(&self.rings);
        let waited = self.rung.wait_timeout_while(rings, no_longer, |rings| *rings == heard);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Identity {
    /// A pool that its peers know by `own`, if they do.
    pub(crate) fn new(own: Option<&PeerUrl>, cluster: Option<&str>) -> Self {
        let random = RandomState::new().hash_one(0);
        let incarnation = u64::from(own.map_or(0, hash_of)) << 32 | random & u64::from(u32::MAX);
        let name = own.map_or_else(|| "a client".to_owned(), PeerUrl::to_string);
        let cluster = cluster.map(|name| (name.into(), crc32fast::hash(name.as_bytes())));
        Self { name, cluster, incarnation: Some(incarnation), ..Self::default() }
    }

    /// The same in a zone.
    pub(crate) fn in_zone(self, zone: Option<Arc<str>>) -> Self {
        Self { zone, ..self }
    }

    /// The zone, which those are told who greet.
    pub(crate) fn zone(&self) -> Option<&Arc<str>> {
        self.zone.as_ref()
    }

    /// The same by another clock.
    pub(crate) fn by(self, clock: PoolClock) -> Self {
        Self { clock, ..self }
    }

    /// What each request and each answer tells.
    pub(crate) fn note(&self) -> Note {
        Note {
            cluster: self.cluster.as_ref().map(|(_, hash)| *hash),
            incarnation: self.incarnation,
            digest: self.digest(),
            ..Note::default()
        }
    }

    /// The digest of the list in force.
    pub(crate) fn digest(&self) -> Option<u32> {
        unpacked(self.digest.load(Ordering::Relaxed))
    }

    /// Another list is in force. What others have is compared with it as they are heard again.
    pub(crate) fn set_list(&self, digest: u32, peers: impl Iterator<Item = Arc<Acquaintance>>) {
        let known = peers.map(|peer| (peer.hash, Arc::downgrade(&peer))).collect();
        *lock(&self.known) = known;
        self.digest.store(packed(digest), Ordering::Relaxed);
    }

    /// Rings when a peer says that it leaves.
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Has the bodies of greetings go there from now on.
    #[cfg(feature = "gossip")]
    pub(crate) fn listen(&self, ears: SyncSender<Vec<u8>>) {
        let before = lock(&self.ears).replace(ears);
        drop(before);
    }

    /// Passes the body of a greeting on. It is lost where nobody reads, or too many wait to be
    /// read.
    pub(crate) fn hear(&self, body: &[u8]) {
        let ears = lock(&self.ears).clone();
        if let Some(ears) = ears {
            let _ = ears.try_send(body.to_vec());
        }
    }

    /// The peer of an incarnation says that it leaves.
    pub(crate) fn is_left_by(&self, incarnation: u64) {
        if let Some(peer) = self.known(incarnation) {
            peer.leaves.store(true, Ordering::Relaxed);
            self.bell.ring();
        }
    }

    /// The sender of `note` greets, or asks for what it needs at its start. If it is another life
    /// of a peer, then that is up, whatever was known of it.
    pub(crate) fn hear_of_start(&self, note: &Note) {
        let Some(incarnation) = note.incarnation else { return };
        if let Some(peer) = self.known(incarnation) {
            let before = peer.life.swap(incarnation, Ordering::Relaxed);
            if before != incarnation {
                peer.has_begun.store(true, Ordering::Relaxed);
            }
        }
    }

    fn known(&self, incarnation: u64) -> Option<Arc<Acquaintance>> {
        lock(&self.known).get(&hash_in(incarnation)).and_then(Weak::upgrade)
    }

    /// This process is about to end.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Learns from the note of a request. An error is why the asker gets no answer.
    pub(crate) fn meet(&self, note: &Note) -> Result<(), Misdirected<'_>> {
        if let (Some((name, ours)), Some(theirs)) = (&self.cluster, note.cluster) {
            if theirs != *ours {
                return Err(Misdirected::OtherCluster(name));
            }
        }
        if note.incarnation.is_some() && note.incarnation == self.incarnation {
            return Err(Misdirected::Itself);
        }
        let (Some(incarnation), Some(digest)) = (note.incarnation, note.digest) else {
            return Ok(());
        };
        let is_other = self.is_other(digest);
        if is_other || self.differing.load(Ordering::Relaxed) > 0 {
            match self.known(incarnation) {
                Some(acquaintance) => acquaintance.learn(digest, self.clock.now()),
                None if is_other => self.learn_of_stranger(incarnation),
                None => {}
            }
        }
        Ok(())
    }

    /// Whether the sender of `note` may take others for owners than this process does.
    pub(crate) fn may_differ_from(&self, note: &Note) -> bool {
        note.digest.is_none_or(|digest| self.is_other(digest))
    }

    /// Counts a request for a key that this process does not own, by one that may take it for the
    /// owner.
    pub(crate) fn count_misdirected(&self) {
        self.misdirected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn misdirected(&self) -> u64 {
        self.misdirected.load(Ordering::Relaxed)
    }

    /// For how long there have been askers that are not in the list and have another one.
    pub(crate) fn strangers_differ_for(&self, now: Instant) -> Option<Duration> {
        lock(&self.strangers).differ_for(now)
    }

    /// Whether that is not the digest of the list in force.
    pub(crate) fn is_other(&self, digest: u32) -> bool {
        self.digest.load(Ordering::Relaxed) != packed(digest)
    }

    fn learn_of_stranger(&self, incarnation: u64) {
        let now = self.clock.now();
        let since = lock(&self.strangers).hear(incarnation, now);
        self.warn("of one that asks, and is not in ours,", now, since);
    }

    fn is_worth_a_warning(&self, now: Instant, since: Instant) -> bool {
        if now.saturating_duration_since(since) < PATIENCE {
            return false;
        }
        let mut warned = lock(&self.warned);
        if warned.is_some_and(|warned| now.saturating_duration_since(warned) < WARN_EVERY) {
            return false;
        }
        *warned = Some(now);
        true
    }

    /// Says that a list differs, if it has done so for long and nothing was said lately.
    fn warn(&self, whose: impl fmt::Display, now: Instant, since: Instant) {
        if !self.is_worth_a_warning(now, since) {
            return;
        }
        let differs_for = now.saturating_duration_since(since);
        log::warn!(
            "{}: the list of peers {whose} has differed from ours for {differs_for:?}, so keys are \
             loaded more than once (this is told once a minute)",
            self.name
        );
    }
}

/// Why a request has come to the wrong process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misdirected<'a> {
    /// The asker belongs to another cluster than the one of this name.
    OtherCluster(&'a str),
    /// This process has asked itself.
    Itself,
}

impl Misdirected<'_> {
    /// What the asker is told.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::OtherCluster(_) => Status::OtherCluster,
            Self::Itself => Status::Itself,
        }
    }
}

impl fmt::Display for Misdirected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCluster(name) => write!(f, "this peer belongs to the cluster {name:?}"),
            Self::Itself => f.write_str("this is the very process that asks"),
        }
    }
}

/// What one peer says of itself.
pub(crate) struct Acquaintance {
    identity: Arc<Identity>,
    url: PeerUrl,
    /// Of its URL.
    hash: u32,
    /// The digest that it told last, if that was ours: then nothing is left to be learned from it.
    agreed: AtomicU64,
    state: Mutex<Heard>,
    /// Whether it was this very process when it was heard last. When that was stands in the state.
    was_us: AtomicBool,
    leaves: AtomicBool,
    /// The incarnation of which it was heard last that it begins; 0 of none.
    life: AtomicU64,
    /// Whether that is news.
    has_begun: AtomicBool,
}

#[derive(Default)]
struct Heard {
    /// The digest of its list.
    digest: Option<u32>,
    /// Since when that has not been ours.
    differs_since: Option<Instant>,
    /// When it was this very process.
    was_us: Option<Instant>,
}

impl Acquaintance {
    /// One of whom nothing has been heard.
    pub(crate) fn new(identity: Arc<Identity>, url: PeerUrl) -> Self {
        Self {
            hash: hash_of(&url),
            identity,
            url,
            agreed: AtomicU64::new(0),
            state: Mutex::default(),
            was_us: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            life: AtomicU64::new(0),
            has_begun: AtomicBool::new(false),
        }
    }

    /// Learns from the note of an answer.
    pub(crate) fn hear(&self, note: &Note, code: u16) {
        if note.status_with(code) == Some(Status::Itself) {
            let now = self.identity.clock.now();
            lock(&self.state).was_us = Some(now);
            if !self.was_us.swap(true, Ordering::Relaxed) {
                log::warn!(
                    "{}: peer {} is this very process under another name, and is not asked: leave \
                     it out of the lists, or `advertise` that name",
                    self.identity.name,
                    self.url
                );
            }
            return;
        }
        let Some(digest) = note.digest else { return };
        if self.was_us.load(Ordering::Relaxed) {
            self.was_us.store(false, Ordering::Relaxed);
        }
        let agreed = self.agreed.load(Ordering::Relaxed);
        if agreed != packed(digest) || self.identity.is_other(digest) {
            self.learn(digest, self.identity.clock.now());
        }
    }

    /// Whether it is this very process under another name, as far as that was heard lately.
    pub(crate) fn is_us(&self) -> bool {
        self.was_us.load(Ordering::Relaxed) && self.is_us_at(self.identity.clock.now())
    }

    fn is_us_at(&self, now: Instant) -> bool {
        let heard = lock(&self.state).was_us;
        heard.is_some_and(|heard| now.saturating_duration_since(heard) < US_FOR)
    }

    /// Whether it has said that it leaves, since this was asked last.
    pub(crate) fn take_leaves(&self) -> bool {
        self.leaves.swap(false, Ordering::Relaxed)
    }

    /// Whether it was heard to have begun again, since this was asked last.
    pub(crate) fn take_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed) && self.has_begun.swap(false, Ordering::Relaxed)
    }

    /// For how long its list has been another than ours, as far as it was heard.
    pub(crate) fn list_differs_for(&self, now: Instant) -> Option<Duration> {
        let heard = lock(&self.state);
        // It may have been ours when it was heard, or have become so.
        let is_other = heard.digest.is_some_and(|digest| self.identity.is_other(digest));
        let since = heard.differs_since.filter(|_| is_other)?;
        Some(now.saturating_duration_since(since))
    }

    /// Another list is in force here. What it told before that proves nothing.
    pub(crate) fn list_changed(&self) {
        self.agreed.store(0, Ordering::Relaxed);
        lock(&self.state).digest = None;
    }

    fn learn(&self, digest: u32, now: Instant) {
        let mut heard = lock(&self.state);
        heard.digest = Some(digest);
        if !self.identity.is_other(digest) {
            self.agreed.store(packed(digest), Ordering::Relaxed);
            if heard.differs_since.take().is_some() {
                self.identity.differing.fetch_sub(1, Ordering::Relaxed);
            }
            return;
        }
        self.agreed.store(0, Ordering::Relaxed);
        let since = *heard.differs_since.get_or_insert_with(|| {
            self.identity.differing.fetch_add(1, Ordering::Relaxed);
            now
        });
        drop(heard);
        self.identity.warn(format_args!("of {}", self.url), now, since);
    }
}

impl Drop for Acquaintance {
    fn drop(&mut self) {
        if lock(&self.state).differs_since.is_some() {
            self.identity.differing.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The hash that stands for a peer in its incarnations.
fn hash_of(url: &PeerUrl) -> u32 {
    crc32fast::hash(url.as_str().as_bytes())
}

/// The hash of the URL in an incarnation.
fn hash_in(incarnation: u64) -> u32 {
    (incarnation >> 32) as u32
}

/// A digest in a number that is 0 where there is none.
fn packed(digest: u32) -> u64 {
    1 << 32 | u64::from(digest)
}

fn unpacked(packed: u64) -> Option<u32> {
    (packed != 0).then_some(packed as u32)
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
