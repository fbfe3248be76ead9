//! [`Limits`]: what a server may spend on its clients.

use std::sync::Arc;
use std::time::Duration;

use crate::http::budget::Budget;
use crate::repeats::Repeats;
use crate::stack::StackBytes;

/// What a server may spend on its clients.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections open at once. Past it the guarded server closes the connection that was idle for
    /// longest; tiny_http can't.
    pub(crate) max_connections: usize,
    /// Requests with a handler at once. Past it the answer is a 503.
    pub(crate) max_in_flight: usize,
    /// Bytes of a request's line and headers. tiny_http can't limit them.
    pub(crate) max_head_bytes: usize,
    /// Bytes of a request's body.
    pub(crate) max_body_bytes: usize,
    /// TLS handshakes at once. Past it the oldest one is closed.
    pub(crate) max_handshakes: usize,
    /// How long a TLS handshake may take.
    pub(crate) handshake: Duration,
    /// How long a connection may be silent between two requests.
    pub(crate) idle: Duration,
    /// How long a request's head may take from its first byte to its last. tiny_http limits single
    /// reads only, by `idle`.
    pub(crate) head: Duration,
    /// How long one read of a request's body, or one write of an answer, may wait for the client.
    pub(crate) io: Duration,
    /// How long a shutdown waits for the requests in flight.
    pub(crate) drain: Duration,
    /// What the threads that call the handler have.
    pub(crate) stack: StackBytes,
    /// The memory for bodies that are received and written.
    pub(crate) budget: Arc<Budget>,
    /// What was logged before.
    pub(crate) repeats: Arc<Repeats>,
    /// The same of what is told of each client by itself. Strangers can be without number, and must
    /// not keep the rest from being told.
    pub(crate) client_repeats: Arc<Repeats>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_in_flight: 256,
            max_head_bytes: 32 * 1024,
            max_body_bytes: 1024 * 1024,
            max_handshakes: 256,
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            io: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            stack: StackBytes::default(),
            budget: Arc::default(),
            repeats: Arc::default(),
            client_repeats: Arc::default(),
        }
    }
}
