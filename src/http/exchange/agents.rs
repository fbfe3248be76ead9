//! [`Agents`]: the kept connections to a peer, the one that was used last before the others.
//!
//! ureq's own pool uses the one that rested longest. After a moment with many calls at once it so
//! goes round all of their connections for good: none of them ever rests long enough to be closed,
//! and none is in the processor's caches here or at the peer. It also walks along all of them twice
//! in each call, under a lock. So each agent has one connection, and the agents are a stack.
//!
//! A name may stand for other addresses by now, and a balancer for other servers. So a connection
//! is not kept once it is old, or its address is no longer one of the name's.
//!
//! A peer that closes such a connection tells nobody here: the socket stays until it is used or
//! dropped. So what rests is swept, whether or not there are calls.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;

use crate::http::exchange::connector::NotingConnector;
use crate::http::exchange::line::Line;
use crate::http::exchange::resolver::{Addresses, KeptAddresses};
use crate::http::exchange::sweeper::Sweeper;
use crate::sync::lock;

/// The agents of one peer.
pub(super) struct Agents {
    config: Config,
    connector: NotingConnector,
    addresses: Arc<Addresses>,
    limits: AgentLimits,
    /// Who rests, since when; the last one came last.
    idle: Arc<Mutex<Idle>>,
    /// Whether the sweeper watches those. Changed under their lock.
    is_swept: Arc<AtomicBool>,
    sweeper: Sweeper,
}

type Idle = VecDeque<(KeptAgent, Instant)>;

/// How many connections are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct AgentLimits {
    pub(super) max_idle: usize,
    /// How long one may have nothing to do.
    pub(super) max_idle_age: Duration,
    /// How long ago one may have been opened, give or take a fifth, or all of those that were
    /// opened at once would be closed at once.
    pub(super) max_age: Duration,
}

/// An agent, and the one connection that it may have.
struct KeptAgent {
    agent: Agent,
    connector: NotingConnector,
    max_age: Duration,
    /// The [losses](Addresses::losses) at which its address was known to be one of the name's.
    losses: u64,
}

impl Agents {
    /// Agents of this configuration, except that `max_idle` of them may keep a connection for up to
    /// `max_idle_age`.
    pub(super) fn new(
        config: Config,
        connector: NotingConnector,
        addresses: Arc<Addresses>,
        limits: AgentLimits,
        sweeper: Sweeper,
    ) -> Self {
        let (idle, is_swept) = (Arc::default(), Arc::default());
        Self { config, connector, addresses, limits, idle, is_swept, sweeper }
    }

