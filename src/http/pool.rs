//! [`HttpPool`]: the peers of a process, and the process as a peer.

mod before;
mod builder;
mod picker;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use builder::HttpPoolBuilder;

use before::Before;

use crate::consistenthash::{Ring, RingHash};
use crate::error::Error;
use crate::http::handler::PeerHandler;
use crate::http::peer::{Peer, PeerOptions, PeerStats};
use crate::http::server::Running;
use crate::http::url::PeerUrl;
use crate::registry::Registry;
use crate::sync::lock;

/// A share of the ring this many times the mean is worth a warning.
const LARGE_SHARE: f64 = 1.5;

/// The peers of a process, over HTTP: who owns a key, how to ask them, and the server that answers them.
///
/// A pool is a handle: clones are cheap and share everything. Register one with each group whose keys are to be shared
/// ([`Group::register_peers`](crate::Group::register_peers)), and tell it the peers, itself included, with
/// [`set_peers`](Self::set_peers). Until then it owns every key itself.
///
/// ```
/// use geecache::{Group, HttpPool, Registry};
///
/// // Two peers, as two programs would make them.
/// let peers: Vec<(Registry, HttpPool, Group)> = (0..2)
///     .map(|_| {
///         let registry = Registry::new();
///         let pool = HttpPool::bind("127.0.0.1:0", &registry)?;
///         let group = Group::new("squares", 1 << 20, |key: &str| {
///             key.parse().map(|n: u64| (n * n).to_string())
///         });
///         registry.insert(&group)?;
///         group.register_peers(pool.clone())?;
///         Ok((registry, pool, group))
///     })
///     .collect::<Result<_, geecache::Error>>()?;
/// let urls: Vec<&str> = peers.iter().filter_map(|(_, pool, _)| pool.url()).collect();
/// for (_, pool, _) in &peers {
///     pool.set_peers(urls.iter().copied())?;
/// }
///
/// // Whoever is asked, the owner loads, once.
/// for (_, _, group) in &peers {
///     assert_eq!(group.get("12")?, "144");
/// }
/// let loads: u64 = peers.iter().map(|(_, _, group)| group.stats().local_loads).sum();
/// assert_eq!(loads, 1);
///
/// for (_, pool, _) in &peers {
///     pool.shutdown();
/// }
/// # Ok::<(), geecache::Error>(())
/// ```
///
/// # The end of a pool
///
/// A pool that serves does so until [`shutdown`](Self::shutdown), even when all handles on it are gone: the groups that it
/// serves hold it, and it holds them. Shut down what should end before its process.
///
/// # When a peer fails
///
/// **No fault of a peer is an error of a [`get`](crate::Group::get).** The call to the peer ends in bounded time (250 ms to
/// connect, 2 s in all, unless the builder or the caller says else). Then the group asks the next peer on the ring, or loads for
/// itself, and the caller sees the value, later by the time in the second column; only a caller whose own time is up by then
/// sees [`Error::TimedOut`]. Each fault adds one to [`Stats::peer_errors`](crate::Stats::peer_errors) for each key that was asked for, and is logged as a
/// warning, with the kind of error in the third column. The last column tells what is counted against the peer, see
/// [`PeerStats::failures`].
///
/// | the peer | the call ends | kind of the error | against the peer |
/// |---|---|---|---|
/// | refuses connections: it was killed, or has not started | at once | [`Unreachable`] | it is down |
/// | says that it is shutting down | at once | [`Unreachable`] | it is down |
/// | was restarted on its port | when it answers | none: a dead connection is replaced | nothing |
/// | can't be connected to in time | after [`connect_timeout`](HttpPoolBuilder::connect_timeout) | [`Unreachable`] | a failure |
/// | has a name that does not resolve; one that stops resolving keeps its last address | at once, or in time | [`Unreachable`] | a failure |
/// | closes or resets the connection before the value is whole | at once | [`Unreachable`] | a failure |
/// | accepts, and never answers; is stopped (`SIGSTOP`); falls silent within the head or the value; drips; sends 1xx for ever; answers too late | after [`timeout`](HttpPoolBuilder::timeout) | [`TimedOut`] | a failure \* |
/// | answers with garbage, HTTP/2, a head that never ends, two lengths or none, bad chunks, a compressed value, a redirect, a web page of whatever status | at once | [`Protocol`] | a failure |
/// | answers 503: it has too much to do | at once | [`Overloaded`] | a failure |
/// | has a getter that fails or panics (500 with our header, or as text) | at once | [`Load`] | nothing, it is well |
/// | has a getter that hangs (504 with our header); the load goes on there | in time | [`TimedOut`] | nothing, it is well |
/// | has no such group (404 with our header, or GeeCache's text) | at once | [`NoSuchGroup`] | nothing |
/// | sends a value over [`max_value_bytes`](HttpPoolBuilder::max_value_bytes), or rejects the request | at once | [`Protocol`] | nothing |
/// | has [too many](HttpPoolBuilder::max_requests_per_peer) requests in flight from here | at once | [`Overloaded`] | nothing, it was not asked |
/// | can't be sent the key, which takes more than 15 KiB of a path | at once | [`NotSupported`] | nothing, it was not asked |
/// | can't be asked, as no descriptor is left here | at once | [`Unreachable`] | nothing |
///
/// \* A caller who has less than the usual time proves nothing by itself, and is not counted. Once the peer has been silent to
/// all such callers for as long as the usual time, three more of them in a row are enough for it to be down.
///
/// Three failures in a row, or one refused connection, and the peer is down: it is not asked for a second, and twice as long
/// each time that it fails again, up to 30 s (each ± 20 %). Then one request may try. Meanwhile its keys go to the next peer on
/// the ring that is up, which is the same one at all peers, so that each key costs one load more in the whole cluster. That peer
/// keeps them for the group's [`fallback_ttl`](crate::GroupBuilder::fallback_ttl), beside its hot copies.
/// [`peer_stats`](Self::peer_stats) tells who is down.
///
/// Lists of peers may differ for a while: a request that came from a peer is never passed on, so the worst is that each peer
/// loads a key once.
///
/// # When a client fails
///
/// Whatever a client does, the others are answered. With [`Server::Guarded`](crate::Server::Guarded) no client can hold
/// more than its connection; [`Server::TinyHttp`](crate::Server::TinyHttp) needs clients that mean well.
///
/// | the client | guarded | tiny_http |
/// |---|---|---|
/// | holds 2,000 connections and asks nothing | past [`max_connections`](HttpPoolBuilder::max_connections) the one that was idle for longest is closed | a thread and two descriptors each, until [`idle_timeout`](HttpPoolBuilder::idle_timeout) |
/// | takes all descriptors of the process | accepts again when there are some | accepts again within 3 s of that |
/// | sends its head byte by byte | 408 at a deadline | waits, as long as no pause is too long |
/// | sends 1 MB of headers | 431 | reads them |
/// | announces a huge body | 413 | 413, and a thread and two descriptors are lost for good |
/// | pipelines requests and never reads | is not read any further | queues them until memory ends |
/// | sends garbage, or leaves in the middle | 400, or nothing, and the connection ends | as far as it notices |
///
/// [`Unreachable`]: crate::PeerErrorKind::Unreachable
/// [`TimedOut`]: crate::PeerErrorKind::TimedOut
/// [`Protocol`]: crate::PeerErrorKind::Protocol
/// [`Overloaded`]: crate::PeerErrorKind::Overloaded
/// [`Load`]: crate::PeerErrorKind::Load
/// [`NoSuchGroup`]: crate::PeerErrorKind::NoSuchGroup
/// [`NotSupported`]: crate::PeerErrorKind::NotSupported
/// [`Error::TimedOut`]: crate::Error::TimedOut
///
/// # What is logged
///
/// Through the [`log`] crate, with targets that begin with `geecache`:
///
/// | level | what |
/// |---|---|
/// | error | a getter or the server panicked while it worked for a peer; there is no thread for what has to be done; connections were given up |
/// | warn | a peer gave no value, or did not make a change; a value is served past its ttl; a peer is down; a peer owns more than 1.5 times the mean share of the ring; accepting connections failed, and goes on |
/// | info | a pool serves, has a new list of peers, stops; a peer is up again |
/// | debug | a peer does not know how to make a change; the peer picked for a key; a load by the getter; a request that names no key; a dead connection replaced; a name that does not resolve |
/// | trace | each request served |
///
/// # Whom to trust
///
/// Peers talk plain HTTP and believe each other: whoever reaches the port can read all values, put others in their place, remove
/// them, and make the process load any key. It is for private networks. [`Server::Guarded`](crate::Server::Guarded) at least keeps
/// its limits whoever calls. Proxies named in the environment are not used, and redirects are not followed.
#[derive(Clone)]
pub struct HttpPool {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` for a client, which is nobody's peer.
    own: Option<PeerUrl>,
    local_addr: Option<SocketAddr>,
    client: PeerOptions,
    hash: RingHash,
    replicas: NonZeroUsize,
    /// Replaced as a whole, so that a look-up only takes the lock to clone the `Arc`.
    members: Mutex<Arc<Members>>,
    /// Held while new members are made, so that of two lists set at once one is in force as a whole.
    changing: Mutex<()>,
    serving: Mutex<Option<Serves>>,
    /// Told when `serving` was taken.
    stopped: Condvar,
    warm_up: Duration,
}

/// The server of a pool, and what it calls.
struct Serves {
    server: Box<dyn Running>,
    handler: Arc<PeerHandler>,
}

/// One list of peers.
struct Members {
    ring: Ring,
    /// All but this process itself.
    peers: BTreeMap<Arc<str>, Arc<Peer>>,
    /// The owners before this list; `None` if there were none, or nothing is to be handed over.
    before: Option<Arc<Before>>,
    /// Whether this process is among the owners, as it is until it leaves.
    has_left: bool,
}

impl Members {
    /// The peer to ask for `key`; `None` if that is this process.
    fn pick(&self, key: &str, mut is_ready: impl FnMut(&Peer) -> bool) -> Option<&Arc<Peer>> {
        let owner = self.peers.get(self.ring.get(key)?)?;
        if is_ready(owner) {
            return Some(owner);
        }
        // The owner is down: whoever is next on the ring, which is what owns the key without it. If that is us, we load.
        let mut next = self.ring.owners(key).skip(1).map(|node| self.peers.get(node));
        next.find(|next| next.is_none_or(|peer| is_ready(peer))).flatten()
    }
}

impl HttpPool {
    /// A pool that serves the groups of `registry` to other peers at `addr`, with default options. Port 0 takes a free port;
    /// [`url`](Self::url) tells which.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if it can't listen there. [`Error::InvalidOption`] if `addr` is the unspecified address (`0.0.0.0`): no
    /// peer can be reached by that, so the builder has to be told the URL to [`advertise`](HttpPoolBuilder::advertise).
    pub fn bind(addr: impl ToSocketAddrs, registry: &Registry) -> Result<Self, Error> {
        Self::builder(registry).bind(addr)
    }

    /// Starts a pool with options.
    #[must_use]
    pub fn builder(registry: &Registry) -> HttpPoolBuilder {
        HttpPoolBuilder::new(registry.clone())
    }

    /// A pool that only asks `peers`: it opens no port and owns no key. For programs that come and go, such as command lines.
    ///
    /// When no peer answers, a group that uses it loads for itself. Peers do not know of it, so a removal elsewhere does not
    /// reach the copies that its groups [keep](crate::GroupBuilder::hot_cache).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of `peers` is not of the form `http://host:port`.
    pub fn client(peers: impl IntoIterator<Item: Into<String>>) -> Result<Self, Error> {
        Self::builder(&Registry::new()).client(peers)
    }

