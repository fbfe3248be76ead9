//! [`HttpPoolBuilder`]: how a pool is made, and what is optional about it.

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::consistenthash::{MAX_REPLICAS, RingHash};
use crate::error::Error;
use crate::events::{Event, EventSink};
use crate::http::budget::Budget;
use crate::http::getter::HttpGetter;
use crate::http::handler::{Door, Pages, PeerHandler, Serving};
use crate::http::identity::Identity;
use crate::http::peer::PeerOptions;
use crate::http::peers::{Peers, PeersOptions};
use crate::http::pool::HttpPool;
use crate::http::pool::checks::{invalid, validate_base_path, validate_server};
use crate::http::pool::exposure::warn_if_exposed;
use crate::http::pool::service::Service;
use crate::http::protocol::Protocol;
use crate::http::server::{self, Limits, Server};
use crate::http::status::{Monitor, StatusPages};
use crate::http::token::Tokens;
use crate::http::url::PeerUrl;
use crate::http::wire::Plus;
use crate::peers::PeerPicker;
use crate::registry::Registry;
use crate::stack::StackBytes;

/// No request has a longer body, whatever the options say.
const LONGEST_BODY_BYTES: u64 = 1 << 30;
/// With less, the parts of a budget would be no longer than what needs none.
const MIN_TRANSFER_BYTES: u64 = 1 << 20;
/// A hundred years. Longer times are cut to that, so that sums of times and moments do not
/// overflow.
const LONGEST_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Whether a panic ends this program.
const PANIC_IS_THE_END: bool = cfg!(panic = "abort");

impl HttpPool {
    /// A pool that serves at `addr`, with default options. Port 0 takes a free port;
    /// [`url`](Self::url) tells which.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if it can't listen there. [`Error::InvalidOption`] if `addr` is the
    /// unspecified address (`0.0.0.0`): no peer can be reached by that, so the builder has to be
    /// told the URL to [`advertise`](HttpPoolBuilder::advertise). The same in a program that is
    /// built with `panic = "abort"`, which needs another [`server`](HttpPoolBuilder::server).
    pub fn bind(addr: impl ToSocketAddrs + fmt::Debug) -> Result<Self, Error> {
        Self::builder().bind(addr)
    }

    /// Starts a pool with options.
    #[must_use]
    pub fn builder() -> HttpPoolBuilder {
        HttpPoolBuilder::new()
    }

    /// A pool that only asks `peers`: it opens no port and owns no key. For programs that come and
    /// go, such as command lines.
    ///
    /// The list may be empty, and come later by [`set_peers`](Self::set_peers). Until then groups
    /// load everything for themselves, which the first get logs as a warning.
    ///
    /// When no peer answers, a group that uses it loads for itself. Peers do not know of it, so a
    /// removal elsewhere does not reach the copies that its groups
    /// [keep](crate::GroupBuilder::hot_cache).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of `peers` is not of the form `http://host:port`.
    pub fn client(peers: impl IntoIterator<Item: Into<String>>) -> Result<Self, Error> {
        Self::builder().client(peers)
    }
}

/// Makes an [`HttpPool`] with other than the default options; from [`HttpPool::builder`].
///
/// Options marked *alike* must be the same at all peers of a cluster. A time of more than a hundred
/// years, such as [`Duration::MAX`], counts as a hundred years.
pub struct HttpPoolBuilder {
    protocol: Protocol,
    base_path: Option<String>,
    hash: RingHash,
    replicas: Option<NonZeroUsize>,
    plus: Plus,
    advertise: Option<String>,
    client: PeerOptions,
    server: Server,
    limits: Limits,
    warm_up: Duration,
    token: Option<String>,
    accepted_tokens: Vec<String>,
    token_file: Option<PathBuf>,
    status_pages: StatusPages,
    transfer_bytes: u64,
    cluster: Option<String>,
}

