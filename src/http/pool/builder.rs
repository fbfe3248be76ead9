//! [`HttpPoolBuilder`]: what is optional about a pool.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::consistenthash::RingHash;
use crate::events::{Event, EventSink};
use crate::http::budget::Budget;
#[cfg(any(test, feature = "testing"))]
use crate::http::exchange::Dialer;
use crate::http::peer::{ChangeNews, PeerOptions};
use crate::http::protocol::{Plus, Protocol};
use crate::http::server::{Limits, Server};
use crate::http::status::StatusPages;
use crate::http::time::PoolClock;
use crate::stack::StackBytes;

/// A hundred years. Longer times are cut to that, so that sums of times and moments do not
/// overflow.
const LONGEST_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Makes an [`HttpPool`](crate::HttpPool) with other than the default options; from
/// [`HttpPool::builder`](crate::HttpPool::builder).
///
/// Options marked *alike* must be the same at all peers of a cluster. A time of more than a hundred
/// years, such as [`Duration::MAX`], counts as a hundred years.
pub struct HttpPoolBuilder {
    pub(super) protocol: Protocol,
    pub(super) base_path: Option<String>,
    pub(super) hash: Option<RingHash>,
    pub(super) replicas: Option<NonZeroUsize>,
    pub(super) plus: Option<Plus>,
    pub(super) advertise: Option<String>,
    pub(super) ring_name: Option<String>,
    pub(super) client: PeerOptions,
    pub(super) server: Server,
    pub(super) limits: Limits,
    pub(super) warm_up: Duration,
    pub(super) hand_over_rate: u64,
    pub(super) token: Option<String>,
    pub(super) accepted_tokens: Vec<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) status_pages: StatusPages,
    /// `None` is what suits the kind of the pool.
    pub(super) change_news: Option<ChangeNews>,
    pub(super) transfer_bytes: u64,
    pub(super) cluster: Option<String>,
    pub(super) zone: Option<String>,
}

impl HttpPoolBuilder {
    pub(super) fn new() -> Self {
        let limits = Limits::default();
        let repeats = Arc::clone(&limits.repeats);
        Self {
            protocol: Protocol::default(),
            base_path: None,
            hash: None,
            replicas: None,
            plus: None,
            advertise: None,
            ring_name: None,
            client: PeerOptions { repeats, ..PeerOptions::default() },
            server: Server::default(),
            limits,
            warm_up: Duration::from_secs(60),
            hand_over_rate: 64 << 20,
            token: None,
            accepted_tokens: Vec::new(),
            token_file: None,
            status_pages: StatusPages::default(),
            change_news: None,
            transfer_bytes: Budget::DEFAULT_BYTES,
            cluster: None,
            zone: None,
        }
    }

    /// What the cluster speaks; *alike*. Defaults to [`Protocol::GeeCache`].
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The path under which peers answer; *alike*. It begins and ends with a slash. Defaults to
    /// that of the protocol, which is `/_geecache/` unless [`protocol`](Self::protocol) is set.
    /// Where a protocol has peeks at another path, that is this one with `_peek` at its end.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// The hash of the ring; *alike*. Defaults to that of the protocol, which is
    /// [`RingHash::Crc32`] for GeeCache and groupcache.
    #[must_use]
    pub fn hash(mut self, hash: RingHash) -> Self {
        self.hash = Some(hash);
        self
    }

    /// How many points each peer has on the ring; *alike*. At most 10,000. Defaults to
    /// [`RingHash::replicas`], which is 50 for the default hash.
    #[must_use]
    pub fn replicas(mut self, replicas: NonZeroUsize) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// What a `+` in the path of a request stands for. Defaults to what the peers of the protocol
    /// mean: [`Plus::Space`] for GeeCache and groupcache, [`Plus::Literal`] for the forks of
    /// groupcache that escape as paths do. Peers of this crate send neither a plus nor a space.
    #[must_use]
    pub fn plus(mut self, plus: Plus) -> Self {
        self.plus = Some(plus);
        self
    }

    /// The URL by which the other peers know this one. Defaults to `http://` (`https://` with TLS)
    /// and the address that it listens at; for the unspecified address (`0.0.0.0`), to the one from
    /// which this host sends to the rest of the world. Needed where others reach it by another
    /// address, as behind a proxy, or by a host name.
    #[must_use]
    pub fn advertise(mut self, url: impl Into<String>) -> Self {
        self.advertise = Some(url.into());
        self
    }

