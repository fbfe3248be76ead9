//! [`Cluster`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::group::Group;
use crate::http::{Dialer, HttpPool, HttpPoolBuilder, PeerAddress, Server};
use crate::sync::lock;
use crate::testing::clock::FakeClock;
use crate::testing::fault::Fault;
use crate::testing::network::{MAX_PEERS, Network, authority_of};
use crate::testing::rest::{unfinished as unfinished_in, wait_for_rest};
use crate::testing::waits::PATIENCE;

/// How long a new owner waits for the previous one: machines that test may be slow.
const PEEK_TIMEOUT: Duration = Duration::from_secs(1);
/// How many keys are tried for one that a peer owns.
const MAX_TRIES: usize = 1_000_000;

/// Peers as threads of this process, each with its own groups, and with real sockets between them.
/// They end when it is dropped.
///
/// Peers have numbers, from 0, and agree about the owners of keys from the first get on. In each
/// run the same keys belong to the same peers. A test asks a peer by its [group](Self::group), as
/// the program would, and looks at what was loaded and where.
///
/// The peers know each other by URLs that mean something only between them, such as
/// `http://127.1.0.1:8000`. [`LocalPeer::addr`] is where one really listens, for tests that talk
/// HTTP to it.
///
/// See the [module](crate::testing) for an example.
pub struct Cluster {
    network: Arc<Network>,
    recipe: Recipe,
    state: Mutex<ClusterRoster>,
}

/// How to make a peer.
struct Recipe {
    groups: Vec<Box<MakeGroup>>,
    options: Box<Options>,
    clock: Option<FakeClock>,
}

type MakeGroup = dyn Fn(usize) -> Group + Send + Sync;
type Options = dyn Fn(HttpPoolBuilder, usize) -> HttpPoolBuilder + Send + Sync;

#[derive(Default)]
struct ClusterRoster {
    peers: BTreeMap<usize, LocalPeer>,
    clients: Vec<HttpPool>,
    /// Those that were killed and have come back. A process can't be ended from within, so they go
    /// on until the end, out of reach.
    former: Vec<HttpPool>,
    next: usize,
}

/// One peer of a [`Cluster`]. Clones are the same peer.
#[derive(Debug, Clone)]
pub struct LocalPeer {
    number: usize,
    pool: HttpPool,
    groups: Vec<Group>,
}

impl Cluster {
    /// `count` peers, each with the group that `group` makes for its number, and with default
    /// options, but for two: the server is [`Server::Guarded`], which ends at once, and new owners
    /// wait for the previous ones up to a second, as machines that test may be slow.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if there is no port.
    pub fn local<G: Into<Group>>(
        count: usize,
        group: impl Fn(usize) -> G + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::builder(count).group(group).start()
    }

    /// Starts a cluster with options.
    #[must_use]
    pub fn builder(count: usize) -> ClusterBuilder {
        let (groups, options) = (Vec::new(), Box::new(|options, _| options));
        ClusterBuilder { count, recipe: Recipe { groups, options, clock: None } }
    }

    /// The peer of this number.
    ///
    /// # Panics
    ///
    /// If there is none; so for all methods that take a number.
    #[must_use]
    #[track_caller]
    pub fn peer(&self, number: usize) -> LocalPeer {
        let peer = lock(&self.state).peers.get(&number).cloned();
        peer.unwrap_or_else(|| panic!("there is no peer {number}"))
    }

    /// The first group of a peer.
    ///
    /// # Panics
    ///
    /// If the cluster has no groups.
    #[must_use]
    #[track_caller]
    pub fn group(&self, number: usize) -> Group {
        let peer = self.peer(number);
        peer.groups.into_iter().next().unwrap_or_else(|| panic!("the cluster has no groups"))
    }

    /// The pool of a peer.
    #[must_use]
    #[track_caller]
    pub fn pool(&self, number: usize) -> HttpPool {
        self.peer(number).pool
    }

