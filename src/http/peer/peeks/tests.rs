use super::*;
use crate::http::peer::options::PeerOptions;
use crate::http::protocol::Protocol;
use crate::http::testing::{FaultyPeer, ok};
use crate::http::url::PeerUrl;
use crate::sync::lock;

const PATIENCE: Duration = Duration::from_secs(20);

/// A peer of galaxycache with "Tom" in memory.
fn galaxy() -> FaultyPeer {
    FaultyPeer::start(|talk, _| {
        while let Some(head) = talk.request() {
            let body = "X-Galaxycache-Galaxy-Status: Found\r\nContent-Length: 0\r\n\r\n";
            let answer = match head.split(' ').nth(1) {
                Some("/_galaxycache_peek/scores/Tom") => ok(b"630"),
                Some(path) if path.starts_with("/_galaxycache_peek/scores/") => {
                    format!("HTTP/1.1 404 Not Found\r\n{body}").into_bytes()
                }
                _ => format!("HTTP/1.1 400 Bad Request\r\n{body}").into_bytes(),
            };
            talk.say(&answer);
        }
    })
}

fn link(url: &str, protocol: Protocol) -> Link {
    let mut options = PeerOptions {
        protocol,
        base_path: protocol.wire().base_path.to_owned(),
        peek_timeout: PATIENCE,
        ..PeerOptions::default()
    };
    options.exchange.timeout = PATIENCE;
    Link::new(PeerUrl::parse(url).unwrap(), options)
}

#[test]
fn galaxycache_is_asked_in_its_own_way_from_the_first_time_on() {
    let peer = galaxy();
    let (link, abilities) = (link(&peer.url, Protocol::Galaxycache), Abilities::default());
    for _ in 0..2 {
        let found = peek_many(&link, &abilities, "scores", &["Tom", "Jack"]).unwrap();
        assert_eq!(found, [Some(Loaded::from("630")), None]);
    }
    let requests = lock(&peer.shared.requests).clone();
    let in_our_way = requests.iter().filter(|head| head.starts_with("POST ")).count();
    assert_eq!((in_our_way, requests.len()), (1, 5));
}

#[test]
fn peer_that_serves_nothing_at_the_path_of_peeks_is_left_alone_for_a_while() {
    let gone = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\n\
                404 page not found";
    let peer = FaultyPeer::start(
        move |talk, _| {
            while talk.request().is_some() && talk.say(gone.as_bytes()) {}
        },
    );
    let (link, abilities) = (link(&peer.url, Protocol::Galaxycache), Abilities::default());
    for requests in [2, 2] {
        let error = peek_many(&link, &abilities, "scores", &["Tom"]).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::NotSupported);
        assert_eq!(lock(&peer.shared.requests).len(), requests);
    }
    assert!(link.is_ready());
    assert_eq!(link.stats().failures, 0);
}
