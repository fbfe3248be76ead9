//! [`HttpPool`]: the peers of a process, and the process as a peer.

mod builder;
mod checks;
mod ending;
mod exposure;
mod interface;
#[cfg(all(unix, feature = "signal"))]
mod leaving;
mod making;
mod service;
mod taking;

pub use builder::HttpPoolBuilder;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checks::validate_group;
use service::Service;
use taking::Taking;

use crate::error::Error;
use crate::events::PastEvent;
use crate::group::Group;
use crate::http::address::PeerAddress;
use crate::http::discovery::{Discovery, FollowStats, Following};
use crate::http::peer::PeerStats;
use crate::http::peers::{ListStats, Peers};
use crate::http::status::Monitor;
use crate::http::url::PeerUrl;
use crate::metrics::MetricsWriter;
use crate::peers::PeerPicker;
use crate::registry::Registry;
use crate::sync::lock;

/// The peers of a process, over HTTP: who owns a key, how to ask them, and the server that answers
/// them.
///
/// Three calls join a cluster: [`bind`](Self::bind) listens, [`add`](Self::add) shares a group's
/// keys with the peers, and [`set_peers`](Self::set_peers) says who they are, this process
/// included. The order of the last two does not matter. Until there is a list, this process owns
/// every key itself.
///
/// ```
/// use geecache::{Group, HttpPool};
///
/// // Two peers, as two programs would make them.
/// let peers: Vec<(HttpPool, Group)> = (0..2)
///     .map(|_| {
///         let group = Group::new("squares", 1 << 20, |key: &str| {
///             key.parse().map(|n: u64| (n * n).to_string())
///         });
///         let pool = HttpPool::bind("127.0.0.1:0")?;
///         pool.add(&group)?;
///         Ok((pool, group))
///     })
///     .collect::<Result<_, geecache::Error>>()?;
/// let urls: Vec<&str> = peers.iter().filter_map(|(pool, _)| pool.url()).collect();
/// for (pool, _) in &peers {
///     pool.set_peers(urls.iter().copied())?;
/// }
///
/// // Each of them can be asked. The owner of the key loads it, once.
/// for (_, group) in &peers {
///     assert_eq!(group.get("12")?, "144");
/// }
/// let loads: u64 = peers.iter().map(|(_, group)| group.stats().local_loads).sum();
/// assert_eq!(loads, 1);
/// # Ok::<(), geecache::Error>(())
/// ```
///
/// # Handles, and the end
///
/// A pool is a handle: clones are cheap and share everything. When the last one is dropped, the
/// pool stops serving, as by [`shutdown`](Self::shutdown). Groups do not hold the pool. They hold
/// the list of peers and the connections to them, and go on to ask these peers, as a
/// [client](Self::client) does.
///
/// Do not let the last handle go, or shut the pool down, inside a getter: a request that the getter
/// works for is one of those that the pool waits for, up to its
/// [`drain_timeout`](HttpPoolBuilder::drain_timeout), and its client may get no answer.
///
/// # When something fails
///
/// **No fault of a peer is an error of a [`get`](crate::Group::get).** The call to the peer ends in
/// bounded time (250 ms to connect, 2 s in all, unless the builder or the caller says else). Then
/// the group asks the next peer on the ring, or loads for itself. A peer that fails again and again
/// is down: it is not asked for a while, which [`peer_stats`](Self::peer_stats) tells.
/// [`guide::failures`](crate::guide::failures) lists all faults of peers and of clients,
/// [`guide::limits`](crate::guide::limits) what is bounded, and
/// [`guide::logging`](crate::guide::logging) what is logged.
///
/// # Whom to trust
///
/// Peers believe each other, and by default they talk plain HTTP to everybody: who reaches the port
/// can read all values, put others in their place, remove them, and make the process load any key.
/// That is for private networks. A [token](HttpPoolBuilder::token) keeps others out, and TLS those
/// who listen: [`guide::protect`](crate::guide::protect).
/// [`Server::Guarded`](crate::Server::Guarded) keeps its limits whatever a client does. A pool that
/// strangers may reach warns once, as it starts, where its server is tiny_http or there is no
/// token. It goes by the address that it is bound to, and by the one in its URL: each should be
/// loopback, private, link-local or shared within a provider's network. A host name in the URL is
/// not looked up. Proxies named in the environment are not used, and redirects are not followed.
#[derive(Clone)]
pub struct HttpPool {
    halves: Arc<Halves>,
}

