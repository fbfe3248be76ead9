//! Clusters whose peers speak TLS, with certificates of the tests' own.

mod cluster;
mod refusals;
mod reload;
mod resumption;
mod stalls;

use geecache::{Server, TlsConfig};

use crate::support::{CountingGetter, Peer};

/// A peer with TLS, which nobody else knows yet.
fn peer(tls: &TlsConfig) -> Peer {
    let tls = tls.clone();
    Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool.tls(tls))
}

/// Two of them that are a cluster.
fn pair(tls: [&TlsConfig; 2]) -> [Peer; 2] {
    let peers = tls.map(peer);
    peers[0].join(&[&peers[1].url()]);
    peers[1].join(&[&peers[0].url()]);
    peers
}
