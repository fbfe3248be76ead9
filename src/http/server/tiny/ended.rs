//! [`Ended`]: connections that are over, although tiny_http goes on to read them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Connections that are remembered. When there are more, the one on which nothing has come for
/// longest is forgotten.
const MOST: usize = 16 * 1024;

/// A connection is remembered for so much longer than tiny_http keeps one on which nothing comes.
const MARGIN: Duration = Duration::from_secs(5);

/// The clients whose connections are over. tiny_http closes no connection from the server's side,
/// so what still comes on them has to be left alone, request by request.
///
/// A client that gets the port of an ended connection for a new one within that time is left alone
/// as well.
pub(super) struct Ended {
    /// How long a connection is remembered on which nothing comes.
    silence: Duration,
    clients: Mutex<HashMap<SocketAddr, Client>>,
    /// How many there are, for a look without the lock.
    len: AtomicUsize,
}

struct Client {
    /// When something came from it.
    seen: Instant,
    /// Whether the last answer to it is out.
    is_cut: bool,
}

impl Client {
    fn is_over(&self, now: Instant, silence: Duration) -> bool {
        now.duration_since(self.seen) >= silence
    }
}

impl Ended {
    /// For a server that keeps connections for `idle` on which nothing comes.
    pub(super) fn new(idle: Duration) -> Self {
        let silence = idle.saturating_add(MARGIN);
        Self { silence, clients: Mutex::default(), len: AtomicUsize::new(0) }
    }

    /// No request is handled that comes from `client` from now on.
    pub(super) fn add(&self, client: SocketAddr) {
        self.put(client, false);
    }

    /// Nothing is written to `client` from now on.
    pub(super) fn cut(&self, client: SocketAddr) {
        self.put(client, true);
    }

    fn put(&self, client: SocketAddr, is_cut: bool) {
        let mut clients = lock(&self.clients);
        if clients.len() >= MOST && !clients.contains_key(&client) {
            let oldest = clients.iter().min_by_key(|(_, client)| client.seen);
            let oldest = oldest.map(|(client, _)| *client);
            oldest.map(|oldest| clients.remove(&oldest));
        }
        let was_cut = clients.get(&client).is_some_and(|client| client.is_cut);
        clients.insert(client, Client { seen: Instant::now(), is_cut: is_cut || was_cut });
        self.len.store(clients.len(), Ordering::SeqCst);
    }

    /// Whether the connection of `client` is over, from which something came just now.
    pub(super) fn contains(&self, client: SocketAddr) -> bool {
        self.see(client, |_| true)
    }

    /// Whether nothing more is to be written to `client`.
    pub(super) fn is_cut(&self, client: SocketAddr) -> bool {
        self.see(client, |client| client.is_cut)
    }

    fn see(&self, client: SocketAddr, what: impl FnOnce(&Client) -> bool) -> bool {
        if self.len.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let now = Instant::now();
        let mut clients = lock(&self.clients);
        let known = clients.get_mut(&client).filter(|client| !client.is_over(now, self.silence));
        known.is_some_and(|client| {
            client.seen = now;
            what(client)
        })
    }

    /// Forgets the connections on which nothing has come for long.
    pub(super) fn forget_silent(&self) {
        if self.len.load(Ordering::SeqCst) == 0 {
            return;
        }
        let now = Instant::now();
        let mut clients = lock(&self.clients);
        clients.retain(|_, client| !client.is_over(now, self.silence));
        self.len.store(clients.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(60);

    fn client(n: usize) -> SocketAddr {
        let port = u16::try_from(n % 50_000).unwrap();
        SocketAddr::from(([10, 0, 0, u8::try_from(n / 50_000).unwrap()], port))
    }

    /// Makes `client` one that was seen so long ago.
    fn age(ended: &Ended, client: SocketAddr, time: Duration) {
        lock(&ended.clients).get_mut(&client).unwrap().seen -= time;
    }

    #[test]
    fn client_is_known_until_it_was_silent_for_long() {
        let ended = Ended::new(SILENCE - MARGIN);
        assert!(!ended.contains(client(1)));
        ended.add(client(1));
        ended.cut(client(2));
        assert!(ended.contains(client(1)) && !ended.is_cut(client(1)));
        assert!(ended.contains(client(2)) && ended.is_cut(client(2)));
        assert!(!ended.contains(client(3)));
        // A flaw that comes later does not make it one that may be written to.
        ended.add(client(2));
        assert!(ended.is_cut(client(2)));

        // Whatever comes makes it known for longer.
        for _ in 0..3 {
            age(&ended, client(1), SILENCE / 2);
            assert!(ended.contains(client(1)));
        }
        age(&ended, client(1), SILENCE);
        assert!(!ended.contains(client(1)));
        ended.forget_silent();
        assert_eq!(lock(&ended.clients).len(), 1);
    }

    #[test]
    fn more_clients_than_fit_push_the_oldest_out() {
        let ended = Ended::new(SILENCE - MARGIN);
        for n in 0..MOST + 10 {
            ended.add(client(n));
        }
        assert_eq!(lock(&ended.clients).len(), MOST);
        assert!(ended.contains(client(MOST + 9)));
        let lost = (0..MOST).filter(|&n| !lock(&ended.clients).contains_key(&client(n))).count();
        assert_eq!(lost, 10);
    }
}
