//! [`DnsSource`]: the addresses that a name stands for.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::{BoxError, Error};
use crate::http::discovery::source::Discover;
use crate::http::url::{PeerScheme, PeerUrl, without_user};

type Resolve = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send;

/// Looks a name up, by the system's resolver.
pub(super) struct DnsSource {
    name: String,
    scheme: PeerScheme,
    look_up: Box<Resolve>,
}

impl DnsSource {
    pub(super) fn new(name: &str, scheme: PeerScheme) -> Result<Self, Error> {
        Self::with_look_up(name, scheme, |name| Ok(name.to_socket_addrs()?.collect()))
    }

    fn with_look_up(
        name: &str,
        scheme: PeerScheme,
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Result<Self, Error> {
        let port = name.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let url = format!("{}{name}", scheme.prefix());
        if port.is_none_or(|port| port == 0) {
            let reason = "to be looked up it needs a port, as in cache.default.svc:8001".to_owned();
            return Err(Error::InvalidPeer { url: without_user(name).into_owned(), reason });
        }
        PeerUrl::parse(&url)?;
        Ok(Self { name: name.to_owned(), scheme, look_up: Box::new(look_up) })
    }
}

impl Discover for DnsSource {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        let url = |addr| Ok(PeerUrl::of(self.scheme, addr)?.as_str().to_owned());
        (self.look_up)(&self.name)?.into_iter().map(url).collect::<Result<_, BoxError>>().map(Some)
    }

    fn name(&self) -> String {
        format!("dns:{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_a_name_is_a_peer() {
        let look_up = |name: &str| {
            assert_eq!(name, "cache.svc:8001");
            let addresses = ["10.0.0.1:8001", "[2001:db8::1]:8001", "[fe80::1%3]:8001"];
            Ok(addresses.map(|address| address.parse().unwrap()).to_vec())
        };
        let mut source =
            DnsSource::with_look_up("cache.svc:8001", PeerScheme::Https, look_up).unwrap();
        let expected =
            ["https://10.0.0.1:8001", "https://[2001:db8::1]:8001", "https://[fe80::1%253]:8001"];
        assert_eq!(source.discover().unwrap().unwrap(), expected);
        assert_eq!(source.name(), "dns:cache.svc:8001");
    }

    #[test]
    fn the_system_knows_this_host() {
        let mut source = DnsSource::new("127.0.0.1:8001", PeerScheme::Http).unwrap();
        assert_eq!(source.discover().unwrap().unwrap(), ["http://127.0.0.1:8001"]);
    }

    #[test]
    fn a_name_that_does_not_resolve_is_an_error_and_one_without_a_port_is_no_source() {
        let look_up = |_: &str| Err(io::ErrorKind::NotFound.into());
        let mut source = DnsSource::with_look_up("a:1", PeerScheme::Http, look_up).unwrap();
        assert!(source.discover().is_err());
        for name in ["cache.svc", "", "cache.svc:", "cache.svc:http", "a:0", "http://a:1", "a b:1"]
        {
            let made = DnsSource::new(name, PeerScheme::Http);
            assert!(matches!(made, Err(Error::InvalidPeer { .. })), "{name}");
        }
    }
}
