//! [`Cluster`]: peers as threads of this process, with real sockets between them.

use std::borrow::Borrow;
use std::num::NonZeroUsize;
use std::time::Duration;

use geecache::consistenthash::Ring;
use geecache::{Group, HttpPool, HttpPoolBuilder, Server, Stats};

use super::{CountingGetter, SOON};

/// The servers that a peer can run on.
pub(crate) const SERVERS: [Server; 2] = [Server::TinyHttp, Server::Guarded];

/// The group that all peers of a cluster have.
pub(crate) const GROUP: &str = "scores";

/// Peers that listen on ports of their own, each with its own group and source. They end with it.
pub(crate) struct Cluster {
    peers: Vec<Peer>,
}

/// One process, so to say.
pub(crate) struct Peer {
    pub(crate) pool: HttpPool,
    pub(crate) group: Group,
    pub(crate) getter: CountingGetter,
}

impl Cluster {
    /// Peers on `server` that agree about the owners and have sources that know all keys.
    pub(crate) fn of(count: usize, server: Server) -> Self {
        Self::with(count, server, |_| CountingGetter::new())
    }

    /// As [`of`](Self::of), with sources of one's own.
    pub(crate) fn with(
        count: usize,
        server: Server,
        source: impl Fn(usize) -> CountingGetter,
    ) -> Self {
        Self::of_peers((0..count).map(|node| Peer::start(server, source(node), |pool| pool)))
    }

    /// As [`with`](Self::with), but long after the list of peers has changed: no peer asks who
    /// owned a key before it.
    pub(crate) fn settled(
        count: usize,
        server: Server,
        source: impl Fn(usize) -> CountingGetter,
    ) -> Self {
        let settled = |pool: HttpPoolBuilder| pool.warm_up(Duration::ZERO);
        Self::of_peers((0..count).map(|node| Peer::start(server, source(node), settled)))
    }

    fn of_peers(peers: impl Iterator<Item = Peer>) -> Self {
        let peers: Vec<Peer> = peers.collect();
        Peer::set_all(&peers);
        Self { peers }
    }

    pub(crate) fn node(&self, node: usize) -> &Peer {
        &self.peers[node]
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.peers.iter().map(Peer::url).collect()
    }

    /// A key that `node` owns.
    pub(crate) fn key_owned_by(&self, node: usize) -> String {
        self.keys_owned_by(node).next().unwrap()
    }

    /// All keys `key 0`, `key 1`, … that `node` owns.
    pub(crate) fn keys_owned_by(&self, node: usize) -> impl Iterator<Item = String> + use<> {
        keys_owned_by(&self.urls(), &self.node(node).url())
    }

    /// How often a getter was called, on all peers.
    pub(crate) fn calls(&self) -> usize {
        self.peers.iter().map(|peer| peer.getter.calls()).sum()
    }
}

impl Peer {
    /// A patient client of `peers`.
    pub(crate) fn client(peers: &[String]) -> HttpPool {
        let builder = HttpPool::builder().timeout(SOON).connect_timeout(SOON);
        builder.client(peers).unwrap()
    }

    /// A peer on a free port that knows nobody yet, with the options that `options` sets.
    pub(crate) fn start(
        server: Server,
        getter: CountingGetter,
        options: impl FnOnce(HttpPoolBuilder) -> HttpPoolBuilder,
    ) -> Self {
        Self::start_on("127.0.0.1:0", server, getter, options)
    }

    /// As [`start`](Self::start), on a given address.
    pub(crate) fn start_on(
        addr: &str,
        server: Server,
        getter: CountingGetter,
        options: impl FnOnce(HttpPoolBuilder) -> HttpPoolBuilder,
    ) -> Self {
        let group = Group::new(GROUP, 64 << 20, getter.clone());
        // No time limit should be what decides a test on a busy machine, unless the test sets one.
        let builder = HttpPool::builder().server(server).timeout(SOON);
        // Nor should requests of a thread of the pool, where a test counts or spoils requests.
        let builder = builder.hand_over_rate(0);
        let pool = options(builder.connect_timeout(SOON)).bind(addr).unwrap();
        pool.add(&group).unwrap();
        Self { pool, group, getter }
    }

    pub(crate) fn url(&self) -> String {
        self.pool.url().unwrap().to_owned()
    }

    pub(crate) fn addr(&self) -> String {
        self.pool.local_addr().unwrap().to_string()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.group.stats()
    }

    /// Makes a cluster of these, and tells their URLs.
    pub(crate) fn set_all(peers: &[impl Borrow<Self>]) -> Vec<String> {
        let urls: Vec<String> = peers.iter().map(|peer| peer.borrow().url()).collect();
        for peer in peers {
            peer.borrow().pool.set_peers(&urls).unwrap();
        }
        urls
    }

    /// Makes a cluster of this peer and `others`.
    pub(crate) fn join(&self, others: &[&str]) {
        let own = self.url();
        self.pool.set_peers(others.iter().copied().chain([own.as_str()])).unwrap();
    }

    /// A key that the peer at `owner` owns in the cluster of this peer and that one.
    pub(crate) fn key_owned_by(&self, owner: &str) -> String {
        self.keys_owned_by(owner).next().unwrap()
    }

    /// All such keys.
    pub(crate) fn keys_owned_by(&self, owner: &str) -> impl Iterator<Item = String> + use<> {
        keys_owned_by(&[self.url(), owner.to_owned()], owner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.pool.shutdown();
    }
}

fn keys_owned_by(urls: &[String], owner: &str) -> impl Iterator<Item = String> + use<> {
    let mut ring = Ring::new(NonZeroUsize::new(50).unwrap());
    for url in urls {
        ring.add(url);
    }
    let owner = owner.to_owned();
    (0..).map(|n| format!("key {n}")).filter(move |key| ring.get(key) == Some(owner.as_str()))
}
