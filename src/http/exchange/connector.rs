//! Connects to a peer for ureq.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectionDetails, Connector};

use crate::http::exchange::socket::Socket;
use crate::http::exchange::trace::Trace;

/// Opens [`Socket`]s, and notes it in the [trace](Trace) of the calling thread.
///
/// Nothing shuts the agent of a peer down, so the sockets are not registered for that.
#[derive(Debug, Default)]
pub(crate) struct NotingConnector;

impl Connector for NotingConnector {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Socket>, ureq::Error> {
        Trace::note_connect();
        let timeout = details.timeout;
        let within = timeout.not_zero().map(|within| *within);
        let stream = connect(&details.addrs, within).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
            _ => ureq::Error::Io(error),
        })?;
        stream.set_nodelay(true)?;
        let config = details.config;
        let (input, output) = (config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Socket::new(stream, input, output)))
    }
}

/// Connects to the first of `addresses` that can be connected to. Each of them gets half of the
/// time that is left, the last one all of it.
fn connect(addresses: &[SocketAddr], within: Option<Duration>) -> io::Result<TcpStream> {
    let begun = Instant::now();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (n, address) in addresses.iter().enumerate() {
        let connected = match within {
            None => TcpStream::connect(address),
            Some(within) => {
                let left = within.saturating_sub(begun.elapsed());
                let share = if n + 1 < addresses.len() { left / 2 } else { left };
                if share.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                TcpStream::connect_timeout(address, share)
            }
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn address_that_refuses_is_followed_by_the_next() {
        let refusing = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [refusing, listener.local_addr().unwrap()];
        for within in [None, Some(Duration::from_secs(10))] {
            let stream = connect(&addresses, within).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        }
        let error = connect(&addresses[..1], None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn no_time_is_too_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [listener.local_addr().unwrap()];
        let error = connect(&addresses, Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
