//! What is said of a TLS connection that failed.

use std::error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, Error, InvalidMessage};

use crate::http::tls::refusal::TlsRefusal;

/// A failure of TLS, in words, for the `io::Error` that it travels in.
#[derive(Debug)]
struct TlsFault(Error);

/// A failure of TLS as that of a socket.
pub(super) fn of(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, TlsFault(error))
}

/// Who refused whom, if that is why a connection failed.
pub(crate) fn refusal(error: &io::Error) -> Option<TlsRefusal> {
    let fault = error.get_ref()?.downcast_ref::<TlsFault>()?;
    Some(match fault.0 {
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

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                f.write_str("TLS: what came from there is no TLS")
            }
            Error::NoCertificatesPresented => {
                f.write_str("TLS: no certificate was shown, and one is asked for")
            }
            Error::AlertReceived(alert) if is_about_a_certificate(*alert) => {
                write!(f, "TLS: our certificate, or the lack of one, was refused ({alert:?})")
            }
            Error::AlertReceived(alert) => write!(f, "TLS: the other side gave up ({alert:?})"),
            error => write!(f, "TLS: {error}"),
        }
    }
}

impl error::Error for TlsFault {}