/// What the handles of a pool share. Nothing else holds it: its drop ends the service.
struct Halves {
    /// Held by groups, too.
    peers: Arc<Peers>,
    registry: Registry,
    monitor: Arc<Monitor>,
    /// Ends before the service does.
    taking: Taking,
    /// What keeps the list current, if anything does.
    following: Mutex<Option<Following>>,
    /// `None` for a client.
    service: Option<Service>,
    /// How long it may take to end.
    drain: Duration,
}

/// How often a pool that leaves looks whether the others have all.
const LOOKED_EVERY: Duration = Duration::from_millis(10);
/// For how long at least it answers, so that those who follow a source hear from itself that it has
/// left: they greet each peer about once a second, and one that is told of that asks at once.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

impl HttpPool {
    fn of(
        peers: Arc<Peers>,
        registry: Registry,
        monitor: Arc<Monitor>,
        (service, taking): (Option<Service>, Taking),
        drain: Duration,
    ) -> Self {
        let following = Mutex::default();
        taking.watch(&*peers);
        let halves = Halves { peers, registry, monitor, taking, following, service, drain };
        Self { halves: Arc::new(halves) }
    }

    /// Shares the keys of `group` with the peers: serves it to them, and has it ask them.
    ///
    /// The pool of a client serves nothing, so there the group only asks.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateGroup`] if another group of this pool has the name,
    /// [`Error::InvalidGroup`] if the name is empty or holds a `/`,
    /// [`Error::ShutDown`] if this pool [serves](Self::shutdown) no more,
    /// [`Error::PeersAlreadyRegistered`] if the group asks the peers of another pool, or other
    /// ones. In each case nothing has changed.
    pub fn add(&self, group: &Group) -> Result<(), Error> {
        let Halves { registry, service, peers, taking, .. } = &*self.halves;
        validate_group(group.name())?;
        let Some(service) = service else {
            return group.register_shared_peers(self.picker());
        };
        let shut_down = || {
            let url = peers.own().map_or("", PeerUrl::as_str).to_owned();
            Error::ShutDown { url }
        };
        if !service.is_serving() {
            return Err(shut_down());
        }
        registry.insert(group)?;
        // A shutdown may have begun meanwhile.
        let added = if service.is_serving() {
            group.register_shared_peers(self.picker())
        } else {
            Err(shut_down())
        };
        match &added {
            Ok(()) => taking.add(group),
            Err(_) => drop(registry.remove(group.name())),
        }
        added
    }

    /// Stops serving the group called `name`: peers are told from now on that there is no such
    /// group. The group itself goes on to ask the peers, and can be added again. `None` if this
    /// pool serves no such group.
    pub fn remove(&self, name: &str) -> Option<Group> {
        self.halves.registry.remove(name)
    }

