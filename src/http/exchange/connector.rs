//! Connects to a peer for ureq.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectionDetails, Connector};

use crate::http::exchange::dialer::Dialer;
use crate::http::exchange::line::Line;
use crate::http::exchange::socket::Socket;
use crate::http::exchange::trace::Trace;
use crate::http::tls::TlsConfig;
use crate::http::token::Tokens;
use crate::http::url::{PeerScheme, PeerUrl};
use crate::sync::lock;

/// Opens [`Socket`]s, and notes it in the [trace](Trace) of the calling thread.
///
/// A TLS handshake is not made here, but when the request is sent: it belongs to the time of the
/// request, as a peer that is slow with it has already shown that it is there.
///
/// Nothing shuts the agent of a peer down, so the sockets are not registered for that.
#[derive(Debug, Clone, Default)]
pub(crate) struct NotingConnector {
    /// How, and with whom, if connections are to be TLS.
    tls: Option<(TlsConfig, Box<str>)>,
    tokens: Option<Arc<Tokens>>,
    dialer: Dialer,
    /// What it opened last, for those who ask whether that is still to be used.
    opened: Arc<Mutex<Option<Opened>>>,
    line: Line,
}

/// A connection that was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) at: Instant,
    pub(super) to: SocketAddr,
}

impl NotingConnector {
    /// One that connects to `peer`.
    pub(super) fn to(peer: &PeerUrl, tls: Option<&TlsConfig>, tokens: Option<Arc<Tokens>>) -> Self {
        let is_tls = peer.scheme() == PeerScheme::Https;
        // No certificate names a zone, which means something on this host only.
        let host = peer.host().split('%').next().unwrap_or_default();
        let tls = tls.filter(|_| is_tls).map(|tls| (tls.clone(), host.into()));
        Self { tls, tokens, ..Self::default() }
    }

    /// One like this that opens connections by `dialer`.
    pub(super) fn by(self, dialer: Dialer) -> Self {
        Self { dialer, ..self }
    }

    /// One like this, which has opened nothing yet.
    pub(super) fn another(&self) -> Self {
        Self { opened: Arc::default(), line: Line::default(), ..self.clone() }
    }

    /// The connection that it opened.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// What it opened last.
    pub(super) fn opened(&self) -> Option<Opened> {
        *lock(&self.opened)
    }
}

impl Connector for NotingConnector {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Socket>, ureq::Error> {
        let config = details.config;
        if let Some(socket) = self.line.take_rested(config.max_idle_age()) {
            return Ok(Some(socket));
        }
        Trace::note_connect();
        let timeout = details.timeout;
        // Where no time is left, the `not_zero` of ureq would make a second of it.
        let within = (!timeout.after.is_not_happening()).then_some(*timeout.after);
        let stream =
            connect(&self.dialer, &details.addrs, within).map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
                _ => ureq::Error::Io(error),
            })?;
        stream.set_nodelay(true)?;
        *lock(&self.opened) = Some(Opened { at: Instant::now(), to: stream.peer_addr()? });
        let tls = self.tls.as_ref().map(|(tls, host)| tls.connect(host)).transpose()?;
        let (input, output) = (config.input_buffer_size(), config.output_buffer_size());
        let tokens = self.tokens.clone();
        let socket = Socket::new(stream, tls, tokens, (input, output));
        Ok(Some(self.line.lead_over(socket)))
    }
}

/// Connects to the first of `addresses` that can be connected to. Each of them gets half of the
/// time that is left, the last one all of it.
fn connect(
    dialer: &Dialer,
    addresses: &[SocketAddr],
    within: Option<Duration>,
) -> io::Result<TcpStream> {
    let begun = Instant::now();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (n, address) in addresses.iter().enumerate() {
        let share = match within {
            None => None,
            Some(within) => {
                let left = within.saturating_sub(begun.elapsed());
                let share = if n + 1 < addresses.len() { left / 2 } else { left };
                if share.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Some(share)
            }
        };
        match dialer.dial(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use ureq::config::Config;
    use ureq::http::Uri;
    use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
    use ureq::unversioned::transport::NextTimeout;

    use super::*;

    #[test]
    fn address_that_refuses_is_followed_by_the_next() {
        let refusing = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [refusing, listener.local_addr().unwrap()];
        for within in [None, Some(Duration::from_secs(10))] {
            let stream = connect(&Dialer::default(), &addresses, within).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        }
        let error = connect(&Dialer::default(), &addresses[..1], None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// Finds the address just as the time is over.
    #[derive(Debug)]
    struct JustTooLate(SocketAddr);

    impl Resolver for JustTooLate {
        fn resolve(
            &self,
            _uri: &Uri,
            _config: &Config,
            timeout: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            thread::sleep(*timeout.after);
            let mut found = self.empty();
            found.push(self.0);
            Ok(found)
        }
    }

    #[test]
    fn nothing_is_connected_to_when_the_look_up_of_its_name_took_all_the_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let resolver = JustTooLate(listener.local_addr().unwrap());
        let time = Some(Duration::from_millis(20));
        let config = ureq::Agent::config_builder().timeout_global(time).build();
        let agent = ureq::Agent::with_parts(config, NotingConnector::default(), resolver);
        let ended = agent.get("http://peer.invalid:8001/").call();
        assert!(matches!(ended, Err(ureq::Error::Timeout(_))), "{ended:?}");
        let nobody = listener.accept().unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock, "no second more was given");
    }

    #[test]
    fn no_time_is_too_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [listener.local_addr().unwrap()];
        let error = connect(&Dialer::default(), &addresses, Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
