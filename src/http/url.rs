//! [`PeerUrl`]: the address of a peer, parsed once.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ureq::http::uri::Authority;

use crate::error::Error;

/// How a peer is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PeerScheme {
    Http,
    /// Over TLS.
    Https,
}

impl PeerScheme {
    /// What URLs begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The URL of a peer, as `http://host:port` or `https://host:port`.
///
/// The text is also the peer's name on the ring. Spellings of one URL are one name: letters are
/// small, the scheme's own port and a slash at the end are left out, an IPv6 address is written as
/// RFC 5952 has it, and the percent sign before its zone is escaped. Whatever was written so is
/// kept, so that peers in Go, which change nothing, find the same names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PeerUrl {
    text: Arc<str>,
    scheme: PeerScheme,
    host: Arc<str>,
    port: u16,
}

/// What stands between an IPv6 address and its zone in a URL: an escaped percent sign.
const ZONE: &str = "%25";

impl PeerUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| refused(url, reason);
        let text = url.strip_suffix('/').unwrap_or(url);
        let of = |scheme: PeerScheme| {
            let (prefix, authority) = text.split_at_checked(scheme.prefix().len())?;
            prefix.eq_ignore_ascii_case(scheme.prefix()).then_some((scheme, authority))
        };
        let Some((scheme, authority)) = of(PeerScheme::Http).or_else(|| of(PeerScheme::Https))
        else {
            return Err(invalid("a peer is given as http://host:port, or https:// with TLS"));
        };
        if authority.contains('@') {
            return Err(invalid("a peer's URL holds no user"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(invalid(
                "a peer's URL holds no path; the base path is an option of the pool",
            ));
        }
        let (authority, zone) = split_zone(authority);
        if zone.is_some_and(|zone| !is_zone(zone)) {
            return Err(invalid("the zone of its address is not a name or a number"));
        }
        let parsed: Authority =
            authority.parse().map_err(|_| invalid("this is no host and port"))?;
        let host = parsed.host();
        if host.is_empty() {
            return Err(invalid("there is no host in it"));
        }
        let rest = &authority[host.len()..];
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => scheme.default_port(),
            None => return Err(invalid("this is no host and port")),
            Some(port) => match port.parse() {
                Ok(port @ 1..) if port.to_string() == rest[1..] => port,
                _ => return Err(invalid("its port is not a number from 1 to 65535")),
            },
        };
        let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address,
            None if host.contains(['[', ']']) => return Err(invalid("this is no host and port")),
            None => host,
        };
        if host.starts_with('[') && address.parse::<Ipv6Addr>().is_err() {
            return Err(invalid("what stands in the brackets of its host is no IPv6 address"));
        }
        let host = match address.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => {
                return Err(invalid(
                    "nobody can be reached at the unspecified address: give the one that others \
                     reach, and `advertise` it at the peer itself",
                ));
            }
            Ok(ip) => zone.map_or_else(|| ip.to_string(), |zone| format!("{ip}%{zone}")),
            Err(_) => address.to_ascii_lowercase(),
        };
        let text = text_of(scheme, &host, port);
        Ok(Self { text: text.into(), scheme, host: host.into(), port })
    }

    /// The URL of what listens at `addr`.
    pub(crate) fn of(scheme: PeerScheme, addr: SocketAddr) -> Result<Self, Error> {
        let prefix = scheme.prefix();
        Self::parse(&match addr {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => {
                format!("{prefix}[{}{ZONE}{}]:{}", v6.ip(), v6.scope_id(), v6.port())
            }
            _ => format!("{prefix}{addr}"),
        })
    }

    /// This URL, if it is for those who talk to their peers by `scheme`. All peers of a cluster do
    /// so in the same way: one that could be asked in plain text would tell all that TLS hides.
    pub(crate) fn for_scheme(self, scheme: PeerScheme) -> Result<Self, Error> {
        if self.scheme == scheme {
            return Ok(self);
        }
        let reason = match self.scheme {
            PeerScheme::Http => "with TLS, all peers are given as https://host:port",
            PeerScheme::Https if cfg!(feature = "tls") => {
                "https:// needs TLS to be set up: HttpPoolBuilder::tls"
            }
            PeerScheme::Https => "https:// needs TLS, which is not built in: feature `tls`",
        };
        Err(Error::InvalidPeer { url: self.text.as_ref().to_owned(), reason: reason.to_owned() })
    }

    pub(crate) fn scheme(&self) -> PeerScheme {
        self.scheme
    }

    /// The URL, without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The host and the port as they stand in the URL.
    fn as_authority(&self) -> &str {
        self.text.strip_prefix(self.scheme.prefix()).unwrap_or(&self.text)
    }

    /// The host and the port, which is there even if it is the scheme's own.
    pub(crate) fn host_and_port(&self) -> Arc<str> {
        let authority = self.as_authority();
        if self.port == self.scheme.default_port() {
            format!("{authority}:{}", self.port).into()
        } else {
            authority.into()
        }
    }

    /// The URL, shared.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// A name or an address; an IPv6 address without its brackets, and with a percent sign before
    /// its zone.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, for a request. A zone means something on this host only, so it is left out.
    pub(crate) fn authority(&self) -> Authority {
        split_zone(self.as_authority()).0.parse().expect("it was parsed when the URL was read")
    }
}

