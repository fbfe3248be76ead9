//! How an [`HttpPool`] is made of its options.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use crate::consistenthash::MAX_REPLICAS;
use crate::error::Error;
use crate::http::address::PeerAddress;
use crate::http::getter::HttpGetter;
use crate::http::handler::{Door, HandedOver, Pages, PeerHandler, Serving};
use crate::http::identity::Identity;
use crate::http::listed::{self, ListedPeer, ZONE_RULE};
use crate::http::peer::{ChangeNews, PeerOptions};
use crate::http::peers::{Peers, PeersOptions};
use crate::http::pool::HttpPool;
use crate::http::pool::builder::HttpPoolBuilder;
use crate::http::pool::checks::{invalid, validate_base_path, validate_server};
use crate::http::pool::exposure::warn_if_exposed;
use crate::http::pool::interface::address_for_others;
use crate::http::pool::service::{Service, listen};
use crate::http::pool::taking::Taking;
use crate::http::server::{Limits, Server};
use crate::http::status::{Monitor, StatusPages};
use crate::http::token::Tokens;
use crate::http::url::PeerUrl;
use crate::peers::PeerPicker;
use crate::registry::Registry;

/// No request has a longer body, whatever the options say.
const LONGEST_BODY_BYTES: u64 = 1 << 30;
/// With less, the parts of a budget would be no longer than what needs none.
const MIN_TRANSFER_BYTES: u64 = 1 << 20;
/// Whether a panic ends this program.
const PANIC_IS_THE_END: bool = cfg!(panic = "abort");

impl HttpPool {
    /// A pool that serves at `addr`, with default options. Port 0 takes a free port;
    /// [`url`](Self::url) tells which.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if it can't listen there. [`Error::InvalidOption`] in a program that is
    /// built with `panic = "abort"`, which needs another [`server`](HttpPoolBuilder::server).
    /// The same if `addr` is the unspecified address (`0.0.0.0`), on a host without an address for
    /// others; see [`advertise`](HttpPoolBuilder::advertise).
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
    /// When no peer answers, a group that uses it loads for itself. Peers do not know of it, so no
    /// removal elsewhere reaches the copies that its groups [keep](crate::GroupBuilder::hot_cache).
    /// It hears of changes when it next asks a peer: see
    /// [`change_news`](HttpPoolBuilder::change_news).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPeer`] if one of `peers` is not of the form `http://host:port`.
    pub fn client(peers: impl IntoIterator<Item: Into<PeerAddress>>) -> Result<Self, Error> {
        Self::builder().client(peers)
    }
}

