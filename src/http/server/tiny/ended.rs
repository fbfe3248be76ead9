//! [`Ended`]: connections that are over, although tiny_http goes on to read them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Connections that are remembered. When there are more, the one that was seen last the longest
/// time ago is forgotten.
const MOST: usize = 16 * 1024;

/// The clients whose connections are over. tiny_http closes no connection from the server's side,
/// so what still comes on them has to be left alone, request by request.
///
/// A client is known by its port, which a new connection may have after a while. So it is forgotten
/// when nothing has come for longer than a connection can be silent.
pub(super) struct Ended {
    clients: Mutex<HashMap<SocketAddr, Instant>>,
    /// How many there are, for a look without the lock.
    len: AtomicUsize,
    silence: Duration,
}

impl Ended {
    /// Forgets clients that were silent for `silence`.
    pub(super) fn new(silence: Duration) -> Self {
        Self { clients: Mutex::default(), len: AtomicUsize::new(0), silence }
    }

    /// Nothing that comes from `client` from now on counts.
    pub(super) fn add(&self, client: SocketAddr) {
        let mut clients = lock(&self.clients);
        if clients.len() >= MOST {
            let oldest = clients.iter().min_by_key(|(_, seen)| **seen).map(|(client, _)| *client);
            oldest.map(|oldest| clients.remove(&oldest));
        }
        clients.insert(client, Instant::now());
        self.len.store(clients.len(), Ordering::SeqCst);
    }

    /// Whether the connection of `client`, from which something came just now, is over.
    pub(super) fn contains(&self, client: &SocketAddr) -> bool {
        if self.len.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let now = Instant::now();
        match lock(&self.clients).get_mut(client) {
            Some(seen) if now.duration_since(*seen) < self.silence => {
                *seen = now;
                true
            }
            _ => false,
        }
    }

    /// Forgets those whose connections must be closed by now.
    pub(super) fn forget_silent(&self) {
        if self.len.load(Ordering::SeqCst) == 0 {
            return;
        }
        let now = Instant::now();
        let mut clients = lock(&self.clients);
        clients.retain(|_, seen| now.duration_since(*seen) < self.silence);
        self.len.store(clients.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: usize) -> SocketAddr {
        let port = u16::try_from(n % 50_000).unwrap();
        SocketAddr::from(([10, 0, 0, u8::try_from(n / 50_000).unwrap()], port))
    }

    #[test]
    fn client_is_known_until_it_was_silent_for_long() {
        let ended = Ended::new(Duration::from_secs(1000));
        assert!(!ended.contains(&client(1)));
        ended.add(client(1));
        ended.forget_silent();
        assert!(ended.contains(&client(1)));
        assert!(!ended.contains(&client(2)));

        let brief = Ended::new(Duration::ZERO);
        brief.add(client(1));
        assert!(!brief.contains(&client(1)));
        brief.forget_silent();
        assert_eq!(lock(&brief.clients).len(), 0);
    }

    #[test]
    fn more_clients_than_fit_push_the_oldest_out() {
        let ended = Ended::new(Duration::from_secs(1000));
        for n in 0..MOST + 10 {
            ended.add(client(n));
        }
        assert_eq!(lock(&ended.clients).len(), MOST);
        assert!(ended.contains(&client(MOST + 9)));
        let lost = (0..MOST).filter(|&n| !lock(&ended.clients).contains_key(&client(n))).count();
        assert_eq!(lost, 10);
    }
}