/// A URL that is refused, as errors and logs may tell it: a password may stand before the `@`.
pub(crate) fn without_user(url: &str) -> Cow<'_, str> {
    url.rsplit_once('@').map_or_else(|| url.into(), |(_, rest)| format!("…@{rest}").into())
}

fn refused(url: &str, reason: &str) -> Error {
    Error::InvalidPeer { url: without_user(url).into_owned(), reason: reason.to_owned() }
}

/// The one spelling of a URL. `host` is as in [`PeerUrl::host`].
fn text_of(scheme: PeerScheme, host: &str, port: u16) -> String {
    let mut text = scheme.prefix().to_owned();
    match host.split_once('%') {
        Some((address, zone)) => text += &format!("[{address}{ZONE}{zone}]"),
        None if host.contains(':') => text += &format!("[{host}]"),
        None => text += host,
    }
    if port != scheme.default_port() {
        text += &format!(":{port}");
    }
    text
}

/// Takes the zone out of `[fe80::1%25eth0]:8001`. Many people do not escape the percent sign, so
/// `[fe80::1%eth0]:8001` is the same.
fn split_zone(authority: &str) -> (Cow<'_, str>, Option<&str>) {
    let zoned = || {
        let (host, port) = authority.strip_prefix('[')?.split_once(']')?;
        let (address, zone) = host
            .split_once(ZONE)
            .filter(|(_, zone)| !zone.is_empty())
            .or_else(|| host.split_once('%'))?;
        let _: Ipv6Addr = address.parse().ok()?;
        Some((format!("[{address}]{port}").into(), Some(zone)))
    };
    zoned().unwrap_or_else(|| (authority.into(), None))
}

fn is_zone(zone: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !zone.is_empty() && zone.bytes().all(plain)
}

