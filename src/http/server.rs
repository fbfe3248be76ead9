//! Two HTTP servers behind one seam.
//!
//! A server takes a bound listener, [`Limits`] and a [`Handler`]; it owns its threads and calls the
//! handler once per request. Nothing in here knows groups, keys or the wire between peers: it moves
//! requests and responses.
//!
//! Both servers give each request in flight a thread of its own, answer a panicking handler with a
//! 500, answer the requests of one connection in order, write an answer with as few system calls as
//! they can, accept again after running out of descriptors, and shut down gracefully. They pass the
//! same tests, one function per situation, in `tests/`.

mod answer;
mod guarded;
mod in_flight;
mod limits;
mod listener;
mod message;
mod running;
mod tiny;

#[cfg(feature = "unstable-bench")]
pub(crate) use guarded::fuzz_head;
pub(crate) use limits::Limits;
pub(crate) use listener::bind;
pub(crate) use message::{Handler, Headers, HttpRequest, HttpResponse};
pub(crate) use running::{Health, Running};

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use crate::http::tls::TlsConfig;

/// Which server answers the other peers.
///
/// Take [`Guarded`](Self::Guarded) under load, and where a client could mean harm.
/// [`guide::tiny_http`](crate::guide::tiny_http) lists, situation by situation, what the other one
/// can't do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// The server of the `tiny_http` crate, with its known faults mended as far as that is possible
    /// from outside.
    ///
    /// It is for private networks: a client that reaches its port can exhaust the memory or the
    /// threads of the process. A client that resets its connection right after a request makes one
    /// of its threads panic, which does no harm but is told by the panic hook; where a panic ends
    /// the program (`panic = "abort"`), a pool refuses this server. While there is traffic it
    /// connects to itself 50 times a second (about 1 % of a core), otherwise once a second.
    #[default]
    TinyHttp,
    /// A small server of this crate's own, with a thread per connection and a limit on everything
    /// that a client can send or leave out.
    ///
    /// It is also the one that speaks TLS (`HttpPoolBuilder::tls`, feature `tls`).
    ///
    /// It is the faster one: small answers leave it several times as fast as they leave tiny_http.
    Guarded,
}

impl Server {
    /// Serves what arrives at `listener`, over TLS if it is told how, until the answer's
    /// [`Running::shutdown`].
    pub(crate) fn start(
        self,
        listener: TcpListener,
        limits: Limits,
        tls: Option<TlsConfig>,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Arc<dyn Running>> {
        match (self, tls) {
            (Self::TinyHttp, None) => Ok(Arc::new(tiny::Tiny::start(listener, limits, handler)?)),
            (Self::TinyHttp, Some(_)) => Err(io::ErrorKind::Unsupported.into()),
            (Self::Guarded, tls) => {
                Ok(Arc::new(guarded::Guarded::start(listener, limits, tls, handler)?))
            }
        }
    }
}

#[cfg(test)]
mod tests;