    /// The name of the cluster; *alike*. It goes with each request, and a peer of a cluster with
    /// another name answers 421, which is a
    /// [failure](crate::PeerErrorKind::OtherCluster): so a list that is wrong, or an address that
    /// another team's process has by now, gives no value of theirs for a key of ours. Defaults to
    /// none, which gets on with every name: one peer after the other can be given one. Peers in Go
    /// do not ask for it.
    ///
    /// It protects from mistakes, and not from attackers: that is for a [`token`](Self::token).
    #[must_use]
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = Some(name.into());
        self
    }

    /// The zone of this process, such as that of its data centre: up to 64 letters, digits and
    /// `-._` of ASCII. Each zone has an owner for each key, and gets are sent to peers of the own
    /// zone only. A client without a zone, or whose zone has no peers, asks those of all zones.
    /// Changes reach the peers of all zones. [`guide::zones`](crate::guide::zones) has more.
    ///
    /// The others know it from the list (`http://host:port#zone=a`), or, where they
    /// [follow](crate::HttpPool::follow) a source that does not tell, from this process. Defaults
    /// to what the list says of this one's [`url`](crate::HttpPool::url), and else to none. Those
    /// without a zone are a zone, too. [`set_peers`](crate::HttpPool::set_peers) asks nobody, so
    /// its list has to tell all zones.
    #[must_use]
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        self.zone = Some(name.into());
        self
    }

    /// What this peer is called on the ring, where the others give it a
    /// [name](crate::PeerAddress::named). Defaults to what the protocol says: the URL, or its
    /// host and port.
    #[must_use]
    pub fn ring_name(mut self, name: impl Into<String>) -> Self {
        self.ring_name = Some(name.into());
        self
    }

    /// A secret that the peers of a cluster have in common; *alike*. Requests carry it
    /// (`Authorization: Bearer …`), and one that does not is answered 401, whatever it asks for.
    /// Only `/healthz`, `/readyz` and the page at `/`, which holds no data, ask for none: see
    /// [`status_pages`](Self::status_pages).
    /// Defaults to none: who reaches the port can then read and change what is cached.
    ///
    /// A good token is 32 random bytes or more, in base64 or hexadecimal. It may hold letters,
    /// digits and `-._~+/=`, and up to 512 of them. Without TLS it can be read on the way: it keeps
    /// strangers out, and not those who listen. Peers in Go know no tokens.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// One more token that is taken from others, and not sent. Defaults to none.
    ///
    /// So a token can be changed without a refused request: take the new one everywhere, then send
    /// it everywhere and take the old one, and then forget the old one.
    #[must_use]
    pub fn accept_token(mut self, token: impl Into<String>) -> Self {
        self.accepted_tokens.push(token.into());
        self
    }

    /// A file with tokens, in place of [`token`](Self::token). One in each line: the first is sent,
    /// all are taken. Lines that are empty or begin with `#` count for nothing. Defaults to none.
    ///
    /// To change the token: write `old` and then `new` to all files, wait for two seconds, write
    /// `new` and then `old`, wait again, and then `new` alone.
    ///
    /// The file is read again within a second after it has changed. When it can't be read then, or
    /// holds no token, the old tokens stay and a warning tells so. Replace the file as a whole (by
    /// renaming a new one), or half a token may be taken for one.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// Whether the port also tells how the process is, for those who watch it. Defaults to
    /// [`StatusPages::On`].
    #[must_use]
    pub fn status_pages(mut self, pages: StatusPages) -> Self {
        self.status_pages = pages;
        self
    }

    /// Encrypts what peers say to each other, and has them show certificates (feature `tls`);
    /// *alike*. Defaults to plain text.
    ///
    /// The URLs of all peers begin with `https://` then, this one's included. It needs
    /// [`Server::Guarded`]. [`guide::protect`](crate::guide::protect) has the steps.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::http::tls::TlsConfig) -> Self {
        self.client.exchange.tls = Some(tls);
        self
    }

    /// How long a connection to a peer may take to open, without TLS on it. Defaults to 250 ms.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.client.exchange.connect_timeout = timeout.min(LONGEST_TIME);
        self
    }

    /// How long a peer may take to answer, connection, waiting and value included. Defaults to 2 s.
    ///
    /// A peer whose getter needs longer says so in time, and goes on loading: the next one to ask
    /// finds the value.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.client.exchange.timeout = timeout.min(LONGEST_TIME);
        self
    }

    /// The largest value that is taken from a peer, in bytes. A larger one counts as a failure, and
    /// is loaded here; one that a peer inserts is refused, as is one over 1 GiB, and none is
    /// inserted at another peer. Defaults to 64 MiB.
    #[must_use]
    pub fn max_value_bytes(mut self, bytes: u64) -> Self {
        self.client.max_value_bytes = bytes;
        self
    }

    /// Whether answers of peers tell this process of changes, so that its groups drop the copies of
    /// what was changed. It is for those that peers do not know.
    ///
    /// An answer to a get is longer by up to 41 bytes then. Where it tells of changes, the get
    /// asks which keys they were, with one more request that ends within 250 ms. Where there is no
    /// time for that, or no answer, all copies go. Defaults to [`ChangeNews::On`] for a
    /// [client](Self::client), and for who serves to [`ChangeNews::Off`] until it has
    /// [left](crate::HttpPool::leave): peers are told.
    #[must_use]
    pub fn change_news(mut self, news: ChangeNews) -> Self {
        self.change_news = Some(news);
        self
    }

    /// How many requests to one peer may be in flight at once. Gets that are
    /// [sent together](Self::lanes_per_peer) are one request. A call past that goes on as if the
    /// peer had failed, which does not count against the peer. Removals, clearings and insertions
    /// have as many places of their own: gets do not keep them out. Defaults to 256.
    #[must_use]
    pub fn max_requests_per_peer(mut self, requests: NonZeroUsize) -> Self {
        self.client.max_requests = requests;
        self
    }

    /// How many gets of single keys are sent to one peer side by side, where more than twice as
    /// many meet. The others wait for one of these to end, and are asked for together, with one
    /// request: that takes a fraction of the work, and few connections. A slow load makes nobody
    /// wait: a request that takes longer than 1 ms counts no more, and what is not in the peer's
    /// memory is asked for by its own caller. Where values are longer than 16 KiB, as a rule, each
    /// is asked for alone. Batches, removals and inserts are no such gets. Defaults to half of the
    /// number of processors, and to 1 at least and 4 at most.
    #[must_use]
    pub fn lanes_per_peer(mut self, lanes: NonZeroUsize) -> Self {
        self.client.lanes = lanes;
        self
    }

    /// How many open connections to one peer are kept while they have nothing to do. Each takes up
    /// to 48 KiB here, and at some servers a thread there. After 10 to 15 s they are closed.
    /// Defaults to 64.
    #[must_use]
    pub fn max_idle_connections(mut self, connections: NonZeroUsize) -> Self {
        self.client.exchange.max_idle_connections = connections.get();
        self
    }

    /// How old a connection to a peer may become, give or take a fifth; then another one takes its
    /// place. So what stands behind a name or a balancer is found again also where a connection
    /// never rests. One to an address that the peer's name no longer stands for is replaced
    /// earlier: names are looked up every 30 s. Defaults to 60 s.
    #[must_use]
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.client.exchange.max_connection_age = age.min(LONGEST_TIME);
        self
    }

    /// For how long after a change of the [list of peers](crate::HttpPool::set_peers) a new owner
    /// of a key that it does not have asks the previous one, before it loads. That is answered from
    /// memory, within [`peek_timeout`](Self::peek_timeout). Zero never asks. *Alike*, as removals
    /// go to previous owners first for twice as long. Defaults to 60 s.
    ///
    /// Most values [are handed over](Self::hand_over_rate) before somebody asks for them.
    ///
    /// A pool that comes new to others takes their list without itself for the previous one. Where
    /// the list changes again within the time, only the last change counts.
    #[must_use]
    pub fn warm_up(mut self, time: Duration) -> Self {
        self.warm_up = time.min(LONGEST_TIME);
        self
    }

    /// How much this process takes over from previous owners at most, in bytes of keys and values
    /// per second. After a change of the list of peers a thread has them hand over what has come to
    /// be this process's, hottest first. It goes on as long as there is room that nobody uses:
    /// nothing is evicted for it. Zero takes nothing over in this way; single keys are asked for
    /// all the same. Defaults to 64 MiB per second.
    ///
    /// It begins when both sides have the same list, and ends with [`warm_up`](Self::warm_up). A
    /// process that comes back under the URL that it had gets what others loaded in its place.
    /// Peers of other programs hand nothing over. [`guide::deploy`](crate::guide::deploy) has more.
    #[must_use]
    pub fn hand_over_rate(mut self, bytes_per_second: u64) -> Self {
        self.hand_over_rate = bytes_per_second;
        self
    }

    /// How long a previous owner may take to say what it has in memory. One that takes longer three
    /// times in a row is left alone for a second. Defaults to 20 ms.
    #[must_use]
    pub fn peek_timeout(mut self, timeout: Duration) -> Self {
        self.client.peek_timeout = timeout.min(LONGEST_TIME);
        self
    }

    /// Which server answers the other peers. Defaults to [`Server::TinyHttp`], which does not work
    /// in a program that is built with `panic = "abort"`.
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// How many requests the server answers at once, each on a thread of its own. Past that it
    /// answers 503, which its peers do not count as a failure. Defaults to 256.
    #[must_use]
    pub fn max_requests(mut self, requests: NonZeroUsize) -> Self {
        self.limits.max_in_flight = requests.get();
        self
    }

    /// How many connections the server keeps open at once. Past that it closes the one that was
    /// idle for longest; [`Server::TinyHttp`] can't. Defaults to 4096.
    #[must_use]
    pub fn max_connections(mut self, connections: NonZeroUsize) -> Self {
        self.limits.max_connections = connections.get();
        self
    }

    /// How many bytes the bodies of requests and answers may take together while they are on their
    /// way, except those of up to 64 KiB. Defaults to 256 MiB.
    ///
    /// A quarter is for values that peers send to be kept here, a quarter for the answers that
    /// peers read, and half for the answers of peers. A longer body has its part to itself. Who
    /// finds no room waits for it as long as its time limit allows. Then a peer gets a 503, which
    /// says that this one is overloaded, and a get of this process goes on without the peer's
    /// answer. At least 1 MiB.
    #[must_use]
    pub fn max_transfer_bytes(mut self, bytes: u64) -> Self {
        self.transfer_bytes = bytes;
        // Servers and clients use different parts of it.
        self.limits.budget = Arc::new(Budget::new(bytes));
        self.client.exchange.budget = Arc::clone(&self.limits.budget);
        self
    }

    /// How long the server keeps a connection open on which nothing is asked. At least 15 s: peers
    /// use a kept connection for up to 10 s. Defaults to 60 s.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle = timeout.min(LONGEST_TIME);
        self
    }

    /// How long [`HttpPool::shutdown`](crate::HttpPool::shutdown) waits for the requests in flight.
    /// Defaults to 5 s.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.limits.drain = timeout.min(LONGEST_TIME);
        self
    }

    /// The stack of the threads that handle requests, in bytes. Where a request comes without a
    /// time limit, as from peers in Go, the getter runs on them. Defaults to that of Rust, which is
    /// 2 MiB. Less than 1 MiB counts as that, and more than 1 GiB as that.
    ///
    /// A getter that needs more must be given it for the threads of its group, too:
    /// [`GroupBuilder::stack_bytes`](crate::GroupBuilder::stack_bytes).
    #[must_use]
    pub fn stack_bytes(mut self, bytes: u64) -> Self {
        self.limits.stack = StackBytes::of(bytes);
        self
    }

    /// Has the pool be known as `authority`, which is a host and a port, unless it has a URL, and
    /// open connections by `dialer`.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn known_as(mut self, authority: &str, dialer: Dialer) -> Self {
        let prefix = self.client.exchange.scheme().prefix();
        self.advertise.get_or_insert_with(|| format!("{prefix}{authority}"));
        self.client.exchange.dialer = dialer;
        self
    }

    /// The clock by which the pool decides: any monotonic time since a moment of its own, as
    /// [`GroupBuilder::clock`](crate::GroupBuilder::clock) has it. So a test need not wait until a
    /// peer that was down is tried again, until the time to [warm up](Self::warm_up) is over, or
    /// until a peer has been missing in a [source](crate::Discovery) for long. How long requests
    /// and connections may take, and how old connections become, goes by the system's clock in any
    /// case. Defaults to the system's.
    ///
    /// It is called from any thread, and should take no time.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.client.exchange.clock = PoolClock::injected(now);
        self
    }

    /// Calls `subscriber` when a peer is down or up again, and when there is a new list of peers.
    /// As with [`GroupBuilder::on_event`](crate::GroupBuilder::on_event), it may be slow and may
    /// panic, and a thread is there for it only while there is something to tell. Defaults to
    /// nobody.
    ///
    /// A subscriber that holds the pool keeps it for ever.
    #[must_use]
    pub fn on_event(mut self, subscriber: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.client.events = EventSink::with_subscriber("peers", subscriber);
        self
    }

    /// Calls `ask` before each request to a peer, which carries what it returns as its header
    /// [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) (feature
    /// `tracing`). The peer's getter sees it by [`traceparent`](crate::traceparent). Defaults to
    /// nobody, and `None` is nothing to say: then a request carries that of the peer's request
    /// which the thread answers, or of [`with_traceparent`](crate::with_traceparent), if any.
    ///
    /// It is called within the span `peer_request`, on the thread that sends the request, where no
    /// lock is held; it should take no time. What it returns is not sent if it is not valid, or if
    /// it panics. A request that several callers share has that of one of them.
    /// [`guide::watching`](crate::guide::watching) tells more.
    #[cfg(feature = "tracing")]
    #[must_use]
    pub fn traceparent(mut self, ask: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.client.exchange.traceparent = crate::spans::TraceparentSource::new(ask);
        self
    }
}

impl fmt::Debug for HttpPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPoolBuilder")
            .field("protocol", &self.protocol)
            .field("hash", &self.hash)
            .field("client", &self.client)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