    /// A key that the peer `number` owns.
    ///
    /// # Panics
    ///
    /// If it owns none, as it is in no list.
    #[must_use]
    #[track_caller]
    pub fn key_owned_by(&self, number: usize) -> String {
        self.keys_owned_by(number, 1).remove(0)
    }

    /// As [`key_owned_by`](Self::key_owned_by), `count` of them.
    ///
    /// # Panics
    ///
    /// If it owns none, as it is in no list.
    #[must_use]
    #[track_caller]
    pub fn keys_owned_by(&self, number: usize, count: usize) -> Vec<String> {
        let pool = self.pool(number);
        let is_its = |key: &String| pool.owner(key).as_deref() == pool.url();
        let keys = (0..MAX_TRIES).map(|n| format!("key {n}"));
        let keys: Vec<_> = keys.filter(is_its).take(count).collect();
        assert_eq!(keys.len(), count, "peer {number} owns fewer keys");
        keys
    }

    /// The pool of one more client: a process that asks the peers and is none. It has no groups
    /// until the test [adds](HttpPool::add) some.
    ///
    /// # Errors
    ///
    /// Those of [`HttpPoolBuilder::client`].
    pub fn client(&self) -> Result<HttpPool, Error> {
        let (number, list) = {
            let mut roster = lock(&self.state);
            (roster.take_number(), roster.list())
        };
        let pool = self.options(number).client(list)?;
        lock(&self.state).clients.push(pool.clone());
        Ok(pool)
    }

    /// Adds a peer, and tells all of it. New owners take over what the previous ones have, as ever.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if there is no port.
    pub fn add(&self) -> Result<LocalPeer, Error> {
        let peer = self.enroll()?;
        self.tell_list()?;
        Ok(peer)
    }

    /// Kills a peer: its connections end, nobody reaches it, and it reaches nobody. The lists of
    /// the others still have it, as after a crash.
    #[track_caller]
    pub fn kill(&self, number: usize) {
        let peer = self.peer(number);
        self.network.kill(peer.number);
    }

    /// Begins a peer once more that was [killed](Self::kill), with nothing in memory, under its old
    /// URL.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if there is no port.
    #[track_caller]
    pub fn restart(&self, number: usize) -> Result<LocalPeer, Error> {
        let before = self.peer(number);
        self.network.kill(number);
        let peer = self.make(number)?;
        let list = {
            let mut roster = lock(&self.state);
            roster.former.push(before.pool);
            roster.peers.insert(number, peer.clone());
            roster.list()
        };
        peer.pool.set_peers(list)?;
        Ok(peer)
    }

    /// A peer leaves for good, as in a deploy: the others are told, take over what has come to be
    /// theirs, and it ends. Its number is not used again.
    ///
    /// # Errors
    ///
    /// Those of [`HttpPool::set_peers`].
    ///
    /// # Blocking
    ///
    /// As [`HttpPool::leave`]: 2 s at least, and `stay` at most.
    #[track_caller]
    pub fn leave(&self, number: usize, stay: Duration) -> Result<(), Error> {
        let peer = self.peer(number);
        {
            let mut roster = lock(&self.state);
            roster.peers.remove(&number);
            roster.former.push(peer.pool.clone());
        }
        self.tell_list()?;
        peer.pool.leave(stay);
        self.network.kill(number);
        Ok(())
    }

    /// Breaks the way to a peer, for all who ask it. The last fault of a way counts.
    #[track_caller]
    pub fn fail(&self, number: usize, fault: Fault) {
        self.network.fail(None, self.peer(number).number, fault);
    }

    /// As [`fail`](Self::fail), for what `from` asks of `to` alone.
    #[track_caller]
    pub fn fail_between(&self, from: usize, to: usize, fault: Fault) {
        self.network.fail(Some(self.peer(from).number), self.peer(to).number, fault);
    }

