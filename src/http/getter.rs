//! [`HttpGetter`]: asks one peer, over ureq.

mod agents;
mod body;
mod connector;
mod operations;
mod outgoing;
mod recall;
mod resolver;
mod socket;

pub(crate) use operations::Gate;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::error::{Error, PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::breaker::Verdict;
use crate::http::getter::agents::Agents;
use crate::http::getter::operations::OpenGate;
use crate::http::getter::outgoing::{Origin, Outgoing};
use crate::http::getter::recall::Recall;
use crate::http::getter::resolver::Addresses;
use crate::http::protocol::Protocol;
use crate::http::url::PeerUrl;
use crate::http::wire::{self, Refusal, Status};
use crate::peers::PeerGetter;

/// The longest request path that fits into the output buffer beside the headers.
const MAX_PATH_BYTES: usize = 15 << 10;
/// Kept connections that were idle longer are not used again. Peers close idle ones after 15 s at the earliest.
const MAX_IDLE_AGE: Duration = Duration::from_secs(10);

/// How to talk to a peer.
#[derive(Debug, Clone)]
pub(crate) struct ClientOptions {
    pub(crate) protocol: Protocol,
    pub(crate) base_path: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    /// For what a peer has in memory.
    pub(crate) peek_timeout: Duration,
    pub(crate) max_value_bytes: u64,
    pub(crate) max_idle_connections: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            base_path: Protocol::default().wire().base_path.to_owned(),
            connect_timeout: Duration::from_millis(250),
            timeout: Duration::from_secs(2),
            peek_timeout: Duration::from_millis(20),
            max_value_bytes: 64 << 20,
            max_idle_connections: 64,
        }
    }
}

/// Gets values from one peer over HTTP.
///
/// A call connects within 250 ms and ends within 2 s, and takes values of up to 64 MiB; [`HttpPool`](crate::HttpPool) makes
/// getters of its own with the options of its builder. Connections are kept and used again, by any number of threads at once.
///
/// What comes back is checked: a value is as long as its `Content-Length` says or comes in chunks up to the last one, and is not
/// compressed; everything else is an error, never a wrong value. Redirects are not followed and the environment's proxies are
/// not used. A kept connection that turns out to be dead is replaced by a fresh one, once, within the same time.
///
/// # Blocking
///
/// [`get`](PeerGetter::get) blocks its thread until the answer is there or the time is up.
///
/// ```
/// use geecache::{HttpGetter, PeerErrorKind, PeerGetter};
///
/// // Nothing listens on port 1.
/// let getter = HttpGetter::new("http://127.0.0.1:1")?;
/// let error = getter.get("scores", "Tom").unwrap_err();
/// assert_eq!(error.kind(), PeerErrorKind::Unreachable);
/// # Ok::<(), geecache::Error>(())
/// ```
pub struct HttpGetter {
    peer: PeerUrl,
    origin: Origin,
    agents: Agents,
    addresses: Arc<Addresses>,
    options: ClientOptions,
    /// Whether the peer is known not to know batches, and not to answer peeks.
    no_batches: Recall,
    no_peeks: Recall,
    /// Whether it is known to make changes.
    makes_changes: Recall,
    /// Peeks in a row that were not answered in time.
    late_peeks: AtomicU32,
}

