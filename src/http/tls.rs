//! [`TlsConfig`]: by which certificates peers know each other; [`TlsSession`]: TLS on one
//! connection.
//!
//! Without the feature `tls` both are types without a value, so what uses them needs no `cfg`.

#[cfg(feature = "tls")]
mod config;
#[cfg(feature = "tls")]
mod fault;
#[cfg(feature = "tls")]
mod files;
#[cfg(not(feature = "tls"))]
mod off;
mod refusal;
#[cfg(feature = "tls")]
mod session;

#[cfg(feature = "tls")]
pub use config::TlsConfig;
#[cfg(feature = "tls")]
pub(crate) use fault::refusal;
#[cfg(not(feature = "tls"))]
pub(crate) use off::{NoTlsConfig as TlsConfig, NoTlsSession as TlsSession, refusal};
pub(crate) use refusal::TlsRefusal;
#[cfg(feature = "tls")]
pub(crate) use session::TlsSession;