    /// The agent that was used last, or a new one. It is nobody else's until the answer was read,
    /// as its connection is not kept before that.
    pub(super) fn take(&self) -> Taken<'_> {
        let now = Instant::now();
        loop {
            let rested = lock(&self.idle).pop_back();
            let Some((mut connection, _)) = rested else {
                return Taken { connection: Some(self.another()), agents: self };
            };
            // One that is not is closed here.
            if self.is_good(&mut connection, now) {
                return Taken { connection: Some(connection), agents: self };
            }
        }
    }

    fn another(&self) -> KeptAgent {
        let losses = self.addresses.losses();
        let resolver = KeptAddresses(Arc::clone(&self.addresses));
        let connector = self.connector.another();
        let agent = Agent::with_parts(self.config.clone(), connector.clone(), resolver);
        let jitter = 80 + RandomState::new().hash_one(0) as u32 % 41;
        let max_age = self.limits.max_age * jitter / 100;
        KeptAgent { agent, connector, max_age, losses }
    }

    /// Whether a connection is young enough, and to an address that the name still has.
    fn is_good(&self, connection: &mut KeptAgent, now: Instant) -> bool {
        let Some(opened) = connection.connector.opened() else { return true };
        if now.saturating_duration_since(opened.at) >= connection.max_age {
            return false;
        }
        let losses = self.addresses.losses();
        if connection.losses == losses {
            return true;
        }
        connection.losses = losses;
        self.addresses.has(opened.to)
    }

    /// Closes the connections that have rested since before `moment`. Those that are in use stay.
    pub(super) fn close_idle_since(&self, moment: Instant) {
        let mut idle = lock(&self.idle);
        let old = idle.partition_point(|(_, since)| *since < moment);
        let gone: Vec<_> = idle.drain(..old).collect();
        drop(idle);
        // The connections are closed without the lock.
        drop(gone);
    }

    fn put_back(&self, connection: KeptAgent) {
        let now = Instant::now();
        let AgentLimits { max_idle, max_idle_age, .. } = self.limits;
        let mut idle = lock(&self.idle);
        idle.push_back((connection, now));
        let surplus = idle.len().saturating_sub(max_idle);
        let old = old_ones(&idle, now, max_idle_age);
        let gone: Vec<_> = idle.drain(..surplus.max(old)).collect();
        let is_swept = idle.is_empty() || self.is_swept.swap(true, Ordering::Relaxed);
        drop(idle);
        // Their connections are closed without the lock.
        drop(gone);
        if !is_swept {
            self.have_swept();
        }
    }

    /// Has the agents that rest swept, until there are none.
    fn have_swept(&self) {
        let (idle, is_swept) = (Arc::downgrade(&self.idle), Arc::clone(&self.is_swept));
        let max_age = self.limits.max_idle_age;
        let sweep = move || {
            let Some(idle) = idle.upgrade() else { return false };
            let mut idle = lock(&idle);
            let old = old_ones(&idle, Instant::now(), max_age);
            let gone: Vec<_> = idle.drain(..old).collect();
            let is_left = !idle.is_empty();
            is_swept.store(is_left, Ordering::Relaxed);
            drop(idle);
            drop(gone);
            is_left
        };
        if self.sweeper.watch(max_age / 2, sweep).is_err() {
            self.is_swept.store(false, Ordering::Relaxed);
        }
    }
}

/// How many have rested for longer than `max_age`.
fn old_ones(idle: &Idle, now: Instant, max_age: Duration) -> usize {
    let is_old = |since: Instant| now.saturating_duration_since(since) > max_age;
    idle.iter().take_while(|(_, since)| is_old(*since)).count()
}

/// An agent in use; it is put back when this is dropped.
pub(super) struct Taken<'a> {
    connection: Option<KeptAgent>,
    agents: &'a Agents,
}

impl Taken<'_> {
    /// The agent's connection.
    pub(super) fn line(&self) -> Line {
        let connection = self.connection.as_ref();
        connection.expect("it is there until this is dropped").connector.line().clone()
    }
}

