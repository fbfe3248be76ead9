//! [`Authority`]: certificates for peers, in files that are gone at the end.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use geecache::TlsConfig;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::SOON;

/// Signs certificates. Its own one is in a file, too.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: PathBuf,
    issued: AtomicUsize,
}

/// The files of a certificate and its key.
pub(crate) struct Issued {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        let name = format!("geecache-tls-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(directory.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory, issued: AtomicUsize::new(0) }
    }

    /// The file with its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A path beside its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A certificate for this machine.
    pub(crate) fn issue(&self) -> Issued {
        self.issue_with(&["127.0.0.1", "localhost"], |_| {})
    }

    /// A certificate for these names, made otherwise than usual.
    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        let issued = Issued {
            cert: self.file(&format!("{number}.pem")),
            key: self.file(&format!("{number}.key")),
        };
        fs::write(&issued.cert, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }

    /// A certificate that has ended long ago.
    pub(crate) fn issue_expired(&self) -> Issued {
        self.issue_with(&["127.0.0.1"], |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        })
    }

    /// TLS with a certificate of this authority: whom it asks must have one, too.
    pub(crate) fn tls(&self) -> TlsConfig {
        let Issued { cert, key } = self.issue();
        TlsConfig::from_pem_files(cert, key, self.ca()).unwrap()
    }

    /// The same, and who asks must have one.
    pub(crate) fn mutual(&self) -> TlsConfig {
        self.tls().client_ca(self.ca()).unwrap()
    }

    /// What a client of rustls needs that knows this authority.
    pub(crate) fn raw_client(
        &self,
        issued: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match issued {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                builder.with_client_auth_cert(chain(&issued.cert), key(issued)).unwrap()
            }
        })
    }
}

/// The certificates in a file.
pub(crate) fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}

/// The key of a certificate.
pub(crate) fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(&issued.key).unwrap()
}

/// A TLS connection that no part of this crate has made.
pub(crate) fn raw_connection(
    client: &Arc<ClientConfig>,
    addr: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(client), name).unwrap(), stream)
}

/// Whether a handshake had all its work to do.
pub(crate) fn is_full(kind: Option<HandshakeKind>) -> bool {
    match kind {
        Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) => true,
        Some(HandshakeKind::Resumed) => false,
        _ => panic!("there was no handshake"),
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}
