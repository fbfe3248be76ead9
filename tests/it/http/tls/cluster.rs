//! Peers that know each other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::ParseIntError;

use geecache::{ChangeStamp, Group, HttpGetter, HttpPool, Loaded, PeerGetter, Server, TlsConfig};
use rustls::version::{TLS12, TLS13};

use super::{pair, peer};
use crate::support::{Authority, CountingGetter, SOON, all_at_once, raw_connection, value_of};

#[test]
fn an_address_with_a_zone_is_that_of_its_certificate() {
    let authority = Authority::new();
    let issued = authority.issue_with(&["::1", "127.0.0.1"], |_| {});
    let tls = TlsConfig::from_pem_files(issued.cert, issued.key, authority.ca()).unwrap();
    let builder = HttpPool::builder().server(Server::Guarded).tls(tls.clone());
    // There is no IPv6 everywhere, or there are no zones.
    let Ok(pool) = builder.bind("[::1]:0") else { return };
    let port = pool.local_addr().unwrap().port();
    if TcpStream::connect(format!("[::1%1]:{port}")).is_err() {
        return;
    }
    pool.add(&Group::new("scores", 1 << 20, CountingGetter::new())).unwrap();
    let getter = HttpGetter::with_tls(&format!("https://[::1%251]:{port}"), tls).unwrap();
    let got = getter.get_timeout("scores", "Tom", SOON).unwrap();
    assert_eq!(got.value().unwrap(), &*value_of("Tom"));
}

#[test]
fn peers_with_certificates_are_a_cluster() {
    let authority = Authority::new();
    for tls in [Authority::tls, Authority::mutual] {
        let peers = pair([&tls(&authority), &tls(&authority)]);
        assert!(peers[0].url().starts_with("https://127.0.0.1:"));
        let key = peers[0].key_owned_by(&peers[1].url());
        assert_eq!(peers[0].group.get(&key).unwrap(), *value_of(&key));
        let many = peers[0].group.get_many(&["a", "b", "c", "d", "e", "f"]);
        assert!(many.iter().all(Result::is_ok));
        assert!(peers[0].group.insert(&key, "new").unwrap().is_complete());
        assert_eq!(peers[1].group.peek(&key).unwrap(), "new");
        assert!(peers[0].group.remove(&key).is_complete());
        assert!(peers[0].group.clear().is_complete());
        assert_eq!((peers[0].stats().peer_errors, peers[1].stats().peer_errors), (0, 0));
    }
}

#[test]
fn many_threads_share_connections() {
    let authority = Authority::new();
    let [a, b] = pair([&authority.mutual(), &authority.mutual()]);
    let keys: Vec<String> = a.keys_owned_by(&b.url()).take(100).collect();
    let (group, all) = (a.group.clone(), keys.clone());
    all_at_once(16, move |_| {
        for key in &all {
            assert_eq!(group.get(key).unwrap(), *value_of(key));
        }
    });
    assert_eq!((a.stats().peer_errors, a.getter.calls()), (0, 0));
    b.group.get(&keys[0]).unwrap();
}

#[test]
fn programs_that_only_ask_are_served() {
    let authority = Authority::new();
    let peer_of_all = peer(&authority.tls());
    peer_of_all.join(&[]);
    let tls = TlsConfig::client_from_pem_file(authority.ca()).unwrap();
    let pool = HttpPool::builder().tls(tls.clone()).connect_timeout(SOON).timeout(SOON);
    let pool = pool.client([peer_of_all.url()]).unwrap();
    let refuse = |_: &str| Err::<&str, _>("it should come from the peer");
    let group = Group::new("scores", 1 << 20, refuse);
    pool.add(&group).unwrap();
    assert_eq!(group.get("Tom").unwrap(), *value_of("Tom"));
    for host in ["127.0.0.1", "localhost"] {
        let port = peer_of_all.pool.local_addr().unwrap().port();
        let getter = HttpGetter::with_tls(&format!("https://{host}:{port}/"), tls.clone()).unwrap();
        assert_eq!(
            getter.get_timeout("scores", "Tom", SOON).unwrap().value().unwrap(),
            &*value_of("Tom")
        );
    }
}

/// A value of so many bytes.
fn value(length: &str) -> Result<Vec<u8>, ParseIntError> {
    let length = length.parse()?;
    let mut value = b"0123456789abcdefghijk".repeat(length / 21 + 1);
    value.truncate(length);
    Ok(value)
}

#[test]
fn values_of_all_lengths_arrive_whole() {
    let authority = Authority::new();
    let owner = peer(&authority.mutual());
    owner.join(&[]);
    owner.pool.add(&Group::new("lengths", 1 << 30, value)).unwrap();
    // 20 MiB are many to a debug build on a busy machine.
    let client = HttpPool::builder().tls(authority.mutual()).timeout(3 * SOON);
    let pool = client.connect_timeout(SOON).client([owner.url()]).unwrap();
    let peer = pool.picker().pick_peer("Tom").unwrap();
    for length in [0, 1, 64, 16_383, 16_384, 16_385, 65_537, 1 << 20, 20 << 20] {
        let key = length.to_string();
        let got = peer.get("lengths", &key).unwrap();
        assert!(got.value().unwrap()[..] == value(&key).unwrap(), "{length}");
        let other = vec![7; length];
        assert!(
            peer.insert("lengths", &key, &Loaded::from(other.clone()), ChangeStamp::UNORDERED)
                .unwrap(),
            "{length}"
        );
        let got = peer.get("lengths", &key).unwrap();
        assert!(got.value().unwrap()[..] == other, "{length}");
    }
}

#[test]
fn both_versions_are_spoken() {
    let authority = Authority::new();
    let owner = peer(&authority.mutual());
    owner.join(&[]);
    for version in [&TLS12, &TLS13] {
        let client = authority.raw_client(Some(&authority.issue()), &[version]);
        let mut connection = raw_connection(&client, &owner.addr());
        for _ in 0..2 {
            write!(connection, "GET /_geecache/scores/Tom HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(value_of("Tom").as_ref()) {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                answer.extend(byte);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
        assert_eq!(connection.conn.protocol_version(), Some(version.version));
    }
}
