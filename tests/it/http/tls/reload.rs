//! Certificates that are replaced while peers run.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use geecache::{HttpGetter, PeerGetter, TlsConfig};

use crate::support::{Authority, Peer, SOON, keep_logs, logged, start, until, value_of};

/// Files that are replaced as a whole: by a link to another directory, as orchestrators do.
struct Files {
    link: PathBuf,
    versions: usize,
}

impl Files {
    fn new(authority: &Authority, name: &str) -> Self {
        let mut files = Self { link: authority.file(name), versions: 0 };
        files.replace(authority, &[authority]);
        files
    }

    /// A certificate by `issuer`, and those of all of `trusted`.
    fn replace(&mut self, issuer: &Authority, trusted: &[&Authority]) {
        self.versions += 1;
        let directory = self.link.with_extension(self.versions.to_string());
        fs::create_dir(&directory).unwrap();
        let issued = issuer.issue();
        fs::copy(issued.cert, directory.join("cert.pem")).unwrap();
        fs::copy(issued.key, directory.join("key.pem")).unwrap();
        let authorities: Vec<String> =
            trusted.iter().map(|it| fs::read_to_string(it.ca()).unwrap()).collect();
        fs::write(directory.join("ca.pem"), authorities.concat()).unwrap();
        let new = self.link.with_extension("new");
        std::os::unix::fs::symlink(&directory, &new).unwrap();
        fs::rename(&new, &self.link).unwrap();
    }

    fn tls(&self) -> TlsConfig {
        let file = |name: &str| self.link.join(name);
        let tls = TlsConfig::from_pem_files(file("cert.pem"), file("key.pem"), file("ca.pem"));
        tls.unwrap().client_ca(file("ca.pem")).unwrap()
    }

    fn path(&self) -> &str {
        self.link.to_str().unwrap()
    }
}

/// Two peers with these files, and what each asks the other one with.
fn pair(files: &[Files; 2]) -> ([Peer; 2], [(String, TlsConfig); 2]) {
    let tls = [0, 1].map(|node| files[node].tls());
    let peers = super::pair([&tls[0], &tls[1]]);
    let [a, b] = tls;
    let ask = [(peers[1].url(), a), (peers[0].url(), b)];
    (peers, ask)
}

/// A get over a connection of its own.
fn get((url, tls): &(String, TlsConfig)) {
    let getter = HttpGetter::with_tls(url, tls.clone()).unwrap();
    let got = getter.get_timeout("scores", "Tom", SOON).unwrap();
    assert_eq!(got.value().unwrap(), &*value_of("Tom"));
}

fn told(files: &Files, what: &str) -> usize {
    logged(&[files.path(), what]).len()
}

#[test]
fn certificates_and_authorities_are_replaced_without_a_failed_get() {
    keep_logs();
    let (old, new) = (Authority::new(), Authority::new());
    let mut files = ["a", "b"].map(|name| Files::new(&old, name));
    let (peers, ask) = pair(&files);
    let over = Arc::new(AtomicBool::new(false));
    let asking = ask.map(|ask| {
        let over = Arc::clone(&over);
        start(move || {
            while !over.load(Ordering::SeqCst) {
                get(&ask);
            }
        })
    });
    let steps: [(&Authority, &[&Authority]); 3] =
        [(&old, &[&old, &new]), (&new, &[&old, &new]), (&new, &[&new])];
    for (changes, (issuer, trusted)) in (1..).zip(steps) {
        for files in &mut files {
            files.replace(issuer, trusted);
        }
        until("the files are read", || {
            files.iter().all(|files| told(files, "have changed") == changes)
        });
    }
    over.store(true, Ordering::SeqCst);
    for it in asking {
        it.result();
    }
    drop(peers);
}

#[test]
fn broken_files_leave_the_old_certificates_in_force() {
    keep_logs();
    let authority = Authority::new();
    let mut files = ["c", "d"].map(|name| Files::new(&authority, name));
    let (_peers, ask) = pair(&files);
    for files in &files {
        fs::write(files.link.join("key.pem"), "half of a k").unwrap();
    }
    until("it is told", || {
        ask.iter().for_each(get);
        files.iter().all(|files| told(files, "keeping the old") == 1)
    });
    for files in &mut files {
        files.replace(&authority, &[&authority]);
    }
    until("the next ones are read", || {
        ask.iter().for_each(get);
        files.iter().all(|files| told(files, "have changed") == 1)
    });
    assert!(files.iter().all(|files| told(files, "keeping the old") == 1));
}
