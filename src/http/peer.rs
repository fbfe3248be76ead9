//! [`Peer`]: one peer as a pool knows it: how to ask it, whether to ask it, and how that went.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::breaker::{Breaker, Change, Permit, Verdict};
use crate::http::getter::{Gate, HttpGetter};
use crate::http::url::PeerUrl;
use crate::peers::PeerGetter;
use crate::sync::lock;

/// A getter behind a breaker and a bound on the calls in flight.
pub(crate) struct Peer {
    getter: HttpGetter,
    breaker: Mutex<Breaker>,
    in_flight: AtomicUsize,
    max_in_flight: NonZeroUsize,
    requests: AtomicU64,
    failures: AtomicU64,
    rejected: AtomicU64,
    /// Whether its last request found nobody there.
    refused: AtomicBool,
}

/// What a pool's process knows about one of its peers: a snapshot, see [`HttpPool::peer_stats`](crate::HttpPool::peer_stats).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats {
    /// The peer's URL.
    pub url: String,
    /// Whether it is asked.
    pub state: PeerState,
    /// Requests in flight to it.
    pub in_flight: usize,
    /// Requests that were sent to it, or tried to be.
    pub requests: u64,
    /// Requests that failed for its sake: no connection, no answer in time, an answer that was none. The errors of its getter
    /// are answers.
    pub failures: u64,
    /// Calls that were not sent, because too many were in flight or because it is down.
    pub rejected: u64,
}

/// Whether a peer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerState {
    /// It answers, as far as is known.
    Up,
    /// It failed, and its keys go to the next peer on the ring until a trial request is answered.
    Down,
}

impl Peer {
    pub(crate) fn new(getter: HttpGetter, max_in_flight: NonZeroUsize) -> Self {
        // The standard library's source of randomness that needs no dependency.
        let seed = RandomState::new().build_hasher().finish();
        Self {
            breaker: Mutex::new(Breaker::new(seed, getter.timeout())),
            getter,
            in_flight: AtomicUsize::new(0),
            max_in_flight,
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            refused: AtomicBool::new(false),
        }
    }

    /// Whether a request would be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        let breaker = lock(&self.breaker);
        breaker.is_closed() || breaker.is_ready(Instant::now())
    }

    pub(crate) fn url(&self) -> &PeerUrl {
        self.getter.peer()
    }

    /// Whether the last that was heard of it is that nothing listens there.
    pub(crate) fn has_ended(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> PeerStats {
        let up = lock(&self.breaker).is_closed();
        PeerStats {
            url: self.getter.url().to_owned(),
            state: if up { PeerState::Up } else { PeerState::Down },
            in_flight: self.in_flight.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }

    fn ask(&self, group: &str, key: &str, left: Duration) -> Result<Loaded, PeerError> {
        self.pass(|| self.getter.ask(group, key, left))
    }

    fn error(&self, kind: PeerErrorKind, message: impl fmt::Display) -> PeerError {
        PeerError::new(kind, Arc::clone(self.getter.peer().text()), message)
    }

    fn learn(&self, permit: Permit, verdict: Verdict) {
        if matches!(verdict, Verdict::Failed | Verdict::Refused) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let change = lock(&self.breaker).record(permit, verdict, Instant::now());
        match change {
            Some(Change::Opened(pause)) => {
                log::warn!("peer {} is down, not asking it for {pause:?}", self.getter.url());
            }
            Some(Change::Closed) => log::info!("peer {} is up again", self.getter.url()),
            None => {}
        }
    }
}

impl Gate for Peer {
    fn pass<T>(
        &self,
        request: impl FnOnce() -> (Result<T, PeerError>, Verdict),
    ) -> Result<T, PeerError> {
        let call = Call::begin(self).inspect_err(|_| {
            self.rejected.fetch_add(1, Ordering::Relaxed);
        })?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (answer, verdict) = request();
        call.end(verdict);
        answer
    }
}

/// Lets requests through to a peer that is down, too. A removal that is not even tried would leave the old values at a peer that
/// is about to be asked again.
struct Insist<'a>(&'a Peer);

impl Gate for Insist<'_> {
    fn pass<T>(
        &self,
        request: impl FnOnce() -> (Result<T, PeerError>, Verdict),
    ) -> Result<T, PeerError> {
        let mut call = Call::enter(self.0)?;
        call.permit = lock(&self.0.breaker).admit(Instant::now());
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let (answer, verdict) = request();
        call.end(verdict);
        answer
    }
}

impl PeerGetter for Peer {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.ask(group, key, self.getter.timeout())
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        self.ask(group, key, timeout)
    }

    fn get_many(&self, group: &str, keys: &[&str]) -> Vec<Result<Loaded, PeerError>> {
        self.getter.get_many_by(group, keys, None, self)
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
    ) -> Vec<Result<Loaded, PeerError>> {
        self.getter.get_many_by(group, keys, Some(timeout), self)
    }

    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.getter.peek_many_by(group, &[key], self).map(|mut found| found.remove(0))
    }

    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        self.getter.peek_many_by(group, keys, self)
    }

    fn name(&self) -> &str {
        self.getter.url()
    }

    fn remove(&self, group: &str, keys: &[&str]) -> Result<(), PeerError> {
        self.getter.remove_by(group, keys, &Insist(self))
    }

    fn clear(&self, group: &str) -> Result<(), PeerError> {
        self.getter.clear_by(group, &Insist(self))
    }

    fn insert(&self, group: &str, key: &str, value: &Loaded) -> Result<(), PeerError> {
        self.getter.insert_by(group, key, value, &Insist(self))
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.getter.url()).finish()
    }
}

