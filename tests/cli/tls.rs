//! Peers that speak TLS.

use std::fs;
use std::path::PathBuf;

use geecache::{Server, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{Cluster, run};

/// A certificate, its key and the authority that signed it, in files that are gone at the end.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new() -> Self {
        let name = format!("geecache-cli-tls-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let files = Self { directory };
        fs::write(files.path("ca.pem"), authority).unwrap();
        fs::write(files.path("cert.pem"), certificate.pem()).unwrap();
        fs::write(files.path("key.pem"), key.serialize_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn peers_with_mutual_tls_are_asked_by_who_has_a_certificate() {
    let files = Files::new();
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| files.path(name));
    let tls = TlsConfig::from_pem_files(&cert, &key, &ca).unwrap().client_ca(&ca).unwrap();
    let cluster = Cluster::with(2, |builder| builder.server(Server::Guarded).tls(tls.clone()));
    let options = format!("--tls-ca {ca} --tls-cert {cert} --tls-key {key}");
    assert_eq!(cluster.run(&format!("get scores Tom {options}")).well().out, b"630");
    assert_eq!(cluster.run(&format!("check scores {options}")).well().code, 0);
    // The scheme can be left out.
    let address = cluster.one().strip_prefix("https://").unwrap().to_owned();
    let ran = run(&format!("get scores Tom {options} --peers {address}")).well();
    assert_eq!(ran.out, b"630");

    let ran = cluster.run(&format!("get scores Tom --tls-ca {ca}"));
    assert!([3, 4].contains(&ran.code), "{ran:?}");
    cluster.run("get scores Tom").failed(2, &["https://"]);
    cluster.run(&format!("get scores Tom --tls-cert {cert}")).failed(2, &["--tls-ca"]);
    let half = format!("get scores Tom --tls-ca {ca} --tls-cert {cert}");
    cluster.run(&half).failed(2, &["--tls-cert and --tls-key belong together"]);
    cluster.run("get scores Tom --tls-ca /nonexistent").failed(2, &["/nonexistent"]);
}
