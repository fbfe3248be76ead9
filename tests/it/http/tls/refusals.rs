//! Those who do not know each other, and those who speak otherwise.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use geecache::{
    Error, HttpGetter, HttpPool, HttpPoolBuilder, PeerErrorKind, PeerGetter, Server, TlsConfig,
};

use super::peer;
use crate::support::{
    Authority, CountingGetter, Issued, Peer, SERVERS, SOON, keep_logs, logged, value_of,
};

fn tls_of(Issued { cert, key }: Issued, authority: &Authority) -> TlsConfig {
    TlsConfig::from_pem_files(cert, key, authority.ca()).unwrap()
}

#[test]
fn who_has_no_certificate_of_the_cluster_is_refused() {
    keep_logs();
    let (authority, others) = (Authority::new(), Authority::new());
    let owner = peer(&authority.mutual());
    owner.join(&[]);
    for (what, tls) in [
        ("none", TlsConfig::client_from_pem_file(authority.ca()).unwrap()),
        ("of another authority", tls_of(others.issue(), &authority)),
        ("expired", tls_of(authority.issue_expired(), &authority)),
    ] {
        let getter = HttpGetter::with_tls(&owner.url(), tls).unwrap();
        let error = getter.get_timeout("scores", "Tom", SOON).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::Unauthorized, "{what}: {error}");
    }
    let known = HttpGetter::with_tls(&owner.url(), authority.tls()).unwrap();
    let got = known.get_timeout("scores", "Tom", SOON).unwrap();
    assert_eq!(got.value().unwrap(), &*value_of("Tom"));
    assert_eq!(owner.getter.calls(), 1);
    let told = logged(&["is refused at", &owner.addr()]);
    assert_eq!(told.len(), 1, "it is told once a minute: {told:?}");
}

#[test]
fn a_peer_with_another_certificate_than_it_should_have_is_not_asked() {
    let (authority, others) = (Authority::new(), Authority::new());
    for (words, issued) in [
        ("UnknownIssuer", others.issue()),
        ("expired", authority.issue_expired()),
        ("not valid for name", authority.issue_with(&["other.example", "127.0.0.2"], |_| {})),
    ] {
        let owner = peer(&tls_of(issued, &others));
        owner.join(&[]);
        let getter = HttpGetter::with_tls(&owner.url(), authority.tls()).unwrap();
        let error = getter.get_timeout("scores", "Tom", SOON).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::Unreachable, "{error}");
        assert!(error.message().contains(words), "{words}: {error}");
        assert_eq!(owner.getter.calls(), 0);
    }
}

#[test]
fn the_server_tells_that_a_client_does_not_take_its_certificate() {
    keep_logs();
    let (authority, others) = (Authority::new(), Authority::new());
    let owner = peer(&tls_of(others.issue(), &others));
    owner.join(&[]);
    let getter = HttpGetter::with_tls(&owner.url(), authority.tls()).unwrap();
    getter.get_timeout("scores", "Tom", SOON).unwrap_err();
    // The client does not wait for the server to notice.
    let begun = Instant::now();
    let told = loop {
        let told = logged(&[" at ", &owner.addr(), "our certificate"]);
        if !told.is_empty() || begun.elapsed() > SOON {
            break told;
        }
        thread::yield_now();
    };
    let [(_, line)] = &*told else { panic!("{told:?}") };
    let why = "TLS: it does not take our certificate (UnknownCA): does it know our authority?";
    assert!(line.contains("gave up at") && line.contains(why), "{line}");
}