    /// Sets the whole list of peers, this one included, as `http://host:port`, or all of them as
    /// `https://host:port` where the builder was given TLS. An address with a zone is written
    /// `http://[fe80::1%25eth0]:port`; the zone is a part of the peer's name, so it has to be the
    /// same in all lists. The order does not matter, and neither do duplicates or the spelling of a
    /// URL: large letters, the scheme's own port, and a slash at the end. Peers in Go take a URL as
    /// it is, so their lists should have it as [`url`](Self::url) and
    /// [`peer_stats`](Self::peer_stats) show it.
    ///
    /// `http://host:port#weight=2` has about twice the usual share of the keys. All lists must have
    /// the same weights. The greatest is 10,000 divided by the
    /// [`replicas`](HttpPoolBuilder::replicas), which is 200 by default. Peers in Go know none.
    /// `http://host:port#name=cache-0` is called `cache-0` on the ring, as by
    /// [`PeerAddress::named`]; both at once are `#weight=2&name=cache-0`. `#zone=a` is its
    /// [zone](HttpPoolBuilder::zone); those without are a zone, too.
    ///
    /// What is known about peers that stay is kept: their open connections, and whether they are
    /// up. All peers should be given the same list; while the lists differ, some keys are loaded
    /// more than once, which [`list_stats`](Self::list_stats) tells. After a change, new owners of
    /// keys [take over](HttpPoolBuilder::hand_over_rate) what the previous ones have.
    ///
    /// After a [`shutdown`](Self::shutdown), or once it has [left](Self::leave), this process is a
    /// client of the peers in the list. Its own URL is then left out, and may be lacking.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of them is not a peer's URL, has a weight that is too large or
    /// stands there with two weights, if two have one [name](PeerAddress::named) or one has two, if
    /// this pool serves and its own [`url`](Self::url) is not among them or is in another zone, or
    /// if the weights times the replicas are more than 4,194,304 together. Then the old list stays
    /// in force.
    pub fn set_peers(
        &self,
        peers: impl IntoIterator<Item: Into<PeerAddress>>,
    ) -> Result<(), Error> {
        let Halves { peers: all, service, .. } = &*self.halves;
        let list = peers.into_iter().map(|peer| all.parse(peer)).collect::<Result<_, _>>()?;
        let has_ended = service.as_ref().is_some_and(|service| !service.is_serving());
        if has_ended && all.listed().is_some() {
            // It was alone when it ended, and owned everything until now.
            all.leave();
            self.halves.drop_owned();
        }
        all.set(list)
    }

    /// Keeps the list of peers as a source has it, on a thread of the pool, until the last handle
    /// is dropped: the addresses of a name, a file, or a [source of one's own](crate::Discover).
    /// The rules by which the list changes stand at [`Discovery`];
    /// [`follow_stats`](Self::follow_stats) tells what changed and why. A second call replaces the
    /// source.
    ///
    /// An answer of the source replaces what [`set_peers`](Self::set_peers) was given. All peers
    /// should follow the same source.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if a name to be looked up is none, [`Error::InvalidOption`] if there
    /// is no thread to follow on. A source that has no answer is no error, but a warning.
    ///
    /// # Blocking
    ///
    /// Until the source has answered for the first time, at most for 5 s. The first answer of a
    /// file comes 250 ms later.
    pub fn follow(&self, source: impl Into<Discovery>) -> Result<(), Error> {
        let following = Following::begin(&self.halves.peers, source.into())?;
        let first = following.first_answer();
        // Before its answer is there: the source before it may give another one meanwhile.
        let before = lock(&self.halves.following).replace(following);
        drop(before);
        first.wait();
        Ok(())
    }

    /// Joins the cluster of those at `seeds`, and knows all of its peers from then on: as
    /// [`follow`](Self::follow) with [`Discovery::gossip`]. Feature `gossip`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of `seeds` is not a peer's URL, [`Error::InvalidOption`] in a
    /// client, which is no member, and if there is no thread to be had. That none of them answers
    /// is no error: they are told again and again.
    ///
    /// # Blocking
    ///
    /// Until one of them has answered, at most for some 2 s.
    #[cfg(feature = "gossip")]
    pub fn join(&self, seeds: impl IntoIterator<Item: Into<String>>) -> Result<(), Error> {
        self.follow(Discovery::gossip(seeds))
    }

    /// How the list follows its source; `None` if it [follows](Self::follow) none.
    #[must_use]
    pub fn follow_stats(&self) -> Option<FollowStats> {
        lock(&self.halves.following).as_ref().map(Following::stats)
    }

