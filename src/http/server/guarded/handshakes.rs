//! [`Handshakes`]: what all TLS handshakes of a server share.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::http::server::guarded::connections::OpenConnection;
use crate::http::tls::{TlsConfig, TlsRefusal, refusal};
use crate::repeats::Repeats;
use crate::sync::lock;

/// What is said, in TLS, to a connection that there is no room for: a fatal alert,
/// `internal_error`.
const NO_ROOM: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// The handshakes of a server: with what, and how many there are.
pub(super) struct Handshakes {
    /// `None` where requests come in plain text.
    pub(super) tls: Option<TlsConfig>,
    /// Those that have not ended, the oldest first.
    open: Mutex<VecDeque<Arc<OpenConnection>>>,
    /// What was logged before.
    repeats: Arc<Repeats>,
}

impl Handshakes {
    pub(super) fn new(tls: Option<TlsConfig>, repeats: Arc<Repeats>) -> Self {
        Self { tls, open: Mutex::default(), repeats }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.open).len()
    }

    /// Tells a connection, which is to be closed, that there is no room for it. False where that is
    /// to be told in plain text.
    pub(super) fn turn_away(&self, mut socket: &TcpStream) -> bool {
        if self.tls.is_some() {
            let _ = socket.set_nonblocking(true).and_then(|()| socket.write_all(NO_ROOM));
        }
        self.tls.is_some()
    }

    /// Counts a connection among those that have not ended, until the return value is dropped. If
    /// there are `most`, the oldest of them is closed.
    pub(super) fn enter(&self, connection: Arc<OpenConnection>, most: usize) -> Handshake<'_> {
        let mut open = lock(&self.open);
        let oldest = if open.len() >= most { open.pop_front() } else { None };
        open.push_back(Arc::clone(&connection));
        drop(open);
        let took_place = oldest.is_some();
        if let Some(oldest) = oldest {
            let _ = oldest.socket().shutdown(Shutdown::Both);
        }
        Handshake { handshakes: self, connection, took_place }
    }

    /// Tells that a client was refused, or did not take our certificate, and why.
    pub(super) fn tell(&self, addr: SocketAddr, socket: &TcpStream, error: &io::Error) {
        let client = socket.peer_addr().ok();
        let what = match refusal(error) {
            Some(TlsRefusal::OfUs) => "gave up",
            Some(TlsRefusal::OfThem) | None => "is refused",
        };
        if let Some(again) = self.repeats.due((what, client.map(|client| client.ip()))) {
            let client = client.map_or_else(|| "a client".to_owned(), |it| it.to_string());
            log::warn!("{client} {what} at {addr}: {error}{again}");
        }
    }
}

/// One handshake, until this is dropped.
pub(super) struct Handshake<'a> {
    handshakes: &'a Handshakes,
    connection: Arc<OpenConnection>,
    /// Whether another one had to go.
    pub(super) took_place: bool,
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        let mut open = lock(&self.handshakes.open);
        if let Some(at) = open.iter().position(|it| Arc::ptr_eq(it, &self.connection)) {
            open.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::http::server::guarded::connections::{Connections, Member};

    fn pair(connections: &Connections) -> (Member, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (connections.enter(listener.accept().unwrap().0), client)
    }

    #[test]
    fn oldest_handshake_makes_room_and_none_is_counted_twice() {
        let (connections, handshakes) =
            (Connections::default(), Handshakes::new(None, Arc::default()));
        let pairs: Vec<_> = (0..3).map(|_| pair(&connections)).collect();
        let enter = |n: usize| handshakes.enter(pairs[n].0.line(), 2);
        let (first, second) = (enter(0), enter(1));
        assert!(!first.took_place && !second.took_place);
        let third = enter(2);
        assert!(third.took_place);
        assert_eq!(handshakes.len(), 2);
        assert_eq!((&pairs[0].1).read(&mut [0]).unwrap(), 0, "the oldest one is closed");
        drop(first);
        assert_eq!(handshakes.len(), 2);
        drop((second, third));
        assert_eq!(handshakes.len(), 0);
    }
}
