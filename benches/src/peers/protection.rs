//! What keeps others out: nothing, a token, or certificates.

use std::fs;
use std::path::{Path, PathBuf};

use geecache::{HttpGetter, HttpPoolBuilder, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::BoxError;

const TOKEN: &str = "dGhlLXNlY3JldC1vZi10aGUtYmVuY2htYXJrLWlzLW5vdC1vbmU";

/// Certificates for this machine, in a directory that is gone at the end.
pub(super) struct Certificates(PathBuf);

impl Certificates {
    pub(super) fn make() -> Result<Self, BoxError> {
        let directory = std::env::temp_dir().join(format!("geecache-bench-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let made = Self(directory);
        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        fs::write(made.0.join("ca.pem"), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let (params, key) =
            (CertificateParams::new(["127.0.0.1".to_owned()])?, KeyPair::generate()?);
        fs::write(made.0.join("cert.pem"), params.signed_by(&key, &issuer)?.pem())?;
        fs::write(made.0.join("key.pem"), key.serialize_pem())?;
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) enum Protection {
    Nothing,
    Token,
    Tls(TlsConfig, PathBuf),
}

impl Protection {
    /// The protection of that name, with the certificates in `files`.
    pub(super) fn new(name: &str, files: &str) -> Result<Self, BoxError> {
        let files = PathBuf::from(files);
        match name {
            "none" => Ok(Self::Nothing),
            "token" => Ok(Self::Token),
            "tls" => Ok(Self::Tls(config(&files)?, files)),
            "mutual-tls" => Ok(Self::Tls(config(&files)?.client_ca(files.join("ca.pem"))?, files)),
            _ => Err(format!("there is no protection {name}").into()),
        }
    }

    pub(super) fn of(&self, pool: HttpPoolBuilder) -> HttpPoolBuilder {
        match self {
            Self::Nothing => pool,
            Self::Token => pool.token(TOKEN),
            Self::Tls(tls, _) => pool.tls(tls.clone()),
        }
    }

    /// A getter without a connection. Those of TLS have the sessions in common, or none.
    pub(super) fn getter(&self, url: &str, handshake: &str) -> Result<HttpGetter, BoxError> {
        Ok(match self {
            Self::Nothing => HttpGetter::new(url)?,
            Self::Token => HttpGetter::with_token(url, TOKEN)?,
            Self::Tls(_, files) if handshake == "full" => {
                HttpGetter::with_tls(url, config(files)?)?
            }
            Self::Tls(tls, _) => HttpGetter::with_tls(url, tls.clone())?,
        })
    }
}

fn config(files: &Path) -> Result<TlsConfig, BoxError> {
    let file = |name: &str| files.join(name);
    Ok(TlsConfig::from_pem_files(file("cert.pem"), file("key.pem"), file("ca.pem"))?)
}