impl fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_read_as_people_write_them() {
        for (url, text, host, port) in [
            ("http://localhost:8001", "http://localhost:8001", "localhost", 8001),
            ("http://localhost:8001/", "http://localhost:8001", "localhost", 8001),
            ("http://10.0.3.17:8080", "http://10.0.3.17:8080", "10.0.3.17", 8080),
            ("http://[::1]:8001", "http://[::1]:8001", "::1", 8001),
            ("http://[fe80::1%25eth0]:1", "http://[fe80::1%25eth0]:1", "fe80::1%eth0", 1),
            ("http://[fe80::1%eth0]:1", "http://[fe80::1%25eth0]:1", "fe80::1%eth0", 1),
            ("http://[fe80::1%25]:1", "http://[fe80::1%2525]:1", "fe80::1%25", 1),
            ("http://[fe80::1%2525]:1", "http://[fe80::1%2525]:1", "fe80::1%25", 1),
            ("HTTP://LocalHost:8001", "http://localhost:8001", "localhost", 8001),
            ("http://a:80", "http://a", "a", 80),
            ("http://a:443", "http://a:443", "a", 443),
            ("https://A:443/", "https://a", "a", 443),
            ("http://[0:0::0:1]:8001", "http://[::1]:8001", "::1", 8001),
            ("http://[2001:DB8::]:80", "http://[2001:db8::]", "2001:db8::", 80),
            ("http://[FE80::1%25Eth0]:1", "http://[fe80::1%25Eth0]:1", "fe80::1%Eth0", 1),
            ("http://[fe80::1%25br-0.2]/", "http://[fe80::1%25br-0.2]", "fe80::1%br-0.2", 80),
            ("http://cache-7.cache.svc", "http://cache-7.cache.svc", "cache-7.cache.svc", 80),
            ("https://localhost:8001/", "https://localhost:8001", "localhost", 8001),
            ("https://[::1]", "https://[::1]", "::1", 443),
        ] {
            let peer = PeerUrl::parse(url).expect(url);
            assert_eq!((peer.as_str(), peer.host(), peer.port()), (text, host, port));
            assert_eq!(PeerUrl::parse(text).expect(text), peer, "the spelling is final");
            let has_zone = host.contains('%');
            assert!(has_zone || peer.as_str().ends_with(peer.authority().as_str()));
        }
    }

    #[test]
    fn zone_is_for_the_connection_and_not_for_the_request() {
        let peer = PeerUrl::parse("http://[fe80::1%25eth0]:8001").unwrap();
        assert_eq!(peer.authority(), "[fe80::1]:8001");
        for (addr, url) in [
            ("127.0.0.1:1", "http://127.0.0.1:1"),
            ("[::1]:1", "http://[::1]:1"),
            ("[fe80::1%3]:1", "http://[fe80::1%253]:1"),
        ] {
            assert_eq!(PeerUrl::of(PeerScheme::Http, addr.parse().unwrap()).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_peer_is_refused_with_a_reason() {
        for (url, part_of_reason) in [
            ("", "http://host:port"),
            ("localhost:8001", "http://host:port"),
            (":8080", "http://host:port"),
            ("http://0.0.0.0:8001", "advertise"),
            ("http://[::]:8001", "advertise"),
            ("http://[0::0%25eth0]:8001", "advertise"),
            ("hätp://localhost:8001", "http://host:port"),
            ("https:/localhost:8001", "http://host:port"),
            ("https://", "host"),
            ("https://me@localhost", "user"),
            ("https://http://localhost:8001", "path"),
            ("http://", "host"),
            ("http:///", "host"),
            ("http://:8001", "host"),
            ("http://localhost:", "port"),
            ("http://localhost:0", "port"),
            ("http://localhost:65536", "port"),
            ("http://localhost:+80", "port"),
            ("http://localhost:080", "port"),
            ("http://me@localhost:8001", "user"),
            ("http://localhost:8001/path", "path"),
            ("http://[fe80::1%]:1", "zone"),
            ("http://[fe80::1%25a%25b]:1", "zone"),
            ("http://[fe80::1%25e\r\n]:1", "zone"),
            ("http://[fe80::1%25eth0:1", "host"),
            ("http://[fe80::1%25eth0]1", "host"),
            ("http://[::1]1", "host"),
            ("http://a[b]", "host"),
            ("http://a[::1]:1", "port"),
            ("http://[[::1]]:1", "host"),
            ("http://[fe80%25eth0]:1", "host"),
            ("http://[::1%25lo]%25lo:1", "host"),
            ("http://host%25eth0:1", "host"),
            ("http://localhost:8001//", "path"),
            ("http://localhost:8001?x", "path"),
            ("http://local host:8001", "host"),
            ("http://localhost:8001\r\nX: y", "host"),
            (" http://localhost:8001", "http://host:port"),
        ] {
            match PeerUrl::parse(url) {
                Err(Error::InvalidPeer { url: given, reason }) => {
                    assert_eq!(given, without_user(url));
                    assert!(reason.contains(part_of_reason), "{url:?}: {reason}");
                }
                other => panic!("{url:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_refused_url_is_told_without_its_password() {
        for url in ["http://me:hush@a:1", "http://me:hu@sh@a:1", "me:hush@a:1", "ftp://me:hush@a:1"]
        {
            let error = PeerUrl::parse(url).unwrap_err();
            assert!(error.to_string().contains("…@a:1"), "{error}");
            let given = crate::PeerAddress::from(url);
            assert!(!format!("{error} {error:?} {given:?}").contains("hu"), "{error:?} {given:?}");
        }
    }

    #[test]
    fn peers_are_all_asked_with_tls_or_none_of_them() {
        use PeerScheme::{Http, Https};
        for (url, right, wrong) in [("http://a:1", Http, Https), ("https://a:1", Https, Http)] {
            let peer = PeerUrl::parse(url).unwrap();
            assert_eq!(peer.clone().for_scheme(right).unwrap(), peer);
            let error = peer.for_scheme(wrong).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains("TLS"), "{error}");
        }
    }
}
