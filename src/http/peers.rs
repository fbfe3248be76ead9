//! [`Peers`]: the peers of a process, and which of them owns a key.

mod list;
mod looks;
mod previous;
mod stats;

pub(crate) use crate::http::peer::Greeting;
pub use stats::ListStats;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use list::PeerList;
use previous::PreviousOwners;

use crate::consistenthash::{MAX_REPLICAS, Ring, RingHash};
use crate::error::Error;
use crate::events::Event;
use crate::http::address::PeerAddress;
use crate::http::identity::Identity;
use crate::http::listed::ListedPeer;
use crate::http::peer::{Peer, PeerOptions};
use crate::http::url::PeerScheme;
use crate::http::url::PeerUrl;
use crate::peers::{PeerGetter, PeerPicker};
use crate::sync::lock;

/// A share of the ring this many times the mean is worth a warning.
const LARGE_SHARE: f64 = 1.5;
/// A ring of more points than this takes more than 64 MiB, and seconds to be made. What names so
/// many peers errs.
const MAX_POINTS: usize = 1 << 22;

/// The asking half of a pool, and what groups hold of it: who owns a key, and how to ask them. It
/// knows no server.
pub(crate) struct Peers {
    /// `None` for a client, which is nobody's peer.
    own: Option<ListedPeer>,
    options: PeersOptions,
    /// Replaced as a whole, so that a look-up only takes the lock to clone the `Arc`.
    members: Mutex<Arc<Members>>,
    /// Held while new members are made, so that of two lists set at once one is in force as a
    /// whole.
    changing: Mutex<()>,
    /// Whether it was told that a client without peers is asked.
    warned: AtomicBool,
}

/// What is alike for all peers.
pub(crate) struct PeersOptions {
    pub(crate) hash: RingHash,
    pub(crate) replicas: NonZeroUsize,
    /// For how long new owners of keys ask the previous ones.
    pub(crate) warm_up: Duration,
    pub(crate) peer: PeerOptions,
}

impl PeersOptions {
    fn identity(&self) -> &Arc<Identity> {
        &self.peer.exchange.identity
    }

    fn digest(&self, list: &[ListedPeer]) -> u32 {
        ListedPeer::digest(list, self.hash, self.replicas)
    }

    /// The ring of a list that was [checked](Peers::check).
    fn ring_of(&self, list: &[ListedPeer]) -> Ring {
        let mut ring = self.hash.ring_with(self.replicas);
        // Who would have too many points does not get through the check.
        let _ = ring.extend_weighted(list.iter().map(|peer| (&peer.name, peer.weight)));
        ring
    }

    /// What a peer is called on the ring that was given no name.
    fn usual_name(&self, url: &PeerUrl) -> Arc<str> {
        (self.peer.protocol.wire().name_of)(url)
    }
}

/// The list of peers that is in force, and the one before it.
struct Members {
    list: PeerList,
    /// `None` if nobody owned anything before this list, or nothing is to be handed over.
    previous: Option<Arc<PreviousOwners>>,
    /// How often owners began to ask previous ones.
    warm_ups: u64,
    /// Whether this process has left, and so is not among the owners.
    has_left: bool,
}

impl Peers {
    /// Peers of a process that was told of none yet: it is alone.
    pub(crate) fn new(own: Option<PeerUrl>, options: PeersOptions) -> Self {
        let own = own.map(|url| {
            let name = options.usual_name(&url);
            ListedPeer::new(url).called(name)
        });
        Self::with_name(own, options)
    }

    /// As [`new`](Self::new), for a process that has a name of its own on the ring.
    pub(crate) fn with_name(own: Option<ListedPeer>, options: PeersOptions) -> Self {
        let listed: Arc<[ListedPeer]> = own.iter().cloned().collect();
        let ring = options.ring_of(&listed);
        options.identity().set_list(options.digest(&listed), std::iter::empty());
        let list = PeerList { ring, listed, peers: BTreeMap::new() };
        let alone = Members { list, previous: None, warm_ups: 0, has_left: false };
        let (members, changing) = (Mutex::new(Arc::new(alone)), Mutex::new(()));
        Self { own, options, members, changing, warned: AtomicBool::new(false) }
    }

    /// Who this process is to others.
    pub(crate) fn identity(&self) -> &Arc<Identity> {
        self.options.identity()
    }

    /// This process as a list has it; `None` for a client.
    pub(crate) fn own_listed(&self) -> Option<&ListedPeer> {
        self.own.as_ref()
    }

