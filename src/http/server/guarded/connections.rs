//! The connections that are open, and which of them are idle.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::sync::lock;

/// State of a connection whose request is being read, handled or answered.
const BUSY: u64 = u64::MAX;

/// State of a connection that was ended to make room.
const ENDED: u64 = u64::MAX - 1;

/// Added to the state of a connection that waits for the rest of a request. It makes room where no
/// idle one does, and a shutdown does not end it.
const RECEIVING: u64 = 1 << 62;

/// All open connections.
#[derive(Default)]
pub(super) struct Connections(Arc<Register>);

struct Register {
    open: Mutex<Open>,
    emptied: Condvar,
    epoch: Instant,
}

#[derive(Default)]
struct Open {
    by_id: HashMap<u64, Arc<OpenConnection>>,
    next_id: u64,
}

/// One connection, as its thread and the others see it.
pub(super) struct OpenConnection {
    socket: TcpStream,
    /// [`BUSY`], [`ENDED`], or since when it has been idle or [`RECEIVING`], in microseconds on the
    /// server's clock.
    state: AtomicU64,
}

/// The membership of a connection's thread; dropping it strikes the connection from the list.
pub(super) struct Member {
    id: u64,
    line: Arc<OpenConnection>,
    connections: Arc<Register>,
}

impl OpenConnection {
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

impl Default for Register {
    fn default() -> Self {
        Self { open: Mutex::default(), emptied: Condvar::new(), epoch: Instant::now() }
    }
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        lock(&self.0.open).by_id.len()
    }

    /// Adds a connection, idle from now on.
    pub(super) fn enter(&self, stream: TcpStream) -> Member {
        let line = Arc::new(OpenConnection { socket: stream, state: AtomicU64::new(self.0.now()) });
        let mut open = lock(&self.0.open);
        let id = open.next_id;
        open.next_id += 1;
        open.by_id.insert(id, Arc::clone(&line));
        drop(open);
        Member { id, line, connections: Arc::clone(&self.0) }
    }

    /// Ends the connection that has been idle for longest, or if none is idle the one that has been
    /// receiving a body for longest. Returns whether there was one.
    pub(super) fn end_oldest_idle(&self) -> bool {
        loop {
            let mut open = lock(&self.0.open);
            let states =
                open.by_id.iter().map(|(&id, line)| (line.state.load(Ordering::SeqCst), id));
            let Some((since, id)) = states.filter(|&(state, _)| state < ENDED).min() else {
                return false;
            };
            let Some(line) = open.by_id.get(&id) else { return false };
            // Its thread may have found a request in the meantime; then another one has to go.
            if line
                .state
                .compare_exchange(since, ENDED, Ordering::SeqCst, Ordering::SeqCst)
                .is_err()
            {
                continue;
            }
            let line = open.by_id.remove(&id);
            drop(open);
            if let Some(line) = line {
                let _ = line.socket.shutdown(Shutdown::Both);
            }
            return true;
        }
    }

    /// Ends all idle connections. A request that has arrived already is still read.
    pub(super) fn end_idle(&self) {
        for line in self.all() {
            if line.state.load(Ordering::SeqCst) < RECEIVING {
                let _ = line.socket.shutdown(Shutdown::Read);
            }
        }
    }

    /// Ends all connections, whatever they are doing.
    pub(super) fn cut_off(&self) {
        for line in self.all() {
            let _ = line.socket.shutdown(Shutdown::Both);
        }
    }

    /// Waits until no connection is left. Returns whether that was so before `deadline`.
    pub(super) fn wait_until_empty(&self, deadline: Instant) -> bool {
        let mut open = lock(&self.0.open);
        while !open.by_id.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.emptied.wait_timeout(open, left);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn all(&self) -> Vec<Arc<OpenConnection>> {
        lock(&self.0.open).by_id.values().cloned().collect()
    }
}

impl Register {
    /// Microseconds since the server was started.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(0)
    }
}

impl Member {
    pub(super) fn line(&self) -> Arc<OpenConnection> {
        Arc::clone(&self.line)
    }

    pub(super) fn socket(&self) -> &TcpStream {
        self.line.socket()
    }

    /// Marks the connection as one that may not be ended. Returns whether it had not been ended
    /// already.
    pub(super) fn begin_request(&self) -> bool {
        self.line.state.swap(BUSY, Ordering::SeqCst) != ENDED
    }

    /// Marks the connection as one that waits for a body from now on.
    pub(super) fn await_body(&self) {
        self.line.state.store(self.connections.now() | RECEIVING, Ordering::SeqCst);
    }

    /// Marks the connection as idle from now on.
    pub(super) fn end_request(&self) {
        self.line.state.store(self.connections.now(), Ordering::SeqCst);
    }

    /// Marks the connection as the first to end when room is needed.
    pub(super) fn give_up(&self) {
        self.line.state.store(0, Ordering::SeqCst);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = lock(&self.connections.open);
        let line = open.by_id.remove(&self.id);
        if open.by_id.is_empty() {
            self.connections.emptied.notify_all();
        }
        drop(open);
        drop(line);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    /// A member with the client's end of its connection.
    fn enter(connections: &Connections) -> (Member, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let member = connections.enter(listener.accept().unwrap().0);
        // Times are told apart from here on.
        let now = connections.0.now();
        while connections.0.now() == now {}
        (member, client)
    }

    #[test]
    fn connection_that_was_idle_for_longest_ends_first() {
        let connections = Connections::default();
        let mut members: Vec<_> = (0..4).map(|_| enter(&connections)).collect();
        assert!(members[0].0.begin_request());
        members[0].0.end_request();
        assert!(members[2].0.begin_request());

        for n in [1, 3, 0] {
            assert!(connections.end_oldest_idle());
            assert_eq!(members[n].1.read(&mut [0]).unwrap(), 0, "{n}");
            assert!(!members[n].0.begin_request(), "{n}");
        }
        assert!(!connections.end_oldest_idle(), "the only one left has a request");
        assert_eq!(connections.len(), 1);
    }

    #[test]
    fn connection_that_was_given_up_ends_before_all_others() {
        let connections = Connections::default();
        let (_other, _) = enter(&connections);
        let (member, mut client) = enter(&connections);
        assert!(member.begin_request());
        member.give_up();
        assert!(connections.end_oldest_idle());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn last_member_that_leaves_is_noticed() {
        let connections = Connections::default();
        let (member, _client) = enter(&connections);
        assert!(!connections.wait_until_empty(Instant::now()));
        std::thread::scope(|scope| {
            scope.spawn(|| drop(member));
            assert!(connections.wait_until_empty(Instant::now() + Duration::from_secs(10)));
        });
    }
}
