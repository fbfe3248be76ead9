//! How to keep others out of a cluster: a network of its own, a token, TLS.
//!
//! A peer that takes requests from everybody lets everybody read its groups, change what is cached,
//! and run the getter. Four things stand between it and strangers. Take as many of them as the
//! network asks for:
//!
//! | what | keeps out | costs |
//! |---|---|---|
//! | an address in a private network | those who can't reach it | nothing |
//! | [`token`](crate::HttpPoolBuilder::token) | those who do not know the secret | a comparison for each request |
//! | TLS: `HttpPoolBuilder::tls` (feature `tls`) | those who listen on the way, and those who stand in for a peer | encryption; a handshake for each new connection |
//! | mutual TLS: `TlsConfig::client_ca` beside it | those without a certificate of the cluster | a second certificate in the handshake |
//!
//! A web page that is open in a browser near the peers can change nothing and remove nothing: such
//! requests are refused. It can have keys loaded, and it can read them if its host name leads to
//! the address of a peer. A token prevents both.
//!
//! A token without TLS can be read on the way. TLS without `client_ca` lets everybody in who speaks
//! TLS; a token beside it is then safe from those who listen. Mutual TLS needs no token, but both
//! can be had. Take [`Server::Guarded`](crate::Server::Guarded) wherever strangers reach the port:
//! its limits hold before the token or the certificate is looked at.
//!
//! # A token
//!
//! ```no_run
//! use geecache::{HttpPool, Server};
//!
//! let pool = HttpPool::builder()
//!     .server(Server::Guarded)
//!     .token_file("/run/secrets/geecache") // one token in a line; the first one is sent
//!     .bind("10.0.0.1:8001")?;
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! The file is read again within a second after it has changed. To change the token, write `old`
//! and then `new` to all files, wait for two seconds, write `new` and then `old`, wait again, and
//! then `new` alone: no request is refused meanwhile.
//!
//! # Mutual TLS
//!
//! ```no_run
//! # #[cfg(not(feature = "tls"))] fn main() {}
//! # #[cfg(feature = "tls")] fn main() -> Result<(), geecache::Error> {
//! use geecache::{HttpPool, Server, TlsConfig};
//!
//! let tls = TlsConfig::from_pem_files("/tls/cert.pem", "/tls/key.pem", "/tls/ca.pem")?
//!     .client_ca("/tls/ca.pem")?; // without this line: TLS, and no certificates of those who ask
//! let pool = HttpPool::builder()
//!     .server(Server::Guarded)
//!     .tls(tls)
//!     .advertise("https://cache-1.example:8001") // a name that the certificate is for
//!     .bind("10.0.0.1:8001")?;
//! pool.set_peers(["https://cache-1.example:8001", "https://cache-2.example:8001"])?;
//! # Ok(()) }
//! ```
//!
//! * **The authority** in `ca.pem` should sign for this cluster only: whom it signs for is a peer.
//! * **The certificate** names the host of the peer's URL, by name or address (`subjectAltName`). A
//!   common name alone does not count. The same certificate is shown to those who ask and to those
//!   who are asked: if it has an `extendedKeyUsage`, that says both `serverAuth` and `clientAuth`.
//! * **All URLs** of a cluster begin with `https://`, or all with `http://`. A list with both is
//!   [`Error::InvalidPeer`](crate::Error::InvalidPeer). The URL is the peer's name on the ring, so
//!   a cluster changes over by a new list, as for other addresses.
//! * **A program that only asks** gives `HttpPool::builder().tls(…).client(…)` the same files, or
//!   `TlsConfig::client_from_pem_file` if nobody asks it for a certificate. `HttpGetter::with_tls`
//!   does so for one peer.
//!
//! TLS 1.3 and 1.2 are spoken, with the ciphers that `rustls` takes by itself. Other versions and
//! ciphers can't be chosen.
//!
//! ## New certificates
//!
//! The files are looked at about once a second, while connections are made. New connections use
//! what they hold then; open connections stay. So certificates that live for a day are replaced
//! while the cluster runs. For a new authority, put both into `ca.pem` everywhere, then give out
//! the new certificates, then take the old one out.
//!
//! If the new files can't be used, the old ones stay in force, and a warning tells so once a
//! minute.
//!
//! Two things outlive a certificate. A connection that is open goes on: it is closed when it was
//! idle for 10 s. And who was here before may come back with a ticket in place of a certificate
//! for up to an hour; new files end that at once.
//!
//! ## What a client sees that is not let in
//!
//! | the client | gets | the pool tells |
//! |---|---|---|
//! | has no certificate, an expired one, or one of another authority | the end of the handshake, with the reason; a peer of ours: [`PeerErrorKind::Unauthorized`](crate::PeerErrorKind::Unauthorized) | a warning, once a minute, with the address |
//! | speaks plain HTTP | 400, `this port speaks TLS (https://)` | the same |
//! | sends something else | the end of the connection | the same |
//! | stalls in the handshake | the end of the connection, after 5 s | nothing |
//! | is one of more than 256 in a handshake | the end of the connection, if it was there for longest | nothing |
//!
//! A peer whose own certificate is refused here (expired, another authority, another name) is
//! [`PeerErrorKind::Unreachable`](crate::PeerErrorKind::Unreachable), with the reason. Both count
//! as failures, so after three of them [the peer is down](crate::guide::failures) here for a while,
//! and each process loads for itself.
//!
//! ## Probes and Prometheus
//!
//! All of the port speaks TLS, `/healthz` and `/readyz`, too. With `client_ca` they are not reached
//! without a certificate of the cluster.
//!
//! | who | with TLS | with `client_ca` |
//! |---|---|---|
//! | a probe of Kubernetes | `httpGet` takes `scheme: HTTPS`; it looks at no certificate | it has none to show: `tcpSocket: { port: peers }` sees that the port is open; `exec` runs a command in the pod; or a port of the program's own answers |
//! | Prometheus | `scheme: https`, and `tls_config` with the `ca_file` | `cert_file` and `key_file` beside that |
//! | the command | `--tls-ca` | `--tls-cert` and `--tls-key` beside that |
//!
//! An `exec` probe in an image that has `curl`. With `-k` it does not look at the name, as it asks
//! its own pod:
//!
//! ```yaml
//! readinessProbe:
//!   periodSeconds: 2
//!   exec:
//!     command: ["curl", "-fsk", "--cert", "/tls/cert.pem", "--key", "/tls/key.pem",
//!               "https://127.0.0.1:8001/readyz"]
//! ```
//!
//! # What TLS costs
//!
//! The feature `tls` adds nine crates: `rustls`, `rustls-webpki`, `rustls-pki-types`, `ring`,
//! `untrusted`, `subtle`, `zeroize`, `once_cell` and `getrandom`. None of them is asynchronous.
//! `ring` compiles C and assembly, so the build needs a C compiler.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml -- peers --only geecache` compares gets
//! in plain text, with a token, with TLS and with mutual TLS in one run, and tells what a new
//! connection costs.
