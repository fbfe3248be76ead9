//! [`TlsConfig`]: by which certificates peers know each other.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, ServerConnection};
use rustls_pki_types::ServerName;

use crate::error::Error;
use crate::http::tls::fault::{self, TlsSide};
use crate::http::tls::files::{TlsFiles, TlsParts, TlsTexts};
use crate::http::tls::session::TlsSession;
use crate::repeats::Repeats;
use crate::sync::lock;

/// How often the files are looked at, while connections are made.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tickets are forgotten after this time. Who shows one is not asked for a certificate, which may
/// have ended since.
const TICKETS_LAST: Duration = Duration::from_secs(60 * 60);

/// By which certificates the peers of a cluster know each other; for
/// [`HttpPoolBuilder::tls`](crate::HttpPoolBuilder::tls) (feature `tls`).
///
/// [`from_pem_files`](Self::from_pem_files) gives TLS: who asks knows whom it asks, and nobody can
/// listen. [`client_ca`](Self::client_ca) beside it gives mutual TLS: who is asked knows who asks,
/// too. That is what a cluster should have; [`guide::protect`](crate::guide::protect) has the
/// steps.
///
/// TLS 1.3 and 1.2 are spoken. New connections between two processes that have talked before
/// resume the earlier session, which spares the work of showing and checking certificates.
///
/// # When the files change
///
/// They are looked at about once a second while connections are made, and new connections are made
/// with what they hold then. If that can't be used, the old certificates stay, and a warning tells
/// so once a minute. Open connections stay open. Replace a certificate and its key together (by a
/// link to a new directory), or a look between the two finds a pair that does not fit, which is
/// told and mended by the next look.
///
/// Clones share what was read, and the sessions.
#[derive(Clone)]
pub struct TlsConfig {
    shared: Arc<TlsShared>,
}

struct TlsShared {
    files: TlsFiles,
    state: Mutex<TlsState>,
    /// What was logged before.
    repeats: Repeats,
}

struct TlsState {
    texts: Arc<TlsTexts>,
    parts: Arc<TlsParts>,
    made: Instant,
    looked: Instant,
}

impl TlsConfig {
    /// For a peer that shows the certificate in the file `cert`, whose key is in `key`, and takes
    /// the certificates of those that it asks if an authority in `ca` has signed them.
    ///
    /// All three are PEM files: `cert` holds the certificate and behind it those that vouch for it,
    /// `key` a key in PKCS #8, PKCS #1 or SEC 1, `ca` one authority or more. The name or address in
    /// a peer's URL must be one of those that its certificate is for (`subjectAltName`).
    ///
    /// The certificate is shown to those who ask and to those who are asked. If it says what it may
    /// be used for (`extendedKeyUsage`), that must be both `serverAuth` and, for mutual TLS,
    /// `clientAuth`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if a file can't be read or used; it names the file.
    pub fn from_pem_files(
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        ca: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let identity = Some((cert.into(), key.into()));
        Self::of(TlsFiles { identity, ca: ca.into(), client_ca: None })
    }

    /// For a program that only asks ([`HttpPool::client`](crate::HttpPool::client)) peers that ask
    /// for no certificate: it takes theirs if an authority in the PEM file `ca` has signed them.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the file can't be read or used.
    pub fn client_from_pem_file(ca: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::of(TlsFiles { identity: None, ca: ca.into(), client_ca: None })
    }

    /// Also asks those who ask for a certificate, and serves nobody without one that an authority
    /// in the PEM file `ca` has signed. Their names are not looked at: `ca` should sign for this
    /// cluster only. Defaults to asking nobody.
    ///
    /// Nothing else is left open then: health checks of other programs need a certificate, too.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the file can't be read or used.
    pub fn client_ca(self, ca: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::of(TlsFiles { client_ca: Some(ca.into()), ..self.shared.files.clone() })
    }

    fn of(files: TlsFiles) -> Result<Self, Error> {
        let made = files.read().and_then(|texts| Ok((files.parts(&texts)?, texts)));
        let (parts, texts) =
            made.map_err(|reason| Error::InvalidOption { option: "tls", reason })?;
        let now = Instant::now();
        let state = Mutex::new(TlsState {
            texts: Arc::new(texts),
            parts: Arc::new(parts),
            made: now,
            looked: now,
        });
        Ok(Self { shared: Arc::new(TlsShared { files, state, repeats: Repeats::default() }) })
    }

    /// Whether it has a certificate to serve with.
    pub(crate) fn can_serve(&self) -> bool {
        self.shared.files.identity.is_some()
    }

    /// A session with a server that is called `host`, by name or address.
    pub(crate) fn connect(&self, host: &str) -> io::Result<TlsSession> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| {
            let message = format!("no certificate can be for the name {host:?}");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let client = Arc::clone(&self.shared.parts().client);
        let session = ClientConnection::new(client, name)
            .map_err(|error| fault::of(error, TlsSide::Client))?;
        Ok(TlsSession::new(session.into()))
    }

    /// A session with a client.
    pub(crate) fn accept(&self) -> io::Result<TlsSession> {
        let server = self.shared.parts().server.clone();
        let server = server.ok_or_else(|| io::Error::other("there is no certificate to show"))?;
        let session =
            ServerConnection::new(server).map_err(|error| fault::of(error, TlsSide::Server))?;
        Ok(TlsSession::new(session.into()))
    }
}

impl TlsShared {
    /// What there is by now. The files are read by one of the callers, about once a second.
    fn parts(&self) -> Arc<TlsParts> {
        let mut state = lock(&self.state);
        if state.looked.elapsed() < LOOK_EVERY {
            return Arc::clone(&state.parts);
        }
        state.looked = Instant::now();
        let texts = Arc::clone(&state.texts);
        let is_old = state.made.elapsed() >= TICKETS_LAST;
        drop(state);
        let made = self.files.read().and_then(|read| {
            let is_new = read != *texts;
            let parts = (is_new || is_old).then(|| self.files.parts(&read)).transpose()?;
            Ok(parts.map(|parts| (is_new, Arc::new(read), Arc::new(parts))))
        });
        let ca = &self.files.ca;
        match made {
            Ok(None) => {}
            Ok(Some((is_new, texts, parts))) => {
                let mut state = lock(&self.state);
                state.made = Instant::now();
                (state.texts, state.parts) = (texts, parts);
                drop(state);
                if is_new {
                    log::info!("TLS with {ca:?}: the certificates have changed");
                }
            }
            Err(error) => {
                if let Some(again) = self.repeats.due("the files can't be taken") {
                    log::warn!("TLS with {ca:?}: keeping the old certificates: {error}{again}");
                }
            }
        }
        Arc::clone(&lock(&self.state).parts)
    }
}

/// Tells where the files lie.
impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsConfig").field(&self.shared.files).finish()
    }
}
