//! [`Peers`]: the peers of a process, and which of them owns a key.

mod list;
mod listed;
mod previous;

pub(crate) use listed::ListedPeer;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use list::PeerList;
use previous::PreviousOwners;

use crate::consistenthash::RingHash;
use crate::error::Error;
use crate::http::address::PeerAddress;
use crate::http::peer::{Peer, PeerOptions, PeerStats};
use crate::http::url::PeerUrl;
use crate::peers::{PeerGetter, PeerPicker};
use crate::sync::lock;

/// A share of the ring this many times the mean is worth a warning.
const LARGE_SHARE: f64 = 1.5;

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
        let name = |url: PeerUrl| ListedPeer { name: usual_name(&url, &options), url };
        let own = own.map(name);
        Self::with_name(own, options)
    }

    /// As [`new`](Self::new), for a process that has a name of its own on the ring.
    pub(crate) fn with_name(own: Option<ListedPeer>, options: PeersOptions) -> Self {
        let mut ring = options.hash.ring_with(options.replicas);
        ring.extend(own.iter().map(|own| &own.name));
        let list = PeerList { ring, peers: BTreeMap::new() };
        let alone = Members { list, previous: None, warm_ups: 0, has_left: false };
        let (members, changing) = (Mutex::new(Arc::new(alone)), Mutex::new(()));
        Self { own, options, members, changing, warned: AtomicBool::new(false) }
    }

    /// The URL of this process; `None` for a client.
    pub(crate) fn own(&self) -> Option<&PeerUrl> {
        self.own.as_ref().map(|own| &own.url)
    }

    /// One that may be in a list.
    pub(crate) fn parse(&self, address: PeerAddress) -> Result<ListedPeer, Error> {
        let PeerAddress { url, name } = address;
        let url = PeerUrl::parse(&url)?.for_scheme(self.options.peer.exchange.scheme())?;
        let own = self.own.as_ref().filter(|own| own.url == url);
        let name = match (name, own) {
            (Some(name), _) => name.into(),
            (None, Some(own)) => Arc::clone(&own.name),
            (None, None) => usual_name(&url, &self.options),
        };
        Ok(ListedPeer { name, url })
    }

    /// Puts a list in force.
    pub(crate) fn set(&self, list: Vec<ListedPeer>) -> Result<(), Error> {
        listed::validate(&list, self.own.as_ref())?;
        if let Some(own) = &self.own {
            let is_listed = list.iter().any(|member| member.url == own.url);
            if !self.members().has_left && !is_listed {
                let list: Vec<&str> = list.iter().map(|member| member.url.as_str()).collect();
                let list = list.join(", ");
                return Err(Error::InvalidPeer {
                    url: own.url.as_str().to_owned(),
                    reason: format!(
                        "this is the pool's own URL, and the list of peers lacks it: [{list}]; if \
                         it has this pool by another URL, `advertise` that one"
                    ),
                });
            }
        }
        let before = self.members();
        self.change(|old| {
            // Looked at while no other change is made: who leaves at this moment stays out.
            let is_listed = |member: &ListedPeer| !old.has_left || Some(&member.url) != self.own();
            let list: Vec<ListedPeer> = list.into_iter().filter(is_listed).collect();
            self.members_of(&list, old, old.has_left)
        });
        // A caller that sets the list again and again would fill the log with it.
        if !self.members().list.is_same(&before.list) {
            self.report();
        }
        Ok(())
    }

    /// Takes this process out of the list.
    pub(crate) fn leave(&self) {
        self.change(|old| {
            let others = old.list.peers.iter();
            let others = others
                .map(|(name, peer)| ListedPeer { name: Arc::clone(name), url: peer.url().clone() });
            self.members_of(&others.collect::<Vec<_>>(), old, true)
        });
        self.report();
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

    /// The part of all keys that each peer owns, this one included.
    pub(crate) fn shares(&self) -> Vec<(String, f64)> {
        let members = self.members();
        let shares = members.list.ring.shares().into_iter();
        shares.map(|(name, share)| (self.url_of(&members, name).to_owned(), share)).collect()
    }

    /// What is known about the others, in the order of their URLs.
    pub(crate) fn stats(&self) -> Vec<PeerStats> {
        let members = self.members();
        let mut stats: Vec<PeerStats> =
            members.list.peers.values().map(|peer| peer.stats()).collect();
        stats.sort_unstable_by(|a, b| a.url.cmp(&b.url));
        stats
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
            let left = old.list.peers.iter().filter(|(name, peer)| !new.list.has(name, peer.url()));
            left.for_each(|(_, peer)| peer.mark_left());
            // One that had left may be back.
            new.list.peers.values().for_each(|peer| peer.mark_listed());
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

    /// The members of a list, with the peers of `old` that are among them.
    fn members_of(&self, list: &[ListedPeer], old: &Members, has_left: bool) -> Members {
        let options = &self.options;
        let mut ring = options.hash.ring_with(options.replicas);
        ring.extend(list.iter().map(|member| &member.name));
        let others = list.iter().filter(|member| Some(&member.url) != self.own());
        let peers = others.map(|member| {
            let another = || Arc::new(Peer::new(member.url.clone(), options.peer.clone()));
            (Arc::clone(&member.name), old.known(member).unwrap_or_else(another))
        });
        let list = PeerList { ring, peers: peers.collect() };
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
        Members { list, previous, warm_ups: old.warm_ups + u64::from(begins), has_left }
    }

    /// Tells the log how many peers there are, and which of them will have more than their share to
    /// do.
    fn report(&self) {
        let shares = self.shares();
        log::info!("{self:?} has a ring of {} peers", shares.len());
        let mean = 1.0 / shares.len() as f64;
        for (url, share) in shares {
            if share > LARGE_SHARE * mean {
                let times = share / mean;
                log::warn!("peer {url} owns {times:.1} times the mean share of the ring");
            }
        }
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
        let all = members.list.peers.values().chain(left);
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
    /// The peer that a member is, if it is in this list or was in the one before.
    fn known(&self, member: &ListedPeer) -> Option<Arc<Peer>> {
        let is_it = |peer: &&Arc<Peer>| peer.url() == &member.url;
        let left = || self.previous.iter().flat_map(|previous| previous.left()).find(is_it);
        self.list.peers.get(&member.name).filter(is_it).or_else(left).cloned()
    }
}

/// What a peer is called on the ring that was given no name.
fn usual_name(url: &PeerUrl, options: &PeersOptions) -> Arc<str> {
    (options.peer.protocol.wire().name_of)(url).into()
}

#[cfg(test)]
mod tests;
