//! Peers that speak TLS.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use geecache::{Server, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{Cluster, run};

#[test]
fn what_is_wrong_with_tls_is_told_with_the_option_that_mends_it() {
    let (files, others) = (Files::new(), Files::new());
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| files.path(name));
    let tls = TlsConfig::from_pem_files(&cert, &key, &ca).unwrap();
    let cluster = Cluster::with(2, |builder| builder.server(Server::Guarded).tls(tls.clone()));
    let other_ca = others.path("ca.pem");
    for peers in [cluster.one(), cluster.all()] {
        let line = format!("get scores Tom --tls-ca {other_ca} --peers {peers}");
        run(&line).failed(3, &["invalid peer certificate", "authority in --tls-ca"]);
        let plain = peers.replace("https://", "http://");
        let ran = run(&format!("get scores Tom --peers {plain}"));
        ran.failed(5, &["this port speaks TLS", "https://...", "--tls-ca"]);
        assert!(!ran.err.contains("--protocol"), "{}", ran.err);
    }
    let plain = Cluster::with(1, |builder| builder.server(Server::Guarded));
    let address = plain.one().replace("http://", "https://");
    let ran = run(&format!("get scores Tom --tls-ca {ca} --peers {address}"));
    ran.failed(3, &["is no TLS", "http://...", "--tls-ca"]);
}

/// A certificate, its key and the authority that signed it, in files that are gone at the end.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        let name = format!("geecache-cli-tls-{}-{number}", std::process::id());
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
    // The connection can end before it is told why.
    let is_told = ran.err.contains("--tls-cert and --tls-key");
    assert!(ran.code == 3 || ran.code == 4 && is_told, "{ran:?}");
    cluster.run("get scores Tom").failed(2, &["https://", "--tls-ca"]);
    cluster.run(&format!("get scores Tom --tls-cert {cert}")).failed(2, &["--tls-ca"]);
    let half = format!("get scores Tom --tls-ca {ca} --tls-cert {cert}");
    cluster.run(&half).failed(2, &["--tls-cert and --tls-key belong together"]);
    cluster.run("get scores Tom --tls-ca /nonexistent").failed(2, &["/nonexistent"]);
}