impl HttpGetter {
    /// A getter for the peer at `url`, as `http://host:port`. No connection is made yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if `url` is of another form.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self::with_options(PeerUrl::parse(url)?, ClientOptions::default()))
    }

    pub(crate) fn with_options(peer: PeerUrl, options: ClientOptions) -> Self {
        let addresses = Addresses::of(&peer);
        Self::with_addresses(peer, addresses, options)
    }

    fn with_addresses(peer: PeerUrl, addresses: Arc<Addresses>, options: ClientOptions) -> Self {
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
            .input_buffer_size(64 << 10)
            .output_buffer_size(16 << 10)
            // See `Agents`.
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(MAX_IDLE_AGE)
            .build();
        let max_idle = options.max_idle_connections;
        let agents = Agents::new(config, Arc::clone(&addresses), max_idle, MAX_IDLE_AGE);
        let origin = Origin::of(&peer);
        Self {
            peer,
            origin,
            agents,
            addresses,
            options,
            no_batches: Recall::default(),
            no_peeks: Recall::default(),
            makes_changes: Recall::default(),
            late_peeks: AtomicU32::new(0),
        }
    }

    /// The peer's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.peer.as_str()
    }

    pub(crate) fn peer(&self) -> &PeerUrl {
        &self.peer
    }

    /// The time that a call without a deadline of its own gets.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Asks for `key` in `group`, and ends within `left`, or the timeout of the options if that is shorter.
    pub(crate) fn ask(
        &self,
        group: &str,
        key: &str,
        left: Duration,
    ) -> (Result<Loaded, PeerError>, Verdict) {
        let asked = match self.try_ask(group, key, left.min(self.options.timeout)) {
            Err(Failure { kind: PeerErrorKind::NotFound, ttl, .. }) => {
                Ok(ttl.into_iter().fold(Loaded::absent(), Loaded::ttl))
            }
            other => other,
        };
        self.outcome(asked)
    }

    /// What a call ended with, for its caller and for the breaker.
    fn outcome<T>(&self, ended: Result<T, Failure>) -> (Result<T, PeerError>, Verdict) {
        match ended {
            Ok(answer) => (Ok(answer), Verdict::Answered),
            Err(failure) => {
                if failure.kind == PeerErrorKind::Unreachable {
                    self.addresses.doubt();
                }
                (Err(self.error(failure.kind, failure.message)), failure.verdict)
            }
        }
    }

    fn error(&self, kind: PeerErrorKind, message: impl fmt::Display) -> PeerError {
        PeerError::new(kind, Arc::clone(self.peer.text()), message)
    }

    fn try_ask(&self, group: &str, key: &str, left: Duration) -> Result<Loaded, Failure> {
        let request = Outgoing::get(self.key_path(group, key)?);
        let answer = self.exchange(&request, left, |answer| self.read(answer));
        answer.map_err(|error| self.failure(error, left))
    }

    fn key_path(&self, group: &str, key: &str) -> Result<String, Failure> {
        let path = wire::request_path(&self.options.base_path, group, key);
        if path.len() > MAX_PATH_BYTES {
            return Err(Failure::new(
                PeerErrorKind::NotSupported,
                Verdict::Unclear,
                format!("the key takes {} bytes of a request path, too many", path.len()),
            ));
        }
        Ok(path)
    }

    /// Sends a request, and once more if its connection was dead: all requests may be made twice. `read` gets the answer.
    fn exchange<T>(
        &self,
        request: &Outgoing<'_>,
        left: Duration,
        read: impl FnOnce(Response<Body>) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let begun = Instant::now();
        // Given back when the answer was read.
        let agent = self.agents.take();
        let mut answer = self.call(&agent, request, left, Connection::Kept);
        if is_left_over(&answer) && !connector::connected() {
            // A kept connection: the peer closed it just as the request went out, or is no longer the one that it was opened
            // to. That tells nothing about whoever listens there now.
            log::debug!("the connection to {} was dead, trying a fresh one", self.peer);
            let left = left.saturating_sub(begun.elapsed());
            answer = self.call(&agent, request, left, Connection::Fresh);
        }
        answer.and_then(read)
    }

    fn call(
        &self,
        agent: &Agent,
        outgoing: &Outgoing<'_>,
        left: Duration,
        connection: Connection,
    ) -> Result<Response<Body>, CallError> {
        connector::forget();
        let request = outgoing.request(&self.origin, left);
        let mut request = request.map_err(|error| CallError::Http(error.into()))?;
        if left != self.options.timeout || matches!(connection, Connection::Fresh) {
            let mut config = agent.configure_request(request).timeout_global(Some(left));
            if matches!(connection, Connection::Fresh) {
                config = config.max_idle_age(Duration::ZERO);
            }
            request = config.build();
        }
        let answer = match outgoing.body {
            None => agent.run(request),
            Some(body) => agent.run(request.map(|()| body)),
        };
        answer.map_err(CallError::Http)
    }

    fn read(&self, answer: Response<Body>) -> Result<Loaded, CallError> {
        let (head, mut body) = answer.into_parts();
        // A life that can't be read is none: the value may be used now, but not be kept.
        let ttl = header(&head.headers, wire::TTL_HEADER)
            .map(|text| wire::decode_millis(text).unwrap_or_default());
        if head.status.as_u16() == 200 {
            let protocol = self.options.protocol.wire();
            let limit = self.options.max_value_bytes.saturating_add(protocol.overhead_bytes);
            let body = body::read_value(&mut body, &head.headers, limit)?;
            let value = protocol.decode(body, SystemTime::now()).map_err(broken)?;
            // Where the body tells it too, the header counts, as it needs no clocks that agree.
            return Ok(ttl.into_iter().fold(value, Loaded::ttl));
        }
        Err(CallError::Answer(Failure {
            ttl,
            ..refused(head.status.as_u16(), &head.headers, body)
        }))
    }

    /// What an error of ureq means.
    fn failure(&self, error: CallError, left: Duration) -> Failure {
        use PeerErrorKind::{NotSupported, Protocol, TimedOut, Unreachable};
        let error = match error {
            CallError::Answer(failure) => return failure,
            CallError::Http(error) => error,
        };
        let message = error.to_string();
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect) => {
                let usual = self.options.connect_timeout;
                let message = format!("no connection within {:?}", usual.min(left));
                Failure::new(Unreachable, blame(left, usual), message)
            }
            ureq::Error::Timeout(ureq::Timeout::Resolve) => {
                let message = format!("no address for its name within {left:?}");
                Failure::new(Unreachable, blame(left, self.options.timeout), message)
            }
            ureq::Error::Timeout(_) => {
                let message = format!("no answer within {left:?}");
                Failure::new(TimedOut, blame(left, self.options.timeout), message)
            }
            ureq::Error::HostNotFound => {
                Failure::new(Unreachable, Verdict::Failed, "no address is known for its name")
            }
            ureq::Error::Io(error) => Failure::new(Unreachable, io_verdict(&error), error),
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
                Failure::new(NotSupported, Verdict::Unclear, message)
            }
            _ => Failure::new(Protocol, Verdict::Failed, message),
        }
    }
}

