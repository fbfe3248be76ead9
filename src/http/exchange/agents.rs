//! [`Agents`]: the kept connections to a peer, the one that was used last before the others.
//!
//! ureq's own pool uses the one that rested longest. After a moment with many calls at once it so
//! goes round all of their connections for good: none of them ever rests long enough to be closed,
//! and none is in the processor's caches here or at the peer. It also walks along all of them twice
//! in each call, under a lock. So each agent has one connection, and the agents are a stack.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;

use crate::http::exchange::connector::NotingConnector;
use crate::http::exchange::resolver::{Addresses, KeptAddresses};
use crate::sync::lock;

/// The agents of one peer.
pub(super) struct Agents {
    config: Config,
    addresses: Arc<Addresses>,
    max_idle: usize,
    max_idle_age: Duration,
    /// Who rests, since when; the last one came last.
    idle: Mutex<VecDeque<(Agent, Instant)>>,
}

impl Agents {
    /// Agents of this configuration, except that `max_idle` of them may keep a connection for up to
    /// `max_idle_age`.
    pub(super) fn new(
        config: Config,
        addresses: Arc<Addresses>,
        max_idle: usize,
        max_idle_age: Duration,
    ) -> Self {
        Self { config, addresses, max_idle, max_idle_age, idle: Mutex::default() }
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
        Agent::with_parts(self.config.clone(), NotingConnector, resolver)
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
        let is_old = |since: Instant| now.saturating_duration_since(since) > self.max_idle_age;
        let surplus = idle.len().saturating_sub(self.max_idle);
        let old = idle.iter().take_while(|(_, since)| is_old(*since)).count();
        let gone: Vec<_> = idle.drain(..surplus.max(old)).collect();
        drop(idle);
        // Their connections are closed without the lock.
        drop(gone);
    }
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
    use super::*;
    use crate::http::url::PeerUrl;

    fn agents(max_idle: usize, max_idle_age: Duration) -> Agents {
        let addresses = Addresses::of(&PeerUrl::parse("http://127.0.0.1:1").unwrap());
        Agents::new(Agent::config_builder().build(), addresses, max_idle, max_idle_age)
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
    fn none_rests_where_none_may() {
        let agents = agents(0, Duration::from_secs(60));
        drop(agents.take());
        assert_eq!(idle(&agents), 0);
    }
}
