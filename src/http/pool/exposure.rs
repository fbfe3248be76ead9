//! Warns of a pool that strangers may reach, and that is not made for them.

use std::net::{IpAddr, SocketAddr};

use crate::http::server::Server;
use crate::http::url::PeerUrl;

/// Tells, once, what is wrong with serving where strangers may be.
///
/// That is so where the address at which the pool listens, or the one in its URL, is neither
/// loopback nor private. A name in the URL is not looked up, and an unspecified address (`0.0.0.0`)
/// tells nothing.
pub(super) fn warn_if_exposed(
    name: &str,
    bound: SocketAddr,
    own: Option<&PeerUrl>,
    server: Server,
    has_token: bool,
) {
    let advertised = own.and_then(|url| url.host().parse().ok());
    let Some(addr) = [Some(bound.ip()), advertised].into_iter().flatten().find(is_public) else {
        return;
    };
    let wrong = match (server, has_token) {
        (Server::Guarded, true) => return,
        (Server::Guarded, false) => "it asks for no token",
        (Server::TinyHttp, true) => "its server is tiny_http, which has no limits",
        (Server::TinyHttp, false) => {
            "it asks for no token, and its server is tiny_http, which has no limits"
        }
    };
    log::warn!("{name} can be reached at {addr}, which is no private address: {wrong}");
}

/// Whether others than neighbours may come from there: it is neither loopback nor private (RFC
/// 1918, RFC 4193), nor link-local, nor shared within a provider's network (RFC 6598).
fn is_public(addr: &IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(addr) => {
            let [first, second, ..] = addr.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            let is_private = addr.is_private() || addr.is_link_local() || is_shared;
            !(is_private || addr.is_loopback() || addr.is_unspecified())
        }
        IpAddr::V6(addr) => {
            let is_private = addr.is_unique_local() || addr.is_unicast_link_local();
            !(is_private || addr.is_loopback() || addr.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_strangers_are_told_from_those_of_neighbours() {
        for (addr, expected) in [
            ("127.0.0.1", false),
            ("127.255.0.1", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.168.255.255", false),
            ("192.169.0.0", true),
            ("169.254.1.1", false),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("0.0.0.0", false),
            ("203.0.113.7", true),
            ("::", false),
            ("::1", false),
            ("fbff::1", true),
            ("fc00::1", false),
            ("fdff::1", false),
            ("fe00::1", true),
            ("fe80::1", false),
            ("febf::1", false),
            ("fec0::1", true),
            ("2001:db8::1", true),
            ("::ffff:10.0.0.1", false),
            ("::ffff:203.0.113.7", true),
        ] {
            assert_eq!(is_public(&addr.parse().unwrap()), expected, "{addr}");
        }
    }
}