impl HttpPoolBuilder {
    fn new() -> Self {
        let limits = Limits::default();
        let repeats = Arc::clone(&limits.repeats);
        Self {
            protocol: Protocol::default(),
            base_path: None,
            hash: RingHash::default(),
            replicas: None,
            plus: Plus::Space,
            advertise: None,
            client: PeerOptions { repeats, ..PeerOptions::default() },
            server: Server::default(),
            limits,
            warm_up: Duration::from_secs(60),
            token: None,
            accepted_tokens: Vec::new(),
            token_file: None,
            status_pages: StatusPages::default(),
            transfer_bytes: Budget::DEFAULT_BYTES,
            cluster: None,
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
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// The hash of the ring; *alike*. Defaults to [`RingHash::Crc32`], that of GeeCache and
    /// groupcache.
    #[must_use]
    pub fn hash(mut self, hash: RingHash) -> Self {
        self.hash = hash;
        self
    }

    /// How many points each peer has on the ring; *alike*. At most 10,000. Defaults to
    /// [`RingHash::replicas`], which is 50 for the default hash.
    #[must_use]
    pub fn replicas(mut self, replicas: NonZeroUsize) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Takes a `+` in the path of a request for itself, as peers need it that escape as paths do
    /// (mailgun's groupcache and its kin). Defaults to taking it for a space, as the peers of
    /// GeeCache and groupcache mean it. Peers of this crate send neither.
    #[must_use]
    pub fn literal_plus(mut self) -> Self {
        self.plus = Plus::Literal;
        self
    }

    /// The URL by which the other peers know this one. Defaults to `http://` (`https://` with TLS)
    /// and the address that it listens at, which is no use where that is not the address that
    /// others reach: behind a proxy or in a container, or for a host name.
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

    /// How many requests to one peer may be in flight at once. Gets that are
    /// [sent together](Self::lanes_per_peer) are one request. A call past that goes on as if the
    /// peer had failed, which does not count against the peer. Defaults to 256.
    #[must_use]
    pub fn max_requests_per_peer(mut self, requests: NonZeroUsize) -> Self {
        self.client.max_requests = requests;
        self
    }

    /// How many gets of single keys are sent to one peer side by side, where more than twice as
    /// many meet. The others wait for one of these to end, and are asked for together, with one
    /// request: that takes a fraction of the work, and few connections. A slow load makes nobody
    /// wait: a request that takes longer than 1 ms counts no more, and what is not in the peer's
    /// memory is asked for by its own caller. Batches, removals and inserts are no such gets.
    /// Defaults to half of the number of processors, and to 1 at least and 4 at most.
    #[must_use]
    pub fn lanes_per_peer(mut self, lanes: NonZeroUsize) -> Self {
        self.client.lanes = lanes;
        self
    }

    /// How many open connections to one peer are kept while they have nothing to do. Each takes up
    /// to 80 KiB here, and at some servers a thread there. After 10 to 15 s they are closed.
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

    /// For how long after a change of the [list of peers](HttpPool::set_peers) a new owner of a key
    /// that it does not have asks the previous one, before it loads. That is answered from memory,
    /// within [`peek_timeout`](Self::peek_timeout). Zero never asks. *Alike*, as removals go to
    /// previous owners first for twice as long. Defaults to 60 s.
    ///
    /// A pool that comes new to others takes their list without itself for the previous one. Where
    /// the list changes again within the time, only the last change counts.
    #[must_use]
    pub fn warm_up(mut self, time: Duration) -> Self {
        self.warm_up = time.min(LONGEST_TIME);
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

    /// How long [`HttpPool::shutdown`] waits for the requests in flight. Defaults to 5 s.
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

    /// Makes a pool that serves at `addr`; see [`HttpPool::bind`].
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if it can't listen there, [`Error::InvalidOption`] if an option can't work,
    /// [`Error::InvalidPeer`] if the URL to [`advertise`](Self::advertise) is none.
    pub fn bind(mut self, addr: impl ToSocketAddrs + fmt::Debug) -> Result<HttpPool, Error> {
        self.validate()?;
        validate_server(self.server, PANIC_IS_THE_END)?;
        self.client.exchange.tokens = self.tokens()?;
        self.validate_tls()?;
        let (scheme, tls) = (self.client.exchange.scheme(), self.client.exchange.tls.clone());
        let parse = |url: &str| PeerUrl::parse(url)?.for_scheme(scheme);
        let advertised = self.advertise.as_deref().map(parse).transpose()?;
        let (listener, local_addr) = listen(addr)?;
        let own = match advertised {
            Some(url) => url,
            None if local_addr.ip().is_unspecified() => {
                return Err(Error::InvalidOption {
                    option: "advertise",
                    reason: format!("no peer can be reached at {local_addr}: a URL is needed"),
                });
            }
            None => PeerUrl::of(scheme, local_addr)?,
        };
        let (peers, registry) = (self.peers(Some(own)), Registry::new());
        let door = Arc::new(Door::new(
            self.client.exchange.tokens.clone(),
            Arc::clone(&self.limits.repeats),
        ));
        let monitor =
            Arc::new(Monitor::new(Arc::clone(&peers), registry.clone(), Arc::clone(&door)));
        let pages = match self.status_pages {
            StatusPages::On => Some(Arc::clone(&monitor) as Arc<dyn Pages>),
            StatusPages::Off => None,
        };
        let handler = PeerHandler::new(
            format!("{peers:?}"),
            door,
            Serving {
                registry: registry.clone(),
                base_path: self.path(),
                protocol: self.protocol,
                plus: self.plus,
                identity: Arc::clone(peers.identity()),
                picker: Arc::clone(&peers) as Arc<dyn PeerPicker>,
                pages,
                repeats: Arc::clone(&self.limits.repeats),
            },
        );
        let bound = (listener, local_addr);
        let served = (handler, Arc::clone(&monitor));
        match Service::start(self.server, bound, self.server_limits(), tls, served) {
            Ok(service) => {
                let has_token = self.client.exchange.tokens.is_some();
                let name = format!("{peers:?}");
                warn_if_exposed(&name, local_addr, peers.own(), self.server, has_token);
                Ok(HttpPool::of(peers, registry, monitor, Some(service)))
            }
            Err(error) => {
                Err(Error::Bind { addr: local_addr.to_string(), source: Arc::new(error) })
            }
        }
    }

    /// Makes a pool that serves nothing and only asks `peers`; see [`HttpPool::client`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of `peers` is not a peer's URL, [`Error::InvalidOption`] if an
    /// option can't work.
    pub fn client(
        mut self,
        peers: impl IntoIterator<Item: Into<String>>,
    ) -> Result<HttpPool, Error> {
        self.validate()?;
        self.client.exchange.tokens = self.tokens()?;
        let (list, registry, door) =
            (self.peers(None), Registry::new(), Door::new(None, Arc::clone(&self.limits.repeats)));
        let monitor = Monitor::new(Arc::clone(&list), registry.clone(), Arc::new(door));
        let pool = HttpPool::of(list, registry, Arc::new(monitor), None);
        pool.set_peers(peers)?;
        Ok(pool)
    }

    /// Makes a getter for the one peer at `url`, whatever keys it owns: for programs that look
    /// after a cluster. What concerns servers and rings counts for nothing here.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if `url` is not a peer's URL, [`Error::InvalidOption`] if an option
    /// can't work.
    pub fn getter(mut self, url: &str) -> Result<HttpGetter, Error> {
        self.validate()?;
        self.client.exchange.tokens = self.tokens()?;
        HttpGetter::of(url, self.peer())
    }

    fn peer(&self) -> PeerOptions {
        PeerOptions { protocol: self.protocol, base_path: self.path(), ..self.client.clone() }
    }

    fn peers(&self, own: Option<PeerUrl>) -> Arc<Peers> {
        let mut peer = self.peer();
        let identity = Identity::new(own.as_ref(), self.cluster.as_deref());
        peer.exchange.identity = Arc::new(identity);
        let replicas = self.replicas.unwrap_or_else(|| self.hash.replicas());
        let options = PeersOptions { hash: self.hash, replicas, warm_up: self.warm_up, peer };
        Arc::new(Peers::new(own, options))
    }

    fn tokens(&self) -> Result<Option<Arc<Tokens>>, Error> {
        let (option, made) = match (&self.token_file, &self.token, &self.accepted_tokens[..]) {
            (None, None, []) => return Ok(None),
            (None, None, _) => ("accept_token", Err("there is no token to send".to_owned())),
            (None, Some(token), accepted) => {
                let tokens = [std::slice::from_ref(token), accepted].concat();
                ("token", Tokens::fixed(tokens))
            }
            (Some(path), None, []) => {
                let made = Tokens::file(path.clone());
                ("token_file", made.map_err(|error| format!("{path:?}: {error}")))
            }
            (Some(_), ..) => ("token_file", Err("there are tokens beside it".to_owned())),
        };
        made.map(|tokens| Some(Arc::new(tokens))).map_err(|reason| invalid(option, reason))
    }

    /// Whether a server can have the TLS that it is to have.
    fn validate_tls(&self) -> Result<(), Error> {
        let reason = match &self.client.exchange.tls {
            Some(_) if self.server != Server::Guarded => {
                "tiny_http speaks no TLS here: choose the other server, Server::Guarded"
            }
            Some(tls) if !tls.can_serve() => {
                "who serves needs a certificate and its key: TlsConfig::from_pem_files"
            }
            _ => return Ok(()),
        };
        Err(invalid("tls", reason))
    }

    fn server_limits(&self) -> Limits {
        // What is taken from a peer that answers is taken from one that inserts, but for what would
        // be an attack on the memory.
        let insert = self.client.max_value_bytes.min(LONGEST_BODY_BYTES) as usize;
        let max_body_bytes = self.limits.max_body_bytes.max(insert);
        Limits { max_body_bytes, ..self.limits.clone() }
    }

    fn path(&self) -> String {
        let default = || self.protocol.wire().base_path.to_owned();
        self.base_path.clone().unwrap_or_else(default)
    }

    fn validate(&self) -> Result<(), Error> {
        validate_base_path(&self.path())?;
        if self.replicas.is_some_and(|replicas| replicas.get() > MAX_REPLICAS) {
            return Err(invalid("replicas", format!("it must be at most {MAX_REPLICAS}")));
        }
        for (option, time) in [
            ("connect_timeout", self.client.exchange.connect_timeout),
            ("timeout", self.client.exchange.timeout),
            ("peek_timeout", self.client.peek_timeout),
        ] {
            if time.is_zero() {
                return Err(invalid(option, "it must be more than zero"));
            }
        }
        if self.client.max_value_bytes == 0 {
            return Err(invalid("max_value_bytes", "no value would be taken"));
        }
        if self.transfer_bytes < MIN_TRANSFER_BYTES {
            return Err(invalid("max_transfer_bytes", "it must be at least 1 MiB"));
        }
        if self.limits.idle < Duration::from_secs(15) {
            return Err(invalid("idle_timeout", "it must be at least 15 s"));
        }
        Ok(())
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

fn listen(addr: impl ToSocketAddrs + fmt::Debug) -> Result<(TcpListener, SocketAddr), Error> {
    let mut shown = format!("{addr:?}").trim_matches('"').to_owned();
    let bound = addr.to_socket_addrs().and_then(|addrs| {
        let addrs: Vec<SocketAddr> = addrs.collect();
        shown = addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let listener = server::bind(&addrs[..])?;
        let local_addr = listener.local_addr()?;
        Ok((listener, local_addr))
    });
    bound.map_err(|error| Error::Bind { addr: shown, source: Arc::new(error) })
}
