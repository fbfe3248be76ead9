//! [`Agents`]: the kept connections to a peer, the one that was used last before the others.
//!
//! ureq's own pool uses the one that rested longest. After a moment with many calls at once it so
//! goes round all of their connections for good: none of them ever rests long enough to be closed,
//! and none is in the processor's caches here or at the peer. It also walks along all of them twice
//! in each call, under a lock. So each agent has one connection, and the agents are a stack.
//!
//! A peer that closes such a connection tells nobody here: the socket stays until it is used or
//! dropped. So what rests is swept, whether or not there are calls.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;

use crate::http::exchange::connector::NotingConnector;
use crate::http::exchange::resolver::{Addresses, KeptAddresses};
use crate::http::exchange::sweeper::Sweeper;
use crate::sync::lock;

/// The agents of one peer.
pub(super) struct Agents {
    config: Config,
    connector: NotingConnector,
    addresses: Arc<Addresses>,
    max_idle: usize,
    max_idle_age: Duration,
    /// Who rests, since when; the last one came last.
    idle: Arc<Mutex<Idle>>,
    /// Whether the sweeper watches those. Changed under their lock.
    is_swept: Arc<AtomicBool>,
    sweeper: Sweeper,
}

type Idle = VecDeque<(Agent, Instant)>;

impl Agents {
    /// Agents of this configuration, except that `max_idle` of them may keep a connection for up to
    /// `max_idle_age`.
    pub(super) fn new(
        config: Config,
        connector: NotingConnector,
        addresses: Arc<Addresses>,
        max_idle: usize,
        max_idle_age: Duration,
        sweeper: Sweeper,
    ) -> Self {
        let (idle, is_swept) = (Arc::default(), Arc::default());
        Self { config, connector, addresses, max_idle, max_idle_age, idle, is_swept, sweeper }
    }

    /// The agent that was used last, or a new one. It is nobody else's until the answer was read,
    /// as its connection is not kept before that.
    pub(super) fn take(&self) -> Taken<'_> {
        let rested = lock(&self.idle).pop_back();
        let agent = rested.map_or_else(|| self.another(), |(agent, _)| agent);
        Taken { agent: Some(agent), agents: self }
    }

    fn another(&self) -> Agent {
        let resolver = KeptAddresses(Arc::clone(&self.addresses));
        Agent::with_parts(self.config.clone(), self.connector.clone(), resolver)
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

    fn put_back(&self, agent: Agent) {
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        idle.push_back((agent, now));
        let surplus = idle.len().saturating_sub(self.max_idle);
        let old = old_ones(&idle, now, self.max_idle_age);
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
        let max_age = self.max_idle_age;
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
    agent: Option<Agent>,
    agents: &'a Agents,
}

impl Deref for Taken<'_> {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        self.agent.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            self.agents.put_back(agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    use super::*;
    use crate::http::url::PeerUrl;

    fn agents(max_idle: usize, max_idle_age: Duration) -> Agents {
        let addresses = Addresses::of(&PeerUrl::parse("http://127.0.0.1:1").unwrap());
        let (config, sweeper) = (Agent::config_builder().build(), Sweeper::default());
        Agents::new(config, NotingConnector::default(), addresses, max_idle, max_idle_age, sweeper)
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
        const LIMIT: Duration = Duration::from_secs(10);
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
        let addresses = Addresses::of(&PeerUrl::parse(&url).unwrap());
        let (config, age) = (Agent::config_builder().build(), Duration::from_millis(20));
        let agents =
            Agents::new(config, NotingConnector::default(), addresses, 8, age, Sweeper::default());
        let mut answer = agents.take().get(&url).call().unwrap();
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "hi");
        assert_eq!(serves.join().unwrap(), Ok(0), "the client has closed it");
        assert_eq!(idle(&agents), 0);
    }

    #[test]
    fn none_rests_where_none_may() {
        let agents = agents(0, Duration::from_secs(60));
        drop(agents.take());
        assert_eq!(idle(&agents), 0);
    }
}
