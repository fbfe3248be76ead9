//! A client sees where an owner had a value.

use geecache::{ChangeStamp, Group, HttpPool, Loaded, Origin};

use crate::support::{CountingGetter, FaultyPeer, Peer, SERVERS, until, value_of};

fn client_of(url: String) -> (HttpPool, Group) {
    let client = Peer::client(&[url]);
    let group = Group::builder("scores", 0, CountingGetter::new())
        .hot_cache(geecache::HotCache::Off)
        .build();
    client.add(&group).unwrap();
    (client, group)
}

#[test]
fn an_answer_tells_whether_it_came_from_memory() {
    for server in SERVERS {
        let source = CountingGetter::with(|key| match key {
            "nobody" => Ok(Loaded::absent().ttl(std::time::Duration::from_secs(60))),
            _ => Ok(value_of(key).into()),
        });
        let owner = Peer::start(server, source, |pool| pool);
        let (_client, group) = client_of(owner.url());
        let origin = |key| group.get_with_origin(key).unwrap().1;
        assert_eq!(origin("Tom"), Origin::Owner, "{server:?}");
        assert_eq!(origin("Tom"), Origin::OwnerMemory, "{server:?}");
        assert!(group.get("nobody").is_err() && group.get("nobody").is_err());
        assert_eq!((group.stats().peer_loads, group.stats().peer_hits), (4, 2), "{server:?}");
        group.get_many(&["Tom", "Jack", "nobody"]);
        assert_eq!((group.stats().peer_loads, group.stats().peer_hits), (7, 4), "{server:?}");
    }
}

#[test]
fn a_peer_of_another_program_does_not_tell() {
    let go = FaultyPeer::saying("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n630");
    let (_client, group) = client_of(go.url());
    assert_eq!(group.get_with_origin("Tom").unwrap().1, Origin::Owner);
    assert_eq!(group.stats().peer_hits, 0);
}

#[test]
fn a_peer_in_the_place_of_an_owner_that_is_down_is_a_stand_in() {
    for server in SERVERS {
        let peers = [0, 1].map(|_| Peer::start(server, CountingGetter::new(), |pool| pool));
        let urls = [0, 1].map(|node| peers[node].url());
        let client = Peer::client(&urls);
        let group = Group::new("scores", 0, CountingGetter::new());
        client.add(&group).unwrap();
        let key = peers[0].key_owned_by(&urls[1]);
        assert_eq!(group.get_with_origin(&key).unwrap().1, Origin::Owner);
        peers[1].pool.shutdown();
        until("the client knows that the owner is down", || {
            let origin = group.get_with_origin(&key).unwrap().1;
            assert!(matches!(origin, Origin::StandIn | Origin::Copy), "{server:?}: {origin:?}");
            client.peer_stats().iter().any(|peer| peer.state == geecache::PeerState::Down)
        });
        group.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
        assert_eq!(group.get_with_origin(&key).unwrap().1, Origin::StandIn, "{server:?}");
    }
}
