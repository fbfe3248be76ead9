//! Clusters that speak as groupcache's forks do. The forks themselves take part in `interop`.

use std::collections::{BTreeMap, BTreeSet};

use geecache::consistenthash::RingHash;
use geecache::{
    ChangeStamp, Error, Group, HttpGetter, HttpPool, Loaded, PeerAddress, PeerErrorKind,
    PeerGetter, PeerState, Protocol,
};

use crate::support::FaultyPeer;

const FORKS: [Protocol; 3] = [Protocol::Mailgun, Protocol::GroupcacheGo, Protocol::Galaxycache];

/// A group of values that are their keys.
fn group(name: &str) -> Group {
    Group::new(name, 1 << 20, |key: &str| match key {
        "absent" => Ok(Loaded::absent()),
        "fails" => Err("no disk"),
        _ => Ok(Loaded::from(key)),
    })
}

fn pool(protocol: Protocol, group: &Group) -> HttpPool {
    let pool = HttpPool::builder().protocol(protocol).bind("127.0.0.1:0").unwrap();
    pool.add(group).unwrap();
    pool
}

/// Keys that lie at different places on every ring.
fn keys() -> impl Iterator<Item = String> {
    (0..1_000_u32).map(|number| format!("{:08x}", number.wrapping_mul(0x9e37_79b1)))
}

#[test]
fn our_own_peers_have_all_they_know_in_the_protocol_of_a_fork() {
    for protocol in FORKS {
        let groups = [group("g"), group("g")];
        let pools = [pool(protocol, &groups[0]), pool(protocol, &groups[1])];
        let urls: Vec<&str> = pools.iter().filter_map(HttpPool::url).collect();
        for pool in &pools {
            pool.set_peers(urls.clone()).unwrap();
        }
        let owned = |key: &String| pools[1].owner(key).as_deref() == pools[1].url();
        let [key, other] = [0, 1].map(|at| keys().filter(owned).nth(at).unwrap());
        assert_eq!(groups[0].get(&key).unwrap(), &*key);
        let both: Vec<&str> = vec![&key, &other];
        assert!(groups[0].get_many(&both).iter().all(Result::is_ok));
        assert_eq!(groups[1].stats().loads, 2, "{protocol:?}");
        let report = groups[0].insert(&key, "NEW").unwrap();
        assert!(report.is_kept && report.is_complete(), "{report:?}");
        assert_eq!(groups[0].get(&key).unwrap(), "NEW");
        assert!(groups[0].remove(&key).is_complete());
        assert_eq!(groups[0].get(&key).unwrap(), &*key);
        assert!(groups[0].clear().is_complete());
        assert_eq!(groups[1].main_cache_stats().entries, 0);
    }
}

#[test]
fn peers_of_different_protocols_give_each_other_errors_and_no_values() {
    let all = [
        Protocol::GeeCache,
        Protocol::GeeCacheProtobuf,
        Protocol::Groupcache,
        Protocol::Mailgun,
        Protocol::GroupcacheGo,
        Protocol::Galaxycache,
    ];
    for theirs in all {
        let server = HttpPool::builder().protocol(theirs).base_path("/same/");
        let server = server.bind("127.0.0.1:0").unwrap();
        server.add(&group("g")).unwrap();
        for ours in all {
            let client = HttpPool::builder().protocol(ours).base_path("/same/");
            let client = client.client([server.url().unwrap()]).unwrap();
            let answer = client.picker().pick_peer("k").unwrap().get("g", "k");
            if ours == theirs {
                assert!(answer.unwrap().value().is_some_and(|value| value == "k"));
            } else {
                let error = answer.unwrap_err();
                assert_eq!(error.kind(), PeerErrorKind::Protocol, "{ours:?} asks {theirs:?}");
            }
        }
    }
}

#[test]
fn names_on_the_ring_are_those_of_the_list() {
    let mut ring = RingHash::Crc32.ring();
    ring.extend(["cache-0", "cache-1"]);
    let groups = [group("g"), group("g")];
    let pools = [0, 1].map(|number: usize| {
        let builder = HttpPool::builder().protocol(Protocol::Galaxycache);
        let pool = builder.ring_name(format!("cache-{number}")).bind("127.0.0.1:0").unwrap();
        pool.add(&groups[number]).unwrap();
        pool
    });
    let urls: Vec<&str> = pools.iter().filter_map(HttpPool::url).collect();
    let list = [0, 1].map(|number| PeerAddress::named(format!("cache-{number}"), urls[number]));
    pools[0].set_peers(list.clone()).unwrap();
    // Its own name it knows.
    pools[1].set_peers([list[0].clone(), urls[1].into()]).unwrap();
    let mut owners = BTreeSet::new();
    for key in keys() {
        let owner = match ring.get(&key) {
            Some("cache-0") => urls[0],
            _ => urls[1],
        };
        owners.insert(owner);
        for pool in &pools {
            assert_eq!(pool.owner(&key).as_deref(), Some(owner), "{key}");
        }
        groups[0].get(&key).unwrap();
    }
    assert_eq!(owners.len(), 2);
    assert_eq!(groups.iter().map(|group| group.stats().local_loads).sum::<u64>(), 1_000);
    assert_eq!(pools[0].peer_stats()[0].url, urls[1]);
}

