//! [`Settings`]: how to talk to the peers of a cluster.

use std::collections::BTreeMap;
use std::env;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "tls")]
use geecache::TlsConfig;
use geecache::consistenthash::{MAX_REPLICAS, RingHash};
use geecache::{HttpGetter, HttpPool, HttpPoolBuilder, PeerAddress, Protocol};

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::url_ring::{Seat, UrlRing};
use crate::view::View;

/// How to talk to the peers, and how they share out the keys.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    protocol: Option<Protocol>,
    base_path: Option<String>,
    hash: Option<RingHash>,
    replicas: Option<NonZeroUsize>,
    /// What peers are on the ring, by their URLs, as one of them tells it.
    seats: BTreeMap<String, Seat>,
    /// The zone that is looked at; empty if it is that of peers without one.
    zone: Option<String>,
    pub(crate) timeout: Duration,
    secret: Secret,
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
}

/// Where the token comes from.
#[derive(Clone)]
enum Secret {
    None,
    Token(String),
    File(PathBuf),
}

impl Settings {
    pub(crate) fn of(args: &Args) -> Result<Self, Failure> {
        let timeout = args.time("timeout")?.unwrap_or(Duration::from_secs(2));
        if timeout.is_zero() {
            return Err(Failure::usage("--timeout must be more than zero"));
        }
        let replicas = args.number("replicas", MAX_REPLICAS)?;
        Ok(Self {
            protocol: args.text("protocol").and_then(protocol_named),
            base_path: args.text("base-path").map(str::to_owned),
            hash: args.text("hash").and_then(hash_named),
            replicas: replicas.and_then(NonZeroUsize::new),
            seats: BTreeMap::new(),
            zone: args.text("zone").map(str::to_owned),
            timeout,
            secret: Secret::of(args)?,
            #[cfg(feature = "tls")]
            tls: tls_of(args)?,
        })
    }

    /// Takes over from a peer what was not said.
    pub(crate) fn learn(&mut self, view: &View) {
        let protocol = view.protocol.as_deref().and_then(protocol_named);
        self.protocol = self.protocol.or(protocol);
        self.base_path = self.base_path.take().or_else(|| view.base_path.clone());
        self.hash = self.hash.or_else(|| view.hash.as_deref().and_then(hash_named));
        self.seats.clone_from(&view.seats);
        self.zone = self.zone.take().or_else(|| view.zone.clone());
        self.replicas = self.replicas.or_else(|| view.replicas.and_then(NonZeroUsize::new));
    }

    /// The options that make the ring which a peer tells, if those that were given do not.
    pub(crate) fn other_ring(&self, view: &View) -> Option<String> {
        let (hash, replicas) = (view.hash.as_deref()?, view.replicas?);
        let is_other = self.hash.is_some() && self.hash_name() != hash
            || self.replicas.is_some_and(|given| given.get() != replicas);
        is_other.then(|| format!("--hash {hash} --replicas {replicas}"))
    }

    /// How peers are asked.
    pub(crate) fn builder(&self) -> HttpPoolBuilder {
        let mut builder = HttpPool::builder()
            .protocol(self.protocol.unwrap_or_default())
            .hash(self.hash())
            .replicas(self.replicas())
            .timeout(self.timeout)
            // Who asks by hand can be further away than a peer.
            .connect_timeout(self.timeout.min(Duration::from_secs(1)))
            .peek_timeout(self.timeout);
        if let Some(path) = &self.base_path {
            builder = builder.base_path(path);
        }
        builder = match &self.secret {
            Secret::None => builder,
            Secret::Token(token) => builder.token(token),
            Secret::File(path) => builder.token_file(path),
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            builder = builder.tls(tls.clone());
        }
        builder
    }

    pub(crate) fn getter(&self, url: &str) -> Result<HttpGetter, Failure> {
        #[cfg(feature = "tls")]
        if self.tls.is_none() && url.starts_with("https://") {
            return Err(Failure::usage(format_args!(
                "{url} needs --tls-ca, who signs its certificate"
            )));
        }
        Ok(self.builder().getter(url)?)
    }

    pub(crate) fn ring<'a>(&self, urls: impl IntoIterator<Item = &'a String>) -> UrlRing {
        let mut ring = UrlRing::new(self.zone(), self.hash().ring_with(self.replicas()));
        self.extend(&mut ring, urls);
        ring
    }

    /// Takes peers into a ring.
    pub(crate) fn extend<'a>(
        &self,
        ring: &mut UrlRing,
        urls: impl IntoIterator<Item = &'a String>,
    ) {
        ring.extend(urls.into_iter().map(|url| (url.clone(), self.seat(url))));
    }

    /// The zone that is looked at; empty if peers have none.
    pub(crate) fn zone(&self) -> &str {
        self.zone.as_deref().unwrap_or_default()
    }

    /// A peer as lists have it.
    pub(crate) fn address(&self, url: &str) -> PeerAddress {
        let Seat { name, weight, zone } = self.seat(url);
        let zone = if zone.is_empty() { zone } else { format!("&zone={zone}") };
        PeerAddress::named(name, format!("{url}#weight={weight}{zone}"))
    }

    /// What a peer is on the ring: as was told, or as is usual.
    pub(crate) fn seat(&self, url: &str) -> Seat {
        let usual = || {
            let name = match self.protocol {
                Some(Protocol::GroupcacheGo) => host_and_port(url),
                _ => url.to_owned(),
            };
            // One that may come to be a peer comes to this zone.
            let zone = if self.seats.is_empty() { "" } else { self.zone() };
            Seat { name, weight: NonZeroUsize::MIN, zone: zone.to_owned() }
        };
        self.seats.get(url).cloned().unwrap_or_else(usual)
    }

    pub(crate) fn hash(&self) -> RingHash {
        self.hash.unwrap_or_else(|| match self.protocol {
            Some(Protocol::Mailgun | Protocol::GroupcacheGo) => RingHash::Fnv1,
            _ => RingHash::default(),
        })
    }

    pub(crate) fn hash_name(&self) -> &'static str {
        HASHES.iter().find(|(_, hash)| *hash == self.hash()).map_or("unknown", |(name, _)| name)
    }

    pub(crate) fn replicas(&self) -> NonZeroUsize {
        self.replicas.unwrap_or_else(|| self.hash().replicas())
    }

    /// A peer's URL, whose scheme may be left out.
    pub(crate) fn url(&self, text: &str) -> String {
        #[cfg(feature = "tls")]
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        #[cfg(not(feature = "tls"))]
        let scheme = "http";
        let url = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
        url.trim_end_matches('/').to_owned()
    }
}