    /// Cuts the network between two sets of peers: a [`Fault::BlackHole`] in both directions.
    #[track_caller]
    pub fn partition(&self, some: &[usize], others: &[usize]) {
        for (&one, &other) in some.iter().flat_map(|one| others.iter().map(move |it| (one, it))) {
            self.fail_between(one, other, Fault::BlackHole);
            self.fail_between(other, one, Fault::BlackHole);
        }
    }

    /// Ends all faults. Who was killed stays so.
    pub fn heal(&self) {
        self.network.heal();
    }

    /// Waits until nothing goes on at the peers that live, and at the clients: no load, no refresh,
    /// no question to a peer, no change on its way, no hand-over to a new owner. What is owed to a
    /// peer that was killed waits until that is back, and is left out.
    ///
    /// # Panics
    ///
    /// If something still goes on after `timeout`. It says what.
    #[track_caller]
    pub fn settle(&self, timeout: Duration) {
        wait_for_rest(timeout, || self.unfinished());
    }

    /// What goes on. Whatever else a process does on its own has its line here.
    fn unfinished(&self) -> Vec<String> {
        let (peers, clients) = {
            let roster = lock(&self.state);
            let peers: Vec<_> = roster.peers.values().cloned().collect();
            (peers, roster.clients.clone())
        };
        let mut unfinished = Vec::new();
        let is_dead = |peer: &&LocalPeer| self.network.is_dead(peer.number);
        let (dead, alive): (Vec<_>, Vec<_>) = peers.iter().partition(is_dead);
        let is_alive = |url: &str| !dead.iter().any(|peer| peer.pool.url() == Some(url));
        for peer in alive {
            let name = format!("peer {}", peer.number);
            let place = format!("at {name}");
            let of_groups = peer.groups.iter().map(|it| unfinished_in(it, &place, is_alive));
            unfinished.extend(of_groups.flatten());
            unfinished.extend(requests_of(&peer.pool, &name));
            unfinished.extend(peer.pool.is_taking_over().then(|| format!("a hand-over to {name}")));
        }
        unfinished.extend(clients.iter().flat_map(|pool| requests_of(pool, "a client")));
        unfinished
    }

    /// Makes a peer that nobody is told of.
    fn enroll(&self) -> Result<LocalPeer, Error> {
        let number = lock(&self.state).take_number();
        let peer = self.make(number)?;
        lock(&self.state).peers.insert(number, peer.clone());
        Ok(peer)
    }

    /// Gives all peers the list of all.
    fn tell_list(&self) -> Result<(), Error> {
        let (peers, list) = {
            let roster = lock(&self.state);
            (roster.peers.values().cloned().collect::<Vec<_>>(), roster.list())
        };
        peers.iter().try_for_each(|peer| peer.pool.set_peers(list.clone()))
    }

    fn options(&self, number: usize) -> HttpPoolBuilder {
        let mut options = HttpPool::builder().server(Server::Guarded).peek_timeout(PEEK_TIMEOUT);
        if let Some(clock) = &self.recipe.clock {
            options = options.clock(clock.reader());
        }
        let network = Arc::clone(&self.network);
        let dial = move |to: &_, within| network.dial(number, to, within);
        (self.recipe.options)(options, number).known_as(&authority_of(number), Dialer::by(dial))
    }

    fn make(&self, number: usize) -> Result<LocalPeer, Error> {
        let pool = self.options(number).bind("127.0.0.1:0")?;
        let groups: Vec<_> = self.recipe.groups.iter().map(|make| make(number)).collect();
        groups.iter().try_for_each(|group| pool.add(group))?;
        if let Some(addr) = pool.local_addr() {
            self.network.listens(number, addr);
        }
        Ok(LocalPeer { number, pool, groups })
    }
}

impl ClusterRoster {
    #[track_caller]
    fn take_number(&mut self) -> usize {
        assert!(self.next < MAX_PEERS, "a cluster has {MAX_PEERS} peers at most");
        self.next += 1;
        self.next - 1
    }

