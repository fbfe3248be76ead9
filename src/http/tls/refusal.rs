//! [`TlsRefusal`]: who refused whom.

/// What a failed TLS connection tells about who refused whom.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing is refused without TLS"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsRefusal {
    /// The other side does not take our certificate, or the lack of one.
    OfUs,
    /// We do not take what the other side sent: its certificate, or what is no TLS.
    OfThem,
}
