//! [`Peers`]: the peers of a process, and which of them owns a key.

mod list;
mod looks;
mod moved;
mod picking;
mod previous;
mod rings;
mod stats;

pub(crate) use crate::http::peer::Greeting;
pub use stats::ListStats;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use list::PeerList;
use previous::PreviousOwners;
use rings::{ZoneName, ZoneRings};

use crate::consistenthash::{MAX_REPLICAS, RingHash};
use crate::error::Error;
use crate::events::Event;
use crate::http::address::PeerAddress;
use crate::http::identity::Identity;
use crate::http::listed::ListedPeer;
use crate::http::peer::{Peer, PeerOptions};
use crate::http::url::PeerScheme;
use crate::http::url::PeerUrl;
use crate::peers::PeersWatcher;
use crate::sync::lock;

/// A share of the ring this many times the mean is worth a warning.
const LARGE_SHARE: f64 = 1.5;
/// A ring of more points than this takes more than 64 MiB, and seconds to be made. What names so
/// many peers errs.
pub(crate) const MAX_POINTS: usize = 1 << 22;

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
    /// The groups that ask.
    watchers: Mutex<Vec<Weak<dyn PeersWatcher>>>,
}

/// What is alike for all peers.
pub(crate) struct PeersOptions {
    pub(crate) hash: RingHash,
    pub(crate) replicas: NonZeroUsize,
    /// For how long new owners of keys ask the previous ones.
    pub(crate) warm_up: Duration,
    /// The zone of this process, if it was given one.
    pub(crate) zone: ZoneName,
    pub(crate) peer: PeerOptions,
}

impl PeersOptions {
    fn identity(&self) -> &Arc<Identity> {
        &self.peer.exchange.identity
    }

    fn digest(&self, list: &[ListedPeer]) -> u32 {
        ListedPeer::digest(list, self.hash, self.replicas)
    }