impl HttpPoolBuilder {
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
        let tls = self.client.exchange.tls.clone();
        let (listener, local_addr) = listen(addr)?;
        let own = self.own_url(local_addr)?;
        let (peers, registry) = (self.peers(Some(own)), Registry::new());
        let repeats = Arc::clone(&self.limits.client_repeats);
        let door = Arc::new(Door::new(self.client.exchange.tokens.clone(), repeats));
        let monitor =
            Arc::new(Monitor::new(Arc::clone(&peers), registry.clone(), Arc::clone(&door)));
        let pages = match self.status_pages {
            StatusPages::On => Some(Arc::clone(&monitor) as Arc<dyn Pages>),
            StatusPages::Off => None,
        };
        let handed_over = Arc::<HandedOver>::default();
        let serving = Serving {
            registry: registry.clone(),
            base_path: self.path(),
            protocol: self.protocol,
            plus: self.plus.unwrap_or_else(|| self.protocol.wire().plus),
            identity: Arc::clone(peers.identity()),
            picker: Arc::clone(&peers) as Arc<dyn PeerPicker>,
            pages,
            handed_over: Arc::clone(&handed_over),
            repeats: Arc::clone(&self.limits.repeats),
        };
        let handler = PeerHandler::new(format!("{peers:?}"), door, serving);
        let bound = (listener, local_addr);
        let served = (handler, Arc::clone(&monitor), handed_over);
        match Service::start(self.server, bound, self.server_limits(), tls, served) {
            Ok(service) => {
                let has_token = self.client.exchange.tokens.is_some();
                let name = format!("{peers:?}");
                warn_if_exposed(&name, local_addr, peers.own(), self.server, has_token);
                let taking = self.taking(&peers, &registry);
                let halves = (Some(service), taking);
                Ok(HttpPool::of(peers, registry, monitor, halves, self.limits.drain))
            }
            Err(error) => {
                Err(Error::Bind { addr: local_addr.to_string(), source: Arc::new(error) })
            }
        }
    }

    /// The URL by which others know what listens at `local_addr`.
    fn own_url(&self, local_addr: SocketAddr) -> Result<PeerUrl, Error> {
        let scheme = self.client.exchange.scheme();
        match self.advertise.as_deref() {
            Some(url) => PeerUrl::parse(url)?.for_scheme(scheme),
            None if local_addr.ip().is_unspecified() => {
                let addr = address_for_others(local_addr).ok_or_else(|| {
                    let reason = format!(
                        "no peer can be reached at {local_addr}, and this host has no address for \
                         others: a URL is needed"
                    );
                    invalid("advertise", reason)
                })?;
                let url = PeerUrl::of(scheme, addr)?;
                log::info!("{local_addr} is reached at {url}, as nothing else is to be advertised");
                Ok(url)
            }
            None => PeerUrl::of(scheme, local_addr),
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
        peers: impl IntoIterator<Item: Into<PeerAddress>>,
    ) -> Result<HttpPool, Error> {
        self.validate()?;
        self.client.exchange.tokens = self.tokens()?;
        let (list, registry, door) =
            (self.peers(None), Registry::new(), Door::new(None, Arc::default()));
        let monitor = Monitor::new(Arc::clone(&list), registry.clone(), Arc::new(door));
        let halves = (None, self.taking(&list, &registry));
        let pool = HttpPool::of(list, registry, Arc::new(monitor), halves, self.limits.drain);
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

    fn taking(&self, peers: &Arc<Peers>, registry: &Registry) -> Taking {
        let repeats = Arc::clone(&self.limits.repeats);
        Taking::new(peers, registry.clone(), self.hand_over_rate, repeats)
    }

    fn peer(&self) -> PeerOptions {
        PeerOptions { protocol: self.protocol, base_path: self.path(), ..self.client.clone() }
    }

    fn peers(&self, own: Option<PeerUrl>) -> Arc<Peers> {
        let mut peer = self.peer();
        // Who serves is told of changes, until it leaves.
        let default = own.is_none().then_some(ChangeNews::On);
        peer.change_news = self.change_news.or(default);
        let identity = Identity::new(own.as_ref(), self.cluster.as_deref());
        let zone: Option<Arc<str>> = self.zone.as_deref().map(Arc::from);
        let identity = identity.by(peer.exchange.clock.clone()).in_zone(zone.clone());
        peer.exchange.identity = Arc::new(identity);
        let hash = self.hash.unwrap_or_else(|| self.protocol.wire().hash);
        let replicas = self.replicas.unwrap_or_else(|| hash.replicas());
        peer.own_url = own.as_ref().map(|url| Arc::clone(url.text()));
        let options = PeersOptions { hash, replicas, warm_up: self.warm_up, zone, peer };
        Arc::new(match (&self.ring_name, own) {
            (Some(name), Some(url)) => {
                Peers::with_name(Some(ListedPeer::new(url).called(&**name)), options)
            }
            (_, own) => Peers::new(own, options),
        })
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
        if self.ring_name.as_ref().is_some_and(String::is_empty) {
            return Err(invalid("ring_name", "it is empty"));
        }
        if self.cluster.as_ref().is_some_and(String::is_empty) {
            return Err(invalid(
                "cluster",
                "it is empty: a cluster without a name is not given one",
            ));
        }
        if self.zone.as_ref().is_some_and(|zone| listed::zone(zone).is_none()) {
            return Err(invalid("zone", format!("it is not a name of {ZONE_RULE}")));
        }
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
