//! Listeners: bound, set up, and reached from this process itself.

use std::io;
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that may wait in the kernel to be accepted. A peer that restarts is met by all
/// others at once.
const BACKLOG: i32 = 1024;

/// Binds a listener on the first address of `addr` that can be bound.
pub(crate) fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the address names no host");
    for addr in addr.to_socket_addrs()? {
        match bind_one(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix a restarted peer takes its port back while old connections linger; on Windows the
    // option means to share it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets what every connection needs on the listener, from which accepted sockets inherit it on
/// Linux.
pub(super) fn set_inherited(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)
}

/// Where this process reaches its own `listener`.
pub(super) fn own_addr(listener: &TcpListener) -> io::Result<SocketAddr> {
    let mut addr = listener.local_addr()?;
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            let candidates = loopback_addrs(listener, v6.port());
            // Which of them there is depends on the host. It listens already, so that nobody has to
            // accept for a connection to be opened.
            let reached = candidates.iter().find(|addr| connect_to_self(**addr).is_ok());
            addr = *reached.unwrap_or(&candidates[0]);
        }
        _ => {}
    }
    Ok(addr)
}

/// Where a listener at `[::]` may be reached from its own host. Some hosts have IPv6, but not on
/// the loopback interface.
fn loopback_addrs(listener: &TcpListener, port: u16) -> Vec<SocketAddr> {
    let mut ips: Vec<IpAddr> = vec![Ipv6Addr::LOCALHOST.into()];
    if SockRef::from(listener).only_v6().is_ok_and(|only_v6| !only_v6) {
        ips.push(Ipv4Addr::LOCALHOST.into());
    }
    // The address that this host would send from to an address of the documentation. Nothing is
    // sent.
    let sender = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9))?;
        socket.local_addr()
    });
    ips.extend(sender.map(|addr| addr.ip()));
    ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

/// Opens a connection to this process itself.
pub(super) fn connect_to_self(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&addr, Duration::from_secs(1))
}