/// A call in flight. However it ends, its place and its permit are given back: a trial that never ends would keep the peer
/// down for good.
struct Call<'a> {
    peer: &'a Peer,
    permit: Option<Permit>,
}

impl<'a> Call<'a> {
    /// Takes a place, and the breaker's permit.
    fn begin(peer: &'a Peer) -> Result<Self, PeerError> {
        let mut call = Self::enter(peer)?;
        call.permit = lock(&peer.breaker).admit(Instant::now());
        if call.permit.is_none() {
            return Err(peer.error(PeerErrorKind::Unreachable, "it failed just before, not asked"));
        }
        Ok(call)
    }

    /// Takes a place.
    fn enter(peer: &'a Peer) -> Result<Self, PeerError> {
        // From here on the drop gives the place back.
        let call = Self { peer, permit: None };
        let others = peer.in_flight.fetch_add(1, Ordering::Relaxed);
        if others >= peer.max_in_flight.get() {
            let message = format!("{others} requests are in flight to it");
            return Err(peer.error(PeerErrorKind::Overloaded, message));
        }
        Ok(call)
    }

    fn end(mut self, verdict: Verdict) {
        self.peer.refused.store(verdict == Verdict::Refused, Ordering::Relaxed);
        if let Some(permit) = self.permit.take() {
            self.peer.learn(permit, verdict);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.peer.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(permit) = self.permit.take() {
            self.peer.learn(permit, Verdict::Unclear);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::http::getter::ClientOptions;
    use crate::http::testing::{FaultyPeer, SOON, ok};

    fn peer(url: &str, max_in_flight: usize) -> Peer {
        let options = ClientOptions { timeout: 2 * SOON, ..ClientOptions::default() };
        let getter = HttpGetter::with_options(PeerUrl::parse(url).unwrap(), options);
        Peer::new(getter, NonZeroUsize::new(max_in_flight).unwrap())
    }

    fn kind(answer: Result<Loaded, PeerError>) -> PeerErrorKind {
        answer.unwrap_err().kind()
    }

    /// Ends the pause of the peer's breaker.
    fn wait_out(peer: &Peer) {
        let begun = Instant::now();
        while !peer.is_ready() {
            assert!(begun.elapsed() < SOON, "the breaker stays open");
            thread::yield_now();
        }
    }

    #[test]
    fn calls_past_the_bound_are_turned_away_at_once_and_do_not_harm_the_peer() {
        let (arrived_tx, arrived) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let gates = Mutex::new((arrived_tx, gone));
        let faulty = FaultyPeer::start(move |talk, _| {
            talk.request();
            let gates = lock(&gates);
            gates.0.send(()).unwrap();
            gates.1.recv_timeout(SOON).unwrap();
            talk.say(&ok(b"630"));
        });
        let peer = peer(&faulty.url, 1);
        thread::scope(|scope| {
            let slow = scope.spawn(|| peer.get("g", "k"));
            arrived.recv_timeout(SOON).unwrap();
            for _ in 0..5 {
                assert_eq!(kind(peer.get("g", "k")), PeerErrorKind::Overloaded);
            }
            assert_eq!(peer.stats().in_flight, 1);
            assert!(peer.is_ready());
            go.send(()).unwrap();
            assert!(slow.join().unwrap().is_ok());
        });
        let stats = peer.stats();
        assert_eq!((stats.requests, stats.failures, stats.rejected), (1, 0, 5));
        assert_eq!((stats.in_flight, stats.state), (0, PeerState::Up));
    }

    #[test]
    fn a_peer_that_is_down_is_not_asked_until_a_trial_is_answered() {
        let faulty = FaultyPeer::start(|talk, number| {
            if number >= 3 {
                while talk.request().is_some() && talk.say(&ok(b"630")) {}
            }
        });
        let peer = peer(&faulty.url, 8);
        for _ in 0..3 {
            assert!(peer.is_ready());
            assert_eq!(kind(peer.get("g", "k")), PeerErrorKind::Unreachable);
        }
        assert!(!peer.is_ready());
        assert_eq!(peer.stats().state, PeerState::Down);
        assert_eq!(kind(peer.get("g", "k")), PeerErrorKind::Unreachable);
        assert_eq!(faulty.connections(), 3);
        wait_out(&peer);
        assert!(peer.get("g", "k").is_ok());
        let stats = peer.stats();
        assert_eq!(stats.state, PeerState::Up);
        assert_eq!((stats.requests, stats.failures, stats.rejected), (4, 3, 1));
    }

    #[test]
    fn errors_of_the_owners_getter_never_open_the_breaker() {
        for answer in [
            "HTTP/1.1 500 X\r\nGeecache-Status: load-failed\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 404 X\r\nGeecache-Status: not-found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 504 X\r\nGeecache-Status: timed-out\r\nContent-Length: 0\r\n\r\n",
        ] {
            let faulty =
                FaultyPeer::start(
                    move |talk, _| {
                        while talk.request().is_some() && talk.say(answer.as_bytes()) {}
                    },
                );
            let peer = peer(&faulty.url, 8);
            for _ in 0..10 {
                let _ = peer.get("g", "k");
            }
            let stats = peer.stats();
            assert_eq!((stats.state, stats.requests, stats.failures), (PeerState::Up, 10, 0));
        }
    }

    #[test]
    fn a_trial_that_is_given_up_is_given_back() {
        let peer = peer("http://127.0.0.1:1", 8);
        assert_eq!(kind(peer.get("g", "k")), PeerErrorKind::Unreachable);
        wait_out(&peer);
        drop(Call::begin(&peer).unwrap());
        assert_eq!(peer.stats().in_flight, 0);
        assert!(!peer.is_ready());
        wait_out(&peer);
    }
}