/// What a peer is called that is at `url`, where peers have no URLs.
fn host_and_port(url: &str) -> String {
    let (scheme, authority) = url.split_once("://").unwrap_or(("http", url));
    // The colons of an IPv6 address stand in brackets.
    let behind = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
    if behind.contains(':') {
        return authority.to_owned();
    }
    format!("{authority}:{}", if scheme == "https" { 443 } else { 80 })
}

impl Secret {
    fn of(args: &Args) -> Result<Self, Failure> {
        if let Some(path) = args.text("token-file") {
            return Ok(Self::File(path.into()));
        }
        match env::var("GEECACHE_TOKEN") {
            Ok(token) if token.is_empty() => Ok(Self::None),
            Ok(token) => Ok(Self::Token(token)),
            Err(env::VarError::NotPresent) => Ok(Self::None),
            Err(env::VarError::NotUnicode(_)) => {
                Err(Failure::new(Exit::Usage, "GEECACHE_TOKEN is no text"))
            }
        }
    }
}

/// What to do about a peer that does not let us in; with what it said.
pub(crate) fn let_in(args: &Args, why: &str) -> &'static str {
    if why.contains("TLS: ") {
        return match args.has("tls-cert") {
            true => {
                "the certificate of --tls-cert is of an authority that the cluster does not take"
            }
            false => "the cluster asks for a certificate: --tls-cert and --tls-key",
        };
    }
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if args.has("token-file") || is_set("GEECACHE_TOKEN") {
        return "the token is not the cluster's: look at --token-file or GEECACHE_TOKEN";
    }
    "the cluster has a token: name a file that holds it by --token-file, or set GEECACHE_TOKEN"
}

/// The token stays out of what is printed.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token",
            Self::File(_) => "File",
        })
    }
}

const HASHES: [(&str, RingHash); 4] = [
    ("crc32", RingHash::Crc32),
    ("mixed", RingHash::Mixed),
    ("balanced", RingHash::Balanced),
    ("fnv1", RingHash::Fnv1),
];

fn hash_named(name: &str) -> Option<RingHash> {
    HASHES.iter().find(|(known, _)| *known == name).map(|(_, hash)| *hash)
}

fn protocol_named(name: &str) -> Option<Protocol> {
    match name {
        "geecache" => Some(Protocol::GeeCache),
        "geecache-protobuf" => Some(Protocol::GeeCacheProtobuf),
        "groupcache" => Some(Protocol::Groupcache),
        "mailgun" => Some(Protocol::Mailgun),
        "groupcache-go" => Some(Protocol::GroupcacheGo),
        "galaxycache" => Some(Protocol::Galaxycache),
        _ => None,
    }
}

#[cfg(feature = "tls")]
fn tls_of(args: &Args) -> Result<Option<TlsConfig>, Failure> {
    match (args.text("tls-ca"), args.text("tls-cert"), args.text("tls-key")) {
        (None, None, None) => Ok(None),
        (Some(ca), None, None) => Ok(Some(TlsConfig::client_from_pem_file(ca)?)),
        (Some(ca), Some(cert), Some(key)) => Ok(Some(TlsConfig::from_pem_files(cert, key, ca)?)),
        (None, ..) => Err(Failure::usage("TLS needs --tls-ca, by which peers are known")),
        _ => Err(Failure::usage("--tls-cert and --tls-key belong together")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Wish;

    #[test]
    fn peers_without_urls_are_called_by_their_host_and_port() {
        for (url, name) in [
            ("http://10.0.0.1:8080", "10.0.0.1:8080"),
            ("http://10.0.0.1", "10.0.0.1:80"),
            ("https://[::1]", "[::1]:443"),
            ("https://[::1]:8443", "[::1]:8443"),
        ] {
            assert_eq!(host_and_port(url), name);
        }
    }

    /// What stands beside the failure `why` of the command `line`.
    fn hint(line: &str, why: &str) -> &'static str {
        match Wish::of(line.split(' ')).unwrap() {
            Wish::Run(args) => let_in(&args, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_that_was_given_is_not_taken_for_a_lacking_one() {
        let why = "status 401: unauthorized";
        let given = hint("geecache get scores Tom --token-file a", why);
        assert!(given.contains("the token is not the cluster's"), "{given}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_lacking_certificate_is_not_taken_for_a_lacking_token() {
        let alert = "TLS: our certificate, or the lack of one, was refused (CertificateRequired)";
        let bare = hint("geecache get scores Tom", alert);
        assert_eq!(bare, "the cluster asks for a certificate: --tls-cert and --tls-key");
        let other = hint("geecache get scores Tom --tls-cert a --tls-key b", alert);
        assert!(other.contains("the certificate of --tls-cert"), "{other}");
    }
}