impl PeerGetter for HttpGetter {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.ask(group, key, self.options.timeout).0
    }

    fn get_timeout(&self, group: &str, key: &str, timeout: Duration) -> Result<Loaded, PeerError> {
        self.ask(group, key, timeout).0
    }

    fn get_many(&self, group: &str, keys: &[&str]) -> Vec<Result<Loaded, PeerError>> {
        self.get_many_by(group, keys, None, &OpenGate)
    }

    fn get_many_timeout(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Duration,
    ) -> Vec<Result<Loaded, PeerError>> {
        self.get_many_by(group, keys, Some(timeout), &OpenGate)
    }

    fn peek(&self, group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.peek_many_by(group, &[key], &OpenGate).map(|mut found| found.remove(0))
    }

    fn peek_many(&self, group: &str, keys: &[&str]) -> Result<Vec<Option<Loaded>>, PeerError> {
        self.peek_many_by(group, keys, &OpenGate)
    }

    fn name(&self) -> &str {
        self.url()
    }

    fn remove(&self, group: &str, keys: &[&str]) -> Result<(), PeerError> {
        self.remove_by(group, keys, &OpenGate)
    }

    fn clear(&self, group: &str) -> Result<(), PeerError> {
        self.clear_by(group, &OpenGate)
    }

    fn insert(&self, group: &str, key: &str, value: &Loaded) -> Result<(), PeerError> {
        self.insert_by(group, key, value, &OpenGate)
    }
}

impl fmt::Debug for HttpGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGetter").field("url", &self.peer).finish_non_exhaustive()
    }
}

/// Which connection a call may use.
#[derive(Clone, Copy)]
enum Connection {
    /// A kept one, if there is any.
    Kept,
    Fresh,
}

/// Why a call gave no value.
struct Failure {
    kind: PeerErrorKind,
    verdict: Verdict,
    message: String,
    /// How long the answer holds, where it is that there is no value.
    ttl: Option<Duration>,
}

impl Failure {
    fn new(kind: PeerErrorKind, verdict: Verdict, message: impl fmt::Display) -> Self {
        Self { kind, verdict, message: message.to_string(), ttl: None }
    }
}

enum CallError {
    /// There was no whole answer.
    Http(ureq::Error),
    /// There was one, but no value.
    Answer(Failure),
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        // The reader of a body wraps ureq's errors; this unwraps them.
        Self::Http(error.into())
    }
}

/// What an answer means that is not what was asked for.
fn refused(code: u16, headers: &HeaderMap, mut body: Body) -> Failure {
    let text = body::read_text(&mut body, headers);
    let refusal = Refusal {
        code,
        status: header(headers, wire::STATUS_HEADER),
        content_type: header(headers, "content-type"),
        text: &text,
    };
    let (kind, verdict) = refusal.meaning();
    Failure::new(kind, verdict, refusal.message(kind))
}

/// An answer that breaks the protocol.
fn broken(what: impl fmt::Display) -> CallError {
    CallError::Answer(Failure::new(PeerErrorKind::Protocol, Verdict::Failed, what))
}

/// Whether a call ended as it does on a connection that the other side has done with.
fn is_left_over(answer: &Result<Response<Body>, CallError>) -> bool {
    match answer {
        Ok(answer) => {
            let code = answer.status().as_u16();
            let name = || header(answer.headers(), wire::STATUS_HEADER);
            code == 503 && Status::read(code, name()) == Some(Status::ShuttingDown)
        }
        Err(CallError::Http(ureq::Error::Io(error))) => matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
        ),
        Err(_) => false,
    }
}

/// What it tells that a peer needed more than `left`: that it failed, unless it `usual`ly gets more.
fn blame(left: Duration, usual: Duration) -> Verdict {
    if left < usual { Verdict::Silent } else { Verdict::Failed }
}

/// What a failed operation on a socket tells about the peer.
fn io_verdict(error: &io::Error) -> Verdict {
    /// ENFILE and EMFILE, on all Unixes: this process, or this machine, has no descriptor left.
    const NO_DESCRIPTOR: [i32; 2] = [23, 24];
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Verdict::Refused,
        // No local port is left.
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => Verdict::Unclear,
        _ if cfg!(unix) && error.raw_os_error().is_some_and(|it| NO_DESCRIPTOR.contains(&it)) => {
            Verdict::Unclear
        }
        _ => Verdict::Failed,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