    /// Sets the whole list of peers, this one included, as `http://host:port`. The order does not matter, and neither do
    /// duplicates or a slash at the end.
    ///
    /// What is known about peers that stay is kept: their open connections, and whether they are up. All peers should be given
    /// the same list; while the lists differ, some keys are loaded more than once. For a while after a change, new owners of
    /// keys [take over](HttpPoolBuilder::warm_up) what the previous ones have.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of them is not a peer's URL, or if this pool's own [`url`](Self::url) is not among them.
    /// Then the old list stays in force.
    pub fn set_peers(&self, peers: impl IntoIterator<Item: Into<String>>) -> Result<(), Error> {
        let inner = &*self.inner;
        let mut urls = Vec::new();
        for url in peers {
            let url: String = url.into();
            urls.push(PeerUrl::parse(&url)?);
        }
        if let Some(own) = &inner.own {
            if inner.members().has_left {
                urls.retain(|url| url != own);
            } else if !urls.contains(own) {
                return Err(Error::InvalidPeer {
                    url: own.as_str().to_owned(),
                    reason: "this is the pool's own URL, and the list of peers lacks it".to_owned(),
                });
            }
        }
        let old = inner.members();
        inner.change(|old| inner.members_of(&urls, old, old.has_left));
        // Whoever sets the list again and again would fill the log with it.
        let new = inner.members();
        if new.ring.len() != old.ring.len()
            || !new.peers.keys().all(|url| old.peers.contains_key(url))
        {
            self.report_members();
        }
        Ok(())
    }

