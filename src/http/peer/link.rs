//! [`Link`]: the way to one peer, and whether a call may take it.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::events::Event;
use crate::histogram::Latency;
use crate::http::breaker::{Breaker, Permit, Transition};
use crate::http::exchange::{Exchange, Failure};
use crate::http::identity::Acquaintance;
use crate::http::peer::marks::MarkBook;
use crate::http::peer::options::PeerOptions;
use crate::http::peer::stats::{PeerState, PeerStats};
use crate::http::url::PeerUrl;
use crate::http::verdict::Verdict;
use crate::spans::{self, PeerCall};
use crate::sync::lock;

/// Which calls a breaker stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admit {
    /// The call is made if the peer is up, or if it is time for a trial.
    IfUp,
    /// The call is made in any case, and has a bound of its own. A removal that is not even tried
    /// would leave the old values at a peer that is about to be asked again, and a bound that is
    /// full of gets tells that it will be.
    Always,
}

/// An exchange behind a breaker and a bound on the calls in flight, with the counters of both.
pub(super) struct Link {
    exchange: Exchange,
    options: PeerOptions,
    /// `None` lets every call through.
    breaker: Option<Mutex<Breaker>>,
    in_flight: AtomicUsize,
    /// The same of calls that are [always](Admit::Always) made.
    always_in_flight: AtomicUsize,
    requests: AtomicU64,
    failures: AtomicU64,
    rejected: AtomicU64,
    latency: Latency,
    /// What the peer told of changes.
    marks: MarkBook,
    /// Whether the peer is no longer in the list of peers.
    has_left: AtomicBool,
}

impl Link {
    /// A link that does not ask a peer that is down.
    pub(super) fn new(url: PeerUrl, options: PeerOptions) -> Self {
        // The standard library's source of randomness that needs no dependency.
        let seed = RandomState::new().build_hasher().finish();
        let breaker = Breaker::new(seed, options.exchange.timeout);
        Self { breaker: Some(Mutex::new(breaker)), ..Self::without_breaker(url, options) }
    }

    /// A link that asks whenever it is told to.
    pub(super) fn without_breaker(url: PeerUrl, options: PeerOptions) -> Self {
        Self {
            exchange: Exchange::new(url, options.exchange.clone()),
            options,
            breaker: None,
            in_flight: AtomicUsize::new(0),
            always_in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            latency: Latency::new(),
            marks: MarkBook::default(),
            has_left: AtomicBool::new(false),
        }
    }

    pub(super) fn url(&self) -> &PeerUrl {
        self.exchange.url()
    }

    /// The way past the breaker, the bound and the counters.
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(super) fn options(&self) -> &PeerOptions {
        &self.options
    }

    /// The time that a call without a deadline of its own gets.
    pub(super) fn timeout(&self) -> Duration {
        self.exchange.timeout()
    }

    /// Whether [`Admit::IfUp`] would let a call through now.
    pub(super) fn is_ready(&self) -> bool {
        let Some(breaker) = &self.breaker else { return true };
        let is_closed = lock(breaker).is_closed();
        if is_closed {
            return true;
        }
        if self.acquaintance().take_begun() {
            let transition = lock(breaker).begin_again();
            transition.into_iter().for_each(|transition| self.tell(transition));
        }
        let now = self.now();
        lock(breaker).is_ready(now)
    }

    /// The moment by the clock of the pool.
    pub(super) fn now(&self) -> Instant {
        self.options.exchange.clock.now()
    }

    /// What the peer said of itself.
    pub(super) fn acquaintance(&self) -> &Arc<Acquaintance> {
        self.exchange.acquaintance()
    }

    /// What the peer told of changes.
    pub(super) fn marks(&self) -> &MarkBook {
        &self.marks
    }

    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// The peer is in the list of peers, maybe again.
    pub(super) fn mark_listed(&self) {
        self.has_left.store(false, Ordering::Relaxed);
    }