    /// The URL of this process; `None` for a client.
    pub(crate) fn own(&self) -> Option<&PeerUrl> {
        self.own.as_ref().map(|own| &own.url)
    }

    /// One that may be in a list.
    pub(crate) fn parse(&self, address: impl Into<PeerAddress>) -> Result<ListedPeer, Error> {
        let PeerAddress { url, name } = address.into();
        let listed = ListedPeer::parse(&url, self.scheme())?;
        let own = self.own.as_ref().filter(|own| own.url == listed.url);
        let name = match (name, own) {
            (Some(name), _) => name.into(),
            (None, Some(own)) => Arc::clone(&own.name),
            (None, None) => self.options.usual_name(&listed.url),
        };
        Ok(listed.called(name))
    }

    /// How peers are talked to.
    pub(crate) fn scheme(&self) -> PeerScheme {
        self.options.peer.exchange.scheme()
    }

    /// An error if a peer of a list can't have its weight, a ring can't have all of them, or this
    /// process has another name there than its own.
    pub(crate) fn check(&self, list: &[ListedPeer]) -> Result<(), Error> {
        let (most, replicas) = (MAX_REPLICAS, self.options.replicas);
        let mut points = 0_usize;
        for peer in list {
            let ListedPeer { url, name, weight } = peer;
            let of_this = weight.saturating_mul(replicas).get();
            points = points.saturating_add(of_this);
            let own = self.own.as_ref().filter(|own| own.url == *url).map(|own| &own.name);
            let reason = if of_this > most {
                format!("its weight {weight} times {replicas} replicas is more than {most} points")
            } else if points > MAX_POINTS {
                let count = list.len();
                format!("with it, the list of {count} peers has more than {MAX_POINTS} points")
            } else if let Some(own) = own.filter(|own| *own != name) {
                format!(
                    "this pool calls itself {own:?} on the ring, see `ring_name`, and the list \
                     calls it {name:?}"
                )
            } else {
                continue;
            };
            return Err(peer.invalid(reason));
        }
        Ok(())
    }

    /// Puts a list in force.
    pub(crate) fn set(&self, list: Vec<ListedPeer>) -> Result<(), Error> {
        let list = ListedPeer::tidy(list)?;
        self.check(&list)?;
        if let Some(own) = &self.own {
            if !self.members().has_left && !list.iter().any(|peer| peer.url == own.url) {
                let urls = list.iter().map(|peer| peer.url.as_str());
                let list = urls.collect::<Vec<_>>().join(", ");
                return Err(own.invalid(format!(
                    "this is the pool's own URL, and the list of peers lacks it: [{list}]; if it \
                     has this pool by another URL, `advertise` that one"
                )));
            }
        }
        let before = self.members();
        self.change(|old| {
            // Looked at while no other change is made: who leaves at this moment stays out.
            if old.has_left { self.without_us(list, old) } else { self.members_of(list, old) }
        });
        // A caller that sets the list again and again would fill the log with it.
        if !self.members().list.is_same(&before.list) {
            self.report();
        }
        Ok(())
    }

    /// Takes this process out of the list.
    pub(crate) fn leave(&self) {
        self.identity().leave();
        self.change(|old| Members {
            has_left: true,
            ..self.without_us(old.list.listed.to_vec(), old)
        });
        self.report();
    }

    /// The list in force.
    pub(crate) fn list(&self) -> Arc<[ListedPeer]> {
        Arc::clone(&self.members().list.listed)
    }

    /// Those of the others that would be asked now.
    pub(crate) fn ready(&self) -> Vec<PeerUrl> {
        let members = self.members();
        let ready = members.list.others().filter(|peer| peer.is_ready());
        ready.map(|peer| peer.url().clone()).collect()
    }

    /// Those who have said that they leave, since this was asked last.
    pub(crate) fn take_leaving(&self) -> Vec<PeerUrl> {
        let members = self.members();
        let leaving = members.list.others().filter(|peer| peer.acquaintance().take_leaves());
        leaving.map(|peer| peer.url().clone()).collect()
    }

    /// Tells all that this process has left, but not for longer than `time`.
    pub(crate) fn say_farewell(&self, time: Duration) {
        let begun = Instant::now();
        for url in self.ready() {
            if begun.elapsed() >= time {
                return;
            }
            self.greet(&url);
        }
    }

    /// Greets one of the others, whether or not it is up.
    pub(crate) fn greet(&self, url: &PeerUrl) -> Greeting {
        let peer = self.members().list.at(url).cloned();
        peer.map_or(Greeting::Failed, |peer| peer.greet())
    }

