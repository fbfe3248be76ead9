//! [`Running`]: a server that was started.

/// A server that was started.
pub(crate) trait Running: Send + Sync {
    /// Refuses new connections, answers what is in flight, tells peers with open connections to
    /// close them, and returns; the port can be bound again. Takes about the drain time of its
    /// limits at most. Calls after the first do nothing.
    fn shutdown(&self);

    /// What the server went through so far.
    fn health(&self) -> Health;
}

/// What a server went through since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Requests that were read, whatever became of them.
    pub(crate) requests: u64,
    /// Requests that have a handler now.
    pub(crate) in_flight: usize,
    /// Connections that are open now; `None` from tiny_http, which does not tell.
    pub(crate) connections: Option<usize>,
    /// Connections of those that are in a TLS handshake now.
    pub(crate) handshakes: usize,
    /// Requests that were answered with a 503, and connections closed, because a limit was reached.
    pub(crate) rejected: u64,
    /// How often accepting had stopped, or could not go on for lack of descriptors, and was
    /// resumed.
    pub(crate) accept_restarts: u64,
    /// Connections that tiny_http holds for good because closing them would end the process. Always
    /// 0 in the guarded server.
    pub(crate) abandoned: u64,
}