    /// The list of all peers.
    fn list(&self) -> Vec<PeerAddress> {
        self.peers.values().filter_map(|peer| peer.pool.own_address()).collect()
    }
}

fn requests_of(pool: &HttpPool, whose: &str) -> Vec<String> {
    let stats = pool.peer_stats().into_iter().filter(|peer| peer.in_flight > 0);
    stats.map(|peer| format!("{} requests of {whose} to {}", peer.in_flight, peer.url)).collect()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Those who wait for a peer go on, and so the servers find nothing that they would wait
        // for.
        self.network.end();
        let roster = std::mem::take(&mut *lock(&self.state));
        let peers = roster.peers.into_values().map(|peer| peer.pool);
        let ends: Vec<_> =
            peers.chain(roster.former).map(|pool| thread::spawn(move || pool.shutdown())).collect();
        for end in ends {
            // A panic there has been reported, and one more here would end the process.
            let _ = end.join();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = lock(&self.state).peers.len();
        f.debug_struct("Cluster").field("peers", &peers).finish_non_exhaustive()
    }
}

impl LocalPeer {
    /// Its number in the cluster.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Its pool.
    #[must_use]
    pub fn pool(&self) -> &HttpPool {
        &self.pool
    }

    /// Its groups, in the order in which the builder was told of them.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Where it really listens, as `127.0.0.1:port`.
    ///
    /// # Panics
    ///
    /// Never: a peer listens.
    #[must_use]
    pub fn addr(&self) -> std::net::SocketAddr {
        self.pool.local_addr().expect("a peer listens")
    }
}

/// Makes a [`Cluster`] with options; from [`Cluster::builder`].
pub struct ClusterBuilder {
    count: usize,
    recipe: Recipe,
}

impl ClusterBuilder {
    /// Gives each peer one more group: the one that `group` makes for its number, also when it
    /// comes back after its death. Defaults to none.
    #[must_use]
    pub fn group<G: Into<Group>>(
        mut self,
        group: impl Fn(usize) -> G + Send + Sync + 'static,
    ) -> Self {
        self.recipe.groups.push(Box::new(move |number| group(number).into()));
        self
    }

    /// Sets options of the pools of peers and clients: `options` gets what is set so far, and the
    /// number of the process. The list of peers has each one's [zone](HttpPoolBuilder::zone) and
    /// [name](HttpPoolBuilder::ring_name) from here. Defaults to those of [`HttpPool::builder`],
    /// but for the two that [`Cluster::local`] names.
    #[must_use]
    pub fn pool(
        mut self,
        options: impl Fn(HttpPoolBuilder, usize) -> HttpPoolBuilder + Send + Sync + 'static,
    ) -> Self {
        self.recipe.options = Box::new(options);
        self
    }

    /// The clock of all pools. Groups have one of their own, which is set where they are made.
    /// Defaults to the system's.
    #[must_use]
    pub fn clock(mut self, clock: &FakeClock) -> Self {
        self.recipe.clock = Some(clock.clone());
        self
    }

    /// Starts the peers, and gives each the list of all. It is as if that had been long ago: no
    /// peer asks another one for what it owned before, and nothing goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if there is no port, and those of [`HttpPoolBuilder::bind`] and
    /// [`HttpPool::add`] for options and groups that can't work.
    pub fn start(self) -> Result<Cluster, Error> {
        let Self { count, recipe } = self;
        let cluster = Cluster { network: Arc::default(), recipe, state: Mutex::default() };
        for _ in 0..count {
            cluster.enroll()?;
        }
        cluster.tell_list()?;
        for number in 0..count {
            cluster.pool(number).end_warm_up();
        }
        // A peer that asks another one says that it has just begun, which no test expects later.
        cluster.settle(PATIENCE);
        Ok(cluster)
    }
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder").field("count", &self.count).finish_non_exhaustive()
    }
}