    /// Leaves the cluster without taking what is in memory along: owns no key from now on, goes on to answer for as long as
    /// `stay`, and [shuts down](Self::shutdown). Meanwhile the new owners of its keys take over what they are asked for.
    ///
    /// Tell the other peers first, by [`set_peers`](Self::set_peers) with a list that this one is not in: it is that which
    /// makes them owners, and has them ask here before they load, for as long as their builder's
    /// [`warm_up`](HttpPoolBuilder::warm_up). A `stay` in which most of the keys in use are asked for once spares the source most
    /// of the loads; a few seconds are enough under traffic. Groups of this process can go on, as those of a client.
    ///
    /// To a client it does nothing at all.
    ///
    /// # Blocking
    ///
    /// For as long as `stay`, less if somebody else shuts the pool down meanwhile; then as `shutdown`.
    pub fn leave(&self, stay: Duration) {
        let inner = &*self.inner;
        if inner.own.is_none() {
            return;
        }
        inner.change(|old| {
            let urls: Vec<PeerUrl> = old.peers.values().map(|peer| peer.url().clone()).collect();
            inner.members_of(&urls, old, true)
        });
        self.report_members();
        let serving = lock(&inner.serving);
        let stayed = inner.stopped.wait_timeout_while(serving, stay, |serving| serving.is_some());
        drop(stayed.unwrap_or_else(PoisonError::into_inner));
        self.shutdown();
    }

