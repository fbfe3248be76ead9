//! What is said of a TLS connection that failed.

use std::error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, Error, InvalidMessage};

use crate::http::tls::refusal::TlsRefusal;

/// What to ask about a client that does not take our certificate.
const OUR_AUTHORITY: &str = ": does it know our authority?";

/// A failure of TLS, in words, for the `io::Error` that it travels in.
#[derive(Debug)]
struct TlsFault {
    error: Error,
    side: TlsSide,
}

/// What a process is in a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsSide {
    /// It asks. It may have a certificate or none.
    Client,
    /// It is asked, and has shown its certificate.
    Server,
}

/// A failure of TLS on our `side` as that of a socket.
pub(super) fn of(error: Error, side: TlsSide) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, TlsFault { error, side })
}

/// Who refused whom, if that is why a connection failed.
pub(crate) fn refusal(error: &io::Error) -> Option<TlsRefusal> {
    let fault = error.get_ref()?.downcast_ref::<TlsFault>()?;
    Some(match fault.error {
        Error::AlertReceived(alert) if is_about_a_certificate(alert) => TlsRefusal::OfUs,
        _ => TlsRefusal::OfThem,
    })
}

fn is_about_a_certificate(alert: AlertDescription) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, DecryptError, NoCertificate, UnknownCA, UnsupportedCertificate,
    };
    matches!(
        alert,
        AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            // What is said of a signature by another authority of the same name.
            | DecryptError
            | NoCertificate
            | UnknownCA
            | UnsupportedCertificate
    )
}

/// Whether it tells that a certificate is no longer good, and not who has signed it.
fn is_about_a_time(alert: AlertDescription) -> bool {
    matches!(alert, AlertDescription::CertificateExpired | AlertDescription::CertificateRevoked)
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                f.write_str("TLS: what came from there is no TLS")
            }
            Error::NoCertificatesPresented => {
                f.write_str("TLS: no certificate was shown, and one is asked for")
            }
            Error::AlertReceived(alert) if is_about_a_certificate(*alert) => match self.side {
                TlsSide::Client => {
                    write!(f, "TLS: our certificate, or the lack of one, was refused ({alert:?})")
                }
                TlsSide::Server => {
                    write!(f, "TLS: it does not take our certificate ({alert:?})")?;
                    if is_about_a_time(*alert) { Ok(()) } else { f.write_str(OUR_AUTHORITY) }
                }
            },
            Error::AlertReceived(alert) => write!(f, "TLS: the other side gave up ({alert:?})"),
            error => write!(f, "TLS: {error}"),
        }
    }
}

impl error::Error for TlsFault {}
