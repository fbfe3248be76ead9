//! What is carried from the owner to who asks: values of all kinds, absence, life-times, errors.

use std::time::Duration;

use geecache::{Error, Group, HttpPool, Loaded};

use crate::support::{Cluster, CountingGetter, Peer, SERVERS, SOON};

#[test]
fn values_arrive_as_they_are() {
    let large: Vec<u8> = (0..11 << 20).map(|i: u32| (i ^ (i >> 8)) as u8).collect();
    for server in SERVERS {
        for value in [
            vec![],
            vec![0],
            (0..=255).collect(),
            b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            vec![b'x'; 1459],
            vec![b'x'; 64 << 10],
            large.clone(),
        ] {
            let source = {
                let value = value.clone();
                move |_| {
                    let value = value.clone();
                    CountingGetter::with(move |_| Ok(value.clone().into()))
                }
            };
            let cluster = Cluster::with(2, server, source);
            let key = cluster.key_owned_by(1);
            let got = cluster.node(0).group.get(&key).unwrap();
            assert!(got == value, "{server:?}: {} bytes became {got:?}", value.len());
            assert_eq!(cluster.node(0).getter.calls(), 0, "{server:?}: {} bytes", value.len());
        }
    }
}

#[test]
fn an_absent_key_is_the_owner_s_final_word() {
    for server in SERVERS {
        let cluster = Cluster::with(2, server, |_| CountingGetter::with(|_| Ok(Loaded::absent())));
        let key = cluster.key_owned_by(1);
        let error = cluster.node(0).group.get(&key).unwrap_err();
        assert!(matches!(&error, Error::NotFound { key: k, .. } if *k == key), "{error:?}");
        assert_eq!(cluster.node(0).getter.calls(), 0);
        let stats = cluster.node(0).stats();
        assert_eq!((stats.peer_loads, stats.peer_errors), (1, 0));
    }
}

#[test]
fn an_error_of_the_owner_s_getter_leads_to_the_own_one_and_is_no_fault_of_the_peer() {
    for server in SERVERS {
        let source = |node| {
            CountingGetter::with(move |key| match node {
                1 => Err("no route to the database".into()),
                _ => Ok(key.into()),
            })
        };
        let cluster = Cluster::with(2, server, source);
        for key in cluster.keys_owned_by(1).take(5) {
            assert_eq!(cluster.node(0).group.get(&key).unwrap(), key.as_str());
        }
        assert_eq!(cluster.node(1).getter.calls(), 5, "it was asked every time");
        assert_eq!(cluster.node(0).stats().peer_errors, 5);
    }
}

#[test]
fn a_panic_of_the_owner_s_getter_stays_there() {
    for server in SERVERS {
        let source = |node| {
            CountingGetter::with(move |key| {
                assert_ne!(node, 1, "the owner's getter panics");
                Ok(key.into())
            })
        };
        let cluster = Cluster::with(2, server, source);
        for key in cluster.keys_owned_by(1).take(5) {
            assert_eq!(cluster.node(0).group.get(&key).unwrap(), key.as_str());
        }
        assert_eq!(cluster.node(1).stats().local_load_errors, 5);
    }
}

#[test]
fn a_value_s_life_goes_on_at_the_other_peer() {
    for server in SERVERS {
        let source =
            |_| CountingGetter::with(|_| Ok(Loaded::from("brief").ttl(Duration::from_secs(100))));
        let cluster = Cluster::with(2, server, source);
        let key = cluster.key_owned_by(1);
        let peer = geecache::HttpGetter::new(&cluster.node(1).url()).unwrap();
        for _ in 0..2 {
            let loaded = geecache::PeerGetter::get(&peer, "scores", &key).unwrap();
            let left = loaded.time_to_live().unwrap();
            assert!(left <= Duration::from_secs(100) && left > Duration::from_secs(100) - SOON);
        }
    }
}

#[test]
fn a_peer_without_the_group_is_passed_over() {
    for server in SERVERS {
        let stranger = HttpPool::builder().server(server).bind("127.0.0.1:0").unwrap();
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let url = stranger.url().unwrap();
        peer.join(&[url]);
        let key = peer.key_owned_by(url);
        peer.group.get(&key).unwrap();
        assert_eq!((peer.getter.calls(), peer.stats().peer_errors), (1, 1));
        stranger.shutdown();
    }
}

#[test]
fn a_value_larger_than_a_peer_takes_is_loaded_by_itself() {
    for server in SERVERS {
        let source = || CountingGetter::with(|_| Ok(vec![7; 1001].into()));
        let owner = Peer::start(server, source(), |pool| pool);
        let asker = Peer::start(server, source(), |pool| pool.max_value_bytes(1000));
        asker.join(&[&owner.url()]);
        let key = asker.key_owned_by(&owner.url());
        assert_eq!(asker.group.get(&key).unwrap(), vec![7; 1001]);
        assert_eq!((owner.getter.calls(), asker.getter.calls()), (1, 1));
        assert_eq!(asker.stats().peer_errors, 1);
    }
}

#[test]
fn many_groups_share_a_pool() {
    for server in SERVERS {
        let cluster = Cluster::of(2, server);
        let more = [0, 1].map(|node| {
            let getter = CountingGetter::with(|_| Ok("of another group".into()));
            let group = Group::new("more", 1 << 20, getter.clone());
            cluster.node(node).pool.add(&group).unwrap();
            (group, getter)
        });
        let key = cluster.key_owned_by(1);
        assert_eq!(more[0].0.get(&key).unwrap(), "of another group");
        assert_eq!(more[1].1.calls(), 1);
        assert_eq!(cluster.calls(), 0);
    }
}