    /// The peer is no longer in the list of peers.
    pub(super) fn mark_left(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> PeerStats {
        let is_up = self.breaker.as_ref().is_none_or(|breaker| lock(breaker).is_closed());
        let acquaintance = self.exchange.acquaintance();
        PeerStats {
            list_differs_for: acquaintance.list_differs_for(self.now()),
            url: self.url().as_str().to_owned(),
            zone: None,
            state: match is_up {
                _ if acquaintance.is_us() => PeerState::Itself,
                true => PeerState::Up,
                false => PeerState::Down,
            },
            in_flight: self.in_flight.load(Ordering::Relaxed)
                + self.always_in_flight.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            latency: self.latency.snapshot(),
        }
    }

    /// Makes a call, and learns from its end how the peer is.
    pub(super) fn call<T>(
        &self,
        admission: Admit,
        about: PeerCall<'_>,
        send: impl FnOnce(&Exchange) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let call = CallInFlight::begin(self, admission)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let span = spans::peer_request(self.url().as_str(), about);
        let timer = self.latency.timer();
        let ended = send(&self.exchange);
        drop(timer);
        match &ended {
            Ok(_) => span.end("answered"),
            Err(failure) => span.end(failure.kind),
        }
        call.end(ended.as_ref().map_or_else(|failure| failure.verdict, |_| Verdict::Answered));
        ended
    }

    /// An error if there is no time `left`: less than a millisecond, which is what a request can
    /// tell. Such a call is not made, and counts nowhere.
    pub(super) fn needs_time(left: Duration) -> Result<(), Failure> {
        if left < Duration::from_millis(1) {
            let message = "there is no time left to ask";
            return Err(Failure::new(PeerErrorKind::TimedOut, Verdict::Unclear, message));
        }
        Ok(())
    }

    /// What a caller sees of a failure.
    pub(super) fn error_of(&self, failure: Failure) -> PeerError {
        self.error(failure.kind, failure.message)
    }

    pub(super) fn error(&self, kind: PeerErrorKind, message: impl fmt::Display) -> PeerError {
        PeerError::new(kind, Arc::clone(self.url().text()), message)
    }

    /// A call that is not made.
    fn reject(&self, kind: PeerErrorKind, message: impl fmt::Display) -> Failure {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Failure::new(kind, Verdict::Unclear, message)
    }

    fn learn(&self, permit: Permit, verdict: Verdict) {
        if matches!(verdict, Verdict::Failed | Verdict::Refused) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let Some(breaker) = &self.breaker else { return };
        let now = self.now();
        let transition = lock(breaker).record(permit, verdict, now);
        if let Some(transition) = transition {
            if matches!(transition, Transition::Opened(_)) {
                self.acquaintance().take_begun(); // It was of before.
            }
            self.tell(transition);
        }
    }

    fn tell(&self, transition: Transition) {
        let PeerOptions { repeats, events, .. } = &self.options;
        let (url, peer) = (self.url(), self.url().as_str().to_owned());
        match transition {
            // One that is asked for what it had, and may have ended since: nothing is wrong.
            Transition::Opened(_) | Transition::StillOpen(_) if self.has_left() => {
                log::debug!("peer {url}, which is no longer in the list, is down");
            }
            Transition::Opened(pause) | Transition::StillOpen(pause) => {
                if let Some(again) = repeats.due(("down", &peer)) {
                    log::warn!("peer {url} is down, not asking it for {pause:?}{again}");
                }
                // A failed trial is no event: the peer has been down all the time.
                if matches!(transition, Transition::Opened(_)) {
                    events.tell(Event::PeerDown { peer, pause });
                }
            }
            Transition::Closed => {
                if let Some(again) = repeats.due(("up", &peer)) {
                    log::info!("peer {url} is up again{again}");
                }
                events.tell(Event::PeerUp { peer });
            }
        }
    }
}

/// A call in flight. However it ends, its place and its permit are given back: a trial that never
/// ends would keep the peer down for good.
struct CallInFlight<'a> {
    link: &'a Link,
    admission: Admit,
    permit: Option<Permit>,
}

impl<'a> CallInFlight<'a> {
    /// Takes a place, and the breaker's permit where it gives one.
    fn begin(link: &'a Link, admission: Admit) -> Result<Self, Failure> {
        // From here on the drop gives the place back.
        let mut call = Self { link, admission, permit: None };
        let others = call.in_flight().fetch_add(1, Ordering::Relaxed);
        if others >= link.options.max_requests.get() {
            let message = format!("{others} requests are in flight to it");
            return Err(link.reject(PeerErrorKind::Overloaded, message));
        }
        let Some(breaker) = &link.breaker else { return Ok(call) };
        let now = link.now();
        call.permit = lock(breaker).admit(now);
        if call.permit.is_none() && admission == Admit::IfUp {
            let message = "it failed just before, not asked";
            return Err(link.reject(PeerErrorKind::Unreachable, message));
        }
        Ok(call)
    }

    /// How many such calls there are.
    fn in_flight(&self) -> &'a AtomicUsize {
        match self.admission {
            Admit::IfUp => &self.link.in_flight,
            Admit::Always => &self.link.always_in_flight,
        }
    }

    fn end(mut self, verdict: Verdict) {
        if let Some(permit) = self.permit.take() {
            self.link.learn(permit, verdict);
        }
    }
}

impl Drop for CallInFlight<'_> {
    fn drop(&mut self) {
        self.in_flight().fetch_sub(1, Ordering::Relaxed);
        if let Some(permit) = self.permit.take() {
            self.link.learn(permit, Verdict::Unclear);
        }
    }
}

#[cfg(test)]
mod tests;