    /// Leaves the cluster, and what is in memory here goes to the others: owns no key from now on,
    /// hands over what the new owners of its keys come for, and [shuts down](Self::shutdown) as
    /// soon as all of them have everything, or after `stay`.
    ///
    /// Peers that [follow](Self::follow) a source are told here, and take this one out of their
    /// lists. Tell other ones first, by [`set_peers`](Self::set_peers) with a list that this one is
    /// not in: it is the list which makes them owners. They come for the values at once, each at
    /// the rate of its builder's [`hand_over_rate`](HttpPoolBuilder::hand_over_rate), and ask for
    /// single keys before their turn. So `stay` is a limit, and may be long: a gigabyte takes about
    /// 16 s. Groups of this process can go on, as those of a client: they hear of changes with the
    /// answers of the others, by [`change_news`](HttpPoolBuilder::change_news).
    ///
    /// It is for the whole `stay` where somebody does not come: a peer with another list, of an
    /// older version or another program, or with a rate or a
    /// [`warm_up`](HttpPoolBuilder::warm_up) of zero; or where nobody gets its keys. So it may
    /// be where somebody does not take everything, as its cache is full: it asks for single keys
    /// then, for as long as this peer answers.
    ///
    /// What this process has as an owner is dropped after the `stay`, or after its `warm_up` if
    /// that is shorter: for so long new owners ask for it, and removals reach it. Later nobody
    /// would tell this process that a value is old.
    ///
    /// To a client it does nothing at all.
    ///
    /// # Blocking
    ///
    /// Until the others have everything, 2 s at least, so that those who follow a source hear of
    /// it, and `stay` at most; less if somebody else shuts the pool down meanwhile. Then as
    /// `shutdown`.
    pub fn leave(&self, stay: Duration) {
        let Some(service) = &self.halves.service else { return };
        let begun = Instant::now();
        service.handed_over().forget();
        self.halves.peers.leave();
        self.halves.peers.say_farewell(stay);
        self.halves.close_snapshots();
        let (heirs, keeps) = (self.halves.peers.heirs(), self.halves.peers.options().warm_up);
        let mut has_dropped = false;
        let has_all = || begun.elapsed() >= HEARD_WITHIN && self.is_inherited_by(&heirs);
        while begun.elapsed() < stay && service.is_serving() && !has_all() {
            if !has_dropped && begun.elapsed() >= keeps {
                has_dropped = true;
                self.halves.drop_owned();
            }
            service.stay(LOOKED_EVERY.min(stay.saturating_sub(begun.elapsed())));
        }
        self.halves.end();
    }

    /// Whether so many have got all that is theirs, and there are some.
    fn is_inherited_by(&self, heirs: &[Arc<str>]) -> bool {
        let Halves { registry, service, .. } = &*self.halves;
        let Some(service) = service else { return true };
        let (names, through) = (registry.names(), service.handed_over());
        // By the list before this one, other keys were theirs.
        let is_through = |heir: &str, group: &str| {
            let digest = through.is_through_by(heir, group);
            digest.is_some_and(|digest| !self.halves.peers.identity().is_other(digest))
        };
        let has_all = |heir: &Arc<str>| names.iter().all(|group| is_through(heir, group));
        !heirs.is_empty() && heirs.iter().all(has_all)
    }