    /// The URL of the owner of `key`, whether or not it is up.
    pub(crate) fn owner(&self, key: &str) -> Option<String> {
        let members = self.members();
        members.list.ring.get(key).map(|name| self.url_of(&members, name).to_owned())
    }

    /// How many peers there are, if this process is one of them.
    pub(crate) fn listed(&self) -> Option<usize> {
        let members = self.members();
        let is_listed = self.own.is_some() && !members.has_left;
        is_listed.then(|| members.list.ring.len())
    }

    /// All but this process, in the order of their URLs.
    pub(crate) fn others(&self) -> Vec<Arc<Peer>> {
        self.members().list.others().cloned().collect()
    }

    /// The URL of the peer, maybe this one, that answers for `key` now: its owner, or who stands in
    /// while that is down.
    pub(crate) fn asked_for(&self, key: &str) -> Option<String> {
        let members = self.members();
        let picked = members.list.pick(key, Peer::is_ready).map(|peer| peer.url());
        picked.or_else(|| self.own()).map(|url| url.as_str().to_owned())
    }

    /// What is alike for all peers.
    pub(crate) fn options(&self) -> &PeersOptions {
        &self.options
    }

    /// The URL of the peer, maybe this one, that is called `name` on the ring.
    fn url_of<'a>(&'a self, members: &'a Members, name: &'a str) -> &'a str {
        let peer = members.list.peers.get(name).map(|peer| peer.url());
        peer.or_else(|| self.own()).map_or(name, PeerUrl::as_str)
    }

    /// Warns, once, of a client that is to ask and has nobody to.
    fn warn_without_peers(&self, members: &Members, key: &str) {
        let is_idle = self.own.is_none() && members.list.ring.is_empty();
        if is_idle && !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "{self:?} has no peers: {key:?} and all other keys are loaded here until \
                 `set_peers` names some"
            );
        }
    }

    fn members(&self) -> Arc<Members> {
        Arc::clone(&lock(&self.members))
    }

    /// Puts other members in force, made from those that are.
    fn change(&self, members_after: impl FnOnce(&Members) -> Members) {
        let gone = {
            let _changing = lock(&self.changing);
            let old = self.members();
            let new = Arc::new(members_after(&old));
            let left = old.list.peers.iter().filter(|(_, peer)| new.list.at(peer.url()).is_none());
            left.for_each(|(_, peer)| peer.mark_left());
            // One that had left may be back.
            new.list.peers.values().for_each(|peer| peer.mark_listed());
            if !new.list.is_same(&old.list) {
                self.introduce(&new.list);
            }
            (std::mem::replace(&mut *lock(&self.members), new), old)
        };
        // The connections of peers that left are closed here, outside of the locks.
        drop(gone);
    }

    /// Lets go of the peers that left long ago, and of the connections to them.
    fn forget_previous(&self, now: Instant) {
        self.change(|old| Members {
            list: old.list.clone(),
            previous: old.previous.clone().filter(|previous| previous.is_emptied(now)),
            warm_ups: old.warm_ups,
            has_left: old.has_left,
        });
    }

    /// Tells those who ask, and those who are asked, of a list that is about to be in force.
    fn introduce(&self, list: &PeerList) {
        let acquaintances = list.peers.values().map(|peer| Arc::clone(peer.acquaintance()));
        self.options.identity().set_list(self.options.digest(&list.listed), acquaintances);
        list.peers.values().for_each(|peer| peer.acquaintance().list_changed());
    }

    /// The members that a list names, without this process.
    fn without_us(&self, mut list: Vec<ListedPeer>, old: &Members) -> Members {
        list.retain(|peer| Some(&peer.url) != self.own());
        self.members_of(list, old)
    }

    /// The members that a list names, with the peers of `old` that are among them.
    fn members_of(&self, list: Vec<ListedPeer>, old: &Members) -> Members {
        let (options, ring) = (&self.options, self.options.ring_of(&list));
        let others = list.iter().filter(|peer| Some(&peer.url) != self.own());
        let peers = others.map(|ListedPeer { url, name, .. }| {
            let another = || Arc::new(Peer::new(url.clone(), options.peer.clone()));
            (Arc::clone(name), old.known(url).unwrap_or_else(another))
        });
        let list = PeerList { ring, peers: peers.collect(), listed: list.into() };
        let now = Instant::now();
        let previous = if list.is_same(&old.list) {
            // A caller that sets the list again and again has not changed it.
            old.previous.clone()
        } else if options.warm_up.is_zero() {
            None
        } else {
            let own = self.own.as_ref().map(|own| &*own.name);
            PreviousOwners::new(own, &old.list, &list, now, options.warm_up).map(Arc::new)
        };
        // A change while owners ask already only prolongs that.
        let goes_on = old.previous.as_ref().is_some_and(|previous| previous.is_asked(now));
        let begins = previous.is_some() && !goes_on && !list.is_same(&old.list);
        let warm_ups = old.warm_ups + u64::from(begins);
        Members { list, previous, warm_ups, has_left: old.has_left }
    }

    /// Tells how many peers there are, and which of them will have more than their share to
    /// do.
    fn report(&self) {
        let list = &self.members().list;
        log::info!("{self:?} has a ring of {} peers", list.ring.len());
        let weights: usize = list.listed.iter().map(|peer| peer.weight.get()).sum();
        for (peer, share) in list.shares() {
            let url = peer.url.as_str();
            let is_due = || self.options.peer.repeats.due(("large share", url));
            let due = peer.weight.get() as f64 / weights as f64;
            if let Some(again) = (share > LARGE_SHARE * due).then(is_due).flatten() {
                let times = share / due;
                let what = if peer.weight.get() == 1 { "the mean share" } else { "its due share" };
                log::warn!("peer {url} owns {times:.1} times {what} of the ring{again}");
            }
        }
        let peers = list.listed.iter().map(|peer| peer.url.as_str().to_owned()).collect();
        self.options.peer.events.tell(Event::ListChanged { peers });
    }
}

