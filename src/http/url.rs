//! [`PeerUrl`]: the address of a peer, parsed once.

use std::fmt;
use std::sync::Arc;

use ureq::http::uri::Authority;

use crate::error::Error;

/// The URL of a peer, as `http://host:port`.
///
/// The text is also the peer's name on the ring, so it is kept as it was given, but for a slash at
/// its end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PeerUrl {
    text: Arc<str>,
    host: Arc<str>,
    port: u16,
}

impl PeerUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let invalid =
            |reason: &str| Error::InvalidPeer { url: url.to_owned(), reason: reason.to_owned() };
        let text = url.strip_suffix('/').unwrap_or(url);
        let Some(authority) = text.strip_prefix("http://") else {
            return Err(invalid(if text.starts_with("https://") {
                "peers speak http only; there is no TLS between them"
            } else {
                "a peer is given as http://host:port"
            }));
        };
        if authority.contains('@') {
            return Err(invalid("a peer's URL holds no user"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(invalid(
                "a peer's URL holds no path; the base path is an option of the pool",
            ));
        }
        let parsed: Authority =
            authority.parse().map_err(|_| invalid("this is no host and port"))?;
        let host = parsed.host();
        if host.is_empty() {
            return Err(invalid("there is no host in it"));
        }
        let port = match authority[host.len()..].strip_prefix(':') {
            None => 80,
            Some(port) => match port.parse() {
                Ok(port @ 1..) if port.to_string() == authority[host.len() + 1..] => port,
                _ => return Err(invalid("its port is not a number from 1 to 65535")),
            },
        };
        Ok(Self { text: text.into(), host: host.trim_matches(['[', ']']).into(), port })
    }

    /// The URL, without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL, shared.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// A name or an address; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in a URL.
    pub(crate) fn authority(&self) -> Authority {
        let text = self.text.strip_prefix("http://").unwrap_or(&self.text);
        text.parse().expect("it was parsed when the URL was read")
    }
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
            ("http://cache-7.cache.svc", "http://cache-7.cache.svc", "cache-7.cache.svc", 80),
        ] {
            let peer = PeerUrl::parse(url).expect(url);
            assert_eq!((peer.as_str(), peer.host(), peer.port()), (text, host, port));
        }
    }

    #[test]
    fn what_is_no_peer_is_refused_with_a_reason() {
        for (url, part_of_reason) in [
            ("", "http://host:port"),
            ("localhost:8001", "http://host:port"),
            (":8080", "http://host:port"),
            ("https://localhost:8001", "TLS"),
            ("HTTP://localhost:8001", "http://host:port"),
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
            ("http://localhost:8001//", "path"),
            ("http://localhost:8001?x", "path"),
            ("http://local host:8001", "host"),
            ("http://localhost:8001\r\nX: y", "host"),
            (" http://localhost:8001", "http://host:port"),
        ] {
            match PeerUrl::parse(url) {
                Err(Error::InvalidPeer { url: given, reason }) => {
                    assert_eq!(given, url);
                    assert!(reason.contains(part_of_reason), "{url:?}: {reason}");
                }
                other => panic!("{url:?} gave {other:?}"),
            }
        }
    }
}
