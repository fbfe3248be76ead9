//! [`Dialer`]: who opens the connections to peers.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Opens connections: the system does, unless it is told otherwise.
///
/// Below this seam a test can put a network that fails. All above it, such as breakers, retries and
/// time limits, sees real sockets.
#[derive(Clone, Default)]
pub(crate) struct Dialer(Option<Arc<Dial>>);

type Dial = dyn Fn(&SocketAddr, Option<Duration>) -> io::Result<TcpStream> + Send + Sync;

impl Dialer {
    /// One that does as `dial` does, which gets the address and how long it may take at most.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn by<F>(dial: F) -> Self
    where
        F: Fn(&SocketAddr, Option<Duration>) -> io::Result<TcpStream> + Send + Sync + 'static,
    {
        Self(Some(Arc::new(dial)))
    }

    /// Connects to `address`, which takes no longer than `within`, if that is given.
    pub(super) fn dial(
        &self,
        address: &SocketAddr,
        within: Option<Duration>,
    ) -> io::Result<TcpStream> {
        match (&self.0, within) {
            (Some(dial), within) => dial(address, within),
            (None, Some(within)) => TcpStream::connect_timeout(address, within),
            (None, None) => TcpStream::connect(address),
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Dialer(own)" } else { "Dialer(system)" })
    }
}