    /// This pool's own URL, as its peers should know it; `None` for a client.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.inner.own.as_ref().map(PeerUrl::as_str)
    }

    /// Where it listens; `None` for a client.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.local_addr
    }

    /// The URL of the peer, maybe this one, that owns `key` on the ring, whether or not it is up; `None` if there is no peer.
    ///
    /// If two peers name different owners for a key, their lists differ.
    #[must_use]
    pub fn owner(&self, key: &str) -> Option<String> {
        self.inner.members().ring.get(key).map(str::to_owned)
    }

    /// What is known about each of the other peers, in the order of their URLs.
    #[must_use]
    pub fn peer_stats(&self) -> Vec<PeerStats> {
        let mut stats: Vec<_> =
            self.inner.members().peers.values().map(|peer| peer.stats()).collect();
        stats.sort_by(|a, b| a.url.cmp(&b.url));
        stats
    }

    /// Stops serving: refuses new connections, answers the requests in flight, and lets go of the registry. Calls after the
    /// first do nothing; to a client it does nothing at all.
    ///
    /// Groups that use the pool can go on: the other peers can still be asked. [`Server::TinyHttp`](crate::Server::TinyHttp) keeps
    /// some threads, and the connections that its clients keep, for an [`idle_timeout`](HttpPoolBuilder::idle_timeout) more, to
    /// tell these clients that it is over.
    ///
    /// # Blocking
    ///
    /// Until the requests in flight are answered, at most for the builder's
    /// [`drain_timeout`](HttpPoolBuilder::drain_timeout).
    pub fn shutdown(&self) {
        let serving = lock(&self.inner.serving).take();
        self.inner.stopped.notify_all();
        if let Some(Serves { server, handler }) = serving {
            server.shutdown();
            handler.close();
            log::info!("{self:?} has stopped serving");
        }
    }
}

