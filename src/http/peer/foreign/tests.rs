use super::*;
use crate::change::ChangeStamp;
use crate::error::PeerErrorKind;
use crate::http::peer::abilities::Abilities;
use crate::http::peer::changes;
use crate::http::protocol::Protocol;
use crate::http::testing::{FaultyPeer, ok};
use crate::http::url::PeerUrl;
use crate::sync::lock;

const SCORES: (&str, ChangeStamp) = ("scores", ChangeStamp::UNORDERED);
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const NOT_THAT: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
const BAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// A peer that answers 400 to what only our peers know, and otherwise what `answer` says of the
/// method and the path.
fn fork(answer: fn(&str, &str) -> Vec<u8>) -> FaultyPeer {
    FaultyPeer::start(move |talk, _| {
        if let Some(head) = talk.request() {
            let mut words = head.split(' ');
            let method = words.next().unwrap_or_default();
            let path = words.next().unwrap_or_default();
            let answer =
                if path.ends_with("/scores") { BAD.to_vec() } else { answer(method, path) };
            // Closing drops a body that nobody reads.
            let answer = String::from_utf8(answer).unwrap();
            talk.say(answer.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes());
        }
    })
}

fn link(peer: &FaultyPeer, protocol: Protocol) -> Link {
    let mut options = PeerOptions {
        protocol,
        base_path: protocol.wire().base_path.to_owned(),
        ..PeerOptions::default()
    };
    options.exchange.timeout = Duration::from_secs(20);
    Link::new(PeerUrl::parse(&peer.url).unwrap(), options)
}

/// The first lines of what the peer was sent, without those of which it knew nothing, and whether
/// any of it came with our note.
fn heard(peer: &FaultyPeer) -> Vec<String> {
    let requests = lock(&peer.shared.requests).clone();
    let theirs = requests.iter().filter(|head| !head.contains("/scores HTTP"));
    let line = |head: &String| {
        assert!(!head.to_lowercase().contains("geecache:"), "{head}");
        head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned()
    };
    theirs.map(line).collect()
}

#[test]
fn keys_are_removed_as_each_fork_knows_it() {
    for (protocol, keys, expected) in [
        (Protocol::Mailgun, &["a b"][..], &["DELETE /_groupcache/scores/a%20b"][..]),
        (
            Protocol::Mailgun,
            &["a", "b"],
            &["DELETE /_groupcache/scores/a", "DELETE /_groupcache/scores/b"],
        ),
        (Protocol::GroupcacheGo, &["a"], &["DELETE /_groupcache/scores/a"]),
        (Protocol::GroupcacheGo, &["a", "b"], &["POST /_groupcache/scores/_remove-keys/"]),
    ] {
        let peer = fork(|_, _| DONE.to_vec());
        let (link, abilities) = (link(&peer, protocol), Abilities::default());
        for _ in 0..2 {
            changes::remove(&link, &abilities, SCORES, keys).unwrap();
        }
        assert_eq!(heard(&peer), [expected, expected].concat(), "{protocol:?} {keys:?}");
        let all = lock(&peer.shared.requests).len();
        assert_eq!(all, 1 + 2 * expected.len(), "our own way is tried once");
    }
}

#[test]
fn a_peer_of_groupcache_go_that_removes_no_lists_is_told_of_each_key() {
    let peer = fork(|method, _| if method == "POST" { NOT_THAT } else { DONE }.to_vec());
    let link = link(&peer, Protocol::GroupcacheGo);
    changes::remove(&link, &Abilities::default(), SCORES, &["a", "b"]).unwrap();
    let paths = [
        "POST /_groupcache/scores/_remove-keys/",
        "DELETE /_groupcache/scores/a",
        "DELETE /_groupcache/scores/b",
    ];
    assert_eq!(heard(&peer), paths);
}

#[test]
fn values_are_set_as_the_forks_know_it_and_absent_ones_removed() {
    let peer = fork(|_, _| DONE.to_vec());
    let (link, abilities) = (link(&peer, Protocol::Mailgun), Abilities::default());
    let insert = |loaded| changes::insert(&link, &abilities, SCORES, "k", &loaded);
    assert!(insert(Loaded::from("v")).unwrap());
    assert!(!insert(Loaded::absent()).unwrap());
    assert!(!insert(Loaded::from("v").ttl(Duration::ZERO)).unwrap());
    let (put, delete) = ("PUT /_groupcache/scores/k", "DELETE /_groupcache/scores/k");
    assert_eq!(heard(&peer), [put, delete, delete]);
}

#[test]
fn peer_that_answers_a_change_with_a_value_has_not_made_it() {
    // golang/groupcache, which does not look at the method.
    let value = |_: &str, _: &str| ok(b"\x0a\x03630");
    let empty = |_: &str, _: &str| {
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    };
    for answer in [value as fn(&str, &str) -> Vec<u8>, empty] {
        let peer = fork(answer);
        let (link, abilities) = (link(&peer, Protocol::Mailgun), Abilities::default());
        let error = changes::remove(&link, &abilities, SCORES, &["k"]).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::NotSupported);
        let error =
            changes::insert(&link, &abilities, SCORES, "k", &Loaded::from("v")).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::NotSupported);
        assert!(link.is_ready());
    }
}

#[test]
fn peer_of_a_cluster_without_changes_is_not_told_of_any_in_a_way_that_loads() {
    for protocol in [Protocol::GeeCache, Protocol::Groupcache, Protocol::Galaxycache] {
        let peer = fork(|_, _| DONE.to_vec());
        let (link, abilities) = (link(&peer, protocol), Abilities::default());
        let error = changes::remove(&link, &abilities, SCORES, &["k"]).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::NotSupported);
        assert_eq!(heard(&peer), [""; 0]);
    }
}

#[test]
fn a_key_that_is_too_long_does_not_keep_the_others_from_their_removal() {
    let peer = fork(|_, _| DONE.to_vec());
    let long = "k".repeat(16 << 10);
    let removed = remove(&link(&peer, Protocol::Mailgun), "scores", &[&long, "a"]);
    assert_eq!(removed.unwrap_err().kind, PeerErrorKind::NotSupported);
    assert_eq!(heard(&peer), ["DELETE /_groupcache/scores/a"]);
}
