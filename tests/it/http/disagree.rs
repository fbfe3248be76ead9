//! Peers that take each other for others than they are, and lists that differ.

use std::time::{Duration, Instant};

use geecache::{
    ChangeStamp, HttpGetter, HttpPool, PeerErrorKind, PeerGetter, PeerState, PeerStats,
};
use log::Level;

use crate::support::{CountingGetter, Peer, SERVERS, SOON, keep_logs, logged, value_of};

fn pair(server: geecache::Server, clusters: [&str; 2]) -> [Peer; 2] {
    let peers =
        clusters.map(|name| Peer::start(server, CountingGetter::new(), |pool| pool.cluster(name)));
    Peer::set_all(&peers);
    peers
}

/// Keys that `owner` owns by the list of `peer`.
fn keys_of(peer: &Peer, owner: &str) -> Vec<String> {
    let keys = (0..1000).map(|n| format!("key {n}"));
    let keys = keys.filter(|key| peer.pool.owner(key).as_deref() == Some(owner));
    keys.take(20).collect()
}

fn stats_of(peer: &Peer, url: &str) -> PeerStats {
    peer.pool.peer_stats().into_iter().find(|stats| stats.url == url).unwrap()
}

#[test]
fn values_of_another_cluster_are_never_taken() {
    for server in SERVERS {
        let [ours, theirs] = pair(server, ["shop", "users"]);
        for key in keys_of(&ours, &theirs.url()) {
            assert_eq!(ours.group.get(&key).unwrap(), value_of(&key).as_str());
        }
        assert_eq!((ours.getter.calls(), theirs.getter.calls()), (20, 0));
        let error = ours.pool.picker().peers()[0]
            .remove("scores", &["key"], ChangeStamp::UNORDERED)
            .unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::OtherCluster);
        assert!(error.to_string().contains("users"), "{error}");
        assert_eq!(stats_of(&ours, &theirs.url()).state, PeerState::Down);
    }
}

#[test]
fn peers_of_one_cluster_and_those_that_name_none_get_on() {
    for server in SERVERS {
        let [one, other] = pair(server, ["shop", "shop"]);
        for key in keys_of(&one, &other.url()) {
            one.group.get(&key).unwrap();
        }
        assert_eq!((one.getter.calls(), other.getter.calls()), (0, 20));
        let getter = HttpGetter::new(&other.url()).unwrap();
        assert!(getter.get("scores", "Tom").is_ok());
    }
}

#[test]
fn a_process_in_its_list_by_two_names_asks_itself_once_and_says_so() {
    keep_logs();
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let alias = peer.url().replace("127.0.0.1", "localhost");
        peer.pool.set_peers([peer.url(), alias.clone()]).unwrap();
        let keys = keys_of(&peer, &alias);
        for key in &keys {
            assert_eq!(peer.group.get(key).unwrap(), value_of(key).as_str());
        }
        let seen = stats_of(&peer, &alias);
        assert_eq!((seen.state, seen.requests), (PeerState::Itself, 1));
        assert!(keys.iter().all(|key| peer.pool.picker().owns(key)));
        assert_eq!(peer.group.main_cache_stats().entries, 20);
        assert!(peer.pool.picker().peers().is_empty());
        let told = logged(&[&alias, "this very process under another name", "advertise"]);
        assert!(told.len() == 1 && told[0].0 == Level::Warn, "{told:?}");
    }
}

#[test]
fn spellings_of_one_url_are_one_peer() {
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    let url = peer.url();
    peer.pool.set_peers([url.clone(), format!("{url}/"), url.replace("http", "HTTP")]).unwrap();
    assert_eq!(peer.pool.list_stats().peers, 1);
    assert!(
        HttpPool::client(["http://0.0.0.0:8001"]).unwrap_err().to_string().contains("advertise")
    );
}

#[test]
fn lists_that_differ_are_seen_on_both_sides_though_one_side_alone_asks() {
    for server in SERVERS {
        let [one, other] = pair(server, ["shop", "shop"]);
        let third = "http://127.0.0.1:1".to_owned();
        let ask = || {
            // Keys that the asker takes for the other's, and that may be those of the third.
            for key in keys_of(&one, &other.url()) {
                one.group.get(&key).unwrap();
                one.group.remove(&key);
            }
        };
        ask();
        assert_eq!(stats_of(&one, &other.url()).list_differs_for, None);
        assert_eq!(stats_of(&other, &one.url()).list_differs_for, None);
        assert_eq!(one.pool.list_stats(), other.pool.list_stats());

        let begun = Instant::now();
        other.pool.set_peers([one.url(), other.url(), third.clone()]).unwrap();
        ask();
        assert!(begun.elapsed() < SOON);
        for (peer, about) in [(&one, &other), (&other, &one)] {
            let differs_for = stats_of(peer, &about.url()).list_differs_for;
            assert!(differs_for.is_some_and(|time| time <= begun.elapsed()), "{differs_for:?}");
            assert_eq!(peer.pool.list_stats().differing, 1);
        }
        assert_ne!(one.pool.list_stats().digest, other.pool.list_stats().digest);
        assert!(other.pool.list_stats().misdirected > 0);
        assert_eq!(one.pool.list_stats().misdirected, 0);

        other.pool.set_peers([one.url(), other.url()]).unwrap();
        ask();
        for (peer, about) in [(&one, &other), (&other, &one)] {
            assert_eq!(stats_of(peer, &about.url()).list_differs_for, None);
        }
    }
}

#[test]
fn a_client_with_another_list_is_seen_as_a_stranger() {
    let peer = Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool);
    peer.join(&[]);
    let client = HttpPool::client([peer.url(), "http://127.0.0.1:1".to_owned()]).unwrap();
    assert_eq!(peer.pool.list_stats().strangers_differ_for, None);
    let getters = client.picker().peers();
    for getter in getters.iter().filter(|getter| getter.name() == peer.url()) {
        getter.get("scores", "Tom").unwrap();
    }
    let differ_for = peer.pool.list_stats().strangers_differ_for;
    assert!(differ_for.is_some_and(|time| time < SOON + Duration::from_secs(60)));
    assert_eq!(peer.pool.list_stats().differing, 0);
}

#[test]
fn weights_share_keys_out() {
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    let other = "http://127.0.0.1:1";
    let owned = |weight: &str| {
        peer.pool.set_peers([peer.url(), format!("{other}{weight}")]).unwrap();
        let keys = (0..10_000).map(|n| format!("key {n}"));
        keys.filter(|key| peer.pool.owner(key).as_deref() == Some(other)).count()
    };
    let (once, thrice) = (owned("#weight=1"), owned("#weight=3"));
    assert_eq!(owned(""), once);
    assert!((6_000..9_000).contains(&thrice) && once < thrice, "{once}, {thrice}");
    let refused = peer.pool.set_peers([peer.url(), format!("{other}#weight=201")]).unwrap_err();
    assert!(refused.to_string().contains("10000 points"), "{refused}");
    assert_eq!(owned(""), once);
}