impl PeerPicker for Peers {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let members = self.members();
        self.warn_without_peers(&members, key);
        let picked = Arc::clone(members.list.pick(key, Peer::is_ready)?);
        log::debug!("{self:?} picks {picked:?} for {key:?}");
        Some(picked)
    }

    fn pick_peers(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        let members = self.members();
        self.warn_without_peers(&members, keys.first().unwrap_or(&""));
        let mut asked: Vec<(*const Peer, bool)> = Vec::new();
        let mut is_ready = |peer: &Peer| {
            let known = asked.iter().find(|(it, _)| std::ptr::eq(*it, peer));
            known.map(|(_, ready)| *ready).unwrap_or_else(|| {
                let ready = peer.is_ready();
                asked.push((peer, ready));
                ready
            })
        };
        let mut pick = |key: &&str| {
            let picked = Arc::clone(members.list.pick(key, &mut is_ready)?);
            log::debug!("{self:?} picks {picked:?} for {key:?}");
            Some(picked as Arc<dyn PeerGetter>)
        };
        keys.iter().map(&mut pick).collect()
    }

    fn picks_the_owner(&self, key: &str) -> bool {
        self.members().list.is_owner_ready(key)
    }

    fn owns(&self, key: &str) -> bool {
        self.members().list.is_ours(key)
    }

    /// All other peers, and for a while those that have left: new owners may still take over what
    /// these have.
    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        let (members, now) = (self.members(), Instant::now());
        let previous = members.previous.iter().filter(|previous| previous.is_emptied(now));
        let left = previous.flat_map(|previous| previous.left());
        let all = members.list.others().chain(left);
        all.map(|peer| Arc::clone(peer) as Arc<dyn PeerGetter>).collect()
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let members = self.members();
        let previous = members.previous.as_ref();
        let previous = previous.filter(|previous| previous.is_emptied(Instant::now()))?;
        let (owner, peer) = previous.owner(key)?;
        (members.list.ring.get(key) != Some(owner)).then(|| Arc::clone(peer) as _)
    }

    fn warm_up(&self) -> Option<u64> {
        let (members, now) = (self.members(), Instant::now());
        let previous = members.previous.as_ref()?;
        if !previous.is_emptied(now) {
            self.forget_previous(now);
        }
        previous.is_asked(now).then_some(members.warm_ups)
    }
}

/// The name of the pool in logs.
impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpPool({})", self.own().map_or("client", PeerUrl::as_str))
    }
}

impl Members {
    /// The peer at `url`, if it is in this list or was in the one before.
    fn known(&self, url: &PeerUrl) -> Option<Arc<Peer>> {
        let left = || self.previous.iter().flat_map(|previous| previous.left());
        self.list.at(url).or_else(|| left().find(|peer| peer.url() == url)).cloned()
    }
}

#[cfg(test)]
mod tests;
