//! The address of this host that others may reach.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address of the documentation, of each kind (RFC 5737, RFC 3849).
const FAR_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The port for discarding, RFC 863.
const FAR_PORT: u16 = 9;

/// Where others reach what listens at all addresses of this host: at the one from which it would
/// send to the rest of the world. `None` where the host has no way out.
///
/// Nothing is sent: to connect a socket of UDP only chooses its addresses.
pub(super) fn address_for_others(local_addr: SocketAddr) -> Option<SocketAddr> {
    let of_v4 = || sender((Ipv4Addr::UNSPECIFIED, 0).into(), (FAR_V4, FAR_PORT).into());
    let of_v6 = || sender((Ipv6Addr::UNSPECIFIED, 0).into(), (FAR_V6, FAR_PORT).into());
    let found = if local_addr.is_ipv4() { of_v4() } else { of_v6().or_else(|_| of_v4()) };
    let is_of_use = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_loopback();
    found.ok().filter(is_of_use).map(|ip| SocketAddr::new(ip, local_addr.port()))
}

fn sender(from: SocketAddr, to: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(from)?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Some machines have no interface but loopback, and then there is no such address.
    #[test]
    fn an_address_for_others_is_one_of_this_host() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let local_addr = listener.local_addr().unwrap();
        if let Some(addr) = address_for_others(local_addr) {
            assert_eq!(addr.port(), local_addr.port());
            // Only an address of this host can be listened at.
            TcpListener::bind((addr.ip(), 0)).unwrap();
        }
    }
}
