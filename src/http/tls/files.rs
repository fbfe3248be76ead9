//! [`TlsFiles`]: where certificates and keys lie, and what they make.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{ConfigBuilder, ConfigSide, RootCertStore, WantsVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::http::small_file;

/// The longest file, in bytes. All public authorities of a system fit in.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where certificates and keys lie.
#[derive(Debug, Clone)]
pub(super) struct TlsFiles {
    /// Certificate and key; `None` for those who only ask.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// Who signs the certificates of those who are asked.
    pub(super) ca: PathBuf,
    /// Who signs the certificates of those who ask, if they need one.
    pub(super) client_ca: Option<PathBuf>,
}

/// What stands in the files.
#[derive(PartialEq, Eq)]
pub(super) struct TlsTexts {
    identity: Option<(Vec<u8>, Vec<u8>)>,
    ca: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What connections are made with.
pub(super) struct TlsParts {
    pub(super) client: Arc<ClientConfig>,
    /// `None` without a certificate.
    pub(super) server: Option<Arc<ServerConfig>>,
}

impl TlsFiles {
    /// Reads them all. The error names the file.
    pub(super) fn read(&self) -> Result<TlsTexts, String> {
        let identity = self.identity.as_ref();
        let identity = identity.map(|(cert, key)| Ok::<_, String>((read(cert)?, read(key)?)));
        let (identity, ca) = (identity.transpose()?, read(&self.ca)?);
        let client_ca = self.client_ca.as_deref().map(read).transpose()?;
        Ok(TlsTexts { identity, ca, client_ca })
    }

    /// Makes of what was read what connections are made with. The error names the file.
    pub(super) fn parts(&self, texts: &TlsTexts) -> Result<TlsParts, String> {
        let provider = Arc::new(ring::default_provider());
        let identity = match (&self.identity, &texts.identity) {
            (Some(paths), Some(texts)) => Some(TlsIdentity::of(paths, texts)?),
            _ => None,
        };
        let servers = roots(&self.ca, &texts.ca)?;
        let client = versions(ClientConfig::builder_with_provider(Arc::clone(&provider)))?;
        let client = client.with_root_certificates(servers);
        let client = match &identity {
            None => client.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.parts();
                let made = client.with_client_auth_cert(chain, key);
                made.map_err(|error| identity.wrong(&error))?
            }
        };
        let client_ca = self.client_ca.as_deref().zip(texts.client_ca.as_deref());
        let server = match (identity, client_ca) {
            (Some(identity), _) => Some(identity.server(provider, client_ca)?),
            // It is not used, and has to be good all the same.
            (None, Some((path, text))) => roots(path, text).map(|_| None)?,
            (None, None) => None,
        };
        Ok(TlsParts { client: Arc::new(client), server: server.map(Arc::new) })
    }
}

/// A certificate with those that vouch for it, and its key.
struct TlsIdentity<'a> {
    paths: &'a (PathBuf, PathBuf),
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl<'a> TlsIdentity<'a> {
    fn of(paths: &'a (PathBuf, PathBuf), texts: &(Vec<u8>, Vec<u8>)) -> Result<Self, String> {
        let chain = certificates(&paths.0, &texts.0)?;
        let key = PrivateKeyDer::from_pem_slice(&texts.1);
        let key = key.map_err(|error| format!("{:?} holds no private key: {error}", paths.1))?;
        Ok(Self { paths, chain, key })
    }

    fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }

    fn wrong(&self, error: &rustls::Error) -> String {
        let (cert, key) = self.paths;
        format!("{cert:?} and {key:?} can't be used together: {error}")
    }

    fn server(
        &self,
        provider: Arc<CryptoProvider>,
        client_ca: Option<(&Path, &[u8])>,
    ) -> Result<ServerConfig, String> {
        let server = versions(ServerConfig::builder_with_provider(Arc::clone(&provider)))?;
        let server = match client_ca {
            None => server.with_no_client_auth(),
            Some((path, text)) => {
                let roots = Arc::new(roots(path, text)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.build().map_err(|error| format!("{path:?}: {error}"))?;
                server.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = self.parts();
        let mut server = server.with_single_cert(chain, key).map_err(|it| self.wrong(&it))?;
        // New connections of those who were here before need no certificates, and no memory here.
        server.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
        Ok(server)
    }
}

fn versions<S: ConfigSide>(
    builder: ConfigBuilder<S, rustls::WantsVersions>,
) -> Result<ConfigBuilder<S, WantsVerifier>, String> {
    builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())
}

fn roots(path: &Path, text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, text)? {
        roots.add(certificate).map_err(|error| format!("{path:?}: {error}"))?;
    }
    Ok(roots)
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{path:?} holds no certificate"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{path:?} is no PEM file: {error}")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    small_file::read(path, MAX_FILE_BYTES).map_err(|error| format!("{path:?}: {error}"))
}