    /// The rings of a list that was [checked](Peers::check).
    fn rings_of(&self, list: &[ListedPeer], zone: ZoneName, is_listed: bool) -> ZoneRings {
        ZoneRings::of(list, zone, is_listed, |peers| {
            let mut ring = self.hash.ring_with(self.replicas);
            // Who would have too many points does not get through the check.
            let _ = ring.extend_weighted(peers.map(|peer| (&peer.name, peer.weight)));
            ring
        })
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
    /// How often owners began to ask previous ones. That of the first list begins before it: what
    /// is removed until then is remembered.
    warm_ups: u64,
    /// Whether there was no list yet.
    is_new: bool,
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
        let own = own.map(|own| own.in_zone(options.zone.clone()));
        let listed: Arc<[ListedPeer]> = own.iter().cloned().collect();
        let rings = options.rings_of(&listed, options.zone.clone(), own.is_some());
        options.identity().set_list(options.digest(&listed), std::iter::empty());
        let list = PeerList { rings, listed, peers: BTreeMap::new() };
        let alone = Members { list, previous: None, warm_ups: 1, is_new: true, has_left: false };
        let (members, changing) = (Mutex::new(Arc::new(alone)), Mutex::new(()));
        let (warned, watchers) = (AtomicBool::new(false), Mutex::default());
        Self { own, options, members, changing, warned, watchers }
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
            // The list names it itself.
            (None, _) if listed.name != *listed.url.text() => Arc::clone(&listed.name),
            (None, Some(own)) => Arc::clone(&own.name),
            (None, None) => self.options.usual_name(&listed.url),
        };
        let zone = listed.zone.clone().or_else(|| own.and_then(|own| own.zone.clone()));
        Ok(listed.called(name).in_zone(zone))
    }

    /// How peers are talked to.
    pub(crate) fn scheme(&self) -> PeerScheme {
        self.options.peer.exchange.scheme()
    }

    /// How many points a peer has on the ring.
    pub(crate) fn points_of(&self, peer: &ListedPeer) -> usize {
        peer.weight.saturating_mul(self.options.replicas).get()
    }

    /// An error if a peer of a list can't have its weight, a ring can't have all of them, or this
    /// process has another name there than its own, or another zone.
    pub(crate) fn check(&self, list: &[ListedPeer]) -> Result<(), Error> {
        let (most, replicas) = (MAX_REPLICAS, self.options.replicas);
        let mut points = 0_usize;
        for peer in list {
            let ListedPeer { url, name, weight, zone } = peer;
            let of_this = self.points_of(peer);
            points = points.saturating_add(of_this);
            let own = self.own.as_ref().filter(|own| own.url == *url);
            let (own, own_zone) = (own.map(|own| &own.name), own.and_then(|own| own.zone.as_ref()));
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
            } else if let Some(own) = own_zone.filter(|own| Some(*own) != zone.as_ref()) {
                format!(
                    "this pool is in the zone {own:?}, see `HttpPoolBuilder::zone`, and the list \
                     says {:?}",
                    zone.as_deref().unwrap_or_default()
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

    /// The URLs of those that got keys from this process when the list changed last.
    pub(crate) fn heirs(&self) -> Vec<Arc<str>> {
        let members = self.members();
        let (Some(own), Some(previous)) = (&self.own, &members.previous) else { return Vec::new() };
        previous.heirs(&own.name, &members.list)
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

    /// Greets one that may be no peer yet.
    pub(crate) fn greet_anybody(&self, url: &PeerUrl) -> Greeting {
        self.known_or_stranger(url).greet()
    }

    /// Tells what others know of who is there, be it to a peer or to a stranger that may become
    /// one.
    #[cfg(feature = "gossip")]
    pub(crate) fn whisper(&self, url: &PeerUrl, body: &[u8]) -> Greeting {
        self.known_or_stranger(url).greet_with(body)
    }

    fn known_or_stranger(&self, url: &PeerUrl) -> Arc<Peer> {
        self.members().known(url).unwrap_or_else(|| self.stranger(url))
    }

    fn stranger(&self, url: &PeerUrl) -> Arc<Peer> {
        Arc::new(Peer::new(url.clone(), self.options.peer.clone()))
    }

    /// The URL of the owner of `key`, whether or not it is up.
    pub(crate) fn owner(&self, key: &str) -> Option<String> {
        let members = self.members();
        members.list.rings.owner(key).map(|name| self.url_of(&members, name).to_owned())
    }

    /// How many peers there are, if this process is one of them.
    pub(crate) fn listed(&self) -> Option<usize> {
        let members = self.members();
        let is_listed = self.own.is_some() && !members.has_left;
        is_listed.then(|| members.list.listed.len())
    }

    /// All but this process, in the order of their URLs.
    pub(crate) fn others(&self) -> Vec<Arc<Peer>> {
        self.members().list.others().cloned().collect()
    }

    /// The URL of the peer, maybe this one, that answers for `key` now: its owner, or who stands in
    /// while that is down.
    pub(crate) fn asked_for(&self, key: &str) -> Option<String> {
        let members = self.members();
        let picked = members.list.pick(key, |peer| peer.is_ready()).map(|peer| peer.url());
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
        let is_idle = self.own.is_none() && members.list.listed.is_empty();
        if is_idle && !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "{self:?} has no peers: {key:?} and all other keys are loaded here until \
                 `set_peers` names some"
            );
        }
    }

    /// The moment by the clock of the pool.
    pub(crate) fn now(&self) -> Instant {
        self.options.peer.exchange.clock.now()
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
        let watchers = {
            let mut watchers = lock(&self.watchers);
            watchers.retain(|watcher| watcher.strong_count() > 0);
            watchers.clone()
        };
        watchers.iter().filter_map(Weak::upgrade).for_each(|watcher| watcher.peers_changed());
    }

    /// Lets go of the peers that left long ago, and of the connections to them.
    fn forget_previous(&self, now: Instant) {
        self.change(|old| Members {
            list: old.list.clone(),
            previous: old.previous.clone().filter(|previous| previous.is_emptied(now)),
            warm_ups: old.warm_ups,
            is_new: old.is_new,
            has_left: old.has_left,
        });
    }

    /// Ends the time in which new owners of keys ask the previous ones.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn end_warm_up(&self) {
        self.change(|old| Members {
            list: old.list.clone(),
            previous: None,
            warm_ups: old.warm_ups,
            is_new: false,
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
        let options = &self.options;
        // A list tells this process its zone, too. One that has left stays in it.
        let own = list.iter().find(|peer| Some(&peer.url) == self.own());
        let zone = own.map_or_else(|| old.list.rings.zone(), |own| &own.zone).clone();
        let rings = options.rings_of(&list, zone, own.is_some());
        let others = list.iter().filter(|peer| Some(&peer.url) != self.own());
        let peers = others.map(|ListedPeer { url, name, .. }| {
            (Arc::clone(name), old.known(url).unwrap_or_else(|| self.stranger(url)))
        });
        let list = PeerList { rings, peers: peers.collect(), listed: list.into() };
        let now = self.now();
        let previous = if list.is_same(&old.list) {
            // A caller that sets the list again and again has not changed it.
            old.previous.clone()
        } else if options.warm_up.is_zero() {
            None
        } else {
            let own = self.own.as_ref().map(|own| &*own.name);
            let previous = PreviousOwners::new(own, &old.list, &list, now, options.warm_up);
            previous.map(|it| Arc::new(it.after(old.previous.as_deref(), &list)))
        };
        // A change while owners ask already only prolongs that.
        let goes_on = old.is_new || old.previous.as_ref().is_some_and(|it| it.is_asked(now));
        let begins = previous.is_some() && !goes_on && !list.is_same(&old.list);
        let warm_ups = old.warm_ups + u64::from(begins);
        let is_new = old.is_new && list.is_same(&old.list);
        Members { list, previous, warm_ups, is_new, has_left: old.has_left }
    }

    /// Tells how many peers there are, and which of them will have more than their share to
    /// do.
    fn report(&self) {
        let list = &self.members().list;
        let (listed, others) = (list.listed.len(), list.listed.len() - list.rings.in_use().len());
        match list.rings.zone() {
            _ if others == 0 => log::info!("{self:?} has a ring of {listed} peers"),
            zone => log::info!(
                "{self:?} has a ring of {} peers in the zone {:?}, and others have {others}",
                listed - others,
                zone.as_deref().unwrap_or_default()
            ),
        }
        if let (true, Some(zone)) = (list.tells_no_zone_but_ours(), list.rings.zone()) {
            if let Some(again) = self.options.peer.repeats.due(("alone in a zone", &zone)) {
                log::warn!(
                    "{self:?} is alone in its zone {zone:?}: the list tells no zone of its other \
                     {others} peers, as http://host:port#zone={zone} does{again}"
                );
            }
        }
        let mut weights = BTreeMap::<&ZoneName, usize>::new();
        for ListedPeer { weight, zone, .. } in &*list.listed {
            *weights.entry(zone).or_default() += weight.get();
        }
        for (peer, share) in list.shares() {
            let url = peer.url.as_str();
            let is_due = || self.options.peer.repeats.due(("large share", url));
            let due =
                peer.weight.get() as f64 / weights.get(&peer.zone).map_or(1.0, |&it| it as f64);
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

/// The name of the pool in logs.
impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpPool({})", self.own().map_or("client", PeerUrl::as_str))
    }
}

impl Members {
    /// The peer at `url`, if it is in this list or left it a short time ago.
    fn known(&self, url: &PeerUrl) -> Option<Arc<Peer>> {
        let left = || self.previous.as_ref()?.left_at(url);
        self.list.at(url).or_else(left).cloned()
    }
}

#[cfg(test)]
mod tests;