impl HttpPool {
    /// Tells the log how many peers there are, and which of them will have more than their share to do.
    fn report_members(&self) {
        let ring = &self.inner.members().ring;
        log::info!("{self:?} has a ring of {} peers", ring.len());
        let mean = 1.0 / ring.len() as f64;
        for (url, share) in ring.shares() {
            if share > LARGE_SHARE * mean {
                let times = share / mean;
                log::warn!("peer {url} owns {times:.1} times the mean share of the ring");
            }
        }
    }
}

impl fmt::Debug for HttpPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpPool({})", self.url().unwrap_or("client"))
    }
}

impl Inner {
    fn members(&self) -> Arc<Members> {
        Arc::clone(&lock(&self.members))
    }

    /// Puts other members in force, made from those that are.
    fn change(&self, members_after: impl FnOnce(&Members) -> Members) {
        let gone = {
            let _changing = lock(&self.changing);
            let old = self.members();
            let members = Arc::new(members_after(&old));
            old.peers.values().for_each(|peer| peer.mark_left());
            members.peers.values().for_each(|peer| peer.mark_listed());
            std::mem::replace(&mut *lock(&self.members), members)
        };
        // The connections of peers that left are closed here, outside of the locks.
        drop(gone);
    }

    /// Lets go of the peers that left long ago, and of the connections to them.
    fn forget_before(&self, now: Instant) {
        self.change(|old| Members {
            ring: old.ring.clone(),
            peers: old.peers.clone(),
            before: old.before.clone().filter(|before| before.is_emptied(now)),
            has_left: old.has_left,
        });
    }

    /// The members that `urls` name, with the peers of `old` that are among them.
    fn members_of(&self, urls: &[PeerUrl], old: &Members, has_left: bool) -> Members {
        let mut ring = Ring::with_hash(self.replicas, self.hash.function());
        ring.extend(urls.iter().map(PeerUrl::as_str));
        let others = urls.iter().filter(|&url| Some(url) != self.own.as_ref());
        let peers: BTreeMap<_, _> = others
            .map(|url| {
                let peer = old
                    .known(url)
                    .unwrap_or_else(|| Arc::new(Peer::new(url.clone(), self.client.clone())));
                (Arc::clone(url.text()), peer)
            })
            .collect();
        let is_same =
            ring.len() == old.ring.len() && peers.keys().all(|url| old.peers.contains_key(url));
        let before = if is_same {
            // Whoever sets the list again and again has not changed it.
            old.before.clone()
        } else if self.warm_up.is_zero() {
            None
        } else {
            let (own, now) = (self.own.as_ref(), Instant::now());
            Before::new(own, old, &ring, &peers, now, self.warm_up).map(Arc::new)
        };
        Members { ring, peers, before, has_left }
    }
}

impl Members {
    /// The peer at `url`, if it is in this list or was in the one before.
    fn known(&self, url: &PeerUrl) -> Option<Arc<Peer>> {
        let left = || {
            let mut left = self.before.iter().flat_map(|before| before.left());
            left.find(|peer| peer.url() == url)
        };
        self.peers.get(url.text()).or_else(left).cloned()
    }
}

#[cfg(test)]
mod tests;