#[test]
fn plain_text_at_a_port_with_tls_is_answered_in_plain_text() {
    let authority = Authority::new();
    let owner = peer(&authority.mutual());
    owner.join(&[]);
    let mut stream = TcpStream::connect(owner.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET /_geecache/scores/Tom HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthis port speaks TLS (https://)\n"), "{answer}");

    let getter = HttpGetter::new(&format!("http://{}", owner.addr())).unwrap();
    let error = getter.get_timeout("scores", "Tom", SOON).unwrap_err();
    assert_eq!(error.kind(), PeerErrorKind::Protocol, "{error}");
    assert!(error.message().contains("TLS"), "{error}");
    assert_eq!(owner.getter.calls(), 0);
}

#[test]
fn tls_at_a_port_with_plain_text_is_an_error_and_hangs_nobody() {
    let authority = Authority::new();
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        owner.join(&[]);
        let url = format!("https://{}", owner.addr());
        let getter = HttpGetter::with_tls(&url, authority.tls()).unwrap();
        let begun = Instant::now();
        let error = getter.get("scores", "Tom").unwrap_err();
        assert!(begun.elapsed() < SOON);
        if server == Server::Guarded {
            assert_eq!(error.kind(), PeerErrorKind::Unreachable, "{error}");
            assert!(error.message().contains("is no TLS"), "{error}");
        }
        assert_eq!(owner.getter.calls(), 0);
    }
}

#[track_caller]
fn invalid_option(ended: Result<HttpPool, Error>, words: &str) {
    match ended {
        Err(Error::InvalidOption { option: "tls", reason }) => {
            assert!(reason.contains(words), "{reason}");
        }
        other => panic!("{words}: {other:?}"),
    }
}

#[test]
fn tls_that_can_not_work_is_refused_at_the_start() {
    let authority = Authority::new();
    let new = || HttpPool::builder().server(Server::Guarded);
    let ask = TlsConfig::client_from_pem_file(authority.ca()).unwrap();
    let bind = |pool: HttpPoolBuilder| pool.bind("127.0.0.1:0");
    invalid_option(bind(new().server(Server::TinyHttp).tls(authority.tls())), "Server::Guarded");
    invalid_option(bind(new().tls(ask)), "from_pem_files");
    let (issued, other) = (authority.issue(), authority.issue());
    let empty = authority.file("empty.pem");
    fs::write(&empty, "nothing\n").unwrap();
    for (cert, key, ca, words) in [
        (&issued.cert, &other.key, &authority.ca(), "together"),
        (&empty, &issued.key, &authority.ca(), "empty.pem"),
        (&issued.cert, &empty, &authority.ca(), "empty.pem"),
        (&issued.cert, &issued.key, &empty, "empty.pem"),
        (&issued.cert, &issued.key, &authority.file("none.pem"), "none.pem"),
    ] {
        match TlsConfig::from_pem_files(cert, key, ca) {
            Err(Error::InvalidOption { option: "tls", reason }) => {
                assert!(reason.contains(words), "{words}: {reason}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
    assert!(authority.tls().client_ca(&empty).is_err());
    let only_asks = TlsConfig::client_from_pem_file(authority.ca()).unwrap();
    assert!(only_asks.clone().client_ca(authority.ca()).is_ok());
    let refused = only_asks.client_ca(&empty).unwrap_err();
    assert!(matches!(refused, Error::InvalidOption { .. }), "{refused}");
}

#[test]
fn all_peers_of_a_list_speak_tls_or_none_does() {
    let authority = Authority::new();
    let with = peer(&authority.tls());
    let without = Peer::start(Server::Guarded, CountingGetter::new(), |pool| pool);
    let refused = |peer: &Peer, url: &str| {
        let error = peer.pool.set_peers([peer.url(), url.to_owned()]).unwrap_err();
        assert!(matches!(error, Error::InvalidPeer { .. }), "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
    };
    refused(&with, "http://127.0.0.1:1");
    refused(&without, "https://127.0.0.1:1");
    assert!(HttpGetter::new("https://127.0.0.1:1").is_err());
    assert!(HttpGetter::with_tls("http://127.0.0.1:1", authority.tls()).is_err());
    assert!(HttpPool::client(["https://127.0.0.1:1"]).is_err());
    let advertised = HttpPool::builder().server(Server::Guarded).tls(authority.tls());
    assert!(advertised.advertise("http://localhost:1").bind("127.0.0.1:0").is_err());
}