    /// This pool's own URL, as its peers should know it; `None` for a client.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.halves.peers.own().map(PeerUrl::as_str)
    }

    /// Where it listens; `None` for a client.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.halves.service.as_ref().map(Service::local_addr)
    }

    /// The URL of the peer, maybe this one, that owns `key` on the ring, whether or not it is up;
    /// `None` if there is no peer.
    ///
    /// If two peers name different owners for a key, their lists differ.
    #[must_use]
    pub fn owner(&self, key: &str) -> Option<String> {
        self.halves.peers.owner(key)
    }

    /// The URLs of all peers in the list, this one's own included while it is one, in order. What
    /// is known about the others tells [`peer_stats`](Self::peer_stats).
    #[must_use]
    pub fn peers(&self) -> Vec<String> {
        let list = self.halves.peers.list();
        let mut urls: Vec<String> = list.iter().map(|peer| peer.url.as_str().to_owned()).collect();
        urls.sort_unstable();
        urls
    }

    /// What is known about each of the other peers, in the order of their URLs.
    #[must_use]
    pub fn peer_stats(&self) -> Vec<PeerStats> {
        self.halves.peers.stats()
    }

    /// The last rare events of the pool and of the groups that it serves, the newest one at the
    /// end: peers that went down or came back, new lists, loads that failed, removals that a peer
    /// did not make. Up to 32 of the pool and of each group are remembered, and 8 of each kind.
    #[must_use]
    pub fn recent_events(&self) -> Vec<PastEvent> {
        self.halves.monitor.recent_events()
    }

    /// Whether the peers have the same list as this one, as far as it was told.
    #[must_use]
    pub fn list_stats(&self) -> ListStats {
        self.halves.peers.list_stats()
    }

    /// How many requests were turned away since the start, as they showed no
    /// [token](HttpPoolBuilder::token) that is known.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.halves.monitor.turned_away()
    }

    /// Writes what the peers, the server and the groups count: what `/metrics` answers. For a
    /// program that has a page of metrics of its own.
    ///
    /// The groups are those that are [served](Self::registry). A client serves none; there a
    /// [`Registry`] with the program's groups [writes](Registry::write_metrics) theirs. Where a
    /// process has two pools, tell them apart by [labels](MetricsWriter::set_labels).
    pub fn write_metrics(&self, metrics: &mut MetricsWriter) {
        self.halves.monitor.write_metrics(metrics);
    }

    /// The groups that are served to peers. [`add`](Self::add) puts them in. This is for those who
    /// register a picker of their own with a group, such as one around [`picker`](Self::picker).
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.halves.registry
    }

    /// The picker that [`add`](Self::add) registers with groups. It holds the peers and not the
    /// server, so it does not keep the pool from its end.
    #[must_use]
    pub fn picker(&self) -> Arc<dyn PeerPicker> {
        Arc::clone(&self.halves.peers) as Arc<dyn PeerPicker>
    }

    /// This peer as the lists of all should have it; `None` for a client.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn own_address(&self) -> Option<PeerAddress> {
        let own = self.halves.peers.own_listed()?;
        let zone = own.zone.as_ref().map(|zone| format!("#zone={zone}"));
        let url = format!("{}{}", own.url, zone.unwrap_or_default());
        Some(PeerAddress::named(&*own.name, url))
    }

    /// Ends the time in which new owners of keys ask the previous ones. What is taken over just now
    /// ends [soon](Self::is_taking_over).
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn end_warm_up(&self) {
        self.halves.peers.end_warm_up();
        self.halves.taking.look_again();
    }

    /// Whether this peer has previous owners hand over what has come to be its own.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn is_taking_over(&self) -> bool {
        self.halves.taking.is_busy()
    }

    /// Stops serving: has the groups write their [snapshots](crate::GroupBuilder::snapshot) for the
    /// last time, tries once more to [tell peers](crate::Group::pay_debts) what they could not be
    /// told, refuses new connections, and answers the requests in flight. Calls after the first
    /// wait for its end, and do nothing else; to a client it does nothing at all. The drop of the
    /// last handle does the same.
    ///
    /// Groups that use the pool can go on: the other peers can still be asked. If there are some,
    /// this process owns no key any more, and what it had as an owner is dropped: nobody can tell
    /// it of removals.
    ///
    /// [`Server::TinyHttp`](crate::Server::TinyHttp) keeps some threads, and the connections that
    /// its clients keep, for an [`idle_timeout`](HttpPoolBuilder::idle_timeout) more, to tell these
    /// clients that it is over.
    ///
    /// # Blocking
    ///
    /// Until the snapshots are written; and until peers were told, and the requests in flight are
    /// answered, each at most for the builder's
    /// [`drain_timeout`](HttpPoolBuilder::drain_timeout).
    pub fn shutdown(&self) {
        self.halves.end();
    }
}

impl fmt::Debug for HttpPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.halves.peers.fmt(f)
    }
}

#[cfg(test)]
mod tests;