#[test]
fn a_list_in_which_names_are_not_clear_is_refused() {
    let builder = HttpPool::builder().ring_name("me");
    let pool = builder.bind("127.0.0.1:0").unwrap();
    let own = pool.url().unwrap().to_owned();
    let (a, b) = ("http://a:1", "http://b:1");
    let me = || PeerAddress::from(&*own);
    for (list, reason) in [
        (vec![me(), PeerAddress::named("x", a), PeerAddress::named("x", b)], "the same name"),
        (vec![me(), PeerAddress::named("x", a), PeerAddress::named("y", a)], "two names"),
        (vec![me(), PeerAddress::named("me", a)], "the same name"),
        (vec![me(), PeerAddress::named("", a)], "empty"),
        (vec![PeerAddress::named("you", &own), a.into()], "ring_name"),
    ] {
        match pool.set_peers(list.clone()) {
            Err(Error::InvalidPeer { reason: why, .. }) => assert!(why.contains(reason), "{why}"),
            other => panic!("{list:?} gave {other:?}"),
        }
    }
    let twice = PeerAddress::named("x", a);
    pool.set_peers([me(), twice.clone(), twice, a.replace('a', "b").into()]).unwrap();
    assert_eq!(pool.peer_stats().len(), 2);
    let nameless = HttpPool::builder().ring_name("").bind("127.0.0.1:0");
    assert!(matches!(nameless, Err(Error::InvalidOption { option: "ring_name", .. })));
}

#[test]
fn final_answers_of_a_fork_are_not_held_against_it() {
    let answer = |code: &str, more: &str| {
        let head = format!("HTTP/1.1 {code}\r\nContent-Type: text/plain; charset=utf-8\r\n{more}");
        format!("{head}Content-Length: 4\r\n\r\nwhy\n").into_bytes()
    };
    let found = "X-Galaxycache-Galaxy-Status: Found\r\n";
    let missing = "X-Galaxycache-Galaxy-Status: Not Found\r\n";
    for (protocol, bytes, expected) in [
        (Protocol::Mailgun, answer("404 Not Found", ""), None),
        (Protocol::Mailgun, answer("503 Service Unavailable", ""), Some(PeerErrorKind::Load)),
        (Protocol::GroupcacheGo, answer("404 Not Found", ""), None),
        (Protocol::GroupcacheGo, answer("503 Service Unavailable", ""), Some(PeerErrorKind::Load)),
        (Protocol::Galaxycache, answer("404 Not Found", found), None),
        (Protocol::Galaxycache, answer("404 Not Found", missing), Some(PeerErrorKind::NoSuchGroup)),
        (Protocol::Galaxycache, answer("500 Internal", found), Some(PeerErrorKind::Load)),
    ] {
        let peer =
            FaultyPeer::start(
                move |connection| {
                    while connection.request().is_some() && connection.send(&bytes) {}
                },
            );
        let client = HttpPool::builder().protocol(protocol).client([peer.url()]).unwrap();
        for _ in 0..10 {
            let answer = client.picker().pick_peer("k").unwrap().get("g", "k");
            match (answer, expected) {
                (Ok(loaded), None) => assert!(loaded.value().is_none()),
                (Err(error), Some(kind)) => assert_eq!(error.kind(), kind),
                other => panic!("{protocol:?}: {other:?}"),
            }
        }
        let stats = &client.peer_stats()[0];
        assert_eq!((stats.state, stats.failures), (PeerState::Up, 0), "{protocol:?}");
    }
}

#[test]
fn a_group_whose_name_holds_a_slash_is_refused_at_every_way_in() {
    let slashed = group("a/b");
    let server = HttpPool::bind("127.0.0.1:0").unwrap();
    let client = HttpPool::client([server.url().unwrap()]).unwrap();
    for refused in [server.add(&slashed), client.add(&slashed), client.add(&group(""))] {
        assert!(matches!(refused, Err(Error::InvalidGroup { .. })), "{refused:?}");
    }
    assert!(matches!(server.registry().insert(&slashed), Err(Error::InvalidGroup { .. })));
    // Nothing is sent for it: the peer would look for another group.
    let peer = FaultyPeer::start(|_| panic!("nobody is asked"));
    let getter = HttpGetter::new(&peer.url()).unwrap();
    let value = Loaded::from("v");
    let mut of_batch = BTreeMap::new();
    getter.get_many("a/b", &["k", "l"], &mut |at, answer| {
        of_batch.insert(at, answer.unwrap_err());
    });
    assert_eq!(of_batch.len(), 2);
    for error in of_batch.into_values().chain([
        getter.get("a/b", "k").unwrap_err(),
        getter.peek("a/b", "k").unwrap_err(),
        getter.remove("a/b", &["k"], ChangeStamp::UNORDERED).unwrap_err(),
        getter.clear("a/b", ChangeStamp::UNORDERED).unwrap_err(),
        getter.insert("a/b", "k", &value, ChangeStamp::UNORDERED).unwrap_err(),
    ]) {
        assert_eq!(error.kind(), PeerErrorKind::NotSupported, "{error}");
    }
    assert_eq!(peer.connections(), 0);
    // The group can still work, alone.
    slashed.register_peers(client.picker()).unwrap();
    assert_eq!(slashed.get("k").unwrap(), "k");
}