impl Deref for Taken<'_> {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        let connection = self.connection.as_ref();
        &connection.expect("it is there until the drop").agent
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.agents.put_back(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::io::{Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::http::testing::FaultyPeer;
    use crate::http::url::PeerUrl;

    const LIMIT: Duration = Duration::from_secs(10);

    fn agents(max_idle: usize, max_idle_age: Duration) -> Agents {
        let addresses = Addresses::of(&PeerUrl::parse("http://127.0.0.1:1").unwrap());
        to(addresses, AgentLimits { max_idle, max_idle_age, max_age: 100 * LIMIT })
    }

    fn to(addresses: Arc<Addresses>, limits: AgentLimits) -> Agents {
        let (config, sweeper) = (Agent::config_builder().build(), Sweeper::default());
        Agents::new(config, NotingConnector::default(), addresses, limits, sweeper)
    }

    fn idle(agents: &Agents) -> usize {
        lock(&agents.idle).len()
    }

    #[test]
    fn no_more_agents_rest_than_may() {
        let agents = agents(2, Duration::from_secs(60));
        let taken: Vec<_> = (0..5).map(|_| agents.take()).collect();
        assert_eq!(idle(&agents), 0);
        drop(taken);
        assert_eq!(idle(&agents), 2);
        drop(agents.take());
        assert_eq!(idle(&agents), 2);
    }

    #[test]
    fn agents_that_nobody_needs_are_gone_after_their_time() {
        let agents = agents(8, Duration::from_secs(60));
        drop((agents.take(), agents.take(), agents.take()));
        for (_, since) in &mut *lock(&agents.idle) {
            *since = since.checked_sub(Duration::from_secs(61)).expect("the clock began long ago");
        }
        drop(agents.take());
        assert_eq!(idle(&agents), 1, "the one that was used");
    }

    #[test]
    fn a_connection_that_nobody_uses_is_closed_though_no_call_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serves = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                seen.extend(byte);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
            // As a server does that has had enough of an idle connection. The client's side of it
            // is in CLOSE_WAIT from now on.
            socket.shutdown(Shutdown::Write).unwrap();
            socket.read(&mut [0]).map_err(|error| error.kind())
        });
        let max_idle_age = Duration::from_millis(20);
        let limits = AgentLimits { max_idle: 8, max_idle_age, max_age: 100 * LIMIT };
        let agents = to(Addresses::of(&PeerUrl::parse(&url).unwrap()), limits);
        let mut answer = agents.take().get(&url).call().unwrap();
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "hi");
        assert_eq!(serves.join().unwrap(), Ok(0), "the client has closed it");
        assert_eq!(idle(&agents), 0);
    }

    /// Has agents for `http://peer.test:PORT`, which stands for the addresses that are told.
    fn named(port: u16, max_age: Duration) -> (Agents, mpsc::Sender<Vec<SocketAddr>>) {
        let (tell, told) = mpsc::channel::<Vec<SocketAddr>>();
        let told = Mutex::new(told);
        let url = PeerUrl::parse(&format!("http://peer.test:{port}")).unwrap();
        let addresses = Addresses::with_look_up(&url, move |_, _| {
            lock(&told).recv_timeout(LIMIT).map_err(io::Error::other)
        });
        (to(addresses, AgentLimits { max_idle: 8, max_idle_age: LIMIT, max_age }), tell)
    }

    fn get(agents: &Agents, peer: &FaultyPeer) {
        let port = peer.url.rsplit_once(':').unwrap().1;
        let agent = agents.take();
        let answer = agent.get(format!("http://peer.test:{port}/")).call().unwrap();
        assert_eq!(answer.into_body().read_to_string().unwrap(), "630");
    }

    #[test]
    fn connections_are_replaced_when_they_are_old() {
        let peer = FaultyPeer::well(b"630");
        let address: SocketAddr = peer.url.strip_prefix("http://").unwrap().parse().unwrap();
        for (max_age, expected) in [(100 * LIMIT, 1), (Duration::ZERO, 3)] {
            let before = peer.connections();
            let (agents, tell) = named(address.port(), max_age);
            tell.send(vec![address]).unwrap();
            (0..3).for_each(|_| get(&agents, &peer));
            assert_eq!(peer.connections() - before, expected);
        }
    }

    #[test]
    fn connections_are_replaced_when_their_address_is_no_longer_the_names() {
        let peer = FaultyPeer::well(b"630");
        let address: SocketAddr = peer.url.strip_prefix("http://").unwrap().parse().unwrap();
        let elsewhere = SocketAddr::from(([127, 0, 0, 9], 1));
        let (agents, tell) = named(address.port(), 100 * LIMIT);
        tell.send(vec![address, elsewhere]).unwrap();
        get(&agents, &peer);
        let look_up = |found: Vec<SocketAddr>| {
            let losses = agents.addresses.losses();
            tell.send(found).unwrap();
            agents.addresses.look_up_now();
            losses
        };
        // Another address is gone, and this one is not.
        let losses = look_up(vec![address]);
        assert_eq!(agents.addresses.losses(), losses + 1);
        get(&agents, &peer);
        assert_eq!(peer.connections(), 1);
        look_up(vec![elsewhere]);
        assert!(
            agents.take().connection.as_ref().unwrap().connector.opened().is_none(),
            "it is another one"
        );
    }

    #[test]
    fn none_rests_where_none_may() {
        let agents = agents(0, Duration::from_secs(60));
        drop(agents.take());
        assert_eq!(idle(&agents), 0);
    }
}
