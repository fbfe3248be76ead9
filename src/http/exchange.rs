//! [`Exchange`]: one request to a peer and its answer, over ureq.

mod agents;
mod body;
mod connector;
mod dialer;
mod failure;
mod incoming;
mod line;
mod options;
mod outgoing;
mod resolver;
mod socket;
mod sweeper;
mod trace;

#[cfg(any(test, feature = "testing"))]
pub(crate) use dialer::Dialer;
pub(crate) use failure::{CallError, Failure};
pub(crate) use incoming::Incoming;
pub(crate) use options::ExchangeOptions;
pub(crate) use outgoing::{Outgoing, Target};

use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;

use agents::{AgentLimits, Agents, Taken};
use body::Allowance;
use connector::NotingConnector;
use failure::Spent;
use line::INPUT_BYTES;
use outgoing::PeerOrigin;
use resolver::Addresses;
use trace::Trace;

use crate::error::PeerErrorKind;
use crate::http::identity::Acquaintance;
use crate::http::note::Status;
use crate::http::url::PeerUrl;
use crate::http::verdict::Verdict;
use crate::spans::Traceparent;

/// The longest request path that fits into the output buffer beside the headers.
pub(crate) const MAX_PATH_BYTES: usize = 15 << 10;
/// Kept connections that were idle longer are not used again. Peers close idle ones after 15 s at
/// the earliest.
const MAX_IDLE_AGE: Duration = Duration::from_secs(10);

/// Sends requests to one peer and reads the answers, over connections that it keeps. What is asked
/// is up to the caller; so is whether the peer should be asked at all.
pub(crate) struct Exchange {
    url: PeerUrl,
    origin: PeerOrigin,
    agents: Agents,
    addresses: Arc<Addresses>,
    acquaintance: Arc<Acquaintance>,
    options: ExchangeOptions,
}

impl Exchange {
    /// An exchange with the peer at `url`. No connection is made yet.
    pub(crate) fn new(url: PeerUrl, options: ExchangeOptions) -> Self {
        let addresses = Addresses::of(&url);
        Self::with_addresses(url, addresses, options)
    }

    fn with_addresses(url: PeerUrl, addresses: Arc<Addresses>, options: ExchangeOptions) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Peers are asked directly, whatever the environment says.
            .proxy(None)
            .max_redirects(0)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(options.connect_timeout))
            .max_response_header_size(8 << 10)
            .input_buffer_size(INPUT_BYTES)
            .output_buffer_size(16 << 10)
            // See `Agents`.
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(MAX_IDLE_AGE)
            .build();
        let limits = AgentLimits {
            max_idle: options.max_idle_connections,
            max_idle_age: MAX_IDLE_AGE,
            max_age: options.max_connection_age,
        };
        let sweeper = options.sweeper.clone();
        let connector = NotingConnector::to(&url, options.tls.as_ref(), options.tokens.clone());
        let connector = connector.by(options.dialer.clone());
        let kept = Arc::clone(&addresses);
        let agents = Agents::new(config, connector, kept, limits, sweeper);
        let acquaintance = Arc::new(Acquaintance::new(Arc::clone(&options.identity), url.clone()));
        Self { origin: PeerOrigin::of(&url), url, agents, addresses, acquaintance, options }
    }

    /// What the peer said of itself.
    pub(crate) fn acquaintance(&self) -> &Arc<Acquaintance> {
        &self.acquaintance
    }

    /// The peer's URL.
    pub(crate) fn url(&self) -> &PeerUrl {
        &self.url
    }

    /// The time that a request without a deadline of its own gets, and the most that any gets.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Sends `request` and has `read` read the answer, within `left`, or the timeout of the options
    /// if that is shorter.
    ///
    /// It is sent once more, over a fresh connection, if a kept one was dead: all requests may be
    /// made twice.
    pub(crate) fn send<T>(
        &self,
        request: &Outgoing<'_>,
        left: Duration,
        read: impl FnOnce(Incoming) -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        let left = left.min(self.options.timeout);
        let begun = Instant::now();
        self.try_send(request, left, read).map_err(|error| {
            let trace = Trace::of_this_thread();
            let failure = error.into_failure(Spent { left, trace }, &self.options);
            match (failure.kind, failure.verdict) {
                (PeerErrorKind::Unreachable, _) => self.addresses.doubt(),
                // One in a hurry, whose verdict is `Silent`, proves nothing.
                (PeerErrorKind::TimedOut, Verdict::Failed) if !trace.connected => {
                    // A kept connection may have been dead for long, without a word from the other
                    // side. So may be those that have rested since before this call.
                    self.agents.close_idle_since(begun);
                }
                _ => {}
            }
            failure
        })
    }

    fn try_send<T>(
        &self,
        request: &Outgoing<'_>,
        left: Duration,
        read: impl FnOnce(Incoming) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let begun = Instant::now();
        let traceparent = self.options.traceparent.now();
        // Given back when the answer was read.
        let agent = self.agents.take();
        let mut answer = self.call(&agent, (request, traceparent), left, Reuse::Kept);
        if is_of_a_dead_connection(&answer) && !Trace::of_this_thread().connected {
            // A kept connection: the peer closed it just as the request went out, or is no longer
            // the one that it was opened to. That tells nothing about the process that listens
            // there now.
            log::debug!("the connection to {} was dead, trying a fresh one", self.url);
            let left = left.saturating_sub(begun.elapsed());
            answer = self.call(&agent, (request, traceparent), left, Reuse::Fresh);
        }
        answer.and_then(|answer| {
            Trace::note_answer();
            if let Ok(note) = answer.note() {
                self.acquaintance.hear(&note, answer.code());
            }
            read(answer)
        })
    }

    fn call(
        &self,
        agent: &Taken<'_>,
        (outgoing, traceparent): (&Outgoing<'_>, Option<Traceparent>),
        left: Duration,
        reuse: Reuse,
    ) -> Result<Incoming, CallError> {
        Trace::begin(Instant::now().checked_add(left / 2));
        let until = Instant::now() + left;
        let request = outgoing.request(&self.origin, left, traceparent);
        let mut request = request.map_err(|error| CallError::Http(error.into()))?;
        if left != self.options.timeout || matches!(reuse, Reuse::Fresh) {
            let mut config = agent.configure_request(request).timeout_global(Some(left));
            if matches!(reuse, Reuse::Fresh) {
                config = config.max_idle_age(Duration::ZERO);
            }
            request = config.build();
        }
        let answer = match outgoing.body {
            None => agent.run(request),
            Some(body) => agent.run(request.map(|()| body)),
        };
        let (budget, line) = (Arc::clone(&self.options.budget), Some(agent.line()));
        let allowance = Allowance { budget, until, line };
        answer.map(|answer| Incoming::new(answer, allowance)).map_err(CallError::Http)
    }
}

/// Which connection a call may use.
#[derive(Clone, Copy)]
enum Reuse {
    /// A kept one, if there is any.
    Kept,
    Fresh,
}

/// Whether a call ended as it does on a connection to a server that has closed it or shuts down.
fn is_of_a_dead_connection(answer: &Result<Incoming, CallError>) -> bool {
    match answer {
        Ok(answer) => answer.status() == Some(Status::ShuttingDown),
        Err(error) => error.is_of_a_closed_connection(),
    }
}

#[cfg(test)]
mod tests;
